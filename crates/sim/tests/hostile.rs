//! What a proven peer that turned hostile cannot do. Each test sends what an honest node never would, and asks that nothing
//! is lost, nothing counts twice, and the person is told.

use std::time::Duration;

use ed25519_dalek::{Signer as _, SigningKey};
use manyhands_core::Event;
use manyhands_core::view::{LinkState, Phase};
use manyhands_sim::network::Conditions;
use manyhands_sim::options::secret;
use manyhands_sim::story::sum_job;
use manyhands_sim::{PeerOptions, World};
use manyhands_wire::flood::{Body, Flood, FloodId};
use manyhands_wire::frame::{Activity, Ask, CreditRun, Grant, Progress, Record, Status};
use manyhands_wire::{Block, Frame, JobId, Outcome, PeerId, Signature, SignedJob, UnitRange};

const MINUTE: Duration = Duration::from_secs(60);
/// Node 0 is the host, node 1 an honest friend, node 2 the hostile one.
const HOSTILE: usize = 2;

fn a_room() -> World {
    a_room_in_which_all_work_but(None)
}

fn a_room_in_which_all_work_but(idler: Option<u32>) -> World {
    let peer = |identity| {
        let threads = u16::from(Some(identity) != idler);
        PeerOptions { threads, speed: 100_000, identity, ..PeerOptions::default() }
    };
    let mut world = World::new(9, sum_job(40_000, 10), Conditions::default());
    world.host(peer(0), 0, None);
    world.friend(peer(1));
    world.friend(peer(2));
    world.run_for(Duration::from_secs(2));
    world
}

fn job(world: &World) -> JobId {
    world.node(0).job().expect("the host knows its job").id()
}

fn signed_by(identity: u32, job: JobId, block: Block, outcome: Outcome, computed: bool) -> Record {
    let key = SigningKey::from_bytes(&secret(identity));
    let bytes = Record::signed_bytes(&job, block, &outcome, computed);
    let signature = Signature(key.sign(&bytes).to_bytes());
    Record { block, outcome, computed, signer: PeerId(key.verifying_key().to_bytes()), signature }
}

fn complaints(world: &World) -> Vec<String> {
    let what = |event: &Event| match event {
        Event::Misbehaved { what, .. } => Some(what.clone()),
        _ => None,
    };
    world.events(0).iter().filter_map(what).collect()
}

/// Sends the frame to the host and lets the job run to its exact end.
fn after(frame: &Frame) -> Vec<String> {
    let mut world = a_room();
    world.forge(HOSTILE, 0, frame);
    assert!(world.run_until(2 * MINUTE, World::everybody_knows));
    complaints(&world)
}

#[test]
fn a_result_for_another_job_is_refused() {
    let other = JobId([3; 32]);
    let record = signed_by(2, other, Block::new(0, 3999).unwrap(), Outcome::Sum(1), true);

    assert_eq!(after(&Frame::Records { job: other, records: vec![record] }), ["a message about another job"]);
}

#[test]
fn a_result_beyond_the_last_unit_is_refused() {
    let job = job(&a_room());
    let record = signed_by(2, job, Block::new(12, 1).unwrap(), Outcome::Sum(1), true);

    let told = after(&Frame::Records { job, records: vec![record] });

    assert_eq!(told, ["a result for units 4096..8192, beyond the job's 4000"]);
}

#[test]
fn a_result_under_somebody_elses_name_is_refused() {
    let job = job(&a_room());
    let mut record = signed_by(2, job, Block::new(0, 3999).unwrap(), Outcome::Sum(399_955), true);
    record.signer = PeerId(SigningKey::from_bytes(&secret(1)).verifying_key().to_bytes());

    assert_eq!(
        after(&Frame::Records { job, records: vec![record] }),
        ["a result for units 3999..4000 without a good signature"]
    );
}

#[test]
fn a_result_of_another_kind_of_job_is_refused() {
    let job = job(&a_room());
    let record = signed_by(2, job, Block::new(0, 3999).unwrap(), Outcome::Delay(1), true);

    assert_eq!(after(&Frame::Records { job, records: vec![record] }).len(), 1);
}

