//! Provers who lie.

use super::super::arithmetic::Arithmetic;
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

#[test]
fn nothing_but_zeros_proves_nothing() {
    for exponent in [COMPOSITE, PRIME, 2203] {
        let mut zeros = vec![VERSION, power(exponent) as u8];
        zeros.extend(exponent.to_le_bytes());
        zeros.resize(size(exponent) as usize, 0);

        assert!(!verify(exponent, 0, &zeros), "{exponent}");
    }
}

#[test]
fn a_known_factor_saves_nobody_the_test() {
    // Everything is honest modulo the factor, which is quickly done, and 0 modulo its cofactor, where every claim is true.
    const EXPONENT: u32 = 67;
    const FACTORS: [u128; 2] = [193_707_721, 761_838_257_287];
    for [factor, cofactor] in [FACTORS, [FACTORS[1], FACTORS[0]]] {
        let power_of = |base: u128, exponent: u128| {
            (0..128).rev().fold(1, |x, bit| {
                let square = x * x % factor;
                if exponent >> bit & 1 == 1 { square * base % factor } else { square }
            })
        };
        let inverse = power_of(cofactor % factor, factor - 2);
        let residue = |of: u128| {
            let whole = cofactor * (of * inverse % factor);
            Residue::new(EXPONENT, vec![whole as u64, (whole >> 64) as u64]).expect("it is below the product")
        };
        let squared = |x: u128, times: u32| (0..times).fold(x, |x, _| x * x % factor);
        let mut left = squarings(EXPONENT);
        let end = residue(squared(3, left));
        let mut source = Challenges::new(&end);
        let mut x = 3;
        let mut middles = Vec::new();
        for _ in 0..power(EXPONENT) {
            left /= 2;
            let middle = squared(x, left);
            middles.push(residue(middle));
            let challenge = source.next(&middles[middles.len() - 1]);
            x = power_of(x, challenge.into()) * middle % factor;
        }
        let proof = Proof { end: end.clone(), middles }.to_bytes();
        let end = (squarings(EXPONENT)..EXPONENT).fold(end, |x, _| x.square());

        assert!(!verify(EXPONENT, residue_of(&end), &proof), "with the factor {factor}");
    }
}

#[test]
fn there_are_no_proofs_of_even_exponents() {
    let exponent = 100;
    let mut proof = vec![VERSION, power(exponent) as u8];
    proof.extend(exponent.to_le_bytes());
    proof.resize(size(exponent) as usize, 1);

    assert!(Verification::new(exponent, 0, &proof).is_none());
}

#[test]
fn a_transform_too_short_gives_way_to_a_longer_one() {
    let exponent = 3181;
    let (trail, end) = trail(exponent, &Residue::small(exponent, 3));
    let honest = prove(trail.clone());

    let mut proving = Proving::new(exponent, trail).with(Arithmetic::with_digits(exponent, 128));
    let price = proving.price();
    while proving.finished().is_none() {
        proving.step(1);
    }
    assert!(proving.price() > price, "it was too short");
    assert_eq!(proving.finished().map(|proof| proof.to_bytes()), Some(honest.clone()));

    for (residue, is_right) in [(residue_of(&end), true), (residue_of(&end) ^ 1, false)] {
        let verification = Verification::new(exponent, residue, &honest).expect("the form is right");
        let mut verification = verification.with(Arithmetic::with_digits(exponent, 128));
        let price = verification.price();
        while verification.verdict().is_none() {
            verification.step(1);
        }
        assert!(verification.price() > price, "it was too short");
        assert_eq!(verification.verdict(), Some(is_right));
    }
}
