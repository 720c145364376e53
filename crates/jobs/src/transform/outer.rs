//! From digits to strands and back: the first step of the transform, and the last with all that makes digits of its
//! sums.
//!
//! Vectors of digits have in lane l the l-th part of the number, so a carry goes from each vector to the next, for
//! all parts at once, and only what is left after the last row goes over to the next lane. The first step, L rows at
//! a time: weigh the digits; transpose, so that the parts stand in vectors of their own, and the lanes are the rows;
//! transform over the parts; multiply by the twiddles; result k is a row of strand k. The last step is the same
//! backwards, and then each sum is rounded to a whole number (where the round-off error shows), and carries.

use super::butterfly;
use super::plan::Plan;
use super::vector::{Complex, Row, Vector, rows, rows_mut, transpose};

/// How many rows are carried along at a time, each with what is carried over to it: a carry waits for the one before
/// it, and would leave the processor idle otherwise.
const CHAINS: usize = 2;

/// Adding and subtracting it leaves a whole number, as there are no bits for a fraction beside it: 1.5 * 2^52.
///
/// It does so below 2^51. Sums beyond have lost bits that matter, and nothing in themselves would tell: they are
/// whole numbers for want of bits. With this, half of them are rounded to an even number, and come out as errors.
/// Since that works for the sums of its own sign only, every other sum is rounded by its negative.
const ROUNDING: f64 = 6_755_399_441_055_744.0;

/// Where sums begin to be too large for it: 2^51.
const SUM_MAX: f64 = 2_251_799_813_685_248.0;

/// Weighs the digits and does the first step.
#[inline(always)]
pub(super) fn forward<V: Vector<L>, const L: usize>(plan: &Plan, digits: &[f64], work: &mut [f64]) {
    let strands = strands::<L>(plan, work);
    let digits = rows::<L>(digits).as_chunks::<L>().0;
    let weights = rows::<L>(&plan.weights).as_chunks::<L>().0;
    for (q, (digits, weights)) in digits.iter().zip(weights).enumerate() {
        let mut x = [Complex::<V>::splat([0.0; 2]); L];
        for ((x, digits), weights) in x.iter_mut().zip(digits).zip(weights) {
            let (digits, weights) = (Complex::<V>::load(digits), Complex::load(weights));
            *x = Complex { re: digits.re.mul(weights.re), im: digits.im.mul(weights.im) };
        }
        transpose(&mut x);
        butterfly::forward(&mut x);
        x[0].store(&mut strands[0][q]);
        for k in 1..L {
            x[k].mul(twiddle(plan, q, k)).store(&mut strands[k][q]);
        }
    }
}

/// Does the last step, rounds and carries. Returns the round-off error; not a number if the sums or what they carried
/// were too large, infinite or no numbers.
#[inline(always)]
pub(super) fn inverse<V: Vector<L>, const L: usize>(
    plan: &Plan,
    work: &mut [f64],
    digits: &mut [f64],
) -> f64 {
    let strands = strands::<L>(plan, work);
    let blocks = rows_mut::<L>(digits).as_chunks_mut::<L>().0;
    let unweights = rows::<L>(&plan.unweights).as_chunks::<L>().0;
    let bases = Bases::<V>::new(plan);
    let (rounding, minus_rounding) = (V::splat(ROUNDING), V::splat(-ROUNDING));
    let distance = plan.rows / CHAINS;
    let mut carries = [V::splat(0.0); CHAINS];
    let mut errors = [V::splat(0.0); CHAINS];
    for q in 0..distance {
        let mut x = [[Complex::<V>::splat([0.0; 2]); L]; CHAINS];
        for (chain, x) in x.iter_mut().enumerate() {
            *x = sums(plan, &strands, q + chain * distance);
        }
        for i in 0..L {
            for chain in 0..CHAINS {
                let q = q + chain * distance;
                let unweight = Complex::load(&unweights[q][i]);
                let (carry, error) = (&mut carries[chain], &mut errors[chain]);
                let re = bases.digit(x[chain][i].re, unweight.re, rounding, carry, error);
                let im = bases.digit(x[chain][i].im, unweight.im, minus_rounding, carry, error);
                Complex { re, im }.store(&mut blocks[q][i]);
            }
        }
    }
    let mut is_sound = true;
    for (chain, carry) in carries.into_iter().enumerate() {
        is_sound &= carry_on(plan, &bases, rows_mut::<L>(digits), (chain + 1) * distance * L, carry);
    }
    let mut error = [0.0; L];
    errors[0].max(errors[1]).store(&mut error);
    error.into_iter().fold(if is_sound { 0.0 } else { f64::NAN }, worse)
}

