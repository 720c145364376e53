//! The path of WebAssembly. The whole module is built with SIMD: a browser without it refuses to load it.

use super::{Kernel, Path, Plan, Room, multiply};
use crate::transform::vector::simd128::Simd128;

/// The kernel for `path`.
pub(super) fn kernel(path: Path, _length: u32) -> Option<(Kernel, usize)> {
    match path {
        Path::Simd128 => Some((two, 2)),
        Path::Avx512 | Path::Avx2 | Path::Portable => None,
    }
}

fn two(plan: &Plan, room: &mut Room, x: &mut [f64], y: Option<&[f64]>) -> f64 {
    multiply::<Simd128, 2>(plan, room, x, y)
}
