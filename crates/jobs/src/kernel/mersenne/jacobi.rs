//! The Jacobi symbol of long numbers.
//!
//! By division steps on the lowest 62 bits, whose effect on the whole is then applied at once (Bernstein and Yang, "Fast
//! constant-time gcd computation and modular inversion", 2019; the variant whose numbers never get negative is P. Wuille's).
//! Each step keeps track of the sign by the law of quadratic reciprocity: it needs the lowest three bits only. A symbol of
//! two numbers of p bits takes about 2.5 p steps, in batches of a few operations on each word.
//!
//! That is the square of p in all, seconds for the longest numbers: so it is done in steps.

use super::residue::{Residue, modulus};

/// Bits that one batch of steps takes off.
const BATCH: u32 = 62;

/// A Jacobi symbol under way.
#[derive(Clone, Debug)]
pub(super) struct Symbol {
    f: Vec<u64>,
    g: Vec<u64>,
    steps: Steps,
    /// How many batches may still be done.
    left: usize,
    outcome: Option<Outcome>,
}

/// What is found of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The symbol is 1.
    One,
    /// The symbol is -1.
    MinusOne,
    /// The symbol is 0: they have a common factor.
    CommonFactor,
    /// Nothing within the batches there were: rarely the steps run in circles.
    Unknown,
}

impl Symbol {
    /// Of `upper` over `lower`, which is odd.
    fn new(upper: &[u64], lower: &[u64]) -> Self {
        let len = upper.len().max(lower.len());
        let extended = |words: &[u64]| [words, &vec![0; len - words.len()]].concat();
        let (f, g) = (extended(lower), extended(upper));
        // Twice what is needed on average, and some for short numbers.
        Self { f, g, steps: Steps { eta: -1, flips: 0 }, left: 8 + 6 * len, outcome: None }
    }

    /// Of a residue over 2^p - 1.
    pub(super) fn of(residue: &Residue) -> Self {
        Self::new(residue.words(), &modulus(residue.exponent()))
    }

    /// The same, given up after so many batches.
    pub(super) fn at_most(mut self, batches: usize) -> Self {
        self.left = self.left.min(batches);
        self
    }

    /// The symbol, once it is known.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    /// Spends about `work`, at least a batch if it is not over; returns how much it was. A word in a batch counts as an element
    /// of the transform: that takes about as long (measured).
    pub(super) fn step(&mut self, work: u64) -> u64 {
        let mut spent = 0;
        while spent < work && self.outcome.is_none() {
            spent += self.f.len() as u64;
            self.advance();
        }
        spent
    }

    fn advance(&mut self) {
        let (f, g) = (&mut self.f, &mut self.g);
        let is_one = |words: &[u64]| words[0] == 1 && words[1..].iter().all(|word| *word == 0);
        if is_one(f) {
            let is_plus = self.steps.flips & 1 == 0;
            self.outcome = Some(if is_plus { Outcome::One } else { Outcome::MinusOne });
        } else if f == g || g.iter().all(|word| *word == 0) {
            // What numbers with a common factor come to: it, twice, as the steps keep what is not 0 above 0.
            self.outcome = Some(Outcome::CommonFactor);
        } else if self.left == 0 {
            self.outcome = Some(Outcome::Unknown);
        } else {
            self.left -= 1;
            apply(&self.steps.batch(f[0], g[0]), f, g);
            while f.len() > 1 && f.last() == Some(&0) && g.last() == Some(&0) {
                f.pop();
                g.pop();
            }
        }
    }
}

/// Whether so many batches show that a residue has a factor in common with 2^p - 1, as 0 has.
///
/// They show any whose cofactor is short, of up to about 25 bits for each batch: what is left then of both numbers is that long.
pub(super) fn shares_a_factor(residue: &Residue, batches: usize) -> bool {
    let mut symbol = Symbol::of(residue).at_most(batches);
    symbol.step(u64::MAX);
    symbol.outcome() == Some(Outcome::CommonFactor)
}

/// What is carried from batch to batch.
#[derive(Clone, Debug)]
struct Steps {
    /// About how many bits `g` is shorter than `f`, less one.
    eta: i64,
    /// Whether the sign has changed, in the lowest bit.
    flips: u64,
}

/// What a batch does: `f` becomes `(u f + v g) / 2^62`, and `g` becomes `(q f + r g) / 2^62`.
struct Matrix {
    u: u64,
    v: u64,
    q: u64,
    r: u64,
}

impl Steps {
    /// The steps that the lowest words of `f`, which is odd, and of `g` decide.
    fn batch(&mut self, mut f: u64, mut g: u64) -> Matrix {
        let (mut u, mut v, mut q, mut r) = (1_u64, 0_u64, 0_u64, 1_u64);
        let mut left = BATCH;
        loop {
            let zeros = (g | u64::MAX << left).trailing_zeros();
            g >>= zeros;
            u <<= zeros;
            v <<= zeros;
            self.eta -= i64::from(zeros);
            left -= zeros;
            // A factor of 2 changes the sign if f is 3 or 5 modulo 8.
            self.flips ^= u64::from(zeros) & ((f >> 1) ^ (f >> 2));
            if left == 0 {
                return Matrix { u, v, q, r };
            }
            // As many of the lowest bits of g are cancelled at once by a multiple of f as cannot make g longer.
            let fit = |eta: i64, most: u32| u32::try_from(eta + 1).unwrap_or(u32::MAX).min(left).min(most);
            let multiple = if self.eta < 0 {
                self.eta = -self.eta;
                // Exchanging the two changes the sign if both are 3 modulo 4.
                self.flips ^= (f & g) >> 1;
                std::mem::swap(&mut f, &mut g);
                std::mem::swap(&mut u, &mut q);
                std::mem::swap(&mut v, &mut r);
                let inverse = f.wrapping_mul(f.wrapping_mul(f).wrapping_sub(2));
                inverse.wrapping_mul(g) & low_bits(fit(self.eta, 6))
            } else {
                let inverse = f.wrapping_add((f.wrapping_add(1) & 4) << 1).wrapping_neg();
                inverse.wrapping_mul(g) & low_bits(fit(self.eta, 4))
            };
            g = g.wrapping_add(f.wrapping_mul(multiple));
            q += u * multiple;
            r += v * multiple;
        }
    }
}

