//! The confirmation of a prime that somebody told of: Lucas-Lehmer again, but with another transform and with the number shifted.
//!
//! So nothing is computed as the finder's machine computed it, and neither an error in the tables of one length nor one that
//! depends on the digits can happen twice the same way.

use super::lucas::Lucas;
use crate::transform::EXPONENT_MAX;

/// A confirmation under way.
#[derive(Clone, Debug)]
pub struct Confirmation {
    exponent: u32,
    lucas: Option<Box<Lucas>>,
}

impl Confirmation {
    /// Begins. The shift follows from the exponent and the salt, and is never 0. Whatever the exponent, this does not panic.
    pub fn new(exponent: u32, salt: u64) -> Self {
        let is_tested =
            exponent > 2 && exponent <= EXPONENT_MAX && manyhands_wire::mersenne::is_prime(exponent);
        let lucas = is_tested.then(|| Box::new(Lucas::new(exponent, 1, shift(exponent, salt))));
        Self { exponent, lucas }
    }

    /// The exponent.
    pub fn exponent(&self) -> u32 {
        self.exponent
    }

    /// How many iterations are done, and how many there are.
    pub fn progress(&self) -> (u32, u32) {
        self.lucas.as_ref().map_or((0, 0), |lucas| (lucas.iteration(), lucas.iterations()))
    }

    /// Spends about `work`, in elements of the transform; returns how much it was.
    pub fn step(&mut self, work: u64) -> u64 {
        self.lucas.as_mut().map_or(0, |lucas| lucas.step(work))
    }

    /// Whether it is a prime, once that is known.
    pub fn is_prime(&self) -> Option<bool> {
        match &self.lucas {
            None => Some(self.exponent == 2),
            Some(lucas) => lucas.end().map(super::residue::Residue::is_zero),
        }
    }
}

/// A number in `1..exponent` that looks random: the mixing steps of SplitMix64.
fn shift(exponent: u32, salt: u64) -> u32 {
    let mut x = salt ^ u64::from(exponent).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^= x >> 31;
    1 + (x % u64::from(exponent - 1)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primes_are_confirmed_and_others_are_not() {
        for (exponent, salt) in
            [(0, 1), (1, 1), (4, 1), (11, 1), (67, 2), (1009, 3), (1277, 4), (u32::MAX, 5)]
        {
            assert!(!confirm(exponent, salt), "{exponent}");
        }
        for exponent in [2, 3, 5, 7, 13, 127, 1279] {
            assert!(confirm(exponent, 7) && confirm(exponent, 8), "{exponent}");
        }
    }

    fn confirm(exponent: u32, salt: u64) -> bool {
        let mut confirmation = Confirmation::new(exponent, salt);
        loop {
            match confirmation.is_prime() {
                Some(is_prime) => return is_prime,
                None => confirmation.step(1000),
            };
        }
    }
}
