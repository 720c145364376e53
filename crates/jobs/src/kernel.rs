//! Kernels: the units of a job in, their outcome out.

pub mod mersenne;
pub mod sum;

use manyhands_wire::{JobKind, Outcome, UnitRange};

/// What these units of the job come to. Units beyond the job's last count as nothing.
///
/// The units of [`JobKind::Delay`] are only counted here; the waiting is the [`Worker`](crate::Worker)'s.
pub fn compute(kind: &JobKind, units: UnitRange) -> Outcome {
    match *kind {
        JobKind::Mersenne { from, to, proofs_from } => {
            Outcome::Mersenne(mersenne::findings(from, to, proofs_from, units))
        }
        JobKind::Sum { .. } | JobKind::Delay { .. } => compute_alike(kind, units),
    }
}

/// The same for jobs whose units are all alike; a search has nothing to be found in it.
pub(crate) fn compute_alike(kind: &JobKind, units: UnitRange) -> Outcome {
    match *kind {
        JobKind::Sum { first, last, unit_size, .. } => {
            let number = |unit: u64| u128::from(first) + u128::from(unit) * u128::from(unit_size);
            let end = number(units.end).min(u128::from(last) + 1);
            let start = number(units.start);
            match (u64::try_from(start), u64::try_from(end.saturating_sub(1))) {
                (Ok(from), Ok(to)) if start < end => Outcome::Sum(sum::add_up(from, to)),
                _ => Outcome::Sum(0),
            }
        }
        JobKind::Delay { units: all, .. } => {
            let within = units.intersection(&UnitRange::new(0, all));
            Outcome::Delay(within.map_or(0, |within| within.len()))
        }
        JobKind::Mersenne { .. } => Outcome::Mersenne(Vec::new()),
    }
}

/// How much work one unit is, in the kernel's smallest pieces: what a step's size is reckoned in.
pub(crate) fn unit_cost(kind: &JobKind) -> u64 {
    match *kind {
        JobKind::Sum { unit_size, .. } => unit_size.max(1),
        JobKind::Delay { .. } | JobKind::Mersenne { .. } => 1,
    }
}
