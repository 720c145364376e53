//! Claims of units that seemed to be nobody's, in a room where nobody sees all holders.
//!
//! A claim is told to everybody, hop by hop, and respected for [`RESPECTED`]. What is not finished by then is free again, and
//! for as long once more no claim of it counts: so one who claims and does not work delays the units, and no more.

use std::collections::VecDeque;
use std::time::Duration;

use manyhands_wire::frame::RUNS_MAX;
use manyhands_wire::{Frame, JobId, PeerId, UnitRange};

use crate::post::Post;
use crate::time::Time;
use crate::unit_set::UnitSet;

/// How long a claim is respected (a guess: long slices are about a second).
const RESPECTED: Duration = Duration::from_secs(30);
/// How many claims are remembered; further ones are not respected.
const CLAIMS_MAX: usize = 1024;
/// How many hops a claim makes at most.
const TTL: u8 = 16;

/// The claims that this node knows.
pub(crate) struct Claims {
    job: JobId,
    /// When each was heard, the oldest first.
    known: VecDeque<(Time, UnitRange)>,
}

impl Claims {
    pub(crate) fn new(job: JobId) -> Self {
        Self { job, known: VecDeque::new() }
    }

    /// The units that somebody claimed lately.
    pub(crate) fn in_force(&self, now: Time) -> impl Iterator<Item = UnitRange> + '_ {
        let is_in_force = move |(at, _): &&(Time, UnitRange)| now.since(*at) < RESPECTED;
        self.known.iter().filter(is_in_force).map(|(_, units)| *units)
    }

    /// This node claims units: everybody is told.
    pub(crate) fn make(&mut self, now: Time, units: &[UnitRange], post: &mut Post) {
        let units = self.add(now, units);
        for part in units.chunks(RUNS_MAX) {
            post.send_all(Frame::Claim { job: self.job, units: part.to_vec(), ttl: TTL });
        }
    }

    /// A claim came: what is new in it is told on to `others`.
    pub(crate) fn on_claim(
        &mut self,
        now: Time,
        units: &[UnitRange],
        ttl: u8,
        others: Vec<PeerId>,
        post: &mut Post,
    ) {
        let mut units = self.add(now, units);
        units.truncate(RUNS_MAX);
        let ttl = ttl.min(TTL).saturating_sub(1);
        if !units.is_empty() && ttl > 0 {
            post.send_many(others, Frame::Claim { job: self.job, units, ttl });
        }
    }

    /// Remembers what nobody claimed lately, and returns it.
    fn add(&mut self, now: Time, units: &[UnitRange]) -> Vec<UnitRange> {
        while self.known.front().is_some_and(|(at, _)| now.since(*at) > 2 * RESPECTED) {
            self.known.pop_front();
        }
        let mut fresh: UnitSet = units.iter().copied().collect();
        self.known.iter().for_each(|(_, claimed)| fresh.remove(*claimed));
        let fresh: Vec<UnitRange> = fresh.runs().take(CLAIMS_MAX.saturating_sub(self.known.len())).collect();
        self.known.extend(fresh.iter().map(|run| (now, *run)));
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNITS: UnitRange = UnitRange { start: 10, end: 20 };

    #[test]
    fn a_claim_is_respected_for_a_while_and_cannot_be_renewed_at_once() {
        let (mut claims, mut post) = (Claims::new(JobId([0; 32])), Post::default());
        let later = Time::ZERO + RESPECTED;

        claims.on_claim(Time::ZERO, &[UNITS], TTL, Vec::new(), &mut post);
        let at_first: Vec<UnitRange> = claims.in_force(Time::ZERO).collect();
        claims.on_claim(later, &[UNITS], TTL, Vec::new(), &mut post);

        assert_eq!(at_first, [UNITS]);
        assert_eq!(claims.in_force(later).count(), 0);
    }

    #[test]
    fn only_what_is_new_in_a_claim_travels_on() {
        let (mut claims, mut post) = (Claims::new(JobId([0; 32])), Post::default());
        let other = vec![PeerId([1; 32])];

        claims.on_claim(Time::ZERO, &[UNITS], TTL, other.clone(), &mut post);
        claims.on_claim(Time::ZERO, &[UNITS], TTL, other.clone(), &mut post);
        claims.on_claim(Time::ZERO, &[UnitRange::new(15, 25)], 1, other, &mut post);

        assert_eq!(
            post.0.len(),
            1,
            "the first only: the second says nothing new, the third may make no hop more"
        );
    }
}
