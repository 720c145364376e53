//! Four lanes: x86-64 with AVX2 and FMA.
//!
//! The intrinsics are safe where the processor is known to have them. These methods do not know it by themselves:
//! they are used by the entry points of `avx2,fma` only, which are called where the processor was asked.

#![expect(unsafe_code, reason = "intrinsics, in methods that only run where the processor has been asked")]

use std::arch::x86_64::{
    __m256d, _CMP_GT_OQ, _MM_FROUND_NO_EXC, _MM_FROUND_TO_NEAREST_INT, _mm256_add_pd, _mm256_and_pd,
    _mm256_andnot_pd, _mm256_cmp_pd, _mm256_fmadd_pd, _mm256_fmsub_pd, _mm256_fnmadd_pd, _mm256_loadu_pd,
    _mm256_max_pd, _mm256_mul_pd, _mm256_permute2f128_pd, _mm256_permute4x64_pd, _mm256_round_pd,
    _mm256_set1_pd, _mm256_storeu_pd, _mm256_sub_pd, _mm256_unpackhi_pd, _mm256_unpacklo_pd,
};

use super::{Arithmetic, Vector};

/// Four numbers.
#[derive(Clone, Copy)]
pub(in super::super) struct Avx2(__m256d);

impl Arithmetic for Avx2 {
    #[inline(always)]
    fn splat(value: f64) -> Self {
        // SAFETY: see the head of the file.
        Self(unsafe { _mm256_set1_pd(value) })
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: see the head of the file.
        Self(unsafe { _mm256_add_pd(self.0, other.0) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: see the head of the file.
        Self(unsafe { _mm256_sub_pd(self.0, other.0) })
    }

    #[inline(always)]
    fn mul(self, factor: Self) -> Self {
        // SAFETY: see the head of the file.
        Self(unsafe { _mm256_mul_pd(self.0, factor.0) })
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, more: Self) -> Self {
        // SAFETY: see the head of the file.
        Self(unsafe { _mm256_fmadd_pd(self.0, factor.0, more.0) })
    }

    #[inline(always)]
    fn mul_sub(self, factor: Self, less: Self) -> Self {
        // SAFETY: see the head of the file.
        Self(unsafe { _mm256_fmsub_pd(self.0, factor.0, less.0) })
    }

    #[inline(always)]
    fn mul_from(self, factor: Self, from: Self) -> Self {
        // SAFETY: see the head of the file.
        Self(unsafe { _mm256_fnmadd_pd(self.0, factor.0, from.0) })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: see the head of the file.
        Self(unsafe { _mm256_max_pd(self.0, other.0) })
    }

    #[inline(always)]
    fn abs(self) -> Self {
        // SAFETY: see the head of the file.
        Self(unsafe { _mm256_andnot_pd(_mm256_set1_pd(-0.0), self.0) })
    }

    #[inline(always)]
    fn round(self) -> Self {
        // SAFETY: see the head of the file.
        Self(unsafe { _mm256_round_pd::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0) })
    }

    #[inline(always)]
    fn where_above(self, value: Self, limit: Self) -> Self {
        // SAFETY: see the head of the file.
        Self(unsafe { _mm256_and_pd(self.0, _mm256_cmp_pd::<_CMP_GT_OQ>(value.0, limit.0)) })
    }
}

impl Vector<4> for Avx2 {
    #[inline(always)]
    fn load(from: &[f64; 4]) -> Self {
        // SAFETY: the array is as long as the vector, and need not be aligned; and see the head of the file.
        Self(unsafe { _mm256_loadu_pd(from.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, to: &mut [f64; 4]) {
        // SAFETY: the array is as long as the vector, and need not be aligned; and see the head of the file.
        unsafe { _mm256_storeu_pd(to.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn reversed(self) -> Self {
        // SAFETY: see the head of the file.
        Self(unsafe { _mm256_permute4x64_pd::<0x1b>(self.0) })
    }

    #[inline(always)]
    fn transpose(square: &mut [Self; 4]) {
        let [Self(a), Self(b), Self(c), Self(d)] = *square;
        // SAFETY: see the head of the file.
        unsafe {
            let (ab, cd) = (_mm256_unpacklo_pd(a, b), _mm256_unpacklo_pd(c, d));
            square[0] = Self(_mm256_permute2f128_pd::<0x20>(ab, cd));
            square[2] = Self(_mm256_permute2f128_pd::<0x31>(ab, cd));
            let (ab, cd) = (_mm256_unpackhi_pd(a, b), _mm256_unpackhi_pd(c, d));
            square[1] = Self(_mm256_permute2f128_pd::<0x20>(ab, cd));
            square[3] = Self(_mm256_permute2f128_pd::<0x31>(ab, cd));
        }
    }
}
