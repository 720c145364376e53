//! Whether a total is true, found out by adding.
//!
//! No formula: the numbers are added as the job adds them. A first piece tells how fast this machine is; where the whole
//! prefix would take too long, the total is taken on trust, and the caller says so.

use std::time::{Duration, Instant};

use manyhands_jobs::kernel;
use manyhands_ledger::TaskFile;
use manyhands_wire::{JobKind, Outcome, UnitRange};

/// How long checking a file may take.
pub(super) const BUDGET: Duration = Duration::from_secs(2);
/// How long to add before believing an estimate: a stall of the machine is not its speed.
const CALIBRATION: Duration = Duration::from_millis(100);
/// How many numbers make a unit here.
const UNIT_SIZE: u64 = 1 << 16;
/// How many units are added between two looks at the clock: some milliseconds' work.
const PIECE_UNITS: u64 = 64;

/// What came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The total is what the numbers come to.
    True,
    /// It is not: they come to this.
    Wrong(u128),
    /// Adding them would take too long.
    TooLong,
}

/// Adds the numbers that a file says are added, if `budget` allows.
pub(super) fn check(task: &TaskFile, budget: Duration) -> Verdict {
    let spec = TaskFile::new(task.most_recent_counting_number_added).to_spec(Some(UNIT_SIZE), "", [0; 16]);
    let units = spec.units();
    let begun = Instant::now();
    let (mut at, mut total) = (0, 0);
    while at < units {
        let end = units.min(at + PIECE_UNITS);
        total += add(&spec.kind, UnitRange::new(at, end));
        at = end;
        let elapsed = begun.elapsed();
        let estimate = elapsed.as_secs_f64() * (units as f64 / at as f64);
        if elapsed > CALIBRATION && estimate > budget.as_secs_f64() {
            return Verdict::TooLong;
        }
    }
    if total == task.current_total { Verdict::True } else { Verdict::Wrong(total) }
}

fn add(kind: &JobKind, units: UnitRange) -> u128 {
    match kernel::compute(kind, units) {
        Outcome::Sum(total) => total,
        Outcome::Delay(_) | Outcome::Mersenne(_) => 0,
    }
}
