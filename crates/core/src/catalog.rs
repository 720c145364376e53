//! Which files there are: the entries of every file that was ever put.
//!
//! In the life of an entry:
//!
//! 1. Who puts a file signs its entry and tells all neighbours, who check it, keep it and tell theirs: each once.
//! 2. On every new link, every 30 s, and soon after something was learnt in this way, two nodes compare: a digest of all ids; if it
//!    differs, digests of the 256 buckets that the first byte of an id falls into; for those that differ, all ids; and then
//!    each tells the other the entries that it lacks. So who comes late, or was away, knows every file there ever was.
//! 3. An answer is cut after [`ANSWER_MAX`] entries, and the comparison begins anew: a newcomer's links are not choked.
//!
//! So all nodes know the same files. Entries are never thrown out, but no more than [`CATALOG_MAX`] are taken. Of two entries for one
//! file the older counts, of two equally old ones that of the smaller peer; as digests are of ids alone, nodes that were told
//! different ones may go on naming different putters.

use std::time::Duration;

use manyhands_wire::file::{BUCKETS, ENTRIES_MAX, Entry, FILE_IDS_MAX, Listed};
use manyhands_wire::frame::{Bucket, FRAME_BYTES_MAX};
use manyhands_wire::{FileId, Frame, PeerId};

use crate::identity::Identity;
use crate::post::Post;
use crate::swarm::Swarm;
use crate::table::Set;
use crate::time::Time;

/// How many files a node knows at most.
pub(crate) const CATALOG_MAX: usize = 32_768;
/// How many entries one listing is answered with.
const ANSWER_MAX: usize = 2048;
/// How often peers compare.
const COMPARE_EVERY: Duration = Duration::from_secs(30);
/// How soon after something was learnt by comparing others are told the new digest.
const COMPARE_SOON: Duration = Duration::from_secs(1);
/// How many bytes of entries a frame carries.
const ENTRIES_BYTES: usize = FRAME_BYTES_MAX - 256;

/// All entries.
pub(crate) struct Catalog {
    /// By their place: the same as in the swarm's list.
    entries: Vec<Entry>,
    /// The places of each bucket's entries, and the digest of their ids.
    buckets: Vec<(Vec<u32>, u64)>,
    compared: Time,
    /// Since when something is known that was learnt by comparing.
    learnt: Option<Time>,
}

impl Catalog {
    pub(crate) fn new() -> Self {
        Self {
            entries: Vec::new(),
            buckets: vec![(Vec::new(), 0); BUCKETS],
            compared: Time::ZERO,
            learnt: None,
        }
    }

    /// The entry at a place of the swarm's list.
    pub(crate) fn entry(&self, place: u32) -> Option<&Entry> {
        self.entries.get(place as usize)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.entries.len() >= CATALOG_MAX
    }

    /// One more entry, which the swarm has just been told of too.
    pub(crate) fn add(&mut self, id: &FileId, entry: Entry) {
        let (places, digest) = &mut self.buckets[usize::from(id.0[0])];
        places.push(self.entries.len() as u32);
        *digest ^= digest_of(id);
        self.entries.push(entry);
    }

    /// Whether this is an older entry of a known file: then it counts.
    pub(crate) fn is_older(&self, place: u32, entry: &Entry) -> bool {
        self.entry(place).is_some_and(|known| (entry.put_ms, entry.by) < (known.put_ms, known.by))
    }

    pub(crate) fn replace(&mut self, place: u32, entry: Entry) {
        if let Some(known) = self.entries.get_mut(place as usize) {
            *known = entry;
        }
    }

    fn digest(&self) -> u64 {
        let all = self.buckets.iter().map(|(_, digest)| *digest).fold(0, |all, one| all ^ one);
        all.wrapping_add(self.entries.len() as u64)
    }

    /// Compares with a peer: on a new link, or when it told more than fits.
    pub(crate) fn compare(&self, peer: PeerId, post: &mut Post) {
        post.send(peer, Frame::Catalog(self.digest()));
    }

    /// A peer told its digest.
    pub(crate) fn on_digest(&self, peer: PeerId, theirs: u64, post: &mut Post) {
        if theirs != self.digest() {
            post.send(peer, Frame::Buckets(self.buckets.iter().map(|(_, digest)| *digest).collect()));
        }
    }

