//! The verification of a proof, in steps.

use super::super::arithmetic::Arithmetic;
use super::super::fermat::OF_PRIMES;
use super::super::jacobi::{Outcome, Symbol};
use super::super::residue::Residue;
use super::power::Power;
use super::{COMMON_FACTOR_BATCHES, Challenges, Proof, power, squarings, stride, verification_squarings};
use crate::transform::{EXPONENT_MAX, Number, RoundOff};

/// A verification under way: whether `3^(2^p - 2)` modulo 2^p - 1 ends on a residue.
#[derive(Clone, Debug)]
pub struct Verification {
    arithmetic: Arithmetic,
    residue: u64,
    proof: Proof,
    challenges: Vec<u64>,
    work: Work,
    verdict: Option<bool>,
}

/// What is being done, and with which numbers.
#[derive(Clone, Debug)]
enum Work {
    /// A turn: the claim is about `x` and `y`, and this is the power of `x` under way.
    OfX { turn: usize, power: Power, y: Number },
    /// The same turn: the new `x`, and the power of the middle under way.
    OfMiddle { turn: usize, x: Number, power: Power, y: Number },
    /// All turns are made, and it is looked whether `x` has a factor in common with 2^p - 1. Were one of the middles 0
    /// modulo such a factor, then so were `x`, and `y` too: modulo this factor any claim would be true.
    Unit { symbol: Symbol, x: Number, y: Number },
    /// `x` is to be squared so many times more, and then is to be `y`.
    Rest { x: Number, left: u32, y: Number },
    /// The claim is proven: from its end on so many squarings lead to the end of the test.
    Tail { x: Number, left: u32 },
}

impl Verification {
    /// Begins to verify that the test of this exponent ended on a residue with these lowest 64 bits; `None` if the bytes
    /// are no proof about it at all, or the exponent is even: of such no test is made.
    pub fn new(exponent: u32, residue: u64, proof: &[u8]) -> Option<Self> {
        if exponent > EXPONENT_MAX || exponent.is_multiple_of(2) {
            return None;
        }
        let proof = Proof::from_bytes(exponent, proof)?;
        let mut source = Challenges::new(&proof.end);
        let challenges: Vec<u64> = proof.middles.iter().map(|middle| source.next(middle)).collect();
        let arithmetic = Arithmetic::new(exponent, 0);
        let work = first_turn(&arithmetic, &proof, &challenges);
        Some(Self { arithmetic, residue, proof, challenges, work, verdict: None })
    }

    /// Whether the proof is right, once that is known.
    pub fn verdict(&self) -> Option<bool> {
        self.verdict
    }

    /// The price of one multiplication.
    pub(in super::super) fn price(&self) -> u64 {
        self.arithmetic.price()
    }

    /// About how much work is left if the proof is right, in elements of the transform.
    pub(crate) fn work_left(&self) -> u64 {
        let exponent = self.arithmetic.exponent();
        let turns = self.challenges.len() as u64;
        let turn = (2 * power::SQUARINGS + 3) * self.price();
        let all = verification_squarings(exponent) * self.price();
        let tail = exponent - squarings(exponent);
        let squared = |left: u32| u64::from(left) * self.price();
        match &self.work {
            _ if self.verdict.is_some() => 0,
            Work::OfX { turn: made, .. } => all - *made as u64 * turn,
            Work::OfMiddle { turn: made, .. } => all - *made as u64 * turn - turn / 2,
            Work::Unit { .. } => all - turns * turn,
            Work::Rest { left, .. } => squared(left + tail),
            Work::Tail { left, .. } => squared(*left),
        }
    }

    #[cfg(test)]
    pub(super) fn with(self, arithmetic: Arithmetic) -> Self {
        let work = first_turn(&arithmetic, &self.proof, &self.challenges);
        Self { arithmetic, work, ..self }
    }

    /// Spends about `work`, in elements of the transform; returns how much it was.
    pub fn step(&mut self, work: u64) -> u64 {
        let mut spent = 0;
        while spent < work && self.verdict.is_none() {
            spent += self.arithmetic.price();
            if self.advance().is_err() {
                self.arithmetic.lengthen();
                self.work = first_turn(&self.arithmetic, &self.proof, &self.challenges);
            }
        }
        spent
    }

    fn advance(&mut self) -> Result<(), RoundOff> {
        let arithmetic = &mut self.arithmetic;
        match &mut self.work {
            Work::OfX { turn, power, y } => {
                if let Some(mut x) = power.step(arithmetic)? {
                    let middle = arithmetic.number(&self.proof.middles[*turn], 0);
                    arithmetic.field.multiply(&mut x, &middle)?;
                    let power = Power::new(middle, self.challenges[*turn]);
                    self.work = Work::OfMiddle { turn: *turn, x, power, y: y.clone() };
                }
            }
            Work::OfMiddle { turn, x, power, y } => {
                if let Some(left) = power.step(arithmetic)? {
                    arithmetic.field.multiply(y, &left)?;
                    self.work = turn_or_rest(arithmetic, &self.challenges, *turn + 1, x.clone(), y.clone());
                }
            }
            Work::Unit { symbol, x, y } => {
                symbol.step(arithmetic.price());
                match symbol.outcome() {
                    None => {}
                    Some(Outcome::CommonFactor) => self.verdict = Some(false),
                    Some(Outcome::One | Outcome::MinusOne | Outcome::Unknown) => {
                        let left = stride(arithmetic.exponent());
                        self.work = Work::Rest { x: x.clone(), left, y: y.clone() };
                    }
                }
            }
            Work::Rest { x, left, y } if *left == 0 => {
                if arithmetic.residue(x) == arithmetic.residue(y) {
                    let exponent = arithmetic.exponent();
                    let x = arithmetic.number(&self.proof.end, 0);
                    self.work = Work::Tail { x, left: exponent - squarings(exponent) };
                } else {
                    self.verdict = Some(false);
                }
            }
            Work::Tail { x, left } if *left == 0 => {
                self.verdict = Some(is_composite_with(&arithmetic.residue(x), self.residue));
            }
            Work::Rest { x, left, .. } | Work::Tail { x, left } => {
                arithmetic.field.square(x)?;
                *left -= 1;
            }
        }
        Ok(())
    }
}

fn first_turn(arithmetic: &Arithmetic, proof: &Proof, challenges: &[u64]) -> Work {
    let x = arithmetic.number(&Residue::small(arithmetic.exponent(), 3), 0);
    turn_or_rest(arithmetic, challenges, 0, x, arithmetic.number(&proof.end, 0))
}

fn turn_or_rest(arithmetic: &Arithmetic, challenges: &[u64], turn: usize, x: Number, y: Number) -> Work {
    match challenges.get(turn) {
        Some(challenge) => Work::OfX { turn, power: Power::new(x, *challenge), y },
        None => {
            let symbol = Symbol::of(&arithmetic.residue(&x)).at_most(COMMON_FACTOR_BATCHES);
            Work::Unit { symbol, x, y }
        }
    }
}

/// Whether `3^(2^p)` says that 2^p - 1 is composite and that the test's residue ends on these bits.
pub(super) fn is_composite_with(end: &Residue, residue: u64) -> bool {
    // 9 has two bits, and so it has times any power of two; minus those have all but two.
    let of_primes = OF_PRIMES.count_ones();
    let hides_a_prime = end.ones() == of_primes || end.ones() == end.exponent() - of_primes;
    !hides_a_prime && end.divided(OF_PRIMES as u32).res64() == residue
}
