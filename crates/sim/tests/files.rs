//! Files in virtual time: each test is a story with an end that must hold.

use std::collections::BTreeSet;
use std::time::Duration;

use manyhands_core::files::{FetchPolicy, FileState, SwarmConfig};
use manyhands_core::{Command, Event};
use manyhands_sim::disk::{FileOptions, Health};
use manyhands_sim::network::Conditions;
use manyhands_sim::story::{Plot, sum_job, tell_to};
use manyhands_sim::{PeerOptions, Settings, World};
use manyhands_wire::FileId;

const MINUTE: Duration = Duration::from_secs(60);
const CHUNK: u32 = 4096;

/// A peer that lends no thread, but its disk.
fn with_files(identity: u32, files: FileOptions) -> PeerOptions {
    PeerOptions { threads: 0, identity, files: Some(files), ..PeerOptions::default() }
}

fn a_peer(identity: u32) -> PeerOptions {
    with_files(identity, FileOptions::default())
}

/// A host and friends that have linked up.
fn a_room(friends: u32) -> (World, Vec<usize>) {
    a_room_with(friends, Settings::default(), a_peer)
}

fn a_room_with(friends: u32, settings: Settings, peer: impl Fn(u32) -> PeerOptions) -> (World, Vec<usize>) {
    let mut world = World::with(3, sum_job(100, 10), settings);
    let mut numbers = vec![world.host(peer(0), u16::MAX, None)];
    numbers.extend((1..=friends).map(|identity| world.friend(peer(identity))));
    world.run_for(Duration::from_secs(5));
    (world, numbers)
}

/// Bytes of a file that differ from chunk to chunk.
fn content(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8 ^ (at / 4096) as u8).collect()
}

fn all_have(world: &World, numbers: &[usize], id: &FileId, bytes: &[u8]) -> bool {
    let knows = |number: usize| world.node(number).file(id).is_some_and(|file| file.state == FileState::Here);
    numbers.iter().all(|number| knows(*number) && world.file_bytes(*number, id).as_deref() == Some(bytes))
}

fn sent_bytes(world: &World, number: usize) -> u64 {
    world.view(number).files.map_or(0, |files| files.sent_bytes)
}

#[test]
fn a_file_put_anywhere_is_everywhere() {
    let (mut world, numbers) = a_room(6);
    let bytes = content(200_000);

    let id = world.put_file(numbers[3], "a.bin", &bytes, CHUNK);

    assert!(world.run_until(MINUTE, |world| all_have(world, &numbers, &id, &bytes)));
    let info = world.node(numbers[5]).file(&id).unwrap();
    assert_eq!((info.state, info.name.as_str(), info.chunks_here), (FileState::Here, "a.bin", 49));
    assert!(world.run_until(MINUTE, |world| world.node(numbers[5]).file(&id).unwrap().peers == 7));
    let told = |number: usize| {
        let here = |event: &&Event| matches!(event, Event::FileHere { file, .. } if *file == id);
        world.events(number).iter().filter(here).count()
    };
    assert!(numbers.iter().all(|number| told(*number) == 1), "everybody is told once");
}

#[test]
fn forty_nodes_with_a_few_links_each_all_get_a_file() {
    let (mut world, numbers) = a_room_with(39, Settings::large(), a_peer);
    world.run_for(Duration::from_secs(20));
    let bytes = content(300_000);

    let id = world.put_file(numbers[17], "far.bin", &bytes, CHUNK);

    assert!(world.run_until(3 * MINUTE, |world| all_have(world, &numbers, &id, &bytes)));
}

#[test]
fn who_comes_late_gets_every_file_that_was_ever_put() {
    let (mut world, mut numbers) = a_room(2);
    let files: Vec<(FileId, Vec<u8>)> = (0..300_usize)
        .map(|at| {
            let bytes = content(at * 40);
            (world.put_file(numbers[at % 3], &format!("{at}.txt"), &bytes, CHUNK), bytes)
        })
        .collect();
    let all = |world: &World, numbers: &[usize]| {
        files.iter().all(|(id, bytes)| all_have(world, numbers, id, bytes))
    };
    assert!(world.run_until(2 * MINUTE, |world| all(world, &numbers)));

    numbers.push(world.friend(a_peer(9)));

    assert!(world.run_until(MINUTE, |world| all(world, &numbers)));
    assert_eq!(world.view(numbers[3]).files.unwrap().known, 300);
}

