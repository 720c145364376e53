//! Where the person puts files: dropped anywhere on the page, or chosen.
//!
//! One after the other is taken in by the store, which says what it is; then the core is told. Of several at once a set is made
//! as well: a list of them, which others can get as a whole.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use js_sys::{Array, Date, Uint8Array};
use manyhands_core::Command;
use manyhands_core::files::NewFile;
use manyhands_core::view::Phase;
use manyhands_wire::FileId;
use manyhands_wire::file::{FILE_NAME_BYTES_MAX, FileKind, MEDIA_TYPE_BYTES_MAX};
use wasm_bindgen::JsCast as _;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Blob, DataTransfer, DragEvent, Event, File, FileList, HtmlInputElement};

use super::dom::{El, body, el, told};
use super::format::{bytes, whole};
use super::state::Room;

/// How many files are taken in at once at most.
const FILES_MAX: u32 = 10_000;
/// How many may wait.
const WAITING_MAX: usize = 20_000;

/// The place to drop files on, and what becomes of them.
pub(super) struct Intake {
    el: El,
    zone: El,
    field: El,
    status: [El; 3],
    taking: Rc<Taking>,
}

/// What is being taken in.
struct Taking {
    room: Weak<Room>,
    /// Files that were put together.
    batches: RefCell<VecDeque<Vec<File>>>,
    is_busy: Cell<bool>,
    what: RefCell<String>,
    thousandths: Rc<Cell<u32>>,
    /// What could not be taken in.
    troubles: RefCell<Vec<String>>,
}

impl Intake {
    /// Made once.
    pub(super) fn new(room: &Rc<Room>) -> Self {
        let taking = Rc::new(Taking {
            room: Rc::downgrade(room),
            batches: RefCell::default(),
            is_busy: Cell::default(),
            what: RefCell::default(),
            thousandths: Rc::default(),
            troubles: RefCell::default(),
        });
        let chosen = Rc::clone(&taking);
        let field = el("input").id("put").class("hidden").attr("type", "file").attr("multiple", "");
        let field = field.attr("aria-describedby", "put-why").on("change", move |event| {
            let Some(input) = event.target() else { return };
            let input: HtmlInputElement = input.unchecked_into();
            chosen.put(input.files());
            // So that the same file can be chosen once more.
            input.set_value("");
        });
        let words =
            el("span").with(&[&told("strong", "", "Choose files")]).text(", or drop them on this page");
        let why = told(
            "span",
            "why",
            "Everybody in the room can get them. They stay in this browser, too, until you or it forget them.",
        );
        let zone = el("label").class("drop").with(&[&field, &words, &why.id("put-why")]);
        let (dropped, over) = (Rc::clone(&taking), zone.clone());
        // Without this, a file that misses its mark would take the page's place.
        let body = body().on("dragover", move |event| {
            if files_on(&event).is_none() {
                return;
            }
            event.prevent_default();
            over.set("data-over", "true");
        });
        let over = zone.clone();
        let body = body.on("dragleave", move |_| over.set("data-over", "false"));
        let over = zone.clone();
        drop(body.on("drop", move |event| {
            let Some(data) = files_on(&event) else { return };
            event.prevent_default();
            over.set("data-over", "false");
            dropped.put(data.files());
        }));
        let (what, filling) = (el("p").attr("role", "status"), el("i"));
        let bar = el("div").class("bar").attr("aria-hidden", "true").with(&[&filling]);
        let trouble = told("p", "trouble", "").id("put-trouble").attr("role", "alert");
        let el = el("div").class("intake").with(&[&zone, &what, &bar, &trouble]);
        bar.show_if(false);
        trouble.show_if(false);
        // The bar is filled by its own property.
        Self { el, zone, field, status: [what, bar, trouble], taking }
    }

    /// Its element.
    pub(super) fn el(&self) -> &El {
        &self.el
    }

    /// Shows how far things are, and whether files may be put.
    pub(super) fn draw(&self, is_open: bool) {
        self.zone.show_if(is_open);
        self.field.enable_if(is_open);
        let [what, bar, trouble] = &self.status;
        let is_busy = self.taking.is_busy.get();
        what.say_if(is_busy.then(|| self.taking.what.borrow().clone()).as_deref());
        bar.show_if(is_busy);
        bar.style("--p", &self.taking.thousandths.get().to_string());
        let troubles = self.taking.troubles.borrow().join(" ");
        trouble.say_if((!troubles.is_empty()).then_some(&troubles));
    }
}

