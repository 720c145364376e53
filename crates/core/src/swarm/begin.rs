//! Beginning: which of the wanted files are fetched now, and how each gets the list of its hashes and its place in the store.

use std::time::Duration;

use manyhands_wire::bulk::{Bulk, PART_BYTES_MAX};
use manyhands_wire::file::{Hash, hash_list};
use manyhands_wire::{Frame, PeerId};
use rand_chacha::rand_core::Rng as _;

use super::file::{Fetch, Origin, State};
use super::neighbour::Neighbour;
use super::{Swarm, SwarmOutput};
use crate::files::StoreOrder;
use crate::time::Time;

/// How many files are fetched at once.
const FETCHING_MAX: usize = 512;
/// How many begin together at least, once there are so many.
const FETCHING_STEP: usize = 128;
/// How many chunks these may have together: their hashes are in memory.
const FETCHING_CHUNKS_MAX: u64 = 2 * manyhands_wire::file::CHUNKS_MAX as u64;
/// Files of no more chunks do not wait for large ones.
const SMALL_CHUNKS: u64 = 64;
/// How long a file that the store refused is left alone.
pub(super) const TROUBLE_PAUSE: Duration = Duration::from_secs(60);

impl Swarm {
    /// Begins to fetch files for which there is room, and somebody who has them.
    pub(super) fn begin_files(&mut self, now: Time) {
        // Many small files end one by one: the next ones are begun together.
        if !self.look {
            return;
        }
        if self.fetching.len() > FETCHING_MAX - FETCHING_STEP {
            self.is_crowded |= !self.waiting.is_empty();
            return;
        }
        (self.look, self.is_crowded) = (false, false);
        let mut chunks: u64 = self.fetching.iter().map(|place| self.chunks_of(*place)).sum();
        let waiting: Vec<(bool, u32)> = self.waiting.iter().copied().collect();
        for (rank, place) in waiting {
            if self.fetching.len() >= FETCHING_MAX {
                self.is_crowded = true;
                break;
            }
            let file = &self.files[place as usize];
            let is_troubled = file.trouble.as_ref().is_some_and(|(_, until)| *until > now);
            let more = self.chunks_of(place);
            let is_alone = more > 0 && !self.peers.values().any(|peer| peer.has_some(place));
            if is_troubled || is_alone || file.rests_until > now {
                continue;
            }
            // Small files, and those that somebody asked for, do not wait for large ones.
            let is_small = more <= SMALL_CHUNKS || file.asked;
            if chunks + more > FETCHING_CHUNKS_MAX && chunks > 0 && !is_small {
                self.is_crowded = true;
                continue;
            }
            let kept = file.bytes_kept();
            if self.bytes_kept - kept + file.manifest.size > self.quota_bytes {
                self.is_crowded = true;
                let (id, is_new) = (file.id, file.trouble.is_none());
                let why = "there is no room for it within the quota".to_owned();
                self.refuse(now, place, why.clone());
                if is_new {
                    self.out.push_back(SwarmOutput::Failed(id, why));
                }
                continue;
            }
            self.waiting.remove(&(rank, place));
            chunks += more;
            let file = &mut self.files[place as usize];
            let part = match &mut file.state {
                State::Waiting(part) => part.take(),
                State::Known | State::Fetching(_) | State::Here | State::Damaged(_) | State::Forgotten => {
                    continue;
                }
            };
            let fetch = Fetch::new(now, file.manifest.chunks(), part);
            file.trouble = None;
            file.origin.get_or_insert_with(|| Box::new(Origin::new(&fetch.have)));
            file.state = State::Fetching(Box::new(fetch));
            self.bytes_kept = self.bytes_kept - kept + file.manifest.size;
            self.fetching.push(place);
            self.version += 1;
            // The counts begin with what the neighbours said so far.
            self.recount(place);
            if self.chunks_of(place) == 0 {
                self.begin_in_store(now, place, Vec::new());
            } else if self.files[place as usize].fetch().is_some_and(Fetch::is_ready) {
                self.tell_wanted(now, place);
            } else {
                self.ask_for_list(now, place);
            }
        }
    }

    fn chunks_of(&self, place: u32) -> u64 {
        u64::from(self.files[place as usize].manifest.chunks())
    }

