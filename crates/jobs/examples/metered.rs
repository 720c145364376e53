//! The kernel as a WebAssembly module by itself, for the tests that count what it executes.

#![expect(
    unsafe_code,
    reason = "an exported name could clash with another; in this module there are no others"
)]

use manyhands_jobs::kernel::sum::add_up;

/// The lower 64 bits of the total of `first..=last`.
#[unsafe(no_mangle)]
pub extern "C" fn sum_low(first: u64, last: u64) -> u64 {
    add_up(first, last) as u64
}

/// The upper 64 bits of it.
#[unsafe(no_mangle)]
pub extern "C" fn sum_high(first: u64, last: u64) -> u64 {
    (add_up(first, last) >> 64) as u64
}
