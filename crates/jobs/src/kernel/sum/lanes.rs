//! The loop of every path with vectors, written once.
//!
//! A path gives a type of vectors and nine functions on it, under these names:
//!
//! | Name | Gives |
//! |---|---|
//! | `Lanes` | a vector of 64-bit lanes |
//! | `LANES`, `STREAMS` | how many lanes; how many vectors of numbers and sums fit the registers |
//! | `splat(n)` | `n` in every lane |
//! | `ascending(n)` | `n`, `n + 1`, … |
//! | `add(a, b)` | lane by lane, wrapping |
//! | `step(n)` | `n` in every lane, asked for in every row |
//! | `opaque(v)` | `v` |
//! | `low_half(v)`, `high_half(v)` | the lanes' lower and upper 32 bits |
//! | `total(v)` | all lanes together, wrapping |
//!
//! Either `step` or `opaque` hides from the compiler what the next numbers are. It would make two rows into one otherwise,
//! and add twice the first numbers instead of the first and the second.
//!
//! It is a macro, as functions with `#[target_feature]` cannot be methods of a trait.

/// Makes a path's `add_up`; the argument is its `#[target_feature]`, if it needs one.
macro_rules! add_up_with_lanes {
    ($(#[$feature:meta])?) => {
        /// The total of at most [`PIECE`](super::super::PIECE) counting numbers `first..=last`.
        $(#[$feature])?
        #[inline(never)]
        pub(super) fn add_up(first: u64, last: u64) -> u128 {
            const ROW: u64 = LANES * STREAMS as u64;
            let count = last - first + 1;
            let mut numbers = [ascending(first); STREAMS];
            for k in 1..STREAMS {
                numbers[k] = add(numbers[k - 1], splat(LANES));
            }
            let (mut low, mut high) = (splat(0), splat(0));

            let rows_at_once = $crate::kernel::sum::rows_before_overflow(last);
            let mut rows = count / ROW;
            while rows > 0 {
                let run = rows.min(rows_at_once);
                rows -= run;
                let mut sums = [splat(0); STREAMS];
                for _ in 0..run {
                    let step = step(ROW);
                    for k in 0..STREAMS {
                        sums[k] = add(sums[k], numbers[k]);
                        numbers[k] = opaque(add(numbers[k], step));
                    }
                }
                for sum in sums {
                    low = add(low, low_half(sum));
                    high = add(high, high_half(sum));
                }
            }

            // The vectors of the row that would come next: as many of them as are still full.
            let rest = count % ROW;
            for numbers in numbers.into_iter().take((rest / LANES) as usize) {
                low = add(low, low_half(numbers));
                high = add(high, high_half(numbers));
            }
            let single = rest % LANES;
            u128::from(total(low))
                + (u128::from(total(high)) << 32)
                + $crate::kernel::sum::add_singly((last - single).wrapping_add(1), single)
        }
    };
}

pub(super) use add_up_with_lanes;
