//! Single measurements of the search, for programs: each call prints one line of JSON.
//!
//! ```text
//! cargo run --release -p manyhands-jobs --example search_speed -- steps 44497   one step of Lucas and Lehmer on every path
//! cargo run --release -p manyhands-jobs --example search_speed -- proof 216103  a test, its proof, and the proof's verification
//! cargo run --release -p manyhands-jobs --example search_speed -- formula 216091 the proof's figures that need no test
//! ```
//!
//! They are short, so that whoever compares them with something else can let the two take turns. The tables for people are
//! `transform_speed` and `mersenne_speed`.

#![expect(clippy::print_stdout, reason = "the line of JSON is what this program is for")]

use std::process::ExitCode;
use std::time::Instant;

use manyhands_jobs::kernel::mersenne::{Run, Verification, proof};
use manyhands_jobs::transform::speed::{Speed, measure};
use manyhands_jobs::transform::{EXPONENT_MAX, Path};
use manyhands_wire::mersenne::{Verdict, is_prime};

/// How often a proof is verified: the median counts, as that takes little time, in which the machine may be busy.
const VERIFICATIONS: usize = 5;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (what, exponent) = match arguments[..] {
        [what, exponent] => (what, exponent.parse().ok()),
        _ => ("", None),
    };
    let supported = |exponent: &u32| (3..=EXPONENT_MAX).contains(exponent) && is_prime(*exponent);
    let line = match (what, exponent.filter(supported)) {
        ("steps", Some(exponent)) => Some(steps(exponent)),
        ("proof", Some(exponent)) => Some(proof(exponent)),
        ("formula", Some(exponent)) => Some(format!("{{{}}}", formula(exponent))),
        _ => None,
    };
    let Some(line) = line else {
        eprintln!("usage: search_speed steps|proof|formula EXPONENT, which is an odd prime");
        return ExitCode::from(2);
    };
    println!("{line}");
    ExitCode::SUCCESS
}

/// The time of one step on every path that this processor has.
fn steps(exponent: u32) -> String {
    let start = Instant::now();
    let mut clock_us =
        || u64::try_from(start.elapsed().as_micros()).expect("the program does not run for ages");
    let rows: Vec<String> = Path::ALL
        .iter()
        .filter_map(|path| measure(exponent, *path, &mut clock_us))
        .map(|Speed { path, length, step_ns, round_off, .. }| {
            format!(
                r#"{{"path":"{path}","best":{},"length":{},"ns":{step_ns:.1},"round_off":{round_off:.4}}}"#,
                path == Path::best(),
                length.digits(),
            )
        })
        .collect();
    format!("[{}]", rows.join(","))
}

/// What a proof costs: by formula, and measured where the exponent gives a composite.
fn proof(exponent: u32) -> String {
    let formula = formula(exponent);
    match measured(exponent) {
        Some([test_ms, making_ms, verifying_ms]) => format!(
            r#"{{{formula},"test_ms":{test_ms:.3},"making_ms":{making_ms:.3},"verifying_ms":{verifying_ms:.3}}}"#
        ),
        None => format!("{{{formula}}}"),
    }
}

/// The members of an object, without its braces.
fn formula(exponent: u32) -> String {
    format!(
        r#""exponent":{exponent},"power":{},"verification_squarings":{},"making_squarings":{},"proof_bytes":{},"trail_bytes":{}"#,
        proof::power(exponent),
        proof::verification_squarings(exponent),
        proof::making_squarings(exponent),
        proof::size(exponent),
        proof::trail_bytes(exponent),
    )
}

/// The milliseconds of a test, of the making of its proof, and of the proof's verification. `None` for a prime.
fn measured(exponent: u32) -> Option<[f64; 3]> {
    let mut run = Run::without_factors(exponent, 0);
    let is_testing = |run: &Run| run.progress().0 < run.progress().1;
    let test = ms(|| {
        while is_testing(&run) {
            // One iteration, so that the test's end is not overrun.
            run.step(1);
        }
    });
    let making_and_verifying = ms(|| {
        while !run.is_done() {
            run.step(u64::MAX);
        }
    });
    let (finding, proof) = run.finish()?;
    let (proof, Verdict::Composite { residue }) = (proof?, finding.verdict) else { return None };
    let mut verifying: Vec<f64> =
        (0..VERIFICATIONS).map(|_| ms(|| verify(exponent, residue, &proof))).collect();
    verifying.sort_by(f64::total_cmp);
    let verifying = verifying[VERIFICATIONS / 2];
    // A run ends with the verification of its own proof.
    Some([test, (making_and_verifying - verifying).max(0.0), verifying])
}

fn verify(exponent: u32, residue: u64, proof: &[u8]) {
    let mut verification =
        Verification::new(exponent, residue, proof).expect("an honest proof has the form of one");
    while verification.verdict().is_none() {
        verification.step(u64::MAX);
    }
    assert_eq!(verification.verdict(), Some(true), "an honest proof is right");
}

fn ms(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1e3
}
