//! The paths of x86-64.

use super::{Kernel, Path, Plan, Room, multiply};
use crate::transform::vector::avx2::Avx2;
use crate::transform::vector::avx512::Avx512;

/// Transforms of other lengths do not fill vectors of eight.
const LENGTH_UNIT_OF_EIGHT: u32 = 1024;

/// The kernel for `path`, if the processor has it.
pub(super) fn kernel(path: Path, length: u32) -> Option<(Kernel, usize)> {
    let four = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    match path {
        Path::Avx512 if !is_x86_feature_detected!("avx512f") => None,
        Path::Avx512 if length.is_multiple_of(LENGTH_UNIT_OF_EIGHT) => Some((checked_eight, 8)),
        Path::Avx512 | Path::Avx2 => four.then_some((checked_four as Kernel, 4)),
        Path::Simd128 | Path::Portable => None,
    }
}

#[expect(unsafe_code, reason = "functions for certain processors are called where the processor was asked")]
fn checked_eight(plan: &Plan, room: &mut Room, x: &mut [f64], y: Option<&[f64]>) -> f64 {
    // SAFETY: this function is only handed out where the processor has the instructions.
    unsafe { eight(plan, room, x, y) }
}

#[expect(unsafe_code, reason = "functions for certain processors are called where the processor was asked")]
fn checked_four(plan: &Plan, room: &mut Room, x: &mut [f64], y: Option<&[f64]>) -> f64 {
    // SAFETY: this function is only handed out where the processor has the instructions.
    unsafe { four(plan, room, x, y) }
}

#[target_feature(enable = "avx512f")]
fn eight(plan: &Plan, room: &mut Room, x: &mut [f64], y: Option<&[f64]>) -> f64 {
    multiply::<Avx512, 8>(plan, room, x, y)
}

#[target_feature(enable = "avx2,fma")]
fn four(plan: &Plan, room: &mut Room, x: &mut [f64], y: Option<&[f64]>) -> f64 {
    multiply::<Avx2, 4>(plan, room, x, y)
}
