//! The file of a search for Mersenne primes, `mersenne.json`.
//!
//! ```json
//! { "from": 2, "to": 20000, "every_exponent_up_to": 1279, "primes": [2, 3, 5, 7], "tested": 40, "factored": 166 }
//! ```
//!
//! It is a true statement at every moment: the exponents from `from` to `every_exponent_up_to` are finished, without a gap,
//! and the primes among them are all listed. Primes found ahead of that are listed as well, and the counts are of all that
//! is finished. Of more than [`PRIMES_MAX`] the smallest are listed: so many there are not, unless somebody lies. `to` is `null` for a search that goes on upwards. What became of each exponent is kept elsewhere.

use std::fmt;

use manyhands_wire::mersenne::{EXPONENT_MAX, EXPONENT_MIN, Verdict};
use manyhands_wire::{JobKind, JobSpec};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ledger::Ledger;

/// The longest file that is read, in bytes: all primes that can be found take some hundred.
pub const SEARCH_BYTES_MAX: usize = 64 * 1024;

/// How many primes are listed at most, the smallest: far more than the 37 that are known among all exponents that can be searched
/// (OEIS A000043), and few enough that what is written can be read.
pub const PRIMES_MAX: usize = 128;

const EXAMPLE: &str =
    r#"{ "from": 2, "to": 20000, "every_exponent_up_to": 1, "primes": [], "tested": 0, "factored": 0 }"#;

/// What `mersenne.json` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchFile {
    /// The first exponent.
    pub from: u32,
    /// The last exponent; none for a search that goes on upwards.
    pub to: Option<u32>,
    /// Every exponent up to this one is finished; `from - 1` at first.
    pub every_exponent_up_to: u32,
    /// The exponents that were found to give primes, in order; at most [`PRIMES_MAX`] of them.
    pub primes: Vec<u32>,
    /// How many prime exponents are finished by a test.
    pub tested: u64,
    /// How many prime exponents are finished by a factor.
    pub factored: u64,
}

/// Why a file is not that of a search.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SearchFileError {
    /// Longer than [`SEARCH_BYTES_MAX`].
    #[error("the file has {bytes} bytes, far more than a search needs; is it the right file?")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// Not JSON, or other keys than a search has.
    #[error("the file is not that of a search: {why}; it should read like {EXAMPLE}")]
    NotASearch {
        /// What the JSON reader says.
        why: String,
    },
    /// Exponents that no search can have.
    #[error("the file says exponents {from} to {to}; they can be from {EXPONENT_MIN} to {EXPONENT_MAX}")]
    OutOfRange {
        /// The first exponent.
        from: u32,
        /// The last exponent.
        to: u32,
    },
}

impl SearchFile {
    /// A search that nobody has begun.
    pub fn new(from: u32, to: Option<u32>) -> Self {
        let frontier = from.saturating_sub(1);
        Self { from, to, every_exponent_up_to: frontier, primes: vec![], tested: 0, factored: 0 }
    }

    /// The file as it stands for a job. `None` for a job that is no search.
    pub fn of(spec: &JobSpec, ledger: &Ledger) -> Option<Self> {
        let JobKind::Mersenne { from, to, .. } = spec.kind else { return None };
        let mut file = Self::new(from, (to < EXPONENT_MAX).then_some(to));
        let finished = u32::try_from(ledger.prefix_units()).unwrap_or(u32::MAX);
        file.every_exponent_up_to = file.every_exponent_up_to.saturating_add(finished);
        for finding in ledger.findings(ledger.range()) {
            match finding.verdict {
                Verdict::Prime if file.primes.len() < PRIMES_MAX => file.primes.push(finding.exponent),
                Verdict::Prime => {}
                Verdict::Composite { .. } => {}
                Verdict::Factor(_) => {
                    file.factored += 1;
                    continue;
                }
            }
            file.tested += 1;
        }
        Some(file)
    }

    /// Reads the file.
    ///
    /// # Errors
    /// See [`SearchFileError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SearchFileError> {
        if bytes.len() > SEARCH_BYTES_MAX {
            return Err(SearchFileError::TooLong { bytes: bytes.len() });
        }
        let file: Self = serde_json::from_slice(bytes)
            .map_err(|error| SearchFileError::NotASearch { why: error.to_string() })?;
        if file.from < EXPONENT_MIN || file.last() > EXPONENT_MAX || file.from > file.last() {
            return Err(SearchFileError::OutOfRange { from: file.from, to: file.last() });
        }
        Ok(file)
    }

    /// The last exponent, also of a search that goes on upwards as far as searches can.
    pub fn last(&self) -> u32 {
        self.to.unwrap_or(EXPONENT_MAX)
    }

    /// Whether anything is finished.
    pub fn is_begun(&self) -> bool {
        self.every_exponent_up_to >= self.from || self.tested + self.factored > 0
    }

    /// The file's text, on one line.
    pub fn render(&self) -> String {
        format!("{self}\n")
    }
}

