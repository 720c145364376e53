//! The files of the room: a place to drop some, the one that is coming, and a list of all.
//!
//! The list shows the latest only, with a field to search the others, and is made anew only when something changed: there may
//! be thousands. Names come from friends, so they are shown as text and never as markup.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use js_sys::JsString;
use manyhands_core::Command;
use manyhands_core::files::{FileInfo, FileState};
use manyhands_core::view::Phase;
use manyhands_wire::FileId;
use manyhands_wire::file::FileKind;
use wasm_bindgen_futures::spawn_local;

use super::chunks::Chunks;
use super::dom::{El, el, told};
use super::file_rows::Rows;
use super::format::{bytes, whole};
use super::intake::Intake;
use super::save;
use super::state::{Room, Scene};
use crate::store::Way;

/// How many files the list shows at most.
const SHOWN_MAX: usize = 200;
/// From how many files on there is a field to search them.
const SEARCHED_MIN: u32 = 8;
/// How many drawings of the page the list rests at least after one of its own: with many files, with few.
const RESTS: [u32; 2] = [10, 1];
/// From how many files on they are many.
const MANY: u32 = 500;
/// How many drawings the list rests at most, since it says how long ago things were.
const REST_MAX: u32 = 50;
/// What is told where nothing lasts.
const FORGETFUL: &str = "This browser gives the page no storage, or another tab holds it: files are kept in memory, 64 MB of \
    them at most, and are gone here when the page is closed.";
/// What is told where the store took too long to open.
const LATE: &str =
    "The files that this browser has from before were not there in time. Load the page again to see them.";
/// What is told where nothing works.
const FAILED: &str = "The program that keeps files could not be started in this browser.";

/// The side of the room that shows files.
pub(crate) struct Files {
    el: El,
    count: El,
    intake: Intake,
    warning: El,
    chunks: Chunks,
    search: [El; 2],
    nothing: El,
    rows: Rows,
    more: El,
    room: Weak<Room>,
    /// What the list was made of: the version of the files, and what was searched for.
    made_of: RefCell<(u64, String)>,
    rested: Cell<u32>,
    /// The file whose chunks are shown, and whether the person chose that, or that it be none.
    watched: Rc<Cell<(Option<FileId>, bool)>>,
}

impl Files {
    /// Made once.
    pub(crate) fn new(room: &Rc<Room>) -> Self {
        let count = el("span").class("count").id("files-count");
        let title = el("h2").id("files-title").text("Files ").with(&[&count]);
        let intake = Intake::new(room);
        let warning = told("p", "trouble quiet", "").attr("role", "status");
        warning.show_if(false);
        let chunks = Chunks::new();
        let find = el("input").id("find").attr("type", "text").attr("autocomplete", "off");
        let label = el("label").attr("for", "find").text("Find a file by its name");
        let search = el("div").class("find").with(&[&label, &find]);
        let nothing = told("p", "muted", "Nobody has put a file here yet.");
        let watched = Rc::<Cell<(Option<FileId>, bool)>>::default();
        let rows = Rows::new("files-title", deed(room, &watched));
        let more = told("p", "muted", "");
        let el = el("section").id("files").class("files").attr("aria-labelledby", "files-title").with(&[
            &title,
            intake.el(),
            &warning,
            chunks.el(),
            &search,
            &nothing,
            rows.el(),
            &more,
        ]);
        Self {
            el,
            count,
            intake,
            warning,
            chunks,
            search: [search, find],
            nothing,
            rows,
            more,
            room: Rc::downgrade(room),
            made_of: RefCell::default(),
            rested: Cell::new(REST_MAX),
            watched,
        }
    }

    /// Its element.
    pub(crate) fn el(&self) -> &El {
        &self.el
    }

