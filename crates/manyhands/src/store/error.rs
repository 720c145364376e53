//! What can go wrong with the host's file, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use manyhands_ledger::{SearchFile, SearchFileError, TaskError, TaskFile};
use manyhands_wire::job::JobError;
use thiserror::Error;

use super::statement::Kind;

/// Why a file cannot be worked on.
#[derive(Debug, Error)]
pub(crate) enum OpenError {
    /// It is not there.
    #[error("there is no file {}; create it with this line in it: {}", .path.display(), example(.known))]
    Missing { path: PathBuf, known: Option<TaskFile> },
    /// The folder is not there.
    #[error("there is no folder {}; create it, or correct the path", .0.display())]
    NoFolder(PathBuf),
    /// It is a symbolic link to nothing.
    #[error("{} is a link to {}, which does not exist; create that file, or remove the link", .link.display(), .target.display())]
    DanglingLink { link: PathBuf, target: PathBuf },
    /// It is a folder.
    #[error("{} is a folder; name the file in it", .0.display())]
    Folder(PathBuf),
    /// It is a device, a pipe or the like.
    #[error("{} is not a plain file, so it cannot be replaced safely; name a plain file", .0.display())]
    NotPlain(PathBuf),
    /// It cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    /// What it says is not a task.
    #[error("{}: {source}{}", .path.display(), remembered(.known))]
    NotATask { path: PathBuf, source: TaskError, known: Option<TaskFile> },
    /// Its total is not what the numbers come to.
    #[error(
        "{}: current_total is {}, but the numbers from 1 to {} come to {expected}; correct it, or begin again from 0 with --restart",
        .path.display(), .task.current_total, .task.most_recent_counting_number_added
    )]
    WrongTotal { path: PathBuf, task: TaskFile, expected: u128 },
    /// Another host works on it.
    #[error("another manyhands host{} is working on {}; stop it first, or use another file", process(.by), .path.display())]
    Locked { path: PathBuf, by: Option<u32> },
    /// It must not be written.
    #[error("{} is marked read-only; allow writing to it, or use a copy", .0.display())]
    ReadOnly(PathBuf),
    /// A later version has worked on it.
    #[error(
        "{} was written by a newer version of manyhands; use that version, or move the file away (the invite link changes then)",
        .0.display()
    )]
    NewerSidecar(PathBuf),
    /// The job it makes is over a limit.
    #[error("{}: {source}", .path.display())]
    Job { path: PathBuf, source: JobError },
    /// It belongs to a job of another kind.
    #[error(
        "{} belongs to {}; say --job {}, or name another file with --task FILE",
        .path.display(), other(*.wanted).0, other(*.wanted).1
    )]
    OtherKind { path: PathBuf, wanted: Kind },
    /// What it says is not a search.
    #[error("{}: {source}; correct it, or begin anew with --restart", .path.display())]
    NotASearch { path: PathBuf, source: SearchFileError },
    /// It is of other exponents than were asked for.
    #[error(
        "{} is of the exponents {} to {}, {}, and {asked} was asked for; leave --from and --to away to go on with it, \
         name another file with --task FILE, or begin anew with --restart",
        .path.display(), .known.from, end(.known.to), progress(.known)
    )]
    OtherSearch { path: PathBuf, known: SearchFile, asked: String },
    /// A job is to begin in a file that has another one's progress.
    #[error(
        "{} has the progress of another job; stop this host and start one on that file to go on with it, or move the file away",
        .path.display()
    )]
    Begun { path: PathBuf },
    /// A job is to begin in a file that is something else.
    #[error("{} is there and is no file of this kind of job; move it away", .0.display())]
    NoPlace(PathBuf),
    /// It, or something beside it, cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Why a file could not be written. What was saved before is whole.
#[derive(Debug, Error)]
pub(crate) enum WriteError {
    /// The disk, or the share of it this person has, is full.
    #[error("cannot write {}: the disk is full; make some room on it", .0.display())]
    DiskFull(PathBuf),
    /// This person may not.
    #[error(
        "cannot write {}: no permission (files are replaced whole, so the folder must be writable too)",
        .0.display()
    )]
    NotAllowed(PathBuf),
    /// Anything else.
    #[error("cannot write {}: {source}", .path.display())]
    Other { path: PathBuf, source: io::Error },
}

impl WriteError {
    /// The error for a file.
    pub(super) fn new(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull(path),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::NotAllowed(path),
            _ => Self::Other { path, source },
        }
    }
}

fn example(known: &Option<TaskFile>) -> String {
    known.unwrap_or(TaskFile::new(100_000_000)).to_string()
}

fn remembered(known: &Option<TaskFile>) -> String {
    known.map_or(String::new(), |task| {
        format!("\nthe last state that was saved is {task}: to go on from there, put this line into the file")
    })
}

/// What a file belongs to that does not belong to a job of this kind, and the word that asks for it.
fn other(wanted: Kind) -> (&'static str, &'static str) {
    match wanted {
        Kind::Task => ("a search for Mersenne primes", "mersenne"),
        Kind::Search => ("a sum", "sum"),
    }
}

/// The last exponent of a search, in words.
pub(super) fn end(to: Option<u32>) -> String {
    to.map_or_else(|| "no end".to_owned(), |to| to.to_string())
}

fn progress(search: &SearchFile) -> String {
    if search.is_begun() {
        format!("finished up to {}", search.every_exponent_up_to)
    } else {
        "not begun yet".to_owned()
    }
}

fn process(by: &Option<u32>) -> String {
    by.map_or(String::new(), |id| format!(" (process {id})"))
}
