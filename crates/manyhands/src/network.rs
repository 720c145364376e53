//! A network of many nodes on one machine, each a process of its own with its own port: to send messages through, to
//! remove nodes from, to see what holds.
//!
//! - [`args`]: what can be asked for.
//! - [`graph`]: which two peers each node starts from. [`linked`]: when the network counts as up.
//! - [`start`]: starting processes, and leaving none behind. [`stop`]: ending them.
//! - [`state`]: what is known between two commands. [`ask`]: questions to nodes.
//! - [`show`]: what the commands print.
//! - [`node`]: the process itself. [`log`]: what it says.

pub(crate) mod args;
mod ask;
mod graph;
mod linked;
pub(crate) mod log;
pub(crate) mod node;
mod show;
mod start;
mod state;
mod stop;

use std::time::{Duration, Instant};

use manyhands_core::RoomKey;
use manyhands_core::view::MessageView;
use manyhands_wire::mersenne::{EXPONENT_MAX, EXPONENT_MIN, PROOFS_FROM};
use manyhands_wire::{JobKind, JobSpec};
use serde_json::json;

use crate::exit::{Failure, Outcome, Reason};
use crate::http::node::{Neighbour, NodeState, Saying};
use crate::identity::{self, random};
use crate::voice::{print, print_error};

use args::{NetworkJob, NodeArgs, RemoveArgs, SendArgs, StartArgs, WhichArgs};
use ask::Client;
use node::HostOrders;
use start::{Starting, ask_all, check_ports, next_free_port, wait_for_abandoned};
use state::{Folder, Network, Node};

/// The most nodes that a network starts with.
pub(crate) const NODES_MAX: u16 = 64;
/// The highest number that a node may have, those that were added later included.
const NUMBERS_MAX: u16 = 256;
/// How long the nodes may take to be linked.
const LINKED_WITHIN: Duration = Duration::from_secs(90);
/// How long a node may take to fall asleep or wake up.
const TURNED_WITHIN: Duration = Duration::from_secs(5);
/// How often a node that was told something is asked whether it is so.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The name of a node.
fn name(number: u16) -> String {
    format!("Node {number}")
}

/// `manyhands start-network`
pub(crate) fn start_network(args: &StartArgs) -> Outcome {
    let begun = Instant::now();
    let last_port = args.base_port.checked_add(args.nodes - 1);
    if last_port.is_none() {
        let message =
            format!("{} nodes from port {} on: there are no such ports", args.nodes, args.base_port);
        return Err(Failure::new(Reason::Usage, message));
    }
    let (room, host) = room_and_host(args)?;
    let folder = open(&args.which)?;
    let _change = folder.change()?;
    if let Ok(None) = folder.read() {
        wait_for_abandoned(&folder);
    }
    let alive = folder.alive();
    if !alive.is_empty() {
        let message = format!(
            "the network `{}` runs already, with {}: stop it first (manyhands stop-network), or start another beside it \
             (--network NAME --base-port PORT)",
            folder.name,
            show::count(alive.len(), "node")
        );
        return Err(Failure::new(Reason::Network, message));
    }
    folder.clear();

    let node = |number: u16| Node {
        number,
        id: String::new(),
        port: args.base_port + (number - 1),
        from: graph::start_peers(number, args.nodes),
        removed: false,
    };
    let nodes: Vec<Node> = (1..=args.nodes).map(node).collect();
    check_ports(&nodes)?;
    let mut files = args.files.clone();
    // Nodes run elsewhere.
    files.folder = files.folder.map(std::path::absolute).transpose()?;
    let files = (!files.no_files).then_some(files);
    let threads = if host.is_some() { args.threads } else { 0 };
    let mut network = Network { room: room.fragment(), base_port: args.base_port, files, threads, nodes };

    folder.allow(&network.room)?;
    let mut starting = Starting::new();
    let has_job = host.is_some();
    let mut host = host;
    for node in &network.nodes {
        // The first has it.
        starting.start(&folder, &network, node, host.take())?;
    }
    let mut progress = show::Progress::new(network.nodes.len(), args.which.json);
    let up =
        starting.wait(&folder, &network.nodes, LINKED_WITHIN, linked::is_linked, |up| progress.tell(up))?;
    for (node, state) in network.nodes.iter_mut().zip(up) {
        node.id = state.id;
    }
    folder.write(&network)?;
    if has_job {
        Client::new().post(&network.nodes[0], "/api/start", None)?;
    }
    starting.stay()?;
    show::started(&folder, &network, begun.elapsed(), args.which.json);
    Ok(())
}

