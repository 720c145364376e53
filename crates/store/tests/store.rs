//! What a store promises while nothing goes wrong, and across restarts.

mod common;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use common::{
    CHUNK, Driver, Foreign, bytes, content, content_file, content_files, entry, flip_a_bit, incoming, open,
    options, put,
};
use manyhands_core::files::{Bits, Content, StoreEvent, StoreOrder};
use manyhands_store::{FileStore, PutError, ReadError, StoreError, StoreOptions};
use manyhands_wire::FileId;
use manyhands_wire::file::{FileKind, Hash, Manifest, hash_list};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::Notify;

#[tokio::test]
async fn a_file_put_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = bytes(1, 5_000_000);
    let (store, _) = open(folder.path());

    let new = put(&store, "holiday.jpg", &bytes).await.unwrap();
    let driver = Driver::new(&store);
    driver.order(StoreOrder::Keep(entry(new.manifest.clone()))).await;
    driver.end().await;
    drop(store);
    let (store, stored) = open(folder.path());

    let hashes: Vec<Hash> =
        bytes.chunks(CHUNK as usize).map(|chunk| *blake3::hash(chunk).as_bytes()).collect();
    assert_eq!(new.manifest.hashes, hash_list(&hashes));
    assert_eq!(stored.len(), 1);
    assert_eq!((&stored[0].entry.manifest, &stored[0].content), (&new.manifest, &Content::Whole));
    assert_eq!(content(&store, &new.manifest.id()).await, bytes);
    assert_eq!(store.sized().0, 5_000_000);
}

#[tokio::test]
async fn chunks_come_in_any_order_and_a_partial_file_goes_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = Foreign::new("a", bytes(2, 5 * CHUNK as usize + 9));
    let (store, _) = open(folder.path());
    let mut driver = Driver::new(&store);
    driver.begin(&file).await;
    for chunk in [5, 0, 3] {
        driver.write(&file, chunk).await;
    }
    assert!(matches!(store.read_chunk(&file.id(), 1).await, Err(ReadError::NotHere)));
    driver.end().await;
    drop(store);

    let (store, stored) = open(folder.path());
    let mut chunks = Bits::none(6);
    [0, 3, 5].into_iter().for_each(|chunk| assert!(chunks.insert(chunk)));
    assert_eq!(stored[0].content, Content::Part { hashes: file.hashes.clone(), chunks });
    let mut driver = Driver::new(&store);
    for chunk in [1, 2, 4] {
        driver.write(&file, chunk).await;
    }

    assert!(store.is_whole(&file.id()));
    assert_eq!(content(&store, &file.id()).await, file.content);
    driver.order(StoreOrder::ReadHashes(file.id())).await;
    assert_eq!(driver.event().await, StoreEvent::Hashes { file: file.id(), hashes: Some(file.hashes) });
}

#[tokio::test]
async fn the_same_file_put_twice_is_one_and_costs_no_second_copy() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    for len in [100, 300_000] {
        let before = store.sized().0;
        let bytes = bytes(3, len);

        let first = put(&store, "a", &bytes).await.unwrap();
        let second = put(&store, "a", &bytes).await.unwrap();
        let other_name = put(&store, "b", &bytes).await.unwrap();

        assert_eq!(first.manifest, second.manifest);
        assert_ne!(first.manifest.id(), other_name.manifest.id());
        assert_eq!(store.sized().0 - before, 2 * len as u64);
    }
    assert_eq!(content_files(folder.path()).len(), 2);
    assert_eq!(incoming(folder.path()), 0);
}

#[tokio::test]
async fn a_file_has_one_id_whatever_was_guessed_of_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let options = StoreOptions { chunk_bytes: 1024, ..options() };
    let (store, _) = FileStore::open(folder.path(), options).unwrap();
    // One chunk more than a file may have.
    let bytes = bytes(4, 65_536 * 1024 + 1);

    let mut ids = Vec::new();
    for hint in [None, Some(0), Some(bytes.len() as u64), Some(1 << 32)] {
        let new = store.put("a".into(), String::new(), FileKind::File, hint, bytes.as_slice()).await.unwrap();
        assert_eq!(new.manifest.chunk_bytes, 2048);
        ids.push(new.manifest.id());
    }

    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(content(&store, &ids[0]).await, bytes);
}

