//! The search for Mersenne primes in virtual time: news of them, tests that move from peer to peer, and those who lie.

use std::time::Duration;

use ed25519_dalek::{Signer as _, SigningKey};
use manyhands_core::view::{PrimeState, SearchView};
use manyhands_core::{Command, Event};
use manyhands_sim::network::Conditions;
use manyhands_sim::options::secret;
use manyhands_sim::story::{PRIMES, Plot, search_job, tell_to};
use manyhands_sim::{PeerOptions, World};
use manyhands_wire::flood::{Body, Flood, FloodId, Hop};
use manyhands_wire::frame::{CreditRun, Record};
use manyhands_wire::mersenne::{Finding, Verdict};
use manyhands_wire::parcel::{Label, ParcelKind};
use manyhands_wire::{Block, Frame, JobId, JobSpec, Outcome, PeerId, Signature, UnitRange};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
fn a_peer(identity: u32, cost_per_second: u64) -> PeerOptions {
    PeerOptions { threads: 1, speed: cost_per_second * 1000, identity, ..PeerOptions::default() }
}

/// A host with `friends` friends, all of the same speed.
fn a_room(friends: u32, spec: JobSpec, speed: u64) -> (World, Vec<usize>) {
    let mut world = World::new(1, spec, Conditions::default());
    let mut numbers = vec![world.host(a_peer(0, speed), 0, None)];
    numbers.extend((1..=friends).map(|identity| world.friend(a_peer(identity, speed))));
    (world, numbers)
}

fn search(world: &World, number: usize) -> SearchView {
    world.view(number).search.expect("the job is a search")
}

fn exponents(world: &World, number: usize) -> Vec<u32> {
    search(world, number).primes.iter().map(|prime| prime.exponent).collect()
}

#[test]
fn everybody_searches_and_knows_every_prime_its_finder_and_the_largest() {
    for friends in [3, 15] {
        let (mut world, numbers) = a_room(friends, search_job(2, 2_300, 1 << 16), 1_000);

        assert!(world.run_until(HOUR, World::everybody_knows));
        world.run_for(Duration::from_secs(5));

        let first = search(&world, 0);
        for number in numbers {
            let found = search(&world, number);
            assert_eq!(exponents(&world, number), PRIMES);
            assert_eq!(found.frontier, 2_300);
            for (here, there) in found.primes.iter().zip(&first.primes) {
                assert_eq!((here.exponent, &here.finder_id), (there.exponent, &there.finder_id));
                assert_eq!(here.state, PrimeState::Confirmed, "{here:?}");
                assert!(!here.confirmed_by.contains(&here.finder), "{here:?}");
            }
            let view = world.view(number);
            assert_eq!((view.news[0].value, &view.news[0].finder), (2_281, &first.primes[16].finder));
            assert!(view.peers.iter().all(|peer| peer.credit_units > 0), "everybody found out something");
        }
    }
}

#[test]
fn equal_peers_lose_little_by_sharing() {
    let (mut world, _) = a_room(3, search_job(2_300, 3_200, 1 << 16), 2_000);

    assert!(world.run_until(HOUR, World::everybody_knows));

    let efficiency = world.view(0).room.efficiency.unwrap();
    let alone = {
        let (mut world, _) = a_room(0, search_job(2_300, 3_200, 1 << 16), 2_000);
        assert!(world.run_until(HOUR, World::everybody_knows));
        world.now().as_micros()
    };
    let speedup = alone as f64 / world.now().as_micros() as f64;
    // About sixty tests for four, of which the last take a tenth of all the time each.
    assert!(speedup > 4.0 * 0.75, "{speedup} times as fast as alone, by its own account {efficiency}");
}

