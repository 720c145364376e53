//! How well a swarm of native peers spreads a large file, in one process and on real links.
//!
//! First the machine's links are measured by themselves, as many at once as peers that give; that is what the file's bytes can
//! go through at most. Then one peer puts a file, and all others fetch it. The least time there can be is that of M + log2 N
//! rounds, in each of which every peer gives one chunk (M chunks, N peers). Prints one line of JSON.
//!
//! `cargo run --release -p manyhands-peer --example swarm_bench -- --peers 8 --file-mb 200`

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use clap::Parser;
use common::Party;
use common::memory_store::MemoryStore;
use manyhands_core::Command;
use manyhands_core::files::FileState;
use manyhands_core::view::LinkState;
use manyhands_peer::Peer;
use manyhands_peer::measure::{BulkRun, bulk};
use manyhands_wire::FileId;
use manyhands_wire::bulk::PART_BYTES_MAX;

/// Measures how well a swarm of native peers spreads a large file.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many peers, the one that puts the file among them.
    #[arg(long, default_value_t = 8)]
    peers: u8,
    /// How large the file is, in megabytes.
    #[arg(long, default_value_t = 200)]
    file_mb: usize,
    /// How large its chunks are, in KiB.
    #[arg(long, default_value_t = 64)]
    chunk_kib: u32,
}

const PATIENCE: Duration = Duration::from_secs(600);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the line of JSON is what this program is for")]
async fn main() {
    let arguments = Arguments::parse();
    let bytes = arguments.file_mb * 1_000_000;
    let content: Vec<u8> =
        (0..bytes as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();

    let pairs = usize::from(arguments.peers / 2).max(1);
    let run =
        BulkRun { message_bytes: PART_BYTES_MAX, total_bytes: bytes, send_buffer_bytes: None, path: None };
    let before = channels(pairs, run).await;

    let party = Party::open().await;
    let (stores, ends): (Vec<_>, Vec<_>) = (0..arguments.peers).map(|_| MemoryStore::start()).unzip();
    let peers: Vec<Peer> = (1..).zip(ends).map(|(n, store)| party.keeper(n, store)).collect();
    for peer in &peers {
        let all = usize::from(arguments.peers) - 1;
        common::view_where(peer, PATIENCE, |view| {
            view.peers.iter().filter(|peer| peer.link == LinkState::Open).count() == all
        })
        .await;
    }
    let new = stores[0].put("large", &content, arguments.chunk_kib * 1024);
    let (file, chunks) = (new.manifest.id(), new.manifest.chunks());
    let start = Instant::now();
    peers[0].command(Command::AddFile(new)).await;
    let mut first = None;
    for peer in &peers[1..] {
        is_here(peer, file).await;
        first.get_or_insert(start.elapsed());
    }
    let took = start.elapsed().as_secs_f64();
    // The views are made anew now and then.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let files = |peer: &Peer| peer.views().borrow().files.clone().unwrap_or_default();
    let seeder_copies = files(&peers[0]).sent_bytes as f64 / bytes as f64;
    let wasted: u64 = peers.iter().map(|peer| files(peer).wasted_bytes).sum();
    futures_util::future::join_all(peers.into_iter().map(leave)).await;
    party.close();
    drop(stores);

    // The machine may have become slower or faster meanwhile.
    let after = channels(pairs, run).await;
    let channel = (before + after) / 2.0;
    let count = f64::from(arguments.peers);
    let rounds = f64::from(chunks) + count.log2().floor();
    let round_s = f64::from(arguments.chunk_kib * 1024) / (channel / count);
    let bound_s = rounds * round_s;
    println!(
        "{{\"peers\":{},\"file_mb\":{},\"seeder_copies\":{seeder_copies:.3},\"took_s\":{took:.2},\"bound_s\":{bound_s:.2},\
         \"took_over_bound\":{:.3},\"channels_mb_s\":{:.1},\"swarm_mb_s\":{:.1},\"wasted_bytes\":{wasted}}}",
        arguments.peers,
        arguments.file_mb,
        took / bound_s,
        channel / 1e6,
        bytes as f64 * (count - 1.0) / took / 1e6,
    );
}

/// How many bytes a second go over so many links at once, all together.
async fn channels(count: usize, run: BulkRun) -> f64 {
    let all: Vec<_> = (0..count).map(|_| tokio::spawn(bulk(run))).collect();
    let mut sum = 0.0;
    for one in all {
        sum += one.await.ok().flatten().map_or(0.0, |measured| measured.bytes_per_second);
    }
    sum
}

async fn is_here(peer: &Peer, file: FileId) {
    let mut files = peer.files();
    let here =
        files.wait_for(|files| files.iter().any(|info| info.id == file && info.state == FileState::Here));
    let _ = tokio::time::timeout(PATIENCE, here).await.expect("the file comes in time");
}

async fn leave(peer: Peer) {
    peer.command(Command::Leave).await;
    peer.finished().await;
}
