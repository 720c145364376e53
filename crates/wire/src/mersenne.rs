//! The search for Mersenne primes, as peers speak of it: which exponents there are, and what became of each.
//!
//! A unit of the job is one exponent `p`. Where `p` is composite, so is `2^p - 1`, and there is nothing to do; of every
//! prime `p` there is one [`Finding`]. All that a peer may do differently (transform lengths, shifts, where it was interrupted)
//! leaves no trace in it, so two honest results for the same exponents are equal.

use serde::{Deserialize, Serialize};

/// The smallest exponent that can be searched: `2^2 - 1` is the first Mersenne prime.
pub const EXPONENT_MIN: u32 = 2;
/// The largest exponent that can be searched. At this size a test takes a day of one thread (an estimate), and a proof
/// some megabytes.
pub const EXPONENT_MAX: u32 = 1 << 22;
/// About how many squared bits a unit of cost ([`JobKind::cost`](crate::JobKind::cost)) stands for: cost is given by the average to all
/// numbers, of which about one in twenty-two is tested to the end (measured from 2 to 20000).
pub const SQUARED_BITS_PER_COST: u64 = 3000;
/// From which exponent on composites are proven, unless the host says otherwise: computing a smaller one anew takes less than a
/// second.
pub const PROOFS_FROM: u32 = 1 << 16;
/// The least exponent that can have a proof, whatever the host says.
pub const PROVEN_MIN: u32 = 1 << 6;
/// The largest block of exponents, as a power of two. Findings of more are not merged into one, so that they fit a frame.
pub const LEVEL_MAX: u8 = 8;
/// The most findings of a block: of 256 numbers in a row, 2 to 257 have the most primes.
pub const FINDINGS_MAX: usize = 55;

/// What became of one prime exponent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Finding {
    /// The exponent `p`.
    pub exponent: u32,
    /// What `2^p - 1` is.
    pub verdict: Verdict,
}

/// What `2^p - 1` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Verdict {
    /// A prime, by the Lucas-Lehmer test.
    Prime,
    /// Composite: this is its smallest factor within the bounds of trial factoring.
    Factor(u64),
    /// Composite, by a test that ended on this residue.
    Composite {
        /// The lower 64 bits of the last residue: of Lucas-Lehmer's below the job's `proofs_from`, from there on of
        /// `3^(2^p - 2)`, the Fermat test to base 3.
        residue: u64,
    },
}

impl Finding {
    /// Whether it can be: a factor divides. Of primes and residues it says nothing.
    pub fn is_plausible(&self) -> bool {
        match self.verdict {
            Verdict::Prime | Verdict::Composite { .. } => true,
            Verdict::Factor(factor) => divides(factor, self.exponent),
        }
    }
}

/// Whether the composite of an exponent is to be proven, in a job with proofs from an exponent on: its test is Fermat's then, and
/// else that of Lucas and Lehmer.
pub fn is_proven(exponent: u32, proofs_from: u32) -> bool {
    exponent >= proofs_from.max(PROVEN_MIN)
}

/// How many decimal digits `2^exponent - 1` has.
pub fn digits(exponent: u32) -> u32 {
    // log10(2) to 18 places: exact for all exponents that can be searched, since no power of two is near a power of ten.
    let log = u128::from(exponent) * 301_029_995_663_981_195 / 10_u128.pow(18);
    u32::try_from(log).unwrap_or(u32::MAX - 1) + 1
}

/// Whether a number is prime, by trial division. At most a thousand divisions for an exponent.
pub fn is_prime(number: u32) -> bool {
    if number < 4 {
        return number >= 2;
    }
    let divides = |divisor: &u32| number.is_multiple_of(*divisor);
    !number.is_multiple_of(2)
        && !(3..)
            .step_by(2)
            .take_while(|divisor| u64::from(*divisor).pow(2) <= u64::from(number))
            .any(|divisor| divides(&divisor))
}

/// Whether `factor` divides `2^exponent - 1` and is neither 1 nor the whole.
pub fn divides(factor: u64, exponent: u32) -> bool {
    let is_whole = exponent < 64 && factor >= (1 << exponent) - 1;
    factor > 1 && !is_whole && power_of_two(exponent, factor) == 1
}

/// `2^exponent` modulo `modulus`, which is not 0.
fn power_of_two(exponent: u32, modulus: u64) -> u64 {
    let modulus = u128::from(modulus);
    let bits = (0..32 - exponent.leading_zeros()).rev();
    let power = bits.fold(1 % modulus, |power, bit| {
        let square = power * power % modulus;
        if exponent >> bit & 1 == 1 { square * 2 % modulus } else { square }
    });
    u64::try_from(power).expect("a remainder of a 64-bit number has 64 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_are_told_from_other_numbers() {
        let primes: Vec<u32> = (0..50).filter(|number| is_prime(*number)).collect();

        assert_eq!(primes, [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47]);
        assert!(is_prime(4_194_301) && !is_prime(EXPONENT_MAX) && !is_prime(2039 * 2053));
        assert_eq!((2..258).filter(|number| is_prime(*number)).count(), FINDINGS_MAX);
    }

    #[test]
    fn the_largest_numbers_are_told_too() {
        assert!(is_prime(4_294_967_291) && is_prime(4_294_967_279));
        assert!(!is_prime(u32::MAX) && !is_prime(65_521 * 65_521) && !is_prime(65_521 * 65_537));
    }

    #[test]
    fn short_exponents_are_never_proven() {
        assert!(is_proven(67, 0) && is_proven(67, 67) && is_proven(u32::MAX, u32::MAX));
        assert!(!is_proven(61, 0) && !is_proven(67, 68) && !is_proven(67, u32::MAX));
    }

    #[test]
    fn only_what_divides_is_a_factor() {
        for (factor, exponent) in [(23, 11), (89, 11), (47, 23), (233, 29), (193_707_721, 67)] {
            assert!(divides(factor, exponent), "{factor} divides 2^{exponent} - 1");
        }
        for (factor, exponent) in [(0, 11), (1, 11), (2047, 11), (22, 11), (127, 7), (7, 67), (u64::MAX, 61)]
        {
            assert!(!divides(factor, exponent), "{factor} is no factor of 2^{exponent} - 1");
        }
    }

    #[test]
    fn digits_are_counted_as_the_lists_have_them() {
        for (exponent, count) in
            [(2, 1), (7, 3), (127, 39), (1279, 386), (44_497, 13_395), (1_257_787, 378_632)]
        {
            assert_eq!(digits(exponent), count);
        }
    }
}
