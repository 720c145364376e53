//! Eight lanes: x86-64 with AVX-512F.
//!
//! The intrinsics are safe where the processor is known to have them. These methods do not know it by themselves:
//! they are used by the entry points of `avx512f` only, which are called where the processor was asked.

#![expect(unsafe_code, reason = "intrinsics, in methods that only run where the processor has been asked")]

use std::arch::x86_64::{
    __m512d, _CMP_GT_OQ, _MM_FROUND_NO_EXC, _MM_FROUND_TO_NEAREST_INT, _mm512_abs_pd, _mm512_add_pd,
    _mm512_cmp_pd_mask, _mm512_fmadd_pd, _mm512_fmsub_pd, _mm512_fnmadd_pd, _mm512_loadu_pd,
    _mm512_maskz_mov_pd, _mm512_max_pd, _mm512_mul_pd, _mm512_permutexvar_pd, _mm512_roundscale_pd,
    _mm512_set_epi64, _mm512_set1_pd, _mm512_shuffle_f64x2, _mm512_storeu_pd, _mm512_sub_pd,
    _mm512_unpackhi_pd, _mm512_unpacklo_pd,
};

use super::{Arithmetic, Vector};

/// Eight numbers.
#[derive(Clone, Copy)]
pub(in super::super) struct Avx512(__m512d);

impl Arithmetic for Avx512 {
    #[inline(always)]
    fn splat(value: f64) -> Self {
        // SAFETY: see the head of the file.
        Self(unsafe { _mm512_set1_pd(value) })
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: see the head of the file.
        Self(unsafe { _mm512_add_pd(self.0, other.0) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: see the head of the file.
        Self(unsafe { _mm512_sub_pd(self.0, other.0) })
    }

    #[inline(always)]
    fn mul(self, factor: Self) -> Self {
        // SAFETY: see the head of the file.
        Self(unsafe { _mm512_mul_pd(self.0, factor.0) })
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, more: Self) -> Self {
        // SAFETY: see the head of the file.
        Self(unsafe { _mm512_fmadd_pd(self.0, factor.0, more.0) })
    }

    #[inline(always)]
    fn mul_sub(self, factor: Self, less: Self) -> Self {
        // SAFETY: see the head of the file.
        Self(unsafe { _mm512_fmsub_pd(self.0, factor.0, less.0) })
    }

    #[inline(always)]
    fn mul_from(self, factor: Self, from: Self) -> Self {
        // SAFETY: see the head of the file.
        Self(unsafe { _mm512_fnmadd_pd(self.0, factor.0, from.0) })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: see the head of the file.
        Self(unsafe { _mm512_max_pd(self.0, other.0) })
    }

    #[inline(always)]
    fn abs(self) -> Self {
        // SAFETY: see the head of the file.
        Self(unsafe { _mm512_abs_pd(self.0) })
    }

    #[inline(always)]
    fn round(self) -> Self {
        // SAFETY: see the head of the file.
        Self(unsafe { _mm512_roundscale_pd::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0) })
    }

    #[inline(always)]
    fn where_above(self, value: Self, limit: Self) -> Self {
        // SAFETY: see the head of the file.
        Self(unsafe { _mm512_maskz_mov_pd(_mm512_cmp_pd_mask::<_CMP_GT_OQ>(value.0, limit.0), self.0) })
    }
}

impl Vector<8> for Avx512 {
    #[inline(always)]
    fn load(from: &[f64; 8]) -> Self {
        // SAFETY: the array is as long as the vector, and need not be aligned; and see the head of the file.
        Self(unsafe { _mm512_loadu_pd(from.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, to: &mut [f64; 8]) {
        // SAFETY: the array is as long as the vector, and need not be aligned; and see the head of the file.
        unsafe { _mm512_storeu_pd(to.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn reversed(self) -> Self {
        // SAFETY: see the head of the file.
        Self(unsafe { _mm512_permutexvar_pd(_mm512_set_epi64(0, 1, 2, 3, 4, 5, 6, 7), self.0) })
    }

    #[inline(always)]
    fn transpose(square: &mut [Self; 8]) {
        let [Self(a), Self(b), Self(c), Self(d), Self(e), Self(f), Self(g), Self(h)] = *square;
        // SAFETY: see the head of the file.
        unsafe {
            // Pairs of columns 0, 2, 4, 6, then of 1, 3, 5, 7: quarters of a register, each two rows of one column.
            for (first, [ab, cd, ef, gh]) in [
                (
                    0,
                    [
                        _mm512_unpacklo_pd(a, b),
                        _mm512_unpacklo_pd(c, d),
                        _mm512_unpacklo_pd(e, f),
                        _mm512_unpacklo_pd(g, h),
                    ],
                ),
                (
                    1,
                    [
                        _mm512_unpackhi_pd(a, b),
                        _mm512_unpackhi_pd(c, d),
                        _mm512_unpackhi_pd(e, f),
                        _mm512_unpackhi_pd(g, h),
                    ],
                ),
            ] {
                let (top, bottom) =
                    (_mm512_shuffle_f64x2::<0x88>(ab, cd), _mm512_shuffle_f64x2::<0x88>(ef, gh));
                square[first] = Self(_mm512_shuffle_f64x2::<0x88>(top, bottom));
                square[first + 4] = Self(_mm512_shuffle_f64x2::<0xdd>(top, bottom));
                let (top, bottom) =
                    (_mm512_shuffle_f64x2::<0xdd>(ab, cd), _mm512_shuffle_f64x2::<0xdd>(ef, gh));
                square[first + 2] = Self(_mm512_shuffle_f64x2::<0x88>(top, bottom));
                square[first + 6] = Self(_mm512_shuffle_f64x2::<0xdd>(top, bottom));
            }
        }
    }
}
