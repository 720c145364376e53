//! The loop: what happens goes into the core, what is to be done comes out, and the timer is set anew.
//!
//! Everything that happens, wherever, is one [`Input`] in one queue, and one at a time is handed to the core. So no
//! callback of the browser ever finds the core in the middle of another.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use manyhands_core::files::{
    ChunkState, FetchPolicy, FileInfo, FilesConfig, StoreEvent, Stored, SwarmConfig,
};
use manyhands_core::invite::signaling_url;
use manyhands_core::{
    Command, Config, Event, LinkEvent, LinkId, Node, Output, Remembered, RoomKey, ServerId, SignalingEvent,
    Time, View,
};
use manyhands_wire::frame::PeerKind;
use manyhands_wire::mersenne::{EXPONENT_MAX, Finding, Verdict};
use manyhands_wire::{FileId, JobKind, JobSpec, PeerId};
use web_sys::{Document, window};

use crate::awake::Awake;
use crate::bridge::{self, FindingLine};
use crate::clock::Clock;
use crate::link::Link;
use crate::listen::Listener;
use crate::memory::Memory;
use crate::signaling::Signaling;
use crate::storage::{self, BEAT_MS, Identity};
use crate::store::client::Store;
use crate::timer::Timer;
use crate::workers::{self, Pool};

/// The largest file that a page fetches unasked, in bytes.
const UNASKED_BYTES_MAX: u64 = 1 << 20;

/// What the page is told apart from the view.
pub enum Told {
    /// An event of the core.
    Event(Event),
    /// A worker failed for good, and this peer leaves: why, for people.
    WorkerFailed(String),
    /// Another tab took this tab's key while it was frozen, and this peer leaves.
    KeyTaken,
}

/// What a driver is made from.
pub struct Settings {
    /// The room.
    pub room: RoomKey,
    /// The key of this tab.
    pub identity: Identity,
    /// The name its person chose, or empty.
    pub name: String,
    /// How many threads are lent at first.
    pub threads: u16,
    /// The address of the page's server, such as `http://192.168.1.7:8080`: the only one whose signaling is used.
    pub origin: String,
    /// The job as this browser kept it, and where it goes on keeping it.
    pub memory: (Memory, Option<Remembered>),
    /// The store of files, what it has from before, and how many bytes it may hold.
    pub store: (Rc<Store>, Vec<Stored>, u64),
    /// The workers' scripts: of one that adds and waits, and of one that can search primes too.
    pub worker_urls: [String; 2],
}

/// One peer in one page.
pub struct Driver(Rc<Inner>);

struct Inner {
    clock: Clock,
    node: RefCell<Node>,
    inbox: RefCell<VecDeque<Input>>,
    busy: Cell<bool>,
    links: RefCell<Vec<(LinkId, Link)>>,
    store: Rc<Store>,
    origin: String,
    /// The ways to the servers: one at most.
    servers: RefCell<Vec<(ServerId, Signaling)>>,
    /// Everything that ends when this peer leaves.
    parts: RefCell<Option<Parts>>,
    /// When the timer will tick.
    armed: Cell<Time>,
    beat_due: Cell<Time>,
    /// The page goes away: there is no time for last words.
    going: Cell<bool>,
    tell: Box<dyn Fn(Told)>,
}

struct Parts {
    pool: Pool,
    timer: Timer,
    identity: Identity,
    memory: Memory,
    _awake: Awake,
    _going: [Listener; 2],
}

enum Input {
    Signaling(ServerId, SignalingEvent),
    Link(LinkId, LinkEvent),
    Worker(workers::Told),
    Store(StoreEvent),
    Command(Command),
    Tick,
}

