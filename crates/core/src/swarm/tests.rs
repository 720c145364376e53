//! The exchange of chunks between a few machines, message by message.

mod pauses;
mod strangers;
mod world;

use std::collections::BTreeMap;

use manyhands_wire::file::{FileKind, Hash, Manifest};
use proptest::prelude::*;

use super::*;
use crate::files::Content;
use world::*;

#[test]
fn a_file_put_at_one_machine_comes_whole_to_all() {
    let mut world = World::new(5);
    let bytes = content(100_000, 1);
    world.link_all();
    let id = world.put(0, "a", &bytes, 1024);

    world.tell("a", &bytes, 1024);

    assert!(world.run_until(60, |world| world.all_have(id)));
    (0..5).for_each(|number| assert_eq!(world.bytes(number, id), bytes));
    let wasted: u64 = world.machines.iter().map(|machine| machine.swarm.wasted_bytes).sum();
    assert_eq!(wasted, 0, "nothing came twice");
    assert!(world.machines.iter().all(|machine| machine.swarm.asked_bytes == 0));
    assert!(world.machines.iter().all(|machine| machine.swarm.unwritten_bytes == 0));
}

#[test]
fn a_file_of_one_chunk_needs_no_list_and_the_empty_one_no_bytes() {
    let mut world = World::new(2);
    world.link_all();
    let small = world.put(0, "small", b"hello", 1024);
    let empty = world.put(0, "empty", b"", 1024);

    world.tell("small", b"hello", 1024);
    world.tell("empty", b"", 1024);

    assert!(world.run_until(5, |world| world.all_have(small) && world.all_have(empty)));
    assert_eq!(world.bytes(1, small), b"hello");
    assert_eq!(world.machines[0].given, 1);
}

#[test]
fn chunks_longer_than_a_message_come_in_parts() {
    let mut world = World::new(2);
    let bytes = content(700_000, 3);
    world.link_all();
    let id = world.put(0, "long", &bytes, 300_000);

    world.tell("long", &bytes, 300_000);

    assert!(world.run_until(10, |world| world.all_have(id)));
    assert_eq!(world.bytes(1, id), bytes);
}

#[test]
fn who_gives_damaged_chunks_is_dropped_and_the_rest_comes_from_others() {
    let mut world = World::new(4);
    let bytes = content(50_000, 2);
    world.link_all();
    let id = world.put(0, "a", &bytes, 1024);
    world.put(1, "a", &bytes, 1024);
    world.machines[0].lies = true;

    world.tell("a", &bytes, 1024);

    assert!(world.run_until(60, |world| world.all_have(id)));
    assert_eq!(world.bytes(3, id), bytes);
    assert!(world.machines[2].bad == [0] || world.machines[3].bad == [0], "somebody was given a lie");
}

#[test]
fn who_promises_and_does_not_send_is_not_waited_for() {
    let mut world = World::new(3);
    let bytes = content(20_000, 2);
    world.link_all();
    let id = world.put(0, "a", &bytes, 1024);
    world.put(1, "a", &bytes, 1024);
    world.machines[0].mute = true;

    world.tell("a", &bytes, 1024);

    assert!(world.run_until(60, |world| world.all_have(id)));
    assert_eq!(world.bytes(2, id), bytes);
}

#[test]
fn what_the_seeder_gave_before_it_left_is_spread_among_the_others() {
    let slow =
        SwarmConfig { window_bytes: CHUNK_COST_MIN, windows_bytes: CHUNK_COST_MIN, ..SwarmConfig::default() };
    let mut world = World::with(4, slow, u64::MAX);
    let bytes = content(64 * 1024, 2);
    world.link_all();
    let id = world.put(0, "a", &bytes, 1024);
    world.tell("a", &bytes, 1024);
    let spread = |world: &World| {
        let mut chunks = Bits::none(64);
        for machine in &world.machines[1..] {
            machine.disk.get(&id).into_iter().flatten().for_each(|(chunk, _)| {
                chunks.insert(*chunk);
            });
        }
        chunks.is_full()
    };
    assert!(world.run_until(60, spread));
    assert!(!world.all_have(id), "nobody has all of it yet");

    world.stop(0);

    assert!(world.run_until(60, |world| world.all_have(id)));
    assert_eq!(world.bytes(2, id), bytes);
}

#[test]
fn a_machine_that_comes_late_gets_what_is_there() {
    let mut world = World::new(3);
    let bytes = content(10_000, 2);
    world.link(0, 1);
    let id = world.put(0, "a", &bytes, 1024);
    world.tell("a", &bytes, 1024);
    assert!(world.run_until(10, |world| world.machines[1].here.contains(&id)));
    world.stop(0);

    world.link(1, 2);

    assert!(world.run_until(10, |world| world.machines[2].here.contains(&id)));
}

