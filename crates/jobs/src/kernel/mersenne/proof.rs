//! Proofs that a composite's residue is right, which cost about a hundredth of the test to verify.
//!
//! Pietrzak, "Simple verifiable delay functions" (ITCS 2019), as it is used for primality tests by the Great Internet Mersenne
//! Prime Search and by Li and Gallot, "An efficient modular exponentiation proof scheme" (arXiv 2209.15623).
//!
//! The claim is `x^(2^T) = y`, at first for `x = 3`. The prover adds the middle, `m = x^(2^(T/2))`, and both turn the two
//! claims about halves, `x^(2^(T/2)) = m` and `m^(2^(T/2)) = y`, into one by a random number h:
//! `(x^h m)^(2^(T/2)) = m^h y`. After k such turns, k being the *power*, what is left is T / 2^k squarings, which the
//! verifier does. The random numbers are taken from a hash of all that was said before them (Fiat and Shamir), so nobody has to ask.
//! The middles are products of powers of the residues that the run left on its way, 2^k of them.
//!
//! T has to be a multiple of 2^k, and an exponent is prime: T is the largest multiple below it, and the fewer than 2^k
//! squarings from there to the end are the verifier's too. So what it accepts is the end itself.
//!
//! What it is worth: forging a proof without doing the test takes about 2^64 hashes. Who did all of the test can pass off
//! the right residue times a number of small order, after some tries: such are known for each modulus, -1 and 2 among
//! them. That may make a wrong residue out of a right one. It must not make a composite out of a prime, so an end that
//! is 9 times plus or minus a power of two is refused; for a prime there are other numbers of small order, and against who
//! would use them only a second run helps.

mod power;
mod prove;
#[cfg(test)]
mod tests;
mod verify;

use super::residue::{Residue, byte_len};
pub(super) use prove::Proving;
pub use verify::Verification;

/// What the residues of one trail may take, in bytes.
pub const TRAIL_BYTES_MAX: u64 = 32 << 20;
/// The powers there are.
const POWERS: std::ops::RangeInclusive<u32> = 6..=8;
/// At least so many iterations for each residue on the trail, if the power is to be more than the least: so making a proof
/// costs about a twentieth of the run, at about 90 squarings for each residue.
const ITERATIONS_EACH: u64 = 1600;
/// What a proof begins with.
const VERSION: u8 = 1;
/// Version, power, exponent.
const HEADER: usize = 6;

/// The least exponent that can have a proof.
pub const EXPONENT_MIN: u32 = 1 << 6;

/// A proof: what the prover says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proof {
    /// The residue after [`squarings`] squarings.
    pub(super) end: Residue,
    /// The middles, the first that of the whole.
    pub(super) middles: Vec<Residue>,
}

/// How many times the claim is halved for an exponent: the most of 6 to 8 whose trail fits [`TRAIL_BYTES_MAX`] and whose
/// making does not cost much beside the run.
pub fn power(exponent: u32) -> u32 {
    let fits = |power: &u32| {
        *power == *POWERS.start()
            || trail_bytes_by(exponent, *power) <= TRAIL_BYTES_MAX
                && u64::from(exponent) >= ITERATIONS_EACH << power
    };
    POWERS.rev().find(fits).unwrap_or(*POWERS.start())
}

/// How many iterations lie between two residues of the trail; at least 1 from [`EXPONENT_MIN`] on.
pub fn stride(exponent: u32) -> u32 {
    (exponent >> power(exponent)).max(1)
}

/// How many squarings the proof is of: the largest multiple of 2^power up to the exponent.
pub fn squarings(exponent: u32) -> u32 {
    stride(exponent) << power(exponent)
}

/// The size of a proof, in bytes.
pub fn size(exponent: u32) -> u64 {
    HEADER as u64 + (u64::from(power(exponent)) + 1) * byte_len(exponent) as u64
}

/// What the residues that the run keeps for the proof take, in bytes.
pub fn trail_bytes(exponent: u32) -> u64 {
    trail_bytes_by(exponent, power(exponent))
}

fn trail_bytes_by(exponent: u32, power: u32) -> u64 {
    (byte_len(exponent) as u64) << power
}

/// About how many squarings verification takes, multiplications counted as one and a half.
pub fn verification_squarings(exponent: u32) -> u64 {
    let (left, turns) = (u64::from(exponent - squarings(exponent)), u64::from(power(exponent)));
    u64::from(stride(exponent)) + left + turns * (2 * power::SQUARINGS + 3)
}

/// About how many squarings the making of a proof takes, reckoned the same way.
pub fn making_squarings(exponent: u32) -> u64 {
    let powers = (1 << power(exponent)) - 1 - u64::from(power(exponent));
    powers * (power::SQUARINGS + 2)
}

/// The random numbers of a proof, each from all that was said before it.
#[derive(Clone, Debug)]
pub(super) struct Challenges(blake3::Hash);

impl Challenges {
    pub(super) fn new(end: &Residue) -> Self {
        let exponent = end.exponent();
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"manyhands proof of 3^(2^T) v1");
        hasher.update(&exponent.to_le_bytes());
        hasher.update(&power(exponent).to_le_bytes());
        hasher.update(&end.to_bytes());
        Self(hasher.finalize())
    }

    /// The number that follows a middle.
    pub(super) fn next(&mut self, middle: &Residue) -> u64 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.0.as_bytes());
        hasher.update(&middle.to_bytes());
        self.0 = hasher.finalize();
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.0.as_bytes()[..8]);
        u64::from_le_bytes(bytes)
    }
}

impl Proof {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let exponent = self.end.exponent();
        let mut bytes = vec![VERSION, power(exponent) as u8];
        bytes.extend(exponent.to_le_bytes());
        bytes.extend(self.end.to_bytes());
        bytes.extend(self.middles.iter().flat_map(Residue::to_bytes));
        bytes
    }

    /// Reads a proof about this exponent; `None` if it is none.
    pub(super) fn from_bytes(exponent: u32, bytes: &[u8]) -> Option<Self> {
        if exponent < EXPONENT_MIN || bytes.len() as u64 != size(exponent) {
            return None;
        }
        let (header, residues) = bytes.split_at(HEADER);
        let [version, power, named @ ..] = header else { return None };
        if *version != VERSION
            || u32::from(*power) != self::power(exponent)
            || named != exponent.to_le_bytes()
        {
            return None;
        }
        let mut residues =
            residues.chunks(byte_len(exponent)).map(|bytes| Residue::from_bytes(exponent, bytes));
        let end = residues.next()??;
        Some(Self { end, middles: residues.collect::<Option<_>>()? })
    }
}
