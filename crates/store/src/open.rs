//! Opening a store: whatever a crash, or worse, has left behind becomes something that can be trusted.
//!
//! 1. A folder that is neither a store nor as good as empty is left alone.
//! 2. The folder is locked against other programs.
//! 3. The log is read, or a first one is written.
//! 4. Large content that is not as long as it should be does not count, nor does a partial file whose list of hashes is not
//!    right. What the system refuses to read says nothing: the store does not open then.
//! 5. If the log was damaged, all large content is read and checked: records may be missing that took something back.
//! 6. What puts and logs that came to nothing have left is removed, and so are files of content that no record speaks of. A log
//!    that was not sound is written anew.
//!
//! Until the log has been read, nothing is removed; and afterwards nothing that is not called as the store calls its files.

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use manyhands_core::files::Stored;
use manyhands_wire::FileId;
use tokio::sync::watch;

use crate::commit::{rewritten, settle_places};
use crate::content::Contents;
use crate::disk::{self, Disk, is_damage};
use crate::index::{Body, Held, Index, Known};
use crate::log::{Health, Log, LogError};
use crate::shared::Shared;
use crate::{StoreError, StoreOptions};

/// What the log is called in the store's folder.
pub(crate) const LOG: &str = "log";
/// The folder of files that are being put.
pub(crate) const INCOMING: &str = "incoming";
/// How long the hexadecimal numbers are that they are called.
const INCOMING_DIGITS: usize = 16;
const CONTENT: &str = "content";
const LOCK: &str = "lock";
const NEW_LOG: &str = "log.new";
/// What systems put into folders themselves.
const HARMLESS: [&str; 4] = ["lost+found", ".DS_Store", "desktop.ini", "Thumbs.db"];

/// Opens a store, or creates it.
pub(crate) fn open(
    folder: &Path,
    options: StoreOptions,
    disk: Disk,
) -> Result<(Shared, Vec<Stored>), StoreError> {
    let refused = |source| StoreError::Io { folder: folder.into(), source };
    fs::create_dir_all(folder).map_err(refused)?;
    let path = folder.join(LOG);
    look(folder)?;
    let lock = lock(folder)?;
    // Another program may have had it meanwhile.
    if look(folder)? == Found::Nothing {
        Log::create(&path, &disk)
            .and_then(|mut log| log.take_place().and_then(|()| log.syncing().sync(&disk)))
            .map_err(refused)?;
    }
    let mut index = Index::default();
    let opened = Log::open(&path, &disk, |record, place| index.replay(record, place));
    let (mut log, health) = opened.map_err(|error| match error {
        LogError::NoLog => damaged(folder),
        LogError::Newer => StoreError::Newer { folder: folder.into() },
        LogError::Io(source) => refused(source),
    })?;
    index.settle();
    let contents = Contents::new(folder.join(CONTENT), disk.clone()).map_err(refused)?;
    if health == Health::Damaged {
        tracing::warn!(folder = %folder.display(), "the record of files is damaged: all content is checked");
    }
    let stored = trust(&mut index, &contents, health == Health::Damaged).map_err(refused)?;
    clear(folder).map_err(refused)?;
    sweep(&index, &contents).map_err(refused)?;
    if health != Health::Sound {
        let ids: Vec<FileId> = index.files.keys().copied().collect();
        let records = |file: &FileId| index.files.get(file).map(|known| known.records(*file));
        match rewritten(folder, &disk, &ids, records) {
            Ok((new, places)) => {
                log = new;
                settle_places(&mut index, places);
                log.syncing().sync(&disk).map_err(refused)?;
            }
            // It will do as it is: new records go behind the last right one.
            Err(error) => tracing::warn!(%error, "cannot write the record of files anew"),
        }
    }

    let mut first_generation = [0; 8];
    getrandom::fill(&mut first_generation).map_err(|error| refused(io::Error::other(error)))?;
    let shared = Shared {
        folder: folder.into(),
        options,
        disk,
        contents,
        log: Mutex::new(log),
        index: Mutex::new(index),
        pending: crate::commit::Pending::default(),
        changes: watch::Sender::new(0),
        events: Mutex::default(),
        generations: AtomicU64::new(u64::from_le_bytes(first_generation)),
        _lock: lock,
    };
    Ok((shared, stored))
}

fn lock(folder: &Path) -> Result<File, StoreError> {
    let refused = |source| StoreError::Io { folder: folder.into(), source };
    let lock =
        File::options().create(true).truncate(false).write(true).open(folder.join(LOCK)).map_err(refused)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { folder: folder.into() }),
        Err(TryLockError::Error(source)) => Err(refused(source)),
    }
}

/// What is in a folder that is to be a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// Nothing, or what is left of making a store, or of opening one, that was broken off.
    Nothing,
    /// What begins as a log does.
    Log,
}

