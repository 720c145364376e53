//! Parcels: where long tests stand, and proofs of results, kept by peers for each other (see
//! [`wire::parcel`](manyhands_wire::parcel)).
//!
//! 1. Who has a new parcel tells every linked peer its label. Of where a test stands only the furthest counts.
//! 2. A saved test is fetched at once by [`KEEPERS`] of those that hear of it, by lot: so it outlives who made it. They tell
//!    that they have it too.
//! 3. Who is to go on with a unit that a label is known for, or to check a result that a proof is known of, fetches the
//!    parcel from any peer that has it, a few parts ahead, and goes to the next when one is silent for [`SILENCE_MAX`].
//! 4. What is whole must have the hash that its label says. What the test of a finished unit stood at is thrown away.
//!
//! Who gives slowly does not hold anybody up for ever: a parcel has to come at [`PACE_MIN`] in the average, and its parts whole.
//!
//! A parcel is not to be trusted for that: a saved test may be made up. Who goes on from a foreign one proves its own result
//! before it is told (see the kernel), and a proof is verified anyway.

use std::collections::VecDeque;
use std::time::Duration;

use manyhands_jobs::worker::Saved;
use manyhands_wire::parcel::{LABELS_MAX, Label, PART_BYTES_MAX, ParcelKind};
use manyhands_wire::{Frame, JobId, PeerId, UnitRange};

use crate::post::Post;
use crate::table::{Set, Table};
use crate::time::Time;

/// How many peers besides its maker keep a saved test.
pub(crate) const KEEPERS: usize = 2;
/// How many bytes of parcels are kept at most, and how many parcels; the oldest go first.
const KEPT_BYTES_MAX: usize = 96 << 20;
const KEPT_MAX: usize = 512;
/// How many labels are remembered of each peer, the newest.
const OFFERS_MAX: usize = 256;
/// How many parcels are fetched at once.
const FETCHES_MAX: usize = 8;
/// How many parts of a parcel are asked for ahead of what came: some round trips of a common line.
const AHEAD: u32 = 8;
/// How long a peer may keep silent that was asked for a part.
const SILENCE_MAX: Duration = Duration::from_secs(4);
/// How fast a parcel has to come on the average, in bytes per second, after a while to begin.
const PACE_MIN: u32 = 16 << 10;
const PACE_FROM: Duration = Duration::from_secs(20);
/// How long one that nobody gave is not tried again.
const LOST_FOR: Duration = Duration::from_secs(60);
/// How long one that a peer fetches is kept although there is a newer one.
const GIVEN_LATELY: Duration = Duration::from_secs(8);

/// A parcel that is here.
struct Kept {
    label: Label,
    bytes: Vec<u8>,
    /// Whether another peer made it.
    is_foreign: bool,
    /// How many bytes of it were given to whom, and when last.
    given: (Table<PeerId, usize>, Time),
}

/// A parcel on its way.
struct Fetch {
    label: Label,
    from: PeerId,
    got: Vec<u8>,
    /// Up to where parts were asked for, in bytes.
    asked: u32,
    begun: Time,
    heard: Time,
    /// Who was asked and did not have it.
    failed: Set<PeerId>,
}

/// A parcel that could not be fetched: when that was found out, and who did not give it.
struct Lost {
    hash: [u8; 32],
    at: Time,
    failed: Set<PeerId>,
}

/// Whether something is known of where a unit's test stands.
pub(crate) enum Standing {
    /// It is here.
    Here(Saved),
    /// It is on its way.
    Coming,
    /// Nothing is known, or nobody gives it.
    Unknown,
}

/// The parcels of one job.
pub(crate) struct Parcels {
    job: JobId,
    kept: VecDeque<Kept>,
    offers: Table<PeerId, VecDeque<Label>>,
    fetches: Vec<Fetch>,
    /// What could not be fetched, the newest.
    lost: VecDeque<Lost>,
    /// Grows whenever the saved tests that are here change.
    version: u64,
}

