//! The smallest factor of 2^p - 1, up to a bound.
//!
//! A factor of 2^p - 1, for an odd prime p, is `q = 2kp + 1`, and 1 or 7 modulo 8. The multipliers `k` are taken in order in
//! windows, those are struck out whose `q` has a small prime factor, and of the rest it is computed whether `2^p` is 1 modulo
//! `q`. The bound depends on the exponent alone, so all machines find the same.

use std::sync::OnceLock;

/// Multipliers in a window. A guess: a sixteenth of a fast cache.
const WINDOW: usize = 1 << 15;
/// Primes below this strike by patterns of whole words, the others one multiple at a time.
const PATTERN_MAX: u32 = 64;
/// Primes below this strike. Measured: about the best where exponents are tested in a second.
const SIEVE_MAX: u32 = 1 << 10;
/// How many candidates are tested side by side: they do not wait for each other.
const SIDE_BY_SIDE: usize = 4;
/// At least this many multipliers are tried: so many that every composite 2^p - 1 of less than 64 bits falls.
const MULTIPLIERS_MIN: u64 = 1 << 11;
/// A share of the test's time, see [`multipliers`].
const SHARE: u64 = 2000;

/// How many multipliers are tried for an exponent. All machines must agree on it.
///
/// Another bit of factors costs as much as all before, and spares a test with a chance of about 1 in 45, so all of it should
/// take about a thirtieth of a test. A test takes about `p (p + 3000)` times 70 ps, a multiplier about 4 ns (both measured on one
/// thread with AVX-512; without it both are slower).
pub fn multipliers(exponent: u32) -> u64 {
    let p = u64::from(exponent);
    (p * (p + 3000) / SHARE).max(MULTIPLIERS_MIN)
}

/// The search for the smallest factor, in steps.
#[derive(Clone, Debug)]
pub struct Factoring {
    exponent: u32,
    /// The first multiplier of the next window.
    next: u64,
    /// One past the last multiplier.
    end: u64,
    /// For each prime of [`sieve`]: the first multiplier of the next window that it strikes, counted from the window's start.
    strikes: Vec<u32>,
    found: Option<u64>,
}

impl Factoring {
    /// Nothing tried yet. For an exponent of 2, or none that is prime, nothing will be found.
    pub fn new(exponent: u32) -> Self {
        // The smallest factor of a composite is at most its root, and no factor is the whole. For longer numbers the root is far
        // beyond the bound.
        let root = if exponent < 64 { ((1_u64 << exponent) - 1).isqrt() } else { u64::MAX };
        let last = root / (2 * u64::from(exponent));
        let end = if exponent > 2 { multipliers(exponent).min(last) + 1 } else { 1 };
        let strikes = sieve().primes.iter().map(|prime| first_strike(exponent, *prime)).collect();
        Self { exponent, next: 0, end, strikes, found: None }
    }

    /// Whether there is nothing left to try.
    pub fn is_done(&self) -> bool {
        self.found.is_some() || self.next >= self.end
    }

    /// The factor found.
    pub fn found(&self) -> Option<u64> {
        self.found
    }

    /// How many multipliers are left.
    pub fn left(&self) -> u64 {
        if self.is_done() { 0 } else { self.end - self.next }
    }

    /// Tries at least `work` multipliers, or what is left; returns how many.
    pub fn step(&mut self, work: u64) -> u64 {
        let start = self.next;
        while !self.is_done() && self.next - start < work {
            self.window();
        }
        self.next - start
    }

