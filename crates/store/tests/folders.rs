//! Which folders a store opens in: it removes nothing that is not its own.

#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod common;

use std::fs;
use std::path::Path;

use common::{Driver, bytes, content_file, entry, open, options, put};
use manyhands_core::files::{Content, StoreOrder};
use manyhands_store::{FileStore, StoreError};

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Opening must fail, and leave nothing but what is there.
fn is_left_alone(folder: &Path, names: &[&str]) -> StoreError {
    let refused = FileStore::open(folder, options()).unwrap_err();
    for name in names {
        assert_eq!(fs::read_to_string(folder.join(name)).unwrap(), "mine", "{name}");
    }
    let tops: std::collections::BTreeSet<_> = names.iter().map(|name| name.split('/').next()).collect();
    assert_eq!(fs::read_dir(folder).unwrap().count(), tops.len(), "something was added");
    refused
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    for names in [
        &["letter.txt"][..],
        &["letter.txt", "incoming/thesis.txt"],
        &["log.new"],
        &["lock", "content.txt"],
        &["content/ab/photo.jpg", "letter.txt"],
    ] {
        let folder = tempfile::tempdir().unwrap();
        names.iter().for_each(|name| write(&folder.path().join(name), "mine"));

        let refused = is_left_alone(folder.path(), names);

        let is_right = matches!(refused, StoreError::Foreign { .. } | StoreError::Damaged { .. });
        assert!(is_right, "{refused}");
    }
}

#[test]
fn folders_called_as_the_stores_own_are_left_alone_with_what_is_in_them() {
    for name in ["incoming/thesis.txt", "content/ab/photo.jpg", "content/photo.jpg", "log"] {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join(name), "mine");

        let refused = is_left_alone(folder.path(), &[name]);

        assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
    }
}

#[test]
fn a_store_whose_making_was_broken_off_is_made_again() {
    for start in ["", "MHST", "MHSTORE1 and a part of what follows"] {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("lock"), "");
        write(&folder.path().join("log.new"), start);
        fs::create_dir_all(folder.path().join("lost+found")).unwrap();
        fs::create_dir_all(folder.path().join("content/ab")).unwrap();

        let (_store, stored) = open(folder.path());

        assert_eq!(stored.len(), 0);
        assert!(!folder.path().join("log.new").exists());
    }
}

#[tokio::test]
async fn only_what_is_called_as_the_stores_own_is_removed_from_a_store() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let name = format!("{}.{}", "ab".repeat(32), "0".repeat(16));
    let (left_over, half_put) = (format!("content/ab/{name}"), "incoming/0123456789abcdef");
    let others = ["incoming/thesis.txt", "content/ab/photo.jpg", "letter.txt"];
    for path in [&left_over, half_put].into_iter().chain(others) {
        write(&folder.path().join(path), "mine");
    }

    open(folder.path());

    assert!(!folder.path().join(left_over).exists() && !folder.path().join(half_put).exists());
    assert!(others.iter().all(|name| folder.path().join(name).exists()));
}

/// A link to itself cannot be opened, which says nothing of the content that was there.
#[cfg(unix)]
#[tokio::test]
async fn content_that_the_system_does_not_let_read_is_not_thrown_away() {
    for is_log_damaged in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(folder.path());
        let new = put(&store, "a", &bytes(1, 100_000)).await.unwrap();
        let driver = Driver::new(&store);
        driver.order(StoreOrder::Keep(entry(new.manifest.clone()))).await;
        driver.end().await;
        // Two records of which the first may be damaged: nothing that counts.
        store.discard(&put(&store, "b", b"b").await.unwrap().manifest.id()).await;
        drop(store);
        if is_log_damaged {
            let log = folder.path().join("log");
            let mut bytes = fs::read(&log).unwrap();
            let at = bytes.len() - 100;
            bytes[at] ^= 1;
            fs::write(log, bytes).unwrap();
        }
        let (path, aside) = (content_file(folder.path()), folder.path().join("aside"));
        fs::rename(&path, &aside).unwrap();
        std::os::unix::fs::symlink(&path, &path).unwrap();

        let refused = FileStore::open(folder.path(), options()).unwrap_err();

        assert!(matches!(refused, StoreError::Io { .. }), "{refused}");
        fs::rename(&aside, &path).unwrap();
        let (_store, stored) = open(folder.path());
        assert_eq!(stored[0].content, Content::Whole);
    }
}
