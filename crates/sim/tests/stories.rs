//! Peers meeting, in virtual time: each test is a story with an end that must hold.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use manyhands_core::view::{LinkState, Phase};
use manyhands_core::{Command, Event, SignalingEvent};
use manyhands_sim::network::Conditions;
use manyhands_sim::story::sum_job;
use manyhands_sim::{PeerOptions, World, tell};
use manyhands_wire::flood::Body;
use manyhands_wire::{JobKind, JobSpec};

const MINUTE: Duration = Duration::from_secs(60);

fn a_peer(identity: u32, units_per_second: u64) -> PeerOptions {
    PeerOptions { threads: 1, speed: units_per_second * 1000, identity, ..PeerOptions::default() }
}

/// A host with `friends` friends, all of the same speed, that has just started.
fn a_room(friends: u32, units: u64, wait: u16) -> (World, Vec<usize>) {
    let mut world = World::new(1, sum_job(units * 10, 10), Conditions::default());
    let mut numbers = vec![world.host(a_peer(0, 100), wait, None)];
    numbers.extend((1..=friends).map(|identity| world.friend(a_peer(identity, 100))));
    (world, numbers)
}

fn open_links(world: &World, number: usize) -> usize {
    let view = world.node(number).view(world.now());
    view.peers.iter().filter(|peer| peer.link == LinkState::Open).count()
}

#[test]
fn ten_peers_finish_exactly_and_all_know_it() {
    let (mut world, numbers) = a_room(9, 10_000, 0);

    assert!(world.run_until(MINUTE, World::everybody_knows));
    // The checks of the last results.
    world.run_for(Duration::from_secs(2));

    for number in numbers {
        let view = world.node(number).view(world.now());
        let job = view.job.unwrap();
        assert_eq!(view.phase, Phase::Finished);
        assert_eq!(job.done_total.as_deref(), Some("5000050000"));
        assert_eq!(job.reached, Some(100_000));
        assert_eq!(
            view.peers.iter().map(|peer| peer.credit_units).sum::<u64>(),
            10_000,
            "all the credit is given"
        );
    }
}

#[test]
fn every_peer_has_a_colour_of_its_own_the_same_on_every_screen() {
    let (mut world, numbers) = a_room(9, 100_000, 0);
    world.run_for(Duration::from_secs(2));

    let colours = |number: usize| -> BTreeMap<String, u16> {
        let view = world.node(number).view(world.now());
        view.peers.into_iter().map(|peer| (peer.id, peer.hue)).collect()
    };

    assert_eq!(colours(numbers[0]).values().collect::<BTreeSet<_>>().len(), 10);
    assert!(numbers.iter().all(|number| colours(*number) == colours(numbers[0])));
}

#[test]
fn everybody_links_with_everybody_within_a_second() {
    let (mut world, numbers) = a_room(9, 1_000_000, 0);

    world.run_for(Duration::from_secs(1));

    assert!(numbers.iter().all(|number| open_links(&world, *number) == 9));
}

#[test]
fn after_the_links_stand_signaling_carries_nothing() {
    let (mut world, _) = a_room(4, 5_000, 0);
    world.run_for(Duration::from_secs(1));
    let relayed = world.relayed();

    assert!(world.run_until(MINUTE, World::everybody_knows));

    assert_eq!(world.relayed(), relayed);
}

#[test]
fn the_lobby_starts_the_job_for_all_at_once() {
    let (mut world, numbers) = a_room(8, 5_000, 9);
    world.run_for(Duration::from_secs(20));
    let waiting = world.node(numbers[3]).view(world.now());

    world.friend(a_peer(9, 100));
    assert!(world.run_until(MINUTE, World::everybody_knows));

    assert_eq!(waiting.phase, Phase::Lobby { wanted: 9, present: 8 });
    let shares: Vec<u64> =
        world.node(0).view(world.now()).peers.iter().map(|peer| peer.credit_units).collect();
    assert!(
        shares.iter().all(|share| (300..=700).contains(share)),
        "ten equal peers have about a tenth each: {shares:?}"
    );
}

