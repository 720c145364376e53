//! Adds counting numbers, each of them by an addition of its own.
//!
//! There is a formula for the total of consecutive numbers, and this is not it: the job is work to be shared, so every
//! number is made (by adding to the one before) and every number is added. All paths keep *streams* of vectors of
//! consecutive numbers and as many sums:
//!
//! ```text
//! sums[k]    += numbers[k]     one addition for each vector of numbers
//! numbers[k] += step           and one that makes the next
//! ```
//!
//! Two vector additions per vector of numbers are all there is in the loop, and the streams do not wait for each other, so
//! the loop runs as fast as the processor adds. A lane of a sum has 64 bits. It is emptied into the halves of a
//! 128-bit total before it can overflow: after 4096 rows where numbers are below 2^52, after fewer where they are
//! larger, down to every 18th near 10^18. Below 2^56 that costs nothing to speak of.
//!
//! The compiler knows the formula too, and puts it in place of a plain loop; and where it does not, it saves numbers by
//! making two rows into one. So what the next numbers are is hidden from it, in each path by the cheapest means. The
//! tests count the instructions that are executed.

#[cfg_attr(target_arch = "x86_64", path = "sum/x86_64.rs")]
#[cfg_attr(all(target_arch = "wasm32", target_feature = "simd128"), path = "sum/wasm32.rs")]
#[cfg_attr(
    not(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128"))),
    path = "sum/other.rs"
)]
mod arch;
#[cfg_attr(
    not(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128"))),
    expect(unused_macros, unused_imports, reason = "this target has the portable path only")
)]
mod lanes;
mod portable;

use std::fmt;
use std::hint::black_box;
use std::str::FromStr;

/// The most additions into one lane before it is emptied.
const ROWS_MAX: u64 = 1 << 12;
/// The most numbers that a kernel is asked for at once, so that the halves of its total fit in 64 bits: fewer than 2^32
/// lanes are emptied into them, and each adds less than 2^32.
const PIECE: u64 = 1 << 32;

/// The total of at most [`PIECE`] counting numbers `first..=last`, of which there is at least one.
type Kernel = fn(first: u64, last: u64) -> u128;

/// A way to add, for one kind of processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Eight numbers at a time: x86-64 with AVX-512F.
    Avx512,
    /// Four numbers at a time: x86-64 with AVX2.
    Avx2,
    /// Two numbers at a time: WebAssembly with SIMD.
    Simd128,
    /// Plain Rust: whatever the target has at the least (on x86-64 two numbers at a time, by SSE2).
    Portable,
}

/// The total of the counting numbers `first..=last`, by the best path there is; 0 if there are none.
pub fn add_up(first: u64, last: u64) -> u128 {
    add_with(Path::best().kernel().unwrap_or(portable::add_up), first, last)
}

/// As [`add_up`], by one path; `None` if this processor or this build does not have it.
pub fn add_up_by(path: Path, first: u64, last: u64) -> Option<u128> {
    path.kernel().map(|kernel| add_with(kernel, first, last))
}

impl Path {
    /// All of them, the best first.
    pub const ALL: [Self; 4] = [Self::Avx512, Self::Avx2, Self::Simd128, Self::Portable];

    /// The best path on this processor.
    pub fn best() -> Self {
        Self::ALL.into_iter().find(|path| path.is_available()).unwrap_or(Self::Portable)
    }

    /// Whether this processor and this build have it.
    pub fn is_available(self) -> bool {
        self.kernel().is_some()
    }

    /// How many numbers one of its vector additions adds.
    pub fn lanes(self) -> u64 {
        match self {
            Self::Avx512 => 8,
            Self::Avx2 => 4,
            Self::Simd128 => 2,
            Self::Portable if cfg!(target_arch = "x86_64") => 2,
            Self::Portable => 1,
        }
    }

    /// Its name, as in `avx512`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Simd128 => "simd128",
            Self::Portable => "portable",
        }
    }

    fn kernel(self) -> Option<Kernel> {
        match self {
            Self::Portable => Some(portable::add_up),
            Self::Avx512 | Self::Avx2 | Self::Simd128 => arch::kernel(self),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Path {
    type Err = UnknownPath;

    fn from_str(name: &str) -> Result<Self, UnknownPath> {
        Self::ALL.into_iter().find(|path| path.name() == name).ok_or_else(|| UnknownPath(name.into()))
    }
}

/// A name that is no path's.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("no path is called {0:?}: there are avx512, avx2, simd128 and portable")]
pub struct UnknownPath(String);

fn add_with(kernel: Kernel, first: u64, last: u64) -> u128 {
    let mut total = 0;
    let mut from = first;
    while from <= last {
        let to = last.min(from.saturating_add(PIECE - 1));
        total += kernel(from, to);
        let Some(next) = to.checked_add(1) else { break };
        from = next;
    }
    total
}

/// How many numbers up to `last` a 64-bit lane takes without overflow, at most [`ROWS_MAX`].
fn rows_before_overflow(last: u64) -> u64 {
    (u64::MAX / last.max(1)).min(ROWS_MAX)
}

/// The few numbers that do not fill a vector.
fn add_singly(first: u64, count: u64) -> u128 {
    (0..count).map(|i| u128::from(black_box(first + i))).sum()
}
