//! One peer.

use manyhands_jobs as jobs;
use manyhands_ledger::Ledger;
use manyhands_wire::JobSpec;
use manyhands_wire::PeerId;
use manyhands_wire::frame::PeerKind;

use crate::invite::RoomKey;
use crate::io::{Command, LinkEvent, LinkId, Output, SignalingEvent, Slot};
use crate::time::Time;
use crate::view::View;

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
    /// What it remembers of the room's job, if it was here before.
    pub ledger: Option<Ledger>,
    /// For the room's host: the job.
    pub host: Option<HostConfig>,
}

/// The host's part.
pub struct HostConfig {
    /// What is to be computed.
    pub spec: JobSpec,
    /// How many friends to wait for before the job starts.
    pub wait: u16,
}

/// One peer: the protocol's whole state.
pub struct Node {}

impl Node {
    /// A node at the moment `now`.
    pub fn new(_config: Config, _now: Time) -> Self {
        todo!()
    }
    /// The node's public key.
    pub fn id(&self) -> PeerId {
        todo!()
    }
    /// Takes in what happened on the way to the signaling server.
    pub fn handle_signaling(&mut self, _now: Time, _event: SignalingEvent) {}
    /// Takes in what happened on a link.
    pub fn handle_link(&mut self, _now: Time, _link: LinkId, _event: LinkEvent) {}
    /// Takes in what a worker tells.
    pub fn handle_worker(&mut self, _now: Time, _slot: Slot, _report: jobs::Report) {}
    /// Takes in what the person wants.
    pub fn handle_command(&mut self, _now: Time, _command: Command) {}
    /// Does what is due.
    pub fn handle_timeout(&mut self, _now: Time) {}
    /// The next thing to do, if any.
    pub fn poll_output(&mut self) -> Option<Output> {
        None
    }
    /// When to call [`Node::handle_timeout`] at the latest.
    pub fn poll_timeout(&self) -> Time {
        Time::NEVER
    }
    /// The job, once known.
    pub fn job(&self) -> Option<&JobSpec> {
        None
    }
    /// Which blocks are done, once the job is known.
    pub fn ledger(&self) -> Option<&Ledger> {
        None
    }
    /// What a person sees.
    pub fn view(&self, _now: Time) -> View {
        View::default()
    }
}