    fn window(&mut self) {
        let mut live = vec![u64::MAX; WINDOW / 64];
        self.strike(&mut live);
        let len = (self.end - self.next).min(WINDOW as u64);
        let p2 = 2 * u64::from(self.exponent);
        let mut waiting = [3; SIDE_BY_SIDE];
        let mut count = 0;
        'window: for (i, word) in live.into_iter().enumerate() {
            let mut word = word;
            while word != 0 {
                let offset = i as u64 * 64 + u64::from(word.trailing_zeros());
                word &= word - 1;
                if offset >= len {
                    break 'window;
                }
                let q = p2 * (self.next + offset) + 1;
                if !matches!(q % 8, 1 | 7) || q == 1 {
                    continue;
                }
                waiting[count] = q;
                count += 1;
                if count == SIDE_BY_SIDE {
                    self.found = first_divisor(self.exponent, waiting);
                    if self.found.is_some() {
                        break 'window;
                    }
                    count = 0;
                }
            }
        }
        if self.found.is_none() {
            // What is left of the row repeats its first candidate.
            let first = waiting[0];
            waiting[count..].fill(first);
            self.found = if count > 0 { first_divisor(self.exponent, waiting) } else { None };
        }
        self.next += len;
    }

    /// Strikes out the multipliers of the window whose q has a small factor other than itself.
    fn strike(&mut self, live: &mut [u64]) {
        let sieve = sieve();
        let whole = self.next == 0;
        for ((prime, pattern), at) in sieve.primes.iter().zip(&sieve.patterns).zip(&mut self.strikes) {
            if *at == u32::MAX {
                continue;
            }
            if let Some(pattern) = pattern {
                // Bit 0 of the pattern is struck, and so is bit `at` of the window.
                let mut phase = (*prime - *at % *prime) % *prime;
                for word in &mut *live {
                    *word &= !pattern[phase as usize];
                    phase = (phase + 64) % prime;
                }
            } else {
                let mut bit = *at;
                while (bit as usize) < WINDOW {
                    live[bit as usize / 64] &= !(1 << (bit % 64));
                    bit += prime;
                }
            }
            *at = next_strike(*at, *prime);
        }
        if whole {
            self.spare(live);
        }
    }

    /// Puts back the candidates that are small primes themselves: they struck themselves out.
    fn spare(&self, live: &mut [u64]) {
        for prime in &sieve().primes {
            let (k, rest) = ((prime - 1) / (2 * self.exponent), (prime - 1) % (2 * self.exponent));
            if rest == 0 {
                live[k as usize / 64] |= 1 << (k % 64);
            }
        }
    }
}

/// The primes that strike, and for the small ones what they strike of 64 multipliers in a row, by the first one's place.
struct Sieve {
    primes: Vec<u32>,
    patterns: Vec<Option<Vec<u64>>>,
}

fn sieve() -> &'static Sieve {
    static SIEVE: OnceLock<Sieve> = OnceLock::new();
    SIEVE.get_or_init(|| {
        let primes: Vec<u32> =
            (3..SIEVE_MAX).filter(|number| manyhands_wire::mersenne::is_prime(*number)).collect();
        let pattern = |prime: u32| {
            let word = |phase: u32| {
                (0..64).filter(|bit| (phase + bit).is_multiple_of(prime)).map(|bit| 1 << bit).sum()
            };
            (prime < PATTERN_MAX).then(|| (0..prime).map(word).collect())
        };
        let patterns = primes.iter().map(|prime| pattern(*prime)).collect();
        Sieve { primes, patterns }
    })
}

/// The smallest k with `2kp + 1` a multiple of the prime; the largest number if there is none, as for p itself.
fn first_strike(exponent: u32, prime: u32) -> u32 {
    let step = u64::from(exponent) * 2 % u64::from(prime);
    if step == 0 {
        return u32::MAX;
    }
    // k = -1 / (2p), and by Fermat 1 / x = x^(prime - 2).
    let (mut inverse, mut power, mut bits) = (1, step, prime - 2);
    while bits > 0 {
        if bits & 1 == 1 {
            inverse = inverse * power % u64::from(prime);
        }
        power = power * power % u64::from(prime);
        bits >>= 1;
    }
    (u64::from(prime) - inverse) as u32
}

/// Where a prime strikes first in the window after one where it did at `at`.
fn next_strike(at: u32, prime: u32) -> u32 {
    let window = WINDOW as u32;
    (at + prime - window % prime) % prime
}

