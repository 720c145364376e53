//! Very many peers: the mesh, its upkeep and its messages.
//!
//! The job does not begin here. Every peer keeps the whole ledger, so what one learns grows with the number of peers, and what
//! all learn with its square: ten thousand peers that finish a unit a second each would be a hundred million entries a second.
//! How work is shared is measured with up to a thousand.

use std::time::Duration;

use manyhands_core::view::LinkState;

use super::work::delay_job;
use super::{Figure, Report, Room, Starts};
use crate::options::{PeerOptions, Settings};

/// How long the peers take to come, and how long the simulation is altogether.
const OPENING: Duration = Duration::from_secs(20);
const WHOLE: Duration = Duration::from_secs(60);
/// How many messages are said, one after the other, once the mesh has settled.
const MESSAGES: u32 = 5;
const SETTLED: Duration = Duration::from_secs(40);

/// All peers come within a third of a minute; from the second third on, some say something to everybody.
pub fn large(seed: u64, nodes: u32) -> Report {
    let peer = |_| PeerOptions { speed: 1000, ..PeerOptions::default() };
    let mut room = Room::open(
        seed,
        nodes,
        delay_job(u64::from(nodes)),
        Settings::large(),
        OPENING,
        Starts::Earlier,
        peer,
    );
    let now = |room: &Room| Duration::from_micros(room.world.now().as_micros());
    room.world.run_for(SETTLED - now(&room));
    let (mut heard, mut hops, mut copies) = (0, 0, 0);
    for _ in 0..MESSAGES {
        let from = room.anybody();
        let spread = room.say(from, "are you all there?");
        heard += spread.heard;
        hops = hops.max(spread.hops);
        copies += spread.copies;
    }
    room.world.run_for(WHOLE - now(&room));

    let views: Vec<_> = room.numbers.iter().map(|number| room.world.view(*number)).collect();
    let open =
        |view: &manyhands_core::View| view.peers.iter().filter(|peer| peer.link == LinkState::Open).count();
    let links: Vec<usize> = views.iter().map(open).collect();
    let share = |count: usize, of: f64| 100.0 * count as f64 / of;
    let know = room.numbers.iter().filter(|number| room.world.node(**number).job().is_some()).count();
    let expected = f64::from(MESSAGES) * f64::from(nodes - 1);
    let per_second = f64::from(nodes) * WHOLE.as_secs_f64();
    let figures = vec![
        Figure::of("simulated_s", now(&room).as_secs_f64()),
        Figure::of("steps", room.world.steps() as f64),
        Figure::of("links_mean", links.iter().sum::<usize>() as f64 / f64::from(nodes)),
        Figure::of("links_least", links.iter().copied().min().unwrap_or(0) as f64),
        Figure::of("links_most", links.iter().copied().max().unwrap_or(0) as f64),
        Figure::of("know_the_job_percent", share(know, f64::from(nodes))).at_least(99.9),
        Figure::of("messages_reached_percent", share(heard, expected)).at_least(99.9),
        Figure::of("last_hop", hops as f64),
        Figure::of("copies_beyond_one", copies as f64 / heard.max(1) as f64 - 1.0),
        Figure::of("bytes_per_node_and_second", room.world.traffic().all_bytes() as f64 / per_second),
    ];
    Report { nodes, figures }
}