#[test]
fn the_host_may_start_before_the_lobby_is_full() {
    let (mut world, numbers) = a_room(2, 1_000, 9);
    world.run_for(Duration::from_secs(2));

    world.command(numbers[0], Command::Start);

    assert!(world.run_until(MINUTE, World::everybody_knows));
}

#[test]
fn a_finished_job_waits_for_nobody() {
    let mut world = World::new(1, sum_job(0, 10), Conditions::default());
    let host = world.host(a_peer(0, 100), 9, None);

    assert_eq!(world.node(host).view(world.now()).phase, Phase::Finished);
}

#[test]
fn a_friend_who_closes_the_tab_costs_one_slice_at_most() {
    let (mut world, numbers) = a_room(4, 10_000, 0);
    world.run_for(Duration::from_secs(5));

    world.crash(numbers[2], false);
    assert!(world.run_until(MINUTE, World::everybody_knows));

    // A slice lasts a second at the most, here 100 units.
    let redone = world.gross_units() - 10_000;
    assert!(redone <= 100, "{redone} units were computed twice");
}

#[test]
fn a_friend_who_loses_power_costs_one_slice_and_some_waiting() {
    let (mut world, numbers) = a_room(4, 10_000, 0);
    world.run_for(Duration::from_secs(5));

    world.crash(numbers[2], true);
    let start = world.now();

    assert!(world.run_until(2 * MINUTE, World::everybody_knows));
    assert!(world.gross_units() - 10_000 <= 200);
    // 9500 units at 400 a second, and the ten seconds after which a silent peer is stale.
    assert!(world.now().since(start) < Duration::from_secs(35));
}

#[test]
fn the_friends_finish_when_the_host_is_gone() {
    let (mut world, numbers) = a_room(5, 10_000, 0);
    world.run_for(Duration::from_secs(5));

    world.crash(numbers[0], true);
    world.crash_signaling();

    assert!(world.run_until(3 * MINUTE, World::everybody_knows));
}

#[test]
fn a_host_that_comes_back_has_what_the_friends_did() {
    let (mut world, numbers) = a_room(3, 3_000, 0);
    world.run_for(Duration::from_secs(2));
    let saved = world.node(numbers[0]).ledger().cloned();
    world.crash(numbers[0], false);
    world.crash_signaling();
    world.run_for(Duration::from_secs(30));

    world.revive_signaling();
    let host = world.host(a_peer(0, 100), 0, saved);
    assert!(world.run_until(Duration::from_secs(10), World::everybody_knows));

    assert!(world.node(host).view(world.now()).peers[0].gross_units < 300, "it did not compute it all again");
}

#[test]
fn friends_who_finish_first_and_leave_lose_nothing() {
    let (mut world, numbers) = a_room(4, 4_000, 0);
    world.run_for(Duration::from_secs(3));

    world.command(numbers[1], Command::Finish);
    world.command(numbers[2], Command::Leave);
    assert!(world.run_until(MINUTE, World::everybody_knows));

    assert!(
        world.events(numbers[1]).contains(&Event::Left) && world.events(numbers[2]).contains(&Event::Left)
    );
    assert!(world.gross_units() - 4_000 <= 100);
}

#[test]
fn a_paused_friends_units_are_done_by_the_others() {
    let (mut world, numbers) = a_room(3, 4_000, 0);
    world.run_for(Duration::from_secs(3));

    world.command(numbers[1], Command::Pause);
    assert!(world.run_until(MINUTE, World::everybody_knows));

    assert_eq!(world.gross_units(), 4_000, "what a slice had done when it was paused is kept");
}

#[test]
fn the_wrong_key_gets_nowhere() {
    let (mut world, numbers) = a_room(2, 1_000_000, 0);
    let stranger = world.friend(PeerOptions { invited: false, ..a_peer(66, 100) });

    world.run_for(MINUTE);

    assert_eq!(open_links(&world, stranger), 0);
    assert!(world.node(stranger).ledger().is_none());
    assert!(world.events(numbers[0]).iter().any(|event| matches!(event, Event::Refused { .. })));
    assert_eq!(open_links(&world, numbers[0]), 2);
}