#[tokio::test]
async fn a_file_put_while_it_is_fetched_is_whole_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let mut driver = Driver::new(&store);
    for len in [3_000, 3 * CHUNK as usize] {
        let file = Foreign::new("a", bytes(5, len));
        driver.begin(&file).await;
        if file.chunks() > 1 {
            driver.write(&file, 1).await;
        }
        driver.read(&file.id(), 0).await;
        let used = store.sized().0;

        let new = put(&store, "a", &file.content).await.unwrap();

        assert_eq!(new.manifest, file.entry.manifest);
        assert!(store.is_whole(&file.id()));
        assert_eq!(store.sized().0, used);
        driver.write(&file, 0).await;
    }
    driver.end().await;
    drop(store);
    let (_store, stored) = open(folder.path());
    assert!(stored.iter().all(|file| file.content == Content::Whole));
    assert_eq!(content_files(folder.path()).len(), 1);
}

#[tokio::test]
async fn the_empty_file_is_whole_once_it_is_begun() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let (fetched, put_here) = (Foreign::new("fetched", Vec::new()), Foreign::new("put", Vec::new()));
    let driver = Driver::new(&store);

    driver.begin(&fetched).await;
    let new = put(&store, "put", &[]).await.unwrap();
    driver.order(StoreOrder::Keep(put_here.entry.clone())).await;
    driver.end().await;

    assert_eq!(new.manifest.id(), put_here.id());
    assert!(store.is_whole(&fetched.id()) && store.is_whole(&new.manifest.id()));
    assert!(!store.has_chunk(&fetched.id(), 0));
    drop(store);
    let (_store, stored) = open(folder.path());
    assert!(stored.iter().all(|file| file.content == Content::Whole));
    assert_eq!(stored.len(), 2);
}

#[tokio::test]
async fn odd_names_are_kept_as_they_are_and_make_no_paths() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("store");
    let long = "n".repeat(300);
    let names =
        ["../x", "/etc/passwd", "a\0b", "", "..", "CON", "👪 családi.jpg", "a\nb", "C:\\x", long.as_str()];
    let (store, _) = open(&folder);
    let driver = Driver::new(&store);

    for name in names {
        for len in [10, 20_000] {
            let new = put(&store, name, &bytes(6, len)).await.unwrap();
            driver.order(StoreOrder::Keep(entry(new.manifest))).await;
        }
    }
    driver.end().await;
    drop(store);
    let (store, stored) = open(&folder);

    assert_eq!(stored.len(), 2 * names.len());
    for file in &stored {
        assert!(names.contains(&file.entry.manifest.name.as_str()));
        let len = file.entry.manifest.size as usize;
        assert_eq!(content(&store, &file.entry.manifest.id()).await, bytes(6, len));
    }
    assert_eq!(std::fs::read_dir(outer.path()).unwrap().count(), 1);
    let is_plain = |path: &std::path::Path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.len() == 64 + 1 + 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'.')
    };
    assert!(content_files(&folder).iter().all(|path| is_plain(path)));
}

#[tokio::test]
async fn a_name_that_is_too_long_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());

    let refused = put(&store, &"n".repeat(1025), b"x").await;

    assert!(matches!(refused, Err(PutError::NameTooLong { bytes: 1025, limit: 1024 })));
}

#[tokio::test]
async fn what_is_forgotten_stays_forgotten_until_it_is_recalled() {
    let folder = tempfile::tempdir().unwrap();
    let files = [Foreign::new("small", bytes(7, 90)), Foreign::new("large", bytes(7, 90_000))];
    let (store, _) = open(folder.path());
    let mut driver = Driver::new(&store);
    for file in &files {
        driver.begin(file).await;
        for chunk in 0..file.chunks() {
            driver.write(file, chunk).await;
        }
        driver.order(StoreOrder::Forget(file.id())).await;
        // An entry that comes again does not bring it back.
        driver.order(StoreOrder::Keep(file.entry.clone())).await;
        assert_eq!(driver.read(&file.id(), 0).await, None);
    }
    driver.end().await;
    assert_eq!(store.sized().0, 0);
    assert_eq!(content_files(folder.path()).len(), 0);
    drop(store);

    let (store, stored) = open(folder.path());
    assert!(stored.iter().all(|file| file.content == Content::Forgotten));
    let driver = Driver::new(&store);
    for file in &files {
        assert!(store.is_forgotten(&file.id()));
        driver.order(StoreOrder::Recall(file.id())).await;
    }
    driver.end().await;
    drop(store);

    let (_store, stored) = open(folder.path());
    assert_eq!(stored.len(), 2);
    assert!(stored.iter().all(|file| file.content == Content::Nothing));
}

