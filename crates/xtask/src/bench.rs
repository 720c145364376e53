//! The table of figures: what was measured, and whether it is what was aimed for.
//!
//! A ratio's two sides are measured side by side in one run, so that a slow machine is slow for both. Figures are no tests:
//! a missed target is shown, not punished, but a figure that could not be measured is an error.

mod files;
mod mesh;
mod pages;
mod search;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};
use clap::ValueEnum;
use serde_json::{Value, json};

use crate::{build, commands, setup};

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    name: &'static str,
    measured: f64,
    unit: &'static str,
    target: Target,
    /// What lies behind it.
    note: String,
}

#[derive(Clone, Copy, Debug)]
enum Target {
    AtLeast(f64),
    AtMost(f64),
}

impl Figure {
    fn is_met(&self) -> bool {
        match self.target {
            Target::AtLeast(least) => self.measured >= least,
            Target::AtMost(most) => self.measured <= most,
        }
    }

    fn target(&self) -> String {
        match self.target {
            Target::AtLeast(least) => format!(">= {least} {}", self.unit),
            Target::AtMost(most) => format!("<= {most} {}", self.unit),
        }
    }

    fn json(&self) -> Value {
        let target = self.target();
        json!({
            "name": self.name, "measured": self.measured, "unit": self.unit, "target": target.trim(),
            "ok": self.is_met(), "note": self.note,
        })
    }
}

/// Figures that belong together, to be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Group {
    /// How fast the kernel adds, natively and as wasm
    Kernel,
    /// How well peers share work
    Party,
    /// The mesh in the simulator
    Mesh,
    /// A network of processes
    Network,
    /// What only browsers have, but for files
    Pages,
    /// Files between pages, and very many files
    Files,
    /// How close a swarm comes to the least time, simulated and live
    Swarm,
    /// The search for Mersenne primes: beside GMP, in a page, shared, and proven
    Search,
}

/// What measures one or several figures.
enum Measure {
    /// Needs nothing but cargo.
    Native(fn() -> Result<Vec<Figure>>),
    /// Needs the program with the page inside, and browsers.
    Program(fn(&Path) -> Result<Vec<Figure>>),
}

use Measure::{Native, Program};

/// All that is measured, in the table's order: what it belongs to, what it is called, and how it is measured.
const PARTS: [(Group, &str, Measure); 18] = [
    (Group::Kernel, "the native kernel", Native(native_kernel)),
    (Group::Party, "sharing among equals", Native(equals)),
    (Group::Party, "sharing among unequals", Native(unequals)),
    (Group::Mesh, "the mesh in the simulator", Native(mesh::simulated)),
    (Group::Swarm, "the swarm in the simulator", Native(files::simulated)),
    (Group::Swarm, "a live swarm", Native(files::live)),
    (Group::Search, "steps of the search", Native(search::steps)),
    (Group::Search, "the transform's lengths", Native(search::lengths)),
    (Group::Search, "sharing a search", Native(search::sharing)),
    (Group::Search, "proofs", Native(search::proofs)),
    (Group::Network, "a network of processes", Program(mesh::network)),
    (Group::Files, "a newcomer's small files", Program(files::newcomer)),
    (Group::Pages, "the page's size", Program(|_| page_size())),
    (Group::Kernel, "the wasm kernel", Program(pages::kernel)),
    (Group::Search, "the search in a page", Program(search::pages)),
    (Group::Pages, "the first block", Program(pages::first_block)),
    (Group::Pages, "ten pages", Program(pages::ten_pages)),
    (Group::Files, "a file between two pages", Program(files::two_pages)),
];

/// Measures everything, or these groups only, and prints the table. Builds the program unless there is one.
pub(crate) fn run(
    only: &[Group],
    json_file: Option<&Path>,
    native_only: bool,
    program: Option<PathBuf>,
) -> Result<()> {
    let mut figures = Vec::new();
    let mut troubles = Vec::new();
    let mut program = program.map(Ok);
    for (group, name, measure) in &PARTS {
        if !only.is_empty() && !only.contains(group) {
            continue;
        }
        let measured = match measure {
            Native(measure) => measure(),
            Program(_) if native_only => continue,
            // Built once; without it, each of these is a trouble of its own.
            Program(measure) => match program.get_or_insert_with(built) {
                Ok(program) => measure(program),
                Err(error) => Err(anyhow!("{error:#}")),
            },
        };
        match measured {
            Ok(measured) => {
                measured.iter().for_each(|figure| println!("{}", line(figure)));
                figures.extend(measured);
            }
            Err(error) => {
                println!("{name} could not be measured: {error:#}");
                troubles.push(*name);
            }
        }
    }

    println!("\n{:46} {:>12}  {:14} {:7}", "figure", "measured", "target", "");
    for figure in &figures {
        println!("{}", line(figure));
    }
    if let Some(file) = json_file {
        let figures: Vec<Value> = figures.iter().map(Figure::json).collect();
        std::fs::write(file, format!("{:#}\n", Value::from(figures)))
            .with_context(|| file.display().to_string())?;
    }
    ensure!(troubles.is_empty(), "not measured: {}", troubles.join(", "));
    Ok(())
}

