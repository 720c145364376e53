//! The Jacobi symbol of long numbers.
//!
//! By division steps on the lowest 62 bits, whose effect on the whole is then applied at once (Bernstein and Yang, "Fast
//! constant-time gcd computation and modular inversion", 2019; the variant whose numbers never get negative is P. Wuille's).
//! Each step keeps track of the sign by the law of quadratic reciprocity: it needs the lowest three bits only. A symbol of
//! two numbers of p bits takes about 2.5 p steps, in batches of a few operations on each word.

/// Bits that one batch of steps takes off.
const BATCH: u32 = 62;

/// The Jacobi symbol (`upper` over `lower`), for an odd `lower`: `Some(true)` for 1, `Some(false)` for -1; `None` if they have
/// a common factor (or in the rare case that the steps run in circles, which says nothing).
pub(super) fn symbol(upper: &[u64], lower: &[u64]) -> Option<bool> {
    let len = upper.len().max(lower.len());
    let extended = |words: &[u64]| [words, &vec![0; len - words.len()]].concat();
    let (mut f, mut g) = (extended(lower), extended(upper));
    let mut state = Steps { eta: -1, flips: 0 };
    // Twice what is needed on average, and some for short numbers.
    for _ in 0..8 + 6 * len {
        let is_unit = |words: &[u64]| words[0] == 1 && words[1..].iter().all(|word| *word == 0);
        if is_unit(&f) {
            return Some(state.flips & 1 == 0);
        }
        if g.iter().all(|word| *word == 0) {
            return None;
        }
        let matrix = state.batch(f[0], g[0]);
        apply(&matrix, &mut f, &mut g);
        while f.len() > 1 && f.last() == Some(&0) && g.last() == Some(&0) {
            f.pop();
            g.pop();
        }
    }
    None
}

/// What is carried from batch to batch.
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
}
