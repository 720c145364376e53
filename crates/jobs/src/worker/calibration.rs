//! Measures how fast a thread does a job, without doing any of it.
//!
//! It times the job's own kernel on numbers like the job's own: additions of the job's numbers, rather than units, so that
//! jobs of a few units and units of any size are measured alike; or squarings as long as the job's exponents, and what a
//! search makes of these is estimated. The first runs only find the pace: they also warm the processor, and let a browser
//! compile the kernel in earnest.

use manyhands_wire::{JobKind, UnitRange};

use super::pace::Pace;
use super::searching::{Searching, Squaring};
use crate::kernel;
use crate::transform::EXPONENT_MAX;

/// How much time to measure, in microseconds. A guess: long against a coarse clock, short for who waits.
const MEASURE_US: u64 = 50_000;
/// The same for squarings: they are steadier.
const MEASURE_SQUARINGS_US: u64 = 15_000;
/// From when on a run counts, in microseconds.
const WARM_US: u64 = 4_000;
/// After how many runs to be content with what there is, against clocks that stand still.
const RUNS_MAX: u32 = 48;
/// For how many numbers of a search one is tested to the end: the others are no primes, or have small factors. Measured
/// around 10000, trial factoring reckoned in.
const NUMBERS_PER_TEST: u64 = 22;
/// How far above its first exponent a search is likely to be for some time: a quarter, and so much.
const AHEAD: u32 = 1 << 15;
/// The least exponent whose squaring is measured.
const EXPONENT_LEAST: u32 = 1 << 9;

/// A measurement under way.
#[derive(Debug)]
pub(super) struct Calibration {
    kernel: Kernel,
    /// So much work, in the kernel's pieces, costs so much.
    work: u64,
    cost: u64,
    measure_us: u64,
    runs: u32,
    warm: bool,
    done: u64,
    spent_us: u64,
}

/// What is timed.
#[derive(Debug)]
enum Kernel {
    Add { first: u64 },
    Square(Box<dyn Squaring>),
}

impl Calibration {
    /// Measures the work of a job. One that is nothing but waiting is taken for additions, and so is one that the worker
    /// cannot do.
    pub(super) fn new(kind: &JobKind, searching: Option<&Searching>) -> Self {
        let of = |kernel, work, cost, measure_us| Self {
            kernel,
            work,
            cost,
            measure_us,
            runs: 0,
            warm: false,
            done: 0,
            spent_us: 0,
        };
        match (kind.clone(), searching) {
            (JobKind::Sum { first, unit_size, .. }, _) => {
                of(Kernel::Add { first }, unit_size.max(1), 1, MEASURE_US)
            }
            (JobKind::Delay { .. }, _) | (JobKind::Mersenne { .. }, None) => {
                of(Kernel::Add { first: 1 }, 1, 1, MEASURE_US)
            }
            (JobKind::Mersenne { from, to, .. }, Some(searching)) => {
                let last = to.min(from.saturating_add(from / 4).saturating_add(AHEAD));
                let exponent = (from / 2 + last / 2).clamp(EXPONENT_LEAST, EXPONENT_MAX);
                let squarings = (searching.squarings)(exponent);
                let test = u64::from(exponent) * squarings.price();
                let unit = u64::from(exponent.saturating_sub(from));
                let cost = kind.cost(UnitRange::new(unit, unit + NUMBERS_PER_TEST));
                of(Kernel::Square(squarings), test, cost, MEASURE_SQUARINGS_US)
            }
        }
    }

    /// One run. The speed, in thousandths of cost per second, if that was the last.
    pub(super) fn step(
        &mut self,
        pace: &mut Pace,
        now: u64,
        clock_us: &mut dyn FnMut() -> u64,
    ) -> Option<u64> {
        let work = self.kernel.run(pace.work());
        let took = clock_us().saturating_sub(now);
        pace.learn(work, took);

        self.runs += 1;
        let spent_out = self.runs >= RUNS_MAX;
        if self.warm || spent_out {
            self.done += work;
            self.spent_us += took;
        }
        self.warm |= took >= WARM_US;
        (self.spent_us >= self.measure_us || spent_out).then(|| self.speed())
    }

    fn speed(&self) -> u64 {
        let per_second = u128::from(self.done) * 1_000_000_000 / u128::from(self.spent_us.max(1));
        u64::try_from(per_second * u128::from(self.cost) / u128::from(self.work)).unwrap_or(u64::MAX)
    }
}

impl Kernel {
    /// About so much work; returns how much it was.
    fn run(&mut self, work: u64) -> u64 {
        match self {
            Self::Add { first } => {
                std::hint::black_box(kernel::sum::add_up(*first, first.saturating_add(work - 1)));
                work
            }
            Self::Square(squarings) => {
                let count = work.div_ceil(squarings.price());
                (0..count).for_each(|_| squarings.square());
                count * squarings.price()
            }
        }
    }
}

/// The speed of waiting, throttle included, in thousandths of a unit per second: known without measuring.
pub(super) fn delay_speed(unit_ms: u32, permille: u16) -> u64 {
    (1000 * u64::from(permille) / u64::from(unit_ms.max(1))).max(1)
}