#[test]
fn a_full_disk_stops_one_file_and_is_told() {
    let mut world = World::new(2);
    let bytes = content(10_000, 2);
    world.machines[1].disk_is_full = true;
    world.link_all();
    let id = world.put(0, "a", &bytes, 1024);
    world.tell("a", &bytes, 1024);
    assert!(world.run_until(10, |world| !world.machines[1].failed.is_empty()));
    assert_eq!(world.machines[1].failed[0], "the disk is full");

    world.machines[1].disk_is_full = false;

    assert!(world.run_until(200, |world| world.all_have(id)), "it is tried again");
    assert_eq!(world.machines[1].swarm.unwritten_bytes, 0);
}

#[test]
fn nothing_is_fetched_beyond_the_quota() {
    let mut world = World::with(2, SwarmConfig::default(), 15_000);
    world.link_all();
    let first = content(10_000, 1);
    let second = content(10_000, 2);
    let first_id = world.put(0, "first", &first, 1024);
    world.tell("first", &first, 1024);
    assert!(world.run_until(10, |world| world.machines[1].here.contains(&first_id)));
    world.machines[0].swarm.quota_bytes = u64::MAX;
    let second_id = world.put(0, "second", &second, 1024);
    world.tell("second", &second, 1024);
    assert!(world.run_until(10, |world| world.machines[1].failed.len() == 1));

    world.machines[1].swarm.forget(world.now, &first_id);
    world.drain(1);

    assert!(world.run_until(10, |world| world.machines[1].here.contains(&second_id)));
    assert_eq!(world.machines[1].swarm.bytes_kept, 10_000);
}

#[test]
fn a_damaged_chunk_is_fetched_again() {
    let mut world = World::new(3);
    let bytes = content(10_000, 1);
    world.link_all();
    let id = world.put(0, "a", &bytes, 1024);
    world.put(1, "a", &bytes, 1024);
    world.machines[0].disk.get_mut(&id).unwrap().remove(&3);
    world.machines[0].here.remove(&id);

    world.tell("a", &bytes, 1024);
    for _ in 0..3 {
        let whole = world.run_until(10, |world| world.all_have(id));
        if whole && world.bytes(0, id) == bytes {
            break;
        }
        // Nobody happened to ask for the damaged chunk: somebody who reads the file on this machine does.
        world.machines[0].swarm.on_store(world.now, StoreEvent::Read { file: id, chunk: 3, bytes: None });
        world.drain(0);
    }

    assert_eq!(world.bytes(0, id), bytes);
}

#[test]
fn a_file_whose_hashes_are_lost_is_fetched_again() {
    let mut world = World::new(2);
    let bytes = content(10_000, 1);
    world.link_all();
    let id = world.put(0, "a", &bytes, 1024);
    world.tell("a", &bytes, 1024);
    assert!(world.run_until(10, |world| world.all_have(id)));
    world.machines[0].here.clear();

    world.machines[0].swarm.on_store(world.now, StoreEvent::Hashes { file: id, hashes: None });

    assert!(world.run_until(10, |world| world.all_have(id)));
    assert_eq!(world.machines[0].swarm.bytes_kept, 10_000);
}

#[test]
fn upload_and_download_keep_to_their_limits() {
    let limit = SwarmConfig { download_bytes_per_second: 20_000, ..SwarmConfig::default() };
    for config in [
        limit.clone(),
        SwarmConfig { upload_bytes_per_second: 20_000, download_bytes_per_second: 0, ..limit },
    ] {
        let mut world = World::with(2, config, u64::MAX);
        let bytes = content(200_000, 1);
        world.link_all();
        let id = world.put(0, "a", &bytes, 1024);
        world.tell("a", &bytes, 1024);

        assert!(world.run_until(60, |world| world.all_have(id)));

        let took = world.now.since(Time::ZERO).as_secs_f64();
        assert!((8.0..14.0).contains(&took), "200 kB at 20 kB/s, a second's worth at once: {took} s");
    }
}

#[test]
fn chunks_go_on_before_a_file_is_whole() {
    let slow = SwarmConfig { upload_bytes_per_second: 20_000, ..SwarmConfig::default() };
    let mut world = World::with(4, slow, u64::MAX);
    let bytes = content(100 * 1024, 1);
    let id = world.put(0, "a", &bytes, 1024);
    world.tell("a", &bytes, 1024);
    (1..4).for_each(|number| world.link(number - 1, number));
    let have = |world: &World, number: usize| world.machines[number].disk.get(&id).map_or(0, BTreeMap::len);

    assert!(world.run_until(10, |world| have(world, 1) == 60));

    assert!(have(&world, 2) >= 30 && have(&world, 3) >= 20, "{} and {}", have(&world, 2), have(&world, 3));
    assert!(world.run_until(10, |world| world.all_have(id)));
}

