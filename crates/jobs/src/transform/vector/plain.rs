//! Two lanes in plain Rust: the compiler makes of it whatever vectors the target has at the least.

use super::{Arithmetic, Vector};

/// Adding and subtracting it leaves a whole number, as there are no bits for a fraction beside it: 1.5 * 2^52.
const ROUNDING: f64 = 6_755_399_441_055_744.0;

/// Two numbers.
#[derive(Clone, Copy)]
pub(in super::super) struct Plain([f64; 2]);

impl Arithmetic for Plain {
    #[inline(always)]
    fn splat(value: f64) -> Self {
        Self([value; 2])
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self([self.0[0] + other.0[0], self.0[1] + other.0[1]])
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self([self.0[0] - other.0[0], self.0[1] - other.0[1]])
    }

    #[inline(always)]
    fn mul(self, factor: Self) -> Self {
        Self([self.0[0] * factor.0[0], self.0[1] * factor.0[1]])
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        let max = |a: f64, b: f64| if a > b { a } else { b };
        Self([max(self.0[0], other.0[0]), max(self.0[1], other.0[1])])
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self([self.0[0].abs(), self.0[1].abs()])
    }

    #[inline(always)]
    fn round(self) -> Self {
        self.add(Self::splat(ROUNDING)).sub(Self::splat(ROUNDING))
    }

    #[inline(always)]
    fn where_above(self, value: Self, limit: Self) -> Self {
        let choose = |lane: usize| if value.0[lane] > limit.0[lane] { self.0[lane] } else { 0.0 };
        Self([choose(0), choose(1)])
    }
}

impl Vector<2> for Plain {
    #[inline(always)]
    fn load(from: &[f64; 2]) -> Self {
        Self(*from)
    }

    #[inline(always)]
    fn store(self, to: &mut [f64; 2]) {
        *to = self.0;
    }

    #[inline(always)]
    fn reversed(self) -> Self {
        Self([self.0[1], self.0[0]])
    }

    #[inline(always)]
    fn transpose(square: &mut [Self; 2]) {
        let [a, b] = *square;
        *square = [Self([a.0[0], b.0[0]]), Self([a.0[1], b.0[1]])];
    }
}
