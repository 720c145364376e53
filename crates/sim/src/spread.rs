//! Chunks that spread over servers: the exchange of chunks alone, without nodes, rooms or keys.
//!
//! A [`Spread`] runs the very [`Swarm`]s of the core over a network of its own. Server 0 has a file, all others want it. All
//! servers send alike: one chunk after the other, a chunk a *round*; what they tell each other takes the latency and no bandwidth.
//! A message that is lost comes later, and nothing overtakes on a link what was sent before it.
//!
//! The chunks that really travel are small, and their hashes are checked; the clock counts them as long as the settings say.
//! Servers know the list of the chunks' hashes from the beginning.
//!
//! The same settings give the same run, natively and in a browser.

mod graph;
mod report;
mod settings;

use std::collections::VecDeque;
use std::time::Duration;

use manyhands_core::Time;
use manyhands_core::files::{Bits, Content, StoreEvent, StoreOrder, SwarmConfig};
use manyhands_core::swarm::{CHUNK_COST_MIN, Swarm, SwarmOutput};
use manyhands_wire::bulk::{Bulk, BulkKind};
use manyhands_wire::file::{FileKind, Hash, Manifest};
use manyhands_wire::{Frame, PeerId};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use crate::queue::Queue;
pub use report::{Curve, Outcome};
pub use settings::{POLICIES, Settings, SettingsError};

/// How many transfers are remembered for the log.
const LOG_MAX: usize = 4096;
/// What it costs to send a lost message once more, beside the way there and back.
const RETRANSMISSION: Duration = Duration::from_millis(100);
/// After how many rounds a run that does not end is given up, beside those that a single seeder would need.
const ROUNDS_MAX: u64 = 10_000;

/// A chunk went from one server to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// When it was there.
    pub at: Time,
    /// Who sent it.
    pub from: u32,
    /// Who received it.
    pub to: u32,
    /// Which chunk.
    pub chunk: u32,
    /// Whether the receiver had it already.
    pub is_twice: bool,
}

/// How a chunk stands on a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// It is not there.
    Missing,
    /// This server sends it.
    Coming(u32),
    /// It came from this server; the first server has its own from itself.
    From(u32),
}

enum Happening {
    Tick,
    /// A frame from this server.
    Frame(u32, Frame),
    /// A message of the bulk channel from this server.
    Bulk(u32, Vec<u8>),
    /// The last byte of a message of the bulk channel has left for this server.
    Sent(u32),
}

struct Server {
    swarm: Swarm,
    cells: Vec<Cell>,
    here: u32,
    finished: Option<Time>,
    /// When all that it was given to send has left.
    busy_until: Time,
    sent: u32,
    next_tick: Time,
    /// When the last frame and the last bytes from each server arrive: none overtakes them.
    arrives: Vec<[Time; 2]>,
}

/// A run.
pub struct Spread {
    settings: Settings,
    round: Duration,
    now: Time,
    rng: ChaCha8Rng,
    queue: Queue<(u32, Happening)>,
    servers: Vec<Server>,
    links: Vec<(u32, u32)>,
    content: Vec<Vec<u8>>,
    manifest: Manifest,
    log: VecDeque<Transfer>,
    transfers: u64,
    twice: u64,
    here: u64,
    unfinished: usize,
    curve: Curve,
    is_given_up: bool,
}

impl Spread {
    /// A run at its beginning: everybody knows of the file, nothing has been sent.
    pub fn new(settings: Settings) -> Self {
        Self::with(settings, windows(&settings))
    }

