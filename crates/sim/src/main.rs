//! `manyhands-sim`: stories from many seeds, one story again, and what is measured.
//!
//! Exit codes: 0 if all is well, 1 if a seed failed or a figure missed its target, 2 if the command was not understood.

#[cfg(not(target_family = "wasm"))]
mod cli;

#[cfg(not(target_family = "wasm"))]
fn main() -> std::process::ExitCode {
    cli::run()
}

/// There is no program in a browser, only tests.
#[cfg(target_family = "wasm")]
fn main() {}