#[tokio::test]
async fn a_forgotten_file_that_is_put_again_is_here() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let driver = Driver::new(&store);
    for len in [50, 50_000] {
        let new = put(&store, "a", &bytes(8, len)).await.unwrap();
        driver.order(StoreOrder::Keep(entry(new.manifest.clone()))).await;
        driver.order(StoreOrder::Forget(new.manifest.id())).await;
    }
    driver.end().await;

    for len in [50, 50_000] {
        put(&store, "a", &bytes(8, len)).await.unwrap();
    }

    drop(store);
    let (_store, stored) = open(folder.path());
    assert_eq!(stored.len(), 2);
    assert!(stored.iter().all(|file| file.content == Content::Whole));
}

#[tokio::test]
async fn what_nobody_kept_an_entry_of_is_gone_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    for len in [50, 50_000] {
        put(&store, "a", &bytes(9, len)).await.unwrap();
    }
    drop(store);

    let (store, stored) = open(folder.path());

    assert_eq!((stored.len(), store.sized().0), (0, 0));
    assert_eq!(content_files(folder.path()).len(), 0);
}

#[tokio::test]
async fn nothing_goes_over_the_quota() {
    let folder = tempfile::tempdir().unwrap();
    let options = StoreOptions { quota_bytes: 5_000_000, chunk_bytes: CHUNK };
    let (store, _) = FileStore::open(folder.path(), options).unwrap();
    put(&store, "a", &bytes(10, 3_000_000)).await.unwrap();
    let (large, small) = (bytes(11, 2_500_000), bytes(11, 1_900_000));

    let announced = put(&store, "b", &large).await;
    let streamed = store.put("b".into(), String::new(), FileKind::File, None, large.as_slice()).await;
    let mut driver = Driver::new(&store);
    driver.begin(&Foreign::new("c", large)).await;
    let begun = driver.event().await;

    for refused in [announced, streamed] {
        let refused = refused.unwrap_err();
        assert!(
            matches!(refused, PutError::Quota { used_bytes: 3_000_000, quota_bytes: 5_000_000 }),
            "{refused}"
        );
    }
    assert!(matches!(begun, StoreEvent::Refused { why, .. } if why.contains("quota")));
    assert_eq!(store.sized(), (3_000_000, 5_000_000));
    assert_eq!(incoming(folder.path()), 0);
    put(&store, "b", &small).await.unwrap();
}

#[tokio::test]
async fn a_file_of_five_gigabytes_is_written_from_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let (size, chunk_bytes) = (5_000_000_000, 128 * 1024);
    let last = bytes(17, (size % u64::from(chunk_bytes)) as usize);
    let mut hashes = vec![[0; 32]; size.div_ceil(u64::from(chunk_bytes)) as usize];
    *hashes.last_mut().unwrap() = *blake3::hash(&last).as_bytes();
    let manifest = Manifest::new("large".into(), size, chunk_bytes, &hashes, FileKind::File);
    let (file, chunk) = (manifest.id(), manifest.chunks() - 1);
    let mut driver = Driver::new(&store);

    driver.order(StoreOrder::Keep(entry(manifest))).await;
    driver.order(StoreOrder::Begin { file, hashes: hashes.clone() }).await;
    driver.order(StoreOrder::Write { file, chunk, bytes: last.clone() }).await;
    assert_eq!(driver.event().await, StoreEvent::Written { file, chunk });
    driver.end().await;
    drop(store);

    let (store, stored) = open(folder.path());
    let Content::Part { hashes: kept, chunks } = &stored[0].content else {
        panic!("{:?}", stored[0].content)
    };
    assert_eq!((kept, chunks.iter().collect::<Vec<_>>()), (&hashes, vec![chunk]));
    assert_eq!(store.read_chunk(&file, chunk).await.unwrap(), last);
}

