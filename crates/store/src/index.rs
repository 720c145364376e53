//! What the store knows, in memory: every file's entry, which of its chunks are here, and where small ones are.
//!
//! The index is what the log's records come to, one after the other ([`Index::replay`]), and can be told as records again
//! ([`Known::records`]). Content of at most [`SMALL_BYTES_MAX`] bytes is in the log itself; larger content has a file of its
//! own, whose chunks are *here* once written, and *recorded* once that is known to outlive a crash.

use std::collections::BTreeMap;

use manyhands_core::files::{Bits, Content};
use manyhands_wire::FileId;
use manyhands_wire::file::{CHUNKS_MAX, Entry, Hash, Manifest, hash_list};

use crate::log::Place;
use crate::record::{RUNS_MAX, Record, runs};

/// How much content is kept in the log at most, in bytes: larger content is worth a file of its own. A guess; all of the log
/// is read at every start.
pub(crate) const SMALL_BYTES_MAX: u64 = 8 * 1024;
/// How many files are known at most: twice as many as a mesh lists.
pub(crate) const FILES_MAX: usize = 65_536;

/// All files, and how many bytes are taken.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) files: BTreeMap<FileId, Known>,
    /// How many bytes the files have that are here or are being fetched.
    pub(crate) used_bytes: u64,
    /// How many bytes came so far of files that are being put.
    pub(crate) incoming_bytes: u64,
}

/// What is known of a file.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Its entry, which a file that was just put does not have yet.
    pub(crate) entry: Option<Entry>,
    /// Its manifest, if it was put and has no entry yet.
    pub(crate) put: Option<Manifest>,
    pub(crate) is_forgotten: bool,
    pub(crate) held: Option<Held>,
    /// What was here before it was put the last time, if it was.
    pub(crate) before_put: Before,
}

/// What a put finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Before {
    /// No content.
    #[default]
    Nothing,
    /// The person did not want the file.
    Forgotten,
    /// The node had begun to fetch it, or has meanwhile: it counts on the content.
    Begun,
}

/// Content, or room for it.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) generation: u64,
    /// Which chunks can be read.
    pub(crate) here: Bits,
    pub(crate) body: Body,
}

/// Where content is.
#[derive(Debug)]
pub(crate) enum Body {
    /// In the log.
    Small {
        /// The hashes of all chunks.
        hashes: Vec<Hash>,
        /// Where each chunk is, if it is here.
        places: Vec<Option<Place>>,
    },
    /// In a file of its own, and the hashes behind it.
    Large {
        /// Which chunks outlive a crash.
        recorded: Bits,
    },
}

/// Whether content of that many bytes is kept in the log.
pub(crate) fn is_small(size: u64) -> bool {
    size <= SMALL_BYTES_MAX
}

impl Held {
    /// Room for small content.
    pub(crate) fn small(generation: u64, hashes: Vec<Hash>) -> Self {
        let chunks = hashes.len() as u32;
        let places = vec![None; hashes.len()];
        Self { generation, here: Bits::none(chunks), body: Body::Small { hashes, places } }
    }

    /// Large content of which these chunks are recorded.
    pub(crate) fn large(generation: u64, recorded: Bits) -> Self {
        Self { generation, here: recorded.clone(), body: Body::Large { recorded } }
    }

    /// A chunk of small content is in the log.
    pub(crate) fn place(&mut self, chunk: u32, place: Place) {
        if let Body::Small { places, .. } = &mut self.body
            && let Some(slot) = places.get_mut(chunk as usize)
        {
            *slot = Some(place);
            self.here.insert(chunk);
        }
    }

    /// A chunk is here no more.
    pub(crate) fn lose(&mut self, chunk: u32) {
        self.here.remove(chunk);
        match &mut self.body {
            Body::Small { places, .. } => {
                if let Some(slot) = places.get_mut(chunk as usize) {
                    *slot = None;
                }
            }
            Body::Large { recorded } => {
                recorded.remove(chunk);
            }
        }
    }
}

impl Known {
    /// What the file is.
    pub(crate) fn manifest(&self) -> Option<&Manifest> {
        self.entry.as_ref().map(|entry| &entry.manifest).or(self.put.as_ref())
    }

    /// Whether all of it is here.
    pub(crate) fn is_whole(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.here.is_full())
    }

    /// The content, if it is of that time.
    pub(crate) fn held_of(&mut self, generation: u64) -> Option<&mut Held> {
        self.held.as_mut().filter(|held| held.generation == generation)
    }

    /// How much of it is here, as the node is told at the start. A part counts only with the hashes.
    pub(crate) fn content(&self, hashes: Option<Vec<Hash>>) -> Option<Content> {
        if self.is_forgotten {
            return Some(Content::Forgotten);
        }
        let Some(held) = &self.held else { return Some(Content::Nothing) };
        if held.here.is_full() {
            return Some(Content::Whole);
        }
        hashes.map(|hashes| Content::Part { hashes, chunks: held.here.clone() })
    }

    /// Records that come to this, with the bytes of small chunks.
    pub(crate) fn records(&self, file: FileId) -> Vec<(Record, Option<Place>)> {
        let mut records = Vec::new();
        records.extend(self.entry.clone().map(|entry| (Record::Entry(entry), None)));
        if self.is_forgotten {
            records.push((Record::Forgotten(file), None));
        }
        let Some(held) = &self.held else { return records };
        let (generation, chunks) = (held.generation, held.here.len());
        match &held.body {
            Body::Small { hashes, places } => {
                let hashes = Some(hashes.clone());
                records.push((Record::Begun { file, generation, chunks, hashes }, None));
                for (chunk, place) in (0..).zip(places) {
                    if place.is_some() {
                        records.push((Record::Small { file, generation, chunk }, place.clone()));
                    }
                }
            }
            Body::Large { recorded } => {
                records.push((Record::Begun { file, generation, chunks, hashes: None }, None));
                let runs = runs(recorded.iter());
                let have = |runs: &[_]| Record::Have { file, generation, runs: runs.to_vec() };
                records.extend(runs.chunks(RUNS_MAX).map(|runs| (have(runs), None)));
            }
        }
        records
    }

    /// About how many bytes its records have.
    fn records_bytes(&self) -> u64 {
        let entry = self.entry.as_ref().map_or(0, |entry| entry.bytes_max() as u64 + 24);
        let content = self.held.as_ref().map_or(0, |held| match &held.body {
            Body::Small { hashes, places } => {
                let chunks = places.iter().flatten().map(|place| u64::from(place.len()) + 80);
                100 + 32 * hashes.len() as u64 + chunks.sum::<u64>()
            }
            Body::Large { recorded } => 200 + u64::from(recorded.len()) / 8,
        });
        entry + content
    }
}

