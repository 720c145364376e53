//! The network: who is linked to whom, drawn and in words.

use manyhands_core::view::{LinkState, PeerView};
use manyhands_wire::frame::PeerKind;

use super::room::Scene;
use super::sketch::{Sketch, sort_key};
use crate::page::dom::{El, el, told};
use crate::page::format::span;
use crate::page::peers::round_trip;
use crate::page::table::Table;

/// The columns, as the head names them and the style sheet places them.
const COLUMNS: [(&str, &str); 6] = [
    ("Kind", "kind"),
    ("Link", "link"),
    ("Last heard", "heard"),
    ("Round trip", "num trip"),
    ("Links", "num links"),
    ("Address", "address"),
];
/// Up to when a peer was heard "now", in milliseconds: a ping comes every five seconds.
const NOW_MS: u64 = 5_500;

/// The drawing with its legend, and the table.
pub(crate) struct Network {
    el: El,
    frame: El,
    count: El,
    sketch: Sketch,
    table: Table<{ COLUMNS.len() }>,
}

impl Network {
    /// Made once.
    pub(crate) fn new() -> Self {
        let count = el("span").class("count").id("known");
        let title = el("h2").id("network-title").text("Nodes and links ").with(&[&count]);
        let (sketch, table) = (Sketch::new(), Table::new(COLUMNS, "peers nodes", "network-title"));
        let frame = el("div").class("frame").with(&[sketch.el()]);
        let sign = |class: &str, text: &str| el("span").with(&[&el("i").class(class)]).text(text);
        let legend = told("p", "legend", "").attr("aria-hidden", "true").with(&[
            &sign("mark me", "this page"),
            &sign("mark square", "the host"),
            &sign("mark dashed", "silent, or still coming"),
            &sign("mark faint", "gone"),
        ]);
        let el = el("section")
            .id("network")
            .class("network")
            .attr("aria-labelledby", "network-title")
            .with(&[&title, &frame, &legend, table.el()]);
        Self { el, frame, count, sketch, table }
    }

    /// Its element.
    pub(crate) fn el(&self) -> &El {
        &self.el
    }

    /// Shows how things are. Where it is not to be seen it takes no time.
    pub(crate) fn draw(&self, scene: &Scene) {
        let width = self.frame.width();
        if width == 0 {
            return;
        }
        let peers = &scene.view.peers;
        self.count.say(&[&peers.len().to_string(), " known"].concat());
        self.sketch.draw(&scene.view, width, &scene.flights);
        let mut is_told_of = vec![false; peers.len()];
        for other in peers.iter().flat_map(|peer| &peer.links) {
            if let Some(told) = is_told_of.get_mut(usize::from(*other)) {
                *told = true;
            }
        }
        // This page first, then in the order of the drawing.
        let mut order: Vec<(usize, &PeerView)> = Vec::with_capacity(peers.len());
        for (at, peer) in peers.iter().enumerate() {
            let key = |peer: &PeerView| (!peer.me, sort_key(&peer.name));
            let place = order.partition_point(|(_, other)| key(other) <= key(peer));
            order.insert(place, (at, peer));
        }
        let told_of =
            |peer: &PeerView| order.iter().any(|(at, other)| is_told_of[*at] && other.id == peer.id);
        self.table.draw(order.iter().map(|(_, peer)| *peer), |peer| {
            let links = peer.links.len();
            [
                kind(peer).to_owned(),
                link(peer, peer.link == LinkState::None && told_of(peer), scene.view.asleep).to_owned(),
                heard(peer),
                round_trip(peer).unwrap_or_default(),
                if links > 0 { links.to_string() } else { String::new() },
                peer.address.clone(),
            ]
        });
    }
}

fn kind(peer: &PeerView) -> &'static str {
    match peer.kind {
        Some(PeerKind::Browser) => "browser",
        Some(PeerKind::Native) => "program",
        None => "",
    }
}

fn link(peer: &PeerView, is_told_of: bool, asleep: bool) -> &'static str {
    match peer.link {
        LinkState::Own if asleep => "asleep",
        LinkState::Own => "this page",
        LinkState::Connecting => "connecting…",
        LinkState::Open => "open",
        LinkState::Stale => "silent",
        LinkState::None if is_told_of => "over others",
        LinkState::None => "gone",
    }
}

/// When something was last heard over an own link.
fn heard(peer: &PeerView) -> String {
    match peer.link {
        LinkState::Open | LinkState::Stale if peer.heard_ms <= NOW_MS => "just now".to_owned(),
        LinkState::Open | LinkState::Stale => {
            let whole_seconds = (peer.heard_ms / 1000) as f64;
            [&span(whole_seconds), " ago"].concat()
        }
        LinkState::Own | LinkState::None | LinkState::Connecting => String::new(),
    }
}
