//! What is here of each file, and the core's orders carried out.
//!
//! Large files lie on the disk, where a chunk counts as there for ever only after a flush: bits are written down some chunks
//! later, and what was not, is fetched again after a crash. Everything else lies in the shelf, where changes are gathered
//! while orders come one on the heels of the other, and made together: chunks with their bits.

mod past;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use js_sys::{Array, ArrayBuffer, Uint8Array};
use manyhands_core::files::Bits;
use manyhands_wire::FileId;
use manyhands_wire::file::{Entry, Hash, Manifest};
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::Blob;

use super::disk::{self, Disk};
use super::shelf::{BITS, CHUNKS, Change, ENTRIES, HASHES, Shelf, why};
use super::{Answer, Ask, Way, hashes_from};
use crate::storage::pause;

/// Files longer than this lie on the disk, in bytes (guess: a file of its own costs more than a record).
const SMALL_BYTES_MAX: u64 = 256 << 10;
/// How many bytes may be written to the disk before they are flushed (guess).
const UNFLUSHED_BYTES_MAX: u64 = 8 << 20;
/// Of how many files the hashes are at hand; those of the largest take two megabytes.
const HASHES_MAX: usize = 6;
/// How much of a file is handed to the browser at once where it is not on the disk, in bytes.
const GIVEN_BYTES: u64 = 8 << 20;
/// How often the disk is tried before the store goes on without, and how long between, in milliseconds (guess).
const DISK_TRIES: u32 = 4;
const DISK_EVERY_MS: u32 = 150;
/// How many changes wait at most that the shelf refused; of more, the oldest are let go.
const REFUSED_MAX: usize = 16_384;
/// In place of the bits of a file that is forgotten.
const FORGOTTEN: &str = "forgotten";

/// Hands answers out.
pub(super) type Tell = Box<dyn Fn(&Answer, Option<&JsValue>)>;

/// The files of a room.
pub(super) struct Keeper {
    room: String,
    shelf: Shelf,
    disk: Option<Disk>,
    files: BTreeMap<FileId, Held>,
    /// What is to be changed in the shelf, and what is written then: which chunks, and whether that is to be told.
    changes: Vec<Change>,
    written: Vec<(FileId, u32, bool)>,
    /// Whose bits are not written down.
    dirty: BTreeSet<FileId>,
    /// How often the shelf refused changes, one time after the other, and of which files that was told.
    failures: u32,
    refused: BTreeSet<FileId>,
    unflushed_bytes: u64,
    hashes: VecDeque<(FileId, Vec<Hash>)>,
    tell: Tell,
}

/// What is here of a file.
struct Held {
    size: u64,
    chunk_bytes: u32,
    /// Which chunks; `None` before there is room made for it.
    bits: Option<Bits>,
    /// Whether its chunks lie on the disk, or will.
    is_on_disk: bool,
    /// Whether they lie on a disk that could not be opened this time. They are left alone.
    is_out_of_reach: bool,
    /// Whether there is an entry of it.
    has_entry: bool,
}

impl Held {
    fn new(manifest: &Manifest, has_disk: bool) -> Self {
        Self {
            size: manifest.size,
            chunk_bytes: manifest.chunk_bytes,
            bits: None,
            is_on_disk: has_disk && manifest.size > SMALL_BYTES_MAX,
            is_out_of_reach: false,
            has_entry: false,
        }
    }

    fn is_whole(&self) -> bool {
        self.bits.as_ref().is_some_and(Bits::is_full)
    }
}

