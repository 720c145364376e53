//! What a person may see of the exchange of chunks.

use manyhands_wire::file::Manifest;
use manyhands_wire::{FileId, PeerId};

use super::Swarm;
use super::file::{File, State};
use crate::files::{ChunkState, FileState, FilesSummary};

/// A file, as far as the swarm knows it.
#[derive(Clone, Debug)]
pub struct FileView<'a> {
    /// Its id.
    pub id: FileId,
    /// What it is.
    pub manifest: &'a Manifest,
    /// How it stands here.
    pub state: FileState,
    /// How many of its chunks are here.
    pub chunks_here: u32,
    /// How many peers have all of it, this one included.
    pub peers: u32,
    /// How quickly it comes, in bytes per second.
    pub bytes_per_second: u64,
    /// Who gave how many bytes of it.
    pub sources: &'a [(PeerId, u64)],
    /// Why it does not come, for people; empty if nothing is wrong.
    pub trouble: &'a str,
}

impl Swarm {
    /// All files that are known, in the order in which they became known.
    pub fn files(&self) -> impl DoubleEndedIterator<Item = FileView<'_>> + ExactSizeIterator {
        self.files.iter().enumerate().map(|(place, file)| self.show(place as u32, file))
    }

    /// The files that the person does not want.
    pub(crate) fn forgotten(&self) -> Vec<FileId> {
        self.files.iter().filter(|file| matches!(file.state, State::Forgotten)).map(|file| file.id).collect()
    }

    /// One of them.
    pub fn file_view(&self, id: &FileId) -> Option<FileView<'_>> {
        self.file(id).map(|(place, file)| self.show(place, file))
    }

    fn show<'a>(&self, place: u32, file: &'a File) -> FileView<'a> {
        let holders = self.peers.values().filter(|peer| peer.holds.has(place)).count() as u32;
        let state = match &file.state {
            State::Here => FileState::Here,
            State::Fetching(_) | State::Damaged(_) => FileState::Fetching,
            State::Waiting(_) if file.trouble.is_some() => FileState::Failed,
            State::Waiting(_) => FileState::Waiting,
            State::Known => FileState::Known,
            State::Forgotten => FileState::Forgotten,
        };
        FileView {
            id: file.id,
            manifest: &file.manifest,
            state,
            chunks_here: file.chunks_here(),
            peers: holders + u32::from(file.is_here()),
            bytes_per_second: file.origin.as_ref().map_or(0, |origin| origin.rate as u64),
            sources: file.origin.as_ref().map_or(&[], |origin| &origin.sources),
            trouble: file.trouble.as_ref().map_or("", |(why, _)| why),
        }
    }

    /// How each chunk of a file stands. `None` if the file is not known.
    pub fn chunk_states(&self, id: &FileId) -> Option<Vec<ChunkState>> {
        let (_, file) = self.file(id)?;
        let state = |chunk| {
            if file.has(chunk) || matches!(&file.state, State::Waiting(Some(part)) if part.have.has(chunk)) {
                let source = file.origin.as_ref().and_then(|origin| origin.source(chunk));
                return source.map_or(ChunkState::Here, ChunkState::From);
            }
            let asked =
                file.fetch().and_then(|fetch| fetch.asked_of.get(&chunk)).and_then(|asked| asked.first());
            asked.map_or(ChunkState::Missing, |(peer, _)| ChunkState::Asked(*peer))
        };
        Some((0..file.manifest.chunks()).map(state).collect())
    }

    /// All files at a glance.
    pub fn summary(&self) -> FilesSummary {
        let known = self.files.iter().filter(|file| !matches!(file.state, State::Forgotten));
        let here = self.files.iter().filter(|file| file.is_here());
        FilesSummary {
            version: self.version,
            known: known.count() as u32,
            here: here.clone().count() as u32,
            fetching: self.fetching.len() as u32,
            bytes_here: here.map(|file| file.manifest.size).sum(),
            quota_bytes: self.quota_bytes,
            sent_bytes: self.sent_bytes,
            received_bytes: self.received_bytes,
            wasted_bytes: self.wasted_bytes,
        }
    }

    /// Changes whenever something about some file does.
    pub fn version(&self) -> u64 {
        self.version
    }
}
