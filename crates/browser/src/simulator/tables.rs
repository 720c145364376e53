//! In words: who sent which chunk to whom, and how far each server is.

use std::cell::RefCell;
use std::collections::VecDeque;

use super::charts::{hue_of, hundredths};
use super::message::{Frame, News, Snapshot};
use crate::page::dom::{El, el, told};

/// How many transfers the log shows.
const LINES_MAX: usize = 100;

/// The last transfers, the newest first.
pub(super) struct Log {
    el: El,
    list: El,
    news: RefCell<VecDeque<String>>,
    lines: RefCell<Vec<El>>,
}

impl Log {
    /// Made once.
    pub(super) fn new() -> Self {
        let title = el("h3").id("sim-log-title").text("Who sent which chunk to whom");
        // It scrolls, so a keyboard has to reach it.
        let list = el("ol")
            .id("sim-log")
            .class("sim-log")
            .attr("tabindex", "0")
            .attr("aria-labelledby", "sim-log-title");
        let el = el("div").with(&[&title, &list]);
        Self { el, list, news: RefCell::default(), lines: RefCell::default() }
    }

    /// Its element.
    pub(super) fn el(&self) -> &El {
        &self.el
    }

    /// Begins anew.
    pub(super) fn clear(&self) {
        self.news.borrow_mut().clear();
        self.draw();
    }

    /// Takes in what happened.
    pub(super) fn add(&self, frame: &Frame, news: &[News]) {
        let mut lines = self.news.borrow_mut();
        for News { at_us, from, to, chunk, is_twice } in news {
            let round = hundredths(*at_us as f64 / frame.round_us as f64);
            let (from, to, chunk) = (from.to_string(), to.to_string(), chunk.to_string());
            let again = if *is_twice { ", once more" } else { "" };
            lines.push_front(
                ["round ", &round, ": server ", &from, " → ", &to, ", chunk ", &chunk, again].concat(),
            );
        }
        lines.truncate(LINES_MAX);
        drop(lines);
        self.draw();
    }

    fn draw(&self) {
        let (news, mut lines) = (self.news.borrow(), self.lines.borrow_mut());
        while lines.len() < news.len() {
            lines.push(el("li"));
        }
        lines.truncate(news.len());
        self.list.hold(lines.iter());
        lines.iter().zip(news.iter()).for_each(|(line, text)| line.say(text));
    }
}

/// The servers as a table, for those who want numbers or do not see the drawing; closed at first.
pub(super) struct Servers {
    el: El,
    body: El,
    rows: RefCell<Vec<[El; 5]>>,
}

impl Servers {
    /// Made once.
    pub(super) fn new() -> Self {
        let heads = ["Server", "Chunks here", "Chunks sent", "All in round"]
            .map(|head| told("th", "", head).attr("scope", "col"));
        let (head, body) = (el("thead").with(&[&el("tr").with(&heads.each_ref())]), el("tbody"));
        let table = el("table").class("sim-table").with(&[&head, &body]);
        let el = el("details")
            .class("sim-details")
            .with(&[&told("summary", "", "The servers in numbers"), &table]);
        Self { el, body, rows: RefCell::default() }
    }

    /// Its element.
    pub(super) fn el(&self) -> &El {
        &self.el
    }

    /// Shows how things stand.
    pub(super) fn draw(&self, frame: &Frame, snapshot: &Snapshot) {
        let mut rows = self.rows.borrow_mut();
        if rows.len() != snapshot.standings.len() {
            *rows = (0..snapshot.standings.len()).map(row).collect();
            self.body.hold(rows.iter().map(|[row, ..]| row));
        }
        for ([_, _, here, sent, finished], standing) in rows.iter().zip(&snapshot.standings) {
            here.say(&standing.here.to_string());
            sent.say(&standing.sent.to_string());
            let round = standing.finished_us.map(|at| hundredths(at as f64 / frame.round_us as f64));
            finished.say(round.as_deref().unwrap_or("—"));
        }
    }
}

/// A row and its cells.
fn row(server: usize) -> [El; 5] {
    let dot = el("i").class("dot").attr("aria-hidden", "true");
    match server {
        0 => dot.set("class", "dot sim-first"),
        _ => dot.style("--h", &hue_of(server as u32).to_string()),
    }
    let name = el("th").attr("scope", "row").with(&[&dot]).text(&server.to_string());
    let [here, sent, finished] = [(); 3].map(|()| el("td"));
    let row = el("tr").with(&[&name, &here, &sent, &finished]);
    [row, name, here, sent, finished]
}
