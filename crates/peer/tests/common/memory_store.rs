//! A store of files in memory, which answers at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use manyhands_core::files::{NewFile, StoreEvent, StoreOrder};
use manyhands_peer::Store;
use manyhands_wire::FileId;
use manyhands_wire::file::{FileKind, Hash, Manifest};
use tokio::sync::mpsc;

const QUEUE_MAX: usize = 4096;

/// What the store has.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryStore(Arc<Mutex<BTreeMap<FileId, Kept>>>);

#[derive(Debug, Default)]
struct Kept {
    hashes: Vec<Hash>,
    chunks: BTreeMap<u32, Vec<u8>>,
}

impl MemoryStore {
    /// An empty store's task, and the two ends that a peer needs of it.
    pub(crate) fn start() -> (Self, Store) {
        let this = Self::default();
        let (orders, mut orders_taken) = mpsc::channel(QUEUE_MAX);
        let (answers, events) = mpsc::channel(QUEUE_MAX);
        let store = this.clone();
        tokio::spawn(async move {
            while let Some(order) = orders_taken.recv().await {
                if let Some(answer) = store.carry_out(order) {
                    let _ = answers.send(answer).await;
                }
            }
        });
        (this, Store { orders, events })
    }

    /// Keeps a file that the person puts.
    pub(crate) fn put(&self, name: &str, bytes: &[u8], chunk_bytes: u32) -> NewFile {
        let pieces: Vec<&[u8]> = bytes.chunks(chunk_bytes as usize).collect();
        let hashes: Vec<Hash> = pieces.iter().map(|piece| *blake3::hash(piece).as_bytes()).collect();
        let size = bytes.len() as u64;
        let manifest = Manifest::new(name.to_owned(), size, chunk_bytes, &hashes, FileKind::File);
        let chunks = (0..).zip(pieces.into_iter().map(<[u8]>::to_vec)).collect();
        self.0.lock().unwrap().insert(manifest.id(), Kept { hashes, chunks });
        NewFile { manifest, media_type: String::new(), put_ms: 1 }
    }

    /// What there is of a file, its chunks one after the other.
    pub(crate) fn content(&self, file: &FileId) -> Option<Vec<u8>> {
        self.0.lock().unwrap().get(file).map(|kept| kept.chunks.values().flatten().copied().collect())
    }

    fn carry_out(&self, order: StoreOrder) -> Option<StoreEvent> {
        let mut files = self.0.lock().unwrap();
        match order {
            StoreOrder::Keep(_) | StoreOrder::Recall(_) => None,
            StoreOrder::Begin { file, hashes } => {
                files.insert(file, Kept { hashes, ..Kept::default() });
                None
            }
            StoreOrder::Write { file, chunk, bytes } => {
                files.get_mut(&file).unwrap().chunks.insert(chunk, bytes);
                Some(StoreEvent::Written { file, chunk })
            }
            StoreOrder::Read { file, chunk } => {
                let bytes = files.get(&file).and_then(|kept| kept.chunks.get(&chunk).cloned());
                Some(StoreEvent::Read { file, chunk, bytes })
            }
            StoreOrder::ReadHashes(file) => {
                let hashes = files.get(&file).map(|kept| kept.hashes.clone());
                Some(StoreEvent::Hashes { file, hashes })
            }
            StoreOrder::Forget(file) => {
                files.remove(&file);
                None
            }
        }
    }
}
