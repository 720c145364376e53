//! Measures every path of the kernel against the processor's limit, or adds one interval by one path.
//!
//! ```text
//! cargo run --release -p manyhands-jobs --example kernel_speed             a table
//! cargo run --release -p manyhands-jobs --example kernel_speed -- --json   the same for programs
//! cargo run --release -p manyhands-jobs --example kernel_speed -- --sum avx2 1 100000000
//! ```
//!
//! The last form is what the tests count instructions of: it prints the total, or fails if the processor lacks the path.

#![expect(clippy::print_stdout, reason = "it is a program for the terminal")]

use std::process::ExitCode;
use std::time::Instant;

use manyhands_jobs::kernel::sum::{Path, add_up_by};
use manyhands_jobs::speed::{Speed, measure};

/// How many rounds of kernel and limit for each path and size of numbers.
const ROUNDS: usize = 31;
/// Where the intervals begin that are measured: numbers of ordinary jobs, and those near the limit.
const FIRSTS: [u64; 4] = [1, 1 << 40, 1 << 56, 999_999_000_000_000_000];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => print_table(&speeds()),
        ["--json"] => print_json(&speeds()),
        ["--sum", path, first, last] => return add(path, first, last),
        _ => {
            eprintln!("usage: kernel_speed [--json | --sum PATH FIRST LAST]");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// The speed of each path there is, for each size of numbers.
fn speeds() -> Vec<(u64, Speed)> {
    let start = Instant::now();
    let mut clock_us =
        || u64::try_from(start.elapsed().as_micros()).expect("the program does not run for ages");
    let mut speeds = Vec::new();
    for path in Path::ALL {
        for first in FIRSTS {
            speeds.extend(measure(path, first, ROUNDS, &mut clock_us).map(|speed| (first, speed)));
        }
    }
    speeds
}

fn print_table(speeds: &[(u64, Speed)]) {
    println!("{:<10} {:>20} {:>14} {:>14} {:>7}", "path", "numbers from", "numbers/s", "limit/s", "ratio");
    for (first, speed) in speeds {
        println!(
            "{:<10} {first:>20} {:>14.3e} {:>14.3e} {:>7.3}",
            speed.path,
            speed.numbers_per_s,
            speed.limit_per_s.unwrap_or(f64::NAN),
            speed.ratio.unwrap_or(f64::NAN)
        );
    }
}

fn print_json(speeds: &[(u64, Speed)]) {
    let number = |value: Option<f64>| value.map_or("null".into(), |value| format!("{value:.4}"));
    let rows: Vec<String> = speeds
        .iter()
        .map(|(first, speed)| {
            format!(
                r#"{{"path":"{}","best":{},"first":{first},"numbers_per_s":{:.0},"limit_per_s":{},"ratio":{}}}"#,
                speed.path,
                speed.path == Path::best(),
                speed.numbers_per_s,
                number(speed.limit_per_s),
                number(speed.ratio)
            )
        })
        .collect();
    println!("[{}]", rows.join(","));
}

fn add(path: &str, first: &str, last: &str) -> ExitCode {
    let (Ok(path), Ok(first), Ok(last)) = (path.parse::<Path>(), first.parse(), last.parse()) else {
        eprintln!("expected a path (avx512, avx2, portable) and two counting numbers");
        return ExitCode::from(2);
    };
    println!("adding {first} to {last} by {path}");
    let Some(total) = add_up_by(path, first, last) else {
        eprintln!("this processor does not have {path}");
        return ExitCode::FAILURE;
    };
    println!("{total}");
    ExitCode::SUCCESS
}
