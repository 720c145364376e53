//! Fast multiplication modulo 2^p - 1: the irrational-base discrete weighted transform.
//!
//! After Crandall and Fagin, "Discrete weighted transforms and large-integer arithmetic", Mathematics of Computation 62
//! (1994). A residue is cut into n digits of floor(p/n) or ceil(p/n) bits. Digit j stands at bit ceil(pj/n) and is given
//! the weight 2^(ceil(pj/n) - pj/n); with these weights the cyclic convolution that a Fourier transform multiplies by is
//! multiplication modulo 2^p - 1. Digits are balanced around zero, which keeps the transform's rounding small.

mod aligned;
mod butterfly;
mod field;
mod kernel;
mod middle;
mod number;
mod outer;
mod passes;
mod plan;
mod vector;

pub use crate::kernel::sum::Path;
pub use field::Field;
pub use number::Number;

/// The largest exponent that is supported.
pub const EXPONENT_MAX: u32 = 1 << 22;

/// The round-off error that is an error: half would be a wrong digit, and this leaves room for what the largest
/// deviation seen says of one not seen.
pub const ROUND_OFF_MAX: f64 = 0.40;

/// The shortest transform.
const LENGTH_MIN: u32 = 128;

/// How many digits a residue is cut into: the length n of the transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Length(u32);

impl Length {
    /// The number of digits.
    pub fn digits(self) -> u32 {
        self.0
    }
}

/// The transform lengths for residues modulo 2^`exponent` - 1, the best first, then longer and longer ones; none if the
/// exponent is below 2 or above [`EXPONENT_MAX`].
pub fn lengths(exponent: u32) -> impl Iterator<Item = Length> {
    let supported = (2..=EXPONENT_MAX).contains(&exponent);
    (7..20).map(|log| Length(1 << log)).filter(move |n| supported && exponent <= n.0 * 18)
}

/// A result may be wrong, as a sum of the transform was too far from a whole number; neither the result nor the number
/// it was made of can be used any more.
///
/// The remedy is to start again from the last number known to be right, with a longer transform.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("a digit was {error} away from a whole number: the transform is too short for this number")]
pub struct RoundOff {
    /// The largest distance of a sum from the nearest whole number, 0 to 1/2; not a number if the sums were not finite.
    pub error: f64,
}
