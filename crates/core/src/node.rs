//! One peer: ties the sub-protocols together and owns nothing of them but the order.
//!
//! Every input goes to the sub-protocol it concerns; then the node settles: idle threads get slices, work is looked for, what
//! changed is told, and the frames that were written are addressed to links.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use manyhands_jobs as jobs;
use manyhands_ledger::Ledger;
use manyhands_wire::frame::{Activity, Hello, NAME_BYTES_MAX, PeerKind, RUNS_MAX, Status};
use manyhands_wire::signaling::ServerMessage;
use manyhands_wire::{Frame, FrameError, JobSpec, PeerId, SignedJob};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use crate::calls::{Calls, Standing};
use crate::handshake::Handshake;
use crate::identity::{Identity, is_signed_by};
use crate::invite::{RoomKey, RoomKeys};
use crate::io::{Command, Event, LinkEvent, LinkId, Output, SignalingEvent, Slot};
use crate::job::{Job, is_genuine};
use crate::link::{Link, PING_EVERY, Profile, Stage};
use crate::post::{Post, To};
use crate::time::Time;
use crate::view::View;
use crate::work::Mode;

/// How many links a node takes, proved or not.
pub const LINKS_MAX: usize = 64;
/// How often the node looks at its deadlines.
const TICK: Duration = Duration::from_millis(100);
/// How late a tick may be before the node takes itself for the one that slept.
const LATE: Duration = Duration::from_secs(2);
/// How often a status is sent at least, and how long after a change at most.
const STATUS_EVERY: Duration = Duration::from_secs(1);
const STATUS_PAUSE: Duration = Duration::from_millis(100);
/// How many peers that are gone are remembered by name.
const PROFILES_MAX: usize = 1024;

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
    /// For the room's host: the job.
    pub host: Option<HostConfig>,
}

/// The host's part.
pub struct HostConfig {
    /// What is to be computed.
    pub spec: JobSpec,
    /// What was finished before, if anything.
    pub ledger: Option<Ledger>,
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
    pub(crate) signaling: bool,
    pub(crate) calls: Calls,
    pub(crate) links: BTreeMap<LinkId, Link>,
    pub(crate) up: BTreeMap<PeerId, LinkId>,
    pub(crate) profiles: BTreeMap<PeerId, Profile>,
    pub(crate) job: Option<Job>,
    /// How many friends the host waits for; on a friend, what the host last said.
    pub(crate) lobby: (u16, u16),
    mode: Mode,
    pub(crate) left: bool,
    status_sent: Time,
    ticked: Time,
}

impl Node {
    /// A node at the moment `now`.
    pub fn new(config: Config, now: Time) -> Self {
        let Config { secret, room, seed, mut name, kind, threads, host } = config;
        let me = Identity::new(&secret);
        let keys = room.derive();
        while name.len() > NAME_BYTES_MAX {
            name.pop();
        }
        let mut node = Self {
            calls: Calls::new(me.id(), keys.clone()),
            me,
            room,
            keys,
            rng: ChaCha8Rng::from_seed(seed),
            own: Profile { name, kind },
            threads,
            out: VecDeque::new(),
            post: Post::default(),
            signaling: false,
            links: BTreeMap::new(),
            up: BTreeMap::new(),
            profiles: BTreeMap::new(),
            job: None,
            lobby: (0, 0),
            mode: Mode::Working,
            left: false,
            status_sent: now,
            ticked: now,
        };
        if let Some(host) = host {
            node.open_job(now, host);
        }
        node.settle(now);
        node
    }

    /// The host's own job: it holds all that is not finished, and starts unless it waits for friends.
    fn open_job(&mut self, now: Time, host: HostConfig) {
        let signature = self.me.sign(&SignedJob::signed_bytes(&host.spec.id()));
        let signed = SignedJob { spec: host.spec, host: self.me.id(), signature };
        let mut job = Job::new(self.me.id(), signed, host.ledger, self.threads);
        let whole = job.signed.spec.range();
        job.work.mine = job.replica.ledger.missing(whole).collect();
        job.work.calibrate(&mut self.out);
        self.job = Some(job);
        self.lobby = (host.wait, 0);
        self.out.push_back(Output::Event(Event::JobKnown));
        if host.wait == 0 {
            self.start(now);
        }
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
        if self.left { Time::NEVER } else { self.ticked + TICK }
    }

