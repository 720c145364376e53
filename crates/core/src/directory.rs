//! Where peers can be found: which signaling servers there are, who is in the room there, and who is linked to whom.
//!
//! A node *enters* the servers it was given and stays there; it *visits* the server of a backup peer for a moment, when
//! nobody it has a link to can introduce the two. Every list is bounded by what a server or a peer may tell.

use std::collections::VecDeque;

use manyhands_wire::PeerId;
use manyhands_wire::signaling::{Member, ROOM_MEMBERS_MAX, ServerMessage};

use crate::io::{LinkId, ServerId};
use crate::table::{Set, Table};
use crate::time::Time;

/// How many servers a node stays at, beside visits.
pub(crate) const ENTRIES_MAX: usize = 8;
/// How many peers are remembered as members of servers.
const MEMBERS_TRACKED_MAX: usize = 1024;

/// How letters of a call travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Through a signaling server, to this member.
    Server(ServerId, Member),
    /// Over the link to this peer, which has one to the other side.
    Mesh(PeerId),
}

/// One signaling server.
struct Server {
    address: String,
    /// Since when it is visited; none for one where the node stays.
    visited: Option<Time>,
    /// Whether the room was entered there.
    is_up: bool,
    members: Set<Member>,
    to_call: VecDeque<Member>,
}

/// All that is known of where peers are.
#[derive(Default)]
pub(crate) struct Directory {
    servers: Table<ServerId, Server>,
    servers_made: u64,
    /// Which member a peer was last heard as.
    member_of: Table<PeerId, (ServerId, Member)>,
    /// Whom each linked peer has links to.
    neighbours: Table<PeerId, Set<PeerId>>,
    /// How many linked peers speak of each peer. Every tick of every node asks how many there are.
    spoken_of: Table<PeerId, u32>,
}

impl Directory {
    /// A server to connect to. `visited` is now for one that is left again. `None` if it is known already.
    pub(crate) fn add_server(&mut self, address: &str, visited: Option<Time>) -> Option<ServerId> {
        if self.servers.values().any(|server| server.address == address) {
            return None;
        }
        self.servers_made += 1;
        let id = ServerId(self.servers_made);
        let (members, to_call) = (Set::new(), VecDeque::new());
        let server = Server { address: address.to_owned(), visited, is_up: false, members, to_call };
        self.servers.insert(id, server);
        Some(id)
    }

    /// A server is not used any more.
    pub(crate) fn remove_server(&mut self, id: ServerId) {
        self.servers.remove(&id);
        self.member_of.retain(|_, (server, _)| *server != id);
    }

    pub(crate) fn knows_server(&self, id: ServerId) -> bool {
        self.servers.contains_key(&id)
    }

    /// Whether the room was entered at any server where the node stays.
    pub(crate) fn is_signaling_up(&self) -> bool {
        self.servers.values().any(|server| server.is_up && server.visited.is_none())
    }

