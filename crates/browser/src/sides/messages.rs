//! What is said in the room, and what was discovered: a quiet part of the page, the latest first.
//!
//! The path of each is a button that shows it on the drawing of the network once more. So a row stays with what it was made
//! for, and new ones come beside it: what has the focus never becomes something else.
//!
//! Texts come from friends, so they are shown as text and never as markup.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use manyhands_core::view::{NewsView, Phase};

use super::room::{Flight, Room, Scene};
use crate::listen::Listener;
use crate::page::dom::{El, by_id, el, told};
use crate::page::format::{ago, capitalised, whole};

/// The longest text that can be typed, in UTF-16 units: at three bytes each it is still within the wire's 8 KiB.
const TEXT_UNITS_MAX: &str = "2700";

/// The list of messages with a line to write one, and the list of news.
pub(crate) struct Messages {
    el: El,
    nothing: El,
    list: El,
    room: Weak<Room>,
    rows: RefCell<Vec<Row>>,
    news_title: El,
    news: El,
    news_rows: RefCell<Vec<Row>>,
    form: [El; 2],
}

/// Something that was said or discovered.
struct Row {
    el: El,
    head: El,
    from: El,
    ago: El,
    text: El,
    path: El,
    /// What it is for: the ids of its path, and the text or the kind of the discovery.
    ids: Flight,
    what: String,
    _pressed: Listener,
}

impl Messages {
    /// Made once.
    pub(crate) fn new(room: &Rc<Room>) -> Self {
        let field = el("input")
            .id("say")
            .attr("type", "text")
            .attr("maxlength", TEXT_UNITS_MAX)
            .attr("autocomplete", "off");
        let button = told("button", "", "Say it").attr("type", "submit");
        let (weak, typed) = (Rc::downgrade(room), field.clone());
        let form = el("form").class("say").on("submit", move |event| {
            event.prevent_default();
            let text = typed.value().trim().to_owned();
            if let Some(room) = weak.upgrade().filter(|_| !text.is_empty()) {
                room.say(&text);
                drop(typed.clone().with_value(""));
            }
        });
        let label = el("label").attr("for", "say").text("Say something to everybody");
        let nothing = told("p", "muted", "Nothing has been said yet.");
        let list =
            el("ol").class("said").id("said").attr("aria-labelledby", "messages-title").attr("tabindex", "0");
        let news_title = el("h3").id("news-title").text("Discoveries");
        let news = el("ul").class("said").id("discoveries").attr("aria-labelledby", "news-title");
        let el =
            el("section").id("messages").class("messages").attr("aria-labelledby", "messages-title").with(&[
                &told("h2", "", "Messages").id("messages-title"),
                &form.with(&[&label, &field, &button]),
                &nothing,
                &list,
                &news_title,
                &news,
            ]);
        Self {
            el,
            nothing,
            list,
            room: Rc::downgrade(room),
            rows: RefCell::default(),
            news_title,
            news,
            news_rows: RefCell::default(),
            form: [field, button],
        }
    }

    /// Its element.
    pub(crate) fn el(&self) -> &El {
        &self.el
    }

    /// Shows how things are.
    pub(crate) fn draw(&self, scene: &Scene) {
        let (messages, news) = (&scene.view.messages, &scene.view.news);
        self.nothing.show_if(messages.is_empty());
        self.list.show_if(!messages.is_empty());
        let mut rows = self.rows.borrow_mut();
        let keys = messages.iter().map(|message| (&*message.path_ids, &*message.text));
        // The oldest first, so that of two that are alike each keeps its row.
        if self.tend(&mut rows, keys) {
            self.list.hold(rows.iter().rev().map(|row| &row.el));
        }
        for (row, message) in rows.iter().zip(messages) {
            row.from.say(&message.from);
            row.ago.say(&ago(message.heard_ms));
            row.draw(&message.text, &message.path);
        }

        self.news_title.show_if(!news.is_empty());
        self.news.show_if(!news.is_empty());
        let mut rows = self.news_rows.borrow_mut();
        if self.tend(&mut rows, news.iter().map(|news| (&*news.path_ids, &*news.what))) {
            self.news.hold(rows.iter().map(|row| &row.el));
        }
        for (row, news) in rows.iter().zip(news) {
            row.head.show_if(false);
            row.draw(&sentence(news), &news.path);
        }

        for part in &self.form {
            part.enable_if(scene.view.phase != Phase::Left);
        }
    }

    /// Has one row for each key, in this order, and takes the others out of the page. Whether anything changed.
    fn tend<'a>(&self, rows: &mut Vec<Row>, keys: impl Iterator<Item = (&'a [String], &'a str)>) -> bool {
        let mut changed = false;
        let mut old = std::mem::take(rows);
        for (ids, what) in keys {
            let place = old.iter().position(|row| row.ids == ids && row.what == what);
            changed |= place != Some(0);
            rows.push(match place {
                Some(place) => old.remove(place),
                None => Row::new(&self.room, ids, what),
            });
        }
        // Before the others are put in order: what is in its place already need not move then, and keeps the focus.
        old.iter().for_each(|row| row.el.remove());
        changed || !old.is_empty()
    }
}

impl Row {
    fn new(room: &Weak<Room>, ids: &[String], what: &str) -> Self {
        let (from, ago, text) = (el("span").class("name"), el("span").class("muted"), el("p"));
        let (room, way) = (room.clone(), ids.to_vec());
        let path = el("button").class("path").attr("type", "button").attr("title", "Show the way");
        // Rows come and go, and take this with them.
        let pressed = path.listen("click", move |_| {
            if let (Some(room), Some(sketch)) = (room.upgrade(), by_id("network")) {
                sketch.bring_into_view();
                room.fly(way.clone());
            }
        });
        let head = el("p").with(&[&from]).text(" ").with(&[&ago]);
        let el = el("li").with(&[&head, &text, &path]);
        Self { el, head, from, ago, text, path, ids: ids.to_vec(), what: what.to_owned(), _pressed: pressed }
    }

    fn draw(&self, text: &str, path: &[String]) {
        self.text.say(text);
        // What this node said itself has come no way.
        self.path.say_if((path.len() > 1).then(|| path.join(" → ")).as_deref());
    }
}

fn sentence(news: &NewsView) -> String {
    [&capitalised(&news.what), ": ", &whole(news.value), ", found by ", &news.finder].concat()
}
