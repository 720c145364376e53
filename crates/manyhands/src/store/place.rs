//! Where the host's file is: its own path, the files beside it, and the lock that keeps a second host away.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use super::error::{OpenError, WriteError};
use super::replace;

/// The paths of one host's files. The task is never a symbolic link: links are followed once, here, so that two links to
/// the same file have the same lock, and the link stays a link.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Liz's file.
    pub(super) task: PathBuf,
    /// The file beside it.
    pub(super) sidecar: PathBuf,
    /// Where the tests of a search stand that are under way.
    pub(super) tests: PathBuf,
    lock: PathBuf,
}

impl Place {
    /// Finds the file that a path means. A file that is not there is an error only if its folder or a link says so.
    pub(super) fn find(path: &Path) -> Result<Self, OpenError> {
        let unreadable = |source| OpenError::Unreadable { path: path.to_owned(), source };
        let task = match fs::canonicalize(path) {
            Ok(real) => real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::of_absent(path),
            Err(error) => return Err(unreadable(error)),
        };
        let metadata = fs::metadata(&task).map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(OpenError::Folder(path.to_owned()));
        }
        if !metadata.is_file() {
            return Err(OpenError::NotPlain(path.to_owned()));
        }
        if metadata.permissions().readonly() {
            return Err(OpenError::ReadOnly(path.to_owned()));
        }
        Ok(Self::beside(task))
    }

    fn of_absent(path: &Path) -> Result<Self, OpenError> {
        if let Ok(target) = fs::read_link(path) {
            return Err(OpenError::DanglingLink { link: path.to_owned(), target });
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match (fs::canonicalize(folder), path.file_name()) {
            (Ok(folder), Some(name)) => Ok(Self::beside(folder.join(name))),
            (Ok(_) | Err(_), _) => Err(OpenError::NoFolder(folder.to_owned())),
        }
    }

    fn beside(task: PathBuf) -> Self {
        let name = task.file_name().unwrap_or_default().to_owned();
        let mut sidecar = name.clone();
        sidecar.push(".manyhands");
        let mut tests = name.clone();
        tests.push(".manyhands-tests");
        let mut lock = OsString::from(".");
        lock.push(name);
        lock.push(".manyhands-lock");
        let [sidecar, tests, lock] = [sidecar, tests, lock].map(|name| task.with_file_name(name));
        Self { task, sidecar, tests, lock }
    }

    /// Keeps other hosts away for as long as the result lives; the system lets go of it if the process dies. `None` where
    /// the file system has no locks.
    ///
    /// The lock's file stays when the host ends: taking it away could let two hosts lock two files of the same name.
    pub(super) fn lock(&self) -> Result<Option<File>, OpenError> {
        let failed = |source| OpenError::Write(WriteError::new(&self.lock, source));
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&self.lock)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let by = file.take(20).read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(OpenError::Locked { path: self.task.clone(), by });
            }
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let number_it = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        // The number is for people only, so a full disk is no reason to stop here; the first save finds out.
        let _ = number_it(&mut file);
        Ok(Some(file))
    }

    /// Takes away what a host that was cut short has left.
    pub(super) fn clean(&self) {
        for path in [&self.task, &self.sidecar, &self.tests] {
            // Whether it is there or not: if it is and stays, the first save says why.
            let _ = fs::remove_file(replace::beside(path));
        }
    }

    /// What is worth keeping of it.
    pub(super) fn kept(&self) -> [&Path; 3] {
        [&self.task, &self.sidecar, &self.tests]
    }

    /// The first place beside this one where nothing is, for a file of the name `mersenne.json.LABEL-1` and so on.
    pub(super) fn free(&self, label: &str) -> Self {
        let mut number = 1_u64;
        loop {
            let place = Self::beside(numbered(&self.task, label, number));
            if place.kept().into_iter().all(is_free) {
                return place;
            }
            number += 1;
        }
    }

    /// The first name beside the task's that is free: `task.json.LABEL-1` and so on.
    pub(super) fn free_name(path: &Path, label: &str) -> PathBuf {
        let mut number = 1_u64;
        loop {
            let candidate = numbered(path, label, number);
            if is_free(&candidate) {
                return candidate;
            }
            number += 1;
        }
    }
}

fn numbered(path: &Path, label: &str, number: u64) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{label}-{number}"));
    path.with_file_name(name)
}

fn is_free(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err()
}
