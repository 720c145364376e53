//! Residues modulo 2^p - 1 as plain integers.
//!
//! This is what leaves the fast arithmetic: what is saved, hashed, proven and compared. It is always canonical, in
//! `0..2^p - 1`, so equal residues are equal bytes on every machine. Multiplication by the school's method is here too: slow,
//! and simple enough to be what the fast one is tested against.

/// A residue modulo 2^p - 1, for p from 2 on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Residue {
    exponent: u32,
    /// ceil(p / 64) words, the lowest first.
    words: Vec<u64>,
}

/// How many bytes a residue modulo 2^`exponent` - 1 is written in.
pub fn byte_len(exponent: u32) -> usize {
    exponent.div_ceil(8) as usize
}

impl Residue {
    /// The residue of a small number.
    ///
    /// # Panics
    /// If the exponent is below 2.
    pub fn small(exponent: u32, number: u64) -> Self {
        assert!(exponent >= 2, "there is no arithmetic modulo 2^{exponent} - 1");
        let mut words = vec![0; exponent.div_ceil(64) as usize + 1];
        words[0] = number;
        Self::reduced(exponent, words)
    }

    /// The residue in these words, the lowest first; `None` unless they are ceil(p / 64) words below 2^p - 1.
    pub fn new(exponent: u32, words: Vec<u64>) -> Option<Self> {
        if exponent < 2 || words.len() != exponent.div_ceil(64) as usize {
            return None;
        }
        let top = words[words.len() - 1];
        let is_canonical = top <= top_mask(exponent) && !is_all_ones(exponent, &words);
        is_canonical.then_some(Self { exponent, words })
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote; `None` for anything else.
    pub fn from_bytes(exponent: u32, bytes: &[u8]) -> Option<Self> {
        if bytes.len() != byte_len(exponent) {
            return None;
        }
        let words = bytes.chunks(8).map(|chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_le_bytes(word)
        });
        Self::new(exponent, words.collect())
    }

    /// ceil(p / 8) bytes, the lowest first.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.truncate(byte_len(self.exponent));
        bytes
    }

    /// The exponent p.
    pub fn exponent(&self) -> u32 {
        self.exponent
    }

    /// ceil(p / 64) words, the lowest first.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// The lowest 64 bits, by which residues are published.
    pub fn res64(&self) -> u64 {
        self.words[0]
    }

    /// Whether it is 0.
    pub fn is_zero(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// How many bits are set: 1 for the powers of two, and p - 1 for what is minus one of them.
    pub fn ones(&self) -> u32 {
        self.words.iter().map(|word| word.count_ones()).sum()
    }

    /// The sum.
    pub fn add(&self, other: &Self) -> Self {
        let mut words = Vec::with_capacity(self.words.len() + 1);
        let mut carry = 0;
        for (a, b) in self.words.iter().zip(&other.words) {
            let sum = u128::from(*a) + u128::from(*b) + carry;
            words.push(sum as u64);
            carry = sum >> 64;
        }
        words.push(carry as u64);
        Self::reduced(self.exponent, words)
    }

    /// The difference.
    pub fn sub(&self, other: &Self) -> Self {
        self.add(&other.negated())
    }

    /// The product, by the school's method: one multiplication for each pair of words.
    pub fn mul(&self, other: &Self) -> Self {
        let mut product = vec![0_u64; self.words.len() + other.words.len()];
        for (i, a) in self.words.iter().enumerate() {
            let mut carry = 0;
            for (j, b) in other.words.iter().enumerate() {
                let sum = u128::from(*a) * u128::from(*b) + u128::from(product[i + j]) + carry;
                product[i + j] = sum as u64;
                carry = sum >> 64;
            }
            product[i + other.words.len()] = carry as u64;
        }
        Self::reduced(self.exponent, product)
    }

    /// The square, as [`mul`](Self::mul).
    pub fn square(&self) -> Self {
        self.mul(self)
    }

    /// 2^`by` times it: its bits turned round.
    pub fn shifted(&self, by: u32) -> Self {
        let by = by % self.exponent;
        let mut words = vec![0; ((self.exponent + by) / 64 + 2) as usize];
        add_shifted(&mut words, &self.words, by);
        Self::reduced(self.exponent, words)
    }

    /// It divided by a small number that has no factor in common with 2^p - 1: what times `divisor` gives it.
    ///
    /// # Panics
    /// If there is a common factor.
    pub fn divided(&self, divisor: u32) -> Self {
        let mut words = self.words.clone();
        words.push(0);
        for _ in 0..divisor {
            let (quotient, rest) = divide(&words, divisor);
            if rest == 0 {
                return Self::reduced(self.exponent, quotient);
            }
            // Adds 2^p - 1, which changes nothing but makes it another integer.
            let mut more = vec![0_u64; words.len()];
            more[(self.exponent / 64) as usize] = 1 << (self.exponent % 64);
            let mut borrow = 1;
            for (word, more) in words.iter_mut().zip(more) {
                let sum = i128::from(*word) + i128::from(more) - borrow;
                *word = sum as u64;
                borrow = -(sum >> 64);
            }
        }
        panic!("{divisor} has a factor in common with 2^{} - 1", self.exponent);
    }

    /// What added to it gives 0: its bits turned over.
    fn negated(&self) -> Self {
        let mut words: Vec<u64> = self.words.iter().map(|word| !word).collect();
        if let Some(top) = words.last_mut() {
            *top &= top_mask(self.exponent);
        }
        Self::reduced(self.exponent, words)
    }

    /// Any number of words as a residue: bit p counts as bit 0.
    fn reduced(exponent: u32, mut words: Vec<u64>) -> Self {
        let len = exponent.div_ceil(64) as usize;
        let mask = top_mask(exponent);
        while words.len() > len || words.last().is_some_and(|top| words.len() == len && *top > mask) {
            let high = shifted_right(&words, exponent);
            words.truncate(len);
            words[len - 1] &= mask;
            words.push(0);
            add_shifted(&mut words, &high, 0);
            while words.len() > len && words.last() == Some(&0) {
                words.pop();
            }
        }
        words.resize(len, 0);
        if is_all_ones(exponent, &words) {
            words.fill(0);
        }
        Self { exponent, words }
    }
}

