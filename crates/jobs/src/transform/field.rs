//! Multiplication modulo one 2^p - 1, with the tables it needs.

use super::kernel::{Kernel, Room, cost, kernel};
use super::number::Digits;
use super::plan::Plan;
use super::{EXPONENT_MAX, Length, Number, Path, ROUND_OFF_MAX, RoundOff, lengths};

/// The most bits of a digit, on the average. With more than 23 no transform is exact enough; this many can be tried.
const DIGIT_BITS_MAX: u32 = 30;

/// Arithmetic modulo 2^p - 1 by transforms of one length: tables and room to compute in.
#[derive(Clone, Debug)]
pub struct Field {
    digits: Digits,
    path: Path,
    kernel: Kernel,
    plan: Plan,
    room: Room,
    round_off: f64,
}

impl Field {
    /// The arithmetic modulo 2^`exponent` - 1 by transforms of this length on this path; `None` if the exponent is
    /// not in `2..=`[`EXPONENT_MAX`] or the processor does not have the path.
    ///
    /// The length may be shorter than [`lengths`] has it; then there will be errors of round-off. Digits of more than
    /// 30 bits are too much even for that: `None`.
    pub fn new(exponent: u32, length: Length, path: Path) -> Option<Self> {
        if !(2..=EXPONENT_MAX).contains(&exponent) || exponent > length.0 * DIGIT_BITS_MAX {
            return None;
        }
        let (kernel, lanes) = kernel(path, length.0)?;
        let plan = Plan::new(exponent, length.0, lanes)?;
        let room = Room::new(&plan);
        let digits = Digits { exponent, length, lanes };
        Some(Self { digits, path, kernel, plan, room, round_off: 0.0 })
    }

    /// The arithmetic modulo 2^`exponent` - 1 with the best length on the best path of this processor; `None` if the
    /// exponent is not in `2..=`[`EXPONENT_MAX`].
    pub fn best(exponent: u32) -> Option<Self> {
        Self::best_on(exponent, Path::best())
    }

    /// As [`Field::best`], on one path; `None` also if the processor does not have it.
    pub fn best_on(exponent: u32, path: Path) -> Option<Self> {
        let length = lengths(exponent).min_by_key(|length| cost(path, length.0))?;
        Self::new(exponent, length, path)
    }

    /// The same arithmetic by the next longer transform: what to go on with after an error of round-off. `None` if
    /// there is no longer one.
    pub fn longer(&self) -> Option<Self> {
        let length = lengths(self.exponent()).find(|length| *length > self.length())?;
        Self::new(self.exponent(), length, self.path)
    }

    /// The exponent p.
    pub fn exponent(&self) -> u32 {
        self.digits.exponent
    }

    /// The length of the transform.
    pub fn length(&self) -> Length {
        self.digits.length
    }

    /// The path.
    pub fn path(&self) -> Path {
        self.path
    }

    /// The round-off error of the latest multiplication, 0 to 1/2.
    pub fn round_off(&self) -> f64 {
        self.round_off
    }

    /// The residue in `words` (64 bits each, the lowest first; bits from p on are not looked at), stored as 2^`shift`
    /// times itself. Of `shift`, what it leaves divided by p counts.
    pub fn number(&self, words: &[u64], shift: u32) -> Number {
        let shift = shift % self.digits.exponent;
        Number { digits: self.digits.split(words, shift), shift }
    }

    /// The residue, in `0..2^p - 1`, as ceil(p/64) words, the lowest first.
    ///
    /// # Panics
    ///
    /// If the number is of a field with another length.
    pub fn residue(&self, x: &Number) -> Vec<u64> {
        self.digits.join(&x.digits, x.shift)
    }

    /// Squares `x`; its shift doubles modulo p.
    ///
    /// # Errors
    ///
    /// [`RoundOff`] if the result cannot be relied on; `x` is of no use then.
    ///
    /// # Panics
    ///
    /// If the number is of a field with another length.
    pub fn square(&mut self, x: &mut Number) -> Result<(), RoundOff> {
        self.run(x, None)?;
        x.shift = (2 * x.shift) % self.digits.exponent;
        Ok(())
    }

    /// Squares `x` and subtracts 2, the step of Lucas and Lehmer; its shift doubles modulo p.
    ///
    /// # Errors
    ///
    /// [`RoundOff`] if the result cannot be relied on; `x` is of no use then.
    ///
    /// # Panics
    ///
    /// If the number is of a field with another length.
    pub fn square_minus_two(&mut self, x: &mut Number) -> Result<(), RoundOff> {
        self.square(x)?;
        self.digits.subtract_bit(&mut x.digits, (x.shift + 1) % self.digits.exponent);
        Ok(())
    }

    /// Multiplies `x` by `y`; the shifts are added modulo p.
    ///
    /// # Errors
    ///
    /// [`RoundOff`] if the result cannot be relied on; `x` is of no use then.
    ///
    /// # Panics
    ///
    /// If a number is of a field with another length.
    pub fn multiply(&mut self, x: &mut Number, y: &Number) -> Result<(), RoundOff> {
        assert_eq!(self.plan.weights.len(), y.digits.len(), "the number is of another length");
        self.run(x, Some(&y.digits))?;
        x.shift = (x.shift + y.shift) % self.digits.exponent;
        Ok(())
    }

    /// Multiplies `x` by a small number, exactly; the shift stays.
    pub fn multiply_small(&mut self, x: &mut Number, by: u32) {
        self.digits.scale(&mut x.digits, by);
    }

    fn run(&mut self, x: &mut Number, y: Option<&[f64]>) -> Result<(), RoundOff> {
        assert_eq!(self.plan.weights.len(), x.digits.len(), "the number is of another length");
        let error = (self.kernel)(&self.plan, &mut self.room, &mut x.digits, y);
        self.round_off = error;
        if error <= ROUND_OFF_MAX { Ok(()) } else { Err(RoundOff { error }) }
    }
}
