//! What a proven peer says: each message goes to the sub-protocol it is for.

use std::time::Duration;

use manyhands_wire::flood::Flood;
use manyhands_wire::frame::{Activity, Contact, Record};
use manyhands_wire::{Frame, PeerId, UnitRange};

use super::Node;
use super::search::primes_of;
use crate::directory::Route;
use crate::gossip::Room;
use crate::io::{Event, LinkId, Output};
use crate::link::{Profile, STALE_AFTER};
use crate::table::Set;
use crate::time::Time;

impl Node {
    pub(super) fn on_frame(&mut self, now: Time, id: LinkId, peer: PeerId, frame: Frame) {
        match frame {
            Frame::Ping(number) => return self.post.send(peer, Frame::Pong(number)),
            Frame::Pong(number) => {
                if let Some(link) = self.links.get_mut(&id) {
                    link.on_pong(now, number);
                }
                return;
            }
            Frame::Hello(_) | Frame::Proof(_) => return self.on_fault(now, id, "a second handshake".into()),
            Frame::Job(signed) => return self.on_job(now, id, peer, signed),
            Frame::Lobby { wanted, present } => {
                if self.room.is_host(&peer) {
                    self.lobby = (wanted, present);
                }
                return;
            }
            Frame::Neighbours(contacts) => return self.on_neighbours(now, peer, contacts),
            Frame::Backups { contacts, answer } => {
                let (me, linked) = (self.me.id(), self.linked());
                contacts.iter().for_each(|contact| self.hear_of(contact));
                let (views, _, mut desk) = self.views(now);
                return views.on_backups(&mut desk, me, peer, contacts, answer, &linked);
            }
            Frame::Part => return self.on_part(now, id, peer),
            Frame::Probe(about) => return self.on_probe(now, peer, about),
            Frame::Heard { peer: about, ago_ms } => return self.on_heard(now, about, ago_ms),
            Frame::Letter { from, to, body } => return self.on_letter(now, peer, from, to, body),
            Frame::Flood(flood) => return self.on_flood(now, id, peer, *flood),
            Frame::Known(ids) => return self.gossip.on_known(now, peer, ids),
            Frame::Want(ids) => return self.gossip.on_want(&self.me, peer, ids, &mut self.post),
            Frame::Prune => return self.gossip.on_prune(peer),
            Frame::Knowledge(theirs) => return self.gossip.on_knowledge(peer, theirs, &mut self.post),
            Frame::Bye => {
                self.links.remove(&id);
                self.out.push_back(Output::HangUp(id));
                return self.on_peer_left(now, id, peer);
            }
            Frame::Catalog(_)
            | Frame::Buckets(_)
            | Frame::Listing(_)
            | Frame::Entries { .. }
            | Frame::Holds(_)
            | Frame::Lacks(_)
            | Frame::AskHolds
            | Frame::Wants(_)
            | Frame::Unwants(_)
            | Frame::Chunks { .. }
            | Frame::Got(_)
            | Frame::Turn { .. }
            | Frame::Fetch(_)
            | Frame::Cancel(_)
            | Frame::AskHashes(_) => return self.on_file_frame(now, id, peer, frame),
            Frame::Start { .. }
            | Frame::Status(_)
            | Frame::Ask(_)
            | Frame::Grant(_)
            | Frame::Records { .. }
            | Frame::Credit { .. }
            | Frame::Have { .. }
            | Frame::Claim { .. }
            | Frame::Lie { .. }
            | Frame::Labels { .. }
            | Frame::Sated => {}
            Frame::AskPart { .. } | Frame::Piece { .. } => return self.on_parcel_frame(now, peer, frame),
        }
        // All that follows is about the job.
        let Some(job) = &mut self.job else { return };
        let about = match &frame {
            Frame::Start { job, .. }
            | Frame::Records { job, .. }
            | Frame::Credit { job, .. }
            | Frame::Have { job, .. }
            | Frame::Claim { job, .. }
            | Frame::Labels { job, .. }
            | Frame::Lie { job, .. } => Some(*job),
            Frame::Ask(ask) => Some(ask.job),
            Frame::Grant(grant) => Some(grant.job),
            Frame::Status(status) => status.job,
            _ => None,
        };
        if let Frame::Status(status) = &frame {
            // It slept when that was said, or does not know the job yet.
            if status.job.is_none() {
                self.post.send(peer, Frame::Job(job.signed.clone()));
            }
            if let Some(signature) = job.start.filter(|_| status.activity == Activity::Ready) {
                self.post.send(peer, Frame::Start { job: job.id, signature });
            }
        }
        if about != Some(job.id) && frame != Frame::Sated {
            // A peer may not have heard of the job yet, or of its host's newer one.
            if about.is_some() {
                let what = "a message about another job".to_owned();
                self.out.push_back(Output::Event(Event::Misbehaved { peer, what }));
            }
            return;
        }
        let fault = match frame {
            Frame::Start { signature, .. } => {
                if job.is_start(&self.me, &signature) {
                    self.on_start(now, signature);
                    None
                } else {
                    Some("a start that the host did not sign".to_owned())
                }
            }
            Frame::Status(status) => {
                let (done_units, credit, liars) = (status.done_units, status.credit, status.liars);
                for record in job.checks.on_their_digest(now, peer, liars) {
                    self.post.send(peer, Frame::Lie { job: job.id, record });
                }
                let told = job.sharing.on_status(now, peer, status, &job.replica.ledger, &mut job.work);
                job.replica.on_their_count(now, peer, done_units, &mut self.post);
                job.replica.on_their_credit(now, peer, done_units, credit, &mut self.post);
                told.err()
            }
            Frame::Ask(ask) => {
                job.sharing.on_ask(now, peer, &ask, &mut job.work, &mut self.post, &mut self.out);
                None
            }
            Frame::Grant(grant) => {
                {
                    // Others may be somewhat ahead of what this node knows to be open.
                    let open = UnitRange::new(0, job.open().end.saturating_mul(2));
                    job.sharing.on_grant(peer, &grant, open, &job.replica.ledger, &mut job.work).err()
                }
            }
            Frame::Records { mut records, .. } => {
                // What a liar signed does not count, nor what was merged by one who does not know the liar.
                let agrees = job.checks.agrees(&peer);
                records.retain(
                    |record| {
                        if record.computed { !job.checks.is_liar(&record.signer) } else { agrees }
                    },
                );
                if records.is_empty() {
                    return;
                }
                let by = records.first().filter(|record| record.computed).map(|record| record.signer);
                let signed: Vec<Record> = records.iter().filter(|record| record.computed).cloned().collect();
                // Nobody computes more at once than some slices.
                if let Some(large) = signed.iter().find(|record| job.is_too_large(now, record)) {
                    let why = format!("a result for units {:?}, too many at once", large.block.range());
                    return self.on_fault(now, id, why);
                }
                let found = |record: &Record| -> Vec<(u32, Option<PeerId>)> {
                    let by = Some(record.signer).filter(|_| record.computed);
                    primes_of(&record.outcome).map(|exponent| (exponent, by)).collect()
                };
                let primes = records.iter().flat_map(found).collect();
                let (fresh, fault, disputed) = job.replica.on_records(&self.me, records);
                job.parcels.on_finished(&fresh);
                job.sharing.on_finished(now, &fresh, by, &mut job.work);
                job.replica.gather(peer, &fresh, by.is_none(), &mut self.post);
                let ledger = &job.replica.ledger;
                job.work.stop_where(|slice| ledger.is_done(slice), &mut self.out);
                let is_disputed = disputed.is_some();
                if fault.is_none() {
                    self.learn_primes(now, primes);
                }
                self.on_signed_results(now, signed, fault.is_none(), disputed);
                if is_disputed {
                    // Which of the two is wrong is found out; until then nobody is blamed.
                    let what = fault.unwrap_or_default();
                    self.out.push_back(Output::Event(Event::Misbehaved { peer, what }));
                    return;
                }
                fault
            }
            Frame::Credit { mut runs, .. } => {
                let agrees = job.checks.agrees(&peer);
                runs.retain(|run| agrees && !job.checks.is_liar(&run.by));
                job.replica.on_credit(&runs)
            }
            Frame::Lie { record, .. } => self.on_accused(now, peer, record),
            Frame::Have { within, runs, .. } => {
                job.replica.on_have(&self.me, peer, within, &runs, &mut self.post);
                None
            }
            Frame::Claim { units, ttl, .. } => {
                let whole = job.replica.ledger.range();
                job.sharing.on_claim(now, peer, &units, ttl, whole, &mut self.post).err()
            }
            Frame::Labels { labels, .. } => {
                self.on_labels(now, peer, labels);
                None
            }
            Frame::Sated => {
                job.replica.on_sated(peer);
                None
            }
            _ => None,
        };
        if let Some(what) = fault {
            self.on_fault(now, id, what);
        }
    }

