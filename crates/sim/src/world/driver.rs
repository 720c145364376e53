//! What a driver does: everything a node wants of the world around it.

use std::time::Duration;

use manyhands_core::io::DIAL_TIMEOUT;
use manyhands_core::{Event, LinkEvent, LinkId, Output, ServerId, SignalingEvent, Time};
use rand_chacha::rand_core::Rng as _;

use super::{Happening, Hearing, NodeNumber, World};
use crate::network::{End, Sent};
use crate::servers::Said;

/// How long a driver takes to describe a connection.
const DESCRIBING: Duration = Duration::from_millis(3);
/// How much later a letter comes that is overtaken, or that comes a second time, at most.
const STRAY: Duration = Duration::from_millis(400);

impl World {
    /// Takes out what a node wants, and does it; then sees to its next tick.
    pub(super) fn drain(&mut self, number: NodeNumber) {
        while let Some(output) = self.lives[number].node.poll_output() {
            if let Some(trace) = &mut self.trace {
                trace.add(self.now, number, &output);
            }
            self.obey(number, output);
        }
        let life = &mut self.lives[number];
        let due = life.node.poll_timeout();
        if due == Time::NEVER {
            return;
        }
        let due = (due - life.ahead).max(self.now);
        let due = if life.tick_every.is_zero() { due } else { due.max(life.ticked + life.tick_every) };
        if life.next_tick == Time::ZERO || due < life.next_tick {
            life.next_tick = due;
            self.schedule(due, number, Happening::Tick);
        }
    }

    fn obey(&mut self, number: NodeNumber, output: Output) {
        match output {
            Output::Connect(way, address) => {
                self.servers.add_way((number, way), &address);
                self.try_server(number, way);
            }
            Output::Disconnect(way) => self.leave_server(number, way),
            Output::Signal(way, message) => {
                for said in self.servers.on_signal((number, way), message) {
                    self.deliver_said(said);
                }
            }
            Output::Dial(link) => self.describe(number, link),
            Output::Answer(link, offer) => {
                if let Some(caller) = read_description(&offer) {
                    self.network.connect(caller, (number, link));
                }
                self.describe(number, link);
            }
            Output::Answered(link, answer) => self.open(number, link, &answer),
            Output::Candidate(..) => {}
            Output::Send(link, bytes) => {
                match self.network.send(self.now, (number, link), bytes, &mut self.rng) {
                    Sent::Arrives(end, at, bytes) => {
                        self.schedule(at, end.0, Happening::Link(end.1, LinkEvent::Received(bytes)));
                    }
                    Sent::Overflow(other) => self.break_link((number, link), other),
                    Sent::Held | Sent::Lost => {}
                }
            }
            Output::SendBulk(link, bytes) => self.send_bulk(number, link, bytes),
            Output::Store(order) => self.obey_store(number, order),
            Output::HangUp(link) => {
                if let Some(other) = self.network.disconnect((number, link)) {
                    let at = self.network.arrival(self.now, other, &mut self.rng);
                    self.schedule(at, other.0, Happening::Link(other.1, LinkEvent::Closed));
                }
            }
            Output::Work(slot, command) => {
                let reaction = self.lives[number].workers[usize::from(slot.0)].handle(self.now, command);
                for report in reaction.reports {
                    self.schedule(self.now, number, Happening::Report(slot, report));
                }
                if let Some((at, generation)) = reaction.wake_at {
                    self.schedule(at, number, Happening::WorkerWakes(slot, generation));
                }
            }
            Output::Event(event) => self.on_event(number, event),
        }
    }

    fn on_event(&mut self, number: NodeNumber, event: Event) {
        self.tell(number, || format!("{event:?}"));
        if let Event::Heard { from, path, .. } = &event {
            let hearing = Hearing { node: number, from: *from, at: self.now, hops: path.len() + 1 };
            self.hearings.push(hearing);
        }
        if self.settings.events {
            self.lives[number].events.push(event);
        }
    }

