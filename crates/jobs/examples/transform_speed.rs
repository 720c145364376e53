//! Measures the transform: some exponents of Mersenne primes on every path of this processor, and every transform
//! length.
//!
//! ```text
//! cargo run --release -p manyhands-jobs --example transform_speed             tables
//! cargo run --release -p manyhands-jobs --example transform_speed -- --json   the same for programs
//! ```
//!
//! For each length, the exponent is the largest that is allowed, so the round-off errors are the largest there are.

#![expect(clippy::print_stdout, reason = "it is a program for the terminal")]

use std::process::ExitCode;
use std::time::Instant;

use manyhands_jobs::transform::speed::{Speed, measure, measure_length};
use manyhands_jobs::transform::{EXPONENT_MAX, Length, Path};

/// Exponents of Mersenne primes, small and large.
const EXPONENTS: [u32; 7] = [2203, 9941, 19_937, 44_497, 86_243, 216_091, 1_257_787];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            print_table("exponents", &exponents());
            print_table("lengths, with the largest exponent of each", &all_lengths());
        }
        ["--json"] => {
            println!(r#"{{"exponents":{},"lengths":{}}}"#, json(&exponents()), json(&all_lengths()))
        }
        _ => {
            eprintln!("usage: transform_speed [--json]");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn exponents() -> Vec<Speed> {
    let mut clock_us = clock();
    let mut speeds = Vec::new();
    for exponent in EXPONENTS {
        speeds.extend(Path::ALL.iter().filter_map(|path| measure(exponent, *path, &mut clock_us)));
    }
    speeds
}

fn all_lengths() -> Vec<Speed> {
    let mut clock_us = clock();
    let mut speeds = Vec::new();
    for length in Length::all() {
        let exponent = length.exponent_max().min(EXPONENT_MAX);
        speeds.extend(
            Path::ALL.iter().filter_map(|path| measure_length(exponent, length, *path, &mut clock_us)),
        );
    }
    speeds
}

fn clock() -> impl FnMut() -> u64 {
    let start = Instant::now();
    move || u64::try_from(start.elapsed().as_micros()).expect("the program does not run for ages")
}

fn print_table(title: &str, speeds: &[Speed]) {
    println!("{title}:");
    println!(
        "{:>9} {:<9} {:>7} {:>10} {:>12} {:>10}",
        "exponent", "path", "length", "bits/digit", "ns/step", "round-off"
    );
    for speed in speeds {
        println!(
            "{:>9} {:<9} {:>7} {:>10.2} {:>12.0} {:>10.4}",
            speed.exponent,
            speed.path.name(),
            speed.length.digits(),
            f64::from(speed.exponent) / f64::from(speed.length.digits()),
            speed.step_ns,
            speed.round_off
        );
    }
}

fn json(speeds: &[Speed]) -> String {
    let rows: Vec<String> = speeds
        .iter()
        .map(|speed| {
            format!(
                r#"{{"exponent":{},"path":"{}","length":{},"ns_per_iteration":{:.1},"round_off":{:.4}}}"#,
                speed.exponent,
                speed.path,
                speed.length.digits(),
                speed.step_ns,
                speed.round_off
            )
        })
        .collect();
    format!("[{}]", rows.join(","))
}
