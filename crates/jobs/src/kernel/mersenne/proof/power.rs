//! Powers with exponents of 64 bits, one multiplication at a time.

use super::super::arithmetic::Arithmetic;
use crate::transform::{Number, RoundOff};

/// Bits of the window that slides over the exponent.
const WINDOW: u32 = 3;
/// About what a power costs, in squarings, where a multiplication counts one and a half: 64 squarings and one more, 3
/// multiplications for the odd powers up to the seventh, and one for each of about 16 windows.
pub(super) const SQUARINGS: u64 = 65 + 19 * 3 / 2;

/// A power under way: `base^exponent`, by a sliding window from the highest bit on.
#[derive(Clone, Debug)]
pub(super) struct Power {
    base: Number,
    /// The base's odd powers as far as they are made.
    odd: Vec<Number>,
    exponent: u64,
    /// Bits not yet looked at.
    left: u32,
    /// What is to be multiplied in after so many squarings.
    window: Option<(u32, usize)>,
    /// The power of the bits looked at; none for 0 bits.
    result: Option<Number>,
}

impl Power {
    pub(super) fn new(base: Number, exponent: u64) -> Self {
        let left = 64 - exponent.leading_zeros();
        Self { odd: vec![base.clone()], base, exponent, left, window: None, result: None }
    }

    /// The power if it is finished; else one more multiplication.
    pub(super) fn step(&mut self, arithmetic: &mut Arithmetic) -> Result<Option<Number>, RoundOff> {
        if self.odd.len() < 1 << (WINDOW - 1) {
            return self.make_odd_power(arithmetic).map(|()| None);
        }
        if let Some((squarings, place)) = self.window {
            let Some(result) = &mut self.result else {
                self.result = Some(self.odd[place].clone());
                self.window = None;
                return Ok(None);
            };
            if squarings > 0 {
                arithmetic.field.square(result)?;
                self.window = Some((squarings - 1, place));
            } else {
                arithmetic.field.multiply(result, &self.odd[place])?;
                self.window = None;
            }
            return Ok(None);
        }
        if self.left == 0 {
            let one = || arithmetic.field.number(&[1], 0);
            return Ok(Some(self.result.take().unwrap_or_else(one)));
        }
        if self.exponent >> (self.left - 1) & 1 == 0 {
            self.left -= 1;
            if let Some(result) = &mut self.result {
                arithmetic.field.square(result)?;
            }
            return Ok(None);
        }
        // The window ends on its last bit that is set.
        let wide = WINDOW.min(self.left);
        let bits = self.exponent >> (self.left - wide) & ((1 << wide) - 1);
        let width = wide - bits.trailing_zeros();
        self.left -= width;
        self.window = Some((width, (bits >> bits.trailing_zeros()) as usize / 2));
        Ok(None)
    }

    fn make_odd_power(&mut self, arithmetic: &mut Arithmetic) -> Result<(), RoundOff> {
        if self.odd.len() == 1 {
            // The base becomes its square, of which every odd power is one more.
            arithmetic.field.square(&mut self.base)?;
        }
        let mut next = self.odd[self.odd.len() - 1].clone();
        arithmetic.field.multiply(&mut next, &self.base)?;
        self.odd.push(next);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::residue::Residue;
    use super::*;

    #[test]
    fn powers_are_those_of_plain_arithmetic() {
        let mut arithmetic = Arithmetic::new(127, 0);
        let base = Residue::small(127, 0x1234_5678_9abc_def1);
        for exponent in [0, 1, 2, 3, 7, 8, 255, 1 << 63, u64::MAX, 0xdead_beef_1234_5678] {
            let mut power = Power::new(arithmetic.number(&base, 0), exponent);
            let fast = loop {
                if let Some(number) = power.step(&mut arithmetic).expect("a short number has no round-off") {
                    break arithmetic.residue(&number);
                }
            };

            let plain = (0..64).rev().fold(Residue::small(127, 1), |x, bit| {
                let square = x.square();
                if exponent >> bit & 1 == 1 { square.mul(&base) } else { square }
            });
            assert_eq!(fast, plain, "to the power of {exponent}");
        }
    }
}
