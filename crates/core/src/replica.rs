//! This node's copy of the ledger, kept equal to everybody else's.
//!
//! 1. Blocks this node computes are signed and sent to every peer at once.
//! 2. On a new link, and whenever a peer's status tells of more finished units than this node knows, it says what it has
//!    ([`Frame::Have`]); the peer answers with the records of what is missing, each vouched for by its signature.
//! 3. Who computed what travels beside the records ([`Frame::Credit`]), since a merged block has many computers.
//!
//! In a room too large for links to all, blocks also travel on: a node gathers what is new for a while, and sends it, merged
//! as far as it goes, over its *eager* links. A link over which nothing new comes several times becomes *lazy*
//! ([`Frame::Sated`]), so that a tree of eager links remains, as with messages (see [`gossip`](crate::gossip)). Who stays
//! behind says what it has, and so makes a link eager again.
//!
//! Runs of finished units are few even in a long job, as finished siblings become one block: naming them costs less than
//! walking a tree of digests, and one message each way settles the difference.

use std::cell::Cell;
use std::time::Duration;

use manyhands_ledger::{Ledger, LedgerError};
use manyhands_wire::frame::{CreditRun, RECORDS_BYTES_MAX, RECORDS_MAX, RUNS_MAX, Record};
use manyhands_wire::{Block, Frame, JobId, JobSpec, Outcome, PeerId, UnitRange};

use crate::identity::Identity;
use crate::post::Post;
use crate::table::{Set, Table};
use crate::time::Time;
use crate::unit_set::UnitSet;

/// The most records given in answer to one [`Frame::Have`]; the rest follows upon the next.
const ANSWER_RECORDS_MAX: usize = 512;
/// The most runs of credit in such an answer.
const ANSWER_CREDIT_MAX: usize = 4096;
/// How many peers may have credit in one job, as far as others tell of them.
const CREDITORS_MAX: usize = 1024;
/// Of how many peers, and in how many runs each, it is remembered what they computed without having the credit.
const SHADOWS_MAX: usize = 256;
const SHADOW_RUNS_MAX: usize = 256;
/// How long new blocks are gathered before they travel on: a few of them, and many.
const GATHER_MIN: Duration = Duration::from_secs(1);
const GATHER_MAX: Duration = Duration::from_secs(10);
/// The same at the end, when nothing is left to do.
const GATHER_LAST: Duration = Duration::from_millis(200);
/// How many runs are few, and how many at most are gathered.
const GATHER_FEW: usize = 64;
const GATHER_RUNS_MAX: usize = 4096;
/// To how many peers a node at least gives its own results at once.
const COPIES_MIN: usize = 3;
/// How often nothing new may come over an eager link before it becomes lazy.
const STALE_MAX: u8 = 3;
/// How long a neighbour may know more than this node, in a large room, before it is asked.
const BEHIND: Duration = Duration::from_secs(15);
/// How often one peer is asked at most, unless the link is new.
const HAVE_PAUSE: Duration = Duration::from_secs(2);
/// How often a peer is told of the credit at most, where it thinks otherwise.
const CREDIT_EVERY: Duration = Duration::from_secs(10);
/// How often peers compare what they have, even if nothing hints at a difference.
const HAVE_EVERY: Duration = Duration::from_secs(30);

/// The ledger as this node has it.
pub(crate) struct Replica {
    job: JobId,
    spec: JobSpec,
    pub(crate) ledger: Ledger,
    /// What the units cost that were finished while this node watched: computed by itself, or told by who had just computed them.
    pub(crate) witnessed: u64,
    /// Units that a peer computed too, although another has the credit: its result may be the one in the ledger.
    shadow: Table<PeerId, UnitSet>,
    /// When each peer was last told what this node has.
    told: Table<PeerId, Time>,
    /// The same of the credit.
    credit_told: Table<PeerId, Time>,
    /// From which of its runs on the next peer is told of the credit.
    credit_from: usize,
    /// The ledger's version, and the hash of the credit in it.
    digest: Cell<(u64, u64)>,
    relay: Relay,
}

/// What a node passes on in a room too large for links to all.
#[derive(Default)]
struct Relay {
    /// Whether it does so.
    is_on: bool,
    /// New runs, and over which link they came.
    gathered: Vec<(UnitRange, PeerId)>,
    sent: Time,
    lazy: Set<PeerId>,
    /// How often in a row nothing new came over a link.
    stale: Table<PeerId, u8>,
    /// Since when each neighbour knows more than this node.
    behind: Table<PeerId, Time>,
}

