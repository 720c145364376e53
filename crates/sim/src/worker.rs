//! A worker of a given speed, in virtual time.
//!
//! It really computes what it reports (jobs in simulations are small), but takes as long as its speed says. A unit under way
//! is finished before the worker stops, but for a long test of an exponent, which it saves (see [`test`]).

pub mod test;

use std::time::Duration;

use manyhands_core::Time;
use manyhands_jobs::worker::{Claim, Saved};
use manyhands_jobs::{Command, Report};
use manyhands_wire::mersenne::Verdict;
use manyhands_wire::{Block, JobKind, Outcome, UnitRange};

use crate::truth::compute;
use test::Tests;

/// One worker.
#[derive(Clone, Debug)]
pub struct SimWorker {
    /// Thousandths of cost per second.
    speed: u64,
    /// How many of a thousand blocks it reports wrongly.
    lies_permille: u16,
    doing: Option<Doing>,
    /// Which of the scheduled ends is the right one: a slice cut short has an earlier one.
    generation: u64,
}

/// A slice under way.
#[derive(Clone, Debug)]
struct Doing {
    kind: JobKind,
    slice: UnitRange,
    begun: Time,
    /// When a long test was last saved, or begun.
    saved: Time,
    /// Where the job is a search.
    tests: Option<Tests>,
    /// The prime that is tested, where that is all there is to do.
    confirms: Option<u32>,
}

/// What a worker does upon a command, or when a moment comes that it waited for.
#[derive(Clone, Debug, Default)]
pub struct Reaction {
    /// Reports at once.
    pub reports: Vec<Report>,
    /// Is to be told [`SimWorker::wake`] then, with this generation.
    pub wake_at: Option<(Time, u64)>,
}

/// How long calibration takes.
const CALIBRATION: Duration = Duration::from_millis(50);
/// How often a long test is saved.
const SAVE_EVERY: Duration = Duration::from_secs(10);

impl SimWorker {
    /// A worker that computes `speed` thousandths of cost per second, and lies about so many of a thousand blocks.
    pub fn new(speed: u64, lies_permille: u16) -> Self {
        Self { speed: speed.max(1), lies_permille, doing: None, generation: 0 }
    }

    /// Takes in a command.
    pub fn handle(&mut self, now: Time, command: Command) -> Reaction {
        match command {
            Command::Calibrate(_) => {
                Reaction { reports: Vec::new(), wake_at: Some((now + CALIBRATION, u64::MAX)) }
            }
            Command::Begin { kind, slice, saved } => self.begin(now, kind, slice, saved, &[], None),
            Command::Check { kind, slice, claims } => self.begin(now, kind, slice, None, &claims, None),
            Command::Confirm { exponent, .. } => {
                let kind = JobKind::Mersenne { from: exponent, to: exponent, proofs_from: u32::MAX };
                self.begin(now, kind, UnitRange::new(0, 1), None, &[], Some(exponent))
            }
            Command::Shorten { end } => self.shorten(now, end),
            Command::Throttle(_) => Reaction::default(),
        }
    }

    fn begin(
        &mut self,
        now: Time,
        kind: JobKind,
        slice: UnitRange,
        saved: Option<Saved>,
        claims: &[Claim],
        confirms: Option<u32>,
    ) -> Reaction {
        let tests = Tests::of(&kind, slice, saved, claims);
        self.doing = Some(Doing { kind, slice, begun: now, saved: now, tests, confirms });
        Reaction { reports: Vec::new(), wake_at: self.next_wake(now) }
    }

    fn shorten(&mut self, now: Time, end: u64) -> Reaction {
        let Some(Doing { slice, begun, tests, .. }) = &mut self.doing else { return Reaction::default() };
        let done = cost_in(self.speed, now.since(*begun));
        let mut reports = Vec::new();
        let begun_units = match tests {
            None => done.saturating_add(1).min(slice.len()),
            Some(tests) => {
                let whole = tests.finished_by(done);
                let at = slice.start + whole;
                let is_given_up = end <= at && tests.is_long(whole);
                if is_given_up {
                    reports.extend(tests.save(*slice, whole, done));
                }
                if is_given_up { whole } else { (whole + 1).min(slice.len()) }
            }
        };
        slice.end = end.max(slice.start + begun_units).min(slice.end);
        reports.push(Report::Shortened { end: slice.end });
        Reaction { reports, wake_at: self.next_wake(now) }
    }

