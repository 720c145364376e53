//! The test of Lucas and Lehmer: `s(0) = 4`, `s(i + 1) = s(i)^2 - 2`, and 2^p - 1 is prime if and only if `s(p - 2)` is 0.
//!
//! Two things are watched. Each multiplication knows how far from whole numbers its sums were; where that is too far, the run
//! goes back some iterations and on with a longer transform. And for every i from 1 on, `s(i) - 2` is no square: its Jacobi
//! symbol is -1 (A. Krizhanovskii's observation; `s(i + 1) - 2 = (s(i) - 2) s(i - 1)^2`, and `s(1) - 2` is 12). A wrong
//! residue fails this with a chance of one half, and then the run goes back to where it was right. As it costs about as
//! much as one iteration in a hundred, it is looked at twice in a run: half-way, and at the end.

use super::arithmetic::Arithmetic;
use super::jacobi;
use super::residue::Residue;
use crate::transform::{Number, RoundOff};

/// After how many iterations a copy is kept, to go back to when the round-off is too large. Copying costs less than one
/// iteration.
const COPY_EVERY: u32 = 256;

/// A run of the test. The exponent is odd.
#[derive(Clone, Debug)]
pub(super) struct Lucas {
    arithmetic: Arithmetic,
    iteration: u32,
    number: Number,
    /// A copy of not long ago.
    copy: (u32, Number),
    /// Where the symbol was last right.
    checked: (u32, Residue),
    /// How often an error was noticed and mended.
    errors: u32,
}

impl Lucas {
    /// From the start. `nth` is which of the fitting transform lengths to use, 0 being the best.
    pub(super) fn new(exponent: u32, nth: usize, shift: u32) -> Self {
        let four = Residue::small(exponent, 4);
        Self::at(exponent, nth, shift, (0, four.clone()), (0, four))
    }

    /// From where a run was, and where its symbol was last right.
    pub(super) fn resume(now: (u32, Residue), checked: (u32, Residue)) -> Self {
        Self::at(now.1.exponent(), 0, 0, now, checked)
    }

    fn at(exponent: u32, nth: usize, shift: u32, now: (u32, Residue), checked: (u32, Residue)) -> Self {
        let arithmetic = Arithmetic::new(exponent, nth);
        let number = arithmetic.number(&now.1, shift);
        Self { arithmetic, iteration: now.0, copy: (now.0, number.clone()), number, checked, errors: 0 }
    }

    pub(super) fn iteration(&self) -> u32 {
        self.iteration
    }

    /// How many iterations there are in all.
    pub(super) fn iterations(&self) -> u32 {
        self.arithmetic.exponent() - 2
    }

    pub(super) fn errors(&self) -> u32 {
        self.errors
    }

    /// The price of one iteration.
    pub(super) fn price(&self) -> u64 {
        self.arithmetic.price()
    }

    /// Where it is, and where it was last known to be right.
    pub(super) fn places(&self) -> [(u32, Residue); 2] {
        [(self.iteration, self.arithmetic.residue(&self.number)), self.checked.clone()]
    }

    /// The last residue, once it is reached and its symbol is right.
    pub(super) fn end(&self) -> Option<&Residue> {
        (self.checked.0 == self.iterations()).then_some(&self.checked.1)
    }

    /// Spends about `work`, in elements of the transform; returns how much it was.
    pub(super) fn step(&mut self, work: u64) -> u64 {
        let mut spent = 0;
        while spent < work && self.end().is_none() {
            spent += self.price();
            if self.advance().is_err() {
                self.go_on_longer();
            }
        }
        spent
    }

    fn advance(&mut self) -> Result<(), RoundOff> {
        if self.iteration < self.iterations() {
            if self.iteration.is_multiple_of(COPY_EVERY) {
                self.copy = (self.iteration, self.number.clone());
            }
            self.arithmetic.field.square_minus_two(&mut self.number)?;
            self.iteration += 1;
        }
        let halves = [self.iterations() / 2, self.iterations()];
        if halves.contains(&self.iteration) && self.iteration > self.checked.0 {
            self.check();
        }
        Ok(())
    }

    fn check(&mut self) {
        let residue = self.arithmetic.residue(&self.number);
        if is_no_square(&residue) {
            self.checked = (self.iteration, residue);
        } else {
            self.errors += 1;
            let (iteration, residue) = &self.checked;
            self.number = self.arithmetic.number(residue, self.number.shift());
            self.iteration = *iteration;
            self.copy = (self.iteration, self.number.clone());
        }
    }

    fn go_on_longer(&mut self) {
        self.errors += 1;
        let (iteration, number) = &self.copy;
        let (residue, shift) = (self.arithmetic.residue(number), number.shift());
        self.iteration = *iteration;
        self.arithmetic.lengthen();
        self.number = self.arithmetic.number(&residue, shift);
        self.copy = (self.iteration, self.number.clone());
    }
}

/// Whether the Jacobi symbol of `s - 2` is -1, or at least not found to be another.
fn is_no_square(s: &Residue) -> bool {
    let exponent = s.exponent();
    let less = s.sub(&Residue::small(exponent, 2));
    // 2^p - 1 itself, as minus one and one more: its words are all ones.
    let mut whole = Residue::small(exponent, 0).sub(&Residue::small(exponent, 1)).words().to_vec();
    whole[0] |= 1;
    jacobi::symbol(less.words(), &whole) != Some(true)
}

#[cfg(test)]
impl Lucas {
    /// As if a bit had flipped in memory.
    pub(super) fn flip(&mut self, bit: u32) {
        let residue = self.arithmetic.residue(&self.number);
        let exponent = residue.exponent();
        let wrong = residue.add(&Residue::small(exponent, 1).shifted(bit));
        self.number = self.arithmetic.number(&wrong, self.number.shift());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(mut lucas: Lucas) -> (Residue, u32) {
        loop {
            lucas.step(1);
            if let Some(end) = lucas.end() {
                return (end.clone(), lucas.errors());
            }
        }
    }

    #[test]
    fn whatever_the_length_and_shift_the_end_is_the_same() {
        let (plain, _) = run(Lucas::new(1009, 0, 0));
        for (nth, shift) in [(0, 1), (1, 0), (2, 777), (4, 1008)] {
            assert_eq!(run(Lucas::new(1009, nth, shift)), (plain.clone(), 0), "length {nth}, shift {shift}");
        }
        assert!(run(Lucas::new(1279, 1, 31)).0.is_zero());
    }

    #[test]
    fn about_half_of_flipped_bits_are_noticed_and_mended() {
        let (right, _) = run(Lucas::new(607, 0, 0));
        let mut noticed = 0;
        for bit in 0..100 {
            let mut lucas = Lucas::new(607, 0, 5);
            while lucas.iteration() < 100 + bit {
                lucas.step(1);
            }
            lucas.flip(bit * 6);
            let (end, errors) = run(lucas);
            assert!(errors == 0 || end == right, "once noticed, it is mended");
            noticed += errors;
        }
        assert!((25..=75).contains(&noticed), "{noticed} of 100");
    }
}
