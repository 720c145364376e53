//! The search's findings against plain arithmetic and what is known of Mersenne numbers.

use manyhands_jobs::kernel::mersenne::residue::byte_len;
use manyhands_jobs::kernel::mersenne::{Run, SavedError, Verification, findings, proof, reference, test};
use manyhands_wire::UnitRange;
use manyhands_wire::mersenne::{EXPONENT_MAX, Verdict, divides, is_prime};
use manyhands_wire::parcel::PARCEL_BYTES_MAX;

/// Proofs of everything that can have one.
const ALL_PROVEN: u32 = 0;
/// No proofs.
const NONE_PROVEN: u32 = u32::MAX;

/// A composite without small factors, and where its test is after 41 iterations: as written on x86-64.
const SAVED_EXPONENT: u32 = 137;
const SAVED: &str = include_str!("saved_137.hex");

#[test]
fn the_exponents_of_mersenne_primes_below_10000_are_found_and_no_others() {
    let found = findings(2, 10_000, 4_000, UnitRange::new(0, 9_999));

    let primes: Vec<u32> = found
        .iter()
        .filter(|finding| finding.verdict == Verdict::Prime)
        .map(|finding| finding.exponent)
        .collect();
    assert_eq!(
        primes,
        [
            2, 3, 5, 7, 13, 17, 19, 31, 61, 89, 107, 127, 521, 607, 1279, 2203, 2281, 3217, 4253, 4423, 9689,
            9941
        ]
    );
    assert!(found.iter().map(|finding| finding.exponent).eq((2..=10_000).filter(|p| is_prime(*p))));
}

#[test]
fn the_five_primes_between_10000_and_50000_are_found() {
    for exponent in [11_213, 19_937, 21_701, 23_209, 44_497] {
        let (finding, proof) = test(exponent, NONE_PROVEN);
        assert_eq!((finding.verdict, proof), (Verdict::Prime, None), "{exponent}");
    }
}

// The residues' source is the reference: it is a page of the school's arithmetic, and anybody can read whether it is right.
#[test]
fn residues_are_those_of_plain_arithmetic() {
    for exponent in (3..2000).filter(|exponent| is_prime(*exponent)) {
        let plain = reference::lucas_lehmer(exponent);
        let expected =
            if plain.is_zero() { Verdict::Prime } else { Verdict::Composite { residue: plain.res64() } };
        let lucas = finish(Run::without_factors(exponent, NONE_PROVEN)).0;
        assert_eq!(lucas, expected, "Lucas-Lehmer of {exponent}");

        if exponent >= proof::EXPONENT_MIN {
            let residue = reference::fermat(exponent).res64();
            let fermat = finish(Run::without_factors(exponent, ALL_PROVEN).without_proof()).0;
            let expected = if residue == 1 { Verdict::Prime } else { Verdict::Composite { residue } };
            assert_eq!(fermat, expected, "Fermat's of {exponent}");
        }
    }
}

#[test]
fn a_composite_is_either_factored_or_has_a_residue() {
    for exponent in (2..3000).filter(|exponent| is_prime(*exponent)) {
        let (finding, proof) = test(exponent, 1000);
        match finding.verdict {
            Verdict::Prime => assert_eq!(proof, None),
            Verdict::Factor(factor) => {
                assert!(divides(factor, exponent), "{factor} divides 2^{exponent} - 1");
                assert_eq!(proof, None);
            }
            Verdict::Composite { .. } => assert_eq!(proof.is_some(), exponent >= 1000, "{exponent}"),
        }
    }
}

#[test]
fn a_proof_is_right_only_as_it_is_and_for_its_residue() {
    let exponent = 509;
    let (residue, proof) = proven(exponent);
    assert_eq!(proof.len() as u64, proof::size(exponent));
    assert_eq!(verify(exponent, residue, &proof), Some(true));

    assert_eq!(verify(exponent, residue ^ 1, &proof), Some(false));
    for at in 0..proof.len() {
        let mut forged = proof.clone();
        forged[at] ^= 1 << (at % 8);
        assert_ne!(verify(exponent, residue, &forged), Some(true), "byte {at} changed");
    }
    for wrong in [&proof[1..], &proof[..proof.len() - 1], &[proof.as_slice(), &[0]].concat(), &[]] {
        assert_eq!(verify(exponent, residue, wrong), None, "{} bytes", wrong.len());
    }
}

#[test]
fn a_proof_is_of_one_exponent() {
    let (exponent, other) = (499, 503);
    assert_eq!(byte_len(exponent), byte_len(other));
    let (residue, mut proof) = proven(exponent);

    assert_eq!(verify(other, residue, &proof), None);
    proof[2..6].copy_from_slice(&other.to_le_bytes());
    assert_ne!(verify(other, residue, &proof), Some(true));
    for exponent in [0, 1, 2, 63, 64, EXPONENT_MAX, EXPONENT_MAX + 1, u32::MAX] {
        assert_eq!(verify(exponent, residue, &proof), None);
    }
}

