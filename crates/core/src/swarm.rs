//! The exchange of chunks between neighbours: who asks whom for what, and who is given what.
//!
//! A [`Swarm`] performs no I/O and reads no clock, like the node it is part of; the simulator runs it alone. In the life of a chunk:
//!
//! 1. A node that wants a file says so ([`Frame::Wants`], [`Frame::Chunks`]), and what it has of it already.
//! 2. Whoever has chunks of it and room to send *gives a turn* to the neighbour that misses most, with the chunks that it
//!    would like best to give: the rarest among its neighbours, counting those it has promised to others.
//! 3. The neighbour asks for as many as the turn allows: of those named the ones that it still lacks and nobody else is
//!    bringing, then the rarest by its own count. A turn that is of no use is answered too, and the giver turns to others.
//! 4. The chunk is read from the store and sent over the bulk channel, no more at once than the windows allow: what is
//!    promised, read and underway counts until the connection has taken it. On a slow line the windows are smaller.
//! 5. The receiver checks its hash. A wrong one is the end of that link; a right one is written, and told to the neighbours.
//!
//! So a giver decides who gets the next chunk, the taker decides which, nobody is sent what it has, and a chunk is asked of a
//! second peer only at the very end of a file, when the first one is slow. Measured in the simulator: 20 servers with one
//! upload at a time come within a tenth of the least number of rounds there can be (see `manyhands-sim`).
//!
//! After Cohen, *Incentives build robustness in BitTorrent* (2003), for rarest first and the endgame; Mundinger, Weber and Weiss,
//! *Optimal scheduling of peer-to-peer file dissemination* (2008), for the bound.

mod begin;
mod bits;
mod file;
mod give;
mod life;
mod neighbour;
mod show;
mod take;

use std::collections::VecDeque;
use std::time::Duration;

use manyhands_wire::bulk::{Bulk, BulkKind};
use manyhands_wire::file::{FILE_IDS_MAX, PICKS_MAX, Picks};
use manyhands_wire::{FileId, Frame, PeerId};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use crate::files::{StoreEvent, StoreOrder};
use crate::table::{Set, Table};
use crate::time::Time;
pub use bits::Bits;
use file::File;
use neighbour::{Chunk, Neighbour};
pub use show::FileView;

/// What a chunk costs of a window at least, in bytes: small ones are mostly messages.
pub const CHUNK_COST_MIN: u32 = 4096;
/// How often what is due is looked after while something goes on.
const TICK: Duration = Duration::from_millis(100);
/// How long the news of a chunk waits for more such news.
const TELL_PAUSE: Duration = Duration::from_millis(10);
/// How much such news is told without waiting.
const TELL_MAX: usize = 32;
/// How far ahead bytes may be promised or underway, at the pace of late: this, and some round trips. More would only wait, and
/// what waits comes late to those who could give it on (measured: five times as long costs a tenth of the time).
const AHEAD: Duration = Duration::from_millis(100);
const AHEAD_ROUND_TRIPS: u32 = 5;
/// Which part of all windows may be used at any pace: with the usual windows and chunks, that of two chunks.
const WINDOWS_PART_MIN: u64 = 64;
/// How often a neighbour may ask to be told everything again.
const TELL_ALL_EVERY: Duration = Duration::from_millis(500);
/// How often the speeds are counted.
const RATE_EVERY: Duration = Duration::from_secs(1);

/// How chunks are exchanged.
#[derive(Clone, Debug)]
pub struct SwarmConfig {
    /// Who is given what.
    pub policy: Policy,
    /// How many bytes per second are given to others at most; 0 for no limit.
    pub upload_bytes_per_second: u64,
    /// How many bytes per second are fetched at most; 0 for no limit.
    pub download_bytes_per_second: u64,
    /// How many bytes one neighbour may be promised or sent at once.
    pub window_bytes: u32,
    /// The same for all neighbours together.
    pub windows_bytes: u32,
}

/// Who is given what. All but the first are for comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// The neighbour that misses most, and of what it misses the rarest among the neighbours.
    #[default]
    MostMissingRarest,
    /// Any neighbour, any chunk.
    Random,
    /// Any neighbour, the first chunk that it misses.
    Sequential,
    /// As the first, but only who had the whole file from the beginning gives.
    SeederOnly,
}

