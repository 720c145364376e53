//! The node's part in the job: how it comes to know it, when it begins, what it tells of its work, and what its person wants of it.

use manyhands_wire::frame::{Activity, RUNS_MAX, Status};
use manyhands_wire::{Frame, JobKind, PeerId, Signature, SignedJob};

use super::{HostConfig, Node};
use crate::io::{Event, LinkId, Output};
use crate::job::{Job, is_genuine};
use crate::memory::Remembered;
use crate::time::Time;
use crate::work::Mode;

impl Node {
    /// A friend's own memory of the job: as good as a peer's word, since the host signed it.
    pub(super) fn recall(&mut self, now: Time, memory: Remembered) {
        let Remembered { job: signed, start, ledger } = memory;
        if !is_genuine(&self.me, &self.room, &signed) {
            return;
        }
        let mut job = Job::new(self.me.id(), signed, Some(ledger), self.threads);
        job.work.calibrate(&mut self.out);
        let start = start.filter(|signature| job.is_start(&self.me, signature));
        self.job = Some(job);
        self.count_room();
        self.recall_prime_news(now);
        self.out.push_back(Output::Event(Event::JobKnown));
        if let Some(signature) = start {
            self.on_start(now, signature);
        }
    }

    /// What is worth keeping when the program ends; none before the job is known.
    pub fn memory(&self) -> Option<Remembered> {
        let job = self.job.as_ref()?;
        let ledger = job.replica.ledger.clone();
        Some(Remembered { job: job.signed.clone(), start: job.start, ledger })
    }

    /// The host's own job: it holds all that is not finished, and starts unless it waits for friends.
    pub(super) fn open_job(&mut self, now: Time, host: HostConfig) {
        let signature = self.me.sign(&SignedJob::signed_bytes(&host.spec.id()));
        let signed = SignedJob { spec: host.spec, host: self.me.id(), signature };
        let mut job = Job::new(self.me.id(), signed, host.ledger, self.threads);
        job.work.mine = job.replica.ledger.missing(job.open()).collect();
        job.work.calibrate(&mut self.out);
        job.work.mode = self.mode;
        job.parcels.recall(host.saved);
        let complete = job.replica.ledger.is_complete();
        self.post.send_all(Frame::Job(job.signed.clone()));
        self.job = Some(job);
        self.lobby = (host.wait, 0);
        self.waiting.clear();
        self.count_room();
        self.out.push_back(Output::Event(Event::JobKnown));
        if host.wait == 0 || complete {
            self.start(now);
        }
    }

    /// The host's person has chosen what is to be computed.
    pub(super) fn set_job(&mut self, now: Time, host: HostConfig) {
        let has_started = self.job.as_ref().is_some_and(|job| job.started.is_some());
        if has_started || !self.room.is_host(&self.me.id()) || host.spec.check().is_err() {
            return;
        }
        if let Some(job) = &mut self.job {
            job.work.stop_all(&mut self.out);
        }
        self.open_job(now, host);
        self.count_friends(now);
    }

    /// A stale peer may be gone: what it was granted is done by others, long before its link is given up. If it speaks again,
    /// its next status says what it holds.
    pub(super) fn take_back_from_the_silent(&mut self, now: Time) {
        let Some(job) = &mut self.job else { return };
        for (peer, link) in self.up.iter() {
            let stale = self.links.get(link).is_some_and(|link| link.is_stale(now));
            if stale && job.sharing.theirs.contains_key(peer) {
                let heirs = self.calls.directory.links_of(peer);
                job.on_peer_gone(now, peer, &heirs, &mut self.post, &mut self.out);
            }
        }
    }

    /// The lid is closed: what this node holds is done by others.
    pub(super) fn sleep(&mut self) {
        self.asleep = true;
        if let Some(job) = &mut self.job {
            job.work.stop_all(&mut self.out);
            job.work.mine.clear();
        }
    }

    /// The lid is opened: whoever is still linked is heard again, and everybody at the servers is called.
    pub(super) fn wake(&mut self, now: Time) {
        if !std::mem::take(&mut self.asleep) {
            return;
        }
        self.links.values_mut().for_each(|link| link.hear(now));
        self.calls.directory.call_everybody();
        let linked: Vec<PeerId> = self.up.keys().copied().collect();
        for peer in linked {
            self.gossip.on_link_up(peer, &mut self.post);
            self.on_file_wake(now, peer);
            if let Some(job) = &mut self.job {
                job.replica.on_link_up(now, peer, &mut self.post);
            }
        }
        // Who hears it sends what was missed: the job, its start, what was said.
        self.say_status(now);
    }

