//! Fast arithmetic modulo one 2^p - 1, whose transform can be made longer on the way.

use super::residue::Residue;
#[cfg(test)]
use crate::transform::Length;
use crate::transform::{Field, Number, Path, lengths_by_cost};

/// A field of the transform.
#[derive(Clone, Debug)]
pub(super) struct Arithmetic {
    pub(super) field: Field,
}

impl Arithmetic {
    /// With the length at this place among those that fit the exponent, 0 being the best on this machine; the last if there are
    /// not so many.
    ///
    /// # Panics
    /// If the exponent is not within 2 to [`EXPONENT_MAX`](crate::transform::EXPONENT_MAX).
    pub(super) fn new(exponent: u32, nth: usize) -> Self {
        let path = Path::best();
        let fitting = lengths_by_cost(exponent, path);
        let field =
            fitting.get(nth).or(fitting.last()).and_then(|length| Field::new(exponent, *length, path));
        Self { field: field.expect("the best path is there, and a length fits each exponent") }
    }

    /// The exponent p.
    pub(super) fn exponent(&self) -> u32 {
        self.field.exponent()
    }

    /// The price of one multiplication, in elements of the transform.
    pub(super) fn price(&self) -> u64 {
        u64::from(self.field.length().digits())
    }

    /// The same with a longer transform, if there is one. Numbers have to be made anew.
    pub(super) fn lengthen(&mut self) {
        if let Some(longer) = self.field.longer() {
            self.field = longer;
        }
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
        Self { field }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_the_best_and_a_longer_one_is_longer() {
        for exponent in [3, 521, 9941, 30_011, 44_497, 50_021, 86_243, 1_257_787] {
            let mut arithmetic = Arithmetic::new(exponent, 0);
            let best = Field::best(exponent).expect("the exponent is supported");
            assert_eq!(arithmetic.field.length(), best.length(), "{exponent}");
            for _ in 0..5 {
                let before = arithmetic.field.length();
                arithmetic.lengthen();
                assert!(arithmetic.field.length() > before, "{exponent}");
            }
            assert_ne!(Arithmetic::new(exponent, 1).field.length(), best.length());
            Arithmetic::new(exponent, usize::MAX);
        }
    }
}
