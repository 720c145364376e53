//! The tests on plain integers: slow, and simple enough to be believed. The fast ones are compared with them.

use super::residue::Residue;

/// The last residue of Lucas and Lehmer's test, `s(p - 2)`; 0 for primes. The exponent is odd.
///
/// # Panics
/// If the exponent is below 2.
pub fn lucas_lehmer(exponent: u32) -> Residue {
    let two = Residue::small(exponent, 2);
    (2..exponent).fold(Residue::small(exponent, 4), |s, _| s.square().sub(&two))
}

/// The residue of Fermat's test, `3^(2^p - 2)`; 1 for primes. The exponent is odd.
///
/// # Panics
/// If the exponent is below 3.
pub fn fermat(exponent: u32) -> Residue {
    let end = (0..exponent).fold(Residue::small(exponent, 3), |x, _| x.square());
    end.divided(9)
}
