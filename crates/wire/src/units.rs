//! How a job is cut: units, runs of units, and aligned blocks.
//!
//! A job has `units` units, numbered from 0. A *range* is any half-open run of them. A *block* is a run of `2^level`
//! units that starts at a multiple of its size, so two blocks are nested or apart, never half over each other. Every
//! range falls into at most `2 * 64` blocks, in one way only if each is taken as large as possible:
//! [`UnitRange::blocks`].

use std::fmt;

use serde::{Deserialize, Serialize};

/// A half-open run of units, `start..end`. Empty when `start == end`; never `start > end`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct UnitRange {
    /// The first unit.
    pub start: u64,
    /// One past the last unit.
    pub end: u64,
}

/// `2^level` units, from `index * 2^level` on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Block {
    /// The power of two of its size, 0 to 63.
    level: u8,
    /// How many blocks of this size come before it.
    index: u64,
}

impl UnitRange {
    /// The units `start..end`; empty, at `start`, if `end` is below it.
    pub fn new(start: u64, end: u64) -> Self {
        Self { start, end: end.max(start) }
    }

    /// How many units.
    pub fn len(&self) -> u64 {
        self.end - self.start
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Whether `unit` is among them.
    pub fn contains(&self, unit: u64) -> bool {
        self.start <= unit && unit < self.end
    }

    /// The units in both, if any.
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let (start, end) = (self.start.max(other.start), self.end.min(other.end));
        (start < end).then_some(Self { start, end })
    }

    /// The range cut into blocks from front to back, each as large as its place and what is left allow.
    pub fn blocks(self) -> impl Iterator<Item = Block> {
        self.blocks_up_to(Block::LEVEL_MAX)
    }

    /// The same with blocks of at most `2^level_max` units.
    pub fn blocks_up_to(self, level_max: u8) -> impl Iterator<Item = Block> {
        let mut rest = self;
        std::iter::from_fn(move || {
            let whole = rest.first_block()?;
            let level = whole.level.min(level_max);
            let block = Block { level, index: rest.start >> level };
            rest.start = block.range().end;
            Some(block)
        })
    }

    /// The largest block that starts where the range starts and lies within it; `None` when it is empty.
    pub fn first_block(&self) -> Option<Block> {
        if self.is_empty() {
            return None;
        }
        let aligned = self.start.trailing_zeros().min(63);
        let fits = self.len().ilog2();
        let level = aligned.min(fits);
        Some(Block { level: level as u8, index: self.start >> level })
    }
}

impl fmt::Debug for UnitRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

impl Block {
    /// The largest power of two of a block's size.
    pub const LEVEL_MAX: u8 = 63;

    /// Block number `index` of size `2^level`; `None` unless `level < 64` and its end is a `u64`.
    pub fn new(level: u8, index: u64) -> Option<Self> {
        if level > Self::LEVEL_MAX {
            return None;
        }
        let end = index.checked_add(1)?;
        (end.leading_zeros() >= u32::from(level)).then_some(Self { level, index })
    }

    /// The power of two of its size.
    pub fn level(&self) -> u8 {
        self.level
    }

    /// How many blocks of this size come before it.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Its first unit.
    pub fn start(&self) -> u64 {
        self.index << self.level
    }

    /// How many units.
    #[expect(clippy::len_without_is_empty, reason = "a block is never empty")]
    pub fn len(&self) -> u64 {
        1 << self.level
    }

    /// Its units.
    pub fn range(&self) -> UnitRange {
        UnitRange { start: self.start(), end: (self.index + 1) << self.level }
    }

    /// The block twice as large that holds this one; `None` at the top.
    pub fn parent(&self) -> Option<Self> {
        Self::new(self.level + 1, self.index >> 1)
    }

    /// The other half of the parent; `None` where there is no parent.
    pub fn sibling(&self) -> Option<Self> {
        self.parent()?;
        Some(Self { level: self.level, index: self.index ^ 1 })
    }

    /// Both halves, front first; `None` for a single unit.
    pub fn children(&self) -> Option<[Self; 2]> {
        let level = self.level.checked_sub(1)?;
        Some([Self { level, index: self.index << 1 }, Self { level, index: (self.index << 1) | 1 }])
    }

    /// Whether `other` lies within this block (a block contains itself).
    pub fn contains(&self, other: &Self) -> bool {
        other.level <= self.level && other.index >> (self.level - other.level) == self.index
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "2^{}#{}", self.level, self.index)
    }
}

impl<'de> Deserialize<'de> for UnitRange {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename = "UnitRange")]
        struct Raw {
            start: u64,
            end: u64,
        }
        let Raw { start, end } = Raw::deserialize(deserializer)?;
        if start > end {
            return Err(serde::de::Error::custom("a range that ends before it starts"));
        }
        Ok(Self { start, end })
    }
}

impl<'de> Deserialize<'de> for Block {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename = "Block")]
        struct Raw {
            level: u8,
            index: u64,
        }
        let Raw { level, index } = Raw::deserialize(deserializer)?;
        Self::new(level, index)
            .ok_or_else(|| serde::de::Error::custom("a block beyond the last unit there can be"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_blocks_of_a_range_cover_it_once_in_order(start in 0..1u64 << 40, len in 0..1u64 << 40) {
            let range = UnitRange::new(start, start + len);

            let mut at = range.start;
            for block in range.blocks() {
                prop_assert_eq!(block.start(), at);
                at = block.range().end;
            }

            prop_assert_eq!(at, range.end);
            prop_assert!(range.blocks().count() <= 128);
        }

        #[test]
        fn two_blocks_are_nested_or_apart(la in 0..20u8, ia in 0..1000u64, lb in 0..20u8, ib in 0..1000u64) {
            let (a, b) = (Block::new(la, ia).unwrap(), Block::new(lb, ib).unwrap());

            let overlap = a.range().intersection(&b.range()).is_some();

            prop_assert_eq!(overlap, a.contains(&b) || b.contains(&a));
        }
    }

    #[test]
    fn a_family_fits_together() {
        let block = Block::new(3, 5).unwrap();

        assert_eq!(block.range(), UnitRange::new(40, 48));
        assert_eq!(block.parent(), Block::new(4, 2));
        assert_eq!(block.sibling(), Block::new(3, 4));
        assert!(block.children().unwrap().iter().all(|child| child.parent() == Some(block)));
        assert_eq!(Block::new(0, 9).unwrap().children(), None);
    }

    #[test]
    fn a_block_never_reaches_past_the_last_number() {
        assert_eq!(Block::new(64, 0), None);
        assert_eq!(Block::new(63, 1), None);
        assert_eq!(Block::new(0, u64::MAX), None);
        assert_eq!(Block::new(62, 2).map(|block| block.range().end), Some(3 << 62));
    }
}
