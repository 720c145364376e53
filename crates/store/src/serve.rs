//! Carrying out a node's orders: one thread takes them in, and a few do the work.
//!
//! Each file has a queue of its own, and at most one thread works on it: so orders are carried out in order for each file, and
//! a slow disk under one file does not keep the others waiting. A node that gives orders faster than they are carried out is
//! slowed by its full channel.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use manyhands_core::files::{StoreEvent, StoreOrder};
use manyhands_wire::FileId;
use tokio::sync::mpsc;

use crate::shared::Shared;
use crate::{FileStore, ReadError, locked};

/// How many orders the channel holds.
pub const ORDERS_MAX: usize = 65_536;
/// How many events the channel holds: the node should not let them wait.
pub const EVENTS_MAX: usize = 4096;
/// How many threads read and write.
const THREADS: usize = 4;
/// How many orders are taken in before they are carried out.
const QUEUED_MAX: usize = 1024;
/// How many orders of one file are carried out at a stretch.
const STRETCH: usize = 16;

/// The two ends that a node's driver speaks to a store through, and the threads behind them.
#[derive(Debug)]
pub struct Pipes {
    /// Takes orders, [`ORDERS_MAX`] at most. The threads end when it is dropped.
    pub orders: mpsc::Sender<StoreOrder>,
    /// Gives answers, and news that nobody asked for. If it is dropped, orders are carried out all the same.
    pub events: mpsc::Receiver<StoreEvent>,
    /// The threads.
    pub serving: Serving,
}

/// The threads that carry out a node's orders.
#[derive(Debug)]
pub struct Serving {
    threads: Vec<JoinHandle<()>>,
    store: FileStore,
}

impl Serving {
    /// Waits until all orders are carried out and on the disk. The sender of orders has to be dropped before, and the receiver
    /// of events dropped or read from.
    pub async fn join(self) {
        let waiting = tokio::task::spawn_blocking(move || self.join_blocking());
        if waiting.await.is_err() {
            tracing::error!("waiting for the store has failed");
        }
    }

    /// The same, for a thread that may block.
    pub fn join_blocking(self) {
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the store has panicked");
            }
        }
        self.store.flush();
    }
}

#[derive(Debug, Default)]
struct Queues {
    state: Mutex<State>,
    work: Condvar,
    room: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// What is to be done; a file that is being worked on is here even if that is nothing.
    files: HashMap<FileId, VecDeque<StoreOrder>>,
    /// Which files nobody works on, though there is something to do.
    ready: VecDeque<FileId>,
    queued: usize,
    is_ending: bool,
}

/// Starts the threads. If the system allows no more, both channels are closed.
pub(crate) fn serve(store: &FileStore) -> Pipes {
    let (orders, to_do) = mpsc::channel(ORDERS_MAX);
    let (answers, events) = mpsc::channel(EVENTS_MAX);
    *locked(&store.shared.events) = Some(answers.downgrade());
    let queues = Arc::new(Queues::default());
    let mut threads = Vec::new();
    if let Err(error) = start(&queues, store, to_do, &answers, &mut threads) {
        tracing::error!(%error, "cannot start the threads of the store of files");
        queues.end();
    }
    Pipes { orders, events, serving: Serving { threads, store: store.clone() } }
}

fn start(
    queues: &Arc<Queues>,
    store: &FileStore,
    mut to_do: mpsc::Receiver<StoreOrder>,
    answers: &mpsc::Sender<StoreEvent>,
    threads: &mut Vec<JoinHandle<()>>,
) -> io::Result<()> {
    for _ in 0..THREADS {
        let (queues, answers, store) = (queues.clone(), answers.clone(), store.clone());
        let work = move || queues.work(&store.shared, &answers);
        threads.push(thread::Builder::new().name("store".into()).spawn(work)?);
    }
    let queues = queues.clone();
    let take_in = move || {
        while let Some(order) = to_do.blocking_recv() {
            queues.push(order);
        }
        queues.end();
    };
    threads.push(thread::Builder::new().name("store orders".into()).spawn(take_in)?);
    Ok(())
}

impl Queues {
    fn push(&self, order: StoreOrder) {
        let file = file_of(&order);
        let state = locked(&self.state);
        let is_full = |state: &mut State| state.queued >= QUEUED_MAX;
        let mut state = self.room.wait_while(state, is_full).unwrap_or_else(PoisonError::into_inner);
        state.queued += 1;
        if let Some(queue) = state.files.get_mut(&file) {
            queue.push_back(order);
        } else {
            state.files.insert(file, VecDeque::from([order]));
            state.ready.push_back(file);
            self.work.notify_one();
        }
    }

    fn end(&self) {
        locked(&self.state).is_ending = true;
        self.work.notify_all();
    }

    fn work(&self, shared: &Shared, answers: &mpsc::Sender<StoreEvent>) {
        while let Some((file, orders)) = self.take() {
            for order in orders {
                if let Some(event) = carry_out(shared, order) {
                    // A node that is gone needs no answer.
                    let _ = answers.blocking_send(event);
                }
            }
            self.done(file);
        }
    }

    /// Orders of a file that nobody works on. `None` at the end.
    fn take(&self) -> Option<(FileId, Vec<StoreOrder>)> {
        let mut state = locked(&self.state);
        loop {
            if let Some(file) = state.ready.pop_front() {
                let queue = state.files.get_mut(&file)?;
                let stretch = queue.len().min(STRETCH);
                let orders: Vec<StoreOrder> = queue.drain(..stretch).collect();
                state.queued -= orders.len();
                self.room.notify_one();
                return Some((file, orders));
            }
            if state.is_ending && state.files.is_empty() {
                return None;
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn done(&self, file: FileId) {
        let mut state = locked(&self.state);
        if state.files.get(&file).is_some_and(|queue| !queue.is_empty()) {
            state.ready.push_back(file);
            self.work.notify_one();
        } else {
            state.files.remove(&file);
            if state.is_ending {
                self.work.notify_all();
            }
        }
    }
}

fn file_of(order: &StoreOrder) -> FileId {
    match order {
        StoreOrder::Keep(entry) => entry.manifest.id(),
        StoreOrder::Begin { file, .. }
        | StoreOrder::Write { file, .. }
        | StoreOrder::Read { file, .. }
        | StoreOrder::ReadHashes(file)
        | StoreOrder::Forget(file)
        | StoreOrder::Recall(file) => *file,
    }
}

fn carry_out(shared: &Shared, order: StoreOrder) -> Option<StoreEvent> {
    let refused = |file, why| StoreEvent::Refused { file, why };
    match order {
        StoreOrder::Keep(entry) => {
            shared.keep(entry);
            None
        }
        StoreOrder::Begin { file, hashes } => shared.begin(&file, hashes).err().map(|why| refused(file, why)),
        StoreOrder::Write { file, chunk, bytes } => match shared.write(&file, chunk, &bytes) {
            Ok(()) => Some(StoreEvent::Written { file, chunk }),
            Err(why) => Some(refused(file, why)),
        },
        StoreOrder::Read { file, chunk } => {
            let read = shared.read(&file, chunk);
            if let Err(ReadError::Io(error)) = &read {
                tracing::warn!(%file, chunk, %error, "cannot read a chunk");
            }
            Some(StoreEvent::Read { file, chunk, bytes: read.ok() })
        }
        StoreOrder::ReadHashes(file) => Some(StoreEvent::Hashes { file, hashes: shared.hashes(&file) }),
        StoreOrder::Forget(file) => {
            shared.forget(&file);
            None
        }
        StoreOrder::Recall(file) => {
            shared.recall(&file);
            None
        }
    }
}