/// Why records of a peer are not taken, for people.
pub(crate) type Refusal = String;

impl Replica {
    pub(crate) fn new(job: JobId, spec: JobSpec, ledger: Ledger) -> Self {
        Self {
            job,
            spec,
            ledger,
            witnessed: 0,
            shadow: Table::new(),
            told: Table::new(),
            credit_told: Table::new(),
            credit_from: 0,
            digest: Cell::new((u64::MAX, 0)),
            relay: Relay::default(),
        }
    }

    /// Enters blocks that this node computed, and tells everybody. Returns why the ledger refused one, if it did: then a peer
    /// told something else of these units before.
    pub(crate) fn on_computed(
        &mut self,
        me: &Identity,
        blocks: &[(Block, Outcome)],
        links: &[PeerId],
        post: &mut Post,
    ) -> Option<Refusal> {
        let (mut records, mut refused) = (Vec::new(), None);
        for (block, outcome) in blocks {
            match self.ledger.insert(*block, outcome.clone()) {
                Ok(inserted) if inserted.is_known() => continue,
                Ok(inserted) => self.witness(&inserted.fresh),
                Err(error) => {
                    refused.get_or_insert(error.to_string());
                    continue;
                }
            }
            self.credit(block.range(), me.id());
            records.push(self.record(me, *block, outcome, true));
        }
        if self.relay.is_on {
            let to = self.relay.first_copies(links);
            self.post_records(records, |frame| post.send_many(to.clone(), frame));
        } else {
            self.post_records(records, |frame| post.send_all(frame));
        }
        refused
    }

    fn witness(&mut self, fresh: &[UnitRange]) {
        self.witnessed += fresh.iter().map(|units| self.spec.kind.cost(*units)).sum::<u64>();
    }

    /// Whether this node has links to all peers that were ever met: then nothing has to travel on.
    pub(crate) fn on_room(&mut self, sees_all: bool) {
        self.relay.is_on = !sees_all;
    }

    /// New units came over the link to `via`, or none, or this node computed them.
    pub(crate) fn gather(&mut self, via: PeerId, fresh: &[UnitRange], was_merged: bool, post: &mut Post) {
        if !self.relay.is_on {
            return;
        }
        let stale = self.relay.stale.entry(via).or_default();
        *stale = if fresh.is_empty() && was_merged { stale.saturating_add(1) } else { 0 };
        if *stale >= STALE_MAX && self.relay.lazy.insert(via) {
            post.send(via, Frame::Sated);
        }
        self.relay.gathered.extend(fresh.iter().map(|run| (*run, via)));
    }

    /// A peer hears of blocks sooner from others.
    pub(crate) fn on_sated(&mut self, peer: PeerId) {
        self.relay.lazy.insert(peer);
    }

    /// Passes on what was gathered, if it is time.
    pub(crate) fn pass_on(
        &mut self,
        now: Time,
        me: &Identity,
        links: &[PeerId],
        is_idle: bool,
        post: &mut Post,
    ) {
        let gathered = self.relay.gathered.len();
        let pause = match gathered {
            _ if is_idle || self.ledger.is_complete() => GATHER_LAST,
            0..=GATHER_FEW => GATHER_MIN,
            _ => GATHER_MAX,
        };
        let is_due = now.since(self.relay.sent) >= pause || gathered > GATHER_RUNS_MAX;
        if gathered == 0 || !is_due {
            return;
        }
        self.relay.sent = now;
        let gathered = std::mem::take(&mut self.relay.gathered);
        let eager: Vec<PeerId> =
            links.iter().filter(|peer| !self.relay.lazy.contains(peer)).copied().collect();
        // A block and its credit go to everybody but the one that all of it came from.
        let mut blocks: Table<Block, Option<PeerId>> = Table::new();
        let mut credit = Vec::new();
        for (run, via) in gathered {
            for (block, _) in self.ledger.blocks(run) {
                blocks
                    .entry(block)
                    .and_modify(|from| *from = from.filter(|from| *from == via))
                    .or_insert(Some(via));
            }
            credit.extend(self.computers(run).map(|run| (run, via)));
        }
        let mut records = Vec::new();
        for (block, from) in blocks {
            if let Some((_, outcome)) = self.ledger.blocks(block.range()).next() {
                records.push((self.record(me, block, outcome, false), from));
            }
        }
        for peer in eager {
            let theirs: Vec<Record> = records
                .iter()
                .filter(|(_, from)| *from != Some(peer))
                .map(|(record, _)| record.clone())
                .collect();
            self.post_records(theirs, |frame| post.send(peer, frame));
            let runs: Vec<CreditRun> =
                credit.iter().filter(|(_, via)| *via != peer).map(|(run, _)| *run).collect();
            for runs in runs.chunks(RUNS_MAX) {
                post.send(peer, Frame::Credit { job: self.job, runs: runs.to_vec() });
            }
        }
    }

