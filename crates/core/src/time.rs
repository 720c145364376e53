//! The core's notion of time: microseconds since the driver started.
//!
//! The core reads no clock. Drivers pass the time in, from a clock that never goes back.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A moment, in microseconds since the driver started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// When the driver started.
    pub const ZERO: Self = Self(0);
    /// Later than any moment that comes.
    pub const NEVER: Self = Self(u64::MAX);

    /// The moment `us` microseconds after the driver started.
    pub const fn from_micros(us: u64) -> Self {
        Self(us)
    }

    /// Microseconds since the driver started.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// How long it is since `earlier`; zero if that lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Time {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
    }
}
