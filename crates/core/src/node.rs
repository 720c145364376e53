//! One peer: ties the sub-protocols together and owns nothing of them but the order.
//!
//! Every input goes to the sub-protocol it concerns; then the node settles: idle threads get slices, work is looked for, what
//! changed is told, and the frames that were written are addressed to links.

mod files;
mod frames;
mod job;
mod links;
mod search;
mod trust;

use std::collections::VecDeque;
use std::time::Duration;

use manyhands_jobs as jobs;
use manyhands_ledger::Ledger;
use manyhands_wire::frame::{ADDRESS_BYTES_MAX, NAME_BYTES_MAX, NEIGHBOURS_MAX, PeerKind};
use manyhands_wire::signaling::ServerMessage;
use manyhands_wire::{Frame, JobSpec, PeerId};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use crate::calls::{Calls, Desk};
use crate::directory::{ENTRIES_MAX, Route};
use crate::files::FilesConfig;
use crate::gossip::Gossip;
use crate::identity::{Identity, Signatures};
use crate::invite::{RoomKey, RoomKeys};
use crate::io::{Command, Event, LinkEvent, LinkId, Output, ServerId, SignalingEvent, Slot};
use crate::job::Job;
use crate::link::{Link, Profile};
use crate::memory::Remembered;
use crate::post::{Post, To};
use crate::table::Table;
use crate::time::Time;
use crate::view::View;
use crate::views::{FULL_MESH_MAX, Views, target};
use crate::work::Mode;
use files::Files;
use search::Waiting;

/// How many links a node takes, proved or not.
pub const LINKS_MAX: usize = 64;
/// How often the node looks at its deadlines.
const TICK: Duration = Duration::from_millis(100);
/// How often it does when nothing goes on.
const TICK_IDLE: Duration = Duration::from_millis(500);
/// How late a tick may be before the node takes itself for the one that slept.
const LATE: Duration = Duration::from_secs(2);
/// How often a status is sent at least, and how long after a change at most.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// The same while the job is not under way.
const STATUS_EVERY_IDLE: Duration = Duration::from_secs(5);
const STATUS_PAUSE: Duration = Duration::from_millis(100);
/// How often peers are told whom this node has links to, and how long after a change.
const NEIGHBOURS_EVERY: Duration = Duration::from_secs(30);
const NEIGHBOURS_PAUSE: Duration = Duration::from_millis(500);
/// The same where introductions are no hurry, as not everybody is to meet everybody.
const NEIGHBOURS_PAUSE_LARGE: Duration = Duration::from_secs(2);
/// How many peers are known by name, linked or not.
const PROFILES_MAX: usize = 256;

/// What a node is made from.
pub struct Config {
    /// The secret half of the node's Ed25519 key.
    pub secret: [u8; 32],
    /// The room.
    pub room: RoomKey,
    /// Where the node's random numbers come from: from the system's source in drivers, fixed in tests.
    pub seed: [u8; 32],
    /// The name its person chose; empty for the nickname of the key. Cut to the wire's limit.
    pub name: String,
    /// What kind of node it is.
    pub kind: PeerKind,
    /// How many threads it lends at first.
    pub threads: u16,
    /// The addresses of the signaling servers where it enters the room, such as `http://192.168.1.7:8080`; its own among them,
    /// if it serves others. The first eight count.
    pub servers: Vec<String>,
    /// The address at which others reach its own signaling server; empty if it has none.
    pub address: String,
    /// For a friend: the job as it knew it last time.
    pub remembered: Option<Remembered>,
    /// For the room's host: the job, unless its person has yet to choose one ([`Command::SetJob`]).
    pub host: Option<HostConfig>,
    /// How it treats files; `None` for a node that has no store for them.
    pub files: Option<FilesConfig>,
}

/// The host's part.
pub struct HostConfig {
    /// What is to be computed.
    pub spec: JobSpec,
    /// What was finished before, if anything.
    pub ledger: Option<Ledger>,
    /// Where tests stood that were under way, as [`Node::saved_tests`] gave them.
    pub saved: Vec<jobs::worker::Saved>,
    /// How many friends to wait for before the job starts.
    pub wait: u16,
}

