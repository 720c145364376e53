//! Memory that begins where a line of the cache begins, so that no vector lies across two of them.

use std::ops::{Deref, DerefMut};

/// The numbers in a line of the cache: 64 bytes, on all processors with vectors that matter.
const LINE: usize = 8;

/// A list of numbers whose first one begins a line.
#[derive(Debug)]
pub(super) struct Aligned {
    values: Vec<f64>,
    start: usize,
    len: usize,
}

impl Aligned {
    /// So many zeros.
    pub(super) fn zeros(len: usize) -> Self {
        let values = vec![0.0; len + LINE - 1];
        // If it cannot be aligned, it is slower, and no less right.
        let start = values.as_ptr().align_offset(LINE * size_of::<f64>()).min(LINE - 1);
        Self { values, start, len }
    }
}

impl From<&[f64]> for Aligned {
    fn from(values: &[f64]) -> Self {
        let mut aligned = Self::zeros(values.len());
        aligned.copy_from_slice(values);
        aligned
    }
}

impl Clone for Aligned {
    fn clone(&self) -> Self {
        Self::from(&self[..])
    }
}

impl Deref for Aligned {
    type Target = [f64];

    fn deref(&self) -> &[f64] {
        &self.values[self.start..self.start + self.len]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f64] {
        &mut self.values[self.start..self.start + self.len]
    }
}
