//! Calls: how two members of a room become two ends of a connection.
//!
//! In the life of a call:
//!
//! 1. A newcomer calls the members it finds in the room, as many as it wants links (see [`views`](crate::views)). Nobody
//!    calls a newcomer, so two peers hardly ever call each other by accident; if they do, the smaller id's call stands. There
//!    is no renegotiation: the caller offers, the called answers.
//! 2. The called accepts. Only now is a connection created, as browsers allow only some hundred in a page's life.
//! 3. The caller, who knows best whether it has a link to that peer already, dials or lets the call lapse. Offer, answer and
//!    candidates travel as sealed letters with the call's random number; a replayed letter belongs to no call.
//! 4. The data channel opens, and the call is over: what follows is the handshake on the link.
//!
//! Letters go through the signaling server while there is one. Peers also tell each other whom they are linked to, and two
//! that share a third introduce themselves over it: the same letters, carried by that third.
//!
//! A dialled connection that fails is dialled anew with back-off; of two peers that lost their link, the one with the
//! smaller id calls first. All sets are bounded, and calls that get no further lapse.

use std::collections::VecDeque;
use std::time::Duration;

use manyhands_wire::frame::LETTER_BYTES_MAX;
use manyhands_wire::sealed::{Decline, Letter, Whisper};
use manyhands_wire::signaling::{ClientMessage, SIGNALING_VERSION, ServerMessage};
use manyhands_wire::{Frame, PeerId};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng as _;

use crate::directory::{Directory, Route};
use crate::invite::RoomKeys;
use crate::io::{LinkId, Output, ServerId};
use crate::post::Post;
use crate::seal;
use crate::table::{Set, Table};
use crate::time::Time;
use crate::views::FULL_MESH_MAX;

/// Calls under way at once. Further ones wait.
const CALLS_MAX: usize = 32;
/// Candidates kept for a call whose connection is not created yet.
const EARLY_CANDIDATES_MAX: usize = 32;
/// How long a call may take until its channel is open, and how long until it is answered.
const CALL_TIMEOUT: Duration = Duration::from_secs(25);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(8);
/// How many calls a node makes at once in a room too large for links to all.
const CALLS_SPARSE_MAX: usize = 4;
/// How many introductions are planned upon one neighbour's word.
const PLANS_MAX: usize = FULL_MESH_MAX;
/// A caller with fewer links than this is let in even by a peer that has enough.
const NEEDY: u16 = 3;
/// The wait before a failed or lost link is dialled anew; doubled each time.
const REDIAL_MIN: Duration = Duration::from_millis(500);
/// The longest such wait.
const REDIAL_MAX: Duration = Duration::from_secs(30);
/// How much longer the larger id waits before it calls.
const REDIAL_SECOND: Duration = Duration::from_secs(5);
/// How many peers are kept for dialling.
const REDIALS_TRACKED_MAX: usize = 256;
/// How long no link is made with a peer that misbehaved, and with how many that is remembered.
const BAN: Duration = Duration::from_secs(300);
const BANNED_MAX: usize = 64;
/// How long two peers that share a third wait for signaling to bring them together.
const INTRODUCTION: Duration = Duration::from_millis(1500);
/// How often a peer is dialled anew before it is given up until it calls itself; where others can take its place, sooner.
const REDIALS_MAX: u32 = 8;
const REDIALS_SPARSE_MAX: u32 = 2;

/// What a call needs of the node around it.
pub(crate) struct Desk<'a> {
    pub(crate) now: Time,
    pub(crate) rng: &'a mut ChaCha8Rng,
    pub(crate) out: &'a mut VecDeque<Output>,
    pub(crate) post: &'a mut Post,
    /// The peers it has a working link to.
    pub(crate) up: &'a Table<PeerId, LinkId>,
    /// How many links it has, proved or not.
    pub(crate) links: usize,
    /// How many it wants, and how many it takes at most.
    pub(crate) target: usize,
    pub(crate) links_max: usize,
    /// Whether the room is too large for links to all.
    pub(crate) sparse: bool,
}

/// A call under way.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    route: Route,
    /// The other side, as it named itself inside a seal. Proved only by the handshake.
    pub(crate) peer: Option<PeerId>,
    /// Whether this node called.
    pub(crate) caller: bool,
    link: Option<LinkId>,
    offer: Option<String>,
    answer: Option<String>,
    early_candidates: Vec<String>,
    since: Time,
}

