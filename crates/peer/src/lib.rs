//! The native driver of the core: one peer on webrtc-rs, tokio and threads of the operating system.
//!
//! [`spawn`] starts a peer; the [`Peer`] it gives takes commands, shows what the node sees, and ends with
//! [`Peer::finished`]. All decisions are the core's; here is only what the core must not know:
//!
//! - `run`: the loop, whose one task owns the node: hand in, drain, wait.
//! - `link`: the task of one link, its bounded queue, its time limits.
//! - `transport`: what a link needs of a WebRTC library; `rtc`: webrtc-rs behind it; `runtime` and `addresses`:
//!   what had to be cured to make it quick.
//! - `servers`: the signaling servers that the node knows; `signaling`: the WebSocket to one of them, opened again whenever
//!   it is lost.
//! - `workers`: the threads that compute.
//! - `store`: the seam to a store of files, which the program around brings.
//! - `outlets`: views, ledgers, files and events for the program around; `clock`: the core's time.
//!
//! [`measure`] tells what a link carries.
//!
//! Every queue is bounded by a named constant. Nothing is written to disk here.

mod addresses;
mod clock;
mod link;
pub mod measure;
mod outlets;
mod rtc;
mod run;
mod runtime;
mod servers;
mod signaling;
mod store;
mod transport;
mod workers;

use std::panic::resume_unwind;
use std::sync::Arc;

use manyhands_core::files::{ChunkState, FileInfo};
use manyhands_core::{Command, Config, Event, Node, View};
use manyhands_wire::{FileId, JobSpec, PeerId};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use clock::Clock;
use link::Inbox;
pub use outlets::{JobLedger, SavedTests};
use outlets::{Outlets, Watchers};
use rtc::Rtc;
use run::{Inlets, Question, Run, State};
use servers::Servers;
pub use servers::{ServerState, ServerStates};
use store::Orders;
pub use store::Store;
use workers::Workers;

/// How a peer is driven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The share of its time that each thread computes, in thousandths, 1 to 1000.
    pub throttle_permille: u16,
    /// The most threads that may ever compute, whatever the commands say.
    pub threads_max: u16,
}

/// A running peer. Dropping it makes the peer leave at once; [`Peer::finished`] waits for its end instead.
#[derive(Debug)]
pub struct Peer {
    id: PeerId,
    commands: mpsc::Sender<Command>,
    questions: mpsc::Sender<Question>,
    watchers: Watchers,
    servers: watch::Receiver<ServerStates>,
    task: JoinHandle<()>,
}

/// Starts a peer on the tokio runtime of the caller. It has no store of files.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn spawn(config: Config, options: Options) -> Peer {
    spawn_with_store(config, options, None)
}

/// Starts a peer on the tokio runtime of the caller, with a store of files where `config.files` says that it has one.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn spawn_with_store(config: Config, options: Options, store: Option<Store>) -> Peer {
    let clock = Clock::start();
    let node = Node::new(config, clock.now());
    let id = node.id();

    let (commands, commands_rx) = mpsc::channel(run::COMMANDS_MAX);
    let (questions, questions_rx) = mpsc::channel(run::QUESTIONS_MAX);
    let (link_events, links) = mpsc::channel(run::LINK_EVENTS_MAX);
    let (bulk_events, bulk) = mpsc::channel(run::BULK_EVENTS_MAX);
    let (store_orders, store_events) = store.map(|store| (store.orders, store.events)).unzip();
    let (reports_tx, reports) = mpsc::channel(run::REPORTS_MAX);
    let (news_tx, news) = mpsc::channel(run::NEWS_MAX);
    let (servers, server_states) = Servers::new(news_tx);
    let (outlets, watchers) = Outlets::new(&node, clock.now());
    let run = Run {
        node,
        clock,
        outlets,
        servers,
        workers: Workers::new(options.throttle_permille, options.threads_max, reports_tx),
        transports: Arc::new(Rtc::default()),
        store: Orders::new(store_orders),
        inbox: Inbox { events: link_events, bulk: bulk_events },
        state: State::default(),
    };
    let inlets = Inlets {
        commands: commands_rx,
        links,
        bulk,
        store: store_events,
        questions: questions_rx,
        reports,
        news,
    };
    let task = tokio::spawn(run.run(inlets));
    Peer { id, commands, questions, watchers, servers: server_states, task }
}