    /// A peer told the digests of its buckets: it is told what is in those that differ.
    pub(crate) fn on_buckets(&self, peer: PeerId, theirs: &[u64], swarm: &Swarm, post: &mut Post) {
        let mut listing = Vec::new();
        let mut count = 0;
        for (first, (theirs, (places, digest))) in (0..=u8::MAX).zip(theirs.iter().zip(&self.buckets)) {
            if theirs == digest {
                continue;
            }
            // A bucket of more than a frame's worth is told in part; then some entries are told again, which does no harm.
            let ids: Vec<FileId> =
                places.iter().filter_map(|place| swarm.id_at(*place)).take(FILE_IDS_MAX).collect();
            if count + ids.len() > FILE_IDS_MAX {
                post.send(peer, Frame::Listing(std::mem::take(&mut listing)));
                count = 0;
            }
            count += ids.len();
            listing.push(Bucket { first, ids });
        }
        if !listing.is_empty() {
            post.send(peer, Frame::Listing(listing));
        }
    }

    /// A peer listed some of its buckets: it is told what it lacks.
    pub(crate) fn on_listing(&self, peer: PeerId, listing: &[Bucket], swarm: &Swarm, post: &mut Post) {
        let mut lacking = Vec::new();
        for Bucket { first, ids } in listing {
            if lacking.len() > ANSWER_MAX {
                break;
            }
            let theirs: Set<FileId> = ids.iter().copied().collect();
            let (places, _) = &self.buckets[usize::from(*first)];
            for place in places {
                if swarm.id_at(*place).is_some_and(|id| !theirs.contains(&id)) {
                    lacking.push(*place);
                }
            }
        }
        let more = lacking.len() > ANSWER_MAX;
        lacking.truncate(ANSWER_MAX);
        self.send(vec![peer], &lacking, swarm, (false, more), post);
    }

    /// Tells neighbours entries, in as many frames as it takes.
    fn send(
        &self,
        peers: Vec<PeerId>,
        places: &[u32],
        swarm: &Swarm,
        (news, more): (bool, bool),
        post: &mut Post,
    ) {
        let mut entries: Vec<Listed> = Vec::new();
        let mut bytes = 0;
        for place in places {
            let Some(entry) = self.entry(*place) else { continue };
            if entries.len() >= ENTRIES_MAX || bytes + entry.bytes_max() > ENTRIES_BYTES {
                let entries = std::mem::take(&mut entries);
                post.send_many(peers.clone(), Frame::Entries { entries, news, more: false });
                bytes = 0;
            }
            bytes += entry.bytes_max();
            entries.push(Listed { entry: entry.clone(), here: swarm.is_here_at(*place) });
        }
        if !entries.is_empty() {
            post.send_many(peers, Frame::Entries { entries, news, more });
        }
    }

    /// Tells neighbours what was put just now.
    pub(crate) fn tell(&self, peers: Vec<PeerId>, places: &[u32], swarm: &Swarm, post: &mut Post) {
        self.send(peers, places, swarm, (true, false), post);
    }

    /// Something was learnt by comparing.
    pub(crate) fn on_learnt(&mut self, now: Time) {
        self.learnt.get_or_insert(now);
    }

    /// Whether a comparison is due soon.
    pub(crate) fn is_waiting(&self) -> bool {
        self.learnt.is_some()
    }

    pub(crate) fn on_tick(&mut self, now: Time, post: &mut Post) {
        let is_soon = self.learnt.is_some_and(|since| now.since(since) >= COMPARE_SOON);
        if is_soon || now.since(self.compared) >= COMPARE_EVERY {
            (self.compared, self.learnt) = (now, None);
            post.send_all(Frame::Catalog(self.digest()));
        }
    }
}

/// Whether who put it signed it.
pub(crate) fn is_signed(me: &Identity, id: &FileId, entry: &Entry) -> bool {
    let signed = Entry::signed_bytes(id, &entry.media_type, entry.put_ms);
    me.is_signed_by(&entry.by, &signed, &entry.signature)
}

/// A number for an id that nobody can choose without choosing the id.
fn digest_of(id: &FileId) -> u64 {
    let hash = blake3::derive_key("manyhands catalog v1", &id.0);
    hash.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}
