//! Opening a store: whatever a crash, or worse, has left behind becomes something that can be trusted.
//!
//! 1. The folder is locked against other programs.
//! 2. What puts and logs that came to nothing have left is removed.
//! 3. The log is read. Large content that is not as long as it should be does not count, nor does a partial file whose list of
//!    hashes is not right.
//! 4. If the log was damaged, all large content is read and checked: records may be missing that took something back.
//! 5. Files of content that no record speaks of are removed, and a log that was not sound is written anew.

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use manyhands_core::files::Stored;
use manyhands_wire::FileId;
use tokio::sync::watch;

use crate::commit::{rewritten, settle_places};
use crate::content::Contents;
use crate::disk::{self, Disk};
use crate::index::{Body, Held, Index, Known};
use crate::log::{Health, Log, LogError};
use crate::shared::Shared;
use crate::{StoreError, StoreOptions};

/// What the log is called in the store's folder.
pub(crate) const LOG: &str = "log";
/// The folder of files that are being put.
pub(crate) const INCOMING: &str = "incoming";
const CONTENT: &str = "content";
const LOCK: &str = "lock";

/// Opens a store, or creates it.
pub(crate) fn open(
    folder: &Path,
    options: StoreOptions,
    disk: Disk,
) -> Result<(Shared, Vec<Stored>), StoreError> {
    let refused = |source| StoreError::Io { folder: folder.into(), source };
    fs::create_dir_all(folder).map_err(refused)?;
    let lock = lock(folder)?;
    let contents = prepare(folder, &disk).map_err(refused)?;

    let path = folder.join(LOG);
    let damaged = || StoreError::Damaged { log: path.clone(), folder: folder.into() };
    if !path.try_exists().map_err(refused)? {
        if !contents.is_empty().map_err(refused)? {
            return Err(damaged());
        }
        Log::create(&path, &disk).and_then(|log| log.take_place()).map_err(refused)?;
    }
    let mut index = Index::default();
    let opened = Log::open(&path, &disk, |record, place| index.replay(record, place));
    let (mut log, health) = opened.map_err(|error| match error {
        LogError::NoLog => damaged(),
        LogError::Io(source) => refused(source),
    })?;
    index.settle();
    if health == Health::Damaged {
        tracing::warn!(folder = %folder.display(), "the record of files is damaged: all content is checked");
    }
    let stored = trust(&mut index, &contents, health == Health::Damaged);
    sweep(&index, &contents).map_err(refused)?;
    if health != Health::Sound {
        let ids: Vec<FileId> = index.files.keys().copied().collect();
        let records = |file: &FileId| index.files.get(file).map(|known| known.records(*file));
        match rewritten(folder, &disk, &ids, records) {
            Ok((new, places)) => {
                log = new;
                settle_places(&mut index, places);
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

/// Makes the folders, and removes what came to nothing.
fn prepare(folder: &Path, disk: &Disk) -> io::Result<Contents> {
    Log::remove_left_over(&folder.join(LOG))?;
    let incoming = folder.join(INCOMING);
    fs::create_dir_all(&incoming)?;
    for file in fs::read_dir(&incoming)? {
        disk::remove(&file?.path())?;
    }
    Contents::new(folder.join(CONTENT), disk.clone())
}

/// Keeps of the index what can be trusted, and tells what that is.
fn trust(index: &mut Index, contents: &Contents, check_all: bool) -> Vec<Stored> {
    let mut stored = Vec::with_capacity(index.files.len());
    let ids: Vec<FileId> = index.files.keys().copied().collect();
    for id in ids {
        let Some(known) = index.files.get_mut(&id) else { continue };
        let Some(entry) = known.entry.clone() else { continue };
        if check_all {
            check_chunks(&id, known, contents);
        }
        let is_there = known.held.as_ref().is_none_or(|held| match held.body {
            Body::Small { .. } => true,
            Body::Large { .. } => contents
                .len(&id, held.generation)
                .is_ok_and(|len| len == Contents::len_with_hashes(&entry.manifest)),
        });
        let content = if is_there {
            known.content(|held| match &held.body {
                Body::Small { hashes, .. } => Some(hashes.clone()),
                Body::Large { .. } => contents.hashes(held.generation, &entry.manifest).ok().flatten(),
            })
        } else {
            None
        };
        let content = content.unwrap_or_else(|| {
            tracing::warn!(file = %id, "content is damaged or gone, and has to be fetched again");
            index.drop_content(&id);
            manyhands_core::files::Content::Nothing
        });
        stored.push(Stored { entry, content });
    }
    stored
}

/// Reads all chunks of large content, and loses the wrong ones.
fn check_chunks(file: &FileId, known: &mut Known, contents: &Contents) {
    let Some(manifest) = known.manifest().cloned() else { return };
    let Some(Held { generation, here, body: Body::Large { .. } }) = &known.held else { return };
    let Ok(Some(hashes)) = contents.hashes(*generation, &manifest) else {
        // Whatever is there cannot be checked.
        let held = known.held.as_mut();
        return held.into_iter().for_each(|held| (0..manifest.chunks()).for_each(|chunk| held.lose(chunk)));
    };
    let is_wrong = |chunk: &u32| {
        let offset = u64::from(*chunk) * u64::from(manifest.chunk_bytes);
        let bytes = contents
            .file(file, *generation)
            .and_then(|handle| disk::read_at(&handle, manifest.chunk_len(*chunk) as usize, offset));
        bytes.map_or(true, |bytes| *blake3::hash(&bytes).as_bytes() != hashes[*chunk as usize])
    };
    let wrong: Vec<u32> = here.iter().filter(is_wrong).collect();
    if let Some(held) = &mut known.held {
        wrong.into_iter().for_each(|chunk| held.lose(chunk));
    }
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
