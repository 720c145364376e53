//! The worker: computes one slice at a time, in steps short enough that commands get a hearing in between.
//!
//! A [`Worker`] starts no thread and reads no clock. The driver that lends it a thread loops:
//!
//! 1. While [`Worker::is_busy`] is false, wait for a [`Command`].
//! 2. Hand every command that has come to [`Worker::handle`], and post the [`Report`]s it answers with, in order.
//! 3. Call [`Worker::step`], and post the reports it hands out, in order.
//! 4. Wait for the next command, but no longer than the step's [`rest`](Step::rest); a rest of zero means not at all, only
//!    look. Then begin anew.
//!
//! Waking early does no harm: a step that comes before the rest is over computes nothing and hands out what is left of the
//! rest. So a command is heard at once also while a worker rests.
//!
//! A step takes about 10 ms where the units are small, one unit where they are large; but a search for primes stops in the
//! middle of an exponent, and goes on there or somewhere else. What is computed is kept as aligned blocks, whose finished
//! siblings merge, so whatever the slice, and wherever it is cut short, its outcome is a few large blocks.
//!
//! The throttle stretches time: a worker on 25 % that computed for 10 ms rests for 30 ms. A rest that lasted too long,
//! as timers do, makes the next one shorter, so the share is kept on average.

mod calibration;
mod message;
mod pace;
mod search;
mod searching;
mod slice;

use std::time::Duration;

use manyhands_wire::JobKind;

use calibration::Calibration;
pub use message::{Claim, Command, Report, Saved};
use pace::Pace;
use searching::{Confirming, SEARCHING, Searching};
use slice::Slice;

/// The throttle's whole: all of a thread's time, in thousandths.
const PERMILLE_ALL: u16 = 1000;
/// How much of a rest that lasted too long is made good at most, in microseconds. A guess: several ticks of a coarse timer.
const LATE_US_MAX: u64 = 50_000;

/// Of a unit that would be finished within this time the rest is computed, though nobody wants it any more: in microseconds.
const NEARLY_US: u64 = 300_000;

/// Computes slices of jobs. See the [module](self) for the loop of its driver.
#[derive(Debug)]
pub struct Worker {
    /// The share of the thread's time to use, in thousandths, 1 to 1000.
    permille: u16,
    /// When the rest that is under way ends, on the driver's clock.
    due_us: u64,
    /// How much to compute in one step.
    pace: Pace,
    /// The measurement under way. It goes before the task.
    calibration: Option<Calibration>,
    /// What is under way.
    task: Option<Task>,
    /// How the parts of a search begin, if it can do one.
    searching: Option<&'static Searching>,
}

/// What a worker is on: at most one of these.
#[derive(Debug)]
enum Task {
    Slice(Box<Slice>),
    Confirm(Box<dyn Confirming>),
}

/// What came of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Step {
    /// To be passed on, in this order.
    pub reports: Vec<Report>,
    /// How long to wait for commands before the next step.
    pub rest: Duration,
}

impl Default for Worker {
    fn default() -> Self {
        Self::new()
    }
}

impl Worker {
    /// A worker with nothing to do, at full throttle.
    pub fn new() -> Self {
        Self { searching: Some(&SEARCHING), ..Self::without_search() }
    }

    /// The same, but that it cannot search primes: of such slices it does nothing. A program that makes no others is much
    /// smaller.
    pub fn without_search() -> Self {
        Self {
            permille: PERMILLE_ALL,
            due_us: 0,
            pace: Pace::new(),
            calibration: None,
            task: None,
            searching: None,
        }
    }

    /// Whether there is anything to do: if not, the driver waits for a command without calling [`step`](Self::step).
    pub fn is_busy(&self) -> bool {
        self.calibration.is_some() || self.task.is_some()
    }

    /// Takes a command. The answers are to be passed on at once.
    ///
    /// A second [`Command::Begin`], [`Command::Check`] or [`Command::Confirm`] ends what is under way where it is: what was
    /// computed of it is the answer.
    pub fn handle(&mut self, command: Command) -> Vec<Report> {
        match command {
            Command::Calibrate(JobKind::Delay { unit_ms, .. }) => {
                vec![Report::Calibrated { speed: calibration::delay_speed(unit_ms, self.permille) }]
            }
            Command::Calibrate(kind @ (JobKind::Sum { .. } | JobKind::Mersenne { .. })) => {
                // What is little work for one kind of job is much for another.
                self.pace = Pace::new();
                self.calibration = Some(Calibration::new(&kind, self.searching));
                Vec::new()
            }
            Command::Begin { kind, slice, saved } => {
                self.replace(Task::Slice(Box::new(Slice::new(kind, slice, saved, self.searching))))
            }
            Command::Check { kind, slice, claims } => {
                self.replace(Task::Slice(Box::new(Slice::check(kind, slice, claims, self.searching))))
            }
            Command::Confirm { exponent, salt } => match self.searching {
                Some(searching) => self.replace(Task::Confirm((searching.confirmation)(exponent, salt))),
                None => vec![Report::Confirmed { exponent, is_prime: None }],
            },
            Command::Shorten { end } => self.shorten(end),
            Command::Throttle(permille) => {
                self.permille = permille.clamp(1, PERMILLE_ALL);
                Vec::new()
            }
        }
    }

