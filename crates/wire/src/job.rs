//! The description of a job, which the host signs and every peer passes on.
//!
//! A job's id is the hash of its description, so two peers that name the same id mean the same work to the last
//! number. Limits are checked once, in [`JobSpec::check`]; all else may rely on them.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::id::{JobId, PeerId, Signature};
use crate::outcome::Outcome;
use crate::units::UnitRange;

/// The largest counting number a job may end with.
pub const COUNTING_NUMBER_MAX: u64 = 1_000_000_000_000_000_000;
/// The most units a job may have.
pub const UNITS_MAX: u64 = 1 << 48;
/// The most counting numbers in one unit: a second's work or so for a slow machine, since a unit is never interrupted.
pub const UNIT_SIZE_MAX: u64 = 1 << 30;
/// The longest delay of one unit, in milliseconds.
pub const DELAY_MS_MAX: u32 = 60_000;
/// The longest text a job may carry to tell people what it is for, in bytes.
pub const ASKED_BY_BYTES_MAX: usize = 64;

/// What is to be computed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSpec {
    /// The work itself.
    pub kind: JobKind,
    /// Who asks for it, as people should read it; at most [`ASKED_BY_BYTES_MAX`] bytes.
    pub asked_by: String,
    /// Makes two otherwise equal jobs different.
    pub salt: [u8; 16],
}

/// The kinds of work. Append only: the position is the tag on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobKind {
    /// Add the counting numbers `first..=last` to `base`.
    Sum {
        /// The first number to add, at least 1.
        first: u64,
        /// The last number to add; `first - 1` when there is nothing to add.
        last: u64,
        /// How many numbers make a unit, 1 to [`UNIT_SIZE_MAX`]. The last unit may have fewer.
        unit_size: u64,
        /// What the numbers before `first` came to.
        base: u128,
    },
    /// Wait: `units` units of `unit_ms` milliseconds each. It measures how well work is shared, apart from computing.
    Delay {
        /// How many units.
        units: u64,
        /// How long one takes, 1 to [`DELAY_MS_MAX`] milliseconds.
        unit_ms: u32,
    },
}

/// A job as it travels: the description with the host's name and signature under it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedJob {
    /// What is to be computed.
    pub spec: JobSpec,
    /// Who asks: the room's host.
    pub host: PeerId,
    /// The host's signature over [`SignedJob::signed_bytes`].
    pub signature: Signature,
}

/// Why a job description is refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum JobError {
    /// The numbers do not fit together or pass a limit.
    #[error("the job's {0}")]
    OutOfRange(&'static str),
}

impl JobSpec {
    /// Checks every limit.
    ///
    /// # Errors
    /// [`JobError::OutOfRange`] names the first limit that is passed.
    pub fn check(&self) -> Result<(), JobError> {
        let refuse = |what| Err(JobError::OutOfRange(what));
        if self.asked_by.len() > ASKED_BY_BYTES_MAX {
            return refuse("name of who asks is too long");
        }
        if self.asked_by.chars().any(char::is_control) {
            return refuse("name of who asks has control characters");
        }
        match self.kind {
            JobKind::Sum { first, last, unit_size, base } => {
                if first == 0 || last > COUNTING_NUMBER_MAX || first - 1 > last {
                    return refuse("numbers are not a run within 1 to 10^18");
                }
                if unit_size == 0 || unit_size > UNIT_SIZE_MAX {
                    return refuse("unit size is not within 1 to 2^30");
                }
                if base >= 1 << 120 {
                    return refuse("total so far is larger than any true one");
                }
            }
            JobKind::Delay { unit_ms, .. } => {
                if unit_ms == 0 || unit_ms > DELAY_MS_MAX {
                    return refuse("delay is not within 1 to 60000 ms");
                }
            }
        }
        if self.units() > UNITS_MAX {
            return refuse("units are more than 2^48: choose a larger unit size");
        }
        Ok(())
    }

    /// How many units the job has.
    pub fn units(&self) -> u64 {
        match self.kind {
            JobKind::Sum { first, last, unit_size, .. } => (last + 1 - first).div_ceil(unit_size),
            JobKind::Delay { units, .. } => units,
        }
    }

    /// All units of the job.
    pub fn range(&self) -> UnitRange {
        UnitRange::new(0, self.units())
    }

    /// Whether a result can be one of these units at all: of the right kind, and neither below the smallest nor above the
    /// largest number in the units taken as often as there are numbers. It says nothing of whether the result is right.
    pub fn is_plausible(&self, units: UnitRange, outcome: &Outcome) -> bool {
        match (&self.kind, outcome) {
            (JobKind::Sum { first, last, unit_size, .. }, Outcome::Sum(total)) => {
                let (first, last, size) = (u128::from(*first), u128::from(*last), u128::from(*unit_size));
                let low = first + u128::from(units.start) * size;
                let high = (first + u128::from(units.end) * size).min(last + 1);
                let count = high.saturating_sub(low);
                count > 0 && (count * low..=count * (high - 1)).contains(total)
            }
            (JobKind::Delay { .. }, Outcome::Delay(waited)) => *waited == units.len(),
            (JobKind::Sum { .. } | JobKind::Delay { .. }, _) => false,
        }
    }

    /// The job's id.
    pub fn id(&self) -> JobId {
        JobId(*blake3::hash(&self.encode()).as_bytes())
    }

    /// The bytes that the id is the hash of.
    fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("a job description is plain data, which postcard always encodes")
    }
}

impl SignedJob {
    /// What the host signs for the job `id`: a context string and the id.
    pub fn signed_bytes(id: &JobId) -> Vec<u8> {
        [b"manyhands job v1".as_slice(), &id.0].concat()
    }

    /// What the host signs to start the job `id`.
    pub fn start_bytes(id: &JobId) -> Vec<u8> {
        [b"manyhands start v1".as_slice(), &id.0].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(first: u64, last: u64, unit_size: u64) -> JobSpec {
        JobSpec {
            kind: JobKind::Sum { first, last, unit_size, base: 0 },
            asked_by: "Liz".into(),
            salt: [0; 16],
        }
    }

    #[test]
    fn units_cover_the_numbers_and_no_more() {
        assert_eq!(sum(1, 100, 10).units(), 10);
        assert_eq!(sum(1, 101, 10).units(), 11);
        assert_eq!(sum(1, 0, 10).units(), 0);
        assert_eq!(sum(1, COUNTING_NUMBER_MAX, 1 << 20).check(), Ok(()));
    }

    #[test]
    fn limits_are_refused_by_name() {
        for bad in [sum(0, 5, 1), sum(7, 5, 1), sum(1, u64::MAX, 1 << 20), sum(1, 5, 0), sum(1, 1 << 59, 1)] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_totals_that_the_units_can_have_are_plausible() {
        let job = sum(1, 95, 10);
        let plausible = |units, total| job.is_plausible(units, &Outcome::Sum(total));

        assert!(plausible(UnitRange::new(0, 1), 55) && plausible(UnitRange::new(9, 10), 93 * 5));
        assert!(!plausible(UnitRange::new(0, 1), 9) && !plausible(UnitRange::new(0, 1), 101));
        assert!(!plausible(UnitRange::new(10, 11), 0) && !plausible(UnitRange::new(0, 1), (1 << 120) - 1));
        assert!(!job.is_plausible(UnitRange::new(0, 1), &Outcome::Delay(1)));
    }

    #[test]
    fn salt_makes_another_job() {
        let mut other = sum(1, 100, 10);
        other.salt = [1; 16];

        assert_ne!(sum(1, 100, 10).id(), other.id());
    }
}