/// Both descriptions of a connection, for the handshake.
#[derive(Clone, Debug)]
pub(crate) struct Negotiated {
    /// The other side, as it named itself.
    pub(crate) peer: PeerId,
    /// Whether this node called.
    pub(crate) caller: bool,
    /// The caller's session description.
    pub(crate) offer: String,
    /// The called's session description.
    pub(crate) answer: String,
}

#[derive(Clone, Copy, Debug)]
struct Redial {
    failures: u32,
    due: Time,
}

/// All calls of a node.
pub(crate) struct Calls {
    me: PeerId,
    keys: RoomKeys,
    pub(crate) directory: Directory,
    calls: Table<u64, Call>,
    session_of: Table<LinkId, u64>,
    redials: Table<PeerId, Redial>,
    banned: Table<PeerId, Time>,
    links_made: u64,
    /// Letters that this room's key did not open.
    pub(crate) unreadable: u64,
}

impl Calls {
    pub(crate) fn new(me: PeerId, keys: RoomKeys) -> Self {
        Self {
            me,
            keys,
            directory: Directory::default(),
            calls: Table::new(),
            session_of: Table::new(),
            redials: Table::new(),
            banned: Table::new(),
            links_made: 0,
            unreadable: 0,
        }
    }

    /// The WebSocket is open: enter the room.
    pub(crate) fn on_connected(&mut self, desk: &mut Desk<'_>, server: ServerId) {
        let join = ClientMessage::Join { v: SIGNALING_VERSION, room: self.keys.id };
        desk.out.push_back(Output::Signal(server, join));
    }

    /// The WebSocket is gone: calls through it get no further, unless their links are being made.
    pub(crate) fn on_disconnected(&mut self, server: ServerId) {
        self.directory.on_disconnected(server);
        self.calls.retain(|_, call| call.link.is_some() || !call.is_through(server));
    }

    /// What a server said, other than letters and errors. Returns the peer whose connection to it ended, if it is known: a
    /// hint that it may be gone altogether.
    pub(crate) fn on_server(&mut self, server: ServerId, message: &ServerMessage) -> Option<PeerId> {
        match message {
            ServerMessage::Welcome { .. } => self.on_disconnected(server),
            ServerMessage::Left { member } => {
                let gone = Route::Server(server, *member);
                self.calls.retain(|_, call| call.route != gone || call.link.is_some());
            }
            ServerMessage::Joined { .. } | ServerMessage::From { .. } | ServerMessage::Error { .. } => {}
        }
        self.directory.on_server(server, message)
    }

    /// A letter that came this way.
    pub(crate) fn on_letter(&mut self, desk: &mut Desk<'_>, route: Route, body: &str) {
        let Some(letter) = seal::open(&self.keys, body) else {
            self.unreadable += 1;
            return;
        };
        if letter.to.is_some_and(|to| to != self.me) {
            return;
        }
        let Letter { from, session, whisper, .. } = letter;
        if let Route::Server(server, member) = route {
            self.directory.remember(from, server, member);
        }
        if let Whisper::Call { links } = whisper {
            let answer = self.on_call(desk, route, from, session, links);
            self.whisper(desk, route, Some(from), session, answer);
            return;
        }
        let Some(call) = self.calls.get_mut(&session) else { return };
        if call.route != route || call.peer.is_some_and(|peer| peer != from) {
            return;
        }
        match whisper {
            Whisper::Call { .. } => {}
            Whisper::Accept if call.caller && call.link.is_none() => {
                // Who is met at two servers is called twice.
                let is_dialled = |(other, call): (&u64, &Call)| {
                    *other != session && call.peer == Some(from) && call.link.is_some()
                };
                if from == self.me || desk.up.contains_key(&from) || self.calls.iter().any(is_dialled) {
                    self.calls.remove(&session);
                    return;
                }
                let Some(call) = self.calls.get_mut(&session) else { return };
                call.peer = Some(from);
                let link = new_link(&mut self.links_made);
                call.link = Some(link);
                self.session_of.insert(link, session);
                desk.out.push_back(Output::Dial(link));
            }
            Whisper::Decline(_) if call.caller && call.link.is_none() => {
                self.calls.remove(&session);
                self.redials.remove(&from);
            }
            Whisper::Offer(sdp) if !call.caller && call.link.is_none() => {
                let link = new_link(&mut self.links_made);
                call.link = Some(link);
                call.offer = Some(sdp.clone());
                let early = std::mem::take(&mut call.early_candidates);
                self.session_of.insert(link, session);
                // Who is met at two servers calls over both, and dials the one whose answer came first: the other lapses.
                self.calls.retain(|_, call| call.caller || call.link.is_some() || call.peer != Some(from));
                desk.out.push_back(Output::Answer(link, sdp));
                desk.out.extend(early.into_iter().map(|candidate| Output::Candidate(link, candidate)));
            }
            Whisper::Answer(sdp) if call.caller && call.answer.is_none() => {
                if let Some(link) = call.link.filter(|_| call.offer.is_some()) {
                    call.answer = Some(sdp.clone());
                    desk.out.push_back(Output::Answered(link, sdp));
                }
            }
            Whisper::Candidate(candidate) => match call.link {
                Some(link) => desk.out.push_back(Output::Candidate(link, candidate)),
                None if call.early_candidates.len() < EARLY_CANDIDATES_MAX => {
                    call.early_candidates.push(candidate)
                }
                None => {}
            },
            Whisper::Accept | Whisper::Decline(_) | Whisper::Offer(_) | Whisper::Answer(_) => {}
        }
    }