#[test]
fn who_was_away_catches_up() {
    let (mut world, numbers) = a_room(3);
    world.command(numbers[2], Command::Sleep);
    let bytes = content(50_000);
    let id = world.put_file(numbers[1], "a.bin", &bytes, CHUNK);
    assert!(world.run_until(MINUTE, |world| all_have(world, &numbers[..2], &id, &bytes)));
    assert!(world.file_bytes(numbers[2], &id).is_none());

    world.command(numbers[2], Command::Wake);

    assert!(world.run_until(2 * MINUTE, |world| all_have(world, &numbers, &id, &bytes)));
}

#[test]
fn a_nap_in_the_middle_of_many_files_is_made_up_for() {
    let (mut world, numbers) = a_room(1);
    let slow = FileOptions { disk_takes: Duration::from_millis(200), ..FileOptions::default() };
    for at in 0..2000_u32 {
        world.put_file(numbers[0], &format!("{at}.txt"), &at.to_le_bytes(), CHUNK);
    }
    let late = world.friend(with_files(9, slow));
    let counts = |world: &World| world.view(late).files.map_or((0, 0), |files| (files.known, files.here));
    assert!(world.run_until(MINUTE, |world| counts(world).0 == 2000 && counts(world).1 > 0));
    assert!(counts(&world).1 < 2000, "it is still at it");

    world.command(late, Command::Sleep);
    world.run_for(Duration::from_secs(3));
    world.command(late, Command::Wake);

    assert!(world.run_until(2 * MINUTE, |world| counts(world).1 == 2000));
}

#[test]
fn parted_networks_exchange_their_files_when_they_meet_again() {
    let (mut world, numbers) = a_room(3);
    world.partition(&numbers[..2]);
    let (left, right) = (content(30_000), content(40_000));
    let left_id = world.put_file(numbers[0], "left", &left, CHUNK);
    let right_id = world.put_file(numbers[3], "right", &right, CHUNK);
    assert!(world.run_until(MINUTE, |world| all_have(world, &numbers[..2], &left_id, &left)
        && all_have(world, &numbers[2..], &right_id, &right)));

    world.heal();

    assert!(world.run_until(3 * MINUTE, |world| all_have(world, &numbers, &left_id, &left)
        && all_have(world, &numbers, &right_id, &right)));
}

#[test]
fn a_seeder_of_damaged_chunks_is_dropped_and_the_file_comes_from_others() {
    let (mut world, numbers) = a_room(2);
    let bytes = content(4_000_000);
    let id = world.put_file(numbers[1], "a.bin", &bytes, CHUNK);
    assert!(world.run_until(MINUTE, |world| all_have(world, &numbers, &id, &bytes)));
    world.spoil_disk(numbers[1], Health::Lies);

    let late = world.friend(a_peer(9));

    assert!(world.run_until(MINUTE, |world| all_have(world, &[late], &id, &bytes)));
    let liar = world.node(numbers[1]).id();
    let is_accused = |event: &Event| matches!(event, Event::Misbehaved { peer, .. } if *peer == liar);
    assert!(world.events(late).iter().any(is_accused), "the liar is known");
}

#[test]
fn who_promises_chunks_and_never_sends_them_does_not_stop_a_file() {
    let (mut world, numbers) = a_room(3);
    let bytes = content(100_000);
    let id = world.put_file(numbers[1], "a.bin", &bytes, CHUNK);
    assert!(world.run_until(MINUTE, |world| all_have(world, &numbers, &id, &bytes)));
    world.spoil_disk(numbers[1], Health::Mute);

    let late = world.friend(a_peer(9));

    assert!(world.run_until(2 * MINUTE, |world| all_have(world, &[late], &id, &bytes)));
}

#[test]
fn a_disk_that_notices_a_damaged_chunk_gets_it_back_from_others() {
    let (mut world, numbers) = a_room(2);
    let bytes = content(50_000);
    let id = world.put_file(numbers[1], "a.bin", &bytes, CHUNK);
    assert!(world.run_until(MINUTE, |world| all_have(world, &numbers, &id, &bytes)));
    numbers[1..].iter().for_each(|number| world.spoil_disk(*number, Health::Damaged));

    let late = world.friend(a_peer(9));

    assert!(world.run_until(2 * MINUTE, |world| all_have(world, &[late], &id, &bytes)));
    assert!(
        world.run_until(2 * MINUTE, |world| all_have(world, &numbers, &id, &bytes)),
        "all are whole again"
    );
}

#[test]
fn the_same_file_put_by_two_is_one_file() {
    let (mut world, numbers) = a_room(3);
    let bytes = content(20_000);

    let first = world.put_file(numbers[1], "a.bin", &bytes, CHUNK);
    let second = world.put_file(numbers[2], "a.bin", &bytes, CHUNK);
    world.run_for(MINUTE);

    assert_eq!(first, second);
    for number in numbers {
        assert_eq!(world.view(number).files.unwrap().known, 1);
        assert_eq!(world.file_bytes(number, &first).as_ref(), Some(&bytes));
    }
}

