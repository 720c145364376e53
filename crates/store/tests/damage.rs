//! Whatever happens to the files of a store while it is closed: it opens with what is right, or says that it cannot.

#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Driver, Foreign, bytes, entry, options, put};
use manyhands_core::files::{Content, StoreOrder};
use manyhands_store::FileStore;
use proptest::prelude::*;
use tempfile::TempDir;

/// What is done to one file of the folder, chosen by its number; places are in parts of 65,536 of its length.
#[derive(Clone, Debug)]
enum Blow {
    Flip(usize, u16, u8),
    Cut(usize, u16),
    Overwrite(usize, u16, Vec<u8>),
    Delete(usize),
    Swap(usize, usize),
}

fn blow() -> impl Strategy<Value = Blow> {
    let which = 0..64_usize;
    prop_oneof![
        8 => (which.clone(), any::<u16>(), 1..=255_u8).prop_map(|(file, at, bits)| Blow::Flip(file, at, bits)),
        2 => (which.clone(), any::<u16>()).prop_map(|(file, at)| Blow::Cut(file, at)),
        2 => (which.clone(), any::<u16>(), proptest::collection::vec(any::<u8>(), 1..300))
            .prop_map(|(file, at, bytes)| Blow::Overwrite(file, at, bytes)),
        1 => which.clone().prop_map(Blow::Delete),
        1 => (which.clone(), which).prop_map(|(one, other)| Blow::Swap(one, other)),
    ]
}

/// The log four times, so that it gets its share of the blows, and all content.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut content =
        if folder.join("content").exists() { common::content_files(folder) } else { Vec::new() };
    content.sort();
    let log = folder.join("log");
    if log.exists() { [vec![log; 4], content].concat() } else { content }
}

fn strike(folder: &Path, blow: &Blow) {
    let files = files(folder);
    if files.is_empty() {
        return;
    }
    let pick = |which: usize| &files[which % files.len()];
    let place = |len: usize, at: u16| len * usize::from(at) / 65_536;
    match blow {
        Blow::Flip(which, at, bits) => {
            let mut bytes = fs::read(pick(*which)).unwrap();
            let at = place(bytes.len(), *at);
            bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= bits);
            fs::write(pick(*which), bytes).unwrap();
        }
        Blow::Cut(which, at) => {
            let mut bytes = fs::read(pick(*which)).unwrap();
            bytes.truncate(place(bytes.len(), *at));
            fs::write(pick(*which), bytes).unwrap();
        }
        Blow::Overwrite(which, at, with) => {
            let mut bytes = fs::read(pick(*which)).unwrap();
            let at = place(bytes.len(), *at);
            bytes.splice(at..(at + with.len()).min(bytes.len()), with.iter().copied());
            fs::write(pick(*which), bytes).unwrap();
        }
        Blow::Delete(which) => fs::remove_file(pick(*which)).unwrap(),
        Blow::Swap(one, other) => {
            let (first, second) = (fs::read(pick(*one)).unwrap(), fs::read(pick(*other)).unwrap());
            fs::write(pick(*one), second).unwrap();
            fs::write(pick(*other), first).unwrap();
        }
    }
}

/// A store with some of everything; what is partial or forgotten had other times before.
async fn furnished() -> (TempDir, Vec<Foreign>) {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = FileStore::open(folder.path(), options()).unwrap();
    let mut driver = Driver::new(&store);
    let lens = [0, 1, 500, 8_000, 20_000, 70_000, 100_000, 40_000];
    let files: Vec<Foreign> = lens
        .iter()
        .zip(0..)
        .map(|(len, seed)| Foreign::new(&format!("f{seed}"), bytes(seed, *len)))
        .collect();
    for (at, file) in files.iter().enumerate() {
        if at % 3 == 0 {
            put(&store, &file.entry.manifest.name, &file.content).await.unwrap();
            driver.order(StoreOrder::Keep(entry(file.entry.manifest.clone()))).await;
            continue;
        }
        driver.begin(file).await;
        for chunk in 0..file.chunks() {
            driver.write(file, chunk).await;
        }
        if at % 3 == 2 {
            driver.order(StoreOrder::Forget(file.id())).await;
        }
        if at == 5 {
            driver.order(StoreOrder::Recall(file.id())).await;
            driver.begin(file).await;
            driver.write(file, 1).await;
            driver.write(file, 4).await;
        }
        store.flush();
    }
    driver.end().await;
    (folder, files)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let target = to.join(file.file_name());
        if file.file_type().unwrap().is_dir() {
            copy(&file.path(), &target);
        } else {
            fs::copy(file.path(), target).unwrap();
        }
    }
}

/// Whatever opens has nothing but what was there, and can be made whole.
async fn check(folder: &Path, files: &[Foreign]) {
    let Ok((store, stored)) = FileStore::open(folder, options()) else { return };
    let mut driver = Driver::new(&store);
    for kept in &stored {
        let file = files.iter().find(|file| file.entry == kept.entry).expect("no entry is made up");
        let claimed: Vec<u32> = match &kept.content {
            Content::Nothing | Content::Forgotten => Vec::new(),
            Content::Whole => (0..file.chunks()).collect(),
            Content::Part { hashes, chunks } => {
                assert_eq!(*hashes, file.hashes);
                chunks.iter().collect()
            }
        };
        for chunk in claimed {
            if let Some(bytes) = driver.read(&file.id(), chunk).await {
                assert_eq!(bytes, file.chunk(chunk));
            }
        }
    }
    for file in files {
        driver.order(StoreOrder::Recall(file.id())).await;
        driver.begin(file).await;
        for chunk in 0..file.chunks() {
            driver.write(file, chunk).await;
        }
    }
    driver.end().await;
    assert!(files.iter().all(|file| store.is_whole(&file.id())));
    drop(store);
    let (_store, stored) = FileStore::open(folder, options()).unwrap();
    assert!(stored.iter().all(|file| file.content == Content::Whole));
    assert_eq!(stored.len(), files.len());
}

#[test]
fn a_damaged_store_gives_an_error_or_what_is_right() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (sound, files) = runtime.block_on(furnished());
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 150,
        failure_persistence: None,
        ..ProptestConfig::default()
    });

    let blows = proptest::collection::vec(blow(), 1..5);
    let outcome = runner.run(&blows, |blows| {
        let folder = tempfile::tempdir().unwrap();
        copy(sound.path(), folder.path());
        blows.iter().for_each(|blow| strike(folder.path(), blow));
        runtime.block_on(check(folder.path(), &files));
        Ok(())
    });

    outcome.unwrap();
}

#[test]
fn a_log_that_is_cut_anywhere_gives_what_was_before() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (sound, files) = runtime.block_on(furnished());
    let log = fs::read(sound.path().join("log")).unwrap();

    for len in (0..log.len()).step_by(487) {
        let folder = tempfile::tempdir().unwrap();
        copy(sound.path(), folder.path());
        fs::write(folder.path().join("log"), &log[..len]).unwrap();
        runtime.block_on(check(folder.path(), &files));
    }
}