impl Keeper {
    /// Opens the store of a room, in the place of a tab's key; in memory if there is none.
    pub(super) async fn open(room: String, place: Option<u32>, tell: Tell) -> Self {
        let mut keeper = Self {
            room,
            shelf: Shelf::in_memory(),
            disk: None,
            files: BTreeMap::new(),
            changes: Vec::new(),
            written: Vec::new(),
            dirty: BTreeSet::new(),
            failures: 0,
            refused: BTreeSet::new(),
            unflushed_bytes: 0,
            hashes: VecDeque::new(),
            tell,
        };
        let mut stored = Vec::new();
        if let Some(place) = place.map(|place| place.to_string())
            && let Ok(shelf) = Shelf::open(&["manyhands.files.", &place].concat()).await
        {
            keeper.shelf = shelf;
            for tried in 1..=DISK_TRIES {
                keeper.disk = Disk::open(&place, &keeper.room).await.ok();
                // An older self of this page may not have let go of it yet; a browser without one says so at once, each time.
                if keeper.disk.is_some() || tried == DISK_TRIES || !disk::is_there() {
                    break;
                }
                pause(DISK_EVERY_MS).await;
            }
            let _ = keeper.forget_old_rooms(&place).await;
            stored = keeper.look_around().await.unwrap_or_default();
        }
        let way = match (&keeper.shelf, &keeper.disk) {
            (Shelf::Memory(..), _) => Way::Memory,
            (Shelf::Database(_), None) => Way::Database,
            (Shelf::Database(_), Some(_)) => Way::Disk,
        };
        (keeper.tell)(&Answer::Opened { way, stored }, None);
        keeper
    }

    /// Carries out an order.
    pub(super) async fn obey(&mut self, ask: Ask, with: JsValue) {
        match ask {
            Ask::Keep(entry) => self.keep(&entry),
            Ask::Begin(file) => {
                if let Err(why) = self.begin(file, Uint8Array::new(&with)).await {
                    (self.tell)(&Answer::Refused { file, why }, None);
                }
            }
            Ask::Write { file, chunk } => {
                match self.write(file, chunk, Uint8Array::new(&with), true).await {
                    Err(why) => (self.tell)(&Answer::Refused { file, why }, None),
                    // The page fills the buffer anew: new ones would pile up until the browser clears them away.
                    Ok(true) => (self.tell)(&Answer::Written { file, chunk }, Some(&with)),
                    Ok(false) => {}
                }
            }
            Ask::Read { file, chunk } => {
                let buffer = with.dyn_into().ok();
                let bytes = self.read(file, chunk, buffer).await.map(|bytes| bytes.buffer().into());
                (self.tell)(&Answer::Read { file, chunk }, bytes.as_ref());
            }
            Ask::ReadHashes(file) => {
                let hashes =
                    self.record_of(HASHES, self.key(file)).await.map(|hashes| hashes.buffer().into());
                (self.tell)(&Answer::Hashes(file), hashes.as_ref());
            }
            Ask::Forget(file) => self.forget(file).await,
            Ask::Recall(file) => {
                self.changes.push(Change::Remove(BITS, self.key(file)));
            }
            Ask::Give { number, file } => {
                let given = self.give(file).await.map(JsValue::from);
                (self.tell)(&Answer::Given { number }, given.as_ref());
            }
            // These are no orders for a keeper.
            Ask::Open { .. } | Ask::Take { .. } => {}
        }
    }

    /// Makes the changes that have been gathered.
    ///
    /// # Errors
    /// Why it cannot, for people. What can be done later stays gathered.
    pub(super) async fn commit(&mut self) -> Result<(), String> {
        let mut small = self.dirty.clone();
        small.retain(|file| !self.is_on_disk(*file));
        self.write_down(small).await
    }

    /// Makes sure that all that was written stays, and writes that down.
    ///
    /// # Errors
    /// Why it cannot, for people.
    pub(super) async fn settle(&mut self) -> Result<(), String> {
        let mut outcome = Ok(());
        for file in self.dirty.clone() {
            if self.is_on_disk(file)
                && let Some(disk) = &mut self.disk
                && let Err(error) = disk.flush(file).await
            {
                // Nobody knows which of its chunks are there. What was written down before, is.
                self.dirty.remove(&file);
                if let Some(bits) = self.files.get_mut(&file).and_then(|held| held.bits.as_mut()) {
                    *bits = Bits::none(bits.len());
                }
                (self.tell)(&Answer::Refused { file, why: why(&error) }, None);
                outcome = Err(why(&error));
            }
        }
        self.unflushed_bytes = 0;
        self.write_down(self.dirty.clone()).await.and(outcome)
    }

