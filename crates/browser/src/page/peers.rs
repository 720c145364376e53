//! Who is there: a table that becomes a list of cards on a phone.

use leptos::prelude::*;
use manyhands_core::View;
use manyhands_core::view::{LinkState, PeerView};
use manyhands_wire::frame::{Activity, PeerKind};

use super::format::{decimal, percent, rounded};
use super::state::Room;

/// The table of peers, this page first.
pub fn peers(room: Room) -> impl IntoView {
    let ids = room.part(|view| view.peers.iter().map(|peer| peer.id.clone()).collect::<Vec<_>>());
    let here = room.part(|view| view.peers.iter().filter(|peer| is_here(peer)).count());
    let count = move || match here.get() {
        0 => String::new(),
        1 => "1 here".to_owned(),
        here => [&here.to_string(), " here"].concat(),
    };
    view! {
        <section class="peers-part" aria-labelledby="peers-title">
            <h2 id="peers-title">"Hands" <span class="count" id="here">{count}</span></h2>
            <table class="peers" role="table">
                <thead role="rowgroup">
                    <tr role="row">
                        <th role="columnheader" scope="col">"Who"</th>
                        <th role="columnheader" scope="col" class="num">"Share"</th>
                        <th role="columnheader" scope="col" class="num">"Speed"</th>
                        <th role="columnheader" scope="col" class="num">"Threads"</th>
                        <th role="columnheader" scope="col">"Doing"</th>
                        <th role="columnheader" scope="col">"Link"</th>
                    </tr>
                </thead>
                <tbody role="rowgroup">
                    <For each=move || ids.get() key=Clone::clone children=move |id| row(room, id) />
                </tbody>
            </table>
        </section>
    }
}

fn row(room: Room, id: String) -> impl IntoView {
    let key = id.clone();
    let peer = room.part(move |view: &View| {
        let peer = view.peers.iter().find(|peer| peer.id == key).cloned()?;
        let done = view.job.as_ref().map_or(0, |job| job.done_units);
        Some((Quiet(peer), done))
    });
    let with = move |show: fn(&PeerView) -> String| {
        move || peer.with(|peer| peer.as_ref().map(|(peer, _)| show(&peer.0)))
    };
    let share = move || {
        peer.with(|peer| {
            peer.as_ref()
                .filter(|(_, done)| *done > 0)
                .map(|(peer, done)| percent(peer.0.credit_units, *done))
        })
    };
    let speed = move || {
        let speed =
            peer.with(|peer| peer.as_ref().map(|(peer, _)| peer.0.speed)).filter(|speed| *speed > 0.0)?;
        Some([&rounded(room.counted(speed)), "/s"].concat())
    };
    view! {
        <tr
            class="peer"
            role="row"
            data-peer=id
            data-link=with(|peer| link_word(peer.link).to_owned())
            style=with(|peer| ["--h:", &peer.hue.to_string()].concat())
        >
            <th role="rowheader" scope="row" class="who">
                <i class="dot" aria-hidden="true"></i>
                <span class="name">{with(|peer| peer.name.clone())}</span>
                " "
                <span class="code">{with(|peer| peer.code.clone())}</span>
                <span class="tags">{with(tags)}</span>
            </th>
            <td role="cell" class="num share" data-label="Share">{share}</td>
            <td role="cell" class="num speed" data-label="Speed">{speed}</td>
            <td role="cell" class="num threads" data-label="Threads">{with(threads)}</td>
            <td role="cell" class="doing" data-label="Doing">{with(doing)}</td>
            <td role="cell" class="link" data-label="Link">{with(link)}</td>
        </tr>
    }
}

/// A peer whose row is drawn anew only for what can be seen in it.
struct Quiet(PeerView);

impl PartialEq for Quiet {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (&self.0, &other.0);
        (&a.name, &a.code, a.me, a.host, a.hue, a.kind, a.activity, a.threads, a.speed, a.credit_units)
            == (&b.name, &b.code, b.me, b.host, b.hue, b.kind, b.activity, b.threads, b.speed, b.credit_units)
            && a.link == b.link
            && round_trip(a) == round_trip(b)
    }
}

fn is_here(peer: &PeerView) -> bool {
    matches!(peer.link, LinkState::Own | LinkState::Open | LinkState::Stale)
}

fn tags(peer: &PeerView) -> String {
    match (peer.me, peer.host) {
        (true, true) => "you, the host",
        (true, false) => "you",
        (false, true) => "host",
        (false, false) => "",
    }
    .to_owned()
}

fn threads(peer: &PeerView) -> String {
    if is_here(peer) { peer.threads.to_string() } else { String::new() }
}

fn doing(peer: &PeerView) -> String {
    let kind = match peer.kind {
        Some(PeerKind::Browser) => "browser",
        Some(PeerKind::Native) => "program",
        None => "",
    };
    let doing = match peer.activity {
        Some(Activity::Ready) => "ready",
        Some(Activity::Working) => "working",
        Some(Activity::Paused) => "paused",
        Some(Activity::Watching) => "watching",
        Some(Activity::Finished) => "done",
        None => "gone",
    };
    if kind.is_empty() { doing.to_owned() } else { [kind, ", ", doing].concat() }
}

fn link(peer: &PeerView) -> String {
    let word = match peer.link {
        LinkState::Own => return "this page".to_owned(),
        LinkState::None => "none",
        LinkState::Connecting => "connecting…",
        LinkState::Open => "direct",
        LinkState::Stale => "silent",
    };
    match round_trip(peer) {
        Some(ms) => [word, ", ", &ms, " ms"].concat(),
        None => word.to_owned(),
    }
}

fn round_trip(peer: &PeerView) -> Option<String> {
    let ms = peer.round_trip_ms?;
    Some(if ms < 1.0 { "under 1".to_owned() } else { decimal(ms.round()) })
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
