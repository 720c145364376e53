//! Taking: which chunks are asked for when it is this node's turn, what becomes of what comes, and how long it is waited for.

use std::time::Duration;

use manyhands_wire::bulk::{Bulk, PART_BYTES_MAX};
use manyhands_wire::file::{PICKS_MAX, Picks};
use manyhands_wire::{FileId, Frame, PeerId};

use super::begin::TROUBLE_PAUSE;
use super::neighbour::{Chunk, Neighbour};
use super::{Swarm, SwarmOutput, cost, picks, rank};
use crate::files::StoreOrder;
use crate::table::Set;
use crate::time::Time;

/// How many bytes are asked for and not here yet.
const ASKED_BYTES_MAX: u64 = 16 << 20;
/// How many of them of one neighbour; the last chunk may exceed it.
const ASKED_OF_ONE_MAX: u64 = ASKED_BYTES_MAX / 4;
/// How many bytes may wait for the store before no more are asked for.
const UNWRITTEN_BYTES_MAX: u64 = 16 << 20;
/// How far ahead of a reader chunks come first.
const URGENT_CHUNKS: u32 = 16;
/// At the end of a file, when no more chunks than this are missing, a slow one is asked of a second peer as well,
const ENDGAME_CHUNKS: u32 = 16;
/// if it was asked for so long ago, and that peer is much slower with it than it uses to be, or than the other:
const ENDGAME_AFTER: Duration = Duration::from_secs(1);
/// so many times.
const SLOWER_THAN_ITSELF: u32 = 2;
const SLOWER_THAN_OTHERS: u32 = 4;
/// How long the first chunk of a peer may take before it counts as slow.
const FIRST_TAKES: Duration = Duration::from_secs(2);
/// How often a neighbour's turn may have this node search for chunks beyond those that it offers.
const SEARCH_EVERY: Duration = Duration::from_millis(5);
/// How long a peer that was asked may bring nothing, and for how long it is not asked again then.
const STALL_MAX: Duration = Duration::from_secs(10);
const SHUN: Duration = Duration::from_secs(30);
/// The same for a list of hashes.
const LIST_MAX: Duration = Duration::from_secs(15);
/// How long a file of which nothing comes stays among those that are fetched, if others wait for its place.
const LONELY_MAX: Duration = Duration::from_secs(20);
/// How long a chunk may take, whatever else its giver brings meanwhile.
const CHUNK_MAX: Duration = Duration::from_secs(60);
/// All of this is for small chunks. For large ones there is as much time more as they take at this many bytes a second.
const SLOW_BYTES_PER_SECOND: u32 = 16 * 1024;
/// How many messages are expected at most that cross with a cancellation.
const LATE_MAX: u32 = 4096;
/// How many messages that nobody asked for a peer may send: some cross with a cancellation.
const UNASKED_MAX: u32 = 256;
/// How long to wait before a neighbour is asked to say again what it has.
const AGAIN_EVERY: Duration = Duration::from_secs(1);

impl Swarm {
    /// It is this node's turn with a neighbour: it asks for chunks, or says that it needs none.
    pub(super) fn on_turn(&mut self, now: Time, peer: PeerId, bytes: u32, offered: &[Picks]) {
        let chosen = self.choose(now, &peer, bytes, offered);
        let Some(neighbour) = self.peers.get_mut(&peer) else { return };
        if now.since(neighbour.searched) >= SEARCH_EVERY {
            neighbour.searched = now;
        }
        if neighbour.asked.is_empty() {
            neighbour.last_bytes = now;
        }
        for (place, chunk) in &chosen {
            let file = &mut self.files[*place as usize];
            let cost = u64::from(cost(file.manifest.chunk_len(*chunk)));
            self.download.spend(u64::from(file.manifest.chunk_len(*chunk)));
            if let Some(fetch) = file.fetch_mut() {
                fetch.asked_of.entry(*chunk).or_default().push((peer, now));
            }
            neighbour.asked.insert((*place, *chunk));
            neighbour.asked_bytes += cost;
            self.asked_bytes += cost;
        }
        let fetch = Frame::Fetch(picks(&self.files, &chosen));
        self.out.push_back(SwarmOutput::Frame(vec![peer], fetch));
    }

