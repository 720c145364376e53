//! How quickly chunks spread, against the bound.

use super::{Figure, Report};
use crate::spread::{Outcome, Settings, Spread};

/// Rounds for each of the bound: where any two are linked, and with four links each.
const RATIO_MESH_MAX: f64 = 1.10;
const RATIO_SPARSE_MAX: f64 = 1.15;
/// The same with the windows of real nodes.
const RATIO_REAL_MAX: f64 = 1.25;
/// How many files a seeder may upload while others could.
const SEEDER_FILES_MAX: f64 = 1.3;
/// The windows of real nodes, in chunks of 64 KiB: for a neighbour, and for all.
const REAL_WINDOWS: (u32, u32) = (16, 64);
/// How many seeds are tried; the worst counts.
const SEEDS: u32 = 5;

/// So many servers and 64 chunks with windows as small as they can be; then eight nodes with the windows of real ones, and a
/// file of 200 MiB over quick and slow lines.
pub fn spread(seed: u64, nodes: u32) -> Report {
    spread_of(seed, nodes, 3200)
}

/// The same with a file of so many chunks for the eight.
pub fn spread_of(seed: u64, nodes: u32, chunks: u32) -> Report {
    let seed = seed as u32;
    let mut figures = Vec::new();
    for (name, degree, most) in [("mesh", 0, RATIO_MESH_MAX), ("degree_4", 4, RATIO_SPARSE_MAX)] {
        let settings =
            Settings { servers: nodes.clamp(2, 100), chunks: 64, latency: 0, degree, ..Settings::default() };
        let runs =
            (0..SEEDS).map(|more| Spread::new(Settings { seed: seed.wrapping_add(more), ..settings }).run());
        let runs: Vec<Outcome> = runs.collect();
        let worst = runs.iter().map(|run| run.ratio).fold(0.0, f64::max);
        let incomplete = runs.iter().filter(|run| !run.is_complete).count();
        figures.push(Figure::of(format!("rounds_per_bound_{name}"), worst).at_most(most));
        figures.push(Figure::of(format!("incomplete_{name}"), incomplete as f64).at_most(0.0));
    }
    for (name, bandwidth, latency) in [("quick", 51_200, 1), ("slow", 128, 20)] {
        let settings = Settings { servers: 8, chunks, bandwidth, latency, seed, ..Settings::default() };
        let run = Spread::with(settings, REAL_WINDOWS).run();
        let incomplete = u32::from(!run.is_complete);
        figures.push(Figure::of(format!("seeder_files_{name}"), run.seeder_files).at_most(SEEDER_FILES_MAX));
        figures.push(Figure::of(format!("rounds_per_bound_{name}"), run.ratio).at_most(RATIO_REAL_MAX));
        figures.push(Figure::of(format!("incomplete_{name}"), f64::from(incomplete)).at_most(0.0));
    }
    Report { nodes, figures }
}
