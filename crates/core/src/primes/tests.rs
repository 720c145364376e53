//! News of primes, true and false.

use super::*;

const ME: PeerId = PeerId([9; 32]);
const FINDER: PeerId = PeerId([1; 32]);
const OTHER: PeerId = PeerId([2; 32]);
const OPEN: UnitRange = UnitRange { start: 0, end: 100_000 };

fn search() -> (Primes, Ledger) {
    let kind = JobKind::Mersenne { from: 2, to: 100_000, proofs_from: 1 << 16 };
    let spec = JobSpec { kind, asked_by: "Liz".into(), salt: [0; 16] };
    let ledger = Ledger::new(spec.units());
    (Primes::of(&spec, &ledger), ledger)
}

#[test]
fn a_small_prime_is_tested_by_everybody_and_a_large_one_by_lot() {
    let (mut primes, ledger) = search();
    for exponent in [31, 86_243] {
        primes.on_told(Time::ZERO, FINDER, exponent, vec![FINDER, ME], OPEN).unwrap();
    }
    let others: Vec<PeerId> = (10..30).map(|id| PeerId([id; 32])).collect();

    let first = primes.due(Time::ZERO, ME, &others, true, &ledger, |_| 1.0);
    let later = primes.due(Time::ZERO + Duration::from_secs(3600), ME, &others, true, &ledger, |_| 1.0);

    assert_eq!((first, later), (vec![31], vec![86_243]));
}

#[test]
fn a_prime_that_another_confirmed_is_left_alone() {
    let (mut primes, ledger) = search();
    primes.on_told(Time::ZERO, FINDER, 86_243, vec![FINDER, ME], OPEN).unwrap();

    primes.on_checked(OTHER, 86_243, true);

    assert!(primes.due(Time::ZERO + Duration::from_secs(3600), ME, &[], true, &ledger, |_| 1.0).is_empty());
}

#[test]
fn what_proves_false_is_thrown_out_and_refused_from_then_on() {
    let (mut primes, _) = search();
    primes.on_told(Time::ZERO, FINDER, 37, vec![FINDER, ME], OPEN).unwrap();

    let told = primes.on_tested(Time::ZERO, 37, Some(false));

    assert_eq!(told, [FINDER]);
    assert!(primes.on_told(Time::ZERO, OTHER, 37, vec![OTHER, ME], OPEN).is_err());
    assert!(primes.on_told(Time::ZERO, OTHER, 1_257_787, vec![OTHER, ME], OPEN).is_err());
    assert_eq!((primes.known.len(), primes.false_news), (0, 3));
}

#[test]
fn the_finder_is_who_signed_the_result_whoever_else_says_so() {
    let (mut primes, mut ledger) = search();
    primes.on_told(Time::ZERO, FINDER, 31, vec![FINDER, ME], OPEN).unwrap();
    let before = primes.finder(&ledger, 31);

    // Credit alone makes nobody a finder.
    ledger.credit(UnitRange::new(29, 30), PeerId([0; 32]));
    let forged = primes.finder(&ledger, 31);
    primes.learn(Time::ZERO, 31, Some(OTHER));

    assert_eq!((before, forged), (Some(FINDER), Some(FINDER)));
    assert_eq!(primes.finder(&ledger, 31), Some(OTHER));
}

#[test]
fn one_word_against_a_prime_of_the_ledger_is_not_enough() {
    let (mut primes, ledger) = search();
    primes.learn(Time::ZERO, 86_243, None);

    primes.on_checked(OTHER, 86_243, false);
    let thrown_out = primes.believe_others(true, |_| false, &ledger);

    assert!(thrown_out.is_empty() && primes.known.len() == 1);
}

#[test]
fn two_strangers_cannot_talk_a_node_that_can_test_out_of_a_prime() {
    let (mut primes, ledger) = search();
    primes.on_told(Time::ZERO, FINDER, 86_243, vec![FINDER, ME], OPEN).unwrap();
    for peer in [OTHER, PeerId([3; 32])] {
        primes.on_checked(peer, 86_243, false);
    }

    let by_the_able = primes.believe_others(true, |_| false, &ledger);
    let due = primes.due(Time::ZERO, ME, &[OTHER], true, &ledger, |_| 1.0);
    let by_the_unable = primes.believe_others(false, |_| false, &ledger);
    primes.on_tested(Time::ZERO, 86_243, Some(true));

    assert!(by_the_able.is_empty() && due == [86_243], "it tests for itself");
    assert_eq!(by_the_unable, [(86_243, vec![FINDER])]);
    assert_eq!(
        primes.known.get(&86_243).map(|prime| prime.mine),
        Some(Mine::Prime),
        "and its own test counts"
    );
}

#[test]
fn who_tells_of_many_untested_primes_is_not_listened_to() {
    let (mut primes, _) = search();
    let exponents = (50_000..).filter(|exponent| manyhands_wire::mersenne::is_prime(*exponent)).take(100);

    let taken =
        exponents.filter(|exponent| primes.on_told(Time::ZERO, FINDER, *exponent, Vec::new(), OPEN).is_ok());

    assert_eq!(taken.count(), UNPROVEN_MAX);
    primes.learn(Time::ZERO, 44_497, Some(OTHER));
    assert!(primes.known.contains_key(&44_497), "what a result says is known all the same");
}