/// The room of a network, and what its first node is told if there is a job.
fn room_and_host(args: &StartArgs) -> Result<(RoomKey, Option<HostOrders>), Failure> {
    let Some(NetworkJob::Mersenne) = args.job else {
        if let Some(option) = args.search.first_given() {
            let message = format!("{option} is for a search: say --job mersenne");
            return Err(Failure::new(Reason::Usage, message));
        }
        // Nobody holds this room's key pair: the network has no host, and no job.
        return Ok((RoomKey { host: random()?, key: random()? }, None));
    };
    args.search.check()?;
    let kind = JobKind::Mersenne {
        from: args.search.from.unwrap_or(EXPONENT_MIN),
        to: args.search.to.unwrap_or(EXPONENT_MAX),
        proofs_from: args.search.proofs_from.unwrap_or(PROOFS_FROM),
    };
    let job = JobSpec { kind, asked_by: name(1), salt: random()? };
    let secret = random()?;
    Ok((RoomKey::new(&identity::public_key(&secret), random()?), Some(HostOrders { secret, job })))
}

/// `manyhands stop-network`
pub(crate) fn stop_network(args: &WhichArgs) -> Outcome {
    let folder = open(args)?;
    let _change = folder.change()?;
    // Without a description, or with one that is damaged, the locks still tell who runs.
    let described = match folder.read() {
        Ok(None) if folder.alive().is_empty() => return Err(no_network(&folder)),
        Ok(described) => described.map(|network| network.nodes).unwrap_or_default(),
        Err(_) => vec![],
    };
    folder.forbid();
    let strays = folder.strays(&described);
    let nodes: Vec<&Node> = described.iter().chain(&strays).collect();
    let stopped = stop::stop(&folder, &nodes, false)?;
    folder.clear();
    if args.json {
        print(
            &json!({ "network": folder.name, "stopped": stopped.ended(), "killed": stopped.killed })
                .to_string(),
        );
    } else if stopped.ended() == 0 {
        print(&format!(
            "No node of the network `{}` was running any more; it is forgotten now.",
            folder.name
        ));
    } else {
        let killed = match stopped.killed {
            0 => String::new(),
            killed => format!(" ({killed} did not answer and had to be killed)"),
        };
        print(&format!("Stopped {}{killed}.", show::count(stopped.ended(), "node")));
    }
    Ok(())
}

/// `manyhands network-status`
pub(crate) fn network_status(args: &WhichArgs) -> Outcome {
    let (folder, network) = running(args)?;
    let states = ask_all(&Client::new(), &network.nodes);
    show::status(&folder, &network, &states, args.json);
    Ok(())
}

/// `manyhands send-message`
pub(crate) fn send_message(args: &SendArgs) -> Outcome {
    let (_, _, node) = node(&args.which, args.number)?;
    let saying = json!(Saying { text: args.text.clone() });
    Client::new().post(&node, "/api/messages", Some(&saying))?;
    if args.which.json {
        print(&json!({ "node": node.number, "said": args.text }).to_string());
    } else {
        print(&format!("Node {} says it to everybody.", node.number));
    }
    Ok(())
}

