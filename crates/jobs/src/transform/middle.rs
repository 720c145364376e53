//! The middle of the transform: in each block of L rows the last two steps there, the multiplication, and the first
//! two back.
//!
//! A block is transformed over its rows, multiplied by the twist, transposed, and transformed over what were its
//! lanes. Then number (j, lane) of the block of strand s whose first frequency is f has the frequency
//! k = s + L (f + B lane + Q j) of N.
//!
//! The numbers are the transform Z of pairs of real numbers, z_j = x_2j + i x_(2j+1). Of them, the transform of the
//! real numbers is put together and squared, and taken apart again, all in one. With A = Z_k, B = conj Z_(N-k) and
//! c = (1 + e^(-2 pi i k/N))/4, the square's numbers are
//!
//! ```text
//! Z_k        <-  A^2 - c (A - B)^2
//! conj Z_-k  <-  B^2 - c (A - B)^2
//! ```
//!
//! and likewise those of a product, A A' - c (A - B)(A' - B') and so on. (Write A = E + iO, B = E - iO; the
//! transforms of the even and the odd digits are E and O, and their product's are E E' + w O O' and E O' + O E', for
//! w = 4c - 1.)

use super::butterfly;
use super::passes;
use super::plan::Plan;
use super::steps::{Steps, Strands};
use super::vector::{Arithmetic, Complex, Row, Vector, rows, rows_mut, transpose};

/// Transforms the strands there, multiplies (by `other`, if there is one, which went through [`forward`]; else by
/// themselves), and transforms them back. `scratch` has room for 2 (L^2 + L) numbers, twice.
pub(super) fn multiply<V: Steps<L>, const L: usize>(
    plan: &Plan,
    work: &mut [f64],
    other: Option<&[f64]>,
    scratch: &mut [f64],
) {
    let mut strands = work.chunks_exact_mut(plan.pitch).map(|strand| &mut rows_mut::<L>(strand)[..plan.rows]);
    let by = |k: usize| other.map(|other| &rows::<L>(&other[k * plan.pitch..])[..plan.rows]);
    for index in 0..=L / 2 {
        let Some(own) = strands.next() else { return };
        let mirror = if index % (L / 2) == 0 { None } else { strands.next_back() };
        let mut strands = Strands { own, mirror, by: None, index, pairs: &plan.across };
        strands.by = by(index).zip(by((L - index) % L)).map(|(own, mirror)| [own, mirror]);
        passes::forward::<V, L>(plan, strands.own);
        if let Some(mirror) = &mut strands.mirror {
            passes::forward::<V, L>(plan, mirror);
        } else if index == 0 {
            V::cyclic_block(plan, strands.own, by(0), scratch);
            strands.pairs = &plan.cyclic;
        } else {
            strands.pairs = &plan.middle;
        }
        V::pairs(plan, strands.again());
        passes::inverse::<V, L>(plan, strands.own);
        if let Some(mirror) = strands.mirror {
            passes::inverse::<V, L>(plan, mirror);
        }
    }
}

/// Transforms the strands and leaves them so, for being multiplied by.
pub(super) fn forward<V: Steps<L>, const L: usize>(plan: &Plan, work: &mut [f64]) {
    for strand in work.chunks_exact_mut(plan.pitch) {
        let strand = &mut rows_mut::<L>(strand)[..plan.rows];
        passes::forward::<V, L>(plan, strand);
        V::forward_blocks(plan, strand);
    }
}

/// The last two steps there, for all blocks of a strand.
#[inline(always)]
pub(super) fn forward_blocks<V: Vector<L>, const L: usize>(plan: &Plan, strand: &mut [Row<L>]) {
    let twist = rows::<L>(&plan.twist).as_chunks::<L>().0;
    for (block, twist) in strand.as_chunks_mut::<L>().0.iter_mut().zip(twist) {
        let x = block_forward::<V, L>(block, twist);
        for (x, row) in x.iter().zip(block) {
            x.store(row);
        }
    }
}

/// Multiplies in blocks that mirror each other or themselves.
#[inline(always)]
pub(super) fn pairs<V: Vector<L>, const L: usize>(plan: &Plan, strands: Strands<'_, L>) {
    let twist = rows::<L>(&plan.twist).as_chunks::<L>().0;
    let turns = &plan.turns[strands.index * plan.blocks..];
    let own = strands.own.as_chunks_mut::<L>().0;
    let mut mirror = strands.mirror.map(|mirror| mirror.as_chunks_mut::<L>().0);
    let by = strands.by.map(|by| by.map(|by| by.as_chunks::<L>().0));
    for &(i, j) in strands.pairs {
        let (i, j) = (i as usize, j as usize);
        let mut a = block_forward::<V, L>(&own[i], &twist[i]);
        let mut b = block_forward::<V, L>(mirror.as_deref().map_or(&own[j], |mirror| &mirror[j]), &twist[j]);
        let turn = Complex::splat(turns[i]);
        match by {
            None => square(plan, turn, &mut a, &mut b),
            Some(by) => times(plan, turn, [&mut a, &mut b], [&by[0][i], &by[1][j]]),
        }
        // A block that mirrors itself is in both, and comes out of both the same.
        block_inverse(a, &mut own[i], &twist[i]);
        block_inverse(b, mirror.as_deref_mut().map_or(&mut own[j], |mirror| &mut mirror[j]), &twist[j]);
    }
}