    /// Which chunks to ask a neighbour for: what a reader waits for, what it offered, the rarest beyond; at the very end what a
    /// slow one was asked for.
    fn choose(&mut self, now: Time, peer: &PeerId, bytes: u32, offered: &[Picks]) -> Vec<Chunk> {
        // Nobody can keep so much waiting that there is no room to ask others.
        let mine = self.peers.get(peer).map_or(0, |peer| peer.asked_bytes);
        let free =
            ASKED_BYTES_MAX.saturating_sub(self.asked_bytes).min(ASKED_OF_ONE_MAX.saturating_sub(mine));
        let left = i64::from(bytes).min(self.download.left(now)).min(free as i64);
        let mut basket = Basket { left, chosen: Vec::new(), taken: Set::new() };
        let is_full = self.asked_bytes >= ASKED_BYTES_MAX || self.unwritten_bytes >= UNWRITTEN_BYTES_MAX;
        let Some(neighbour) = self.peers.get(peer) else { return Vec::new() };
        if is_full || neighbour.shunned_until > now || left <= 0 {
            return Vec::new();
        }
        let wants = |place: u32, chunk: u32| {
            let fetch = self.files[place as usize].fetch();
            fetch.is_some_and(|fetch| fetch.is_ready() && fetch.wants(chunk))
        };
        for place in &self.fetching {
            let Some(urgent) = self.files[*place as usize].urgent else { continue };
            let soon = urgent..urgent.saturating_add(URGENT_CHUNKS);
            for chunk in soon.filter(|chunk| wants(*place, *chunk) && neighbour.has((*place, *chunk))) {
                basket.put(&self.files, *place, chunk);
            }
        }
        for Picks { file, chunks } in offered {
            let Some(place) = self.places.get(file).copied() else { continue };
            for chunk in chunks.iter().filter(|chunk| wants(place, **chunk)) {
                basket.put(&self.files, place, *chunk);
            }
        }
        let may_search = now.since(neighbour.searched) >= SEARCH_EVERY;
        let searched: &[u32] = if may_search { &self.fetching } else { &[] };
        for place in searched {
            if basket.is_full() {
                break;
            }
            if !neighbour.has_some(*place) {
                continue;
            }
            let file = &self.files[*place as usize];
            let mut found: Vec<(u16, u32, u32)> = (0..file.manifest.chunks())
                .filter(|chunk| wants(*place, *chunk) && neighbour.has((*place, *chunk)))
                .map(|chunk| rank(self.config.policy, file, chunk, &mut self.rng))
                .collect();
            found.sort_unstable();
            found.iter().for_each(|(_, _, chunk)| basket.put(&self.files, *place, *chunk));
        }
        if basket.chosen.is_empty() {
            for place in &self.fetching {
                let file = &self.files[*place as usize];
                let Some(fetch) = file.fetch() else { continue };
                if fetch.got.len() - fetch.got.count() > ENDGAME_CHUNKS {
                    continue;
                }
                for (chunk, asked) in fetch.asked_of.iter() {
                    let [(other, at)] = asked[..] else { continue };
                    let is_slow = other != *peer && self.is_slow(now.since(at), &other, neighbour);
                    if is_slow && neighbour.has((*place, *chunk)) {
                        basket.put(&self.files, *place, *chunk);
                    }
                }
            }
        }
        basket.chosen
    }

    /// Whether a peer has had a chunk to bring for so long that `other`, who could, should be asked too.
    fn is_slow(&self, since: Duration, peer: &PeerId, other: &Neighbour) -> bool {
        let takes = self.peers.get(peer).map_or(Duration::ZERO, |peer| peer.takes);
        let usual = if takes.is_zero() { FIRST_TAKES } else { takes };
        let is_slower = !other.takes.is_zero() && takes > other.takes * SLOWER_THAN_OTHERS;
        since > ENDGAME_AFTER && (is_slower || since > usual * SLOWER_THAN_ITSELF)
    }

