//! Sets of small numbers, one bit for each: the chunks of one file, and files by their place in a list that grows.

/// Which of a file's chunks there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bits {
    bytes: Vec<u8>,
    len: u32,
    ones: u32,
}

impl Bits {
    /// No chunk of `len`.
    pub fn none(len: u32) -> Self {
        Self { bytes: vec![0; len.div_ceil(8) as usize], len, ones: 0 }
    }

    /// All of `len` chunks.
    pub fn all(len: u32) -> Self {
        let mut bits = Self { bytes: vec![0xff; len.div_ceil(8) as usize], len, ones: len };
        bits.clear_beyond();
        bits
    }

    /// Reads [`Bits::as_bytes`]: bit `i % 8` of byte `i / 8` for chunk `i`. `None` if it is of another length.
    pub fn from_bytes(bytes: Vec<u8>, len: u32) -> Option<Self> {
        if bytes.len() != len.div_ceil(8) as usize {
            return None;
        }
        let mut bits = Self { bytes, len, ones: 0 };
        bits.clear_beyond();
        bits.ones = bits.bytes.iter().map(|byte| byte.count_ones()).sum();
        Some(bits)
    }

    fn clear_beyond(&mut self) {
        if !self.len.is_multiple_of(8)
            && let Some(last) = self.bytes.last_mut()
        {
            *last &= (1 << (self.len % 8)) - 1;
        }
    }

    /// The bits, as they travel.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many chunks the file has.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether the file has no chunks at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many chunks there are.
    pub fn count(&self) -> u32 {
        self.ones
    }

    /// Whether all chunks are there.
    pub fn is_full(&self) -> bool {
        self.ones == self.len
    }

    /// Whether a chunk is there.
    pub fn has(&self, chunk: u32) -> bool {
        chunk < self.len && self.bytes[(chunk / 8) as usize] & (1 << (chunk % 8)) != 0
    }

    /// Adds a chunk. `false` if it was there, or is none of the file's.
    pub fn insert(&mut self, chunk: u32) -> bool {
        let is_new = chunk < self.len && !self.has(chunk);
        if is_new {
            self.bytes[(chunk / 8) as usize] |= 1 << (chunk % 8);
            self.ones += 1;
        }
        is_new
    }

    /// Takes a chunk out. `false` if it was not there.
    pub fn remove(&mut self, chunk: u32) -> bool {
        let was_there = self.has(chunk);
        if was_there {
            self.bytes[(chunk / 8) as usize] &= !(1 << (chunk % 8));
            self.ones -= 1;
        }
        was_there
    }

    /// The chunks that are there, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.len).filter(|chunk| self.has(*chunk))
    }

    /// The chunks that are not there, in order.
    pub fn missing(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.len).filter(|chunk| !self.has(*chunk))
    }
}

/// Numbers below some thousands; it grows as it needs to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers(Vec<u64>);

impl Numbers {
    pub(crate) fn has(&self, number: u32) -> bool {
        self.0.get(number as usize / 64).is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    pub(crate) fn set(&mut self, number: u32, is_in: bool) {
        let at = number as usize / 64;
        if at >= self.0.len() {
            if !is_in {
                return;
            }
            self.0.resize(at + 1, 0);
        }
        let bit = 1 << (number % 64);
        if is_in { self.0[at] |= bit } else { self.0[at] &= !bit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_beyond_the_last_chunk_do_not_count() {
        let bits = Bits::from_bytes(vec![0xff, 0xff], 10).unwrap();

        assert_eq!(bits, Bits::all(10));
        assert_eq!(bits.as_bytes(), [0xff, 0x03]);
        assert!(bits.is_full() && !bits.has(10));
        assert_eq!(Bits::from_bytes(vec![0xff], 10), None);
    }

    #[test]
    fn a_chunk_is_added_and_taken_out_once() {
        let mut bits = Bits::none(9);

        assert!(bits.insert(8) && !bits.insert(8) && !bits.insert(9));
        assert_eq!(bits.iter().collect::<Vec<_>>(), [8]);
        assert_eq!(bits.missing().count(), 8);
        assert!(bits.remove(8) && !bits.remove(8));
        assert_eq!(bits.count(), 0);
    }
}
