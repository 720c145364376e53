//! One node of a network: a process that links, hears and passes on, and computes where the network has a job.
//!
//! Whoever starts it says on its standard input what it is to be, in one line of JSON, and then, once the whole
//! network is up, that it may stay. If that input ends before, whoever started it is gone, and so goes the node: a start
//! that fails or is broken off leaves nothing running.

use std::io::{BufRead as _, stdin};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::{Duration, Instant, UNIX_EPOCH};

use anyhow::Context as _;
use manyhands_core::{Config, Event, HostConfig, RoomKey};
use manyhands_peer::Options;
use manyhands_signaling::{ServedRooms, Server};
use manyhands_wire::JobSpec;
use manyhands_wire::frame::PeerKind;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::log::Log;
use super::state::{is_allowed, live};
use crate::cli::ListenArgs;
use crate::doors::entries;
use crate::exit::{Failure, Outcome, Reason};
use crate::files;
use crate::files::args::FilesArgs;
use crate::http::{NodeFace, Web, router};
use crate::identity::random;
use crate::listen::{Serving, listen};
use crate::signals::Signals;
use crate::voice;

/// What a node is told when it may stay.
pub(super) const STAY: &str = "stay";
/// How many commands over HTTP may wait.
const COMMANDS_MAX: usize = 16;
/// How often a node looks whether it may still run: whoever started it may have removed its folder, and forgotten it.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long a peer that was told to leave at once may take.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// What a node is to be.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Orders {
    /// The part of an invite after the `#`.
    pub(super) room: String,
    /// The node's name.
    pub(super) name: String,
    /// Its port.
    pub(super) port: u16,
    /// The addresses of the nodes it starts from.
    pub(super) from: Vec<String>,
    /// The file that is locked for as long as it lives.
    pub(super) lock: PathBuf,
    /// How it keeps files, and where.
    pub(super) files: Option<(FilesArgs, PathBuf)>,
    /// How many threads it lends.
    pub(super) threads: u16,
    /// The job that it hosts, if it is the one that does.
    pub(super) host: Option<HostOrders>,
}

/// What the one node is told that hosts the network's job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct HostOrders {
    /// The secret half of the key that the room is bound to.
    pub(super) secret: [u8; 32],
    /// The job. It waits until somebody says that it may begin.
    pub(super) job: JobSpec,
}

/// Runs a node until it is told to leave.
pub(crate) fn run(log: &Log) -> Outcome {
    let mut line = String::new();
    stdin().lock().read_line(&mut line)?;
    let orders: Orders = serde_json::from_str(&line).map_err(|error| {
        Failure::new(Reason::Usage, format!("a node is told on its input what to be: {error}"))
    })?;
    let _alive = live(&orders.lock)?;
    // Only now: whoever takes the permission away looks at the lock after that.
    if !is_allowed(&orders.lock, &orders.room) {
        return Ok(());
    }
    // One thread is enough for links that are mostly silent, and keeps the memory of many nodes small.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(serve(orders, log));
    runtime.shutdown_background();
    outcome
}

async fn serve(orders: Orders, log: &Log) -> Outcome {
    let mut signals = Signals::new()?;
    let abandoned = abandoned();
    tokio::pin!(abandoned);
    // The terminal of whoever started it may be closed.
    #[cfg(unix)]
    let _unheard = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
    let room = RoomKey::parse_fragment(&orders.room).context("the room of a node")?;
    let listener = listen(&ListenArgs { port: orders.port, bind: IpAddr::V4(Ipv4Addr::LOCALHOST) }).await?;
    let own = format!("http://{}", listener.local_addr()?);
    let is_host = orders.host.is_some();
    let config = config(&orders, room, own)?;
    let files = match orders.files {
        Some((args, folder)) => files::open(&args, Some(folder), voice::print_error, &mut signals).await?,
        None => None,
    };
    let options = Options { throttle_permille: 1000, threads_max: orders.threads };
    let (peer, files) = files::spawn(config, options, files);
    let mut events = peer.events();
    let views = peer.views();
    let (commands, mut control) = mpsc::channel(COMMANDS_MAX);
    let server = Server::new(ServedRooms::Only([room.room_id()].into()));
    let face = files.as_ref().map(|files| files.face(&peer, commands.clone()));
    let node = NodeFace {
        is_host,
        views: views.clone(),
        progress: peer.ledgers(),
        commands,
        choices: None,
        task: watch::channel(None).1,
        lan: vec![],
        files: face,
    };
    let web = Web { signaling: Some(server.clone()), node: Some(node), started: Instant::now() };
    let serving = Serving::start(listener, router(web));

    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            Some(command) = control.recv() => peer.command(command).await,
            event = events.recv() => match event {
                Ok(Event::Left) | Err(RecvError::Closed) => break,
                Ok(event) => {
                    let mut told = voice::event(&event, &views.borrow());
                    told["at_ms"] = json!(unix_ms());
                    if let Some(fields) = told.as_object_mut().filter(|_| matches!(event, Event::Heard { .. })) {
                        // What people say to each other is not for a file.
                        fields.remove("text");
                    }
                    log.tell(&told);
                }
                Err(RecvError::Lagged(missed)) => tracing::debug!(missed, "events were missed"),
            },
            () = signals.recv() => break,
            () = &mut abandoned => break,
            _ = looks.tick() => if !is_allowed(&orders.lock, &orders.room) { break },
        }
    }
    peer.command(manyhands_core::Command::Leave).await;
    drop(views);
    let _ = timeout(LEAVE_WITHIN, peer.finished()).await;
    server.shut_down();
    serving.stop().await;
    if let Some(files) = files {
        files.end().await;
    }
    Ok(())
}

/// What the node is made from.
fn config(orders: &Orders, room: RoomKey, own: String) -> anyhow::Result<Config> {
    let (secret, host) = match &orders.host {
        // Whoever started the network says when all are there.
        Some(HostOrders { secret, job }) => {
            (*secret, Some(HostConfig { spec: job.clone(), ledger: None, saved: Vec::new(), wait: u16::MAX }))
        }
        None => (random()?, None),
    };
    Ok(Config {
        secret,
        room,
        seed: random()?,
        name: orders.name.clone(),
        kind: PeerKind::Native,
        threads: orders.threads,
        servers: entries(&own, "", &orders.from),
        address: own,
        remembered: None,
        host,
        files: None,
    })
}

/// Comes true if the input ends before the node was told that it may stay.
async fn abandoned() {
    let (sender, receiver) = oneshot::channel();
    // The thread ends with the line, or with the program.
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = stdin().lock().read_line(&mut line);
        if line.trim() != STAY {
            let _ = sender.send(());
        }
    });
    if receiver.await.is_err() {
        std::future::pending().await
    }
}

/// The time of day, so that what several nodes say can be put in order.
fn unix_ms() -> u64 {
    let since = UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
