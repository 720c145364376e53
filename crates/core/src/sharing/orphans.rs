//! Units that nobody holds any more: those of a vanished peer go to an heir, others to whoever claims them.
//!
//! 1. Where a node sees all holders, units that nobody holds for [`ORPHAN_AFTER`] are claimed by the peer with the highest hash
//!    of (units, peer), in each further round by one more.
//! 2. Where it does not, what a vanished peer last said it held is an *estate*: those that had links to it are its heirs, in the
//!    order of a hash, and each has some seconds to take it before the next may.
//! 3. What no heir knew of is claimed by those that have had nothing to do for a while, by chance: at first so few that one in
//!    the whole room may, and twice as many each round. Claims are told to everybody (see [`claims`](crate::claims)).

use std::time::Duration;

use manyhands_ledger::Ledger;
use manyhands_wire::{Block, PeerId, UnitRange};

use super::{Sharing, VOUCHED_MAX};
use crate::post::Post;
use crate::time::Time;
use crate::unit_set::UnitSet;
use crate::work::{Mode, Work};

/// How long units must be held by nobody before they are claimed: several status rounds.
const ORPHAN_AFTER: Duration = Duration::from_secs(3);
/// How long after a peer vanished its first heir takes what it held, and how much later each further one.
const INHERIT_AFTER: Duration = Duration::from_secs(1);
const NEXT_HEIR_AFTER: Duration = Duration::from_secs(2);
/// How many vanished peers have heirs waiting.
const ESTATES_MAX: usize = 256;
/// How long a node that does not see all holders has nothing to do before it claims units that no neighbour holds.
const STARVED_AFTER: Duration = Duration::from_secs(6);
/// How long it waits if it was so within the last minute.
const STARVED_AGAIN: Duration = Duration::from_secs(1);
const STARVED_LATELY: Duration = Duration::from_secs(60);
/// How long it waits between two rounds of claims.
const CLAIM_ROUND: Duration = Duration::from_secs(1);
/// How many more peers a room may have than a node knows of: the first claims are that much rarer.
const UNSEEN_FACTOR: f64 = 16.0;
/// Into how many parts a block is split at most to be claimed.
const SPLIT_MAX: usize = 1024;
/// How often the node looks for such units.
const ORPHAN_SCAN: Duration = Duration::from_millis(500);

impl Sharing {
    /// Units that were finished are not any more, since `liar` may have lied about them: one of those that know it does them.
    pub(crate) fn on_retracted(&mut self, now: Time, liar: &PeerId, units: &[UnitRange]) {
        let heirs: Vec<PeerId> = self.workers().filter(|peer| peer != liar).collect();
        self.bequeath(now, liar, heirs.iter(), units.iter().copied().collect());
    }