/// The program with the page inside, and browsers to look at it.
fn built() -> Result<PathBuf> {
    setup::browsers()?;
    build::program()
}

fn line(figure: &Figure) -> String {
    let measured = format!("{:.3} {}", figure.measured, figure.unit);
    let met = if figure.is_met() { "ok" } else { "missed" };
    format!("{:46} {:>12}  {:14} {met:7} {}", figure.name, measured.trim(), figure.target(), figure.note)
}

/// The kernel against what the processor can do at most: two vector additions for each vector of numbers. Once for small
/// numbers, as Liz's are, and once for those near the limit of 10^18, which cost the kernel the most.
fn native_kernel() -> Result<Vec<Figure>> {
    let rows = example("manyhands-jobs", "kernel_speed", &["--json"])?;
    let best: Vec<&Value> = rows.as_array().into_iter().flatten().filter(|row| row["best"] == true).collect();
    let figure = |name, row: &Value| -> Result<Figure> {
        Ok(Figure {
            name,
            measured: field(row, "ratio")?,
            unit: "",
            target: Target::AtLeast(0.9),
            note: format!(
                "{}: {:.2e} numbers/s",
                row["path"].as_str().unwrap_or_default(),
                field(row, "numbers_per_s")?
            ),
        })
    };
    let (small, large) = best.first().zip(best.last()).context("no row for the best path")?;
    Ok(vec![
        figure("native kernel over vector-add limit", small)?,
        figure("native kernel, numbers near 10^18", large)?,
    ])
}

/// Ten peers that are equally fast, at units that only wait for a second.
fn equals() -> Result<Vec<Figure>> {
    let row =
        example("manyhands-peer", "party_bench", &["--peers", "10", "--units", "600", "--unit-ms", "1000"])?;
    Ok(vec![Figure {
        name: "parallel efficiency, 10 native peers",
        measured: field(&row, "efficiency")?,
        unit: "",
        target: Target::AtLeast(0.97),
        note: format!("600 units of 1 s in {:.1} s", field(&row, "makespan_s")?),
    }])
}

/// Two peers, one ten times as fast as the other.
fn unequals() -> Result<Vec<Figure>> {
    let row = example(
        "manyhands-peer",
        "party_bench",
        &["--permille", "1000,100", "--units", "1100", "--unit-ms", "50"],
    )?;
    Ok(vec![Figure {
        name: "makespan over ideal, speeds 10:1",
        measured: field(&row, "makespan_over_ideal")?,
        unit: "",
        target: Target::AtMost(1.05),
        note: format!("{:.1} s where {:.1} s are ideal", field(&row, "makespan_s")?, field(&row, "ideal_s")?),
    }])
}

/// What a browser downloads before it can lend a hand.
fn page_size() -> Result<Vec<Figure>> {
    let (bytes, files) = build::page_size()?;
    Ok(vec![Figure {
        name: "first download, compressed",
        measured: bytes as f64 / 1000.0,
        unit: "KB",
        target: Target::AtMost(build::PAGE_BYTES_MAX as f64 / 1000.0),
        note: format!("{} files", files.len()),
    }])
}

/// Runs an example in release and reads the last line that it prints as JSON.
fn example(package: &str, name: &str, arguments: &[&str]) -> Result<Value> {
    println!("    measuring: {name} {}", arguments.join(" "));
    let mut cargo =
        commands::cargo(["run", "--quiet", "--release", "--package", package, "--example", name, "--"]);
    let text = commands::output(cargo.args(arguments))?;
    let last = text.lines().last().with_context(|| format!("{name} printed nothing"))?;
    serde_json::from_str(last).with_context(|| format!("{name} printed {last}"))
}

fn field(row: &Value, name: &str) -> Result<f64> {
    row[name].as_f64().with_context(|| format!("no number {name} in {row}"))
}
