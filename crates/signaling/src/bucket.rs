//! How often is too often: a token bucket.
//!
//! A bucket holds up to `burst` tokens and gains `per_second`. What costs more tokens than are there is refused, and a
//! refusal costs nothing. The arithmetic is in whole microtokens, so that nothing is lost to rounding however often
//! it is asked. Time comes in as the span since the server's start.

use std::time::Duration;

/// How many microtokens make a token.
const MICRO: u128 = 1_000_000;

/// How much is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many tokens at once.
    pub burst: u32,
    /// How many tokens come back each second.
    pub per_second: u32,
}

/// A token bucket, full at first.
#[derive(Clone, Debug)]
pub struct Bucket {
    rate: Rate,
    microtokens: u128,
    filled_at: Duration,
}

impl Bucket {
    /// A full bucket.
    pub fn new(rate: Rate, now: Duration) -> Self {
        Self { rate, microtokens: u128::from(rate.burst) * MICRO, filled_at: now }
    }

    /// Takes `tokens` out; false, and nothing taken, if there are fewer.
    pub fn take(&mut self, now: Duration, tokens: u32) -> bool {
        self.fill(now);
        match self.microtokens.checked_sub(u128::from(tokens) * MICRO) {
            Some(rest) => {
                self.microtokens = rest;
                true
            }
            None => false,
        }
    }

    /// Whether nothing is missing, so that a new bucket would be the same.
    pub fn is_full(&mut self, now: Duration) -> bool {
        self.fill(now);
        self.microtokens == u128::from(self.rate.burst) * MICRO
    }

    fn fill(&mut self, now: Duration) {
        let elapsed = now.saturating_sub(self.filled_at);
        let gained = elapsed.as_micros() * u128::from(self.rate.per_second);
        self.microtokens = (self.microtokens + gained).min(u128::from(self.rate.burst) * MICRO);
        self.filled_at = self.filled_at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 3, per_second: 2 };

    #[test]
    fn a_burst_is_allowed_and_then_the_rate() {
        let mut bucket = Bucket::new(RATE, Duration::ZERO);

        assert!(bucket.take(Duration::ZERO, 3));
        assert!(!bucket.take(Duration::from_millis(499), 1));
        assert!(bucket.take(Duration::from_millis(500), 1));
        assert!(!bucket.take(Duration::from_millis(999), 1));
    }

    #[test]
    fn a_rest_fills_it_to_the_brim_and_not_beyond() {
        let mut bucket = Bucket::new(RATE, Duration::ZERO);
        assert!(bucket.take(Duration::ZERO, 2));

        assert!(!bucket.is_full(Duration::from_millis(900)));
        assert!(bucket.is_full(Duration::from_secs(3600)));
        assert!(!bucket.take(Duration::from_secs(3600), 4));
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_gives_nothing() {
        let mut bucket = Bucket::new(RATE, Duration::from_secs(5));
        assert!(bucket.take(Duration::from_secs(5), 3));

        assert!(!bucket.take(Duration::from_secs(4), 1));
        assert!(!bucket.take(Duration::from_secs(5), 1));
    }
}