    /// What nobody holds any more goes to one of the heirs of `gone`: in their order, each has its time to take it.
    pub(super) fn bequeath<'a>(
        &mut self,
        now: Time,
        gone: &PeerId,
        heirs: impl Iterator<Item = &'a PeerId>,
        units: UnitSet,
    ) {
        let ours = heir_hash(gone, &self.me);
        let rank = heirs.filter(|heir| heir_hash(gone, heir) > ours).count();
        let wait = INHERIT_AFTER + NEXT_HEIR_AFTER * u32::try_from(rank).unwrap_or(u32::MAX);
        if units.is_empty() || (self.estates.len() >= ESTATES_MAX && !self.estates.contains_key(gone)) {
            return;
        }
        let (_, held) = self.estates.entry(*gone).or_insert_with(|| (now + wait, UnitSet::default()));
        units.runs().for_each(|run| held.insert(run));
    }

    /// Takes what vanished peers held, where it is this node's turn and nobody else did. Returns it.
    pub(crate) fn inherit(
        &mut self,
        now: Time,
        ledger: &Ledger,
        work: &mut Work,
        post: &mut Post,
    ) -> Vec<UnitRange> {
        let theirs = &self.theirs;
        self.estates.retain(|peer, _| !theirs.contains_key(peer));
        let due: Vec<PeerId> =
            self.estates.iter().filter(|(_, (due, _))| *due <= now).map(|(peer, _)| *peer).collect();
        let mut inherited = UnitSet::default();
        for peer in due {
            let Some((_, held)) = self.estates.remove(&peer) else { continue };
            held.runs()
                .flat_map(|run| ledger.missing(run).collect::<Vec<_>>())
                .for_each(|run| inherited.insert(run));
        }
        if inherited.is_empty() {
            return Vec::new();
        }
        self.claims.in_force(now).for_each(|run| inherited.remove(run));
        let held = self.theirs.values().flat_map(|theirs| theirs.holding.runs());
        held.chain(work.held().runs()).for_each(|run| inherited.remove(run));
        let inherited: Vec<UnitRange> = inherited.runs().collect();
        inherited.iter().for_each(|run| work.mine.insert(*run));
        self.news |= !inherited.is_empty();
        self.claims.make(now, &inherited, post);
        inherited
    }

    /// Looks for units among those that are `open` that nobody holds, and claims its part of those that nobody took for a while. Returns what this node
    /// claims.
    pub(crate) fn claim_orphans(
        &mut self,
        now: Time,
        ledger: &Ledger,
        open: UnitRange,
        work: &mut Work,
        post: &mut Post,
    ) -> Vec<UnitRange> {
        if now.since(self.scanned) < ORPHAN_SCAN {
            return Vec::new();
        }
        self.scanned = now;
        let (size, sees_all) = self.room;
        if !sees_all && !self.is_starved(now) {
            // What others hold is mostly out of sight.
            self.suspects.clear();
            self.suspected_since = now;
            return Vec::new();
        }
        let mut orphans: UnitSet = ledger.missing(open).collect();
        for held in work.held().runs() {
            orphans.remove(held);
        }
        for theirs in self.theirs.values() {
            if !theirs.is_stuck(now, &self.kind) {
                theirs.holding.runs().for_each(|run| orphans.remove(run));
            }
            // A grantor does not vouch for what it granted to one that is stuck itself.
            let is_trusted = now.since(theirs.vouched_since) < VOUCHED_MAX;
            let vouched =
                theirs.vouched.runs().filter(|run| is_trusted && !self.is_with_the_stuck(now, *run));
            vouched.for_each(|run| orphans.remove(run));
        }
        self.claims.in_force(now).for_each(|run| orphans.remove(run));
        let still: UnitSet = self.suspects.runs().flat_map(|run| orphans.within(run)).collect();
        if still.is_empty() {
            self.suspected_since = now;
            if orphans.is_empty() {
                self.claim_rounds = 0;
            }
            self.suspects = orphans;
            return Vec::new();
        }
        self.suspects = still;
        let patience = if sees_all { ORPHAN_AFTER } else { CLAIM_ROUND };
        if now.since(self.suspected_since) < patience {
            return Vec::new();
        }
        let suspects = std::mem::take(&mut self.suspects);
        // Where many are idle, many claim a part each.
        let largest = (suspects.len() / (4 * size as u64)).max(1);
        let claimed: Vec<UnitRange> = suspects
            .runs()
            .flat_map(UnitRange::blocks)
            .flat_map(|block| if sees_all { vec![block] } else { split(block, largest) })
            .filter(|block| self.claims(now, *block, work))
            .map(|block| block.range())
            .collect();
        claimed.iter().for_each(|range| work.mine.insert(*range));
        self.claim_rounds += 1;
        self.news |= !claimed.is_empty();
        if !sees_all {
            self.claims.make(now, &claimed, post);
        }
        claimed
    }

    /// Whether this node has had nothing to do for so long that it may look for units beyond its neighbours'.
    fn is_starved(&mut self, now: Time) -> bool {
        let lately = self.starved.is_some_and(|at| now.since(at) < STARVED_LATELY);
        let is_starved = now.since(self.fed) >= if lately { STARVED_AGAIN } else { STARVED_AFTER };
        if is_starved {
            self.starved = Some(now);
        } else if !lately {
            self.claim_rounds = 0;
        }
        is_starved
    }

    /// A peer, or one behind it, claims units.
    pub(crate) fn on_claim(
        &mut self,
        now: Time,
        via: PeerId,
        units: &[UnitRange],
        ttl: u8,
        whole: UnitRange,
        post: &mut Post,
    ) -> Result<(), String> {
        if let Some(run) = units.iter().find(|run| run.end > whole.end) {
            return Err(format!("a claim of units {run:?}, beyond the job's {}", whole.end));
        }
        let others: Vec<PeerId> = self.theirs.keys().filter(|peer| **peer != via).copied().collect();
        self.claims.on_claim(now, units, ttl, others, post);
        Ok(())
    }

    /// Whether a peer that does not get on says that it holds units of `range`.
    fn is_with_the_stuck(&self, now: Time, range: UnitRange) -> bool {
        self.theirs
            .values()
            .any(|theirs| theirs.is_stuck(now, &self.kind) && !theirs.holding.within(range).is_empty())
    }

    /// Whether this node is to claim a block: the one with the highest hash of (block, peer) among those that work.
    fn claims(&self, now: Time, block: Block, work: &Work) -> bool {
        let works = |peer: &PeerId| self.theirs.get(peer).is_some_and(|theirs| theirs.works(now, &self.kind));
        // Where nobody works, somebody must hold the units so that a newcomer can ask for them.
        let able = (work.mode == Mode::Working && work.threads() > 0) || !self.theirs.keys().any(works);
        let (size, sees_all) = self.room;
        if !sees_all {
            let chance = f64::from(1 << self.claim_rounds.min(30)) / (UNSEEN_FACTOR * size as f64);
            return able && self.luck(block) < chance;
        }
        // Whoever should claim may not know, or not care: in each further round one more may.
        able && self.rank(block, works) <= self.claim_rounds
    }

    /// A number from 0 to 1 that is this node's alone for this block.
    fn luck(&self, block: Block) -> f64 {
        let [a, b, c, d, ..] = claim_hash(block, &self.me);
        f64::from(u32::from_le_bytes([a, b, c, d])) / f64::from(u32::MAX)
    }

    /// How many of the peers that count have a higher hash with the block than this node.
    pub(super) fn rank(&self, block: Block, counts: impl Fn(&PeerId) -> bool) -> usize {
        let ours = claim_hash(block, &self.me);
        self.theirs.keys().filter(|peer| counts(peer) && claim_hash(block, peer) > ours).count()
    }
}

/// The parts of a block that are no longer than `largest`.
fn split(block: Block, largest: u64) -> Vec<Block> {
    let level = block.level().min(u8::try_from(largest.ilog2()).unwrap_or(u8::MAX));
    let (start, end) = (block.start() >> level, (block.start() + block.len()) >> level);
    (start..end).take(SPLIT_MAX).filter_map(|index| Block::new(level, index)).collect()
}

/// What decides who inherits from a vanished peer.
fn heir_hash(gone: &PeerId, heir: &PeerId) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("manyhands heir v1");
    *hasher.update(&gone.0).update(&heir.0).finalize().as_bytes()
}

/// What decides who claims a block.
fn claim_hash(block: Block, peer: &PeerId) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("manyhands claim v1");
    hasher.update(&block.start().to_le_bytes()).update(&block.len().to_le_bytes()).update(&peer.0);
    *hasher.finalize().as_bytes()
}
