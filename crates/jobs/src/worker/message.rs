//! What a worker is told and what it tells: plain values, so that they cross threads and Web Workers alike.

use manyhands_wire::{Block, JobKind, Outcome, UnitRange};
use serde::{Deserialize, Serialize};

/// What a worker is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Measure how fast this worker does the job, without doing any of it. Answered by [`Report::Calibrated`].
    Calibrate(JobKind),
    /// Compute these units. A worker has at most one slice; answered by [`Report::Done`].
    Begin {
        /// The job.
        kind: JobKind,
        /// The slice.
        slice: UnitRange,
    },
    /// Stop the slice before `end`, or as soon after it as possible. Answered at once by [`Report::Shortened`] if a slice
    /// is under way, not at all otherwise; the slice's [`Report::Done`] follows when its new end is reached.
    Shorten {
        /// One past the last unit that is still wanted.
        end: u64,
    },
    /// Use this share of the thread's time from now on, in thousandths, 1 to 1000.
    Throttle(u16),
}

/// What a worker tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// How fast it is alone, in thousandths of a unit per second, throttle included.
    Calibrated {
        /// The speed.
        speed: u64,
    },
    /// Where the slice will end now: `end` as it was asked for, or beyond it if it had got further already.
    Shortened {
        /// One past the slice's last unit.
        end: u64,
    },
    /// The slice is finished.
    Done {
        /// The units computed: the slice, up to its end after any shortening. May be empty.
        slice: UnitRange,
        /// Its blocks and their outcomes, in order.
        blocks: Vec<(Block, Outcome)>,
        /// How long it took from begin to end, in microseconds, rests of the throttle included.
        took_us: u64,
    },
}