    /// A letter that travels over links: for this node, or for a peer it has a link to. It is carried one step only.
    fn on_letter(&mut self, now: Time, via: PeerId, from: PeerId, to: PeerId, body: String) {
        if to != self.me.id() {
            if from == via {
                self.post.send(to, Frame::Letter { from, to, body });
            }
            return;
        }
        let (calls, mut desk) = self.calls(now);
        calls.on_letter(&mut desk, Route::Mesh(via), &body);
    }

    /// A linked peer told whom it has links to.
    fn on_neighbours(&mut self, now: Time, via: PeerId, contacts: Vec<Contact>) {
        contacts.iter().for_each(|contact| self.hear_of(contact));
        let mut peers = Set::new();
        peers.extend(contacts.into_iter().map(|contact| contact.peer));
        let (calls, desk) = self.calls(now);
        calls.on_neighbours(&desk, via, peers);
        self.count_room();
    }

    /// Others spoke of a peer. What a peer told of itself stands.
    fn hear_of(&mut self, contact: &Contact) {
        let is_news = self.profiles.get(&contact.peer).is_none_or(|known| {
            !known.by_itself
                && (&known.name, known.kind, &known.address)
                    != (&contact.name, contact.kind, &contact.address)
        });
        if is_news && contact.peer != self.me.id() && !self.up.contains_key(&contact.peer) {
            let Contact { peer, kind, name, address } = contact.clone();
            self.remember(peer, Profile { name, kind, address, by_itself: false });
        }
    }

