//! Giving: whose turn it is, what it is offered, and what it is sent.

use std::time::Duration;

use manyhands_wire::bulk::{Bulk, BulkKind, PART_BYTES_MAX};
use manyhands_wire::file::{Hash, PICKS_MAX, Picks};
use manyhands_wire::{FileId, Frame, PeerId};
use rand_chacha::rand_core::Rng as _;

use super::neighbour::{Chunk, Neighbour};
use super::{
    AHEAD, AHEAD_ROUND_TRIPS, Bits, CHUNK_COST_MIN, Policy, Swarm, SwarmOutput, TICK, WINDOWS_PART_MIN, cost,
    picks, rank,
};
use crate::files::StoreOrder;
use crate::swarm::file::State;
use crate::time::Time;

/// How long a neighbour that had no use for its turn gets none, unless something changes.
const PASS_PAUSE: Duration = Duration::from_millis(200);
/// How long a turn may stay unanswered, and for how long such a neighbour gets none.
const TURN_MAX: Duration = Duration::from_secs(5);
/// How many chunks a neighbour may have waiting here.
const QUEUE_MAX: usize = 1024;
/// How many lists of hashes a neighbour may wait for.
const LISTS_MAX: usize = 512;
/// How many files a neighbour may want at once.
const WANTS_MAX: usize = 1024;
/// How many chunks that were offered a neighbour are remembered.
const PROMISED_MAX: usize = 4096;
/// How many bytes are handed to one link's driver before it has sent others.
const DRIVER_BYTES: u64 = 512 * 1024;

impl Swarm {
    pub(super) fn on_holds(&mut self, peer: PeerId, ids: &[FileId]) {
        for id in ids {
            let place = self.places.get(id).copied();
            let Some(neighbour) = self.peers.get_mut(&peer) else { return };
            match place {
                Some(place) => {
                    neighbour.holds.set(place, true);
                    self.on_unwants(peer, id);
                    self.look |= !matches!(self.files[place as usize].state, State::Here | State::Forgotten);
                    self.version += 1;
                }
                None => neighbour.spoke_of_unknown = true,
            }
        }
    }

    pub(super) fn on_lacks(&mut self, peer: PeerId, ids: &[FileId]) {
        for id in ids {
            if let (Some(place), Some(neighbour)) = (self.places.get(id), self.peers.get_mut(&peer)) {
                neighbour.holds.set(*place, false);
                self.version += 1;
                let asked: Vec<Chunk> =
                    neighbour.asked.iter().filter(|(of, _)| of == place).copied().collect();
                self.let_go(&peer, &asked);
            }
        }
    }

    /// A neighbour wants a file, and has this much of it.
    pub(super) fn on_chunks(&mut self, peer: PeerId, id: &FileId, bits: Vec<u8>) {
        let Some((place, file)) = self.file(id) else {
            if let Some(neighbour) = self.peers.get_mut(&peer) {
                neighbour.spoke_of_unknown = true;
            }
            return;
        };
        let (chunks, size, is_given) = (file.manifest.chunks(), file.manifest.size, file.chunks_here() > 0);
        let Some(bits) = Bits::from_bytes(bits, chunks) else { return };
        // To whom this is new was not told what has come so far.
        let was_told = self
            .peers
            .get(&peer)
            .is_some_and(|peer| peer.holds.has(place) || peer.wants.contains_key(&place));
        let here = file.fetch().filter(|fetch| !was_told && fetch.is_ready() && fetch.have.count() > 0);
        let here = here.map(|fetch| fetch.have.as_bytes().to_vec());
        self.on_unwants(peer, id);
        let Some(neighbour) = self.peers.get_mut(&peer) else { return };
        if neighbour.wants.len() >= WANTS_MAX {
            return;
        }
        if let Some(bits) = here {
            self.out.push_back(SwarmOutput::Frame(vec![peer], Frame::Chunks { file: *id, bits }));
        }
        let missing =
            u64::from(chunks - bits.count()) * u64::from(self.files[place as usize].manifest.chunk_bytes);
        neighbour.missing_bytes += missing.min(size);
        neighbour.holds.set(place, false);
        if is_given {
            neighbour.idle_until = Time::ZERO;
        }
        neighbour.wants.insert(place, bits.clone());
        if self.files[place as usize].chunks_here() > 0 || self.files[place as usize].fetch().is_some() {
            self.count_copies(place, &bits, true);
        }
        self.look |= bits.count() > 0;
    }