    /// Enters what a peer sent. Returns the units that are newly finished, and the first record that is refused, with the
    /// reason; what came before it is entered all the same.
    pub(crate) fn on_records(
        &mut self,
        me: &Identity,
        records: Vec<Record>,
    ) -> (Vec<UnitRange>, Option<Refusal>, Option<Record>) {
        let mut fresh = Vec::new();
        for record in records {
            let disputed = record.clone();
            let Record { block, outcome, computed, signer, signature } = record;
            let range = block.range();
            if range.end > self.ledger.units() {
                let why = format!("a result for units {range:?}, beyond the job's {}", self.ledger.units());
                return (fresh, Some(why), None);
            }
            if self.ledger.is_done(range) && !computed {
                continue;
            }
            if !self.spec.is_plausible(range, &outcome) {
                return (
                    fresh,
                    Some(format!("a result for units {range:?} that no such units can have")),
                    None,
                );
            }
            let bytes = Record::signed_bytes(&self.job, block, &outcome, computed);
            if !me.is_signed_by(&signer, &bytes, &signature) {
                return (fresh, Some(format!("a result for units {range:?} without a good signature")), None);
            }
            match self.ledger.insert(block, outcome) {
                Ok(inserted) => {
                    if computed {
                        self.witness(&inserted.fresh);
                    }
                    fresh.extend(inserted.fresh);
                }
                Err(LedgerError::Conflict { .. }) => {
                    let why = format!("another result for units {range:?} than this node has");
                    return (fresh, Some(why), Some(disputed).filter(|record| record.computed));
                }
                Err(error) => return (fresh, Some(error.to_string()), None),
            }
            if computed {
                self.credit(range, signer);
            }
        }
        (fresh, None, None)
    }

    /// A peer lied: takes out whatever may have its lies in it, and puts back what others signed of that. Returns the units
    /// that are to be computed anew.
    pub(crate) fn retract(
        &mut self,
        liar: &PeerId,
        evidence: impl FnOnce(&[UnitRange]) -> Vec<Record>,
    ) -> Vec<UnitRange> {
        let whole = self.ledger.range();
        let mut honest = UnitSet::default();
        for run in self.ledger.credit_runs(whole).filter(|run| run.by != *liar) {
            honest.insert(run.units);
        }
        // What nobody has the credit for may be the liar's too.
        let mut suspect: UnitSet = self.ledger.runs(whole).collect();
        honest.runs().for_each(|run| suspect.remove(run));
        let shadowed = self.shadow.remove(liar).unwrap_or_default();
        shadowed.runs().for_each(|run| suspect.insert(run));
        let suspect: Vec<UnitRange> = suspect.runs().collect();
        let gone = self.ledger.retract(&suspect);
        for shadow in self.shadow.values_mut() {
            gone.iter().for_each(|run| shadow.remove(*run));
        }
        for record in evidence(&gone) {
            if self.ledger.insert(record.block, record.outcome).is_ok() {
                self.credit(record.block.range(), record.signer);
            }
        }
        self.relay.gathered.clear();
        gone.iter().flat_map(|run| self.ledger.missing(*run).collect::<Vec<_>>()).collect()
    }

    /// Of two that computed the same units the smaller id has the credit. Whose result is in the ledger is another question: the
    /// other is remembered, in case it turns out to be a liar.
    fn credit(&mut self, units: UnitRange, by: PeerId) {
        let rivals = self.ledger.credit_runs(units).filter(|run| run.by != by);
        let losers: Vec<CreditRun> =
            rivals.map(|run| CreditRun { units: run.units, by: by.max(run.by) }).collect();
        for CreditRun { units, by } in losers {
            if self.shadow.len() < SHADOWS_MAX || self.shadow.contains_key(&by) {
                let shadow = self.shadow.entry(by).or_default();
                if shadow.runs().count() < SHADOW_RUNS_MAX {
                    shadow.insert(units);
                }
            }
        }
        self.ledger.credit(units, by);
    }

