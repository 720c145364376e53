//! What a finished block is worth.
//!
//! Outcomes of one job form an associative merge: the outcome of a block is the merge of its halves' outcomes, front
//! first. The variants carry data only; how they are computed is the business of the kernels.

use serde::{Deserialize, Serialize};

use crate::mersenne::{Finding, LEVEL_MAX};
use crate::units::Block;

/// The result of some finished units of one job.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// The total of the counting numbers in the units. Exact: a job's limit of 10^18 keeps it below 2^119.
    Sum(u128),
    /// How many units were waited for (the benchmark's job, which computes nothing).
    Delay(u64),
    /// What became of the prime exponents among the units, in order.
    Mersenne(Vec<Finding>),
}

impl Outcome {
    /// The outcome of `self`'s units followed by `next`'s. `None` if they are of different jobs, or if the total leaves
    /// its 128 bits, which honest outcomes never do, or if the exponents are out of order.
    pub fn merge(&self, next: &Self) -> Option<Self> {
        match (self, next) {
            (Self::Sum(a), Self::Sum(b)) => a.checked_add(*b).map(Self::Sum),
            (Self::Delay(a), Self::Delay(b)) => a.checked_add(*b).map(Self::Delay),
            (Self::Mersenne(a), Self::Mersenne(b)) => {
                let in_order =
                    a.last().zip(b.first()).is_none_or(|(last, first)| last.exponent < first.exponent);
                in_order.then(|| Self::Mersenne([a.as_slice(), b].concat()))
            }
            (Self::Sum(_) | Self::Delay(_) | Self::Mersenne(_), _) => None,
        }
    }

    /// The largest block whose outcome of this kind is kept and sent as one, as a power of two: an outcome that grows with
    /// its block has to fit a frame.
    pub fn level_max(&self) -> u8 {
        match self {
            Self::Sum(_) | Self::Delay(_) => Block::LEVEL_MAX,
            Self::Mersenne(_) => LEVEL_MAX,
        }
    }
}
