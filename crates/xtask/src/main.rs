//! Set-up, run, test, bench: everything that is done to Manyhands rather than by it.
//!
//! `cargo xtask run` on a machine with Rust only installs what the page's build needs, builds, and starts a host.
//! `cargo xtask test` is what continuous integration runs. In reading order:
//!
//! 1. `setup`: the tools, each with its version, installed when missing.
//! 2. `build`: the page and the program with the page inside.
//! 3. `check`: the steps of `cargo xtask test`.
//! 4. `wasm_tests`, `wasm_module`: the core's tests as WebAssembly.
//! 5. `image`: the static program and the root of its image; `fuzz`: the API against its own description.
//! 6. `bench`: the table of figures.
//! 7. `commands`: running programs.

#![expect(clippy::print_stdout, reason = "a command-line tool speaks to its person")]

mod bench;
mod build;
mod check;
mod commands;
mod fuzz;
mod image;
mod setup;
mod wasm_module;
mod wasm_tests;

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Set-up, run, test, bench.
#[derive(Parser)]
#[command(name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install everything that building and testing need
    Setup,
    /// Build the page and the program, and start a host on task.json
    Run {
        /// Passed on to `manyhands host`: cargo xtask run -- --wait 9
        #[arg(last = true)]
        host_arguments: Vec<String>,
    },
    /// Build the page and the program, into target/release/manyhands
    Build,
    /// Build the static program and the folder that is the root of its image: target/image
    Image,
    /// Check everything: formatting, lints, licences, tests native, as wasm and in browsers
    Test {
        /// Only this step; may be repeated
        #[arg(long, value_enum)]
        only: Vec<check::Step>,
        /// Only what is quick: no page, no browsers
        #[arg(long)]
        fast: bool,
    },
    /// Measure, and print a table of the figures with their targets
    Bench {
        /// Also write the figures to this file, as JSON
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
        /// Leave out what needs browsers
        #[arg(long)]
        native_only: bool,
        /// Only this group of figures; may be repeated
        #[arg(long, value_enum)]
        only: Vec<bench::Group>,
        /// Measure this build of the program, with its page inside, instead of building one
        #[arg(long, value_name = "FILE")]
        program: Option<PathBuf>,
    },
    /// Formatting and clippy only
    Lint,
}

fn main() -> ExitCode {
    match perform(Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(task: Task) -> Result<()> {
    match task {
        Task::Setup => setup::everything(),
        Task::Run { host_arguments } => {
            let program = build::program()?;
            let mut host = Command::new(program);
            host.args(["host", "task.json"]).args(host_arguments).current_dir(commands::root());
            // The host takes this process's place, so that Ctrl-C and the exit code are its own.
            Err(host.exec().into())
        }
        Task::Build => {
            let program = build::program()?;
            println!("built {}", program.display());
            Ok(())
        }
        Task::Image => {
            setup::page()?;
            build::page()?;
            println!("built {}", image::build()?.display());
            Ok(())
        }
        Task::Test { only, fast } => check::run(&only, fast),
        Task::Bench { json, native_only, only, program } => {
            let program = program.map(std::path::absolute).transpose()?;
            bench::run(&only, json.as_deref(), native_only, program)
        }
        Task::Lint => check::run(&check::LINTS, false),
    }
}
