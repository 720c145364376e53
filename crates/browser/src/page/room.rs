//! The room, once joined: its parts in order, and what is read aloud.

use leptos::prelude::*;
use manyhands_core::view::{Phase, View};

use super::format::per_mille;
use super::state::Room;
use super::{controls, hero, invite, map, numbers, peers};

/// The whole room.
pub fn room(room: Room) -> impl IntoView {
    announce_milestones(room);
    view! {
        <p id="news" class="hidden" role="status" aria-live="polite">{move || room.news.get()}</p>
        {move || room.trouble.get().map(|text| view! { <p id="trouble" class="trouble" role="alert">{text}</p> })}
        {unreachable(room)}
        {hero::hero(room)}
        {controls::controls(room)}
        {map::map(room)}
        {peers::peers(room)}
        <div class="pair">{numbers::numbers(room)} {invite::invite()}</div>
    }
}

/// Says so when neither the host's server nor anybody else can be reached.
fn unreachable(room: Room) -> impl IntoView {
    let alone = room.part(|view| view.phase != Phase::Left && !view.signaling && view.peers.len() <= 1);
    let text = move || {
        alone.get().then(|| {
            view! {
                <p class="trouble quiet">
                    "Looking for the host's computer… If this takes long, it may be switched off, or you may not be in \
                     the same network."
                </p>
            }
        })
    };
    view! { {text} }
}

/// Says each quarter of the way.
fn announce_milestones(room: Room) {
    let quarter = room.part(|view: &View| {
        let job = view.job.as_ref()?;
        (view.phase == Phase::Running).then(|| per_mille(job.done_units, job.units) / 250)
    });
    Effect::new(move |before: Option<Option<u64>>| {
        let now = quarter.get();
        if let (Some(Some(before)), Some(now)) = (before, now)
            && now > before
        {
            room.news.set(
                match now {
                    1 => "A quarter is done.",
                    2 => "Half of it is done.",
                    3 => "Three quarters are done.",
                    _ => return Some(now),
                }
                .into(),
            );
        }
        now.or(before.flatten())
    });
}