#[tokio::test]
async fn orders_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let mut driver = Driver::new(&store);
    let file = Foreign::new("a", bytes(12, 40_000));
    let id = file.id();
    let is_refused = |event| matches!(event, StoreEvent::Refused { file, .. } if file == id);

    driver.order(StoreOrder::Begin { file: id, hashes: file.hashes.clone() }).await;
    assert!(is_refused(driver.event().await));
    driver.order(StoreOrder::Write { file: id, chunk: 0, bytes: file.chunk(0) }).await;
    assert!(is_refused(driver.event().await));
    driver.order(StoreOrder::Keep(file.entry.clone())).await;
    driver.order(StoreOrder::Begin { file: id, hashes: vec![[0; 32]; 3] }).await;
    assert!(is_refused(driver.event().await));
    driver.order(StoreOrder::Begin { file: id, hashes: file.hashes.clone() }).await;
    for (chunk, bytes) in [(0, Vec::new()), (0, vec![0; 20_000]), (3, vec![0; 10]), (u32::MAX, vec![0; 10])] {
        driver.order(StoreOrder::Write { file: id, chunk, bytes }).await;
        assert!(is_refused(driver.event().await));
    }
    assert_eq!(driver.read(&id, u32::MAX).await, None);
    driver.order(StoreOrder::ReadHashes(FileId([9; 32]))).await;
    assert_eq!(driver.event().await, StoreEvent::Hashes { file: FileId([9; 32]), hashes: None });
}

#[tokio::test]
async fn a_put_that_is_broken_off_leaves_nothing() {
    /// Some megabytes, and then nothing for ever, which is told.
    struct Stuck(usize, Arc<Notify>);
    impl AsyncRead for Stuck {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<std::io::Result<()>> {
            if self.0 == 0 {
                self.1.notify_one();
                return Poll::Pending;
            }
            let len = buf.remaining().min(self.0);
            buf.put_slice(&vec![1; len]);
            self.0 -= len;
            Poll::Ready(Ok(()))
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let is_stuck = Arc::new(Notify::new());

    let content = Stuck(3 << 20, is_stuck.clone());
    tokio::select! {
        put = store.put("a".into(), String::new(), FileKind::File, None, content) => panic!("{put:?}"),
        () = is_stuck.notified() => {}
    }

    let until = Instant::now() + Duration::from_secs(60);
    while (incoming(folder.path()), store.sized().0) != (0, 0) {
        assert!(Instant::now() < until, "the temporary file is still there");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_store_is_open_once_and_free_when_it_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());

    let second = FileStore::open(folder.path(), options());

    assert!(matches!(second, Err(StoreError::InUse { .. })));
    drop(store);
    open(folder.path());
}

#[tokio::test]
async fn who_waits_for_a_chunk_is_woken_when_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let file = Foreign::new("a", bytes(13, 100_000));
    let mut driver = Driver::new(&store);
    driver.begin(&file).await;
    let (reader, id) = (store.clone(), file.id());
    let reading = tokio::spawn(async move {
        let mut changes = reader.changes();
        let mut content = Vec::new();
        let mut chunk = 0;
        while chunk < 7 {
            match reader.read_chunk(&id, chunk).await {
                Ok(bytes) => (content, chunk) = ([content, bytes].concat(), chunk + 1),
                Err(ReadError::NotHere) => changes.changed().await.unwrap(),
                Err(error) => panic!("{error}"),
            }
        }
        content
    });

    for chunk in [6, 2, 0, 1, 4, 3, 5] {
        driver.write(&file, chunk).await;
    }

    assert_eq!(reading.await.unwrap(), file.content);
}

#[tokio::test]
async fn ten_thousand_small_files_go_in_and_out() {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<Foreign> =
        (0..10_000).map(|seed| Foreign::new(&format!("file {seed}"), bytes(seed, 100))).collect();
    let (store, _) = open(folder.path());
    let mut driver = Driver::new(&store);
    let orders = driver.pipes.orders.clone();
    let to_write: Vec<_> = files
        .iter()
        .map(|file| (file.entry.clone(), file.id(), file.hashes.clone(), file.chunk(0)))
        .collect();
    let giving = tokio::spawn(async move {
        for (entry, file, hashes, bytes) in to_write {
            orders.send(StoreOrder::Keep(entry)).await.unwrap();
            orders.send(StoreOrder::Begin { file, hashes }).await.unwrap();
            orders.send(StoreOrder::Write { file, chunk: 0, bytes }).await.unwrap();
        }
    });
    for _ in 0..files.len() {
        assert!(matches!(driver.event().await, StoreEvent::Written { .. }));
    }
    giving.await.unwrap();
    driver.end().await;
    drop(store);

    let started = Instant::now();
    let (store, stored) = open(folder.path());
    let opening = started.elapsed();

    assert!(opening < Duration::from_secs(5), "opening took {opening:?}");
    assert_eq!(stored.len(), files.len());
    assert!(stored.iter().all(|file| file.content == Content::Whole));
    assert_eq!(content_files(folder.path()).len(), 0);
    for file in files.iter().step_by(97) {
        assert_eq!(content(&store, &file.id()).await, file.content);
    }
}

#[tokio::test]
async fn the_log_does_not_grow_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let kept = put(&store, "kept", &bytes(14, 8_000)).await.unwrap();
    let mut driver = Driver::new(&store);
    driver.order(StoreOrder::Keep(entry(kept.manifest.clone()))).await;
    let log_bytes = || std::fs::metadata(folder.path().join("log")).unwrap().len();

    for seed in 0..4_000 {
        let file = Foreign::new("passing", bytes(seed, 8_000));
        driver.begin(&file).await;
        driver.write(&file, 0).await;
        driver.order(StoreOrder::Forget(file.id())).await;
        let until = Instant::now() + Duration::from_secs(60);
        while log_bytes() > 16_000_000 {
            assert!(Instant::now() < until, "the log is not written anew");
            tokio::task::yield_now().await;
        }
    }
    driver.end().await;

    assert_eq!(content(&store, &kept.manifest.id()).await, bytes(14, 8_000));
    drop(store);
    let (store, stored) = open(folder.path());
    assert_eq!(stored.len(), 4_001);
    assert_eq!(content(&store, &kept.manifest.id()).await, bytes(14, 8_000));
}