impl Parcels {
    pub(crate) fn new(job: JobId) -> Self {
        Self {
            job,
            kept: VecDeque::new(),
            offers: Table::new(),
            fetches: Vec::new(),
            lost: VecDeque::new(),
            version: 0,
        }
    }

    /// Keeps a parcel that this node's worker made, and tells everybody.
    pub(crate) fn make(&mut self, now: Time, unit: u64, kind: ParcelKind, bytes: Vec<u8>, post: &mut Post) {
        let Ok(len) = u32::try_from(bytes.len()) else { return };
        let label = Label { unit, kind, hash: *blake3::hash(&bytes).as_bytes(), bytes: len };
        // What this node's own worker says counts, whatever others say they have.
        let claims: Vec<[u8; 32]> = self
            .labels(unit)
            .filter(|other| is_same_sort(other.kind, kind) && other.kind > kind)
            .map(|other| other.hash)
            .collect();
        claims.into_iter().for_each(|hash| self.give_up(now, hash, Set::new()));
        self.kept.retain(|kept| {
            !(kept.is_foreign && kept.label.unit == unit && is_same_sort(kept.label.kind, kind))
        });
        self.keep(now, label, bytes, false, post);
    }

    /// The tests that are saved here, for whoever keeps them beyond the program's end, and a number that grows with every
    /// change of them.
    pub(crate) fn saved(&self) -> (u64, impl Iterator<Item = Saved> + '_) {
        let saved = self.kept.iter().filter_map(|kept| match kept.label.kind {
            ParcelKind::Saved { .. } => {
                let (unit, state) = (kept.label.unit, kept.bytes.clone());
                Some(Saved { unit, state, is_foreign: kept.is_foreign })
            }
            ParcelKind::Proof => None,
        });
        (self.version, saved)
    }

    /// Takes back what was saved before the program began. How far each test is, is not known: anything newer takes its place.
    pub(crate) fn recall(&mut self, saved: Vec<Saved>) {
        for Saved { unit, state, is_foreign } in saved {
            let Ok(bytes) = u32::try_from(state.len()) else { continue };
            let hash = *blake3::hash(&state).as_bytes();
            let label = Label { unit, kind: ParcelKind::Saved { iteration: 0 }, hash, bytes };
            self.kept.push_back(Kept { label, bytes: state, is_foreign, given: (Table::new(), Time::ZERO) });
        }
    }

    fn keep(&mut self, now: Time, label: Label, bytes: Vec<u8>, is_foreign: bool, post: &mut Post) {
        let is_further =
            |kept: &Kept| is_same_sort(kept.label.kind, label.kind) && kept.label.kind > label.kind;
        if self.kept.iter().any(|kept| kept.label.unit == label.unit && is_further(kept)) {
            return;
        }
        // One that somebody is just fetching stays until that is over.
        let is_older = |kept: &Kept| {
            kept.label.unit == label.unit
                && is_same_sort(kept.label.kind, label.kind)
                && now.since(kept.given.1) >= GIVEN_LATELY
        };
        self.kept.retain(|kept| !is_older(kept));
        self.version += 1;
        self.kept.push_back(Kept { label, bytes, is_foreign, given: (Table::new(), Time::ZERO) });
        self.make_room();
        post.send_all(Frame::Labels { job: self.job, labels: vec![label] });
    }

    /// Throws away the oldest while there is too much, but for this node's own tests under way: these are as few as its threads.
    fn make_room(&mut self) {
        let mut size: usize = self.kept.iter().map(|kept| kept.bytes.len()).sum();
        while self.kept.len() > KEPT_MAX || size > KEPT_BYTES_MAX {
            let is_own =
                |kept: &Kept| !kept.is_foreign && matches!(kept.label.kind, ParcelKind::Saved { .. });
            let Some(at) = self.kept.iter().position(|kept| !is_own(kept)) else { return };
            size -= self.kept.remove(at).map_or(0, |kept| kept.bytes.len());
        }
    }