/// `manyhands get-messages`
pub(crate) fn get_messages(args: &NodeArgs) -> Outcome {
    let (_, network, node) = node(&args.which, args.number)?;
    let mut messages: Vec<MessageView> = Client::new().get(&node, "/api/messages")?;
    for message in &mut messages {
        for (name, id) in message.path.iter_mut().zip(&message.path_ids) {
            *name = network.name_of(id, name);
        }
        message.from = message.path.first().cloned().unwrap_or_default();
    }
    if args.which.json {
        print(&json!(messages).to_string());
    } else if messages.is_empty() {
        print(&format!("Node {} has heard nothing yet.", node.number));
    } else {
        messages.iter().for_each(|message| print(&show::message(message)));
    }
    Ok(())
}

/// `manyhands get-peers`
pub(crate) fn get_peers(args: &NodeArgs) -> Outcome {
    let (_, network, node) = node(&args.which, args.number)?;
    let mut peers: Vec<Neighbour> = Client::new().get(&node, "/api/peers")?;
    for peer in &mut peers {
        peer.name = network.name_of(&peer.id, &peer.name);
    }
    if args.which.json {
        print(&json!(peers).to_string());
    } else {
        show::peers(&node, peers);
    }
    Ok(())
}

/// `manyhands sleep-node` and `manyhands wake-node`
pub(crate) fn set_asleep(args: &NodeArgs, asleep: bool) -> Outcome {
    let (_, _, node) = node(&args.which, args.number)?;
    let client = Client::new();
    client.post(&node, if asleep { "/api/sleep" } else { "/api/wake" }, None)?;
    let deadline = Instant::now() + TURNED_WITHIN;
    while client.get::<NodeState>(&node, "/api/state")?.asleep != asleep {
        if Instant::now() >= deadline {
            let message = format!("node {} took the order and does not follow it", node.number);
            return Err(Failure::new(Reason::Unexpected, message));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    if args.which.json {
        print(&json!({ "node": node.number, "asleep": asleep }).to_string());
    } else if asleep {
        print(&format!("Node {} sleeps; the others take it for gone in some ten seconds.", node.number));
    } else {
        print(&format!("Node {} is awake.", node.number));
    }
    Ok(())
}

/// `manyhands add-node`
pub(crate) fn add_node(args: &WhichArgs) -> Outcome {
    let folder = open(args)?;
    let _change = folder.change()?;
    let (_, mut network) = running(args)?;
    let number = network.nodes.last().map_or(0, |node| node.number) + 1;
    if number > NUMBERS_MAX {
        let message = format!("the network `{}` has no room for a node {number}", folder.name);
        return Err(Failure::new(Reason::Usage, message));
    }
    // Its own port, as the others have theirs, or the next that is free.
    let first = network.base_port.checked_add(number - 1);
    let Some(port) = first.and_then(|first| next_free_port(first, &network.nodes)) else {
        let message = format!("no port is free for a node {number}, from the network's own on");
        return Err(Failure::new(Reason::Port, message));
    };
    let mut node = Node { number, id: String::new(), port, from: entrances(&network)?, removed: false };
    network.nodes.push(node.clone());

    folder.allow(&network.room)?;
    let mut starting = Starting::new();
    starting.start(&folder, &network, &node, None)?;
    let has_links = |up: &[NodeState]| up.iter().all(|state| state.links.len() >= node.from.len());
    let up = starting.wait(&folder, std::slice::from_ref(&node), LINKED_WITHIN, has_links, |_| {})?;
    node.id = up.into_iter().map(|state| state.id).collect();
    network.nodes.pop();
    network.nodes.push(node.clone());
    folder.write(&network)?;
    starting.stay()?;
    if args.json {
        print(&json!({ "node": number, "port": port, "from": node.from }).to_string());
    } else {
        print(&format!("Node {number} is there, at {}.", node.url()));
    }
    Ok(())
}

/// `manyhands remove-node`
pub(crate) fn remove_node(args: &RemoveArgs) -> Outcome {
    let folder = open(&args.which)?;
    let _change = folder.change()?;
    // One that has died is as good as removed.
    let (_, mut network, node) = present(&args.which, args.number)?;
    let stopped = stop::stop(&folder, &[&node], args.kill)?;
    for known in &mut network.nodes {
        known.removed |= known.number == node.number;
    }
    folder.write(&network)?;
    if stopped.killed > 0 && !args.kill {
        print_error(&format!("node {} did not answer and had to be killed", node.number));
    }
    if args.which.json {
        print(&json!({ "removed": node.number, "killed": stopped.killed > 0 }).to_string());
    } else {
        print(&format!("Node {} is removed.", node.number));
    }
    Ok(())
}

fn open(args: &WhichArgs) -> anyhow::Result<Folder> {
    let state = args.state.clone().map_or_else(identity::default_folder, Ok)?;
    Folder::open(&state, &args.network)
}

/// The network, if at least one of its nodes runs.
fn running(args: &WhichArgs) -> Result<(Folder, Network), Failure> {
    let folder = open(args)?;
    let Some(network) = folder.read()? else { return Err(no_network(&folder)) };
    if network.present().any(|node| folder.process(node.number).is_some()) {
        return Ok((folder, network));
    }
    let message = format!(
        "the network `{}` is dead: none of its nodes runs any more. What they said is in {}; \
         manyhands start-network begins anew",
        folder.name,
        folder.path().display()
    );
    Err(Failure::new(Reason::Unreachable, message))
}

/// The nodes that a new one starts from: the last two that are awake.
fn entrances(network: &Network) -> Result<Vec<u16>, Failure> {
    let present: Vec<Node> = network.present().cloned().collect();
    let states = ask_all(&Client::new(), &present);
    let answering: Vec<(u16, bool)> = present
        .iter()
        .zip(&states)
        .filter_map(|(node, state)| Some((node.number, state.as_ref()?.asleep)))
        .collect();
    if answering.is_empty() {
        return Err(Failure::new(Reason::Unreachable, "no node of the network answers"));
    }
    let awake: Vec<u16> =
        answering.iter().rev().filter(|(_, asleep)| !asleep).map(|(number, _)| *number).take(2).collect();
    if awake.is_empty() {
        let message = "all nodes sleep: wake one first (manyhands wake-node NODE)";
        return Err(Failure::new(Reason::Network, message));
    }
    Ok(awake)
}

/// A node that runs, and its network.
fn node(args: &WhichArgs, number: u16) -> Result<(Folder, Network, Node), Failure> {
    let (folder, network, node) = present(args, number)?;
    if folder.process(number).is_none() {
        let log = folder.log_path(number);
        let message = format!(
            "node {number} does not run any more, though nobody removed it; see {} \
             (manyhands remove-node {number} takes it from the list)",
            log.display()
        );
        return Err(Failure::new(Reason::Unreachable, message));
    }
    Ok((folder, network, node))
}

/// A node that was not removed, whether it runs or not, and its network.
fn present(args: &WhichArgs, number: u16) -> Result<(Folder, Network, Node), Failure> {
    let (folder, network) = running(args)?;
    let Some(node) = network.nodes.iter().find(|node| node.number == number).cloned() else {
        let last = network.nodes.last().map_or(0, |node| node.number);
        let message =
            format!("there is no node {number}: the network `{}` has the nodes 1 to {last}", folder.name);
        return Err(Failure::new(Reason::Usage, message));
    };
    if node.removed {
        return Err(Failure::new(Reason::Network, format!("node {number} was removed from the network")));
    }
    Ok((folder, network, node))
}

fn no_network(folder: &Folder) -> Failure {
    let message = format!(
        "no network `{}` was started on this machine: manyhands start-network starts one",
        folder.name
    );
    Failure::new(Reason::Unreachable, message)
}
