//! A program that is killed while it fetches and puts: what the store says afterwards is true, and the rest can be fetched.
//!
//! The program is this test's own binary, started anew with a folder to work on. It says a line for every chunk, and is killed
//! after a certain number of them.

#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod common;

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{Driver, Foreign, bytes, content_files, incoming, open, put};
use manyhands_core::files::{Content, StoreEvent, StoreOrder, Stored};
use manyhands_store::{FileStore, PutError};

const FOLDER: &str = "MANYHANDS_STORE_CRASH_FOLDER";
const LIMIT: &str = "MANYHANDS_STORE_LIMIT_FOLDER";

fn files() -> Vec<Foreign> {
    let lens = (0..60).map(|seed| (seed, if seed % 4 == 0 { 1_500_000 } else { 100 * seed as usize }));
    lens.map(|(seed, len)| Foreign::new(&format!("file {seed}"), bytes(seed, len))).collect()
}

fn missing(file: &Foreign, stored: &[Stored]) -> Vec<u32> {
    let content = stored.iter().find(|kept| kept.entry == file.entry).map(|kept| &kept.content);
    match content {
        Some(Content::Whole) => Vec::new(),
        Some(Content::Part { chunks, .. }) => chunks.missing().collect(),
        Some(Content::Nothing | Content::Forgotten) | None => (0..file.chunks()).collect(),
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_that_fetches_and_puts() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let (store, stored) = open(&folder);
    let putting = tokio::spawn({
        let store = store.clone();
        async move {
            for seed in 0.. {
                put(&store, "put", &bytes(1_000 + seed, 400_000)).await.unwrap();
            }
        }
    });
    let mut driver = Driver::new(&store);
    for file in files() {
        driver.begin(&file).await;
        // Backwards, which no reader ahead would like.
        let missing = missing(&file, &stored);
        for (at, chunk) in missing.into_iter().rev().enumerate() {
            driver.write(&file, chunk).await;
            say("chunk");
            if at % 40 == 39 {
                store.flush();
            }
        }
    }
    putting.abort();
    say("done");
    driver.end().await;
}

fn child(folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "child_that_fetches_and_puts", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped());
    command
}

/// Every chunk that the store says is here has the right bytes. Answers how many there are.
fn check(store: &FileStore, stored: &[Stored], runtime: &tokio::runtime::Runtime) -> usize {
    let mut chunks = 0;
    for file in files() {
        let missing: HashSet<u32> = missing(&file, stored).into_iter().collect();
        for chunk in (0..file.chunks()).filter(|chunk| !missing.contains(chunk)) {
            let bytes = runtime.block_on(store.read_chunk(&file.id(), chunk)).unwrap();
            assert_eq!(bytes, file.chunk(chunk), "{} {chunk}", file.entry.manifest.name);
            chunks += 1;
        }
    }
    chunks
}

#[test]
fn a_store_that_was_killed_at_any_time_tells_the_truth_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (mut chunks_before, mut is_done) = (0, false);
    for round in 0..100 {
        let mut child = child(folder.path()).spawn().unwrap();
        let lines_max = 20 + 67 * (round % 5);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        for (at, line) in lines.filter(|line| line.contains("chunk") || line.contains("done")).enumerate() {
            is_done = line.contains("done");
            if is_done || at == lines_max {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();

        let (store, stored) = open(folder.path());
        let chunks = check(&store, &stored, &runtime);
        assert!(chunks >= chunks_before, "what was there is lost: {chunks} of {chunks_before} chunks");
        assert_eq!(incoming(folder.path()), 0);
        let large = stored
            .iter()
            .filter(|kept| kept.entry.manifest.size > 8 * 1024 && kept.content != Content::Nothing);
        assert_eq!(content_files(folder.path()).len(), large.count(), "files are left over");
        chunks_before = chunks;
        if is_done {
            break;
        }
    }
    assert!(is_done, "it did not come to its end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_that_may_write_no_long_files() {
    let Some(folder) = std::env::var_os(LIMIT).map(PathBuf::from) else { return };
    let (store, _) = open(&folder);
    let mut driver = Driver::new(&store);
    let (long, short) = (bytes(1, 3_000_000), bytes(2, 200_000));

    let refused = put(&store, "long", &long).await;
    assert!(matches!(refused, Err(PutError::DiskFull)), "{refused:?}");
    let file = Foreign::new("fetched", long);
    driver.begin(&file).await;
    let StoreEvent::Refused { why, .. } = driver.event().await else { panic!("it is not refused") };
    assert_eq!(why, "the disk is full");
    put(&store, "short", &short).await.unwrap();
    let file = Foreign::new("short too", short);
    driver.begin(&file).await;
    driver.write(&file, 0).await;
    driver.order(StoreOrder::Forget(file.id())).await;
    driver.end().await;
    say("survived");
}

/// The system itself refuses to write beyond a certain length, as it refuses on a full disk.
#[cfg(unix)]
#[test]
fn a_system_that_refuses_to_write_leaves_the_store_usable() {
    let folder = tempfile::tempdir().unwrap();
    // In units of 512 bytes. A signal would end the program if it were not ignored, which children inherit.
    let script =
        r#"trap "" XFSZ; ulimit -f 2000; exec "$0" --exact child_that_may_write_no_long_files --nocapture"#;

    let output = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env(LIMIT, folder.path())
        .output()
        .unwrap();

    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("survived"), "{output:?}");
    assert_eq!(incoming(folder.path()), 0);
}
