//! Ctrl-C in the middle of a file: what was written of it goes away with the program.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::exit::Reason;
use crate::signals::Signals;

/// The file that is not whole yet; one at a time.
static PARTIAL: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Listens for requests to stop from now on, which end the program.
pub(super) fn watch() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _within = runtime.enter();
        Signals::new()?
    };
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(signals.recv());
        // Kept until the end: nothing new is begun.
        let partial = partial();
        if let Some(path) = &*partial {
            let _ = fs::remove_file(path);
        }
        std::process::exit(Reason::Interrupted as i32);
    })?;
    Ok(())
}

/// Creates the file, and remembers that it is to go if the person breaks off.
pub(super) fn creating(path: &Path, create: impl FnOnce() -> io::Result<File>) -> io::Result<File> {
    let mut partial = partial();
    let file = create()?;
    *partial = Some(path.to_owned());
    Ok(file)
}

/// The file is whole, or gone.
pub(super) fn forget() {
    *partial() = None;
}

fn partial() -> MutexGuard<'static, Option<PathBuf>> {
    PARTIAL.lock().unwrap_or_else(PoisonError::into_inner)
}
