//! A worker of a given speed, in virtual time.
//!
//! It really computes what it reports (jobs in simulations are small), but takes as long as its speed says. A unit under way
//! is finished before the worker stops.

use std::time::Duration;

use manyhands_core::Time;
use manyhands_jobs::kernel::compute;
use manyhands_jobs::{Command, Report};
use manyhands_wire::{Block, JobKind, Outcome, UnitRange};

/// One worker.
#[derive(Clone, Debug)]
pub struct SimWorker {
    /// Thousandths of a unit per second.
    speed: u64,
    /// How many of a thousand blocks it reports wrongly.
    lies_permille: u16,
    slice: Option<(JobKind, UnitRange, Time)>,
    /// Which of the scheduled ends is the right one: a slice cut short has an earlier one.
    generation: u64,
}

/// What a worker does upon a command.
#[derive(Clone, Debug, Default)]
pub struct Reaction {
    /// Reports at once.
    pub report: Option<Report>,
    /// Finishes its slice then: to be told [`SimWorker::finish`] with this generation.
    pub finish_at: Option<(Time, u64)>,
}

/// How long calibration takes.
const CALIBRATION: Duration = Duration::from_millis(50);

impl SimWorker {
    /// A worker that computes `speed` thousandths of a unit per second, and lies about so many of a thousand blocks.
    pub fn new(speed: u64, lies_permille: u16) -> Self {
        Self { speed: speed.max(1), lies_permille, slice: None, generation: 0 }
    }

    /// Takes in a command.
    pub fn handle(&mut self, now: Time, command: Command) -> Reaction {
        match command {
            Command::Calibrate(_) => {
                Reaction { report: None, finish_at: Some((now + CALIBRATION, u64::MAX)) }
            }
            Command::Begin { kind, slice } => {
                self.generation += 1;
                self.slice = Some((kind, slice, now));
                Reaction {
                    report: None,
                    finish_at: Some((now + self.time_for(slice.len()), self.generation)),
                }
            }
            Command::Shorten { end } => {
                let Some((_, slice, begun)) = &self.slice else { return Reaction::default() };
                let begun_units = self.units_in(now.since(*begun)).saturating_add(1).min(slice.len());
                let end = end.max(slice.start + begun_units).min(slice.end);
                let (finish, start) = (*begun + self.time_for(end - slice.start), slice.start);
                if let Some((_, slice, _)) = &mut self.slice {
                    *slice = UnitRange::new(start, end);
                }
                self.generation += 1;
                Reaction {
                    report: Some(Report::Shortened { end }),
                    finish_at: Some((if finish > now { finish } else { now }, self.generation)),
                }
            }
            Command::Throttle(_) => Reaction::default(),
        }
    }

    /// How many units of its slice it has computed, and nobody will ever hear of if it dies now.
    pub fn unreported(&self, now: Time) -> u64 {
        let done = |(_, slice, begun): &(JobKind, UnitRange, Time)| {
            self.units_in(now.since(*begun)).min(slice.len())
        };
        self.slice.as_ref().map_or(0, done)
    }

    /// The scheduled end came: what the worker reports, unless its slice was cut short since.
    pub fn finish(&mut self, now: Time, generation: u64) -> Option<Report> {
        if generation == u64::MAX {
            return Some(Report::Calibrated { speed: self.speed });
        }
        if generation != self.generation {
            return None;
        }
        let (kind, slice, begun) = self.slice.take()?;
        let blocks = slice.blocks().map(|block| (block, self.outcome(&kind, block))).collect();
        let took_us = now.since(begun).as_micros() as u64;
        Some(Report::Done { slice, blocks, took_us })
    }

    fn outcome(&self, kind: &JobKind, block: Block) -> Outcome {
        let truth = compute(kind, block.range());
        if block.start().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 & 1023 >= u64::from(self.lies_permille) {
            return truth;
        }
        match truth {
            Outcome::Sum(total) => Outcome::Sum(total ^ 1),
            Outcome::Delay(units) => Outcome::Delay(units ^ 1),
        }
    }

    fn time_for(&self, units: u64) -> Duration {
        let us = u128::from(units) * 1_000_000_000 / u128::from(self.speed);
        Duration::from_micros(u64::try_from(us).unwrap_or(u64::MAX / 2))
    }

    fn units_in(&self, span: Duration) -> u64 {
        (u128::from(self.speed) * span.as_micros() / 1_000_000_000) as u64
    }
}
