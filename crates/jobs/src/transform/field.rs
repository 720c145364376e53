//! Multiplication modulo one 2^p - 1, with the tables it needs.

use std::f64::consts::TAU;

use super::number::Digits;
use super::{EXPONENT_MAX, LENGTH_MIN, Length, Number, Path, ROUND_OFF_MAX, RoundOff, lengths};

/// Arithmetic modulo 2^p - 1 by transforms of one length: tables and room to compute in.
#[derive(Clone, Debug)]
pub struct Field {
    digits: Digits,
    path: Path,
    weights: Vec<f64>,
    round_off: f64,
}

impl Field {
    /// The arithmetic modulo 2^`exponent` - 1 by transforms of this length on this path; `None` if the exponent is not
    /// in `2..=`[`EXPONENT_MAX`] or the processor does not have the path.
    ///
    /// The length may be shorter than [`lengths`] has it; then there will be errors of round-off.
    pub fn new(exponent: u32, length: Length, path: Path) -> Option<Self> {
        if !(2..=EXPONENT_MAX).contains(&exponent) || !path.is_available() || length.0 < LENGTH_MIN {
            return None;
        }
        let digits = Digits { exponent, length, lanes: 1 };
        let n = u64::from(length.0);
        let weights = (0..n)
            .map(|j| ((n - u64::from(exponent) * j % n) % n) as f64 / n as f64)
            .map(f64::exp2)
            .collect();
        Some(Self { digits, path, weights, round_off: 0.0 })
    }

    /// The arithmetic modulo 2^`exponent` - 1 with the best length on the best path of this processor; `None` if the
    /// exponent is not in `2..=`[`EXPONENT_MAX`].
    pub fn best(exponent: u32) -> Option<Self> {
        Self::new(exponent, lengths(exponent).next()?, Path::best())
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
        let y = x.clone();
        self.multiply(x, &y)
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
        let n = self.weights.len();
        let weigh = |digits: &[f64]| -> Vec<[f64; 2]> {
            digits.iter().zip(&self.weights).map(|(digit, weight)| [digit * weight, 0.0]).collect()
        };
        let (mut a, mut b) = (weigh(&x.digits), weigh(&y.digits));
        transform(&mut a);
        transform(&mut b);
        for (a, b) in a.iter_mut().zip(&b) {
            // Conjugated, so that the same transform leads back.
            *a = [a[0] * b[0] - a[1] * b[1], -(a[0] * b[1] + a[1] * b[0])];
        }
        transform(&mut a);
        let mut error = 0.0_f64;
        for ((digit, sum), weight) in x.digits.iter_mut().zip(&a).zip(&self.weights) {
            let sum = sum[0] / (weight * n as f64);
            *digit = sum.round();
            error = error.max((sum - *digit).abs());
        }
        self.digits.scale(&mut x.digits, 1);
        x.shift = (x.shift + y.shift) % self.digits.exponent;
        self.round_off = error;
        if error <= ROUND_OFF_MAX { Ok(()) } else { Err(RoundOff { error }) }
    }

    /// Multiplies `x` by a small number, exactly; the shift stays.
    pub fn multiply_small(&mut self, x: &mut Number, by: u32) {
        self.digits.scale(&mut x.digits, by);
    }
}

/// The Fourier transform of complex numbers, a power of two of them.
fn transform(data: &mut [[f64; 2]]) {
    let n = data.len();
    if n == 1 {
        return;
    }
    let mut even: Vec<_> = data.iter().step_by(2).copied().collect();
    let mut odd: Vec<_> = data.iter().skip(1).step_by(2).copied().collect();
    transform(&mut even);
    transform(&mut odd);
    for k in 0..n / 2 {
        let (sin, cos) = (-TAU * k as f64 / n as f64).sin_cos();
        let turned = [odd[k][0] * cos - odd[k][1] * sin, odd[k][0] * sin + odd[k][1] * cos];
        data[k] = [even[k][0] + turned[0], even[k][1] + turned[1]];
        data[k + n / 2] = [even[k][0] - turned[0], even[k][1] - turned[1]];
    }
}
