//! Building the page, and the program with the page inside.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::{commands, setup};

/// The most that a friend's browser may have to download before it can lend a hand, compressed, in bytes.
pub(crate) const PAGE_BYTES_MAX: u64 = 350_000;

/// Builds everything and returns where the program is.
pub(crate) fn program() -> Result<PathBuf> {
    setup::page()?;
    page()?;
    commands::run(&mut commands::cargo(["build", "--release", "--package", "manyhands"]))?;
    Ok(target_folder().join("release/manyhands"))
}

/// Builds the page into `dist/`, each file beside its compressed form.
pub(crate) fn page() -> Result<()> {
    // Offline, as trunk would otherwise look for tools of its own on the network; they are all installed.
    commands::run(commands::program("trunk").args([
        "build",
        "--release",
        "--cargo-profile",
        "web",
        "--offline",
        "--skip-version-check",
    ]))?;
    for file in files(&dist())? {
        if is_compressible(&file) {
            compress(&file).with_context(|| file.display().to_string())?;
        }
    }
    Ok(())
}

/// The size of the page's first download, with a line for each file: compressed, in bytes.
pub(crate) fn page_size() -> Result<(u64, Vec<(String, u64)>)> {
    let mut sizes = Vec::new();
    for file in files(&dist())? {
        let extension = file.extension().unwrap_or_default().to_string_lossy();
        if matches!(&*extension, "wasm" | "js" | "css" | "html") {
            let name = file.strip_prefix(dist())?.display().to_string();
            sizes.push((name, fs::metadata(compressed(&file))?.len()));
        }
    }
    ensure!(!sizes.is_empty(), "there is no page in {}", dist().display());
    Ok((sizes.iter().map(|(_, bytes)| bytes).sum(), sizes))
}

/// Where cargo builds.
pub(crate) fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| commands::root().join("target"), PathBuf::from)
}

fn dist() -> PathBuf {
    commands::root().join("dist")
}

/// All files in a folder and the folders in it, in order.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Whether it gains by compression: pictures are compressed already.
fn is_compressible(file: &Path) -> bool {
    let extension = file.extension().unwrap_or_default().to_string_lossy();
    !matches!(&*extension, "gz" | "png" | "ico" | "woff2")
}

fn compressed(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".gz");
    name.into()
}

fn compress(file: &Path) -> Result<()> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&fs::read(file)?)?;
    fs::write(compressed(file), encoder.finish()?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_compressed_beside_itself() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("page.html");
        fs::write(&file, "many hands ".repeat(100)).unwrap();

        compress(&file).unwrap();

        let sizes = files(folder.path()).unwrap();
        assert_eq!(sizes, [file.clone(), folder.path().join("page.html.gz")]);
        assert!(fs::metadata(&sizes[1]).unwrap().len() < 100);
        assert!(is_compressible(&sizes[0]) && !is_compressible(&sizes[1]));
    }
}
