//! The worker: computes one slice at a time, in steps short enough that commands get a hearing in between.
//!
//! A [`Worker`] starts no thread and reads no clock. The driver that lends it a thread loops:
//!
//! 1. While [`Worker::is_busy`] is false, wait for a [`Command`].
//! 2. Hand every command that has come to [`Worker::handle`], and post the [`Report`] it may answer with.
//! 3. Call [`Worker::step`], and post the report it may hand out.
//! 4. Wait for the next command, but no longer than the step's [`rest`](Step::rest); a rest of zero means not at all, only
//!    look. Then begin anew.
//!
//! Waking early does no harm: a step that comes before the rest is over computes nothing and hands out what is left of the
//! rest. So a command is heard at once also while a worker rests.
//!
//! A step takes about 10 ms where the units are small, one unit where they are large. What it computes is kept as aligned
//! blocks, whose finished siblings merge, so whatever the slice, and wherever it is cut short, its outcome is a few
//! large blocks.
//!
//! The throttle stretches time: a worker on 25 % that computed for 10 ms rests for 30 ms. A rest that lasted too long,
//! as timers do, makes the next one shorter, so the share is kept on average.

mod calibration;
mod message;
mod pace;
mod slice;

use std::time::Duration;

use manyhands_wire::JobKind;

use calibration::Calibration;
pub use message::{Command, Report};
use pace::Pace;
use slice::Slice;

/// The throttle's whole: all of a thread's time, in thousandths.
const PERMILLE_ALL: u16 = 1000;
/// How much of a rest that lasted too long is made good at most, in microseconds. A guess: several ticks of a coarse timer.
const LATE_US_MAX: u64 = 50_000;

/// Computes slices of jobs. See the [module](self) for the loop of its driver.
#[derive(Debug)]
pub struct Worker {
    /// The share of the thread's time to use, in thousandths, 1 to 1000.
    permille: u16,
    /// When the rest that is under way ends, on the driver's clock.
    due_us: u64,
    /// How much to compute in one step.
    pace: Pace,
    /// The measurement under way. It goes before the slice.
    calibration: Option<Calibration>,
    /// The slice under way.
    slice: Option<Slice>,
}

/// What came of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Step {
    /// To be passed on.
    pub report: Option<Report>,
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
        Self { permille: PERMILLE_ALL, due_us: 0, pace: Pace::new(), calibration: None, slice: None }
    }

    /// Whether there is anything to do: if not, the driver waits for a command without calling [`step`](Self::step).
    pub fn is_busy(&self) -> bool {
        self.calibration.is_some() || self.slice.is_some()
    }

    /// Takes a command. The answer, if any, is to be passed on at once.
    ///
    /// A second [`Command::Begin`] while a slice is under way ends that slice where it is: what was computed of it is the
    /// answer.
    pub fn handle(&mut self, command: Command) -> Option<Report> {
        match command {
            Command::Calibrate(JobKind::Delay { unit_ms, .. }) => {
                Some(Report::Calibrated { speed: calibration::delay_speed(unit_ms, self.permille) })
            }
            Command::Calibrate(JobKind::Sum { first, unit_size, .. }) => {
                self.calibration = Some(Calibration::new(first, unit_size));
                None
            }
            Command::Begin { kind, slice } => {
                let former = self.slice.replace(Slice::new(kind, slice));
                former.map(|former| former.into_report(self.due_us))
            }
            Command::Shorten { end } => {
                let slice = self.slice.as_mut()?;
                if slice.shorten(end) {
                    self.due_us = 0;
                }
                Some(Report::Shortened { end: slice.end() })
            }
            Command::Throttle(permille) => {
                self.permille = permille.clamp(1, PERMILLE_ALL);
                None
            }
        }
    }

    /// Computes a little. `clock_us` reads a clock that never goes back, in microseconds from any start.
    pub fn step(&mut self, clock_us: &mut dyn FnMut() -> u64) -> Step {
        let now = clock_us();
        if let Some(done) = self.settle(now) {
            return self.rest(now, Some(done));
        }
        if now < self.due_us {
            return self.rest(now, None);
        }
        if let Some(calibration) = &mut self.calibration {
            let speed = calibration.step(&mut self.pace, now, clock_us);
            if speed.is_some() {
                self.calibration = None;
            }
            let report = speed.map(|speed| Report::Calibrated { speed: throttled(speed, self.permille) });
            return Step { report, rest: Duration::ZERO };
        }
        let Some(slice) = &mut self.slice else {
            return Step { report: None, rest: Duration::ZERO };
        };

        // A rest that ended late is made good: what follows counts from when the rest should have ended.
        let from = if slice.start(now) { now } else { self.due_us.max(now.saturating_sub(LATE_US_MAX)) };
        let (after, busy_us) = match slice.wait() {
            Some(unit_us) => (now, unit_us),
            None => {
                let after = slice.compute(&mut self.pace, now, clock_us);
                (after, after - now)
            }
        };
        self.due_us = from.saturating_add(stretched(busy_us, self.permille));
        let done = self.settle(after);
        self.rest(after, done)
    }

    /// Counts what is finished by now; the report of the slice, if nothing of it is left to do.
    fn settle(&mut self, now: u64) -> Option<Report> {
        let due_us = self.due_us;
        let slice = self.slice.take_if(|slice| slice.settle(now >= due_us))?;
        Some(slice.into_report(now.max(due_us)))
    }

    /// A step that ends now, with what is left of the rest.
    fn rest(&self, now: u64, report: Option<Report>) -> Step {
        Step { report, rest: Duration::from_micros(self.due_us.saturating_sub(now)) }
    }
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
