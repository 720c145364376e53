//! The event loop of a simulation.
//!
//! 1. Take the earliest event off the queue; the virtual clock jumps to it.
//! 2. Hand it to its node, and turn every output of the node into later events.
//! 3. Check what must always hold.
//!
//! Events of one moment happen in the order they were scheduled. Every random choice comes from the world's one generator.

mod check;
mod driver;
mod faults;
mod files;
mod life;

use std::collections::BTreeMap;
use std::time::Duration;

use manyhands_core::files::StoreEvent;
use manyhands_core::node::HostConfig;
use manyhands_core::{
    Command, Event, LinkEvent, LinkId, Node, RoomKey, ServerId, SignalingEvent, Slot, Time, View,
};
use manyhands_jobs::Report;
use manyhands_ledger::Ledger;
use manyhands_wire::signaling::ServerMessage;
use manyhands_wire::{JobKind, JobSpec};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use crate::disk::Disk;
use crate::network::{Conditions, Network};
use crate::options::{HUB, PeerOptions, Settings, address};
use crate::queue::Queue;
use crate::servers::Servers;
use crate::trace::Trace;
use crate::traffic::Traffic;
use check::Truth;
use life::{Life, config};

pub use life::Hearing;

/// A life of a node: one that comes back after a crash has a new number.
pub type NodeNumber = usize;

enum Happening {
    Tick,
    Signaling(ServerId, SignalingEvent),
    /// The driver tries to connect to a server.
    TryServer(ServerId),
    Link(LinkId, LinkEvent),
    WorkerWakes(Slot, u64),
    Report(Slot, Report),
    Store(StoreEvent),
}

/// Somebody who reads what happens, line by line.
pub type Reader = Box<dyn FnMut(&str)>;

/// A simulation.
pub struct World {
    now: Time,
    rng: ChaCha8Rng,
    settings: Settings,
    network: Network,
    servers: Servers,
    queue: Queue<(NodeNumber, Happening)>,
    lives: Vec<Life>,
    /// What the machine of each identity keeps of files.
    disks: BTreeMap<u32, Disk>,
    room: RoomKey,
    spec: JobSpec,
    truth: Truth,
    trace: Option<Trace>,
    traffic: Traffic,
    hearings: Vec<Hearing>,
    steps: u64,
    lost_units: u64,
    reader: Option<Reader>,
}

impl World {
    /// A world of some tens of nodes in which `spec` is to be computed by the room of the host with identity 0.
    pub fn new(seed: u64, spec: JobSpec, conditions: Conditions) -> Self {
        Self::with(seed, spec, Settings { conditions, ..Settings::default() })
    }

