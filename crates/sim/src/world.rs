//! The event loop of a simulation, and what a scenario can do to it.
//!
//! 1. Take the earliest event off the queue; the virtual clock jumps to it.
//! 2. Hand it to its node, and turn every output of the node into later events.
//! 3. Check what must always hold.
//!
//! Events of one moment happen in the order they were scheduled. Every random choice comes from the world's one generator.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use manyhands_core::io::DIAL_TIMEOUT;
use manyhands_core::node::{Config, HostConfig};
use manyhands_core::{
    Command, Event, LinkEvent, LinkId, Node, Output, RoomKey, ServerId, SignalingEvent, Slot, Time,
};
use manyhands_ledger::Ledger;
use manyhands_wire::frame::PeerKind;
use manyhands_wire::{Frame, JobSpec, Outcome};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use crate::network::{Conditions, End, Network};
use crate::worker::SimWorker;

/// A life of a node: one that comes back after a crash has a new number.
pub type NodeNumber = usize;

/// The address of the signaling server that every node enters unless told otherwise.
pub const HUB: &str = "hub";
/// How long a driver waits before it tries a server again.
const RECONNECT: Duration = Duration::from_millis(500);
/// How long a driver takes to describe a connection.
const DESCRIBING: Duration = Duration::from_millis(3);

/// What a simulated peer is like.
#[derive(Clone, Copy, Debug)]
pub struct PeerOptions {
    /// How many threads it lends.
    pub threads: u16,
    /// Thousandths of a unit per second, each thread.
    pub speed: u64,
    /// Which key it has: equal numbers are the same peer.
    pub identity: u8,
    /// Whether it holds the room's key; otherwise another, with which it knocks at the same server: the room's id is not looked at
    /// here, so that the seal and the handshake have to keep it out.
    pub invited: bool,
}

enum Happening {
    Tick,
    Signaling(ServerId, SignalingEvent),
    /// The driver tries to connect to a server.
    TryServer(ServerId, String),
    Link(LinkId, LinkEvent),
    WorkerDone(Slot, u64),
    Report(Slot, manyhands_jobs::Report),
}

struct Life {
    node: Node,
    options: PeerOptions,
    workers: Vec<SimWorker>,
    events: Vec<Event>,
    done_units: u64,
    alive: bool,
    paused_until: Time,
    next_tick: Time,
}

/// A simulation.
pub struct World {
    now: Time,
    rng: ChaCha8Rng,
    network: Network,
    queue: BTreeMap<(Time, u64), (NodeNumber, Happening)>,
    scheduled: u64,
    lives: Vec<Life>,
    room: RoomKey,
    spec: JobSpec,
    expected: Outcome,
    job_changed: bool,
    trace: blake3::Hasher,
}