    pub(super) fn on_unwants(&mut self, peer: PeerId, id: &FileId) {
        let Some(place) = self.places.get(id).copied() else { return };
        let Some(neighbour) = self.peers.get_mut(&peer) else { return };
        if let Some(bits) = neighbour.wants.remove(&place) {
            let manifest = &self.files[place as usize].manifest;
            let lacked = u64::from(bits.len() - bits.count()) * u64::from(manifest.chunk_bytes);
            neighbour.missing_bytes = neighbour.missing_bytes.saturating_sub(lacked.min(manifest.size));
            if neighbour.wants.is_empty() {
                neighbour.missing_bytes = 0;
            }
            neighbour.queue.retain(|(of, chunk)| {
                if *of == place {
                    let cost = u64::from(cost(manifest.chunk_len(*chunk)));
                    neighbour.queued_bytes = neighbour.queued_bytes.saturating_sub(cost);
                }
                *of != place
            });
            let promised: Vec<Chunk> =
                neighbour.promised.iter().filter(|(of, _)| *of == place).copied().collect();
            promised.iter().for_each(|chunk| {
                neighbour.promised.remove(chunk);
            });
            self.count_copies(place, &bits, false);
            self.count_all(promised, false);
        }
        self.drop_copies(place);
    }

    /// Copies of a file are counted only while somebody wants it.
    pub(super) fn drop_copies(&mut self, place: u32) {
        if !self.peers.values().any(|peer| peer.wants.contains_key(&place)) {
            self.files[place as usize].copies = None;
        }
    }

    /// A neighbour has more chunks of files that it wants.
    pub(super) fn on_got(&mut self, peer: PeerId, got: &[Picks]) {
        for Picks { file, chunks } in got {
            let Some(place) = self.places.get(file).copied() else { continue };
            for chunk in chunks {
                let Some(neighbour) = self.peers.get_mut(&peer) else { return };
                let Some(bits) = neighbour.wants.get_mut(&place) else { continue };
                if !bits.insert(*chunk) {
                    continue;
                }
                self.look |= matches!(self.files[place as usize].state, State::Waiting(_));
                let len = u64::from(self.files[place as usize].manifest.chunk_len(*chunk));
                neighbour.missing_bytes = neighbour.missing_bytes.saturating_sub(len);
                // A promise that was kept is counted already.
                if neighbour.promised.remove(&(place, *chunk)) {
                    self.arrived += len.max(u64::from(CHUNK_COST_MIN));
                } else {
                    self.count_copy(place, *chunk, true);
                }
            }
        }
    }

    /// Gives turns for as long as there is room to send, to those first who miss most.
    pub(super) fn give_turns(&mut self, now: Time) {
        let most = u64::from(self.config.windows_bytes);
        // Where much came already since the last tick, the next one is not waited for.
        let pace = self.pace.max(self.arrived / 4);
        let round_trip = self.peers.values().map(|peer| peer.round_trip).max().unwrap_or_default();
        let ahead = AHEAD + AHEAD_ROUND_TRIPS * round_trip;
        let windows = pace * ahead.as_micros() as u64 / TICK.as_micros() as u64;
        let windows = windows.clamp(most / WINDOWS_PART_MIN, most);
        let window = u64::from(self.config.window_bytes).min(windows);
        let counted = self.peers.values().filter(|peer| !peer.is_stuck(now));
        let mut committed: u64 = counted.map(Neighbour::committed).sum();
        if committed >= windows || self.upload.left(now) <= 0 {
            return;
        }
        let is_due = |peer: &Neighbour| {
            !peer.wants.is_empty()
                && peer.turn.is_none()
                && !peer.is_stuck(now)
                && peer.idle_until <= now
                && peer.committed() <= window - window / 4
        };
        let mut due: Vec<(u64, u64, PeerId)> = self
            .peers
            .iter()
            .filter(|(_, peer)| is_due(peer))
            .map(|(id, peer)| {
                let tie = self.rng.next_u64();
                match self.config.policy {
                    Policy::MostMissingRarest | Policy::SeederOnly => {
                        (u64::MAX - peer.missing_bytes, tie, *id)
                    }
                    Policy::Random | Policy::Sequential => (0, tie, *id),
                }
            })
            .collect();
        due.sort_unstable();
        for (_, _, peer) in due {
            let Some(neighbour) = self.peers.get(&peer) else { continue };
            let room = (window - neighbour.committed().min(window)).min(windows.saturating_sub(committed));
            if room == 0 {
                break;
            }
            self.count_what_is_wanted(&peer);
            let offer = self.offer(&peer, room);
            let Some(neighbour) = self.peers.get_mut(&peer) else { continue };
            if offer.is_empty() {
                neighbour.idle_until = now + PASS_PAUSE;
                continue;
            }
            let bytes = u32::try_from(room).unwrap_or(u32::MAX);
            neighbour.turn = Some((bytes, now));
            neighbour.offered = offer.clone();
            committed += room;
            let turn = Frame::Turn { bytes, picks: picks(&self.files, &offer) };
            self.count_all(offer, true);
            self.out.push_back(SwarmOutput::Frame(vec![peer], turn));
        }
    }

