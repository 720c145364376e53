//! Exponents up to 10,000: how long one machine's thread takes for them, and how well four peers share them.
//!
//! Four peers at a quarter of a thread's time each are one thread together, so they can be measured on a machine with two cores.
//! One such peer alone takes turns with four.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{answer, example, grouped, least, median, print_table, spread};
use crate::bench::{Figure, Target, field};

/// The exponents of all Mersenne primes below 10,000.
const PRIMES: [u64; 22] =
    [2, 3, 5, 7, 13, 17, 19, 31, 61, 89, 107, 127, 521, 607, 1279, 2203, 2281, 3217, 4253, 4423, 9689, 9941];
const ROUNDS: usize = 3;
const PEERS: u64 = 4;
/// Who takes part: how many peers, and which share of a thread's time each of them gives, in thousandths.
const WHOLE: [&str; 2] = ["1", "1000"];
const ALONE: [&str; 2] = ["1", "250"];
const TOGETHER: [&str; 2] = ["4", "250"];

/// The search of 2 to 10,000 alone and shared.
pub(in crate::bench) fn sharing() -> Result<Vec<Figure>> {
    println!("    measuring: exponents 2 to 10,000, alone and shared");
    let bench = example("manyhands-peer", "search_bench")?;
    let run = |[peers, permille]: [&str; 2]| -> Result<Value> {
        let row = answer(&bench, &["--peers", peers, "--permille", permille, "--to", "10000"])?;
        let primes: Option<Vec<u64>> =
            row["primes"].as_array().context("no primes")?.iter().map(Value::as_u64).collect();
        ensure!(primes.as_deref() == Some(&PRIMES), "these are not the Mersenne primes below 10,000: {row}");
        Ok(row)
    };
    let (mut rows, mut whole_s, mut efficiencies) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let [whole, alone, together] = [run(WHOLE)?, run(ALONE)?, run(TOGETHER)?];
        whole_s.push(field(&whole, "took_s")?);
        efficiencies.push(field(&alone, "took_s")? / PEERS as f64 / field(&together, "took_s")?);
        for row in [&whole, &alone, &together] {
            rows.push(told(row)?);
        }
    }
    print_table(
        "exponents 2 to 10,000, of which 22 give primes",
        &["peers", "of a thread each", "time", "units", "computed beyond", "checked", "work of each"],
        &rows,
    );
    let beyond = rows.iter().skip(2).step_by(WHOLE.len() + 1);
    let beyond: Vec<&str> = beyond.map(|row| row[4].as_str()).collect();
    Ok(vec![
        Figure {
            name: "exponents 2 to 10,000, one thread",
            measured: least(&whole_s),
            unit: "s",
            target: Target::AtMost(60.0),
            note: format!("exactly the 22 primes; the least of {ROUNDS} rounds; the target is a guess"),
        },
        Figure {
            name: "efficiency of 4 throttled peers in a search",
            measured: median(&efficiencies),
            unit: "",
            target: Target::AtLeast(0.95),
            note: format!("{}; units computed beyond: {}", spread(&efficiencies), beyond.join(", ")),
        },
    ])
}

/// A line of the table.
fn told(row: &Value) -> Result<Vec<String>> {
    let number = |name: &str| row[name].as_u64().with_context(|| format!("no {name} in {row}"));
    let credit = row["credit_cost"].as_array().context("no credit")?;
    let all: f64 = credit.iter().filter_map(Value::as_f64).sum();
    let shares = credit.iter().filter_map(Value::as_f64).map(|cost| format!("{:.0} %", cost / all * 100.0));
    Ok(vec![
        number("peers")?.to_string(),
        format!("{} %", number("permille")? / 10),
        format!("{:.2} s", field(row, "took_s")?),
        grouped(number("units")?),
        grouped(number("gross_units")?.saturating_sub(number("units")?)),
        grouped(number("checked_units")?),
        shares.collect::<Vec<_>>().join(" "),
    ])
}
