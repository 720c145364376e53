//! Rooms and their members, as a pure state machine: no socket, no clock, no lock.
//!
//! What happened goes in with the time since the server's start ([`Rooms::handle_connect`], [`Rooms::handle_text`],
//! [`Rooms::handle_refused`], [`Rooms::handle_timeout`], [`Rooms::handle_disconnect`]); what is to be done comes out of
//! [`Rooms::poll_output`] until there is nothing. A connection that is refused gets its reason, then
//! [`Output::Close`], and is forgotten here at once: nothing it still says counts.
//!
//! A member's number is given once in the life of its room, and a room lives as long as somebody is in it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use manyhands_wire::RoomId;
use manyhands_wire::signaling::{ClientMessage, ErrorCode, Member, SIGNALING_VERSION, ServerMessage};
use serde::{Deserialize, Serialize};

use crate::bucket::Bucket;
use crate::limits::{BODY_BYTES_MAX, Limits};

/// A connection, numbered by the server; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Which rooms a server serves.
#[derive(Clone, Debug)]
pub enum ServedRooms {
    /// Any: a relay for everybody who knows its address.
    Any,
    /// These only: a host serves its own.
    Only(BTreeSet<RoomId>),
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this message.
    Send(ConnectionId, ServerMessage),
    /// Ask the other side's WebSocket for a sign of life.
    Ping(ConnectionId),
    /// Close the connection once what was sent before has left. Nothing follows for it.
    Close(ConnectionId),
}

/// What a server has seen: the numbers that status and metrics show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Rooms with somebody in them, now.
    pub rooms: u64,
    /// Members of all rooms, now.
    pub members: u64,
    /// How often somebody joined a room.
    pub joins: u64,
    /// How many payloads were carried from one member to another.
    pub relayed_frames: u64,
    /// Their bytes, in characters of base64.
    pub relayed_bytes: u64,
    /// How many connections were refused or cut off for what they did.
    pub refused: u64,
}

/// All rooms of a server.
#[derive(Debug)]
pub struct Rooms {
    served: ServedRooms,
    limits: Limits,
    connections: BTreeMap<ConnectionId, Connection>,
    connections_made: u64,
    rooms: BTreeMap<RoomId, Room>,
    addresses: BTreeMap<IpAddr, Address>,
    outputs: VecDeque<Output>,
    counters: Counters,
}

#[derive(Debug)]
struct Connection {
    address: IpAddr,
    seat: Option<(RoomId, Member)>,
    bucket: Bucket,
    connected_at: Duration,
    heard_at: Duration,
    pinged_at: Duration,
}

#[derive(Debug, Default)]
struct Room {
    members: BTreeMap<Member, ConnectionId>,
    members_made: Member,
}

#[derive(Debug)]
struct Address {
    connections: usize,
    bucket: Bucket,
}

