//! What can go wrong, for people.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::disk::is_full;

/// Why a store cannot be opened.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Another program has it open.
    #[error("the files in {} are in use by another program: end it, or choose another folder", folder.display())]
    InUse {
        /// The store's folder.
        folder: PathBuf,
    },
    /// What is there is no store, or so damaged that nothing of it can be read.
    #[error("{} is damaged or missing: move {} away to begin with no files", log.display(), folder.display())]
    Damaged {
        /// The file that cannot be read.
        log: PathBuf,
        /// The store's folder.
        folder: PathBuf,
    },
    /// It is the folder of something else.
    #[error("{} has something else in it ({}): choose a folder that is empty or not there yet", folder.display(), found.display())]
    Foreign {
        /// What was chosen for a store.
        folder: PathBuf,
        /// What was found there.
        found: PathBuf,
    },
    /// A later version of this program wrote it, in a way that this one does not know.
    #[error("the files in {} are kept by a newer version: use that one, or choose another folder", folder.display())]
    Newer {
        /// The store's folder.
        folder: PathBuf,
    },
    /// The system refused.
    #[error("cannot open the files in {}: {source}", folder.display())]
    Io {
        /// The store's folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Why a file cannot be put.
#[derive(Debug, Error)]
pub enum PutError {
    /// It is longer than any file may be.
    #[error("the file is too large: at most {limit} bytes, so cut it into several")]
    TooLarge {
        /// The largest file, in bytes.
        limit: u64,
    },
    /// It does not fit into what the person allows.
    #[error(
        "the file does not fit into the quota: {used_bytes} of {quota_bytes} bytes are used; forget some files, \
         or allow more"
    )]
    Quota {
        /// How many bytes are used, those of this file not counted.
        used_bytes: u64,
        /// How many bytes may be used.
        quota_bytes: u64,
    },
    /// There is no room for it.
    #[error("the disk is full: make room, and try again")]
    DiskFull,
    /// Its name is too long.
    #[error("the name is too long: {bytes} bytes of at most {limit}, so give it a shorter one")]
    NameTooLong {
        /// How long it is, in bytes.
        bytes: usize,
        /// How long it may be, in bytes.
        limit: usize,
    },
    /// It is not what it is said to be.
    #[error("{0}")]
    Invalid(&'static str),
    /// The content cannot be read, or the disk refused.
    #[error("cannot put the file: {0}; try again")]
    Io(io::Error),
}

impl From<io::Error> for PutError {
    fn from(error: io::Error) -> Self {
        if is_full(&error) { Self::DiskFull } else { Self::Io(error) }
    }
}

/// Why a chunk cannot be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It is not here right now: it may come.
    #[error("this part of the file is not here: wait until it has come")]
    NotHere,
    /// It was here, and its bytes are wrong now; it is not here any more.
    #[error("this part of the file is damaged on the disk: it has to be fetched again")]
    Damaged,
    /// The system refused.
    #[error("cannot read the file: {0}; try again")]
    Io(io::Error),
}

/// Why an order cannot be carried out, as [`StoreEvent::Refused`](manyhands_core::files::StoreEvent) says it.
pub(crate) fn why_refused(error: &io::Error) -> String {
    if is_full(error) { "the disk is full".into() } else { format!("the disk refuses: {error}") }
}
