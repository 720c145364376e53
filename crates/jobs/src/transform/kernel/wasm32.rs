//! The path of WebAssembly. The whole module is built with SIMD: a browser without it refuses to load it.

use super::{Kernel, Pass, Path, Plan, Row, Steps, Strands, middle, multiply, outer, passes, steps};
use crate::transform::vector::simd128::Simd128;

steps!(Simd128, 2);

/// The kernel for `path`.
pub(super) fn kernel(path: Path, _length: u32) -> Option<(Kernel, usize)> {
    match path {
        Path::Simd128 => Some((multiply::<Simd128, 2>, 2)),
        Path::Avx512 | Path::Avx2 | Path::Portable => None,
    }
}