    /// All labels known for a unit.
    fn labels(&self, unit: u64) -> impl Iterator<Item = &Label> {
        let kept = self.kept.iter().map(|kept| &kept.label);
        kept.chain(self.offers.values().flatten()).filter(move |label| label.unit == unit)
    }

    fn is_lost(&self, hash: &[u8; 32]) -> bool {
        self.lost.iter().any(|lost| lost.hash == *hash)
    }

    /// A new link: the peer is told what is here.
    pub(crate) fn on_link_up(&self, peer: PeerId, post: &mut Post) {
        let labels: Vec<Label> = self.kept.iter().map(|kept| kept.label).collect();
        for labels in labels.chunks(LABELS_MAX) {
            post.send(peer, Frame::Labels { job: self.job, labels: labels.to_vec() });
        }
    }

    /// The link is gone, and with it what the peer has.
    pub(crate) fn on_link_down(&mut self, now: Time, peer: &PeerId, post: &mut Post) {
        self.offers.remove(peer);
        let (cut, rest): (Vec<Fetch>, Vec<Fetch>) =
            std::mem::take(&mut self.fetches).into_iter().partition(|fetch| fetch.from == *peer);
        self.fetches = rest;
        for fetch in cut {
            self.fetch_elsewhere(now, fetch, post);
        }
    }

    /// A peer tells what it has. `is_keeper` tells whether the lot falls on this node to keep a saved test too.
    pub(crate) fn on_labels(
        &mut self,
        now: Time,
        peer: PeerId,
        labels: impl Iterator<Item = Label>,
        is_keeper: impl Fn(&Label) -> bool,
        post: &mut Post,
    ) {
        for label in labels {
            // What one did not give another may.
            self.lost.retain(|lost| {
                lost.hash != label.hash || lost.failed.is_empty() || lost.failed.contains(&peer)
            });
            let theirs = self.offers.entry(peer).or_default();
            theirs.retain(|known| known.unit != label.unit || !is_same_sort(known.kind, label.kind));
            theirs.push_back(label);
            if theirs.len() > OFFERS_MAX {
                theirs.pop_front();
            }
            let is_furthest = self.furthest(label.unit) == Some(label);
            if matches!(label.kind, ParcelKind::Saved { .. }) && is_furthest && is_keeper(&label) {
                self.fetch(now, label, post);
            }
        }
    }

    /// The unit of a range with a saved test that comes first, if any.
    pub(crate) fn first_saved(&self, range: UnitRange) -> Option<u64> {
        let kept = self.kept.iter().map(|kept| &kept.label);
        let labels = kept.chain(self.offers.values().flatten());
        let is_usable = |label: &&Label| {
            matches!(label.kind, ParcelKind::Saved { .. })
                && range.contains(label.unit)
                && !self.is_lost(&label.hash)
        };
        labels.filter(is_usable).map(|label| label.unit).min()
    }

    /// Where the test of a unit stands that is to be gone on with now.
    pub(crate) fn standing(&mut self, now: Time, unit: u64, post: &mut Post) -> Standing {
        let Some(label) = self.furthest(unit) else { return Standing::Unknown };
        if let Some(kept) = self.kept.iter().find(|kept| kept.label == label) {
            let state = kept.bytes.clone();
            return Standing::Here(Saved { unit, state, is_foreign: kept.is_foreign });
        }
        if self.fetch(now, label, post) { Standing::Coming } else { Standing::Unknown }
    }

    /// A unit's proof: `Ok` once it is here, `Err(true)` while there is hope.
    pub(crate) fn proof(&mut self, now: Time, unit: u64, post: &mut Post) -> Result<Vec<u8>, bool> {
        let is_it = |label: &&Label| label.unit == unit && label.kind == ParcelKind::Proof;
        if let Some(kept) = self.kept.iter().find(|kept| is_it(&&kept.label)) {
            return Ok(kept.bytes.clone());
        }
        let offered = self.offers.values().flatten().filter(is_it).find(|label| !self.is_lost(&label.hash));
        let Some(label) = offered.copied() else { return Err(false) };
        Err(self.fetch(now, label, post))
    }

