//! What the links carry, counted by kind of message.

use std::ops::Sub;

/// Where in a frame its tag is: behind magic and version.
const TAG_AT: usize = 3;
/// More tags than there are messages.
const TAGS: usize = 64;

/// Messages and bytes that arrived at living nodes, by the tag of the frame.
#[derive(Clone, Debug)]
pub struct Traffic {
    frames: [u64; TAGS],
    bytes: [u64; TAGS],
}

/// A kind of message, by the tag of its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag(pub usize);

impl Tag {
    /// How a node is doing.
    pub const STATUS: Self = Self(7);
    /// Results.
    pub const RECORDS: Self = Self(10);
    /// Who computed what.
    pub const CREDIT: Self = Self(11);
    /// Which results somebody has.
    pub const HAVE: Self = Self(12);
    /// Something said to everybody.
    pub const FLOOD: Self = Self(16);
    /// All that keeps the ledgers alike.
    pub const LEDGER: [Self; 3] = [Self::RECORDS, Self::CREDIT, Self::HAVE];
}

impl Default for Traffic {
    fn default() -> Self {
        Self { frames: [0; TAGS], bytes: [0; TAGS] }
    }
}

impl Traffic {
    /// One message arrived.
    pub(crate) fn count(&mut self, bytes: &[u8]) {
        let tag = usize::from(bytes.get(TAG_AT).copied().unwrap_or(u8::MAX)).min(TAGS - 1);
        self.frames[tag] += 1;
        self.bytes[tag] += bytes.len() as u64;
    }

    /// How many messages of these kinds.
    pub fn frames(&self, tags: &[Tag]) -> u64 {
        tags.iter().map(|tag| self.frames[tag.0]).sum()
    }

    /// How many bytes in messages of these kinds.
    pub fn bytes(&self, tags: &[Tag]) -> u64 {
        tags.iter().map(|tag| self.bytes[tag.0]).sum()
    }

    /// How many bytes in all.
    pub fn all_bytes(&self) -> u64 {
        self.bytes.iter().sum()
    }

    /// Messages and bytes by tag, where there were any.
    pub fn by_tag(&self) -> impl Iterator<Item = (Tag, u64, u64)> + '_ {
        let all = self.frames.iter().zip(&self.bytes).enumerate();
        all.filter(|(_, (frames, _))| **frames > 0).map(|(tag, (frames, bytes))| (Tag(tag), *frames, *bytes))
    }
}

impl Sub<&Traffic> for &Traffic {
    type Output = Traffic;

    /// What came after `earlier`.
    fn sub(self, earlier: &Traffic) -> Traffic {
        let less = |a: &[u64; TAGS], b: &[u64; TAGS]| std::array::from_fn(|tag| a[tag] - b[tag]);
        Traffic { frames: less(&self.frames, &earlier.frames), bytes: less(&self.bytes, &earlier.bytes) }
    }
}

#[cfg(test)]
mod tests {
    use manyhands_wire::{Frame, JobId, UnitRange};

    use super::*;

    #[test]
    fn the_tags_are_those_of_the_frames() {
        let job = JobId([0; 32]);
        let mut traffic = Traffic::default();
        let have = Frame::Have { job, within: UnitRange::new(0, 1), runs: Vec::new() };
        for frame in
            [Frame::Records { job, records: Vec::new() }, Frame::Credit { job, runs: Vec::new() }, have]
        {
            traffic.count(&frame.encode());
        }
        traffic.count(b"");

        assert_eq!(traffic.frames(&Tag::LEDGER), 3);
        assert_eq!(traffic.by_tag().count(), 4);
    }
}