/// One peer: the protocol's whole state.
pub struct Node {
    pub(crate) me: Identity,
    pub(crate) room: RoomKey,
    keys: RoomKeys,
    rng: ChaCha8Rng,
    pub(crate) own: Profile,
    threads: u16,
    out: VecDeque<Output>,
    post: Post,
    pub(crate) calls: Calls,
    views: Views,
    /// About how many peers the room has: this node, its links and theirs.
    room_size: usize,
    pub(crate) links: Table<LinkId, Link>,
    pub(crate) up: Table<PeerId, LinkId>,
    pub(crate) profiles: Table<PeerId, Profile>,
    pub(crate) job: Option<Job>,
    pub(crate) gossip: Gossip,
    pub(crate) files: Option<Box<Files>>,
    /// How many friends the host waits for; on a friend, what the host last said.
    pub(crate) lobby: (u16, u16),
    mode: Mode,
    /// Results that are checked once their proofs are here.
    waiting: Vec<Waiting>,
    /// Since when it waits, wanting to leave, until others have what its tests stand at.
    handing_over: Option<Time>,
    /// Whether it hears and says nothing for now.
    pub(crate) asleep: bool,
    pub(crate) left: bool,
    status_sent: Time,
    /// When the peers were last told whom this node has links to, and whether that has changed since.
    neighbours_told: (Time, bool),
    ticked: Time,
}

impl Node {
    /// A node at the moment `now`.
    pub fn new(config: Config, now: Time) -> Self {
        Self::with_signatures(config, Signatures::Ed25519, now)
    }

    /// A node that signs in that way. All nodes of a room have to sign in the same.
    pub fn with_signatures(config: Config, signatures: Signatures, now: Time) -> Self {
        let Config {
            secret,
            room,
            seed,
            mut name,
            kind,
            threads,
            servers,
            mut address,
            remembered,
            host,
            files,
        } = config;
        let me = Identity::new(&secret, signatures);
        let keys = room.derive();
        while name.len() > NAME_BYTES_MAX {
            name.pop();
        }
        if address.len() > ADDRESS_BYTES_MAX {
            address.clear();
        }
        let mut rng = ChaCha8Rng::from_seed(seed);
        let mut node = Self {
            gossip: Gossip::new(me.id(), rng.next_u64()),
            calls: Calls::new(me.id(), keys.clone()),
            me,
            room,
            keys,
            rng,
            own: Profile { name, kind, address, by_itself: true },
            threads,
            out: VecDeque::new(),
            post: Post::default(),
            views: Views::new(now, kind),
            room_size: 1,
            links: Table::new(),
            up: Table::new(),
            profiles: Table::new(),
            job: None,
            files: None,
            lobby: (0, 0),
            mode: Mode::Working,
            waiting: Vec::new(),
            handing_over: None,
            asleep: false,
            left: false,
            status_sent: now,
            neighbours_told: (now, false),
            ticked: now,
        };
        for address in servers.iter().take(ENTRIES_MAX) {
            if let Some(server) = node.calls.directory.add_server(address, None) {
                node.out.push_back(Output::Connect(server, address.clone()));
            }
        }
        if let Some(files) = files {
            node.open_files(now, files);
        }
        match host {
            Some(host) => node.open_job(now, host),
            None => remembered.into_iter().for_each(|memory| node.recall(now, memory)),
        }
        node.settle(now);
        node
    }

    /// The node's public key.
    pub fn id(&self) -> PeerId {
        self.me.id()
    }

    /// Whether it has said goodbye.
    pub fn has_left(&self) -> bool {
        self.left
    }

    /// The job, once known.
    pub fn job(&self) -> Option<&JobSpec> {
        self.job.as_ref().map(|job| &job.signed.spec)
    }

    /// Which blocks are done, once the job is known.
    pub fn ledger(&self) -> Option<&Ledger> {
        self.job.as_ref().map(|job| &job.replica.ledger)
    }

    /// How many units its own workers computed for the job, and how many they computed anew to check others.
    pub fn computed_units(&self) -> (u64, u64) {
        self.job.as_ref().map_or((0, 0), |job| (job.work.gross, job.checks.units))
    }

    /// Where long tests stand that are under way here or kept for others, and a number that grows with every change of them. Some
    /// megabytes perhaps, so take them only when the number has grown.
    pub fn saved_tests(&self) -> (u64, impl Iterator<Item = jobs::worker::Saved> + '_) {
        let (version, saved) = self.job.as_ref().map(|job| job.parcels.saved()).unzip();
        (version.unwrap_or(0), saved.into_iter().flatten())
    }