fn low_bits(count: u32) -> u64 {
    u64::MAX >> (64 - count)
}

/// Applies a batch to all words. Both numbers get no longer than the longer was.
fn apply(matrix: &Matrix, f: &mut [u64], g: &mut [u64]) {
    let (u, v) = (u128::from(matrix.u), u128::from(matrix.v));
    let (q, r) = (u128::from(matrix.q), u128::from(matrix.r));
    let (mut carry_f, mut carry_g) = (0, 0);
    let (mut below_f, mut below_g) = (0_u64, 0_u64);
    for i in 0..f.len() {
        let (a, b) = (u128::from(f[i]), u128::from(g[i]));
        let (sum_f, sum_g) = (u * a + v * b + carry_f, q * a + r * b + carry_g);
        if i > 0 {
            f[i - 1] = below_f >> BATCH | (sum_f as u64) << (64 - BATCH);
            g[i - 1] = below_g >> BATCH | (sum_g as u64) << (64 - BATCH);
        }
        (below_f, below_g) = (sum_f as u64, sum_g as u64);
        (carry_f, carry_g) = (sum_f >> 64, sum_g >> 64);
    }
    let last = f.len() - 1;
    f[last] = below_f >> BATCH | (carry_f as u64) << (64 - BATCH);
    g[last] = below_g >> BATCH | (carry_g as u64) << (64 - BATCH);
}

#[cfg(test)]
mod tests {
    use super::super::residue::divide;
    use super::*;

    /// The textbook's algorithm.
    fn plain(mut a: u64, mut n: u64) -> Option<bool> {
        let mut sign = true;
        a %= n;
        while a != 0 {
            while a.is_multiple_of(2) {
                a /= 2;
                sign ^= matches!(n % 8, 3 | 5);
            }
            (a, n) = (n, a);
            sign ^= a % 4 == 3 && n % 4 == 3;
            a %= n;
        }
        (n == 1).then_some(sign)
    }

    fn symbol(upper: &[u64], lower: &[u64]) -> Option<bool> {
        let mut symbol = Symbol::new(upper, lower);
        symbol.step(u64::MAX);
        match symbol.outcome().expect("there is no end to the work") {
            Outcome::One => Some(true),
            Outcome::MinusOne => Some(false),
            Outcome::CommonFactor => None,
            Outcome::Unknown => panic!("the steps run in circles"),
        }
    }

    #[test]
    fn symbols_of_short_numbers_are_the_textbooks() {
        let mut state = 7_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state
        };
        for round in 0..20_000 {
            let (a, n) = (next() >> (round % 60), (next() >> (round % 61)) | 1);
            assert_eq!(symbol(&[a], &[n]), plain(a, n), "({a} over {n})");
        }
    }

    #[test]
    fn symbols_of_long_numbers_multiply() {
        // Of 2^607 - 1, a prime: 2 is a square, 3 is not, and -1 is not.
        let lower: Vec<u64> = (0..10).map(|i| if i < 9 { u64::MAX } else { u64::MAX >> 33 }).collect();
        let upper = |number: u64| {
            let mut words = vec![0; 10];
            words[0] = number;
            words
        };
        let minus_one = [&[u64::MAX - 1], &lower[1..]].concat();

        assert_eq!(symbol(&upper(2), &lower), Some(true));
        assert_eq!(symbol(&upper(3), &lower), Some(false));
        assert_eq!(symbol(&upper(12), &lower), Some(false));
        assert_eq!(symbol(&minus_one, &lower), Some(false));
        assert_eq!(symbol(&lower, &lower), None);
    }

    #[test]
    fn a_long_symbol_is_found_in_short_steps() {
        let exponent = 44_497;
        let words = u64::from(exponent).div_ceil(64);
        let x = (0..40).fold(Residue::small(exponent, 3), |x, _| x.square());
        let mut symbol = Symbol::of(&x);
        let mut steps = 0;
        while symbol.outcome().is_none() {
            assert!(symbol.step(10_000) < 10_000 + words);
            steps += 1;
        }

        assert_eq!(symbol.outcome(), Some(Outcome::One), "it is a square");
        assert!(steps > 20, "{steps} steps");
    }

    #[test]
    fn a_few_batches_show_a_common_factor_whose_cofactor_is_short() {
        let prime = 2203;
        let one = Residue::small(prime, 1);
        assert!(shares_a_factor(&one.sub(&one), 1));
        assert!(!shares_a_factor(&one, 1));
        assert!(!shares_a_factor(&Residue::small(prime, 3).square(), 1000));

        // 2^1009 - 1 is 3454817 times its cofactor.
        let exponent = 1009;
        let (cofactor, rest) = divide(&modulus(exponent), 3_454_817);
        let cofactor = Residue::new(exponent, cofactor).expect("it is less");
        assert_eq!(rest, 0);
        for times in [1, 2, 1_000_003] {
            let multiple = cofactor.mul(&Residue::small(exponent, times));
            assert!(shares_a_factor(&multiple, 2), "{times} times the cofactor");
        }
        // What has the short factor is not told as quickly.
        let multiple = Residue::small(exponent, 3_454_817);
        assert!(!shares_a_factor(&multiple, 2) && shares_a_factor(&multiple, 100));
    }
}
