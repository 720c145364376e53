//! What makes changes last, many at a time: a thread that now and then
//!
//! 1. takes what was written since the last time,
//! 2. syncs the files of large content that were written to,
//! 3. records their chunks in the log, which only now may say that they are here,
//! 4. tells anew what could not be recorded before,
//! 5. writes the log anew if half of it does not count any more,
//! 6. syncs the log. If the disk refuses that, the system may have forgotten what it did not write: the log is written anew.
//!
//! After a crash the last moments' chunks may be missing, and those that the log has are right.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use manyhands_core::files::StoreEvent;
use manyhands_wire::FileId;

use crate::disk::is_damage;
use crate::error::why_refused;
use crate::index::{Body, Index};
use crate::locked;
use crate::log::Log;
use crate::record::{RUNS_MAX, Record, runs};
use crate::shared::Shared;

/// How long written chunks wait for others to be recorded with.
const WAIT: Duration = Duration::from_millis(200);
/// The same while the disk refuses.
const WAIT_AFTER_FAILURE: Duration = Duration::from_secs(2);
/// How many bytes wait at most before they are recorded at once.
const WAITING_BYTES: u64 = 16 << 20;
/// From how many files on the whole file system is synced instead of each. A guess.
const SYNC_ALL_FILES: usize = 32;
/// How much longer than needed the log gets before it is written anew, in bytes, beside twice what is needed.
const LOG_SLACK_BYTES: u64 = 4 << 20;

/// What is not recorded or not synced yet.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// Held from the taking of work until it is done, so that whoever finds nothing to do knows that nothing is under way.
    pub(crate) committing: Mutex<()>,
    /// Whether the disk has refused to make the log last since it was written.
    is_log_suspect: AtomicBool,
    work: Mutex<Work>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Work {
    chunks: BTreeMap<(FileId, u64), Vec<u32>>,
    bytes: u64,
    unlogged: BTreeSet<FileId>,
    is_log_dirty: bool,
    is_ending: bool,
}

impl Work {
    fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.unlogged.is_empty() && !self.is_log_dirty
    }
}

impl Pending {
    /// A chunk of large content was handed to the system.
    pub(crate) fn wrote(&self, file: &FileId, generation: u64, chunk: u32, bytes: u64) {
        let mut work = locked(&self.work);
        let was_empty = work.is_empty();
        work.chunks.entry((*file, generation)).or_default().push(chunk);
        work.bytes += bytes;
        if was_empty || work.bytes >= WAITING_BYTES {
            self.wake.notify_one();
        }
    }

    /// A record was handed to the system.
    pub(crate) fn logged(&self) {
        let mut work = locked(&self.work);
        if work.is_empty() {
            self.wake.notify_one();
        }
        work.is_log_dirty = true;
    }

    /// What is known of a file could not be recorded.
    pub(crate) fn unlogged(&self, file: FileId) {
        let mut work = locked(&self.work);
        if work.is_empty() {
            self.wake.notify_one();
        }
        work.unlogged.insert(file);
    }

    /// Waits for something to do, and a little longer for more of it. `false` at the end.
    fn wait(&self, wait: Duration) -> bool {
        let mut work = locked(&self.work);
        while work.is_empty() && !work.is_ending {
            work = self.wake.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
        let is_early = |work: &mut Work| work.bytes < WAITING_BYTES && !work.is_ending;
        let waited = self.wake.wait_timeout_while(work, wait, is_early);
        work = waited.unwrap_or_else(PoisonError::into_inner).0;
        !work.is_ending
    }

    /// What is to be done now.
    fn take(&self) -> Work {
        let mut work = locked(&self.work);
        let is_ending = work.is_ending;
        let taken = mem::take(&mut *work);
        work.is_ending = is_ending;
        taken
    }

    fn end(&self) {
        locked(&self.work).is_ending = true;
        self.wake.notify_one();
    }
}

/// The thread, ended when the last handle of the store is gone.
#[derive(Debug)]
pub(crate) struct Committer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    pub(crate) fn start(shared: Arc<Shared>) -> io::Result<Self> {
        let its = shared.clone();
        let thread = thread::Builder::new().name("store commit".into()).spawn(move || {
            let mut wait = WAIT;
            // Until this length the log is not looked at again.
            let mut enough = 0;
            while its.pending.wait(wait) {
                let is_done = its.commit(&mut enough);
                wait = if is_done { WAIT } else { WAIT_AFTER_FAILURE };
            }
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.shared.pending.end();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that syncs the store has panicked");
        }
        self.shared.flush();
    }
}

impl Shared {
    /// Makes everything last that was written up to now. `false` if the disk refused some of it, which is then tried again.
    pub(crate) fn flush(&self) -> bool {
        let mut never = u64::MAX;
        self.commit(&mut never)
    }

