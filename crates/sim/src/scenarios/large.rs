//! Very many peers.

use std::time::Duration;

use manyhands_core::view::LinkState;

use super::work::delay_job;
use super::{Figure, Report, Room};
use crate::options::{PeerOptions, Settings};
use crate::world::World;

/// How long the peers take to come, and how long the simulation is altogether.
const OPENING: Duration = Duration::from_secs(20);
const WHOLE: Duration = Duration::from_secs(60);
/// When the job begins.
const BEGIN: Duration = Duration::from_secs(25);

/// All peers come within a few seconds, the job begins while the mesh still settles, and goes on to the end of the minute.
pub fn large(seed: u64, nodes: u32) -> Report {
    let peer = |_| PeerOptions { speed: 1000, ..PeerOptions::default() };
    let job = delay_job(u64::from(nodes) * 1000);
    let mut room = Room::open(seed, nodes, job, Settings::large(), OPENING, peer);
    let now = |room: &Room| Duration::from_micros(room.world.now().as_micros());
    room.world.run_for(BEGIN - now(&room));
    room.begin();
    room.world.run_for(WHOLE - now(&room));

    let views: Vec<_> = room.numbers.iter().map(|number| room.world.view(*number)).collect();
    let open =
        |view: &manyhands_core::View| view.peers.iter().filter(|peer| peer.link == LinkState::Open).count();
    let links: Vec<usize> = views.iter().map(open).collect();
    let works = |world: &World, number: usize| world.node(number).job().is_some();
    let figures = vec![
        Figure::of("simulated_s", now(&room).as_secs_f64()),
        Figure::of("steps", room.world.steps() as f64),
        Figure::of("links_mean", links.iter().sum::<usize>() as f64 / links.len().max(1) as f64),
        Figure::of("links_least", links.iter().copied().min().unwrap_or(0) as f64),
        Figure::of("links_most", links.iter().copied().max().unwrap_or(0) as f64),
        Figure::of(
            "know_the_job_percent",
            100.0 * room.numbers.iter().filter(|number| works(&room.world, **number)).count() as f64
                / f64::from(nodes),
        ),
        Figure::of("units_computed", room.world.gross_units() as f64),
        Figure::of(
            "bytes_per_node_and_second",
            room.world.traffic().all_bytes() as f64 / (f64::from(nodes) * WHOLE.as_secs_f64()),
        ),
    ];
    Report { nodes, figures }
}
