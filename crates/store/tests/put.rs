//! Putting files, as those who take them from a person rely on it: what is new, what comes to nothing, and what lasts.

#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod common;

use common::{Driver, Foreign, bytes, content, content_files, entry, open};
use manyhands_core::files::{Content, NewFile, StoreOrder};
use manyhands_store::FileStore;
use manyhands_wire::file::FileKind;

async fn put_new(store: &FileStore, content: &[u8]) -> (NewFile, bool) {
    store.put_new("a".into(), String::new(), FileKind::File, None, content).await.unwrap()
}

#[tokio::test]
async fn a_put_says_whether_its_content_was_new() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    for len in [0, 100, 300_000] {
        let bytes = bytes(1, len);

        let (first, is_first_new) = put_new(&store, &bytes).await;
        let (second, is_second_new) = put_new(&store, &bytes).await;

        assert_eq!(first.manifest, second.manifest);
        assert_eq!((is_first_new, is_second_new), (true, false));
    }
}

#[tokio::test]
async fn a_put_that_is_discarded_leaves_nothing_and_can_be_done_again() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    for len in [100, 300_000] {
        let bytes = bytes(2, len);
        let (new, _) = put_new(&store, &bytes).await;
        let file = new.manifest.id();

        store.discard(&file).await;

        assert_eq!((store.manifest(&file), store.sized().0), (None, 0));
        assert_eq!(content_files(folder.path()).len(), 0);
        let (_, is_new) = put_new(&store, &bytes).await;
        assert!(is_new);
        assert_eq!(content(&store, &file).await, bytes);
        store.discard(&file).await;
    }
}

#[tokio::test]
async fn a_discarded_put_of_a_listed_file_leaves_it_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    for len in [100, 100_000] {
        let (store, _) = open(folder.path());
        let file = Foreign::new("a", bytes(3, len));
        let id = file.id();
        let mut driver = Driver::new(&store);
        driver.order(StoreOrder::Keep(file.entry.clone())).await;
        driver.read(&id, 0).await;

        put_new(&store, &file.content).await;
        store.discard(&id).await;

        assert_eq!((driver.read(&id, 0).await, store.is_forgotten(&id)), (None, false));

        driver.order(StoreOrder::Forget(id)).await;
        driver.read(&id, 0).await;
        put_new(&store, &file.content).await;
        store.discard(&id).await;

        assert_eq!((driver.read(&id, 0).await, store.is_forgotten(&id)), (None, true));

        driver.order(StoreOrder::Recall(id)).await;
        driver.begin(&file).await;
        driver.write(&file, 0).await;
        put_new(&store, &file.content).await;
        store.discard(&id).await;

        // The node counts on what it has begun, and a whole file is more than that.
        assert_eq!(driver.read(&id, 0).await, Some(file.chunk(0)));
        driver.order(StoreOrder::Forget(id)).await;
        driver.end().await;
    }
    let (store, stored) = open(folder.path());
    assert!(stored.iter().all(|file| file.content == Content::Forgotten));
    assert_eq!((stored.len(), store.sized().0), (2, 0));
}

#[tokio::test]
async fn what_was_discarded_does_not_come_back_with_its_entry_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let driver = Driver::new(&store);
    for len in [100, 100_000] {
        let (new, _) = put_new(&store, &bytes(4, len)).await;
        store.discard(&new.manifest.id()).await;
        driver.order(StoreOrder::Keep(entry(new.manifest))).await;
    }
    driver.end().await;
    drop(store);

    let (store, stored) = open(folder.path());

    assert_eq!((stored.len(), store.sized().0), (2, 0));
    assert!(stored.iter().all(|file| file.content == Content::Nothing));
}

#[tokio::test]
async fn a_file_is_kept_once_the_node_has_given_its_entry() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let (new, _) = put_new(&store, b"content").await;
    let file = new.manifest.id();
    assert!(!store.is_kept(&file));
    let mut changes = store.changes();

    let driver = Driver::new(&store);
    driver.order(StoreOrder::Keep(entry(new.manifest))).await;
    changes.wait_for(|_| store.is_kept(&file)).await.unwrap();

    assert!(store.flush());
    driver.end().await;
}
