//! What the tests share: content that can be told again, entries that nobody signed, and a node that only gives orders.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![expect(clippy::unwrap_used, reason = "it is a part of tests")]

use std::path::Path;
use std::time::Duration;

use manyhands_core::files::{NewFile, StoreEvent, StoreOrder, Stored};
use manyhands_store::{FileStore, Pipes, PutError, StoreOptions};
use manyhands_wire::file::{Entry, FileKind, Hash, Manifest};
use manyhands_wire::{FileId, PeerId, Signature};

pub(crate) const CHUNK: u32 = 16 * 1024;

pub(crate) fn options() -> StoreOptions {
    StoreOptions { quota_bytes: 1 << 40, chunk_bytes: CHUNK }
}

pub(crate) fn open(folder: &Path) -> (FileStore, Vec<Stored>) {
    FileStore::open(folder, options()).unwrap()
}

/// Bytes that look random and are the same for the same seed.
pub(crate) fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// A file that another peer put.
pub(crate) struct Foreign {
    pub(crate) entry: Entry,
    pub(crate) hashes: Vec<Hash>,
    pub(crate) content: Vec<u8>,
}

impl Foreign {
    pub(crate) fn new(name: &str, content: Vec<u8>) -> Self {
        let hashes: Vec<Hash> =
            content.chunks(CHUNK as usize).map(|chunk| *blake3::hash(chunk).as_bytes()).collect();
        let manifest = Manifest::new(name.into(), content.len() as u64, CHUNK, &hashes, FileKind::File);
        Self { entry: entry(manifest), hashes, content }
    }

    pub(crate) fn id(&self) -> FileId {
        self.entry.manifest.id()
    }

    pub(crate) fn chunk(&self, chunk: u32) -> Vec<u8> {
        self.content.chunks(CHUNK as usize).nth(chunk as usize).unwrap().to_vec()
    }

    pub(crate) fn chunks(&self) -> u32 {
        self.hashes.len() as u32
    }
}

pub(crate) fn entry(manifest: Manifest) -> Entry {
    Entry {
        manifest,
        media_type: "text/plain".into(),
        put_ms: 7,
        by: PeerId([1; 32]),
        signature: Signature([2; 64]),
    }
}

pub(crate) async fn put(store: &FileStore, name: &str, content: &[u8]) -> Result<NewFile, PutError> {
    store.put(name.into(), String::new(), FileKind::File, Some(content.len() as u64), content).await
}

/// All bytes of a file that is whole.
pub(crate) async fn content(store: &FileStore, file: &FileId) -> Vec<u8> {
    let mut content = Vec::new();
    for chunk in 0..store.manifest(file).unwrap().chunks() {
        content.extend(store.read_chunk(file, chunk).await.unwrap());
    }
    content
}

/// Gives orders as a node's driver does.
pub(crate) struct Driver {
    pub(crate) pipes: Pipes,
}

impl Driver {
    pub(crate) fn new(store: &FileStore) -> Self {
        Self { pipes: store.serve() }
    }

    pub(crate) async fn order(&self, order: StoreOrder) {
        self.pipes.orders.send(order).await.unwrap();
    }

    pub(crate) async fn event(&mut self) -> StoreEvent {
        let event = tokio::time::timeout(Duration::from_secs(60), self.pipes.events.recv());
        event.await.expect("the store answers within a minute").expect("the store serves")
    }

    pub(crate) async fn begin(&self, file: &Foreign) {
        self.order(StoreOrder::Keep(file.entry.clone())).await;
        self.order(StoreOrder::Begin { file: file.id(), hashes: file.hashes.clone() }).await;
    }

    /// Writes a chunk, and waits for the answer.
    pub(crate) async fn write(&mut self, file: &Foreign, chunk: u32) {
        let (id, bytes) = (file.id(), file.chunk(chunk));
        self.order(StoreOrder::Write { file: id, chunk, bytes }).await;
        assert_eq!(self.event().await, StoreEvent::Written { file: id, chunk });
    }

    /// Begins a file, and writes all of it.
    pub(crate) async fn write_all(&mut self, file: &Foreign) {
        self.begin(file).await;
        for chunk in 0..file.chunks() {
            self.write(file, chunk).await;
        }
    }

    pub(crate) async fn read(&mut self, file: &FileId, chunk: u32) -> Option<Vec<u8>> {
        self.order(StoreOrder::Read { file: *file, chunk }).await;
        match self.event().await {
            StoreEvent::Read { file: of, chunk: at, bytes } if (of, at) == (*file, chunk) => bytes,
            other => panic!("{other:?} is no answer to a read"),
        }
    }

    /// Waits until all orders are carried out.
    pub(crate) async fn end(self) {
        drop(self.pipes.orders);
        drop(self.pipes.events);
        self.pipes.serving.join().await;
    }
}

/// The only file of large content.
pub(crate) fn content_file(folder: &Path) -> std::path::PathBuf {
    let files = content_files(folder);
    assert_eq!(files.len(), 1, "{files:?}");
    files.into_iter().next().unwrap()
}

/// Damages a file, at this byte.
pub(crate) fn flip_a_bit(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 4;
    std::fs::write(path, bytes).unwrap();
}

pub(crate) fn content_files(folder: &Path) -> Vec<std::path::PathBuf> {
    let folders = std::fs::read_dir(folder.join("content")).unwrap();
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
    files.map(|file| file.unwrap().path()).collect()
}

pub(crate) fn incoming(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("incoming")).unwrap().count()
}