#[tokio::test]
async fn a_damaged_chunk_is_noticed_never_given_out_and_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let file = Foreign::new("a", bytes(15, 100_000));
    let mut driver = Driver::new(&store);
    driver.write_all(&file).await;
    flip_a_bit(&content_file(folder.path()), 2 * CHUNK as usize + 5);

    assert_eq!(driver.read(&file.id(), 1).await, Some(file.chunk(1)));
    assert!(matches!(store.read_chunk(&file.id(), 2).await, Err(ReadError::Damaged)));
    // The node did not ask, and is told all the same.
    assert_eq!(driver.event().await, StoreEvent::Read { file: file.id(), chunk: 2, bytes: None });
    assert_eq!(driver.read(&file.id(), 2).await, None);
    assert!(!store.is_whole(&file.id()));
    driver.write(&file, 2).await;
    assert_eq!(driver.read(&file.id(), 2).await, Some(file.chunk(2)));
    driver.end().await;
    drop(store);

    let (store, stored) = open(folder.path());
    assert_eq!(stored[0].content, Content::Whole);
    assert_eq!(content(&store, &file.id()).await, file.content);
}

#[tokio::test]
async fn damaged_hashes_take_the_content_with_them_which_can_begin_again() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let file = Foreign::new("a", bytes(16, 100_000));
    let mut driver = Driver::new(&store);
    driver.write_all(&file).await;
    flip_a_bit(&content_file(folder.path()), 100_003);

    driver.order(StoreOrder::ReadHashes(file.id())).await;
    assert_eq!(driver.event().await, StoreEvent::Hashes { file: file.id(), hashes: None });
    assert_eq!(store.sized().0, 0);
    driver.write_all(&file).await;

    driver.end().await;
    assert_eq!(content(&store, &file.id()).await, file.content);
}
