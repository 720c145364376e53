//! Rooms too large for links between all.

use std::time::Duration;

use manyhands_core::Command;
use manyhands_core::view::LinkState;
use manyhands_sim::network::Conditions;
use manyhands_sim::story::sum_job;
use manyhands_sim::{PeerOptions, World};
use manyhands_wire::flood::Body;

const MINUTE: Duration = Duration::from_secs(60);

fn a_peer(identity: u32, units_per_second: u64) -> PeerOptions {
    PeerOptions { threads: 1, speed: units_per_second * 1000, identity, ..PeerOptions::default() }
}

/// A host with `friends` friends, all of the same speed, that has just started.
fn a_room(friends: u32, units: u64) -> (World, Vec<usize>) {
    let mut world = World::new(1, sum_job(units * 10, 10), Conditions::default());
    let mut numbers = vec![world.host(a_peer(0, 10), 0, None)];
    numbers.extend((1..=friends).map(|identity| world.friend(a_peer(identity, 10))));
    (world, numbers)
}

fn open_links(world: &World, number: usize) -> usize {
    let view = world.node(number).view(world.now());
    view.peers.iter().filter(|peer| peer.link == LinkState::Open).count()
}

#[test]
fn forty_peers_have_ten_links_each_at_most_and_finish_exactly() {
    let (mut world, numbers) = a_room(39, 40_000);
    world.run_for(Duration::from_secs(20));

    let links: Vec<usize> = numbers.iter().map(|number| open_links(&world, *number)).collect();
    let started = world.now();
    assert!(world.run_until(5 * MINUTE, World::everybody_knows));

    assert!(links.iter().all(|links| (5..=10).contains(links)), "{links:?}");
    // 40 peers of 10 units a second, 20 seconds gone, and an eighth of it checked anew in so short a job.
    assert!(world.now().since(started) < Duration::from_secs(105));
    assert!(world.gross_units() < 40_400, "{} units were computed", world.gross_units());
}

#[test]
fn a_message_reaches_all_of_a_large_room() {
    let (mut world, numbers) = a_room(49, 1_000_000);
    world.run_for(Duration::from_secs(20));

    world.command(numbers[7], Command::Say(Body::Message("apple".into())));
    world.run_for(Duration::from_secs(3));

    let heard = |number: &usize| world.node(*number).view(world.now()).messages.len();
    assert_eq!(numbers.iter().map(heard).sum::<usize>(), 50);
}

#[test]
fn a_large_room_goes_on_without_its_host_and_a_third_of_its_peers() {
    let (mut world, numbers) = a_room(39, 20_000);
    world.run_for(Duration::from_secs(20));

    for number in numbers.iter().step_by(3) {
        world.crash(*number, true);
    }
    world.crash_signaling();
    let started = world.now();
    assert!(world.run_until(10 * MINUTE, World::everybody_knows));

    // 26 of them do 260 units a second; the silence of the dead is noticed after 10 seconds.
    assert!(world.now().since(started) < Duration::from_secs(70), "{:?}", world.now().since(started));
    let redone = world.gross_units() - 20_000;
    // A slice is 8 units here.
    assert!(redone <= 14 * 8, "{redone} units were computed twice for 14 lost peers");
}
