//! The paths of x86-64.

use super::{Kernel, Pass, Path, Plan, Row, Steps, Strands, middle, multiply, outer, passes, steps};
use crate::transform::vector::avx2::Avx2;
use crate::transform::vector::avx512::Avx512;

/// Transforms of other lengths do not fill vectors of eight.
const LENGTH_UNIT_OF_EIGHT: u32 = 1024;

steps!(Avx512, 8, "avx512f");
steps!(Avx2, 4, "avx2,fma");

/// The kernel for `path`, if the processor has it.
pub(super) fn kernel(path: Path, length: u32) -> Option<(Kernel, usize)> {
    let four = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    match path {
        Path::Avx512 if !is_x86_feature_detected!("avx512f") => None,
        Path::Avx512 if length.is_multiple_of(LENGTH_UNIT_OF_EIGHT) => Some((multiply::<Avx512, 8>, 8)),
        Path::Avx512 | Path::Avx2 => four.then_some((multiply::<Avx2, 4> as Kernel, 4)),
        Path::Simd128 | Path::Portable => None,
    }
}