    /// Makes the changes that have been gathered, with the bits of these files.
    async fn write_down(&mut self, noted: BTreeSet<FileId>) -> Result<(), String> {
        if self.failures > 0 {
            // What makes room goes first and alone: together with what wants room it might never get through.
            let (wanting, freeing): (Vec<Change>, Vec<Change>) =
                std::mem::take(&mut self.changes).into_iter().partition(Change::is_record);
            let freed = self.shelf.change(&freeing).await;
            if freed.is_err() {
                self.changes = freeing;
            }
            self.changes.extend(wanting);
        }
        self.note_bits(&noted);
        let (written, changes) = (std::mem::take(&mut self.written), std::mem::take(&mut self.changes));
        let Err(why) = self.shelf.change(&changes).await else {
            self.failures = 0;
            self.refused.clear();
            for (file, chunk, _) in written.into_iter().filter(|(.., is_told)| *is_told) {
                (self.tell)(&Answer::Written { file, chunk }, None);
            }
            return Ok(());
        };
        self.failures += 1;
        // Chunks are refused, and bits are made anew. All else is tried again.
        self.changes.extend(changes.into_iter().filter(|change| match change {
            Change::Put(drawer, _, value) => *drawer != CHUNKS && (*drawer != BITS || value.is_string()),
            Change::Remove(..) | Change::RemoveAll(..) => true,
        }));
        let too_many = self.changes.len().saturating_sub(REFUSED_MAX);
        self.changes.drain(..too_many);
        let mut refused: BTreeSet<FileId> = noted.difference(&self.refused).copied().collect();
        self.dirty.extend(noted);
        for (file, chunk, _) in written {
            if let Some(bits) = self.files.get_mut(&file).and_then(|held| held.bits.as_mut()) {
                bits.remove(chunk);
            }
            refused.insert(file);
        }
        for &file in &refused {
            (self.tell)(&Answer::Refused { file, why: why.clone() }, None);
        }
        self.refused.append(&mut refused);
        Err(why)
    }

    /// How often, one time after the other, changes were refused.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether something is not written down.
    pub(super) fn is_unsettled(&self) -> bool {
        !self.dirty.is_empty() || !self.changes.is_empty()
    }

    /// Whether all of a file is here.
    pub(super) fn has(&self, file: FileId) -> bool {
        self.files.get(&file).is_some_and(Held::is_whole)
    }

    /// Makes room for a file that its entry may not be known of yet.
    ///
    /// # Errors
    /// Why there is none, for people.
    pub(super) async fn expect(&mut self, manifest: &Manifest, hashes: &[Hash]) -> Result<(), String> {
        self.held(manifest);
        self.begin(manifest.id(), Uint8Array::from(hashes.as_flattened())).await
    }

    /// Throws away what there is of a file that has no entry, as it could not be taken in.
    pub(super) async fn give_up(&mut self, file: FileId) {
        if self.files.get(&file).is_some_and(|held| !held.has_entry) {
            self.throw_away(file).await;
            self.files.remove(&file);
        }
    }

    /// Hands answers out.
    pub(super) fn tell(&self, answer: &Answer) {
        (self.tell)(answer, None);
    }

    fn keep(&mut self, entry: &Entry) {
        let file = entry.manifest.id();
        self.held(&entry.manifest).has_entry = true;
        if let Ok(bytes) = postcard::to_stdvec(entry) {
            self.changes.push(Change::Put(
                ENTRIES,
                self.key(file),
                Uint8Array::from(bytes.as_slice()).into(),
            ));
        }
    }

