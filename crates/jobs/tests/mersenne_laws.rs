//! Runs that are interrupted anywhere, and bytes that anybody may have made.

#![cfg(not(target_arch = "wasm32"))]

use manyhands_jobs::kernel::mersenne::residue::byte_len;
use manyhands_jobs::kernel::mersenne::{Run, SavedError, Verification, proof, test};
use manyhands_wire::mersenne::{Finding, is_prime};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_run_ends_the_same_however_it_is_interrupted(
        exponent in (64..1500_u32).prop_filter("a prime", |exponent| is_prime(*exponent)),
        is_proven in any::<bool>(),
        stops in proptest::collection::vec((1..400_000_u64, any::<bool>()), 0..12),
    ) {
        let proofs_from = if is_proven { 0 } else { u32::MAX };
        let straight = finish(Run::without_factors(exponent, proofs_from));

        let mut run = Run::without_factors(exponent, proofs_from);
        for (work, is_foreign) in stops {
            run.step(work);
            // Somebody else's test of Lucas and Lehmer is not gone on with, nor is one of what has a factor.
            let is_foreign = is_foreign && is_proven && test(exponent, 0).1.is_some();
            if let Some(saved) = run.save() {
                run = Run::resume(exponent, proofs_from, &saved, is_foreign).expect("a state just saved");
                prop_assert_eq!(run.save(), Run::resume(exponent, proofs_from, &saved, is_foreign).expect("again").save());
            }
        }

        prop_assert_eq!(finish(run), straight);
    }

    #[test]
    fn no_bytes_make_a_state_or_a_proof_panic(
        exponent in any::<u32>(),
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        for exponent in [exponent, exponent % 300] {
            prop_assert!(Run::resume(exponent, 0, &bytes, true).is_err());
            prop_assert!(Verification::new(exponent, 1, &bytes).is_none());
        }
    }

    #[test]
    fn whatever_somebody_says_is_saved_the_end_is_true(
        exponent in (64..300_u32).prop_filter("a prime", |exponent| is_prime(*exponent)),
        at in any::<u32>(),
        checked in any::<u32>(),
        kind in 1..=2_u8,
        residues in proptest::collection::vec(any::<u8>(), 70 * 38),
        zeros in prop_oneof![Just(0), Just(u64::MAX), any::<u64>()],
    ) {
        let at = at % exponent;
        let checked = checked % (at + 1) / 32 * 32;
        let trail = (at / proof::stride(exponent)).min(1 << proof::power(exponent)) as usize;
        let count = if kind == 1 { 2 } else { 3 + trail };
        let mut saved = vec![1, kind, 0];
        saved.extend([exponent, at, checked].iter().flat_map(|number| number.to_le_bytes()));
        for (place, residue) in residues.chunks(38).take(count).enumerate() {
            let is_zero = zeros >> (place % 64) & 1 == 1;
            saved.extend(residue[..byte_len(exponent)].iter().map(|byte| if is_zero { 0 } else { *byte }));
            if let Some(top) = saved.last_mut() {
                *top &= 0xff >> ((8 - exponent % 8) % 8);
            }
        }
        saved.extend(blake3::hash(&saved).as_bytes());

        match Run::resume(exponent, 0, &saved, true) {
            Ok(run) => prop_assert_eq!(finish(run), finish(Run::new(exponent, 0))),
            // Among random residues may be one that shares a factor with the modulus, which is the same as 0 modulo this factor.
            Err(error) => prop_assert!(kind == 1 || zeros != 0 || error == SavedError::Damaged),
        }
    }

    #[test]
    fn random_residues_are_no_proof(seed in any::<u64>(), residue in any::<u64>()) {
        let exponent = 509;
        let mut proof = vec![1, 6];
        proof.extend(u32::to_le_bytes(exponent));
        let mut x = seed | 1;
        for at in 0..7 * 64 {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            proof.push(if at % 64 == 63 { 0 } else { x as u8 });
        }

        let mut verification = Verification::new(exponent, residue, &proof).expect("its form is right");
        while verification.verdict().is_none() {
            verification.step(u64::MAX);
        }
        prop_assert_eq!(verification.verdict(), Some(false));
    }
}

fn finish(mut run: Run) -> (Finding, Option<Vec<u8>>) {
    while !run.is_done() {
        run.step(u64::MAX);
    }
    run.finish().expect("it is done")
}
