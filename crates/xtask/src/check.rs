//! The steps of `cargo xtask test`, in order, with a summary at the end.
//!
//! A failed step does not keep the later ones from running. A step that cannot run is skipped and says why; in continuous
//! integration (`CI=true`) that counts as a failure.

use std::fmt;
use std::net::ToSocketAddrs as _;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use clap::ValueEnum;

use crate::{build, commands, fuzz, image, setup, wasm_tests};

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// The code is formatted
    Format,
    /// Clippy has nothing to say about what runs natively
    Clippy,
    /// Clippy has nothing to say about what runs as wasm
    ClippyWasm,
    /// Every dependency has a licence and a source that is allowed
    Deny,
    /// The page is built
    Page,
    /// The page is small
    Size,
    /// Unit and integration tests, native
    Unit,
    /// Whole nodes in the simulator, a thousand seeds of random faults
    Swarm,
    /// Examples in the documentation
    Doc,
    /// The core's tests as wasm in Chromium
    Wasm,
    /// Whole parties in real browsers
    Browsers,
    /// The static program runs in a root of nothing else
    Image,
    /// The API is as its own description says, whatever it is asked
    Fuzz,
}

/// The steps that only look at the code.
pub(crate) const LINTS: [Step; 3] = [Step::Format, Step::Clippy, Step::ClippyWasm];

enum Outcome {
    Passed(String),
    Failed(String),
    Skipped(String),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value().expect("no step is hidden");
        f.pad(value.get_name())
    }
}

/// Runs the steps, all without `only`.
pub(crate) fn run(only: &[Step], fast: bool) -> Result<()> {
    let begun = Instant::now();
    let mut summary = Vec::new();
    for step in Step::value_variants() {
        if !only.is_empty() && !only.contains(step) {
            continue;
        }
        println!("\n=== {step}");
        let step_begun = Instant::now();
        let outcome = if fast && !step.is_quick() {
            Outcome::Skipped("--fast was asked for".to_owned())
        } else {
            match step.run() {
                Ok(note) => Outcome::Passed(note),
                Err(error) => Outcome::Failed(format!("{error:#}")),
            }
        };
        if let Outcome::Failed(error) = &outcome {
            println!("    {error}");
        }
        summary.push((*step, outcome, step_begun.elapsed()));
    }
    conclude(&summary, begun.elapsed())
}

fn conclude(summary: &[(Step, Outcome, Duration)], took: Duration) -> Result<()> {
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true" || value == "1");
    let mut bad = 0;
    println!("\n=== summary");
    for (step, outcome, took) in summary {
        let (word, note) = match outcome {
            Outcome::Passed(note) => ("passed", note),
            Outcome::Failed(note) => ("FAILED", note),
            Outcome::Skipped(note) => ("skipped", note),
        };
        bad += u32::from(match outcome {
            Outcome::Passed(_) => false,
            Outcome::Failed(_) => true,
            Outcome::Skipped(_) => in_ci,
        });
        let first_line = note.lines().next().unwrap_or_default();
        println!("{step:12} {word:8} {:6.1} s  {first_line}", took.as_secs_f64());
    }
    println!("{:12} {:8} {:6.1} s", "all", if bad == 0 { "passed" } else { "FAILED" }, took.as_secs_f64());
    ensure!(bad == 0, "{bad} of {} steps did not pass", summary.len());
    Ok(())
}

impl Step {
    fn is_quick(self) -> bool {
        match self {
            Self::Format | Self::Clippy | Self::ClippyWasm | Self::Deny | Self::Unit | Self::Doc => true,
            Self::Page
            | Self::Size
            | Self::Swarm
            | Self::Wasm
            | Self::Browsers
            | Self::Image
            | Self::Fuzz => false,
        }
    }

    /// Does the step. What it returns is a note for the summary.
    fn run(self) -> Result<String> {
        match self {
            Self::Format => format(),
            Self::Clippy => clippy(),
            Self::ClippyWasm => clippy_wasm(),
            Self::Deny => deny(),
            Self::Page => page(),
            Self::Size => size(),
            Self::Unit => unit(),
            Self::Swarm => swarm(),
            Self::Doc => doc(),
            Self::Wasm => wasm(),
            Self::Browsers => browsers(),
            Self::Image => image::test(),
            Self::Fuzz => fuzz::run(),
        }
    }
}

