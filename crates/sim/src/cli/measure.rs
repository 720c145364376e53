//! Scenarios, and how fast and large they were.

use std::process::ExitCode;
use std::time::Instant;

use manyhands_sim::scenarios::{ALL, Figure, Report};
use serde_json::json;

/// Names the scenarios.
pub(crate) fn list() -> ExitCode {
    for scenario in ALL {
        println!("{:<12} {}", scenario.name, scenario.about);
    }
    ExitCode::SUCCESS
}

/// Runs one, and prints its figures.
pub(crate) fn run(name: &str, nodes: Option<u32>, seed: u64, as_json: bool) -> ExitCode {
    let Some(scenario) = ALL.iter().find(|scenario| scenario.name == name) else {
        println!("there is no scenario {name}; these are there:");
        list();
        return ExitCode::from(2);
    };
    let begun = Instant::now();
    let mut report = (scenario.run)(seed, nodes.unwrap_or(scenario.nodes));
    // These alone differ from run to run.
    report.figures.extend(processor_time().map(|seconds| Figure::of("processor_s", seconds)));
    report.figures.push(Figure::of("wall_s", begun.elapsed().as_secs_f64()).at_most(scenario.wall_s));
    if let Some(bytes) = peak_memory() {
        report.figures.push(Figure::of("peak_mib", bytes as f64 / f64::from(1 << 20)).at_most(4096.0));
    }
    if as_json {
        println!(
            "{}",
            json!({ "scenario": name, "seed": seed, "nodes": report.nodes, "figures": report.figures })
        );
    } else {
        print(name, &report);
    }
    if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print(name: &str, report: &Report) {
    println!("{name}, {} nodes", report.nodes);
    for figure in &report.figures {
        let target = match (figure.at_least, figure.at_most) {
            (Some(least), _) => format!("  (at least {least})"),
            (_, Some(most)) => format!("  (at most {most})"),
            (None, None) => String::new(),
        };
        let missed = if figure.is_good() { "" } else { "  MISSED" };
        println!("  {:<44} {:>14.4}{target}{missed}", figure.name, figure.value);
    }
}

/// How long the processor worked for this process, in seconds, where the system tells: in hundredths, as Linux always does.
fn processor_time() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name, in brackets, may have blanks; times come thirteenth and fourteenth.
    let (_, fields) = stat.rsplit_once(')')?;
    let times = fields.split_whitespace().skip(11).take(2);
    Some(times.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0)
}

/// The most memory that this process had, in bytes, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}
