//! Flooded messages: signed by their originator, carried by everybody, with the path they came.
//!
//! In the life of a message:
//!
//! 1. Its originator signs the body with a sequence number and sends it over every link.
//! 2. Who hears it for the first time checks the originator's signature and that of every hop on the path, keeps it, tells
//!    its person, adds its own signed hop and sends it on with one less to live: the payload over *eager* links, only its
//!    name over *lazy* ones.
//! 3. A second copy over some link tells that this link is not needed for payloads: both ends make it lazy. A name that is
//!    not followed by its payload in time is asked for, and that link becomes eager. So a tree of eager links grows out of the
//!    mesh and heals (Leitão, Pereira, Rodrigues: Epidemic Broadcast Trees, 2007). Rooms of up to [`FLOOD_PEERS_MAX`] peers are
//!    flooded outright: every path is then the first one there was.
//! 4. A body above [`EAGER_BYTES_MAX`] is never pushed, only named and asked for.
//! 5. On every new link, and every 30 s, two peers compare what they know and fill in what the other lacks.
//!
//! Forwarder and originator are never confused: the originator's signature is over the body, each forwarder's over its place
//! on the path. A copy with more to live than the best one seen is forwarded again, and told to nobody twice.

use std::collections::VecDeque;
use std::time::Duration;

use manyhands_wire::flood::{Body, Flood, FloodId, Hop, IDS_MAX, PATH_MAX};
use manyhands_wire::{Frame, PeerId};

use crate::identity::Identity;
use crate::io::LinkId;
use crate::post::Post;
use crate::table::{Set, Table};
use crate::time::Time;

/// How many messages are kept; the oldest go first.
const KEPT_MAX: usize = 1024;
/// Of how many kinds of discoveries the greatest is never forgotten.
const KINDS_MAX: usize = 16;
/// What the kind of discovery is called that a Mersenne prime is.
const PRIME: &str = "Mersenne prime";
/// How many exponents are remembered that give no primes although somebody said so.
const FALSE_MAX: usize = 256;
/// How many peers a room may have to be flooded outright.
const FLOOD_PEERS_MAX: usize = 20;
/// The most hops in a room that is flooded outright.
const TTL_SMALL: u8 = 8;
/// A large room has more peers than a node sees: so many times twice as many are allowed for.
const UNSEEN: u32 = 3;
/// Bodies longer than this are announced and pulled, in bytes.
const EAGER_BYTES_MAX: usize = 1024;
/// How long the payload may stay away once its name was heard (a guess: some round trips).
const GRAFT_AFTER: Duration = Duration::from_millis(400);
/// How often peers compare what they know, unless the link is new.
const COMPARE_EVERY: Duration = Duration::from_secs(30);

/// A message as this node has it.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) flood: Flood,
    /// When this node heard or said it.
    pub(crate) heard: Time,
    /// The most a copy had to live.
    ttl_max: u8,
}

#[derive(Clone, Copy, Debug)]
struct Wanted {
    from: PeerId,
    due: Time,
}

/// The room around the node, as far as it is known.
pub(crate) struct Room<'a> {
    /// The peers that the node has links to.
    pub(crate) up: &'a Table<PeerId, LinkId>,
    /// About how many peers there are, this node included.
    pub(crate) size: usize,
}

/// What this node knows of all that was said.
pub(crate) struct Gossip {
    me: PeerId,
    next_sequence: u64,
    kept: Table<FloodId, Kept>,
    order: Table<u64, FloodId>,
    heard: u64,
    /// The greatest discovery of each kind: what, its value, its name.
    best: Vec<(String, u64, FloodId)>,
    /// Exponents that were told of and give no primes.
    false_primes: VecDeque<u32>,
    /// Names heard without their payload.
    wanted: Table<FloodId, Wanted>,
    lazy: Set<PeerId>,
    compared: Time,
    /// Copies that came after the first.
    pub(crate) duplicates: u64,
}

/// Why a message is refused, for people.
pub(crate) type Refusal = &'static str;

impl Gossip {
    /// A node that knows nothing yet. `first_sequence` is random: a node that comes back must not use a number twice.
    pub(crate) fn new(me: PeerId, first_sequence: u64) -> Self {
        Self {
            me,
            next_sequence: first_sequence,
            kept: Table::new(),
            order: Table::new(),
            heard: 0,
            best: Vec::new(),
            false_primes: VecDeque::new(),
            wanted: Table::new(),
            lazy: Set::new(),
            compared: Time::ZERO,
            duplicates: 0,
        }
    }

    /// Says something to everybody. Returns its name.
    pub(crate) fn say(
        &mut self,
        now: Time,
        me: &Identity,
        room: &Room<'_>,
        body: Body,
        post: &mut Post,
    ) -> FloodId {
        let id = FloodId { originator: self.me, sequence: self.next_sequence };
        self.next_sequence = self.next_sequence.wrapping_add(1);
        let signature = me.sign(&Flood::signed_bytes(&id, &body));
        let flood = Flood { id, ttl: time_to_live(room.size), path: Vec::new(), body, signature };
        self.keep(now, flood.clone());
        self.send_on(&flood, room, post);
        id
    }

