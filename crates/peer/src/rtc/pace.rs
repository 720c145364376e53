//! How much a channel may have under way: unacknowledged and waiting to be sent, in bytes.
//!
//! SCTP sends in the order it is given, so what bulk has under way is what a frame of the protocol waits for, and what a burst
//! brings onto a path whose buffers may be small. Too little leaves a long path idle. So it starts small, and from how long
//! each message takes until it is acknowledged, with how much before it, follows what the path carries:
//!
//! - A path without a delay needs no more than the start, whatever it carries.
//! - A longer one gets what fills it, up to [`PATH_BYTES_PER_SECOND`].
//! - In no case more than leaves in [`WAIT_MAX`], or in twice the path's own delay.
//! - When a message takes so long that packets must have been lost, the start again, and for a while half as much at most: what is
//!   lost in a burst costs this SCTP a second or more, for the protocol too.
//!
//! Measured with the `bulk` example (64 KiB messages; MB/s carried, median ping meanwhile), two cores:
//!
//! | path | 64 KiB always | 256 KiB | 1 MiB | as it is here |
//! |---|---|---|---|---|
//! | none, large socket buffers | 210, 0.4 ms | 320, 0.9 ms | 380, 3 ms | 210, 0.7 ms |
//! | none, default socket buffers on the way | 25, 3 ms | 11, 11 ms, stalls of 1 s | 15, 39 ms | 19, 3 ms |
//! | 10 ms there and back, 10 MB/s | 6.5, 14 ms | 9.2, 29 ms | 8.9, 112 ms | 9.2, 22 to 49 ms |
//! | 50 ms there and back, 10 MB/s | 2.1, 54 ms | 5.1, 54 ms | 8.1, 112 ms | 7.9, 104 ms |
//! | 50 ms there and back, 1 MB/s | 0.9, 132 ms | 0.7, 341 ms | 0.7, 1172 ms | 0.9, 271 ms |
//!
//! Messages of 16 KiB carry 150, 165 and 145 MB/s where nothing is between the links: longer ones cost less each.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What a channel may have under way at first, and at least.
pub(super) const LIMIT_MIN: usize = 64 * 1024;
/// What it may have at most.
const LIMIT_MAX: usize = 1 << 20;
/// The most that a long path is filled with (guess: a good line of today).
const PATH_BYTES_PER_SECOND: f64 = 25e6;
/// How long what is under way may take to leave.
const WAIT_MAX: Duration = Duration::from_millis(200);
/// A message that takes so much longer than four times the shortest was lost on the way, and sent again.
const STALL: Duration = Duration::from_millis(500);
/// How long after a stall more is tried again (guess).
const CALM: Duration = Duration::from_secs(30);
/// How many bytes lie between two messages that are watched, at least.
const MARK_EVERY: u64 = 16 * 1024;
/// How many messages are watched at once, at most.
const MARKS_MAX: usize = 64;

/// Watches messages leave, and says how much may be under way.
#[derive(Debug)]
pub(super) struct Pace {
    limit: usize,
    /// What it may be at most, since a stall.
    ceiling: usize,
    stalled_at: Option<Instant>,
    /// The shortest time that a message ever took: the path's delay, and not much more.
    shortest: Option<Duration>,
    /// How many bytes were given in all.
    given: u64,
    /// How many were when the limit changed: what was given before says nothing about it.
    changed_at: u64,
    marks: VecDeque<Mark>,
}

/// A message under way.
#[derive(Debug)]
struct Mark {
    /// How many bytes were given in all, it included.
    given: u64,
    /// How many of them were under way.
    under_way: usize,
    at: Instant,
}

impl Pace {
    /// Nothing is known yet.
    pub(super) fn new() -> Self {
        Self {
            limit: LIMIT_MIN,
            ceiling: LIMIT_MAX,
            stalled_at: None,
            shortest: None,
            given: 0,
            changed_at: 0,
            marks: VecDeque::new(),
        }
    }

    /// How much may be under way before sending waits; one message may go past it.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// A message is given, with so many bytes under way before it.
    pub(super) fn on_given(&mut self, now: Instant, bytes: usize, under_way: usize) {
        // What left while nobody looked tells nothing of when.
        if under_way == 0 {
            self.marks.clear();
        }
        self.given += bytes as u64;
        let is_due = self.marks.back().is_none_or(|last| self.given - last.given >= MARK_EVERY);
        if is_due && self.marks.len() < MARKS_MAX {
            self.marks.push_back(Mark { given: self.given, under_way: under_way + bytes, at: now });
        }
    }