#[test]
fn who_slept_or_comes_late_catches_up() {
    let (mut world, numbers) = a_room(3, search_job(2, 2_300, 1 << 16), 2_000);
    world.run_for(Duration::from_secs(3));
    world.command(numbers[2], Command::Sleep);
    assert!(world.run_until(HOUR, |world| world.knows(0) && world.knows(1) && world.knows(3)));
    let asleep = exponents(&world, numbers[2]);

    world.command(numbers[2], Command::Wake);
    let late = world.friend(a_peer(9, 2_000));
    assert!(world.run_until(MINUTE, World::everybody_knows));
    world.run_for(Duration::from_secs(40));

    assert!(asleep.len() < PRIMES.len());
    for number in [numbers[2], late] {
        assert_eq!(exponents(&world, number), PRIMES);
        let primes = search(&world, number).primes;
        for (here, there) in primes.iter().zip(search(&world, 0).primes) {
            assert_eq!((here.exponent, &here.finder_id), (there.exponent, &there.finder_id), "{number}");
        }
    }
}

/// One exponent without a small factor that takes one peer ten minutes, and friends who have nothing to do but wait.
fn a_long_test() -> (World, Vec<usize>, Duration) {
    let spec = search_job(1_277, 1_277, 100);
    // A test takes twelve times its cost.
    let speed = spec.kind.cost(spec.range()) * 12 * 1000 / 600;
    let mut world = World::new(1, spec, Conditions::default());
    let peer = |identity| PeerOptions { speed, identity, ..PeerOptions::default() };
    let numbers = vec![world.host(peer(0), 0, None), world.friend(peer(1)), world.friend(peer(2))];
    (world, numbers, Duration::from_secs(600))
}

fn who_tests(world: &World) -> usize {
    let busy = |number: &usize| world.view(*number).under_way.iter().any(|(_, by)| *by == 0);
    world.alive().into_iter().find(busy).expect("somebody tests")
}

#[test]
fn a_long_test_goes_on_where_it_stood_when_its_peer_leaves() {
    let (mut world, _, whole) = a_long_test();
    world.run_for(whole / 2);
    let progress = search(&world, 0).tests;

    let leaver = who_tests(&world);
    world.command(leaver, Command::Finish);
    assert!(world.run_until(HOUR, World::everybody_knows));

    assert!(progress[0].iteration > 550 && progress[0].iterations == 1_277, "{progress:?}");
    assert!(world.now().as_micros() < 620_000_000, "{} s", world.now().as_micros() / 1_000_000);
}

#[test]
fn a_long_test_loses_seconds_when_its_peer_crashes() {
    let (mut world, _, whole) = a_long_test();
    world.run_for(whole / 2);

    let victim = who_tests(&world);
    world.crash(victim, true);
    assert!(world.run_until(HOUR, World::everybody_knows));

    // Ten seconds since the last time it was saved, and some until it is missed.
    assert!(world.now().as_micros() < 650_000_000, "{} s", world.now().as_micros() / 1_000_000);
}

#[test]
fn a_paused_peer_gives_its_test_away_or_goes_on_with_it() {
    let (mut world, _, whole) = a_long_test();
    world.run_for(whole / 2);

    let pauser = who_tests(&world);
    world.command(pauser, Command::Pause);
    world.run_for(Duration::from_secs(1));
    world.command(pauser, Command::Resume);
    assert!(world.run_until(HOUR, World::everybody_knows));

    assert!(world.now().as_micros() < 640_000_000, "{} s", world.now().as_micros() / 1_000_000);
}

#[test]
fn a_worker_that_lies_about_exponents_is_caught_whatever_it_says() {
    // Below the proofs and above them.
    for proofs_from in [1 << 16, 1_000] {
        let mut world = World::new(3, search_job(900, 1_500, proofs_from), Conditions::default());
        world.host(a_peer(0, 2_000), 0, None);
        world.friend(a_peer(1, 2_000));
        world.friend(a_peer(2, 2_000));
        let liar = PeerOptions { lies_permille: 1000, ..a_peer(3, 2_000) };
        world.friend(liar);

        assert!(world.run_until(HOUR, World::everybody_knows));
        world.run_for(Duration::from_secs(30));

        for number in 0..3 {
            assert_eq!(exponents(&world, number), [1_279], "node {number} with proofs from {proofs_from}");
        }
        let caught =
            |event: &Event| matches!(event, Event::Misbehaved { what, .. } if what.contains("is wrong"));
        assert!((0..3).any(|number| world.events(number).iter().any(caught)));
    }
}

