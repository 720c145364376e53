//! The kernel of `sum` against plain additions, on every path of this processor.

#![cfg(not(target_arch = "wasm32"))]

use std::hint::black_box;

use manyhands_jobs::kernel::compute;
use manyhands_jobs::kernel::sum::{Path, add_up, add_up_by};
use manyhands_wire::{JobKind, Outcome, UnitRange};
use proptest::prelude::*;

/// The largest number a job may end with, and the largest there is.
const LIMIT: u64 = 1_000_000_000_000_000_000;

/// The total, one addition at a time.
fn plainly(first: u64, last: u64) -> u128 {
    let mut total = 0;
    for n in first..=last {
        total += u128::from(black_box(n));
    }
    total
}

/// Beginnings of intervals: small, anywhere, near powers of two, near the limits.
fn beginnings() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..10_000_u64,
        any::<u64>(),
        (3..64_u32, 0..5_000_u64).prop_map(|(bits, below)| (1 << bits) - below.min(1 << bits)),
        (0..5_000_u64).prop_map(|below| LIMIT - below),
        (0..5_000_u64).prop_map(|below| u64::MAX - below),
    ]
}

proptest! {
    #[test]
    fn every_path_adds_any_interval_exactly(first in beginnings(), more in 0..5_000_u64) {
        let last = first.saturating_add(more);
        let expected = plainly(first, last);

        for path in Path::ALL.into_iter().filter(|path| path.is_available()) {
            prop_assert_eq!(add_up_by(path, first, last), Some(expected), "{}", path);
        }
    }

    #[test]
    fn the_parts_of_an_interval_come_to_the_whole(first in beginnings(), more in 0..5_000_u64, cut in 0..5_000_u64) {
        let last = first.saturating_add(more);
        let cut = first.saturating_add(cut.min(more)).min(last - u64::from(last > first));

        let whole = add_up(first, last);
        let parts = add_up(first, cut) + cut.checked_add(1).map_or(0, |next| if next <= last { add_up(next, last) } else { 0 });

        prop_assert_eq!(parts, whole);
    }

    #[test]
    fn units_cut_anywhere_merge_to_the_whole_job(
        first in prop_oneof![1..10_000_u64, LIMIT - 20_000..LIMIT - 10_000],
        numbers in 0..10_000_u64,
        unit_size in 1..700_u64,
        cut in 0..10_001_u64,
    ) {
        let last = first + numbers - 1;
        let kind = JobKind::Sum { first, last, unit_size, base: 7 };
        let units = numbers.div_ceil(unit_size);
        let cut = cut.min(units);

        let front = compute(&kind, UnitRange::new(0, cut));
        let back = compute(&kind, UnitRange::new(cut, units));

        let expected = if numbers == 0 { 0 } else { plainly(first, last) };
        prop_assert_eq!(front.merge(&back), Some(Outcome::Sum(expected)));
    }
}

#[test]
fn liz_gets_her_total_on_every_path() {
    for path in Path::ALL.into_iter().filter(|path| path.is_available()) {
        assert_eq!(add_up_by(path, 1, 100_000_000), Some(5_000_000_050_000_000), "{path}");
    }
}

#[test]
fn long_runs_near_the_limit_do_not_overflow() {
    let numbers = 50_000_000;
    let (first, last) = (LIMIT - numbers + 1, LIMIT);
    // Here the formula is the test's, as the one thing that is surely right.
    let expected = (u128::from(first) + u128::from(last)) * u128::from(numbers) / 2;

    for path in Path::ALL.into_iter().filter(|path| path.is_available()) {
        assert_eq!(add_up_by(path, first, last), Some(expected), "{path}");
    }
}

#[test]
fn an_interval_longer_than_a_piece_is_whole() {
    let numbers = (1_u64 << 32) + 12_345;

    assert_eq!(add_up(1, numbers), u128::from(numbers) * u128::from(numbers + 1) / 2);
}

#[test]
fn an_empty_interval_comes_to_nothing() {
    assert_eq!(add_up(1, 0), 0);
    assert_eq!(add_up(u64::MAX, 0), 0);
    assert_eq!(add_up(u64::MAX, u64::MAX), u128::from(u64::MAX));
}

#[test]
fn units_beyond_the_job_come_to_nothing() {
    let sum = JobKind::Sum { first: 1, last: 100, unit_size: 1 << 30, base: 0 };
    let delay = JobKind::Delay { units: 3, unit_ms: 10 };

    assert_eq!(compute(&sum, UnitRange::new(0, 1)), Outcome::Sum(5050));
    assert_eq!(compute(&sum, UnitRange::new(1, u64::MAX)), Outcome::Sum(0));
    assert_eq!(compute(&sum, UnitRange::new(0, u64::MAX)), Outcome::Sum(5050));
    assert_eq!(compute(&delay, UnitRange::new(1, 9)), Outcome::Delay(2));
    assert_eq!(compute(&delay, UnitRange::new(5, 9)), Outcome::Delay(0));
}

#[test]
fn a_path_is_found_by_its_name() {
    for path in Path::ALL {
        assert_eq!(path.name().parse(), Ok(path));
    }
    assert!("neon".parse::<Path>().is_err());
}
