//! Spot checks: some results are computed anew by another peer, and whoever is caught lying loses what nobody checked.
//!
//! 1. A result that its computer signed may be drawn for a check, after it came: of the first few of each peer every one, by one
//!    of those that got it; of later ones about one in [`ONE_IN`] or [`ONE_IN_SEARCH`], by whoever of them draws it at random.
//! 2. If the outcomes differ, the signed result is the proof ([`Frame::Lie`](manyhands_wire::Frame::Lie)). Everybody computes it
//!    anew before believing it; who accuses without reason is not listened to any more, and its own results are checked. A peer that lends no threads believes
//!    the greater part of those that do.
//! 3. Against a proven liar, every kept block with units that it has the credit for, or that nobody has, is taken out of the
//!    ledger; what others signed of it is put back from the evidence, the rest is computed anew. Merged results count only among
//!    peers that know the same liars, so nobody brings a lie back.
//!
//! Jobs whose results can be only one thing, such as waiting, need no check.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use manyhands_wire::frame::Record;
use manyhands_wire::mersenne::Finding;
use manyhands_wire::{Block, JobKind, Outcome, PeerId, UnitRange};

use crate::table::{Set, Table};
use crate::time::Time;

/// How many results of each peer are checked for certain; of a search, where what is looked at are single tests, one less.
const FIRST: u32 = 2;
const FIRST_SEARCH: u32 = 1;
/// Of how many later results one is checked.
pub(crate) const ONE_IN: u64 = 16;
/// The same of tests in a search, where primes, factors and proven residues are all looked at anyway.
pub(crate) const ONE_IN_SEARCH: u64 = 64;
/// Of how many proven results each peer computes one anew, beside all proofs that are verified.
pub(crate) const ONE_IN_PROVEN: u64 = 256;
/// How many peers get a result at once, about, where a node does not see them all.
const RECEIVERS: usize = 6;
/// How many results of one that accused without reason are checked.
const DOUBTED: usize = 4;
/// How many results wait for their check; further ones are believed.
const CHECKS_MAX: usize = 16;
/// How many signed results are kept as evidence, the newest.
const EVIDENCE_MAX: usize = 4096;
/// How many liars are remembered, and how many peers' results are counted.
const LIARS_MAX: usize = 64;
const SEEN_MAX: usize = 1024;
/// How often a peer that does not know a liar is told.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// A result to be computed anew.
#[derive(Clone, Debug)]
struct Check {
    record: Record,
    /// Which of its units.
    range: UnitRange,
    /// Who said that it is a lie.
    accuser: Option<PeerId>,
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The result is true.
    True,
    /// It is true, and this peer said that it is a lie.
    FalselyAccused(PeerId),
    /// It is a lie.
    Lie(Box<Record>),
}

/// What is to be checked, was checked, and came of it.
#[derive(Default)]
pub(crate) struct Checks {
    seen: Table<PeerId, u32>,
    waiting: VecDeque<Check>,
    evidence: BTreeMap<Block, Record>,
    evidence_order: VecDeque<Block>,
    liars: Table<PeerId, Record>,
    accusers: Table<PeerId, Set<PeerId>>,
    /// What each peer last said of whom it knows to have lied, and when it was told.
    theirs: Table<PeerId, (u64, Time)>,
    /// What the units cost that were computed anew in this session.
    pub(crate) units: u64,
}

impl Checks {
    /// Keeps a signed result, in case its neighbours turn out to be lies.
    pub(crate) fn keep(&mut self, record: Record) {
        let block = record.block;
        // What one signed is not replaced by what another did.
        if self.evidence.get(&block).is_some_and(|kept| kept.signer != record.signer) {
            return;
        }
        if self.evidence.insert(block, record).is_none() {
            self.evidence_order.push_back(block);
        }
        while self.evidence_order.len() > EVIDENCE_MAX {
            if let Some(oldest) = self.evidence_order.pop_front() {
                self.evidence.remove(&oldest);
            }
        }
    }

