//! One file, as the swarm of this node has it.
//!
//! In the life of a file that comes over the mesh: *known*; *waiting*, once it is wanted and until its turn comes and somebody is
//! there who has it; *fetching*, first the list of its chunks' hashes, then the chunks; *here*. A file of one chunk needs no
//! list: the hash of the list says what the chunk's hash must be.

use manyhands_wire::file::{Hash, Manifest, hash_list};
use manyhands_wire::{FileId, PeerId};

use super::Bits;
use crate::table::Table;
use crate::time::Time;

/// How many peers are told apart as sources of one file.
const SOURCES_MAX: usize = 254;
/// What the source of a chunk is that was here before, or was put here; and of one that is not here.
const OWN: u8 = 255;
const NOBODY: u8 = 254;

/// A file.
pub(crate) struct File {
    pub(crate) id: FileId,
    pub(crate) manifest: Manifest,
    pub(crate) state: State,
    /// Whether the person asked for it.
    pub(crate) asked: bool,
    /// The chunk that a person who reads it in order needs next.
    pub(crate) urgent: Option<u32>,
    /// Why it cannot be kept, and when to try again.
    pub(crate) trouble: Option<(String, Time)>,
    /// It did not come on, and others are first until then.
    pub(crate) rests_until: Time,
    /// How many bytes of it the store has still to write.
    pub(crate) unwritten: u64,
    /// How many neighbours have each chunk, or were promised it: counted only while somebody has or wants a part of it.
    pub(crate) copies: Option<Vec<u16>>,
    /// Who gave what, for files that came since the node began.
    pub(crate) origin: Option<Box<Origin>>,
    /// Whether the whole of it was here from the beginning, or was put here.
    pub(crate) is_seed: bool,
}

/// How far a file is.
pub(crate) enum State {
    /// Nobody here wants it.
    Known,
    /// It is wanted; some of it may be here.
    Waiting(Option<Box<Part>>),
    /// It is on its way.
    Fetching(Box<Fetch>),
    /// All of it is here.
    Here,
    /// Some chunks turned out to be damaged: the store is asked for the hashes, to fetch these anew.
    Damaged(Vec<u32>),
    /// The person does not want it.
    Forgotten,
}

/// A part of a file that is here.
pub(crate) struct Part {
    pub(crate) hashes: Vec<Hash>,
    pub(crate) have: Bits,
}

/// A file on its way.
pub(crate) struct Fetch {
    /// The hashes of all chunks; empty until known.
    pub(crate) hashes: Vec<Hash>,
    /// Whether the store has been told to make room.
    pub(crate) has_begun: bool,
    /// Who was asked for the list of hashes, when it last gave something, and what it gave so far.
    pub(crate) list: Option<(PeerId, Time, Vec<u8>)>,
    /// The chunks that are written.
    pub(crate) have: Bits,
    /// The chunks that have come, written or not.
    pub(crate) got: Bits,
    /// Whom each chunk that is on its way was asked of, and when.
    pub(crate) asked_of: Table<u32, Vec<(PeerId, Time)>>,
    /// When something of it last came.
    pub(crate) moved: Time,
}

/// Where the chunks of a file came from.
pub(crate) struct Origin {
    /// For each chunk the place in `sources`, or one of the marks.
    pub(crate) chunks: Vec<u8>,
    pub(crate) sources: Vec<(PeerId, u64)>,
    /// Bytes per second, and what came since that was counted last.
    pub(crate) rate: f64,
    pub(crate) fresh: u64,
}

impl File {
    pub(crate) fn new(manifest: Manifest) -> Self {
        Self {
            id: manifest.id(),
            manifest,
            state: State::Known,
            asked: false,
            urgent: None,
            trouble: None,
            rests_until: Time::ZERO,
            unwritten: 0,
            copies: None,
            origin: None,
            is_seed: false,
        }
    }

    pub(crate) fn fetch(&self) -> Option<&Fetch> {
        match &self.state {
            State::Fetching(fetch) => Some(fetch),
            _ => None,
        }
    }

    pub(crate) fn fetch_mut(&mut self) -> Option<&mut Fetch> {
        match &mut self.state {
            State::Fetching(fetch) => Some(fetch),
            _ => None,
        }
    }

    pub(crate) fn is_here(&self) -> bool {
        matches!(self.state, State::Here)
    }

