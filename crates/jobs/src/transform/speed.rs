//! How fast the transform is.
//!
//! What is measured are steps of Lucas and Lehmer on a number that looks random. They run in short rounds, and what
//! counts is the fastest one: all that something else on the machine can do is to make a round slower.

use super::{Field, Length, Number, Path};

/// How long one round should take, in microseconds.
const ROUND_US: u64 = 4_000;
/// How many rounds.
const ROUNDS: usize = 40;
/// The most steps in a round, however coarse the clock is.
const STEPS_MAX: u64 = 1 << 16;
/// Some value, repeated to as many bits as there are: what a residue looks like.
const PATTERN: u64 = 0x9e37_79b9_7f4a_7c15;

/// How fast one transform is.
#[derive(Clone, Debug, PartialEq)]
pub struct Speed {
    /// The exponent p.
    pub exponent: u32,
    /// The path.
    pub path: Path,
    /// The length of the transform.
    pub length: Length,
    /// Nanoseconds for one step, which is a square and a subtraction modulo 2^p - 1, in the fastest round.
    pub step_ns: f64,
    /// The largest round-off error in all the steps, 0 to 1/2.
    pub round_off: f64,
}

/// Measures the best transform for an exponent on one path, for about 0.2 s or, if that is more, 40 steps of it.
/// `clock_us` reads a clock in microseconds. `None` if there is no such transform on this processor.
pub fn measure(exponent: u32, path: Path, clock_us: &mut dyn FnMut() -> u64) -> Option<Speed> {
    let length = Field::best_on(exponent, path)?.length();
    measure_length(exponent, length, path, clock_us)
}

/// As [`measure`], with a transform of this length; `None` also if the length proves too short.
pub fn measure_length(
    exponent: u32,
    length: Length,
    path: Path,
    clock_us: &mut dyn FnMut() -> u64,
) -> Option<Speed> {
    let mut field = Field::new(exponent, length, path)?;
    let words: Vec<u64> = (1..=u64::from(exponent.div_ceil(64)))
        .map(|i| PATTERN.wrapping_mul(i * i) ^ PATTERN >> (i % 64))
        .collect();
    let mut x = field.number(&words, exponent / 3);
    let mut round_off = 0.0_f64;

    let mut steps = 1;
    loop {
        // The faster of two: were one that was held up to end this, the rounds would be shorter than a browser's clock can tell.
        let first = run(&mut field, &mut x, steps, &mut round_off, clock_us)?;
        let second = run(&mut field, &mut x, steps, &mut round_off, clock_us)?;
        if first.min(second) >= ROUND_US || steps >= STEPS_MAX {
            break;
        }
        steps *= 2;
    }
    let mut fastest = u64::MAX;
    for _ in 0..ROUNDS {
        fastest = fastest.min(run(&mut field, &mut x, steps, &mut round_off, clock_us)?);
    }
    let step_ns = fastest as f64 * 1000.0 / steps as f64;
    Some(Speed { exponent, path, length, step_ns, round_off })
}

/// How long so many steps take, in microseconds; `None` if they go wrong.
fn run(
    field: &mut Field,
    x: &mut Number,
    steps: u64,
    round_off: &mut f64,
    clock_us: &mut dyn FnMut() -> u64,
) -> Option<u64> {
    let start = clock_us();
    for _ in 0..steps {
        field.square_minus_two(x).ok()?;
        *round_off = round_off.max(field.round_off());
    }
    Some(clock_us().saturating_sub(start))
}