#[test]
fn the_empty_file_and_odd_names_travel_like_any_other() {
    let (mut world, numbers) = a_room(2);
    let long = "x".repeat(300);
    let names = ["", "../x", "a\0b", "🦦 zwölf.txt", &long, "C:\\con", "-rf", "\n\r\t"];

    let ids: Vec<FileId> = names.iter().map(|name| world.put_file(numbers[1], name, &[], CHUNK)).collect();

    for (id, name) in ids.iter().zip(names) {
        assert!(world.run_until(MINUTE, |world| all_have(world, &numbers, id, &[])));
        assert_eq!(world.node(numbers[2]).file(id).unwrap().name, name);
    }
}

#[test]
fn when_the_seeder_leaves_at_the_half_the_others_finish_with_what_they_have_together() {
    let slow = Conditions { bytes_per_second: 400_000, ..Conditions::default() };
    let settings = Settings { conditions: slow, ..Settings::default() };
    let (mut world, numbers) = a_room_with(5, settings, a_peer);
    let bytes = content(1_600_000);
    let id = world.put_file(numbers[1], "a.bin", &bytes, CHUNK);
    let others: Vec<usize> = numbers.iter().copied().filter(|number| *number != numbers[1]).collect();
    let together = |world: &World| {
        let chunks: BTreeSet<u32> =
            others.iter().flat_map(|number| world.chunks_on_disk(*number, &id)).collect();
        chunks.len() == 391
    };
    assert!(world.run_until(MINUTE, together));
    let most = others.iter().map(|number| world.chunks_on_disk(*number, &id).len()).max().unwrap();
    assert!(most < 391, "nobody else has finished: {most}");

    world.crash(numbers[1], false);

    assert!(world.run_until(2 * MINUTE, |world| all_have(world, &others, &id, &bytes)));
}

#[test]
fn who_crashes_in_the_middle_fetches_only_what_it_lacked() {
    let slow = Conditions { bytes_per_second: 400_000, ..Conditions::default() };
    let settings = Settings { conditions: slow, ..Settings::default() };
    let (mut world, numbers) = a_room_with(1, settings, a_peer);
    let bytes = content(800_000);
    let id = world.put_file(numbers[0], "a.bin", &bytes, CHUNK);
    assert!(world.run_until(MINUTE, |world| world.chunks_on_disk(numbers[1], &id).len() > 80));

    world.crash(numbers[1], true);
    let again = world.friend(a_peer(1));

    assert!(world.run_until(2 * MINUTE, |world| all_have(world, &[again], &id, &bytes)));
    assert_eq!(world.chunks_written(again), 196, "no chunk was written twice");
}

#[test]
fn a_full_disk_and_a_used_up_quota_are_told_and_stop_nothing_else() {
    let (mut world, mut numbers) = a_room(1);
    let full = FileOptions { disk: Health::Full(50_000), ..FileOptions::default() };
    numbers.push(world.friend(with_files(8, full)));
    numbers.push(world.friend(with_files(9, FileOptions { quota_bytes: 50_000, ..FileOptions::default() })));
    let (small, large) = (content(20_000), content(80_000));

    let large_id = world.put_file(numbers[0], "large", &large, CHUNK);
    world.run_for(Duration::from_secs(5));
    let small_id = world.put_file(numbers[0], "small", &small, CHUNK);

    assert!(world.run_until(MINUTE, |world| all_have(world, &numbers[..2], &large_id, &large)));
    assert!(world.run_until(MINUTE, |world| all_have(world, &numbers[3..], &small_id, &small)));
    for (number, why) in [(numbers[2], "the disk is full"), (numbers[3], "no room for it within the quota")] {
        let info = world.node(number).file(&large_id).unwrap();
        assert_eq!(info.state, FileState::Failed);
        assert!(info.trouble.contains(why), "{}", info.trouble);
    }
}

#[test]
fn what_was_forgotten_does_not_come_back_unless_it_is_asked_for() {
    let (mut world, numbers) = a_room(2);
    let bytes = content(20_000);
    let id = world.put_file(numbers[1], "a.bin", &bytes, CHUNK);
    assert!(world.run_until(MINUTE, |world| all_have(world, &numbers, &id, &bytes)));

    world.command(numbers[2], Command::ForgetFile(id));
    world.run_for(2 * MINUTE);
    assert!(world.file_bytes(numbers[2], &id).is_none());
    assert_eq!(world.node(numbers[2]).file(&id).unwrap().state, FileState::Forgotten);
    assert_eq!(world.node(numbers[0]).file(&id).unwrap().peers, 2);

    world.command(numbers[2], Command::FetchFile(id, None));
    assert!(world.run_until(MINUTE, |world| all_have(world, &numbers, &id, &bytes)));
}

