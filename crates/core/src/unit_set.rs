//! A set of units, kept as disjoint runs in order.

use std::ops::Range;

use manyhands_wire::{JobKind, UnitRange};
use rangemap::RangeSet;

/// A set of units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UnitSet {
    runs: RangeSet<u64>,
    len: u64,
    /// All units lie in here. Most that is looked for lies elsewhere, which this tells at once.
    hull: Range<u64>,
}

impl UnitSet {
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn runs(&self) -> impl Iterator<Item = UnitRange> + '_ {
        self.runs.iter().map(|run| UnitRange::new(run.start, run.end))
    }

    pub(crate) fn insert(&mut self, range: UnitRange) {
        if !range.is_empty() {
            self.len += range.len() - self.len_within(range);
            self.runs.insert(range.start..range.end);
            self.hull = match self.hull.is_empty() {
                true => range.start..range.end,
                false => self.hull.start.min(range.start)..self.hull.end.max(range.end),
            };
        }
    }

    pub(crate) fn remove(&mut self, range: UnitRange) {
        let lost = self.len_within(range);
        if lost > 0 {
            self.len -= lost;
            self.runs.remove(range.start..range.end);
            if self.len == 0 {
                self.hull = 0..0;
            }
        }
    }

    /// The parts of the set that lie within `range`.
    pub(crate) fn within(&self, range: UnitRange) -> Vec<UnitRange> {
        if !self.may_touch(range) {
            return Vec::new();
        }
        let clip = |run: &Range<u64>| UnitRange::new(run.start, run.end).intersection(&range);
        self.runs.overlapping(range.start..range.end).filter_map(clip).collect()
    }

    fn len_within(&self, range: UnitRange) -> u64 {
        if !self.may_touch(range) {
            return 0;
        }
        let len = |run: &Range<u64>| run.end.min(range.end) - run.start.max(range.start);
        self.runs.overlapping(range.start..range.end).map(len).sum()
    }

    fn may_touch(&self, range: UnitRange) -> bool {
        !range.is_empty() && range.start < self.hull.end && self.hull.start < range.end
    }

    /// What all units of the set cost.
    pub(crate) fn cost(&self, kind: &JobKind) -> u64 {
        self.runs().fold(0, |sum, run| sum.saturating_add(kind.cost(run)))
    }

    /// Takes units that cost about `cost` and not more, or all there are, from the far end; at most `runs_max` runs, given in
    /// order.
    pub(crate) fn take_back(&mut self, kind: &JobKind, cost: u64, runs_max: usize) -> Vec<UnitRange> {
        let mut taken = Vec::new();
        let mut wanted = cost;
        while wanted > 0 && taken.len() < runs_max {
            let Some(last) = self.last_run() else { break };
            let part = UnitRange::new(kind.cut_back(last, wanted), last.end);
            if part.is_empty() {
                break;
            }
            wanted -= kind.cost(part);
            self.remove(part);
            taken.push(part);
        }
        taken.reverse();
        taken
    }

    /// Takes the last unit, if `wanted`.
    pub(crate) fn take_last_if(&mut self, wanted: bool) -> Option<UnitRange> {
        let unit = self.last().filter(|_| wanted)?;
        self.remove(unit);
        Some(unit)
    }

    /// The last unit, if any.
    pub(crate) fn last(&self) -> Option<UnitRange> {
        self.last_run().map(|run| UnitRange::new(run.end - 1, run.end))
    }

    fn last_run(&self) -> Option<UnitRange> {
        self.runs.last().map(|run| UnitRange::new(run.start, run.end))
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl FromIterator<UnitRange> for UnitSet {
    fn from_iter<I: IntoIterator<Item = UnitRange>>(ranges: I) -> Self {
        let mut set = Self::default();
        ranges.into_iter().for_each(|range| set.insert(range));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_follows_what_goes_in_and_out() {
        let mut set: UnitSet =
            [UnitRange::new(0, 10), UnitRange::new(5, 15), UnitRange::new(20, 25)].into_iter().collect();

        set.remove(UnitRange::new(8, 22));

        assert_eq!(set.len(), 11);
        let kind = JobKind::Delay { units: 100, unit_ms: 1 };
        assert_eq!(set.take_back(&kind, 5, 8), [UnitRange::new(6, 8), UnitRange::new(22, 25)]);
        assert_eq!(set.runs().collect::<Vec<_>>(), [UnitRange::new(0, 6)]);
        assert_eq!(set.len(), 6);
    }
}
