//! What happens when the disk is full, or cannot make anything last: on a disk that is as small as a test wants it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use manyhands_core::files::{Content, Stored};
use manyhands_wire::file::{Entry, FileKind, Hash, Manifest};
use manyhands_wire::{PeerId, Signature};

use crate::disk::{Disk, Faults};
use crate::{FileStore, PutError, StoreOptions};

const CHUNK: usize = 1024;

struct BadDisk(Arc<Faults>);

impl BadDisk {
    fn new() -> Self {
        Self(Arc::new(Faults { room: AtomicU64::new(u64::MAX), syncs_fail: AtomicBool::new(false) }))
    }

    fn open(&self, folder: &Path) -> (FileStore, Vec<Stored>) {
        let options = StoreOptions { quota_bytes: 1 << 30, chunk_bytes: CHUNK as u32 };
        FileStore::open_on(Disk::with_faults(self.0.clone()), folder, options).unwrap()
    }

    fn leave(&self, room: u64) {
        self.0.room.store(room, Ordering::Relaxed);
    }

    fn mend(&self) {
        self.leave(u64::MAX);
        self.0.syncs_fail.store(false, Ordering::Relaxed);
    }
}

fn entry(name: &str, content: &[u8]) -> (Entry, Vec<Hash>) {
    let hashes: Vec<Hash> = content.chunks(CHUNK).map(|chunk| *blake3::hash(chunk).as_bytes()).collect();
    let manifest = Manifest::new(name.into(), content.len() as u64, CHUNK as u32, &hashes, FileKind::File);
    let (by, signature) = (PeerId([1; 32]), Signature([2; 64]));
    (Entry { manifest, media_type: String::new(), put_ms: 7, by, signature }, hashes)
}

async fn put(store: &FileStore, name: &str, content: &[u8]) -> Result<Manifest, PutError> {
    let put = store.put(name.into(), String::new(), FileKind::File, None, content);
    Ok(put.await?.manifest)
}

fn is_full(refused: Result<(), String>) -> bool {
    refused.is_err_and(|why| why == "the disk is full")
}

#[tokio::test]
async fn a_put_on_a_full_disk_is_refused_wherever_it_gets_full_and_leaves_nothing() {
    for len in [500, 9 * CHUNK, 2_000_000] {
        let content = vec![7; len];
        // Up to a room in which it succeeds, in steps of a prime.
        let mut room = 0;
        loop {
            let (folder, disk) = (tempfile::tempdir().unwrap(), BadDisk::new());
            let (store, _) = disk.open(folder.path());
            disk.leave(room);
            let refused = match put(&store, "a", &content).await {
                Ok(_) => break,
                Err(refused) => refused,
            };
            assert!(matches!(refused, PutError::DiskFull), "{refused}");
            assert_eq!(store.sized().0, 0);
            assert_eq!(std::fs::read_dir(folder.path().join("incoming")).unwrap().count(), 0);
            disk.mend();
            let manifest = put(&store, "a", &content).await.unwrap();
            store.shared.keep(entry("a", &content).0);
            drop(store);
            let (_store, stored) = disk.open(folder.path());
            assert_eq!((&stored[0].entry.manifest, &stored[0].content), (&manifest, &Content::Whole));
            room += len as u64 / 7 + 101;
        }
        assert!(room >= len as u64);
    }
}

#[tokio::test]
async fn orders_on_a_full_disk_are_refused_and_go_on_when_there_is_room() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), BadDisk::new());
    let (store, _) = disk.open(folder.path());
    let store_of = &store.shared;
    let (small, large) = (vec![1; 5 * CHUNK], vec![2; 50 * CHUNK]);
    for content in [&small, &large] {
        let (entry, hashes) = entry("a", content);
        let file = entry.manifest.id();
        disk.leave(10);
        store_of.keep(entry);

        assert!(is_full(store_of.begin(&file, hashes.clone())));
        assert_eq!(store.sized().0, if content == &large { small.len() as u64 } else { 0 });
        disk.leave(5_000);
        store_of.begin(&file, hashes).unwrap();
        let chunk = |at: usize| &content[at * CHUNK..(at + 1) * CHUNK];
        store_of.write(&file, 3, chunk(3)).unwrap();
        disk.leave(600);
        assert!(is_full(store_of.write(&file, 4, chunk(4))));
        assert_eq!((store.has_chunk(&file, 3), store.has_chunk(&file, 4)), (true, false));
        assert_eq!(store.read_chunk(&file, 3).await.unwrap(), chunk(3));
        disk.mend();
        for at in 0..content.len() / CHUNK {
            store_of.write(&file, at as u32, chunk(at)).unwrap();
        }
        assert!(store.is_whole(&file));
    }
    drop(store);

    // The entries could not be recorded at first, and were later.
    let (_store, stored) = disk.open(folder.path());
    assert_eq!(stored.len(), 2);
    assert!(stored.iter().all(|file| file.content == Content::Whole));
}

#[tokio::test]
async fn a_file_is_forgotten_on_a_full_disk_too() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), BadDisk::new());
    let (store, _) = disk.open(folder.path());
    let content = vec![3; 20 * CHUNK];
    let file = put(&store, "a", &content).await.unwrap().id();
    store.shared.keep(entry("a", &content).0);

    disk.leave(0);
    store.shared.forget(&file);
    assert_eq!(store.sized().0, 0);
    assert!(store.read_chunk(&file, 0).await.is_err());
    disk.mend();
    store.flush();
    drop(store);

    let (_store, stored) = disk.open(folder.path());
    assert_eq!(stored[0].content, Content::Forgotten);
}