impl Default for SwarmConfig {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            upload_bytes_per_second: 0,
            download_bytes_per_second: 0,
            window_bytes: 4 << 20,
            windows_bytes: 8 << 20,
        }
    }
}

/// What a swarm wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SwarmOutput {
    /// Tell these neighbours.
    Frame(Vec<PeerId>, Frame),
    /// Send this neighbour bytes over the bulk channel.
    Bulk(PeerId, Vec<u8>),
    /// Have the store do this.
    Store(StoreOrder),
    /// A file is whole.
    Here(FileId),
    /// A file cannot be kept.
    Failed(FileId, String),
    /// A peer sent what is wrong: it is not to be believed any more.
    Bad(PeerId, String),
}

/// A node's part in the exchange of chunks.
pub struct Swarm {
    config: SwarmConfig,
    quota_bytes: u64,
    rng: ChaCha8Rng,
    places: Table<FileId, u32>,
    files: Vec<File>,
    peers: Table<PeerId, Neighbour>,
    out: VecDeque<SwarmOutput>,
    /// Files that are wanted and not yet fetched, those that were asked for first, then the older ones.
    waiting: Set<(bool, u32)>,
    /// Whether one of them may be begun.
    look: bool,
    fetching: Vec<u32>,
    /// Whether some wait only because others are being fetched.
    is_crowded: bool,
    news: News,
    /// Chunks that the store reads, and for whom.
    reading: VecDeque<(Chunk, PeerId)>,
    unwritten_bytes: u64,
    asked_bytes: u64,
    upload: Bucket,
    download: Bucket,
    /// How many bytes of windows came to be free in a tick, of late; and since the last tick, as neighbours said what they have.
    pace: u64,
    arrived: u64,
    ticked: Time,
    rated: Time,
    /// Changes whenever something about some file does.
    version: u64,
    bytes_kept: u64,
    sent_bytes: u64,
    received_bytes: u64,
    wasted_bytes: u64,
}

/// What the neighbours are to be told together.
#[derive(Default)]
struct News {
    /// Chunks that are here now.
    chunks: Vec<Chunk>,
    /// Files that are whole now.
    whole: Vec<FileId>,
    /// Files that are wanted now, by their place.
    wanted: Vec<u32>,
    /// Since when there is something.
    since: Time,
}

/// A token bucket of bytes; a rate of 0 is no limit.
struct Bucket {
    rate: u64,
    left: i64,
    counted: Time,
}

impl Bucket {
    fn new(rate: u64, now: Time) -> Self {
        Self { rate, left: rate as i64, counted: now }
    }

    /// How many bytes may be spent now; the last chunk may exceed that.
    fn left(&mut self, now: Time) -> i64 {
        if self.rate == 0 {
            return i64::MAX;
        }
        let earned = now.since(self.counted).as_micros() * u128::from(self.rate) / 1_000_000;
        if earned > 0 {
            let most = i64::try_from(self.rate).unwrap_or(i64::MAX);
            self.left = self.left.saturating_add(i64::try_from(earned).unwrap_or(i64::MAX)).min(most);
            self.counted = now;
        }
        self.left
    }

