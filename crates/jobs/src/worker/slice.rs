//! A slice under way: what is computed of it, as aligned blocks.
//!
//! The blocks lie on a stack like the digits of a binary counter. Each step pushes the blocks of the units it computed, and
//! as long as the two on top are siblings they become their parent. So the stack always holds the fewest blocks that
//! make up the units so far, ends on any unit, and never has to be cut again when the slice is shortened.

use manyhands_wire::{Block, JobKind, Outcome, UnitRange};

use super::message::Report;
use super::pace::Pace;
use crate::kernel;

/// A slice under way.
#[derive(Debug)]
pub(super) struct Slice {
    kind: JobKind,
    /// The units wanted, shortened where that was asked.
    units: UnitRange,
    /// The next unit to compute.
    at: u64,
    /// Whether the unit `at` is being waited for.
    waiting: bool,
    /// When the first step began; `None` before it.
    started_us: Option<u64>,
    /// The blocks of `units.start..at`, in order, the fewest there can be.
    blocks: Vec<(Block, Outcome)>,
}

impl Slice {
    /// Nothing computed yet.
    pub(super) fn new(kind: JobKind, units: UnitRange) -> Self {
        Self { kind, units, at: units.start, waiting: false, started_us: None, blocks: Vec::new() }
    }

    /// Where it ends.
    pub(super) fn end(&self) -> u64 {
        self.units.end
    }

    /// Ends it before `end`, or where it is. True if a wait under way has become needless.
    pub(super) fn shorten(&mut self, end: u64) -> bool {
        self.units.end = self.units.end.min(end.max(self.at));
        if self.at < self.units.end {
            return false;
        }
        std::mem::take(&mut self.waiting)
    }

    /// Notes when it began; true the first time.
    pub(super) fn start(&mut self, now: u64) -> bool {
        let first = self.started_us.is_none();
        self.started_us.get_or_insert(now);
        first
    }

    /// Begins to wait for the next unit, if this kind of job is to wait: for how long, in microseconds.
    pub(super) fn wait(&mut self) -> Option<u64> {
        match self.kind {
            JobKind::Delay { unit_ms, .. } => {
                self.waiting = true;
                Some(u64::from(unit_ms) * 1000)
            }
            JobKind::Sum { .. } => None,
        }
    }

    /// Computes about as much as the pace says, at least a unit; returns when it was over.
    pub(super) fn compute(&mut self, pace: &mut Pace, now: u64, clock_us: &mut dyn FnMut() -> u64) -> u64 {
        let cost = kernel::unit_cost(&self.kind);
        let units = self.next_units((pace.work() / cost).max(1));
        self.advance(units);
        let after = clock_us().max(now);
        pace.learn(units.len().saturating_mul(cost), after - now);
        after
    }

    /// Counts the unit that was waited for, if the wait is `over`. True if nothing is left to do.
    pub(super) fn settle(&mut self, over: bool) -> bool {
        if self.waiting && over {
            self.waiting = false;
            self.advance(UnitRange::new(self.at, self.at + 1));
        }
        !self.waiting && self.at >= self.units.end
    }

    /// What was computed, as it stands at `now`.
    pub(super) fn into_report(self, now: u64) -> Report {
        Report::Done {
            slice: UnitRange::new(self.units.start, self.at),
            blocks: self.blocks,
            took_us: self.started_us.map_or(0, |started| now.saturating_sub(started)),
        }
    }

    /// The next `count` units or a few less, so that they end where a block of about that size ends.
    fn next_units(&self, count: u64) -> UnitRange {
        let end = self.at.saturating_add(count);
        if end >= self.units.end {
            return UnitRange::new(self.at, self.units.end);
        }
        let aligned = end >> count.ilog2() << count.ilog2();
        UnitRange::new(self.at, if aligned > self.at { aligned } else { end })
    }

    /// Computes these units, the next ones.
    fn advance(&mut self, units: UnitRange) {
        for block in units.blocks() {
            self.push(block, kernel::compute(&self.kind, block.range()));
        }
        self.at = units.end;
    }

    /// Puts a block on the stack, and joins what has become whole.
    fn push(&mut self, mut block: Block, mut outcome: Outcome) {
        while let Some((_, front)) = self.blocks.pop_if(|(top, _)| block.sibling() == Some(*top)) {
            outcome =
                front.merge(&outcome).expect("the outcomes of one job merge, and no total leaves 128 bits");
            block = block.parent().expect("a block with a sibling has a parent");
        }
        self.blocks.push((block, outcome));
    }
}