/// Looks what is in a folder, and changes nothing.
fn look(folder: &Path) -> Result<Found, StoreError> {
    let refused = |source| StoreError::Io { folder: folder.into(), source };
    let foreign = |found: PathBuf| Err(StoreError::Foreign { folder: folder.into(), found });
    let log = folder.join(LOG);
    if log.try_exists().map_err(refused)? {
        let may_be_one = log.is_file() && Log::may_be_one(&log).map_err(refused)?;
        return if may_be_one { Ok(Found::Log) } else { Err(damaged(folder)) };
    }
    for found in fs::read_dir(folder).map_err(refused)? {
        let found = found.map_err(refused)?;
        let (path, name) = (found.path(), found.file_name());
        let is_file = found.file_type().map_err(refused)?.is_file();
        match name.to_str() {
            Some(LOCK) if is_file => {}
            Some(NEW_LOG) if is_file && Log::may_be_one(&path).map_err(refused)? => {}
            // The log of what is there has been lost.
            Some(INCOMING | CONTENT) if has_files(&path).map_err(refused)? => return Err(damaged(folder)),
            Some(INCOMING | CONTENT) => {}
            Some(name) if HARMLESS.contains(&name) => {}
            Some(_) | None => return foreign(path),
        }
    }
    Ok(Found::Nothing)
}

/// Whether there is anything but empty folders.
fn has_files(path: &Path) -> io::Result<bool> {
    if !fs::symlink_metadata(path)?.is_dir() {
        return Ok(true);
    }
    for found in fs::read_dir(path)? {
        let found = found?.path();
        if !fs::symlink_metadata(&found)?.is_dir() || fs::read_dir(&found)?.next().is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn damaged(folder: &Path) -> StoreError {
    StoreError::Damaged { log: folder.join(LOG), folder: folder.into() }
}

/// Removes what came to nothing.
fn clear(folder: &Path) -> io::Result<()> {
    Log::remove_left_over(&folder.join(LOG))?;
    let incoming = folder.join(INCOMING);
    fs::create_dir_all(&incoming)?;
    for file in fs::read_dir(&incoming)? {
        let file = file?;
        if file.file_name().to_str().is_some_and(|name| disk::is_hex(name, INCOMING_DIGITS)) {
            disk::remove(&file.path())?;
        }
    }
    Ok(())
}

/// Keeps of the index what can be trusted, and tells what that is.
fn trust(index: &mut Index, contents: &Contents, check_all: bool) -> io::Result<Vec<Stored>> {
    let mut stored = Vec::with_capacity(index.files.len());
    let ids: Vec<FileId> = index.files.keys().copied().collect();
    for id in ids {
        let Some(known) = index.files.get_mut(&id) else { continue };
        let Some(entry) = known.entry.clone() else { continue };
        if check_all {
            check_chunks(&id, known, contents)?;
        }
        let is_there = match &known.held {
            Some(Held { generation, body: Body::Large { .. }, .. }) => {
                let len = unless_damaged(contents.len(&id, *generation))?;
                len == Some(Contents::len_with_hashes(&entry.manifest))
            }
            Some(Held { body: Body::Small { .. }, .. }) | None => true,
        };
        let hashes = match &known.held {
            Some(held) if is_there && !held.here.is_full() => match &held.body {
                Body::Small { hashes, .. } => Some(hashes.clone()),
                Body::Large { .. } => {
                    unless_damaged(contents.hashes(held.generation, &entry.manifest))?.flatten()
                }
            },
            Some(_) | None => None,
        };
        let content = if is_there { known.content(hashes) } else { None };
        let content = content.unwrap_or_else(|| {
            tracing::warn!(file = %id, "content is damaged or gone, and has to be fetched again");
            index.drop_content(&id);
            manyhands_core::files::Content::Nothing
        });
        stored.push(Stored { entry, content });
    }
    Ok(stored)
}

/// What was read. `None` if what is there is not what should be. That the system is short of something is no reason to throw
/// content away.
fn unless_damaged<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if is_damage(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads all chunks of large content, and loses the wrong ones.
fn check_chunks(file: &FileId, known: &mut Known, contents: &Contents) -> io::Result<()> {
    let Some(manifest) = known.manifest().cloned() else { return Ok(()) };
    let Some(Held { generation, here, body: Body::Large { .. } }) = &known.held else { return Ok(()) };
    let wrong = match unless_damaged(contents.hashes(*generation, &manifest))?.flatten() {
        Some(hashes) => {
            let mut wrong = Vec::new();
            for chunk in here.iter() {
                let offset = u64::from(chunk) * u64::from(manifest.chunk_bytes);
                let bytes = contents
                    .file(file, *generation)
                    .and_then(|handle| disk::read_at(&handle, manifest.chunk_len(chunk) as usize, offset));
                let hash = unless_damaged(bytes)?.map(|bytes| *blake3::hash(&bytes).as_bytes());
                if hash != Some(hashes[chunk as usize]) {
                    wrong.push(chunk);
                }
            }
            wrong
        }
        // Whatever is there cannot be checked.
        None => (0..manifest.chunks()).collect(),
    };
    if let Some(held) = &mut known.held {
        wrong.into_iter().for_each(|chunk| held.lose(chunk));
    }
    Ok(())
}

fn sweep(index: &Index, contents: &Contents) -> io::Result<()> {
    let expected: HashSet<_> = index
        .files
        .iter()
        .filter_map(|(id, known)| {
            let held = known.held.as_ref()?;
            matches!(held.body, Body::Large { .. }).then(|| Contents::name(id, held.generation))
        })
        .collect();
    contents.sweep(&expected)
}
