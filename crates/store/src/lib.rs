//! The files of a native node, on its disk.
//!
//! A [`FileStore`] lives in a folder of its own. [`FileStore::serve`] carries out the orders of the node, which knows what to
//! fetch and whom to give what; [`FileStore::put`] and [`FileStore::read_chunk`] are for the person's own files in and out. Never
//! is more of a file in memory than some chunks.
//!
//! - `log`: what is known of each file, and all of the small ones; one file to which records are added.
//! - `content/ab/<id>.<generation>`: a larger file, as long as it will be from the beginning, with the hashes of its chunks behind.
//! - `incoming`: files that are being put. `lock`: locked by the program that has the store open.
//!
//! Invariants, each of which holds after a `kill -9` or a power cut at any instant:
//!
//! - A chunk that the log says is here has its bytes on the disk: content is synced before its chunks are recorded. What was
//!   written in the last moments may be missing, and is fetched again.
//! - No byte is given out that does not have the hash which the file's id stands for.
//! - Names are data. No path has anything in it but ids, numbers and fixed words.
//!
//! A damaged folder gives an error or what of it is right. What the store leaves out: which files to fetch, throwing out old
//! ones, and checking content that nobody reads.

mod commit;
mod content;
mod disk;
mod error;
mod index;
mod log;
mod open;
mod put;
mod read;
mod record;
mod serve;
mod shared;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use manyhands_core::files::{NewFile, Stored};
use manyhands_wire::FileId;
use manyhands_wire::file::{CHUNK_BYTES, FileKind, Manifest};
use tokio::io::AsyncRead;
use tokio::sync::watch;

pub use error::{PutError, ReadError, StoreError};
pub use serve::{EVENTS_MAX, ORDERS_MAX, Pipes, Serving};

use commit::Committer;
use disk::Disk;
use shared::Shared;

/// How a store behaves.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// How many bytes of files are kept at most.
    pub quota_bytes: u64,
    /// How long a chunk of a file put here is, in bytes, unless the file is so large that it has to be cut into longer ones.
    pub chunk_bytes: u32,
}

impl Default for StoreOptions {
    /// As much as there is room for, in chunks of the usual length.
    fn default() -> Self {
        Self { quota_bytes: u64::MAX, chunk_bytes: CHUNK_BYTES }
    }
}

/// A store of files in a folder; cheap to clone. The folder is free for another program when the last clone is dropped.
#[derive(Clone)]
pub struct FileStore {
    shared: Arc<Shared>,
    _committer: Arc<Committer>,
}

impl FileStore {
    /// Opens the store in this folder, or creates it; tells what is there. Reads the disk, so not for an async thread.
    ///
    /// # Errors
    ///
    /// If another program has it open, if it is damaged beyond use, or if the system refuses.
    pub fn open(folder: &Path, options: StoreOptions) -> Result<(Self, Vec<Stored>), StoreError> {
        Self::open_on(Disk::default(), folder, options)
    }

    fn open_on(disk: Disk, folder: &Path, options: StoreOptions) -> Result<(Self, Vec<Stored>), StoreError> {
        let (shared, stored) = open::open(folder, options, disk)?;
        let shared = Arc::new(shared);
        let committer = Committer::start(shared.clone())
            .map_err(|source| StoreError::Io { folder: folder.into(), source })?;
        Ok((Self { shared, _committer: Arc::new(committer) }, stored))
    }

    /// Starts the threads that carry out the node's orders: the ends of both channels are for its driver. Both are closed if the
    /// system allows no more threads.
    pub fn serve(&self) -> Pipes {
        serve::serve(self)
    }

    /// Streams content in; what comes back is for [`Command::AddFile`](manyhands_core::Command::AddFile). The same content
    /// under the same name is one file, however often it is put. A file that the node never keeps an entry of is gone at the
    /// next start.
    ///
    /// # Errors
    ///
    /// If the file is too large or its name too long, if there is no room for it, or if the content cannot be read.
    pub async fn put(
        &self,
        name: String,
        media_type: String,
        kind: FileKind,
        size_hint: Option<u64>,
        content: impl AsyncRead + Unpin,
    ) -> Result<NewFile, PutError> {
        Ok(self.put_new(name, media_type, kind, size_hint, content).await?.0)
    }

    /// The same, and whether the content is new: not all of the file was here before. Only then may whoever put it
    /// [discard](FileStore::discard) it again.
    ///
    /// # Errors
    ///
    /// As [`FileStore::put`].
    pub async fn put_new(
        &self,
        name: String,
        media_type: String,
        kind: FileKind,
        size_hint: Option<u64>,
        content: impl AsyncRead + Unpin,
    ) -> Result<(NewFile, bool), PutError> {
        let about = put::About { name, media_type, kind };
        put::put(self.shared.clone(), about, size_hint, content).await
    }

    /// Undoes a put whose content was new: the file is again what it was before, which for one that nobody knew is nothing at
    /// all. To be called only while nobody else counts on the file being here.
    pub async fn discard(&self, file: &FileId) {
        let (shared, file) = (self.shared.clone(), *file);
        if let Err(error) = tokio::task::spawn_blocking(move || shared.discard(&file)).await {
            tracing::error!(%file, %error, "discarding a file has failed");
        }
    }

    /// How many bytes of files there are or will be, and how many there may be.
    pub fn sized(&self) -> (u64, u64) {
        (locked(&self.shared.index).taken_bytes(), self.shared.options.quota_bytes)
    }

    /// Reads a chunk, if it is here now: [`FileStore::changes`] tells when that may have changed. What comes has the chunk's
    /// hash.
    ///
    /// # Errors
    ///
    /// If it is not here, or damaged, or if the system refuses.
    pub async fn read_chunk(&self, file: &FileId, chunk: u32) -> Result<Vec<u8>, ReadError> {
        let (shared, file) = (self.shared.clone(), *file);
        tokio::task::spawn_blocking(move || shared.read_and_tell(&file, chunk))
            .await
            .map_err(|error| ReadError::Io(io::Error::other(error)))?
    }

    /// A number that moves whenever a chunk has come or gone, or a file was kept, put, forgotten or recalled.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// What a file is. `None` if it is not known.
    pub fn manifest(&self, file: &FileId) -> Option<Manifest> {
        self.shared.manifest(file)
    }

    /// Whether a chunk of a file is here.
    pub fn has_chunk(&self, file: &FileId, chunk: u32) -> bool {
        let index = locked(&self.shared.index);
        index.files.get(file).and_then(|known| known.held.as_ref()).is_some_and(|held| held.here.has(chunk))
    }

    /// Whether all of a file is here.
    pub fn is_whole(&self, file: &FileId) -> bool {
        locked(&self.shared.index).files.get(file).is_some_and(index::Known::is_whole)
    }

    /// Whether a file is known, and its person does not want it.
    pub fn is_forgotten(&self, file: &FileId) -> bool {
        locked(&self.shared.index).files.get(file).is_some_and(|known| known.is_forgotten)
    }

    /// Whether the node's entry of a file is here, without which the file is gone at the next start.
    pub fn is_kept(&self, file: &FileId) -> bool {
        locked(&self.shared.index).files.get(file).is_some_and(|known| known.entry.is_some())
    }

    /// Makes everything last that was written up to now, also what others are about to make last. Waits for the disk, so not for
    /// an async thread. `false` if the disk refused, in which case it is tried again later.
    pub fn flush(&self) -> bool {
        self.shared.flush()
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore").field("folder", &self.shared.folder).finish_non_exhaustive()
    }
}

/// A lock, also after a thread has panicked that held it: every change under a lock is whole before anything can panic.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