    /// A part of a chunk came.
    pub(super) fn on_part(&mut self, now: Time, peer: PeerId, bulk: &Bulk<'_>, chunk: u32) {
        let asked = self.places.get(&bulk.file).map(|place| (*place, chunk));
        let Some(neighbour) = self.peers.get_mut(&peer) else { return };
        let Some((place, chunk)) = asked.filter(|asked| neighbour.asked.contains(asked)) else {
            return self.on_unasked(peer, bulk.bytes.len());
        };
        let file = &mut self.files[place as usize];
        let len = file.manifest.chunk_len(chunk) as usize;
        // Parts are as long as they can be, and come once: or a few bytes now and then would hold a file for ever.
        let is_full = bulk.bytes.len() == len.saturating_sub(bulk.offset as usize).min(PART_BYTES_MAX);
        let is_again = bulk.offset == 0
            && neighbour.coming.as_ref().is_some_and(|(coming, _)| *coming == (place, chunk));
        if !is_full || bulk.bytes.is_empty() || is_again {
            return self.on_unasked(peer, bulk.bytes.len());
        }
        if let Some(fetch) = file.fetch_mut() {
            fetch.moved = now;
        }
        if bulk.offset == 0 {
            neighbour.coming = Some(((place, chunk), Vec::with_capacity(len)));
        }
        let Some((_, bytes)) = neighbour.coming.as_mut().filter(|(coming, bytes)| {
            *coming == (place, chunk)
                && bytes.len() == bulk.offset as usize
                && bytes.len() + bulk.bytes.len() <= len
        }) else {
            return self.on_unasked(peer, bulk.bytes.len());
        };
        bytes.extend(bulk.bytes);
        neighbour.last_bytes = now;
        if bytes.len() == len
            && let Some((_, bytes)) = neighbour.coming.take()
        {
            self.on_chunk(now, peer, (place, chunk), bytes);
        }
    }

    /// A whole chunk came that was asked for.
    fn on_chunk(&mut self, now: Time, peer: PeerId, (place, chunk): Chunk, bytes: Vec<u8>) {
        self.received_bytes += bytes.len() as u64;
        self.take_back(&peer, (place, chunk));
        let file = &mut self.files[place as usize];
        let Some(hash) = file.check(chunk, &bytes) else {
            self.wasted_bytes += bytes.len() as u64;
            if let Some(fetch) = file.fetch_mut() {
                fetch.give_up(chunk, &peer);
                let what = "a chunk that is not what it should be".to_owned();
                self.out.push_back(SwarmOutput::Bad(peer, what));
            }
            return;
        };
        let id = file.id;
        let Some(fetch) = file.fetch_mut() else { return };
        let asked =
            fetch.asked_of.get(&chunk).and_then(|asked| asked.iter().find(|(other, _)| *other == peer));
        if let (Some((_, at)), Some(neighbour)) = (asked, self.peers.get_mut(&peer)) {
            let took = now.since(*at);
            neighbour.takes = if neighbour.takes.is_zero() { took } else { (3 * neighbour.takes + took) / 4 };
        }
        let others: Vec<PeerId> = fetch.settle(chunk).into_iter().filter(|other| *other != peer).collect();
        if !fetch.got.insert(chunk) {
            self.wasted_bytes += bytes.len() as u64;
            return;
        }
        let begins = !fetch.has_begun;
        if let Some(origin) = &mut file.origin {
            origin.note(chunk, peer, bytes.len() as u64);
        }
        if begins {
            self.begin_in_store(now, place, vec![hash]);
        }
        self.unwritten_bytes += bytes.len() as u64;
        self.files[place as usize].unwritten += bytes.len() as u64;
        self.version += 1;
        self.out.push_back(SwarmOutput::Store(StoreOrder::Write { file: id, chunk, bytes }));
        others.iter().for_each(|other| self.let_go(other, &[(place, chunk)]));
    }