    async fn begin(&mut self, file: FileId, hashes: Uint8Array) -> Result<(), String> {
        let key = self.key(file);
        let held = self.files.get_mut(&file).ok_or("nobody has told of it")?;
        if held.is_out_of_reach {
            return Err("its chunks are on a disk that did not open; load the page again".to_owned());
        }
        let (size, is_new) = (held.size, held.bits.is_none());
        let chunks = u32::try_from(size.div_ceil(held.chunk_bytes.into())).unwrap_or(u32::MAX);
        held.bits.get_or_insert_with(|| Bits::none(chunks));
        self.changes.push(Change::Put(HASHES, key, hashes.into()));
        self.dirty.insert(file);
        if self.is_on_disk(file) {
            if is_new {
                // What the disk holds is found again by its bits, whenever the page ends.
                self.note_bits(&BTreeSet::from([file]));
            }
            let mut made = if is_new { self.commit().await } else { Ok(()) };
            if made.is_ok()
                && let Some(disk) = &mut self.disk
            {
                made = disk.make_room(file, size).await.map_err(|error| why(&error));
            }
            if is_new && made.is_err() {
                self.throw_away(file).await;
            }
            return made;
        }
        Ok(())
    }

    /// Writes a chunk. Whether that is done; else it is with the next changes, and then told if it is to be.
    ///
    /// # Errors
    /// Why it cannot, for people.
    pub(super) async fn write(
        &mut self,
        file: FileId,
        chunk: u32,
        bytes: Uint8Array,
        is_told: bool,
    ) -> Result<bool, String> {
        let is_on_disk = self.is_on_disk(file);
        let held = self.files.get_mut(&file).ok_or("nobody has told of it")?;
        let at = u64::from(chunk) * u64::from(held.chunk_bytes);
        if held.bits.as_ref().is_none_or(|bits| chunk >= bits.len()) {
            return Err("there was no room made for it".to_owned());
        }
        let length = u64::from(bytes.length());
        if is_on_disk && let Some(disk) = &mut self.disk {
            disk.write(file, at, &bytes).await.map_err(|error| why(&error))?;
            self.unflushed_bytes += length;
        } else {
            self.changes.push(Change::Put(CHUNKS, chunk_key(&self.room, file, chunk), bytes.into()));
            self.written.push((file, chunk, is_told));
        }
        let Some(held) = self.files.get_mut(&file) else { return Ok(false) };
        let is_whole = held.bits.as_mut().is_some_and(|bits| {
            bits.insert(chunk);
            bits.is_full()
        });
        self.dirty.insert(file);
        if is_on_disk && (is_whole || self.unflushed_bytes > UNFLUSHED_BYTES_MAX) {
            self.settle().await?;
        }
        Ok(is_on_disk)
    }

    /// A chunk, if it is here and right. One that is not, is not here from now on.
    async fn read(&mut self, file: FileId, chunk: u32, buffer: Option<ArrayBuffer>) -> Option<Uint8Array> {
        let held = self.files.get(&file)?;
        if !held.bits.as_ref()?.has(chunk) {
            return None;
        }
        let at = u64::from(chunk) * u64::from(held.chunk_bytes);
        let length = held.size.saturating_sub(at).min(held.chunk_bytes.into()) as u32;
        let bytes = match self.disk.as_mut().filter(|_| held.is_on_disk) {
            Some(disk) => {
                let buffer = buffer.filter(|buffer| buffer.byte_length() == length);
                let buffer = buffer.unwrap_or_else(|| ArrayBuffer::new(length));
                disk.read(file, at, Uint8Array::new(&buffer)).await
            }
            None => self.record_of(CHUNKS, chunk_key(&self.room, file, chunk)).await,
        };
        let hash = self.hash_of(file, chunk).await;
        let right = bytes.filter(|bytes| hash == Some(*blake3::hash(&bytes.to_vec()).as_bytes()));
        if right.is_none() {
            let bits = self.files.get_mut(&file)?.bits.as_mut()?;
            bits.remove(chunk);
            self.dirty.insert(file);
        }
        right
    }

    async fn hash_of(&mut self, file: FileId, chunk: u32) -> Option<Hash> {
        if !self.hashes.iter().any(|(other, _)| *other == file) {
            let bytes = self.record_of(HASHES, self.key(file)).await?;
            self.hashes.push_front((file, hashes_from(&bytes.to_vec())?));
            self.hashes.truncate(HASHES_MAX);
        }
        let (_, hashes) = self.hashes.iter().find(|(other, _)| *other == file)?;
        hashes.get(chunk as usize).copied()
    }

