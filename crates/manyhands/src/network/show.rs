//! What the network commands print.

use std::io::IsTerminal as _;
use std::time::Duration;

use manyhands_core::view::{LinkState, MessageView};
use serde_json::json;

use super::name;
use super::state::{Folder, Network, Node};
use crate::http::node::{Neighbour, NodeState, SearchState};
use crate::numbers;
use crate::voice::{one_line, print, print_error};

/// Progress of a start, told when it changes, on the error output: what a command prints is its result.
pub(super) struct Progress {
    nodes: usize,
    is_silent: bool,
    told: (usize, usize),
}

impl Progress {
    /// Nothing yet, of so many nodes.
    pub(super) fn new(nodes: usize, json: bool) -> Self {
        Self { nodes, is_silent: json, told: (0, 0) }
    }

    /// Tells how many nodes are up and how many links there are.
    pub(super) fn tell(&mut self, up: &[NodeState]) {
        let links = up.iter().map(|state| state.links.len()).sum::<usize>() / 2;
        // A log file does without the steps between.
        let is_worth =
            std::io::stderr().is_terminal() || (up.len() == self.nodes && self.told.0 < self.nodes);
        if !self.is_silent && is_worth && self.told != (up.len(), links) {
            print_error(&format!(
                "{} of {} nodes are up, with {}",
                up.len(),
                self.nodes,
                count(links, "link")
            ));
        }
        self.told = (up.len(), links);
    }
}

