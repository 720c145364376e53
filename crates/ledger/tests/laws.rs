//! The ledger's laws, as properties of random ledgers: what makes it safe to send blocks to anyone, in any order, as often
//! as one likes.

use manyhands_ledger::{Inserted, Ledger, LedgerError};
use manyhands_wire::mersenne::{Finding, LEVEL_MAX, Verdict, is_prime};
use manyhands_wire::{Block, Outcome, PeerId, UnitRange};
use proptest::prelude::*;

const UNITS: u64 = 300;

proptest! {
    #[test]
    fn merging_is_commutative(a in a_ledger(), b in a_ledger()) {
        prop_assert_eq!(union(&a, &b), union(&b, &a));
        prop_assert_eq!(union(&a, &b).digest(), union(&b, &a).digest());
    }

    #[test]
    fn merging_is_associative(a in a_ledger(), b in a_ledger(), c in a_ledger()) {
        prop_assert_eq!(union(&union(&a, &b), &c), union(&a, &union(&b, &c)));
    }

    #[test]
    fn merging_is_idempotent(a in a_ledger(), b in a_ledger()) {
        let both = union(&a, &b);

        prop_assert_eq!(union(&a, &a), a.clone());
        prop_assert_eq!(union(&both, &a), both.clone());
        prop_assert_eq!(union(&both, &b), both);
    }

    #[test]
    fn any_split_of_any_interval_in_any_order_with_repeats_gives_the_exact_total(
        start in 0..UNITS,
        len in 1..UNITS,
        cuts in proptest::collection::vec(0..UNITS, 0..20),
        order in any::<u64>(),
    ) {
        let whole = UnitRange::new(start, (start + len).min(UNITS));
        let mut pieces = cut_up(whole, &cuts);
        shuffle(&mut pieces, order);

        let mut ledger = Ledger::new(UNITS);
        for piece in pieces.iter().chain(pieces.iter().rev()) {
            for block in piece.blocks() {
                ledger.insert(block, outcome(block.range())).unwrap();
            }
        }

        prop_assert_eq!(ledger.merged(), Some(outcome(whole)));
        prop_assert_eq!(ledger.done_units(), whole.len());
        prop_assert_eq!(ledger.runs(ledger.range()).collect::<Vec<_>>(), vec![whole]);
        prop_assert_eq!(kept(&ledger), whole.blocks().collect::<Vec<_>>());
        let in_one_go = ledger_of(&[whole]);
        prop_assert_eq!(ledger.digest(), in_one_go.digest());
        prop_assert_eq!(ledger, in_one_go);
    }

    #[test]
    fn a_ledger_agrees_with_a_plain_list_of_units(
        pieces in proptest::collection::vec(a_piece(), 0..25),
        credits in proptest::collection::vec((a_piece(), 0..4u8), 0..25),
        window in a_piece(),
    ) {
        let mut done = vec![false; UNITS as usize];
        let mut by: Vec<Option<PeerId>> = vec![None; UNITS as usize];
        let mut ledger = Ledger::new(UNITS);

        for piece in &pieces {
            for block in piece.blocks() {
                let Inserted { fresh } = ledger.insert(block, outcome(block.range())).unwrap();
                let expected: Vec<u64> = units(block.range()).filter(|unit| !done[*unit as usize]).collect();
                prop_assert_eq!(fresh.into_iter().flat_map(units).collect::<Vec<_>>(), expected);
                units(block.range()).for_each(|unit| done[unit as usize] = true);
            }
        }
        for (piece, peer) in &credits {
            ledger.credit(*piece, PeerId([*peer; 32]));
            for unit in units(*piece) {
                let now = by[unit as usize].map_or(*peer, |before| before.0[0].min(*peer));
                by[unit as usize] = Some(PeerId([now; 32]));
            }
        }

        let finished: Vec<u64> = units(window).filter(|unit| done[*unit as usize]).collect();
        let open: Vec<u64> = units(window).filter(|unit| !done[*unit as usize]).collect();
        prop_assert_eq!(ledger.runs(window).flat_map(units).collect::<Vec<_>>(), finished);
        prop_assert_eq!(ledger.missing(window).flat_map(units).collect::<Vec<_>>(), open.clone());
        prop_assert_eq!(ledger.is_done(window), open.is_empty());
        prop_assert_eq!(ledger.done_units(), done.iter().filter(|done| **done).count() as u64);
        let touching: Vec<Block> =
            kept(&ledger).into_iter().filter(|block| block.range().intersection(&window).is_some()).collect();
        prop_assert_eq!(ledger.blocks(window).map(|(block, _)| block).collect::<Vec<_>>(), touching);
        let prefix = done.iter().take_while(|done| **done).count() as u64;
        let total = (prefix > 0).then(|| outcome(UnitRange::new(0, prefix)));
        prop_assert_eq!(ledger.prefix(), (prefix, total));
        for run in ledger.credit_runs(ledger.range()) {
            prop_assert!(units(run.units).all(|unit| by[unit as usize] == Some(run.by)));
        }
        for peer in (0..4).map(|peer| PeerId([peer; 32])) {
            let count = by.iter().filter(|by| **by == Some(peer)).count() as u64;
            prop_assert_eq!(ledger.credited(&peer), count);
            prop_assert_eq!(ledger.creditors().any(|(creditor, units)| creditor == peer && units == count), count > 0);
        }
    }

    #[test]
    fn a_ledger_survives_its_written_form(ledger in a_ledger()) {
        let json = serde_json::to_string(&ledger).unwrap();
        let bytes = postcard::to_stdvec(&ledger).unwrap();

        prop_assert_eq!(&serde_json::from_str::<Ledger>(&json).unwrap(), &ledger);
        prop_assert_eq!(&postcard::from_bytes::<Ledger>(&bytes).unwrap(), &ledger);
    }

    #[test]
    fn no_bytes_make_a_ledger_panic_or_break_its_form(
        ledger in a_ledger(),
        at in any::<prop::sample::Index>(),
        flip in 1..=255u8,
        noise in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let mut bytes = postcard::to_stdvec(&ledger).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;

        for bytes in [bytes, noise] {
            if let Ok(read) = postcard::from_bytes::<Ledger>(&bytes) {
                prop_assert!(read.done_units() <= read.units());
                prop_assert_eq!(union(&read, &Ledger::new(read.units())), read.clone());
                let _ = (read.prefix(), read.merged(), read.digest());
            }
        }
    }

    #[test]
    fn a_refused_block_changes_nothing(ledger in a_ledger(), piece in a_piece(), wrong in 0..1000u128) {
        let mut tried = ledger.clone();

        for block in piece.blocks() {
            let known = ledger.blocks(block.range()).next().map(|(block, outcome)| (block, outcome.clone()));
            let Some((kept, right)) = known.filter(|(kept, _)| *kept == block) else { continue };
            let result = tried.insert(kept, Outcome::Sum(wrong));
            let expected = if right == Outcome::Sum(wrong) {
                Ok(Inserted { fresh: Vec::new() })
            } else {
                Err(LedgerError::Conflict { block, ours: right, theirs: Outcome::Sum(wrong) })
            };
            prop_assert_eq!(result, expected);
        }

        prop_assert_eq!(tried.version(), ledger.version());
        prop_assert_eq!(tried, ledger);
    }
}

