//! What two peers say to each other through signaling, sealed with the room's key.
//!
//! A call goes: [`Whisper::Call`], [`Whisper::Accept`] or [`Whisper::Decline`], then [`Whisper::Offer`],
//! [`Whisper::Answer`], and [`Whisper::Candidate`]s both ways. All carry the caller's random session number, so an old
//! message replayed by the server belongs to no session and is dropped. Nobody creates a connection before the
//! other side accepted, since browsers allow only some hundred in a page's life.

use serde::{Deserialize, Serialize};

use crate::id::PeerId;

/// The longest session description, in bytes.
pub const SDP_BYTES_MAX: usize = 12 * 1024;
/// The longest candidate, in bytes of its JSON text.
pub const CANDIDATE_BYTES_MAX: usize = 1024;

/// A whisper with who speaks and in which call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Who speaks.
    pub from: PeerId,
    /// To whom, where the speaker knows.
    pub to: Option<PeerId>,
    /// The call's number, chosen at random by the caller.
    pub session: u64,
    /// What is said.
    pub whisper: Whisper,
}

/// One step of a call. Append only: the position is the tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Whisper {
    /// May I dial you?
    Call {
        /// How many links the caller has: one that has hardly any is let in even by a peer that has enough.
        links: u16,
    },
    /// Yes.
    Accept,
    /// No.
    Decline(Decline),
    /// The caller's session description, in SDP.
    Offer(String),
    /// The answer to it, in SDP.
    Answer(String),
    /// A way to reach the speaker, as the JSON of `RTCIceCandidateInit`.
    Candidate(String),
}

/// Why a call is declined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decline {
    /// The two are linked, or are calling each other already.
    Busy,
    /// The called peer has as many links as it takes.
    Full,
    /// The caller is the called peer itself, in another window with the same key.
    Myself,
}
