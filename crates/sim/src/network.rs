//! Links between simulated nodes.
//!
//! A data channel is reliable and ordered, so loss and reordering below it show as delay: a message takes the latency, some
//! jitter, perhaps a retransmission, waits for those that its node sends before it, and never overtakes the one before it. A
//! partition holds messages back until it heals, and so do a link that is dead in one direction and a node that does not
//! read. What is held back fills the sender's buffer: at [`QUEUE_BYTES_MAX`] its driver closes the link. A crashed node's
//! links stay half open: the other side hears nothing.

use std::time::Duration;

use manyhands_core::{LinkId, Time};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng as _;

use crate::world::NodeNumber;

/// One end of a link: which life of which node, and its number for it.
pub type End = (NodeNumber, LinkId);

/// How much a driver lets wait on a link before it closes it, as the real drivers do.
pub const QUEUE_BYTES_MAX: u64 = 4 << 20;

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
    /// How many bytes a node sends in a second, over all its links together; 0 for no limit.
    pub bytes_per_second: u64,
    /// How many of a thousand signaling letters come twice.
    pub duplicate_permille: u16,
    /// How many of a thousand signaling letters are overtaken by later ones.
    pub reorder_permille: u16,
}

impl Default for Conditions {
    /// A home network: 5 ms and up to 5 ms more, nothing lost.
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(5),
            jitter: Duration::from_millis(5),
            loss_permille: 0,
            retransmission: Duration::from_millis(250),
            bytes_per_second: 0,
            duplicate_permille: 0,
            reorder_permille: 0,
        }
    }
}

/// One end, as its node's table has it.
#[derive(Clone, Copy, Default)]
struct Socket {
    other: Option<End>,
    /// When the last message towards this end arrives: none overtakes it.
    arrives: Time,
    /// How many bytes towards this end are held back.
    held: u64,
    /// Nothing comes through towards this end.
    is_dead: bool,
}

/// What a node's machine does for all its links.
#[derive(Clone, Default)]
struct Machine {
    sockets: Vec<Socket>,
    /// When the last byte that it was given has left.
    busy_until: Time,
    /// On which side of a partition it is.
    on_island: bool,
    does_not_read: bool,
}

/// What became of a message.
pub(crate) enum Sent {
    /// It arrives at that end, then.
    Arrives(End, Time, Vec<u8>),
    /// It is held back.
    Held,
    /// There is no such link.
    Lost,
    /// The driver's buffer is full: it closes the link to this other end.
    Overflow(End),
}

/// All links.
pub(crate) struct Network {
    pub(crate) conditions: Conditions,
    machines: Vec<Machine>,
    held: Vec<(End, Vec<u8>)>,
}

impl Network {
    pub(crate) fn new(conditions: Conditions) -> Self {
        Self { conditions, machines: Vec::new(), held: Vec::new() }
    }

    /// One more node.
    pub(crate) fn add_machine(&mut self) {
        self.machines.push(Machine::default());
    }

    fn socket(&mut self, (node, link): End) -> &mut Socket {
        let sockets = &mut self.machines[node].sockets;
        let at = link.0 as usize;
        if sockets.len() <= at {
            sockets.resize(at + 1, Socket::default());
        }
        &mut sockets[at]
    }

    /// How long the next message takes.
    pub(crate) fn delay(&self, rng: &mut ChaCha8Rng) -> Duration {
        let Conditions { latency, jitter, loss_permille, retransmission, .. } = self.conditions;
        let draw = rng.next_u64();
        let jitter = Duration::from_micros((draw >> 16) % (jitter.as_micros() as u64 + 1));
        let lost = (draw & 0xffff) % 1000 < u64::from(loss_permille);
        latency + jitter + if lost { retransmission } else { Duration::ZERO }
    }

    /// When something that leaves now arrives at `end`, behind all that was sent there before.
    pub(crate) fn arrival(&mut self, now: Time, end: End, rng: &mut ChaCha8Rng) -> Time {
        let arrival = now + self.delay(rng);
        let socket = self.socket(end);
        socket.arrives = arrival.max(socket.arrives);
        socket.arrives
    }