    /// So many bytes are under way now. Says whether the limit changes.
    pub(super) fn on_looked(&mut self, now: Instant, under_way: usize) -> bool {
        let before = self.limit;
        let left = self.given.saturating_sub(under_way as u64);
        while let Some(mark) = self.marks.pop_front_if(|mark| mark.given <= left) {
            self.on_left(&mark, now);
        }
        self.limit != before
    }

    fn on_left(&mut self, mark: &Mark, now: Instant) {
        let took = now.duration_since(mark.at);
        let shortest = self.shortest.map_or(took, |shortest| shortest.min(took));
        self.shortest = Some(shortest);
        if mark.given <= self.changed_at {
            return;
        }
        if took > 4 * shortest + STALL {
            self.ceiling = (self.limit / 2).max(LIMIT_MIN);
            self.stalled_at = Some(now);
            self.set_limit(LIMIT_MIN);
            return;
        }
        if self.stalled_at.is_some_and(|at| now.duration_since(at) > CALM) {
            self.ceiling = (self.ceiling * 2).min(LIMIT_MAX);
            self.stalled_at = (self.ceiling < LIMIT_MAX).then_some(now);
        }
        let bytes_per_second = mark.under_way as f64 / took.as_secs_f64().max(1e-6);
        let fills_path = PATH_BYTES_PER_SECOND * shortest.as_secs_f64();
        let leaves_in_time = bytes_per_second * WAIT_MAX.max(2 * shortest).as_secs_f64();
        let wanted = fills_path.min(leaves_in_time);
        // In steps that are far enough apart not to go to and fro.
        let limit = self.limit as f64;
        let next = if wanted >= 2.0 * limit {
            self.limit * 2
        } else if wanted < 0.75 * limit {
            self.limit / 2
        } else {
            self.limit
        };
        self.set_limit(next);
    }

    fn set_limit(&mut self, limit: usize) {
        let limit = limit.clamp(LIMIT_MIN, self.ceiling);
        if limit != self.limit {
            self.limit = limit;
            self.changed_at = self.given;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: usize = 64 * 1024;

    /// The limit after ten seconds on a path with this delay there and back, and this rate.
    fn limit_on(delay: Duration, bytes_per_second: f64) -> usize {
        let start = Instant::now();
        let mut pace = Pace::new();
        let (mut now, mut line_free_at) = (start, start);
        let mut under_way = VecDeque::new();
        while now < start + Duration::from_secs(10) {
            while under_way.len() * MESSAGE < pace.limit() {
                pace.on_given(now, MESSAGE, under_way.len() * MESSAGE);
                line_free_at =
                    line_free_at.max(now) + Duration::from_secs_f64(MESSAGE as f64 / bytes_per_second);
                under_way.push_back(line_free_at + delay);
            }
            now = under_way.pop_front().unwrap();
            pace.on_looked(now, under_way.len() * MESSAGE);
        }
        pace.limit()
    }

    #[test]
    fn a_path_without_delay_gets_no_more_than_the_least() {
        assert_eq!(limit_on(Duration::from_micros(200), 200e6), LIMIT_MIN);
        assert_eq!(limit_on(Duration::from_micros(500), 1e6), 2 * LIMIT_MIN);
    }

    #[test]
    fn a_long_path_is_filled() {
        assert_eq!(limit_on(Duration::from_millis(50), 10e6), LIMIT_MAX);
        assert_eq!(limit_on(Duration::from_millis(300), 10e6), LIMIT_MAX);
        assert_eq!(limit_on(Duration::from_millis(10), 10e6), 256 * 1024);
    }

    #[test]
    fn a_slow_path_is_not_filled_for_longer_than_a_ping_may_wait() {
        assert_eq!(limit_on(Duration::from_millis(50), 1e6), 128 * 1024);
        assert_eq!(limit_on(Duration::from_millis(50), 0.2e6), LIMIT_MIN);
    }

    #[test]
    fn a_path_that_stalls_begins_anew_and_is_given_half_until_it_was_calm_for_long() {
        let mut now = Instant::now();
        let mut pace = Pace { limit: LIMIT_MAX, shortest: Some(Duration::from_millis(50)), ..Pace::new() };
        let mut pass = |took: Duration| {
            pace.on_given(now, pace.limit(), 0);
            now += took;
            pace.on_looked(now, 0);
            pace.limit()
        };
        let quick = Duration::from_millis(51);

        assert_eq!(pass(Duration::from_secs(1)), LIMIT_MIN);
        let limits: Vec<usize> = (0..CALM.as_millis() / 60).map(|_| pass(quick)).collect();
        assert_eq!(limits.iter().max(), Some(&(LIMIT_MAX / 2)));
        let limits: Vec<usize> = (0..CALM.as_millis() / 60).map(|_| pass(quick)).collect();
        assert_eq!(limits.last(), Some(&LIMIT_MAX));
    }
}
