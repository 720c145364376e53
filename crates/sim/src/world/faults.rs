//! What a scenario can do to a world.

use std::time::Duration;

use manyhands_core::{LinkEvent, LinkId, SignalingEvent};
use manyhands_wire::Frame;

use super::{Happening, NodeNumber, World};
use crate::network::Sent;
use crate::options::{HUB, address};

/// How every message of the bulk channel begins, and no other.
const BULK_MAGIC: &[u8] = b"MB";

impl World {
    /// Something happens on a node's way to its first signaling server.
    pub fn signal(&mut self, number: NodeNumber, event: SignalingEvent) {
        if let Some(way) = self.servers.ways_of(number).first() {
            let life = &mut self.lives[number];
            life.node.handle_signaling(life.local(self.now), *way, event);
            self.drain(number);
        }
    }

    /// A node's process dies, and its signaling server with it. With `silently`, as in a power cut, nobody is told; otherwise
    /// its system closes the channels.
    pub fn crash(&mut self, number: NodeNumber, silently: bool) {
        self.tell(number, || format!("crashes{}", if silently { " silently" } else { "" }));
        if std::mem::take(&mut self.lives[number].alive) {
            let workers = self.lives[number].workers.iter();
            self.lost_units += workers.map(|worker| worker.unreported(self.now)).sum::<u64>();
        }
        self.count(number);
        for (link, other) in self.network.links_of(number) {
            self.network.disconnect((number, link));
            if !silently {
                let delay = self.network.delay(&mut self.rng);
                self.schedule(self.now + delay, other.0, Happening::Link(other.1, LinkEvent::Closed));
            }
        }
        for way in self.servers.ways_of(number) {
            self.leave_server(number, way);
        }
        let options = &self.lives[number].options;
        let identity = options.identity;
        let lives_again = || {
            self.lives
                .iter()
                .any(|life| life.alive && life.options.serves && life.options.identity == identity)
        };
        if options.serves && !lives_again() {
            self.crash_server(&address(identity));
        }
    }

    /// The [`HUB`] dies; it may come back.
    pub fn crash_signaling(&mut self) {
        self.crash_server(HUB);
    }

    /// The [`HUB`] is there again, and everybody connects.
    pub fn revive_signaling(&mut self) {
        self.servers.start(HUB);
    }

    /// The signaling server at this address dies; it may come back.
    pub fn crash_server(&mut self, address: &str) {
        for (node, way) in self.servers.stop(address) {
            self.schedule(self.now, node, Happening::Signaling(way, SignalingEvent::Disconnected));
        }
    }

    /// A node's machine sleeps: nothing reaches it until then, and it notices only afterwards.
    pub fn pause(&mut self, number: NodeNumber, span: Duration) {
        self.tell(number, || format!("is paused for {span:?}"));
        self.lives[number].paused_until = self.now + span;
    }

    /// A node's timers fire no more often than this from now on, as those of a hidden tab; zero lifts it.
    pub fn throttle_timers(&mut self, number: NodeNumber, every: Duration) {
        self.tell(number, || format!("has its timers throttled to {every:?}"));
        self.lives[number].tick_every = every;
        self.lives[number].next_tick = manyhands_core::Time::ZERO;
        self.drain(number);
    }

    /// A node's clock jumps ahead.
    pub fn jump_clock(&mut self, number: NodeNumber, ahead: Duration) {
        self.tell(number, || format!("has its clock jump by {ahead:?}"));
        self.lives[number].ahead += ahead;
        self.drain(number);
    }

    /// The link between two nodes breaks, and both systems notice.
    pub fn cut(&mut self, a: NodeNumber, b: NodeNumber) {
        self.tell(a, || format!("is cut off from node {b}"));
        for (link, other) in self.network.links_of(a) {
            if other.0 == b {
                self.break_link((a, link), other);
            }
        }
    }

    /// Nothing that `from` sends reaches `to` any more, until all is healed; the other way it does.
    pub fn half_open(&mut self, from: NodeNumber, to: NodeNumber) {
        self.tell(from, || format!("is no longer heard by node {to}"));
        for (_, other) in self.network.links_of(from) {
            if other.0 == to {
                self.network.kill_direction(other);
            }
        }
    }

    /// A node takes nothing out of its buffers any more, until all is healed: those who send to it fill theirs.
    pub fn stop_reading(&mut self, number: NodeNumber) {
        self.tell(number, || "does not read any more".to_owned());
        self.network.stop_reading(number);
    }

    /// These nodes and the rest cannot reach each other.
    pub fn partition(&mut self, island: &[NodeNumber]) {
        island.iter().for_each(|number| self.tell(*number, || "is on an island".to_owned()));
        self.network.partition(island);
    }

    /// Everybody reaches everybody again: partitions, half-open links and readers that do not read are mended.
    pub fn heal(&mut self) {
        for (end, bytes) in self.network.heal() {
            let at = self.network.arrival(self.now, end, &mut self.rng);
            let is_bulk = bytes.starts_with(BULK_MAGIC);
            let event = if is_bulk { LinkEvent::ReceivedBulk(bytes) } else { LinkEvent::Received(bytes) };
            self.schedule(at, end.0, Happening::Link(end.1, event));
        }
    }

    /// Nothing is slow, late, throttled or lost from now on; clocks stay where they are.
    pub fn calm(&mut self) {
        self.heal();
        self.network.conditions = crate::network::Conditions::default();
        for number in 0..self.lives.len() {
            self.lives[number].tick_every = Duration::ZERO;
            self.lives[number].paused_until = self.lives[number].paused_until.min(self.now);
        }
    }

    /// Bytes that no honest node would send arrive on every link of `number`, as if from the other side.
    pub fn garbage(&mut self, number: NodeNumber, bytes: &[u8]) {
        for (link, _) in self.network.links_of(number) {
            self.schedule(self.now, number, Happening::Link(link, LinkEvent::Received(bytes.to_vec())));
        }
    }

    /// A proven peer turns hostile: it sends `frame` to another on their link.
    pub fn forge(&mut self, from: NodeNumber, to: NodeNumber, frame: &Frame) {
        self.truth.is_credit_sure = false;
        // What is forged may be a result, and a lie.
        self.truth.is_lied_to |= matches!(frame, Frame::Records { .. });
        let links: Vec<LinkId> = self
            .network
            .links_of(from)
            .into_iter()
            .filter(|(_, end)| end.0 == to)
            .map(|(link, _)| link)
            .collect();
        for link in links {
            if let Sent::Arrives(end, at, bytes) =
                self.network.send(self.now, (from, link), frame.encode(), &mut self.rng)
            {
                self.schedule(at, end.0, Happening::Link(end.1, LinkEvent::Received(bytes)));
            }
        }
    }
}