/// 2^p - 1 itself, in as many words as a residue has.
pub(super) fn modulus(exponent: u32) -> Vec<u64> {
    let mut words = vec![u64::MAX; exponent.div_ceil(64) as usize];
    if let Some(top) = words.last_mut() {
        *top = top_mask(exponent);
    }
    words
}

/// The bits of the highest word that a residue can have.
fn top_mask(exponent: u32) -> u64 {
    u64::MAX >> ((64 - exponent % 64) % 64)
}

/// Whether these words, as many as a residue has, are 2^p - 1.
fn is_all_ones(exponent: u32, words: &[u64]) -> bool {
    words
        .split_last()
        .is_some_and(|(top, rest)| *top == top_mask(exponent) && rest.iter().all(|word| *word == u64::MAX))
}

/// The bits from `by` on.
fn shifted_right(words: &[u64], by: u32) -> Vec<u64> {
    let word = |index: usize| u128::from(words.get(index).copied().unwrap_or(0));
    let skipped = (by / 64) as usize;
    (skipped..words.len().max(skipped)).map(|i| ((word(i) | word(i + 1) << 64) >> (by % 64)) as u64).collect()
}

/// Adds 2^`by` times `more`, which must fit.
fn add_shifted(words: &mut [u64], more: &[u64], by: u32) {
    let mut carry = 0_u128;
    let mut above = 0_u128;
    for (i, word) in words.iter_mut().skip((by / 64) as usize).enumerate() {
        let both = u128::from(more.get(i).copied().unwrap_or(0)) << (by % 64) | above;
        above = both >> 64;
        let sum = u128::from(*word) + u128::from(both as u64) + carry;
        *word = sum as u64;
        carry = sum >> 64;
    }
}

/// The quotient and the rest.
pub(super) fn divide(words: &[u64], divisor: u32) -> (Vec<u64>, u64) {
    let mut rest = 0_u128;
    let mut quotient: Vec<u64> = words
        .iter()
        .rev()
        .map(|word| {
            let part = rest << 64 | u128::from(*word);
            rest = part % u128::from(divisor);
            (part / u128::from(divisor)) as u64
        })
        .collect();
    quotient.reverse();
    (quotient, rest as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPONENTS: [u32; 8] = [2, 3, 5, 63, 64, 65, 127, 521];

    /// Numbers of all shapes: small, large, random.
    fn samples(exponent: u32) -> Vec<Residue> {
        let one = Residue::small(exponent, 1);
        let three = Residue::small(exponent, 3);
        let zero = one.sub(&one);
        let random = (0..exponent).fold(three.clone(), |x, _| x.square().add(&one));
        let powers = [1, 31, 62, 64, exponent - 1].map(|by| one.shifted(by));
        [zero.clone(), one.clone(), three, zero.sub(&one), random].into_iter().chain(powers).collect()
    }

    #[test]
    fn arithmetic_obeys_its_laws() {
        for exponent in EXPONENTS {
            let samples = samples(exponent);
            for a in &samples {
                assert_eq!(a.shifted(exponent), *a);
                assert_eq!(a.shifted(1), a.add(a));
                assert!(a.sub(a).is_zero() && Residue::new(exponent, a.words().to_vec()).is_some());
                for b in &samples {
                    assert_eq!(a.add(b).sub(b), *a);
                    assert_eq!(a.mul(b), b.mul(a));
                    let squares = a.add(b).square().sub(&a.square()).sub(&b.square());
                    assert_eq!(squares, a.mul(b).shifted(1), "2ab, modulo 2^{exponent} - 1");
                }
            }
        }
    }

    #[test]
    fn division_undoes_multiplication() {
        for exponent in EXPONENTS.into_iter().filter(|exponent| exponent % 2 == 1) {
            for a in samples(exponent) {
                assert_eq!(a.divided(9).mul(&Residue::small(exponent, 9)), a, "modulo 2^{exponent} - 1");
            }
        }
    }

    #[test]
    fn bytes_are_read_as_they_were_written_and_no_others() {
        for exponent in EXPONENTS {
            for a in samples(exponent) {
                assert_eq!(Residue::from_bytes(exponent, &a.to_bytes()), Some(a));
            }
            let mut ones = vec![0xff; byte_len(exponent)];
            assert_eq!(Residue::from_bytes(exponent, &ones), None);
            if let Some(top) = ones.last_mut() {
                *top >>= (8 - exponent % 8) % 8;
            }
            assert_eq!(Residue::from_bytes(exponent, &ones), None, "2^{exponent} - 1 is written as 0");
            ones[0] ^= 1;
            assert!(Residue::from_bytes(exponent, &ones).is_some());
            assert_eq!(Residue::from_bytes(exponent, &[&ones[..], &[0]].concat()), None);
        }
    }
}
