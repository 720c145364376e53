//! The life of a node's links: opened, proved, pinged, faulty, gone.

use manyhands_wire::frame::{Contact, Hello};
use manyhands_wire::{Frame, FrameError, PeerId};
use rand_chacha::rand_core::Rng as _;

use super::{LINKS_MAX, Node, PROFILES_MAX};
use crate::handshake::Handshake;
use crate::io::{Event, LinkId, Output};
use crate::link::{Link, PING_EVERY, PROBES, Profile, Stage};
use crate::table::Set;
use crate::time::Time;

impl Node {
    pub(super) fn on_opened(&mut self, now: Time, link: LinkId) {
        let negotiated = self.calls.on_opened(link).filter(|_| self.links.len() < LINKS_MAX);
        let Some(negotiated) = negotiated else {
            self.out.push_back(Output::HangUp(link));
            return;
        };
        let mut nonce = [0; 32];
        self.rng.fill_bytes(&mut nonce);
        let Profile { name, kind, address, .. } = self.own.clone();
        let hello = Hello { peer: self.me.id(), nonce, kind, name, address };
        self.links.insert(link, Link::new(now, Handshake::new(negotiated, hello.clone())));
        self.out.push_back(Output::Send(link, Frame::Hello(hello).encode()));
    }

    pub(super) fn on_received(&mut self, now: Time, id: LinkId, bytes: &[u8]) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.hear(now);
        let frame = match Frame::decode(bytes) {
            Ok(frame) => frame,
            Err(FrameError::UnknownTag(_)) if link.peer().is_some() => return,
            Err(error) => return self.on_fault(now, id, error.to_string()),
        };
        if !link.affords(now, &frame) {
            // Others may have written what a peer only carries: what is lost of that comes again.
            let is_carried = matches!(
                frame,
                Frame::Flood(_)
                    | Frame::Known(_)
                    | Frame::Want(_)
                    | Frame::Letter { .. }
                    | Frame::Claim { .. }
            );
            if is_carried && link.peer().is_some() {
                return;
            }
            return self.on_fault(now, id, "more at once than it may ask".to_owned());
        }
        match &mut link.stage {
            Stage::Up(peer) => {
                let peer = *peer;
                self.on_frame(now, id, peer, frame);
            }
            Stage::Shaking(handshake) => match frame {
                Frame::Hello(hello) => match handshake.on_hello(&self.me, &self.keys.link, hello) {
                    Ok(proof) => self.out.push_back(Output::Send(id, Frame::Proof(proof).encode())),
                    Err(why) => self.refuse(id, why),
                },
                Frame::Proof(proof) => match handshake.on_proof(&self.me, &self.keys.link, &proof) {
                    Ok(hello) => self.on_link_up(now, id, hello),
                    Err(why) => self.refuse(id, why),
                },
                _ => self.refuse(id, "it spoke before it proved itself"),
            },
        }
    }

    /// Bytes of a file came. Before the handshake is done there are none.
    pub(super) fn on_received_bulk(&mut self, now: Time, id: LinkId, bytes: &[u8]) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.hear(now);
        let Some(peer) = link.peer() else { return self.refuse(id, "it sent bytes before it proved itself") };
        if let Some(files) = &mut self.files {
            files.swarm.on_bulk(now, peer, bytes);
        }
    }

    pub(super) fn on_sent_bulk(&mut self, now: Time, id: LinkId) {
        if let (Some(peer), Some(files)) = (self.links.get(&id).and_then(Link::peer), &mut self.files) {
            files.swarm.on_sent(now, &peer);
        }
    }

    /// Both sides proved themselves: the link counts.
    pub(super) fn on_link_up(&mut self, now: Time, id: LinkId, hello: Hello) {
        let peer = hello.peer;
        if let Some(link) = self.links.get_mut(&id) {
            link.stage = Stage::Up(peer);
        }
        let replaced = self.up.insert(peer, id);
        if let Some(old) = replaced {
            // The peer came back, after a reload perhaps, before its old link was known to be dead.
            self.links.remove(&old);
            self.out.push_back(Output::HangUp(old));
            self.on_file_link_down(now, &peer);
            let heirs = self.calls.directory.links_of(&peer);
            if let Some(job) = &mut self.job {
                job.on_peer_gone(now, &peer, &heirs, &mut self.post, &mut self.out);
            }
        }
        self.calls.on_linked(&peer);
        self.neighbours_told.1 = true;
        let Hello { name, kind, address, .. } = hello;
        self.remember(peer, Profile { name, kind, address, by_itself: true });
        self.count_room();
        if replaced.is_none() {
            self.out.push_back(Output::Event(Event::LinkUp { peer }));
        }
        if let Some(job) = &mut self.job {
            self.post.send(peer, Frame::Job(job.signed.clone()));
            if let Some(signature) = job.start {
                self.post.send(peer, Frame::Start { job: job.id, signature });
            }
            job.replica.on_link_up(now, peer, &mut self.post);
            job.parcels.on_link_up(peer, &mut self.post);
            job.sharing.news = true;
        }
        self.gossip.on_link_up(peer, &mut self.post);
        self.on_file_link_up(now, peer);
        let linked = self.linked();
        let (views, _, mut desk) = self.views(now);
        views.on_link_up(&mut desk, peer, &linked);
        self.ping(now, id);
        let status = self.status(now);
        self.post.send(peer, Frame::Status(status));
        self.count_friends(now);
    }

    /// A frame that should not have come.
    pub(super) fn on_fault(&mut self, now: Time, id: LinkId, what: String) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.faults += 1;
        match link.peer() {
            Some(peer) => self.out.push_back(Output::Event(Event::Misbehaved { peer, what })),
            None => return self.refuse(id, "it does not speak this protocol"),
        }
        if let Some(peer) = link.peer().filter(|_| link.is_dead(now)) {
            self.doubt(&peer);
            self.calls.ban(now, peer);
            self.hang_up(now, id);
        }
    }

    /// A link that does not prove itself ends.
    pub(super) fn refuse(&mut self, id: LinkId, why: &str) {
        self.links.remove(&id);
        self.out.push_back(Output::HangUp(id));
        self.out.push_back(Output::Event(Event::Refused { why: why.to_owned() }));
    }

    pub(super) fn hang_up(&mut self, now: Time, id: LinkId) {
        let Some(link) = self.links.remove(&id) else { return };
        self.out.push_back(Output::HangUp(id));
        self.on_link_gone(now, id, link);
    }

    /// A link broke, and nobody said goodbye: dial again.
    pub(super) fn on_link_gone(&mut self, now: Time, id: LinkId, gone: Link) {
        match gone.stage {
            Stage::Up(peer) => {
                self.on_peer_left(now, id, peer);
                self.calls.on_lost(now, peer);
                self.keep_as_backup(now, peer);
            }
            Stage::Shaking(handshake) => {
                let (peer, caller) = handshake.counterpart();
                self.calls.on_failed(now, peer, caller);
            }
        }
    }

    /// A peer is gone, and what it was granted comes back.
    pub(super) fn on_peer_left(&mut self, now: Time, id: LinkId, peer: PeerId) {
        if self.up.get(&peer) != Some(&id) {
            return;
        }
        let heirs = self.calls.directory.links_of(&peer);
        self.forget_link(now, peer);
        if let Some(job) = &mut self.job {
            job.on_peer_gone(now, &peer, &heirs, &mut self.post, &mut self.out);
        }
    }

    /// This node or the peer has more links than it wants: it stays in the room, and goes on with what it holds.
    pub(super) fn on_part(&mut self, now: Time, id: LinkId, peer: PeerId) {
        if self.up.get(&peer) != Some(&id) {
            return;
        }
        self.links.remove(&id);
        self.out.push_back(Output::HangUp(id));
        self.forget_link(now, peer);
        if let Some(job) = &mut self.job {
            job.on_parted(now, &peer, &mut self.post);
        }
        self.keep_as_backup(now, peer);
    }

    fn forget_link(&mut self, now: Time, peer: PeerId) {
        self.up.remove(&peer);
        self.calls.directory.on_unlinked(&peer);
        self.gossip.on_link_down(&peer);
        self.on_file_link_down(now, &peer);
        self.neighbours_told.1 = true;
        self.count_room();
        self.out.push_back(Output::Event(Event::LinkDown { peer }));
        self.count_friends(now);
    }

    /// A peer without a link may get one again.
    fn keep_as_backup(&mut self, now: Time, peer: PeerId) {
        if let Some(contact) = self.contact(&peer) {
            let (views, _, mut desk) = self.views(now);
            views.add_backup(&mut desk, contact);
        }
    }

    /// A peer as others are told of it.
    pub(super) fn contact(&self, peer: &PeerId) -> Option<Contact> {
        let Profile { name, kind, address, .. } = self.profiles.get(peer)?.clone();
        Some(Contact { peer: *peer, kind, name, address })
    }

    /// The peers that this node has links to, as others are told of them.
    pub(super) fn linked(&self) -> Vec<Contact> {
        self.up.keys().filter_map(|peer| self.contact(peer)).collect()
    }

    /// What is known of a peer, to be shown and told.
    pub(super) fn remember(&mut self, peer: PeerId, profile: Profile) {
        if self.profiles.len() >= PROFILES_MAX && !self.profiles.contains_key(&peer) {
            let far = self.profiles.keys().find(|known| !self.up.contains_key(known)).copied();
            let Some(far) = far else { return };
            self.profiles.remove(&far);
        }
        self.profiles.insert(peer, profile);
    }

    pub(super) fn ping(&mut self, now: Time, id: LinkId) {
        let number = self.rng.next_u64();
        let Some(link) = self.links.get_mut(&id) else { return };
        link.on_ping_sent(now, number);
        if let Some(peer) = link.peer() {
            self.post.send(peer, Frame::Ping(number));
        }
    }

    /// Pings, asks others about the silent, and gives up the dead.
    pub(super) fn look_after_links(&mut self, now: Time) {
        let due: Vec<LinkId> = self
            .links
            .iter()
            .filter(|(_, link)| now.since(link.pinged) >= PING_EVERY)
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            // Faults are forgiven with time.
            if let Some(link) = self.links.get_mut(&id) {
                link.faults = link.faults.saturating_sub(1);
            }
            self.ping(now, id);
        }
        let silent: Vec<PeerId> = self
            .links
            .values_mut()
            .filter_map(|link| link.wants_probe(now).then(|| link.peer()).flatten())
            .collect();
        for peer in silent {
            let mut others: Vec<PeerId> = self.up.keys().filter(|other| **other != peer).copied().collect();
            for _ in 0..PROBES.min(others.len()) {
                let at = (self.rng.next_u64() % others.len() as u64) as usize;
                self.post.send(others.swap_remove(at), Frame::Probe(peer));
            }
        }
        let dead: Vec<LinkId> =
            self.links.iter().filter(|(_, link)| link.is_dead(now)).map(|(id, _)| *id).collect();
        dead.into_iter().for_each(|link| self.hang_up(now, link));
    }

    /// Looks for links where some are missing, and parts from a neighbour where there are too many.
    pub(super) fn look_after_views(&mut self, now: Time) {
        let linked = if self.views.wants_to_shuffle(now) { self.linked() } else { Vec::new() };
        let shared: Set<PeerId> =
            self.job.as_ref().map(|job| job.sharing.partners().collect()).unwrap_or_default();
        let (views, calls, mut desk) = self.views(now);
        if let Some(peer) = views.on_tick(calls, &mut desk, &linked, |peer| shared.contains(peer))
            && let Some(link) = self.up.get(&peer).copied()
        {
            self.post.send(peer, Frame::Part);
            self.flush();
            self.on_part(now, link, peer);
        }
    }
}