    /// A peer asks whether another is heard here.
    fn on_probe(&mut self, now: Time, from: PeerId, about: PeerId) {
        if let Some(link) = self.up.get(&about).and_then(|link| self.links.get(link)) {
            let ago_ms = u64::try_from(now.since(link.heard).as_millis()).unwrap_or(u64::MAX);
            self.post.send(from, Frame::Heard { peer: about, ago_ms });
        }
    }

    /// A silent peer is heard elsewhere: only the link to it is bad, and may recover.
    fn on_heard(&mut self, now: Time, about: PeerId, ago_ms: u64) {
        let link = self.up.get(&about).and_then(|link| self.links.get_mut(link));
        if let Some(link) = link.filter(|link| link.probed && Duration::from_millis(ago_ms) <= STALE_AFTER) {
            link.vouched = Some(now);
        }
    }

    fn on_flood(&mut self, now: Time, id: LinkId, via: PeerId, flood: Flood) {
        let room = Room { up: &self.up, size: self.room_size };
        match self.gossip.on_flood(now, &self.me, via, flood, &room, &mut self.post) {
            Ok(Some(kept)) => {
                let Flood { id: name, path, body, .. } = kept.flood.clone();
                let path: Vec<PeerId> = path.into_iter().map(|hop| hop.peer).collect();
                self.on_prime_news(now, name, &path, &body);
                self.out.push_back(Output::Event(Event::Heard { from: name.originator, path, body }));
            }
            Ok(None) => {}
            Err(what) => self.on_fault(now, id, what.to_owned()),
        }
    }
}