    /// A node sends a message over a link.
    pub(crate) fn send(&mut self, now: Time, from: End, bytes: Vec<u8>, rng: &mut ChaCha8Rng) -> Sent {
        let Some(to) = self.other(from) else { return Sent::Lost };
        let blocked = self.parts(from.0, to.0) || self.machines[to.0].does_not_read;
        let socket = self.socket(to);
        if blocked || socket.is_dead || socket.held > 0 {
            socket.held += bytes.len() as u64;
            if socket.held > QUEUE_BYTES_MAX {
                return Sent::Overflow(to);
            }
            self.held.push((to, bytes));
            return Sent::Held;
        }
        let rate = self.conditions.bytes_per_second;
        let mut leaves = now;
        if rate > 0 {
            let machine = &mut self.machines[from.0];
            let waiting = machine.busy_until.since(now);
            if waiting.as_secs_f64() * rate as f64 > QUEUE_BYTES_MAX as f64 {
                return Sent::Overflow(to);
            }
            leaves =
                machine.busy_until.max(now) + Duration::from_micros(bytes.len() as u64 * 1_000_000 / rate);
            machine.busy_until = leaves;
        }
        let at = self.arrival(leaves, to, rng);
        Sent::Arrives(to, at, bytes)
    }

    /// When all that a node was given to send has left it.
    pub(crate) fn has_left(&self, node: NodeNumber) -> Time {
        self.machines[node].busy_until
    }

    /// Ties two ends together.
    pub(crate) fn connect(&mut self, a: End, b: End) {
        for (end, other) in [(a, b), (b, a)] {
            let socket = self.socket(end);
            (socket.other, socket.held, socket.is_dead) = (Some(other), 0, false);
        }
    }

    /// The other end, if the link stands.
    pub(crate) fn other(&self, (node, link): End) -> Option<End> {
        self.machines[node].sockets.get(link.0 as usize)?.other
    }

    /// The links of a node that stand, and what they lead to.
    pub(crate) fn links_of(&self, node: NodeNumber) -> Vec<(LinkId, End)> {
        let sockets = self.machines[node].sockets.iter().enumerate();
        sockets.filter_map(|(at, socket)| Some((LinkId(at as u64), socket.other?))).collect()
    }

    /// Cuts a link. Returns the other end, which is to hear of it.
    pub(crate) fn disconnect(&mut self, end: End) -> Option<End> {
        let other = self.other(end)?;
        self.socket(end).other = None;
        self.socket(other).other = None;
        Some(other)
    }

    /// These nodes and the rest cannot reach each other from now on.
    pub(crate) fn partition(&mut self, island: &[NodeNumber]) {
        self.machines.iter_mut().for_each(|machine| machine.on_island = false);
        for node in island {
            self.machines[*node].on_island = true;
        }
    }

    /// Nothing comes through towards this end any more.
    pub(crate) fn kill_direction(&mut self, towards: End) {
        self.socket(towards).is_dead = true;
    }

    /// A node takes nothing out of its buffers any more.
    pub(crate) fn stop_reading(&mut self, node: NodeNumber) {
        self.machines[node].does_not_read = true;
    }

    /// Everybody reaches everybody again. Returns what was held back, in order.
    pub(crate) fn heal(&mut self) -> Vec<(End, Vec<u8>)> {
        for machine in &mut self.machines {
            (machine.on_island, machine.does_not_read) = (false, false);
            machine.sockets.iter_mut().for_each(|socket| (socket.held, socket.is_dead) = (0, false));
        }
        let held = std::mem::take(&mut self.held);
        held.into_iter().filter(|(end, _)| self.other(*end).is_some()).collect()
    }

    /// Whether a partition lies between two nodes.
    pub(crate) fn parts(&self, a: NodeNumber, b: NodeNumber) -> bool {
        self.machines[a].on_island != self.machines[b].on_island
    }
}