    /// Units are finished: where their tests stood is of no use any more.
    pub(crate) fn on_finished(&mut self, units: &[UnitRange]) {
        if self.kept.is_empty() && self.offers.is_empty() && self.fetches.is_empty() {
            return;
        }
        let is_over = |label: &Label| {
            matches!(label.kind, ParcelKind::Saved { .. }) && units.iter().any(|run| run.contains(label.unit))
        };
        let before = self.kept.len();
        self.kept.retain(|kept| !is_over(&kept.label));
        self.version += u64::from(self.kept.len() < before);
        self.fetches.retain(|fetch| !is_over(&fetch.label));
        self.offers.values_mut().for_each(|labels| labels.retain(|label| !is_over(label)));
    }

    /// Whether a saved test that this node made is still nowhere else.
    pub(crate) fn has_ungiven(&self) -> bool {
        let is_saved = |kept: &&Kept| matches!(kept.label.kind, ParcelKind::Saved { .. });
        self.kept.iter().filter(is_saved).any(|kept| !kept.is_foreign && !kept.is_given())
    }

    /// Whether something is on its way.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.fetches.is_empty()
    }

    /// A peer asks for a part.
    pub(crate) fn on_ask(&mut self, now: Time, peer: PeerId, hash: [u8; 32], from: u32, post: &mut Post) {
        let kept = self.kept.iter_mut().find(|kept| kept.label.hash == hash);
        let at = usize::try_from(from).unwrap_or(usize::MAX);
        let part = kept.as_ref().and_then(|kept| kept.bytes.get(at..)).unwrap_or_default();
        let bytes = part[..part.len().min(PART_BYTES_MAX)].to_vec();
        if let Some(kept) = kept {
            let given = kept.given.0.entry(peer).or_default();
            *given = given.saturating_add(bytes.len());
            kept.given.1 = now;
        }
        post.send(peer, Frame::Piece { hash, from, bytes });
    }

    /// A part came.
    pub(crate) fn on_piece(
        &mut self,
        now: Time,
        peer: PeerId,
        hash: [u8; 32],
        from: u32,
        bytes: &[u8],
        post: &mut Post,
    ) {
        let of = |fetch: &Fetch| fetch.label.hash == hash && fetch.from == peer;
        let Some(at) = self.fetches.iter().position(of) else { return };
        let fetch = &mut self.fetches[at];
        // Parts come in the order they were asked for; what does not fit is of a request long given up.
        if usize::try_from(from) != Ok(fetch.got.len()) {
            return;
        }
        let whole = fetch.label.bytes as usize;
        fetch.heard = now;
        fetch.got.extend(bytes);
        let is_part = bytes.len() == PART_BYTES_MAX || fetch.got.len() == whole;
        if !is_part || fetch.got.len() > whole {
            let fetch = self.fetches.swap_remove(at);
            return self.fetch_elsewhere(now, fetch, post);
        }
        if fetch.got.len() < whole {
            return fetch.ask(post);
        }
        let Fetch { label, got, .. } = self.fetches.swap_remove(at);
        if *blake3::hash(&got).as_bytes() == label.hash {
            self.keep(now, label, got, true, post);
        } else {
            // One of those that gave parts gave a wrong one: all of it comes from another.
            let failed = Set::from_iter([peer]);
            let fetch =
                Fetch { label, from: peer, got: Vec::new(), asked: 0, begun: now, heard: now, failed };
            self.fetch_elsewhere(now, fetch, post);
        }
    }

    /// Goes to somebody else where a peer keeps silent.
    pub(crate) fn on_tick(&mut self, now: Time, post: &mut Post) {
        while self.lost.front().is_some_and(|lost| now.since(lost.at) >= LOST_FOR) {
            self.lost.pop_front();
        }
        while let Some(at) = self.fetches.iter().position(|fetch| fetch.is_stuck(now)) {
            let fetch = self.fetches.swap_remove(at);
            self.fetch_elsewhere(now, fetch, post);
        }
    }

    /// The furthest that is known of a unit's test, and not lost.
    fn furthest(&self, unit: u64) -> Option<Label> {
        let of_unit = self.labels(unit).filter(|label| !self.is_lost(&label.hash));
        of_unit
            .filter(|label| matches!(label.kind, ParcelKind::Saved { .. }))
            .max_by_key(|label| label.kind)
            .copied()
    }

    /// Sees to it that a parcel comes, as soon as not too many others do. `false` if nobody has it.
    fn fetch(&mut self, now: Time, label: Label, post: &mut Post) -> bool {
        if self.kept.iter().any(|kept| kept.label == label)
            || self.fetches.iter().any(|fetch| fetch.label == label)
        {
            return true;
        }
        let Some(from) = self.who_has(&label, &Set::new()) else { return false };
        if self.fetches.len() >= FETCHES_MAX {
            return true;
        }
        let mut fetch =
            Fetch { label, from, got: Vec::new(), asked: 0, begun: now, heard: now, failed: Set::new() };
        fetch.ask(post);
        self.fetches.push(fetch);
        true
    }

    /// What one does not give may be had from another; what came of it is kept.
    fn fetch_elsewhere(&mut self, now: Time, mut fetch: Fetch, post: &mut Post) {
        fetch.failed.insert(fetch.from);
        let Some(from) = self.who_has(&fetch.label, &fetch.failed) else {
            return self.give_up(now, fetch.label.hash, fetch.failed);
        };
        fetch.from = from;
        (fetch.begun, fetch.heard) = (now, now);
        fetch.asked = fetch.got.len() as u32;
        fetch.ask(post);
        self.fetches.push(fetch);
    }

    fn give_up(&mut self, now: Time, hash: [u8; 32], failed: Set<PeerId>) {
        self.lost.push_back(Lost { hash, at: now, failed });
        if self.lost.len() > OFFERS_MAX {
            self.lost.pop_front();
        }
    }

    fn who_has(&self, label: &Label, but: &Set<PeerId>) -> Option<PeerId> {
        let has = |labels: &VecDeque<Label>| labels.contains(label);
        self.offers.iter().find(|(peer, labels)| has(labels) && !but.contains(peer)).map(|(peer, _)| *peer)
    }
}

