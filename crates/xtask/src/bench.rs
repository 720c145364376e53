//! The table of figures: what was measured, and whether it is what was aimed for.
//!
//! A ratio's two sides are measured side by side in one run, so that a slow machine is slow for both. Figures are no tests:
//! a missed target is shown, not punished, but a figure that could not be measured is an error.

mod mesh;
mod pages;

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
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

/// Measures everything and prints the table.
pub(crate) fn run(json_file: Option<&Path>, native_only: bool) -> Result<()> {
    let mut figures = Vec::new();
    let mut troubles = Vec::new();
    let mut take = |name: &str, measured: Result<Vec<Figure>>| match measured {
        Ok(measured) => {
            measured.iter().for_each(|figure| println!("{}", line(figure)));
            figures.extend(measured);
        }
        Err(error) => {
            println!("{name} could not be measured: {error:#}");
            troubles.push(name.to_owned());
        }
    };
    take("the native kernel", native_kernel());
    take("sharing among equals", equals());
    take("sharing among unequals", unequals());
    take("the mesh in the simulator", mesh::simulated());
    if !native_only {
        let program = setup::browsers().and_then(|()| build::program());
        match program {
            Ok(program) => {
                take("a network of processes", mesh::network(&program));
                take("the page's size", page_size());
                take("the wasm kernel", pages::kernel(&program));
                take("the first block", pages::first_block(&program));
                take("ten pages", pages::ten_pages(&program));
            }
            Err(error) => take("the pages", Err(error)),
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