    /// Counts the copies of a file's chunks anew.
    pub(super) fn recount(&mut self, place: u32) {
        let file = &mut self.files[place as usize];
        let mut copies = vec![0_u16; file.manifest.chunks() as usize];
        for peer in self.peers.values() {
            if let Some(bits) = peer.wants.get(&place) {
                bits.iter().for_each(|chunk| copies[chunk as usize] += 1);
            }
            let promised = peer.promised.iter().chain(&peer.offered).filter(|(of, _)| *of == place);
            promised.for_each(|(_, chunk)| copies[*chunk as usize] += 1);
        }
        file.copies = Some(copies);
    }

    /// The neighbours are to be told that a file is wanted: soon, as there may be many.
    fn tell_wanted(&mut self, now: Time, place: u32) {
        if !self.has_news() {
            self.news.since = now;
        }
        self.news.wanted.push(place);
    }

    /// Asks somebody who has a file for the list of its hashes.
    pub(super) fn ask_for_list(&mut self, now: Time, place: u32) {
        let knows = |peer: &Neighbour| {
            peer.shunned_until <= now && (peer.holds.has(place) || peer.wants.contains_key(&place))
        };
        let them: Vec<PeerId> =
            self.peers.iter().filter(|(_, peer)| knows(peer)).map(|(id, _)| *id).collect();
        if them.is_empty() {
            return;
        }
        let peer = them[(self.rng.next_u64() % them.len() as u64) as usize];
        let file = &mut self.files[place as usize];
        let id = file.id;
        if let Some(fetch) = file.fetch_mut() {
            fetch.list = Some((peer, now, Vec::new()));
            self.out.push_back(SwarmOutput::Frame(vec![peer], Frame::AskHashes(id)));
        }
    }

    /// A part of a list of hashes came.
    pub(super) fn on_hashes_part(&mut self, now: Time, peer: PeerId, bulk: &Bulk<'_>) {
        let Some(place) = self.places.get(&bulk.file).copied() else { return };
        let file = &mut self.files[place as usize];
        let whole = file.manifest.chunks() as usize * 32;
        let expected = file.manifest.hashes;
        let Some((from, at, list)) = file.fetch_mut().and_then(|fetch| fetch.list.as_mut()) else {
            return self.on_unasked(peer, bulk.bytes.len());
        };
        let is_full = bulk.bytes.len() == whole.saturating_sub(list.len()).min(PART_BYTES_MAX);
        if *from != peer || bulk.offset as usize != list.len() || !is_full {
            return self.on_unasked(peer, bulk.bytes.len());
        }
        list.extend(bulk.bytes);
        *at = now;
        if list.len() < whole {
            return;
        }
        let list = std::mem::take(list);
        let hashes: Vec<Hash> = list.as_chunks::<32>().0.to_vec();
        let Some(fetch) = file.fetch_mut() else { return };
        (fetch.list, fetch.moved) = (None, now);
        if hash_list(&hashes) != expected {
            let what = "a list of hashes that does not fit its file".to_owned();
            return self.out.push_back(SwarmOutput::Bad(peer, what));
        }
        self.begin_in_store(now, place, hashes);
        self.tell_wanted(now, place);
    }

    /// The hashes are known: the store makes room.
    pub(super) fn begin_in_store(&mut self, now: Time, place: u32, hashes: Vec<Hash>) {
        let file = &mut self.files[place as usize];
        let id = file.id;
        let Some(fetch) = file.fetch_mut() else { return };
        fetch.hashes.clone_from(&hashes);
        fetch.has_begun = true;
        self.out.push_back(SwarmOutput::Store(StoreOrder::Begin { file: id, hashes }));
        if self.chunks_of(place) == 0 {
            self.finish(now, place);
        }
    }

    /// A file cannot be kept for now: it waits.
    pub(super) fn refuse(&mut self, now: Time, place: u32, why: String) {
        let file = &mut self.files[place as usize];
        file.trouble = Some((why, now + TROUBLE_PAUSE));
        self.wait_again(place);
    }

    /// A file that was begun waits for its turn once more.
    pub(super) fn wait_again(&mut self, place: u32) {
        let file = &mut self.files[place as usize];
        if matches!(file.state, State::Known) {
            file.state = State::Waiting(None);
        }
        self.waiting.insert((!file.asked, place));
        self.version += 1;
    }
}