impl fmt::Display for SearchFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, every_exponent_up_to, tested, factored, .. } = self;
        let to = self.to.map_or_else(|| "null".to_owned(), |to| to.to_string());
        let primes: Vec<String> = self.primes.iter().map(u32::to_string).collect();
        write!(
            f,
            "{{ \"from\": {from}, \"to\": {to}, \"every_exponent_up_to\": {every_exponent_up_to}, \
             \"primes\": [{}], \"tested\": {tested}, \"factored\": {factored} }}",
            primes.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use manyhands_wire::mersenne::{Finding, LEVEL_MAX, is_prime};
    use manyhands_wire::{Outcome, UnitRange};

    use super::*;

    fn search(from: u32, to: u32) -> JobSpec {
        let kind = JobKind::Mersenne { from, to, proofs_from: 1 << 16 };
        JobSpec { kind, asked_by: "Liz".into(), salt: [0; 16] }
    }

    fn insert(ledger: &mut Ledger, units: UnitRange, findings: &[(u32, Verdict)]) {
        let findings = findings.iter().map(|&(exponent, verdict)| Finding { exponent, verdict });
        ledger.insert(units.first_block().unwrap(), Outcome::Mersenne(findings.collect())).unwrap();
    }

    #[test]
    fn the_file_says_what_is_finished_without_a_gap_and_every_prime_so_far() {
        let spec = search(2, 20_000);
        let mut ledger = Ledger::new(spec.units());
        // The exponents 2 and 3, then 10 to 13 behind a gap.
        insert(&mut ledger, UnitRange::new(0, 2), &[(2, Verdict::Prime), (3, Verdict::Prime)]);
        insert(&mut ledger, UnitRange::new(8, 12), &[(11, Verdict::Factor(23)), (13, Verdict::Prime)]);

        let file = SearchFile::of(&spec, &ledger).unwrap();

        assert_eq!(
            file.render(),
            "{ \"from\": 2, \"to\": 20000, \"every_exponent_up_to\": 3, \"primes\": [2, 3, 13], \"tested\": 3, \"factored\": 1 }\n"
        );
        assert_eq!(SearchFile::parse(file.render().as_bytes()), Ok(file));
    }

    #[test]
    fn a_search_without_an_end_says_null() {
        let spec = search(2, EXPONENT_MAX);

        let file = SearchFile::of(&spec, &Ledger::new(spec.units())).unwrap();

        assert_eq!((file.to, file.every_exponent_up_to, file.is_begun()), (None, 1, false));
        assert_eq!(SearchFile::parse(file.render().as_bytes()), Ok(file));
    }

    #[test]
    fn a_file_with_ever_so_many_false_primes_can_still_be_read() {
        let spec = search(EXPONENT_MAX - 20_000, EXPONENT_MAX);
        let mut ledger = Ledger::new(spec.units());
        let from = EXPONENT_MAX - 20_000;
        for block in UnitRange::new(0, spec.units()).blocks_up_to(LEVEL_MAX) {
            let exponents = block.range().start..block.range().end;
            let primes = exponents.map(|unit| from + unit as u32).filter(|exponent| is_prime(*exponent));
            let findings = primes.map(|exponent| Finding { exponent, verdict: Verdict::Prime }).collect();
            ledger.insert(block, Outcome::Mersenne(findings)).unwrap();
        }

        let file = SearchFile::of(&spec, &ledger).unwrap();

        assert!(file.tested > 1000, "{file}");
        assert_eq!(file.primes.len(), PRIMES_MAX);
        assert!(file.primes.is_sorted() && file.primes[0] < from + 100, "{file}");
        assert_eq!(SearchFile::parse(file.render().as_bytes()), Ok(file));
    }

    #[test]
    fn what_is_no_search_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "not that of a search"),
            ("[2, 3]", "not that of a search"),
            (r#"{ "most_recent_counting_number_added": 0 }"#, "unknown field"),
            (&SearchFile::new(10, Some(5)).render(), "exponents 10 to 5"),
            (&SearchFile::new(0, None).render(), "exponents 0 to"),
            (&SearchFile::new(2, Some(EXPONENT_MAX + 1)).render(), "can be from 2 to 4194304"),
            (&" ".repeat(SEARCH_BYTES_MAX + 1), "far more"),
        ] {
            let error = SearchFile::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(why), "{text:.40}: {error}");
        }
    }
}