/// A message under the name of one peer, signed by another.
fn a_flood(originator: u32, signer: u32, body: Body) -> Frame {
    let key = |identity: u32| SigningKey::from_bytes(&secret(identity));
    let id = FloodId { originator: PeerId(key(originator).verifying_key().to_bytes()), sequence: 77 };
    let signature = Signature(key(signer).sign(&Flood::signed_bytes(&id, &body)).to_bytes());
    let mut flood = Flood { id, ttl: 8, path: Vec::new(), body, signature };
    // The signer carries it, as it may.
    let carrier = PeerId(key(signer).verifying_key().to_bytes());
    let hop = Signature(key(signer).sign(&flood.hop_bytes(0, &carrier)).to_bytes());
    flood.path.push(Hop { peer: carrier, signature: hop });
    Frame::Flood(Box::new(flood))
}

#[test]
fn news_of_a_prime_that_is_none_is_refused_and_counted() {
    let (mut world, _) = a_room(3, search_job(2, 2_300, 1 << 16), 200);
    world.run_for(Duration::from_secs(2));

    world.command(2, Command::Say(Body::Prime { exponent: 1_997 }));
    world.command(2, Command::Say(Body::Prime { exponent: 86_243 }));
    world.command(2, Command::Say(Body::News { what: "Mersenne prime".into(), value: 999_999_999 }));
    world.run_for(MINUTE);

    for number in [0, 1, 3] {
        let found = search(&world, number);
        assert!(found.primes.iter().all(|prime| prime.exponent < 1_997), "{:?}", found.primes);
        assert_eq!(found.false_news, 2);
        assert!(world.view(number).news.iter().all(|news| news.value < 1_997), "the greatest is a true one");
    }
}

#[test]
fn a_forged_finder_is_refused() {
    let (mut world, _) = a_room(3, search_job(2, 2_300, 1 << 16), 200);
    world.run_for(Duration::from_secs(2));

    world.forge(2, 0, &a_flood(1, 2, Body::Prime { exponent: 2_281 }));
    world.run_for(Duration::from_secs(20));

    assert!(exponents(&world, 0).iter().all(|exponent| *exponent != 2_281));
    let refused = |event: &Event| matches!(event, Event::Misbehaved { what, .. } if what.contains("originator did not sign"));
    assert!(world.events(0).iter().any(refused));
}

#[test]
fn who_tells_of_anothers_prime_does_not_become_its_finder() {
    let (mut world, _) = a_room(3, search_job(2, 2_300, 1 << 16), 2_000);
    // It knows the list by heart.
    world.run_for(Duration::from_secs(1));
    world.command(2, Command::Say(Body::Prime { exponent: 2_281 }));

    assert!(world.run_until(HOUR, World::everybody_knows));
    world.run_for(Duration::from_secs(5));

    let unit = 2_281 - 2;
    let ledger = world.node(0).ledger().unwrap();
    let credited = ledger.credit_runs(UnitRange::new(unit, unit + 1)).next().unwrap().by;
    for number in 0..4 {
        let largest = search(&world, number).primes.into_iter().next_back().unwrap();
        let finder: String = credited.0.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((largest.exponent, largest.finder_id), (2_281, finder));
    }
}

#[test]
fn credit_that_somebody_made_up_makes_nobody_a_finder() {
    let (mut world, _) = a_room(3, search_job(2, 2_300, 1 << 16), 2_000);
    assert!(world.run_until(HOUR, World::everybody_knows));
    let finders = |world: &World, number| -> Vec<String> {
        search(world, number).primes.into_iter().map(|prime| prime.finder_id).collect()
    };
    let before = finders(&world, 0);
    let job = world.node(0).job().unwrap().id();
    let units = world.node(0).ledger().unwrap().range();

    world.forge(2, 0, &Frame::Credit { job, runs: vec![CreditRun { units, by: PeerId([0; 32]) }] });
    world.run_for(MINUTE);

    for number in 0..4 {
        assert_eq!(finders(&world, number), before);
    }
}

