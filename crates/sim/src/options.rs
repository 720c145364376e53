//! What a simulation and its peers are like.

use std::time::Duration;

use manyhands_core::Signatures;
use manyhands_wire::frame::PeerKind;

use crate::disk::{FileOptions, Health};
use crate::network::Conditions;

/// The address of the signaling server that is there from the beginning, and that belongs to no node.
pub const HUB: &str = "hub";

/// What a simulated peer is like.
#[derive(Clone, Debug)]
pub struct PeerOptions {
    /// How many threads it lends.
    pub threads: u16,
    /// Thousandths of a unit per second, each thread.
    pub speed: u64,
    /// Which key it has: equal numbers are the same peer.
    pub identity: u32,
    /// Whether it holds the room's key; otherwise another, with which it knocks at the same server: the room's id is not looked at
    /// here, so that the seal and the handshake have to keep it out.
    pub invited: bool,
    /// Page or program: a page wants fewer links.
    pub kind: PeerKind,
    /// Whether it is a signaling server too, at [`address`] of its identity. The server dies with it.
    pub serves: bool,
    /// The signaling servers that it enters beside its own.
    pub enters: Vec<String>,
    /// How many of a thousand blocks it reports with a wrong result.
    pub lies_permille: u16,
    /// How it treats files; `None` for a peer without a store.
    pub files: Option<FileOptions>,
}

impl Default for PeerOptions {
    /// An honest program with one thread of a hundred units a second, which enters the [`HUB`].
    fn default() -> Self {
        Self {
            threads: 1,
            speed: 100_000,
            identity: 0,
            invited: true,
            kind: PeerKind::Native,
            serves: false,
            enters: vec![HUB.to_owned()],
            lies_permille: 0,
            files: None,
        }
    }
}

impl PeerOptions {
    /// Whether neither its results nor its disk lie: whoever does may be left alone by all others.
    pub(crate) fn is_honest(&self) -> bool {
        let gives_wrong_bytes = self.files.as_ref().is_some_and(|files| files.disk == Health::Lies);
        self.lies_permille == 0 && !gives_wrong_bytes
    }
}

/// The address of the signaling server of the peer with this identity.
pub fn address(identity: u32) -> String {
    format!("node-{identity}")
}

/// The secret half of the key of the peer with this identity.
pub fn secret(identity: u32) -> [u8; 32] {
    let mut secret = [0x33; 32];
    secret[..4].copy_from_slice(&identity.to_le_bytes());
    secret
}

/// How a simulation is run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the network does to messages.
    pub conditions: Conditions,
    /// How nodes sign: as real ones, or at no cost.
    pub signatures: Signatures,
    /// Whether everything is folded into [`World::trace`](crate::World::trace).
    pub trace: bool,
    /// Whether what nodes tell their persons is kept.
    pub events: bool,
    /// After how many steps a node whose ledger changed is checked as a whole; 0 for never.
    pub full_check_every: u32,
    /// How long a driver waits at first before it tries a server again, doubled up to the other.
    pub back_off: (Duration, Duration),
}

impl Default for Settings {
    /// Everything checked and kept, as suits some tens of nodes.
    fn default() -> Self {
        Self {
            conditions: Conditions::default(),
            signatures: Signatures::Ed25519,
            trace: true,
            events: true,
            full_check_every: 64,
            back_off: (Duration::from_millis(200), Duration::from_secs(10)),
        }
    }
}

impl Settings {
    /// What suits hundreds and thousands of nodes: free signatures, no trace, no events.
    pub fn large() -> Self {
        let (trace, events, full_check_every) = (false, false, 0);
        Self { signatures: Signatures::Simulated, trace, events, full_check_every, ..Self::default() }
    }
}