    /// The servers that are visited, and since when.
    pub(crate) fn visits(&self) -> impl Iterator<Item = (ServerId, Time)> + '_ {
        self.servers.iter().filter_map(|(id, server)| Some((*id, server.visited?)))
    }

    /// The connection to a server is gone, and with it everybody's number there.
    pub(crate) fn on_disconnected(&mut self, id: ServerId) {
        if let Some(server) = self.servers.get_mut(&id) {
            server.is_up = false;
            server.members.clear();
            server.to_call.clear();
        }
        self.member_of.retain(|_, (server, _)| *server != id);
    }

    /// What a server said, other than letters and errors. Returns the peer whose connection to it ended, if it is known.
    pub(crate) fn on_server(&mut self, id: ServerId, message: &ServerMessage) -> Option<PeerId> {
        if let ServerMessage::Welcome { .. } = message {
            self.on_disconnected(id);
        }
        let server = self.servers.get_mut(&id)?;
        match message {
            ServerMessage::Welcome { members, .. } => {
                server.is_up = true;
                server.members.extend(members.iter().copied().take(ROOM_MEMBERS_MAX));
                server.to_call = server.members.iter().copied().collect();
                None
            }
            ServerMessage::Joined { member } => {
                if server.members.len() < ROOM_MEMBERS_MAX {
                    server.members.insert(*member);
                }
                None
            }
            ServerMessage::Left { member } => {
                server.members.remove(member);
                server.to_call.retain(|waiting| waiting != member);
                let place = (id, *member);
                let peer = self.member_of.iter().find(|(_, at)| **at == place).map(|(peer, _)| *peer)?;
                self.member_of.remove(&peer);
                Some(peer)
            }
            ServerMessage::From { .. } | ServerMessage::Error { .. } => None,
        }
    }

    /// Which member a peer is. What a letter claims does not replace what stands.
    pub(crate) fn remember(&mut self, peer: PeerId, id: ServerId, member: Member) {
        let stands = |(server, member): &(ServerId, Member)| {
            self.servers.get(server).is_some_and(|server| server.members.contains(member))
        };
        let known = self.member_of.get(&peer);
        let is_known = known.is_some();
        if !known.is_some_and(stands) && (is_known || self.member_of.len() < MEMBERS_TRACKED_MAX) {
            self.member_of.insert(peer, (id, member));
        }
    }

    /// A member found on entering a server and not called yet; `pick` chooses among so many.
    pub(crate) fn next_to_call(&mut self, pick: impl FnOnce(usize) -> usize) -> Option<Route> {
        let (id, server) = self.servers.iter_mut().find(|(_, server)| !server.to_call.is_empty())?;
        let at = pick(server.to_call.len());
        server.to_call.swap_remove_back(at).map(|member| Route::Server(*id, member))
    }

    /// Every member everywhere is to be called again.
    pub(crate) fn call_everybody(&mut self) {
        for server in self.servers.values_mut() {
            server.to_call = server.members.iter().copied().collect();
        }
    }

    /// A linked peer told whom it has links to.
    pub(crate) fn on_neighbours(&mut self, via: PeerId, peers: Set<PeerId>) {
        for peer in &peers {
            *self.spoken_of.entry(*peer).or_default() += 1;
        }
        self.on_unlinked(&via);
        self.neighbours.insert(via, peers);
    }

    /// A linked peer is gone, and introduces nobody any more.
    pub(crate) fn on_unlinked(&mut self, peer: &PeerId) {
        for far in self.neighbours.remove(peer).into_iter().flatten() {
            let count = self.spoken_of.entry(far).or_default();
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.spoken_of.remove(&far);
            }
        }
    }

    /// Whom a linked peer says it has links to; nobody before it said so.
    pub(crate) fn links_of(&self, peer: &PeerId) -> Set<PeerId> {
        self.neighbours.get(peer).cloned().unwrap_or_default()
    }

    /// Whom each linked peer has links to, as it last said.
    pub(crate) fn neighbours(&self) -> &Table<PeerId, Set<PeerId>> {
        &self.neighbours
    }

    /// Whether some linked peer speaks of this one.
    pub(crate) fn is_neighbours_neighbour(&self, peer: &PeerId) -> bool {
        self.spoken_of.contains_key(peer)
    }

    /// How many peers there are as far as links and links of links tell, and as far as servers tell, this node included.
    pub(crate) fn known_peers(&self, me: PeerId, up: &Table<PeerId, LinkId>) -> (usize, usize) {
        // Everybody spoken of, and who is not spoken of but linked, or this node itself.
        let silent = up.keys().chain([&me]).filter(|peer| !self.spoken_of.contains_key(peer)).count();
        // What is only visited may belong to another room's crowd.
        let entered = self.servers.values().filter(|server| server.visited.is_none());
        let members = entered.map(|server| server.members.len() + 1).max();
        (self.spoken_of.len() + silent, members.unwrap_or(0))
    }

    /// How a letter to `peer` may travel now. Each try goes another way: an introducer may be gone without anybody knowing.
    pub(crate) fn route_to(&self, up: &Table<PeerId, LinkId>, peer: &PeerId, tries: usize) -> Option<Route> {
        let server = self.member_of.get(peer).map(|(server, member)| Route::Server(*server, *member));
        let introducers = || {
            let knows = |(via, peers): &(&PeerId, &Set<PeerId>)| peers.contains(peer) && up.contains_key(via);
            self.neighbours.iter().filter(knows).map(|(via, _)| *via)
        };
        let count = introducers().count();
        if count == 0 || (server.is_some() && tries.is_multiple_of(2)) {
            return server;
        }
        introducers().nth(tries / 2 % count).map(Route::Mesh)
    }
}
