//! The path of WebAssembly: two lanes, which every browser of today turns into one instruction of its processor.

use super::lanes::add_up_with_lanes;
use super::{Kernel, Path};

/// The kernel for `path`. The whole module is built with SIMD: a browser without it refuses to load it.
pub(super) fn kernel(path: Path) -> Option<Kernel> {
    match path {
        Path::Simd128 => Some(simd128::add_up),
        Path::Avx512 | Path::Avx2 | Path::Portable => None,
    }
}

mod simd128 {
    use std::arch::wasm32::{
        i64x2_add, u64x2, u64x2_extract_lane, u64x2_shr, u64x2_splat, v128 as Lanes, v128_and,
    };
    use std::hint::black_box;

    use super::add_up_with_lanes;

    const LANES: u64 = 2;
    /// As many as leave registers over: with seven or eight, a browser's code runs at less than half the speed.
    const STREAMS: usize = 6;

    fn splat(n: u64) -> Lanes {
        u64x2_splat(n)
    }

    fn ascending(n: u64) -> Lanes {
        u64x2(n, n.wrapping_add(1))
    }

    fn add(a: Lanes, b: Lanes) -> Lanes {
        i64x2_add(a, b)
    }

    /// Read anew from memory in every row, which costs nothing beside the additions.
    fn step(n: u64) -> Lanes {
        splat(black_box(n))
    }

    fn opaque(v: Lanes) -> Lanes {
        v
    }

    fn low_half(v: Lanes) -> Lanes {
        v128_and(v, splat(u64::from(u32::MAX)))
    }

    fn high_half(v: Lanes) -> Lanes {
        u64x2_shr(v, 32)
    }

    fn total(v: Lanes) -> u64 {
        u64x2_extract_lane::<0>(v).wrapping_add(u64x2_extract_lane::<1>(v))
    }

    add_up_with_lanes!();
}