impl Rooms {
    /// Rooms without anybody in them.
    pub fn new(served: ServedRooms, limits: Limits) -> Self {
        Self {
            served,
            limits,
            connections: BTreeMap::new(),
            connections_made: 0,
            rooms: BTreeMap::new(),
            addresses: BTreeMap::new(),
            outputs: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// The bounds.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What was seen so far.
    pub fn counters(&self) -> Counters {
        let members = self.rooms.values().map(|room| room.members.len() as u64).sum();
        Counters { rooms: self.rooms.len() as u64, members, ..self.counters }
    }

    /// Somebody at `address` connected.
    ///
    /// # Errors
    /// Why there is no place for it; it is told so and closed.
    pub fn handle_connect(&mut self, now: Duration, address: IpAddr) -> Result<ConnectionId, ErrorCode> {
        let address = accounted(address);
        self.admit(now, address).inspect_err(|_| self.counters.refused += 1)?;
        let id = ConnectionId(self.connections_made);
        self.connections_made += 1;
        let bucket = Bucket::new(self.limits.connection_rate, now);
        self.connections.insert(
            id,
            Connection { address, seat: None, bucket, connected_at: now, heard_at: now, pinged_at: now },
        );
        Ok(id)
    }

    /// A connection said something.
    pub fn handle_text(&mut self, now: Duration, id: ConnectionId, text: &str) {
        let cost = 1 + u32::try_from(text.len() / 1024).unwrap_or(u32::MAX);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.heard_at = now;
        let address = self.addresses.get_mut(&connection.address);
        let slow_enough =
            connection.bucket.take(now, cost) && address.is_none_or(|address| address.bucket.take(now, cost));
        if !slow_enough {
            return self.handle_refused(now, id, ErrorCode::TooFast, "too many messages in too short a time");
        }

        let seat = connection.seat;
        match (parse(text), seat) {
            (Ok(ClientMessage::Join { v, .. }), _) if v != SIGNALING_VERSION => {
                self.handle_refused(
                    now,
                    id,
                    ErrorCode::Version,
                    "another version of the protocol: reload the page",
                );
            }
            (Ok(ClientMessage::Join { room, .. }), None) => self.join(now, id, room),
            (Ok(ClientMessage::Join { .. }), Some(_)) => {
                self.handle_refused(
                    now,
                    id,
                    ErrorCode::Malformed,
                    "this connection has joined a room already",
                );
            }
            (Ok(ClientMessage::Send { to, body }), Some((room, from))) => {
                self.relay(now, id, room, from, to, body)
            }
            (Ok(ClientMessage::Send { .. }), None) => {
                self.handle_refused(now, id, ErrorCode::Malformed, "join a room before sending");
            }
            (Err(code), _) => self.handle_refused(now, id, code, "not a message of this protocol"),
        }
    }

    /// A sign of life that says nothing, such as a pong.
    pub fn handle_alive(&mut self, now: Duration, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.heard_at = now;
        }
    }

    /// A connection did something that ends it.
    pub fn handle_refused(&mut self, now: Duration, id: ConnectionId, code: ErrorCode, why: &str) {
        if self.connections.contains_key(&id) {
            self.counters.refused += 1;
            self.outputs.push_back(Output::Send(id, ServerMessage::Error { code, message: why.to_owned() }));
            self.outputs.push_back(Output::Close(id));
            self.handle_disconnect(now, id);
        }
    }

    /// A connection ended.
    pub fn handle_disconnect(&mut self, now: Duration, id: ConnectionId) {
        let Some(connection) = self.connections.remove(&id) else { return };
        if let Some((room_id, member)) = connection.seat
            && let Some(room) = self.rooms.get_mut(&room_id)
        {
            room.members.remove(&member);
            for &other in room.members.values() {
                self.outputs.push_back(Output::Send(other, ServerMessage::Left { member }));
            }
            if room.members.is_empty() {
                self.rooms.remove(&room_id);
            }
        }
        // An address keeps its bucket until that is full again: to come back at once is no way to start afresh.
        if let Some(address) = self.addresses.get_mut(&connection.address) {
            address.connections -= 1;
            if address.connections == 0 && address.bucket.is_full(now) {
                self.addresses.remove(&connection.address);
            }
        }
    }

    /// Does what is due for one connection: call it at the moment that [`Rooms::poll_timeout`] names.
    pub fn handle_timeout(&mut self, now: Duration, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.seat.is_none() && now >= connection.connected_at + self.limits.join_within {
            self.handle_refused(now, id, ErrorCode::Malformed, "no room was joined in time");
        } else if now >= connection.heard_at + self.limits.silence_max {
            self.outputs.push_back(Output::Close(id));
            self.handle_disconnect(now, id);
        } else if now >= connection.pinged_at + self.limits.ping_every {
            connection.pinged_at = now;
            self.outputs.push_back(Output::Ping(id));
        }
    }

    /// When to call [`Rooms::handle_timeout`] for a connection; `None` once it is forgotten.
    pub fn poll_timeout(&self, id: ConnectionId) -> Option<Duration> {
        let connection = self.connections.get(&id)?;
        let alive = (connection.pinged_at + self.limits.ping_every)
            .min(connection.heard_at + self.limits.silence_max);
        Some(match connection.seat {
            Some(_) => alive,
            None => alive.min(connection.connected_at + self.limits.join_within),
        })
    }

    /// The next thing to do, if any.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Finds a place for a new connection.
    fn admit(&mut self, now: Duration, address: IpAddr) -> Result<(), ErrorCode> {
        if self.connections.len() >= self.limits.connections_max {
            return Err(ErrorCode::ServerFull);
        }
        if !self.addresses.contains_key(&address) && self.addresses.len() >= self.limits.addresses_max {
            self.addresses.retain(|_, known| known.connections > 0 || !known.bucket.is_full(now));
            if self.addresses.len() >= self.limits.addresses_max {
                return Err(ErrorCode::ServerFull);
            }
        }
        let rate = self.limits.address_rate;
        let known = self
            .addresses
            .entry(address)
            .or_insert_with(|| Address { connections: 0, bucket: Bucket::new(rate, now) });
        if known.connections >= self.limits.connections_per_address_max
            || !known.bucket.take(now, self.limits.connect_cost)
        {
            return Err(ErrorCode::TooFast);
        }
        known.connections += 1;
        Ok(())
    }

    fn join(&mut self, now: Duration, id: ConnectionId, room_id: RoomId) {
        let is_served = match &self.served {
            ServedRooms::Any => true,
            ServedRooms::Only(rooms) => rooms.contains(&room_id),
        };
        if !is_served {
            return self.handle_refused(now, id, ErrorCode::NoSuchRoom, "this server does not know the room: the link is from another host, or from before a new start");
        }
        if !self.rooms.contains_key(&room_id) && self.rooms.len() >= self.limits.rooms_max {
            return self.handle_refused(
                now,
                id,
                ErrorCode::ServerFull,
                "this server has as many rooms as it takes",
            );
        }
        let room = self.rooms.entry(room_id).or_default();
        if room.members.len() >= self.limits.room_members_max || room.members_made == Member::MAX {
            return self.handle_refused(now, id, ErrorCode::RoomFull, "the room is full");
        }

        room.members_made += 1;
        let member = room.members_made;
        let before = room.members.keys().copied().collect();
        for &other in room.members.values() {
            self.outputs.push_back(Output::Send(other, ServerMessage::Joined { member }));
        }
        room.members.insert(member, id);
        self.outputs.push_back(Output::Send(id, ServerMessage::Welcome { you: member, members: before }));
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.seat = Some((room_id, member));
        }
        self.counters.joins += 1;
    }

