//! Peers on real links search for Mersenne primes with the real kernels.

mod common;

use std::time::Duration;

use common::{Lends, Party, complete, finished, view_where};
use manyhands_core::view::{LinkState, Phase, PrimeState, TestView};
use manyhands_core::{Command, View};
use manyhands_wire::mersenne::{Finding, Verdict};
use manyhands_wire::{JobKind, JobSpec, Outcome};
use tokio::time::timeout;

/// Generous: other work on the machine must not fail these.
const SOON: Duration = Duration::from_secs(60);
const ONE: Lends = Lends { threads: 1, permille: 1000 };
/// The exponents below 2500 that give primes: OEIS A000043.
const PRIMES: [u32; 17] = [2, 3, 5, 7, 13, 17, 19, 31, 61, 89, 107, 127, 521, 607, 1279, 2203, 2281];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_party_finds_exactly_the_right_primes_and_all_agree_on_their_finders() {
    let party = Party::open().await;
    let host = party.host(JobKind::Mersenne { from: 2, to: 2500, proofs_from: 1 << 16 }, 3, ONE);
    let friends: Vec<_> = (1..=3).map(|n| party.friend(n, ONE)).collect();
    let peers: Vec<_> = std::iter::once(host).chain(friends).collect();

    let mut finders = vec![];
    for peer in &peers {
        let (_, ledger) = &*complete(peer, SOON).await;
        let view = finished(peer, SOON).await;

        let found: Vec<u32> = ledger
            .findings(ledger.range())
            .filter(|finding| finding.verdict == Verdict::Prime)
            .map(|finding| finding.exponent)
            .collect();
        assert_eq!(found, PRIMES);
        let all_confirmed = |view: &View| {
            let search = view.search.as_ref();
            search
                .is_some_and(|search| search.primes.iter().all(|prime| prime.state == PrimeState::Confirmed))
        };
        let search = view_where(peer, SOON, all_confirmed).await.search.unwrap();
        assert_eq!(search.primes.iter().map(|prime| prime.exponent).collect::<Vec<_>>(), PRIMES);
        assert_eq!((search.frontier, search.tested + search.factored), (2500, 367));
        assert_eq!(search.false_news, 0);
        assert!(view.room.gross_units >= view.room.useful_units, "{:?}", view.room);
        finders.push(search.primes.into_iter().map(|prime| prime.finder_id).collect::<Vec<_>>());
    }

    assert!(finders.iter().all(|theirs| *theirs == finders[0]), "{finders:?}");
    for peer in peers {
        peer.command(Command::Leave).await;
        timeout(SOON, peer.finished()).await.unwrap();
    }
    party.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_test_goes_on_at_another_peer_where_the_one_that_leaves_was() {
    /// Takes seconds here: no factor spares its test.
    const LONG: u32 = 60_013;
    let slow = Lends { threads: 1, permille: 100 };
    let party = Party::open().await;
    let host = party.host(
        JobKind::Mersenne { from: LONG, to: LONG, proofs_from: 1000 },
        1,
        Lends { threads: 0, permille: 1000 },
    );
    let first = party.friend(1, slow);
    let half = |view: &View| mine(view).is_some_and(|test| test.iteration > test.iterations / 3);
    view_where(&first, SOON, half).await;
    let second = party.friend(2, slow);
    // Else it would begin the same test, as there is no other, from what was saved last.
    second.command(Command::Pause).await;
    let linked = |view: &View| view.peers.iter().filter(|peer| peer.link == LinkState::Open).count() == 2;
    view_where(&first, SOON, linked).await;

    let before = mine(&first.views().borrow()).unwrap_or_default();
    first.command(Command::Finish).await;
    timeout(SOON, first.finished()).await.unwrap();
    second.command(Command::Resume).await;
    let after = view_where(&second, SOON, |view| mine(view).is_some()).await;
    let after = mine(&after).unwrap();

    println!("handed over at {before:?}, first seen at {after:?}");
    assert!(before.iteration < before.iterations, "the test was over too early: {before:?}");
    assert!(after.iteration >= before.iteration, "it began again: {before:?}, then {after:?}");
    let (_, ledger) = &*complete(&host, SOON).await;
    let residue = Verdict::Composite { residue: 0xf165_62f4_4e79_8ea2 };
    let expected = Finding { exponent: LONG, verdict: residue };
    assert_eq!(ledger.merged(), Some(Outcome::Mersenne(vec![expected])));
    for peer in [second, host] {
        peer.command(Command::Leave).await;
        timeout(SOON, peer.finished()).await.unwrap();
    }
    party.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_exchanged_for_another_until_it_has_begun() {
    let party = Party::open().await;
    let host = party.host(JobKind::Sum { first: 1, last: 1000, unit_size: 10, base: 0 }, 3, ONE);
    let search = |to, salt| {
        let kind = JobKind::Mersenne { from: 2, to, proofs_from: 1 << 16 };
        JobSpec { kind, asked_by: "Liz".into(), salt: [salt; 16] }
    };

    let in_the_lobby = host.set_job(search(700, 1), 3).await;
    let impossible = host.set_job(search(1, 2), 3).await;
    host.command(Command::Start).await;
    view_where(&host, SOON, |view| !matches!(view.phase, Phase::Lobby { .. } | Phase::Connecting)).await;
    let too_late = host.set_job(search(900, 3), 3).await;

    assert_eq!((in_the_lobby, impossible, too_late), (true, false, false));
    assert_eq!(complete(&host, SOON).await.0, search(700, 1));
    host.command(Command::Leave).await;
    timeout(SOON, host.finished()).await.unwrap();
    party.close();
}

/// The test that this node itself is on.
fn mine(view: &View) -> Option<TestView> {
    let me = view.peers.iter().position(|peer| peer.me)?;
    view.search.as_ref()?.tests.iter().find(|test| usize::from(test.by) == me).cloned()
}
