//! Threads that compute: one per slot, each with a worker of its own, started when the node first has work for it.
//!
//! A thread runs the loop that [`manyhands_jobs::worker`] describes: it waits for commands while there is nothing to do,
//! and looks for them between two steps otherwise. It ends when its command queue is dropped, within one step.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use manyhands_core::Slot;
use manyhands_jobs::{Command, Report, Worker};
use tokio::sync::mpsc;

/// How many commands wait for a worker: the node gives a few per slice.
const COMMANDS_MAX: usize = 64;

/// The threads of a node.
#[derive(Debug)]
pub(crate) struct Workers {
    threads: BTreeMap<Slot, (SyncSender<Command>, JoinHandle<()>)>,
    reports: mpsc::Sender<(Slot, Report)>,
    throttle_permille: u16,
    threads_max: u16,
}

impl Workers {
    /// At most `threads_max` workers, each using `throttle_permille` of its thread's time, that report to `reports`.
    pub(crate) fn new(
        throttle_permille: u16,
        threads_max: u16,
        reports: mpsc::Sender<(Slot, Report)>,
    ) -> Self {
        Self { threads: BTreeMap::new(), reports, throttle_permille, threads_max }
    }

    /// Gives a command to a worker.
    pub(crate) fn command(&mut self, slot: Slot, command: Command) {
        if slot.0 >= self.threads_max {
            tracing::warn!(slot = slot.0, "work for a thread that is not lent");
            return;
        }
        let Some((commands, _)) = self.thread(slot) else { return };
        match commands.try_send(command) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => tracing::error!(slot = slot.0, "a worker does not listen"),
            Err(TrySendError::Disconnected(command)) => {
                // Its thread panicked. A new one takes over from here; what the old one was on is lost.
                tracing::error!(slot = slot.0, "a worker is gone: starting another");
                self.threads.remove(&slot);
                if let Some((commands, _)) = self.thread(slot) {
                    let _ = commands.try_send(command);
                }
            }
        }
    }

    /// Ends all threads, and waits for them: at most one step each.
    pub(crate) async fn stop(self) {
        let threads: Vec<_> =
            self.threads.into_values().map(|(commands, thread)| (drop(commands), thread).1).collect();
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                let _ = thread.join();
            }
        });
        let _ = joined.await;
    }

    fn thread(&mut self, slot: Slot) -> Option<&(SyncSender<Command>, JoinHandle<()>)> {
        if !self.threads.contains_key(&slot) {
            let (commands, commands_rx) = sync_channel(COMMANDS_MAX);
            let reports = self.reports.clone();
            let throttle = Command::Throttle(self.throttle_permille);
            let thread = thread::Builder::new()
                .name(format!("worker {}", slot.0))
                .spawn(move || work(slot, throttle, &commands_rx, &reports));
            match thread {
                Ok(thread) => self.threads.insert(slot, (commands, thread)),
                Err(error) => {
                    tracing::error!(%error, "the system gives no thread");
                    return None;
                }
            };
        }
        self.threads.get(&slot)
    }
}

/// One thread's life.
fn work(slot: Slot, throttle: Command, commands: &Receiver<Command>, told: &mpsc::Sender<(Slot, Report)>) {
    let start = Instant::now();
    let mut clock_us = || u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    let mut worker = Worker::new();
    worker.handle(throttle);
    let mut rest = Duration::ZERO;
    loop {
        let command = match next_command(commands, worker.is_busy().then_some(rest)) {
            Ok(command) => command,
            Err(Stopped) => return,
        };
        let reports = match command {
            // All that have come are heard before the next step.
            Some(command) => {
                rest = Duration::ZERO;
                worker.handle(command)
            }
            None => {
                let step = worker.step(&mut clock_us);
                rest = step.rest;
                step.reports
            }
        };
        for report in reports {
            if told.blocking_send((slot, report)).is_err() {
                return;
            }
        }
    }
}

/// The node gives no more commands.
struct Stopped;

/// The next command: waited for without end if `rest` is none, and no longer than that otherwise.
fn next_command(commands: &Receiver<Command>, rest: Option<Duration>) -> Result<Option<Command>, Stopped> {
    match rest {
        None => commands.recv().map(Some).map_err(|_| Stopped),
        Some(Duration::ZERO) => match commands.try_recv() {
            Ok(command) => Ok(Some(command)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(Stopped),
        },
        Some(rest) => match commands.recv_timeout(rest) {
            Ok(command) => Ok(Some(command)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(Stopped),
        },
    }
}

#[cfg(test)]
mod tests {
    use manyhands_wire::{JobKind, Outcome, UnitRange};

    use super::*;

    const KIND: JobKind = JobKind::Sum { first: 1, last: 1_000_000, unit_size: 100, base: 0 };

    #[tokio::test]
    async fn a_slice_is_computed_exactly_on_each_of_two_threads() {
        let (reports_tx, mut reports) = mpsc::channel(16);
        let mut workers = Workers::new(1000, 2, reports_tx);

        workers.command(Slot(0), begin(KIND, 0, 5_000));
        workers.command(Slot(1), begin(KIND, 5_000, 10_000));
        workers.command(Slot(2), begin(KIND, 0, 1));

        let mut total = 0;
        for _ in 0..2 {
            let (_, Report::Done { blocks, .. }) = reports.recv().await.unwrap() else {
                panic!("a slice is done")
            };
            for (_, outcome) in blocks {
                let Outcome::Sum(part) = outcome else { panic!("a sum is a sum") };
                total += part;
            }
        }
        assert_eq!(total, 500_000_500_000);
        workers.stop().await;
        assert!(reports.recv().await.is_none());
    }

    #[tokio::test]
    async fn a_worker_stops_in_the_middle_of_a_slice() {
        let (reports_tx, mut reports) = mpsc::channel(16);
        let mut workers = Workers::new(500, 1, reports_tx);
        let kind = JobKind::Delay { units: 1000, unit_ms: 60_000 };

        workers.command(Slot(0), Command::Calibrate(kind.clone()));
        assert!(matches!(reports.recv().await, Some((Slot(0), Report::Calibrated { .. }))));
        workers.command(Slot(0), begin(kind, 0, 10));

        workers.stop().await;
    }

    fn begin(kind: JobKind, start: u64, end: u64) -> Command {
        Command::Begin { kind, slice: UnitRange::new(start, end), saved: None }
    }
}
