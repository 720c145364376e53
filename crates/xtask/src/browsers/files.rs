//! What tests and measurements of files do: a file to put, and waiting for its row on a page.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::{Page, wait_for};

/// Writes a file that cannot be compressed, of bytes that follow from a number.
///
/// # Errors
/// If it cannot be written.
pub fn file_of_noise(folder: &Path, name: &str, size: usize, seed: u32) -> Result<PathBuf> {
    let path = folder.join(name);
    let mut state = seed;
    let byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let bytes: Vec<u8> = std::iter::repeat_with(byte).take(size).collect();
    std::fs::write(&path, bytes).with_context(|| path.display().to_string())?;
    Ok(path)
}

impl Page {
    /// Waits until a file of this name is in this state on the page's side of files, and returns its id.
    ///
    /// # Errors
    /// If it is not so in time: then with what the page shows.
    pub fn wait_for_file(&self, name: &str, state: &str, patience: Duration) -> Result<String> {
        let script = "
            const [name, state] = arguments;
            const rows = [...document.querySelectorAll('[data-file]')];
            return rows.find(row => row.dataset.state == state
                && row.querySelector('.file').textContent.trim() == name)?.dataset.file ?? null";
        wait_for(&format!("{name} to be {state}"), patience, || {
            let id = self.run(script, &[json!(name), json!(state)])?;
            Ok(id.as_str().map(str::to_owned))
        })
        .with_context(|| format!("the page shows:\n{}", self.report()))
    }
}