    /// The copies of files that became whole here after neighbours had said that they want them.
    fn count_what_is_wanted(&mut self, peer: &PeerId) {
        let Some(neighbour) = self.peers.get(peer) else { return };
        let uncounted = |place: &&u32| {
            let file = &self.files[**place as usize];
            file.copies.is_none() && file.chunks_here() > 0
        };
        let places: Vec<u32> = neighbour.wants.keys().filter(uncounted).copied().collect();
        places.into_iter().for_each(|place| self.recount(place));
    }

    /// What a neighbour lacks and this node has, the rarest first: about as much as fits into `room` bytes.
    fn offer(&mut self, peer: &PeerId, room: u64) -> Vec<Chunk> {
        let Some(neighbour) = self.peers.get(peer) else { return Vec::new() };
        let policy = self.config.policy;
        let mut offer = Vec::new();
        let mut left = room as i64;
        // Of many files that it wants, not always the same is looked at first.
        let start = (self.rng.next_u64() % neighbour.wants.len().max(1) as u64) as usize;
        let wants = neighbour.wants.iter().skip(start).chain(neighbour.wants.iter().take(start));
        for (place, theirs) in wants {
            let file = &self.files[*place as usize];
            if file.chunks_here() == 0 || (policy == Policy::SeederOnly && !file.is_seed) {
                continue;
            }
            let fits = |chunk: &u32| {
                file.has(*chunk) && !theirs.has(*chunk) && !neighbour.promised.contains(&(*place, *chunk))
            };
            let mut found: Vec<(u16, u32, u32)> = (0..theirs.len())
                .filter(fits)
                .map(|chunk| rank(policy, file, chunk, &mut self.rng))
                .collect();
            let chunk_cost = i64::from(cost(file.manifest.chunk_bytes));
            let count = (PICKS_MAX - offer.len()).min((left.div_euclid(chunk_cost)) as usize + 1);
            if found.len() > count {
                found.select_nth_unstable(count);
                found.truncate(count);
            }
            found.sort_unstable();
            for (_, _, chunk) in found {
                offer.push((*place, chunk));
                left -= i64::from(cost(file.manifest.chunk_len(chunk)));
                if left <= 0 {
                    break;
                }
            }
            if left <= 0 || offer.len() >= PICKS_MAX {
                break;
            }
        }
        offer
    }

    /// Counts copies that are promised, or are no more.
    fn count_all(&mut self, chunks: Vec<Chunk>, is_there: bool) {
        chunks.into_iter().for_each(|(place, chunk)| self.count_copy(place, chunk, is_there));
    }

