//! Networks of nodes, each a process of its own: started at ports that are free, asked by commands, stopped with the test.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{Ended, Folder, done};

/// Far longer than anything here takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often to look whether something is so.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Ports below those that the system gives to whoever asks for any.
const PORTS: std::ops::Range<u16> = 10_000..30_000;

/// A network, stopped at the end of its test, however that ends.
pub(crate) struct Network {
    pub(crate) folder: Folder,
    pub(crate) base_port: u16,
}

impl Network {
    /// A network that has room for so many nodes.
    pub(crate) fn not_started(nodes: u16) -> Self {
        Self { folder: Folder::new(), base_port: free_ports(nodes) }
    }

    /// Starts so many nodes at ports that are free.
    pub(crate) fn start(nodes: u16) -> Self {
        Self::start_with(nodes, &[])
    }

    /// The same with further options.
    pub(crate) fn start_with(nodes: u16, more: &[&str]) -> Self {
        let begun = Instant::now();
        loop {
            let network = Self::not_started(nodes);
            let (nodes, port) = (nodes.to_string(), network.base_port.to_string());
            let plain = ["start-network", "--nodes", &nodes, "--base-port", &port];
            let started = network.run(&[&plain, more].concat());
            // Another test may have been quicker to take one of the ports.
            if started.code == 6 && begun.elapsed() < PATIENCE {
                continue;
            }
            assert_eq!(started.code, 0, "{}", started.err);
            return network;
        }
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        done(self.folder.start(arguments))
    }

    /// What a command prints that does what it should.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.err);
        ended.out
    }

    /// The same as JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[arguments, &["--json"]].concat())).unwrap()
    }

    /// A message that a node has heard.
    pub(crate) fn message(&self, node: u16, text: &str) -> Option<Value> {
        let messages = self.json(&["get-messages", &node.to_string()]);
        messages.as_array().unwrap().iter().find(|message| message["text"] == text).cloned()
    }

    /// Waits until a node has heard a message.
    pub(crate) fn hears(&self, node: u16, text: &str) {
        wait_until(&format!("node {node} hears {text}"), || self.message(node, text).is_some());
    }

    /// The processes of all nodes that run, by number.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let status = self.json(&["network-status"]);
        let pids = status["nodes"].as_array().unwrap().iter().filter_map(|node| node["pid"].as_u64());
        pids.map(|pid| pid.try_into().unwrap()).collect()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // It may be stopped already.
        let _ = self.run(&["stop-network"]);
    }
}

/// The first of so many free ports in a row, elsewhere for each caller.
pub(crate) fn free_ports(count: u16) -> u16 {
    static CALLS: AtomicU16 = AtomicU16::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let seed = (std::process::id() as u16).wrapping_mul(13).wrapping_add(call.wrapping_mul(64));
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let start = |at: u16| PORTS.start + seed.wrapping_add(at * 64) % (PORTS.end - PORTS.start - count);
    (0..256).map(start).find(|start| (*start..start + count).all(is_free)).unwrap()
}

/// Waits until something is so.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "not in time: {what}");
        sleep(LOOK_EVERY);
    }
}
