//! Ending nodes: politely, and those that do not listen by force.
//!
//! Only a process that holds a node's lock is ever killed; see [`state`](super::state).

use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use super::LOOK_EVERY;
use super::ask::Client;
use super::state::{Folder, Node};
use crate::exit::{Failure, Outcome, Reason};

/// How long nodes may take to say goodbye, those included that must first see that they may not run any more.
const LEFT_WITHIN: Duration = Duration::from_secs(8);
/// How long a process may take to end once it was killed.
const KILLED_WITHIN: Duration = Duration::from_secs(5);

/// What became of nodes that were to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stopped {
    /// How many said goodbye.
    pub(super) left: usize,
    /// How many were killed.
    pub(super) killed: usize,
}

impl Stopped {
    /// How many ended.
    pub(super) fn ended(&self) -> usize {
        self.left + self.killed
    }
}

/// Ends these nodes, those that run; at once and without goodbye if `kill`.
///
/// # Errors
/// If one cannot be ended.
pub(super) fn stop(folder: &Folder, nodes: &[&Node], kill: bool) -> Result<Stopped, Failure> {
    let mut running: Vec<&Node> =
        nodes.iter().copied().filter(|node| folder.process(node.number).is_some()).collect();
    let before = running.len();
    if !kill {
        let client = Client::new();
        scope(|scope| {
            // Where a stray listens nobody knows; it is not allowed to run any more, and finds that out by itself.
            for node in running.iter().filter(|node| node.port != 0) {
                let client = &client;
                // One that does not hear it is killed below.
                scope.spawn(move || drop(client.post(node, "/api/leave", None)));
            }
        });
        wait_for_end(folder, &mut running, LEFT_WITHIN);
    }
    let killed = running.len();
    for node in &running {
        if let Some(pid) = folder.process(node.number) {
            end(pid, node.number)?;
        }
    }
    wait_for_end(folder, &mut running, KILLED_WITHIN);
    match running.first() {
        None => Ok(Stopped { left: before - killed, killed }),
        Some(node) => {
            let message = format!("node {} was killed and does not end", node.number);
            Err(Failure::new(Reason::Unexpected, message))
        }
    }
}

/// Waits until the nodes have ended, for so long at most; those that have not remain in the list.
fn wait_for_end(folder: &Folder, nodes: &mut Vec<&Node>, within: Duration) {
    let deadline = Instant::now() + within;
    loop {
        nodes.retain(|node| folder.process(node.number).is_some());
        if nodes.is_empty() || Instant::now() >= deadline {
            return;
        }
        sleep(LOOK_EVERY);
    }
}

/// Kills a process.
#[cfg(unix)]
fn end(pid: u32, number: u16) -> Outcome {
    use rustix::process::{Pid, Signal, kill_process};

    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let Some(pid) = pid else {
        let message = format!("node {number} has just started: try again");
        return Err(Failure::new(Reason::Unexpected, message));
    };
    match kill_process(pid, Signal::KILL) {
        // It may have ended meanwhile.
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => {
            Err(Failure::new(Reason::Unexpected, format!("node {number} cannot be killed: {error}")))
        }
    }
}

/// Where a process cannot be killed from here, its person is told which it is.
#[cfg(not(unix))]
fn end(pid: u32, number: u16) -> Outcome {
    let message = format!("node {number} does not answer: end its process {pid}");
    Err(Failure::new(Reason::Unexpected, message))
}