    /// A neighbour took its turn: it asks for chunks, or has no use for it.
    pub(super) fn on_fetch(&mut self, now: Time, peer: PeerId, asked: &[Picks]) {
        let Some(neighbour) = self.peers.get_mut(&peer) else { return };
        let window = u64::from(self.config.window_bytes);
        let bytes = match neighbour.turn.take() {
            Some((bytes, since)) => {
                neighbour.measure(now.since(since));
                bytes
            }
            // Its turn was over, and it could not know.
            None => u32::try_from(window.saturating_sub(neighbour.committed())).unwrap_or(u32::MAX),
        };
        let offered = std::mem::take(&mut neighbour.offered);
        self.count_all(offered, false);
        let mut left = i64::from(bytes);
        let mut promised = Vec::new();
        let Some(neighbour) = self.peers.get_mut(&peer) else { return };
        for Picks { file: id, chunks } in asked {
            let Some(place) = self.places.get(id).copied() else { continue };
            let file = &self.files[place as usize];
            for chunk in chunks {
                // Whoever asks for more than its turn allows does without.
                let is_too_much = left <= 0 || neighbour.queue.len() >= QUEUE_MAX;
                if is_too_much || !file.has(*chunk) || neighbour.promised.contains(&(place, *chunk)) {
                    continue;
                }
                let cost = cost(file.manifest.chunk_len(*chunk));
                left -= i64::from(cost);
                neighbour.queue.push_back((place, *chunk));
                neighbour.queued_bytes += u64::from(cost);
                if neighbour.promised.len() < PROMISED_MAX && neighbour.promised.insert((place, *chunk)) {
                    promised.push((place, *chunk));
                }
            }
        }
        if asked.is_empty() {
            neighbour.idle_until = now + PASS_PAUSE;
        }
        self.count_all(promised, true);
    }

    pub(super) fn on_cancel(&mut self, peer: PeerId, cancelled: &[Picks]) {
        for Picks { file, chunks } in cancelled {
            let Some(place) = self.places.get(file).copied() else { continue };
            for chunk in chunks {
                let len = self.files[place as usize].manifest.chunk_len(*chunk);
                let Some(neighbour) = self.peers.get_mut(&peer) else { return };
                let before = neighbour.queue.len();
                neighbour.queue.retain(|queued| *queued != (place, *chunk));
                let gone = (before - neighbour.queue.len()) as u64 * u64::from(cost(len));
                neighbour.queued_bytes = neighbour.queued_bytes.saturating_sub(gone);
                if neighbour.promised.remove(&(place, *chunk)) {
                    self.count_copy(place, *chunk, false);
                }
            }
        }
    }

    /// Has chunks read for whoever has room in its link.
    pub(super) fn send_queued(&mut self, now: Time) {
        self.send_lists(now);
        loop {
            if self.upload.left(now) <= 0 {
                return;
            }
            let ready = |peer: &Neighbour| {
                !peer.queue.is_empty() && peer.reading_bytes + peer.in_driver_bytes < DRIVER_BYTES
            };
            let next =
                self.peers.iter().filter(|(_, peer)| ready(peer)).max_by_key(|(_, peer)| peer.missing_bytes);
            let Some(peer) = next.map(|(id, _)| *id) else { return };
            let Some(neighbour) = self.peers.get_mut(&peer) else { return };
            let Some((place, chunk)) = neighbour.queue.pop_front() else { return };
            let file = &self.files[place as usize];
            let len = file.manifest.chunk_len(chunk);
            neighbour.queued_bytes = neighbour.queued_bytes.saturating_sub(u64::from(cost(len)));
            if !file.has(chunk) {
                if neighbour.promised.remove(&(place, chunk)) {
                    self.count_copy(place, chunk, false);
                }
                continue;
            }
            neighbour.reading_bytes += u64::from(len);
            self.upload.spend(u64::from(len));
            self.reading.push_back(((place, chunk), peer));
            self.out.push_back(SwarmOutput::Store(StoreOrder::Read { file: file.id, chunk }));
        }
    }

    /// A chunk was read: it goes to who asked for it.
    pub(super) fn on_read(&mut self, now: Time, id: &FileId, chunk: u32, bytes: Option<Vec<u8>>) {
        let Some(place) = self.places.get(id).copied() else { return };
        let Some(at) = self.reading.iter().position(|(read, _)| *read == (place, chunk)) else {
            // The store found damage when somebody else read the chunk.
            return if bytes.is_none() {
                self.on_damaged(place, chunk)
            };
        };
        let Some((_, peer)) = self.reading.remove(at) else { return };
        let len = self.files[place as usize].manifest.chunk_len(chunk);
        if let Some(neighbour) = self.peers.get_mut(&peer) {
            neighbour.reading_bytes = neighbour.reading_bytes.saturating_sub(u64::from(len));
        }
        let Some(bytes) = bytes.filter(|bytes| bytes.len() == len as usize) else {
            let neighbour = self.peers.get_mut(&peer);
            if neighbour.is_some_and(|neighbour| neighbour.promised.remove(&(place, chunk))) {
                self.count_copy(place, chunk, false);
            }
            return self.on_damaged(place, chunk);
        };
        if !self.peers.contains_key(&peer) {
            return;
        }
        self.sent_bytes += u64::from(len);
        self.send_parts(now, peer, id, BulkKind::Chunk(chunk), &bytes);
    }