fn format() -> Result<String> {
    setup::lints()?;
    commands::run(&mut commands::cargo(["fmt", "--all", "--check"]))?;
    Ok(String::new())
}

fn clippy() -> Result<String> {
    setup::lints()?;
    let mut clippy = commands::native_tests("clippy", &["--all-targets"]);
    commands::run(clippy.args(["--", "--deny", "warnings"]))?;
    Ok(String::new())
}

fn clippy_wasm() -> Result<String> {
    setup::lints()?;
    let mut clippy = commands::cargo(["clippy", "--target", "wasm32-unknown-unknown"]);
    for name in ["wire", "jobs", "ledger", "core", "sim", "browser"] {
        clippy.args(["--package", &format!("manyhands-{name}")]);
    }
    commands::run(clippy.args(["--", "--deny", "warnings"]))?;
    Ok(String::new())
}

fn deny() -> Result<String> {
    setup::licences()?;
    commands::run(&mut commands::cargo(["deny", "check", "licenses", "bans", "sources"]))?;
    // The database of advisories lies in a repository, which a closed network does not reach; what is known of the
    // dependencies does not change with this repository, so its absence is told and no failure.
    if !is_reachable("github.com:443") {
        return Ok("advisories not looked at: their database at github.com is out of reach".to_owned());
    }
    commands::run(&mut commands::cargo(["deny", "check", "advisories"]))?;
    Ok("advisories too".to_owned())
}

fn is_reachable(server: &str) -> bool {
    let addresses = server.to_socket_addrs().into_iter().flatten();
    addresses
        .into_iter()
        .any(|address| std::net::TcpStream::connect_timeout(&address, Duration::from_secs(3)).is_ok())
}

fn page() -> Result<String> {
    setup::page()?;
    build::page()?;
    Ok(String::new())
}

fn size() -> Result<String> {
    let (total, files) = build::page_size()?;
    for (name, bytes) in files {
        println!("    {bytes:8}  {name}");
    }
    let note = format!("{total} bytes compressed, of {}", build::PAGE_BYTES_MAX);
    println!("    {note}");
    if total > build::PAGE_BYTES_MAX {
        bail!("the page is too large: {note}");
    }
    Ok(note)
}

fn unit() -> Result<String> {
    // Nextest is quicker where it is installed, but nothing here needs it.
    let has_nextest = commands::quiet(&mut commands::cargo(["nextest", "--version"])).is_some();
    let runner = if has_nextest { "nextest run" } else { "test" };
    let arguments: &[&str] =
        if has_nextest { &["--no-fail-fast"] } else { &["--no-fail-fast", "--lib", "--bins", "--tests"] };
    commands::run(&mut commands::native_tests(runner, arguments))?;
    Ok(format!("by cargo {runner}"))
}

fn swarm() -> Result<String> {
    // By the same selection as the tests, so that nothing is built twice.
    commands::run(&mut commands::native_tests("build", &["--bins"]))?;
    let simulator = build::target_folder().join("debug/manyhands-sim");
    commands::run(std::process::Command::new(&simulator).args(["swarm", "--seeds", "0..1000"]))?;
    commands::run(std::process::Command::new(&simulator).args(["swarm", "--files", "--seeds", "0..200"]))?;
    commands::run(std::process::Command::new(&simulator).args(["swarm", "--search", "--seeds", "0..100"]))?;
    Ok("1000 seeds, 200 with files, 100 of searches".to_owned())
}

fn doc() -> Result<String> {
    commands::run(&mut commands::native_tests("test", &["--doc", "--quiet"]))?;
    Ok(String::new())
}

fn wasm() -> Result<String> {
    setup::wasm_target()?;
    setup::browsers()?;
    wasm_tests::run()
}

fn browsers() -> Result<String> {
    setup::browsers()?;
    // Built by the same selection as the other tests, so that nothing is built twice. Their manifests keep them out of a plain
    // `cargo test`, which has to do without browsers. Two cores carry two parties at once.
    let mut tests = commands::native_tests("test", &["--test", "harness", "--test", "browsers"]);
    commands::run(tests.args(["--", "--test-threads", "2"]))?;
    Ok(String::new())
}