    /// A peer has brought a chunk.
    fn take_back(&mut self, peer: &PeerId, (place, chunk): Chunk) {
        let cost = u64::from(cost(self.files[place as usize].manifest.chunk_len(chunk)));
        if let Some(neighbour) = self.peers.get_mut(peer)
            && neighbour.asked.remove(&(place, chunk))
        {
            neighbour.asked_bytes = neighbour.asked_bytes.saturating_sub(cost);
            self.asked_bytes = self.asked_bytes.saturating_sub(cost);
        }
    }

    /// A peer is not waited for any more with chunks, and is told so. What of them is on its way already may still come.
    pub(super) fn let_go(&mut self, peer: &PeerId, chunks: &[Chunk]) {
        for (place, chunk) in chunks {
            let file = &mut self.files[*place as usize];
            let parts = file.manifest.chunk_len(*chunk).div_ceil(PART_BYTES_MAX as u32);
            if let Some(fetch) = file.fetch_mut() {
                fetch.give_up(*chunk, peer);
            }
            if let Some(neighbour) = self.peers.get_mut(peer) {
                neighbour.late = neighbour.late.saturating_add(parts).min(LATE_MAX);
                neighbour.coming.take_if(|(coming, _)| *coming == (*place, *chunk));
            }
            self.take_back(peer, (*place, *chunk));
        }
        for part in chunks.chunks(PICKS_MAX) {
            let cancel = Frame::Cancel(picks(&self.files, part));
            self.out.push_back(SwarmOutput::Frame(vec![*peer], cancel));
        }
    }

    /// Chunks that a peer was asked for, whose link is gone, may be asked of others.
    pub(super) fn release(&mut self, peer: &PeerId, asked: &Set<Chunk>) {
        for (place, chunk) in asked.iter() {
            if let Some(fetch) = self.files[*place as usize].fetch_mut() {
                fetch.give_up(*chunk, peer);
            }
        }
    }

    /// Bytes came that nobody waits for: some cross with a cancellation.
    pub(super) fn on_unasked(&mut self, peer: PeerId, bytes: usize) {
        self.wasted_bytes += bytes as u64;
        let Some(neighbour) = self.peers.get_mut(&peer) else { return };
        if neighbour.late > 0 {
            neighbour.late -= 1;
            return;
        }
        neighbour.unasked += 1;
        if neighbour.unasked > UNASKED_MAX {
            self.out.push_back(SwarmOutput::Bad(peer, "bytes that nobody asked for".to_owned()));
        }
    }

    /// The store has written a chunk: it can be given to others.
    pub(super) fn on_written(&mut self, now: Time, id: &FileId, chunk: u32) {
        let Some(place) = self.places.get(id).copied() else { return };
        let file = &mut self.files[place as usize];
        let len = u64::from(file.manifest.chunk_len(chunk)).min(file.unwritten);
        file.unwritten -= len;
        self.unwritten_bytes = self.unwritten_bytes.saturating_sub(len);
        let Some(fetch) = file.fetch_mut() else { return };
        if !fetch.have.insert(chunk) {
            return;
        }
        self.version += 1;
        if fetch.have.is_full() {
            return self.finish(now, place);
        }
        if let Some(urgent) = file.urgent
            && let Some(fetch) = file.fetch()
        {
            file.urgent = (urgent..fetch.have.len()).find(|chunk| !fetch.have.has(*chunk));
        }
        if !self.has_news() {
            self.news.since = now;
        }
        self.news.chunks.push((place, chunk));
        // Whoever misses it may have a use for its turn again.
        for peer in self.peers.values_mut() {
            if peer.wants.get(&place).is_some_and(|bits| !bits.has(chunk)) {
                peer.idle_until = Time::ZERO;
            }
        }
    }

    /// The store cannot keep a file.
    pub(super) fn on_refused(&mut self, now: Time, id: &FileId, why: String) {
        let Some(place) = self.places.get(id).copied() else { return };
        let file = &mut self.files[place as usize];
        // Whatever else the store was given of it does not come to anything either.
        self.unwritten_bytes = self.unwritten_bytes.saturating_sub(std::mem::take(&mut file.unwritten));
        let Some(fetch) = file.fetch_mut() else { return };
        if fetch.have.count() == 0 {
            // It may not even have made room.
            fetch.has_begun = false;
        }
        self.abandon(place);
        self.refuse(now, place, why.clone());
        self.out.push_back(SwarmOutput::Failed(*id, why));
    }