    fn describe(&mut self, number: NodeNumber, link: LinkId) {
        let described = LinkEvent::Described(describe((number, link)));
        self.schedule(self.now + DESCRIBING, number, Happening::Link(link, described));
    }

    /// Both descriptions are there: the channel opens, unless a partition lies between.
    fn open(&mut self, number: NodeNumber, link: LinkId, answer: &str) {
        let ends = [(number, link)].into_iter().chain(read_description(answer));
        let ends: Vec<End> = ends.filter(|end| self.network.other(*end).is_some()).collect();
        let parted = ends.first().zip(ends.get(1)).filter(|(a, b)| self.network.parts(a.0, b.0));
        if let Some((a, b)) = parted {
            self.network.disconnect(*a);
            self.schedule(self.now + DIAL_TIMEOUT, a.0, Happening::Link(a.1, LinkEvent::Closed));
            self.schedule(self.now + DIAL_TIMEOUT, b.0, Happening::Link(b.1, LinkEvent::Closed));
            return;
        }
        for end in ends {
            let at = self.network.arrival(self.now, end, &mut self.rng);
            self.schedule(at, end.0, Happening::Link(end.1, LinkEvent::Opened));
        }
    }

    /// The system closes a link, and both sides hear of it.
    pub(super) fn break_link(&mut self, end: End, other: End) {
        self.network.disconnect(end);
        self.schedule(self.now, end.0, Happening::Link(end.1, LinkEvent::Closed));
        self.schedule(self.now, other.0, Happening::Link(other.1, LinkEvent::Closed));
    }

    /// What a server said travels to a node, in order, but for letters that go astray.
    fn deliver_said(&mut self, ((node, way), event): Said) {
        let at = self.network.arrival(self.now, (node, LinkId(0)), &mut self.rng);
        let (twice, late) =
            (self.network.conditions.duplicate_permille, self.network.conditions.reorder_permille);
        let is_letter =
            matches!(event, SignalingEvent::Message(manyhands_wire::signaling::ServerMessage::From { .. }));
        let mut arrives = at;
        if is_letter && (twice > 0 || late > 0) {
            let mut chance = |permille: u16| self.rng.next_u64() % 1000 < u64::from(permille);
            let (comes_twice, comes_late) = (chance(twice), chance(late));
            let mut stray = || at + Duration::from_micros(self.rng.next_u64() % STRAY.as_micros() as u64);
            if comes_late {
                arrives = stray();
            }
            if comes_twice {
                let again = stray();
                self.schedule(again, node, Happening::Signaling(way, event.clone()));
            }
        }
        self.schedule(arrives, node, Happening::Signaling(way, event));
    }

    /// A node's driver connects to a server, and tries again while it is away.
    pub(super) fn try_server(&mut self, number: NodeNumber, way: ServerId) {
        let (least, most) = self.settings.back_off;
        match self.servers.try_connect((number, way)) {
            Some(Ok(())) => {
                let delay = self.network.delay(&mut self.rng);
                self.schedule(self.now + delay, number, Happening::Signaling(way, SignalingEvent::Connected));
            }
            Some(Err(tries)) => {
                let wait = least.saturating_mul(1 << tries.min(16)).min(most);
                self.schedule(self.now + wait, number, Happening::TryServer(way));
            }
            None => {}
        }
    }

    /// A node's connection to a server ends for good, and the others there hear of it.
    pub(super) fn leave_server(&mut self, number: NodeNumber, way: ServerId) {
        for ((node, way), event) in self.servers.leave((number, way)) {
            let delay = self.network.delay(&mut self.rng);
            self.schedule(self.now + delay, node, Happening::Signaling(way, event));
        }
    }
}

/// A session description that says which end it is of.
fn describe((number, link): End) -> String {
    format!("v=0\r\no={number} {}\r\na=fingerprint:sha-256 {number:04X}:{:04X}\r\n", link.0, link.0)
}

fn read_description(sdp: &str) -> Option<End> {
    let (number, link) = sdp.lines().find_map(|line| line.strip_prefix("o="))?.split_once(' ')?;
    Some((number.parse().ok()?, LinkId(link.parse().ok()?)))
}