    async fn forget(&mut self, file: FileId) {
        self.throw_away(file).await;
        self.changes.push(Change::Put(BITS, self.key(file), FORGOTTEN.into()));
    }

    /// Throws away what there is of a file, but for its entry.
    async fn throw_away(&mut self, file: FileId) {
        let key = self.key(file);
        let has_disk = self.disk.is_some();
        if let Some(held) = self.files.get_mut(&file) {
            held.bits = None;
            held.is_on_disk = has_disk && held.size > SMALL_BYTES_MAX;
        }
        self.dirty.remove(&file);
        self.refused.remove(&file);
        self.hashes.retain(|(other, _)| *other != file);
        // What was refused, and waits to be tried again, is not wanted any more.
        self.changes.retain(|change| !matches!(change, Change::Put(HASHES | BITS, of, _) if *of == key));
        if let Some(disk) = self.disk.as_mut() {
            disk.remove(file).await;
        }
        self.changes.push(Change::RemoveAll(CHUNKS, [&key, "/"].concat()));
        self.changes.push(Change::Remove(HASHES, key.clone()));
        self.changes.push(Change::Remove(BITS, key));
    }

    /// All of a file, as something that the browser reads when it needs it.
    async fn give(&mut self, file: FileId) -> Option<Blob> {
        if !self.has(file) {
            return None;
        }
        // What is not written down yet can be read all the same.
        let _ = self.settle().await;
        let held = self.files.get(&file).filter(|held| held.is_whole())?;
        if self.is_on_disk(file) {
            return self.disk.as_mut()?.give(file).await;
        }
        // Piece by piece, so that the browser may move what it has been given out of the memory.
        let (chunks, per_piece) = (held.bits.as_ref()?.len(), GIVEN_BYTES / u64::from(held.chunk_bytes));
        let (pieces, mut piece) = (Array::new(), Array::new());
        for chunk in 0..chunks {
            piece.push(&self.shelf.get(CHUNKS, &chunk_key(&self.room, file, chunk)).await?);
            if u64::from(piece.length()) >= per_piece || chunk + 1 == chunks {
                let full = std::mem::replace(&mut piece, Array::new());
                let blob = Blob::new_with_buffer_source_sequence(&full).ok()?;
                pieces.push(&blob);
            }
        }
        Blob::new_with_blob_sequence(&pieces).ok()
    }

    /// A record as bytes of its own, which may be handed over.
    async fn record_of(&mut self, drawer: super::shelf::Drawer, key: String) -> Option<Uint8Array> {
        if !self.changes.is_empty() {
            let _ = self.commit().await;
        }
        let bytes: Uint8Array = self.shelf.get(drawer, &key).await?.dyn_into().ok()?;
        Some(bytes.slice(0, bytes.length()))
    }

    /// Writes the bits of these files down with the next changes.
    fn note_bits(&mut self, files: &BTreeSet<FileId>) {
        for file in files {
            self.dirty.remove(file);
            if let Some(bits) = self.files.get(file).and_then(|held| held.bits.as_ref()) {
                let bits = Uint8Array::from(bits.as_bytes());
                self.changes.push(Change::Put(BITS, self.key(*file), bits.into()));
            }
        }
    }

    /// Whether a file's chunks lie on the disk, or will.
    pub(super) fn is_on_disk(&self, file: FileId) -> bool {
        self.disk.is_some() && self.files.get(&file).is_some_and(|held| held.is_on_disk)
    }

    fn held(&mut self, manifest: &Manifest) -> &mut Held {
        let has_disk = self.disk.is_some();
        self.files.entry(manifest.id()).or_insert_with(|| Held::new(manifest, has_disk))
    }

    fn key(&self, file: FileId) -> String {
        [&self.room, "/", &file.to_string()].concat()
    }
}

/// The keys of a file's chunks are in their order.
fn chunk_key(room: &str, file: FileId, chunk: u32) -> String {
    format!("{room}/{file}/{chunk:08x}")
}
