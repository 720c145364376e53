//! Files, as drivers and people see them: what goes to the store and comes back, and what there is to show.
//!
//! The node decides which chunks to fetch, from whom, and whom to give what; it keeps no bytes of a file but those on their way. A
//! *store*, the driver's business, keeps them: it is given [`StoreOrder`]s, which it carries out in order for each file, and
//! answers with [`StoreEvent`]s in its own time. A store that is slow slows the node: it takes no more chunks than it
//! can write.
//!
//! A file that a person puts is first written by the driver, which hashes it on the way; then [`Command::AddFile`] tells the node.
//!
//! [`Command::AddFile`]: crate::Command::AddFile

use manyhands_wire::file::{Entry, FileKind, Hash, Manifest};
use manyhands_wire::{FileId, PeerId};
use serde::{Deserialize, Serialize};

pub use crate::swarm::{Bits, Policy, SwarmConfig};

/// How a node treats files.
#[derive(Clone, Debug, Default)]
pub struct FilesConfig {
    /// What the store has from before.
    pub stored: Vec<Stored>,
    /// Which files are fetched.
    pub fetch: FetchPolicy,
    /// How many bytes of files are kept at most; none are thrown out, but no more are fetched.
    pub quota_bytes: u64,
    /// How chunks are exchanged.
    pub swarm: SwarmConfig,
}

/// Which files a node fetches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FetchPolicy {
    /// All that were ever put.
    #[default]
    All,
    /// Those that its person asks for, and those of at most so many bytes.
    Asked {
        /// The largest file that is fetched unasked, in bytes.
        unasked_bytes_max: u64,
    },
}

/// A file as the store kept it.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its entry.
    pub entry: Entry,
    /// How much of it.
    pub content: Content,
}

/// How much of a file a store has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing yet.
    Nothing,
    /// Some chunks.
    Part {
        /// The hashes of all chunks.
        hashes: Vec<Hash>,
        /// Which chunks are there.
        chunks: Bits,
    },
    /// All of it.
    Whole,
    /// Its person does not want it any more.
    Forgotten,
}

/// What the node wants of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreOrder {
    /// Keep an entry, which replaces one of the same id. No answer.
    Keep(Entry),
    /// Make room for a file with these chunk hashes; [`StoreOrder::Keep`] came before. Answered only if it fails, by
    /// [`StoreEvent::Refused`].
    Begin {
        /// Which.
        file: FileId,
        /// The hashes of all its chunks.
        hashes: Vec<Hash>,
    },
    /// Write a chunk, which is the right one. Answered by [`StoreEvent::Written`] or [`StoreEvent::Refused`].
    Write {
        /// Of which file.
        file: FileId,
        /// Which chunk.
        chunk: u32,
        /// All of it.
        bytes: Vec<u8>,
    },
    /// Read a chunk, and check it. Answered by [`StoreEvent::Read`].
    Read {
        /// Of which file.
        file: FileId,
        /// Which chunk.
        chunk: u32,
    },
    /// Read the hashes of all chunks. Answered by [`StoreEvent::Hashes`].
    ReadHashes(FileId),
    /// Throw the content away, and remember that it is not wanted. No answer.
    Forget(FileId),
    /// The person wants a forgotten file after all: it is as if nothing of it had been there yet. No answer.
    Recall(FileId),
}

/// What the store answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreEvent {
    /// The chunk will be there after a crash, or is at least on its way to the disk.
    Written {
        /// Of which file.
        file: FileId,
        /// Which chunk.
        chunk: u32,
    },
    /// The file cannot be written.
    Refused {
        /// Which.
        file: FileId,
        /// Why, for people, such as `the disk is full`.
        why: String,
    },
    /// A chunk that was asked for.
    Read {
        /// Of which file.
        file: FileId,
        /// Which chunk.
        chunk: u32,
        /// All of it; `None` if it is damaged or gone: the store has it no more.
        bytes: Option<Vec<u8>>,
    },
    /// The hashes that were asked for.
    Hashes {
        /// Of which file.
        file: FileId,
        /// Of all chunks; `None` if they are gone, and the file with them.
        hashes: Option<Vec<Hash>>,
    },
}

/// A file that this node's person put, and that the store has whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFile {
    /// What it is.
    pub manifest: Manifest,
    /// Its media type; empty if nobody knows.
    pub media_type: String,
    /// When it was put, in milliseconds since 1970.
    pub put_ms: u64,
}

/// A file as a person sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FileInfo {
    /// Its id.
    pub id: FileId,
    /// What its person calls it.
    pub name: String,
    /// How long it is, in bytes.
    pub size: u64,
    /// Its media type; empty if nobody knows.
    pub media_type: String,
    /// Whether it is a file or a list of files.
    pub kind: FileKind,
    /// When it was put, in milliseconds since 1970.
    pub put_ms: u64,
    /// Who put it, as people call that peer.
    pub by: String,
    /// How long each chunk but the last is, in bytes.
    pub chunk_bytes: u32,
    /// How many chunks it has.
    pub chunks: u32,
    /// How many of them are here.
    pub chunks_here: u32,
    /// How many peers have all of it, as far as this node sees, itself included.
    pub peers: u32,
    /// How it stands here.
    pub state: FileState,
    /// How quickly it comes, in bytes per second.
    pub bytes_per_second: u64,
    /// Who gave how many bytes of it since this node began, the most first; for files that came lately.
    pub sources: Vec<Source>,
    /// Why it does not come, for people; empty if nothing is wrong.
    pub trouble: String,
}

/// How a file stands on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FileState {
    /// All of it is here.
    Here,
    /// It is being fetched.
    Fetching,
    /// It will be fetched: others come first, or nobody who has it is there.
    Waiting,
    /// It is known, and nobody asked for it here.
    Known,
    /// It cannot be kept: see [`FileInfo::trouble`].
    Failed,
    /// Its person does not want it any more.
    Forgotten,
}

/// Who gave a part of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// Who, as people call that peer.
    pub peer: String,
    /// How many bytes.
    pub bytes: u64,
}

/// How a chunk stands on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkState {
    /// It is not here.
    Missing,
    /// It was asked of this peer.
    Asked(PeerId),
    /// It came from this peer.
    From(PeerId),
    /// It is here, and was before this node began, or was put here.
    Here,
}

/// All files at a glance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesSummary {
    /// Changes whenever something about some file does.
    pub version: u64,
    /// How many files are known, forgotten ones apart.
    pub known: u32,
    /// How many of them are here.
    pub here: u32,
    /// How many are being fetched now.
    pub fetching: u32,
    /// How many bytes of files are here.
    pub bytes_here: u64,
    /// How many bytes are kept at most.
    pub quota_bytes: u64,
    /// How many bytes of chunks were given to others since this node began.
    pub sent_bytes: u64,
    /// How many bytes of chunks came from others since this node began.
    pub received_bytes: u64,
    /// How many of these came twice, or were not right.
    pub wasted_bytes: u64,
}