    /// A run with windows of so many chunks: for each neighbour, and for all together.
    pub fn with(settings: Settings, (window, windows): (u32, u32)) -> Self {
        let mut seed = [0x35; 32];
        seed[..4].copy_from_slice(&settings.seed.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(seed);
        let config = SwarmConfig {
            policy: settings.policy,
            window_bytes: window * CHUNK_COST_MIN,
            windows_bytes: windows * CHUNK_COST_MIN,
            ..SwarmConfig::default()
        };
        let content: Vec<Vec<u8>> = (0..settings.chunks).map(chunk_bytes).collect();
        // A chunk is as large as it counts of a window, so that windows are numbers of chunks.
        let hashes: Vec<Hash> = content.iter().map(|chunk| *blake3::hash(chunk).as_bytes()).collect();
        let size = u64::from(settings.chunks) * u64::from(CHUNK_COST_MIN);
        let manifest = Manifest::new("chunks".to_owned(), size, CHUNK_COST_MIN, &hashes, FileKind::File);
        let links = graph::links(&settings, &mut rng);
        let servers = (0..settings.servers).map(|number| {
            let mut seed = [0; 32];
            rng.fill_bytes(&mut seed);
            let (cell, here) =
                if number == 0 { (Cell::From(0), settings.chunks) } else { (Cell::Missing, 0) };
            Server {
                swarm: Swarm::new(config.clone(), u64::MAX, seed, Time::ZERO),
                cells: vec![cell; settings.chunks as usize],
                here,
                finished: (number == 0).then_some(Time::ZERO),
                busy_until: Time::ZERO,
                sent: 0,
                next_tick: Time::NEVER,
                arrives: vec![[Time::ZERO; 2]; settings.servers as usize],
            }
        });
        let servers: Vec<Server> = servers.collect();
        let mut this = Self {
            round: Duration::from_micros(settings.round_us()),
            now: Time::ZERO,
            rng,
            queue: Queue::new(),
            links,
            content,
            manifest,
            log: VecDeque::new(),
            transfers: 0,
            twice: 0,
            here: u64::from(settings.chunks),
            unfinished: servers.len() - 1,
            servers,
            curve: Curve::default(),
            is_given_up: false,
            settings,
        };
        this.begin(&hashes);
        this
    }

    fn begin(&mut self, hashes: &[Hash]) {
        let (id, nothing) = (self.manifest.id(), Bits::none(self.settings.chunks));
        for (number, server) in self.servers.iter_mut().enumerate() {
            let content = if number == 0 {
                Content::Whole
            } else {
                Content::Part { hashes: hashes.to_vec(), chunks: nothing.clone() }
            };
            server.swarm.add(self.manifest.clone(), content);
            server.swarm.want(&id, true, None);
        }
        for (a, b) in self.links.clone() {
            self.servers[a as usize].swarm.on_link_up(self.now, peer(b));
            self.servers[b as usize].swarm.on_link_up(self.now, peer(a));
        }
        for number in 0..self.settings.servers {
            self.servers[number as usize].swarm.on_tick(self.now);
            self.drain(number);
        }
    }

    /// What it is like.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The virtual time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// How many rounds have gone by; when all is over, how many it took.
    pub fn rounds(&self) -> f64 {
        self.rounds_at(self.end().unwrap_or(self.now))
    }

    /// When the last server had everything, if it has.
    pub fn end(&self) -> Option<Time> {
        let last = self.servers.iter().map(|server| server.finished);
        last.collect::<Option<Vec<Time>>>()?.into_iter().max()
    }

    fn rounds_at(&self, at: Time) -> f64 {
        at.as_micros() as f64 / self.round.as_micros() as f64
    }

    /// Whether everybody has everything, or the run was given up.
    pub fn is_over(&self) -> bool {
        self.unfinished == 0 || self.is_given_up
    }

    /// Whether it did not come to an end.
    pub fn is_given_up(&self) -> bool {
        self.is_given_up
    }

    /// How many chunks all servers have together, the first one's included.
    pub fn chunks_here(&self) -> u64 {
        self.here
    }

    /// How many transfers there were.
    pub fn transfers(&self) -> u64 {
        self.transfers
    }

    /// How many of them brought what was there already.
    pub fn twice(&self) -> u64 {
        self.twice
    }

    /// The last transfers, the oldest first, some thousands at most.
    pub fn log(&self) -> impl DoubleEndedIterator<Item = &Transfer> + ExactSizeIterator {
        self.log.iter()
    }

    /// The chunks of a server.
    pub fn cells(&self, server: u32) -> &[Cell] {
        &self.servers[server as usize].cells
    }

    /// How many chunks a server has.
    pub fn count(&self, server: u32) -> u32 {
        self.servers[server as usize].here
    }

    /// When a server had everything.
    pub fn finished(&self, server: u32) -> Option<Time> {
        self.servers[server as usize].finished
    }

    /// How many chunks a server has sent, or begun to.
    pub fn sent(&self, server: u32) -> u32 {
        self.servers[server as usize].sent
    }

    /// The links, each with the smaller number first.
    pub fn links(&self) -> &[(u32, u32)] {
        &self.links
    }

    /// How many chunks there were when.
    pub fn curve(&self) -> &Curve {
        &self.curve
    }

    /// Goes on to the next transfer. `None` if all is over.
    pub fn next_transfer(&mut self) -> Option<Transfer> {
        let before = self.transfers;
        while !self.is_over() {
            self.step();
            if self.transfers > before {
                return self.log.back().copied();
            }
        }
        None
    }

    /// Goes on until that time, or the end.
    pub fn run_until(&mut self, until: Time) {
        while !self.is_over() {
            match self.queue.next_at() {
                Some(at) if at <= until => self.step(),
                _ => {
                    self.now = self.now.max(until);
                    return;
                }
            }
        }
    }

    /// Goes on to the end.
    pub fn run(&mut self) -> Outcome {
        while !self.is_over() {
            self.step();
        }
        Outcome::of(self)
    }

    /// The next event.
    fn step(&mut self) {
        let Settings { servers, chunks, .. } = self.settings;
        let rounds = ROUNDS_MAX + 2 * u64::from(servers) * u64::from(chunks);
        let Some((at, (number, happening))) = self.queue.pop() else {
            self.is_given_up = true;
            return;
        };
        self.now = at;
        if self.rounds_at(at) > rounds as f64 {
            self.is_given_up = true;
            return;
        }
        let server = &mut self.servers[number as usize];
        match happening {
            Happening::Tick if at < server.next_tick => return,
            Happening::Tick => {
                server.next_tick = Time::NEVER;
                server.swarm.on_tick(at);
            }
            Happening::Frame(from, frame) => server.swarm.on_frame(at, peer(from), frame),
            Happening::Sent(to) => server.swarm.on_sent(at, &peer(to)),
            Happening::Bulk(from, bytes) => {
                server.swarm.on_bulk(at, peer(from), &bytes);
                self.on_arrival(from, number, &bytes);
            }
        }
        self.drain(number);
    }

    fn on_arrival(&mut self, from: u32, to: u32, bytes: &[u8]) {
        let Some(BulkKind::Chunk(chunk)) = Bulk::decode(bytes).map(|bulk| bulk.kind) else { return };
        let server = &mut self.servers[to as usize];
        let is_twice = matches!(server.cells[chunk as usize], Cell::From(_));
        if is_twice {
            self.twice += 1;
        } else {
            server.cells[chunk as usize] = Cell::From(from);
            server.here += 1;
            self.here += 1;
            if server.here == self.settings.chunks {
                server.finished = Some(self.now);
                self.unfinished -= 1;
            }
        }
        self.transfers += 1;
        if self.log.len() == LOG_MAX {
            self.log.pop_front();
        }
        self.log.push_back(Transfer { at: self.now, from, to, chunk, is_twice });
        self.curve.add(self.now, self.here, self.unfinished == 0);
    }

    /// Does what a server wants, then sees to its next tick.
    fn drain(&mut self, number: u32) {
        while let Some(output) = self.servers[number as usize].swarm.poll_output() {
            match output {
                SwarmOutput::Frame(to, frame) => {
                    for to in to {
                        self.send(number, number_of(&to), self.now, Happening::Frame(number, frame.clone()));
                    }
                }
                SwarmOutput::Bulk(to, bytes) => self.send_bulk(number, number_of(&to), bytes),
                SwarmOutput::Store(order) => self.store(number, order),
                SwarmOutput::Here(_) | SwarmOutput::Failed(..) | SwarmOutput::Bad(..) => {}
            }
        }
        let server = &mut self.servers[number as usize];
        let due = server.swarm.poll_timeout().max(self.now);
        if due < server.next_tick {
            server.next_tick = due;
            self.queue.push(due, (number, Happening::Tick));
        }
    }

    /// Something arrives that leaves at `leaves`.
    fn send(&mut self, from: u32, to: u32, leaves: Time, what: Happening) {
        let latency = Duration::from_millis(u64::from(self.settings.latency));
        let lost = self.rng.next_u64() % 100 < u64::from(self.settings.loss);
        let delay = if lost { 3 * latency + RETRANSMISSION } else { latency };
        let channel = usize::from(matches!(what, Happening::Bulk(..)));
        let arrives = &mut self.servers[to as usize].arrives[from as usize][channel];
        *arrives = (leaves + delay).max(*arrives);
        self.queue.push(*arrives, (to, what));
    }

    fn send_bulk(&mut self, from: u32, to: u32, bytes: Vec<u8>) {
        if let Some(BulkKind::Chunk(chunk)) = Bulk::decode(&bytes).map(|bulk| bulk.kind) {
            let cell = &mut self.servers[to as usize].cells[chunk as usize];
            if *cell == Cell::Missing {
                *cell = Cell::Coming(from);
            }
        }
        let server = &mut self.servers[from as usize];
        let leaves = server.busy_until.max(self.now) + self.round;
        server.busy_until = leaves;
        server.sent += 1;
        self.queue.push(leaves, (from, Happening::Sent(to)));
        self.send(from, to, leaves, Happening::Bulk(from, bytes));
    }

    /// The store answers at once, and needs no room: all have the same chunks.
    fn store(&mut self, number: u32, order: StoreOrder) {
        let event = match order {
            StoreOrder::Write { file, chunk, .. } => StoreEvent::Written { file, chunk },
            StoreOrder::Read { file, chunk } => {
                StoreEvent::Read { file, chunk, bytes: self.content.get(chunk as usize).cloned() }
            }
            StoreOrder::Keep(_)
            | StoreOrder::Begin { .. }
            | StoreOrder::ReadHashes(_)
            | StoreOrder::Forget(_)
            | StoreOrder::Recall(_) => return,
        };
        self.servers[number as usize].swarm.on_store(self.now, event);
    }
}

/// How many chunks a server may have promised or underway: for one neighbour, and for all.
///
/// One is being sent and one comes next; what is promised early may be promised to the wrong one (measured: ten at once cost a
/// tenth more rounds than two). A turn takes the latency twice until it is taken, so the longer that is the more has to be
/// agreed on beforehand.
fn windows(settings: &Settings) -> (u32, u32) {
    let ahead = (2 * u64::from(settings.latency) * 1000).div_ceil(settings.round_us().max(1));
    let all = 2 + u32::try_from(ahead).unwrap_or(u32::MAX).min(settings.chunks);
    let others = settings.servers - 1;
    let neighbours = if settings.degree == 0 { others } else { settings.degree.min(others) };
    ((2 * all / neighbours).clamp(1, all), all)
}

/// What a chunk holds: no two are alike.
fn chunk_bytes(chunk: u32) -> Vec<u8> {
    let start = chunk.to_le_bytes();
    start.into_iter().cycle().take(CHUNK_COST_MIN as usize).collect()
}

fn peer(number: u32) -> PeerId {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&number.to_be_bytes());
    PeerId(id)
}

fn number_of(peer: &PeerId) -> u32 {
    let [a, b, c, d, ..] = peer.0;
    u32::from_be_bytes([a, b, c, d])
}
