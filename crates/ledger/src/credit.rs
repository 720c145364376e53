//! Who computed what: runs of units, each with one peer.
//!
//! Where two peers finished the same unit, the one with the smaller id has the credit. That rule looks at nothing but the
//! two ids, so all replicas come to the same answer whatever they heard first. A count per peer is kept up to date, so
//! asking for it costs nothing.

use std::collections::BTreeMap;

use manyhands_wire::frame::CreditRun;
use manyhands_wire::{PeerId, UnitRange};
use rangemap::RangeMap;

/// The most runs of credit that are kept. Honest peers stay far below; what comes beyond it is not credited, so that
/// nobody can fill the memory by claiming every other unit.
pub const CREDIT_RUNS_MAX: usize = 1 << 18;

/// The peer of each unit.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Credit {
    by: RangeMap<u64, PeerId>,
    counts: BTreeMap<PeerId, u64>,
}

impl Credit {
    /// Credits `units` to `by` where nobody with a smaller id has them; says whether anything changed.
    pub(crate) fn add(&mut self, units: UnitRange, by: PeerId) -> bool {
        let mut won = Vec::new();
        let mut lost = Vec::new();
        let mut at = units.start;
        for run in self.runs(units) {
            if at < run.units.start {
                won.push(UnitRange::new(at, run.units.start));
            }
            if by < run.by {
                lost.push(run);
                won.push(run.units);
            }
            at = run.units.end;
        }
        if at < units.end {
            won.push(UnitRange::new(at, units.end));
        }
        // A piece taken out of the middle of a run leaves two ends of it, hence two more runs at most for each piece.
        if won.is_empty() || self.by.len() + 2 * won.len() > CREDIT_RUNS_MAX {
            return false;
        }

        lost.iter().for_each(|run| self.uncount(run));
        for piece in won {
            *self.counts.entry(by).or_default() += piece.len();
            self.by.insert(piece.start..piece.end, by);
        }
        true
    }

    /// Nobody has the credit for these units any more.
    pub(crate) fn remove(&mut self, units: UnitRange) {
        for run in self.runs(units).collect::<Vec<_>>() {
            self.uncount(&run);
        }
        if !units.is_empty() {
            self.by.remove(units.start..units.end);
        }
    }

    fn uncount(&mut self, run: &CreditRun) {
        if let Some(count) = self.counts.get_mut(&run.by) {
            *count -= run.units.len();
            if *count == 0 {
                self.counts.remove(&run.by);
            }
        }
    }

    /// The runs within a range, in order, clipped to it.
    pub(crate) fn runs(&self, within: UnitRange) -> impl Iterator<Item = CreditRun> + '_ {
        self.by.overlapping(within.start..within.end).filter_map(move |(run, by)| {
            let units = UnitRange::new(run.start, run.end).intersection(&within)?;
            Some(CreditRun { units, by: *by })
        })
    }

    /// How many units a peer has the credit for.
    pub(crate) fn count(&self, peer: &PeerId) -> u64 {
        self.counts.get(peer).copied().unwrap_or(0)
    }

    /// Every peer with credit, in the order of the ids, and how many units.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (PeerId, u64)> + '_ {
        self.counts.iter().map(|(peer, count)| (*peer, *count))
    }
}
