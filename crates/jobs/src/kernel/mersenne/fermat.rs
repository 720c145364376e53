//! Fermat's test to base 3, watched by Gerbicz' check: `3^(2^p)` modulo 2^p - 1, by p squarings.
//!
//! If 2^p - 1 is prime this is 9. With `x(i)` for `3^(2^i)`, and L iterations to a block, the run keeps the product
//! `d = x(v) x(v + L) x(v + 2L) ...` since the iteration v at which it was last known to be right. One block further on,
//! the product is `x(v)` times `d^(2^L)`: that is Gerbicz' check, and it fails upon practically any error since v, whether
//! in a residue or in the product. It costs L squarings, once in many blocks, and a multiplication for each block, together
//! less than one iteration in a hundred. The iterations after the last whole block are done twice.
//!
//! On the way the run leaves a *trail* of residues, from which the proof will be made.

use super::arithmetic::Arithmetic;
use super::jacobi::shares_a_factor;
use super::proof;
use super::residue::Residue;
use crate::transform::{Number, RoundOff};

/// The exponent the test raises: `3^(2^p)` is this if 2^p - 1 is prime.
pub(super) const OF_PRIMES: u64 = 9;

/// For how many batches of steps to look whether the residues of a state are powers of 3 at all: some milliseconds.
const COMMON_FACTOR_BATCHES: usize = 64;
/// From which exponent on blocks are longer.
const LONG_FROM: u32 = 1 << 20;

/// A run of the test.
#[derive(Clone, Debug)]
pub(super) struct Fermat {
    arithmetic: Arithmetic,
    iteration: u32,
    number: Number,
    /// The product over the blocks begun since `checked`, but for the one that begins at this iteration.
    product: Number,
    /// Where it was last known to be right.
    checked: (u32, Residue),
    /// Number and product at the start of this block.
    copy: (u32, Number, Number),
    /// The check under way: the product, squared so many times.
    check: Option<(Number, u32)>,
    /// The end as reached the first time.
    first_end: Option<Residue>,
    is_done: bool,
    trail: Vec<Residue>,
    errors: u32,
}

/// A run's state, to be saved. It is part of the format: what a run does with it must not change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) now: (u32, Residue),
    pub(super) product: Residue,
    pub(super) checked: (u32, Residue),
    /// The residues after 1, 2, ... times [`proof::stride`] iterations.
    pub(super) trail: Vec<Residue>,
}

/// How many iterations make a block.
pub(super) fn block(exponent: u32) -> u32 {
    match exponent {
        ..4096 => 32,
        4096..LONG_FROM => 256,
        LONG_FROM.. => 512,
    }
}

/// After how many iterations at most there is a check.
fn check_every(exponent: u32) -> u32 {
    block(exponent) * block(exponent)
}

impl State {
    /// Whether a run can be there. Residues that are 0, or 0 modulo a large factor of 2^p - 1, are no powers of 3; they pass
    /// Gerbicz' check, as all its products are 0 with them.
    pub(super) fn is_consistent(&self) -> bool {
        self.is_regular() && self.is_of_units()
    }

    fn is_of_units(&self) -> bool {
        let shares = |residue: &&Residue| shares_a_factor(residue, COMMON_FACTOR_BATCHES);
        !self.trail.iter().any(Residue::is_zero)
            && ![&self.now.1, &self.product, &self.checked.1].iter().any(shares)
    }

    fn is_regular(&self) -> bool {
        let p = self.now.1.exponent();
        let (now, checked) = (self.now.0, self.checked.0);
        let left = (now.min(p) / proof::stride(p)).min(1 << proof::power(p));
        checked.is_multiple_of(block(p)) && checked <= now && now < p && self.trail.len() == left as usize
    }
}

impl Fermat {
    /// From the start.
    pub(super) fn new(exponent: u32) -> Self {
        let three = Residue::small(exponent, 3);
        let (now, checked) = ((0, three.clone()), (0, three.clone()));
        Self::resume(State { now, product: three, checked, trail: Vec::new() })
    }

    /// From where a run was, by a consistent state.
    pub(super) fn resume(state: State) -> Self {
        let arithmetic = Arithmetic::new(state.now.1.exponent(), 0);
        let number = arithmetic.number(&state.now.1, 0);
        let product = arithmetic.number(&state.product, 0);
        Self {
            iteration: state.now.0,
            copy: (state.now.0, number.clone(), product.clone()),
            arithmetic,
            number,
            product,
            checked: state.checked,
            check: None,
            first_end: None,
            is_done: false,
            trail: state.trail,
            errors: 0,
        }
    }

