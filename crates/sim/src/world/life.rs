//! One life of a node: from its program's start to its end.

use std::time::Duration;

use manyhands_core::node::{Config, HostConfig};
use manyhands_core::{Event, Node, RoomKey, Time};
use manyhands_wire::PeerId;

use super::NodeNumber;
use crate::options::{PeerOptions, address, secret};
use crate::worker::SimWorker;

/// A node heard something that was said to everybody, for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hearing {
    /// Who heard it.
    pub node: NodeNumber,
    /// Who said it.
    pub from: PeerId,
    /// When it was heard.
    pub at: Time,
    /// Over how many links it came.
    pub hops: usize,
}

pub(super) struct Life {
    pub(super) node: Node,
    pub(super) options: PeerOptions,
    pub(super) workers: Vec<SimWorker>,
    pub(super) events: Vec<Event>,
    /// How many units its ledger had when it was last looked at, and whether it had the whole, true result.
    pub(super) done_units: u64,
    /// Which state of its ledger was looked at last: what a liar spoilt may be replaced without a change of the count.
    pub(super) seen_version: Option<u64>,
    pub(super) knows: bool,
    /// Whether it is counted among those whose result is still waited for.
    pub(super) is_waited_for: bool,
    /// How many steps ago its changed ledger was last checked as a whole.
    pub(super) unchecked_steps: u32,
    pub(super) alive: bool,
    pub(super) paused_until: Time,
    /// When the next tick is scheduled; zero for not at all.
    pub(super) next_tick: Time,
    pub(super) ticked: Time,
    /// Its timers fire no more often than this.
    pub(super) tick_every: Duration,
    /// How far its clock is ahead of the world's.
    pub(super) ahead: Duration,
}

impl Life {
    pub(super) fn new(node: Node, options: PeerOptions) -> Self {
        let worker = SimWorker::new(options.speed, options.lies_permille);
        Self {
            node,
            workers: vec![worker; usize::from(options.threads)],
            options,
            events: Vec::new(),
            done_units: 0,
            seen_version: None,
            knows: false,
            is_waited_for: true,
            unchecked_steps: 0,
            alive: true,
            paused_until: Time::ZERO,
            next_tick: Time::ZERO,
            ticked: Time::ZERO,
            tick_every: Duration::ZERO,
            ahead: Duration::ZERO,
        }
    }

    /// What its clock shows.
    pub(super) fn local(&self, now: Time) -> Time {
        now + self.ahead
    }

    /// Whether it is alive, of the room, and has not left.
    pub(super) fn counts(&self) -> bool {
        self.alive && self.options.invited && !self.node.has_left()
    }
}

/// What the node is made from.
pub(super) fn config(
    options: &PeerOptions,
    room: RoomKey,
    seed: [u8; 32],
    host: Option<HostConfig>,
) -> Config {
    let own = if options.serves { address(options.identity) } else { String::new() };
    let others = options.enters.iter().cloned();
    let servers = options.serves.then(|| own.clone()).into_iter().chain(others).collect();
    Config {
        secret: secret(options.identity),
        room,
        seed,
        name: String::new(),
        kind: options.kind,
        threads: options.threads,
        servers,
        address: own,
        remembered: None,
        host,
        files: None,
    }
}
