//! Fast arithmetic modulo one 2^p - 1, whose transform can be made longer on the way.

use super::residue::Residue;
use crate::transform::{Field, Length, Number, Path, lengths};

/// A field of the transform, and which of the exponent's lengths it has.
#[derive(Clone, Debug)]
pub(super) struct Arithmetic {
    pub(super) field: Field,
    /// The length's place among those that fit the exponent.
    nth: usize,
}

impl Arithmetic {
    /// With the length at this place among those that fit the exponent, 0 being the best; the longest if there are not so many.
    ///
    /// # Panics
    /// If the exponent is not within 2 to [`EXPONENT_MAX`](crate::transform::EXPONENT_MAX).
    pub(super) fn new(exponent: u32, nth: usize) -> Self {
        let fitting: Vec<Length> = lengths(exponent).take(nth + 1).collect();
        let nth = fitting.len() - 1;
        let field = Field::new(exponent, fitting[nth], Path::best());
        Self { field: field.expect("the best path is there, and a length fits each exponent"), nth }
    }

    /// The exponent p.
    pub(super) fn exponent(&self) -> u32 {
        self.field.exponent()
    }

    /// The price of one multiplication, in elements of the transform.
    pub(super) fn price(&self) -> u64 {
        u64::from(self.field.length().digits())
    }

    /// The same with the next longer transform. Numbers have to be made anew.
    pub(super) fn lengthen(&mut self) {
        *self = Self::new(self.exponent(), self.nth + 1);
    }

    pub(super) fn number(&self, residue: &Residue, shift: u32) -> Number {
        self.field.number(residue.words(), shift)
    }

    pub(super) fn residue(&self, number: &Number) -> Residue {
        Residue::new(self.exponent(), self.field.residue(number)).expect("a field's residues are canonical")
    }
}

#[cfg(test)]
impl Arithmetic {
    /// With so many digits, which may be too few.
    pub(super) fn with_digits(exponent: u32, digits: u32) -> Self {
        let length = Length::new(digits).expect("it is one of the lengths");
        let field = Field::new(exponent, length, Path::best()).expect("digits of 30 bits can be tried");
        Self { field, nth: 0 }
    }
}