    fn relay(
        &mut self,
        now: Duration,
        id: ConnectionId,
        room: RoomId,
        from: Member,
        to: Member,
        body: String,
    ) {
        // A payload of plain base64 needs no escapes, so a message never grows on its way.
        let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte);
        if body.len() > BODY_BYTES_MAX || !body.bytes().all(is_base64) {
            return self.handle_refused(
                now,
                id,
                ErrorCode::Malformed,
                "the payload is too long or not base64",
            );
        }
        let receiver = self.rooms.get(&room).and_then(|room| room.members.get(&to));
        if let Some(&receiver) = receiver.filter(|_| to != from) {
            self.counters.relayed_frames += 1;
            self.counters.relayed_bytes += body.len() as u64;
            self.outputs.push_back(Output::Send(receiver, ServerMessage::From { from, body }));
        }
    }
}

/// Reads a message, and tells a newer program's `join` from nonsense.
fn parse(text: &str) -> Result<ClientMessage, ErrorCode> {
    #[derive(Deserialize)]
    struct AnyVersion {
        v: u8,
    }
    serde_json::from_str(text).map_err(|_| match serde_json::from_str::<AnyVersion>(text) {
        Ok(message) if message.v != SIGNALING_VERSION => ErrorCode::Version,
        Ok(_) | Err(_) => ErrorCode::Malformed,
    })
}

/// Whose account an address is on: a household has one IPv4 address, or a whole /64 network of IPv6 addresses.
pub fn accounted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests;
