//! How a spread went.

use manyhands_core::Time;
use serde::Serialize;

use super::{Settings, Spread};

/// How many points a curve has at most.
const POINTS_MAX: usize = 512;

/// How many chunks there were when: at most some hundred points, as evenly in time as they come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Curve {
    /// Microseconds since the beginning, and how many chunks all servers had together by then.
    points: Vec<(u64, u64)>,
    /// The least time between two of them.
    every_us: u64,
}

impl Curve {
    pub(super) fn add(&mut self, at: Time, here: u64, is_last: bool) {
        let at = at.as_micros();
        if let Some((last, there)) = self.points.last_mut()
            && (at == *last || (at < *last + self.every_us && !is_last))
        {
            // Within the same step of time, the count at its end is what counts.
            *there = here;
            return;
        }
        self.points.push((at, here));
        if self.points.len() > POINTS_MAX {
            let mut at = 0;
            self.points.retain(|_| {
                at += 1;
                at % 2 == 1
            });
            let span = self.points.last().map_or(0, |(at, _)| *at);
            self.every_us = (2 * span / POINTS_MAX as u64).max(1);
        }
    }

    /// Microseconds since the beginning, and how many chunks all servers had together by then.
    pub fn points(&self) -> &[(u64, u64)] {
        &self.points
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// What it was like.
    pub settings: Settings,
    /// Whether everybody has everything.
    pub is_complete: bool,
    /// How long it took, in microseconds.
    pub took_us: u64,
    /// The same in rounds.
    pub rounds: f64,
    /// The least number of rounds there can be.
    pub bound: u32,
    /// Rounds for each of the bound.
    pub ratio: f64,
    /// How many chunks were sent.
    pub transfers: u64,
    /// How many of them were there already.
    pub twice: u64,
    /// How many files the first server sent, in chunks for each chunk.
    pub seeder_files: f64,
    /// When each server had everything, in rounds; none for one that never did.
    pub finished: Vec<Option<f64>>,
    /// How many chunks each server sent.
    pub sent: Vec<u32>,
}

impl Outcome {
    pub(super) fn of(spread: &Spread) -> Self {
        let settings = *spread.settings();
        let numbers = || 0..settings.servers;
        let (rounds, bound) = (spread.rounds(), settings.bound());
        Self {
            settings,
            is_complete: spread.end().is_some(),
            took_us: spread.end().unwrap_or(spread.now()).as_micros(),
            rounds,
            bound,
            ratio: rounds / f64::from(bound),
            transfers: spread.transfers(),
            twice: spread.twice(),
            seeder_files: f64::from(spread.sent(0)) / f64::from(settings.chunks),
            finished: numbers().map(|server| Some(spread.rounds_at(spread.finished(server)?))).collect(),
            sent: numbers().map(|server| spread.sent(server)).collect(),
        }
    }
}