    /// A result that its computer signed came. `able` are the peers that could check it, this node (`me`) among them if it
    /// could; `sees_all` tells whether more may have got it; `chance` is one in how many are checked, and a random number; none for
    /// a result that is checked in any case. Whether it is drawn.
    pub(crate) fn draw(
        &mut self,
        me: PeerId,
        able: impl Iterator<Item = PeerId>,
        sees_all: bool,
        chance: Option<(u64, u64)>,
        record: &Record,
    ) -> bool {
        let able: Vec<PeerId> = able.filter(|peer| *peer != record.signer).collect();
        if !able.contains(&me) {
            return false;
        }
        // Of too many peers, all are taken for known.
        let is_counted = self.seen.len() < SEEN_MAX || self.seen.contains_key(&record.signer);
        let seen = if is_counted { self.seen.entry(record.signer).or_default() } else { &mut (FIRST + 1) };
        *seen = seen.saturating_add(1);
        let first = match record.outcome {
            Outcome::Sum(_) | Outcome::Delay(_) => FIRST,
            Outcome::Mersenne(_) => FIRST_SEARCH,
        };
        match chance.filter(|_| *seen > first) {
            Some((one_in, chance)) => {
                let receivers = if sees_all { able.len() } else { able.len().max(RECEIVERS) };
                chance.is_multiple_of(one_in * receivers as u64)
            }
            None => able.iter().max_by_key(|peer| lot(record, peer)) == Some(&me),
        }
    }

    /// These units of a result are to be checked. Returns what is to be computed anew here, unless that is under way.
    pub(crate) fn add(&mut self, record: Record, range: UnitRange) -> Option<UnitRange> {
        self.queue(record, range, None)
    }

    /// What somebody else signed of exactly this block, if it is kept and differs from `outcome`.
    pub(crate) fn contradiction(&self, me: &PeerId, block: &Block, outcome: &Outcome) -> Option<Record> {
        let kept = self.evidence.get(block)?;
        (kept.signer != *me && kept.outcome != *outcome).then(|| kept.clone())
    }

    /// This result is to be checked in any case, as what is kept contradicts it; and what is kept too, where it was signed.
    pub(crate) fn dispute(&mut self, record: &Record) -> Option<UnitRange> {
        let kept = self.evidence.get(&record.block).filter(|kept| kept.outcome != record.outcome).cloned();
        let range = record.block.range();
        let first = self.queue(record.clone(), range, None);
        first.or(kept.and_then(|kept| self.queue(kept, range, None)))
    }

    /// A peer has given reason to doubt it: some of its latest results are checked. Returns what is to be computed anew here.
    pub(crate) fn doubt(&mut self, peer: &PeerId) -> Vec<UnitRange> {
        let theirs = |block: &&Block| self.evidence.get(block).is_some_and(|record| record.signer == *peer);
        let latest: Vec<Block> =
            self.evidence_order.iter().rev().filter(theirs).take(DOUBTED).copied().collect();
        let records: Vec<Record> =
            latest.iter().filter_map(|block| self.evidence.get(block)).cloned().collect();
        records
            .into_iter()
            .filter_map(|record| self.queue(record.clone(), record.block.range(), None))
            .collect()
    }

    /// A unit's result proved false: what was signed of it is checked. Returns what is to be computed anew here.
    pub(crate) fn suspect(&mut self, unit: u64) -> Vec<UnitRange> {
        let about = |record: &&Record| record.block.range().contains(unit);
        let records: Vec<Record> = self.evidence.values().filter(about).cloned().collect();
        let range = UnitRange::new(unit, unit + 1);
        records.into_iter().filter_map(|record| self.queue(record, range, None)).collect()
    }

    fn queue(&mut self, record: Record, range: UnitRange, accuser: Option<PeerId>) -> Option<UnitRange> {
        let is_same = |check: &&mut Check| check.range == range && check.record == record;
        if let Some(check) = self.waiting.iter_mut().find(is_same) {
            check.accuser = check.accuser.or(accuser);
            return None;
        }
        if self.waiting.len() >= CHECKS_MAX {
            return None;
        }
        // Computing units once tells of all results for them.
        let is_under_way = self.waiting.iter().any(|check| check.range == range);
        self.waiting.push_back(Check { record, range, accuser });
        (!is_under_way).then_some(range)
    }

