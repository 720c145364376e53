//! Measures how fast a thread does a job, without doing any of it.
//!
//! It times the job's own kernel on numbers like the job's own, in counting numbers rather than units, so that jobs of a
//! few units and units of any size are measured alike. The first runs only find the pace: they also warm the
//! processor, and let a browser compile the kernel in earnest.

use super::pace::Pace;
use crate::kernel;

/// How much time to measure, in microseconds. A guess: long against a coarse clock, short for who waits.
const MEASURE_US: u64 = 50_000;
/// From when on a run counts, in microseconds.
const WARM_US: u64 = 4_000;
/// After how many runs to be content with what there is, against clocks that stand still.
const RUNS_MAX: u32 = 48;

/// A measurement under way.
#[derive(Debug)]
pub(super) struct Calibration {
    first: u64,
    unit_size: u64,
    runs: u32,
    warm: bool,
    numbers: u64,
    spent_us: u64,
}

impl Calibration {
    /// Measures adding numbers from `first` on, for units of `unit_size` numbers.
    pub(super) fn new(first: u64, unit_size: u64) -> Self {
        Self { first, unit_size: unit_size.max(1), runs: 0, warm: false, numbers: 0, spent_us: 0 }
    }

    /// One run. The speed, in thousandths of a unit per second, if that was the last.
    pub(super) fn step(
        &mut self,
        pace: &mut Pace,
        now: u64,
        clock_us: &mut dyn FnMut() -> u64,
    ) -> Option<u64> {
        let numbers = pace.work();
        let last = self.first.saturating_add(numbers - 1);
        std::hint::black_box(kernel::sum::add_up(self.first, last));
        let took = clock_us().saturating_sub(now);
        pace.learn(numbers, took);

        self.runs += 1;
        let spent_out = self.runs >= RUNS_MAX;
        if self.warm || spent_out {
            self.numbers += numbers;
            self.spent_us += took;
        }
        self.warm |= took >= WARM_US;
        (self.spent_us >= MEASURE_US || spent_out).then(|| self.speed())
    }

    fn speed(&self) -> u64 {
        let per_second = u128::from(self.numbers) * 1_000_000_000 / u128::from(self.spent_us.max(1));
        u64::try_from(per_second / u128::from(self.unit_size)).unwrap_or(u64::MAX)
    }
}

/// The speed of waiting, throttle included, in thousandths of a unit per second: known without measuring.
pub(super) fn delay_speed(unit_ms: u32, permille: u16) -> u64 {
    (1000 * u64::from(permille) / u64::from(unit_ms.max(1))).max(1)
}
