//! One open data channel, from handshake to end: who is on it, when it was last heard.
//!
//! A PING goes out every 5 s, and any frame counts as heard. After 10 s of silence the peer is stale, after 45 s the link
//! is closed, unless one of three others that were asked has heard the peer lately: then it has as long again. A node whose
//! own tick came late cannot tell silence from its own sleep, so it grants every link a fresh window.

use std::time::Duration;

use manyhands_wire::frame::PeerKind;
use manyhands_wire::{Frame, PeerId};

use crate::handshake::Handshake;
use crate::time::Time;

/// How often a link is pinged.
pub(crate) const PING_EVERY: Duration = Duration::from_secs(5);
/// Silence after which a peer is stale.
pub(crate) const STALE_AFTER: Duration = Duration::from_secs(10);
/// Silence after which a link is closed.
pub(crate) const DEAD_AFTER: Duration = Duration::from_secs(45);
/// Silence after which others are asked about a peer, and how many.
pub(crate) const PROBE_AFTER: Duration = Duration::from_secs(40);
pub(crate) const PROBES: usize = 3;
/// How long the handshake may take.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How many frames that it should not have sent end a link.
pub(crate) const FAULTS_MAX: u32 = 16;

/// What a peer may ask of this node, in about fifty microseconds of work each: per second, and at once after a pause.
const COST_PER_SECOND: u64 = 2_000;
const COST_BURST: u64 = 8_000;

/// How far a link is.
pub(crate) enum Stage {
    /// Both sides prove themselves.
    Shaking(Box<Handshake>),
    /// The link counts.
    Up(PeerId),
}

/// One open data channel.
pub(crate) struct Link {
    pub(crate) stage: Stage,
    pub(crate) since: Time,
    pub(crate) heard: Time,
    pub(crate) pinged: Time,
    ping: Option<(u64, Time)>,
    pub(crate) round_trip: Option<Duration>,
    pub(crate) faults: u32,
    /// Whether others were asked about the silent peer, and when one said that it is there.
    pub(crate) probed: bool,
    pub(crate) vouched: Option<Time>,
    /// How much the peer may still ask of this node at once, and when that was counted.
    budget: (u64, Time),
}

/// What is known of a peer beside its key.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    pub(crate) name: String,
    pub(crate) kind: PeerKind,
    /// Where it serves signaling; empty if nowhere.
    pub(crate) address: String,
    /// Whether it said so itself, in a handshake; what others say of it does not replace that.
    pub(crate) by_itself: bool,
}

impl Link {
    pub(crate) fn new(now: Time, handshake: Handshake) -> Self {
        Self {
            stage: Stage::Shaking(Box::new(handshake)),
            since: now,
            heard: now,
            pinged: now,
            ping: None,
            round_trip: None,
            faults: 0,
            probed: false,
            vouched: None,
            budget: (COST_BURST, now),
        }
    }

    /// The peer, once the link counts.
    pub(crate) fn peer(&self) -> Option<PeerId> {
        match self.stage {
            Stage::Up(peer) => Some(peer),
            Stage::Shaking(_) => None,
        }
    }

    pub(crate) fn is_stale(&self, now: Time) -> bool {
        now.since(self.heard) > STALE_AFTER
    }

    /// Whether to give the link up.
    pub(crate) fn is_dead(&self, now: Time) -> bool {
        match self.stage {
            Stage::Shaking(_) => now.since(self.since) > HANDSHAKE_TIMEOUT,
            Stage::Up(_) => {
                let patience = if self.vouched.is_some() { 2 * DEAD_AFTER } else { DEAD_AFTER };
                now.since(self.heard) > patience || self.faults > FAULTS_MAX
            }
        }
    }

    /// The peer was heard, or silence before now does not count.
    pub(crate) fn hear(&mut self, now: Time) {
        (self.heard, self.probed, self.vouched) = (now, false, None);
    }

    /// Whether it is time to ask others about the peer; once in each silence.
    pub(crate) fn wants_probe(&mut self, now: Time) -> bool {
        let due = now.since(self.heard) > PROBE_AFTER && !self.probed;
        self.probed |= due;
        due
    }

    /// A ping is due or wanted: remember when it left.
    pub(crate) fn on_ping_sent(&mut self, now: Time, number: u64) {
        self.pinged = now;
        self.ping = Some((number, now));
    }

    /// Takes the cost of a frame from the peer's budget (a token bucket). `false` if it is spent.
    pub(crate) fn affords(&mut self, now: Time, frame: &Frame) -> bool {
        let (left, counted) = self.budget;
        let earned = now.since(counted).as_micros() * u128::from(COST_PER_SECOND) / 1_000_000;
        let left = left.saturating_add(u64::try_from(earned).unwrap_or(u64::MAX)).min(COST_BURST);
        // What is below a token goes on counting.
        let counted = if earned > 0 { now } else { counted };
        let paid = left.checked_sub(cost(frame));
        self.budget = (paid.unwrap_or(left), counted);
        paid.is_some()
    }

    pub(crate) fn on_pong(&mut self, now: Time, number: u64) {
        if let Some((_, sent)) = self.ping.take_if(|(expected, _)| *expected == number) {
            self.round_trip = Some(now.since(sent));
        }
    }
}

/// What a frame costs this node: mostly signatures to check or to make.
fn cost(frame: &Frame) -> u64 {
    let count = match frame {
        Frame::Records { records, .. } => records.len(),
        Frame::Flood(flood) => flood.path.len() + 1,
        Frame::Want(ids) => 2 * ids.len(),
        Frame::Have { runs, .. } => 16 + runs.len(),
        Frame::Claim { units, .. } => units.len(),
        Frame::Lie { .. } => 4,
        Frame::Labels { labels, .. } => labels.len() / 8,
        Frame::Credit { runs, .. } => runs.len() / 8,
        Frame::Known(ids) => ids.len() / 8,
        Frame::Status(_) | Frame::Ask(_) | Frame::Knowledge(_) => 4,
        Frame::Job(_) | Frame::Start { .. } | Frame::Proof(_) => 2,
        // A hash each. A signature is checked only once for each file, and a node knows only so many.
        Frame::Entries { entries, .. } => entries.len() / 8,
        Frame::Listing(_) | Frame::Buckets(_) | Frame::AskHolds => 16,
        Frame::Chunks { bits, .. } => bits.len() / 512,
        Frame::Turn { .. } => 4,
        // Many come where parcels move; what was not asked for is passed over, and what is answered waits in the link's own queue.
        Frame::AskPart { .. } | Frame::Piece { .. } => return 0,
        Frame::Holds(ids) | Frame::Lacks(ids) | Frame::Wants(ids) | Frame::Unwants(ids) => ids.len() / 128,
        Frame::Hello(_)
        | Frame::Catalog(_)
        | Frame::Got(_)
        | Frame::Fetch(_)
        | Frame::Cancel(_)
        | Frame::AskHashes(_)
        | Frame::Ping(_)
        | Frame::Pong(_)
        | Frame::Lobby { .. }
        | Frame::Grant(_)
        | Frame::Bye
        | Frame::Neighbours(_)
        | Frame::Letter { .. }
        | Frame::Part
        | Frame::Backups { .. }
        | Frame::Sated
        | Frame::Probe(_)
        | Frame::Heard { .. }
        | Frame::Prune => 1,
    };
    1 + count as u64
}