#[test]
fn garbage_is_counted_and_ends_the_link_in_the_end() {
    let (mut world, numbers) = a_room(2, 3_000, 0);
    world.run_for(Duration::from_secs(2));

    for _ in 0..40 {
        world.garbage(numbers[1], b"GET / HTTP/1.1\r\n");
        world.garbage(numbers[1], &[0xff; 20_000]);
        world.garbage(numbers[1], b"MH\x01\x0a");
    }
    assert!(world.run_until(2 * MINUTE, World::everybody_knows));

    assert!(world.events(numbers[1]).iter().any(|event| matches!(event, Event::LinkDown { .. })));
}

#[test]
fn a_host_without_threads_lets_the_friends_work() {
    let mut world = World::new(3, sum_job(20_000, 10), Conditions::default());
    let host = world.host(PeerOptions { threads: 0, ..a_peer(0, 1) }, 0, None);
    world.friend(a_peer(1, 100));
    world.friend(a_peer(2, 100));

    assert!(world.run_until(MINUTE, World::everybody_knows));

    assert_eq!(world.node(host).view(world.now()).peers[0].gross_units, 0);
    assert_eq!(world.gross_units(), 2_000);
}

#[test]
fn ten_to_one_speeds_cost_at_most_five_percent() {
    // Waiting needs no spot checks, which are a cost of their own.
    let kind = JobKind::Delay { units: 22_000, unit_ms: 1 };
    let spec = JobSpec { kind, asked_by: "Liz".into(), salt: [0; 16] };
    let mut world = World::new(4, spec, Conditions::default());
    world.host(a_peer(0, 1_000), 1, None);
    world.friend(a_peer(1, 100));
    assert!(world.run_until(MINUTE, |world| world.node(0).view(world.now()).phase == Phase::Running));
    let start = world.now();

    assert!(world.run_until(MINUTE, World::everybody_knows));

    let took = world.now().since(start).as_secs_f64();
    assert!(took <= 20.0 * 1.05, "22000 units at 1100 a second took {took} s");
}

#[test]
fn units_of_a_second_are_shared_to_97_percent_among_ten() {
    let delay =
        JobSpec { kind: JobKind::Delay { units: 600, unit_ms: 1000 }, asked_by: "Liz".into(), salt: [0; 16] };
    let mut world = World::new(5, delay, Conditions::default());
    world.host(a_peer(0, 1), 9, None);
    for identity in 1..10 {
        world.friend(a_peer(identity, 1));
    }
    assert!(world.run_until(MINUTE, |world| world.node(0).view(world.now()).phase == Phase::Running));
    let start = world.now();

    assert!(world.run_until(2 * MINUTE, World::everybody_knows));

    let took = world.now().since(start).as_secs_f64();
    assert!(60.0 / took >= 0.97, "600 unit-seconds took ten peers {took} s");
}

#[test]
fn the_last_unit_of_one_that_stalls_is_overtaken() {
    let delay =
        JobSpec { kind: JobKind::Delay { units: 30, unit_ms: 1000 }, asked_by: "Liz".into(), salt: [0; 16] };
    let mut world = World::new(6, delay, Conditions::default());
    let host = world.host(a_peer(0, 1), 2, None);
    let stalls = world.friend(a_peer(1, 1));
    world.friend(a_peer(2, 1));
    world.run_for(Duration::from_millis(9_600));

    world.pause(stalls, Duration::from_secs(9));
    let done = |world: &World| world.node(host).view(world.now()).phase == Phase::Finished;

    assert!(
        world.run_until(Duration::from_millis(6500), done),
        "{:?}",
        world.node(host).view(world.now()).room
    );
    assert!(world.run_until(MINUTE, World::everybody_knows));
    assert_eq!(world.gross_units(), 31, "one unit was computed twice");
}