#[test]
fn a_reader_is_given_the_next_chunks_first() {
    let slow =
        SwarmConfig { window_bytes: CHUNK_COST_MIN, windows_bytes: CHUNK_COST_MIN, ..SwarmConfig::default() };
    let mut world = World::with(2, slow, u64::MAX);
    let bytes = content(200 * 1024, 1);
    world.link_all();
    let id = world.put(0, "a", &bytes, 1024);
    world.tell("a", &bytes, 1024);

    world.machines[1].swarm.want(&id, true, Some(100));

    assert!(
        world.run_until(10, |world| world.machines[1].disk.get(&id).is_some_and(|disk| disk.len() == 20))
    );
    let early = world.machines[1].disk[&id].keys().filter(|chunk| (100..125).contains(*chunk)).count();
    assert!(early >= 15, "{early} of the first 20 chunks are those that are read");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_chunk_arrives_over_any_connected_mesh_and_no_window_is_overdrawn(
        count in 2_usize..8,
        chunks in 0_usize..40,
        policy in prop::sample::select(vec![Policy::MostMissingRarest, Policy::Random, Policy::Sequential]),
        window in 1_u32..4,
        extra in proptest::collection::vec((0_usize..8, 0_usize..8), 0..8),
    ) {
        let config = SwarmConfig {
            policy,
            window_bytes: window * CHUNK_COST_MIN,
            windows_bytes: 2 * window * CHUNK_COST_MIN,
            ..SwarmConfig::default()
        };
        let mut world = World::with(count, config.clone(), u64::MAX);
        let bytes = content(chunks * 1024, 5);
        (1..count).for_each(|number| world.link(number, number / 2));
        for (a, b) in extra {
            let (a, b) = (a % count, b % count);
            if a != b && !world.machines[a].swarm.peers.contains_key(&peer(b)) {
                world.link(a, b);
            }
        }
        let id = world.put(0, "a", &bytes, 1024);
        world.tell("a", &bytes, 1024);

        let end = world.now + Duration::from_secs(120);
        while !world.all_have(id) && world.now < end {
            world.step();
            for machine in &world.machines {
                let committed: u64 = machine.swarm.peers.values().map(Neighbour::committed).sum();
                // The last chunk of a turn may exceed it by less than its own cost.
                prop_assert!(committed <= u64::from(config.windows_bytes + CHUNK_COST_MIN));
            }
        }

        prop_assert!(world.all_have(id));
        for number in 0..count {
            prop_assert_eq!(&world.bytes(number, id), &bytes);
        }
        let wasted: u64 = world.machines.iter().map(|machine| machine.swarm.wasted_bytes).sum();
        prop_assert_eq!(wasted, 0);
    }

    #[test]
    fn a_stranger_can_say_anything(
        numbers in proptest::collection::vec((0_u8..16, any::<u32>(), any::<u8>()), 1..60),
    ) {
        let mut world = World::new(2);
        let bytes = content(5_000, 1);
        world.link_all();
        let id = world.put(0, "a", &bytes, 1024);
        world.tell("a", &bytes, 1024);
        for (kind, number, byte) in numbers {
            let picks = vec![Picks { file: id, chunks: vec![number, number % 7] }];
            let frame = match kind {
                0 => Frame::Holds(vec![id, FileId([byte; 32])]),
                1 => Frame::Lacks(vec![id]),
                2 => Frame::AskHolds,
                3 => Frame::Wants(vec![id]),
                4 => Frame::Unwants(vec![id]),
                5 => Frame::Chunks { file: id, bits: vec![byte; usize::from(byte % 3)] },
                6 => Frame::Got(picks),
                7 => Frame::Turn { bytes: number, picks },
                8 => Frame::Fetch(picks),
                9 => Frame::Cancel(picks),
                10 => Frame::AskHashes(id),
                11 => {
                    let bulk = Bulk { file: id, kind: BulkKind::Hashes, offset: number, bytes: &[byte; 32] };
                    world.machines[0].swarm.on_bulk(world.now, peer(1), &bulk.encode());
                    continue;
                }
                12 => {
                    let bulk = Bulk { file: id, kind: BulkKind::Chunk(number % 5), offset: 0, bytes: &[byte; 1024] };
                    world.machines[1].swarm.on_bulk(world.now, peer(0), &bulk.encode());
                    continue;
                }
                13 => {
                    world.machines[0].swarm.on_sent(world.now, &peer(1));
                    continue;
                }
                _ => {
                    world.step();
                    continue;
                }
            };
            world.machines[usize::from(byte % 2)].swarm.on_frame(world.now, peer(1 - usize::from(byte % 2)), frame);
            world.drain(0);
            world.drain(1);
        }

        // Whatever was said, the two come to their file once they speak for themselves again.
        if world.machines.iter().all(|machine| machine.bad.is_empty()) {
            world.cut(0, 1);
            world.link(0, 1);
            prop_assert!(world.run_until(120, |world| world.all_have(id)));
            for machine in &world.machines {
                prop_assert_eq!((machine.swarm.asked_bytes, machine.swarm.unwritten_bytes), (0, 0));
            }
        }
    }
}
