//! Liz's `task.json`.
//!
//! ```json
//! { "most_recent_counting_number_added": 0, "current_total": 0, "counting_number": 100000000 }
//! ```
//!
//! The three keys are plain JSON integers, the total as exact as 128 bits. The file is a true statement at every moment:
//! the counting numbers from 1 to the first key come to the second. It shows the finished prefix of the ledger; blocks
//! finished ahead of it are kept elsewhere.

use std::fmt;

use manyhands_wire::job::ASKED_BY_BYTES_MAX;
use manyhands_wire::{JobKind, JobSpec, Outcome};
use serde::{Deserialize, Serialize};

use crate::ledger::Ledger;

mod parse;

pub use parse::{TASK_BYTES_MAX, TaskError};

/// What `task.json` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskFile {
    /// The counting numbers from 1 to this one are in the total.
    pub most_recent_counting_number_added: u64,
    /// What they come to.
    pub current_total: u128,
    /// The last counting number to add.
    pub counting_number: u64,
}

impl TaskFile {
    /// A task that nobody has begun.
    pub fn new(counting_number: u64) -> Self {
        Self { most_recent_counting_number_added: 0, current_total: 0, counting_number }
    }

    /// The file as it stands for a job: its base and the ledger's finished prefix. `None` for a job that adds no
    /// numbers.
    pub fn of(spec: &JobSpec, ledger: &Ledger) -> Option<Self> {
        let JobKind::Sum { first, last, unit_size, base } = spec.kind else { return None };
        let (units, outcome) = ledger.prefix();
        let added = match outcome {
            Some(Outcome::Sum(added)) => added,
            Some(Outcome::Delay(_) | Outcome::Mersenne(_)) | None => 0,
        };
        let numbers = units.saturating_mul(unit_size).min((last + 1).saturating_sub(first));
        Some(Self {
            most_recent_counting_number_added: first - 1 + numbers,
            current_total: base.saturating_add(added),
            counting_number: last,
        })
    }

    /// The job that finishes this task. Without a unit size it takes [`default_unit_size`].
    pub fn to_spec(&self, unit_size: Option<u64>, asked_by: &str, salt: [u8; 16]) -> JobSpec {
        let mut cut = asked_by.len().min(ASKED_BY_BYTES_MAX);
        while !asked_by.is_char_boundary(cut) {
            cut -= 1;
        }
        let kind = JobKind::Sum {
            first: self.most_recent_counting_number_added + 1,
            last: self.counting_number,
            unit_size: unit_size.unwrap_or_else(|| default_unit_size(self.counting_number)),
            base: self.current_total,
        };
        JobSpec { kind, asked_by: asked_by[..cut].to_owned(), salt }
    }

    /// Whether everything is added.
    pub fn is_finished(&self) -> bool {
        self.most_recent_counting_number_added == self.counting_number
    }

    /// The file's text, on one line as Liz wrote it.
    pub fn render(&self) -> String {
        format!("{self}\n")
    }
}

impl fmt::Display for TaskFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{{ \"most_recent_counting_number_added\": {}, \"current_total\": {}, \"counting_number\": {} }}",
            self.most_recent_counting_number_added, self.current_total, self.counting_number
        )
    }
}

/// How many numbers make a unit of a job unless somebody says otherwise: a power of two, for about 4096 units, but from
/// 2^10 to 2^20, so that a unit is neither all overhead nor longer than a slice.
pub fn default_unit_size(counting_number: u64) -> u64 {
    1 << (counting_number / 4096).clamp(1 << 10, 1 << 20).ilog2()
}
