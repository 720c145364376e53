//! Invites, and the keys that come from them.
//!
//! An invite is a link, `http://HOST:PORT/#room=…&key=…`. `room` is a hash of the host's public key, so that nobody
//! else can hand out work; `key` is a 128-bit secret. Browsers never send the part after `#` to a server. From the two
//! come, by HKDF-SHA-256 (RFC 5869): the room's id, which signaling sees; the key that seals whispers; and the key that
//! the link handshake proves. None of the three can be computed from another.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use manyhands_wire::{PeerId, RoomId};
use sha2::Sha256;
use thiserror::Error;

/// What the holder of an invite knows of a room.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RoomKey {
    /// The first 16 bytes of the BLAKE3 hash of the host's public key.
    pub host: [u8; 16],
    /// The secret.
    pub key: [u8; 16],
}

/// An invite: where signaling is, and the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    /// The address without the fragment and without a slash at the end: `http://192.168.1.7:8080`.
    pub origin: String,
    /// The room.
    pub room: RoomKey,
}

/// Why a text is not an invite.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum InviteError {
    /// Does not begin with `http://` or `https://` and a host.
    #[error("an invite begins with http:// or https://, like http://192.168.1.7:8080/#room=…&key=…")]
    NoAddress,
    /// The `room` or `key` is missing.
    #[error("the link has no {0}=… after the #: copy the whole invite, in quotes on a command line")]
    Missing(&'static str),
    /// The `room` or `key` is not what it should be.
    #[error("the link's {0}=… is damaged: it must be 22 letters, digits, - or _; copy the invite again")]
    Damaged(&'static str),
}

/// The keys of a room.
#[derive(Clone)]
pub(crate) struct RoomKeys {
    pub(crate) id: RoomId,
    pub(crate) seal: [u8; 32],
    pub(crate) link: [u8; 32],
}

impl RoomKey {
    /// The room of this host, with this secret.
    pub fn new(host: &PeerId, key: [u8; 16]) -> Self {
        Self { host: host_hash(host), key }
    }

    /// Whether `peer` is this room's host.
    pub fn is_host(&self, peer: &PeerId) -> bool {
        host_hash(peer) == self.host
    }

    /// The room's id, as signaling sees it.
    pub fn room_id(&self) -> RoomId {
        self.derive().id
    }

    /// The part of the link after `#`.
    pub fn fragment(&self) -> String {
        format!("room={}&key={}", URL_SAFE_NO_PAD.encode(self.host), URL_SAFE_NO_PAD.encode(self.key))
    }

    /// Reads the part of a link after `#`, with or without it. Parameters it does not know are passed over.
    ///
    /// # Errors
    /// [`InviteError::Missing`] and [`InviteError::Damaged`].
    pub fn parse_fragment(fragment: &str) -> Result<Self, InviteError> {
        let fragment = fragment.strip_prefix('#').unwrap_or(fragment);
        let field = |name: &'static str| {
            let text = fragment
                .split('&')
                .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name))
                .ok_or(InviteError::Missing(name))?
                .1;
            let bytes = URL_SAFE_NO_PAD.decode(text.trim()).map_err(|_| InviteError::Damaged(name))?;
            <[u8; 16]>::try_from(bytes).map_err(|_| InviteError::Damaged(name))
        };
        Ok(Self { host: field("room")?, key: field("key")? })
    }

    /// The keys that come from it.
    pub(crate) fn derive(&self) -> RoomKeys {
        let hkdf = Hkdf::<Sha256>::new(Some(&self.host), &self.key);
        let expand = |label: &[u8], out: &mut [u8]| {
            hkdf.expand(label, out).expect("32 bytes are within the limit of HKDF-SHA-256");
        };
        let (mut id, mut seal, mut link) = ([0; 16], [0; 32], [0; 32]);
        expand(b"manyhands room id v1", &mut id);
        expand(b"manyhands whisper seal v1", &mut seal);
        expand(b"manyhands link proof v1", &mut link);
        RoomKeys { id: RoomId(id), seal, link }
    }
}

impl fmt::Debug for RoomKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoomKey({}, secret)", URL_SAFE_NO_PAD.encode(self.host))
    }
}

impl Invite {
    /// Reads a link.
    ///
    /// # Errors
    /// See [`InviteError`].
    pub fn parse(link: &str) -> Result<Self, InviteError> {
        let link = link.trim();
        let (address, fragment) = link.split_once('#').unwrap_or((link, ""));
        let host = address.strip_prefix("http://").or_else(|| address.strip_prefix("https://"));
        if host.is_none_or(|host| host.trim_end_matches('/').is_empty() || host.contains(char::is_whitespace))
        {
            return Err(InviteError::NoAddress);
        }
        Ok(Self {
            origin: address.trim_end_matches('/').to_owned(),
            room: RoomKey::parse_fragment(fragment)?,
        })
    }

    /// The address of the signaling WebSocket.
    pub fn signaling_url(&self) -> String {
        signaling_url(&self.origin)
    }
}

impl fmt::Display for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/#{}", self.origin, self.room.fragment())
    }
}

/// The address of the signaling WebSocket of a server, whose address has no slash at the end.
pub fn signaling_url(origin: &str) -> String {
    // `http` becomes `ws`, `https` becomes `wss`.
    format!("ws{}/signaling", origin.strip_prefix("http").unwrap_or(origin))
}

fn host_hash(host: &PeerId) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&blake3::hash(&host.0).as_bytes()[..16]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn an_invite() -> Invite {
        Invite { origin: "http://192.168.1.7:8080".into(), room: RoomKey::new(&PeerId([1; 32]), [2; 16]) }
    }

    #[test]
    fn an_invite_survives_its_text_form() {
        let invite = an_invite();

        assert_eq!(Invite::parse(&invite.to_string()), Ok(invite.clone()));
        assert_eq!(invite.signaling_url(), "ws://192.168.1.7:8080/signaling");
        assert_eq!(signaling_url("https://liz.example"), "wss://liz.example/signaling");
        assert!(invite.room.is_host(&PeerId([1; 32])) && !invite.room.is_host(&PeerId([2; 32])));
    }

    #[test]
    fn a_bad_link_is_told_what_is_wrong_with_it() {
        let damaged = an_invite().to_string().replace("key=A", "key=");

        assert_eq!(Invite::parse("192.168.1.7:8080/#room=a&key=b"), Err(InviteError::NoAddress));
        assert_eq!(Invite::parse("http://"), Err(InviteError::NoAddress));
        assert_eq!(Invite::parse("http://liz:8080/"), Err(InviteError::Missing("room")));
        assert_eq!(Invite::parse("http://liz:8080/#room=short&key=b"), Err(InviteError::Damaged("room")));
        assert_eq!(Invite::parse(&damaged), Err(InviteError::Damaged("key")));
    }

    #[test]
    fn the_keys_of_a_room_differ_from_each_other_and_from_another_rooms() {
        let one = an_invite().room.derive();
        let other = RoomKey { key: [3; 16], ..an_invite().room }.derive();

        assert_ne!(one.seal, one.link);
        assert_ne!(one.id, other.id);
        assert_ne!(one.seal, other.seal);
    }
}