/// `1 node`, `3 nodes`.
pub(super) fn count(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A network that is up.
pub(super) fn started(folder: &Folder, network: &Network, took: Duration, json: bool) {
    let invite = invite(&network.nodes[0], network);
    if json {
        let node = |node: &Node| json!({ "number": node.number, "name": name(node.number), "port": node.port, "url": node.url(), "from": node.from });
        let nodes: Vec<_> = network.nodes.iter().map(node).collect();
        let text =
            json!({ "network": folder.name, "nodes": nodes, "invite": invite, "took_s": took.as_secs_f64() });
        print(&text.to_string());
        return;
    }
    let (first, last) = (&network.nodes[0], &network.nodes[network.nodes.len() - 1]);
    let places = if first == last { first.url() } else { format!("{} to {}", first.url(), last.port) };
    print(&format!(
        "The network `{}` is up after {}: {} at {places}.\n\
         See it in a browser, at any of these ports:\n  {invite}\n\
         Stop it with: manyhands stop-network",
        folder.name,
        numbers::span(took.as_secs_f64()),
        count(network.nodes.len(), "node"),
    ));
}

/// The link to a node's page.
fn invite(node: &Node, network: &Network) -> String {
    format!("{}/#{}", node.url(), network.room)
}

/// A message as the list shows it, with a capital letter at its beginning.
pub(super) fn message(message: &MessageView) -> String {
    let text = one_line(&message.text);
    let mut letters = text.chars();
    let first: String = letters.next().map(|letter| letter.to_uppercase().collect()).unwrap_or_default();
    let path: Vec<String> = message.path.iter().map(|name| one_line(name)).collect();
    format!("    - {first}{} ({})", letters.as_str(), path.join(" -> "))
}

/// The peers of a node: those with a link first, by number where they have one.
pub(super) fn peers(node: &Node, mut peers: Vec<Neighbour>) {
    if peers.is_empty() {
        print(&format!("Node {} knows nobody.", node.number));
        return;
    }
    let order = |peer: &Neighbour| {
        let number = peer.name.strip_prefix("Node ").and_then(|number| number.parse::<u16>().ok());
        (peer.link == LinkState::None, number.unwrap_or(u16::MAX), peer.name.clone())
    };
    peers.sort_by_key(order);
    let heads = ["NAME", "LINK", "LAST HEARD", "ROUND TRIP", "LINKS", "ADDRESS"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for peer in &peers {
        let link = match peer.link {
            LinkState::Own => "itself",
            LinkState::None => "-",
            LinkState::Connecting => "connecting",
            LinkState::Open => "open",
            LinkState::Stale => "silent",
        };
        rows.push(vec![
            one_line(&peer.name),
            link.to_owned(),
            peer.heard_ms.map_or("-".to_owned(), |ms| format!("{} ago", numbers::span(ms as f64 / 1000.0))),
            peer.round_trip_ms.map_or("-".to_owned(), |ms| format!("{ms:.1} ms")),
            if peer.links.is_empty() { "-".to_owned() } else { peer.links.len().to_string() },
            if peer.address.is_empty() { "-".to_owned() } else { one_line(&peer.address) },
        ]);
    }
    print(&table(&rows));
}

/// How all nodes of a network are.
pub(super) fn status(folder: &Folder, network: &Network, states: &[Option<NodeState>], json: bool) {
    let heads = ["NAME", "STATE", "LINKS", "KNOWS", "MESSAGES", "MEMORY", "PROCESS", "ADDRESS"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    let searches = states.iter().flatten().any(|state| state.search.is_some());
    if searches {
        rows[0].extend(["PRIMES", "LARGEST", "FOUND BY", "SHARE"].map(str::to_owned));
    }
    let mut nodes = vec![];
    for (node, state) in network.nodes.iter().zip(states) {
        let pid = folder.process(node.number).filter(|_| !node.removed);
        let how = match (pid, state) {
            _ if node.removed => "removed",
            (None, _) => "dead",
            (Some(_), None) => "does not answer",
            (Some(_), Some(state)) if state.asleep => "asleep",
            (Some(_), Some(_)) => "awake",
        };
        let state = state.as_ref().filter(|_| pid.is_some());
        let memory = pid.and_then(resident_bytes);
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let search = state.and_then(|state| state.search.as_ref());
        let found_by = search
            .filter(|search| search.largest.is_some())
            .map(|search| one_line(&network.name_of(&search.finder_id, &search.finder)));
        let mut row = vec![
            name(node.number),
            how.to_owned(),
            or_dash(state.map(|state| state.links.len().to_string())),
            or_dash(state.map(|state| state.peers.to_string())),
            or_dash(state.map(|state| state.messages.to_string())),
            or_dash(memory.map(|bytes| format!("{:.1} MB", bytes as f64 / 1e6))),
            or_dash(pid.map(|pid| pid.to_string())),
            node.url(),
        ];
        if searches {
            row.extend(search_cells(search, found_by.as_deref()));
        }
        rows.push(row);
        nodes.push(json!({
            "number": node.number,
            "name": name(node.number),
            "state": how,
            "url": node.url(),
            "from": node.from,
            "pid": pid,
            "memory_bytes": memory,
            "links": state.map(|state| state.links.len()),
            "peers": state.map(|state| state.peers),
            "messages": state.map(|state| state.messages),
            "job": state.map(|state| state.state.clone()),
            "search": search.map(|search| search_json(search, found_by.as_deref())),
        }));
    }
    let open = network.present().find(|node| folder.process(node.number).is_some());
    let link = open.map(|node| invite(node, network));
    if json {
        print(&json!({ "network": folder.name, "invite": link, "nodes": nodes }).to_string());
        return;
    }
    print(&table(&rows));
    if let Some(link) = link {
        print(&format!("\nIn a browser:\n  {link}"));
    }
}

/// What a node knows of the search, in the table's last columns.
fn search_cells(search: Option<&SearchState>, found_by: Option<&str>) -> [String; 4] {
    let Some(search) = search else { return ["-"; 4].map(str::to_owned) };
    [
        search.primes.to_string(),
        search.largest.map_or("-".to_owned(), |largest| format!("2^{largest} - 1")),
        found_by.unwrap_or("-").to_owned(),
        format!("{:.1} %", search.share * 100.0),
    ]
}

fn search_json(search: &SearchState, found_by: Option<&str>) -> serde_json::Value {
    json!({
        "frontier": search.frontier,
        "primes": search.primes,
        "largest": search.largest,
        "found_by": found_by,
        "share": search.share,
    })
}

/// How much memory a process has, where the system tells.
fn resident_bytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Rows of equally many cells, in columns.
fn table(rows: &[Vec<String>]) -> String {
    let mut widths = vec![0; rows.first().map_or(0, Vec::len)];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &Vec<String>| {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_listed_with_its_path() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut heard = MessageView {
            from: "Node 1".into(),
            path: names(&["Node 1", "Node 8", "Node 10"]),
            path_ids: vec![],
            text: "apple".into(),
            heard_ms: 0,
        };

        assert_eq!(message(&heard), "    - Apple (Node 1 -> Node 8 -> Node 10)");
        heard.text = "äpfel\nand\u{1b}[31m pears".into();
        assert_eq!(message(&heard), "    - Äpfel and[31m pears (Node 1 -> Node 8 -> Node 10)");
    }

    #[test]
    fn one_is_no_plural() {
        assert_eq!((count(1, "node"), count(0, "link")), ("1 node".to_owned(), "0 links".to_owned()));
    }
}
