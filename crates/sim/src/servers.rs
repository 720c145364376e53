//! Signaling servers, one room each, and the nodes' connections to them.

use std::collections::{BTreeMap, BTreeSet};

use manyhands_core::{ServerId, SignalingEvent};
use manyhands_wire::signaling::{ClientMessage, ErrorCode, Member, ROOM_MEMBERS_MAX, ServerMessage};

use crate::world::NodeNumber;

/// A node's connection to a server.
pub(crate) type Way = (NodeNumber, ServerId);

/// What comes to a node over its connection to a server.
pub(crate) type Said = (Way, SignalingEvent);

#[derive(Default)]
struct Server {
    is_up: bool,
    /// Who is connected, in the room or not yet.
    connected: BTreeSet<Way>,
    members: BTreeMap<Member, Way>,
    next_member: Member,
}

struct Connection {
    way: ServerId,
    server: usize,
    member: Option<Member>,
    /// How often in vain the driver tried to connect.
    tries: u32,
}

/// All signaling servers.
#[derive(Default)]
pub(crate) struct Servers {
    by_address: BTreeMap<String, usize>,
    servers: Vec<Server>,
    connections: Vec<Vec<Connection>>,
    /// How many letters they carried.
    pub(crate) relayed: u64,
}

impl Servers {
    /// One more node.
    pub(crate) fn add_node(&mut self) {
        self.connections.push(Vec::new());
    }

    fn at(&mut self, address: &str) -> usize {
        if let Some(at) = self.by_address.get(address) {
            return *at;
        }
        self.servers.push(Server::default());
        self.by_address.insert(address.to_owned(), self.servers.len() - 1);
        self.servers.len() - 1
    }

    fn connection(&mut self, (node, way): Way) -> Option<&mut Connection> {
        self.connections[node].iter_mut().find(|connection| connection.way == way)
    }

    /// A server runs at this address from now on.
    pub(crate) fn start(&mut self, address: &str) {
        let at = self.at(address);
        self.servers[at].is_up = true;
    }

    /// The server crashed: its room is gone. Returns the connections that broke.
    pub(crate) fn stop(&mut self, address: &str) -> Vec<Way> {
        let at = self.at(address);
        self.servers[at].is_up = false;
        self.servers[at].members.clear();
        let broken: Vec<Way> = std::mem::take(&mut self.servers[at].connected).into_iter().collect();
        for way in &broken {
            if let Some(connection) = self.connection(*way) {
                connection.member = None;
            }
        }
        broken
    }

    /// A node's driver is to keep a connection to this address.
    pub(crate) fn add_way(&mut self, (node, way): Way, address: &str) {
        let server = self.at(address);
        self.connections[node].push(Connection { way, server, member: None, tries: 0 });
    }

    /// The driver tries to connect: `Ok` if the server is there, otherwise how often that was in vain so far. `None` if the node
    /// does not want it any more.
    pub(crate) fn try_connect(&mut self, way: Way) -> Option<Result<(), u32>> {
        let server = self.connection(way)?.server;
        let is_up = self.servers[server].is_up;
        let connection = self.connection(way)?;
        if is_up {
            connection.tries = 0;
            self.servers[server].connected.insert(way);
            return Some(Ok(()));
        }
        connection.tries = connection.tries.saturating_add(1);
        Some(Err(connection.tries - 1))
    }

    /// The connections of one node, made or waited for.
    pub(crate) fn ways_of(&self, node: NodeNumber) -> Vec<ServerId> {
        self.connections[node].iter().map(|connection| connection.way).collect()
    }

    /// What comes of a message that a node sent, and to whom. A connection that is refused is gone afterwards.
    pub(crate) fn on_signal(&mut self, from: Way, message: ClientMessage) -> Vec<Said> {
        let Some(at) = self.connection(from).map(|connection| connection.server) else { return Vec::new() };
        let server = &mut self.servers[at];
        if !server.is_up {
            return Vec::new();
        }
        let tell = |to: Way, message| (to, SignalingEvent::Message(message));
        match message {
            ClientMessage::Join { .. } if server.members.len() >= ROOM_MEMBERS_MAX => {
                server.connected.remove(&from);
                let message = "the room is full".to_owned();
                let refusal = ServerMessage::Error { code: ErrorCode::RoomFull, message };
                vec![tell(from, refusal), (from, SignalingEvent::Disconnected)]
            }
            ClientMessage::Join { .. } => {
                let you = server.next_member;
                server.next_member += 1;
                let members: Vec<Member> = server.members.keys().copied().collect();
                let joined = |to: &Way| tell(*to, ServerMessage::Joined { member: you });
                let mut said: Vec<Said> = server.members.values().map(joined).collect();
                server.members.insert(you, from);
                said.push(tell(from, ServerMessage::Welcome { you, members }));
                if let Some(connection) = self.connection(from) {
                    connection.member = Some(you);
                }
                said
            }
            ClientMessage::Send { to, body } => {
                let receiver = server.members.get(&to).copied();
                self.relayed += 1;
                let sender = self.connection(from).and_then(|connection| connection.member);
                let letter = sender.zip(receiver);
                letter.map(|(from, to)| tell(to, ServerMessage::From { from, body })).into_iter().collect()
            }
        }
    }

    /// A node's connection to a server ended for good.
    pub(crate) fn leave(&mut self, (node, way): Way) -> Vec<Said> {
        let connections = &mut self.connections[node];
        let Some(at) = connections.iter().position(|connection| connection.way == way) else {
            return Vec::new();
        };
        let Connection { server, member, .. } = connections.swap_remove(at);
        self.servers[server].connected.remove(&(node, way));
        let Some(member) = member else { return Vec::new() };
        let members = &mut self.servers[server].members;
        members.remove(&member);
        let left = |to: &Way| (*to, SignalingEvent::Message(ServerMessage::Left { member }));
        members.values().map(left).collect()
    }
}
