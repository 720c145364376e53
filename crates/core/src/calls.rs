//! Calls: how two members of a room become two ends of a connection.
//!
//! In the life of a call:
//!
//! 1. A newcomer calls every member it finds in the room. Nobody calls a newcomer, so two peers never call each other by
//!    accident; there is no glare to resolve, and no renegotiation: the caller offers, the called answers.
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

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use manyhands_wire::frame::LETTER_BYTES_MAX;
use manyhands_wire::sealed::{Decline, Letter, Whisper};
use manyhands_wire::signaling::{ClientMessage, Member, ROOM_MEMBERS_MAX, SIGNALING_VERSION, ServerMessage};
use manyhands_wire::{Frame, PeerId};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng as _;

use crate::invite::RoomKeys;
use crate::io::{LinkId, Output};
use crate::post::Post;
use crate::seal;
use crate::time::Time;

/// Calls under way at once. Further ones wait.
const CALLS_MAX: usize = 32;
/// Candidates kept for a call whose connection is not created yet.
const EARLY_CANDIDATES_MAX: usize = 32;
/// How long a call may take until its channel is open.
const CALL_TIMEOUT: Duration = Duration::from_secs(25);
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
/// How often a peer is dialled anew before it is given up until it calls itself.
const REDIALS_MAX: u32 = 8;

/// What a call needs of the node around it.
pub(crate) struct Desk<'a> {
    pub(crate) now: Time,
    pub(crate) rng: &'a mut ChaCha8Rng,
    pub(crate) out: &'a mut VecDeque<Output>,
    pub(crate) post: &'a mut Post,
    /// The peers it has a working link to.
    pub(crate) up: &'a BTreeMap<PeerId, LinkId>,
    /// Whether it takes no more links.
    pub(crate) full: bool,
}

/// How letters of a call travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Through the signaling server, to this member.
    Server(Member),
    /// Over the link to this peer, which has one to the other side.
    Mesh(PeerId),
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

/// All calls of a node, and the room as signaling shows it.
pub(crate) struct Calls {
    me: PeerId,
    keys: RoomKeys,
    members: BTreeSet<Member>,
    /// Which member a peer was last heard as, and the reverse.
    member_of: BTreeMap<PeerId, Member>,
    to_call: VecDeque<Member>,
    calls: BTreeMap<u64, Call>,
    session_of: BTreeMap<LinkId, u64>,
    /// Whom each linked peer has links to.
    neighbours: BTreeMap<PeerId, BTreeSet<PeerId>>,
    redials: BTreeMap<PeerId, Redial>,
    banned: BTreeMap<PeerId, Time>,
    links_made: u64,
    /// Letters that this room's key did not open.
    pub(crate) unreadable: u64,
}

impl Calls {
    pub(crate) fn new(me: PeerId, keys: RoomKeys) -> Self {
        Self {
            me,
            keys,
            members: BTreeSet::new(),
            member_of: BTreeMap::new(),
            to_call: VecDeque::new(),
            calls: BTreeMap::new(),
            session_of: BTreeMap::new(),
            neighbours: BTreeMap::new(),
            redials: BTreeMap::new(),
            banned: BTreeMap::new(),
            links_made: 0,
            unreadable: 0,
        }
    }

    /// The WebSocket is open: enter the room.
    pub(crate) fn on_connected(&mut self, desk: &mut Desk<'_>) {
        desk.out.push_back(Output::Signal(ClientMessage::Join { v: SIGNALING_VERSION, room: self.keys.id }));
    }

    /// The WebSocket is gone, and with it everybody's number.
    pub(crate) fn on_disconnected(&mut self) {
        self.members.clear();
        self.member_of.clear();
        self.to_call.clear();
        self.calls.retain(|_, call| call.link.is_some() || matches!(call.route, Route::Mesh(_)));
    }