/// What is dragged, if it is files: a text is left to the field that it is dragged to.
fn files_on(event: &Event) -> Option<DataTransfer> {
    let data = event.unchecked_ref::<DragEvent>().data_transfer()?;
    data.types().includes(&"Files".into(), 0).then_some(data)
}

impl Taking {
    /// These were put together.
    fn put(self: &Rc<Self>, files: Option<FileList>) {
        let Some(files) = files.filter(|files| files.length() > 0) else { return };
        let open = self.room.upgrade().filter(|room| room.phase() != Phase::Left);
        let mut batches = self.batches.borrow_mut();
        let waiting: usize = batches.iter().map(Vec::len).sum();
        if open.is_none() {
            return;
        }
        if !self.is_busy.get() {
            self.troubles.borrow_mut().clear();
        }
        if files.length() > FILES_MAX || waiting > WAITING_MAX {
            let max = whole(FILES_MAX.into());
            self.troubles
                .borrow_mut()
                .push(["These are too many files at once: ", &max, " at most."].concat());
            return;
        }
        batches.push_back((0..files.length()).filter_map(|at| files.item(at)).collect());
        if !self.is_busy.replace(true) {
            let this = Rc::clone(self);
            spawn_local(async move { this.work().await });
        }
    }

    async fn work(&self) {
        loop {
            let Some(batch) = self.batches.borrow_mut().pop_front() else { break };
            let mut members: Vec<FileId> = Vec::new();
            let mut free = self.free_bytes();
            for (at, file) in batch.iter().enumerate() {
                let place = if batch.len() > 1 {
                    [" (", &whole(at as u64 + 1), " of ", &whole(batch.len() as u64), ")"].concat()
                } else {
                    String::new()
                };
                let name = file.name();
                *self.what.borrow_mut() = ["Adding “", &name, "”", &place, "…"].concat();
                match self.take(file, name.clone(), file.type_(), FileKind::File, free).await {
                    Ok(id) => {
                        free = free.saturating_sub(file.size() as u64);
                        if !members.contains(&id) {
                            members.push(id);
                        }
                    }
                    Err(why) => self.fail(&name, &why),
                }
            }
            if members.len() > 1 {
                let name = [&whole(members.len() as u64), " files"].concat();
                let ids: Vec<u8> = members.iter().flat_map(|id| id.0).collect();
                let content = Array::of1(&Uint8Array::from(ids.as_slice()));
                let taken = match Blob::new_with_buffer_source_sequence(&content) {
                    Ok(content) => {
                        self.take(&content, name.clone(), String::new(), FileKind::Set, free).await
                    }
                    Err(_) => Err("there is no memory".to_owned()),
                };
                if let Err(why) = taken {
                    self.fail(&name, &why);
                }
            }
        }
        self.is_busy.set(false);
    }

    /// How much there is room for.
    fn free_bytes(&self) -> u64 {
        let room = self.room.upgrade();
        let summary = room.and_then(|room| room.driver()?.view().files).unwrap_or_default();
        summary.quota_bytes.saturating_sub(summary.bytes_here)
    }

    /// Takes one file in, and tells the core.
    async fn take(
        &self,
        file: &Blob,
        mut name: String,
        mut media_type: String,
        kind: FileKind,
        free: u64,
    ) -> Result<FileId, String> {
        const GONE: &str = "the page has left the room";
        let room = self.room.upgrade().ok_or(GONE)?;
        let store = Rc::clone(room.store().ok_or(GONE)?);
        let size = file.size() as u64;
        if size > free {
            return Err(["it has ", &bytes(size), ", and this browser has room for ", &bytes(free)].concat());
        }
        while name.len() > FILE_NAME_BYTES_MAX {
            name.pop();
        }
        if media_type.len() > MEDIA_TYPE_BYTES_MAX {
            media_type.clear();
        }
        self.thousandths.set(0);
        let thousandths = Rc::clone(&self.thousandths);
        let manifest = store.take(file, name, kind, move |now| thousandths.set(now)).await?;
        let id = manifest.id();
        let new = NewFile { manifest, media_type, put_ms: Date::now() as u64 };
        // Not by way of the room, which would draw the page for each of thousands.
        room.driver().ok_or(GONE)?.command(Command::AddFile(new));
        Ok(id)
    }

    /// Tells the first few troubles; more would only fill the page.
    fn fail(&self, name: &str, why: &str) {
        let mut troubles = self.troubles.borrow_mut();
        match troubles.len() {
            0..3 => troubles.push(["“", name, "” could not be added: ", why, "."].concat()),
            3 => troubles.push("And so it went with others.".to_owned()),
            _ => {}
        }
    }
}