#[test]
fn findings_are_kept_in_blocks_that_fit_a_frame() {
    let mut ledger = Ledger::new(1 << 12);
    let findings = |range: UnitRange| {
        let exponents = (range.start..range.end).map(|unit| unit as u32 + 2);
        let residue = |exponent: u32| Verdict::Composite { residue: u64::from(exponent) << 32 };
        Outcome::Mersenne(
            exponents
                .filter(|exponent| is_prime(*exponent))
                .map(|exponent| Finding { exponent, verdict: residue(exponent) })
                .collect(),
        )
    };

    for block in UnitRange::new(0, 1 << 11).blocks_up_to(4).collect::<Vec<_>>().into_iter().rev() {
        ledger.insert(block, findings(block.range())).unwrap();
    }
    let large = Block::new(LEVEL_MAX + 1, 4).unwrap();

    assert_eq!(
        ledger.blocks(ledger.range()).map(|(block, _)| block.level()).collect::<Vec<_>>(),
        [LEVEL_MAX; 8]
    );
    assert_eq!(ledger.findings(ledger.range()).count(), 309);
    assert_eq!(ledger.prefix_units(), 1 << 11);
    assert_eq!(ledger.insert(large, findings(large.range())), Err(LedgerError::TooLarge { block: large }));
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let mut ledger = ledger_of(&[UnitRange::new(0, 4)]);
    let before = ledger.clone();
    let beyond = Block::new(0, UNITS).unwrap();
    let inside = Block::new(0, 5).unwrap();

    let refusals = [
        ledger.insert(beyond, Outcome::Sum(0)),
        ledger.insert(inside, Outcome::Delay(1)),
        ledger.insert(inside, Outcome::Sum(u128::MAX)),
    ];

    assert_eq!(refusals[0], Err(LedgerError::OutOfRange { block: beyond, units: UNITS }));
    assert_eq!(refusals[1], Err(LedgerError::WrongKind));
    assert_eq!(refusals[2], Err(LedgerError::TooLarge { block: inside }));
    assert_eq!(ledger.merge(&Ledger::new(7)), Err(LedgerError::OtherJob { ours: UNITS, theirs: 7 }));
    assert_eq!((ledger.version(), &ledger), (before.version(), &before));
}