impl Driver {
    /// Joins the room. `tell` is called later, never from within this function.
    pub fn start(settings: Settings, tell: impl Fn(Told) + 'static) -> Self {
        let clock = Clock::new();
        let (memory, remembered) = settings.memory;
        let (store, stored, quota_bytes) = settings.store;
        let config = Config {
            secret: settings.identity.secret,
            room: settings.room,
            seed: storage::random(),
            name: settings.name,
            kind: PeerKind::Browser,
            threads: settings.threads,
            servers: vec![settings.origin.clone()],
            // Nobody can open a connection to a page.
            address: String::new(),
            remembered,
            host: None,
            files: Some(FilesConfig {
                stored,
                fetch: FetchPolicy::Asked { unasked_bytes_max: UNASKED_BYTES_MAX },
                quota_bytes,
                swarm: SwarmConfig::default(),
            }),
        };
        let node = Node::new(config, clock.now());
        let inner = Rc::new(Inner {
            clock,
            node: RefCell::new(node),
            inbox: RefCell::default(),
            busy: Cell::new(true),
            links: RefCell::default(),
            store,
            origin: settings.origin,
            servers: RefCell::default(),
            parts: RefCell::default(),
            armed: Cell::new(Time::ZERO),
            beat_due: Cell::new(Time::ZERO),
            going: Cell::new(false),
            tell: Box::new(tell),
        });
        let parts = inner.assemble(settings.worker_urls, settings.identity, memory);
        parts.pool.grow(settings.threads);
        *inner.parts.borrow_mut() = Some(parts);
        let push = inner.pusher();
        inner.store.listen(move |event| push(Input::Store(event)));
        inner.busy.set(false);
        inner.push(Input::Tick);
        Self(inner)
    }

    /// Hands the core what the person wants.
    pub fn command(&self, command: Command) {
        if let (Command::SetThreads(threads), Some(parts)) = (&command, &*self.0.parts.borrow()) {
            parts.pool.grow(*threads);
        }
        self.0.push(Input::Command(command));
    }

    /// What a person sees now.
    pub fn view(&self) -> View {
        self.0.node.borrow().view(self.0.clock.now())
    }

    /// Who this page is.
    pub fn id(&self) -> PeerId {
        self.0.node.borrow().id()
    }

    /// The job, once known.
    pub fn job(&self) -> Option<JobSpec> {
        self.0.node.borrow().job().cloned()
    }

    /// What of the job is done, and all of it, by its cost; none before it is known, or if it has no end.
    pub fn progress(&self) -> Option<(u64, u64)> {
        let node = self.0.node.borrow();
        let (job, ledger) = (node.job()?, node.ledger()?);
        if matches!(job.kind, JobKind::Mersenne { to: EXPONENT_MAX, .. }) {
            return None;
        }
        let all = job.kind.cost(job.range());
        let left: u64 = ledger.missing(ledger.range()).map(|run| job.kind.cost(run)).sum();
        Some((all.saturating_sub(left), all))
    }

    /// What became of each exponent that is finished, in lines: see [`bridge::FINDINGS`].
    pub fn findings(&self) -> String {
        let node = self.0.node.borrow();
        let mut lines = String::new();
        if let (Some(job), Some(ledger)) = (node.job(), node.ledger()) {
            let mut runs = ledger.credit_runs(ledger.range()).peekable();
            for Finding { exponent, verdict } in ledger.findings(ledger.range()) {
                let unit = job.kind.unit_of(exponent).unwrap_or_default();
                while runs.next_if(|run| run.units.end <= unit).is_some() {}
                let by = runs.peek().filter(|run| run.units.contains(unit)).map(|run| id_text(&run.by));
                let (verdict, number) = match verdict {
                    Verdict::Prime => (bridge::PRIME, 0),
                    Verdict::Factor(factor) => (bridge::FACTOR, factor),
                    Verdict::Composite { residue } if !job.kind.is_proven(exponent) => {
                        (bridge::COMPOSITE_LL, residue)
                    }
                    Verdict::Composite { residue } => (bridge::COMPOSITE_PRP, residue),
                };
                let by = by.as_deref().unwrap_or_default();
                FindingLine { exponent, verdict, number, by }.write(&mut lines);
            }
        }
        lines
    }

    /// All files that are known. Costly where they are many: see the version in the view.
    pub fn files(&self) -> Vec<FileInfo> {
        self.0.node.borrow().files()
    }

    /// One of them.
    pub fn file(&self, id: &FileId) -> Option<FileInfo> {
        self.0.node.borrow().file(id)
    }

