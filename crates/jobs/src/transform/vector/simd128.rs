//! WebAssembly's vectors: two lanes, which every browser of today turns into one instruction of its processor.

use std::arch::wasm32::{
    f64x2, f64x2_abs, f64x2_add, f64x2_extract_lane, f64x2_gt, f64x2_mul, f64x2_nearest, f64x2_pmax,
    f64x2_splat, f64x2_sub, i64x2_shuffle, v128, v128_and,
};

use super::{Arithmetic, Vector};

/// Two numbers.
#[derive(Clone, Copy)]
pub(in super::super) struct Simd128(v128);

impl Arithmetic for Simd128 {
    #[inline(always)]
    fn splat(value: f64) -> Self {
        Self(f64x2_splat(value))
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(f64x2_add(self.0, other.0))
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(f64x2_sub(self.0, other.0))
    }

    #[inline(always)]
    fn mul(self, factor: Self) -> Self {
        Self(f64x2_mul(self.0, factor.0))
    }

    /// The plain comparison, which is one instruction; that of IEEE 754 is several.
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self(f64x2_pmax(self.0, other.0))
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self(f64x2_abs(self.0))
    }

    #[inline(always)]
    fn round(self) -> Self {
        Self(f64x2_nearest(self.0))
    }

    #[inline(always)]
    fn where_above(self, value: Self, limit: Self) -> Self {
        Self(v128_and(self.0, f64x2_gt(value.0, limit.0)))
    }
}

impl Vector<2> for Simd128 {
    #[inline(always)]
    fn load(from: &[f64; 2]) -> Self {
        Self(f64x2(from[0], from[1]))
    }

    #[inline(always)]
    fn store(self, to: &mut [f64; 2]) {
        *to = [f64x2_extract_lane::<0>(self.0), f64x2_extract_lane::<1>(self.0)];
    }

    #[inline(always)]
    fn reversed(self) -> Self {
        Self(i64x2_shuffle::<1, 0>(self.0, self.0))
    }

    #[inline(always)]
    fn transpose(square: &mut [Self; 2]) {
        let [a, b] = *square;
        *square = [Self(i64x2_shuffle::<0, 2>(a.0, b.0)), Self(i64x2_shuffle::<1, 3>(a.0, b.0))];
    }
}