    /// A peer says that this result is a lie; its signature was checked. Returns the units to be computed anew here, or the
    /// verdict where this node cannot compute and has heard enough.
    pub(crate) fn on_accused(
        &mut self,
        accuser: PeerId,
        record: Record,
        can_compute: bool,
        workers: usize,
    ) -> (Option<UnitRange>, Option<Verdict>) {
        if self.is_liar(&record.signer) || accuser == record.signer {
            return (None, None);
        }
        if can_compute {
            let range = record.block.range();
            return (self.queue(record, range, Some(accuser)), None);
        }
        if self.accusers.len() >= LIARS_MAX && !self.accusers.contains_key(&record.signer) {
            return (None, None);
        }
        let accusers = self.accusers.entry(record.signer).or_default();
        if accusers.len() < SEEN_MAX {
            accusers.insert(accuser);
        }
        let is_believed = 2 * accusers.len() > workers;
        (None, is_believed.then(|| Verdict::Lie(Box::new(record))))
    }

    /// Units were computed anew: what that says of each result for them.
    pub(crate) fn on_computed(
        &mut self,
        kind: &JobKind,
        range: UnitRange,
        outcome: &Outcome,
    ) -> Vec<Verdict> {
        self.units += kind.cost(range);
        let mut verdicts = Vec::new();
        while let Some(at) = self.waiting.iter().position(|check| check.range == range) {
            let Some(Check { record, accuser, .. }) = self.waiting.remove(at) else { break };
            verdicts.push(match accuser {
                _ if *part(kind, &record, range) != *outcome => Verdict::Lie(Box::new(record)),
                Some(accuser) => Verdict::FalselyAccused(accuser),
                None => Verdict::True,
            });
        }
        verdicts
    }

    /// Whether something that this peer said is a lie is being checked.
    pub(crate) fn is_accuser(&self, peer: &PeerId) -> bool {
        self.waiting.iter().any(|check| check.accuser == Some(*peer))
    }

    /// A check was given up: the result is believed.
    pub(crate) fn on_given_up(&mut self, range: UnitRange) {
        self.waiting.retain(|check| check.range != range);
    }

    /// How many results wait for their check here.
    pub(crate) fn left(&self) -> usize {
        self.waiting.len()
    }

    /// A lie is proven. `false` if the liar was known.
    pub(crate) fn condemn(&mut self, record: Record) -> bool {
        if self.liars.len() >= LIARS_MAX || self.liars.contains_key(&record.signer) {
            return false;
        }
        let liar = record.signer;
        self.liars.insert(liar, record);
        self.waiting.retain(|check| check.record.signer != liar);
        self.evidence.retain(|_, record| record.signer != liar);
        let evidence = &self.evidence;
        self.evidence_order.retain(|block| evidence.contains_key(block));
        true
    }

    pub(crate) fn is_liar(&self, peer: &PeerId) -> bool {
        self.liars.contains_key(peer)
    }

    /// What honest peers signed of blocks within these runs.
    pub(crate) fn evidence_within(&self, runs: &[UnitRange]) -> Vec<Record> {
        let within = |block: &Block| {
            runs.iter().any(|run| run.contains(block.start()) && block.range().end <= run.end)
        };
        self.evidence.iter().filter(|(block, _)| within(block)).map(|(_, record)| record.clone()).collect()
    }