    /// A message came over the link to `via`. Returns it if it is heard for the first time.
    pub(crate) fn on_flood(
        &mut self,
        now: Time,
        me: &Identity,
        via: PeerId,
        mut flood: Flood,
        room: &Room<'_>,
        post: &mut Post,
    ) -> Result<Option<&Kept>, Refusal> {
        let id = flood.id;
        if id.originator == self.me {
            return Ok(None);
        }
        flood.ttl = flood.ttl.min(time_to_live(room.size));
        if let Some(kept) = self.kept.get_mut(&id) {
            self.duplicates += 1;
            let fresher = flood.ttl > kept.ttl_max;
            kept.ttl_max = kept.ttl_max.max(flood.ttl);
            let kept = Flood { ttl: flood.ttl, ..kept.flood.clone() };
            if fresher {
                self.forward(me, kept, room, post);
            } else if room.size > FLOOD_PEERS_MAX && self.lazy.insert(via) {
                post.send(via, Frame::Prune);
            }
            return Ok(None);
        }
        check(me, &flood, via)?;
        self.wanted.remove(&id);
        self.lazy.remove(&via);
        self.keep(now, flood.clone());
        self.forward(me, flood, room, post);
        Ok(self.kept.get(&id))
    }

    /// Adds this node's hop, and sends it on if it has enough to live.
    fn forward(&mut self, me: &Identity, mut flood: Flood, room: &Room<'_>, post: &mut Post) {
        if flood.ttl <= 1 || flood.path.len() >= PATH_MAX {
            return;
        }
        flood.ttl -= 1;
        self.add_hop(me, &mut flood);
        self.send_on(&flood, room, post);
    }

    fn add_hop(&self, me: &Identity, flood: &mut Flood) {
        let signature = me.sign(&flood.hop_bytes(flood.path.len(), &self.me));
        flood.path.push(Hop { peer: self.me, signature });
    }

    fn send_on(&self, flood: &Flood, room: &Room<'_>, post: &mut Post) {
        let passed =
            |peer: &PeerId| *peer == flood.id.originator || flood.path.iter().any(|hop| hop.peer == *peer);
        let by_name = |peer: &PeerId| {
            flood.body.len() > EAGER_BYTES_MAX || (room.size > FLOOD_PEERS_MAX && self.lazy.contains(peer))
        };
        let others = room.up.keys().copied().filter(|peer| !passed(peer));
        let (named, given): (Vec<PeerId>, Vec<PeerId>) = others.partition(by_name);
        post.send_many(given, Frame::Flood(Box::new(flood.clone())));
        post.send_many(named, Frame::Known(vec![flood.id]));
    }

    /// A peer named messages that it knows.
    pub(crate) fn on_known(&mut self, now: Time, via: PeerId, ids: Vec<FloodId>) {
        // A full memory learns only what is new: else two nodes that forgot different messages would remind each other for ever.
        let room = KEPT_MAX.saturating_sub(self.kept.len() + self.wanted.len());
        for id in ids.into_iter().take(IDS_MAX).take(if room == 0 { 1 } else { room }) {
            if !self.kept.contains_key(&id) {
                self.wanted.entry(id).or_insert(Wanted { from: via, due: now + GRAFT_AFTER });
            }
        }
    }

    /// A peer asks for messages that this node named.
    pub(crate) fn on_want(&mut self, me: &Identity, via: PeerId, ids: Vec<FloodId>, post: &mut Post) {
        self.lazy.remove(&via);
        let ids: Set<FloodId> = ids.into_iter().collect();
        for id in &ids {
            let Some(kept) = self.kept.get(id) else { continue };
            let mut flood = kept.flood.clone();
            if flood.id.originator != self.me {
                if flood.path.len() >= PATH_MAX {
                    continue;
                }
                self.add_hop(me, &mut flood);
            }
            post.send(via, Frame::Flood(Box::new(flood)));
        }
    }

    /// A peer needs no payloads over this link.
    pub(crate) fn on_prune(&mut self, via: PeerId) {
        self.lazy.insert(via);
    }

    /// A new link: compare.
    pub(crate) fn on_link_up(&mut self, peer: PeerId, post: &mut Post) {
        self.lazy.remove(&peer);
        post.send(peer, Frame::Knowledge(self.knowledge()));
    }

    /// The link is gone.
    pub(crate) fn on_link_down(&mut self, peer: &PeerId) {
        self.lazy.remove(peer);
    }

    /// A peer told the digest of all it knows: if it differs, it is told every name.
    pub(crate) fn on_knowledge(&self, via: PeerId, theirs: [u8; 32], post: &mut Post) {
        if theirs != self.knowledge() {
            let ids: Vec<FloodId> = self.kept.keys().copied().collect();
            ids.chunks(IDS_MAX).for_each(|part| post.send(via, Frame::Known(part.to_vec())));
        }
    }

