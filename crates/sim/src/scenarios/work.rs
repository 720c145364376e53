//! Work: how well it is shared, and what the death of many costs.

use std::time::Duration;

use manyhands_wire::{JobKind, JobSpec};

use super::{Figure, Report, Room, Starts};
use crate::options::{PeerOptions, Settings};
use crate::story::sum_job;
use crate::traffic::Tag;
use crate::world::World;

/// How long the links may take to settle before the job begins.
const SETTLING: Duration = Duration::from_secs(40);
/// How many units of a second there are for each peer; fewer in rooms of more than a hundred, where each costs much to simulate.
const UNITS_EACH: u64 = 200;
const UNITS_EACH_LARGE: u64 = 100;
/// How long such a job may take at most: three times what it should.
const PATIENCE: Duration = Duration::from_secs(600);
/// How many units a second each peer does where peers die, how many there are for each, and when they die.
const SPEED: u64 = 100;
const SUM_UNITS_EACH: u64 = 3000;
const DEATH: Duration = Duration::from_secs(12);
/// How many units a peer's slice may have: one and a half of the longest that is aimed at.
const SLICE_UNITS: f64 = 100.0;

/// A job that computes nothing and takes a second for each unit.
pub(super) fn delay_job(units: u64) -> JobSpec {
    JobSpec { kind: JobKind::Delay { units, unit_ms: 1000 }, asked_by: "Liz".into(), salt: [0; 16] }
}

/// All peers do one unit a second. The efficiency is what they did that was needed against what they could have done from the
/// host's word until the last of them knew the total.
pub fn efficiency(seed: u64, nodes: u32) -> Report {
    efficiency_of(seed, nodes, if nodes > 100 { UNITS_EACH_LARGE } else { UNITS_EACH })
}

/// The same with so many units for each peer.
pub fn efficiency_of(seed: u64, nodes: u32, units_each: u64) -> Report {
    let units = u64::from(nodes) * units_each;
    let peer = |_| PeerOptions { speed: 1000, ..PeerOptions::default() };
    let opening = Duration::from_millis(20) * nodes;
    let mut room =
        Room::open(seed, nodes, delay_job(units), Settings::large(), opening, Starts::Earlier, peer);
    room.world.run_for(SETTLING);
    let (begun, before) = (room.world.now(), room.world.traffic().clone());
    room.begin();
    let is_known = |world: &World| world.node(0).ledger().is_some_and(manyhands_ledger::Ledger::is_complete);
    room.world.run_until(PATIENCE, is_known);
    let host_took = room.world.now().since(begun).as_secs_f64();
    let all_know = room.world.run_until(PATIENCE, World::everybody_knows);
    let took = room.world.now().since(begun).as_secs_f64();
    room.world.check_all();

    let traffic = room.world.traffic() - &before;
    let each = |bytes: u64| bytes as f64 / (f64::from(nodes) * took);
    let least = match nodes {
        0..=12 => 0.97,
        13..=100 => 0.95,
        101.. => 0.90,
    };
    let figures = vec![
        Figure::of("everybody_knows", f64::from(u8::from(all_know))).at_least(1.0),
        Figure::of("efficiency", units as f64 / (f64::from(nodes) * took)).at_least(least),
        Figure::of("makespan_s", took),
        Figure::of("host_knows_after_s", host_took),
        Figure::of("computed_twice_units", (room.world.gross_units() - units) as f64),
        Figure::of("record_frames_per_node_and_second", each(traffic.frames(&[Tag::RECORDS]))),
        Figure::of("ledger_bytes_per_node_and_second", each(traffic.bytes(&Tag::LEDGER))),
        Figure::of("status_bytes_per_node_and_second", each(traffic.bytes(&[Tag::STATUS]))),
        Figure::of("all_bytes_per_node_and_second", each(traffic.all_bytes())),
    ];
    Report { nodes, figures }
}

/// Three in ten peers die in mid-job, without a word: the total is exact, and each costs one slice at most.
pub fn lost_workers(seed: u64, nodes: u32) -> Report {
    let units = u64::from(nodes) * SUM_UNITS_EACH;
    let peer = |_| PeerOptions { speed: SPEED * 1000, ..PeerOptions::default() };
    let opening = Duration::from_millis(50) * nodes;
    let mut room =
        Room::open(seed, nodes, sum_job(units, 1), Settings::large(), opening, Starts::Earlier, peer);
    room.world.run_for(SETTLING);
    let begun = room.world.now();
    room.begin();
    room.world.run_for(DEATH);
    let lost = room.kill((nodes * 3 / 10) as usize, 1, true).len();
    let all_know = room.world.run_until(PATIENCE, World::everybody_knows);
    let took = room.world.now().since(begun).as_secs_f64();
    room.world.check_all();

    let redone = (room.world.gross_units() + room.world.lost_units() - units) as f64;
    // What is left after the deaths, shared by those who are left.
    let ideal = DEATH.as_secs_f64()
        + (units as f64 - f64::from(nodes) * DEATH.as_secs_f64() * SPEED as f64)
            / (SPEED as f64 * (f64::from(nodes) - lost as f64));
    let figures = vec![
        Figure::of("exact_total_known_to_all", f64::from(u8::from(all_know))).at_least(1.0),
        Figure::of("lost_peers", lost as f64),
        Figure::of("redone_units", redone),
        Figure::of("redone_slices_per_lost_peer", redone / SLICE_UNITS / lost.max(1) as f64).at_most(1.0),
        Figure::of("makespan_s", took),
        Figure::of("makespan_against_ideal", took / ideal),
    ];
    Report { nodes, figures }
}