    fn replace(&mut self, task: Task) -> Vec<Report> {
        match self.task.replace(task) {
            Some(Task::Slice(former)) => former.into_reports(self.due_us),
            Some(Task::Confirm(former)) => vec![given_up(&*former)],
            None => Vec::new(),
        }
    }

    fn shorten(&mut self, end: u64) -> Vec<Report> {
        match &mut self.task {
            Some(Task::Slice(slice)) => {
                let nearly =
                    self.pace.work_in(NEARLY_US * u64::from(self.permille) / u64::from(PERMILLE_ALL));
                let mut reports = Vec::new();
                if slice.shorten(end, nearly, &mut reports) {
                    self.due_us = 0;
                }
                reports.push(Report::Shortened { end: slice.end() });
                reports
            }
            Some(Task::Confirm(confirmation)) => {
                let report = given_up(&**confirmation);
                self.task = None;
                vec![report]
            }
            None => Vec::new(),
        }
    }

    /// Computes a little. `clock_us` reads a clock that never goes back, in microseconds from any start.
    pub fn step(&mut self, clock_us: &mut dyn FnMut() -> u64) -> Step {
        let now = clock_us();
        let done = self.settle(now);
        if !done.is_empty() || now < self.due_us {
            return self.rest(now, done);
        }
        if let Some(calibration) = &mut self.calibration {
            let speed = calibration.step(&mut self.pace, now, clock_us);
            if speed.is_some() {
                self.calibration = None;
            }
            let report = speed.map(|speed| Report::Calibrated { speed: throttled(speed, self.permille) });
            return Step { reports: report.into_iter().collect(), rest: Duration::ZERO };
        }

        // A rest that ended late is made good: what follows counts from when the rest should have ended.
        let late = self.due_us.max(now.saturating_sub(LATE_US_MAX));
        let mut reports = Vec::new();
        let (from, after, busy_us) = match &mut self.task {
            None => return Step { reports, rest: Duration::ZERO },
            Some(Task::Slice(slice)) => {
                let from = if slice.start(now) { now } else { late };
                match slice.wait() {
                    Some(unit_us) => (from, now, unit_us),
                    None => {
                        let after = slice.compute(&mut self.pace, now, clock_us, &mut reports);
                        (from, after, after - now)
                    }
                }
            }
            Some(Task::Confirm(confirmation)) => {
                let work = confirmation.step(self.pace.work());
                let after = clock_us().max(now);
                self.pace.learn(work, after - now);
                (late, after, after - now)
            }
        };
        self.due_us = from.saturating_add(stretched(busy_us, self.permille));
        reports.extend(self.settle(after));
        self.rest(after, reports)
    }

    /// Counts what is finished by now; the reports of the task, if nothing of it is left to do.
    fn settle(&mut self, now: u64) -> Vec<Report> {
        let due_us = self.due_us;
        let is_over = |task: &mut Task| match task {
            Task::Slice(slice) => slice.settle(now >= due_us),
            Task::Confirm(confirmation) => confirmation.is_prime().is_some(),
        };
        match self.task.take_if(is_over) {
            Some(Task::Slice(slice)) => slice.into_reports(now.max(due_us)),
            Some(Task::Confirm(confirmation)) => vec![Report::Confirmed {
                exponent: confirmation.exponent(),
                is_prime: confirmation.is_prime(),
            }],
            None => Vec::new(),
        }
    }

    /// A step that ends now, with what is left of the rest.
    fn rest(&self, now: u64, reports: Vec<Report>) -> Step {
        Step { reports, rest: Duration::from_micros(self.due_us.saturating_sub(now)) }
    }
}

/// The answer of a confirmation that is not finished.
fn given_up(confirmation: &dyn Confirming) -> Report {
    Report::Confirmed { exponent: confirmation.exponent(), is_prime: None }
}

/// How long work of `us` microseconds takes with its rest.
fn stretched(us: u64, permille: u16) -> u64 {
    us.saturating_mul(u64::from(PERMILLE_ALL)) / u64::from(permille)
}

/// What is left of a speed; never nothing.
fn throttled(speed: u64, permille: u16) -> u64 {
    let left = u128::from(speed) * u128::from(permille) / u128::from(PERMILLE_ALL);
    u64::try_from(left).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_little_work_for_a_sum_is_not_taken_for_little_in_a_search() {
        let mut worker = Worker::new();
        (0..40).for_each(|_| worker.pace.learn(worker.pace.work(), 0));
        let for_sums = worker.pace.work();

        worker.handle(Command::Calibrate(JobKind::Mersenne { from: 2, to: 100, proofs_from: 1 << 16 }));

        assert!(worker.pace.work() < for_sums / 1000, "a step of that size would take seconds");
    }
}