#[test]
fn a_machine_that_slept_is_back_at_once_and_evicts_nobody() {
    let (mut world, numbers) = a_room(3, 30_000, 0);
    world.run_for(Duration::from_secs(3));

    world.pause(numbers[1], Duration::from_secs(20));
    world.run_for(Duration::from_secs(25));

    assert_eq!(open_links(&world, numbers[1]), 3);
    assert!(!world.events(numbers[1]).iter().any(|event| matches!(event, Event::LinkDown { .. })));
}

#[test]
fn a_lost_link_is_dialled_again() {
    let (mut world, numbers) = a_room(2, 100_000, 0);
    world.run_for(Duration::from_secs(2));
    world.partition(&[numbers[1]]);
    world.run_for(Duration::from_secs(70));
    assert_eq!(open_links(&world, numbers[1]), 0);

    world.heal();
    world.run_for(Duration::from_secs(30));

    assert_eq!(open_links(&world, numbers[1]), 2);
}

#[test]
fn two_that_share_only_a_third_link_without_any_server() {
    let (mut world, numbers) = a_room(2, 100_000, 0);
    world.run_for(Duration::from_secs(2));
    world.crash_signaling();
    world.cut(numbers[1], numbers[2]);
    world.run_for(Duration::from_millis(100));
    assert_eq!(open_links(&world, numbers[1]), 1);

    world.run_for(Duration::from_secs(10));

    assert_eq!(open_links(&world, numbers[1]), 2);
    assert_eq!(open_links(&world, numbers[2]), 2);
}

#[test]
fn a_reloaded_page_takes_the_place_of_its_old_self() {
    let (mut world, numbers) = a_room(2, 100_000, 0);
    world.run_for(Duration::from_secs(2));

    world.crash(numbers[1], true);
    let reloaded = world.friend(a_peer(1, 100));
    world.run_for(Duration::from_secs(2));

    assert_eq!(open_links(&world, reloaded), 2);
    assert_eq!(open_links(&world, numbers[0]), 2);
}

