//! The list of files: a table, which becomes a list of cards on a phone.
//!
//! Rows are kept by the file's id, so that they move with it and what has the focus never becomes something else. All
//! buttons are listened to in one place.

use std::cell::{Cell, RefCell};

use js_sys::Date;
use manyhands_core::files::{FileInfo, FileState};
use manyhands_wire::FileId;
use manyhands_wire::file::FileKind;
use wasm_bindgen::JsCast as _;
use web_sys::Element;

use super::dom::{El, document, el, told};
use super::format::{ago, bytes, percent};

/// The columns, as the head names them and the style sheet places them.
const COLUMNS: [(&str, &str); 4] =
    [("Size", "num size"), ("Here", "here"), ("On", "on"), ("Put there", "put")];
/// The buttons of a row: what they do, and what they say.
const BUTTONS: [(&str, &str); 3] = [("get", "Get"), ("save", "Save"), ("forget", "Forget here")];

/// The table.
pub(super) struct Rows {
    el: El,
    body: El,
    rows: RefCell<Vec<Row>>,
    marked: Cell<Option<FileId>>,
}

struct Row {
    id: FileId,
    el: El,
    name: El,
    cells: [El; COLUMNS.len()],
    buttons: [El; BUTTONS.len()],
}

impl Rows {
    /// Made once, with the id of its title and what a button does: `show` or one of the deeds above, and to which file.
    pub(super) fn new(title: &str, deed: impl Fn(&str, FileId) + 'static) -> Self {
        let header = |text: &str| el("th").attr("role", "columnheader").attr("scope", "col").text(text);
        // The roles are said again, as the style sheet of a phone takes them away.
        let mut head = el("tr").attr("role", "row").with(&[&header("Name")]);
        for (name, class) in COLUMNS {
            head = head.with(&[&header(name).class(class)]);
        }
        let head = el("thead").attr("role", "rowgroup").with(&[&head.with(&[&el("td")])]);
        let body = el("tbody").attr("role", "rowgroup").on("click", move |event| {
            let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
            let Some(button) = target.and_then(|target| target.closest("[data-do]").ok().flatten()) else {
                return;
            };
            let row = button.closest("[data-file]").ok().flatten();
            let file = row.and_then(|row| FileId::parse(&row.get_attribute("data-file")?));
            if let (Some(what), Some(file)) = (button.get_attribute("data-do"), file) {
                deed(&what, file);
            }
        });
        let table = el("table").class("peers listing").attr("role", "table").attr("aria-labelledby", title);
        Self { el: table.with(&[&head, &body]), body, rows: RefCell::default(), marked: Cell::default() }
    }

    /// Its element.
    pub(super) fn el(&self) -> &El {
        &self.el
    }

    /// Shows these files.
    pub(super) fn draw(&self, files: &[&FileInfo]) {
        self.el.show_if(!files.is_empty());
        let mut rows = self.rows.borrow_mut();
        let mut left_over = std::mem::take(&mut *rows);
        for file in files {
            // Most are where they were, as far as those before them went.
            let row = match left_over.iter().position(|row| row.id == file.id) {
                Some(place) => left_over.remove(place),
                None => Row::new(file.id),
            };
            row.draw(file);
            rows.push(row);
        }
        left_over.iter().for_each(|row| row.el.remove());
        self.body.hold(rows.iter().map(|row| &row.el));
        self.marked.set(None);
        // A button that was pressed and is hidden now takes the focus with it: the name of its row has it then.
        if let Ok(Some(button)) = document().query_selector("[data-do][hidden]:focus")
            && let Some(row) = rows.iter().find(|row| row.el.has(&button))
        {
            row.name.focus();
        }
    }

    /// Marks the row of the file that is shown in full.
    pub(super) fn mark(&self, file: Option<FileId>) {
        if self.marked.replace(file) != file || file.is_none() {
            for row in &*self.rows.borrow() {
                row.name.set("aria-expanded", if Some(row.id) == file { "true" } else { "false" });
            }
        }
    }
}

impl Row {
    fn new(id: FileId) -> Self {
        let name = el("button").class("file").attr("type", "button").attr("data-do", "show");
        let name = name.attr("aria-controls", "chunks");
        let head = el("th").class("who").attr("role", "rowheader").attr("scope", "row").with(&[&name]);
        let cells = COLUMNS
            .map(|(label, class)| el("td").class(class).attr("role", "cell").attr("data-label", label));
        let buttons = BUTTONS
            .map(|(what, text)| told("button", "small", text).attr("type", "button").attr("data-do", what));
        let deeds = el("td").class("deeds").attr("role", "cell").with(&buttons.each_ref());
        let row = el("tr").attr("role", "row").attr("data-file", &id.to_string());
        let row = row.with(&[&head]).with(&cells.each_ref()).with(&[&deeds]);
        Self { id, el: row, name, cells, buttons }
    }

    fn draw(&self, file: &FileInfo) {
        self.el.set("data-state", state_word(file.state));
        let name = shown_name(file);
        self.name.say(&name);
        let put = [&file.by, ", ", &ago((Date::now() as u64).saturating_sub(file.put_ms))].concat();
        let peers = match file.peers {
            1 => "1 computer".to_owned(),
            peers => [&peers.to_string(), " computers"].concat(),
        };
        for (cell, text) in self.cells.iter().zip([bytes(file.size), here(file), peers, put]) {
            cell.say(&text);
        }
        let [get, save, forget] = &self.buttons;
        let is_set = file.kind == FileKind::Set;
        save.say(if is_set { "Get all" } else { "Save" });
        get.show_if(matches!(file.state, FileState::Known | FileState::Failed | FileState::Forgotten));
        save.show_if(file.state == FileState::Here);
        forget.show_if(!matches!(file.state, FileState::Known | FileState::Forgotten));
        for (button, (what, text)) in self.buttons.iter().zip(BUTTONS) {
            let text = if what == "save" && is_set { "Get all" } else { text };
            button.set("aria-label", &[text, ": ", &name].concat());
        }
    }
}

/// A name for people, who may have put a file without one.
pub(super) fn shown_name(file: &FileInfo) -> String {
    let name = if file.name.is_empty() { "(no name)" } else { &file.name };
    if file.kind == FileKind::Set { ["Set: ", name].concat() } else { name.to_owned() }
}

/// How much of it is here, or why nothing is.
pub(super) fn here(file: &FileInfo) -> String {
    let part = || percent(file.chunks_here.into(), file.chunks.into());
    match file.state {
        FileState::Here => "yes".to_owned(),
        FileState::Fetching => part(),
        FileState::Waiting if file.chunks_here > 0 => [&part(), ", waiting"].concat(),
        FileState::Waiting => "waiting".to_owned(),
        FileState::Known => "no".to_owned(),
        FileState::Failed => [if file.trouble.is_empty() { "failed" } else { &file.trouble }].concat(),
        FileState::Forgotten => "not wanted".to_owned(),
    }
}

/// The state as one word: the `data-state` of a row.
fn state_word(state: FileState) -> &'static str {
    match state {
        FileState::Here => "here",
        FileState::Fetching => "fetching",
        FileState::Waiting => "waiting",
        FileState::Known => "known",
        FileState::Failed => "failed",
        FileState::Forgotten => "forgotten",
    }
}
