//! Whom to have links to: an active view of some peers, and a passive view of others that can take their place.
//!
//! Up to [`FULL_MESH_MAX`] peers everybody links to everybody. Above, a node
//!
//! 1. has at most as many links as its kind wants ([`target`]); who has fewer looks for more, a few at a time, among the
//!    neighbours of its neighbours and its backups;
//! 2. lets in a newcomer that has hardly any, and parts from a neighbour that has many: so a host whom everybody
//!    called first ends with as few links as anybody;
//! 3. keeps some [`BACKUPS_TRACKED_MAX`] backups, exchanged at random with neighbours ([`Frame::Backups`]), so that the mesh
//!    is not a ring of friends of friends. A backup that nobody can introduce is met at its own signaling server, which is
//!    *visited* for a moment.
//!
//! After Leitão, Pereira, Rodrigues: HyParView (2007); links there are directed by a walk, here they are agreed on by calls.

use std::time::Duration;

use manyhands_wire::frame::{BACKUPS_MAX, Contact, PeerKind};
use manyhands_wire::{Frame, PeerId};
use rand_chacha::rand_core::Rng as _;

use crate::calls::{Calls, Desk};
use crate::io::Output;
use crate::table::{Set, Table};
use crate::time::Time;

/// How many peers a room may have for links between all of them, this node included.
pub(crate) const FULL_MESH_MAX: usize = 12;
/// How many links a node wants in a larger room, by its kind.
const ACTIVE_BROWSER: usize = 8;
const ACTIVE_NATIVE: usize = 10;
/// How many backups a node keeps.
const BACKUPS_TRACKED_MAX: usize = 30;
/// How often backups are exchanged with one neighbour.
const SHUFFLE_EVERY: Duration = Duration::from_secs(30);
/// How often a node that wants links looks for one: with less than half of them, and with more.
const REFILL_SOON: Duration = Duration::from_millis(500);
const REFILL_LATER: Duration = Duration::from_secs(4);
/// How often a node that has too many links parts from a neighbour.
const TRIM_EVERY: Duration = Duration::from_secs(1);
/// How often a backup that does not answer is tried, and how long after the first time; twice as long after each further one.
const TRIES_MAX: u32 = 6;
const TRY_AGAIN: Duration = Duration::from_secs(8);
/// How many servers of backups are visited at once, and how long.
const VISITS_MAX: usize = 3;
const VISIT: Duration = Duration::from_secs(12);

/// How many links a node wants in a room of that size.
pub(crate) fn target(kind: PeerKind, room_size: usize, links_max: usize) -> usize {
    match kind {
        _ if room_size <= FULL_MESH_MAX => links_max,
        PeerKind::Browser => ACTIVE_BROWSER,
        PeerKind::Native => ACTIVE_NATIVE,
    }
}

/// A peer that could be linked to.
struct Backup {
    contact: Contact,
    /// How often it was tried in vain, and when it may be again.
    tries: u32,
    due: Time,
}

/// The passive view, and when the views are looked after next.
pub(crate) struct Views {
    kind: PeerKind,
    backups: Table<PeerId, Backup>,
    refilled: Time,
    trimmed: Time,
    shuffled: Time,
}

impl Views {
    pub(crate) fn new(now: Time, kind: PeerKind) -> Self {
        Self { kind, backups: Table::new(), refilled: now, trimmed: now, shuffled: now }
    }

    /// A peer that could be linked to later.
    pub(crate) fn add_backup(&mut self, desk: &mut Desk<'_>, mut contact: Contact) {
        if !is_origin(&contact.address) {
            contact.address.clear();
        }
        if self.backups.len() >= BACKUPS_TRACKED_MAX && !self.backups.contains_key(&contact.peer) {
            // Any of them makes place: what is left is a random sample.
            let at = below(desk, self.backups.len());
            let leaver = self.backups.keys().nth(at).copied();
            if let Some(peer) = leaver {
                self.backups.remove(&peer);
            }
        }
        let fresh = |contact| Backup { contact, tries: 0, due: Time::ZERO };
        self.backups.entry(contact.peer).or_insert_with(|| fresh(contact));
    }

    /// A neighbour told some of its backups, and may want some in exchange.
    pub(crate) fn on_backups(
        &mut self,
        desk: &mut Desk<'_>,
        me: PeerId,
        from: PeerId,
        contacts: Vec<Contact>,
        answer: bool,
        linked: &[Contact],
    ) {
        if answer {
            let contacts = self.sample(desk, from, linked);
            desk.post.send(from, Frame::Backups { contacts, answer: false });
        }
        for contact in contacts {
            if contact.peer != me && !desk.up.contains_key(&contact.peer) {
                self.add_backup(desk, contact);
            }
        }
    }

    /// A new link in a room too large for links to all: exchange backups with it.
    pub(crate) fn on_link_up(&mut self, desk: &mut Desk<'_>, peer: PeerId, linked: &[Contact]) {
        self.backups.remove(&peer);
        if desk.sparse {
            self.exchange(desk, peer, linked);
        }
    }

    fn exchange(&mut self, desk: &mut Desk<'_>, with: PeerId, linked: &[Contact]) {
        let contacts = self.sample(desk, with, linked);
        desk.post.send(with, Frame::Backups { contacts, answer: true });
    }

    /// Some backups and some linked peers, drawn at random, for a neighbour.
    fn sample(&self, desk: &mut Desk<'_>, to: PeerId, linked: &[Contact]) -> Vec<Contact> {
        // What did not answer is not recommended.
        let untried = self.backups.values().filter(|backup| backup.tries == 0).map(|backup| &backup.contact);
        let all = untried.chain(linked).filter(|contact| contact.peer != to);
        let mut pool: Vec<&Contact> = all.collect();
        let mut some = Vec::new();
        while some.len() < BACKUPS_MAX && !pool.is_empty() {
            some.push(pool.swap_remove(below(desk, pool.len())).clone());
        }
        some
    }

