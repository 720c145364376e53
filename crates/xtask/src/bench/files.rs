//! Figures of files: how close the swarm comes to the least time there can be, simulated, natively and in browsers, and how
//! soon a newcomer has many small files.

mod newcomer;
mod two_pages;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{Figure, Target, example, field};
use crate::{build, commands};

pub(super) use newcomer::newcomer;
pub(super) use two_pages::two_pages;

/// How many times the simulator runs, each with other random numbers.
const SEEDS: u32 = 5;
/// How many times the live swarm runs.
const LIVE_RUNS: usize = 3;

/// Chunks that spread over servers in the simulator, against the least number of rounds.
pub(super) fn simulated() -> Result<Vec<Figure>> {
    commands::run(&mut commands::cargo(["build", "--release", "--package", "manyhands-sim"]))?;
    let figure = |name, degree, most| -> Result<Figure> {
        let (least, worst) = over_bound(degree, 0)?;
        let (_, late) = over_bound(degree, 80)?;
        Ok(Figure {
            name,
            measured: worst,
            unit: "",
            target: Target::AtMost(most),
            note: format!(
                "the worst of {SEEDS} runs, the best {least:.3}; {late:.3} if messages take 0.16 rounds"
            ),
        })
    };
    Ok(vec![
        figure("rounds over bound, 20 servers, full mesh", 0, 1.10)?,
        figure("rounds over bound, 20 servers, degree 4", 4, 1.15)?,
    ])
}

/// The smallest and the largest ratio of a few runs whose messages take `latency_ms`, a round being half a second.
fn over_bound(degree: u32, latency_ms: u32) -> Result<(f64, f64)> {
    let (mut least, mut worst) = (f64::INFINITY, 0.0_f64);
    for seed in 1..=SEEDS {
        let settings = format!(
            "servers=20&chunks=64&chunk=64&bandwidth=128&latency={latency_ms}&degree={degree}&policy=most-missing&seed={seed}"
        );
        let mut run = commands::program(build::target_folder().join("release/manyhands-sim"));
        let text = commands::output(run.args(["spread", &settings, "--json"]))?;
        let report: Value = serde_json::from_str(&text).with_context(|| format!("spread printed {text}"))?;
        let outcome = &report["runs"][0];
        ensure!(outcome["is_complete"] == true, "not all servers have all chunks: {settings}");
        let ratio = field(outcome, "ratio")?;
        (least, worst) = (least.min(ratio), worst.max(ratio));
    }
    Ok((least, worst))
}

/// Eight native peers and one large file, against the speed of the machine's links measured just before and after.
pub(super) fn live() -> Result<Vec<Figure>> {
    let mut rows = Vec::new();
    for _ in 0..LIVE_RUNS {
        rows.push(example("manyhands-peer", "swarm_bench", &["--peers", "8", "--file-mb", "200"])?);
    }
    let column = |name| -> Result<Vec<f64>> {
        let mut all: Vec<f64> = rows.iter().map(|row| field(row, name)).collect::<Result<_>>()?;
        all.sort_by(f64::total_cmp);
        Ok(all)
    };
    let (copies, times) = (column("seeder_copies")?, column("took_over_bound")?);
    let middle = LIVE_RUNS / 2;
    Ok(vec![
        Figure {
            name: "copies the seeder sends, 8 native peers",
            measured: copies[middle],
            unit: "",
            target: Target::AtMost(1.3),
            note: format!("200 MB; {}", range(&copies)),
        },
        Figure {
            name: "time over bound, 8 native peers",
            measured: times[middle],
            unit: "",
            target: Target::AtMost(1.25),
            note: format!(
                "{:.1} s at links of {:.0} MB/s together; {}",
                column("took_s")?[middle],
                column("channels_mb_s")?[middle],
                range(&times)
            ),
        },
    ])
}

/// Where several runs lay.
fn range(sorted: &[f64]) -> String {
    let (least, most) = (sorted.first().copied().unwrap_or(0.0), sorted.last().copied().unwrap_or(0.0));
    format!("the median of {} runs, {least:.3} to {most:.3}", sorted.len())
}
