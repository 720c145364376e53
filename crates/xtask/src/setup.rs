//! The tools: which, in what version, why, and how they come onto the machine.
//!
//! A fresh machine has Rust and nothing else. Tools written in Rust come from crates.io through cargo, into the folder
//! where cargo puts programs anyway; browsers come from Debian's packages where the person may install them.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::commands;

/// A tool from crates.io.
struct Tool {
    package: &'static str,
    program: &'static str,
    /// Exactly this version: the builds of the page are sensitive to it.
    version: &'static str,
    why: &'static str,
    /// Minutes on two cores, as measured.
    minutes: &'static str,
    /// Further arguments for `cargo install`.
    arguments: &'static [&'static str],
}

/// Builds and bundles the page.
const TRUNK: Tool = Tool {
    package: "trunk",
    program: "trunk",
    version: "0.21.14",
    why: "it builds the page",
    minutes: "3",
    arguments: &["--locked"],
};
/// Makes the JavaScript around the wasm. The same version as the `wasm-bindgen` crate in `Cargo.toml`.
const WASM_BINDGEN: Tool = Tool {
    package: "wasm-bindgen-cli",
    program: "wasm-bindgen",
    version: "0.2.130",
    why: "it makes the JavaScript around the page's WebAssembly",
    minutes: "2",
    arguments: &[],
};
/// Drives Firefox.
const GECKODRIVER: Tool = Tool {
    package: "geckodriver",
    program: "geckodriver",
    version: "0.37.1",
    why: "it drives Firefox in the browser tests",
    minutes: "1.5",
    arguments: &[],
};
/// Checks licences and sources.
const CARGO_DENY: Tool = Tool {
    package: "cargo-deny",
    program: "cargo-deny",
    version: "0.20.2",
    why: "it checks the dependencies' licences and sources",
    minutes: "3",
    arguments: &[],
};

/// Programs that are not written in Rust, with the Debian package that has each.
const SYSTEM: [(&str, &str); 3] =
    [("chromium", "chromium"), ("chromedriver", "chromium-driver"), ("firefox-esr", "firefox-esr")];

const WASM_TARGET: &str = "wasm32-unknown-unknown";
/// What the program in the image is built for.
pub(crate) const STATIC_TARGET: &str = "x86_64-unknown-linux-musl";
/// What puts the API to the test, from PyPI.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

/// Everything that building, testing and measuring need.
pub(crate) fn everything() -> Result<()> {
    lints()?;
    page()?;
    licences()?;
    browsers()?;
    println!("everything is installed");
    Ok(())
}

/// What formatting and linting need.
pub(crate) fn lints() -> Result<()> {
    for (component, arguments) in [("rustfmt", ["fmt", "--version"]), ("clippy", ["clippy", "--version"])] {
        if commands::quiet(&mut commands::cargo(arguments)).is_none() {
            println!("installing Rust's component {component}: it is not there");
            commands::run(commands::program("rustup").args(["component", "add", component]))?;
        }
    }
    wasm_target()
}

/// What building the page needs.
pub(crate) fn page() -> Result<()> {
    wasm_target()?;
    install(&TRUNK)?;
    install(&WASM_BINDGEN)
}

/// What checking the dependencies needs.
pub(crate) fn licences() -> Result<()> {
    install(&CARGO_DENY)
}

/// What the tests in browsers need.
pub(crate) fn browsers() -> Result<()> {
    system()?;
    install(&GECKODRIVER)
}

/// Where schemathesis is, in an environment of its own.
pub(crate) fn schemathesis() -> Result<PathBuf> {
    let folder = crate::build::target_folder().join("fuzz/python");
    let program = folder.join("bin/schemathesis");
    let noted = folder.join("installed");
    if std::fs::read_to_string(&noted).is_ok_and(|version| version == SCHEMATHESIS) {
        return Ok(program);
    }
    println!("installing {SCHEMATHESIS} into {}: it puts the API to the test", folder.display());
    // Debian's Python may come without what makes environments.
    let without_venv =
        || match commands::quiet(commands::program("python3").args(["-c", "import ensurepip, venv"])) {
            Some(_) => Vec::new(),
            None => vec!["python3-venv"],
        };
    debian(without_venv, "the API's fuzzing needs")?;
    let mut python = commands::program("python3");
    commands::run(python.args(["-m", "venv", "--clear"]).arg(&folder))?;
    let mut pip = commands::program(folder.join("bin/pip"));
    commands::run(pip.args(["install", "--quiet", "--disable-pip-version-check", SCHEMATHESIS]))?;
    std::fs::write(noted, SCHEMATHESIS)?;
    Ok(program)
}