    /// How each chunk of a file stands; nothing for one that is not known.
    pub fn chunk_states(&self, id: &FileId) -> Vec<ChunkState> {
        self.0.node.borrow().chunk_states(id).unwrap_or_default()
    }
}

impl Inner {
    fn assemble(self: &Rc<Self>, worker_urls: [String; 2], identity: Identity, memory: Memory) -> Parts {
        let push = self.pusher();
        let pool = Pool::new(worker_urls, move |told| push(Input::Worker(told)));
        let push = self.pusher();
        let timer = Timer::new(move || push(Input::Tick));
        let window = window().expect("a page has a window");
        let weak = Rc::downgrade(self);
        // A page that goes away takes its leave, or the others would have to notice by themselves.
        let left = Listener::new(&window, "pagehide", move |_| {
            if let Some(inner) = weak.upgrade() {
                inner.remember(true);
                inner.going.set(true);
                inner.push(Input::Command(Command::Leave));
                drop(inner.links.take());
                drop(inner.servers.take());
                drop(inner.parts.take());
                inner.store.close();
            }
        });
        let weak = Rc::downgrade(self);
        // A hidden page may be thrown away without another word. It computes on all the same.
        let hidden = Listener::new(&document(), "visibilitychange", move |_| {
            if let Some(inner) = weak.upgrade().filter(|_| document().hidden()) {
                inner.remember(true);
            }
        });
        Parts { pool, timer, identity, memory, _awake: Awake::new(), _going: [left, hidden] }
    }

    /// Keeps the job where the next page finds it: now, or if it is time to.
    fn remember(&self, now: bool) {
        if let Some(parts) = &*self.parts.borrow() {
            // The node may be busy only where this is called from within itself, which it never does.
            let Ok(node) = self.node.try_borrow() else { return };
            parts.memory.keep(&node, self.clock.now(), now);
        }
    }

    /// A way to push that does not keep the driver alive.
    fn pusher(self: &Rc<Self>) -> impl Fn(Input) + use<> {
        let weak: Weak<Self> = Rc::downgrade(self);
        move |input| {
            if let Some(inner) = weak.upgrade() {
                inner.push(input);
            }
        }
    }

    fn push(self: &Rc<Self>, input: Input) {
        self.inbox.borrow_mut().push_back(input);
        if self.busy.replace(true) {
            return;
        }
        loop {
            let Some(input) = self.inbox.borrow_mut().pop_front() else { break };
            self.hand_in(input);
            self.drain();
        }
        self.arm();
        self.busy.set(false);
    }

    fn hand_in(self: &Rc<Self>, input: Input) {
        let now = self.clock.now();
        let node = || self.node.borrow_mut();
        match input {
            Input::Signaling(server, event) => node().handle_signaling(now, server, event),
            Input::Link(link, event) => {
                if event == LinkEvent::Closed {
                    drop(self.take_link(link));
                }
                node().handle_link(now, link, event);
            }
            Input::Worker(workers::Told::Report(slot, report)) => node().handle_worker(now, slot, report),
            Input::Worker(workers::Told::Failed(_, why)) => {
                (self.tell)(Told::WorkerFailed(why));
                node().handle_command(now, Command::Leave);
            }
            Input::Store(event) => node().handle_store(now, event),
            Input::Command(command) => node().handle_command(now, command),
            Input::Tick => {
                self.armed.set(Time::NEVER);
                node().handle_timeout(now);
                self.remember(false);
                if !self.beat(now) {
                    (self.tell)(Told::KeyTaken);
                    node().handle_command(now, Command::Leave);
                }
            }
        }
    }