    /// A peer misbehaved until its link was closed: no link with it for a while.
    pub(crate) fn ban(&mut self, now: Time, peer: PeerId) {
        self.banned.retain(|_, until| *until > now);
        if self.banned.len() < BANNED_MAX {
            self.banned.insert(peer, now + BAN);
        }
    }

    fn is_banned(&self, now: Time, peer: &PeerId) -> bool {
        self.banned.get(peer).is_some_and(|until| *until > now)
    }

    /// Whether to take a call; the answer is whispered back.
    fn on_call(
        &mut self,
        desk: &mut Desk<'_>,
        route: Route,
        from: PeerId,
        session: u64,
        their_links: u16,
    ) -> Whisper {
        if from == self.me {
            return Whisper::Decline(Decline::Myself);
        }
        if self.calls.contains_key(&session) {
            return Whisper::Decline(Decline::Busy);
        }
        // A peer that came back takes the place of its old link.
        let mine = desk.links + self.under_way() - usize::from(desk.up.contains_key(&from));
        let is_full = mine >= if their_links < NEEDY { desk.links_max } else { desk.target };
        if is_full || self.calls.len() >= 2 * CALLS_MAX || self.is_banned(desk.now, &from) {
            return Whisper::Decline(Decline::Full);
        }
        let crossing = self
            .calls
            .iter()
            .find(|(_, call)| call.caller && call.peer == Some(from))
            .map(|(id, call)| (*id, call.link.is_some()));
        if let Some((mine, is_dialled)) = crossing {
            // Both lost the link and called: the smaller id's call stands, unless the other's was accepted before.
            if self.me < from || is_dialled {
                return Whisper::Decline(Decline::Busy);
            }
            self.calls.remove(&mine);
        }
        self.redials.remove(&from);
        self.calls.insert(session, Call::new(desk.now, route, Some(from), false));
        Whisper::Accept
    }

    /// The driver described this node's side of a connection.
    pub(crate) fn on_described(&mut self, desk: &mut Desk<'_>, link: LinkId, sdp: String) {
        let Some((session, call)) = self.call_of(link) else { return };
        let whisper = if call.caller {
            call.offer = Some(sdp.clone());
            Whisper::Offer(sdp)
        } else {
            call.answer = Some(sdp.clone());
            Whisper::Answer(sdp)
        };
        let (route, peer) = (call.route, call.peer);
        self.whisper(desk, route, peer, session, whisper);
    }

    /// The driver found a way to reach this node.
    pub(crate) fn on_candidate(&mut self, desk: &mut Desk<'_>, link: LinkId, candidate: String) {
        let Some((session, call)) = self.call_of(link) else { return };
        let (route, peer) = (call.route, call.peer);
        self.whisper(desk, route, peer, session, Whisper::Candidate(candidate));
    }

    /// A linked peer told whom it has links to. In a room small enough for links to all, those that this node has none to
    /// are called over it, unless they call first or signaling brings the two together.
    pub(crate) fn on_neighbours(&mut self, desk: &Desk<'_>, via: PeerId, peers: Set<PeerId>) {
        for peer in peers.iter().filter(|_| !desk.sparse && desk.links < desk.links_max).take(PLANS_MAX) {
            let wait = if self.me < *peer { INTRODUCTION } else { INTRODUCTION + REDIAL_SECOND };
            self.plan(desk, *peer, wait);
        }
        self.directory.on_neighbours(via, peers);
    }