impl Index {
    /// About how many bytes the records of everything have.
    pub(crate) fn records_bytes(&self) -> u64 {
        self.files.values().map(Known::records_bytes).sum()
    }

    /// How many bytes are taken.
    pub(crate) fn taken_bytes(&self) -> u64 {
        self.used_bytes.saturating_add(self.incoming_bytes)
    }

    /// Throws a file's content away: its time, if it was a file of its own.
    pub(crate) fn drop_content(&mut self, file: &FileId) -> Option<u64> {
        let known = self.files.get_mut(file)?;
        let size = known.manifest().map_or(0, |manifest| manifest.size);
        let held = known.held.take()?;
        self.used_bytes = self.used_bytes.saturating_sub(size);
        match held.body {
            Body::Large { .. } => Some(held.generation),
            Body::Small { .. } => None,
        }
    }

    /// Takes a file out of the index that nothing is known of any more, so that it does not count.
    pub(crate) fn prune(&mut self, file: &FileId) {
        if self.files.get(file).is_some_and(|known| known.entry.is_none() && known.held.is_none()) {
            self.files.remove(file);
        }
    }

    /// A record of the log, as it was read. What does not fit to what came before is not believed.
    pub(crate) fn replay(&mut self, record: Record, place: Place) {
        match record {
            Record::Entry(entry) => {
                let known = self.files.entry(entry.manifest.id()).or_default();
                known.entry = Some(entry);
            }
            Record::Begun { file, generation, chunks, hashes } => {
                let known = self.files.entry(file).or_default();
                known.held = match hashes {
                    Some(hashes) if hashes.len() == chunks as usize => Some(Held::small(generation, hashes)),
                    None if chunks <= CHUNKS_MAX => Some(Held::large(generation, Bits::none(chunks))),
                    Some(_) | None => None,
                };
            }
            Record::Have { file, generation, runs } => {
                let Some(held) = self.held_of(&file, generation) else { return };
                if let Body::Large { recorded } = &mut held.body {
                    let chunks = runs.into_iter().flat_map(|(from, to)| from..to.min(CHUNKS_MAX));
                    for chunk in chunks {
                        held.here.insert(chunk);
                        recorded.insert(chunk);
                    }
                }
            }
            Record::Small { file, generation, chunk } => {
                if let Some(held) = self.held_of(&file, generation) {
                    held.place(chunk, place);
                }
            }
            Record::Lost { file, generation, chunk } => {
                if let Some(held) = self.held_of(&file, generation) {
                    held.lose(chunk);
                }
            }
            Record::Dropped { file, generation } => {
                if self.held_of(&file, generation).is_some()
                    && let Some(known) = self.files.get_mut(&file)
                {
                    known.held = None;
                }
            }
            Record::Forgotten(file) => {
                let known = self.files.entry(file).or_default();
                (known.is_forgotten, known.held) = (true, None);
            }
            Record::Recalled(file) => {
                let known = self.files.entry(file).or_default();
                (known.is_forgotten, known.held) = (false, None);
            }
        }
    }

    fn held_of(&mut self, file: &FileId, generation: u64) -> Option<&mut Held> {
        self.files.get_mut(file)?.held_of(generation)
    }

    /// Ends the replay: what nobody has an entry of, or cannot be content of its file, is dropped, and room is counted.
    pub(crate) fn settle(&mut self) {
        self.files.retain(|_, known| known.entry.is_some());
        self.used_bytes = 0;
        for known in self.files.values_mut() {
            let Some(manifest) = known.entry.as_ref().map(|entry| &entry.manifest) else { continue };
            known.held = known.held.take().filter(|held| !known.is_forgotten && fits(held, manifest));
            if known.held.is_some() {
                self.used_bytes = self.used_bytes.saturating_add(manifest.size);
            }
        }
    }
}

fn fits(held: &Held, manifest: &Manifest) -> bool {
    let is_right = match &held.body {
        Body::Small { hashes, places } => {
            let len_of = |place: &Option<Place>| place.as_ref().map(Place::len);
            is_small(manifest.size)
                && hash_list(hashes) == manifest.hashes
                && (0..)
                    .zip(places)
                    .all(|(chunk, place)| len_of(place).is_none_or(|len| len == manifest.chunk_len(chunk)))
        }
        Body::Large { .. } => !is_small(manifest.size),
    };
    is_right && held.here.len() == manifest.chunks()
}