    /// Does everything that the core wants done.
    fn drain(self: &Rc<Self>) {
        loop {
            let Some(output) = self.node.borrow_mut().poll_output() else { return };
            match output {
                Output::Connect(id, address) => self.connect(id, &address),
                Output::Disconnect(id) => {
                    let mut servers = self.servers.borrow_mut();
                    servers.retain(|(server, _)| *server != id);
                }
                Output::Signal(id, message) => {
                    for (_, way) in self.servers.borrow().iter().filter(|(server, _)| *server == id) {
                        way.send(&message);
                    }
                }
                Output::Dial(id) => self.keep(id, Link::dial(self.link_events(id))),
                Output::Answer(id, offer) => self.keep(id, Link::answer(offer, self.link_events(id))),
                Output::Answered(id, answer) => self.with_link(id, |link| link.answered(answer)),
                Output::Candidate(id, candidate) => self.with_link(id, |link| link.candidate(candidate)),
                Output::Send(id, message) => self.with_link(id, |link| link.send(message)),
                Output::SendBulk(id, message) => self.with_link(id, |link| link.send_bulk(message)),
                Output::Store(order) => self.store.order(order),
                Output::HangUp(id) => {
                    let link = self.take_link(id);
                    if let Some(link) = link.filter(|_| !self.going.get()) {
                        link.hang_up();
                    }
                }
                Output::Work(slot, command) => {
                    if let Some(parts) = &*self.parts.borrow() {
                        parts.pool.work(slot, command);
                    }
                }
                Output::Event(event) => {
                    match event {
                        Event::Left => {
                            self.remember(true);
                            drop(self.servers.take());
                            drop(self.parts.take());
                            // Another tab of this browser may have the files now.
                            self.store.close();
                        }
                        Event::Finished => self.remember(true),
                        _ => {}
                    }
                    (self.tell)(Told::Event(event));
                }
            }
        }
    }

    /// A page is let in at its own server only: others may refuse it, and its links bring it everywhere else.
    fn connect(self: &Rc<Self>, id: ServerId, address: &str) {
        let push = self.pusher();
        if address == self.origin {
            let server = Signaling::connect(signaling_url(address), move |event| {
                push(Input::Signaling(id, event));
            });
            self.servers.borrow_mut().push((id, server));
        } else {
            push(Input::Signaling(id, SignalingEvent::Disconnected));
        }
    }

    fn link_events(self: &Rc<Self>, id: LinkId) -> impl Fn(LinkEvent) + use<> {
        let push = self.pusher();
        move |event| push(Input::Link(id, event))
    }

    fn keep<E>(self: &Rc<Self>, id: LinkId, link: Result<Link, E>) {
        match link {
            Ok(link) => self.links.borrow_mut().push((id, link)),
            Err(_) => self.push(Input::Link(id, LinkEvent::Closed)),
        }
    }

    fn take_link(&self, id: LinkId) -> Option<Link> {
        let mut links = self.links.borrow_mut();
        let place = links.iter().position(|(other, _)| *other == id)?;
        Some(links.swap_remove(place).1)
    }

    fn with_link(&self, id: LinkId, act: impl FnOnce(&Link)) {
        if let Some((_, link)) = self.links.borrow().iter().find(|(other, _)| *other == id) {
            act(link);
        }
    }

    /// Says to other tabs that this one is there, when it is time to. `false` if another has its key now.
    fn beat(&self, now: Time) -> bool {
        if now < self.beat_due.get() {
            return true;
        }
        self.beat_due.set(now + std::time::Duration::from_millis(BEAT_MS as u64));
        self.parts.borrow().as_ref().is_none_or(|parts| parts.identity.beat())
    }

    /// Sets the timer, unless it ticks in time anyway: a tick too early does no harm.
    fn arm(&self) {
        let deadline = self.node.borrow().poll_timeout().min(self.beat_due.get());
        if deadline < self.armed.get()
            && let Some(parts) = &*self.parts.borrow()
        {
            self.armed.set(deadline);
            let wait_us = deadline.since(self.clock.now()).as_micros();
            parts.timer.set(u32::try_from(wait_us.div_ceil(1000)).unwrap_or(u32::MAX));
        }
    }
}

fn document() -> Document {
    window().and_then(|window| window.document()).expect("a page has a document")
}

/// An id as the view has it.
pub(crate) fn id_text(peer: &PeerId) -> String {
    peer.0
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|half| char::from_digit(half.into(), 16))
        .collect()
}