#[test]
fn hostile_ledgers_are_refused() {
    let hostile = [
        // Beyond the job.
        r#"{"units":4,"blocks":[[{"level":3,"index":0},{"Sum":1}]],"credit":[]}"#,
        // A block of more than 64 bits.
        r#"{"units":4,"blocks":[[{"level":64,"index":0},{"Sum":1}]],"credit":[]}"#,
        // Out of order.
        r#"{"units":8,"blocks":[[{"level":1,"index":2},{"Sum":1}],[{"level":0,"index":0},{"Sum":1}]],"credit":[]}"#,
        // One over the other.
        r#"{"units":8,"blocks":[[{"level":1,"index":0},{"Sum":1}],[{"level":0,"index":1},{"Sum":1}]],"credit":[]}"#,
        // Siblings that are not their parent.
        r#"{"units":8,"blocks":[[{"level":0,"index":0},{"Sum":1}],[{"level":0,"index":1},{"Sum":1}]],"credit":[]}"#,
        // Two kinds.
        r#"{"units":8,"blocks":[[{"level":0,"index":0},{"Sum":1}],[{"level":0,"index":3},{"Delay":1}]],"credit":[]}"#,
    ];

    for text in hostile {
        assert!(serde_json::from_str::<Ledger>(text).is_err(), "{text}");
    }
}

#[test]
fn an_empty_job_is_complete() {
    let ledger = Ledger::new(0);

    assert!(ledger.is_complete());
    assert_eq!((ledger.prefix(), ledger.merged()), ((0, None), None));
}

#[test]
fn a_clean_ledger_of_many_units_stays_small() {
    let units = 1 << 40;
    let mut ledger = Ledger::new(units);

    for block in UnitRange::new(0, units - 1).blocks() {
        ledger.insert(block, Outcome::Delay(block.len())).unwrap();
    }

    assert_eq!(ledger.blocks(ledger.range()).count(), 40);
    assert_eq!(ledger.missing(ledger.range()).collect::<Vec<_>>(), [UnitRange::new(units - 1, units)]);
    assert_eq!(ledger.prefix(), (units - 1, Some(Outcome::Delay(units - 1))));
}

fn a_ledger() -> impl Strategy<Value = Ledger> {
    let credits = proptest::collection::vec((a_piece(), 0..4u8), 0..12);
    (proptest::collection::vec(a_piece(), 0..12), credits).prop_map(|(pieces, credits)| {
        let mut ledger = ledger_of(&pieces);
        for (piece, peer) in credits {
            ledger.credit(piece, PeerId([peer; 32]));
        }
        ledger
    })
}

fn a_piece() -> impl Strategy<Value = UnitRange> {
    (0..UNITS, 0..60u64).prop_map(|(start, len)| UnitRange::new(start, (start + len).min(UNITS)))
}

fn ledger_of(pieces: &[UnitRange]) -> Ledger {
    let mut ledger = Ledger::new(UNITS);
    for block in pieces.iter().flat_map(|piece| piece.blocks()) {
        ledger.insert(block, outcome(block.range())).expect("true outcomes never conflict");
    }
    ledger
}

fn union(a: &Ledger, b: &Ledger) -> Ledger {
    let mut both = a.clone();
    both.merge(b).expect("true ledgers of one job never conflict");
    both
}

/// The true total of some units, each of which is worth a number of its own.
fn outcome(range: UnitRange) -> Outcome {
    Outcome::Sum(units(range).map(|unit| u128::from(unit).pow(3) + (1 << 70)).sum())
}

fn units(range: UnitRange) -> impl Iterator<Item = u64> {
    range.start..range.end
}

fn kept(ledger: &Ledger) -> Vec<Block> {
    ledger.blocks(ledger.range()).map(|(block, _)| block).collect()
}

fn cut_up(whole: UnitRange, cuts: &[u64]) -> Vec<UnitRange> {
    let mut ends: Vec<u64> = cuts.iter().copied().filter(|cut| whole.contains(*cut)).collect();
    ends.extend([whole.start, whole.end]);
    ends.sort_unstable();
    ends.windows(2).map(|pair| UnitRange::new(pair[0], pair[1])).collect()
}

/// Puts the pieces into an order that the seed decides.
fn shuffle(pieces: &mut [UnitRange], mut seed: u64) {
    for i in (1..pieces.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        pieces.swap(i, (seed >> 33) as usize % (i + 1));
    }
}