/// A result as the peer with this identity signs it.
fn a_record(identity: u32, job: JobId, block: Block, outcome: Outcome) -> Record {
    let key = SigningKey::from_bytes(&secret(identity));
    let signature = Signature(key.sign(&Record::signed_bytes(&job, block, &outcome, true)).to_bytes());
    Record { block, outcome, computed: true, signer: PeerId(key.verifying_key().to_bytes()), signature }
}

#[test]
fn accusations_without_reason_keep_nobody_from_work() {
    let (mut world, _) = a_room(3, search_job(2, 2_300, 1 << 16), 2_000);
    world.run_for(Duration::from_secs(2));
    let job = world.node(0).job().unwrap().id();
    let start = world.now();

    // Results of peers that nobody ever met: one larger than any slice, one of what is not open, true ones.
    let nothing = |level, index| (Block::new(level, index).unwrap(), Outcome::Mersenne(Vec::new()));
    for (identity, (block, outcome)) in (50..).zip([nothing(11, 0), nothing(21, 0), nothing(0, 2_296)]) {
        for to in [0, 1, 3] {
            let record = a_record(identity, job, block, outcome.clone());
            world.forge(2, to, &Frame::Lie { job, record });
        }
    }
    // The accuser is left alone, and has to do it all by itself.
    assert!(world.run_until(HOUR, |world| world.knows(0) && world.knows(1) && world.knows(3)));

    let took = world.now().since(start);
    assert!(took < Duration::from_secs(40), "{took:?}");
}

#[test]
fn a_parcel_that_never_comes_holds_nobody_up() {
    let (mut world, numbers, whole) = a_long_test();
    let job = world.node(0).job().unwrap().id();
    world.run_for(Duration::from_secs(2));
    let busy = who_tests(&world);
    // It says that it saved a test that is nearly over, and sends nothing of it.
    let label = |bytes| Label { unit: 0, kind: ParcelKind::Saved { iteration: 1_276 }, hash: [7; 32], bytes };
    let hostile = numbers.into_iter().find(|number| *number != busy && *number != 0).unwrap();
    for to in world.alive().into_iter().filter(|to| *to != hostile) {
        world.forge(hostile, to, &Frame::Labels { job, labels: vec![label(36 << 20)] });
    }
    world.run_for(whole / 2);

    world.command(busy, Command::Pause);
    world.run_for(Duration::from_secs(1));
    world.command(busy, Command::Resume);
    assert!(world.run_until(HOUR, World::everybody_knows));

    assert!(world.now().as_micros() < 660_000_000, "{} s", world.now().as_micros() / 1_000_000);
}

#[test]
fn a_made_up_residue_without_a_proof_is_found_out() {
    let (mut world, _) = a_room(3, search_job(900, 1_500, 1_000), 2_000);
    world.run_for(Duration::from_secs(1));
    let job = world.node(0).job().unwrap().id();
    let unit = 1_279 - 900;
    let residue = Verdict::Composite { residue: 77 };
    let outcome = Outcome::Mersenne(vec![Finding { exponent: 1_279, verdict: residue }]);

    let record = a_record(2, job, Block::new(0, unit).unwrap(), outcome);
    world.forge(2, 0, &Frame::Records { job, records: vec![record.clone()] });
    world.forge(2, 1, &Frame::Records { job, records: vec![record] });
    assert!(world.run_until(HOUR, |world| world.knows(0) && world.knows(1) && world.knows(3)));
    world.run_for(Duration::from_secs(30));

    assert_eq!(exponents(&world, 0), [1_279], "the prime that it would hide");
}

#[test]
fn random_faults_never_cost_a_prime() {
    for (seeds, liars) in [(0..30, false), (0..10, true)] {
        let plot = Plot { search: true, liars, ..Plot::default() };
        let failed: Vec<String> = seeds
            .filter_map(|seed| {
                let story = tell_to(seed, plot, None);
                story.failure.map(|why| format!("seed {seed}: {why}\n  {}", story.settings))
            })
            .collect();

        assert!(failed.is_empty(), "{}", failed.join("\n"));
    }
}
