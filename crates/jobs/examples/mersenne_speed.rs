//! Measures the search: how long exponents take, what trial factoring, checks and proofs are of it, and what the cost of a
//! job's units means in time.
//!
//! ```text
//! cargo run --release -p manyhands-jobs --example mersenne_speed             tables
//! cargo run --release -p manyhands-jobs --example mersenne_speed -- --to 10000   all exponents up to this one only
//! ```

#![expect(clippy::print_stdout, reason = "it is a program for the terminal")]

use std::process::ExitCode;
use std::time::Instant;

use manyhands_jobs::kernel::mersenne::{Run, Verification, factor, findings, proof};
use manyhands_wire::mersenne::{Finding, PROOFS_FROM, Verdict, is_prime};
use manyhands_wire::{JobKind, UnitRange};

/// Exponents of composites, and of some primes.
const EXPONENTS: [u32; 10] = [2203, 9941, 10_007, 20_011, 44_497, 65_537, 86_249, 131_101, 216_091, 216_103];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            sweep(10_000);
            cost();
            single();
        }
        ["--to", to] => match to.parse() {
            Ok(to) => sweep(to),
            Err(_) => return ExitCode::from(2),
        },
        _ => {
            eprintln!("usage: mersenne_speed [--to EXPONENT]");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// All exponents from 2 on.
fn sweep(to: u32) {
    let start = Instant::now();
    let found = findings(2, to, PROOFS_FROM, UnitRange::new(0, u64::from(to) - 1));
    let took = start.elapsed();
    let count = |pick: fn(&Verdict) -> bool| found.iter().filter(|finding| pick(&finding.verdict)).count();
    let factored = count(|verdict| matches!(verdict, Verdict::Factor(_)));
    let primes: Vec<u32> = found
        .iter()
        .filter(|finding| finding.verdict == Verdict::Prime)
        .map(|finding| finding.exponent)
        .collect();
    println!("2..={to}: {took:.2?}, {} exponents, {factored} with factors, primes {primes:?}", found.len());
}

/// What a unit of cost is in time, at several places.
fn cost() {
    println!("\n{:>9} {:>7} {:>10} {:>12} {:>8}", "from", "numbers", "ms", "us per cost", "factored");
    for (from, numbers) in [
        (2, 1000),
        (1000, 1000),
        (5000, 1000),
        (10_000, 1000),
        (20_000, 500),
        (40_000, 400),
        (60_000, 300),
        (130_000, 100),
    ] {
        let units = UnitRange::new(0, numbers);
        let kind = JobKind::Mersenne { from, to: from + 100_000, proofs_from: PROOFS_FROM };
        let start = Instant::now();
        let found = findings(from, from + 100_000, PROOFS_FROM, units);
        let us = start.elapsed().as_secs_f64() * 1e6;
        let factored = found.iter().filter(|f| matches!(f.verdict, Verdict::Factor(_))).count();
        println!(
            "{from:>9} {numbers:>7} {:>10.1} {:>12.2} {:>5}/{}",
            us / 1e3,
            us / kind.cost(units) as f64,
            factored,
            found.len()
        );
    }
}

/// Single exponents: what each part takes.
fn single() {
    println!(
        "\n{:>8} {:>9} {:>9} {:>9} {:>9} {:>9} {:>7} {:>9} {:>8} {:>9}",
        "exponent",
        "factor ms",
        "Lucas ms",
        "Fermat ms",
        "prove ms",
        "verify ms",
        "share",
        "squarings",
        "proof B",
        "trail B"
    );
    for exponent in EXPONENTS.into_iter().filter(|exponent| is_prime(*exponent)) {
        let factoring = ms(|| {
            let mut factoring = factor::Factoring::new(exponent);
            while !factoring.is_done() {
                factoring.step(u64::MAX);
            }
        });
        let (lucas, _) = run(Run::without_factors(exponent, u32::MAX));
        let (fermat, _) = run(Run::without_factors(exponent, 0).without_proof());
        let (both, (finding, proof)) = run(Run::without_factors(exponent, 0));
        let (Some(proof), Verdict::Composite { residue }) = (proof, finding.verdict) else {
            println!("{exponent:>8} {factoring:>9.2} {lucas:>9.1} {fermat:>9.1} prime");
            continue;
        };
        let verifying = ms(|| {
            let mut verification =
                Verification::new(exponent, residue, &proof).expect("an honest proof has the form of one");
            while verification.verdict().is_none() {
                verification.step(u64::MAX);
            }
            assert_eq!(verification.verdict(), Some(true), "an honest proof is right");
        });
        println!(
            "{exponent:>8} {factoring:>9.2} {lucas:>9.1} {fermat:>9.1} {:>9.1} {verifying:>9.2} {:>6.2}% {:>8.2}% {:>8} {:>9}",
            both - fermat - verifying,
            verifying / fermat * 100.0,
            proof::verification_squarings(exponent) as f64 / f64::from(exponent) * 100.0,
            proof.len(),
            proof::trail_bytes(exponent),
        );
    }
}

fn run(mut run: Run) -> (f64, (Finding, Option<Vec<u8>>)) {
    let took = ms(|| {
        while !run.is_done() {
            run.step(u64::MAX);
        }
    });
    (took, run.finish().expect("it is done"))
}

fn ms(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1e3
}
