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
///
/// A digit of `width` bits is stored as the fraction digit/2^width, from -1/2 to 1/2. (A digit that something was
/// added to may be a little beyond, until the next multiplication.)
#[derive(Clone, Debug)]
pub(super) struct Digits {
    pub(super) exponent: u32,
    pub(super) length: Length,
    /// How many parts of consecutive digits stand side by side.
    pub(super) lanes: usize,
}

/// Where one digit stands.
struct Digit {
    /// Its lowest bit, in `0..=p`.
    bit: u32,
    /// How many bits it has, maybe none.
    width: u32,
    /// Where it is stored.
    place: usize,
}

impl Digits {
    /// All digits in order: digit j begins at bit ceil(pj/n).
    fn each(&self) -> impl Iterator<Item = Digit> {
        let (n, lanes) = (self.length.0, self.lanes);
        let (smaller, larger) = (self.exponent / n, self.exponent % n);
        let part = n as usize / lanes;
        // How many n-th of a bit are missing from pj/n to the next whole bit.
        let (mut missing, mut bit) = (0, 0);
        (0..lanes).flat_map(move |lane| (0..part).map(move |row| row * lanes + lane)).map(move |place| {
            let digit = Digit { bit, width: smaller + u32::from(missing < larger), place };
            bit += digit.width;
            missing = if missing < larger { missing + n - larger } else { missing - larger };
            digit
        })
    }

    /// The digits, in the order they are stored, of 2^`shift` times the value in `words`.
    pub(super) fn split(&self, words: &[u64], shift: u32) -> Aligned {
        let mut digits = Aligned::zeros(self.length.0 as usize);
        let mut carry = 0;
        for Digit { bit, width, place } in self.each() {
            let whole = i64::from(self.bits(words, self.unshifted(bit, shift), width)) + carry;
            carry = balanced_carry(whole, width);
            digits[place] = fraction(whole - (carry << width), width);
        }
        // Digit 0 is one of the larger ones, if there are any.
        digits[0] += fraction(carry, self.exponent.div_ceil(self.length.0));
        digits
    }

    /// Which bit of the residue is bit `bit` of what is stored.
    fn unshifted(&self, bit: u32, shift: u32) -> u32 {
        if bit >= shift { bit - shift } else { bit + (self.exponent - shift) }
    }

    /// The bits `from..from + width` of the value in `words`, where bit p is bit 0 again.
    fn bits(&self, words: &[u64], from: u32, width: u32) -> u32 {
        let word = |index: u32| u128::from(words.get(index as usize).copied().unwrap_or(0));
        let piece = |from: u32, width: u32| {
            let both = word(from / 64) | word(from / 64 + 1) << 64;
            (both >> (from % 64)) as u32 & ((1 << width) - 1)
        };
        let low = width.min(self.exponent - from);
        piece(from, low) | piece(0, width - low) << low
    }

    /// The words of the residue, in `0..2^p - 1`, whose digits times 2^`shift` these are.
    pub(super) fn join(&self, digits: &[f64], shift: u32) -> Vec<u64> {
        let mut whole: Vec<i64> = self.each().map(|digit| digit.whole(digits)).collect();
        let mut carry = 0;
        loop {
            for (whole, Digit { width, .. }) in whole.iter_mut().zip(self.each()) {
                *whole += carry;
                carry = *whole >> width;
                *whole -= carry << width;
            }
            if carry == 0 {
                break;
            }
        }
        let mut words = vec![0_u64; self.exponent.div_ceil(64) as usize];
        if whole.iter().zip(self.each()).all(|(whole, digit)| *whole == (1 << digit.width) - 1) {
            return words;
        }
        for (whole, Digit { bit, width, .. }) in whole.into_iter().zip(self.each()) {
            let (from, whole) = (self.unshifted(bit, shift), whole.cast_unsigned());
            let low = width.min(self.exponent - from);
            put(&mut words, from, whole & ((1 << low) - 1));
            put(&mut words, 0, whole >> low);
        }
        words
    }

    /// Subtracts 2^`bit`, without a carry: the next multiplication sees to that.
    pub(super) fn subtract_bit(&self, digits: &mut [f64], bit: u32) {
        let (p, n) = (u64::from(self.exponent), u64::from(self.length.0));
        let j = u64::from(bit) * n / p;
        let end = (p * (j + 1)).div_ceil(n) as u32;
        let part = n as usize / self.lanes;
        digits[j as usize % part * self.lanes + j as usize / part] -= fraction(1, end - bit);
    }
}

impl Digit {
    /// The digit itself. What a fault has made larger than any digit stays within what can be added to.
    fn whole(&self, digits: &[f64]) -> i64 {
        (digits[self.place] * power(self.width)).clamp(-WHOLE_MAX, WHOLE_MAX) as i64
    }
}

/// Far above any digit: 2^60.
const WHOLE_MAX: f64 = (1_u64 << 60) as f64;

/// 2^width
fn power(width: u32) -> f64 {
    (1_u64 << width) as f64
}

/// whole/2^width
fn fraction(whole: i64, width: u32) -> f64 {
    whole as f64 / power(width)
}

/// What to carry over from a digit, so that what is left is between minus and plus half of 2^`width`.
fn balanced_carry(whole: i64, width: u32) -> i64 {
    if width == 0 { whole } else { (whole + (1 << (width - 1)) - i64::from(whole > 0)) >> width }
}

/// Sets the bits of `value` in `words` from bit `from` on.
fn put(words: &mut [u64], from: u32, value: u64) {
    let both = u128::from(value) << (from % 64);
    for (word, part) in words[(from / 64) as usize..].iter_mut().zip([both as u64, (both >> 64) as u64]) {
        *word |= part;
    }
}
