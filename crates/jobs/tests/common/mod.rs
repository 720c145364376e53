//! Builds what the counting tests count.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds an example of this crate as it is shipped, and returns the folder it lies in.
pub(crate) fn build_example(name: &str, arguments: &[&str], folder: &str) -> PathBuf {
    let target =
        Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("cargo's folder for tests lies in another");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", env!("CARGO_PKG_NAME"), "--example", name])
        .args(arguments)
        .arg("--target-dir")
        .arg(target)
        .status()
        .expect("cargo runs the tests, so it is there");
    assert!(
        built.success(),
        "the example {name} does not build with {arguments:?} (is the target installed?)"
    );
    target.join(folder).join("examples")
}