    /// What the server said, other than letters and errors. Returns the peer whose connection to the server ended, if it
    /// is known: a hint that it may be gone altogether.
    pub(crate) fn on_server(&mut self, message: &ServerMessage) -> Option<PeerId> {
        match message {
            ServerMessage::Welcome { members, .. } => {
                self.on_disconnected();
                self.members = set_of(members.iter().copied().take(ROOM_MEMBERS_MAX));
                self.to_call = self.members.iter().copied().collect();
                None
            }
            ServerMessage::Joined { member } => {
                if self.members.len() < ROOM_MEMBERS_MAX {
                    self.members.insert(*member);
                }
                None
            }
            ServerMessage::Left { member } => {
                self.members.remove(member);
                self.to_call.retain(|waiting| waiting != member);
                self.calls.retain(|_, call| call.route != Route::Server(*member) || call.link.is_some());
                let peer =
                    self.member_of.iter().find(|(_, number)| *number == member).map(|(peer, _)| *peer)?;
                self.member_of.remove(&peer);
                Some(peer)
            }
            ServerMessage::From { .. } | ServerMessage::Error { .. } => None,
        }
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
        if let Route::Server(member) = route {
            self.remember(from, member);
        }
        if let Whisper::Call = whisper {
            let answer = self.on_call(desk, route, from, session);
            self.whisper(desk, route, Some(from), session, answer);
            return;
        }
        let Some(call) = self.calls.get_mut(&session) else { return };
        if call.route != route || call.peer.is_some_and(|peer| peer != from) {
            return;
        }
        match whisper {
            Whisper::Call => {}
            Whisper::Accept if call.caller && call.link.is_none() => {
                if from == self.me || desk.up.contains_key(&from) {
                    self.calls.remove(&session);
                    return;
                }
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

    /// Which member a peer is. What a letter claims does not replace what stands.
    fn remember(&mut self, peer: PeerId, member: Member) {
        let stands = self.member_of.get(&peer).is_some_and(|known| self.members.contains(known));
        if !stands && (self.member_of.len() < ROOM_MEMBERS_MAX || self.member_of.contains_key(&peer)) {
            self.member_of.insert(peer, member);
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
    fn on_call(&mut self, desk: &mut Desk<'_>, route: Route, from: PeerId, session: u64) -> Whisper {
        if from == self.me {
            return Whisper::Decline(Decline::Myself);
        }
        if desk.full || self.calls.len() >= 2 * CALLS_MAX || self.is_banned(desk.now, &from) {
            return Whisper::Decline(Decline::Full);
        }
        if self.calls.contains_key(&session) {
            return Whisper::Decline(Decline::Busy);
        }
        let crossing =
            self.calls.iter().find(|(_, call)| call.caller && call.peer == Some(from)).map(|(id, _)| *id);
        if let Some(mine) = crossing {
            // Both lost the link and called: the smaller id's call stands.
            if self.me < from {
                return Whisper::Decline(Decline::Busy);
            }
            if let Some(link) = self.calls.remove(&mine).and_then(|call| call.link) {
                self.session_of.remove(&link);
                desk.out.push_back(Output::HangUp(link));
            }
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

    /// A linked peer told whom it has links to: those that this node has none to are called over it, unless they call first
    /// or signaling brings the two together.
    pub(crate) fn on_neighbours(&mut self, desk: &Desk<'_>, via: PeerId, peers: Vec<PeerId>) {
        for peer in &peers {
            let known = *peer == self.me || desk.up.contains_key(peer) || self.redials.contains_key(peer);
            let known = known || self.is_banned(desk.now, peer);
            if known
                || desk.full
                || self.redials.len() >= REDIALS_TRACKED_MAX
                || self.calls.values().any(|call| call.peer == Some(*peer))
            {
                continue;
            }
            let wait = if self.me < *peer { INTRODUCTION } else { INTRODUCTION + REDIAL_SECOND };
            self.redials.insert(*peer, Redial { failures: 0, due: desk.now + wait });
        }
        self.neighbours.insert(via, set_of(peers));
    }

    /// A linked peer is gone, and introduces nobody any more.
    pub(crate) fn on_unlinked(&mut self, peer: &PeerId) {
        self.neighbours.remove(peer);
    }

    /// How many peers there are as far as links and links of links tell, this node included.
    pub(crate) fn known_peers(&self, up: &BTreeMap<PeerId, LinkId>) -> usize {
        set_of(self.neighbours.values().flatten().chain(up.keys()).chain([&self.me])).len()
    }

    /// How a letter to `peer` may travel now.
    fn route_to(&self, desk: &Desk<'_>, peer: &PeerId) -> Option<Route> {
        let server = self.member_of.get(peer).copied().map(Route::Server);
        // Each try goes another way: an introducer may be gone without anybody knowing.
        let tries = self.redials.get(peer).map_or(0, |redial| redial.failures as usize);
        let mesh = || {
            let introducers: Vec<&PeerId> = self
                .neighbours
                .iter()
                .filter(|(via, peers)| peers.contains(peer) && desk.up.contains_key(via))
                .map(|(via, _)| via)
                .collect();
            introducers.get(tries % introducers.len().max(1)).map(|via| Route::Mesh(**via))
        };
        server.or_else(mesh)
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
        let now = desk.now;
        let lapsed: Vec<u64> = self
            .calls
            .iter()
            .filter(|(_, call)| now.since(call.since) > CALL_TIMEOUT)
            .map(|(id, _)| *id)
            .collect();
        for session in lapsed {
            let Some(call) = self.calls.remove(&session) else { continue };
            if let Some(link) = call.link {
                self.session_of.remove(&link);
                desk.out.push_back(Output::HangUp(link));
            }
            if let Some(peer) = call.peer {
                self.on_failed(now, peer, call.caller);
            }
        }
        while self.calls.len() < CALLS_MAX {
            let Some(member) = self.to_call.pop_front() else { break };
            self.call(desk, Route::Server(member), None);
        }
        // One that was given up is forgotten when nobody speaks of it any more.
        let (neighbours, calls) = (&self.neighbours, &self.calls);
        self.redials.retain(|peer, redial| {
            redial.due != Time::NEVER
                || neighbours.values().any(|peers| peers.contains(peer))
                || calls.values().any(|call| call.peer == Some(*peer))
        });
        let due: Vec<PeerId> =
            self.redials.iter().filter(|(_, redial)| redial.due <= now).map(|(peer, _)| *peer).collect();
        for peer in due {
            if self.calls.len() >= CALLS_MAX {
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
        self.whisper(desk, route, peer, session, Whisper::Call);
    }

    fn call_of(&mut self, link: LinkId) -> Option<(u64, &mut Call)> {
        let session = *self.session_of.get(&link)?;
        Some((session, self.calls.get_mut(&session)?))
    }

    fn whisper(&self, desk: &mut Desk<'_>, route: Route, to: Option<PeerId>, session: u64, whisper: Whisper) {
        let letter = Letter { from: self.me, to, session, whisper };
        let body = seal::seal(&self.keys, desk.rng, &letter);
        match (route, to) {
            (Route::Server(member), _) => {
                desk.out.push_back(Output::Signal(ClientMessage::Send { to: member, body }))
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
}

fn new_link(links_made: &mut u64) -> LinkId {
    *links_made += 1;
    LinkId(*links_made)
}

/// A set of these. Collecting would sort them first, and a sort is a tenth of the page's code.
fn set_of<T: Ord>(items: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let mut set = BTreeSet::new();
    set.extend(items);
    set
}
