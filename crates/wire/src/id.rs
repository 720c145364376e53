//! Who and what: the names that travel.
//!
//! A peer is its Ed25519 public key. People see a friendly name and a short code instead (`brave-otter k7qf`),
//! both derived from the key, so that every node shows the same name without being told.

use std::cmp::Ordering;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// A peer: its Ed25519 public key, 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PeerId(pub [u8; 32]);

/// A job: the BLAKE3 hash of its encoded [`JobSpec`](crate::JobSpec), 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId(pub [u8; 32]);

/// A room as signaling sees it: 16 bytes derived from the invite's key, from which the key cannot be found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(pub [u8; 16]);

/// An Ed25519 signature, 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

const ADJECTIVES: [&str; 64] = [
    "able", "amber", "apt", "bold", "brave", "bright", "brisk", "calm", "clever", "cosy", "crisp", "curious",
    "daring", "deft", "eager", "early", "fair", "fast", "fine", "fond", "free", "fresh", "gentle", "glad",
    "golden", "good", "grand", "happy", "hardy", "honest", "jolly", "keen", "kind", "late", "light",
    "lively", "loyal", "lucky", "mellow", "merry", "mild", "neat", "nimble", "noble", "patient", "plucky",
    "polite", "proud", "quick", "quiet", "rapid", "ready", "rosy", "silver", "smart", "snug", "spry",
    "steady", "sunny", "swift", "tidy", "warm", "wise", "witty",
];

const ANIMALS: [&str; 64] = [
    "ant", "badger", "bat", "bear", "beaver", "bee", "bison", "camel", "cat", "crane", "crow", "deer", "dog",
    "dolphin", "donkey", "dove", "duck", "eagle", "elk", "falcon", "ferret", "finch", "fox", "frog", "goat",
    "goose", "hare", "hawk", "hedgehog", "heron", "horse", "ibex", "jay", "koala", "lark", "lemur", "lion",
    "llama", "lynx", "magpie", "marmot", "mole", "moose", "mouse", "newt", "otter", "owl", "panda", "pony",
    "puffin", "quail", "rabbit", "raven", "robin", "salmon", "seal", "sparrow", "swan", "tiger", "toad",
    "turtle", "walrus", "wolf", "wren",
];

impl Ord for PeerId {
    /// As the bytes are ordered. Keys are random, so the first eight nearly always decide, and tables ask all the time.
    fn cmp(&self, other: &Self) -> Ordering {
        let first = |id: &Self| id.0.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes));
        first(self).cmp(&first(other)).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for PeerId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PeerId {
    /// The friendly part of the name, such as `brave-otter`. Not unique: see [`PeerId::code`].
    pub fn nickname(&self) -> String {
        let hash = blake3::hash(&self.0);
        let [a, b, ..] = *hash.as_bytes();
        format!("{}-{}", ADJECTIVES[usize::from(a % 64)], ANIMALS[usize::from(b % 64)])
    }

    /// Four characters of base 32 that tell two equal nicknames apart.
    pub fn code(&self) -> String {
        const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        let hash = blake3::hash(&self.0);
        hash.as_bytes()[2..6].iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.nickname(), self.code())
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerId({self})")
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobId({self})")
    }
}

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoomId({self})")
    }
}

impl RoomId {
    /// Reads the text form: 22 characters of unpadded base64url. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }
}

impl Serialize for RoomId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RoomId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("a room is 22 characters of base64url"))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({}…)", URL_SAFE_NO_PAD.encode(&self.0[..6]))
    }
}

// serde derives arrays up to 32 only: a signature travels as two halves, which costs no bytes on the wire.
impl Serialize for Signature {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (mut r, mut s) = ([0; 32], [0; 32]);
        r.copy_from_slice(&self.0[..32]);
        s.copy_from_slice(&self.0[32..]);
        (r, s).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (r, s) = <([u8; 32], [u8; 32])>::deserialize(deserializer)?;
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&r);
        bytes[32..].copy_from_slice(&s);
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_ordered_as_their_bytes() {
        let mut ids = [PeerId([2; 32]), PeerId([1; 32]), PeerId([1; 32]), PeerId([0xff; 32])];
        ids[1].0[31] = 2;

        ids.sort();

        assert!(ids.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    }

    #[test]
    fn a_name_is_derived_from_the_key_alone() {
        let peer = PeerId([7; 32]);

        assert_eq!(peer.to_string(), PeerId([7; 32]).to_string());
        assert_ne!(peer.to_string(), PeerId([8; 32]).to_string());
        assert_eq!(peer.code().len(), 4);
    }

    #[test]
    fn a_room_survives_its_text_form() {
        let room = RoomId([0xab; 16]);

        assert_eq!(RoomId::parse(&room.to_string()), Some(room));
        assert_eq!(RoomId::parse("too short"), None);
    }
}
