//! The core's ordinary tests, run as WebAssembly in a real browser.
//!
//! The crates below the drivers are built for `wasm32-unknown-unknown` as test programs, without any change to them and
//! without wrappers: what `#[test]` marks is what runs. Each test runs in an instance of its own, in a worker of a
//! headless Chromium, so a panic (which is a trap there) fails one test and names it. Which tests there are is asked of the
//! same programs built natively. One that is not in the wasm build, because it is behind `cfg` or because the optimiser
//! found it true and left nothing of it, is counted and named.
//!
//! The module may import nothing but randomness, which the page gives from a fixed seed. Any other import is answered by
//! a failure: that the core performs no I/O is part of what is tested here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use xtask::browsers::serve::Server;
use xtask::browsers::{Browser, Page, wait_for};

use crate::commands;
use crate::wasm_module::Module;

/// The crates whose tests run as wasm.
const CRATES: [&str; 5] =
    ["manyhands-wire", "manyhands-jobs", "manyhands-ledger", "manyhands-core", "manyhands-sim"];
/// How long one test may take in a debug build on a busy machine.
const TEST_PATIENCE_S: u64 = 300;

/// One test program: the package and the target, as cargo names them.
type Program = (String, String);

/// Builds and runs the tests.
pub(crate) fn run() -> Result<String> {
    let native = programs(&mut commands::native_tests("test", &["--no-run"]))?;
    let wasm = programs(&mut wasm_build())?;
    let server = Server::start()?;
    let browser = Browser::chromium()?;
    let page = browser.first_page()?;
    page.open(&server.url("/"))?;

    let (mut passed, mut failed, mut absent) = (0, Vec::new(), Vec::new());
    for (program, native) in native {
        let Some(wasm) = wasm.get(&program) else { continue };
        let target = program.1.replace('-', "_");
        let bytes = std::fs::read(wasm).with_context(|| wasm.display().to_string())?;
        let module = Module::parse(&bytes).with_context(|| wasm.display().to_string())?;

        let mut exports = Vec::new();
        let mut missing = Vec::new();
        let mut panics = BTreeSet::new();
        for test in list(&native)? {
            let (test, panicking) = match test.strip_suffix(" - should panic") {
                Some(test) => (test, true),
                None => (test.as_str(), false),
            };
            let name = format!("{target}::{test}");
            let Some(index) = module.function(&name) else {
                missing.push(name);
                continue;
            };
            if panicking {
                panics.insert(name.clone());
            }
            exports.push((name, index));
        }
        if exports.is_empty() {
            // A program of native tests only.
            continue;
        }
        absent.append(&mut missing);
        let file = format!("/{target}.wasm");
        server.put(&file, "application/wasm", module.with_exports(&exports)?);
        let names = exports.into_iter().map(|(name, _)| name).collect();
        for test in run_in_page(&page, &server.url(&file), names)? {
            match (test.error, panics.contains(&test.name)) {
                (None, false) | (Some(_), true) => passed += 1,
                (Some(error), false) => failed.push(format!("{}\n{error}", test.name)),
                (None, true) => failed.push(format!("{}\nit should have panicked", test.name)),
            }
            if test.ms > 5000.0 {
                println!("        slow: {:.1} s {}", test.ms / 1000.0, test.name);
            }
        }
    }

    for name in &absent {
        println!("        not by itself in the wasm build: {name}");
    }
    for failure in &failed {
        println!("        FAILED {failure}");
    }
    let note = format!("{passed} passed, {} failed, {} native only", failed.len(), absent.len());
    println!("    wasm in Chromium: {note}");
    // A few may be absent; many would mean that they are not found, and that nothing is tested.
    ensure!(passed > 10 * absent.len(), "of the tests, {} were not found in the wasm builds", absent.len());
    ensure!(failed.is_empty(), "tests that fail as wasm: {}", failed.len());
    Ok(note)
}