/// Over the rows, and then over the lanes.
#[inline(always)]
fn block_forward<V: Vector<L>, const L: usize>(block: &[Row<L>; L], twist: &[Row<L>; L]) -> [Complex<V>; L] {
    let mut x = [Complex::<V>::splat([0.0; 2]); L];
    for (x, row) in x.iter_mut().zip(block) {
        *x = Complex::load(row);
    }
    butterfly::forward(&mut x);
    for (x, twist) in x.iter_mut().zip(twist) {
        *x = x.mul(Complex::load(twist));
    }
    transpose(&mut x);
    butterfly::forward(&mut x);
    x
}

/// Over the lanes, and then over the rows, back.
#[inline(always)]
fn block_inverse<V: Vector<L>, const L: usize>(
    mut x: [Complex<V>; L],
    block: &mut [Row<L>; L],
    twist: &[Row<L>; L],
) {
    butterfly::inverse(&mut x);
    transpose(&mut x);
    for (x, twist) in x.iter_mut().zip(twist) {
        *x = x.mul_conjugate(Complex::load(twist));
    }
    butterfly::inverse(&mut x);
    for (x, row) in x.iter().zip(block) {
        x.store(row);
    }
}

/// c for row `j` of a block.
#[inline(always)]
fn factor<V: Vector<L>, const L: usize>(plan: &Plan, turn: Complex<V>, j: usize) -> Complex<V> {
    let turned = turn.mul(Complex::load(&rows::<L>(&plan.turn_lanes)[j]));
    Complex { re: turned.re.add(V::splat(0.25)), im: turned.im }
}

#[inline(always)]
fn conjugate_difference<V: Arithmetic>(a: Complex<V>, b: Complex<V>) -> Complex<V> {
    Complex { re: a.re.sub(b.re), im: a.im.add(b.im) }
}

/// Squares what stands in two blocks that mirror each other, row j from the front in row j from the back.
#[inline(always)]
fn square<V: Vector<L>, const L: usize>(
    plan: &Plan,
    turn: Complex<V>,
    a: &mut [Complex<V>; L],
    b: &mut [Complex<V>; L],
) {
    for j in 0..L {
        let (x, y) = (a[j], b[L - 1 - j].reversed());
        let part = conjugate_difference(x, y).square().mul(factor(plan, turn, j));
        a[j] = x.square().sub(part);
        b[L - 1 - j] = conjugate_difference(y.square(), part).reversed();
    }
}

/// As [`square`], but multiplies by what stands in two other blocks.
#[inline(always)]
fn times<V: Vector<L>, const L: usize>(
    plan: &Plan,
    turn: Complex<V>,
    [a, b]: [&mut [Complex<V>; L]; 2],
    others: [&[Row<L>; L]; 2],
) {
    for j in 0..L {
        let (x, y) = (a[j], b[L - 1 - j].reversed());
        let (u, v) = (Complex::load(&others[0][j]), Complex::load(&others[1][L - 1 - j]).reversed());
        let part = conjugate_difference(x, y).mul(conjugate_difference(u, v)).mul(factor(plan, turn, j));
        a[j] = x.mul(u).sub(part);
        b[L - 1 - j] = conjugate_difference(y.mul(v), part).reversed();
    }
}

/// Block 0 of strand 0, whose number m = lane + L j mirrors number -m modulo L^2: each lane by itself.
#[inline(always)]
pub(super) fn cyclic_block<V: Vector<L>, const L: usize>(
    plan: &Plan,
    strand: &mut [Row<L>],
    by: Option<&[Row<L>]>,
    scratch: &mut [f64],
) {
    let twist = &rows::<L>(&plan.twist).as_chunks::<L>().0[0];
    let block = &mut strand.as_chunks_mut::<L>().0[0];
    let mut x = block_forward::<V, L>(block, twist);
    let mut u = x;
    if let Some(by) = by {
        for (u, row) in u.iter_mut().zip(by) {
            *u = Complex::load(row);
        }
    }
    let (of_x, of_u) = scratch.split_at_mut(scratch.len() / 2);
    let (y, v) = (mirrored(&x, of_x), mirrored(&u, of_u));
    let turn = Complex::splat(plan.turns[0]);
    for j in 0..L {
        let difference = conjugate_difference(x[j], y[j]).mul(conjugate_difference(u[j], v[j]));
        x[j] = x[j].mul(u[j]).sub(difference.mul(factor(plan, turn, j)));
    }
    block_inverse(x, block, twist);
}

/// For each number m of a block the number -m modulo L^2, by way of `scratch`.
#[inline(always)]
fn mirrored<V: Vector<L>, const L: usize>(x: &[Complex<V>; L], scratch: &mut [f64]) -> [Complex<V>; L] {
    let (re, im) = scratch.split_at_mut(scratch.len() / 2);
    let (rows, _) = re.as_chunks_mut::<L>();
    rows.iter_mut().zip(x).for_each(|(row, x)| x.re.store(row));
    let (rows, _) = im.as_chunks_mut::<L>();
    rows.iter_mut().zip(x).for_each(|(row, x)| x.im.store(row));
    // -0 is 0, and would be found after the last.
    (re[L * L], im[L * L]) = (re[0], im[0]);
    let mut mirrored = *x;
    for (j, y) in mirrored.iter_mut().enumerate() {
        let from = L * L - L * j - (L - 1);
        let read = |values: &[f64]| values[from..].first_chunk().map_or(V::splat(0.0), V::load);
        *y = Complex { re: read(re), im: read(im) }.reversed();
    }
    mirrored
}
