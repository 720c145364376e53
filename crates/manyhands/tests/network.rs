//! Networks of many nodes, each a process of its own: what is said in one is heard in all, whoever is removed, and nothing
//! is left running.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

#[path = "program/network.rs"]
mod networks;
#[expect(dead_code, reason = "each test program uses a part of it")]
mod program;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use networks::{Network, free_ports, wait_until};
use program::{Folder, done};
use serde_json::Value;

#[test]
fn twenty_nodes_hear_everything_whichever_three_are_removed() {
    let network = Network::start(20);
    let processes = network.processes();
    assert_eq!(processes.len(), 20);

    network.ok(&["send-message", "4", "apple"]);
    (1..=20).for_each(|node| network.hears(node, "apple"));
    let listed = network.ok(&["get-messages", "8"]);
    assert!(
        listed.starts_with("    - Apple (Node 4 -> ") && listed.trim_end().ends_with("Node 8)"),
        "{listed}"
    );
    for node in 1..=20 {
        let path = network.message(node, "apple").unwrap();
        let path: Vec<&str> =
            path["path"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        assert!(path.iter().all(|name| name.starts_with("Node ")), "{path:?}");
        assert_eq!((path[0], path[path.len() - 1]), ("Node 4", format!("Node {node}").as_str()), "{path:?}");
    }

    network.ok(&["remove-node", "7"]);
    network.ok(&["remove-node", "12", "--kill"]);
    network.ok(&["remove-node", "15"]);
    network.ok(&["send-message", "1", "Birnen für alle: 🍐 \"so\""]);
    for node in (1..=20).filter(|node| ![7, 12, 15].contains(node)) {
        network.hears(node, "Birnen für alle: 🍐 \"so\"");
    }
    let removed = network.run(&["get-messages", "12"]);
    assert_eq!(removed.code, 7, "{}", removed.err);
    assert!(removed.err.contains("node 12 was removed"), "{}", removed.err);
    let states = network.json(&["network-status"]);
    let count = |state: &str| {
        states["nodes"].as_array().unwrap().iter().filter(|node| node["state"] == state).count()
    };
    assert_eq!((count("awake"), count("removed")), (17, 3), "{states}");
    assert!(network.ok(&["network-status"]).contains("/#room="));

    assert_eq!(network.json(&["stop-network"])["stopped"], 17);
    processes.iter().for_each(|pid| wait_for_end(*pid));
}

#[test]
fn a_sleeping_node_hears_nothing_and_catches_up_when_it_wakes() {
    let network = Network::start(3);

    network.ok(&["sleep-node", "2"]);
    let refused = network.run(&["send-message", "2", "from a dream"]);
    network.ok(&["send-message", "1", "while you slept"]);
    network.hears(3, "while you slept");
    let state =
        |node: &str| network.json(&["network-status"])["nodes"][node.parse::<usize>().unwrap() - 1].clone();
    assert_eq!(state("2")["state"], "asleep");
    assert!(network.message(2, "while you slept").is_none());
    let link = || {
        let peers = network.json(&["get-peers", "1"]);
        let peer = peers.as_array().unwrap().iter().find(|peer| peer["name"] == "Node 2").cloned();
        peer.map_or_else(|| "none".to_owned(), |peer| peer["link"].as_str().unwrap().to_owned())
    };
    wait_until("node 1 takes node 2 for gone", || link() != "open");
    network.ok(&["wake-node", "2"]);

    network.hears(2, "while you slept");
    wait_until("node 1 has node 2 back", || link() == "open");
    assert_eq!(refused.code, 7, "{}", refused.err);
    assert!(refused.err.contains("asleep"), "{}", refused.err);
    assert!(network.ok(&["get-peers", "1"]).contains("Node 2"));
}

#[test]
fn a_node_can_be_added_and_hears_what_was_said_before() {
    let network = Network::start(2);
    network.ok(&["send-message", "1", "early"]);

    let added = network.json(&["add-node"]);

    assert_eq!((&added["node"], &added["port"]), (&3.into(), &(network.base_port + 2).into()));
    network.hears(3, "early");
    network.ok(&["send-message", "3", "late"]);
    network.hears(1, "late");
}

#[test]
fn a_node_is_added_beside_those_that_are_awake_at_a_port_that_is_free() {
    let network = Network::start(3);
    let taken = TcpListener::bind(("127.0.0.1", network.base_port + 3)).ok();
    network.ok(&["sleep-node", "2"]);
    network.ok(&["sleep-node", "3"]);

    let added = network.json(&["add-node"]);
    network.ok(&["sleep-node", "1"]);
    network.ok(&["sleep-node", "4"]);
    let refused = network.run(&["add-node"]);

    assert_eq!((&added["node"], &added["from"]), (&4.into(), &serde_json::json!([1])));
    assert!(added["port"].as_u64().unwrap() > u64::from(network.base_port + 3), "{added}");
    assert_eq!(refused.code, 7, "{}", refused.err);
    assert!(refused.err.contains("all nodes sleep"), "{}", refused.err);
    drop(taken);
}

#[test]
fn text_that_looks_like_an_option_is_said_and_kept_out_of_the_logs() {
    let network = Network::start(2);

    network.ok(&["send-message", "1", "-5"]);
    assert_eq!(network.json(&["send-message", "1", "--wunderbar"])["said"], "--wunderbar");
    network.hears(2, "-5");
    network.hears(2, "--wunderbar");

    let log = fs::read_to_string(network.folder.path("state/manyhands/networks/default/node-2.log")).unwrap();
    assert!(log.contains("\"heard\"") && !log.contains("wunderbar"), "{log}");
}

#[test]
fn what_cannot_be_done_is_told_with_a_code() {
    let network = Network::start(1);
    let long = "a".repeat(8193);
    for (arguments, code, why) in [
        (&["start-network", "--base-port", "9000"] as &[&str], 7, "runs already, with 1 node"),
        (&["get-messages", "99"], 2, "there is no node 99"),
        (&["remove-node", "0"], 2, "there is no node 0"),
        (&["send-message", "1", ""], 2, "the text is empty"),
        (&["send-message", "1", "  "], 2, "the text is empty"),
        (&["send-message", "1", &long], 2, "8192 is the most"),
        (&["send-message", "1"], 2, "<TEXT>"),
        (&["get-peers", "one"], 2, "invalid"),
        (&["start-network", "--nodes", "65"], 2, "65"),
        (&["start-network", "--nodes", "0"], 2, "0"),
        (&["start-network", "--nodes", "64", "--base-port", "65500"], 2, "no such ports"),
        (&["get-messages", "1", "--network", "other"], 3, "no network `other` was started"),
        (&["stop-network", "--network", "other"], 3, "no network `other` was started"),
        (&["stop-network", "--network", "../other"], 2, "letters, digits"),
    ] {
        let refused = network.run(arguments);
        assert_eq!(refused.code, code, "{arguments:?}: {}", refused.err);
        assert!(refused.err.contains(why), "{arguments:?}: {}", refused.err);
        let as_json = network.run(&[arguments, &["--json"]].concat());
        let told: Value = serde_json::from_str(&as_json.out).unwrap();
        assert_eq!((as_json.code, &told["code"]), (code, &code.into()), "{arguments:?}: {told}");
        assert!(told["error"].as_str().unwrap().contains(why), "{arguments:?}: {told}");
    }
    assert_eq!(network.ok(&["get-messages", "1"]), "Node 1 has heard nothing yet.\n");
    assert_eq!(network.json(&["get-messages", "1"]), serde_json::json!([]));
    assert_eq!(network.json(&["get-peers", "1"]), serde_json::json!([]));
}

#[test]
fn a_taken_port_is_told_before_anything_runs() {
    let folder = Folder::new();
    let base = free_ports(4);
    let _taken = TcpListener::bind(("127.0.0.1", base + 2)).unwrap();

    let refused = done(folder.start(&["start-network", "--nodes", "4", "--base-port", &base.to_string()]));

    assert_eq!(refused.code, 6, "{}", refused.err);
    assert!(refused.err.contains(&format!("port {} of node 3", base + 2)), "{}", refused.err);
    assert!(recorded_processes(&folder).is_empty());
}

#[test]
fn a_start_that_is_broken_off_leaves_nothing_running_and_can_be_begun_again_at_once() {
    let network = Network::not_started(24);
    let port = network.base_port.to_string();
    let break_off = || {
        let mut start = network.folder.start(&["start-network", "--nodes", "24", "--base-port", &port]);
        wait_until("most nodes run", || recorded_processes(&network.folder).len() >= 16);
        start.crash();
        recorded_processes(&network.folder)
    };

    let first = break_off();
    first.into_iter().for_each(wait_for_end);
    wait_until("no node is left", || processes_at(&network.folder).is_empty());
    let status = network.run(&["network-status"]);
    assert_eq!(status.code, 3, "{}", status.err);

    let second = break_off();
    network.ok(&["start-network", "--nodes", "3", "--base-port", &port]);

    second.into_iter().for_each(wait_for_end);
    wait_until("only the new nodes are left", || processes_at(&network.folder).len() <= 3);
    assert_eq!(network.processes().len(), 3);
}

#[test]
fn a_network_whose_description_is_lost_or_damaged_can_be_stopped_and_begun_again() {
    let network = Network::start(2);
    let description = network.folder.path("state/manyhands/networks/default/network.json");
    let processes = network.processes();
    fs::write(&description, "{").unwrap();
    let damaged = network.run(&["network-status"]);
    let again = network.run(&["start-network", "--nodes", "1"]);
    assert_eq!((damaged.code, again.code), (7, 7), "{} {}", damaged.err, again.err);
    assert!(damaged.err.contains("is damaged"), "{}", damaged.err);

    assert_eq!(network.json(&["stop-network"])["stopped"], 2);
    processes.into_iter().for_each(wait_for_end);
    assert_eq!(network.run(&["stop-network"]).code, 3);

    let port = network.base_port.to_string();
    network.ok(&["start-network", "--nodes", "2", "--base-port", &port]);
    let processes = network.processes();
    fs::remove_file(&description).unwrap();
    assert_eq!(network.json(&["stop-network"])["stopped"], 2);
    processes.into_iter().for_each(wait_for_end);

    network.ok(&["start-network", "--nodes", "2", "--base-port", &port]);
    let processes = network.processes();
    fs::remove_file(&description).unwrap();
    network.ok(&["start-network", "--nodes", "2", "--base-port", &port]);
    processes.into_iter().for_each(wait_for_end);
}

#[test]
fn nodes_end_by_themselves_when_their_folder_is_gone() {
    let network = Network::start(3);
    let processes = network.processes();

    fs::remove_dir_all(network.folder.path("state")).unwrap();

    assert_eq!(processes.len(), 3);
    processes.into_iter().for_each(wait_for_end);
}

#[test]
fn a_dead_network_is_told_from_one_that_never_was() {
    let network = Network::start(2);
    for pid in network.processes() {
        assert!(signal("KILL", pid));
        wait_for_end(pid);
    }

    let dead = network.run(&["get-messages", "1"]);
    let stopped = network.json(&["stop-network"]);
    let none = network.run(&["stop-network"]);

    assert_eq!((dead.code, none.code), (3, 3), "{} {}", dead.err, none.err);
    assert!(dead.err.contains("is dead"), "{}", dead.err);
    assert_eq!(stopped["stopped"], 0);
    assert!(none.err.contains("no network `default` was started"), "{}", none.err);
}

#[test]
fn a_node_that_died_is_told_by_its_number_while_the_others_go_on() {
    let network = Network::start(3);
    let pid = network.processes()[1];
    assert!(signal("KILL", pid));
    wait_for_end(pid);

    let dead = network.run(&["get-messages", "2"]);
    network.ok(&["send-message", "1", "still here"]);

    network.hears(3, "still here");
    assert_eq!(dead.code, 3, "{}", dead.err);
    assert!(dead.err.contains("node 2 does not run any more"), "{}", dead.err);

    network.ok(&["remove-node", "2"]);
    assert_eq!(network.json(&["network-status"])["nodes"][1]["state"], "removed");
    assert_eq!(network.run(&["remove-node", "2"]).code, 7);
}

/// The processes that have ever locked something in the network's folder.
fn recorded_processes(folder: &Folder) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(folder.path("state/manyhands/networks/default")) else { return vec![] };
    let is_lock = |name: &str| name.starts_with("node-") && name.ends_with(".lock");
    entries
        .map(|entry| entry.unwrap())
        .filter(|entry| is_lock(&entry.file_name().to_string_lossy()))
        .filter_map(|entry| fs::read_to_string(entry.path()).unwrap().parse().ok())
        .collect()
}

