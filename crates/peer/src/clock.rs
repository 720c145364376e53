//! The core's time, from the operating system's monotonic clock.

use manyhands_core::Time;
use tokio::time::Instant;

/// A clock that stands at [`Time::ZERO`] when it is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// The present moment.
    pub(crate) fn now(&self) -> Time {
        Time::ZERO + self.start.elapsed()
    }

    /// When the runtime's timer has to fire for a deadline of the core; `None` for [`Time::NEVER`] and beyond reason.
    pub(crate) fn instant(&self, deadline: Time) -> Option<Instant> {
        if deadline == Time::NEVER {
            return None;
        }
        self.start.checked_add(deadline.since(Time::ZERO))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_deadline_becomes_the_instant_as_far_from_the_start() {
        let clock = Clock::start();

        assert_eq!(clock.instant(Time::from_micros(1_500)), Some(clock.start + Duration::from_micros(1_500)));
        assert_eq!(clock.instant(Time::NEVER), None);
    }
}