    /// Where it is. In the middle of a check or of the second end, that is where this began.
    pub(super) fn state(&self) -> State {
        let (now, product) = if self.first_end.is_some() {
            (self.checked.clone(), self.checked.1.clone())
        } else {
            let residue = self.arithmetic.residue(&self.number);
            ((self.iteration, residue), self.arithmetic.residue(&self.product))
        };
        let left = now.0 / proof::stride(self.exponent());
        let trail = self.trail[..self.trail.len().min(left as usize)].to_vec();
        State { now, product, checked: self.checked.clone(), trail }
    }

    fn exponent(&self) -> u32 {
        self.arithmetic.exponent()
    }

    pub(super) fn iteration(&self) -> u32 {
        if self.first_end.is_some() { self.exponent() } else { self.iteration }
    }

    pub(super) fn errors(&self) -> u32 {
        self.errors
    }

    /// The price of one iteration.
    pub(super) fn price(&self) -> u64 {
        self.arithmetic.price()
    }

    /// Once the run is done: `3^(2^p)`, where the run was last checked before, and the trail.
    pub(super) fn take_end(&mut self) -> Option<(Residue, (u32, Residue), Vec<Residue>)> {
        let end = self.first_end.as_ref().filter(|_| self.is_done)?;
        Some((end.clone(), self.checked.clone(), std::mem::take(&mut self.trail)))
    }

    /// Spends about `work`, in elements of the transform; returns how much it was.
    pub(super) fn step(&mut self, work: u64) -> u64 {
        let mut spent = 0;
        while spent < work && !self.is_done {
            spent += self.price();
            let done = if self.check.is_some() { self.go_on_checking() } else { self.advance() };
            if done.is_err() {
                self.go_on_longer();
            }
        }
        spent
    }

    fn advance(&mut self) -> Result<(), RoundOff> {
        let p = self.exponent();
        if self.iteration.is_multiple_of(block(p)) && self.iteration > self.checked.0 {
            self.copy = (self.iteration, self.number.clone(), self.product.clone());
            let is_last = p - self.iteration < block(p);
            if is_last || self.iteration - self.checked.0 >= check_every(p) {
                self.check = Some((self.product.clone(), 0));
                return Ok(());
            }
            self.arithmetic.field.multiply(&mut self.product, &self.number)?;
        }
        self.arithmetic.field.square(&mut self.number)?;
        self.iteration += 1;
        self.leave_trail();
        if self.iteration == p {
            self.on_end();
        }
        Ok(())
    }

    fn leave_trail(&mut self) {
        let p = self.exponent();
        let next = self.trail.len() as u32 + 1;
        if next <= 1 << proof::power(p) && self.iteration == next * proof::stride(p) {
            self.trail.push(self.arithmetic.residue(&self.number));
        }
    }

    /// The first end is kept, and the second is compared to it.
    fn on_end(&mut self) {
        let end = self.arithmetic.residue(&self.number);
        match &self.first_end {
            Some(first) if *first == end => self.is_done = true,
            Some(_) => {
                self.errors += 1;
                self.go_back();
            }
            None => {
                self.go_back();
                self.first_end = Some(end);
            }
        }
    }

    fn go_on_checking(&mut self) -> Result<(), RoundOff> {
        let p = self.exponent();
        let Some((number, squared)) = &mut self.check else { return Ok(()) };
        if *squared < block(p) {
            self.arithmetic.field.square(number)?;
            *squared += 1;
            return Ok(());
        }
        let start = self.arithmetic.number(&self.checked.1, 0);
        self.arithmetic.field.multiply(number, &start)?;
        let mut product = self.product.clone();
        self.arithmetic.field.multiply(&mut product, &self.number)?;
        if self.arithmetic.residue(number) == self.arithmetic.residue(&product) {
            self.check = None;
            self.checked = (self.iteration, self.arithmetic.residue(&self.number));
            self.product = self.number.clone();
            self.copy = (self.iteration, self.number.clone(), self.product.clone());
        } else {
            self.errors += 1;
            self.go_back();
        }
        Ok(())
    }

    /// Back to where it was last known to be right.
    fn go_back(&mut self) {
        self.check = None;
        self.first_end = None;
        self.iteration = self.checked.0;
        self.number = self.arithmetic.number(&self.checked.1, 0);
        self.product = self.number.clone();
        self.copy = (self.iteration, self.number.clone(), self.product.clone());
        self.trail.truncate((self.iteration / proof::stride(self.exponent())) as usize);
    }

    fn go_on_longer(&mut self) {
        self.errors += 1;
        let (iteration, number, product) = &self.copy;
        let (iteration, number, product) =
            (*iteration, self.arithmetic.residue(number), self.arithmetic.residue(product));
        self.arithmetic.lengthen();
        self.check = None;
        self.iteration = iteration;
        self.number = self.arithmetic.number(&number, 0);
        self.product = self.arithmetic.number(&product, 0);
        self.copy = (iteration, self.number.clone(), self.product.clone());
        self.trail.truncate((iteration / proof::stride(self.exponent())) as usize);
    }
}