    /// Takes in what happened on the way to the signaling server.
    pub fn handle_signaling(&mut self, now: Time, event: SignalingEvent) {
        match event {
            _ if self.left => return,
            SignalingEvent::Connected => self.calls.on_connected(&mut self.out),
            SignalingEvent::Disconnected => {
                self.signaling = false;
                self.calls.on_disconnected();
            }
            SignalingEvent::Message(ServerMessage::Error { message, .. }) => {
                self.out.push_back(Output::Event(Event::SignalingRefused { message }));
            }
            SignalingEvent::Message(ServerMessage::From { from, body }) => {
                let unreadable = self.calls.unreadable;
                let standing = Standing { up: &self.up, full: self.links.len() >= LINKS_MAX };
                self.calls.on_letter(now, from, &body, &standing, &mut self.rng, &mut self.out);
                if self.calls.unreadable > unreadable {
                    let why = "somebody in the room's signaling does not know its key".to_owned();
                    self.out.push_back(Output::Event(Event::Refused { why }));
                }
            }
            SignalingEvent::Message(message) => {
                self.signaling |= matches!(message, ServerMessage::Welcome { .. });
                // Losing the server is a hint that a peer is gone: ask it.
                if let Some(link) =
                    self.calls.on_server(&message).and_then(|peer| self.up.get(&peer).copied())
                {
                    self.ping(now, link);
                }
                self.calls.on_tick(now, &mut self.rng, &mut self.out);
            }
        }
        self.settle(now);
    }

