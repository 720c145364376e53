//! The search for Mersenne primes: what becomes of one exponent p, and of 2^p - 1.
//!
//! In reading order:
//!
//! 1. [`factor`]: trial factoring. Two of three composites fall here.
//! 2. `lucas`: the test of Lucas and Lehmer, which settles whether 2^p - 1 is prime.
//! 3. `fermat`: Fermat's test to base 3 with the check of R. Gerbicz (mersenneforum.org, 2017), for large exponents: a bit
//!    that flips in the number or in its check is noticed and mended, one that flips beside them spoils the proof, and a
//!    composite can be proven.
//! 4. [`proof`]: that proof, after Pietrzak (2018) and Li and Gallot (arXiv 2209.15623).
//! 5. [`run`]: all of it for one exponent, in steps, interrupted anywhere and [saved](run::Run::save); [`confirm`]: a prime's
//!    second test.
//! 6. [`residue`]: plain integers modulo 2^p - 1, in which states and proofs are written; [`mod@reference`]: the test of Lucas
//!    and Lehmer on these, to compare with.
//!
//! The multiplications are those of [`transform`](crate::transform) (Crandall and Fagin, 1994). How a machine does them, with
//! which lengths, and where it was interrupted, leaves no trace in a finding.

mod arithmetic;
pub mod confirm;
pub mod factor;
mod fermat;
mod jacobi;
mod lucas;
pub mod proof;
pub mod reference;
pub mod residue;
pub mod run;
mod saved;

pub use confirm::Confirmation;
use manyhands_wire::UnitRange;
use manyhands_wire::mersenne::{EXPONENT_MAX, EXPONENT_MIN, Finding, is_prime};
pub use proof::Verification;
pub use run::Run;
pub use saved::SavedError;

/// The exponent that a unit of a search from `from` to `to` is; `None` if it is beyond, or is not prime.
pub fn exponent_of(from: u32, to: u32, unit: u64) -> Option<u32> {
    let exponent = u32::try_from(u64::from(from).checked_add(unit)?).ok()?;
    let is_tested = (EXPONENT_MIN..=to.min(EXPONENT_MAX)).contains(&exponent) && is_prime(exponent);
    is_tested.then_some(exponent)
}

/// The findings of these units, at one go.
pub fn findings(from: u32, to: u32, proofs_from: u32, units: UnitRange) -> Vec<Finding> {
    // Beyond the last exponent there is nothing to look at.
    let end = units.end.min(u64::from(EXPONENT_MAX) + 1);
    let exponents = (units.start..end).filter_map(|unit| exponent_of(from, to, unit));
    let run = |exponent| finish(Run::new(exponent, proofs_from).without_proof()).0;
    exponents.map(run).collect()
}

/// The finding of one exponent, and a composite's proof, at one go.
///
/// # Panics
/// If the exponent is not within 2 to [`EXPONENT_MAX`].
pub fn test(exponent: u32, proofs_from: u32) -> (Finding, Option<Vec<u8>>) {
    finish(Run::new(exponent, proofs_from))
}

fn finish(mut run: Run) -> (Finding, Option<Vec<u8>>) {
    while !run.is_done() {
        run.step(u64::MAX);
    }
    run.finish().expect("a run that is done has its finding")
}
