//! Starting nodes: all at once, each a process of its own, and none that is left behind when it fails.
//!
//! 1. Everything that can be wrong is looked at before anything runs: a network that runs already, ports that are taken. What
//!    a start that was broken off has left is given the time to end.
//! 2. The processes start. Each holds the other end of a pipe from here; if this program ends, however, they end.
//! 3. They are asked until all are linked. A process that ends by itself, or a time that is over, is the end of all.
//! 4. The network is written down, and the nodes are told to stay.

use std::fs;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::ask::Client;
use super::node::{HostOrders, Orders, STAY};
use super::state::{Folder, Network, Node};
use crate::exit::{Failure, Outcome, Reason};
use crate::files::args::FilesArgs;
use crate::http::node::NodeState;

/// How often the nodes are asked whether they are linked.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// How long nodes whose start was broken off may take to end.
const ABANDONED_WITHIN: Duration = Duration::from_secs(10);
/// How many ports are tried for a node that is added.
const PORTS_TRIED: usize = 256;

/// Processes that were started and may not stay yet. Dropping it ends them.
pub(super) struct Starting {
    processes: Vec<(u16, Child)>,
}

impl Starting {
    /// Nobody yet.
    pub(super) fn new() -> Self {
        Self { processes: vec![] }
    }

    /// Starts the process of a node, which hosts the network's job if it is told so.
    pub(super) fn start(
        &mut self,
        folder: &Folder,
        network: &Network,
        node: &Node,
        host: Option<HostOrders>,
    ) -> anyhow::Result<()> {
        let url_of = |number: &u16| network.nodes.iter().find(|node| node.number == *number).map(Node::url);
        let orders = Orders {
            room: network.room.clone(),
            name: super::name(node.number),
            port: node.port,
            from: node.from.iter().filter_map(url_of).collect(),
            lock: folder.lock_path(node.number),
            files: network.files.clone().map(|args| {
                let path = folder.files_path(node.number, args.folder.as_deref());
                (FilesArgs { folder: None, ..args }, path)
            }),
            threads: network.threads,
            host,
        };
        let log = folder.new_log(node.number)?;
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let mut command = Command::new(&program);
        command
            .arg("node")
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log);
        // Ctrl-C at the terminal is meant for the program in front.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let input = child.stdin.as_mut().map(|input| writeln!(input, "{}", serde_json::json!(orders)));
        self.processes.push((node.number, child));
        // A node that has ended already says why in its log.
        drop(input);
        Ok(())
    }

    /// Waits until these nodes answer and are as they should be, and says how they are, in the same order; `told` hears how
    /// those that answer are meanwhile.
    ///
    /// # Errors
    /// If one of them ends by itself, or this takes too long.
    pub(super) fn wait(
        &mut self,
        folder: &Folder,
        nodes: &[Node],
        patience: Duration,
        are_ready: impl Fn(&[NodeState]) -> bool,
        mut told: impl FnMut(&[NodeState]),
    ) -> Result<Vec<NodeState>, Failure> {
        let client = Client::new();
        let deadline = Instant::now() + patience;
        loop {
            self.check(folder)?;
            let up: Vec<NodeState> = ask_all(&client, nodes).into_iter().flatten().collect();
            told(&up);
            if up.len() == nodes.len() && are_ready(&up) {
                return Ok(up);
            }
            if Instant::now() >= deadline {
                let message = format!(
                    "{} of {} nodes answer, but they are not linked after {} s. Nothing is left running; \
                     what they said is in {}",
                    up.len(),
                    nodes.len(),
                    patience.as_secs(),
                    folder.path().display()
                );
                return Err(Failure::new(Reason::Unexpected, message));
            }
            sleep(ASK_EVERY);
        }
    }

    /// Finds out whether a process has ended by itself.
    fn check(&mut self, folder: &Folder) -> Outcome {
        for (number, child) in &mut self.processes {
            let Some(status) = child.try_wait()? else { continue };
            let log = fs::read_to_string(folder.log_path(*number)).unwrap_or_default();
            let said = log.lines().rev().find(|line| line.starts_with("manyhands: "));
            let why = said.map_or_else(|| status.to_string(), |line| line["manyhands: ".len()..].to_owned());
            let reason =
                if status.code() == Some(Reason::Port as i32) { Reason::Port } else { Reason::Unexpected };
            return Err(Failure::new(reason, format!("node {number} ended: {why}. Nothing is left running")));
        }
        Ok(())
    }

    /// Lets all of them stay when this program ends.
    pub(super) fn stay(mut self) -> Outcome {
        for (number, child) in &mut self.processes {
            let input = child.stdin.as_mut().map(|input| writeln!(input, "{STAY}"));
            if !matches!(input, Some(Ok(()))) {
                let message = format!("node {number} ended at the last moment. Nothing is left running");
                return Err(Failure::new(Reason::Unexpected, message));
            }
        }
        self.processes.clear();
        Ok(())
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        for (_, child) in &mut self.processes {
            let _ = child.kill();
        }
        for (_, child) in &mut self.processes {
            let _ = child.wait();
        }
    }
}

/// How all nodes are, asked side by side; none for one that does not answer.
pub(super) fn ask_all(client: &Client, nodes: &[Node]) -> Vec<Option<NodeState>> {
    scope(|scope| {
        let asked: Vec<_> =
            nodes.iter().map(|node| scope.spawn(move || client.get(node, "/api/state").ok())).collect();
        asked.into_iter().map(|answer| answer.join().unwrap_or_default()).collect()
    })
}

/// The first port from `first` on that is free and that no other node has.
pub(super) fn next_free_port(first: u16, nodes: &[Node]) -> Option<u16> {
    let is_new = |port: &u16| nodes.iter().all(|node| node.port != *port);
    (first..=u16::MAX).filter(is_new).take(PORTS_TRIED).find(|port| try_port(*port).is_ok())
}

fn try_port(port: u16) -> io::Result<()> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map(drop)
}

/// Waits until what was left by a start that was broken off has ended; some of it may stay.
pub(super) fn wait_for_abandoned(folder: &Folder) {
    folder.forbid();
    let deadline = Instant::now() + ABANDONED_WITHIN;
    while !folder.alive().is_empty() && Instant::now() < deadline {
        sleep(ASK_EVERY);
    }
}

/// Finds out whether all these ports are free.
pub(super) fn check_ports(nodes: &[Node]) -> Outcome {
    for node in nodes {
        if let Err(error) = try_port(node.port) {
            let message = format!(
                "port {} of node {} cannot be used: {error}. Nothing was started; choose other ports with --base-port",
                node.port, node.number
            );
            return Err(Failure::new(Reason::Port, message));
        }
    }
    Ok(())
}