/// The processes that run in the network's folder, where the system tells; they are found before they have locked anything.
fn processes_at(folder: &Folder) -> Vec<u32> {
    let Ok(home) = fs::canonicalize(folder.path("state/manyhands/networks/default")) else { return vec![] };
    let Ok(entries) = fs::read_dir("/proc") else { return vec![] };
    let is_there = |pid: &u32| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|at| at == home);
    entries.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok()).filter(is_there).collect()
}

fn wait_for_end(pid: u32) {
    wait_until(&format!("process {pid} ends"), || !runs(pid));
}

/// Whether a process runs. One that has ended and that nobody has asked about yet does not.
fn runs(pid: u32) -> bool {
    if !Path::new("/proc/self/stat").exists() {
        return signal("0", pid);
    }
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let state = stat.rsplit_once(')').map_or("", |(_, rest)| rest.trim_start());
    // Its first thread may have ended before the others, which still hold locks and ports: their number is field 20.
    let threads = state.split_whitespace().nth(17).and_then(|threads| threads.parse().ok()).unwrap_or(1_u32);
    !state.starts_with(['Z', 'X']) || threads > 1
}

fn signal(name: &str, pid: u32) -> bool {
    // The shell has a kill of its own, where the system may have none.
    Command::new("sh").args(["-c", &format!("kill -s {name} {pid} 2>&1")]).status().unwrap().success()
}
