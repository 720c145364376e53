//! Links and signaling between simulated nodes.
//!
//! A data channel is reliable and ordered, so loss and reordering below it show as delay: a message takes the latency, some
//! jitter, and never overtakes the one before it. A partition holds messages back until it heals. A crashed node's links stay
//! half open: the other side hears nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use manyhands_core::{LinkId, ServerId, Time};
use manyhands_wire::signaling::{ClientMessage, Member, ServerMessage};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng as _;

use crate::world::NodeNumber;

/// One end of a link: which life of which node, and its number for it.
pub type End = (NodeNumber, LinkId);

/// What the network does to messages.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    /// Least time a message takes.
    pub latency: Duration,
    /// Most time it takes beyond that, drawn anew for each.
    pub jitter: Duration,
    /// How many of a thousand messages are lost below the channel once and arrive after a retransmission.
    pub loss_permille: u16,
    /// What a retransmission costs.
    pub retransmission: Duration,
}

impl Default for Conditions {
    /// A home network: 5 ms and up to 5 ms more, nothing lost.
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(5),
            jitter: Duration::from_millis(5),
            loss_permille: 0,
            retransmission: Duration::from_millis(250),
        }
    }
}

/// A signaling server, and its one room.
#[derive(Default)]
struct Server {
    is_up: bool,
    members: BTreeMap<Member, (NodeNumber, ServerId)>,
    next_member: Member,
}

/// What a server says, and to which connection of which node.
pub type Said = (NodeNumber, ServerId, ServerMessage);

/// All links, and the signaling servers' rooms.
#[derive(Default)]
pub struct Network {
    /// What the network does to messages.
    pub conditions: Conditions,
    /// Ends of open or dialled links, both ways.
    other: BTreeMap<End, End>,
    /// When the last message towards an end arrives: none overtakes it.
    arrives: BTreeMap<End, Time>,
    /// Pairs of groups that cannot reach each other now.
    island: BTreeSet<NodeNumber>,
    partitioned: bool,
    held: VecDeque<(End, Vec<u8>)>,
    /// The signaling servers by address, and who is in the room there.
    servers: BTreeMap<String, Server>,
    /// Where each node's connections to servers lead.
    ways: BTreeMap<(NodeNumber, ServerId), String>,
    /// How many letters the server carried.
    pub relayed: u64,
}

impl Network {
    /// A network without servers.
    pub fn new(conditions: Conditions) -> Self {
        Self { conditions, ..Self::default() }
    }

    /// How long the next message takes.
    pub fn delay(&self, rng: &mut ChaCha8Rng) -> Duration {
        let Conditions { latency, jitter, loss_permille, retransmission } = self.conditions;
        let jitter = Duration::from_micros(rng.next_u64() % (jitter.as_micros() as u64 + 1));
        let lost = rng.next_u64() % 1000 < u64::from(loss_permille);
        latency + jitter + if lost { retransmission } else { Duration::ZERO }
    }

    /// When a message sent now arrives at `end`, behind all sent before it.
    pub fn arrival(&mut self, now: Time, end: End, rng: &mut ChaCha8Rng) -> Time {
        let arrival = now + self.delay(rng);
        let last = self.arrives.entry(end).or_insert(Time::ZERO);
        *last = arrival.max(*last);
        *last
    }

    /// Ties two ends together.
    pub fn connect(&mut self, a: End, b: End) {
        self.other.insert(a, b);
        self.other.insert(b, a);
    }

    /// The other end, if the link stands.
    pub fn other(&self, end: End) -> Option<End> {
        self.other.get(&end).copied()
    }

    /// Cuts a link. Returns the other end, which is to hear of it.
    pub fn disconnect(&mut self, end: End) -> Option<End> {
        let other = self.other.remove(&end)?;
        self.other.remove(&other);
        Some(other)
    }

    /// Forgets a crashed node's ends: what the others send goes nowhere, and they are told nothing.
    pub fn crash(&mut self, node: NodeNumber) -> Vec<End> {
        let ends: Vec<End> = self.other.keys().copied().filter(|(number, _)| *number == node).collect();
        ends.into_iter().filter_map(|end| self.disconnect(end)).collect()
    }