#[test]
fn a_true_result_counts_once_however_often_and_from_whomever_it_comes() {
    let mut world = a_room();
    let job = job(&world);
    // Nobody granted the last unit to the hostile peer: holding is a plan, not a permission.
    let record = signed_by(2, job, Block::new(0, 3999).unwrap(), Outcome::Sum((39_991..=40_000).sum()), true);

    for _ in 0..10 {
        world.forge(HOSTILE, 0, &Frame::Records { job, records: vec![record.clone(); 5] });
    }
    assert!(world.run_until(2 * MINUTE, World::everybody_knows));

    assert_eq!(world.node(0).ledger().unwrap().done_units(), 4000);
    assert!(complaints(&world).is_empty());
}

#[test]
fn a_second_answer_for_a_block_is_refused() {
    let mut world = a_room();
    let job = job(&world);
    let block = Block::new(0, 3999).unwrap();
    let good = signed_by(2, job, block, Outcome::Sum((39_991..=40_000).sum()), true);
    let bad = signed_by(2, job, block, Outcome::Sum(399_999), true);

    world.forge(HOSTILE, 0, &Frame::Records { job, records: vec![good] });
    world.forge(HOSTILE, 0, &Frame::Records { job, records: vec![bad] });
    world.run_for(2 * MINUTE);

    assert!(world.knows(0) && world.knows(1), "the total is the true one");
    // Both are signed by the same peer, so one of them is a lie: the block is computed anew, and the lie is told.
    assert_eq!(
        complaints(&world),
        [
            "another result for units 3999..4000 than this node has",
            "its result for units 3999..4000 is wrong"
        ]
    );
    assert!(world.node(0).ledger().unwrap().is_complete());
}

#[test]
fn grants_and_credit_beyond_the_job_are_refused() {
    let job = job(&a_room());
    let beyond = UnitRange::new(0, u64::MAX);
    let credit = CreditRun { units: beyond, by: PeerId([1; 32]) };

    assert_eq!(after(&Frame::Grant(Grant { job, request: 0, runs: vec![beyond] })).len(), 1);
    assert_eq!(after(&Frame::Credit { job, runs: vec![credit] }).len(), 1);
}

#[test]
fn a_greedy_asker_cannot_stop_the_job() {
    let mut world = a_room();
    let job = job(&world);

    for request in 0..50 {
        world.forge(HOSTILE, 0, &Frame::Ask(Ask { job, request, speed: u64::MAX }));
    }

    assert!(world.run_until(3 * MINUTE, World::everybody_knows));
}

/// The status of a peer that says it holds `holding` and works on `under_way`.
fn a_status(job: JobId, holding: UnitRange, under_way: UnitRange) -> Frame {
    Frame::Status(Status {
        job: Some(job),
        activity: Activity::Working,
        threads: 1,
        speed: u64::MAX,
        solo_speed: u64::MAX,
        holding: vec![holding],
        granted: Vec::new(),
        under_way: vec![under_way],
        progress: Vec::new(),
        gross_units: 0,
        done_units: 0,
        checked_units: 0,
        checks_left: 0,
        credit: 0,
        liars: 0,
    })
}

#[test]
fn one_that_says_it_holds_everything_slows_the_job_and_cannot_stop_it() {
    for hostile in [1, 2] {
        let mut world = a_room_in_which_all_work_but(Some(hostile as u32));
        let job = job(&world);
        let everything = a_status(job, UnitRange::new(0, 4000), UnitRange::new(3000, 3500));
        let knows = |world: &World| world.node(0).ledger().is_some_and(|ledger| ledger.is_complete());

        let finished = (0..600).any(|_| {
            world.forge(hostile, 0, &everything);
            world.forge(hostile, 3 - hostile, &everything);
            world.run_until(Duration::from_secs(1), knows)
        });

        let views: Vec<_> = (0..3).map(|number| world.node(number).view(world.now())).collect();
        let told: Vec<_> = views.iter().map(|view| (&view.phase, &view.peers, &view.under_way)).collect();
        assert!(finished, "node {hostile} stopped the job: {told:#?}");
    }
}

