//! What units really come to, computed once for all nodes of all worlds of a program.
//!
//! A world computes every result several times: a worker reports it, another checks it, the world itself compares. For sums that
//! costs nothing; tests of exponents are remembered.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use manyhands_jobs::kernel;
use manyhands_wire::mersenne::{Finding, is_prime};
use manyhands_wire::{JobKind, Outcome, UnitRange};

/// Findings by exponent, and whether it is one that has a proof.
static FINDINGS: Mutex<BTreeMap<(u32, bool), Option<Finding>>> = Mutex::new(BTreeMap::new());

/// As [`kernel::compute`].
pub fn compute(kind: &JobKind, units: UnitRange) -> Outcome {
    match kind {
        JobKind::Sum { .. } | JobKind::Delay { .. } => kernel::compute(kind, units),
        JobKind::Mersenne { .. } => {
            Outcome::Mersenne((units.start..units.end).filter_map(|unit| finding(kind, unit)).collect())
        }
    }
}

/// What became of one unit of a search; none for a composite exponent.
pub fn finding(kind: &JobKind, unit: u64) -> Option<Finding> {
    let exponent = kind.exponent_of(unit)?;
    if !is_prime(exponent) {
        return None;
    }
    // A thread that panicked did so outside: every entry is whole.
    let findings = || FINDINGS.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (exponent, kind.is_proven(exponent));
    if let Some(known) = findings().get(&key) {
        return *known;
    }
    let found = match kernel::compute(kind, UnitRange::new(unit, unit + 1)) {
        Outcome::Mersenne(found) => found.first().copied(),
        Outcome::Sum(_) | Outcome::Delay(_) => None,
    };
    findings().insert(key, found);
    found
}
