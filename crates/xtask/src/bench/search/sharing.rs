//! Exponents up to 10,000 and 20,000: how long one thread takes for them, and how well four peers share them.
//!
//! Four peers at a quarter of a thread's time each are one thread together, so they can be measured on a machine with two cores.
//! One such peer alone takes turns with four. What four do beside the work that one does are checks of each other's results,
//! second tests of primes, and the wait for the last checks at the end. Most of that is the same for any range, so it weighs
//! most in one that is done in two seconds.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{answer, example, grouped, least, median, print_table, spread};
use crate::bench::{Figure, Target, field};

/// The exponents of all Mersenne primes below 20,000.
const PRIMES: [u64; 24] = [
    2, 3, 5, 7, 13, 17, 19, 31, 61, 89, 107, 127, 521, 607, 1279, 2203, 2281, 3217, 4253, 4423, 9689, 9941,
    11_213, 19_937,
];
/// How far the search goes, how often it is measured, and what the figure is called.
const SEARCHES: [(u64, usize, &str); 2] = [
    (10_000, 3, "efficiency of 4 throttled peers, to 10,000"),
    (20_000, 1, "efficiency of 4 throttled peers, to 20,000"),
];
const PEERS: u64 = 4;
/// Who takes part: how many peers, and which share of a thread's time each of them gives, in thousandths.
const WHOLE: [&str; 2] = ["1", "1000"];
const ALONE: [&str; 2] = ["1", "250"];
const TOGETHER: [&str; 2] = ["4", "250"];

/// A search alone and shared.
pub(in crate::bench) fn sharing() -> Result<Vec<Figure>> {
    let bench = example("manyhands-peer", "search_bench")?;
    let (mut figures, mut rows) = (Vec::new(), Vec::new());
    for (to, rounds, name) in SEARCHES {
        println!("    measuring: exponents 2 to {}, alone and shared", grouped(to));
        let run = |[peers, permille]: [&str; 2]| -> Result<Value> {
            let row = answer(&bench, &["--peers", peers, "--permille", permille, "--to", &to.to_string()])?;
            ensure!(found(&row)? == primes(to), "these are not the Mersenne primes below {to}: {row}");
            Ok(row)
        };
        let (mut whole_s, mut efficiencies, mut settling_s) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let [whole, alone, together] = [run(WHOLE)?, run(ALONE)?, run(TOGETHER)?];
            whole_s.push(field(&whole, "took_s")?);
            efficiencies.push(field(&alone, "took_s")? / PEERS as f64 / field(&together, "took_s")?);
            settling_s.push(field(&together, "settling_s")?);
            for row in [&whole, &alone, &together] {
                rows.push(told(to, row)?);
            }
        }
        if to == SEARCHES[0].0 {
            figures.push(first(least(&whole_s), rounds));
        }
        figures.push(Figure {
            name,
            measured: median(&efficiencies),
            unit: "",
            target: Target::AtLeast(0.95),
            note: format!(
                "against one alone; {}; {:.2} s of it for the last checks",
                spread(&efficiencies),
                median(&settling_s)
            ),
        });
    }
    let head = [
        "exponents to",
        "peers",
        "of a thread each",
        "time",
        "of it after the last finding",
        "computed twice",
        "checked",
        "work of each",
    ];
    print_table("a search alone and shared; what is computed twice and checked by its cost", &head, &rows);
    Ok(figures)
}

/// One thread with all of its time.
fn first(seconds: f64, rounds: usize) -> Figure {
    Figure {
        name: "exponents 2 to 10,000, one thread",
        measured: seconds,
        unit: "s",
        target: Target::AtMost(60.0),
        note: format!("exactly the 22 primes; the least of {rounds} rounds; the target is a guess"),
    }
}

/// The exponents of Mersenne primes up to one.
fn primes(to: u64) -> Vec<u64> {
    PRIMES.into_iter().filter(|prime| *prime <= to).collect()
}

fn found(row: &Value) -> Result<Vec<u64>> {
    let found = row["primes"].as_array().context("no primes")?;
    found.iter().map(|prime| prime.as_u64().context("no exponent")).collect()
}

/// A line of the table.
fn told(to: u64, row: &Value) -> Result<Vec<String>> {
    let number = |name: &str| row[name].as_u64().with_context(|| format!("no {name} in {row}"));
    let credit = row["credit_cost"].as_array().context("no credit")?;
    let all: f64 = credit.iter().filter_map(Value::as_f64).sum();
    let percent = |cost: f64| format!("{:.1} %", cost / all * 100.0);
    let shares = credit.iter().filter_map(Value::as_f64).map(|cost| format!("{:.0} %", cost / all * 100.0));
    Ok(vec![
        grouped(to),
        number("peers")?.to_string(),
        format!("{} %", number("permille")? / 10),
        format!("{:.2} s", field(row, "took_s")?),
        format!("{:.2} s", field(row, "settling_s")?),
        percent((field(row, "gross_units")? - all).max(0.0)),
        percent(field(row, "checked_units")?),
        shares.collect::<Vec<_>>().join(" "),
    ])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn work_done_twice_is_told_as_a_share_of_all() {
        let row = json!({
            "peers": 4, "permille": 250, "took_s": 2.5, "settling_s": 0.25, "gross_units": 1010,
            "checked_units": 40, "credit_cost": [250, 250, 300, 200],
        });

        let told = told(10_000, &row).unwrap();

        assert_eq!(
            told,
            ["10,000", "4", "25 %", "2.50 s", "0.25 s", "1.0 %", "4.0 %", "25 % 25 % 30 % 20 %"]
        );
    }

    #[test]
    fn there_are_22_primes_to_10000() {
        assert_eq!((primes(10_000).len(), primes(20_000).len()), (22, 24));
    }
}
