//! Messages that everybody hears: signed by their originator, with a signed path.

use serde::{Deserialize, Serialize};

use crate::id::{PeerId, Signature};
use crate::mersenne::{EXPONENT_MAX, is_prime};

/// The longest text of a message, in bytes.
pub const TEXT_BYTES_MAX: usize = 8 * 1024;
/// The longest name of a discovery's kind, in bytes.
pub const WHAT_BYTES_MAX: usize = 32;
/// The most hops on a path.
pub const PATH_MAX: usize = 32;
/// The most names in one [`Frame::Known`](crate::Frame::Known) or [`Frame::Want`](crate::Frame::Want).
pub const IDS_MAX: usize = 256;

/// The name of a message: whose it is, and a number its originator never uses twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FloodId {
    /// Who said it.
    pub originator: PeerId,
    /// Which of its messages.
    pub sequence: u64,
}

/// A message on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flood {
    /// Its name.
    pub id: FloodId,
    /// How many more hops it may make.
    pub ttl: u8,
    /// Who carried it so far, in order; at most [`PATH_MAX`]. The originator is not among them.
    pub path: Vec<Hop>,
    /// What is said.
    pub body: Body,
    /// The originator's signature over [`Flood::signed_bytes`].
    pub signature: Signature,
}

/// One who carried a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// Who.
    pub peer: PeerId,
    /// Its signature over [`Flood::hop_bytes`].
    pub signature: Signature,
}

/// What is said. Append only: the position is the tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// A text for everybody, at most [`TEXT_BYTES_MAX`] bytes.
    Message(String),
    /// A discovery: every node keeps the one of the greatest value of each kind.
    News {
        /// What kind of thing, at most [`WHAT_BYTES_MAX`] bytes.
        what: String,
        /// Its value: the greater, the more notable.
        value: u64,
    },
    /// `2^exponent - 1` is prime: the originator's machine found it. Every node keeps the largest.
    Prime {
        /// The exponent.
        exponent: u32,
    },
    /// The originator's machine tested an exponent that another said is prime, by a run of its own.
    Checked {
        /// The exponent.
        exponent: u32,
        /// Whether `2^exponent - 1` is prime by that run.
        is_prime: bool,
    },
}

impl Body {
    /// About how many bytes it takes.
    #[expect(clippy::len_without_is_empty, reason = "a body always says something, if only its kind")]
    pub fn len(&self) -> usize {
        match self {
            Self::Message(text) => text.len(),
            Self::News { what, .. } => what.len() + 8,
            Self::Prime { .. } | Self::Checked { .. } => 5,
        }
    }

    /// Whether every text is within its limit.
    pub fn is_within_limits(&self) -> bool {
        match self {
            Self::Message(text) => text.len() <= TEXT_BYTES_MAX,
            Self::News { what, .. } => what.len() <= WHAT_BYTES_MAX,
            Self::Prime { exponent } | Self::Checked { exponent, .. } => {
                *exponent <= EXPONENT_MAX && is_prime(*exponent)
            }
        }
    }
}

impl Flood {
    /// What the originator signs.
    pub fn signed_bytes(id: &FloodId, body: &Body) -> Vec<u8> {
        postcard::to_extend(&(id, body), b"manyhands flood v1".to_vec())
            .expect("ids and bodies are plain data, which postcard always encodes")
    }

    /// What `peer` signs as the hop number `at`: the message, all hops before it, and itself.
    pub fn hop_bytes(&self, at: usize, peer: &PeerId) -> Vec<u8> {
        let before: Vec<&PeerId> = self.path.iter().take(at).map(|hop| &hop.peer).collect();
        postcard::to_extend(&(&self.id, &self.signature, before, peer), b"manyhands hop v1".to_vec())
            .expect("ids are plain data, which postcard always encodes")
    }

    /// Whether every list and text is within its limit.
    pub fn is_within_limits(&self) -> bool {
        self.path.len() <= PATH_MAX && self.body.is_within_limits()
    }
}
