//! One step of Lucas and Lehmer, a square minus 2 modulo 2^p - 1, on one thread: by each path of the transform, and by GMP.
//!
//! GMP's loop is a program of its own in C, made when it is needed, so that nothing of ours depends on GMP. The two take
//! turns, and each of ours is compared with the mean of GMP's before and after.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{answer, example, grouped, median, print_table, spread, time};
use crate::bench::{Figure, Target, field};
use crate::{build, commands, setup};

/// The exponents, all of Mersenne primes, and what their figures are called.
const EXPONENTS: [(u32, &str); 4] = [
    (44_497, "Lucas-Lehmer step over GMP's, p = 44,497"),
    (86_243, "Lucas-Lehmer step over GMP's, p = 86,243"),
    (216_091, "Lucas-Lehmer step over GMP's, p = 216,091"),
    (1_257_787, "Lucas-Lehmer step over GMP's, p = 1,257,787"),
];
const PATHS: [&str; 3] = ["avx512", "avx2", "portable"];
const ROUNDS: usize = 7;
const LOOP_ON_GMP: &str = "crates/xtask/src/bench/search/lucas_lehmer.c";

/// What was measured of one exponent, round by round.
#[derive(Default)]
struct Measured {
    gmp: Vec<f64>,
    ours: [Vec<f64>; PATHS.len()],
    lengths: [Option<u64>; PATHS.len()],
    /// The path that the program would take.
    best: usize,
    ratios: Vec<f64>,
}

/// The native steps beside GMP's.
pub(in crate::bench) fn steps() -> Result<Vec<Figure>> {
    println!("    measuring: steps of Lucas and Lehmer beside GMP's");
    let speed = example("manyhands-jobs", "search_speed")?;
    let (gmp, version) = loop_on_gmp()?;
    let (mut figures, mut rows) = (Vec::new(), Vec::new());
    for (exponent, name) in EXPONENTS {
        let p = exponent.to_string();
        let gmp_ns = || field(&answer(&gmp, &[&p])?, "ns");
        let mut measured = Measured::default();
        let mut before = gmp_ns()?;
        for _ in 0..ROUNDS {
            let ours = answer(&speed, &["steps", &p])?;
            let after = gmp_ns()?;
            measured.take((before + after) / 2.0, &ours)?;
            before = after;
        }
        rows.push(measured.row(exponent));
        figures.push(measured.figure(name, &version));
    }
    let head = ["exponent", "GMP", "avx512", "avx2", "portable", "iterations/s", "over GMP"];
    let title = format!(
        "one step of Lucas and Lehmer, one thread (in brackets the transform's length), and GMP {version}"
    );
    print_table(&title, &head, &rows);
    Ok(figures)
}

impl Measured {
    /// Takes in a round: GMP's time, and ours by path.
    fn take(&mut self, gmp: f64, ours: &Value) -> Result<()> {
        self.gmp.push(gmp);
        for row in ours.as_array().context("no paths")? {
            let path = PATHS.iter().position(|path| row["path"] == **path).context("another path")?;
            let ns = field(row, "ns")?;
            self.ours[path].push(ns);
            self.lengths[path] = row["length"].as_u64();
            if row["best"] == true {
                self.best = path;
                self.ratios.push(gmp / ns);
            }
        }
        Ok(())
    }

    fn row(&self, exponent: u32) -> Vec<String> {
        let ours = (0..PATHS.len()).map(|path| match self.lengths[path] {
            Some(length) => format!("{} ({})", time(median(&self.ours[path])), grouped(length)),
            None => "none".to_owned(),
        });
        let first = [grouped(u64::from(exponent)), time(median(&self.gmp))];
        let last = [self.per_second(), format!("{:.1} x", median(&self.ratios))];
        first.into_iter().chain(ours).chain(last).collect()
    }

    /// How many iterations a second the best path does.
    fn per_second(&self) -> String {
        grouped((1e9 / median(&self.ours[self.best])) as u64)
    }

    fn figure(&self, name: &'static str, version: &str) -> Figure {
        Figure {
            name,
            measured: median(&self.ratios),
            unit: "",
            target: Target::AtLeast(5.0),
            note: format!(
                "{}: {}, {} iterations/s; GMP {version}: {}; {}",
                PATHS[self.best],
                time(median(&self.ours[self.best])),
                self.per_second(),
                time(median(&self.gmp)),
                spread(&self.ratios)
            ),
        }
    }
}

/// The time of a step for every length of the transform. A table only: nothing is aimed for.
pub(in crate::bench) fn lengths() -> Result<Vec<Figure>> {
    println!("    measuring: every length of the transform");
    let speeds = answer(&example("manyhands-jobs", "transform_speed")?, &["--json"])?;
    let all = speeds["lengths"].as_array().context("no lengths")?;
    let mut rows: Vec<(u64, Vec<String>)> = Vec::new();
    for one in all {
        let (length, exponent) =
            one["length"].as_u64().zip(one["exponent"].as_u64()).context("no length of the transform")?;
        if rows.last().is_none_or(|(last, _)| *last != length) {
            let none = PATHS.map(|_| "none".to_owned());
            rows.push((length, [grouped(length), grouped(exponent)].into_iter().chain(none).collect()));
        }
        let path = PATHS.iter().position(|path| one["path"] == **path).context("another path")?;
        if let Some((_, row)) = rows.last_mut() {
            row[2 + path] = time(field(one, "ns_per_iteration")?);
        }
    }
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(_, row)| row).collect();
    let head = ["length", "exponents up to", "avx512", "avx2", "portable"];
    print_table("one step for each length of the transform, one thread", &head, &rows);
    Ok(Vec::new())
}

/// Makes the loop on GMP: where it is, and GMP's version.
fn loop_on_gmp() -> Result<(PathBuf, String)> {
    setup::gmp()?;
    let folder = build::target_folder().join("bench");
    std::fs::create_dir_all(&folder)?;
    let program = folder.join("lucas_lehmer");
    let mut cc = commands::program("cc");
    commands::run(cc.args(["-O2", "-march=native", LOOP_ON_GMP, "-lgmp", "-o"]).arg(&program))?;
    let version = answer(&program, &["127"])?["gmp"].as_str().context("no version")?.to_owned();
    Ok((program, version))
}
