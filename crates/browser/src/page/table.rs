//! A table with a row for each peer, which becomes a list of cards on a phone.
//!
//! Rows are kept by the peer's id, so that they move with it and are not made anew.

use std::cell::RefCell;

use manyhands_core::view::{LinkState, PeerView};

use super::dom::{El, el};

/// A table of `N` columns beside the one that says who.
pub(crate) struct Table<const N: usize> {
    el: El,
    columns: [(&'static str, &'static str); N],
    body: El,
    rows: RefCell<Vec<Row<N>>>,
}

struct Row<const N: usize> {
    id: String,
    el: El,
    name: El,
    code: El,
    tags: El,
    cells: [El; N],
}

impl<const N: usize> Table<N> {
    /// Made once: with the columns as the head names them and the style sheet places them, and the id of its title.
    pub(crate) fn new(columns: [(&'static str, &'static str); N], class: &str, title: &str) -> Self {
        let header = |text: &str| el("th").attr("role", "columnheader").attr("scope", "col").text(text);
        // The roles are said again, as the style sheet of a phone takes them away.
        let mut head = el("tr").attr("role", "row").with(&[&header("Who")]);
        for (name, class) in columns {
            head = head.with(&[&header(name).class(class)]);
        }
        let head = el("thead").attr("role", "rowgroup").with(&[&head]);
        let body = el("tbody").attr("role", "rowgroup");
        let table = el("table").class(class).attr("role", "table").attr("aria-labelledby", title);
        Self { el: table.with(&[&head, &body]), columns, body, rows: RefCell::default() }
    }

    /// Its element.
    pub(crate) fn el(&self) -> &El {
        &self.el
    }

    /// Shows these peers, with the texts that `cells` gives for each.
    pub(crate) fn draw<'a>(
        &self,
        peers: impl Iterator<Item = &'a PeerView>,
        cells: impl Fn(&PeerView) -> [String; N],
    ) {
        let mut rows = self.rows.borrow_mut();
        let mut left_over = std::mem::take(&mut *rows);
        for peer in peers {
            let row = match left_over.iter().position(|row| row.id == peer.id) {
                Some(place) => left_over.swap_remove(place),
                None => Row::new(peer, self.columns),
            };
            row.draw(peer, cells(peer));
            rows.push(row);
        }
        self.body.hold(rows.iter().map(|row| &row.el));
    }
}

impl<const N: usize> Row<N> {
    fn new(peer: &PeerView, columns: [(&'static str, &'static str); N]) -> Self {
        let (name, code, tags) =
            (el("span").class("name"), el("span").class("code"), el("span").class("tags"));
        let dot = el("i").class("dot").attr("aria-hidden", "true");
        let who = el("th").class("who").attr("role", "rowheader").attr("scope", "row");
        let who = who.with(&[&dot, &name]).text(" ").with(&[&code, &tags]);
        let cells = columns
            .map(|(label, class)| el("td").class(class).attr("role", "cell").attr("data-label", label));
        let row = el("tr").class("peer").attr("role", "row").attr("data-peer", &peer.id).with(&[&who]);
        let row = row.with(&cells.each_ref());
        Self { id: peer.id.clone(), el: row, name, code, tags, cells }
    }

    fn draw(&self, peer: &PeerView, texts: [String; N]) {
        self.el.set("data-link", link_word(peer.link));
        self.el.style("--h", &peer.hue.to_string());
        self.name.say(&peer.name);
        self.code.say(&peer.code);
        self.tags.say(tags(peer));
        for (cell, text) in self.cells.iter().zip(texts) {
            cell.say(&text);
        }
    }
}

/// Whether there is a link to it, or it is this page.
pub(crate) fn is_here(peer: &PeerView) -> bool {
    matches!(peer.link, LinkState::Own | LinkState::Open | LinkState::Stale)
}

/// What it is to this page, in a word.
pub(crate) fn tags(peer: &PeerView) -> &'static str {
    match (peer.me, peer.host) {
        (true, true) => "you, the host",
        (true, false) => "you",
        (false, true) => "host",
        (false, false) => "",
    }
}

/// The state of a link as one word: the `data-link` of a row.
fn link_word(link: LinkState) -> &'static str {
    match link {
        LinkState::Own => "own",
        LinkState::None => "none",
        LinkState::Connecting => "connecting",
        LinkState::Open => "open",
        LinkState::Stale => "stale",
    }
}
