//! Who is there: a table that becomes a list of cards on a phone.

use std::cell::RefCell;

use manyhands_core::view::{LinkState, PeerView};
use manyhands_wire::frame::{Activity, PeerKind};

use super::dom::{El, el};
use super::format::{percent, rounded, whole};
use super::state::Scene;

/// The columns, as the head names them and the style sheet places them.
const COLUMNS: [(&str, &str); 5] = [
    ("Share", "num share"),
    ("Speed", "num speed"),
    ("Threads", "num threads"),
    ("Doing", "doing"),
    ("Link", "link"),
];

/// The table of peers, this page first.
pub(crate) struct Peers {
    el: El,
    count: El,
    body: El,
    rows: RefCell<Vec<Row>>,
}

struct Row {
    id: String,
    el: El,
    name: El,
    code: El,
    tags: El,
    cells: [El; COLUMNS.len()],
}

impl Peers {
    /// Made once.
    pub(crate) fn new() -> Self {
        let count = el("span").class("count").id("here");
        let title = el("h2").id("peers-title").text("Hands ").with(&[&count]);
        let header = |text: &str| el("th").attr("role", "columnheader").attr("scope", "col").text(text);
        // The roles are said again, as the style sheet of a phone takes them away.
        let mut head = el("tr").attr("role", "row").with(&[&header("Who")]);
        for (name, class) in COLUMNS {
            head = head.with(&[&header(name).class(class)]);
        }
        let head = el("thead").attr("role", "rowgroup").with(&[&head]);
        let body = el("tbody").attr("role", "rowgroup");
        let table = el("table").class("peers").attr("role", "table").attr("aria-labelledby", "peers-title");
        let el = el("section").class("peers-part").with(&[&title, &table.with(&[&head, &body])]);
        Self { el, count, body, rows: RefCell::default() }
    }

    /// Its element.
    pub(crate) fn el(&self) -> &El {
        &self.el
    }

    /// Shows how things are.
    pub(crate) fn draw(&self, scene: &Scene) {
        let here = scene.view.peers.iter().filter(|peer| is_here(peer)).count().to_string();
        self.count.say(&[&here, " here"].concat());

        let mut rows = self.rows.borrow_mut();
        let mut left_over = std::mem::take(&mut *rows);
        for peer in &scene.view.peers {
            let row = match left_over.iter().position(|row| row.id == peer.id) {
                Some(place) => left_over.swap_remove(place),
                None => Row::new(peer),
            };
            row.draw(peer, scene);
            rows.push(row);
        }
        self.body.hold(rows.iter().map(|row| &row.el));
    }
}

impl Row {
    fn new(peer: &PeerView) -> Self {
        let (name, code, tags) =
            (el("span").class("name"), el("span").class("code"), el("span").class("tags"));
        let dot = el("i").class("dot").attr("aria-hidden", "true");
        let who = el("th").class("who").attr("role", "rowheader").attr("scope", "row");
        let who = who.with(&[&dot, &name]).text(" ").with(&[&code, &tags]);
        let cells = COLUMNS
            .map(|(label, class)| el("td").class(class).attr("role", "cell").attr("data-label", label));
        let row = el("tr").class("peer").attr("role", "row").attr("data-peer", &peer.id).with(&[&who]);
        row.style("--h", &peer.hue.to_string());
        let row = row.with(&cells.each_ref());
        Self { id: peer.id.clone(), el: row, name, code, tags, cells }
    }

    fn draw(&self, peer: &PeerView, scene: &Scene) {
        self.el.set("data-link", link_word(peer.link));
        self.name.say(&peer.name);
        self.code.say(&peer.code);
        self.tags.say(tags(peer));
        let done = scene.job().map_or(0, |job| job.done_units);
        let share = if done > 0 { percent(peer.credit_units, done) } else { String::new() };
        let speed = match scene.counted(peer.speed) {
            speed if speed > 0.0 && is_here(peer) => [&rounded(speed), "/s"].concat(),
            _ => String::new(),
        };
        let threads = if is_here(peer) { peer.threads.to_string() } else { String::new() };
        for (cell, text) in self.cells.iter().zip([share, speed, threads, doing(peer), link(peer)]) {
            cell.say(&text);
        }
    }
}

fn is_here(peer: &PeerView) -> bool {
    matches!(peer.link, LinkState::Own | LinkState::Open | LinkState::Stale)
}

fn tags(peer: &PeerView) -> &'static str {
    match (peer.me, peer.host) {
        (true, true) => "you, the host",
        (true, false) => "you",
        (false, true) => "host",
        (false, false) => "",
    }
}

fn doing(peer: &PeerView) -> String {
    let kind = match peer.kind {
        Some(PeerKind::Browser) => "browser, ",
        Some(PeerKind::Native) => "program, ",
        None => "",
    };
    let doing = match peer.activity.filter(|_| is_here(peer)) {
        Some(Activity::Ready) => "ready",
        Some(Activity::Working) => "working",
        Some(Activity::Paused) => "paused",
        Some(Activity::Watching) => "watching",
        Some(Activity::Finished) => "done",
        None if peer.link == LinkState::Connecting => "coming",
        None if is_here(peer) => "ready",
        None => "gone",
    };
    [kind, doing].concat()
}

fn link(peer: &PeerView) -> String {
    let word = match peer.link {
        LinkState::Own => "this page",
        LinkState::None => "none",
        LinkState::Connecting => "connecting…",
        LinkState::Open => "direct",
        LinkState::Stale => "silent",
    };
    match peer.round_trip_ms {
        Some(ms) if ms < 1.0 => [word, ", under 1 ms"].concat(),
        Some(ms) => [word, ", ", &whole(ms.round() as u64), " ms"].concat(),
        None => word.to_owned(),
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