    /// Plans a call to a peer, unless there is a link, a call or a plan already. Whether it is planned now.
    pub(crate) fn plan(&mut self, desk: &Desk<'_>, peer: PeerId, wait: Duration) -> bool {
        let may = self.may_plan(desk, &peer) && self.redials.len() < REDIALS_TRACKED_MAX;
        if may {
            self.redials.insert(peer, Redial { failures: 0, due: desk.now + wait });
        }
        may
    }

    /// Whether there is neither a link, a call nor a plan for a link to this peer.
    pub(crate) fn may_plan(&self, desk: &Desk<'_>, peer: &PeerId) -> bool {
        *peer != self.me
            && !desk.up.contains_key(peer)
            && !self.redials.contains_key(peer)
            && !self.is_banned(desk.now, peer)
            && !self.calls.values().any(|call| call.peer == Some(*peer))
    }

    /// How many calls may still become links.
    pub(crate) fn under_way(&self) -> usize {
        self.calls.len()
    }

    /// Whether anything waits for its time soon.
    pub(crate) fn is_busy(&self) -> bool {
        !self.calls.is_empty() || !self.redials.is_empty()
    }

    /// How a letter to `peer` may travel now.
    pub(crate) fn route_to(&self, desk: &Desk<'_>, peer: &PeerId) -> Option<Route> {
        let tries = self.redials.get(peer).map_or(0, |redial| redial.failures as usize);
        self.directory.route_to(desk.up, peer, tries)
    }

    /// The channel is open: the call is over. `None` if the link belongs to no call, or its negotiation is not whole.
    pub(crate) fn on_opened(&mut self, link: LinkId) -> Option<Negotiated> {
        let session = self.session_of.remove(&link)?;
        let call = self.calls.remove(&session)?;
        Some(Negotiated { peer: call.peer?, caller: call.caller, offer: call.offer?, answer: call.answer? })
    }

    /// The attempt failed before the channel was open.
    pub(crate) fn on_closed(&mut self, now: Time, link: LinkId) {
        let Some(session) = self.session_of.remove(&link) else { return };
        let Some(call) = self.calls.remove(&session) else { return };
        if let Some(peer) = call.peer {
            self.on_failed(now, peer, call.caller);
        }
    }

    /// A dialled link came to nothing: the caller tries again.
    pub(crate) fn on_failed(&mut self, now: Time, peer: PeerId, caller: bool) {
        if caller {
            self.redial(now, peer);
        }
    }

    /// The link to `peer` counted and was lost: the smaller id calls again at once, the other only if that comes to nothing
    /// (the smaller may believe that this node said goodbye).
    pub(crate) fn on_lost(&mut self, now: Time, peer: PeerId) {
        self.redial(now, peer);
        if let Some(redial) = self.redials.get_mut(&peer).filter(|_| self.me > peer) {
            redial.due = redial.due + REDIAL_SECOND;
        }
    }

    /// The link to `peer` stands.
    pub(crate) fn on_linked(&mut self, peer: &PeerId) {
        self.redials.remove(peer);
    }

    /// The peers that are being dialled.
    pub(crate) fn connecting(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.calls.values().filter(|call| call.link.is_some()).filter_map(|call| call.peer)
    }

