//! Peers that promise, flood, or take nothing: others are served all the same, and memory is bounded.

use super::*;

/// Machine 0 with a file, and a stranger with a link that is no machine.
fn with_a_stranger(world: &mut World, bytes: &[u8], chunk_bytes: u32) -> (FileId, PeerId) {
    let id = world.put(0, "a", bytes, chunk_bytes);
    let stranger = peer(world.machines.len());
    world.machines[0].swarm.on_link_up(world.now, stranger);
    (id, stranger)
}

/// Runs a world in which what is for the stranger is lost.
fn run_without(world: &mut World, seconds: u64, until: impl Fn(&World) -> bool) -> bool {
    let end = world.now + Duration::from_secs(seconds);
    while !until(world) && world.now < end {
        let machines = world.machines.len();
        world.flying.retain(|(_, to, _)| *to < machines);
        world.step();
    }
    let machines = world.machines.len();
    world.flying.retain(|(_, to, _)| *to < machines);
    until(world)
}

#[test]
fn who_never_takes_what_it_is_sent_does_not_stop_giving_to_others() {
    let mut world = World::new(2);
    let bytes = content(2_000_000, 1);
    let (id, stranger) = with_a_stranger(&mut world, &bytes, 65_536);
    world.machines[0].swarm.on_frame(world.now, stranger, Frame::Wants(vec![id]));
    // It takes every turn, and reads nothing: its bytes stay in the driver.
    loop {
        let mut turn = None;
        while let Some(output) = world.machines[0].swarm.poll_output() {
            match output {
                SwarmOutput::Frame(_, Frame::Turn { picks, .. }) => turn = Some(picks),
                SwarmOutput::Store(order) => world.store(0, order),
                _ => {}
            }
        }
        let Some(picks) = turn else { break };
        world.machines[0].swarm.on_frame(world.now, stranger, Frame::Fetch(picks));
    }

    world.link(0, 1);
    world.tell("a", &bytes, 65_536);

    assert!(run_without(&mut world, 60, |world| world.machines[1].here.contains(&id)));
}

#[test]
fn chunks_that_were_asked_for_twice_and_cancelled_leave_nothing_behind() {
    let mut world = World::new(1);
    let (id, stranger) = with_a_stranger(&mut world, &content(2_000_000, 1), 65_536);
    let swarm = &mut world.machines[0].swarm;
    swarm.on_frame(Time::ZERO, stranger, Frame::Wants(vec![id]));

    swarm.on_frame(Time::ZERO, stranger, Frame::Fetch(vec![Picks { file: id, chunks: vec![3; 100] }]));
    swarm.on_frame(Time::ZERO, stranger, Frame::Fetch(vec![Picks { file: id, chunks: (0..30).collect() }]));
    swarm.on_frame(Time::ZERO, stranger, Frame::Cancel(vec![Picks { file: id, chunks: (0..30).collect() }]));

    let neighbour = swarm.peers.get(&stranger).unwrap();
    assert_eq!((neighbour.queue.len(), neighbour.queued_bytes), (0, 0));
}

#[test]
fn what_a_neighbour_lacks_is_counted_to_the_byte() {
    let mut world = World::new(1);
    let (large, stranger) = with_a_stranger(&mut world, &content(1_000_000, 1), 65_536);
    let small: Vec<FileId> =
        (0..10).map(|at| world.put(0, &at.to_string(), &content(100, at), 65_536)).collect();
    let swarm = &mut world.machines[0].swarm;
    swarm.on_frame(Time::ZERO, stranger, Frame::Wants(vec![large]));

    swarm.on_frame(Time::ZERO, stranger, Frame::Wants(small.clone()));
    swarm.on_frame(Time::ZERO, stranger, Frame::Holds(small));

    assert_eq!(swarm.peers.get(&stranger).unwrap().missing_bytes, 1_000_000);
}

#[test]
fn wishes_for_files_that_nobody_has_cost_no_memory() {
    let mut world = World::new(1);
    let (_, stranger) = with_a_stranger(&mut world, &[], 1024);
    let swarm = &mut world.machines[0].swarm;
    let ids: Vec<FileId> = (0..400_u32)
        .map(|at| {
            let (name, size, kind) = (at.to_string(), 65_536 * 1024, FileKind::File);
            let manifest = Manifest { name, size, chunk_bytes: 1024, hashes: [1; 32], kind };
            let id = manifest.id();
            swarm.add(manifest, Content::Nothing);
            id
        })
        .collect();

    swarm.on_frame(Time::ZERO, stranger, Frame::Wants(ids));

    assert!(swarm.files.iter().all(|file| file.copies.is_none()));
}

