//! The room, once joined: its parts in order, and what is read aloud.

use std::cell::Cell;
use std::rc::Rc;

use manyhands_core::view::{LinkState, PeerView, Phase};
use manyhands_core::{RoomKey, View};

use super::controls::Controls;
use super::dom::{El, el};
use super::format::per_mille;
use super::hero::Hero;
use super::map::Map;
use super::messages::Messages;
use super::numbers::Numbers;
use super::peers::Peers;
use super::state::{Room, Scene};
use super::{invite, show};

/// How long nobody may be found before the person is told what that may mean, in drawings of the page: three seconds.
const ALONE_DRAWINGS: u32 = 15;
/// What it means where not even signaling answers.
const NOBODY_ANSWERS: &str = "Looking for the host's computer… If this takes long, it may be switched off, or you may \
    not be in the same network.";
/// What it means where signaling answers.
const NOBODY_CONNECTS: &str = "The server answers, but no friend's computer can be reached yet. Perhaps the host is away, \
    or a firewall, a VPN or an extension of this browser keeps computers from talking straight to each other (WebRTC). \
    This page goes on trying.";

/// Shows the room in `root` and joins it.
pub(crate) async fn enter(root: El, key: RoomKey, name: String, threads: u16) {
    let room = Room::new();
    let news = el("p").id("news").class("hidden").attr("role", "status").attr("aria-live", "polite");
    let trouble = el("p").id("trouble").class("trouble").attr("role", "alert");
    let lonely = el("p").id("lonely").class("trouble quiet").attr("role", "status");
    let (hero, controls) = (Hero::new(&room), Controls::new(&room));
    let (map, peers, messages, numbers) = (Map::new(), Peers::new(), Messages::new(&room), Numbers::new());
    let pair = el("div").class("pair").with(&[numbers.el(), &invite::invite()]);
    trouble.show_if(false);
    lonely.show_if(false);

    let parts =
        [&news, &trouble, &lonely, hero.el(), controls.el(), map.el(), peers.el(), messages.el(), &pair]
            .map(El::clone);
    let heading = hero.heading().clone();
    let alone = Cell::new(0);
    let quarter = Cell::new(None);
    let teller = Rc::downgrade(&room);
    let draw = move |scene: &Scene| {
        if let Some(room) = teller.upgrade() {
            announce_milestones(&room, scene, &quarter);
        }
        news.say(&scene.news);
        trouble.say_if(scene.trouble.as_deref());
        alone.set(if is_alone(&scene.view) { alone.get() + 1 } else { 0 });
        let why = if scene.view.signaling { NOBODY_CONNECTS } else { NOBODY_ANSWERS };
        lonely.say_if((alone.get() > ALONE_DRAWINGS && scene.trouble.is_none()).then_some(why));
        // Before the job is known there is nothing to see but that it is looked for.
        for part in [controls.el(), peers.el(), messages.el(), &pair] {
            part.show_if(scene.view.job.is_some());
        }
        hero.draw(scene);
        controls.draw(scene);
        map.draw(&scene.view);
        peers.draw(scene);
        messages.draw(scene);
        numbers.draw(scene);
    };
    room.join(key, name, threads, draw).await;
    show(&root, &parts.each_ref());
    heading.focus();
}

/// Whether there is neither a job nor anybody to hear of one from.
fn is_alone(view: &View) -> bool {
    let is_linked = |peer: &PeerView| matches!(peer.link, LinkState::Open | LinkState::Stale);
    view.phase != Phase::Left && view.job.is_none() && !view.peers.iter().any(is_linked)
}

/// Says each quarter of the way, once.
fn announce_milestones(room: &Room, scene: &Scene, quarter: &Cell<Option<u64>>) {
    let Some(job) = scene.job().filter(|_| scene.view.phase == Phase::Running) else { return };
    let now = per_mille(job.done_units, job.units) / 250;
    if quarter.replace(Some(now)).is_some_and(|before| before < now) {
        match now {
            1 => room.announce("A quarter is done."),
            2 => room.announce("Half of it is done."),
            3 => room.announce("Three quarters are done."),
            _ => {}
        }
    }
}
