//! A slice under way: what is computed of it, as aligned blocks.
//!
//! The blocks lie on a stack like the digits of a binary counter. Each step pushes the blocks of the units it computed, and
//! as long as the two on top are siblings they become their parent, up to the largest block whose outcome is kept as one. So
//! the stack always holds the fewest blocks that make up the units so far, ends on any unit, and never has to be cut again
//! when the slice is shortened.

use manyhands_wire::mersenne::Finding;
use manyhands_wire::{Block, JobKind, Outcome, UnitRange};

use super::message::{Claim, Report, Saved};
use super::pace::Pace;
use super::searching::{Exponents, Searching};
use crate::kernel;

/// A slice under way.
#[derive(Debug)]
pub(super) struct Slice {
    kind: JobKind,
    /// The units wanted, shortened where that was asked.
    units: UnitRange,
    /// The next unit to compute, or the one being computed.
    at: u64,
    /// How much work may still go into the unit `at`, if it is to be finished only because it was nearly done.
    patience: Option<u64>,
    /// Whether the unit `at` is being waited for.
    waiting: bool,
    /// What is done about the exponent `at`, where the job is a search.
    search: Option<Box<dyn Exponents>>,
    /// When the first step began; `None` before it.
    started_us: Option<u64>,
    /// The blocks of `units.start..at`, in order, the fewest there can be.
    blocks: Vec<(Block, Outcome)>,
}

impl Slice {
    /// Nothing computed yet, but for a unit that was begun somewhere.
    pub(super) fn new(
        kind: JobKind,
        units: UnitRange,
        saved: Option<Saved>,
        searching: Option<&Searching>,
    ) -> Self {
        let search = searching.and_then(|searching| (searching.exponents)(&kind, saved));
        Self::of(kind, units, search)
    }

    /// The same, to check what was claimed.
    pub(super) fn check(
        kind: JobKind,
        units: UnitRange,
        claims: Vec<Claim>,
        searching: Option<&Searching>,
    ) -> Self {
        let search = searching.and_then(|searching| (searching.checks)(&kind, claims));
        Self::of(kind, units, search)
    }

    /// Of a search that the worker cannot do, nothing is.
    fn of(kind: JobKind, mut units: UnitRange, search: Option<Box<dyn Exponents>>) -> Self {
        if search.is_none() && matches!(kind, JobKind::Mersenne { .. }) {
            units.end = units.start;
        }
        let (at, patience, waiting) = (units.start, None, false);
        Self { kind, units, at, patience, waiting, search, started_us: None, blocks: Vec::new() }
    }

    /// Where it ends.
    pub(super) fn end(&self) -> u64 {
        self.units.end
    }

    /// Ends it before `end`, or where it is, or after the unit under way if no more than `nearly` is left of it: and
    /// before that unit after all, should it take twice as much. True if a rest under way has become needless.
    pub(super) fn shorten(&mut self, end: u64, nearly: u64, reports: &mut Vec<Report>) -> bool {
        let is_under_way = self.search.as_ref().is_some_and(|search| search.is_under_way());
        let stays = is_under_way && self.search.as_ref().is_some_and(|search| search.work_left() <= nearly);
        let least = self.at + u64::from(stays && self.at < self.units.end);
        self.units.end = self.units.end.min(end.max(least));
        if stays && end <= self.at {
            self.patience.get_or_insert(nearly.saturating_mul(2));
        }
        if self.at < self.units.end {
            return false;
        }
        if let Some(search) = &mut self.search {
            reports.extend(search.give_up());
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
            JobKind::Sum { .. } | JobKind::Mersenne { .. } => None,
        }
    }

    /// Computes about as much as the pace says, at least a piece; returns when it was over.
    pub(super) fn compute(
        &mut self,
        pace: &mut Pace,
        now: u64,
        clock_us: &mut dyn FnMut() -> u64,
        reports: &mut Vec<Report>,
    ) -> u64 {
        let work = if self.search.is_some() {
            self.search(pace.work(), reports)
        } else {
            let cost = kernel::unit_cost(&self.kind);
            let units = self.next_units((pace.work() / cost).max(1));
            self.advance(units);
            units.len().saturating_mul(cost)
        };
        let after = clock_us().max(now);
        pace.learn(work, after - now);
        if let Some(search) = &mut self.search {
            search.tell(after, reports);
        }
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

    /// What was computed, as it stands at `now`, and where the unit under way stands.
    pub(super) fn into_reports(mut self, now: u64) -> Vec<Report> {
        let saved = self.search.as_mut().and_then(|search| search.give_up());
        let done = Report::Done {
            slice: UnitRange::new(self.units.start, self.at),
            blocks: self.blocks,
            took_us: self.started_us.map_or(0, |started| now.saturating_sub(started)),
        };
        saved.into_iter().chain([done]).collect()
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
            self.push(block, kernel::compute_alike(&self.kind, block.range()));
        }
        self.at = units.end;
    }

    /// Goes on with the exponents until about so much work is done; returns how much it was.
    fn search(&mut self, work: u64, reports: &mut Vec<Report>) -> u64 {
        let mut spent = 0;
        while spent < work && self.at < self.units.end {
            let Some(search) = &mut self.search else { break };
            let (found, more) = search.step(self.at, work - spent, reports);
            spent += more;
            match (found, &mut self.patience) {
                (Some(finding), _) => self.push_unit(finding),
                // A proof that fails makes a whole test of a verification, and what looks prime is tested again.
                (None, Some(0)) => {
                    reports.extend(search.give_up());
                    self.units.end = self.at;
                }
                (None, Some(patience)) => *patience = patience.saturating_sub(more),
                (None, None) => {}
            }
        }
        spent
    }

    /// Puts the unit `at` on the stack, and whatever was found of it.
    fn push_unit(&mut self, finding: Option<Finding>) {
        let unit = UnitRange::new(self.at, self.at + 1);
        for block in unit.blocks() {
            self.push(block, Outcome::Mersenne(finding.into_iter().collect()));
        }
        self.at = unit.end;
    }

    /// Puts a block on the stack, and joins what has become whole.
    fn push(&mut self, mut block: Block, mut outcome: Outcome) {
        let joins = |block: &Block, outcome: &Outcome, top: &Block| {
            block.level() < outcome.level_max() && block.sibling() == Some(*top)
        };
        while let Some((_, front)) = self.blocks.pop_if(|(top, _)| joins(&block, &outcome, top)) {
            outcome =
                front.merge(&outcome).expect("the outcomes of one job merge, and no total leaves 128 bits");
            block = block.parent().expect("a block with a sibling has a parent");
        }
        self.blocks.push((block, outcome));
    }
}
