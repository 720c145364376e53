//! Fourier transforms of a few complex numbers, in registers.
//!
//! y_k = sum over j of x_j e^(-2 pi i jk/R), for R = 2, 3, 4, 5, 7 and 8.

use std::f64::consts::FRAC_1_SQRT_2;

use super::vector::{Arithmetic, Complex};

/// cos(2 pi j/3) and sin(2 pi j/3), for j = 0, 1.
const THIRDS: [[f64; 2]; 2] = [[1.0, 0.0], [-0.5, 0.866_025_403_784_438_6]];
/// The same for fifths, for j = 0, 1, 2.
const FIFTHS: [[f64; 2]; 3] = [
    [1.0, 0.0],
    [0.309_016_994_374_947_45, 0.951_056_516_295_153_5],
    [-0.809_016_994_374_947_5, 0.587_785_252_292_473_1],
];
/// The same for sevenths, for j = 0, 1, 2, 3.
const SEVENTHS: [[f64; 2]; 4] = [
    [1.0, 0.0],
    [0.623_489_801_858_733_5, 0.781_831_482_468_029_8],
    [-0.222_520_933_956_314_4, 0.974_927_912_181_823_6],
    [-0.900_968_867_902_419_1, 0.433_883_739_117_558_1],
];

/// Transforms `R` numbers.
///
/// # Panics
///
/// If there is no transform for `R`: only for those above.
#[inline(always)]
pub(super) fn forward<V: Arithmetic, const R: usize>(x: &mut [Complex<V>; R]) {
    match R {
        1 => {}
        2 => (x[0], x[1]) = (x[0].add(x[1]), x[0].sub(x[1])),
        3 => odd(x, &THIRDS),
        4 => {
            let y = four(x[0], x[1], x[2], x[3]);
            x.copy_from_slice(&y);
        }
        5 => odd(x, &FIFTHS),
        7 => odd(x, &SEVENTHS),
        8 => eight(x),
        _ => unreachable!("there is no transform of {R} numbers"),
    }
}

/// Transforms `R` numbers back, but for the factor `R`.
#[inline(always)]
pub(super) fn inverse<V: Arithmetic, const R: usize>(x: &mut [Complex<V>; R]) {
    for x in x.iter_mut() {
        *x = x.swap();
    }
    forward(x);
    for x in x.iter_mut() {
        *x = x.swap();
    }
}

#[inline(always)]
fn four<V: Arithmetic>(a: Complex<V>, b: Complex<V>, c: Complex<V>, d: Complex<V>) -> [Complex<V>; 4] {
    let (even, odd) = (a.add(c), b.add(d));
    let (p, q) = (a.sub(c), b.sub(d));
    [
        even.add(odd),
        Complex { re: p.re.add(q.im), im: p.im.sub(q.re) },
        even.sub(odd),
        Complex { re: p.re.sub(q.im), im: p.im.add(q.re) },
    ]
}

#[inline(always)]
fn eight<V: Arithmetic, const R: usize>(x: &mut [Complex<V>; R]) {
    let half = V::splat(FRAC_1_SQRT_2);
    let even = four(x[0], x[2], x[4], x[6]);
    let odd = four(x[1], x[3], x[5], x[7]);
    (x[0], x[4]) = (even[0].add(odd[0]), even[0].sub(odd[0]));
    // An eighth of a turn, but for its length, which comes in with the sum.
    let turned = Complex { re: odd[1].re.add(odd[1].im), im: odd[1].im.sub(odd[1].re) };
    (x[1], x[5]) = add_and_sub_times(even[1], turned, half);
    let turned = Complex { re: odd[2].im, im: odd[2].re };
    x[2] = Complex { re: even[2].re.add(turned.re), im: even[2].im.sub(turned.im) };
    x[6] = Complex { re: even[2].re.sub(turned.re), im: even[2].im.add(turned.im) };
    let turned = Complex { re: odd[3].im.sub(odd[3].re), im: odd[3].re.add(odd[3].im) };
    x[3] = Complex { re: turned.re.mul_add(half, even[3].re), im: turned.im.mul_from(half, even[3].im) };
    x[7] = Complex { re: turned.re.mul_from(half, even[3].re), im: turned.im.mul_add(half, even[3].im) };
}

/// a + b t and a - b t, for a real t.
#[inline(always)]
fn add_and_sub_times<V: Arithmetic>(a: Complex<V>, b: Complex<V>, t: V) -> (Complex<V>, Complex<V>) {
    (
        Complex { re: b.re.mul_add(t, a.re), im: b.im.mul_add(t, a.im) },
        Complex { re: b.re.mul_from(t, a.re), im: b.im.mul_from(t, a.im) },
    )
}

/// An odd number of them, by sums and differences of x_j and x_(R-j).
#[inline(always)]
fn odd<V: Arithmetic, const R: usize, const H: usize>(x: &mut [Complex<V>; R], roots: &[[f64; 2]; H]) {
    let mut sums = [x[0]; H];
    let mut differences = [x[0]; H];
    let mut total = x[0];
    for j in 1..H {
        sums[j] = x[j].add(x[R - j]);
        differences[j] = x[j].sub(x[R - j]);
        total = total.add(sums[j]);
    }
    for k in 1..H {
        let mut real = sums[0];
        let mut turned = Complex { re: V::splat(0.0), im: V::splat(0.0) };
        for j in 1..H {
            let turn = j * k % R;
            let (cos, sin) = if turn < H {
                (roots[turn][0], roots[turn][1])
            } else {
                (roots[R - turn][0], -roots[R - turn][1])
            };
            let (cos, sin) = (V::splat(cos), V::splat(sin));
            real = Complex { re: sums[j].re.mul_add(cos, real.re), im: sums[j].im.mul_add(cos, real.im) };
            turned = if j == 1 {
                Complex { re: differences[j].re.mul(sin), im: differences[j].im.mul(sin) }
            } else {
                Complex {
                    re: differences[j].re.mul_add(sin, turned.re),
                    im: differences[j].im.mul_add(sin, turned.im),
                }
            };
        }
        x[k] = Complex { re: real.re.add(turned.im), im: real.im.sub(turned.re) };
        x[R - k] = Complex { re: real.re.sub(turned.im), im: real.im.add(turned.re) };
    }
    x[0] = total;
}
