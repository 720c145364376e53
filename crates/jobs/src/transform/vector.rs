//! Vectors of f64 as the transform wants them, so that it is written once for every kind of processor.
//!
//! Everything here is inlined, always: the functions of a path are inlined one into the other up to the path's one
//! entry point, which says what processor it is for. That is what lets them be methods of a trait at all.

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;
pub(super) mod plain;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(super) mod simd128;

/// Lane-by-lane arithmetic.
pub(super) trait Arithmetic: Copy {
    /// The same number in every lane.
    fn splat(value: f64) -> Self;
    /// self + other
    fn add(self, other: Self) -> Self;
    /// self - other
    fn sub(self, other: Self) -> Self;
    /// self * factor
    fn mul(self, factor: Self) -> Self;
    /// self * factor + more, rounded once or twice.
    #[inline(always)]
    fn mul_add(self, factor: Self, more: Self) -> Self {
        self.mul(factor).add(more)
    }
    /// self * factor - less, rounded once or twice.
    #[inline(always)]
    fn mul_sub(self, factor: Self, less: Self) -> Self {
        self.mul(factor).sub(less)
    }
    /// from - self * factor, rounded once or twice.
    #[inline(always)]
    fn mul_from(self, factor: Self, from: Self) -> Self {
        from.sub(self.mul(factor))
    }
    /// The larger of both.
    fn max(self, other: Self) -> Self;
    /// Without the sign.
    fn abs(self) -> Self;
    /// The nearest whole number; of values beyond 2^51 anything.
    fn round(self) -> Self;
    /// self in the lanes where value > limit, 0 in the others.
    fn where_above(self, value: Self, limit: Self) -> Self;
}

/// A vector of `L` lanes.
pub(super) trait Vector<const L: usize>: Arithmetic {
    /// Reads the lanes.
    fn load(from: &[f64; L]) -> Self;
    /// Writes the lanes.
    fn store(self, to: &mut [f64; L]);
    /// The lanes from last to first.
    fn reversed(self) -> Self;
    /// Lane j of vector i becomes lane i of vector j.
    fn transpose(square: &mut [Self; L]);
}

/// A vector of real parts and one of imaginary parts, as they stand in memory.
pub(super) type Row<const L: usize> = [[f64; L]; 2];

/// `L` complex numbers.
#[derive(Clone, Copy)]
pub(super) struct Complex<V> {
    pub(super) re: V,
    pub(super) im: V,
}

impl<V: Arithmetic> Complex<V> {
    #[inline(always)]
    pub(super) fn splat(value: [f64; 2]) -> Self {
        Self { re: V::splat(value[0]), im: V::splat(value[1]) }
    }

    #[inline(always)]
    pub(super) fn load<const L: usize>(row: &Row<L>) -> Self
    where
        V: Vector<L>,
    {
        Self { re: V::load(&row[0]), im: V::load(&row[1]) }
    }

    #[inline(always)]
    pub(super) fn store<const L: usize>(self, row: &mut Row<L>)
    where
        V: Vector<L>,
    {
        self.re.store(&mut row[0]);
        self.im.store(&mut row[1]);
    }

    #[inline(always)]
    pub(super) fn add(self, other: Self) -> Self {
        Self { re: self.re.add(other.re), im: self.im.add(other.im) }
    }

    #[inline(always)]
    pub(super) fn sub(self, other: Self) -> Self {
        Self { re: self.re.sub(other.re), im: self.im.sub(other.im) }
    }

    #[inline(always)]
    pub(super) fn mul(self, factor: Self) -> Self {
        Self {
            re: self.re.mul_sub(factor.re, self.im.mul(factor.im)),
            im: self.re.mul_add(factor.im, self.im.mul(factor.re)),
        }
    }

    /// Multiplied by the conjugate of `factor`.
    #[inline(always)]
    pub(super) fn mul_conjugate(self, factor: Self) -> Self {
        Self {
            re: self.re.mul_add(factor.re, self.im.mul(factor.im)),
            im: self.im.mul_sub(factor.re, self.re.mul(factor.im)),
        }
    }

    #[inline(always)]
    pub(super) fn square(self) -> Self {
        Self { re: self.re.sub(self.im).mul(self.re.add(self.im)), im: self.re.add(self.re).mul(self.im) }
    }

    /// Real and imaginary parts changed over: what makes a transform the inverse one, done before and after.
    #[inline(always)]
    pub(super) fn swap(self) -> Self {
        Self { re: self.im, im: self.re }
    }

    #[inline(always)]
    pub(super) fn reversed<const L: usize>(self) -> Self
    where
        V: Vector<L>,
    {
        Self { re: self.re.reversed(), im: self.im.reversed() }
    }
}

/// Lane j of number i becomes lane i of number j.
#[inline(always)]
pub(super) fn transpose<V: Vector<L>, const L: usize>(square: &mut [Complex<V>; L]) {
    let mut re = [V::splat(0.0); L];
    let mut im = re;
    for (i, x) in square.iter().enumerate() {
        (re[i], im[i]) = (x.re, x.im);
    }
    V::transpose(&mut re);
    V::transpose(&mut im);
    for (i, x) in square.iter_mut().enumerate() {
        *x = Complex { re: re[i], im: im[i] };
    }
}

/// The rows that stand in `values`.
#[inline(always)]
pub(super) fn rows<const L: usize>(values: &[f64]) -> &[Row<L>] {
    values.as_chunks::<L>().0.as_chunks::<2>().0
}

/// The rows that stand in `values`, to change them.
#[inline(always)]
pub(super) fn rows_mut<const L: usize>(values: &mut [f64]) -> &mut [Row<L>] {
    values.as_chunks_mut::<L>().0.as_chunks_mut::<2>().0
}