    /// Takes in what happened on a link.
    pub fn handle_link(&mut self, now: Time, link: LinkId, event: LinkEvent) {
        match event {
            _ if self.left => return,
            LinkEvent::Described(sdp) => self.calls.on_described(link, sdp, &mut self.rng, &mut self.out),
            LinkEvent::Candidate(candidate) => {
                self.calls.on_candidate(link, candidate, &mut self.rng, &mut self.out);
            }
            LinkEvent::Opened => self.on_opened(now, link),
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
        let Some(job) = &mut self.job else { return };
        match report {
            jobs::Report::Calibrated { speed } => {
                job.work.on_calibrated(slot, speed);
                job.sharing.news = true;
            }
            jobs::Report::Shortened { end } => {
                if let Some(given_up) = job.work.on_shortened(slot, end) {
                    job.give_up(slot, given_up, &mut self.post);
                }
            }
            jobs::Report::Done { slice, blocks, took_us } => {
                if let Some(missed) = job.work.on_done(slot, slice, took_us) {
                    job.give_up(slot, missed, &mut self.post);
                }
                job.replica.on_computed(&self.me, &blocks, &mut self.post);
                job.sharing.on_finished(&[slice], &mut job.work);
            }
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
            Command::Start => {
                if self.job.as_ref().is_some_and(|job| job.signed.host == self.me.id()) {
                    self.start(now);
                }
            }
            Command::Leave => self.leave(now),
        }
        self.settle(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.left {
            return;
        }
        let slept = now.since(self.ticked + TICK) > LATE;
        self.ticked = now;
        if slept {
            self.links.values_mut().for_each(|link| link.heard = now);
        }
        self.calls.on_tick(now, &mut self.rng, &mut self.out);
        let due: Vec<LinkId> = self
            .links
            .iter()
            .filter(|(_, link)| now.since(link.pinged) >= PING_EVERY)
            .map(|(id, _)| *id)
            .collect();
        due.into_iter().for_each(|link| self.ping(now, link));
        let dead: Vec<LinkId> =
            self.links.iter().filter(|(_, link)| link.is_dead(now)).map(|(id, _)| *id).collect();
        dead.into_iter().for_each(|link| self.hang_up(now, link));
        if let Some(job) = self.job.as_mut().filter(|job| job.is_running()) {
            let claimed = job.sharing.claim_orphans(now, &job.replica.ledger, &mut job.work);
            self.out.extend(claimed.into_iter().map(|units| Output::Event(Event::TookBack { units })));
        }
        self.settle(now);
    }

    fn on_opened(&mut self, now: Time, link: LinkId) {
        let negotiated = self.calls.on_opened(link).filter(|_| self.links.len() < LINKS_MAX);
        let Some(negotiated) = negotiated else {
            self.out.push_back(Output::HangUp(link));
            return;
        };
        let mut nonce = [0; 32];
        self.rng.fill_bytes(&mut nonce);
        let Profile { name, kind } = self.own.clone();
        let hello = Hello { peer: self.me.id(), nonce, kind, name };
        self.links.insert(link, Link::new(now, Handshake::new(negotiated, hello.clone())));
        self.out.push_back(Output::Send(link, Frame::Hello(hello).encode()));
    }

    fn on_received(&mut self, now: Time, id: LinkId, bytes: &[u8]) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.heard = now;
        let frame = match Frame::decode(bytes) {
            Ok(frame) => frame,
            Err(FrameError::UnknownTag(_)) if link.peer().is_some() => return,
            Err(error) => return self.on_fault(now, id, error.to_string()),
        };
        match &mut link.stage {
            Stage::Up(peer) => {
                let peer = *peer;
                self.on_frame(now, id, peer, frame);
            }
            Stage::Shaking(handshake) => match frame {
                Frame::Hello(hello) => match handshake.on_hello(&self.me, &self.keys.link, hello) {
                    Ok(proof) => self.out.push_back(Output::Send(id, Frame::Proof(proof).encode())),
                    Err(why) => self.refuse(id, why),
                },
                Frame::Proof(proof) => match handshake.on_proof(&self.keys.link, &proof) {
                    Ok(hello) => self.on_link_up(now, id, hello),
                    Err(why) => self.refuse(id, why),
                },
                _ => self.refuse(id, "it spoke before it proved itself"),
            },
        }
    }

    /// Both sides proved themselves: the link counts.
    fn on_link_up(&mut self, now: Time, id: LinkId, hello: Hello) {
        let peer = hello.peer;
        if let Some(link) = self.links.get_mut(&id) {
            link.stage = Stage::Up(peer);
        }
        let replaced = self.up.insert(peer, id);
        if let Some(old) = replaced {
            // The peer came back, after a reload perhaps, before its old link was known to be dead.
            self.links.remove(&old);
            self.out.push_back(Output::HangUp(old));
            if let Some(job) = &mut self.job {
                job.on_peer_gone(&peer, &mut self.out);
            }
        }
        self.calls.on_linked(&peer);
        if self.profiles.len() < PROFILES_MAX || self.profiles.contains_key(&peer) {
            self.profiles.insert(peer, Profile { name: hello.name, kind: hello.kind });
        }
        if replaced.is_none() {
            self.out.push_back(Output::Event(Event::LinkUp { peer }));
        }
        if let Some(job) = &mut self.job {
            self.post.send(peer, Frame::Job(job.signed.clone()));
            if let Some(signature) = job.start {
                self.post.send(peer, Frame::Start { job: job.id, signature });
            }
            job.replica.on_link_up(now, peer, &mut self.post);
            job.sharing.news = true;
        }
        self.ping(now, id);
        let status = self.status();
        self.post.send(peer, Frame::Status(status));
        self.count_friends(now);
    }

    fn on_frame(&mut self, now: Time, id: LinkId, peer: PeerId, frame: Frame) {
        match frame {
            Frame::Ping(number) => return self.post.send(peer, Frame::Pong(number)),
            Frame::Pong(number) => {
                if let Some(link) = self.links.get_mut(&id) {
                    link.on_pong(now, number);
                }
                return;
            }
            Frame::Hello(_) | Frame::Proof(_) => return self.on_fault(now, id, "a second handshake".into()),
            Frame::Job(signed) => return self.on_job(now, id, signed),
            Frame::Lobby { wanted, present } => {
                if self.room.is_host(&peer) {
                    self.lobby = (wanted, present);
                }
                return;
            }
            Frame::Bye => {
                self.links.remove(&id);
                self.out.push_back(Output::HangUp(id));
                return self.on_peer_left(now, id, peer);
            }
            Frame::Start { .. }
            | Frame::Status(_)
            | Frame::Ask(_)
            | Frame::Grant(_)
            | Frame::Records { .. }
            | Frame::Credit { .. }
            | Frame::Have { .. } => {}
        }
        // All that follows is about the job.
        let Some(job) = &mut self.job else { return };
        let about = match &frame {
            Frame::Start { job, .. }
            | Frame::Records { job, .. }
            | Frame::Credit { job, .. }
            | Frame::Have { job, .. } => Some(*job),
            Frame::Ask(ask) => Some(ask.job),
            Frame::Grant(grant) => Some(grant.job),
            Frame::Status(status) => status.job,
            _ => None,
        };
        if about != Some(job.id) {
            // A peer that has not heard of the job yet says nothing wrong.
            if about.is_some() {
                self.on_fault(now, id, "a message about another job".into());
            }
            return;
        }
        let fault = match frame {
            Frame::Start { signature, .. } => {
                if is_signed_by(&job.signed.host, &SignedJob::start_bytes(&job.id), &signature) {
                    self.on_start(now, signature);
                    None
                } else {
                    Some("a start that the host did not sign".to_owned())
                }
            }
            Frame::Status(status) => {
                let done_units = status.done_units;
                job.sharing.on_status(now, peer, status, &mut job.work);
                job.replica.on_their_count(now, peer, done_units, &mut self.post);
                None
            }
            Frame::Ask(ask) => {
                job.sharing.on_ask(now, peer, &ask, &mut job.work, &mut self.post, &mut self.out);
                None
            }
            Frame::Grant(grant) => {
                job.sharing.on_grant(peer, &grant, &job.replica.ledger, &mut job.work).err()
            }
            Frame::Records { records, .. } => {
                let (fresh, fault) = job.replica.on_records(records);
                job.sharing.on_finished(&fresh, &mut job.work);
                let ledger = &job.replica.ledger;
                job.work.stop_where(|slice| ledger.is_done(slice), &mut self.out);
                fault
            }
            Frame::Credit { runs, .. } => job.replica.on_credit(&runs),
            Frame::Have { within, runs, .. } => {
                job.replica.on_have(&self.me, peer, within, &runs, &mut self.post);
                None
            }
            _ => None,
        };
        if let Some(what) = fault {
            self.on_fault(now, id, what);
        }
    }

    fn on_job(&mut self, now: Time, id: LinkId, signed: SignedJob) {
        if self.job.as_ref().is_some_and(|job| job.signed == signed) {
            return;
        }
        if !is_genuine(&self.room, &signed) {
            return self.on_fault(now, id, "a job that the room's host did not sign".into());
        }
        if self.job.is_some() {
            // The host began anew; a node keeps to the job it has, and its person joins again.
            return;
        }
        let mut job = Job::new(self.me.id(), signed, None, self.threads);
        job.work.mode = self.mode;
        job.work.calibrate(&mut self.out);
        for peer in self.up.keys() {
            job.replica.on_link_up(now, *peer, &mut self.post);
            self.post.send(*peer, Frame::Job(job.signed.clone()));
        }
        self.job = Some(job);
        self.out.push_back(Output::Event(Event::JobKnown));
    }

    /// The host's word that the job may begin, from whomever it came.
    fn on_start(&mut self, now: Time, signature: manyhands_wire::Signature) {
        let Some(job) = self.job.as_mut().filter(|job| job.started.is_none()) else { return };
        job.begin(now, signature);
        self.post.send_all(Frame::Start { job: job.id, signature });
        self.out.push_back(Output::Event(Event::Started));
        // Whoever starts tells at once what it holds, so that the others know whom to ask.
        self.say_status(now);
    }

    /// The host begins the job.
    fn start(&mut self, now: Time) {
        let Some(job) = &self.job else { return };
        let signature = self.me.sign(&SignedJob::start_bytes(&job.id));
        self.on_start(now, signature);
    }

    /// The host counts who is in, and starts when all are.
    fn count_friends(&mut self, now: Time) {
        let Some(job) =
            self.job.as_ref().filter(|job| job.signed.host == self.me.id() && job.started.is_none())
        else {
            return;
        };
        debug_assert!(job.finished.is_none());
        let present = u16::try_from(self.up.len()).unwrap_or(u16::MAX);
        self.lobby.1 = present;
        self.post.send_all(Frame::Lobby { wanted: self.lobby.0, present });
        if present >= self.lobby.0 {
            self.start(now);
        }
    }

    fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
        let Some(job) = &mut self.job else { return };
        job.work.mode = mode;
        job.sharing.news = true;
        if mode == Mode::Paused {
            job.work.stop_all(&mut self.out);
        }
    }

