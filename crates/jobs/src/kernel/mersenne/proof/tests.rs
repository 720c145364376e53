//! Provers who lie.

use super::super::fermat::OF_PRIMES;
use super::*;

/// A composite without small factors, and a prime's exponent.
const COMPOSITE: u32 = 509;
const PRIME: u32 = 521;

/// The trail of repeated squarings from a base on, and the end of the test.
fn trail(exponent: u32, base: &Residue) -> (Vec<Residue>, Residue) {
    let mut x = base.clone();
    let mut trail = Vec::new();
    for iteration in 1..=exponent {
        x = x.square();
        if iteration % stride(exponent) == 0 && iteration <= squarings(exponent) {
            trail.push(x.clone());
        }
    }
    (trail, x)
}

fn prove(trail: Vec<Residue>) -> Vec<u8> {
    let mut proving = Proving::new(trail[0].exponent(), trail);
    loop {
        if let Some(proof) = proving.finished() {
            return proof.to_bytes();
        }
        proving.step(1000);
    }
}

fn verify(exponent: u32, residue: u64, proof: &[u8]) -> bool {
    let mut verification = Verification::new(exponent, residue, proof).expect("the form is right");
    loop {
        match verification.verdict() {
            Some(verdict) => return verdict,
            None => verification.step(1000),
        };
    }
}

fn residue_of(end: &Residue) -> u64 {
    end.divided(OF_PRIMES as u32).res64()
}

#[test]
fn an_honest_proof_is_believed() {
    let (trail, end) = trail(COMPOSITE, &Residue::small(COMPOSITE, 3));

    assert!(verify(COMPOSITE, residue_of(&end), &prove(trail)));
}

#[test]
fn a_proof_about_another_base_is_not() {
    let (trail, end) = trail(COMPOSITE, &Residue::small(COMPOSITE, 5));

    assert!(!verify(COMPOSITE, residue_of(&end), &prove(trail)));
}

#[test]
fn one_wrong_residue_on_the_way_spoils_it() {
    for wrong in [0, 1, 31, 32, 62, 63] {
        let (mut trail, end) = trail(COMPOSITE, &Residue::small(COMPOSITE, 3));
        trail[wrong] = trail[wrong].add(&Residue::small(COMPOSITE, 1));

        assert!(!verify(COMPOSITE, residue_of(&end), &prove(trail)), "residue {wrong}");
    }
}

#[test]
fn a_residue_that_was_never_computed_has_no_proof() {
    // The liar saves the second half of the squarings.
    let (mut trail, _) = trail(COMPOSITE, &Residue::small(COMPOSITE, 3));
    for index in 32..64 {
        trail[index] = trail[index - 32].mul(&trail[31]);
    }
    let left = COMPOSITE - squarings(COMPOSITE);
    let end = (0..left).fold(trail[63].clone(), |x, _| x.square());

    assert!(!verify(COMPOSITE, residue_of(&end), &prove(trail)));
}

#[test]
fn a_prime_cannot_be_proven_composite() {
    let (trail, end) = trail(PRIME, &Residue::small(PRIME, 3));
    assert_eq!(end, Residue::small(PRIME, OF_PRIMES));

    assert!(!verify(PRIME, residue_of(&end), &prove(trail)));
}

#[test]
fn a_prime_is_not_hidden_behind_a_power_of_two() {
    // Powers of two, and minus these, are numbers of small order modulo every 2^p - 1: their factor may pass the turns.
    let nine = Residue::small(PRIME, OF_PRIMES);
    let zero = nine.sub(&nine);
    for by in [0, 1, 7, 260, 520] {
        for end in [nine.shifted(by), zero.sub(&nine.shifted(by))] {
            assert!(!verify::is_composite_with(&end, residue_of(&end)), "9 times 2^{by}");
        }
    }
    let other = nine.add(&Residue::small(PRIME, 1 << 40));
    assert!(verify::is_composite_with(&other, residue_of(&other)));
}

#[test]
fn a_proof_survives_its_bytes() {
    let (trail, end) = trail(COMPOSITE, &Residue::small(COMPOSITE, 3));
    let bytes = prove(trail);
    let proof = Proof::from_bytes(COMPOSITE, &bytes).expect("just written");

    assert_eq!(proof.to_bytes(), bytes);
    assert_eq!(proof.middles.len(), power(COMPOSITE) as usize);
    assert_ne!(proof.end, end, "the last squarings are the verifier's");
}
