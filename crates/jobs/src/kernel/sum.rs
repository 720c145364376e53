//! Adds counting numbers.

/// The total of the counting numbers `first..=last`; 0 if there are none.
pub fn add_up(first: u64, last: u64) -> u128 {
    (first..=last).map(|n| u128::from(std::hint::black_box(n))).sum()
}
