//! Fast multiplication modulo 2^p - 1: the irrational-base discrete weighted transform.
//!
//! After Crandall and Fagin, "Discrete weighted transforms and large-integer arithmetic", Mathematics of Computation
//! 62 (1994). A residue is cut into n digits of floor(p/n) or ceil(p/n) bits. Digit j stands at bit ceil(pj/n) and is
//! given the weight 2^(ceil(pj/n) - pj/n); with these weights the cyclic convolution that a Fourier transform
//! multiplies by is multiplication modulo 2^p - 1. Digits are balanced around zero, which keeps the transform's
//! rounding small.
//!
//! A number is multiplied by itself in these steps, for n digits and vectors of L lanes of f64 (L is 8, 4 or 2). The
//! n real digits count as N = n/2 complex numbers x_2j + i x_(2j+1), and a row is L of them: L real parts, L
//! imaginary parts.
//!
//! 1. *There, first step* (`outer`): lane l of the rows holds the l-th part of the number. L rows at a time, weigh,
//!    transpose, transform over the parts, multiply by twiddles. Result k of each goes to strand k: L strands of N/L
//!    numbers, all of whose frequencies are k modulo L.
//! 2. *There, passes* (`passes`): within a strand, transforms of 2, 3, 4, 5, 7 or 8 rows, the same for all lanes,
//!    until what belongs together is blocks of L rows. A strand stays in the cache for steps 2 to 4.
//! 3. *Middle* (`middle`): each block is transformed over its rows and its lanes. Then from pairs of blocks with the
//!    frequencies k and -k the transform of the real digits is made, squared or multiplied, and unmade; and the block
//!    goes back.
//! 4. *Back, passes*: as step 2, backwards. Nothing is ever put in order: the way back takes the frequencies as they
//!    come.
//! 5. *Back, last step* (`outer`): as step 1, backwards; then take off the weights, round to whole numbers, see how
//!    far off they were, and carry. Each lane of each of two chains of rows carries by itself; what is left over at
//!    the ends is handed on.
//!
//! All this is written once (`vector`) for any kind of vectors; `steps` and `kernel` compile it for each kind of
//! processor.
//!
//! # Round-off
//!
//! The sums are whole numbers but for rounding. In every multiplication the largest distance of any sum from a whole
//! number is looked at, and above [`ROUND_OFF_MAX`] the result is refused with [`RoundOff`]. [`Length::exponent_max`]
//! is set so that this hardly ever happens: measured for squares of numbers that look random, at every length and its
//! largest exponent, the error is 0.06 to 0.17 as a rule, above 0.25 at most once in 10^4 squares and above 0.32 less
//! than once in 10^6. Numbers made to be hard, such as those with all digits alike, are refused or come out right.
//!
//! Results are whole numbers and the same on all paths, though the errors on the way differ.

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

/// The largest round-off error that is accepted.
///
/// An error e beyond 1/2 looks like 1 - e, so this notices all below 0.6. Where the usual is 0.06 to 0.17 and each
/// 1/32 more is seen ten times less often (measured), one beyond 0.6 without any other sum between 0.4 and 0.6 does
/// not happen.
pub const ROUND_OFF_MAX: f64 = 0.40;

/// The shortest transform.
const LENGTH_MIN: u32 = 128;
/// The longest, which leaves longer ones for the largest exponents too.
const LENGTH_MAX: u32 = 1 << 19;

/// How many bits a digit may have, on the average, if there are 65536 of them.
const BITS_AT_65536: f64 = 19.95;
/// How many fewer bits a digit may have if there are twice as many.
const BITS_LESS_PER_DOUBLING: f64 = 0.28;

/// How many digits a residue is cut into: the length n of the transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Length(u32);

impl Length {
    /// A transform of so many digits: 128 to 2^19 of them, 2^a, 3 2^a, 5 2^a, 7 2^a, 9 2^a or 15 2^a, and a multiple
    /// of 128. `None` if it is none of these.
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

    /// The largest exponent whose residues may be cut into so few digits: 22.5 bits a digit for n = 128, 21.1 for
    /// 4096, 19.95 for 65536.
    ///
    /// Measured: the error grows fourfold with each bit, and a little faster than the root of n.
    pub fn exponent_max(self) -> u32 {
        let bits = BITS_AT_65536 - BITS_LESS_PER_DOUBLING * (f64::from(self.0).log2() - 16.0);
        (bits * f64::from(self.0)) as u32
    }
}

/// The transform lengths for residues modulo 2^`exponent` - 1, the shortest first; none if the exponent is below 2 or
/// above [`EXPONENT_MAX`].
pub fn lengths(exponent: u32) -> impl Iterator<Item = Length> {
    let supported = (2..=EXPONENT_MAX).contains(&exponent);
    Length::all().filter(move |length| supported && exponent <= length.exponent_max())
}

/// The same on one path, the best first: the shortest, but for those that the path's vectors do not fill.
pub fn lengths_by_cost(exponent: u32, path: Path) -> Vec<Length> {
    let mut fitting: Vec<Length> = lengths(exponent).collect();
    fitting.sort_by_key(|length| (kernel::cost(path, length.digits()), *length));
    fitting
}

/// A result may be wrong, as a sum of the transform was too far from a whole number; neither the result nor the
/// number it was made of can be used any more.
///
/// The remedy is to start again from the last number known to be right, with a longer transform.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("a digit was {error} away from a whole number: the transform is too short for this number")]
pub struct RoundOff {
    /// The largest distance of a sum from the nearest whole number, 0 to 1/2; not a number if the sums were beyond all
    /// that has bits for a fraction, or not finite.
    pub error: f64,
}