    /// These nodes and the rest cannot reach each other from now on.
    pub fn partition(&mut self, island: impl IntoIterator<Item = NodeNumber>) {
        self.island = island.into_iter().collect();
        self.partitioned = true;
    }

    /// Everybody reaches everybody again. Returns what was held back, in order.
    pub fn heal(&mut self) -> VecDeque<(End, Vec<u8>)> {
        self.partitioned = false;
        std::mem::take(&mut self.held)
    }

    /// Whether a partition lies between two nodes.
    pub fn parts(&self, a: NodeNumber, b: NodeNumber) -> bool {
        self.partitioned && self.island.contains(&a) != self.island.contains(&b)
    }

    /// Holds a message back if a partition lies between; otherwise hands it back.
    pub fn hold(&mut self, from: NodeNumber, to: End, bytes: Vec<u8>) -> Option<Vec<u8>> {
        if self.parts(from, to.0) {
            self.held.push_back((to, bytes));
            return None;
        }
        Some(bytes)
    }

    /// A server runs at this address from now on.
    pub fn start_server(&mut self, address: &str) {
        self.servers.entry(address.to_owned()).or_default().is_up = true;
    }

    /// The server crashed: its room is gone. Returns the connections that broke.
    pub fn stop_server(&mut self, address: &str) -> Vec<(NodeNumber, ServerId)> {
        let Some(server) = self.servers.get_mut(address) else { return Vec::new() };
        server.is_up = false;
        std::mem::take(&mut server.members).into_values().collect()
    }

    /// A node wants to connect to a server. `true` if it is there; otherwise the node's driver goes on trying.
    pub fn connect_to_server(&mut self, node: NodeNumber, way: ServerId, address: String) -> bool {
        let is_up = self.servers.get(&address).is_some_and(|server| server.is_up);
        self.ways.insert((node, way), address);
        is_up
    }

    /// The connections of all nodes to this server, made or waited for.
    pub fn ways_to(&self, address: &str) -> Vec<(NodeNumber, ServerId)> {
        self.ways.iter().filter(|(_, to)| *to == address).map(|(way, _)| *way).collect()
    }

    /// The connections of one node, made or waited for.
    pub fn ways_of(&self, node: NodeNumber) -> Vec<ServerId> {
        self.ways.keys().filter(|(number, _)| *number == node).map(|(_, way)| *way).collect()
    }

    /// What a server says upon a message, and to whom.
    pub fn on_signal(&mut self, from: NodeNumber, way: ServerId, message: ClientMessage) -> Vec<Said> {
        let from = (from, way);
        let Some(server) = self.ways.get(&from).and_then(|to| self.servers.get_mut(to)) else {
            return Vec::new();
        };
        if !server.is_up {
            return Vec::new();
        }
        match message {
            ClientMessage::Join { .. } => {
                let you = server.next_member;
                server.next_member += 1;
                let members: Vec<Member> = server.members.keys().copied().collect();
                let joined = |(node, way): &(NodeNumber, ServerId)| {
                    (*node, *way, ServerMessage::Joined { member: you })
                };
                let mut said: Vec<Said> = server.members.values().map(joined).collect();
                server.members.insert(you, from);
                said.push((from.0, from.1, ServerMessage::Welcome { you, members }));
                said
            }
            ClientMessage::Send { to, body } => {
                self.relayed += 1;
                let sender =
                    server.members.iter().find(|(_, node)| **node == from).map(|(member, _)| *member);
                let (Some(sender), Some((node, way))) = (sender, server.members.get(&to)) else {
                    return Vec::new();
                };
                vec![(*node, *way, ServerMessage::From { from: sender, body })]
            }
        }
    }

    /// A node's connection to a server ended.
    pub fn disconnect_from_server(&mut self, node: NodeNumber, way: ServerId) -> Vec<Said> {
        let Some(server) = self.ways.remove(&(node, way)).and_then(|to| self.servers.get_mut(&to)) else {
            return Vec::new();
        };
        let Some(member) =
            server.members.iter().find(|(_, at)| **at == (node, way)).map(|(member, _)| *member)
        else {
            return Vec::new();
        };
        server.members.remove(&member);
        server.members.values().map(|(node, way)| (*node, *way, ServerMessage::Left { member })).collect()
    }
}
