//! Peers on real links give each other files.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::Party;
use common::memory_store::MemoryStore;
use manyhands_core::Command;
use manyhands_core::files::{ChunkState, FileInfo, FileState};
use manyhands_peer::Peer;
use manyhands_wire::FileId;
use tokio::time::timeout;

/// Generous: other work on the machine must not fail these.
const SOON: Duration = Duration::from_secs(60);

async fn here(peer: &Peer, file: FileId) -> FileInfo {
    let is_here = |info: &&FileInfo| info.id == file && info.state == FileState::Here;
    let mut files = peer.files();
    let listed = timeout(SOON, files.wait_for(|files| files.iter().any(|info| is_here(&info)))).await;
    let listed = Arc::clone(&listed.expect("the file comes in time").unwrap());
    listed.iter().find(is_here).unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_put_at_one_peer_comes_to_all_byte_for_byte() {
    const BYTES: usize = 8_000_001;
    let party = Party::open().await;
    let (stores, ends): (Vec<_>, Vec<_>) = (0..3).map(|_| MemoryStore::start()).unzip();
    let peers: Vec<Peer> = (1..).zip(ends).map(|(n, store)| party.keeper(n, store)).collect();
    let content: Vec<u8> = (0..BYTES).map(|i| (i * i / 7 % 251) as u8).collect();

    let new = stores[0].put("numbers", &content, 64 * 1024);
    let file = new.manifest.id();
    let start = Instant::now();
    peers[0].command(Command::AddFile(new)).await;

    for (peer, store) in peers.iter().zip(&stores) {
        let info = here(peer, file).await;
        assert_eq!((info.size, info.chunks, info.chunks_here), (BYTES as u64, 123, 123));
        assert!(store.content(&file).as_ref() == Some(&content), "the bytes differ");
    }
    println!("all have it after {:?}", start.elapsed());
    let states = peers[2].chunk_states(file).await.unwrap();
    assert_eq!(states.len(), 123);
    assert!(states.iter().all(|state| matches!(state, ChunkState::From(_))), "{states:?}");
    assert_eq!(peers[1].commands().chunk_states(file).await.unwrap().len(), 123);
    assert_eq!(peers[0].chunk_states(FileId([0; 32])).await, None);

    for peer in peers {
        peer.command(Command::Leave).await;
        timeout(SOON, peer.finished()).await.unwrap();
    }
    party.close();
}
