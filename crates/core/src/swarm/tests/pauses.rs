//! Honest machines that pause, change their minds, or run out of room: nothing is stuck, and nobody is blamed.

use super::*;

/// Lets time pass while bytes towards a machine are held back, and then come all at once.
fn pause_bulk(world: &mut World, to: usize, seconds: u64) {
    let end = world.now + Duration::from_secs(seconds);
    let mut held = Vec::new();
    while world.now < end {
        let is_held =
            |(_, whom, message): &(usize, usize, Message)| *whom == to && matches!(message, Message::Bulk(_));
        match world.flying.iter().position(is_held) {
            Some(at) => held.extend(world.flying.remove(at)),
            None => world.step(),
        }
    }
    world.flying.extend(held);
}

/// Machine 1 fetches a file of machine 0, and has this many of its chunks.
fn under_way(len: usize, chunks: usize) -> (World, FileId) {
    let mut world = World::new(2);
    let bytes = content(len, 1);
    world.link_all();
    let id = world.put(0, "a", &bytes, 1024);
    world.tell("a", &bytes, 1024);
    let is_asked = |world: &World| !world.machines[1].swarm.peers.get(&peer(0)).unwrap().asked.is_empty();
    assert!(world.run_until(50, |world| is_asked(world)
        && world.machines[1].disk.get(&id).map_or(0, BTreeMap::len) >= chunks));
    (world, id)
}

#[test]
fn a_pause_in_the_line_is_made_up_for() {
    for (len, chunks) in [(20_000, 0), (3_000_000, 600)] {
        let (mut world, id) = under_way(len, chunks);

        pause_bulk(&mut world, 1, 25);

        assert!(world.run_until(600, |world| world.all_have(id)), "{len} bytes");
        assert!(world.machines[1].bad.is_empty(), "what came late was asked for once");
    }
}

#[test]
fn who_forgets_a_file_again_and_again_blames_nobody_for_what_was_on_its_way() {
    let (mut world, id) = under_way(3_000_000, 600);

    for _ in 0..5 {
        world.machines[1].swarm.forget(world.now, &id);
        world.drain(1);
        world.run_until(2, |_| false);
        assert!(world.machines[1].bad.is_empty());
        world.machines[1].swarm.want(&id, true, None);
        world.machines[1].swarm.on_tick(world.now);
        world.drain(1);
        world.run_until(1, |_| false);
    }

    assert!(world.run_until(60, |world| world.machines[1].swarm.files[0].is_here()));
    assert!(world.machines[1].swarm.asked_bytes == 0 && world.machines[1].swarm.unwritten_bytes == 0);
}

#[test]
fn large_files_whose_only_holder_left_do_not_stop_a_small_one() {
    let mut world = World::new(3);
    world.link_all();
    for name in ["x", "y"] {
        let hashes = vec![[name.as_bytes()[0]; 32]; 65_536];
        let large = Manifest::new(name.into(), 65_536 * 1024, 1024, &hashes, FileKind::File);
        let id = large.id();
        world.machines[1].swarm.add(large, Content::Nothing);
        world.machines[1].swarm.want(&id, false, None);
        world.machines[1].swarm.on_frame(world.now, peer(2), Frame::Holds(vec![id]));
        world.drain(1);
    }
    world.cut(1, 2);
    let bytes = content(200_000, 1);

    let id = world.put(0, "small", &bytes, 1024);
    world.tell("small", &bytes, 1024);

    assert!(world.run_until(120, |world| world.machines[1].here.contains(&id)));
}

#[test]
fn many_files_whose_only_holder_left_do_not_stop_another() {
    let mut world = World::new(3);
    world.link_all();
    for at in 0..400_u32 {
        let gone = Manifest::new(at.to_string(), 2048, 1024, &[[9; 32]; 2], FileKind::File);
        let id = gone.id();
        world.machines[1].swarm.add(gone, Content::Nothing);
        world.machines[1].swarm.want(&id, false, None);
        world.machines[1].swarm.on_frame(world.now, peer(2), Frame::Holds(vec![id]));
        world.drain(1);
    }
    world.cut(1, 2);
    let bytes = content(2_000, 1);

    let id = world.put(0, "a", &bytes, 1024);
    world.tell("a", &bytes, 1024);

    assert!(world.run_until(120, |world| world.machines[1].here.contains(&id)));
}

#[test]
fn a_file_that_never_comes_does_not_use_up_the_quota() {
    let mut world = World::with(3, SwarmConfig::default(), 15_000);
    world.link_all();
    let promised = Manifest::new("x".into(), 14_000, 1024, &[[7; 32]; 14], FileKind::File);
    let promised_id = promised.id();
    world.machines[1].swarm.add(promised, Content::Nothing);
    world.machines[1].swarm.want(&promised_id, false, None);
    world.machines[1].swarm.on_frame(world.now, peer(2), Frame::Holds(vec![promised_id]));
    world.drain(1);
    world.cut(1, 2);
    let bytes = content(10_000, 1);

    let id = world.put(0, "a", &bytes, 1024);
    world.tell("a", &bytes, 1024);

    assert!(world.run_until(600, |world| world.machines[1].here.contains(&id)));
}

#[test]
fn a_store_that_refused_to_begin_is_told_to_begin_again() {
    let (manifest, hashes) = manifest("a", &content(3000, 1), 1024);
    let id = manifest.id();
    let list = Bulk { file: id, kind: BulkKind::Hashes, offset: 0, bytes: hashes.as_flattened() }.encode();
    let mut swarm = World::new(1).machines.remove(0).swarm;
    let begins = |swarm: &mut Swarm| {
        let outputs = std::iter::from_fn(|| swarm.poll_output());
        outputs.filter(|output| matches!(output, SwarmOutput::Store(StoreOrder::Begin { .. }))).count()
    };
    swarm.add(manifest, Content::Nothing);
    swarm.want(&id, false, None);
    swarm.on_link_up(Time::ZERO, peer(1));
    swarm.on_frame(Time::ZERO, peer(1), Frame::Holds(vec![id]));
    swarm.on_bulk(Time::ZERO, peer(1), &list);
    assert_eq!(begins(&mut swarm), 1);

    swarm.on_store(Time::ZERO, StoreEvent::Refused { file: id, why: "full".into() });
    let later = Time::ZERO + Duration::from_secs(62);
    swarm.on_tick(later);
    swarm.on_bulk(later, peer(1), &list);

    assert_eq!(begins(&mut swarm), 1);
}

#[test]
fn what_was_refused_after_a_file_was_forgotten_is_not_waited_for() {
    let bytes = content(900, 1);
    let (manifest, _) = manifest("a", &bytes, 1024);
    let id = manifest.id();
    let mut swarm = World::new(1).machines.remove(0).swarm;
    let now = Time::ZERO + Duration::from_secs(1);
    swarm.add(manifest, Content::Nothing);
    swarm.want(&id, false, None);
    swarm.on_link_up(now, peer(1));
    swarm.on_frame(now, peer(1), Frame::Holds(vec![id]));
    swarm.on_frame(now, peer(1), Frame::Turn { bytes: 100_000, picks: vec![] });
    let chunk = Bulk { file: id, kind: BulkKind::Chunk(0), offset: 0, bytes: &bytes };
    swarm.on_bulk(now, peer(1), &chunk.encode());
    assert_eq!(swarm.unwritten_bytes, 900);

    swarm.forget(now, &id);
    swarm.on_store(now, StoreEvent::Refused { file: id, why: "full".into() });

    assert_eq!(swarm.unwritten_bytes, 0);
}