    /// Waits for nobody for ever.
    pub(super) fn end_what_takes_too_long(&mut self, now: Time) {
        self.end_turns(now);
        let mut late: Vec<(PeerId, Vec<Chunk>)> = Vec::new();
        for (peer, neighbour) in self.peers.iter_mut() {
            let len = |chunk: &Chunk| self.files[chunk.0 as usize].manifest.chunk_len(chunk.1);
            let longest = neighbour.asked.iter().map(len).max().unwrap_or(0);
            let silence = now.since(neighbour.last_bytes);
            if !neighbour.asked.is_empty() && silence > STALL_MAX + slowly(longest) {
                neighbour.shunned_until = now + SHUN;
                late.push((*peer, neighbour.asked.iter().copied().collect()));
            }
        }
        // Nor is it enough to bring something now and then.
        for place in &self.fetching {
            let file = &self.files[*place as usize];
            let patience = CHUNK_MAX + 4 * slowly(file.manifest.chunk_bytes);
            for (chunk, asked) in file.fetch().into_iter().flat_map(|fetch| fetch.asked_of.iter()) {
                let old = asked.iter().filter(|(_, at)| now.since(*at) > patience);
                late.extend(old.map(|(peer, _)| (*peer, vec![(*place, *chunk)])));
            }
        }
        late.iter().for_each(|(peer, chunks)| self.let_go(peer, chunks));
        for place in self.fetching.clone() {
            let is_had = self.peers.values().any(|peer| peer.has_some(place));
            let file = &mut self.files[place as usize];
            let patience = LONELY_MAX + slowly(file.manifest.chunk_bytes);
            let Some(fetch) = file.fetch_mut() else { continue };
            if self.is_crowded && now.since(fetch.moved) > patience {
                file.rests_until = now + TROUBLE_PAUSE;
                self.abandon(place);
                self.wait_again(place);
                self.look = true;
                continue;
            }
            let silent = fetch.list.take_if(|(_, at, _)| now.since(*at) > LIST_MAX);
            let is_waited_for = fetch.is_ready() || fetch.list.is_some();
            if let Some(neighbour) = silent.and_then(|(peer, ..)| self.peers.get_mut(&peer)) {
                neighbour.shunned_until = now + SHUN;
            }
            if !is_waited_for && is_had {
                self.ask_for_list(now, place);
            }
        }
    }

    /// Asks neighbours who spoke of unknown files to say it again, once more files are known.
    pub(super) fn ask_again(&mut self, now: Time) {
        for (peer, neighbour) in self.peers.iter_mut() {
            let (at, known) = neighbour.asked_again;
            let is_due = now.since(at) >= AGAIN_EVERY && known < self.files.len();
            if neighbour.spoke_of_unknown && is_due {
                neighbour.spoke_of_unknown = false;
                neighbour.asked_again = (now, self.files.len());
                self.out.push_back(SwarmOutput::Frame(vec![*peer], Frame::AskHolds));
            }
        }
    }
}

/// How long a chunk of so many bytes takes on a slow line.
fn slowly(bytes: u32) -> Duration {
    Duration::from_millis(u64::from(bytes) * 1000 / u64::from(SLOW_BYTES_PER_SECOND))
}

/// Chunks to ask for, as many as a turn allows.
struct Basket {
    left: i64,
    chosen: Vec<Chunk>,
    taken: Set<Chunk>,
}

impl Basket {
    fn put(&mut self, files: &[super::File], place: u32, chunk: u32) {
        if !self.is_full() && self.taken.insert((place, chunk)) {
            self.left -= i64::from(cost(files[place as usize].manifest.chunk_len(chunk)));
            self.chosen.push((place, chunk));
        }
    }

    fn is_full(&self) -> bool {
        self.left <= 0 || self.chosen.len() >= PICKS_MAX
    }
}
