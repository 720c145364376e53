//! Everything that is bounded, in one place.
//!
//! The values are guesses with a wide margin: thirty pages on one machine, all from 127.0.0.1, call each other with about
//! twenty-five messages a pair, which makes some ten thousand messages within seconds, and must never be refused. A
//! stranger who floods must be stopped before it is felt.

use std::time::Duration;

use manyhands_wire::signaling::{ROOM_MEMBERS_MAX, SIGNALING_BYTES_MAX};

use crate::bucket::Rate;

/// The longest payload of a message, in characters of base64: what leaves room for the rest of the message.
pub const BODY_BYTES_MAX: usize = SIGNALING_BYTES_MAX - 128;
/// The read buffer of a connection, in bytes. The library's own default of 128 KiB would be felt at a thousand members.
pub const READ_BUFFER_BYTES: usize = 4 * 1024;
/// From how many bytes on the write buffer of a connection is flushed.
pub const WRITE_BUFFER_BYTES: usize = 4 * 1024;
/// The most the write buffer of a connection holds, in bytes.
pub const WRITE_BUFFER_BYTES_MAX: usize = 128 * 1024;
/// The most messages that wait for a member who does not read.
pub const QUEUE_MESSAGES_MAX: usize = 1024;
/// The most bytes that wait for a member who does not read.
pub const QUEUE_BYTES_MAX: usize = 512 * 1024;
/// The most rooms of a server.
pub const ROOMS_MAX: usize = 1024;
/// The most connections of a server.
pub const CONNECTIONS_MAX: usize = 4096;
/// The most connections from one address.
pub const CONNECTIONS_PER_ADDRESS_MAX: usize = 256;
/// The most addresses whose rate is remembered.
pub const ADDRESSES_MAX: usize = 16 * 1024;

/// The bounds of one server; [`Limits::default`] is what runs, tests make them small.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The most members of one room.
    pub room_members_max: usize,
    /// The most rooms.
    pub rooms_max: usize,
    /// The most connections.
    pub connections_max: usize,
    /// The most connections from one address.
    pub connections_per_address_max: usize,
    /// The most addresses whose rate is remembered.
    pub addresses_max: usize,
    /// The most messages that wait for one member.
    pub queue_messages_max: usize,
    /// The most bytes that wait for one member.
    pub queue_bytes_max: usize,
    /// How much one connection may say. A token is a message, and one more for each full KiB of it.
    pub connection_rate: Rate,
    /// How much all connections from one address may say together, in the same tokens.
    pub address_rate: Rate,
    /// What a new connection costs its address, in the same tokens.
    pub connect_cost: u32,
    /// How soon a connection must join a room.
    pub join_within: Duration,
    /// How often a silent connection is pinged.
    pub ping_every: Duration,
    /// After how long a silence a connection is dropped.
    pub silence_max: Duration,
    /// How long one message may take to be written.
    pub write_within: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            room_members_max: ROOM_MEMBERS_MAX,
            rooms_max: ROOMS_MAX,
            connections_max: CONNECTIONS_MAX,
            connections_per_address_max: CONNECTIONS_PER_ADDRESS_MAX,
            addresses_max: ADDRESSES_MAX,
            queue_messages_max: QUEUE_MESSAGES_MAX,
            queue_bytes_max: QUEUE_BYTES_MAX,
            connection_rate: Rate { burst: 4_000, per_second: 400 },
            address_rate: Rate { burst: 60_000, per_second: 4_000 },
            connect_cost: 20,
            join_within: Duration::from_secs(10),
            ping_every: Duration::from_secs(20),
            silence_max: Duration::from_secs(60),
            write_within: Duration::from_secs(10),
        }
    }
}