#[cfg(test)]
impl Fermat {
    /// From the start, with a transform that may be too short.
    fn with_digits(exponent: u32, digits: u32) -> Self {
        let three = Residue::small(exponent, 3);
        let mut fermat = Self::new(exponent);
        fermat.arithmetic = Arithmetic::with_digits(exponent, digits);
        fermat.number = fermat.arithmetic.number(&three, 0);
        fermat.product = fermat.number.clone();
        fermat.copy = (0, fermat.number.clone(), fermat.number.clone());
        fermat
    }

    /// As if a bit had flipped in a residue of the trail, which is not looked at before the proof is made.
    pub(super) fn flip_trail(&mut self) {
        let one = Residue::small(self.exponent(), 1);
        self.trail[10] = self.trail[10].add(&one.shifted(77));
    }

    /// As if a bit had flipped where it was last known to be right.
    pub(super) fn flip_checked(&mut self) {
        let one = Residue::small(self.exponent(), 1);
        self.checked.1 = self.checked.1.add(&one.shifted(77));
    }

    /// As if a bit had flipped in memory: in the residue, or in the product.
    pub(super) fn flip(&mut self, bit: u32, in_product: bool) {
        let number = if in_product { &mut self.product } else { &mut self.number };
        let residue = self.arithmetic.residue(number);
        let wrong = residue.add(&Residue::small(residue.exponent(), 1).shifted(bit));
        *number = self.arithmetic.number(&wrong, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(exponent: u32) -> Residue {
        (0..exponent).fold(Residue::small(exponent, 3), |x, _| x.square())
    }

    fn run(fermat: &mut Fermat) -> Residue {
        loop {
            fermat.step(1);
            if fermat.is_done {
                return fermat.first_end.clone().expect("it is done");
            }
        }
    }

    #[test]
    fn the_end_and_the_trail_are_those_of_plain_squaring() {
        for exponent in [67, 101, 1009, 1279] {
            let mut fermat = Fermat::new(exponent);
            assert_eq!(run(&mut fermat), plain(exponent));
            assert_eq!(fermat.errors(), 0);

            let (_, _, trail) = fermat.take_end().expect("it is done");
            let mut x = Residue::small(exponent, 3);
            for residue in &trail {
                x = (0..proof::stride(exponent)).fold(x, |x, _| x.square());
                assert_eq!(*residue, x);
            }
            assert_eq!(trail.len(), 1 << proof::power(exponent));
        }
    }

    #[test]
    fn a_flipped_bit_is_noticed_and_mended() {
        let right = plain(1009);
        for at in (1..1009).step_by(37) {
            for in_product in [false, true] {
                let mut fermat = Fermat::new(1009);
                while fermat.iteration() < at {
                    fermat.step(1);
                }
                fermat.flip(at * 7, in_product);
                assert_eq!(run(&mut fermat), right, "flipped after {at}, product: {in_product}");
                // What is no longer needed may flip.
                assert!(fermat.errors() == 1 || in_product, "flipped after {at}");
            }
        }
    }

    #[test]
    fn a_run_goes_on_from_any_of_its_states() {
        let right = plain(1009);
        let mut fermat = Fermat::new(1009);
        for step in 0.. {
            if fermat.is_done {
                break;
            }
            fermat.step(1);
            if step % 9 == 0 {
                let state = fermat.state();
                assert!(state.is_consistent(), "after {step} steps");
                fermat = Fermat::resume(state);
                if step > 900 {
                    assert_eq!(run(&mut fermat), right);
                }
            }
        }
    }

    #[test]
    fn a_transform_too_short_gives_way_to_a_longer_one() {
        for exponent in [2999, 3181] {
            let mut long = Fermat::new(exponent);
            let mut short = Fermat::with_digits(exponent, 128);

            assert_eq!(run(&mut short), plain(exponent));
            assert!(short.errors() > 0, "{exponent} is too much for so few digits");
            run(&mut long);
            assert_eq!(short.take_end(), long.take_end());
        }
    }

    #[test]
    fn residues_that_are_no_powers_of_three_make_no_state() {
        let exponent = 509;
        let mut fermat = Fermat::new(exponent);
        while fermat.iteration() < 100 {
            fermat.step(1);
        }
        let state = fermat.state();
        let one = Residue::small(exponent, 1);
        let zero = one.sub(&one);
        let zeros: [fn(&mut State) -> &mut Residue; 4] = [
            |state| &mut state.now.1,
            |state| &mut state.product,
            |state| &mut state.checked.1,
            |state| &mut state.trail[3],
        ];

        assert!(state.is_consistent());
        for place in zeros {
            let mut state = state.clone();
            *place(&mut state) = zero.clone();
            assert!(!state.is_consistent());
        }
    }
}