    /// Makes last what is pending. `false` if the disk refused some of it, which is then tried again.
    fn commit(&self, enough: &mut u64) -> bool {
        let _committing = locked(&self.pending.committing);
        let work = self.pending.take();
        if work.is_empty() {
            return true;
        }
        let chunks = self.sync_contents(work.chunks);
        let mut log = locked(&self.log);
        let mut is_done = self.record_chunks(&mut log, chunks);
        for file in work.unlogged {
            if let Err(error) = self.tell_anew(&mut log, &file) {
                tracing::warn!(%file, %error, "cannot record a change, which is tried again");
                self.pending.unlogged(file);
                is_done = false;
            }
        }
        if self.pending.is_log_suspect.load(Ordering::Relaxed) {
            is_done &= self.replace(&mut log);
        } else if log.len() > *enough {
            self.compact_if_worth_it(&mut log);
            *enough = log.len() + LOG_SLACK_BYTES.max(log.len() / 4);
        }
        let syncing = log.syncing();
        drop(log);
        if let Err(error) = syncing.sync(&self.disk) {
            tracing::warn!(%error, "cannot sync the record of files, which is written anew");
            // A second sync would succeed, and say nothing of what was lost at the first.
            self.pending.is_log_suspect.store(true, Ordering::Relaxed);
            is_done = false;
        }
        if !is_done {
            self.pending.logged();
        }
        is_done
    }

    /// Syncs content; answers the chunks that may be recorded.
    fn sync_contents(&self, chunks: BTreeMap<(FileId, u64), Vec<u32>>) -> BTreeMap<(FileId, u64), Vec<u32>> {
        if chunks.len() >= SYNC_ALL_FILES && self.disk.sync_all(&self.folder).is_ok_and(|is_done| is_done) {
            return chunks;
        }
        let mut synced = BTreeMap::new();
        for ((file, generation), chunks) in chunks {
            let done = self
                .contents
                .file(&file, generation)
                .and_then(|handle| self.disk.sync(&handle))
                .and_then(|()| self.contents.sync_names(&file));
            match done {
                Ok(()) => {
                    synced.insert((file, generation), chunks);
                }
                Err(error) => self.unwrite(&file, generation, &chunks, &error),
            }
        }
        synced
    }

    /// Chunks that the system took have not come to the disk: they are not here after all.
    fn unwrite(&self, file: &FileId, generation: u64, chunks: &[u32], error: &io::Error) {
        {
            let mut index = locked(&self.index);
            let held = index.files.get_mut(file).and_then(|known| known.held_of(generation));
            let Some(held) = held else { return };
            chunks.iter().for_each(|chunk| held.lose(*chunk));
        }
        tracing::warn!(%file, %error, chunks = chunks.len(), "chunks did not come to the disk");
        self.tell(StoreEvent::Refused { file: *file, why: why_refused(error) });
        self.changed();
    }