    fn send_parts(&mut self, now: Time, peer: PeerId, id: &FileId, kind: BulkKind, bytes: &[u8]) {
        let Some(neighbour) = self.peers.get_mut(&peer) else { return };
        if neighbour.in_driver.is_empty() {
            neighbour.driven = now;
        }
        for (at, part) in bytes.chunks(PART_BYTES_MAX).enumerate() {
            let offset = (at * PART_BYTES_MAX) as u32;
            let message = Bulk { file: *id, kind, offset, bytes: part }.encode();
            neighbour.in_driver.push_back(part.len() as u32);
            neighbour.in_driver_bytes += part.len() as u64;
            self.out.push_back(SwarmOutput::Bulk(peer, message));
        }
    }

    /// A neighbour asks for a file's list of hashes.
    pub(super) fn on_ask_hashes(&mut self, peer: PeerId, id: &FileId) {
        let Some(place) = self.places.get(id).copied() else { return };
        let Some(neighbour) = self.peers.get_mut(&peer) else { return };
        let is_known = neighbour.lists.contains(&place) || neighbour.reading_list == Some(place);
        if neighbour.lists.len() < LISTS_MAX && !is_known {
            neighbour.lists.push_back(place);
        }
    }

    /// Sends lists of hashes, one at a time to each who asked, when what it was sent before has left.
    fn send_lists(&mut self, now: Time) {
        let ready = |peer: &Neighbour| {
            !peer.lists.is_empty() && peer.reading_list.is_none() && peer.in_driver_bytes < DRIVER_BYTES
        };
        let ready: Vec<PeerId> =
            self.peers.iter().filter(|(_, peer)| ready(peer)).map(|(id, _)| *id).collect();
        for peer in ready {
            if self.upload.left(now) <= 0 {
                return;
            }
            let Some(neighbour) = self.peers.get_mut(&peer) else { continue };
            let Some(place) = neighbour.lists.pop_front() else { continue };
            let file = &self.files[place as usize];
            let known = file.fetch().filter(|fetch| fetch.is_ready() && !fetch.hashes.is_empty());
            if let Some(hashes) = known.map(|fetch| fetch.hashes.clone()) {
                self.send_list(now, peer, place, &hashes);
            } else if file.is_here() {
                neighbour.reading_list = Some(place);
                self.out.push_back(SwarmOutput::Store(StoreOrder::ReadHashes(file.id)));
            }
        }
    }

    /// Sends a list of hashes to all for whom it was read.
    pub(super) fn send_hashes(&mut self, now: Time, place: u32, hashes: Option<&[Hash]>) {
        let waiting = |peer: &Neighbour| peer.reading_list == Some(place);
        let asked: Vec<PeerId> =
            self.peers.iter().filter(|(_, peer)| waiting(peer)).map(|(id, _)| *id).collect();
        for peer in asked {
            if let Some(neighbour) = self.peers.get_mut(&peer) {
                neighbour.reading_list = None;
            }
            if let Some(hashes) = hashes {
                self.send_list(now, peer, place, hashes);
            }
        }
    }

    fn send_list(&mut self, now: Time, peer: PeerId, place: u32, hashes: &[Hash]) {
        let id = self.files[place as usize].id;
        self.upload.spend(hashes.as_flattened().len() as u64);
        self.send_parts(now, peer, &id, BulkKind::Hashes, hashes.as_flattened());
    }

    /// Turns that nobody took are over.
    pub(super) fn end_turns(&mut self, now: Time) {
        let mut free: Vec<Chunk> = Vec::new();
        for neighbour in self.peers.values_mut() {
            if neighbour.turn.is_some_and(|(_, since)| now.since(since) > TURN_MAX) {
                neighbour.turn = None;
                neighbour.idle_until = now + TURN_MAX;
                free.append(&mut neighbour.offered);
            }
        }
        self.count_all(free, false);
    }
}
