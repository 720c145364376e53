//! Links and signaling between simulated nodes.
//!
//! A data channel is reliable and ordered, so loss and reordering below it show as delay: a message takes the latency, some
//! jitter, and never overtakes the one before it. A partition holds messages back until it heals. A crashed node's links stay
//! half open: the other side hears nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use manyhands_core::{LinkId, Time};
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

/// All links, and the signaling server's room.
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
    /// The signaling server's room: who is which member.
    members: BTreeMap<Member, NodeNumber>,
    next_member: Member,
    /// Whether the signaling server is up.
    pub signaling_up: bool,
    /// How many letters the server carried.
    pub relayed: u64,
}

impl Network {
    /// A network with its signaling server up.
    pub fn new(conditions: Conditions) -> Self {
        Self { conditions, signaling_up: true, ..Self::default() }
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

    /// What the signaling server says upon a message, and to whom.
    pub fn on_signal(
        &mut self,
        from: NodeNumber,
        message: ClientMessage,
    ) -> Vec<(NodeNumber, ServerMessage)> {
        if !self.signaling_up {
            return Vec::new();
        }
        match message {
            ClientMessage::Join { .. } => {
                let you = self.next_member;
                self.next_member += 1;
                let members: Vec<Member> = self.members.keys().copied().collect();
                let mut said: Vec<_> = self
                    .members
                    .values()
                    .map(|node| (*node, ServerMessage::Joined { member: you }))
                    .collect();
                self.members.insert(you, from);
                said.push((from, ServerMessage::Welcome { you, members }));
                said
            }
            ClientMessage::Send { to, body } => {
                self.relayed += 1;
                let sender = self.members.iter().find(|(_, node)| **node == from).map(|(member, _)| *member);
                let (Some(sender), Some(node)) = (sender, self.members.get(&to)) else { return Vec::new() };
                vec![(*node, ServerMessage::From { from: sender, body })]
            }
        }
    }

    /// A node's connection to the server ended.
    pub fn on_signal_lost(&mut self, node: NodeNumber) -> Vec<(NodeNumber, ServerMessage)> {
        let Some(member) =
            self.members.iter().find(|(_, number)| **number == node).map(|(member, _)| *member)
        else {
            return Vec::new();
        };
        self.members.remove(&member);
        self.members.values().map(|node| (*node, ServerMessage::Left { member })).collect()
    }

    /// The server crashed: its room is gone.
    pub fn forget_room(&mut self) -> Vec<NodeNumber> {
        std::mem::take(&mut self.members).into_values().collect()
    }
}