/// What the benchmark of the search is compared with: GMP, and the compiler for the loop on it.
pub(crate) fn gmp() -> Result<()> {
    let missing = || {
        if !commands::is_installed("cc") {
            return vec!["gcc", "libc6-dev", "libgmp-dev"];
        }
        let header = ["-E", "-x", "c", "-include", "gmp.h", "/dev/null"];
        match commands::quiet(commands::program("cc").args(header)) {
            Some(_) => Vec::new(),
            None => vec!["libgmp-dev"],
        }
    };
    debian(missing, "the search is compared with")
}

/// The standard library for wasm.
pub(crate) fn wasm_target() -> Result<()> {
    target(WASM_TARGET, "the page is built for it", "libstd-rust-dev-wasm32")
}

/// The standard library for programs that need no other library.
pub(crate) fn static_target() -> Result<()> {
    target(STATIC_TARGET, "the program in the image is built for it", "none, so from https://rustup.rs")
}

/// A standard library. Asked for by name, as rustup's automatic installation may be switched off.
fn target(name: &str, why: &str, debian: &str) -> Result<()> {
    let library =
        commands::quiet(commands::program("rustc").args(["--print", "target-libdir", "--target", name]));
    let has_core = |folder: &str| {
        let files = std::fs::read_dir(folder.trim()).into_iter().flatten().flatten();
        files.into_iter().any(|file| file.file_name().to_string_lossy().starts_with("libcore-"))
    };
    if library.is_some_and(|folder| has_core(&folder)) {
        return Ok(());
    }
    println!("installing Rust's standard library for {name}: {why}");
    commands::run(commands::program("rustup").args(["target", "add", name])).with_context(|| {
        format!("Rust for {name} is missing; without rustup, install it as your Rust came (Debian: {debian})")
    })
}

fn install(tool: &Tool) -> Result<()> {
    let Tool { package, program, version, why, minutes, arguments } = tool;
    match installed_version(program) {
        Some(found) if found == *version => return Ok(()),
        Some(found) => println!("installing {package} {version} in place of {found}: {why}"),
        None => println!("installing {package} {version}, which is missing: {why}"),
    }
    println!("    this takes about {minutes} minutes on two cores, once");
    let mut cargo = commands::cargo(["install", package, "--version", version, "--debug", "--force"]);
    // One folder for all tools: they share many dependencies.
    cargo.args(*arguments).env("CARGO_TARGET_DIR", commands::root().join("target/tools"));
    commands::run(&mut cargo)?;
    let found = installed_version(program);
    ensure!(
        found.as_deref() == Some(*version),
        "{program} {version} was installed, but the first one on the path is {}",
        found.as_deref().unwrap_or("none")
    );
    Ok(())
}

/// The version of a program that tells it as `name 1.2.3 …`.
fn installed_version(program: &str) -> Option<String> {
    let text = commands::quiet(commands::program(program).arg("--version"))?;
    text.split_whitespace().nth(1).map(str::to_owned)
}

/// Debian's packages with the browsers.
fn system() -> Result<()> {
    debian(missing_packages, "the browser tests need")
}

/// Installs those of Debian's packages that are missing, where the person may.
fn debian(missing_packages: impl Fn() -> Vec<&'static str>, who: &str) -> Result<()> {
    let missing = missing_packages();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !commands::is_installed("apt-get") {
        bail!("these are missing: install what your system calls {list} (Debian's names)");
    }
    if commands::quiet(Command::new("id").arg("-u")).as_deref().map(str::trim) != Some("0") {
        bail!("these are missing: run `sudo apt-get update && sudo apt-get install -y {list}`");
    }
    println!("installing Debian's {list}, which {who}");
    let apt = || {
        let mut apt = commands::program("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    commands::run(apt().arg("update"))?;
    commands::run(apt().args(["install", "-y", "--no-install-recommends"]).args(&missing))?;
    let missing = missing_packages();
    ensure!(missing.is_empty(), "apt-get went well, but still missing: {}", missing.join(" "));
    Ok(())
}

fn missing_packages() -> Vec<&'static str> {
    let is_missing = |program: &str| {
        // Where Firefox did not come from Debian it is called by its plain name.
        let other = program.strip_suffix("-esr").unwrap_or(program);
        !commands::is_installed(program) && !commands::is_installed(other)
    };
    SYSTEM.iter().filter(|(program, _)| is_missing(program)).map(|(_, package)| *package).collect()
}