#[test]
fn one_that_says_it_gets_on_with_a_unit_for_ever_does_not_stop_the_job() {
    let mut world = a_room_in_which_all_work_but(Some(2));
    let job = job(&world);
    let knows = |world: &World| world.node(0).ledger().is_some_and(|ledger| ledger.is_complete());

    let finished = (0..600).any(|second| {
        let mut status = a_status(job, UnitRange::new(0, 4000), UnitRange::new(3999, 4000));
        if let Frame::Status(status) = &mut status {
            status.progress = vec![Progress { unit: 3999, iteration: second, iterations: u32::MAX }];
        }
        world.forge(HOSTILE, 0, &status);
        world.forge(HOSTILE, 1, &status);
        world.run_until(Duration::from_secs(1), knows)
    });

    assert!(finished);
}

#[test]
fn a_status_beyond_the_job_is_refused_and_nobody_computes_phantoms() {
    let mut world = a_room();
    let job = job(&world);

    world.forge(HOSTILE, 0, &a_status(job, UnitRange::new(0, 1), UnitRange::new(30_000, u64::MAX)));
    assert!(world.run_until(2 * MINUTE, World::everybody_knows));
    world.run_for(MINUTE);

    assert_eq!(
        complaints(&world),
        ["a status about units 30000..18446744073709551615, beyond the job's 4000"]
    );
    assert!(world.gross_units() < 4400, "{}", world.gross_units());
}

#[test]
fn gifts_of_what_others_do_are_not_taken() {
    let mut world = a_room();
    let job = job(&world);
    let gift = Frame::Grant(Grant { job, request: 0, runs: vec![UnitRange::new(0, 4000)] });

    for _ in 0..50 {
        world.forge(HOSTILE, 0, &gift);
        world.forge(HOSTILE, 1, &gift);
        world.run_for(Duration::from_millis(200));
    }
    assert!(world.run_until(2 * MINUTE, World::everybody_knows));

    assert!(world.gross_units() < 4800, "{}", world.gross_units());
}

#[test]
fn a_total_that_the_units_cannot_have_is_refused() {
    let job = job(&a_room());
    let record = signed_by(2, job, Block::new(0, 3999).unwrap(), Outcome::Sum((1 << 120) - 1), true);

    let told = after(&Frame::Records { job, records: vec![record] });

    assert_eq!(told, ["a result for units 3999..4000 that no such units can have"]);
}

#[test]
fn credit_cannot_be_given_to_a_crowd_of_ghosts() {
    let mut world = a_room();
    let job = job(&world);
    assert!(world.run_until(2 * MINUTE, World::everybody_knows));
    for frame in 0..31_u8 {
        let ghost = |run: u8| {
            let unit = u64::from(frame) * 128 + u64::from(run);
            CreditRun {
                units: UnitRange::new(unit, unit + 1),
                by: PeerId([0, frame, 0, run].repeat(8).try_into().unwrap()),
            }
        };
        world.forge(HOSTILE, 0, &Frame::Credit { job, runs: (0..128).map(ghost).collect() });
    }
    world.run_for(Duration::from_secs(1));

    assert!(world.node(0).view(world.now()).peers.len() < 1100);
}

#[test]
fn a_flood_of_frames_ends_the_link_and_it_is_not_made_again() {
    let mut world = a_room();
    let job = job(&world);
    let have = Frame::Have { job, within: UnitRange::new(0, 4000), runs: Vec::new() };

    for _ in 0..2000 {
        world.forge(HOSTILE, 0, &have);
    }
    world.run_for(Duration::from_secs(60));

    let hostile = world.node(HOSTILE).id();
    let ups = world.events(0).iter().filter(|event| **event == Event::LinkUp { peer: hostile }).count();
    assert_eq!(ups, 1);
    assert!(world.events(0).contains(&Event::LinkDown { peer: hostile }));
}

#[test]
fn a_host_that_begins_another_job_takes_the_open_tabs_along() {
    let peer = |identity| PeerOptions { threads: 1, speed: 100_000, identity, ..PeerOptions::default() };
    let mut world = a_room();
    world.crash(0, false);
    world.change_job(sum_job(50_000, 10));

    world.host(peer(0), 0, None);
    world.friend(peer(5));

    assert!(world.run_until(3 * MINUTE, World::everybody_knows));
}