    /// Shows how things are.
    pub(crate) fn draw(&self, scene: &Scene) {
        let Some(room) = self.room.upgrade() else { return };
        let (Some(driver), Some(store)) = (room.driver(), room.store()) else { return };
        let summary = scene.view.files.clone().unwrap_or_default();
        self.count.say(&match summary.known {
            0 => String::new(),
            known => [
                &whole(known.into()),
                " known, ",
                &whole(summary.here.into()),
                " here with ",
                &bytes(summary.bytes_here),
            ]
            .concat(),
        });
        let has_left = scene.view.phase == Phase::Left;
        self.intake.draw(!has_left);
        let warning = match store.way() {
            _ if has_left => None,
            _ if store.has_failed() => Some(FAILED),
            _ if store.is_late() => Some(LATE),
            Way::Memory => Some(FORGETFUL),
            Way::Disk | Way::Database => None,
        };
        self.warning.say_if(warning);
        let [search, find] = &self.search;
        let wanted = lower(find.value().trim());
        search.show_if(summary.known >= SEARCHED_MIN || !wanted.is_empty());

        let made_of = (summary.version, wanted);
        let rested = self.rested.get().saturating_add(1);
        let rest = RESTS[usize::from(summary.known < MANY)];
        let is_new = *self.made_of.borrow() != made_of;
        if rested >= REST_MAX || (is_new && rested >= rest) || made_of.1 != self.made_of.borrow().1 {
            self.rested.set(0);
            self.list(&driver.files(), &made_of.1);
            *self.made_of.borrow_mut() = made_of;
        } else {
            self.rested.set(rested);
        }

        let watched = self.watched.get().0.and_then(|file| driver.file(&file));
        self.rows.mark(watched.as_ref().map(|file| file.id));
        self.chunks.draw(&scene.view, watched.as_ref(), |file| driver.chunk_states(file));
    }

    /// Makes the list of those whose name has the wanted words in it, and watches one that is coming.
    fn list(&self, files: &[FileInfo], wanted: &str) {
        let found: Vec<&FileInfo> =
            files.iter().filter(|file| wanted.is_empty() || lower(&file.name).contains(wanted)).collect();
        self.nothing.show_if(files.is_empty());
        self.rows.draw(&found[..found.len().min(SHOWN_MAX)]);
        let more = if found.len() > SHOWN_MAX {
            Some([&whole(SHOWN_MAX as u64), " of ", &whole(found.len() as u64), " are shown."].concat())
        } else {
            (found.is_empty() && !files.is_empty()).then(|| "No file has that in its name.".to_owned())
        };
        self.more.say_if(more.as_deref());

        let is_coming = |file: &&FileInfo| file.state == FileState::Fetching;
        let (id, is_chosen) = self.watched.get();
        let is_done = !files.iter().any(|file| Some(file.id) == id && is_coming(&file));
        if !is_chosen
            && is_done
            && let Some(coming) = files.iter().filter(is_coming).max_by_key(|file| file.size)
        {
            self.watched.set((Some(coming.id), false));
        }
    }
}

/// The text in small letters, as the browser knows them: the tables for all scripts are there already.
fn lower(text: &str) -> String {
    JsString::from(text).to_lower_case().into()
}

/// What a button in a row does.
fn deed(room: &Rc<Room>, watched: &Rc<Cell<(Option<FileId>, bool)>>) -> impl Fn(&str, FileId) + 'static {
    let (room, watched) = (Rc::downgrade(room), Rc::clone(watched));
    move |what, id| {
        let Some(room) = room.upgrade() else { return };
        match what {
            "get" => {
                watched.set((Some(id), false));
                room.command(Command::FetchFile(id, None));
            }
            "forget" => room.command(Command::ForgetFile(id)),
            "save" => spawn_local(hand_out(room, id)),
            _ => {
                let is_shown = watched.get().0 == Some(id);
                watched.set((if is_shown { None } else { Some(id) }, true));
            }
        }
    }
}

/// Saves a file, or asks for all files of a set.
async fn hand_out(room: Rc<Room>, id: FileId) {
    let file = room.driver().and_then(|driver| driver.file(&id));
    let (Some(file), Some(store)) = (file, room.store().cloned()) else { return };
    let done = match (store.give(id).await, file.kind) {
        (Some(blob), FileKind::File) => save::save(&blob, &file.name).ok(),
        (Some(blob), FileKind::Set) => save::members(&blob).await.map(|members| {
            // Not by way of the room, which would draw the page for each of thousands.
            for (member, driver) in members.into_iter().zip(std::iter::repeat(room.driver()).flatten()) {
                if !driver.file(&member).is_some_and(|file| file.state == FileState::Here) {
                    driver.command(Command::FetchFile(member, None));
                }
            }
        }),
        (None, _) => None,
    };
    if done.is_none() {
        room.complain(["“", &file.name, "” could not be read from this browser's storage."].concat());
    }
}
