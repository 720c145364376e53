//! A simulated store of files: what a node's machine keeps when its program dies.

use std::collections::BTreeMap;
use std::time::Duration;

use manyhands_core::files::{
    Bits, Content, FetchPolicy, FilesConfig, StoreEvent, StoreOrder, Stored, SwarmConfig,
};
use manyhands_wire::FileId;
use manyhands_wire::file::{Entry, FileKind, Hash, Manifest};

/// How a simulated peer treats files.
#[derive(Clone, Debug)]
pub struct FileOptions {
    /// Which it fetches.
    pub fetch: FetchPolicy,
    /// How many bytes it keeps at most.
    pub quota_bytes: u64,
    /// What is wrong with its disk.
    pub disk: Health,
    /// How long its disk takes for anything.
    pub disk_takes: Duration,
    /// How it exchanges chunks.
    pub swarm: SwarmConfig,
}

impl Default for FileOptions {
    /// Everything is fetched onto a quick and healthy disk without end.
    fn default() -> Self {
        Self {
            fetch: FetchPolicy::All,
            quota_bytes: u64::MAX,
            disk: Health::Good,
            disk_takes: Duration::ZERO,
            swarm: SwarmConfig::default(),
        }
    }
}

/// What is wrong with a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Nothing.
    Good,
    /// What is read is not what was written, and nobody notices: a peer that gives wrong bytes.
    Lies,
    /// Nothing can be read, and nobody is told: a peer that promises what it does not send.
    Mute,
    /// It notices that what it reads is damaged.
    Damaged,
    /// It takes only so many bytes.
    Full(u64),
}

#[derive(Clone, Debug, Default)]
struct DiskFile {
    entry: Option<Entry>,
    hashes: Option<Vec<Hash>>,
    chunks: BTreeMap<u32, Vec<u8>>,
    is_forgotten: bool,
}

/// What a machine keeps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    files: BTreeMap<FileId, DiskFile>,
    bytes: u64,
    /// How many chunks were ever written.
    pub(crate) writes: u64,
}

impl Disk {
    /// What the node is told when it begins.
    pub(crate) fn config(&self, options: &FileOptions) -> FilesConfig {
        let FileOptions { fetch, quota_bytes, swarm, .. } = options.clone();
        FilesConfig {
            stored: self.files.values().filter_map(DiskFile::stored).collect(),
            fetch,
            quota_bytes,
            swarm,
        }
    }

    /// A person puts a file.
    pub(crate) fn put(&mut self, name: &str, content: &[u8], chunk_bytes: u32) -> Manifest {
        let hashes: Vec<Hash> =
            content.chunks(chunk_bytes as usize).map(|chunk| *blake3::hash(chunk).as_bytes()).collect();
        let manifest =
            Manifest::new(name.to_owned(), content.len() as u64, chunk_bytes, &hashes, FileKind::File);
        let file = self.files.entry(manifest.id()).or_default();
        file.hashes = Some(hashes);
        file.is_forgotten = false;
        let chunks = content.chunks(chunk_bytes as usize).map(<[u8]>::to_vec);
        file.chunks = (0..).zip(chunks).collect();
        manifest
    }

    /// All bytes of a file, if they are there.
    pub(crate) fn content(&self, id: &FileId) -> Option<Vec<u8>> {
        let file = self.files.get(id).filter(|file| !file.is_forgotten)?;
        let manifest = &file.entry.as_ref()?.manifest;
        let is_whole = file.chunks.len() == manifest.chunks() as usize && file.hashes.is_some();
        is_whole.then(|| file.chunks.values().flatten().copied().collect())
    }

    /// The chunks of a file that are there.
    pub(crate) fn chunks(&self, id: &FileId) -> Vec<u32> {
        self.files.get(id).map(|file| file.chunks.keys().copied().collect()).unwrap_or_default()
    }

    /// Carries out an order.
    pub(crate) fn obey(&mut self, order: StoreOrder, health: &mut Health) -> Option<StoreEvent> {
        match order {
            StoreOrder::Keep(entry) => {
                let id = entry.manifest.id();
                self.files.entry(id).or_default().entry = Some(entry);
                None
            }
            StoreOrder::Begin { file, hashes } => {
                self.files.entry(file).or_default().hashes = Some(hashes);
                None
            }
            StoreOrder::Write { file, chunk, bytes } => {
                if let Health::Full(most) = health
                    && self.bytes + bytes.len() as u64 > *most
                {
                    return Some(StoreEvent::Refused { file, why: "the disk is full".to_owned() });
                }
                self.bytes += bytes.len() as u64;
                self.writes += 1;
                self.files.entry(file).or_default().chunks.insert(chunk, bytes);
                Some(StoreEvent::Written { file, chunk })
            }
            StoreOrder::Read { file, chunk } => {
                let mut bytes = self.files.get(&file).and_then(|file| file.chunks.get(&chunk)).cloned();
                match health {
                    Health::Mute => return None,
                    Health::Lies => {
                        bytes = bytes.map(|bytes| bytes.iter().map(|byte| byte ^ 1).collect());
                    }
                    Health::Damaged => {
                        // One chunk is bad; when it is written again it will do.
                        *health = Health::Good;
                        self.files.entry(file).or_default().chunks.remove(&chunk);
                        bytes = None;
                    }
                    Health::Good | Health::Full(_) => {}
                }
                Some(StoreEvent::Read { file, chunk, bytes })
            }
            StoreOrder::ReadHashes(file) => {
                let hashes = self.files.get(&file).and_then(|file| file.hashes.clone());
                Some(StoreEvent::Hashes { file, hashes })
            }
            StoreOrder::Forget(file) => {
                let file = self.files.entry(file).or_default();
                let bytes: usize = file.chunks.values().map(Vec::len).sum();
                self.bytes = self.bytes.saturating_sub(bytes as u64);
                *file = DiskFile { entry: file.entry.take(), is_forgotten: true, ..DiskFile::default() };
                None
            }
            StoreOrder::Recall(file) => {
                self.files.entry(file).or_default().is_forgotten = false;
                None
            }
        }
    }
}

impl DiskFile {
    fn stored(&self) -> Option<Stored> {
        let entry = self.entry.clone()?;
        let chunks = entry.manifest.chunks();
        let content = match &self.hashes {
            _ if self.is_forgotten => Content::Forgotten,
            None => Content::Nothing,
            Some(_) if self.chunks.len() == chunks as usize => Content::Whole,
            Some(hashes) => {
                let mut have = Bits::none(chunks);
                self.chunks.keys().for_each(|chunk| {
                    have.insert(*chunk);
                });
                Content::Part { hashes: hashes.clone(), chunks: have }
            }
        };
        Some(Stored { entry, content })
    }
}
