//! What is said in the room, and what was discovered: a quiet part of the page, the latest first.
//!
//! The path of each is a button that shows it on the drawing of the network once more.
//!
//! Texts come from friends, so they are shown as text and never as markup.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use manyhands_core::Command;
use manyhands_core::view::{MessageView, NewsView, Phase};
use manyhands_wire::flood::Body;

use super::dom::{El, by_id, el, told};
use super::format::{ago, capitalised, whole};
use super::state::{Flight, Room, Scene};

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
    news_rows: RefCell<Vec<Discovery>>,
    form: [El; 2],
}

struct Row {
    el: El,
    from: El,
    ago: El,
    text: El,
    path: Path,
}

struct Discovery {
    el: El,
    text: El,
    path: Path,
}

/// The way that something came.
struct Path {
    el: El,
    ids: Rc<RefCell<Flight>>,
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
                room.command(Command::Say(Body::Message(text)));
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
        if rows.len() != messages.len() {
            rows.resize_with(messages.len(), || Row::new(&self.room));
            self.list.hold(rows.iter().map(|row| &row.el));
        }
        for (row, message) in rows.iter().zip(messages.iter().rev()) {
            row.draw(message);
        }

        self.news_title.show_if(!news.is_empty());
        self.news.show_if(!news.is_empty());
        let mut rows = self.news_rows.borrow_mut();
        if rows.len() != news.len() {
            rows.resize_with(news.len(), || Discovery::new(&self.room));
            self.news.hold(rows.iter().map(|row| &row.el));
        }
        for (row, news) in rows.iter().zip(news) {
            row.draw(news);
        }

        for part in &self.form {
            part.enable_if(scene.view.phase != Phase::Left);
        }
    }
}

impl Row {
    fn new(room: &Weak<Room>) -> Self {
        let (from, ago) = (el("span").class("name"), el("span").class("muted"));
        let (text, path) = (el("p"), Path::new(room));
        let el = el("li").with(&[&el("p").with(&[&from]).text(" ").with(&[&ago]), &text, &path.el]);
        Self { el, from, ago, text, path }
    }

    fn draw(&self, message: &MessageView) {
        self.from.say(&message.from);
        self.ago.say(&ago(message.heard_ms));
        self.text.say(&message.text);
        self.path.draw(&message.path, &message.path_ids);
    }
}

impl Discovery {
    fn new(room: &Weak<Room>) -> Self {
        let (text, path) = (el("p"), Path::new(room));
        Self { el: el("li").with(&[&text, &path.el]), text, path }
    }

    fn draw(&self, news: &NewsView) {
        self.text.say(&sentence(news));
        self.path.draw(&news.path, &news.path_ids);
    }
}

impl Path {
    fn new(room: &Weak<Room>) -> Self {
        let ids: Rc<RefCell<Flight>> = Rc::default();
        let (room, way) = (room.clone(), Rc::clone(&ids));
        let button = el("button").class("path").attr("type", "button").attr("title", "Show the way");
        let el = button.on("click", move |_| {
            if let (Some(room), Some(sketch)) = (room.upgrade(), by_id("network")) {
                sketch.bring_into_view();
                room.fly(way.borrow().clone());
            }
        });
        Self { el, ids }
    }

    fn draw(&self, names: &[String], ids: &[String]) {
        if self.ids.borrow().as_slice() != ids {
            *self.ids.borrow_mut() = ids.to_vec();
        }
        // What this node said itself has come no way.
        self.el.say_if((names.len() > 1).then(|| names.join(" → ")).as_deref());
    }
}

fn sentence(news: &NewsView) -> String {
    [&capitalised(&news.what), ": ", &whole(news.value), ", found by ", &news.finder].concat()
}