/// The first of these that divides `2^exponent - 1`. They are odd and below 2^63.
fn first_divisor(exponent: u32, candidates: [u64; SIDE_BY_SIDE]) -> Option<u64> {
    // Montgomery's form with R = 2^64: the number x stands for x / R, and 2^(u + 64) for 2^u. The exponent u goes from the
    // highest bits of -p to -p itself, so that the start is a power of two of less than 64 bits for every candidate, and 2^u
    // is 1 in the end if 2^p is.
    let minus_p = -i64::from(exponent);
    let shift = (32 - exponent.leading_zeros()).saturating_sub(6);
    let start = 1_u64 << (64 + (minus_p >> shift));
    let inverses = candidates.map(inverse);
    let mut powers = [start; SIDE_BY_SIDE];
    for bit in (0..shift).rev() {
        let doubles = (minus_p >> bit) & 1 == 1;
        for ((power, q), inverse) in powers.iter_mut().zip(&candidates).zip(&inverses) {
            let square = reduce(u128::from(*power) * u128::from(*power), *q, *inverse);
            let twice = if doubles { square << 1 } else { square };
            *power = if twice >= *q { twice - q } else { twice };
        }
    }
    let is_divisor = |i: &usize| reduce(u128::from(powers[*i]), candidates[*i], inverses[*i]) == 1;
    (0..SIDE_BY_SIDE).find(is_divisor).map(|i| candidates[i])
}

/// 1 / q modulo 2^64, by Newton's iteration.
fn inverse(q: u64) -> u64 {
    // Right in the lowest 5 bits, then 10, 20, 40, 80.
    let mut x = q.wrapping_mul(3) ^ 2;
    for _ in 0..4 {
        x = x.wrapping_mul(2_u64.wrapping_sub(q.wrapping_mul(x)));
    }
    x
}

/// `x / 2^64` modulo q, in `0..q`, for x below `2^64 q`.
fn reduce(x: u128, q: u64, inverse: u64) -> u64 {
    let multiple = (x as u64).wrapping_mul(inverse);
    let high = ((u128::from(multiple) * u128::from(q)) >> 64) as u64;
    let (difference, below) = ((x >> 64) as u64).overflowing_sub(high);
    if below { difference.wrapping_add(q) } else { difference }
}

#[cfg(test)]
mod tests {
    use manyhands_wire::mersenne::{divides, is_prime};

    use super::*;

    fn factor(exponent: u32) -> Option<u64> {
        let mut factoring = Factoring::new(exponent);
        while !factoring.is_done() {
            factoring.step(1);
        }
        factoring.found()
    }

    #[test]
    fn the_smallest_factor_is_found() {
        // 2^11 - 1 = 23 * 89 and so on.
        for (exponent, smallest) in [
            (11, 23),
            (23, 47),
            (29, 233),
            (37, 223),
            (41, 13_367),
            (43, 431),
            (47, 2_351),
            (53, 6_361),
            (59, 179_951),
            (71, 228_479),
            (79, 2_687),
            (97, 11_447),
        ] {
            assert_eq!(factor(exponent), Some(smallest), "of 2^{exponent} - 1");
        }
        for exponent in [2, 3, 5, 7, 13, 17, 19, 31, 61, 89, 107, 127, 521, 607, 1279] {
            assert_eq!(factor(exponent), None, "2^{exponent} - 1 is prime");
        }
    }

    #[test]
    fn every_composite_below_64_bits_falls_to_its_factor() {
        let primes = [2, 3, 5, 7, 13, 17, 19, 31, 61];
        for exponent in (2..64).filter(|exponent| is_prime(*exponent)) {
            assert_eq!(factor(exponent).is_none(), primes.contains(&exponent), "{exponent}");
        }
    }

    #[test]
    fn no_smaller_multiplier_is_passed_over() {
        for exponent in (67..4000).filter(|exponent| is_prime(*exponent)) {
            let end = multipliers(exponent).min(40_000);
            let candidates = (1..=end).map(|k| 2 * k * u64::from(exponent) + 1);
            let plain = candidates.clone().find(|q| q % 8 % 6 == 1 && divides(*q, exponent));
            let found = factor(exponent).filter(|q| *q <= 2 * end * u64::from(exponent) + 1);
            assert_eq!(found, plain, "of 2^{exponent} - 1");
        }
    }

    #[test]
    fn candidates_fit_for_the_largest_exponent() {
        let p = u64::from(manyhands_wire::mersenne::EXPONENT_MAX);

        assert!(2 * p * (multipliers(p as u32) + 1) < 1 << 62);
    }
}
