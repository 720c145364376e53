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
pub mod speed;
mod steps;
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
/// The longest, which leaves longer ones for the largest exponents too.
const LENGTH_MAX: u32 = 1 << 19;

/// How many digits a residue is cut into: the length n of the transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Length(u32);

impl Length {
    /// A transform of so many digits: 128 to 2^19 of them, 2^a, 3 2^a, 5 2^a, 7 2^a, 9 2^a or 15 2^a, and a multiple of 128.
    /// `None` if it is none of these.
    pub fn new(digits: u32) -> Option<Self> {
        let odd = digits.checked_shr(digits.trailing_zeros()).unwrap_or(0);
        let fits = matches!(odd, 1 | 3 | 5 | 7 | 9 | 15) && digits.is_multiple_of(LENGTH_MIN);
        (fits && (LENGTH_MIN..=LENGTH_MAX).contains(&digits)).then_some(Self(digits))
    }

    /// All of them, the shortest first.
    pub fn all() -> impl Iterator<Item = Self> {
        // Of each octave, in sixteenths of its end.
        const STEPS: [u32; 6] = [9, 10, 12, 14, 15, 16];
        let octaves = (LENGTH_MIN.ilog2()..=LENGTH_MAX.ilog2()).map(|log| 1 << log);
        octaves.flat_map(|end| STEPS.map(|step| end / 16 * step)).filter_map(Self::new)
    }

    /// The number of digits.
    pub fn digits(self) -> u32 {
        self.0
    }

    /// The largest exponent whose residues may be cut into so few digits.
    pub fn exponent_max(self) -> u32 {
        let log = f64::from(self.0).log2();
        ((19.95 - (log - 16.0) * 0.28) * f64::from(self.0)) as u32
    }
}

/// The transform lengths for residues modulo 2^`exponent` - 1, the best first, then longer and longer ones; none if the
/// exponent is below 2 or above [`EXPONENT_MAX`].
pub fn lengths(exponent: u32) -> impl Iterator<Item = Length> {
    let supported = (2..=EXPONENT_MAX).contains(&exponent);
    Length::all().filter(move |length| supported && exponent <= length.exponent_max())
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
