//! Whether newcomers can get in: a host whose signaling is lost computes on, and its person should know.

use std::time::{Duration, Instant};

/// How long signaling may be away before it is told: a server that is started anew is back by then.
const DOWN_MAX: Duration = Duration::from_secs(5);

/// What has been seen and told of signaling.
pub(crate) struct Introductions {
    down_since: Option<Instant>,
    is_told: bool,
}

/// What is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Signaling has been away for long.
    Down,
    /// It is back.
    Back,
}

impl Introductions {
    /// Nothing is connected yet.
    pub(crate) fn new(now: Instant) -> Self {
        Self { down_since: Some(now), is_told: false }
    }

    /// Takes note of how it is now, and says what is worth telling.
    pub(crate) fn note(&mut self, is_connected: bool, now: Instant) -> Option<Change> {
        if is_connected {
            self.down_since = None;
            return std::mem::take(&mut self.is_told).then_some(Change::Back);
        }
        let since = *self.down_since.get_or_insert(now);
        if self.is_told || now.duration_since(since) < DOWN_MAX {
            return None;
        }
        self.is_told = true;
        Some(Change::Down)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_told_once_when_it_lasts_and_so_is_its_end() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut introductions = Introductions::new(start);

        let told = [
            (1, false),
            (2, true),
            (3, false),
            (4, true),
            (5, false),
            (9, false),
            (10, false),
            (99, false),
            (100, true),
            (101, true),
        ]
        .map(|(seconds, is_connected)| introductions.note(is_connected, at(seconds)));

        let expected =
            [None, None, None, None, None, None, Some(Change::Down), None, Some(Change::Back), None];
        assert_eq!(told, expected);
    }
}
