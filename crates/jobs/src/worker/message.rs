//! What a worker is told and what it tells: plain values, so that they cross threads and Web Workers alike.

use manyhands_wire::{Block, JobKind, Outcome, UnitRange};
use serde::{Deserialize, Serialize};

/// What a worker is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Measure how fast this worker does the job, without doing any of it. Answered by [`Report::Calibrated`].
    Calibrate(JobKind),
    /// Compute these units. A worker has at most one slice, check or confirmation; answered by [`Report::Done`].
    Begin {
        /// The job.
        kind: JobKind,
        /// The slice.
        slice: UnitRange,
        /// Where the test of the slice's first unit stands, if somebody began it. A state that does not fit is passed over.
        saved: Option<Saved>,
    },
    /// Compute these units anew, to check what others said of them; answered by [`Report::Done`].
    Check {
        /// The job.
        kind: JobKind,
        /// The slice.
        slice: UnitRange,
        /// Proven results among them: where the proof is right, the result is, and is not computed.
        claims: Vec<Claim>,
    },
    /// Test a prime that somebody told of, by a run with another transform and another shift than the first one's; answered by
    /// [`Report::Confirmed`].
    Confirm {
        /// The exponent.
        exponent: u32,
        /// Chooses the shift.
        salt: u64,
    },
    /// Stop the slice before `end`, or as soon after it as possible: an exponent under way is given up, and where it stands
    /// told by [`Report::Saved`] if it would have been proven, unless it is nearly done. Answered at once by
    /// [`Report::Shortened`] if a slice is under way; the slice's [`Report::Done`] follows when its new end is reached, or before
    /// its last unit if that takes much longer than it seemed to.
    /// A confirmation is given up at once, whatever the `end`. Not answered if nothing is under way.
    Shorten {
        /// One past the last unit that is still wanted.
        end: u64,
    },
    /// Use this share of the thread's time from now on, in thousandths, 1 to 1000.
    Throttle(u16),
}

/// Where the test of a unit stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// Which unit.
    pub unit: u64,
    /// The state, as [`Report::Saved`] gave it.
    pub state: Vec<u8>,
    /// Whether it comes from another peer, and so may be false.
    pub is_foreign: bool,
}

/// A result with its proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Which unit.
    pub unit: u64,
    /// The residue that its test is said to have ended on.
    pub residue: u64,
    /// The proof, as [`Report::Proved`] gave it.
    pub proof: Vec<u8>,
}

/// What a worker tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// How fast it is alone, in thousandths of cost ([`JobKind::cost`]) per second, throttle included.
    Calibrated {
        /// The speed.
        speed: u64,
    },
    /// Where the slice will end now: `end` as it was asked for, or beyond it if it had got further already.
    Shortened {
        /// One past the slice's last unit.
        end: u64,
    },
    /// How far a unit is that takes long; about once a second.
    Progress {
        /// Which unit.
        unit: u64,
        /// How many iterations are done.
        iteration: u32,
        /// How many there are in all.
        iterations: u32,
    },
    /// Where the test of a unit stands that takes long, or that is given up: another worker can go on from there.
    Saved {
        /// Which unit.
        unit: u64,
        /// How many iterations are done.
        iteration: u32,
        /// How many there are in all.
        iterations: u32,
        /// The state.
        state: Vec<u8>,
    },
    /// A unit's result is proven; its [`Report::Done`] follows.
    Proved {
        /// Which unit.
        unit: u64,
        /// The proof.
        proof: Vec<u8>,
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
    /// The end of a [`Command::Confirm`].
    Confirmed {
        /// Which exponent.
        exponent: u32,
        /// Whether it gives a prime; `None` if the run was cut short.
        is_prime: Option<bool>,
    },
}
