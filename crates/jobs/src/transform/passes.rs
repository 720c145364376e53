//! The passes over the rows of a strand: transforms over q, of all lanes alike, until blocks of L rows are left.
//!
//! There (decimation in frequency) the results are multiplied by the twiddles, back (decimation in time) it is the
//! numbers. The frequencies come out scrambled and stay so, as the way back takes them like that.

use super::butterfly;
use super::plan::{Pass, Plan};
use super::steps::Steps;
use super::vector::{Complex, Row, Vector};

/// All passes over one strand.
pub(super) fn forward<V: Steps<L>, const L: usize>(plan: &Plan, strand: &mut [Row<L>]) {
    let Some((first, others)) = plan.passes.split_first() else { return };
    V::pass(first, strand);
    // What the first pass leaves apart stays in the nearest cache until it is done.
    for part in strand.chunks_exact_mut(first.part) {
        for pass in others {
            V::pass(pass, part);
        }
    }
}

/// All passes back.
pub(super) fn inverse<V: Steps<L>, const L: usize>(plan: &Plan, strand: &mut [Row<L>]) {
    let Some((first, others)) = plan.passes.split_first() else { return };
    for part in strand.chunks_exact_mut(first.part) {
        for pass in others.iter().rev() {
            V::pass_back(pass, part);
        }
    }
    V::pass_back(first, strand);
}

/// One pass.
#[inline(always)]
pub(super) fn forward_pass<V: Vector<L>, const L: usize>(pass: &Pass, rows: &mut [Row<L>]) {
    match pass.radix {
        2 => forward_radix::<V, L, 2>(pass, rows),
        3 => forward_radix::<V, L, 3>(pass, rows),
        4 => forward_radix::<V, L, 4>(pass, rows),
        5 => forward_radix::<V, L, 5>(pass, rows),
        7 => forward_radix::<V, L, 7>(pass, rows),
        _ => forward_radix::<V, L, 8>(pass, rows),
    }
}

/// One pass back.
#[inline(always)]
pub(super) fn inverse_pass<V: Vector<L>, const L: usize>(pass: &Pass, rows: &mut [Row<L>]) {
    match pass.radix {
        2 => inverse_radix::<V, L, 2>(pass, rows),
        3 => inverse_radix::<V, L, 3>(pass, rows),
        4 => inverse_radix::<V, L, 4>(pass, rows),
        5 => inverse_radix::<V, L, 5>(pass, rows),
        7 => inverse_radix::<V, L, 7>(pass, rows),
        _ => inverse_radix::<V, L, 8>(pass, rows),
    }
}

#[inline(always)]
fn forward_radix<V: Vector<L>, const L: usize, const R: usize>(pass: &Pass, rows: &mut [Row<L>]) {
    for group in rows.chunks_exact_mut(R * pass.part) {
        let parts = split::<L, R>(group, pass.part);
        for (i, twiddles) in (0..pass.part).zip(pass.twiddles.chunks_exact(R - 1)) {
            let mut x = [Complex::<V>::splat([0.0; 2]); R];
            for (x, part) in x.iter_mut().zip(&parts) {
                *x = Complex::load(&part[i]);
            }
            butterfly::forward(&mut x);
            x[0].store(&mut parts[0][i]);
            for k in 1..R {
                x[k].mul(Complex::splat(twiddles[k - 1])).store(&mut parts[k][i]);
            }
        }
    }
}

#[inline(always)]
fn inverse_radix<V: Vector<L>, const L: usize, const R: usize>(pass: &Pass, rows: &mut [Row<L>]) {
    for group in rows.chunks_exact_mut(R * pass.part) {
        let mut parts = split::<L, R>(group, pass.part);
        for (i, twiddles) in (0..pass.part).zip(pass.twiddles.chunks_exact(R - 1)) {
            let mut x = [Complex::<V>::load(&parts[0][i]); R];
            for k in 1..R {
                x[k] = Complex::load(&parts[k][i]).mul_conjugate(Complex::splat(twiddles[k - 1]));
            }
            butterfly::inverse(&mut x);
            for (x, part) in x.iter().zip(&mut parts) {
                x.store(&mut part[i]);
            }
        }
    }
}

/// The `R` parts of a group.
#[inline(always)]
pub(super) fn split<const L: usize, const R: usize>(
    mut group: &mut [Row<L>],
    part: usize,
) -> [&mut [Row<L>]; R] {
    [(); R].map(|()| {
        let (first, rest) = std::mem::take(&mut group).split_at_mut(part);
        group = rest;
        first
    })
}