#[tokio::test]
async fn chunks_that_did_not_come_to_the_disk_are_taken_back_and_never_recorded() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), BadDisk::new());
    let (store, _) = disk.open(folder.path());
    let mut events = store.serve().events;
    let content = vec![4; 20 * CHUNK];
    let (entry, hashes) = entry("a", &content);
    let file = entry.manifest.id();
    store.shared.keep(entry);
    store.shared.begin(&file, hashes).unwrap();
    store.flush();

    disk.0.syncs_fail.store(true, Ordering::Relaxed);
    store.shared.write(&file, 2, &content[..CHUNK]).unwrap();
    store.flush();
    drop(store);
    disk.mend();

    // The threads that serve end first, since nobody gives them orders.
    while events.recv().await.is_some() {}
    let (store, stored) = reopened(&disk, folder.path()).await;
    assert!(matches!(&stored[0].content, Content::Part { chunks, .. } if chunks.count() == 0));
    store.shared.write(&file, 2, &content[..CHUNK]).unwrap();
    drop(store);
    let (_store, stored) = disk.open(folder.path());
    assert!(matches!(&stored[0].content, Content::Part { chunks, .. } if chunks.count() == 1));
}

#[tokio::test]
async fn what_is_discarded_or_forgotten_without_an_entry_does_not_count_as_a_file() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), BadDisk::new());
    let (store, _) = disk.open(folder.path());
    for len in [0, 500, 20 * CHUNK] {
        let content = vec![5; len];

        let file = put(&store, "a", &content).await.unwrap().id();
        store.discard(&file).await;
        let other = put(&store, "b", &content).await.unwrap().id();
        store.shared.forget(&other);
        store.shared.recall(&other);

        assert_eq!(crate::locked(&store.shared.index).files.len(), 0);
        assert_eq!(store.sized().0, 0);
    }
}

#[tokio::test]
async fn a_log_that_the_disk_did_not_make_last_is_written_anew() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), BadDisk::new());
    let (store, _) = disk.open(folder.path());
    let content = vec![6; 500];
    put(&store, "a", &content).await.unwrap();
    // Every log has a key of its own.
    let key = || std::fs::read(folder.path().join("log")).unwrap()[8..40].to_vec();
    let first = key();
    assert!(store.flush());
    assert_eq!(key(), first);

    disk.0.syncs_fail.store(true, Ordering::Relaxed);
    store.shared.keep(entry("a", &content).0);
    assert!(!store.flush());
    assert!(!store.flush());
    assert_eq!(key(), first);
    disk.mend();

    assert!(store.flush());
    let second = key();
    assert_ne!(second, first);
    assert!(store.flush());
    drop(store);
    let (_store, stored) = disk.open(folder.path());
    assert_eq!(stored[0].content, Content::Whole);
    assert_eq!(key(), second);
}

#[test]
fn a_chunk_that_comes_while_the_file_is_put_is_not_refused() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (folder, disk) = (tempfile::tempdir().unwrap(), BadDisk::new());
    let (store, _) = disk.open(folder.path());
    for len in [3 * CHUNK, 100 * CHUNK] {
        let content = vec![8; len];
        let (entry, hashes) = entry("a", &content);
        let file = entry.manifest.id();
        store.shared.keep(entry);
        store.shared.begin(&file, hashes).unwrap();
        let mut puts = 0;

        let written = store.shared.write_while(&file, 1, &content[..CHUNK], || {
            runtime.block_on(put(&store, "a", &content)).unwrap();
            puts += 1;
        });

        assert_eq!((written, puts), (Ok(()), 1));
        assert!(store.is_whole(&file));
    }
}

#[test]
fn a_chunk_that_comes_while_its_content_is_thrown_away_is_refused() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), BadDisk::new());
    let (store, _) = disk.open(folder.path());
    for len in [3 * CHUNK, 100 * CHUNK] {
        let content = vec![9; len];
        let (entry, hashes) = entry("a", &content);
        let file = entry.manifest.id();
        store.shared.keep(entry);
        store.shared.begin(&file, hashes).unwrap();

        let thrown_away = || store.shared.forget(&file);
        let written = store.shared.write_while(&file, 1, &content[..CHUNK], thrown_away);

        assert!(written.is_err());
    }
}

#[tokio::test]
async fn a_flush_waits_for_what_is_just_being_made_last() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), BadDisk::new());
    let (store, _) = disk.open(folder.path());
    // As if the thread that commits had taken what is to be done, and had not come to its end.
    let committing = crate::locked(&store.shared.pending.committing);
    let flushing = std::thread::spawn({
        let store = store.clone();
        move || store.flush()
    });

    std::thread::yield_now();
    assert!(!flushing.is_finished());

    drop(committing);
    assert!(flushing.join().unwrap());
}

/// Opens a store as soon as the threads of the last one are gone.
async fn reopened(disk: &BadDisk, folder: &Path) -> (FileStore, Vec<Stored>) {
    let options = StoreOptions { quota_bytes: 1 << 30, chunk_bytes: CHUNK as u32 };
    loop {
        if let Ok(open) = FileStore::open_on(Disk::with_faults(disk.0.clone()), folder, options.clone()) {
            return open;
        }
        tokio::task::yield_now().await;
    }
}
