//! Many seeds, on several threads.

use std::any::Any;
use std::ops::Range;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use manyhands_sim::story::{Plot, tell_to};

/// A seed whose story went wrong, and how.
type Failure = (u64, String);

/// Tells the stories, and reports those that failed with the command that tells them again.
pub(crate) fn run(seeds: Range<u64>, jobs: Option<usize>, plot: Plot) -> ExitCode {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = jobs.unwrap_or(processors).max(1);
    let (next, failed) = (AtomicU64::new(seeds.start), Mutex::new(Vec::new()));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    if let Some(why) = try_seed(seed, plot) {
                        report(seed, plot, &why);
                        failed.lock().unwrap_or_else(PoisonError::into_inner).push((seed, why));
                    }
                }
            });
        }
    });
    let failed: Vec<Failure> = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    let count = seeds.end - seeds.start;
    println!("{} of {count} seeds failed in {:.1} s", failed.len(), begun.elapsed().as_secs_f64());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Why the story of a seed is a failure, if it is one: a check that panicked counts.
fn try_seed(seed: u64, plot: Plot) -> Option<String> {
    match std::panic::catch_unwind(|| tell_to(seed, plot, None)) {
        Ok(story) => story.failure.map(|why| format!("{why}\n  {}", story.settings)),
        Err(panic) => Some(format!("a check failed: {}", words(panic.as_ref()))),
    }
}

fn report(seed: u64, plot: Plot, why: &str) {
    let liars = if plot.liars { " --liars" } else { "" };
    let files = if plot.files { " --files" } else { "" };
    let search = if plot.search { " --search" } else { "" };
    println!("seed {seed}: {why}\n  again: manyhands-sim replay --seed {seed}{liars}{files}{search} --log");
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}