    /// Who computed units of a range, those without the credit too.
    fn computers(&self, range: UnitRange) -> impl Iterator<Item = CreditRun> + '_ {
        let shadows = self.shadow.iter().flat_map(move |(by, units)| {
            units.within(range).into_iter().map(|units| CreditRun { units, by: *by })
        });
        self.ledger.credit_runs(range).chain(shadows)
    }

    /// A result of this node as it was signed and sent.
    pub(crate) fn signed(&self, me: &Identity, block: Block, outcome: &Outcome) -> Record {
        self.record(me, block, outcome, true)
    }

    /// What the signer of a result of this job signs.
    pub(crate) fn is_signed(&self, me: &Identity, record: &Record) -> bool {
        let bytes = Record::signed_bytes(&self.job, record.block, &record.outcome, record.computed);
        me.is_signed_by(&record.signer, &bytes, &record.signature)
    }

    /// Enters who computed what.
    pub(crate) fn on_credit(&mut self, runs: &[CreditRun]) -> Option<Refusal> {
        for run in runs {
            if run.units.end > self.ledger.units() {
                return Some(format!(
                    "credit for units {:?}, beyond the job's {}",
                    run.units,
                    self.ledger.units()
                ));
            }
            // Who brings it need not have made it up: beyond so many peers it is passed over.
            let is_known = self.ledger.credited(&run.by) > 0;
            if !is_known && self.ledger.creditors().count() >= CREDITORS_MAX {
                continue;
            }
            // Credit goes with finished work only.
            for done in self.ledger.runs(run.units).collect::<Vec<_>>() {
                self.credit(done, run.by);
            }
        }
        None
    }

    /// A hash of who has the credit for what, reckoned anew when the ledger has changed.
    pub(crate) fn credit_digest(&self) -> u64 {
        let version = self.ledger.version();
        if self.digest.get().0 != version {
            self.digest.set((version, self.hash_credit()));
        }
        self.digest.get().1
    }

    fn hash_credit(&self) -> u64 {
        let mut hasher = blake3::Hasher::new_derive_key("manyhands credit v1");
        for CreditRun { units, by } in self.ledger.credit_runs(self.ledger.range()) {
            hasher.update(&units.start.to_le_bytes()).update(&units.end.to_le_bytes()).update(&by.0);
        }
        let [a, b, c, d, e, f, g, h, ..] = *hasher.finalize().as_bytes();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// A peer told what it thinks of the credit: one that has finished as many units and thinks otherwise is told what this node
    /// thinks. Both do so, and what is taken from either is the same, so that they agree.
    pub(crate) fn on_their_credit(
        &mut self,
        now: Time,
        peer: PeerId,
        done_units: u64,
        credit: u64,
        post: &mut Post,
    ) {
        let told = self.credit_told.get(&peer).copied().unwrap_or(Time::ZERO);
        if done_units != self.ledger.done_units()
            || now.since(told) < CREDIT_EVERY
            || credit == self.credit_digest()
        {
            return;
        }
        self.credit_told.insert(peer, now);
        // Where there are more runs than fit, the next ones come next time.
        let all = self.computers(self.ledger.range()).count();
        let runs: Vec<CreditRun> =
            self.computers(self.ledger.range()).skip(self.credit_from).take(ANSWER_CREDIT_MAX).collect();
        self.credit_from =
            if self.credit_from + runs.len() < all { self.credit_from + runs.len() } else { 0 };
        for runs in runs.chunks(RUNS_MAX) {
            post.send(peer, Frame::Credit { job: self.job, runs: runs.to_vec() });
        }
    }

    /// A new link: compare.
    pub(crate) fn on_link_up(&mut self, now: Time, peer: PeerId, post: &mut Post) {
        self.say_what_we_have(now, peer, post);
    }

    /// The link is gone.
    pub(crate) fn on_link_down(&mut self, peer: &PeerId) {
        self.told.remove(peer);
        self.credit_told.remove(peer);
        self.relay.lazy.remove(peer);
        self.relay.stale.remove(peer);
        self.relay.behind.remove(peer);
    }

    /// A peer told how many units it knows to be finished.
    pub(crate) fn on_their_count(&mut self, now: Time, peer: PeerId, done_units: u64, post: &mut Post) {
        let told = self.told.get(&peer).copied().unwrap_or(Time::ZERO);
        let is_behind = done_units > self.ledger.done_units();
        if !is_behind {
            self.relay.behind.remove(&peer);
        }
        let since = if is_behind { *self.relay.behind.entry(peer).or_insert(now) } else { now };
        // What travels over several hops comes late, which is no reason to ask for it.
        let is_late = now.since(since) >= BEHIND || done_units == self.ledger.units();
        let pause = if is_behind && (is_late || !self.relay.is_on) { HAVE_PAUSE } else { HAVE_EVERY };
        if now.since(told) >= pause && !self.ledger.is_complete() {
            self.say_what_we_have(now, peer, post);
        }
    }

    fn say_what_we_have(&mut self, now: Time, peer: PeerId, post: &mut Post) {
        self.told.insert(peer, now);
        if self.relay.behind.remove(&peer).is_some() {
            self.relay.lazy.remove(&peer);
        }
        let units = self.ledger.units();
        let mut runs = self.ledger.runs(UnitRange::new(0, units)).peekable();
        let mut start = 0;
        loop {
            let part: Vec<UnitRange> = runs.by_ref().take(RUNS_MAX).collect();
            let end = if runs.peek().is_some() { part.last().map_or(units, |run| run.end) } else { units };
            post.send(peer, Frame::Have { job: self.job, within: UnitRange::new(start, end), runs: part });
            start = end;
            if start == units {
                return;
            }
        }
    }

    /// A peer told what it has within a range: it gets what it lacks, and is told of what is new from now on.
    pub(crate) fn on_have(
        &mut self,
        me: &Identity,
        peer: PeerId,
        within: UnitRange,
        theirs: &[UnitRange],
        post: &mut Post,
    ) {
        let Some(within) = within.intersection(&UnitRange::new(0, self.ledger.units())) else { return };
        self.relay.lazy.remove(&peer);
        let (mut records, mut credit, mut sent) = (Vec::new(), Vec::new(), 0);
        let mut from = within.start;
        let ends = theirs.iter().copied().chain([UnitRange::new(within.end, within.end)]);
        for run in ends {
            let lacking = UnitRange::new(from, run.start.min(within.end));
            from = from.max(run.end);
            if lacking.is_empty() {
                continue;
            }
            for (block, outcome) in self.ledger.blocks(lacking) {
                if records.len() >= ANSWER_RECORDS_MAX {
                    break;
                }
                // A large block may fill several gaps: once is enough.
                if block.range().end > sent {
                    sent = block.range().end;
                    records.push(self.record(me, block, outcome, false));
                }
            }
            let room = ANSWER_CREDIT_MAX.saturating_sub(credit.len());
            credit.extend(self.computers(lacking).take(room));
        }
        self.post_records(records, |frame| post.send(peer, frame));
        for runs in credit.chunks(RUNS_MAX) {
            post.send(peer, Frame::Credit { job: self.job, runs: runs.to_vec() });
        }
    }

    fn record(&self, me: &Identity, block: Block, outcome: &Outcome, computed: bool) -> Record {
        let signature = me.sign(&Record::signed_bytes(&self.job, block, outcome, computed));
        Record { block, outcome: outcome.clone(), computed, signer: me.id(), signature }
    }

    fn post_records(&self, mut records: Vec<Record>, mut post: impl FnMut(Frame)) {
        while !records.is_empty() {
            let mut bytes = 0;
            let fits = |record: &&Record| {
                bytes += record.bytes();
                bytes <= RECORDS_BYTES_MAX
            };
            let count = records.iter().take(RECORDS_MAX).take_while(fits).count().max(1);
            let rest = records.split_off(count);
            post(Frame::Records { job: self.job, records });
            records = rest;
        }
    }
}

impl Relay {
    /// Who gets this node's own results at once: eager links, and others up to so many that a crash does not lose them.
    fn first_copies(&self, links: &[PeerId]) -> Vec<PeerId> {
        let (mut eager, lazy): (Vec<PeerId>, Vec<PeerId>) =
            links.iter().partition(|peer| !self.lazy.contains(peer));
        eager.extend(lazy.into_iter().take(COPIES_MIN.saturating_sub(eager.len())));
        eager
    }
}
