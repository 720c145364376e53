//! Who is there, and what each does.

use manyhands_core::view::{LinkState, PeerView};
use manyhands_wire::frame::{Activity, PeerKind};

use super::dom::{El, el};
use super::format::{percent, whole};
use super::state::Scene;
use super::table::{Table, is_here};

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
    table: Table<{ COLUMNS.len() }>,
}

impl Peers {
    /// Made once.
    pub(crate) fn new() -> Self {
        let count = el("span").class("count").id("here");
        let title = el("h2").id("peers-title").text("Hands ").with(&[&count]);
        let table = Table::new(COLUMNS, "peers", "peers-title");
        let el = el("section").class("peers-part").with(&[&title, table.el()]);
        Self { el, count, table }
    }

    /// Its element.
    pub(crate) fn el(&self) -> &El {
        &self.el
    }

    /// Shows how things are.
    pub(crate) fn draw(&self, scene: &Scene) {
        let here = scene.view.peers.iter().filter(|peer| is_here(peer)).count().to_string();
        self.count.say(&[&here, " here"].concat());
        let done = credit(scene);
        self.table.draw(scene.view.peers.iter(), |peer| {
            let share = if done > 0 { percent(peer.credit_cost, done) } else { String::new() };
            let speed = match peer.speed {
                speed if speed > 0.0 && is_here(peer) => [&scene.counted(speed), "/s"].concat(),
                _ => String::new(),
            };
            let threads = if is_here(peer) { peer.threads.to_string() } else { String::new() };
            [share, speed, threads, doing(peer), link(peer)]
        });
    }
}

/// What all have the credit for, by its cost; what somebody did before anybody here is part of it.
fn credit(scene: &Scene) -> u64 {
    let all = scene.view.peers.iter().map(|peer| peer.credit_cost).sum();
    scene.progress.map_or(all, |(done, _)| done.max(all))
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
    match round_trip(peer) {
        Some(span) => [word, ", ", &span].concat(),
        None => word.to_owned(),
    }
}

/// How long there and back takes, once measured.
pub(crate) fn round_trip(peer: &PeerView) -> Option<String> {
    peer.round_trip_ms.map(|ms| match ms {
        ms if ms < 1.0 => "under 1 ms".to_owned(),
        ms => [whole(ms.round() as u64).as_str(), " ms"].concat(),
    })
}
