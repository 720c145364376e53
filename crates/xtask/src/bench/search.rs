//! Figures of the search for Mersenne primes: its speed beside GMP's and in a browser, how peers share it, and its proofs.
//!
//! Beside the figures each part prints a table of its own, with all that was measured.

mod pages;
mod proofs;
mod sharing;
mod steps;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{build, commands};

pub(super) use pages::pages;
pub(super) use proofs::proofs;
pub(super) use sharing::sharing;
pub(super) use steps::{lengths, steps};

/// Builds an example in release: where it is. So it can be run again and again without cargo in between.
fn example(package: &str, name: &str) -> Result<PathBuf> {
    commands::run(&mut commands::cargo(["build", "--release", "--package", package, "--example", name]))?;
    Ok(build::target_folder().join("release/examples").join(name))
}

/// Runs a program that prints one line of JSON.
fn answer(program: &Path, arguments: &[&str]) -> Result<Value> {
    let text = commands::output(commands::program(program).args(arguments))?;
    serde_json::from_str(&text).with_context(|| format!("{} {arguments:?} printed {text}", program.display()))
}

/// The one in the middle.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The smallest.
fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

/// Where several rounds lay.
fn spread(values: &[f64]) -> String {
    let most = values.iter().copied().fold(0.0, f64::max);
    format!("the median of {} rounds, {:.2} to {most:.2}", values.len(), least(values))
}

/// Prints a table as a README has it.
fn print_table(title: &str, head: &[&str], rows: &[Vec<String>]) {
    println!("\n{title}:\n\n| {} |\n|{}", head.join(" | "), "---|".repeat(head.len()));
    for row in rows {
        println!("| {} |", row.join(" | "));
    }
    println!();
}

/// A time in the unit that it is best read in.
fn time(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{ns:.0} ns"),
        ns if ns < 1e6 => format!("{:.2} us", ns / 1e3),
        ns if ns < 1e9 => format!("{:.2} ms", ns / 1e6),
        ns => format!("{:.2} s", ns / 1e9),
    }
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([grouped(7), grouped(1000), grouped(1_257_787)], ["7", "1,000", "1,257,787"]);
        assert_eq!(
            [time(905.4), time(7_280.0), time(2.5e6), time(3e9)],
            ["905 ns", "7.28 us", "2.50 ms", "3.00 s"]
        );
    }

    #[test]
    fn the_middle_and_the_least_are_found_in_any_order() {
        assert_eq!(median(&[3.0, 1.0, 2.0]).total_cmp(&2.0), std::cmp::Ordering::Equal);
        assert_eq!(least(&[3.0, 1.0, 2.0]).total_cmp(&1.0), std::cmp::Ordering::Equal);
        assert!(median(&[]).is_nan());
    }
}
