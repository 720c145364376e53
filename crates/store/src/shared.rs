//! What all threads of a store share, and the orders of the node carried out on it.
//!
//! Locks are taken in this order, and the second is never held while something is written: the log, the index. Whoever changes
//! what the log records holds the log's lock from the record to the index, so that both tell the same story. A chunk's bytes
//! never change while the index says that it is here.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use manyhands_core::files::StoreEvent;
use manyhands_wire::FileId;
use manyhands_wire::file::{Entry, Hash, Manifest, hash_list};
use tokio::sync::{mpsc, watch};

use crate::commit::Pending;
use crate::content::Contents;
use crate::disk::Disk;
use crate::error::why_refused;
use crate::index::{Before, Body, FILES_MAX, Held, Index, is_small};
use crate::log::Log;
use crate::record::Record;
use crate::{StoreOptions, locked};

/// A store, as its threads see it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) folder: PathBuf,
    pub(crate) options: StoreOptions,
    pub(crate) disk: Disk,
    pub(crate) contents: Contents,
    pub(crate) log: Mutex<Log>,
    pub(crate) index: Mutex<Index>,
    pub(crate) pending: Pending,
    pub(crate) changes: watch::Sender<u64>,
    /// Where events go that no order asked for, once the store serves a node.
    pub(crate) events: Mutex<Option<mpsc::WeakSender<StoreEvent>>>,
    pub(crate) generations: AtomicU64,
    /// Locked as long as the store is open.
    pub(crate) _lock: File,
}

/// Where a chunk is to be written.
#[derive(Clone, Copy, Debug)]
struct Room {
    generation: u64,
    offset: u64,
    is_large: bool,
}

impl Shared {
    /// A number that was never given to any content.
    pub(crate) fn next_generation(&self) -> u64 {
        self.generations.fetch_add(1, Ordering::Relaxed)
    }

    /// Something can be read that could not, or the other way round.
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Tells the node something that it did not ask for. It is told again when it asks.
    pub(crate) fn tell(&self, event: StoreEvent) {
        let events = locked(&self.events).as_ref().and_then(mpsc::WeakSender::upgrade);
        if let Some(events) = events
            && events.try_send(event).is_err()
        {
            tracing::warn!("the node is too busy to be told what became of a file");
        }
    }

    /// Writes a record, later if it cannot be now: the index already counts, and is told as a whole then.
    fn append_or_later(&self, log: &mut MutexGuard<'_, Log>, file: &FileId, record: &Record) {
        match log.append(record, &[]) {
            Ok(_) => self.pending.logged(),
            Err(error) => {
                tracing::warn!(%file, %error, "cannot record a change, which is tried again");
                self.pending.unlogged(*file);
            }
        }
    }

    /// Keeps an entry, in place of one of the same id.
    pub(crate) fn keep(&self, entry: Entry) {
        let id = entry.manifest.id();
        let mut log = locked(&self.log);
        {
            let mut index = locked(&self.index);
            let is_known = index.files.contains_key(&id);
            if !entry.is_within_limits() || (!is_known && index.files.len() >= FILES_MAX) {
                tracing::warn!(file = %id, "an entry is not kept: it is over a limit");
                return;
            }
            let known = index.files.entry(id).or_default();
            if known.entry.as_ref() == Some(&entry) {
                return;
            }
            known.entry = Some(entry.clone());
            known.put = None;
        }
        self.append_or_later(&mut log, &id, &Record::Entry(entry));
        drop(log);
        self.changed();
    }

    /// Makes room for a file's content. Nothing happens if there is some already.
    ///
    /// # Errors
    ///
    /// Why it cannot, for people.
    pub(crate) fn begin(&self, file: &FileId, hashes: Vec<Hash>) -> Result<(), String> {
        let Some(manifest) = self.reserve(file, &hashes)? else { return Ok(()) };
        let generation = self.next_generation();
        let begun = self.make_room(file, generation, &manifest, hashes);
        if let Err(error) = &begun {
            let mut index = locked(&self.index);
            index.used_bytes = index.used_bytes.saturating_sub(manifest.size);
            return Err(why_refused(error));
        }
        self.changed();
        Ok(())
    }