#[test]
fn a_job_or_a_start_that_the_host_did_not_sign_is_refused() {
    let world = a_room();
    let id = job(&world);
    let key = SigningKey::from_bytes(&secret(2));
    let spec = sum_job(10, 1);
    let host = PeerId(key.verifying_key().to_bytes());
    let signature = Signature(key.sign(&SignedJob::signed_bytes(&spec.id())).to_bytes());

    assert_eq!(
        after(&Frame::Job(SignedJob { spec, host, signature })),
        ["a job that the room's host did not sign"]
    );
    assert_eq!(after(&Frame::Start { job: id, signature }), ["a start that the host did not sign"]);
}

#[test]
fn a_friend_who_comes_after_the_end_sees_the_total() {
    let mut world = a_room();
    assert!(world.run_until(MINUTE, World::everybody_knows));

    let late = world.friend(PeerOptions { threads: 1, speed: 1000, identity: 7, ..PeerOptions::default() });
    assert!(world.run_until(Duration::from_secs(3), |world| world.node(late).ledger().is_some()));
    assert!(world.run_until(Duration::from_secs(3), World::everybody_knows));
    world.run_for(Duration::from_secs(1));

    let view = world.node(late).view(world.now());
    assert_eq!(view.job.unwrap().done_total.as_deref(), Some("800020000"));
    assert_eq!(view.peers.iter().map(|peer| peer.credit_units).sum::<u64>(), 4000, "it knows who did what");
}

/// A room in which one friend's worker reports wrong totals from the beginning.
fn a_room_with_a_liar(friends: u32) -> World {
    let mut world = World::new(5, sum_job(100_000, 10), Conditions::default());
    world.host(PeerOptions::default(), 0, None);
    for identity in 1..=friends {
        let lies_permille = if identity == 2 { 1000 } else { 0 };
        world.friend(PeerOptions { identity, lies_permille, ..PeerOptions::default() });
    }
    world
}

#[test]
fn a_worker_that_lies_is_caught_and_what_it_spoilt_is_computed_anew() {
    for friends in [3, 9, 30] {
        let mut world = a_room_with_a_liar(friends);

        let knows = |world: &World, number: usize| {
            let view = world.node(number).view(world.now());
            let total = view.job.and_then(|job| job.done_total);
            view.phase == Phase::Finished && total.as_deref() == Some("5000050000")
        };
        let honest: Vec<usize> = world.alive().into_iter().filter(|number| *number != 2).collect();
        assert!(
            world.run_until(MINUTE, |world| honest.iter().all(|number| knows(world, *number))),
            "among {friends} friends"
        );

        assert!(honest.iter().all(|number| world.node(*number).links().count() <= honest.len()));
        let view = world.node(0).view(world.now());
        let caught = world.events(0).iter().any(
            |event| matches!(event, Event::Misbehaved { what, .. } if what.ends_with("is wrong") || what.ends_with("is a lie")),
        );
        assert!(caught, "the host knows who lied");
        assert!(view.room.checked_units > 0);
    }
}

#[test]
fn a_burst_of_messages_makes_nobody_ban_who_only_carries_them() {
    let mut world = a_room();
    let key = SigningKey::from_bytes(&secret(2));
    let originator = PeerId(key.verifying_key().to_bytes());
    for sequence in 0..5_000 {
        let (id, body) = (FloodId { originator, sequence }, Body::Message("so much to say".into()));
        let signature = Signature(key.sign(&Flood::signed_bytes(&id, &body)).to_bytes());
        let flood = Flood { id, ttl: 8, path: Vec::new(), body, signature };
        world.forge(HOSTILE, 0, &Frame::Flood(Box::new(flood)));
    }
    world.run_for(Duration::from_secs(10));

    let view = world.node(1).view(world.now());
    assert!(
        view.peers.iter().any(|peer| peer.host && peer.link == LinkState::Open),
        "the host is not banned"
    );
    assert!(world.run_until(2 * MINUTE, World::everybody_knows));
}

#[test]
fn a_result_of_more_than_some_slices_is_refused() {
    let mut world = a_room();
    let job = job(&world);
    let block = Block::new(11, 0).unwrap();

    world.forge(
        HOSTILE,
        0,
        &Frame::Records { job, records: vec![signed_by(2, job, block, Outcome::Sum(209_725_440), true)] },
    );
    world.run_for(MINUTE);

    assert_eq!(complaints(&world), ["a result for units 0..2048, too many at once"]);
    assert!(world.knows(0));
}