/// The larger error; not a number if one of them is none.
fn worse(error: f64, other: f64) -> f64 {
    if error.is_nan() || error >= other { error } else { other }
}

/// The strands, each by itself.
#[inline(always)]
fn strands<'a, const L: usize>(plan: &Plan, work: &'a mut [f64]) -> [&'a mut [Row<L>]; L] {
    let mut strands = work.chunks_exact_mut(plan.pitch);
    [(); L].map(|()| {
        let strand = strands.next().map(rows_mut::<L>).unwrap_or_default();
        &mut strand[..plan.rows]
    })
}

/// The twiddles of row q of strand k, k > 0.
#[inline(always)]
fn twiddle<V: Vector<L>, const L: usize>(plan: &Plan, q: usize, k: usize) -> Complex<V> {
    let lanes = Complex::load(&rows::<L>(&plan.outer_lanes)[k]);
    Complex::splat(plan.outer[q * (L - 1) + k - 1]).mul(lanes)
}

/// The weighted sums of L rows.
#[inline(always)]
fn sums<V: Vector<L>, const L: usize>(
    plan: &Plan,
    strands: &[&mut [Row<L>]; L],
    q: usize,
) -> [Complex<V>; L] {
    let mut x = [Complex::<V>::load(&strands[0][q]); L];
    for k in 1..L {
        x[k] = Complex::load(&strands[k][q]).mul_conjugate(twiddle(plan, q, k));
    }
    butterfly::inverse(&mut x);
    transpose(&mut x);
    x
}

/// What makes sums digits: for the smaller and the larger ones, one divided by the power of two they are digits to.
struct Bases<V> {
    large_above: V,
    one_in_small: V,
    /// What the larger ones have less.
    less: V,
}

impl<V: Copy> Bases<V> {
    #[inline(always)]
    fn new<const L: usize>(plan: &Plan) -> Self
    where
        V: Vector<L>,
    {
        Self {
            large_above: V::splat(plan.large_above),
            one_in_small: V::splat(plan.one_in_base),
            less: V::splat(plan.one_in_base / 2.0),
        }
    }

    #[inline(always)]
    fn one_in_base<const L: usize>(&self, unweight: V) -> V
    where
        V: Vector<L>,
    {
        self.one_in_small.sub(self.less.where_above(unweight, self.large_above))
    }

    /// The digits of weighted sums and what is carried to them, and what they carry.
    #[inline(always)]
    fn digit<const L: usize>(&self, sum: V, unweight: V, rounding: V, carry: &mut V, error: &mut V) -> V
    where
        V: Vector<L>,
    {
        let sum = sum.mul(unweight);
        let whole = sum.add(rounding).sub(rounding);
        *error = error.max(sum.sub(whole).abs());
        split(whole.add(*carry).mul(self.one_in_base(unweight)), carry)
    }
}

/// What is left of numbers, each a number of digits, without the whole ones, which are carried.
#[inline(always)]
fn split<V: Vector<L>, const L: usize>(digits: V, carry: &mut V) -> V {
    *carry = digits.round();
    digits.sub(*carry)
}

/// Carries what is left after a chain's last row on into the rows from `row` on, until nothing is left. `false` if it
/// is more than sums can carry, or no number.
///
/// A vector may have lost a value that is no number among its errors, as its maximum does. It has not lost it here: what
/// is no number is carried on to the end of the chain.
#[inline(always)]
fn carry_on<V: Vector<L>, const L: usize>(
    plan: &Plan,
    bases: &Bases<V>,
    digits: &mut [Row<L>],
    mut row: usize,
    mut carry: V,
) -> bool {
    let unweights = rows::<L>(&plan.unweights);
    // From a sum below the most, and a carry no larger than this, comes a carry no larger than this again.
    let most = 2.0 * SUM_MAX * plan.one_in_base;
    // Once around the number and once more is enough for what there is to carry.
    for _ in 0..2 * L * digits.len() {
        let mut lanes = [0.0; L];
        carry.store(&mut lanes);
        if lanes == [0.0; L] {
            return true;
        }
        // What is no number is not within it.
        if !lanes.iter().all(|lane| (-most..=most).contains(lane)) {
            return false;
        }
        if row == digits.len() {
            // After the last digit of all comes the first, as 2^p is 1.
            lanes.rotate_right(1);
            carry = V::load(&lanes);
            row = 0;
        }
        for part in 0..2 {
            let one_in_base = bases.one_in_base(V::load(&unweights[row][part]));
            let digit = carry.mul_add(one_in_base, V::load(&digits[row][part]));
            split(digit, &mut carry).store(&mut digits[row][part]);
        }
        row += 1;
    }
    false
}
