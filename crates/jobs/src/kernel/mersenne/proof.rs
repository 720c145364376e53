//! Proofs that a composite's residue is right, which cost about a hundredth of the test to verify.
//!
//! Pietrzak, "Simple verifiable delay functions" (ITCS 2019), as it is used for primality tests by the Great Internet Mersenne
//! Prime Search and by Li and Gallot, "An efficient modular exponentiation proof scheme" (arXiv 2209.15623).
//!
//! The claim is `x^(2^T) = y`, at first for `x = 3`. The prover adds the middle, `m = x^(2^(T/2))`, and both turn the two
//! claims about halves, `x^(2^(T/2)) = m` and `m^(2^(T/2)) = y`, into one by a random number h:
//! `(x^h m)^(2^(T/2)) = m^h y`. After k such turns, k being the *power*, what is left is T / 2^k squarings, which the
//! verifier does. The random numbers are taken from a hash of all that was said before them (Fiat and Shamir), so nobody
//! has to ask.
//! The middles are products of powers of the residues that the run left on its way, 2^k of them.
//!
//! T has to be a multiple of 2^k, and an exponent is prime: T is the largest multiple below it, and the fewer than 2^k
//! squarings from there to the end are the verifier's too. So what it accepts is the end itself.
//!
//! Modulo 2^p - 1 some numbers are 0 modulo a factor of it, as 0 itself is; a middle like that would make everything that
//! follows 0 modulo this factor, and every claim true. So the verifier looks, once all turns are made, whether its `x` shares
//! a factor with 2^p - 1: that shows a middle that did, wherever it was. It looks for 256 batches of steps, which is a look
//! to the end for exponents to about 6000; beyond, what escapes it is a proof that is honest modulo a factor of thousands
//! of bits at least. (To look to the end always would nearly double what verification takes at 216091: measured.)
//!
//! # What a proof is worth
//!
//! A claim that is wrong by a factor of order d becomes a true one in a turn with a chance of about 1/d, or of 2^-64 where d
//! is larger. Who has not done the test does not know by what his claim is wrong, and as far as is known he has to try about
//! 2^64 hashes.
//!
//! **Who does the whole test can lie about its end**: the right residue times a number of small order passes after some
//! tries at each turn. Modulo each 2^p - 1 such numbers are known, -1 of order 2 and 2 of order p, and modulo a prime they are
//! found for any order that divides 2^p - 2, such as 3. So a proof does not show that the residue is right, and **it does
//! not show that 2^p - 1 is no prime**: somebody who does all the work of its test can hide a prime. An end that is 9
//! times plus or minus a power of two is refused, which rules out the numbers that lie at hand and no others. Against who
//! goes further only a second run of the whole test helps, for some proven composites drawn at random. Who knows a factor
//! beyond the bound of trial factoring can lie in the same way: modulo this factor he says what he likes, and does the test
//! modulo the rest. But then the number is composite, as he says.

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
/// For how many batches of steps to look for a common factor. The cost is that of some dozens of squarings.
const COMMON_FACTOR_BATCHES: usize = 256;
/// What a proof begins with.
const VERSION: u8 = 1;
/// Version, power, exponent.
const HEADER: usize = 6;

/// The least exponent that can have a proof.
pub use manyhands_wire::mersenne::PROVEN_MIN as EXPONENT_MIN;

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
    // A number of p bits is done for after p / 25 batches, and half as long on average; it has p / 64 words, which count as
    // elements, of which a squaring has about p / 19.
    let batches = (COMMON_FACTOR_BATCHES as u64).min(u64::from(exponent) / 50);
    u64::from(stride(exponent)) + left + turns * (2 * power::SQUARINGS + 3) + batches * 19 / 64
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