/// What became of one test.
struct Verdict {
    name: String,
    ms: f64,
    error: Option<String>,
}

fn run_in_page(page: &Page, url: &str, names: Vec<String>) -> Result<Vec<Verdict>> {
    page.run_async(
        include_str!("wasm_tests.js"),
        &[json!(url), json!(names), json!(TEST_PATIENCE_S * 1000)],
    )?;
    let patience = Duration::from_secs(TEST_PATIENCE_S) * u32::try_from(names.len())?;
    let verdicts = wait_for("the tests in the page", patience, || {
        let verdicts = page.run(
            "return globalThis.verdicts.length < arguments[0] ? null : globalThis.verdicts",
            &[json!(names.len())],
        )?;
        Ok((!verdicts.is_null()).then_some(verdicts))
    })?;
    let verdicts = verdicts.as_array().context("a list of verdicts")?;
    Ok(verdicts
        .iter()
        .map(|verdict| Verdict {
            name: verdict["name"].as_str().unwrap_or_default().to_owned(),
            ms: verdict["ms"].as_f64().unwrap_or_default(),
            error: verdict["error"].as_str().map(str::to_owned),
        })
        .collect())
}

/// The build of the test programs for wasm.
fn wasm_build() -> Command {
    let mut command =
        commands::cargo(["test", "--no-run", "--target", "wasm32-unknown-unknown", "--lib", "--tests"]);
    for name in CRATES {
        command.args(["--package", name]);
    }
    // Property tests draw their seeds from `getrandom`, which on this target wants to be told where from: here, from an
    // import that the page provides. A test function is called from one place only and would be inlined there: "dead" code
    // is kept, so that it stays callable by its name. The variable replaces the flags in `.cargo/config.toml`, hence the first.
    command.env("RUSTFLAGS", "-Ctarget-feature=+simd128 --cfg getrandom_backend=\"custom\" -Clink-dead-code");
    command
}

/// Runs a cargo build and takes the test programs of [`CRATES`] from its messages.
fn programs(build: &mut Command) -> Result<BTreeMap<Program, PathBuf>> {
    build.arg("--message-format=json-render-diagnostics");
    let messages = commands::output(build)?;
    let mut programs = BTreeMap::new();
    for line in messages.lines() {
        let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
        let Some(executable) = message["executable"].as_str() else { continue };
        let is_test = message["profile"]["test"] == true && message["target"]["kind"] != json!(["bin"]);
        let package = message["package_id"].as_str().unwrap_or_default();
        let Some(name) = CRATES.iter().find(|name| is_package(package, name)) else { continue };
        if is_test {
            let target = message["target"]["name"].as_str().unwrap_or_default();
            programs.insert(((*name).to_owned(), target.to_owned()), PathBuf::from(executable));
        }
    }
    Ok(programs)
}

/// Whether cargo's package id is that of the workspace's crate `name`: `path+file:///…/crates/wire#manyhands-wire@0.1.0`.
fn is_package(id: &str, name: &str) -> bool {
    id.split_once('#').is_some_and(|(_, package)| package.split('@').next() == Some(name))
}

/// The names of a test program's tests, without the ignored ones.
fn list(program: &PathBuf) -> Result<Vec<String>> {
    let ask = |more: &[&str]| {
        let text = commands::output(Command::new(program).args(["--list", "--format", "terse"]).args(more))?;
        Ok::<_, anyhow::Error>(
            text.lines().filter_map(|line| Some(line.strip_suffix(": test")?.to_owned())).collect(),
        )
    };
    let all: Vec<String> = ask(&[])?;
    let ignored: Vec<String> = ask(&["--ignored"])?;
    Ok(all.into_iter().filter(|name| !ignored.contains(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_known_by_its_whole_name() {
        let id = "path+file:///home/liz/manyhands/crates/wire#manyhands-wire@0.1.0";

        assert!(is_package(id, "manyhands-wire"));
        assert!(!is_package(id, "manyhands"));
    }
}