#[test]
fn proofs_stay_within_their_limits() {
    for exponent in (proof::EXPONENT_MIN..EXPONENT_MAX).step_by(997).chain([216_091, EXPONENT_MAX]) {
        let p = u64::from(exponent);
        assert!(proof::trail_bytes(exponent) <= proof::TRAIL_BYTES_MAX);
        let saved = proof::trail_bytes(exponent) + 3 * byte_len(exponent) as u64 + 47;
        assert!(saved.max(proof::size(exponent)) <= u64::from(PARCEL_BYTES_MAX), "{exponent}");
        let left = exponent - proof::squarings(exponent);
        assert!((6..=8).contains(&proof::power(exponent)) && left < 1 << proof::power(exponent));
        if exponent > 216_000 {
            assert!(proof::verification_squarings(exponent) * 1000 < p * 17, "{exponent}");
            assert!(proof::making_squarings(exponent) * 100 < p * 6, "{exponent}");
        }
    }
    assert!(proof::verification_squarings(216_091) * 1000 <= 216_091 * 15);
}

#[test]
fn verifying_takes_the_squarings_that_are_reckoned() {
    let exponent = 4099;
    let (residue, proof) = proven(exponent);
    let mut verification = Verification::new(exponent, residue, &proof).expect("an honest proof is one");
    let mut steps = 0;
    while verification.verdict().is_none() {
        verification.step(1);
        steps += 1;
    }

    let reckoned = proof::verification_squarings(exponent);
    assert!(steps * 100 > reckoned * 80 && steps * 100 < reckoned * 110, "{steps}, reckoned {reckoned}");
}

#[test]
fn a_state_from_another_machine_leads_to_the_same_end() {
    let saved = unhex(SAVED);

    // What this machine writes is the same to the last bit, so what it writes can be read there.
    let mut own = Run::without_factors(SAVED_EXPONENT, ALL_PROVEN);
    while own.progress().0 < 41 {
        own.step(1);
    }
    assert_eq!(hex(&own.save().expect("a test has a state")), SAVED.trim());

    let straight = finish(Run::without_factors(SAVED_EXPONENT, ALL_PROVEN));
    let expected = Verdict::Composite { residue: reference::fermat(SAVED_EXPONENT).res64() };
    assert_eq!(straight.0, expected);
    for is_foreign in [false, true] {
        let resumed =
            Run::resume(SAVED_EXPONENT, ALL_PROVEN, &saved, is_foreign).expect("the state is whole");
        assert_eq!(resumed.progress(), (41, SAVED_EXPONENT));
        assert_eq!(finish(resumed), straight);
    }
}

#[test]
fn a_run_saved_and_resumed_again_and_again_ends_the_same() {
    for (exponent, proofs_from) in [(1009, ALL_PROVEN), (1009, NONE_PROVEN), (1279, ALL_PROVEN), (2203, 0)] {
        let straight = finish(Run::without_factors(exponent, proofs_from));
        let mut run = Run::without_factors(exponent, proofs_from);
        let mut saves = 0;
        while !run.is_done() {
            run.step(20_000);
            if let Some(saved) = run.save() {
                // Not before the last hundreds of iterations are over, or it would never end.
                let resumed = Run::resume(exponent, proofs_from, &saved, false).expect("a state just saved");
                let (before, after) = (run.progress().0, resumed.progress().0);
                if after == before {
                    saves += 1;
                    run = resumed;
                }
            }
        }
        assert!(saves > 5, "{exponent} was saved {saves} times");
        assert_eq!(finish(run), straight, "{exponent}");
    }
}

#[test]
fn a_foreign_lie_ends_in_the_truth() {
    for exponent in [137, 521] {
        let straight = finish(Run::new(exponent, ALL_PROVEN));
        for at in [20, 41, 100] {
            let mut run = Run::without_factors(exponent, ALL_PROVEN);
            while run.progress().0 < at {
                run.step(1);
            }
            // All residues are other ones, and the checksum is right.
            let mut lie = run.save().expect("a test has a state");
            let body = lie.len() - 32;
            for byte in lie[15..body].iter_mut().step_by(byte_len(exponent)) {
                *byte ^= 1;
            }
            let checksum = blake3::hash(&lie[..body]);
            lie[body..].copy_from_slice(checksum.as_bytes());

            let resumed = Run::resume(exponent, ALL_PROVEN, &lie, true).expect("its form is right");
            assert_eq!(finish(resumed), straight, "{exponent}, lied to after {at}");
        }
    }
}

