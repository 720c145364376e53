//! A party in one process: a signaling server, a host, and as many friends as one likes, all on real links.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]
#![allow(dead_code, reason = "each test and example uses a part of this")]

pub(crate) mod memory_store;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use manyhands_core::files::FilesConfig;
use manyhands_core::view::{PeerView, Phase, View};
use manyhands_core::{Config, HostConfig, Node, RoomKey, Time};
use manyhands_peer::{JobLedger, Options, Peer, Store, spawn, spawn_with_store};
use manyhands_signaling::{ServedRooms, Server, router};
use manyhands_wire::frame::PeerKind;
use manyhands_wire::{JobKind, JobSpec};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const HOST_SECRET: [u8; 32] = [1; 32];

/// A signaling server and the room it serves.
pub(crate) struct Party {
    room: RoomKey,
    address: String,
    server: Arc<Server>,
    serving: JoinHandle<()>,
}

/// What one peer lends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lends {
    /// How many threads.
    pub(crate) threads: u16,
    /// The share of each thread's time, in thousandths.
    pub(crate) permille: u16,
}

impl Party {
    /// Opens the room, with nobody in it.
    pub(crate) async fn open() -> Self {
        let nowhere = RoomKey { host: [0; 16], key: [2; 16] };
        let host = Node::new(config(HOST_SECRET, nowhere, 1, "", None), Time::ZERO).id();
        let room = RoomKey::new(&host, [2; 16]);
        let server = Server::new(ServedRooms::Only([room.room_id()].into()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let app = router(server.clone()).into_make_service_with_connect_info::<SocketAddr>();
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { room, address, server, serving }
    }

    /// The host, who waits for so many friends.
    pub(crate) fn host(&self, kind: JobKind, wait: u16, lends: Lends) -> Peer {
        let spec = JobSpec { kind, asked_by: "Liz".into(), salt: [3; 16] };
        let host = HostConfig { spec, ledger: None, saved: Vec::new(), wait };
        spawn(config(HOST_SECRET, self.room, lends.threads, &self.address, Some(host)), options(lends))
    }

    /// Friend number `n`, from 1.
    pub(crate) fn friend(&self, n: u8, lends: Lends) -> Peer {
        spawn(config([100 + n; 32], self.room, lends.threads, &self.address, None), options(lends))
    }

    /// Friend number `n`, from 1, who computes nothing and keeps files.
    pub(crate) fn keeper(&self, n: u8, store: Store) -> Peer {
        let files = FilesConfig { quota_bytes: 1 << 30, ..FilesConfig::default() };
        let config =
            Config { files: Some(files), ..config([100 + n; 32], self.room, 0, &self.address, None) };
        spawn_with_store(config, options(Lends { threads: 0, permille: 1000 }), Some(store))
    }

    /// Ends signaling; links stay.
    pub(crate) fn close(self) {
        self.server.shut_down();
        self.serving.abort();
    }
}

fn options(lends: Lends) -> Options {
    let Lends { threads, permille } = lends;
    Options { throttle_permille: permille, threads_max: threads }
}

fn config(secret: [u8; 32], room: RoomKey, threads: u16, server: &str, host: Option<HostConfig>) -> Config {
    Config {
        secret,
        room,
        seed: secret,
        name: String::new(),
        kind: PeerKind::Native,
        threads,
        servers: vec![server.to_owned()],
        address: String::new(),
        remembered: None,
        host,
        files: None,
    }
}

/// The first view that is as it should be.
pub(crate) async fn view_where(peer: &Peer, within: Duration, is_so: impl FnMut(&View) -> bool) -> View {
    let mut views = peer.views();
    match timeout(within, views.wait_for(is_so)).await {
        Ok(view) => view.unwrap().clone(),
        Err(_) => panic!("not in {within:?}, but {:#?}", *peer.views().borrow()),
    }
}

/// The view once everything is finished.
pub(crate) async fn finished(peer: &Peer, within: Duration) -> View {
    view_where(peer, within, |view| view.phase == Phase::Finished).await
}

/// The ledger once it is complete.
pub(crate) async fn complete(peer: &Peer, within: Duration) -> JobLedger {
    let mut ledgers = peer.ledgers();
    let is_complete = |known: &Option<JobLedger>| known.as_ref().is_some_and(|job| job.1.is_complete());
    let known = timeout(within, ledgers.wait_for(is_complete)).await.expect("complete in time").unwrap();
    known.clone().unwrap()
}

/// The peer itself, in its own view.
pub(crate) fn me(view: &View) -> &PeerView {
    view.peers.iter().find(|peer| peer.me).unwrap()
}
