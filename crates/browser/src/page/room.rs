//! The room, once joined: its parts in order, and what is read aloud.

use std::cell::Cell;
use std::rc::Rc;

use manyhands_core::view::{LinkState, PeerView, Phase};
use manyhands_core::{RoomKey, View};

use super::controls::Controls;
use super::dom::{El, el, set_root_data};
use super::files::Files;
use super::format::per_mille;
use super::hero::Hero;
use super::invite::Invite;
use super::later::{SIDES, SIMULATOR, load, place};
use super::map::Map;
use super::numbers::Numbers;
use super::peers::Peers;
use super::search::Herald;
use super::state::{Room, Scene, phase_word};
use super::tabs::{Side, Tabs};

/// How long nobody may be found before the person is told what that may mean, in drawings of the page: three seconds.
const ALONE_DRAWINGS: u32 = 15;
/// How long after the first link there may be no job before the person is told that there is none: 1.5 seconds.
const JOBLESS_DRAWINGS: u32 = 7;
/// What it means where not even signaling answers.
const NOBODY_ANSWERS: &str = "Looking for the host's computer… If this takes long, it may be switched off, or you may \
    not be in the same network.";
/// What it means where signaling answers.
const NOBODY_CONNECTS: &str = "The server answers, but no friend's computer can be reached yet. Perhaps the host is away, \
    or a firewall, a VPN or an extension of this browser keeps computers from talking straight to each other (WebRTC). \
    This page goes on trying.";
/// What it means where the job is known.
const NOBODY_ELSE: &str = "Nobody else can be reached at the moment. This page goes on alone with what it remembers, and \
    shares it as soon as a friend is back.";

/// Shows the room in `root` and joins it.
pub(crate) async fn enter(root: El, key: RoomKey, name: String, threads: u16) {
    let room = Room::new();
    let [news, trouble, lonely] = notices();
    let (hero, controls) = (Hero::new(&room), Controls::new(&room));
    let (map, peers, numbers, files) = (Map::new(), Peers::new(), Numbers::new(), Files::new(&room));
    let (primes, network) = (place(SIDES, "primes-place"), place(SIDES, "network-place"));
    let simulation = place(SIMULATOR, SIMULATOR);
    let invite = Invite::new();
    let pair = el("div").class("pair").with(&[numbers.el(), invite.el()]);
    let tabs = Tabs::new([&[map.el(), peers.el()], &[&primes], &[&network], &[files.el()], &[&simulation]]);

    let top = [&news, &trouble, &lonely, hero.el(), controls.el()];
    let parts: Vec<El> = top.into_iter().chain(tabs.els()).chain([&pair]).cloned().collect();
    let heading = hero.heading().clone();
    let (alone, jobless) = (Cell::new(0), Cell::new(0));
    let (quarter, had_job, herald) = (Cell::new(None), Cell::new(false), Herald::default());
    let teller = Rc::downgrade(&room);
    let draw = move |scene: &Scene| {
        if let Some(room) = teller.upgrade() {
            announce_milestones(&room, scene, &quarter);
            herald.announce(&room, scene);
        }
        news.say(&scene.news);
        trouble.say_if(scene.trouble.as_deref());
        let (is_alone, has_job) = (is_alone(&scene.view), scene.view.job.is_some());
        alone.set(if is_alone { alone.get() + 1 } else { 0 });
        jobless.set(if has_job || is_alone { 0 } else { jobless.get() + 1 });
        let is_lonely = alone.get() > ALONE_DRAWINGS && scene.trouble.is_none();
        lonely.say_if(is_lonely.then(|| why_alone(&scene.view)));
        // A room may have no job: then there is the network. Before that is clear there is nothing to see.
        let is_jobless = jobless.get() > JOBLESS_DRAWINGS;
        let word = match scene.view.phase {
            Phase::Connecting if is_jobless => "no-job",
            phase => phase_word(phase),
        };
        set_root_data("phase", word);
        let is_beside = matches!(tabs.shown(), Side::Files | Side::Simulator);
        let is_other_room = has_job != had_job.replace(has_job) && !is_beside;
        let is_search = scene.view.search.is_some();
        if is_other_room || is_gone(tabs.shown(), is_jobless, is_search) {
            tabs.show(if has_job { Side::Job } else { Side::Network });
        }
        tabs.offer([has_job, is_search, has_job || is_jobless, true, true]);
        let is_clear = has_job || is_jobless;
        tabs.show_panels([is_clear, is_search, is_clear, true, true]);
        pair.show_if(is_clear);
        invite.draw();
        numbers.el().show_if(is_clear && tabs.shown() == Side::Job);
        controls.el().show_if(has_job);
        hero.draw(scene, is_jobless);
        controls.draw(scene);
        match tabs.shown() {
            Side::Job => {
                map.draw(scene);
                peers.draw(scene);
                numbers.draw(scene);
            }
            Side::Primes => load(&primes),
            Side::Network => load(&network),
            Side::Files => files.draw(scene),
            Side::Simulator => load(&simulation),
        }
    };
    room.join(key, name, threads, draw).await;
    root.hold(parts.iter());
    heading.focus();
}

/// What is new, what is wrong, and that nobody is there.
fn notices() -> [El; 3] {
    let news = el("p").id("news").class("hidden").attr("role", "status").attr("aria-live", "polite");
    let trouble = el("p").id("trouble").class("trouble").attr("role", "alert");
    let lonely = el("p").id("lonely").class("trouble quiet").attr("role", "status");
    trouble.show_if(false);
    lonely.show_if(false);
    [news, trouble, lonely]
}

/// What it may mean that nobody is there.
fn why_alone(view: &View) -> &'static str {
    match (view.job.is_some(), view.signaling) {
        (true, _) => NOBODY_ELSE,
        (false, true) => NOBODY_CONNECTS,
        (false, false) => NOBODY_ANSWERS,
    }
}

/// Whether a side that is shown has nothing to show any more.
fn is_gone(side: Side, is_jobless: bool, is_search: bool) -> bool {
    match side {
        Side::Job => is_jobless,
        Side::Primes => !is_search,
        Side::Network | Side::Files | Side::Simulator => false,
    }
}

/// Whether nobody is there, although somebody is needed or was there before.
fn is_alone(view: &View) -> bool {
    let is_linked = |peer: &PeerView| matches!(peer.link, LinkState::Open | LinkState::Stale);
    let is_over = matches!(view.phase, Phase::Left | Phase::Finished);
    !is_over && !view.peers.iter().any(is_linked)
}

/// Says each quarter of the way, once.
fn announce_milestones(room: &Room, scene: &Scene, quarter: &Cell<Option<u64>>) {
    let Some((done, all)) = scene.progress.filter(|_| scene.view.phase == Phase::Running) else { return };
    let now = per_mille(done, all) / 250;
    if quarter.replace(Some(now)).is_some_and(|before| before < now) {
        match now {
            1 => room.announce("A quarter is done."),
            2 => room.announce("Half of it is done."),
            3 => room.announce("Three quarters are done."),
            _ => {}
        }
    }
}
