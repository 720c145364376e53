//! The test of Lucas and Lehmer: `s(0) = 4`, `s(i + 1) = s(i)^2 - 2`, and 2^p - 1 is prime if and only if `s(p - 2)` is 0.
//!
//! Two things are watched. Each multiplication knows how far from whole numbers its sums were; where that is too far, the run
//! goes back some iterations and on with a longer transform. And for every i from 1 on, `s(i) - 2` is no square: its Jacobi
//! symbol is -1 (A. Krizhanovskii's observation; `s(i + 1) - 2 = (s(i) - 2) s(i - 1)^2`, and `s(1) - 2` is 12). A wrong
//! residue fails this with a chance of one half, and then the run goes back to where it was right. As it costs about as
//! much as one iteration in a hundred, it is looked at twice in a run: half-way, and at the end. With it goes a look at
//! the values that the iteration never leaves again, 0, -2 and 2: their symbols tell nothing, and a residue that a fault
//! has cleared ends on 2.

use super::arithmetic::Arithmetic;
use super::jacobi::{Outcome, Symbol};
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
    /// The check under way: the residue, and the symbol of what is 2 less.
    check: Option<(Residue, Symbol)>,
    /// Whether it went back because of a value that is not left again. The second time such a value is believed: that there
    /// can be none before the end is not proven.
    was_stuck: bool,
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
        Self {
            arithmetic,
            iteration: now.0,
            copy: (now.0, number.clone()),
            number,
            checked,
            check: None,
            was_stuck: false,
            errors: 0,
        }
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
            if let Some((_, symbol)) = &mut self.check {
                spent += symbol.step(work - spent);
                self.finish_check();
                continue;
            }
            spent += self.price();
            if self.advance().is_err() {
                self.go_on_longer();
            }
        }
        spent
    }

    fn advance(&mut self) -> Result<(), RoundOff> {
        // A run that was saved in the middle of a check begins with it.
        let halves = [self.iterations() / 2, self.iterations()];
        if halves.contains(&self.iteration) && self.iteration > self.checked.0 {
            let residue = self.arithmetic.residue(&self.number);
            let less = residue.sub(&Residue::small(residue.exponent(), 2));
            self.check = Some((residue, Symbol::of(&less)));
            return Ok(());
        }
        if self.iteration.is_multiple_of(COPY_EVERY) {
            self.copy = (self.iteration, self.number.clone());
        }
        self.arithmetic.field.square_minus_two(&mut self.number)?;
        self.iteration += 1;
        Ok(())
    }

    fn finish_check(&mut self) {
        let is_over = |(_, symbol): &mut (Residue, Symbol)| symbol.outcome().is_some();
        let Some((residue, symbol)) = self.check.take_if(is_over) else { return };
        let is_prime = residue.is_zero() && self.iteration == self.iterations();
        let is_stuck = !is_prime && !self.was_stuck && is_never_left(&residue);
        if symbol.outcome() != Some(Outcome::One) && !is_stuck {
            self.checked = (self.iteration, residue);
            return;
        }
        self.errors += 1;
        self.was_stuck |= is_stuck;
        let (iteration, residue) = &self.checked;
        self.number = self.arithmetic.number(residue, self.number.shift());
        self.iteration = *iteration;
        self.copy = (self.iteration, self.number.clone());
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

/// Whether it is 0, -2 or 2: from 0 the iteration goes to -2 and from there to 2, where it stays.
fn is_never_left(s: &Residue) -> bool {
    let two = Residue::small(s.exponent(), 2);
    s.is_zero() || *s == two || s.add(&two).is_zero()
}

#[cfg(test)]
impl Lucas {
    /// From the start, with a transform that may be too short.
    fn with_digits(exponent: u32, digits: u32, shift: u32) -> Self {
        let mut lucas = Self::new(exponent, 0, shift);
        lucas.arithmetic = Arithmetic::with_digits(exponent, digits);
        lucas.number = lucas.arithmetic.number(&Residue::small(exponent, 4), shift);
        lucas.copy = (0, lucas.number.clone());
        lucas
    }

    /// As if a fault had put this in the place of the residue.
    fn put(&mut self, residue: &Residue) {
        self.number = self.arithmetic.number(residue, self.number.shift());
    }

    /// As if a bit had flipped in memory.
    pub(super) fn flip(&mut self, bit: u32) {
        let residue = self.arithmetic.residue(&self.number);
        self.put(&residue.add(&Residue::small(residue.exponent(), 1).shifted(bit)));
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

    #[test]
    fn a_transform_too_short_gives_way_to_a_longer_one() {
        for exponent in [2999, 3181] {
            let plain = super::super::reference::lucas_lehmer(exponent);
            for shift in [0, 5] {
                let (end, errors) = run(Lucas::with_digits(exponent, 128, shift));
                assert_eq!(end, plain, "{exponent}, shift {shift}");
                assert!(errors > 0, "{exponent} is too much for so few digits");
            }
        }
    }

    #[test]
    fn values_that_are_never_left_are_noticed_and_mended() {
        let exponent = 1009;
        let (right, _) = run(Lucas::new(exponent, 0, 0));
        let two = Residue::small(exponent, 2);
        let zero = two.sub(&two);
        for at in [100, 503, 504, 900, 1005, 1006] {
            for stuck in [&zero, &two, &zero.sub(&two)] {
                let mut lucas = Lucas::new(exponent, 0, 3);
                while lucas.iteration() < at {
                    lucas.step(1);
                }
                lucas.put(stuck);
                assert_eq!(run(lucas), (right.clone(), 1), "{stuck:?} after {at}");
            }
        }
    }

    #[test]
    fn a_check_is_done_in_short_steps_and_may_be_interrupted() {
        let exponent = 9689;
        let mut lucas = Lucas::new(exponent, 0, 0);
        while lucas.check.is_none() {
            lucas.step(1);
        }
        assert_eq!(lucas.iteration(), lucas.iterations() / 2);
        let mut steps = 0;
        let mut elsewhere = None;
        loop {
            let spent = lucas.step(500);
            if lucas.check.is_none() {
                break;
            }
            assert!(spent <= 500 + u64::from(exponent.div_ceil(64)));
            steps += 1;
            if steps == 3 {
                let [now, checked] = lucas.places();
                elsewhere = Some(Lucas::resume(now, checked));
            }
        }
        assert!(steps > 20, "{steps} steps");

        let mut elsewhere = elsewhere.expect("it took more steps");
        elsewhere.step(1);
        assert!(elsewhere.check.is_some(), "the check is not left out");
        assert!(run(elsewhere).0.is_zero() && run(lucas).0.is_zero());
    }
}
