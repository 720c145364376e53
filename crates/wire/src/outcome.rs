//! What a finished block is worth.
//!
//! Outcomes of one job form an associative merge: the outcome of a block is the merge of its halves' outcomes, front
//! first. The variants carry data only; how they are computed is the business of the kernels.

use serde::{Deserialize, Serialize};

/// The result of some finished units of one job.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// The total of the counting numbers in the units. Exact: a job's limit of 10^18 keeps it below 2^119.
    Sum(u128),
    /// How many units were waited for (the benchmark's job, which computes nothing).
    Delay(u64),
}

impl Outcome {
    /// The outcome of `self`'s units followed by `next`'s. `None` if they are of different jobs, or if the total leaves
    /// its 128 bits, which honest outcomes never do.
    pub fn merge(&self, next: &Self) -> Option<Self> {
        match (self, next) {
            (Self::Sum(a), Self::Sum(b)) => a.checked_add(*b).map(Self::Sum),
            (Self::Delay(a), Self::Delay(b)) => a.checked_add(*b).map(Self::Delay),
            (Self::Sum(_) | Self::Delay(_), _) => None,
        }
    }
}
