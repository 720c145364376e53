//! Chunks that spread over servers, policy by policy.

use std::process::ExitCode;

use manyhands_sim::spread::{Outcome, POLICIES, Settings, Spread, Transfer};
use serde_json::json;

/// Runs each policy, or the one that is named, and prints how they went.
pub(crate) fn run(text: &str, as_json: bool, with_log: bool) -> ExitCode {
    let settings = match Settings::parse(text) {
        Ok(settings) => settings,
        Err(error) => {
            println!("{error}");
            return ExitCode::from(2);
        }
    };
    let is_alone = with_log || text.split('&').any(|part| part.starts_with("policy="));
    let mut outcomes = vec![run_one(settings, with_log)];
    if !is_alone {
        let others = POLICIES.into_iter().filter(|(_, policy)| *policy != settings.policy);
        outcomes.extend(others.map(|(_, policy)| run_one(Settings { policy, ..settings }, false)));
    }
    if as_json {
        println!("{}", json!({ "bound": settings.bound(), "runs": outcomes }));
    } else {
        print(&settings, &outcomes);
    }
    if outcomes.iter().all(|outcome| outcome.is_complete) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run_one(settings: Settings, with_log: bool) -> Outcome {
    let mut spread = Spread::new(settings);
    while with_log && let Some(Transfer { at, from, to, chunk, is_twice }) = spread.next_transfer() {
        let again = if is_twice { ", which had it" } else { "" };
        println!(
            "{:>12.6} server {from} sent chunk {chunk} to server {to}{again}",
            at.as_micros() as f64 / 1e6
        );
    }
    spread.run()
}

fn print(settings: &Settings, outcomes: &[Outcome]) {
    println!("{settings}");
    println!("at least {} rounds of {} ms", settings.bound(), settings.round_us() as f64 / 1000.0);
    println!(
        "{:<14} {:>10} {:>8} {:>10} {:>10} {:>8} {:>14}",
        "policy", "rounds", "ratio", "seconds", "chunks", "twice", "seeder files"
    );
    for outcome in outcomes {
        let Outcome { rounds, ratio, transfers, twice, seeder_files, .. } = outcome;
        let seconds = outcome.took_us as f64 / 1e6;
        let end = if outcome.is_complete { "" } else { "  NOT COMPLETE" };
        let policy = outcome.settings.policy_name();
        println!(
            "{policy:<14} {rounds:>10.2} {ratio:>8.3} {seconds:>10.2} {transfers:>10} {twice:>8} {seeder_files:>14.2}{end}"
        );
    }
}
