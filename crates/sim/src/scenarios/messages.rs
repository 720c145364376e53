//! Messages: whether they arrive, how often, and over how many hops.

use std::time::Duration;

use super::{Figure, Report, Room, Starts};
use crate::options::{PeerOptions, Settings};
use crate::story::sum_job;

/// How long the links may take to settle, and how long repairs may.
const SETTLING: Duration = Duration::from_secs(60);
const REPAIR: Duration = Duration::from_secs(120);
/// How many rooms lose many of their nodes.
const ROOMS: u64 = 20;
/// How many messages are said before copies are counted, and how many then.
const WARM_UP: u32 = 30;
const COUNTED: u32 = 50;

/// A room whose job has not begun: only messages travel.
fn quiet_room(seed: u64, nodes: u32) -> Room {
    let settings = Settings { events: false, trace: false, full_check_every: 0, ..Settings::large() };
    let opening = Duration::from_millis(50) * nodes;
    let mut room = Room::open(seed, nodes, sum_job(10, 1), settings, opening, Starts::RingAndChord, |_| {
        PeerOptions::default()
    });
    room.world.run_for(SETTLING);
    room
}

/// Every node starts from two others. Any three are cut off at once: a message reaches all others before anything is repaired.
/// Then half of the nodes die, or four in five: after the repair a message reaches the survivors.
pub fn lost_nodes(seed: u64, nodes: u32) -> Report {
    let mut figures = Vec::new();
    let mut room = quiet_room(seed, nodes);
    let (mut triples, mut whole, mut hops) = (0, 0, 0);
    for triple in triples_of(nodes as usize) {
        room.world.partition(&triple);
        let from = (0..).find(|number| !triple.contains(number)).unwrap_or(0);
        let spread = room.say(from, "any three may be away");
        triples += 1;
        whole += u32::from(spread.heard + triple.len() + 1 == nodes as usize);
        hops = hops.max(spread.hops);
        room.world.heal();
        room.world.run_for(Duration::from_secs(1));
    }
    figures.push(Figure::of("triples", f64::from(triples)));
    figures.push(Figure::of("reached_all_without_three_percent", percent(whole, triples)).at_least(100.0));
    figures.push(Figure::of("last_hop_without_three", hops as f64));
    for (lost, least) in [(50, 100.0), (80, 99.0)] {
        let (mut heard, mut survivors) = (0, 0);
        for round in 0..ROOMS {
            let mut room = quiet_room(seed + 1 + round, nodes);
            room.kill((nodes * lost / 100) as usize, 0, round % 2 == 0);
            room.world.run_for(REPAIR);
            let from = room.anybody();
            heard += room.say(from, "who is left?").heard as u32;
            survivors += room.world.alive().len() as u32 - 1;
        }
        let name = format!("reached_after_{lost}_percent_died_percent");
        figures.push(Figure::of(name, percent(heard, survivors)).at_least(least));
    }
    Report { nodes, figures }
}

/// One node says many things, then all say something: how many copies beyond the first a node gets, over how many hops.
pub fn redundancy(seed: u64, nodes: u32) -> Report {
    let mut figures = Vec::new();
    for (who, most) in [("one_sender", 0.15), ("many_senders", 0.8)] {
        let mut room = quiet_room(seed, nodes);
        let (mut copies, mut heard, mut hops, mut took) = (0, 0, 0, Duration::ZERO);
        for turn in 0..WARM_UP + COUNTED {
            let from = if who == "one_sender" { room.numbers[3] } else { room.anybody() };
            let spread = room.say(from, "hello");
            if turn >= WARM_UP {
                copies += spread.copies;
                heard += spread.heard;
                hops = hops.max(spread.hops);
                took = took.max(spread.took);
            }
        }
        let expected = (nodes as usize - 1) * COUNTED as usize;
        figures.push(
            Figure::of(format!("{who}_reached_percent"), percent(heard as u32, expected as u32))
                .at_least(100.0),
        );
        let extra = copies as f64 / heard.max(1) as f64 - 1.0;
        figures.push(Figure::of(format!("{who}_copies_beyond_one"), extra).at_most(most));
        figures.push(Figure::of(format!("{who}_last_hop"), hops as f64).at_most(12.0));
        figures.push(Figure::of(format!("{who}_slowest_ms"), took.as_secs_f64() * 1000.0));
    }
    Report { nodes, figures }
}

/// All triples of the numbers below `count`; where that is more than 1,200, an even sample of those.
fn triples_of(count: usize) -> Vec<[usize; 3]> {
    let mut all = Vec::new();
    for a in 0..count {
        for b in a + 1..count {
            all.extend((b + 1..count).map(|c| [a, b, c]));
        }
    }
    let step = all.len().div_ceil(1200).max(1);
    all.into_iter().step_by(step).collect()
}

fn percent(part: u32, whole: u32) -> f64 {
    100.0 * f64::from(part) / f64::from(whole.max(1))
}