    /// Whether payloads are waited for.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// Asks for payloads that stay away, and compares from time to time.
    pub(crate) fn on_tick(&mut self, now: Time, post: &mut Post) {
        let due: Vec<(FloodId, PeerId)> = self
            .wanted
            .iter()
            .filter(|(_, wanted)| wanted.due <= now)
            .map(|(id, wanted)| (*id, wanted.from))
            .collect();
        let mut asks: Table<PeerId, Vec<FloodId>> = Table::new();
        for (id, from) in due {
            self.wanted.remove(&id);
            self.lazy.remove(&from);
            asks.entry(from).or_default().push(id);
        }
        for (peer, ids) in asks {
            ids.chunks(IDS_MAX).for_each(|part| post.send(peer, Frame::Want(part.to_vec())));
        }
        if now.since(self.compared) >= COMPARE_EVERY {
            self.compared = now;
            post.send_all(Frame::Knowledge(self.knowledge()));
        }
    }

    /// The hash of every name known.
    fn knowledge(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("manyhands knowledge v1");
        for id in self.kept.keys() {
            hasher.update(&id.originator.0).update(&id.sequence.to_le_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    fn keep(&mut self, now: Time, flood: Flood) {
        let (id, ttl_max) = (flood.id, flood.ttl);
        self.weigh(id, &flood.body);
        self.kept.insert(id, Kept { flood, heard: now, ttl_max });
        self.order.insert(self.heard, id);
        self.heard += 1;
        while self.kept.len() > KEPT_MAX {
            let is_best = |id: &FloodId| self.best().any(|best| best == *id);
            let oldest = self.order.iter().find(|(_, id)| !is_best(id));
            let Some((at, id)) = oldest.map(|(at, id)| (*at, *id)) else { break };
            self.order.remove(&at);
            self.kept.remove(&id);
        }
    }

    /// The greatest discovery of each kind, of two equal ones that of the smaller id: these are not forgotten.
    pub(crate) fn best(&self) -> impl Iterator<Item = FloodId> + '_ {
        self.best.iter().map(|(_, _, id)| *id)
    }

    /// Compares a discovery with the greatest of its kind. The first kinds that were heard of count.
    fn weigh(&mut self, id: FloodId, body: &Body) {
        let Some((what, value)) = discovery(body) else { return };
        if matches!(body, Body::Prime { exponent } if self.false_primes.contains(exponent)) {
            return;
        }
        if let Some((_, most, of)) = self.best.iter_mut().find(|(kind, ..)| kind == what) {
            if value > *most || (value == *most && id < *of) {
                (*most, *of) = (value, id);
            }
        } else if self.best.len() < KINDS_MAX {
            self.best.push((what.to_owned(), value, id));
        }
    }

    /// A prime that was told of is none: the greatest is another.
    pub(crate) fn disown(&mut self, exponent: u32) {
        self.false_primes.push_back(exponent);
        if self.false_primes.len() > FALSE_MAX {
            self.false_primes.pop_front();
        }
        self.best.retain(|(kind, ..)| kind != PRIME);
        let primes: Vec<(FloodId, Body)> = self
            .kept
            .iter()
            .filter(|(_, kept)| matches!(kept.flood.body, Body::Prime { .. }))
            .map(|(id, kept)| (*id, kept.flood.body.clone()))
            .collect();
        primes.iter().for_each(|(id, body)| self.weigh(*id, body));
    }

    /// Everything known, in the order it was heard.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &Kept> {
        self.order.values().filter_map(|id| self.kept.get(id))
    }
}

/// What a discovery is, and its value.
pub(crate) fn discovery(body: &Body) -> Option<(&str, u64)> {
    match body {
        // What anybody may say is not taken for what is tested.
        Body::News { what, .. } if what.eq_ignore_ascii_case(PRIME) => None,
        Body::News { what, value } => Some((what, *value)),
        Body::Prime { exponent } => Some((PRIME, u64::from(*exponent))),
        Body::Message(_) | Body::Checked { .. } => None,
    }
}

/// Whether the originator and every forwarder signed, and the last one is who brought it.
fn check(me: &Identity, flood: &Flood, via: PeerId) -> Result<(), Refusal> {
    let last = flood.path.last().map_or(flood.id.originator, |hop| hop.peer);
    if last != via {
        return Err("a message whose path does not end with who brought it");
    }
    let said = Flood::signed_bytes(&flood.id, &flood.body);
    if !me.is_signed_by(&flood.id.originator, &said, &flood.signature) {
        return Err("a message that its originator did not sign");
    }
    for (at, hop) in flood.path.iter().enumerate() {
        if !me.is_signed_by(&hop.peer, &flood.hop_bytes(at, &hop.peer), &hop.signature) {
            return Err("a message with a forged path");
        }
    }
    Ok(())
}

/// How many hops a new message may make: 8 up to 20 peers, 2 log2 N above.
fn time_to_live(room_size: usize) -> u8 {
    if room_size <= FLOOD_PEERS_MAX {
        return TTL_SMALL;
    }
    u8::try_from(2 * (room_size.ilog2() + UNSEEN) + 2).unwrap_or(u8::MAX).min(PATH_MAX as u8)
}