    /// The links it has, proved or not.
    pub fn links(&self) -> impl Iterator<Item = LinkId> + '_ {
        self.links.keys().copied()
    }

    /// What a person sees.
    pub fn view(&self, now: Time) -> View {
        crate::show::view(self, now)
    }

    /// The next thing to do, if any.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When to call [`Node::handle_timeout`] at the latest.
    pub fn poll_timeout(&self) -> Time {
        if self.left {
            return Time::NEVER;
        }
        let files = self.files.as_ref().filter(|_| !self.asleep);
        let soon = files.map_or(Time::NEVER, |files| files.swarm.poll_timeout());
        soon.min(self.ticked + self.tick_span())
    }

    /// A node on which little goes on looks at its deadlines less often.
    fn tick_span(&self) -> Duration {
        let is_busy = self.calls.is_busy()
            || self.gossip.is_waiting()
            || self.up.is_empty()
            || self.files.as_ref().is_some_and(|files| files.is_waiting())
            || self.job.as_ref().is_some_and(|job| job.is_running() || job.parcels.is_waiting());
        if is_busy { TICK } else { TICK_IDLE }
    }

    /// Takes in what happened on the way to a signaling server.
    pub fn handle_signaling(&mut self, now: Time, server: ServerId, event: SignalingEvent) {
        if self.left || !self.calls.directory.knows_server(server) {
            return;
        }
        match event {
            SignalingEvent::Disconnected => {
                self.calls.on_disconnected(server);
                self.count_room();
            }
            SignalingEvent::Connected => {
                let (calls, mut desk) = self.calls(now);
                calls.on_connected(&mut desk, server);
            }
            SignalingEvent::Message(ServerMessage::From { .. }) if self.asleep => {}
            SignalingEvent::Message(ServerMessage::Error { message, .. }) => {
                self.out.push_back(Output::Event(Event::SignalingRefused { message }));
            }
            SignalingEvent::Message(ServerMessage::From { from, body }) => {
                let unreadable = self.calls.unreadable;
                let (calls, mut desk) = self.calls(now);
                calls.on_letter(&mut desk, Route::Server(server, from), &body);
                if self.calls.unreadable > unreadable {
                    let why = "somebody in the room's signaling does not know its key".to_owned();
                    self.out.push_back(Output::Event(Event::Refused { why }));
                }
            }
            SignalingEvent::Message(message) => {
                // Losing the server is a hint that a peer is gone: ask it.
                if let Some(link) =
                    self.calls.on_server(server, &message).and_then(|peer| self.up.get(&peer).copied())
                {
                    self.ping(now, link);
                }
                self.count_room();
                if !self.asleep {
                    let (calls, mut desk) = self.calls(now);
                    calls.on_tick(&mut desk);
                }
            }
        }
        self.settle(now);
    }

    /// Takes in what happened on a link.
    pub fn handle_link(&mut self, now: Time, link: LinkId, event: LinkEvent) {
        match event {
            _ if self.left => return,
            LinkEvent::Received(_) if self.asleep => return,
            LinkEvent::Described(sdp) => {
                let (calls, mut desk) = self.calls(now);
                calls.on_described(&mut desk, link, sdp);
            }
            LinkEvent::Candidate(candidate) => {
                let (calls, mut desk) = self.calls(now);
                calls.on_candidate(&mut desk, link, candidate);
            }
            LinkEvent::Opened => self.on_opened(now, link),
            LinkEvent::ReceivedBulk(_) if self.asleep => return,
            LinkEvent::ReceivedBulk(bytes) => self.on_received_bulk(now, link, &bytes),
            LinkEvent::SentBulk => self.on_sent_bulk(now, link),
            LinkEvent::Received(bytes) => self.on_received(now, link, &bytes),
            LinkEvent::Closed => match self.links.remove(&link) {
                Some(gone) => self.on_link_gone(now, link, gone),
                None => self.calls.on_closed(now, link),
            },
        }
        self.settle(now);
    }

    /// Takes in what a worker tells.
    pub fn handle_worker(&mut self, now: Time, slot: Slot, report: jobs::Report) {
        if self.takes_as_check(now, slot, &report) || self.takes_as_search(now, slot, &report) {
            return self.settle(now);
        }
        let Some(job) = &mut self.job else { return };
        match report {
            jobs::Report::Calibrated { speed } => {
                job.work.on_calibrated(slot, speed);
                job.sharing.news = true;
            }
            jobs::Report::Shortened { end } => {
                if let Some(given_up) = job.work.on_shortened(slot, end) {
                    job.give_up(now, slot, given_up, &mut self.post);
                }
            }
            jobs::Report::Done { slice, blocks, took_us } => {
                let Some(missed) = job.work.on_done(slot, slice, took_us) else { return };
                job.give_up(now, slot, missed, &mut self.post);
                job.parcels.on_finished(&[slice]);
                let links: Vec<PeerId> = self.up.keys().copied().collect();
                let refused = job.replica.on_computed(&self.me, &blocks, &links, &mut self.post);
                let me = Some(self.me.id());
                job.sharing.on_finished(now, &[slice], me, &mut job.work);
                self.tell_of_primes(now, &blocks);
                self.keep_own(now, &blocks);
                if let Some(why) = refused {
                    self.out.push_back(Output::Event(Event::Disputed { units: slice, why }));
                }
            }
            jobs::Report::Progress { .. }
            | jobs::Report::Saved { .. }
            | jobs::Report::Proved { .. }
            | jobs::Report::Confirmed { .. } => {}
        }
        self.settle(now);
    }

    /// Takes in what the person wants.
    pub fn handle_command(&mut self, now: Time, command: Command) {
        match command {
            _ if self.left => return,
            Command::SetThreads(threads) => {
                self.threads = threads;
                if let Some(job) = &mut self.job {
                    job.work.set_threads(threads, &mut self.out);
                    job.sharing.news = true;
                }
            }
            Command::Pause => self.set_mode(Mode::Paused),
            Command::Resume => self.set_mode(Mode::Working),
            Command::Finish => self.set_mode(Mode::Finishing),
            Command::SetJob { spec, wait } => {
                self.set_job(now, HostConfig { spec, ledger: None, saved: Vec::new(), wait })
            }
            Command::Start => {
                if self.job.as_ref().is_some_and(|job| job.signed.host == self.me.id()) {
                    self.start(now);
                }
            }
            Command::Say(body) if body.is_within_limits() && !self.asleep => {
                self.say(now, body);
            }
            Command::Say(_) => {}
            Command::AddFile(file) => self.add_file(now, file),
            Command::FetchFile(file, urgent) => self.fetch_file(now, &file, urgent),
            Command::ForgetFile(file) => self.forget_file(now, &file),
            Command::Sleep => self.sleep(),
            Command::Wake => self.wake(now),
            Command::Leave => self.leave(now),
        }
        self.settle(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.left {
            return;
        }
        if !self.asleep
            && let Some(files) = &mut self.files
        {
            files.swarm.on_tick(now);
            if now < self.ticked + self.tick_span() {
                // Only chunks were in a hurry.
                return self.settle(now);
            }
        }
        let slept = now.since(self.ticked + self.tick_span()) > LATE;
        self.ticked = now;
        if slept || self.asleep {
            self.links.values_mut().for_each(|link| link.hear(now));
        }
        if self.asleep {
            return;
        }
        let (calls, mut desk) = self.calls(now);
        calls.on_tick(&mut desk);
        self.look_after_views(now);
        self.look_after_links(now);
        self.take_back_from_the_silent(now);
        self.gossip.on_tick(now, &mut self.post);
        self.look_after_files(now);
        if let Some(job) = &mut self.job {
            let links: Vec<PeerId> = self.up.keys().copied().collect();
            let is_idle = job.work.is_idle() && job.work.mine.is_empty();
            job.replica.pass_on(now, &self.me, &links, is_idle, &mut self.post);
        }
        if let Some(job) = self.job.as_mut().filter(|job| job.is_running()) {
            job.sharing.measure(now, job.started.unwrap_or(now), &job.work);
            let inherited = job.sharing.inherit(now, &job.replica.ledger, &mut job.work, &mut self.post);
            self.out.extend(inherited.into_iter().map(|units| Output::Event(Event::TookBack { units })));
            let (ledger, open) = (&job.replica.ledger, job.open());
            let claimed = job.sharing.claim_orphans(now, ledger, open, &mut job.work, &mut self.post);
            self.out.extend(claimed.into_iter().map(|units| Output::Event(Event::TookBack { units })));
        }
        self.look_after_search(now);
        self.settle(now);
    }

    /// Counts how many peers the room has, as far as this node can tell.
    fn count_room(&mut self) {
        let (met, registered) = self.calls.directory.known_peers(self.me.id(), &self.up);
        self.room_size = met.max(registered);
        let sees_all = self.up.len() + 1 >= met;
        if let Some(job) = &mut self.job {
            job.sharing.on_room(self.room_size, sees_all);
            job.replica.on_room(sees_all);
        }
    }

    /// The calls, and what they need of the rest of the node.
    fn calls(&mut self, now: Time) -> (&mut Calls, Desk<'_>) {
        let (_, calls, desk) = self.views(now);
        (calls, desk)
    }

    /// The views and the calls, and what they need of the rest of the node.
    fn views(&mut self, now: Time) -> (&mut Views, &mut Calls, Desk<'_>) {
        let desk = Desk {
            now,
            rng: &mut self.rng,
            out: &mut self.out,
            post: &mut self.post,
            up: &self.up,
            links: self.links.len(),
            target: target(self.own.kind, self.room_size, LINKS_MAX),
            links_max: LINKS_MAX,
            sparse: self.room_size > FULL_MESH_MAX,
        };
        (&mut self.views, &mut self.calls, desk)
    }

    /// What every input may have made possible.
    fn settle(&mut self, now: Time) {
        if self.left {
            return;
        }
        if self.asleep {
            self.silence_files();
            self.post.0.clear();
            return;
        }
        self.settle_files(now);
        if let Some(job) = &mut self.job {
            job.open_more(job.signed.host == self.me.id() && !self.asleep);
            if job.comes_to_its_end(now) {
                job.sharing.measure(now, job.started.unwrap_or(now), &job.work);
                job.finished = Some(now);
                job.work.mine.clear();
                job.work.stop_all(&mut self.out);
                job.sharing.news = true;
                self.out.push_back(Output::Event(Event::Finished));
            }
            job.work.begin_checks(now, &mut self.out);
            if job.is_running() {
                job.work.begin_slices(now, &mut job.parcels, &mut self.post, &mut self.out);
                job.sharing.look_for_work(now, &job.work, &mut self.post);
                if let Some(slice) = job.sharing.overtake(now, &job.replica.ledger, &job.work) {
                    job.replica.ledger.missing(slice).for_each(|units| job.work.mine.insert(units));
                    job.work.begin_slices(now, &mut job.parcels, &mut self.post, &mut self.out);
                }
            }
            let since = now.since(self.status_sent);
            let every = if job.is_running() { STATUS_EVERY } else { STATUS_EVERY_IDLE };
            if since >= every || (job.sharing.news && since >= STATUS_PAUSE) {
                self.say_status(now);
            }
        }
        let (told, changed) = self.neighbours_told;
        let pause = match changed {
            false => NEIGHBOURS_EVERY,
            true if self.room_size > FULL_MESH_MAX => NEIGHBOURS_PAUSE_LARGE,
            true => NEIGHBOURS_PAUSE,
        };
        if now.since(told) >= pause {
            self.neighbours_told = (now, false);
            self.post.send_all(Frame::Neighbours(self.linked().into_iter().take(NEIGHBOURS_MAX).collect()));
        }
        let has_finished = self.job.as_ref().is_none_or(|job| job.work.is_idle());
        if self.mode == Mode::Finishing && has_finished && !self.hands_over(now) {
            self.leave(now);
        }
        self.flush();
    }

    /// Says goodbye: hands over what is held, and hangs up.
    fn leave(&mut self, now: Time) {
        if let Some(job) = &mut self.job {
            job.work.stop_all(&mut self.out);
            job.work.mine = job.work.held();
            job.sharing.give_away(now, &mut job.work, &mut self.post);
        }
        self.say_status(now);
        self.post.send_all(Frame::Bye);
        self.flush();
        self.out.extend(self.links.keys().map(|link| Output::HangUp(*link)));
        self.links.clear();
        self.up.clear();
        self.left = true;
        self.out.push_back(Output::Event(Event::Left));
    }

    /// Addresses the frames that were written to links.
    fn flush(&mut self) {
        for (to, frame) in self.post.0.drain(..) {
            match to {
                To::One(peer) => {
                    if let Some(link) = self.up.get(&peer) {
                        self.out.push_back(Output::Send(*link, frame.encode()));
                    }
                }
                To::Many(peers) => {
                    let bytes = frame.encode();
                    let links = peers.iter().filter_map(|peer| self.up.get(peer));
                    self.out.extend(links.map(|link| Output::Send(*link, bytes.clone())));
                }
                To::All => {
                    let bytes = frame.encode();
                    self.out.extend(self.up.values().map(|link| Output::Send(*link, bytes.clone())));
                }
            }
        }
    }
}
