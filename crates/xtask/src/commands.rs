//! Running programs: cargo with the right flags, and anything else, told to the person before it starts.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// The crate that is built for wasm only.
pub(crate) const BROWSER_CRATE: &str = "manyhands-browser";

/// The repository's folder.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("this crate lives two folders below the repository").to_owned()
}

/// A program to be run in the repository's folder, found also where cargo installs programs.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root()).env("PATH", path());
    command
}

/// A cargo command.
pub(crate) fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// `cargo test` (or `nextest run`) over everything native. All native tests are built by this one selection of crates:
/// another would choose other features of the dependencies and build them anew.
pub(crate) fn native_tests(runner: &str, arguments: &[&str]) -> Command {
    let mut command = cargo(runner.split(' '));
    command.args(["--workspace", "--exclude", BROWSER_CRATE]).args(arguments);
    command
}

/// Runs a command with its output going straight to the person.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    println!("    $ {}", told(command));
    let status = command.status().with_context(|| format!("starting {}", told(command)))?;
    ensure!(status.success(), "`{}` ended with {status}", told(command));
    Ok(())
}

/// Runs a command and returns what it wrote on its output; its error output goes to the person.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output =
        command.stderr(Stdio::inherit()).output().with_context(|| format!("starting {}", told(command)))?;
    ensure!(output.status.success(), "`{}` ended with {}", told(command), output.status);
    String::from_utf8(output.stdout).with_context(|| format!("what {} wrote", told(command)))
}

/// What a command writes on its output, both outputs unseen by the person; `None` if it cannot be run or fails.
pub(crate) fn quiet(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a program of this name is installed.
pub(crate) fn is_installed(name: &str) -> bool {
    std::env::split_paths(&path()).any(|folder| folder.join(name).is_file())
}

/// The search path, with the folder where cargo installs programs.
fn path() -> std::ffi::OsString {
    let given = std::env::var_os("PATH").unwrap_or_default();
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let folders = std::env::split_paths(&given).chain(home.map(|home| home.join("bin")));
    std::env::join_paths(folders).unwrap_or(given)
}

/// The command as a person would type it.
fn told(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