    /// Whether this chunk can be given.
    pub(crate) fn has(&self, chunk: u32) -> bool {
        match &self.state {
            State::Here => chunk < self.manifest.chunks(),
            State::Fetching(fetch) => fetch.have.has(chunk),
            _ => false,
        }
    }

    /// How many of its chunks are here.
    pub(crate) fn chunks_here(&self) -> u32 {
        match &self.state {
            State::Here => self.manifest.chunks(),
            State::Fetching(fetch) => fetch.have.count(),
            State::Waiting(Some(part)) => part.have.count(),
            State::Damaged(chunks) => self.manifest.chunks().saturating_sub(chunks.len() as u32),
            State::Known | State::Waiting(None) | State::Forgotten => 0,
        }
    }

    /// How much room it takes, or will.
    pub(crate) fn bytes_kept(&self) -> u64 {
        match self.state {
            State::Here | State::Fetching(_) | State::Damaged(_) | State::Waiting(Some(_)) => {
                self.manifest.size
            }
            State::Known | State::Waiting(None) | State::Forgotten => 0,
        }
    }

    /// Whether these are the bytes of the chunk. Gives the chunk's hash.
    pub(crate) fn check(&self, chunk: u32, bytes: &[u8]) -> Option<Hash> {
        let hash = *blake3::hash(bytes).as_bytes();
        let is_right = match self.fetch()?.hashes.get(chunk as usize) {
            Some(expected) => *expected == hash,
            None => self.manifest.chunks() == 1 && hash_list(&[hash]) == self.manifest.hashes,
        };
        is_right.then_some(hash)
    }
}

impl Fetch {
    pub(crate) fn new(now: Time, chunks: u32, part: Option<Box<Part>>) -> Self {
        let has_begun = part.is_some();
        let (hashes, have) =
            part.map_or_else(|| (Vec::new(), Bits::none(chunks)), |part| (part.hashes, part.have));
        let got = have.clone();
        Self { hashes, has_begun, list: None, have, got, asked_of: Table::new(), moved: now }
    }

    /// Whether chunks can be asked for: their hashes are known, or follow from the list's own.
    pub(crate) fn is_ready(&self) -> bool {
        self.have.len() == 1 || self.hashes.len() == self.have.len() as usize
    }

    /// Whether a chunk is neither here nor asked for.
    pub(crate) fn wants(&self, chunk: u32) -> bool {
        chunk < self.got.len() && !self.got.has(chunk) && !self.asked_of.contains_key(&chunk)
    }

    /// Nobody is waited for with this chunk any more. Whoever else was asked for it is returned.
    pub(crate) fn settle(&mut self, chunk: u32) -> Vec<PeerId> {
        self.asked_of.remove(&chunk).unwrap_or_default().into_iter().map(|(peer, _)| peer).collect()
    }

    /// This peer will not bring the chunk.
    pub(crate) fn give_up(&mut self, chunk: u32, peer: &PeerId) {
        if let Some(asked) = self.asked_of.get_mut(&chunk) {
            asked.retain(|(other, _)| other != peer);
            if asked.is_empty() {
                self.asked_of.remove(&chunk);
            }
        }
    }
}

impl Origin {
    pub(crate) fn new(have: &Bits) -> Self {
        let chunks = (0..have.len()).map(|chunk| if have.has(chunk) { OWN } else { NOBODY }).collect();
        Self { chunks, sources: Vec::new(), rate: 0.0, fresh: 0 }
    }

    /// A chunk came from a peer.
    pub(crate) fn note(&mut self, chunk: u32, peer: PeerId, bytes: u64) {
        self.fresh += bytes;
        let known = self.sources.iter().position(|(source, _)| *source == peer);
        let at = known.unwrap_or_else(|| {
            if self.sources.len() < SOURCES_MAX {
                self.sources.push((peer, 0));
            }
            self.sources.len() - 1
        });
        self.sources[at].1 += bytes;
        if let Some(origin) = self.chunks.get_mut(chunk as usize) {
            *origin = at as u8;
        }
    }

    /// Who gave a chunk; `None` if it was here before, or is not here.
    pub(crate) fn source(&self, chunk: u32) -> Option<PeerId> {
        let at = *self.chunks.get(chunk as usize)?;
        self.sources.get(usize::from(at)).map(|(peer, _)| *peer)
    }
}