    fn spend(&mut self, bytes: u64) {
        if self.rate > 0 {
            self.left = self.left.saturating_sub(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }
}

impl Swarm {
    /// A swarm without files or neighbours.
    pub fn new(config: SwarmConfig, quota_bytes: u64, seed: [u8; 32], now: Time) -> Self {
        Self {
            upload: Bucket::new(config.upload_bytes_per_second, now),
            download: Bucket::new(config.download_bytes_per_second, now),
            config,
            quota_bytes,
            rng: ChaCha8Rng::from_seed(seed),
            places: Table::new(),
            files: Vec::new(),
            peers: Table::new(),
            out: VecDeque::new(),
            waiting: Set::new(),
            look: false,
            fetching: Vec::new(),
            is_crowded: false,
            news: News::default(),
            reading: VecDeque::new(),
            unwritten_bytes: 0,
            asked_bytes: 0,
            pace: 0,
            arrived: 0,
            ticked: now,
            rated: now,
            version: 1,
            bytes_kept: 0,
            sent_bytes: 0,
            received_bytes: 0,
            wasted_bytes: 0,
        }
    }

    /// Where a file is in the order in which files became known.
    pub(crate) fn place(&self, id: &FileId) -> Option<u32> {
        self.places.get(id).copied()
    }

    pub(crate) fn id_at(&self, place: u32) -> Option<FileId> {
        self.files.get(place as usize).map(|file| file.id)
    }

    pub(crate) fn is_here_at(&self, place: u32) -> bool {
        self.files.get(place as usize).is_some_and(File::is_here)
    }

    /// Whether a file is known.
    pub fn knows(&self, id: &FileId) -> bool {
        self.places.contains_key(id)
    }

    /// A link counts now.
    pub fn on_link_up(&mut self, now: Time, peer: PeerId) {
        self.peers.insert(peer, Neighbour { last_bytes: now, ..Neighbour::default() });
        self.tell_all(peer);
        self.look = true;
    }

    /// A neighbour asks to be told again, which it may do now and then.
    fn tell_all_again(&mut self, now: Time, peer: PeerId) {
        let Some(neighbour) = self.peers.get_mut(&peer) else { return };
        if now.since(neighbour.told_all) >= TELL_ALL_EVERY {
            neighbour.told_all = now;
            self.tell_all(peer);
        }
    }

    /// Tells a neighbour all that this node has and wants.
    fn tell_all(&mut self, peer: PeerId) {
        let here: Vec<FileId> = self.files.iter().filter(|file| file.is_here()).map(|file| file.id).collect();
        for part in here.chunks(FILE_IDS_MAX) {
            self.out.push_back(SwarmOutput::Frame(vec![peer], Frame::Holds(part.to_vec())));
        }
        for place in &self.fetching {
            let file = &self.files[*place as usize];
            if let Some(fetch) = file.fetch().filter(|fetch| fetch.is_ready()) {
                let bits = fetch.have.as_bytes().to_vec();
                self.out.push_back(SwarmOutput::Frame(vec![peer], Frame::Chunks { file: file.id, bits }));
            }
        }
    }

    /// A link is gone.
    pub fn on_link_down(&mut self, now: Time, peer: &PeerId) {
        let Some(gone) = self.peers.remove(peer) else { return };
        self.release(peer, &gone.asked);
        self.asked_bytes = self.asked_bytes.saturating_sub(gone.asked_bytes);
        for (place, bits) in gone.wants.iter() {
            self.count_copies(*place, bits, false);
        }
        for (place, chunk) in gone.promised.iter().chain(&gone.offered) {
            self.count_copy(*place, *chunk, false);
        }
        self.reading
            .iter_mut()
            .filter(|(_, whom)| whom == peer)
            .for_each(|(_, whom)| *whom = PeerId([0; 32]));
        for place in self.fetching.clone() {
            if let Some(fetch) = self.files[place as usize].fetch_mut()
                && fetch.list.as_ref().is_some_and(|(whom, ..)| whom == peer)
            {
                fetch.list = None;
            }
        }
        self.look = true;
        self.version += 1;
        self.go_on(now);
    }

    /// A neighbour said something about files.
    pub fn on_frame(&mut self, now: Time, peer: PeerId, frame: Frame) {
        if !self.peers.contains_key(&peer) {
            return;
        }
        match frame {
            Frame::Holds(ids) => self.on_holds(peer, &ids),
            Frame::Lacks(ids) => self.on_lacks(peer, &ids),
            Frame::AskHolds => self.tell_all_again(now, peer),
            Frame::Wants(ids) => {
                for id in ids {
                    let chunks = self.file(&id).map_or(0, |(_, file)| file.manifest.chunks());
                    self.on_chunks(peer, &id, Bits::none(chunks).as_bytes().to_vec());
                }
            }
            Frame::Unwants(ids) => ids.iter().for_each(|id| self.on_unwants(peer, id)),
            Frame::Chunks { file, bits } => self.on_chunks(peer, &file, bits),
            Frame::Got(picks) => self.on_got(peer, &picks),
            Frame::Turn { bytes, picks } => self.on_turn(now, peer, bytes, &picks),
            Frame::Fetch(picks) => self.on_fetch(now, peer, &picks),
            Frame::Cancel(picks) => self.on_cancel(peer, &picks),
            Frame::AskHashes(file) => self.on_ask_hashes(peer, &file),
            _ => {}
        }
        self.go_on(now);
    }

    /// A neighbour sent bytes.
    pub fn on_bulk(&mut self, now: Time, peer: PeerId, bytes: &[u8]) {
        let Some(bulk) = Bulk::decode(bytes) else {
            self.out.push_back(SwarmOutput::Bad(peer, "bytes that are no part of a file".to_owned()));
            return;
        };
        match bulk.kind {
            BulkKind::Chunk(chunk) => self.on_part(now, peer, &bulk, chunk),
            BulkKind::Hashes => self.on_hashes_part(now, peer, &bulk),
        }
        self.go_on(now);
    }

    /// The connection to a neighbour has taken a message of bytes.
    pub fn on_sent(&mut self, now: Time, peer: &PeerId) {
        if let Some(neighbour) = self.peers.get_mut(peer)
            && let Some(bytes) = neighbour.in_driver.pop_front()
        {
            neighbour.in_driver_bytes = neighbour.in_driver_bytes.saturating_sub(u64::from(bytes));
            neighbour.driven = now;
        }
        self.go_on(now);
    }

    /// The store answered.
    pub fn on_store(&mut self, now: Time, event: StoreEvent) {
        match event {
            StoreEvent::Written { file, chunk } => self.on_written(now, &file, chunk),
            StoreEvent::Refused { file, why } => self.on_refused(now, &file, why),
            StoreEvent::Read { file, chunk, bytes } => self.on_read(now, &file, chunk, bytes),
            StoreEvent::Hashes { file, hashes } => self.on_stored_hashes(now, &file, hashes),
        }
        self.go_on(now);
    }

    /// When [`Swarm::on_tick`] is to be called at the latest.
    pub fn poll_timeout(&self) -> Time {
        let told = if self.has_news() { self.news.since + TELL_PAUSE } else { Time::NEVER };
        let is_busy = !self.fetching.is_empty()
            || !self.waiting.is_empty()
            || self.peers.values().any(|peer| !peer.wants.is_empty() || peer.spoke_of_unknown);
        if is_busy { told.min(self.ticked + TICK) } else { told }
    }

    /// Does what is due.
    pub fn on_tick(&mut self, now: Time) {
        if now.since(self.ticked) >= TICK {
            let ticks = now.since(self.ticked).as_micros() as u64 * 8 / TICK.as_micros() as u64;
            let arrived = std::mem::take(&mut self.arrived) * 8 / ticks.max(8);
            // Quick to grow, and slower to fall.
            self.pace =
                if arrived > self.pace { (self.pace + arrived) / 2 } else { (3 * self.pace + arrived) / 4 };
            self.ticked = now;
            self.end_what_takes_too_long(now);
            self.ask_again(now);
            let dt = now.since(self.rated);
            if dt >= RATE_EVERY {
                self.rated = now;
                for place in &self.fetching {
                    if let Some(origin) = &mut self.files[*place as usize].origin {
                        let fresh = origin.fresh as f64 / dt.as_secs_f64();
                        let rate = if origin.rate == 0.0 { fresh } else { 0.5 * origin.rate + 0.5 * fresh };
                        (origin.rate, origin.fresh) = (rate, 0);
                        self.version += 1;
                    }
                }
                self.look = true;
            }
        }
        self.go_on(now);
    }

    /// The next thing to do, if any.
    pub fn poll_output(&mut self) -> Option<SwarmOutput> {
        self.out.pop_front()
    }

    /// Whatever has become possible.
    fn go_on(&mut self, now: Time) {
        self.begin_files(now);
        self.send_queued(now);
        self.give_turns(now);
        let is_due = now.since(self.news.since) >= TELL_PAUSE || self.news.chunks.len() >= TELL_MAX;
        if self.has_news() && is_due {
            self.tell_news();
        }
    }

    fn has_news(&self) -> bool {
        !self.news.chunks.is_empty() || !self.news.whole.is_empty() || !self.news.wanted.is_empty()
    }

    /// Tells the neighbours which chunks and files are here now.
    fn tell_news(&mut self) {
        let News { chunks, whole: files, wanted, .. } = std::mem::take(&mut self.news);
        let everybody: Vec<PeerId> = self.peers.keys().copied().collect();
        if everybody.is_empty() {
            return;
        }
        let mut by_file: Table<u32, Vec<u32>> = Table::new();
        for (place, chunk) in chunks {
            by_file.entry(place).or_default().push(chunk);
        }
        for (place, chunks) in by_file.iter() {
            let file = &self.files[*place as usize];
            // The first news of a file is for everybody: some wait until a neighbour has any of it. Afterwards, whoever neither
            // has nor wants it does not care who has which part.
            let is_first = file.chunks_here() as usize <= chunks.len();
            let interested =
                |peer: &Neighbour| is_first || peer.holds.has(*place) || peer.wants.contains_key(place);
            let whom: Vec<PeerId> =
                self.peers.iter().filter(|(_, peer)| interested(peer)).map(|(id, _)| *id).collect();
            if whom.is_empty() || file.is_here() {
                continue;
            }
            for part in chunks.chunks(PICKS_MAX) {
                let got = Frame::Got(vec![Picks { file: file.id, chunks: part.to_vec() }]);
                self.out.push_back(SwarmOutput::Frame(whom.clone(), got));
            }
        }
        let mut names = Vec::new();
        for place in wanted {
            let file = &self.files[place as usize];
            let Some(fetch) = file.fetch() else { continue };
            if fetch.have.count() == 0 {
                names.push(file.id);
                continue;
            }
            let frame = Frame::Chunks { file: file.id, bits: fetch.have.as_bytes().to_vec() };
            self.out.push_back(SwarmOutput::Frame(everybody.clone(), frame));
        }
        for part in names.chunks(FILE_IDS_MAX) {
            self.out.push_back(SwarmOutput::Frame(everybody.clone(), Frame::Wants(part.to_vec())));
        }
        for part in files.chunks(FILE_IDS_MAX) {
            self.out.push_back(SwarmOutput::Frame(everybody.clone(), Frame::Holds(part.to_vec())));
        }
    }

    fn file(&self, id: &FileId) -> Option<(u32, &File)> {
        let place = self.places.get(id).copied()?;
        Some((place, &self.files[place as usize]))
    }

    /// Counts a copy of a chunk among the neighbours, or one less.
    fn count_copy(&mut self, place: u32, chunk: u32, is_there: bool) {
        if let Some(copies) = &mut self.files[place as usize].copies
            && let Some(count) = copies.get_mut(chunk as usize)
        {
            *count = if is_there { count.saturating_add(1) } else { count.saturating_sub(1) };
        }
    }

    fn count_copies(&mut self, place: u32, bits: &Bits, is_there: bool) {
        let file = &mut self.files[place as usize];
        if is_there {
            file.copies.get_or_insert_with(|| vec![0; bits.len() as usize]);
        }
        if bits.count() > 0 {
            bits.iter().for_each(|chunk| self.count_copy(place, chunk, is_there));
        }
    }
}

/// What a chunk of so many bytes costs of a window.
fn cost(bytes: u32) -> u32 {
    bytes.max(CHUNK_COST_MIN)
}

/// By which a chunk comes before others: the rarest first, then by chance, or as the policy has it.
fn rank(policy: Policy, file: &File, chunk: u32, rng: &mut ChaCha8Rng) -> (u16, u32, u32) {
    match policy {
        Policy::MostMissingRarest | Policy::SeederOnly => {
            let copies = file.copies.as_ref().and_then(|copies| copies.get(chunk as usize));
            (copies.copied().unwrap_or(0), rng.next_u32(), chunk)
        }
        Policy::Random => (0, rng.next_u32(), chunk),
        Policy::Sequential => (0, chunk, chunk),
    }
}

/// Chunks by file, as frames carry them, in their order as far as that allows.
fn picks(files: &[File], chunks: &[Chunk]) -> Vec<Picks> {
    let mut picks: Vec<Picks> = Vec::new();
    for (place, chunk) in chunks {
        let file = files[*place as usize].id;
        match picks.last_mut() {
            Some(last) if last.file == file => last.chunks.push(*chunk),
            _ => picks.push(Picks { file, chunks: vec![*chunk] }),
        }
    }
    picks
}

#[cfg(test)]
mod tests;