#[test]
fn who_fetches_only_what_is_asked_for_still_knows_of_all() {
    let (mut world, mut numbers) = a_room(1);
    let asked = FetchPolicy::Asked { unasked_bytes_max: 1000 };
    numbers.push(world.friend(with_files(9, FileOptions { fetch: asked, ..FileOptions::default() })));
    let (small, large) = (content(900), content(20_000));
    let small_id = world.put_file(numbers[0], "small", &small, CHUNK);
    let large_id = world.put_file(numbers[0], "large", &large, CHUNK);
    assert!(world.run_until(MINUTE, |world| all_have(world, &numbers, &small_id, &small)));
    world.run_for(MINUTE);
    let info = world.node(numbers[2]).file(&large_id).unwrap();
    assert_eq!((info.state, info.peers), (FileState::Known, 2));

    world.command(numbers[2], Command::FetchFile(large_id, Some(0)));

    assert!(world.run_until(MINUTE, |world| all_have(world, &numbers, &large_id, &large)));
}

#[test]
fn a_seeder_gives_little_more_than_the_file_when_many_want_it_at_once() {
    let slow = Conditions { bytes_per_second: 2_000_000, ..Conditions::default() };
    let settings = Settings { conditions: slow, ..Settings::large() };
    let (mut world, numbers) = a_room_with(7, settings, a_peer);
    let bytes = content(8_000_000);
    let begin = world.now();

    let id = world.put_file(numbers[1], "a.bin", &bytes, 65_536);

    assert!(world.run_until(2 * MINUTE, |world| all_have(world, &numbers, &id, &bytes)));
    let copies = sent_bytes(&world, numbers[1]) as f64 / bytes.len() as f64;
    let took = world.now().since(begin).as_secs_f64();
    // Each byte leaves the seeder once at least, and all but the seeder have to be given all of it by somebody.
    let least = bytes.len() as f64 / 2_000_000.0;
    println!("the seeder gave {copies:.3} copies; it took {:.3} of the least time", took / least);
    assert!(copies <= 1.3, "{copies}");
    assert!(took <= 1.25 * least, "{took} s, where {least} s is the least");
}

#[test]
fn ten_thousand_small_files_are_with_a_newcomer_in_seconds() {
    let settings = Settings::large();
    let (mut world, mut numbers) = a_room_with(1, settings, a_peer);
    let files: Vec<FileId> = (0..10_000_u32)
        .map(|at| {
            if at.is_multiple_of(500) {
                world.run_for(Duration::from_secs(1));
            }
            world.put_file(numbers[0], &format!("{at}.txt"), &at.to_le_bytes(), CHUNK)
        })
        .collect();
    world.run_for(Duration::from_secs(40));
    assert_eq!(world.view(numbers[1]).files.unwrap().here, 10_000);

    numbers.push(world.friend(a_peer(9)));
    let begin = world.now();

    let late = numbers[2];
    assert!(
        world.run_until(MINUTE, |world| world.view(late).files.is_some_and(|files| files.here == 10_000))
    );
    let took = world.now().since(begin).as_secs_f64();
    println!("10,000 files after {took:.1} s");
    assert!(took < 10.0, "{took} s");
    assert!(world.file_bytes(late, &files[9_999]).is_some());
}

#[test]
fn chunks_come_over_a_bad_network_too() {
    let bad = Conditions {
        latency: Duration::from_millis(80),
        jitter: Duration::from_millis(40),
        loss_permille: 50,
        bytes_per_second: 1_000_000,
        ..Conditions::default()
    };
    let window = SwarmConfig { window_bytes: 256 << 10, ..SwarmConfig::default() };
    let settings = Settings { conditions: bad, ..Settings::default() };
    let files =
        FileOptions { swarm: window, disk_takes: Duration::from_millis(15), ..FileOptions::default() };
    let (mut world, numbers) = a_room_with(3, settings, |identity| with_files(identity, files.clone()));
    world.run_for(Duration::from_secs(10));
    let bytes = content(1_000_000);

    let id = world.put_file(numbers[2], "a.bin", &bytes, 65_536);

    assert!(world.run_until(MINUTE, |world| all_have(world, &numbers, &id, &bytes)));
}

#[test]
fn random_faults_never_cost_a_file_that_is_left_somewhere() {
    let plot = Plot { files: true, ..Plot::default() };
    let failed: Vec<String> = (0..40)
        .filter_map(|seed| {
            let story = tell_to(seed, plot, None);
            story.failure.map(|why| format!("seed {seed}: {why}\n  {}", story.settings))
        })
        .collect();

    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
