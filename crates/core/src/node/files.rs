//! The node's files: the catalog and the swarm, tied to its links.

use manyhands_wire::{FileId, Frame, PeerId};

use super::Node;
use crate::files::{ChunkState, FileInfo, StoreEvent};
use crate::io::LinkId;
use crate::time::Time;

impl Node {
    /// Takes in what the store of files answers.
    pub fn handle_store(&mut self, now: Time, _event: StoreEvent) {
        self.settle(now);
    }

    pub(super) fn on_file_frame(&mut self, _now: Time, _id: LinkId, _peer: PeerId, _frame: Frame) {}

    /// All files that are known, forgotten ones too, the latest first.
    pub fn files(&self) -> Vec<FileInfo> {
        Vec::new()
    }

    /// One of them.
    pub fn file(&self, _id: &FileId) -> Option<FileInfo> {
        None
    }

    /// How each chunk of a file stands. `None` if the file is not known.
    pub fn chunk_states(&self, _id: &FileId) -> Option<Vec<ChunkState>> {
        None
    }
}
