//! The paths of x86-64: AVX-512 and AVX2, chosen when the program runs.

use super::lanes::add_up_with_lanes;
use super::{Kernel, Path};

/// The kernel for `path`, if this processor has it.
pub(super) fn kernel(path: Path) -> Option<Kernel> {
    match path {
        Path::Avx512 => is_x86_feature_detected!("avx512f").then_some(avx512_kernel as Kernel),
        Path::Avx2 => is_x86_feature_detected!("avx2").then_some(avx2_kernel as Kernel),
        Path::Simd128 | Path::Portable => None,
    }
}

#[expect(unsafe_code, reason = "a function for certain processors is called where the processor was asked")]
fn avx512_kernel(first: u64, last: u64) -> u128 {
    // SAFETY: `kernel` hands this function out only where the processor has AVX-512F.
    unsafe { avx512::add_up(first, last) }
}

#[expect(unsafe_code, reason = "a function for certain processors is called where the processor was asked")]
fn avx2_kernel(first: u64, last: u64) -> u128 {
    // SAFETY: `kernel` hands this function out only where the processor has AVX2.
    unsafe { avx2::add_up(first, last) }
}

mod avx512 {
    use std::arch::asm;
    use std::arch::x86_64::{
        __m512i as Lanes, _mm512_add_epi64, _mm512_and_si512, _mm512_reduce_add_epi64, _mm512_set_epi64,
        _mm512_set1_epi64, _mm512_srli_epi64,
    };

    use super::add_up_with_lanes;

    const LANES: u64 = 8;
    const STREAMS: usize = 8;

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn splat(n: u64) -> Lanes {
        _mm512_set1_epi64(n.cast_signed())
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn ascending(n: u64) -> Lanes {
        add(splat(n), _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0))
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn add(a: Lanes, b: Lanes) -> Lanes {
        _mm512_add_epi64(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn step(n: u64) -> Lanes {
        splat(n)
    }

    /// A barrier for the compiler only.
    #[inline]
    #[target_feature(enable = "avx512f")]
    #[expect(unsafe_code, reason = "an empty piece of assembly is the one barrier that costs no instruction")]
    fn opaque(mut v: Lanes) -> Lanes {
        // SAFETY: there is no instruction in it, and so it changes nothing.
        unsafe { asm!("/* {v} */", v = inout(zmm_reg) v, options(pure, nomem, nostack, preserves_flags)) };
        v
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn low_half(v: Lanes) -> Lanes {
        _mm512_and_si512(v, splat(u64::from(u32::MAX)))
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn high_half(v: Lanes) -> Lanes {
        _mm512_srli_epi64::<32>(v)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn total(v: Lanes) -> u64 {
        _mm512_reduce_add_epi64(v).cast_unsigned()
    }

    add_up_with_lanes!(#[target_feature(enable = "avx512f")]);
}

mod avx2 {
    use std::arch::asm;
    use std::arch::x86_64::{
        __m256i as Lanes, _mm256_add_epi64, _mm256_and_si256, _mm256_extract_epi64, _mm256_set_epi64x,
        _mm256_set1_epi64x, _mm256_srli_epi64,
    };

    use super::add_up_with_lanes;

    const LANES: u64 = 4;
    const STREAMS: usize = 6;

    #[inline]
    #[target_feature(enable = "avx2")]
    fn splat(n: u64) -> Lanes {
        _mm256_set1_epi64x(n.cast_signed())
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn ascending(n: u64) -> Lanes {
        add(splat(n), _mm256_set_epi64x(3, 2, 1, 0))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn add(a: Lanes, b: Lanes) -> Lanes {
        _mm256_add_epi64(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn step(n: u64) -> Lanes {
        splat(n)
    }

    /// A barrier for the compiler only.
    #[inline]
    #[target_feature(enable = "avx2")]
    #[expect(unsafe_code, reason = "an empty piece of assembly is the one barrier that costs no instruction")]
    fn opaque(mut v: Lanes) -> Lanes {
        // SAFETY: there is no instruction in it, and so it changes nothing.
        unsafe { asm!("/* {v} */", v = inout(ymm_reg) v, options(pure, nomem, nostack, preserves_flags)) };
        v
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn low_half(v: Lanes) -> Lanes {
        _mm256_and_si256(v, splat(u64::from(u32::MAX)))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn high_half(v: Lanes) -> Lanes {
        _mm256_srli_epi64::<32>(v)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn total(v: Lanes) -> u64 {
        let lanes = [
            _mm256_extract_epi64::<0>(v),
            _mm256_extract_epi64::<1>(v),
            _mm256_extract_epi64::<2>(v),
            _mm256_extract_epi64::<3>(v),
        ];
        lanes.into_iter().map(i64::cast_unsigned).fold(0, u64::wrapping_add)
    }

    add_up_with_lanes!(#[target_feature(enable = "avx2")]);
}