    /// A frame that should not have come.
    fn on_fault(&mut self, now: Time, id: LinkId, what: String) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.faults += 1;
        match link.peer() {
            Some(peer) => self.out.push_back(Output::Event(Event::Misbehaved { peer, what })),
            None => return self.refuse(id, "it does not speak this protocol"),
        }
        if link.is_dead(now) {
            self.hang_up(now, id);
        }
    }

    /// A link that does not prove itself ends.
    fn refuse(&mut self, id: LinkId, why: &str) {
        self.links.remove(&id);
        self.out.push_back(Output::HangUp(id));
        self.out.push_back(Output::Event(Event::Refused { why: why.to_owned() }));
    }

    fn hang_up(&mut self, now: Time, id: LinkId) {
        let Some(link) = self.links.remove(&id) else { return };
        self.out.push_back(Output::HangUp(id));
        self.on_link_gone(now, id, link);
    }

    /// A link broke, and nobody said goodbye: dial again.
    fn on_link_gone(&mut self, now: Time, id: LinkId, gone: Link) {
        match gone.stage {
            Stage::Up(peer) => {
                self.on_peer_left(now, id, peer);
                self.calls.on_lost(now, peer);
            }
            Stage::Shaking(handshake) => {
                let (peer, caller) = handshake.counterpart();
                self.calls.on_failed(now, peer, caller);
            }
        }
    }

    /// A peer is gone, and what it was granted comes back.
    fn on_peer_left(&mut self, now: Time, id: LinkId, peer: PeerId) {
        if self.up.get(&peer) != Some(&id) {
            return;
        }
        self.up.remove(&peer);
        self.out.push_back(Output::Event(Event::LinkDown { peer }));
        if let Some(job) = &mut self.job {
            job.on_peer_gone(&peer, &mut self.out);
        }
        self.count_friends(now);
    }

    fn ping(&mut self, now: Time, id: LinkId) {
        let number = self.rng.next_u64();
        let Some(link) = self.links.get_mut(&id) else { return };
        link.on_ping_sent(now, number);
        if let Some(peer) = link.peer() {
            self.post.send(peer, Frame::Ping(number));
        }
    }

    /// How this node is doing.
    fn status(&self) -> Status {
        let mut status = Status {
            job: None,
            activity: Activity::Ready,
            threads: self.threads,
            speed: 0,
            solo_speed: 0,
            holding: Vec::new(),
            under_way: Vec::new(),
            gross_units: 0,
            done_units: 0,
        };
        if let Some(job) = &self.job {
            status.job = Some(job.id);
            status.activity = job.work.activity(job.started.is_some(), job.finished.is_some());
            status.speed = job.work.capacity();
            status.solo_speed = job.work.solo_speed();
            status.holding = job.work.held().runs().take(RUNS_MAX).collect();
            status.under_way = job.work.under_way().take(RUNS_MAX).collect();
            status.gross_units = job.work.gross;
            status.done_units = job.replica.ledger.done_units();
        }
        status
    }

    fn say_status(&mut self, now: Time) {
        self.status_sent = now;
        let status = self.status();
        self.post.send_all(Frame::Status(status));
        if let Some(job) = &mut self.job {
            job.sharing.news = false;
        }
    }

    /// What every input may have made possible.
    fn settle(&mut self, now: Time) {
        if self.left {
            return;
        }
        if let Some(job) = &mut self.job {
            if job.finished.is_none() && job.started.is_some() && job.replica.ledger.is_complete() {
                job.finished = Some(now);
                job.work.mine.clear();
                job.work.stop_all(&mut self.out);
                job.sharing.news = true;
                self.out.push_back(Output::Event(Event::Finished));
            }
            if job.is_running() {
                job.work.begin_slices(now, &mut self.out);
                job.sharing.look_for_work(now, &job.work, &mut self.post);
            }
            let since = now.since(self.status_sent);
            if since >= STATUS_EVERY || (job.sharing.news && since >= STATUS_PAUSE) {
                self.say_status(now);
            }
        }
        if self.mode == Mode::Finishing && self.job.as_ref().is_none_or(|job| job.work.is_idle()) {
            self.leave(now);
        }
        self.flush();
    }

    /// Says goodbye: hands over what is held, and hangs up.
    fn leave(&mut self, now: Time) {
        if let Some(job) = &mut self.job {
            job.work.stop_all(&mut self.out);
            job.work.mine = job.work.held();
            job.sharing.give_away(&mut job.work, &mut self.post);
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
                To::All => {
                    let bytes = frame.encode();
                    self.out.extend(self.up.values().map(|link| Output::Send(*link, bytes.clone())));
                }
            }
        }
    }
}
