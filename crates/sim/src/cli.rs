//! The commands.

#![expect(clippy::print_stdout, reason = "this is a program for a terminal")]

mod measure;
mod spread;
mod swarm;

use std::ops::Range;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use manyhands_sim::story::{Plot, tell_to};
use manyhands_sim::world::Reader;

/// Runs whole nodes of Manyhands in a virtual network.
#[derive(Parser)]
#[command(name = "manyhands-sim", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Tells the stories of many seeds: random faults, then healing, then everybody must know the exact total.
    Swarm {
        /// Which seeds, such as 0..1000.
        #[arg(long, default_value = "0..1000", value_parser = seeds)]
        seeds: Range<u64>,
        /// How many at once; as many as there are processors unless told.
        #[arg(long)]
        jobs: Option<usize>,
        /// One friend reports wrong results.
        #[arg(long)]
        liars: bool,
        /// Files are put and forgotten, and somebody's disk may be sick.
        #[arg(long)]
        files: bool,
        /// The job is a search for Mersenne primes, not a sum
        #[arg(long)]
        search: bool,
    },
    /// Tells the story of one seed again.
    Replay {
        /// Which seed.
        #[arg(long)]
        seed: u64,
        /// Print what happens.
        #[arg(long)]
        log: bool,
        /// One friend reports wrong results.
        #[arg(long)]
        liars: bool,
        /// Files are put and forgotten, and somebody's disk may be sick.
        #[arg(long)]
        files: bool,
        /// The job is a search for Mersenne primes, not a sum
        #[arg(long)]
        search: bool,
    },
    /// Runs a scenario and prints its figures: the same ones each time.
    Scenario {
        /// Which; `manyhands-sim list` names them.
        name: String,
        /// How many nodes, where the scenario lets one choose.
        #[arg(long)]
        nodes: Option<u32>,
        /// From which seed.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// As JSON, for scripts.
        #[arg(long)]
        json: bool,
    },
    /// Names the scenarios.
    List,
    /// Has chunks spread over servers by each policy, and compares them.
    Spread {
        /// What it is like, as a link to the simulator has it: `servers=20&chunks=64&latency=0&degree=4`. What is not said is
        /// as usual; with a policy, only that one runs.
        #[arg(default_value = "")]
        settings: String,
        /// As JSON, for scripts.
        #[arg(long)]
        json: bool,
        /// Print who sent which chunk to whom; of one policy only.
        #[arg(long)]
        log: bool,
    },
}

/// Does what the command line says.
pub(crate) fn run() -> ExitCode {
    match Cli::parse().command {
        Command::Swarm { seeds, jobs, liars, files, search } => {
            swarm::run(seeds, jobs, Plot { liars, files, search })
        }
        Command::Replay { seed, log, liars, files, search } => {
            replay(seed, log, Plot { liars, files, search })
        }
        Command::Scenario { name, nodes, seed, json } => measure::run(&name, nodes, seed, json),
        Command::List => measure::list(),
        Command::Spread { settings, json, log } => spread::run(&settings, json, log),
    }
}

fn replay(seed: u64, log: bool, plot: Plot) -> ExitCode {
    let reader = |line: &str| println!("{line}");
    let story = tell_to(seed, plot, log.then(|| Box::new(reader) as Reader));
    println!("seed {seed}: {}", story.settings);
    println!("trace {}", story.trace);
    match story.failure {
        None => {
            println!("everybody knows the exact total");
            ExitCode::SUCCESS
        }
        Some(why) => {
            println!("failed: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Reads `0..1000`.
fn seeds(text: &str) -> Result<Range<u64>, String> {
    let (start, end) = text.split_once("..").ok_or("two numbers with two dots between, such as 0..1000")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text}: {error}"));
    let range = number(start)?..number(end)?;
    if range.is_empty() { Err("no seed lies in there".to_owned()) } else { Ok(range) }
}