    /// What its slice costs as far as it is computed, and nobody will ever hear of if it dies now.
    pub fn unreported(&self, now: Time) -> u64 {
        let Some(doing) = &self.doing else { return 0 };
        cost_in(self.speed, now.since(doing.begun)).min(doing.kind.cost(doing.slice))
    }

    /// A moment came that it waited for: what it reports, unless its slice was cut short since.
    pub fn wake(&mut self, now: Time, generation: u64) -> Reaction {
        if generation == u64::MAX {
            return Reaction { reports: vec![Report::Calibrated { speed: self.speed }], wake_at: None };
        }
        let is_late = generation != self.generation;
        let Some(doing) = self.doing.take_if(|doing| !is_late && doing.end(self.speed) <= now) else {
            let Some(doing) = self.doing.as_mut().filter(|_| !is_late) else { return Reaction::default() };
            doing.saved = now;
            let done = cost_in(self.speed, now.since(doing.begun));
            let tests = doing.tests.as_ref();
            let saved = tests.and_then(|tests| tests.save(doing.slice, tests.finished_by(done), done));
            let progress = tests.and_then(|tests| tests.progress(doing.slice, done));
            let reports = progress.into_iter().chain(saved).collect();
            return Reaction { reports, wake_at: self.next_wake(now) };
        };
        Reaction { reports: self.reports(now, doing), wake_at: None }
    }

    /// When something is to be reported next: the end of the slice, or that a long test goes on.
    fn next_wake(&mut self, now: Time) -> Option<(Time, u64)> {
        self.generation += 1;
        let doing = self.doing.as_ref()?;
        let end = doing.end(self.speed);
        let end = if end > now { end } else { now };
        let save = doing.saved + SAVE_EVERY;
        Some((if doing.tests.is_some() && save < end { save.max(now) } else { end }, self.generation))
    }

    /// What is told of a finished slice.
    fn reports(&self, now: Time, doing: Doing) -> Vec<Report> {
        let Doing { kind, slice, begun, tests, confirms, .. } = doing;
        if let Some(exponent) = confirms {
            let is_prime = tests.is_some_and(|tests| tests.verdict(0) == Some(Verdict::Prime));
            return vec![Report::Confirmed { exponent, is_prime: Some(is_prime) }];
        }
        let level_max = match kind {
            JobKind::Sum { .. } | JobKind::Delay { .. } => Block::LEVEL_MAX,
            JobKind::Mersenne { .. } => manyhands_wire::mersenne::LEVEL_MAX,
        };
        let blocks: Vec<(Block, Outcome)> =
            slice.blocks_up_to(level_max).map(|block| (block, self.outcome(&kind, block))).collect();
        let took_us = now.since(begun).as_micros() as u64;
        let proofs = blocks.iter().flat_map(|(_, outcome)| test::proofs(&kind, outcome));
        proofs.chain([Report::Done { slice, blocks: blocks.clone(), took_us }]).collect()
    }

    fn outcome(&self, kind: &JobKind, block: Block) -> Outcome {
        let truth = compute(kind, block.range());
        let lot = block.start().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        if lot & 1023 >= u64::from(self.lies_permille) {
            return truth;
        }
        match truth {
            Outcome::Sum(total) => Outcome::Sum(total ^ 1),
            Outcome::Delay(units) => Outcome::Delay(units ^ 1),
            Outcome::Mersenne(mut findings) => {
                findings.iter_mut().for_each(|finding| finding.verdict = test::lie(finding, lot));
                Outcome::Mersenne(findings)
            }
        }
    }
}

impl Doing {
    /// When it will be finished.
    fn end(&self, speed: u64) -> Time {
        let cost = self.tests.as_ref().map_or(self.slice.len(), |tests| tests.cost(self.slice.len()));
        let us = u128::from(cost) * 1_000_000_000 / u128::from(speed);
        self.begun + Duration::from_micros(u64::try_from(us).unwrap_or(u64::MAX / 2))
    }
}

fn cost_in(speed: u64, span: Duration) -> u64 {
    (u128::from(speed) * span.as_micros() / 1_000_000_000) as u64
}