    /// Counts a file's size as used, if it is not yet here.
    fn reserve(&self, file: &FileId, hashes: &[Hash]) -> Result<Option<Manifest>, String> {
        let quota_bytes = self.options.quota_bytes;
        let mut index = locked(&self.index);
        let used = index.taken_bytes();
        let Some(known) = index.files.get_mut(file) else {
            return Err("nothing is known of this file".into());
        };
        let Some(manifest) = known.manifest().cloned() else {
            return Err("nothing is known of this file".into());
        };
        if known.is_forgotten {
            return Err("the file is not wanted here".into());
        }
        if known.held.is_some() {
            known.before_put = Before::Begun;
            return Ok(None);
        }
        if hashes.len() != manifest.chunks() as usize || hash_list(hashes) != manifest.hashes {
            return Err("the hashes are not those of the file".into());
        }
        if used.saturating_add(manifest.size) > quota_bytes {
            return Err(format!("over the quota: {used} of {quota_bytes} bytes are used"));
        }
        index.used_bytes += manifest.size;
        Ok(Some(manifest))
    }

    fn make_room(
        &self,
        file: &FileId,
        generation: u64,
        manifest: &Manifest,
        hashes: Vec<Hash>,
    ) -> io::Result<()> {
        let chunks = manifest.chunks();
        let (held, hashes) = if is_small(manifest.size) {
            (Held::small(generation, hashes.clone()), Some(hashes))
        } else {
            self.contents.create(file, generation, manifest.size, &hashes)?;
            (Held::large(generation, manyhands_core::files::Bits::none(chunks)), None)
        };
        let is_large = hashes.is_none();
        let mut log = locked(&self.log);
        let begun = log.append(&Record::Begun { file: *file, generation, chunks, hashes }, &[]);
        if begun.is_ok() {
            self.pending.logged();
            let mut index = locked(&self.index);
            if let Some(known) = index.files.get_mut(file)
                && known.held.is_none()
            {
                (known.held, known.before_put) = (Some(held), Before::Begun);
                return Ok(());
            }
            // A person put the very file meanwhile, whose record has just been overruled: it is told anew.
            if let Some(known) = index.files.get_mut(file) {
                known.before_put = Before::Begun;
            }
            index.used_bytes = index.used_bytes.saturating_sub(manifest.size);
            self.pending.unlogged(*file);
        }
        if is_large {
            let _ = self.contents.remove(file, generation);
        }
        begun.map(|_| ())
    }

    /// Writes a chunk, which is the right one.
    ///
    /// # Errors
    ///
    /// Why it cannot, for people.
    pub(crate) fn write(&self, file: &FileId, chunk: u32, bytes: &[u8]) -> Result<(), String> {
        self.write_while(file, chunk, bytes, || {})
    }

    /// The same, and something happens between the look where the chunk belongs and the writing.
    pub(crate) fn write_while(
        &self,
        file: &FileId,
        chunk: u32,
        bytes: &[u8],
        mut meanwhile: impl FnMut(),
    ) -> Result<(), String> {
        loop {
            let Some(room) = self.room(file, chunk, bytes.len())? else { return Ok(()) };
            meanwhile();
            let written = if room.is_large {
                self.write_large(file, room, chunk, bytes)
            } else {
                self.write_small(file, room.generation, chunk, bytes)
            };
            let is_same_room = locked(&self.index)
                .files
                .get_mut(file)
                .is_some_and(|known| known.held_of(room.generation).is_some());
            // Otherwise somebody put the file meanwhile, or threw it away: what counts is how it is now.
            if is_same_room {
                self.changed();
                return written.map_err(|error| why_refused(&error));
            }
        }
    }

    /// Where a chunk of that length belongs. `None` if it is here already.
    fn room(&self, file: &FileId, chunk: u32, len: usize) -> Result<Option<Room>, String> {
        let index = locked(&self.index);
        let known = index.files.get(file);
        let Some((manifest, held)) = known.and_then(|known| Some((known.manifest()?, known.held.as_ref()?)))
        else {
            return Err("no room was made for this file".into());
        };
        if chunk >= manifest.chunks() || len != manifest.chunk_len(chunk) as usize {
            return Err("a chunk is not as long as it should be".into());
        }
        if held.here.has(chunk) {
            return Ok(None);
        }
        let offset = u64::from(chunk) * u64::from(manifest.chunk_bytes);
        let is_large = matches!(held.body, Body::Large { .. });
        Ok(Some(Room { generation: held.generation, offset, is_large }))
    }