#[test]
fn lists_of_hashes_are_sent_one_after_the_other() {
    let hashes = vec![[1; 32]; 65_536];
    let manifest = Manifest::new("x".into(), 65_536 * 1024, 1024, &hashes, FileKind::File);
    let id = manifest.id();
    let mut swarm = World::new(1).machines.remove(0).swarm;
    let mut have = Bits::none(65_536);
    have.insert(1);
    swarm.add(manifest, Content::Part { hashes, chunks: have });
    swarm.on_link_up(Time::ZERO, peer(1));
    swarm.on_frame(Time::ZERO, peer(1), Frame::Holds(vec![id]));

    (0..20).for_each(|_| swarm.on_frame(Time::ZERO, peer(1), Frame::AskHashes(id)));

    let outputs = std::iter::from_fn(|| swarm.poll_output());
    let bytes: usize = outputs
        .filter_map(|output| if let SwarmOutput::Bulk(_, bytes) = output { Some(bytes.len()) } else { None })
        .sum();
    assert!(bytes < 65_536 * 32 + 4096, "{bytes} bytes at once");
}

#[test]
fn who_sends_next_to_nothing_now_and_then_does_not_stop_other_files() {
    let mut world = World::new(2);
    let stranger = peer(2);
    let hashes = vec![[9; 32]; 128];
    let large = Manifest::new("large".into(), 128 * (4 << 20), 4 << 20, &hashes, FileKind::File);
    let large_id = large.id();
    let list = Bulk { file: large_id, kind: BulkKind::Hashes, offset: 0, bytes: hashes.as_flattened() };
    let swarm = &mut world.machines[1].swarm;
    swarm.on_link_up(world.now, stranger);
    swarm.add(large, Content::Nothing);
    swarm.want(&large_id, false, None);
    swarm.on_frame(world.now, stranger, Frame::Holds(vec![large_id]));
    swarm.on_bulk(world.now, stranger, &list.encode());
    let later = world.now + Duration::from_secs(1);
    swarm.on_frame(later, stranger, Frame::Turn { bytes: u32::MAX, picks: vec![] });
    assert!(swarm.asked_bytes > 0 && swarm.asked_bytes <= 8 << 20, "{}", swarm.asked_bytes);
    while world.machines[1].swarm.poll_output().is_some() {}
    world.link(0, 1);
    let bytes = content(100_000, 1);
    let id = world.put(0, "a", &bytes, 1024);
    let (manifest, _) = manifest("a", &bytes, 1024);
    world.machines[1].swarm.add(manifest, Content::Nothing);
    world.machines[1].swarm.want(&id, true, Some(0));

    let nothing = Bulk { file: large_id, kind: BulkKind::Chunk(0), offset: 0, bytes: &[] }.encode();
    let comes = |world: &World| world.machines[1].here.contains(&id);
    let is_there = (0..12).any(|_| {
        world.machines[1].swarm.on_bulk(world.now, stranger, &nothing);
        run_without(&mut world, 5, comes)
    });

    assert!(is_there);
}

#[test]
fn chunks_of_a_file_that_a_neighbour_lost_are_asked_of_others_at_once() {
    let (manifest, hashes) = manifest("a", &content(200_000, 1), 1024);
    let id = manifest.id();
    let list = Bulk { file: id, kind: BulkKind::Hashes, offset: 0, bytes: hashes.as_flattened() };
    let mut swarm = World::new(1).machines.remove(0).swarm;
    let now = Time::ZERO + Duration::from_secs(1);
    swarm.add(manifest, Content::Nothing);
    swarm.want(&id, false, None);
    swarm.on_link_up(now, peer(1));
    swarm.on_frame(now, peer(1), Frame::Holds(vec![id]));
    swarm.on_bulk(now, peer(1), &list.encode());
    swarm.on_frame(now, peer(1), Frame::Turn { bytes: 1 << 20, picks: vec![] });
    assert!(swarm.asked_bytes > 0);

    swarm.on_frame(now, peer(1), Frame::Lacks(vec![id]));

    assert_eq!(swarm.asked_bytes, 0);
}