impl Peer {
    /// The peer's public key.
    pub fn id(&self) -> PeerId {
        self.id
    }

    /// Tells the peer what the person wants. A peer that has left hears nothing.
    pub async fn command(&self, command: Command) {
        let _ = self.commands.send(command).await;
    }

    /// Takes commands for the peer where the [`Peer`] itself cannot be. It does not keep the peer alive.
    pub fn commands(&self) -> Commands {
        Commands { commands: self.commands.downgrade(), questions: self.questions.downgrade() }
    }

    /// What a person sees: made anew four times a second, and soon after an event or a command.
    pub fn views(&self) -> watch::Receiver<View> {
        self.watchers.views.clone()
    }

    /// The job and which of its blocks are done, once known: after a change at most every 100 ms, and at once when
    /// it is complete. The last one of all is there before [`Event::Left`] is told.
    pub fn ledgers(&self) -> watch::Receiver<Option<JobLedger>> {
        self.watchers.ledgers.clone()
    }

    /// Where long tests stand that are under way: after a change at most every ten seconds. The last of all is there before
    /// [`Event::Left`] is told.
    pub fn saved_tests(&self) -> watch::Receiver<Option<SavedTests>> {
        self.watchers.saved.clone()
    }

    /// All files that the node knows, the latest first: made anew at most twice a second, if something about them changed.
    pub fn files(&self) -> watch::Receiver<Arc<Vec<FileInfo>>> {
        self.watchers.files.clone()
    }

    /// How each chunk of a file stands. `None` if the file is not known, or the peer has left.
    pub async fn chunk_states(&self, file: FileId) -> Option<Vec<ChunkState>> {
        ask(&self.questions, |answer| Question::Chunks(file, answer)).await?
    }

    /// Makes this the job, to begin when `wait` friends are in. True if it is the job from now on; false if another has begun
    /// already, if the peer is not its room's host or has left, or if no job can be like this: then all is as it was.
    pub async fn set_job(&self, spec: JobSpec, wait: u16) -> bool {
        ask(&self.questions, |answer| Question::Job(spec, wait, answer)).await.unwrap_or(false)
    }

    /// How it stands with each signaling server that the node knows.
    pub fn servers(&self) -> watch::Receiver<ServerStates> {
        self.servers.clone()
    }

    /// What happens from now on. A listener that falls 1024 events behind misses some.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.watchers.events.resubscribe()
    }

    /// Waits until the peer has left and everything of it is closed: after [`Command::Finish`] or [`Command::Leave`].
    ///
    /// # Panics
    /// If the peer's own task panicked.
    pub async fn finished(self) {
        let Self { commands, watchers, task, .. } = self;
        // Events that nobody takes must not be kept.
        drop(watchers);
        let ended = task.await;
        // Kept until here: a peer whose commands are closed leaves.
        drop(commands);
        if let Err(error) = ended
            && let Ok(panic) = error.try_into_panic()
        {
            resume_unwind(panic);
        }
    }
}

/// Gives commands to a peer that somebody else holds, and asks it.
#[derive(Clone, Debug)]
pub struct Commands {
    commands: mpsc::WeakSender<Command>,
    questions: mpsc::WeakSender<Question>,
}

impl Commands {
    /// Tells the peer what the person wants. A peer that has left hears nothing.
    pub async fn command(&self, command: Command) {
        if let Some(commands) = self.commands.upgrade() {
            let _ = commands.send(command).await;
        }
    }

    /// How each chunk of a file stands. `None` if the file is not known, or the peer has left.
    pub async fn chunk_states(&self, file: FileId) -> Option<Vec<ChunkState>> {
        ask(&self.questions.upgrade()?, |answer| Question::Chunks(file, answer)).await?
    }
}

/// The answer to a question; `None` if the peer has left.
async fn ask<T>(
    questions: &mpsc::Sender<Question>,
    question: impl FnOnce(oneshot::Sender<T>) -> Question,
) -> Option<T> {
    let (answer, answered) = oneshot::channel();
    questions.send(question(answer)).await.ok()?;
    answered.await.ok()
}