    /// Whether backups are to be exchanged with a neighbour now.
    pub(crate) fn wants_to_shuffle(&self, now: Time) -> bool {
        now.since(self.shuffled) >= SHUFFLE_EVERY
    }

    /// Looks for links where some are missing, and exchanges backups. Returns a neighbour to part from, if there are too many.
    pub(crate) fn on_tick(
        &mut self,
        calls: &mut Calls,
        desk: &mut Desk<'_>,
        linked: &[Contact],
        is_needed: impl Fn(&PeerId) -> bool,
    ) -> Option<PeerId> {
        let now = desk.now;
        self.end_visits(calls, desk);
        let few = desk.up.len() < desk.target / 2;
        let pause = if few { REFILL_SOON } else { REFILL_LATER };
        if now.since(self.refilled) >= pause {
            self.refilled = now;
            if desk.links + calls.under_way() < desk.target {
                self.refill(calls, desk);
            }
        }
        if self.wants_to_shuffle(now) {
            self.shuffled = now;
        }
        if desk.sparse && self.shuffled == now && !desk.up.is_empty() {
            let at = below(desk, desk.up.len());
            if let Some(peer) = desk.up.keys().nth(at).copied() {
                self.exchange(desk, peer, linked);
            }
        }
        if !desk.sparse || desk.up.len() <= desk.target || now.since(self.trimmed) < TRIM_EVERY {
            return None;
        }
        self.trimmed = now;
        choose_to_part(calls, desk, is_needed)
    }

    /// Calls one more peer, or visits the server of one that nobody can introduce.
    fn refill(&mut self, calls: &mut Calls, desk: &mut Desk<'_>) {
        let now = desk.now;
        let up = desk.up;
        self.backups.retain(|peer, backup| backup.tries < TRIES_MAX && !up.contains_key(peer));
        let mut candidates = Set::new();
        if desk.sparse {
            candidates.extend(calls.directory.neighbours().values().flatten().copied());
        }
        let is_due = |(_, backup): &(&PeerId, &Backup)| backup.due <= now;
        candidates.extend(self.backups.iter().filter(is_due).map(|(peer, _)| *peer));
        let mut candidates: Vec<PeerId> =
            candidates.into_iter().filter(|peer| calls.may_plan(desk, peer)).collect();
        while !candidates.is_empty() {
            let peer = candidates.swap_remove(below(desk, candidates.len()));
            let backup = self.backups.get_mut(&peer).map(|backup| {
                backup.due = now + TRY_AGAIN * (1 << backup.tries.min(TRIES_MAX));
                backup.tries += 1;
                backup.contact.address.as_str()
            });
            if calls.route_to(desk, &peer).is_some() {
                calls.plan(desk, peer, Duration::ZERO);
                return;
            }
            // A page is let in by the server it came from only.
            if self.kind == PeerKind::Native && backup.is_some_and(|address| visit(calls, desk, address)) {
                return;
            }
        }
    }

    /// Leaves the servers that were visited for long enough.
    fn end_visits(&mut self, calls: &mut Calls, desk: &mut Desk<'_>) {
        let over: Vec<_> = calls
            .directory
            .visits()
            .filter(|(_, since)| desk.now.since(*since) > VISIT)
            .map(|(server, _)| server)
            .collect();
        for server in over {
            calls.on_disconnected(server);
            calls.directory.remove_server(server);
            desk.out.push_back(Output::Disconnect(server));
        }
    }
}

/// Whether an address that a peer told is one of a server and nothing more: nobody shall be sent to a page of somebody's choice.
fn is_origin(address: &str) -> bool {
    let host = address.strip_prefix("http://").or_else(|| address.strip_prefix("https://"));
    // The simulator's addresses are plain names.
    let host = host.unwrap_or(address);
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || ".-:[]".contains(letter);
    !host.is_empty() && host.chars().all(is_plain)
}

/// Goes to a server for a moment: its members are called like those of any other. `false` if that cannot be now.
fn visit(calls: &mut Calls, desk: &mut Desk<'_>, address: &str) -> bool {
    if address.is_empty() || calls.directory.visits().count() >= VISITS_MAX {
        return false;
    }
    let Some(server) = calls.directory.add_server(address, Some(desk.now)) else { return false };
    desk.out.push_back(Output::Connect(server, address.to_owned()));
    true
}

/// Of the neighbours that can spare the link, the one with the most links; one that something is shared with only in need.
fn choose_to_part(calls: &Calls, desk: &mut Desk<'_>, is_needed: impl Fn(&PeerId) -> bool) -> Option<PeerId> {
    let in_need = desk.up.len() > desk.target + ACTIVE_BROWSER / 2;
    let links = |peer: &PeerId| {
        calls.directory.neighbours().get(peer).map(Set::len).filter(|links| *links > ACTIVE_BROWSER / 2)
    };
    let spare = || desk.up.keys().filter(|peer| in_need || !is_needed(peer));
    let most = spare().filter_map(links).max()?;
    let choice: Vec<PeerId> = spare().filter(|peer| links(peer) == Some(most)).copied().collect();
    Some(choice[below(desk, choice.len())])
}

/// A random number below `count`; 0 if that is 0.
fn below(desk: &mut Desk<'_>, count: usize) -> usize {
    (desk.rng.next_u64() % count.max(1) as u64) as usize
}
