//! Residues modulo 2^p - 1 as digits, and how they come from and go to plain binary words.

use super::Length;
use super::aligned::Aligned;

/// A residue modulo 2^p - 1 as the digits of a [`Field`](super::Field), which are 2^shift times the residue.
///
/// It belongs to fields of the same exponent, length and path as the one it was made by.
#[derive(Clone, Debug)]
pub struct Number {
    pub(super) digits: Aligned,
    pub(super) shift: u32,
}

impl Number {
    /// The power of two that the stored value is multiplied by, in `0..p`.
    pub fn shift(&self) -> u32 {
        self.shift
    }
}

/// Where the digits of a number stand: in its bits, and in the list of digits.
#[derive(Clone, Debug)]
pub(super) struct Digits {
    pub(super) exponent: u32,
    pub(super) length: Length,
    /// How many parts of consecutive digits stand side by side.
    pub(super) lanes: usize,
}

impl Digits {
    /// The lowest bit of digit `j`; for `j` = n, the exponent.
    pub(super) fn bit(&self, j: usize) -> u64 {
        (u64::from(self.exponent) * j as u64).div_ceil(u64::from(self.length.0))
    }

    /// The number of bits of digit `j`.
    pub(super) fn width(&self, j: usize) -> u32 {
        (self.bit(j + 1) - self.bit(j)) as u32
    }

    /// Which digit has bit `bit`.
    pub(super) fn digit_of(&self, bit: u32) -> usize {
        (u64::from(bit) * u64::from(self.length.0) / u64::from(self.exponent)) as usize
    }

    /// Where digit `j` is stored.
    pub(super) fn place(&self, j: usize) -> usize {
        let part = self.length.0 as usize / self.lanes;
        j % part * self.lanes + j / part
    }

    /// The digits, in the order they are stored, of 2^`shift` times the value in `words`.
    pub(super) fn split(&self, words: &[u64], shift: u32) -> Aligned {
        let n = self.length.0 as usize;
        let mut digits = Aligned::zeros(n);
        let mut carry = 0;
        for j in 0..n {
            let width = self.width(j);
            let from = (self.bit(j) + u64::from(self.exponent - shift)) % u64::from(self.exponent);
            let digit = i64::from(self.bits(words, from as u32, width)) + carry;
            carry = balanced_carry(digit, width);
            digits[self.place(j)] = (digit - (carry << width)) as f64 / power(width);
        }
        digits[0] += carry as f64 / power(self.width(0));
        digits
    }

    /// The bits `from..from + width` of the value in `words`, where bit p is bit 0 again.
    fn bits(&self, words: &[u64], from: u32, width: u32) -> u32 {
        let word = |index: u32| u128::from(words.get(index as usize).copied().unwrap_or(0));
        let piece = |from: u32, width: u32| {
            let both = word(from / 64) | word(from / 64 + 1) << 64;
            ((both >> (from % 64)) as u64 & ((1 << width) - 1)) as u32
        };
        let low = width.min(self.exponent - from);
        piece(from, low) | piece(0, width - low) << low
    }

    /// The words of the residue, in `0..2^p - 1`, whose digits times 2^`shift` these are.
    pub(super) fn join(&self, digits: &[f64], shift: u32) -> Vec<u64> {
        let n = self.length.0 as usize;
        let mut whole: Vec<i64> =
            (0..n).map(|j| (digits[self.place(j)] * power(self.width(j))) as i64).collect();
        let mut carry = 0;
        loop {
            for (j, digit) in whole.iter_mut().enumerate() {
                let width = self.width(j);
                *digit += carry;
                carry = *digit >> width;
                *digit -= carry << width;
            }
            if carry == 0 {
                break;
            }
        }
        let mut words = vec![0_u64; self.exponent.div_ceil(64) as usize];
        if (0..n).all(|j| whole[j] == (1 << self.width(j)) - 1) {
            return words;
        }
        for (j, &digit) in whole.iter().enumerate() {
            let from = (self.bit(j) + u64::from(self.exponent - shift)) % u64::from(self.exponent);
            let (from, digit) = (from as u32, digit.cast_unsigned());
            let low = self.width(j).min(self.exponent - from);
            put(&mut words, from, digit & ((1 << low) - 1));
            put(&mut words, 0, digit >> low);
        }
        words
    }

    /// Multiplies the number that the digits stand for.
    pub(super) fn scale(&self, digits: &mut [f64], by: u32) {
        let n = self.length.0 as usize;
        let mut factor = i64::from(by);
        let mut carry = 0;
        loop {
            for j in 0..n {
                let width = self.width(j);
                let digit = &mut digits[self.place(j)];
                let product = (*digit * power(width)) as i64 * factor + carry;
                carry = balanced_carry(product, width);
                *digit = (product - (carry << width)) as f64 / power(width);
            }
            if carry == 0 {
                break;
            }
            factor = 1;
        }
    }

    /// Subtracts 2^`bit`, without a carry: the next multiplication sees to that.
    pub(super) fn subtract_bit(&self, digits: &mut [f64], bit: u32) {
        let j = self.digit_of(bit);
        digits[self.place(j)] -= 1.0 / power((self.bit(j + 1) - u64::from(bit)) as u32);
    }
}

/// 2^width
fn power(width: u32) -> f64 {
    (1_u64 << width) as f64
}

/// What to carry over from a digit, so that what is left is between minus and plus half of 2^`width`.
fn balanced_carry(digit: i64, width: u32) -> i64 {
    if width == 0 { digit } else { (digit + (1 << (width - 1)) - i64::from(digit > 0)) >> width }
}

/// Sets the bits of `value` in `words` from bit `from` on.
fn put(words: &mut [u64], from: u32, value: u64) {
    let both = u128::from(value) << (from % 64);
    for (word, part) in words[(from / 64) as usize..].iter_mut().zip([both as u64, (both >> 64) as u64]) {
        *word |= part;
    }
}