    fn write_large(&self, file: &FileId, room: Room, chunk: u32, bytes: &[u8]) -> io::Result<()> {
        let Room { generation, offset, .. } = room;
        let handle = self.contents.file(file, generation)?;
        self.disk.write_at(&handle, bytes, offset)?;
        let is_new = locked(&self.index)
            .files
            .get_mut(file)
            .and_then(|known| known.held_of(generation))
            .is_some_and(|held| held.here.insert(chunk));
        if is_new {
            self.pending.wrote(file, generation, chunk, bytes.len() as u64);
        }
        Ok(())
    }

    fn write_small(&self, file: &FileId, generation: u64, chunk: u32, bytes: &[u8]) -> io::Result<()> {
        let mut log = locked(&self.log);
        let place = log.append(&Record::Small { file: *file, generation, chunk }, bytes)?;
        self.pending.logged();
        let mut index = locked(&self.index);
        if let Some(held) = index.files.get_mut(file).and_then(|known| known.held_of(generation)) {
            held.place(chunk, place);
        }
        Ok(())
    }

    /// Throws the content away, and remembers that the file is not wanted.
    pub(crate) fn forget(&self, file: &FileId) {
        let mut log = locked(&self.log);
        let generation = {
            let mut index = locked(&self.index);
            let Some(known) = index.files.get_mut(file) else { return };
            known.is_forgotten = true;
            let generation = index.drop_content(file);
            index.prune(file);
            generation
        };
        self.append_or_later(&mut log, file, &Record::Forgotten(*file));
        drop(log);
        self.remove_content(file, generation);
        self.changed();
    }

    /// The file is wanted again, if it was not.
    pub(crate) fn recall(&self, file: &FileId) {
        let mut log = locked(&self.log);
        {
            let mut index = locked(&self.index);
            let Some(known) = index.files.get_mut(file).filter(|known| known.is_forgotten) else { return };
            known.is_forgotten = false;
        }
        self.append_or_later(&mut log, file, &Record::Recalled(*file));
        drop(log);
        self.changed();
    }

    /// A put has come to nothing after all: what it brought is thrown away, unless the node counts on it by now.
    pub(crate) fn discard(&self, file: &FileId) {
        let mut log = locked(&self.log);
        let (generation, record) = {
            let mut index = locked(&self.index);
            let Some(known) = index.files.get_mut(file) else { return };
            let (has_entry, is_forgotten) = (known.entry.is_some(), known.is_forgotten);
            let record = match known.before_put {
                Before::Begun if has_entry => return,
                Before::Forgotten if has_entry => Record::Forgotten(*file),
                // The node has forgotten it in the meantime.
                Before::Nothing if is_forgotten => return,
                Before::Nothing | Before::Forgotten | Before::Begun => Record::Recalled(*file),
            };
            known.is_forgotten = matches!(record, Record::Forgotten(_));
            let generation = index.drop_content(file);
            index.prune(file);
            (generation, record)
        };
        self.append_or_later(&mut log, file, &record);
        drop(log);
        self.remove_content(file, generation);
        self.changed();
    }

    /// Throws all content of a file away, because it is of no use.
    pub(crate) fn drop_content(&self, log: &mut MutexGuard<'_, Log>, file: &FileId, generation: u64) {
        let large = {
            let mut index = locked(&self.index);
            let large = index.drop_content(file);
            index.prune(file);
            large
        };
        self.append_or_later(log, file, &Record::Dropped { file: *file, generation });
        self.remove_content(file, large);
    }

    /// Takes a chunk out of the record, because its bytes are wrong.
    pub(crate) fn lose(&self, log: &mut MutexGuard<'_, Log>, file: &FileId, generation: u64, chunk: u32) {
        if let Some(held) =
            locked(&self.index).files.get_mut(file).and_then(|known| known.held_of(generation))
        {
            held.lose(chunk);
        }
        self.append_or_later(log, file, &Record::Lost { file: *file, generation, chunk });
    }

    pub(crate) fn remove_content(&self, file: &FileId, generation: Option<u64>) {
        let Some(generation) = generation else { return };
        if let Err(error) = self.contents.remove(file, generation) {
            tracing::warn!(%file, %error, "cannot delete content, which the next start will");
        }
    }
}