#[test]
fn a_foreign_test_of_lucas_and_lehmer_is_not_gone_on_with() {
    // The square root of 2 modulo 2^p - 1 is 2^((p + 1) / 2): whoever says it is the residue before the last makes any number a
    // prime.
    let exponent = 1009;
    let mut run = Run::without_factors(exponent, NONE_PROVEN);
    while run.progress().0 < exponent - 3 {
        run.step(1);
    }
    let mut lie = run.save().expect("a test has a state");
    let body = lie.len() - 32;
    let (residue, bytes) = (15, byte_len(exponent));
    lie[residue..residue + bytes].fill(0);
    lie[residue + exponent.div_ceil(2) as usize / 8] |= 1 << (exponent.div_ceil(2) % 8);
    let checksum = blake3::hash(&lie[..body]);
    lie[body..].copy_from_slice(checksum.as_bytes());

    for proofs_from in [NONE_PROVEN, ALL_PROVEN] {
        let refused = Run::resume(exponent, proofs_from, &lie, true).err();
        assert_eq!(refused, Some(SavedError::Unverifiable), "proofs from {proofs_from}");
    }
}

#[test]
fn a_second_test_of_what_looks_prime_goes_on_after_a_pause() {
    // Fermat's test came from somebody else, Lucas and Lehmer's is our own.
    let exponent = 521;
    let mut theirs = Run::without_factors(exponent, ALL_PROVEN);
    while theirs.progress().0 < 100 {
        theirs.step(1);
    }
    let saved = theirs.save().expect("a test has a state");
    let mut run = Run::resume(exponent, ALL_PROVEN, &saved, true).expect("the state is whole");
    while run.progress().0 < exponent + 100 {
        run.step(1);
    }

    let saved = run.save().expect("a test has a state");
    let resumed = Run::resume(exponent, ALL_PROVEN, &saved, false).expect("it is our own");
    assert_eq!(resumed.progress().0, run.progress().0);
    assert_eq!(finish(resumed), (Verdict::Prime, None));
    let refused = Run::resume(exponent, ALL_PROVEN, &saved, true).err();
    assert_eq!(refused, Some(SavedError::Unverifiable));
}

#[test]
fn a_state_of_zeros_is_refused() {
    // 0 passes Gerbicz' check, and a proof of nothing but zeros would say that a prime is composite.
    for exponent in [509, 521, 1279] {
        let mut run = Run::without_factors(exponent, ALL_PROVEN);
        while run.progress().0 < 64 {
            run.step(1);
        }
        let mut lie = run.save().expect("a test has a state");
        let body = lie.len() - 32;
        lie[15..body].fill(0);
        let checksum = blake3::hash(&lie[..body]);
        lie[body..].copy_from_slice(checksum.as_bytes());

        let refused = Run::resume(exponent, ALL_PROVEN, &lie, true).err();
        assert_eq!(refused, Some(SavedError::Damaged), "{exponent}");
    }
}

#[test]
fn a_damaged_state_is_refused() {
    let saved = unhex(SAVED);
    let resume = |exponent, bytes: &[u8]| Run::resume(exponent, ALL_PROVEN, bytes, false).err();

    for at in 0..saved.len() {
        let mut damaged = saved.clone();
        damaged[at] ^= 0x40;
        assert_eq!(resume(SAVED_EXPONENT, &damaged), Some(SavedError::Damaged), "byte {at} changed");
    }
    for len in [0, 1, 31, 32, 33, 46, 47, 48, saved.len() - 1] {
        assert_eq!(resume(SAVED_EXPONENT, &saved[..len]), Some(SavedError::Damaged), "{len} bytes");
    }
    assert_eq!(resume(139, &saved), Some(SavedError::OfAnother));
    let unproven = Run::resume(SAVED_EXPONENT, NONE_PROVEN, &saved, false).err();
    assert_eq!(unproven, Some(SavedError::OfAnother));
}

fn finish(mut run: Run) -> (Verdict, Option<Vec<u8>>) {
    while !run.is_done() {
        run.step(u64::MAX);
    }
    let (finding, proof) = run.finish().expect("it is done");
    (finding.verdict, proof)
}

fn proven(exponent: u32) -> (u64, Vec<u8>) {
    match finish(Run::without_factors(exponent, ALL_PROVEN)) {
        (Verdict::Composite { residue }, Some(proof)) => (residue, proof),
        other => panic!("{exponent}: {other:?}"),
    }
}

fn verify(exponent: u32, residue: u64, proof: &[u8]) -> Option<bool> {
    let mut verification = Verification::new(exponent, residue, proof)?;
    while verification.verdict().is_none() {
        verification.step(u64::MAX);
    }
    verification.verdict()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.trim().as_bytes();
    let digit = |digit: u8| (digit as char).to_digit(16).expect("the fixture is hexadecimal") as u8;
    digits.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}