    /// A world with these settings.
    pub fn with(seed: u64, spec: JobSpec, settings: Settings) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let nowhere = RoomKey { host: [0; 16], key: [1; 16] };
        let host = config(&PeerOptions { threads: 0, ..PeerOptions::default() }, nowhere, [0; 32], None);
        let host = Node::with_signatures(host, settings.signatures, Time::ZERO).id();
        let mut servers = Servers::default();
        servers.start(HUB);
        Self {
            now: Time::ZERO,
            rng: ChaCha8Rng::from_seed(key),
            network: Network::new(settings.conditions),
            servers,
            queue: Queue::new(),
            lives: Vec::new(),
            disks: BTreeMap::new(),
            room: RoomKey::new(&host, [1; 16]),
            truth: Truth::new(&spec),
            spec,
            trace: settings.trace.then(Trace::default),
            traffic: Traffic::default(),
            hearings: Vec::new(),
            steps: 0,
            lost_units: 0,
            reader: None,
            settings,
        }
    }

    /// From now on the host asks for something else, as if `task.json` had been edited between two runs.
    pub fn change_job(&mut self, spec: JobSpec) {
        self.truth.change(&spec);
        self.spec = spec;
        for number in 0..self.lives.len() {
            self.lives[number].done_units = 0;
            self.lives[number].seen_version = None;
            self.count(number);
        }
    }

    /// Starts the host, which waits for that many friends and remembers `ledger`.
    pub fn host(&mut self, options: PeerOptions, wait: u16, ledger: Option<Ledger>) -> NodeNumber {
        let host = HostConfig { spec: self.spec.clone(), ledger, saved: Vec::new(), wait };
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
        if let Some(ledger) = host.as_ref().and_then(|host| host.ledger.as_ref()) {
            self.truth.believe(ledger);
        }
        self.network.add_machine();
        self.servers.add_node();
        if options.serves {
            self.servers.start(&address(options.identity));
        }
        self.tell(number, || format!("begins: {options:?}"));
        let mut config = config(&options, room, seed, host);
        config.files =
            options.files.as_ref().map(|files| self.disks.entry(options.identity).or_default().config(files));
        let node = Node::with_signatures(config, self.settings.signatures, self.now);
        self.lives.push(Life::new(node, options));
        self.truth.unfinished += 1;
        self.drain(number);
        self.check(number);
        number
    }

    /// What is computed.
    pub fn kind(&self) -> &JobKind {
        &self.spec.kind
    }

    /// The virtual time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// How many events there were.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// A node, dead or alive.
    pub fn node(&self, number: NodeNumber) -> &Node {
        &self.lives[number].node
    }

    /// Which key a node has.
    pub fn identity(&self, number: NodeNumber) -> u32 {
        self.lives[number].options.identity
    }

    /// What a node's person sees now.
    pub fn view(&self, number: NodeNumber) -> View {
        self.node(number).view(self.lives[number].local(self.now))
    }

    /// What a node told its person so far.
    pub fn events(&self, number: NodeNumber) -> &[Event] {
        &self.lives[number].events
    }

    /// Who heard what was said to everybody since this was last asked.
    pub fn take_hearings(&mut self) -> Vec<Hearing> {
        std::mem::take(&mut self.hearings)
    }

    /// What the links carried so far.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// The world's random numbers, for scenarios that draw their own faults.
    pub fn rng(&mut self) -> &mut ChaCha8Rng {
        &mut self.rng
    }

    /// How many letters signaling carried so far.
    pub fn relayed(&self) -> u64 {
        self.servers.relayed
    }

    /// From now on everything worth telling is told to `reader`.
    pub fn log_to(&mut self, reader: Reader) {
        self.reader = Some(reader);
    }

    fn tell(&mut self, number: NodeNumber, what: impl FnOnce() -> String) {
        if let Some(reader) = &mut self.reader {
            reader(&line(self.now, number, &what()));
        }
    }

    /// The nodes that are alive, hold the room's key and have not left.
    pub fn alive(&self) -> Vec<NodeNumber> {
        (0..self.lives.len()).filter(|number| self.lives[*number].counts()).collect()
    }

    /// A command of a node's person.
    pub fn command(&mut self, number: NodeNumber, command: Command) {
        self.tell(number, || format!("is told: {command:?}"));
        let life = &mut self.lives[number];
        life.node.handle_command(life.local(self.now), command);
        self.drain(number);
        self.check(number);
    }

    /// Runs until `until` holds. `false` if it does not within `limit` of virtual time.
    pub fn run_until(&mut self, limit: Duration, until: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + limit;
        while !until(self) {
            match self.queue.next_at() {
                Some(at) if at <= end => self.step(),
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

    /// Whether every living node of the room knows the finished, true result; a liar may believe its own lies.
    pub fn everybody_knows(&self) -> bool {
        self.truth.unfinished == 0
    }

    /// Whether a node knows the finished, true result.
    pub fn knows(&self, number: NodeNumber) -> bool {
        self.lives[number].knows
    }

    /// Units computed by all nodes together, dead ones too, duplicates counted.
    pub fn gross_units(&self) -> u64 {
        self.lives.iter().map(|life| life.node.computed_units().0).sum()
    }

    /// Units computed by nodes that died before they could tell.
    pub fn lost_units(&self) -> u64 {
        self.lost_units
    }

    /// The hash of everything every node ever did; empty if it is not kept.
    pub fn trace(&self) -> String {
        self.trace.as_ref().map(Trace::hash).unwrap_or_default()
    }

    fn schedule(&mut self, at: Time, number: NodeNumber, happening: Happening) {
        self.queue.push(at.max(self.now), (number, happening));
    }

    fn step(&mut self) {
        let Some((at, (number, happening))) = self.queue.pop() else { return };
        self.now = at;
        let life = &mut self.lives[number];
        if !life.alive {
            return;
        }
        if life.paused_until > at {
            // What happens to a sleeping machine waits in its buffers.
            self.queue.push(life.paused_until, (number, happening));
            return;
        }
        self.steps += 1;
        let local = life.local(at);
        match happening {
            Happening::Tick if at < life.next_tick => return,
            Happening::Tick => {
                life.next_tick = Time::ZERO;
                life.ticked = at;
                life.node.handle_timeout(local);
            }
            Happening::Signaling(way, event) => {
                let is_over = event == SignalingEvent::Disconnected;
                if let Some(reader) = &mut self.reader
                    && !matches!(event, SignalingEvent::Message(ServerMessage::From { .. }))
                {
                    reader(&line(at, number, &format!("{way:?}: {event:?}")));
                }
                life.node.handle_signaling(local, way, event);
                if is_over {
                    self.schedule(at + self.settings.back_off.0, number, Happening::TryServer(way));
                }
            }
            Happening::TryServer(way) => return self.try_server(number, way),
            Happening::Link(link, event) => {
                if let LinkEvent::Received(bytes) = &event {
                    self.traffic.count(bytes);
                }
                life.node.handle_link(local, link, event);
            }
            Happening::Store(event) => life.node.handle_store(local, event),
            Happening::Report(slot, report) => life.node.handle_worker(local, slot, report),
            Happening::WorkerWakes(slot, generation) => {
                let reaction = life.workers[usize::from(slot.0)].wake(at, generation);
                if reaction.reports.is_empty() && reaction.wake_at.is_none() {
                    return;
                }
                for report in reaction.reports {
                    self.truth.on_report(life.node.id(), &report);
                    life.node.handle_worker(local, slot, report);
                }
                if let Some((at, generation)) = reaction.wake_at {
                    self.schedule(at, number, Happening::WorkerWakes(slot, generation));
                }
            }
        }
        self.drain(number);
        self.check(number);
    }
}

/// A line of the log.
fn line(at: Time, number: NodeNumber, what: &str) -> String {
    format!("{:>12.6} node {number}: {what}", at.as_micros() as f64 / 1e6)
}