impl Kept {
    /// Whether somebody has got all of it from here.
    fn is_given(&self) -> bool {
        self.given.0.values().any(|given| *given >= self.bytes.len())
    }
}

impl Fetch {
    /// Whether another should give it: this one is silent, or slower than one may be.
    fn is_stuck(&self, now: Time) -> bool {
        let due = self.got.len() as f64 / f64::from(PACE_MIN);
        let took = now.since(self.begun);
        now.since(self.heard) >= SILENCE_MAX
            || (took >= PACE_FROM && took.as_secs_f64() > due + PACE_FROM.as_secs_f64())
    }

    /// Asks for what comes next.
    fn ask(&mut self, post: &mut Post) {
        let part = PART_BYTES_MAX as u32;
        let ahead = (self.got.len() as u32).saturating_add(AHEAD * part).min(self.label.bytes);
        while self.asked < ahead {
            post.send(self.from, Frame::AskPart { hash: self.label.hash, from: self.asked });
            self.asked = self.asked.saturating_add(part);
        }
    }
}

/// Whether of two parcels about one unit the newer takes the place of the older.
fn is_same_sort(a: ParcelKind, b: ParcelKind) -> bool {
    match (a, b) {
        (ParcelKind::Saved { .. }, ParcelKind::Saved { .. }) | (ParcelKind::Proof, ParcelKind::Proof) => true,
        (ParcelKind::Saved { .. }, ParcelKind::Proof) | (ParcelKind::Proof, ParcelKind::Saved { .. }) => {
            false
        }
    }
}

#[cfg(test)]
mod tests;
