//! The description of a job, which the host signs and every peer passes on.
//!
//! A job's id is the hash of its description, so two peers that name the same id mean the same work to the last
//! number. Limits are checked once, in [`JobSpec::check`]; all else may rely on them.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::id::{JobId, PeerId, Signature};
use crate::mersenne::{self, EXPONENT_MAX, EXPONENT_MIN, Finding, LEVEL_MAX, is_prime};
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
/// How many exponents beyond the finished prefix may be begun: this many, or this part of the prefix. The second makes about as
/// much work as was done (a guess at what keeps all busy whom one slow exponent makes wait).
const WINDOW_MIN: u64 = 1 << 15;
const WINDOW_PART: u64 = 4;
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
    /// Search the exponents `from..=to` for Mersenne primes: unit `u` is the exponent `from + u`.
    Mersenne {
        /// The first exponent, at least [`EXPONENT_MIN`].
        from: u32,
        /// The last exponent, at most [`EXPONENT_MAX`].
        to: u32,
        /// From which exponent on composites are found by Fermat's test with a proof; below, by Lucas-Lehmer's.
        proofs_from: u32,
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
            JobKind::Mersenne { from, to, .. } => {
                if from < EXPONENT_MIN || to > EXPONENT_MAX || from > to {
                    return refuse("exponents are not a run within 2 to 4194304");
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
            JobKind::Mersenne { from, to, .. } => u64::from(to) - u64::from(from) + 1,
        }
    }

    /// How many of the job's units may be begun once those before `prefix` are finished. A long search goes upwards: only as
    /// much of it is open as keeps everybody busy.
    pub fn reach(&self, prefix: u64) -> u64 {
        match self.kind {
            JobKind::Sum { .. } | JobKind::Delay { .. } => self.units(),
            JobKind::Mersenne { from, .. } => {
                let ahead = (u64::from(from) + prefix) / WINDOW_PART;
                let reach = prefix.saturating_add(ahead.max(WINDOW_MIN));
                reach.next_multiple_of(1 << LEVEL_MAX).min(self.units())
            }
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
            (JobKind::Mersenne { from, to, .. }, Outcome::Mersenne(findings)) => {
                let exponent = |unit: u64| u64::from(*from).saturating_add(unit);
                if units.len() > 1 << LEVEL_MAX || exponent(units.end) > u64::from(*to) + 1 {
                    return false;
                }
                let exponents = exponent(units.start)..exponent(units.end);
                let primes = exponents.filter_map(|p| u32::try_from(p).ok()).filter(|p| is_prime(*p));
                primes.eq(findings.iter().map(|finding| finding.exponent))
                    && findings.iter().all(Finding::is_plausible)
            }
            (JobKind::Sum { .. } | JobKind::Delay { .. } | JobKind::Mersenne { .. }, _) => false,
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

impl JobKind {
    /// About how much work these units are: what speeds are reckoned in, so that pieces of equal cost take about equal time
    /// on one machine. It is additive, and no unit is free. Units of sums and delays cost 1.
    ///
    /// Testing an exponent `p` squares a number of `p` bits `p` times, at a price that grows about as `p (p + 3000)`
    /// for short and long transforms alike (measured); one number in a dozen is a prime that no small factor spares, more
    /// among the small, about as the price per bit is lower there (a guess). So the sum over all numbers up to `x`,
    /// `x^3 / 3 + 1500 x^2`, is the shape; 2^-16 makes it small, and 1 for each unit stands for looking at it.
    pub fn cost(&self, units: UnitRange) -> u64 {
        match *self {
            Self::Sum { .. } | Self::Delay { .. } => units.len(),
            Self::Mersenne { from, .. } => {
                let up_to = |unit: u64| {
                    let x = u128::from(from) + u128::from(unit).min(u128::from(EXPONENT_MAX));
                    (x * x * x / 3 + 1500 * x * x) >> 16
                };
                let squared = up_to(units.end) - up_to(units.start);
                u64::try_from(squared).unwrap_or(u64::MAX).saturating_add(units.len())
            }
        }
    }

    /// Whether a composite with this exponent is told with a proof, in this job.
    pub fn is_proven(&self, exponent: u32) -> bool {
        match *self {
            Self::Mersenne { proofs_from, .. } => mersenne::is_proven(exponent, proofs_from),
            Self::Sum { .. } | Self::Delay { .. } => false,
        }
    }

    /// The exponent that a unit is, in a search that has it.
    pub fn exponent_of(&self, unit: u64) -> Option<u32> {
        match *self {
            Self::Mersenne { from, to, .. } => {
                let exponent = u32::try_from(u64::from(from).checked_add(unit)?).ok()?;
                (exponent <= to).then_some(exponent)
            }
            Self::Sum { .. } | Self::Delay { .. } => None,
        }
    }

    /// The unit that is this exponent, in a search that has it.
    pub fn unit_of(&self, exponent: u32) -> Option<u64> {
        match *self {
            Self::Mersenne { from, to, .. } => {
                (from..=to).contains(&exponent).then(|| u64::from(exponent - from))
            }
            Self::Sum { .. } | Self::Delay { .. } => None,
        }
    }

    /// Cuts a run in two: the part behind costs about `cost`, and not more unless it is the whole run.
    pub fn cut_back(&self, units: UnitRange, cost: u64) -> u64 {
        match self {
            Self::Sum { .. } | Self::Delay { .. } => units.end - units.len().min(cost),
            Self::Mersenne { .. } => {
                let (mut low, mut high) = (units.start, units.end);
                while low < high {
                    let middle = low + (high - low) / 2;
                    if self.cost(UnitRange::new(middle, units.end)) <= cost {
                        high = middle;
                    } else {
                        low = middle + 1;
                    }
                }
                low
            }
        }
    }

    /// The same from the front: where the part before costs about `cost`, and not more unless it is one unit.
    pub fn cut_front(&self, units: UnitRange, cost: u64) -> u64 {
        match self {
            Self::Sum { .. } | Self::Delay { .. } => units.start + units.len().min(cost.max(1)),
            Self::Mersenne { .. } => {
                let (mut low, mut high) = ((units.start + 1).min(units.end), units.end);
                while low < high {
                    let middle = low + (high - low).div_ceil(2);
                    if self.cost(UnitRange::new(units.start, middle)) <= cost {
                        low = middle;
                    } else {
                        high = middle - 1;
                    }
                }
                low
            }
        }
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

    fn search(from: u32, to: u32) -> JobSpec {
        let kind = JobKind::Mersenne { from, to, proofs_from: 1 << 16 };
        JobSpec { kind, asked_by: "Liz".into(), salt: [0; 16] }
    }

    #[test]
    fn exponents_beyond_the_limits_are_refused() {
        for (from, to) in [(0, 5), (1, 5), (10, 5), (2, EXPONENT_MAX + 1)] {
            assert!(search(from, to).check().is_err(), "{from} to {to}");
        }
        assert_eq!(search(2, EXPONENT_MAX).check(), Ok(()));
        assert_eq!(search(2, 20).units(), 19);
    }

    #[test]
    fn findings_are_of_every_prime_exponent_and_no_other() {
        let job = search(2, 40);
        let found = |exponents: &[u32]| {
            let verdict = crate::mersenne::Verdict::Prime;
            Outcome::Mersenne(exponents.iter().map(|&exponent| Finding { exponent, verdict }).collect())
        };
        let units = UnitRange::new(3, 11);

        assert!(job.is_plausible(units, &found(&[5, 7, 11])));
        assert!(
            !job.is_plausible(units, &found(&[5, 7])) && !job.is_plausible(units, &found(&[5, 7, 9, 11]))
        );
        assert!(!job.is_plausible(units, &found(&[7, 5, 11])) && !job.is_plausible(units, &Outcome::Sum(3)));
        assert!(!job.is_plausible(UnitRange::new(38, 40), &found(&[41])));
    }

    #[test]
    fn cost_adds_up_and_cuts_where_it_says() {
        let kind = search(2, EXPONENT_MAX).kind;
        for (start, end) in [(0, 1), (0, 100), (5_000, 20_000), (1 << 21, 1 << 22)] {
            let units = UnitRange::new(start, end);
            let whole = kind.cost(units);
            for part in [0, 1, whole / 3, whole, u64::MAX] {
                let (back, front) = (kind.cut_back(units, part), kind.cut_front(units, part));

                assert!(start <= back && back <= end && start < front && front <= end);
                assert!(kind.cost(UnitRange::new(back, end)) <= part);
                assert!(front == start + 1 || kind.cost(UnitRange::new(start, front)) <= part);
                let halves = kind.cost(UnitRange::new(start, back)) + kind.cost(UnitRange::new(back, end));
                assert_eq!(halves, whole);
            }
        }
    }

    #[test]
    fn a_search_opens_as_its_prefix_moves() {
        let job = search(2, EXPONENT_MAX);

        assert_eq!(job.reach(0), 1 << 15);
        assert!(job.reach(1 << 20) >= (1 << 20) + (1 << 18));
        assert_eq!(job.reach(job.units()), job.units());
        assert_eq!(search(2, 20_000).reach(0), 19_999);
    }

    #[test]
    fn salt_makes_another_job() {
        let mut other = sum(1, 100, 10);
        other.salt = [1; 16];

        assert_ne!(sum(1, 100, 10).id(), other.id());
    }
}