#[test]
fn random_faults_never_cost_the_total() {
    let seeds = std::env::var("MANYHANDS_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let failed: Vec<String> = (0..seeds)
        .filter_map(|seed| {
            let story = tell(seed);
            story.failure.map(|why| format!("seed {seed}: {why}\n  {}", story.settings))
        })
        .collect();

    assert!(failed.is_empty(), "{} of {seeds} seeds failed:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn a_seed_tells_the_same_story_twice() {
    assert_eq!(tell(11), tell(11));
    assert_ne!(tell(11).trace, tell(12).trace);
}

/// The traces of some seeds, one a line. This test also runs as wasm, so equal lines mean equal behaviour on both. They change
/// with the protocol: the failure prints what to write instead.
#[test]
fn a_seed_tells_the_same_story_on_every_platform() {
    let traces: Vec<String> = (100..104).map(|seed| tell(seed).trace).collect();

    assert_eq!(traces.join("\n"), include_str!("golden_traces.txt").trim(), "golden_traces.txt: {traces:#?}");
}

#[test]
fn signaling_that_refuses_is_told() {
    let (mut world, numbers) = a_room(1, 1_000_000, 0);
    let message = manyhands_wire::signaling::ServerMessage::Error {
        code: manyhands_wire::signaling::ErrorCode::RoomFull,
        message: "the room is full".into(),
    };

    world.signal(numbers[1], SignalingEvent::Message(message));

    assert!(world.events(numbers[1]).iter().any(|event| matches!(event, Event::SignalingRefused { .. })));
}

#[test]
fn the_efficiency_shown_is_never_much_better_than_perfect() {
    let delay =
        JobSpec { kind: JobKind::Delay { units: 300, unit_ms: 200 }, asked_by: "Liz".into(), salt: [0; 16] };
    let mut world = World::new(5, delay, Conditions::default());
    world.host(a_peer(0, 5), 9, None);
    for identity in 1..10 {
        world.friend(a_peer(identity, 5));
    }

    world.run_for(Duration::from_secs(3));
    let late = world.friend(a_peer(20, 5));
    while !world.everybody_knows() {
        world.run_for(Duration::from_millis(300));
        for number in [0, late] {
            let room = world.node(number).view(world.now()).room;
            // A unit that was under way when a peer began to watch counts for it as a whole.
            let begun_before = if number == late { 11.0 } else { 1.0 };
            assert!(room.useful_units as f64 <= room.elapsed_s * 55.0 + begun_before, "{room:?}");
            assert!(
                number == late || room.efficiency.is_none_or(|efficiency| efficiency <= 1.02),
                "{room:?}"
            );
            assert!(room.gross_units >= room.useful_units, "{room:?}");
        }
    }
}

/// The texts a node has heard, each with how many hops it came.
fn heard(world: &World, number: usize) -> Vec<(String, usize)> {
    let view = world.node(number).view(world.now());
    view.messages.into_iter().map(|message| (message.text, message.path.len())).collect()
}

#[test]
fn a_message_reaches_everybody_once_with_the_path_it_came() {
    let (mut world, numbers) = a_room(5, 100_000, 0);
    world.run_for(Duration::from_secs(2));

    world.command(numbers[4], Command::Say(Body::Message("apple".into())));
    world.run_for(Duration::from_millis(200));

    for number in numbers.iter().filter(|number| **number != numbers[4]) {
        assert_eq!(heard(&world, *number), [("apple".into(), 2)]);
        let told = world.events(*number).iter().filter(|event| matches!(event, Event::Heard { .. })).count();
        assert_eq!(told, 1);
    }
}

#[test]
fn who_comes_late_or_was_away_hears_what_was_said() {
    let (mut world, numbers) = a_room(3, 100_000, 0);
    world.run_for(Duration::from_secs(2));
    world.command(numbers[1], Command::Say(Body::Message("first".into())));
    world.partition(&[numbers[2]]);
    world.command(numbers[1], Command::Say(Body::News { what: "prime".into(), value: 127 }));
    world.command(numbers[3], Command::Say(Body::News { what: "prime".into(), value: 31 }));
    world.run_for(Duration::from_secs(60));
    world.heal();

    let late = world.friend(a_peer(9, 100));
    world.run_for(Duration::from_secs(40));

    for number in [late, numbers[2]] {
        let view = world.node(number).view(world.now());
        assert_eq!(view.messages.len(), 1);
        assert_eq!(view.news[0].value, 127);
        assert_eq!(
            view.news[0].finder,
            world.node(numbers[1]).id().nickname(),
            "credit goes to the finder, not the bearer"
        );
    }
}

#[test]
fn a_long_message_is_pulled_and_a_longer_one_refused() {
    let (mut world, numbers) = a_room(3, 100_000, 0);
    world.run_for(Duration::from_secs(2));

    world.command(numbers[1], Command::Say(Body::Message("x".repeat(5000))));
    world.command(numbers[1], Command::Say(Body::Message("y".repeat(9000))));
    world.run_for(Duration::from_secs(2));

    assert!(numbers[2..].iter().all(|number| heard(&world, *number).len() == 1));
}

#[test]
fn the_greatest_discovery_is_never_forgotten() {
    let (mut world, numbers) = a_room(3, 1_000_000, 0);
    world.run_for(Duration::from_secs(2));
    let news = |value| Command::Say(Body::News { what: "prime".into(), value });
    world.command(numbers[1], news(86_243));
    world.command(numbers[2], news(44_497));

    for nth in 0..1_100 {
        world.command(numbers[3], Command::Say(Body::Message(format!("and another thing, number {nth}"))));
        world.run_for(Duration::from_millis(20));
    }

    for number in numbers {
        let view = world.view(number);
        let best: Vec<u64> = view.news.iter().map(|news| news.value).collect();
        assert_eq!(best, [86_243]);
        assert_eq!(view.news[0].finder, world.view(1).peers[0].name);
    }
}
