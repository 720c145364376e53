//! The JSON messages between a peer and the signaling server.
//!
//! The server keeps rooms of numbered members and carries sealed payloads between them; it cannot read those, and it
//! never learns the invite's key. A member's number is given by the server and ends with its connection, so there is no
//! name to steal.

use serde::{Deserialize, Serialize};

use crate::id::RoomId;

/// The version of these messages, the `"v"` of [`Join`](ClientMessage::Join).
pub const SIGNALING_VERSION: u8 = 1;
/// The longest message either way, in bytes of JSON text.
pub const SIGNALING_BYTES_MAX: usize = 32 * 1024;
/// The most members of one room.
pub const ROOM_MEMBERS_MAX: usize = 256;

/// The number of a member in its room, given by the server: never used twice for one room while it stands.
pub type Member = u32;

/// What a peer says to the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ClientMessage {
    /// The first message: enter a room. Answered by [`ServerMessage::Welcome`] or [`ServerMessage::Error`].
    Join {
        /// [`SIGNALING_VERSION`].
        v: u8,
        /// Which room.
        room: RoomId,
    },
    /// Carry a payload to another member. Nothing is answered if that member is gone.
    Send {
        /// To whom.
        to: Member,
        /// The sealed payload, as base64.
        body: String,
    },
}

/// What the server says to a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ServerMessage {
    /// You are in.
    Welcome {
        /// Your number.
        you: Member,
        /// Who was there before you, in order.
        members: Vec<Member>,
    },
    /// Somebody came after you.
    Joined {
        /// Who.
        member: Member,
    },
    /// Somebody's connection to the server ended.
    Left {
        /// Who.
        member: Member,
    },
    /// A payload for you.
    From {
        /// From whom.
        from: Member,
        /// The sealed payload, as base64.
        body: String,
    },
    /// The server will not do it; the connection closes after this.
    Error {
        /// Why, for programs.
        code: ErrorCode,
        /// Why, for people.
        message: String,
    },
}

/// Why the server refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// Another version of these messages.
    Version,
    /// Not a message of this protocol, or not in this order.
    Malformed,
    /// The server does not serve this room.
    NoSuchRoom,
    /// The room has [`ROOM_MEMBERS_MAX`] members.
    RoomFull,
    /// The server has as many rooms or connections as it takes.
    ServerFull,
    /// Too much from this address in too short a time.
    TooFast,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_is_what_the_documentation_shows() {
        let join = ClientMessage::Join { v: 1, room: RoomId([0; 16]) };
        let welcome = ServerMessage::Welcome { you: 3, members: vec![1, 2] };

        assert_eq!(
            serde_json::to_string(&join).unwrap(),
            r#"{"type":"join","v":1,"room":"AAAAAAAAAAAAAAAAAAAAAA"}"#
        );
        assert_eq!(serde_json::to_string(&welcome).unwrap(), r#"{"type":"welcome","you":3,"members":[1,2]}"#);
        assert_eq!(
            serde_json::from_str::<ClientMessage>(&serde_json::to_string(&join).unwrap()).unwrap(),
            join
        );
    }
}
