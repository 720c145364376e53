//! Prints how fast the store is on this disk: `cargo run --release -p manyhands-store --example figures [FOLDER]`.

#![expect(clippy::print_stdout, reason = "its figures are what it is for")]

use std::error::Error;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use manyhands_core::files::{StoreEvent, StoreOrder};
use manyhands_store::{FileStore, Pipes, StoreOptions};
use manyhands_wire::file::{CHUNK_BYTES, Entry, FileKind, Hash, Manifest};
use manyhands_wire::{FileId, PeerId, Signature};
use tokio::io::{AsyncRead, ReadBuf};

const LARGE_BYTES: u64 = 1 << 30;
const SMALL_FILES: u64 = 10_000;
const SMALL_BYTES: usize = 100;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Content that costs nothing to make.
struct Endless {
    left: u64,
    block: Vec<u8>,
}

impl AsyncRead for Endless {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let len = self.left.min(self.block.len() as u64).min(buf.remaining() as u64);
        buf.put_slice(&self.block[..len as usize]);
        self.left -= len;
        Poll::Ready(Ok(()))
    }
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let given = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = given.unwrap_or_else(|| std::env::temp_dir().join(format!("store-{}", std::process::id())));
    let outcome = measure(&folder).await;
    std::fs::remove_dir_all(&folder)?;
    outcome
}

async fn measure(folder: &std::path::Path) -> Outcome<()> {
    let (store, _) = FileStore::open(folder, StoreOptions::default())?;

    let content = Endless { left: LARGE_BYTES, block: random(1, 64 * 1024) };
    let started = Instant::now();
    let new = store.put("large".into(), String::new(), FileKind::File, Some(LARGE_BYTES), content).await?;
    say("put of 1 GiB, synced", LARGE_BYTES, started.elapsed());

    let file = new.manifest.id();
    let started = Instant::now();
    for chunk in 0..new.manifest.chunks() {
        store.read_chunk(&file, chunk).await?;
    }
    say("read of it, chunk by chunk, checked", LARGE_BYTES, started.elapsed());

    let mut pipes = store.serve();
    fetch_large(&mut pipes).await?;
    let started = Instant::now();
    store.flush();
    println!("  the rest of it synced and recorded after {:?}", started.elapsed());

    fetch_small(&mut pipes).await?;
    let Pipes { orders, events, serving } = pipes;
    drop((orders, events));
    let started = Instant::now();
    serving.join().await;
    println!("  the rest of them synced after {:?}", started.elapsed());

    let started = Instant::now();
    for seed in 0..SMALL_FILES {
        let content = random(seed + 1_000_000, SMALL_BYTES);
        store.put(format!("put {seed}"), String::new(), FileKind::File, None, content.as_slice()).await?;
    }
    println!(
        "put of {SMALL_FILES} files of {SMALL_BYTES} bytes, one after the other: {:?}",
        started.elapsed()
    );
    drop(store);

    let started = Instant::now();
    let (_store, stored) = FileStore::open(folder, StoreOptions::default())?;
    println!("opening with {} files: {:?}", stored.len(), started.elapsed());
    Ok(())
}

/// A large file by orders, as it comes from the mesh.
async fn fetch_large(pipes: &mut Pipes) -> Outcome<()> {
    let chunk = random(2, CHUNK_BYTES as usize);
    let chunks = (LARGE_BYTES / u64::from(CHUNK_BYTES)) as u32;
    let hashes = vec![*blake3::hash(&chunk).as_bytes(); chunks as usize];
    let (entry, file) = entry("fetched", LARGE_BYTES, &hashes);
    let started = Instant::now();
    pipes.orders.send(StoreOrder::Keep(entry)).await?;
    pipes.orders.send(StoreOrder::Begin { file, hashes }).await?;
    let mut given = 0;
    for written in 0..chunks {
        // At most as many chunks under way as a node gives.
        while given < chunks && given < written + 64 {
            pipes.orders.send(StoreOrder::Write { file, chunk: given, bytes: chunk.clone() }).await?;
            given += 1;
        }
        expect_written(pipes).await?;
    }
    say("write of 1 GiB by orders, until the last is answered", LARGE_BYTES, started.elapsed());
    Ok(())
}

/// Many small files by orders.
async fn fetch_small(pipes: &mut Pipes) -> Outcome<()> {
    let files: Vec<_> = (0..SMALL_FILES)
        .map(|seed| {
            let content = random(seed, SMALL_BYTES);
            let hashes = vec![*blake3::hash(&content).as_bytes()];
            (entry(&format!("small {seed}"), content.len() as u64, &hashes), hashes, content)
        })
        .collect();
    let orders = pipes.orders.clone();
    let started = Instant::now();
    let giving = tokio::spawn(async move {
        for ((entry, file), hashes, bytes) in files {
            orders.send(StoreOrder::Keep(entry)).await?;
            orders.send(StoreOrder::Begin { file, hashes }).await?;
            orders.send(StoreOrder::Write { file, chunk: 0, bytes }).await?;
        }
        Outcome::Ok(())
    });
    for _ in 0..SMALL_FILES {
        expect_written(pipes).await?;
    }
    giving.await??;
    println!("{SMALL_FILES} files of {SMALL_BYTES} bytes by orders: {:?}", started.elapsed());
    Ok(())
}

async fn expect_written(pipes: &mut Pipes) -> Outcome<()> {
    match pipes.events.recv().await {
        Some(StoreEvent::Written { .. }) => Ok(()),
        other => Err(format!("{other:?} instead of a chunk written").into()),
    }
}

fn entry(name: &str, size: u64, hashes: &[Hash]) -> (Entry, FileId) {
    let manifest = Manifest::new(name.into(), size, CHUNK_BYTES, hashes, FileKind::File);
    let file = manifest.id();
    let (by, signature) = (PeerId([1; 32]), Signature([2; 64]));
    (Entry { manifest, media_type: String::new(), put_ms: 7, by, signature }, file)
}

fn random(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn say(what: &str, bytes: u64, took: Duration) {
    let speed = bytes as f64 / took.as_secs_f64() / 1e6;
    println!("{what}: {took:?}, {speed:.0} MB/s");
}
