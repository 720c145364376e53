//! Peers on real links, with a real signaling server, finish real jobs.

mod common;

use std::time::{Duration, Instant};

use common::{Lends, Party, complete, finished, me, view_where};
use manyhands_core::view::{LinkState, Phase};
use manyhands_core::{Command, Event};
use manyhands_wire::{JobKind, Outcome};
use tokio::time::timeout;

/// Generous: other work on the machine must not fail these.
const SOON: Duration = Duration::from_secs(60);
const ONE: Lends = Lends { threads: 1, permille: 1000 };

fn sum_to(last: u64, unit_size: u64) -> JobKind {
    JobKind::Sum { first: 1, last, unit_size, base: 0 }
}

async fn leave(peer: manyhands_peer::Peer) {
    peer.command(Command::Leave).await;
    timeout(Duration::from_secs(5), peer.finished()).await.expect("a peer leaves in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_and_three_friends_add_up_and_agree() {
    let start = Instant::now();
    let party = Party::open().await;
    let host = party.host(sum_to(20_000_000_000, 1 << 16), 3, ONE);
    let mut events = host.events();
    let friends: Vec<_> = (1..=3).map(|n| party.friend(n, ONE)).collect();

    view_where(&host, SOON, |view| view.phase == Phase::Running).await;
    let started = start.elapsed();
    let view = finished(&host, SOON).await;
    let took = start.elapsed();
    let expected = Outcome::Sum(200_000_000_010_000_000_000);
    let (_, ledger) = &*complete(&host, SOON).await;
    assert_eq!(ledger.merged(), Some(expected.clone()));
    assert_eq!(view.job.unwrap().done_total.unwrap(), "200000000010000000000");
    for friend in &friends {
        let (_, theirs) = &*complete(friend, SOON).await;
        assert_eq!(theirs.merged(), Some(expected.clone()));
        let view = finished(friend, SOON).await;
        assert_eq!(view.peers.iter().filter(|peer| peer.link == LinkState::Open).count(), 3, "{view:#?}");
    }

    println!("running after {started:?}, finished after {took:?}");
    let mut ups = 0;
    while let Ok(event) = events.try_recv() {
        ups += usize::from(matches!(event, Event::LinkUp { .. }));
    }
    assert_eq!(ups, 3);
    for peer in friends.into_iter().chain([host]) {
        leave(peer).await;
    }
    party.close();
}

#[test]
fn a_friend_that_vanishes_costs_only_its_slice() {
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (staying, vanishing) = (runtime(), runtime());
    staying.block_on(async {
        let party = Party::open().await;
        let kind = JobKind::Delay { units: 200, unit_ms: 50 };
        let host = party.host(kind, 2, ONE);
        let friend = party.friend(1, ONE);
        let lost = {
            let _on_the_other = vanishing.enter();
            party.friend(2, ONE)
        };

        view_where(&host, SOON, |view| view.room.useful_units > 30).await;
        // Its tasks stop where they are: nobody says goodbye and no socket is closed in order.
        let gross = me(&lost.views().borrow()).gross_units;
        vanishing.shutdown_background();
        let start = Instant::now();

        let view = finished(&host, SOON).await;
        println!("finished {:?} after a peer vanished that had computed {gross}", start.elapsed());
        let (_, ledger) = &*complete(&friend, SOON).await;
        assert_eq!(ledger.merged(), Some(Outcome::Delay(200)));
        assert!(view.room.gross_units <= 200 + 20, "{:?}", view.room);
        drop(lost);
        leave(friend).await;
        leave(host).await;
        party.close();
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_friend_that_finishes_hands_the_rest_to_the_others_and_ends() {
    let party = Party::open().await;
    let host = party.host(JobKind::Delay { units: 60, unit_ms: 50 }, 1, ONE);
    let friend = party.friend(1, ONE);
    view_where(&host, SOON, |view| view.room.useful_units > 10).await;

    let views = friend.views();
    friend.command(Command::Finish).await;
    timeout(SOON, friend.finished()).await.unwrap();

    let by_friend = me(&views.borrow()).gross_units;
    let by_host = me(&finished(&host, SOON).await).gross_units;
    assert_eq!(by_friend + by_host, 60, "nothing is computed twice: {by_friend} and {by_host}");
    leave(host).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_has_left_has_told_all_that_it_finished() {
    for command in [Command::Finish, Command::Leave] {
        let party = Party::open().await;
        let host = party.host(JobKind::Delay { units: 100_000, unit_ms: 1 }, 0, ONE);
        let (mut events, views, ledgers) = (host.events(), host.views(), host.ledgers());
        view_where(&host, SOON, |view| view.room.useful_units > 10).await;

        host.command(command).await;
        while timeout(SOON, events.recv()).await.unwrap() != Ok(Event::Left) {}

        let told = ledgers.borrow().as_ref().unwrap().1.done_units();
        let view = views.borrow().clone();
        assert_eq!((view.phase, told), (Phase::Left, me(&view).gross_units));
        assert_eq!(view.job.unwrap().done_units, told);
        timeout(SOON, host.finished()).await.unwrap();
        party.close();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_whose_handle_is_dropped_says_goodbye() {
    let party = Party::open().await;
    let host = party.host(JobKind::Delay { units: 1000, unit_ms: 50 }, 0, ONE);
    let friend = party.friend(1, ONE);
    let open = |view: &manyhands_core::View| view.peers.iter().any(|peer| peer.link == LinkState::Open);
    view_where(&host, SOON, open).await;

    let start = Instant::now();
    drop(friend);
    view_where(&host, SOON, |view| !open(view)).await;

    println!("the host saw it go after {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(8));
    leave(host).await;
}