    /// Places waiting calls, and lets those lapse that get no further.
    pub(crate) fn on_tick(&mut self, desk: &mut Desk<'_>) {
        self.lapse(desk);
        let calls_max = if desk.sparse { CALLS_SPARSE_MAX } else { CALLS_MAX };
        let may_call = |calls: &Self, desk: &Desk<'_>| {
            calls.calls.len() < calls_max && desk.links + calls.under_way() < desk.target
        };
        while may_call(self, desk) {
            let rng = &mut *desk.rng;
            let pick = |count: usize| (rng.next_u64() % count.max(1) as u64) as usize;
            let Some(route) = self.directory.next_to_call(pick) else { break };
            self.call(desk, route, None);
        }
        // One that was given up is forgotten when nobody speaks of it any more.
        let (directory, calls) = (&self.directory, &self.calls);
        self.redials.retain(|peer, redial| {
            redial.due != Time::NEVER
                || directory.is_neighbours_neighbour(peer)
                || calls.values().any(|call| call.peer == Some(*peer))
        });
        let due: Vec<PeerId> =
            self.redials.iter().filter(|(_, redial)| redial.due <= desk.now).map(|(peer, _)| *peer).collect();
        for peer in due {
            if !may_call(self, desk) {
                // In a large room another link took the place of this one.
                if desk.sparse {
                    self.redials.remove(&peer);
                    continue;
                }
                break;
            }
            if let Some(redial) = self.redials.get_mut(&peer) {
                redial.due = Time::NEVER;
            }
            match self.route_to(desk, &peer).filter(|_| !desk.up.contains_key(&peer)) {
                Some(route) => self.call(desk, route, Some(peer)),
                None => {
                    self.redials.remove(&peer);
                }
            }
        }
        if desk.sparse {
            let calls = &self.calls;
            self.redials.retain(|peer, redial| {
                let is_called = || calls.values().any(|call| call.peer == Some(*peer));
                redial.failures <= REDIALS_SPARSE_MAX && (redial.due != Time::NEVER || is_called())
            });
        }
    }

    /// Ends calls that took too long.
    fn lapse(&mut self, desk: &mut Desk<'_>) {
        let limit = |call: &Call| {
            if call.caller && call.link.is_none() { ANSWER_TIMEOUT } else { CALL_TIMEOUT }
        };
        let is_late = |call: &Call| desk.now.since(call.since) > limit(call);
        let lapsed: Vec<u64> =
            self.calls.iter().filter(|(_, call)| is_late(call)).map(|(id, _)| *id).collect();
        for session in lapsed {
            let Some(call) = self.calls.remove(&session) else { continue };
            if let Some(link) = call.link {
                self.session_of.remove(&link);
                desk.out.push_back(Output::HangUp(link));
            }
            if let Some(peer) = call.peer {
                self.on_failed(desk.now, peer, call.caller);
            }
        }
    }

    fn redial(&mut self, now: Time, peer: PeerId) {
        if self.is_banned(now, &peer) {
            self.redials.remove(&peer);
            return;
        }
        let redial = self.redials.entry(peer).or_insert(Redial { failures: 0, due: now });
        redial.failures = redial.failures.saturating_add(1);
        let wait = REDIAL_MIN.saturating_mul(1 << redial.failures.min(10)).min(REDIAL_MAX);
        redial.due = now + wait;
        if redial.failures > REDIALS_MAX {
            // Given up until it calls itself, or the others forget it too.
            redial.due = Time::NEVER;
        }
    }

    fn call(&mut self, desk: &mut Desk<'_>, route: Route, peer: Option<PeerId>) {
        let session = desk.rng.next_u64();
        self.calls.insert(session, Call::new(desk.now, route, peer, true));
        let links = u16::try_from(desk.links).unwrap_or(u16::MAX);
        self.whisper(desk, route, peer, session, Whisper::Call { links });
    }

    fn call_of(&mut self, link: LinkId) -> Option<(u64, &mut Call)> {
        let session = *self.session_of.get(&link)?;
        Some((session, self.calls.get_mut(&session)?))
    }

    fn whisper(&self, desk: &mut Desk<'_>, route: Route, to: Option<PeerId>, session: u64, whisper: Whisper) {
        let letter = Letter { from: self.me, to, session, whisper };
        let body = seal::seal(&self.keys, desk.rng, &letter);
        match (route, to) {
            (Route::Server(server, member), _) => {
                desk.out.push_back(Output::Signal(server, ClientMessage::Send { to: member, body }))
            }
            (Route::Mesh(via), Some(to)) if body.len() <= LETTER_BYTES_MAX => {
                desk.post.send(via, Frame::Letter { from: self.me, to, body });
            }
            (Route::Mesh(_), _) => {}
        }
    }
}

impl Call {
    fn new(now: Time, route: Route, peer: Option<PeerId>, caller: bool) -> Self {
        let early_candidates = Vec::new();
        Self { route, peer, caller, link: None, offer: None, answer: None, early_candidates, since: now }
    }

    fn is_through(&self, server: ServerId) -> bool {
        matches!(self.route, Route::Server(through, _) if through == server)
    }
}

fn new_link(links_made: &mut u64) -> LinkId {
    *links_made += 1;
    LinkId(*links_made)
}
