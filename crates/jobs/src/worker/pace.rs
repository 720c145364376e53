//! How much to compute in one step: as much as takes about 10 ms on this thread, as the steps before have shown.

/// How long a step should take, in microseconds: short enough that a command never waits noticeably, long enough that
/// reading the clock and looking for commands cost nothing beside it. A guess.
const STEP_US: u64 = 10_000;
/// The least work of a step. Any processor does it in well under a millisecond.
const WORK_MIN: u64 = 1 << 14;
/// The most work of a step, against clocks that stand still. The fastest thread known does it in 16 ms.
const WORK_MAX: u64 = 1 << 30;

/// The amount of work in a step, in the kernel's smallest pieces: counting numbers, where the job is to add them;
/// elements of transforms, where it is to search for primes.
#[derive(Debug)]
pub(super) struct Pace {
    work: u64,
}

impl Pace {
    /// Starts with the least, and grows as steps prove short.
    pub(super) fn new() -> Self {
        Self { work: WORK_MIN }
    }

    /// How much the next step should do.
    pub(super) fn work(&self) -> u64 {
        self.work
    }

    /// About how much is done in this many microseconds.
    pub(super) fn work_in(&self, us: u64) -> u64 {
        u64::try_from(u128::from(self.work) * u128::from(us) / u128::from(STEP_US)).unwrap_or(u64::MAX)
    }

    /// Learns that `work` took `us` microseconds. At most doubles: clocks are coarse, and a step that was
    /// long because the thread was taken away says little.
    pub(super) fn learn(&mut self, work: u64, us: u64) {
        let fitting = match us {
            0 => u64::MAX,
            us => u64::try_from(u128::from(work) * u128::from(STEP_US) / u128::from(us)).unwrap_or(u64::MAX),
        };
        if fitting > self.work && work < self.work {
            // The slice was at its end: what this little work took is no ground to grow on.
            return;
        }
        self.work = fitting.clamp(self.work / 2, self.work * 2).clamp(WORK_MIN, WORK_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_settle_at_ten_milliseconds() {
        let mut pace = Pace::new();

        for _ in 0..30 {
            let us = pace.work() / 1000;
            pace.learn(pace.work(), us);
        }

        assert!((9_900_000..=10_100_000).contains(&pace.work()), "{}", pace.work());
    }

    #[test]
    fn a_clock_that_stands_still_does_not_grow_steps_for_ever() {
        let mut pace = Pace::new();

        for _ in 0..100 {
            pace.learn(pace.work(), 0);
        }

        assert_eq!(pace.work(), WORK_MAX);
    }

    #[test]
    fn the_rest_of_a_slice_is_no_ground_to_grow_on() {
        let mut pace = Pace::new();

        pace.learn(1, 0);

        assert_eq!(pace.work(), WORK_MIN);
    }
}
