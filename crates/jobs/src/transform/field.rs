//! Multiplication modulo one 2^p - 1, with the tables it needs.

use super::kernel::{Kernel, Room, kernel};
use super::number::Digits;
use super::plan::Plan;
use super::{EXPONENT_MAX, Length, Number, Path, ROUND_OFF_MAX, RoundOff, lengths_by_cost};

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
    /// The length may be shorter than [`lengths`](super::lengths) has it; then there will be errors of round-off. Digits of more than
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
        let length = *lengths_by_cost(exponent, path).first()?;
        Self::new(exponent, length, path)
    }

    /// The same arithmetic by the best of the longer transforms: what to go on with after an error of round-off. `None`
    /// if there is no longer one.
    pub fn longer(&self) -> Option<Self> {
        let mut fitting = lengths_by_cost(self.exponent(), self.path).into_iter();
        let length = fitting.find(|length| *length > self.length())?;
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

    fn run(&mut self, x: &mut Number, y: Option<&[f64]>) -> Result<(), RoundOff> {
        assert_eq!(self.plan.weights.len(), x.digits.len(), "the number is of another length");
        let error = (self.kernel)(&self.plan, &mut self.room, &mut x.digits, y);
        self.round_off = error;
        if error <= ROUND_OFF_MAX { Ok(()) } else { Err(RoundOff { error }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digit_that_is_no_digit_is_reported_and_ends_nothing() {
        for path in Path::ALL.into_iter().filter(|path| path.is_available()) {
            for exponent in [2, 607, 9689] {
                let mut field = Field::best_on(exponent, path).expect("the exponent is supported");
                let mut sound = field.number(&[4], 0);
                (0..100).for_each(|_| field.square_minus_two(&mut sound).expect("the length fits"));
                let wrong = [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e307, -1e160, 1e150, 1e60];
                for (place, wrong) in
                    [0, 1, 77, 127].into_iter().flat_map(|place| wrong.map(|wrong| (place, wrong)))
                {
                    let mut x = sound.clone();
                    x.digits[place] = wrong;
                    // To take the residue of it is no end either.
                    assert_eq!(field.residue(&x).len(), exponent.div_ceil(64) as usize);
                    let error = field.square(&mut x);
                    assert!(error.is_err(), "{wrong} at {place} of {exponent}, {path}");
                }
            }
        }
    }

    #[test]
    fn a_flipped_bit_is_no_end() {
        for path in Path::ALL.into_iter().filter(|path| path.is_available()) {
            let mut field = Field::best_on(9689, path).expect("the exponent is supported");
            let mut sound = field.number(&[4], 0);
            (0..100).for_each(|_| field.square_minus_two(&mut sound).expect("the length fits"));
            for bit in 0..64 {
                let mut x = sound.clone();
                x.digits[77] = f64::from_bits(x.digits[77].to_bits() ^ 1 << bit);
                let result = field.square_minus_two(&mut x);
                // Bit 62 makes it larger than all; others may make another digit of it, which is for the test's checks to notice.
                assert!(result.is_err() || bit != 62, "{path}");
            }
        }
    }
}