impl World {
    /// A world in which `spec` is to be computed by the room of the host with identity 0.
    pub fn new(seed: u64, spec: JobSpec, conditions: Conditions) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let host = PeerOptions { threads: 0, speed: 1, identity: 0, invited: true };
        let host =
            Node::new(config(&host, RoomKey { host: [0; 16], key: [1; 16] }, [0; 32], None), Time::ZERO).id();
        let expected = manyhands_jobs::kernel::compute(&spec.kind, spec.range());
        let mut network = Network::new(conditions);
        network.start_server(HUB);
        Self {
            now: Time::ZERO,
            rng: ChaCha8Rng::from_seed(key),
            network,
            queue: BTreeMap::new(),
            scheduled: 0,
            lives: Vec::new(),
            room: RoomKey::new(&host, [1; 16]),
            spec,
            expected,
            job_changed: false,
            trace: blake3::Hasher::new(),
        }
    }

    /// From now on the host asks for something else, as if `task.json` had been edited between two runs.
    pub fn change_job(&mut self, spec: JobSpec) {
        self.expected = manyhands_jobs::kernel::compute(&spec.kind, spec.range());
        self.spec = spec;
        self.lives.iter_mut().for_each(|life| life.done_units = 0);
        self.job_changed = true;
    }

    /// Starts the host, which waits for that many friends and remembers `ledger`.
    pub fn host(&mut self, options: PeerOptions, wait: u16, ledger: Option<Ledger>) -> NodeNumber {
        let host = HostConfig { spec: self.spec.clone(), ledger, wait };
        self.live(PeerOptions { identity: 0, ..options }, Some(host))
    }

    /// A friend opens the link.
    pub fn friend(&mut self, options: PeerOptions) -> NodeNumber {
        self.live(options, None)
    }

    fn live(&mut self, options: PeerOptions, host: Option<HostConfig>) -> NodeNumber {
        let number = self.lives.len();
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let room = if options.invited { self.room } else { RoomKey { key: [2; 16], ..self.room } };
        let done_units = host.as_ref().and_then(|host| host.ledger.as_ref()).map_or(0, Ledger::done_units);
        self.lives.push(Life {
            node: Node::new(config(&options, room, seed, host), self.now),
            workers: vec![SimWorker::new(options.speed); usize::from(options.threads)],
            options,
            events: Vec::new(),
            done_units,
            alive: true,
            paused_until: Time::ZERO,
            next_tick: Time::ZERO,
        });
        self.drain(number);
        number
    }

    /// The virtual time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// A node, dead or alive.
    pub fn node(&self, number: NodeNumber) -> &Node {
        &self.lives[number].node
    }

    /// What a node told its person so far.
    pub fn events(&self, number: NodeNumber) -> &[Event] {
        &self.lives[number].events
    }

    /// The world's random numbers, for scenarios that draw their own faults.
    pub fn rng(&mut self) -> &mut ChaCha8Rng {
        &mut self.rng
    }

    /// How many letters signaling carried so far.
    pub fn relayed(&self) -> u64 {
        self.network.relayed
    }

    /// The nodes that are alive, hold the room's key and have not left.
    pub fn alive(&self) -> Vec<NodeNumber> {
        let counts = |life: &Life| life.alive && life.options.invited && !life.node.has_left();
        (0..self.lives.len()).filter(|number| counts(&self.lives[*number])).collect()
    }

    /// A command of a node's person.
    pub fn command(&mut self, number: NodeNumber, command: Command) {
        self.lives[number].node.handle_command(self.now, command);
        self.drain(number);
    }

    /// Something happens on a node's way to its first signaling server.
    pub fn signal(&mut self, number: NodeNumber, event: SignalingEvent) {
        if let Some(way) = self.network.ways_of(number).first() {
            self.lives[number].node.handle_signaling(self.now, *way, event);
            self.drain(number);
        }
    }

    /// A node's process dies. With `silently`, as in a power cut, nobody is told; otherwise its system closes the channels.
    pub fn crash(&mut self, number: NodeNumber, silently: bool) {
        self.lives[number].alive = false;
        for (node, link) in self.network.crash(number) {
            if !silently {
                let delay = self.network.delay(&mut self.rng);
                self.schedule(self.now + delay, node, Happening::Link(link, LinkEvent::Closed));
            }
        }
        for way in self.network.ways_of(number) {
            self.leave_server(number, way);
        }
    }

    /// A node's connection to a server ends, and the others there hear of it.
    fn leave_server(&mut self, number: NodeNumber, way: ServerId) {
        for (node, way, message) in self.network.disconnect_from_server(number, way) {
            let delay = self.network.delay(&mut self.rng);
            let event = SignalingEvent::Message(message);
            self.schedule(self.now + delay, node, Happening::Signaling(way, event));
        }
    }

    /// The signaling server dies; it may come back.
    pub fn crash_signaling(&mut self) {
        self.crash_server(HUB);
    }

    /// The signaling server is there again, and everybody connects.
    pub fn revive_signaling(&mut self) {
        self.network.start_server(HUB);
    }

    /// The signaling server at this address dies; it may come back.
    pub fn crash_server(&mut self, address: &str) {
        for (node, way) in self.network.stop_server(address) {
            self.schedule(self.now, node, Happening::Signaling(way, SignalingEvent::Disconnected));
            self.schedule(self.now + RECONNECT, node, Happening::TryServer(way, address.to_owned()));
        }
    }

    /// A node's machine sleeps: nothing reaches it until then, and it notices only afterwards.
    pub fn pause(&mut self, number: NodeNumber, span: Duration) {
        self.lives[number].paused_until = self.now + span;
    }

    /// The link between two nodes breaks, and both systems notice.
    pub fn cut(&mut self, a: NodeNumber, b: NodeNumber) {
        let links: Vec<LinkId> = self.node(a).links().collect();
        for end in links.into_iter().map(|link| (a, link)) {
            if let Some(other) = self.network.other(end).filter(|other| other.0 == b) {
                self.network.disconnect(end);
                self.schedule(self.now, end.0, Happening::Link(end.1, LinkEvent::Closed));
                self.schedule(self.now, other.0, Happening::Link(other.1, LinkEvent::Closed));
            }
        }
    }

    /// These nodes and the rest cannot reach each other.
    pub fn partition(&mut self, island: &[NodeNumber]) {
        self.network.partition(island.iter().copied());
    }

    /// Everybody reaches everybody again.
    pub fn heal(&mut self) {
        for (end, bytes) in self.network.heal() {
            self.deliver(end, bytes);
        }
    }

    /// Bytes that no honest node would send arrive on every link of `number`, as if from the other side.
    pub fn garbage(&mut self, number: NodeNumber, bytes: &[u8]) {
        let links: Vec<LinkId> =
            (1..64).map(LinkId).filter(|link| self.network.other((number, *link)).is_some()).collect();
        for link in links {
            self.schedule(self.now, number, Happening::Link(link, LinkEvent::Received(bytes.to_vec())));
        }
    }

    /// A proven peer turns hostile: it sends `frame` to another on their link.
    pub fn forge(&mut self, from: NodeNumber, to: NodeNumber, frame: &Frame) {
        let links: Vec<LinkId> = self.node(from).links().collect();
        let ends = links.into_iter().filter_map(|link| self.network.other((from, link)));
        for end in ends.filter(|end| end.0 == to).collect::<Vec<_>>() {
            self.deliver(end, frame.encode());
        }
    }

    /// Runs until `until` holds. `false` if it does not within `limit` of virtual time.
    pub fn run_until(&mut self, limit: Duration, until: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + limit;
        while !until(self) {
            match self.queue.first_key_value() {
                Some(((at, _), _)) if *at <= end => self.step(),
                _ => {
                    self.now = end;
                    return until(self);
                }
            }
        }
        true
    }

    /// Runs for a span of virtual time.
    pub fn run_for(&mut self, span: Duration) {
        self.run_until(span, |_| false);
    }

    /// Whether every living node of the room knows the finished, true result.
    pub fn everybody_knows(&self) -> bool {
        self.alive().into_iter().all(|number| {
            self.node(number).ledger().is_some_and(|ledger| {
                ledger.merged().as_ref() == Some(&self.expected) && ledger.is_complete()
            })
        })
    }

    /// Units computed by all nodes together, dead ones too, duplicates counted.
    pub fn gross_units(&self) -> u64 {
        self.lives.iter().map(|life| life.node.view(self.now).peers[0].gross_units).sum()
    }

    /// The hash of everything every node ever did.
    pub fn trace(&self) -> String {
        self.trace.finalize().to_hex().to_string()
    }

    fn schedule(&mut self, at: Time, number: NodeNumber, happening: Happening) {
        self.scheduled += 1;
        self.queue.insert((at.max(self.now), self.scheduled), (number, happening));
    }

    fn step(&mut self) {
        let Some(((at, order), (number, happening))) = self.queue.pop_first() else { return };
        self.now = at;
        let life = &mut self.lives[number];
        if !life.alive {
            return;
        }
        if life.paused_until > at {
            // What happens to a sleeping machine waits in its buffers.
            self.queue.insert((life.paused_until, order), (number, happening));
            return;
        }
        match happening {
            Happening::Tick if at < life.next_tick => return,
            Happening::Tick => {
                life.next_tick = Time::ZERO;
                life.node.handle_timeout(at);
            }
            Happening::Signaling(way, event) => life.node.handle_signaling(at, way, event),
            Happening::TryServer(way, address) => {
                if self.network.ways_of(number).contains(&way) {
                    self.try_server(number, way, address);
                }
                return;
            }
            Happening::Link(link, event) => life.node.handle_link(at, link, event),
            Happening::Report(slot, report) => life.node.handle_worker(at, slot, report),
            Happening::WorkerDone(slot, generation) => {
                match life.workers[usize::from(slot.0)].finish(at, generation) {
                    Some(report) => life.node.handle_worker(at, slot, report),
                    None => return,
                }
            }
        }
        self.drain(number);
        self.check(number);
    }

    fn drain(&mut self, number: NodeNumber) {
        let mut outputs = VecDeque::new();
        while let Some(output) = self.lives[number].node.poll_output() {
            self.trace.update(&self.now.as_micros().to_le_bytes());
            self.trace.update(format!("{number} {output:?}").as_bytes());
            outputs.push_back(output);
        }
        for output in outputs {
            self.obey(number, output);
        }
        let due = self.lives[number].node.poll_timeout();
        let life = &mut self.lives[number];
        if due != Time::NEVER && (life.next_tick == Time::ZERO || due < life.next_tick) {
            life.next_tick = due;
            self.schedule(due, number, Happening::Tick);
        }
    }

    /// Does what a node wants, as a driver would.
    fn obey(&mut self, number: NodeNumber, output: Output) {
        match output {
            Output::Connect(way, address) => self.try_server(number, way, address),
            Output::Disconnect(way) => self.leave_server(number, way),
            Output::Signal(way, message) => {
                for (node, way, said) in self.network.on_signal(number, way, message) {
                    let end = (node, LinkId(0));
                    let at = self.network.arrival(self.now, end, &mut self.rng);
                    self.schedule(at, node, Happening::Signaling(way, SignalingEvent::Message(said)));
                }
            }
            Output::Dial(link) | Output::Answer(link, _) => {
                if let Output::Answer(_, offer) = &output
                    && let Some(caller) = read_description(offer)
                {
                    self.network.connect(caller, (number, link));
                }
                let description = describe((number, link));
                self.schedule(
                    self.now + DESCRIBING,
                    number,
                    Happening::Link(link, LinkEvent::Described(description)),
                );
            }
            Output::Answered(link, answer) => {
                let ends = [(number, link)].into_iter().chain(read_description(&answer));
                let ends: Vec<End> = ends.filter(|end| self.network.other(*end).is_some()).collect();
                if let Some((a, b)) =
                    ends.first().zip(ends.get(1)).filter(|(a, b)| self.network.parts(a.0, b.0))
                {
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
            Output::Candidate(..) => {}
            Output::Send(link, bytes) => {
                if let Some(other) = self.network.other((number, link))
                    && let Some(bytes) = self.network.hold(number, other, bytes)
                {
                    self.deliver(other, bytes);
                }
            }
            Output::HangUp(link) => {
                if let Some(other) = self.network.disconnect((number, link)) {
                    let at = self.network.arrival(self.now, other, &mut self.rng);
                    self.schedule(at, other.0, Happening::Link(other.1, LinkEvent::Closed));
                }
            }
            Output::Work(slot, command) => {
                let reaction = self.lives[number].workers[usize::from(slot.0)].handle(self.now, command);
                if let Some(report) = reaction.report {
                    self.schedule(self.now, number, Happening::Report(slot, report));
                }
                if let Some((at, generation)) = reaction.finish_at {
                    self.schedule(at, number, Happening::WorkerDone(slot, generation));
                }
            }
            Output::Event(event) => self.lives[number].events.push(event),
        }
    }

    /// A node's driver connects to a server, and tries again while it is away.
    fn try_server(&mut self, number: NodeNumber, way: ServerId, address: String) {
        let delay = self.network.delay(&mut self.rng);
        if self.network.connect_to_server(number, way, address.clone()) {
            self.schedule(self.now + delay, number, Happening::Signaling(way, SignalingEvent::Connected));
        } else {
            self.schedule(self.now + RECONNECT, number, Happening::TryServer(way, address));
        }
    }

    fn deliver(&mut self, end: End, bytes: Vec<u8>) {
        let at = self.network.arrival(self.now, end, &mut self.rng);
        self.schedule(at, end.0, Happening::Link(end.1, LinkEvent::Received(bytes)));
    }

    /// What must always hold for a node.
    ///
    /// # Panics
    /// If it does not.
    pub fn check(&mut self, number: NodeNumber) {
        let life = &mut self.lives[number];
        let Some(ledger) = life.node.ledger() else { return };
        if self.job_changed && life.node.job().is_none_or(|job| *job != self.spec) {
            return;
        }
        let done = ledger.done_units();
        assert!(done >= life.done_units, "a ledger only grows: {} units became {done}", life.done_units);
        if done > life.done_units {
            life.done_units = done;
            assert!(done <= ledger.units(), "no unit counts twice");
            if ledger.is_complete() {
                assert_eq!(
                    ledger.merged().as_ref(),
                    Some(&self.expected),
                    "a finished total is the true one"
                );
            }
            let (units, prefix) = ledger.prefix();
            if units > 0 && units < 4096 {
                let truth = manyhands_jobs::kernel::compute(
                    &self.spec.kind,
                    manyhands_wire::UnitRange::new(0, units),
                );
                assert_eq!(prefix, Some(truth), "a prefix's total is the true one");
            }
        }
        assert!(life.node.links().count() <= manyhands_core::node::LINKS_MAX, "links are bounded");
    }
}

/// The secret half of the key that the peer with this identity number has.
pub fn secret(identity: u8) -> [u8; 32] {
    [identity.wrapping_add(1); 32]
}

fn config(options: &PeerOptions, room: RoomKey, seed: [u8; 32], host: Option<HostConfig>) -> Config {
    Config {
        secret: secret(options.identity),
        room,
        seed,
        name: String::new(),
        kind: PeerKind::Native,
        threads: options.threads,
        servers: vec![HUB.to_owned()],
        address: String::new(),
        remembered: None,
        host,
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