    /// A hash of who is known to have lied; 0 for nobody.
    pub(crate) fn digest(&self) -> u64 {
        if self.liars.is_empty() {
            return 0;
        }
        let mut hasher = blake3::Hasher::new_derive_key("manyhands liars v1");
        for peer in self.liars.keys() {
            hasher.update(&peer.0);
        }
        let [a, b, c, d, e, f, g, h, ..] = *hasher.finalize().as_bytes();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// A peer told whom it knows to have lied. Returns the proofs that it is to be told, if it knows others than this node.
    pub(crate) fn on_their_digest(&mut self, now: Time, peer: PeerId, digest: u64) -> Vec<Record> {
        let told = self.theirs.get(&peer).map_or(Time::ZERO, |(_, told)| *told);
        let tell = digest != self.digest() && now.since(told) >= TELL_EVERY && !self.is_liar(&peer);
        self.theirs.insert(peer, (digest, if tell { now } else { told }));
        if tell { self.liars.values().cloned().collect() } else { Vec::new() }
    }

    /// Whether a peer knows the same liars, as far as it said: then its merged results count.
    pub(crate) fn agrees(&self, peer: &PeerId) -> bool {
        self.theirs.get(peer).map_or(0, |(digest, _)| *digest) == self.digest()
    }

    pub(crate) fn on_link_down(&mut self, peer: &PeerId) {
        self.theirs.remove(peer);
    }
}

/// What a result says of some of its units.
fn part<'a>(kind: &JobKind, record: &'a Record, range: UnitRange) -> Cow<'a, Outcome> {
    match &record.outcome {
        Outcome::Mersenne(findings) => {
            let is_in =
                |finding: &&Finding| kind.unit_of(finding.exponent).is_some_and(|unit| range.contains(unit));
            Cow::Owned(Outcome::Mersenne(findings.iter().filter(is_in).copied().collect()))
        }
        // What adds up is told as a whole.
        outcome @ (Outcome::Sum(_) | Outcome::Delay(_)) => Cow::Borrowed(outcome),
    }
}

/// What decides who checks a result: the highest.
fn lot(record: &Record, peer: &PeerId) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("manyhands check v1");
    *hasher.update(&record.signature.0).update(&peer.0).finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use manyhands_wire::Signature;

    use super::*;

    const KIND: JobKind = JobKind::Sum { first: 1, last: 1000, unit_size: 1, base: 0 };
    const ME: PeerId = PeerId([1; 32]);
    const OTHER: PeerId = PeerId([2; 32]);
    const WORKER: PeerId = PeerId([3; 32]);

    fn record(index: u64) -> Record {
        let mut signature = [0; 64];
        signature[..8].copy_from_slice(&index.to_le_bytes());
        let block = Block::new(0, index).unwrap();
        let outcome = Outcome::Sum(1);
        Record { block, outcome, computed: true, signer: WORKER, signature: Signature(signature) }
    }

    #[test]
    fn the_first_results_are_checked_for_certain_and_later_ones_now_and_then() {
        let (mut mine, mut others) = (Checks::default(), Checks::default());
        let mut drawn = Vec::new();
        for index in 0..1000 {
            let able = || [ME, OTHER, WORKER].into_iter();
            // Numbers that repeat only after a thousand.
            let chance = |salt: u64| (index * 607 + salt) % 1009;
            let here = mine.draw(ME, able(), true, Some((ONE_IN, chance(1))), &record(index));
            let there = others.draw(OTHER, able(), true, Some((ONE_IN, chance(500))), &record(index));
            drawn.push(here || there);
        }

        assert!(drawn[0] && drawn[1]);
        let later = drawn[2..].iter().filter(|drawn| **drawn).count();
        assert!((40..90).contains(&later), "{later} of 998");
    }

    #[test]
    fn a_lie_is_told_from_a_false_accusation() {
        let mut checks = Checks::default();

        checks.on_accused(OTHER, record(0), true, 2);
        let truth = checks.on_computed(&KIND, record(0).block.range(), &Outcome::Sum(1));
        checks.on_accused(OTHER, record(1), true, 2);
        let lie = checks.on_computed(&KIND, record(1).block.range(), &Outcome::Sum(2));

        assert_eq!(truth, [Verdict::FalselyAccused(OTHER)]);
        assert_eq!(lie, [Verdict::Lie(Box::new(record(1)))]);
    }

    #[test]
    fn who_cannot_compute_believes_the_greater_part_of_those_who_can() {
        let mut checks = Checks::default();

        let (_, first) = checks.on_accused(ME, record(0), false, 3);
        let (_, again) = checks.on_accused(ME, record(0), false, 3);
        let (_, second) = checks.on_accused(OTHER, record(0), false, 3);

        assert_eq!((first, again), (None, None));
        assert_eq!(second, Some(Verdict::Lie(Box::new(record(0)))));
    }
}