    /// The host begins the job.
    pub(super) fn start(&mut self, now: Time) {
        let Some(job) = &self.job else { return };
        let signature = self.me.sign(&SignedJob::start_bytes(&job.id));
        self.on_start(now, signature);
    }

    /// The host counts who is in, and starts when all are.
    pub(super) fn count_friends(&mut self, now: Time) {
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

    pub(super) fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
        self.handing_over = None;
        let Some(job) = &mut self.job else { return };
        job.work.mode = mode;
        job.sharing.news = true;
        // A test that takes long is saved where it stands; other slices are over in a moment.
        let is_search = matches!(job.signed.spec.kind, JobKind::Mersenne { .. });
        if mode == Mode::Paused || (mode == Mode::Finishing && is_search) {
            job.work.stop_all(&mut self.out);
        }
    }

    /// How this node is doing.
    pub(super) fn status(&self, now: Time) -> Status {
        let mut status = Status {
            job: None,
            activity: Activity::Ready,
            threads: self.threads,
            speed: 0,
            solo_speed: 0,
            holding: Vec::new(),
            granted: Vec::new(),
            under_way: Vec::new(),
            progress: Vec::new(),
            gross_units: 0,
            done_units: 0,
            checked_units: 0,
            checks_left: 0,
            credit: 0,
            liars: 0,
        };
        if let Some(job) = &self.job {
            status.job = Some(job.id);
            status.activity = job.work.activity(job.started.is_some(), job.finished.is_some());
            status.speed = job.work.capacity(now);
            status.solo_speed = job.work.solo_speed();
            status.holding = job.work.held().runs().take(RUNS_MAX).collect();
            status.granted = job.sharing.granted().runs().take(RUNS_MAX).collect();
            status.under_way = job.work.under_way().take(RUNS_MAX).collect();
            status.progress = job.work.progress().take(RUNS_MAX).collect();
            status.gross_units = job.work.gross;
            status.done_units = job.replica.ledger.done_units();
            status.checked_units = job.checks.units;
            status.checks_left = u16::try_from(job.checks.left()).unwrap_or(u16::MAX);
            status.credit = job.replica.credit_digest();
            status.liars = job.checks.digest();
        }
        status
    }

    pub(super) fn say_status(&mut self, now: Time) {
        self.status_sent = now;
        let status = self.status(now);
        self.post.send_all(Frame::Status(status));
        if let Some(job) = &mut self.job {
            job.sharing.news = false;
        }
    }

    pub(super) fn on_job(&mut self, now: Time, id: LinkId, peer: PeerId, signed: SignedJob) {
        if self.job.as_ref().is_some_and(|job| job.signed == signed) {
            return;
        }
        if !is_genuine(&self.me, &self.room, &signed) {
            return self.on_fault(now, id, "a job that the room's host did not sign".into());
        }
        if let Some(job) = &mut self.job {
            if signed.host != peer || signed.host == self.me.id() {
                // An older job of the same host, from one who did not hear of the newer.
                return;
            }
            job.work.stop_all(&mut self.out);
        }
        let mut job = Job::new(self.me.id(), signed, None, self.threads);
        job.work.mode = self.mode;
        job.work.calibrate(&mut self.out);
        for peer in self.up.keys() {
            job.replica.on_link_up(now, *peer, &mut self.post);
            self.post.send(*peer, Frame::Job(job.signed.clone()));
        }
        self.job = Some(job);
        self.waiting.clear();
        self.count_room();
        self.recall_prime_news(now);
        self.out.push_back(Output::Event(Event::JobKnown));
    }

    /// The host's word that the job may begin, from whomever it came.
    pub(super) fn on_start(&mut self, now: Time, signature: Signature) {
        let Some(job) = self.job.as_mut().filter(|job| job.started.is_none()) else { return };
        job.begin(now, signature);
        self.post.send_all(Frame::Start { job: job.id, signature });
        self.out.push_back(Output::Event(Event::Started));
        // Whoever starts tells at once what it holds, so that the others know whom to ask.
        self.say_status(now);
    }
}
