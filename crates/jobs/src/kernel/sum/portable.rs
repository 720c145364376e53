//! The path that needs nothing: plain Rust, which the compiler turns into whatever vectors the target has at the least.

use std::hint::black_box;

use super::{add_singly, rows_before_overflow};

/// How many numbers in a row: with their sums and the step they fill the registers of plain x86-64.
const ROW: usize = 12;

/// The total of at most [`PIECE`](super::PIECE) counting numbers `first..=last`.
#[inline(never)]
pub(super) fn add_up(first: u64, last: u64) -> u128 {
    let count = last - first + 1;
    let mut numbers: [u64; ROW] = std::array::from_fn(|k| first.wrapping_add(k as u64));
    let mut total = 0;

    let rows_at_once = rows_before_overflow(last);
    let mut rows = count / ROW as u64;
    while rows > 0 {
        let run = rows.min(rows_at_once);
        rows -= run;
        let mut sums = [0_u64; ROW];
        for _ in 0..run {
            // A step that is known would let the compiler put the formula in place of the loop.
            let step = black_box(ROW as u64);
            for k in 0..ROW {
                sums[k] = sums[k].wrapping_add(numbers[k]);
                numbers[k] = numbers[k].wrapping_add(step);
            }
        }
        total += sums.into_iter().map(u128::from).sum::<u128>();
    }

    let single = count % ROW as u64;
    total + add_singly((last - single).wrapping_add(1), single)
}