    fn record_chunks(
        &self,
        log: &mut MutexGuard<'_, Log>,
        synced: BTreeMap<(FileId, u64), Vec<u32>>,
    ) -> bool {
        let mut is_done = true;
        for ((file, generation), mut chunks) in synced {
            chunks.sort_unstable();
            chunks.dedup();
            {
                // What was found damaged or thrown away since is not recorded.
                let mut index = locked(&self.index);
                let held = index.files.get_mut(&file).and_then(|known| known.held_of(generation));
                let Some(held) = held else { continue };
                chunks.retain(|chunk| held.here.has(*chunk));
            }
            for runs in runs(chunks).chunks(RUNS_MAX) {
                let record = Record::Have { file, generation, runs: runs.to_vec() };
                if let Err(error) = log.append(&record, &[]) {
                    tracing::warn!(%file, %error, "cannot record chunks, which is tried again");
                    let chunks = runs.iter().flat_map(|(from, to)| *from..*to);
                    chunks.for_each(|chunk| self.pending.wrote(&file, generation, chunk, 0));
                    is_done = false;
                    continue;
                }
                let mut index = locked(&self.index);
                let held = index.files.get_mut(&file).and_then(|known| known.held_of(generation));
                if let Some(Body::Large { recorded }) = held.map(|held| &mut held.body) {
                    runs.iter().flat_map(|(from, to)| *from..*to).for_each(|chunk| {
                        recorded.insert(chunk);
                    });
                }
            }
        }
        is_done
    }

    /// Records all that is known of a file, whatever the log says of it.
    fn tell_anew(&self, log: &mut MutexGuard<'_, Log>, file: &FileId) -> io::Result<()> {
        let records = locked(&self.index).files.get(file).map(|known| known.records(*file));
        log.append(&Record::Recalled(*file), &[])?;
        for (record, place) in records.unwrap_or_default() {
            let chunk = place.map_or_else(|| Ok(Vec::new()), |place| place.read())?;
            log.append(&record, &chunk)?;
        }
        Ok(())
    }

    fn compact_if_worth_it(&self, log: &mut MutexGuard<'_, Log>) {
        let needed = locked(&self.index).records_bytes();
        if log.len() > 2 * needed + LOG_SLACK_BYTES {
            self.replace(log);
        }
    }

    /// Writes the log anew. `false` if the disk refuses, and all is as it was.
    fn replace(&self, log: &mut MutexGuard<'_, Log>) -> bool {
        let ids: Vec<FileId> = locked(&self.index).files.keys().copied().collect();
        let records = |file: &FileId| locked(&self.index).files.get(file).map(|known| known.records(*file));
        match rewritten(&self.folder, &self.disk, &ids, records) {
            Ok((new, places)) => {
                tracing::debug!(from = log.len(), to = new.len(), "the record of files is written anew");
                let mut index = locked(&self.index);
                **log = new;
                settle_places(&mut index, places);
                self.pending.is_log_suspect.store(false, Ordering::Relaxed);
                true
            }
            Err(error) => {
                tracing::warn!(%error, "cannot write the record of files anew");
                false
            }
        }
    }
}

/// Where small chunks are in a new log.
pub(crate) type Places = Vec<(Record, crate::log::Place)>;

/// Writes a log anew, with the records of these files.
pub(crate) fn rewritten(
    folder: &std::path::Path,
    disk: &crate::disk::Disk,
    files: &[FileId],
    records: impl Fn(&FileId) -> Option<Vec<(Record, Option<crate::log::Place>)>>,
) -> io::Result<(Log, Places)> {
    let path = folder.join(crate::open::LOG);
    let write = || {
        let mut new = Log::create(&path, disk)?;
        let mut places = Vec::new();
        for file in files {
            for (record, place) in records(file).unwrap_or_default() {
                match place {
                    Some(place) => match place.read() {
                        Ok(chunk) => {
                            let place = new.append(&record, &chunk)?;
                            places.push((record, place));
                        }
                        // Whoever reads it will find out, too, that it is lost.
                        Err(error) if is_damage(&error) => {}
                        Err(error) => return Err(error),
                    },
                    None => drop(new.append(&record, &[])?),
                }
            }
        }
        new.take_place()?;
        Ok((new, places))
    };
    write().inspect_err(|_| {
        let _ = Log::remove_left_over(&path);
    })
}

/// Small chunks are in the new log from now on.
pub(crate) fn settle_places(index: &mut Index, places: Places) {
    for (record, place) in places {
        if let Record::Small { file, generation, chunk } = record
            && let Some(held) = index.files.get_mut(&file).and_then(|known| known.held_of(generation))
            && held.here.has(chunk)
        {
            held.place(chunk, place);
        }
    }
}
