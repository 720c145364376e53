//! Putting a file in another's place in one step: written beside it, synced, renamed over it, and the folder synced too.
//!
//! Whatever moment the power fails at, the name shows the old content or the new one, whole. A file left over from a
//! replacement that was cut short has a name of its own, which is cleaned away when the store is opened again.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// What a replacement does, in this order, and what it does after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Creates the file beside.
    Create,
    /// Writes its content.
    Write,
    /// Waits until the content is on the disk.
    Sync,
    /// Gives it the name.
    Rename,
    /// Waits until the name is on the disk.
    SyncFolder,
    /// Takes the file beside away, after an error.
    CleanUp,
}

/// Is asked before each step; an error from it is the step's error. Tests put faults in here.
pub(super) type Hook = Box<dyn FnMut(Step) -> io::Result<()> + Send>;

/// Who may read a file.
#[derive(Clone, Debug)]
pub(super) enum Mode {
    /// Its owner alone.
    Private,
    /// Whoever could read the file in whose place it comes.
    Like(Permissions),
    /// As the system does by default.
    Default,
}

/// The name under which the content of `path` is written before it is renamed.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".manyhands-new");
    path.with_file_name(name)
}

/// Gives `path` this content, or leaves it as it is.
pub(super) fn replace(path: &Path, content: &[u8], mode: &Mode, hook: &mut Hook) -> io::Result<()> {
    let beside = beside(path);
    let done = write_and_rename(path, &beside, content, mode, hook);
    if done.is_err() && hook(Step::CleanUp).is_ok() {
        // The error that counts is the first one; a file that stays here is cleaned away at the next opening.
        let _ = fs::remove_file(&beside);
    }
    done
}

fn write_and_rename(
    path: &Path,
    beside: &Path,
    content: &[u8],
    mode: &Mode,
    hook: &mut Hook,
) -> io::Result<()> {
    hook(Step::Create)?;
    let mut file = create(beside, mode)?;
    hook(Step::Write)?;
    file.write_all(content)?;
    hook(Step::Sync)?;
    file.sync_all()?;
    drop(file);
    hook(Step::Rename)?;
    fs::rename(beside, path)?;
    hook(Step::SyncFolder)?;
    sync_folder(path)
}

fn create(path: &Path, mode: &Mode) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if matches!(mode, Mode::Private) {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let file = options.open(path)?;
    match mode {
        Mode::Like(permissions) => file.set_permissions(permissions.clone())?,
        Mode::Private | Mode::Default => {}
    }
    Ok(file)
}

/// Waits until the names in a file's folder are on the disk, where the system can.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}
