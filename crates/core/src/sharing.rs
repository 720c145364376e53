//! Who computes what: asking, granting, taking back, claiming.
//!
//! The host holds all units at the start. A peer that runs out asks the one that needs longest for what it still holds;
//! that one splits what it has not begun in proportion to both speeds (and to those of others that are idle too), or,
//! having nothing unbegun, cuts its longest slice short. Everybody tells everybody what it holds, so that
//!
//! - a grantor takes back what a vanished peer was granted and nobody else holds now;
//! - units that nobody holds for a while are inherited or claimed (see [`orphans`]): no coordinator, few duplicates, and
//!   duplicates are harmless;
//! - at the end, an idle peer computes the slowest peer's last slice too, and the first result wins;
//! - of two that hold the same unbegun units, the smaller id yields;
//! - what a peer holds counts only while it gets on: one that finishes nothing for long is taken not to hold it.
//!
//! Holding is a plan, not a permission: a good result counts whoever computed it.
//!
//! In a room too large for links to all, a node sees only what its neighbours hold. There stock is evened out between
//! neighbours before it runs out, so that work spreads from the host over several hops.

mod orphans;
mod theirs;

use std::collections::VecDeque;
use std::time::Duration;

use manyhands_ledger::Ledger;
use manyhands_wire::frame::{Activity, Ask, Grant, RUNS_MAX, Status};
use manyhands_wire::{Frame, JobId, JobKind, PeerId, UnitRange};

use crate::claims::Claims;
use crate::io::{Output, Slot};
use crate::post::Post;
use crate::table::{Set, Table};
use crate::time::Time;
use crate::unit_set::UnitSet;
use crate::work::{Mode, Work, cost_in, seconds, unspared};
use theirs::{STUCK_MAX_S, Theirs, is_further};

/// How long an answer to a request for work may take.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);
/// How much more a peer must have left than this node, in seconds, to be asked.
const STEAL_MARGIN_S: f64 = 0.02;
/// A slice with less left than this is not cut, in seconds.
const CUT_MIN_S: f64 = 0.03;
/// A slice is computed by a second peer if its own needs this many times longer than the second would, and some seconds more.
const OVERTAKE: f64 = 2.0;
const OVERTAKE_MIN_S: f64 = 0.5;
/// How many times slower than a thread of this node one may be at a long unit.
const SLOWER_MAX: f64 = 32.0;
/// How often beginning to hold units is taken for getting on.
const BEGIN_PAUSE: Duration = Duration::from_secs(310);
/// How often a peer that holds the same units is yielded to.
const YIELD_EVERY: Duration = Duration::from_millis(500);
/// How long others' word for units that nobody finishes any of is taken.
const VOUCHED_MAX: Duration = Duration::from_secs(300);
/// How much of its own work a peer yields at once to another that holds the same units.
const YIELD: Duration = Duration::from_secs(2);
/// The highest speed believed, in thousandths of cost per second: sums of it stay far from overflow.
const SPEED_MAX: u64 = 1 << 50;
/// Of how many peers the node remembers how much they computed.
const GROSS_MAX: usize = 1024;
/// How often neighbours even out their stock where work comes over several hops, and how much richer, in seconds beyond twice
/// this node's own stock, a neighbour must be.
const EVEN_OUT_EVERY: Duration = Duration::from_secs(1);
const EVEN_OUT_MARGIN_S: f64 = 2.0;

/// A request for work that cannot be answered before a worker agreed to stop.
#[derive(Clone, Copy, Debug)]
struct Parked {
    peer: PeerId,
    request: u64,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    peer: PeerId,
    request: u64,
    since: Time,
}

/// What a peer says it has computed.
#[derive(Clone, Copy, Debug)]
struct Gross {
    /// While this node watched.
    watched: u64,
    /// What it last said of its session.
    said: u64,
}

/// The sharing of one job's work.
pub(crate) struct Sharing {
    me: PeerId,
    job: JobId,
    kind: JobKind,
    pub(crate) theirs: Table<PeerId, Theirs>,
    pending: Option<Pending>,
    parked: Table<Slot, Parked>,
    requests: u64,
    suspects: UnitSet,
    suspected_since: Time,
    /// How often units stayed orphans although somebody should have claimed them.
    claim_rounds: usize,
    scanned: Time,
    gross: Table<PeerId, Gross>,
    /// How many peers the room has, and whether this node has links to all of them.
    room: (usize, bool),
    /// When it last asked for units, and when it last had some or could not take any.
    asked: Time,
    fed: Time,
    starved: Option<Time>,
    claims: Claims,
    /// What vanished peers held, and when this node takes it unless another did.
    estates: Table<PeerId, (Time, UnitSet)>,
    /// What all who were present could have computed alone in the time they were present, by its cost.
    pub(crate) potential: f64,
    measured: Time,
    /// Something changed that the others should know soon.
    pub(crate) news: bool,
}

impl Sharing {
    pub(crate) fn new(me: PeerId, job: JobId, kind: JobKind) -> Self {
        Self {
            me,
            job,
            kind,
            theirs: Table::new(),
            pending: None,
            parked: Table::new(),
            requests: 0,
            suspects: UnitSet::default(),
            suspected_since: Time::ZERO,
            claim_rounds: 0,
            scanned: Time::ZERO,
            gross: Table::new(),
            room: (1, true),
            asked: Time::ZERO,
            fed: Time::ZERO,
            starved: None,
            claims: Claims::new(job),
            estates: Table::new(),
            potential: 0.0,
            measured: Time::ZERO,
            news: false,
        }
    }

    /// How many peers the room has, this node included, and whether it has links to all that were ever met.
    pub(crate) fn on_room(&mut self, size: usize, sees_all: bool) {
        self.room = (size, sees_all);
    }

    /// Whether this node has links to all peers that were ever met.
    pub(crate) fn sees_all(&self) -> bool {
        self.room.1
    }

    /// A peer said how it is doing.
    ///
    /// # Errors
    /// If it speaks of units that the job does not have.
    pub(crate) fn on_status(
        &mut self,
        now: Time,
        peer: PeerId,
        mut status: Status,
        ledger: &Ledger,
        work: &mut Work,
    ) -> Result<(), String> {
        let mut told = status.holding.iter().chain(&status.granted).chain(&status.under_way);
        if let Some(run) = told.find(|run| run.end > ledger.units()) {
            return Err(format!("a status about units {run:?}, beyond the job's {}", ledger.units()));
        }
        status.speed = status.speed.min(SPEED_MAX);
        status.solo_speed = status.solo_speed.min(SPEED_MAX);
        let missing = |runs: &[UnitRange]| -> UnitSet {
            runs.iter().flat_map(|run| ledger.missing(*run).collect::<Vec<_>>()).collect()
        };
        let (holding, vouched) = (missing(&status.holding), missing(&status.granted));
        let before = self.theirs.remove(&peer);
        // Beginning to hold something counts as getting on, but not so often that saying so would do.
        let (advanced, began) = match &before {
            Some(before) if !before.holding.is_empty() || now.since(before.began) < BEGIN_PAUSE => {
                (before.advanced, before.began)
            }
            Some(_) | None => (now, now),
        };
        let finished = before.as_ref().map_or(now, |before| before.finished.max(began));
        let gets_on = before.as_ref().is_some_and(|before| is_further(&before.status, &status, &self.kind));
        let is_plausible = now.since(finished).as_secs_f64() < self.longest(now, &holding, work);
        let advanced = if gets_on && is_plausible { now } else { advanced };
        let vouched_since = match &before {
            Some(before) if !before.vouched.is_empty() => before.vouched_since,
            Some(_) | None => now,
        };
        let may_yield = before.as_ref().is_none_or(|before| now.since(before.at) >= YIELD_EVERY);
        let granted = before.map(|before| before.granted).unwrap_or_default();
        let at = now;
        let theirs = Theirs {
            status,
            holding,
            vouched,
            vouched_since,
            at,
            advanced,
            finished,
            began,
            refused: false,
            granted,
        };
        if peer > self.me && may_yield && !theirs.is_stuck(now, &self.kind) {
            yield_to(&theirs.holding, &self.kind, now, work);
        }
        if self.gross.len() < GROSS_MAX || self.gross.contains_key(&peer) {
            let units = theirs.status.gross_units;
            let gross = self.gross.entry(peer).or_insert(Gross { watched: 0, said: units });
            // A session that begins anew counts from zero.
            let more = units.checked_sub(gross.said).unwrap_or(units);
            *gross = Gross { watched: gross.watched.saturating_add(more), said: units };
        }
        self.theirs.insert(peer, theirs);
        Ok(())
    }

    /// Units that the peers say they computed while this node watched, those that left included, duplicates counted.
    pub(crate) fn their_gross(&self) -> u64 {
        self.gross.values().fold(0, |sum, gross| sum.saturating_add(gross.watched))
    }

    /// Counts what everybody present could do since this was last called.
    pub(crate) fn measure(&mut self, now: Time, since: Time, work: &Work) {
        let span = now.since(self.measured.max(since)).as_secs_f64();
        self.measured = now;
        let theirs: u64 =
            self.theirs.values().map(|theirs| theirs.status.solo_speed).fold(0, u64::saturating_add);
        self.potential += span * theirs.saturating_add(work.solo_speed()) as f64 / 1000.0;
    }

    /// Units are finished; `by` tells who computed them, if whoever told it knows.
    pub(crate) fn on_finished(
        &mut self,
        now: Time,
        units: &[UnitRange],
        by: Option<PeerId>,
        work: &mut Work,
    ) {
        if let Some(theirs) = by.and_then(|peer| self.theirs.get_mut(&peer)).filter(|_| !units.is_empty()) {
            (theirs.advanced, theirs.finished) = (now, now);
        }
        for range in units {
            work.mine.remove(*range);
            self.suspects.remove(*range);
            for theirs in self.theirs.values_mut() {
                theirs.holding.remove(*range);
                theirs.granted.remove(*range);
                let vouched = theirs.vouched.len();
                theirs.vouched.remove(*range);
                if theirs.vouched.len() < vouched {
                    theirs.vouched_since = now;
                }
            }
        }
    }

    /// Asks for work if there is none left to begin.
    pub(crate) fn look_for_work(&mut self, now: Time, work: &Work, post: &mut Post) {
        if let Some(pending) = self.pending {
            if now.since(pending.since) < ASK_TIMEOUT {
                return;
            }
            // No answer is a no, until it speaks again.
            self.pending = None;
            if let Some(theirs) = self.theirs.get_mut(&pending.peer) {
                theirs.refused = true;
            }
        }
        let (_, sees_all) = self.room;
        let evens_out = !sees_all && now.since(self.asked) >= EVEN_OUT_EVERY;
        let has_stock = !work.mine.is_empty();
        if has_stock || !work.is_idle() || work.mode != Mode::Working {
            self.fed = now;
        }
        let is_able = work.mode == Mode::Working && work.threads() > 0 && work.is_calibrated();
        if !is_able || (has_stock && !evens_out) {
            return;
        }
        let ours = work.seconds_left(now);
        let enough = if has_stock { 2.0 * ours + EVEN_OUT_MARGIN_S } else { ours + STEAL_MARGIN_S };
        let richest = self
            .theirs
            .iter()
            .filter(|(_, theirs)| !theirs.refused && !theirs.holding.is_empty())
            .map(|(peer, theirs)| (theirs.seconds_left(now, &self.kind), *peer))
            .max_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
        let Some((_, peer)) = richest.filter(|(left, _)| *left > enough) else { return };
        self.asked = now;
        self.requests += 1;
        self.pending = Some(Pending { peer, request: self.requests, since: now });
        post.send(peer, Frame::Ask(Ask { job: self.job, request: self.requests, speed: work.capacity(now) }));
    }

    /// Nothing is left to ask for, and some peer will be long at its last slice, which cannot be cut further: compute it
    /// too. Of all that idle one does so, and the first result wins. Returns what is to be computed twice.
    pub(crate) fn overtake(&self, now: Time, ledger: &Ledger, work: &Work) -> Option<UnitRange> {
        if self.pending.is_some() || work.capacity(now) == 0 || !work.mine.is_empty() || !work.is_idle() {
            return None;
        }
        let slowest = self.theirs.values().flat_map(|theirs| {
            let left = theirs.seconds_left(now, &self.kind);
            theirs.status.under_way.iter().map(move |slice| (left, *slice))
        });
        let (left, slice) = slowest
            .filter(|(_, slice)| !ledger.is_done(*slice) && self.holders(*slice) == 1)
            .max_by(|a, b| a.0.partial_cmp(&b.0).unwrap_or(std::cmp::Ordering::Equal))?;
        let idle = |peer: &PeerId| self.theirs.get(peer).is_some_and(Theirs::is_idle);
        let (block, ours) = (slice.first_block()?, seconds(self.kind.cost(slice), work.capacity(now)));
        (left > OVERTAKE * ours + OVERTAKE_MIN_S && self.rank(block, idle) == 0).then_some(slice)
    }

    /// A peer asks for work.
    pub(crate) fn on_ask(
        &mut self,
        now: Time,
        peer: PeerId,
        ask: &Ask,
        work: &mut Work,
        post: &mut Post,
        out: &mut VecDeque<Output>,
    ) {
        let runs = self.share_for(now, peer, ask.speed, work);
        if !runs.is_empty() {
            self.grant(now, peer, ask.request, runs, post);
            return;
        }
        // Everything held is begun: cut the slice that will take longest.
        let (_, longest) = work.rest_of_slices(now);
        if let Some((slot, rest)) = longest.filter(|_| work.mine.is_empty()) {
            let own = work.slot_speed(now, slot);
            let part = proportional(rest, ask.speed, own);
            if part > 0 && seconds(rest, own) > CUT_MIN_S && !self.parked.contains_key(&slot) {
                self.parked.insert(slot, Parked { peer, request: ask.request });
                work.cut(slot, part, out);
                return;
            }
        }
        post.send(peer, Frame::Grant(Grant { job: self.job, request: ask.request, runs: Vec::new() }));
    }

    /// Takes out of the unbegun units what an asker of this speed should have.
    fn share_for(&self, now: Time, asker: PeerId, speed: u64, work: &mut Work) -> Vec<UnitRange> {
        let unbegun = work.mine.cost(&self.kind);
        let own = work.capacity(now);
        if unbegun == 0 || speed == 0 {
            return Vec::new();
        }
        // Others with nothing to do will ask in a moment: leave them theirs.
        let idle: u64 = self
            .theirs
            .iter()
            .filter(|(peer, theirs)| **peer != asker && theirs.is_idle())
            .map(|(_, theirs)| theirs.status.speed.max(theirs.status.solo_speed))
            .fold(0, u64::saturating_add);
        let (rest, _) = work.rest_of_slices(now);
        // One that evens out its stock has some already.
        let stock = self.theirs.get(&asker).map_or(0, |theirs| theirs.holding.cost(&self.kind));
        let all = unbegun.saturating_add(rest).saturating_add(stock);
        let rivals = own.saturating_add(idle);
        let share = proportional(all, speed, rivals).saturating_sub(stock);
        let runs = work.mine.take_back(&self.kind, share, RUNS_MAX);
        if !runs.is_empty() || stock > 0 {
            return runs;
        }
        // Less than a unit each: the last ones go to whoever finishes them sooner.
        let last = work.mine.last().map_or(0, |unit| self.kind.cost(unit));
        let is_sooner = seconds(last, speed) < seconds(all, own);
        work.mine.take_last_if(is_sooner).into_iter().collect()
    }

    fn grant(&mut self, now: Time, peer: PeerId, request: u64, runs: Vec<UnitRange>, post: &mut Post) {
        if let Some(theirs) = self.theirs.get_mut(&peer) {
            if theirs.holding.is_empty() {
                (theirs.advanced, theirs.finished) = (now, now);
            }
            for run in &runs {
                theirs.granted.insert(*run);
                theirs.holding.insert(*run);
            }
        }
        self.news = true;
        post.send(peer, Frame::Grant(Grant { job: self.job, request, runs }));
    }

    /// A worker agreed to stop earlier and gave these units up: the parked request, if any, is answered with them. Returns
    /// what is nobody's, to be held again.
    pub(crate) fn on_given_up(
        &mut self,
        now: Time,
        slot: Slot,
        units: UnitRange,
        post: &mut Post,
    ) -> Option<UnitRange> {
        let Some(Parked { peer, request }) = self.parked.remove(&slot) else {
            return Some(units).filter(|units| !units.is_empty());
        };
        if !self.theirs.contains_key(&peer) {
            return Some(units).filter(|units| !units.is_empty());
        }
        let runs = if units.is_empty() { Vec::new() } else { vec![units] };
        self.grant(now, peer, request, runs, post);
        None
    }

    /// The answer to a request, or a gift.
    pub(crate) fn on_grant(
        &mut self,
        peer: PeerId,
        grant: &Grant,
        open: UnitRange,
        ledger: &Ledger,
        work: &mut Work,
    ) -> Result<(), String> {
        let whole = UnitRange::new(0, ledger.units());
        if let Some(run) = grant.runs.iter().find(|run| run.end > whole.end) {
            return Err(format!("a grant of units {run:?}, beyond the job's {}", whole.end));
        }
        let answers =
            self.pending.is_some_and(|pending| pending.peer == peer && pending.request == grant.request);
        if answers {
            self.pending = None;
        } else if grant.request != 0 && grant.runs.is_empty() {
            return Ok(());
        }
        // An answer that comes too late, or a gift, is taken only as far as the giver held it.
        let held = self.theirs.get(&peer).map(|theirs| theirs.holding.clone()).unwrap_or_default();
        let runs: Vec<UnitRange> = match answers {
            true => grant.runs.clone(),
            false => grant.runs.iter().flat_map(|run| held.within(*run)).collect(),
        };
        if let Some(theirs) = self.theirs.get_mut(&peer) {
            theirs.refused = grant.runs.is_empty();
            runs.iter().for_each(|run| theirs.holding.remove(*run));
        }
        for run in runs.iter().filter_map(|run| run.intersection(&open)) {
            ledger.missing(run).for_each(|missing| work.mine.insert(missing));
        }
        for slice in work.under_way().collect::<Vec<_>>() {
            work.mine.remove(slice);
        }
        self.news = true;
        Ok(())
    }

    /// The peers that compute now.
    pub(crate) fn workers(&self) -> impl Iterator<Item = PeerId> + '_ {
        let computes = |theirs: &Theirs| {
            theirs.status.threads > 0
                && matches!(theirs.status.activity, Activity::Working | Activity::Finished)
        };
        self.theirs.iter().filter(move |(_, theirs)| computes(theirs)).map(|(peer, _)| *peer)
    }

    /// The peers that hold what this node granted, or granted something to it lately.
    pub(crate) fn partners(&self) -> impl Iterator<Item = PeerId> + '_ {
        let pending = self.pending.map(|pending| pending.peer);
        let granted = self.theirs.iter().filter(|(_, theirs)| !theirs.granted.is_empty());
        granted.map(|(peer, _)| *peer).chain(pending)
    }

    /// There is no link to a peer any more; it goes on with what it holds.
    pub(crate) fn on_parted(&mut self, peer: &PeerId) {
        self.pending = self.pending.filter(|pending| pending.peer != *peer);
        self.theirs.remove(peer);
    }

    /// A peer is gone; `heirs` are those that had a link to it. Returns what this node takes back.
    pub(crate) fn on_gone(
        &mut self,
        now: Time,
        peer: &PeerId,
        heirs: &Set<PeerId>,
        ledger: &Ledger,
        work: &mut Work,
    ) -> Vec<UnitRange> {
        self.pending = self.pending.filter(|pending| pending.peer != *peer);
        let Some(gone) = self.theirs.remove(peer) else { return Vec::new() };
        let (_, sees_all) = self.room;
        if !sees_all {
            // What it granted on, it does not hold any more; what others granted to it, they do not see.
            self.bequeath(now, peer, heirs.iter(), gone.holding);
            return Vec::new();
        }
        let mut lost: UnitSet =
            gone.granted.runs().flat_map(|run| ledger.missing(run).collect::<Vec<_>>()).collect();
        for held in self.theirs.values().flat_map(|theirs| theirs.holding.runs()).chain(work.held().runs()) {
            lost.remove(held);
        }
        // It may have passed some on to peers that only others have links to.
        let trusted = self.theirs.values().filter(|theirs| now.since(theirs.vouched_since) < VOUCHED_MAX);
        for held in trusted.flat_map(|theirs| theirs.vouched.runs()) {
            lost.remove(held);
        }
        lost.runs().for_each(|run| work.mine.insert(run));
        self.news |= !lost.is_empty();
        lost.runs().collect()
    }

    /// What this node granted to peers that still say they hold it: the others, who may have no link to them, are told.
    pub(crate) fn granted(&self) -> UnitSet {
        let held = |theirs: &Theirs| -> Vec<UnitRange> {
            theirs.granted.runs().flat_map(|run| theirs.holding.within(run)).collect()
        };
        self.theirs.values().flat_map(held).collect()
    }

    /// How long a peer may be at its longest unit, in seconds, whatever it says of its speed: so many times what this node
    /// would need, at least a while.
    fn longest(&self, now: Time, holding: &UnitSet, work: &Work) -> f64 {
        let longest =
            holding.last().map_or(0, |unit| self.kind.cost(unit)).saturating_mul(unspared(&self.kind));
        let ours = work.capacity(now) / u64::from(work.threads().max(1));
        STUCK_MAX_S + SLOWER_MAX * seconds(longest, ours.max(1))
    }

    /// How many peers say that they hold units of `range`.
    fn holders(&self, range: UnitRange) -> usize {
        self.theirs.values().filter(|theirs| !theirs.holding.within(range).is_empty()).count()
    }

    /// Hands everything held to the peer that works fastest. `false` if there is none.
    pub(crate) fn give_away(&mut self, now: Time, work: &mut Work, post: &mut Post) -> bool {
        let fastest = self
            .theirs
            .iter()
            .filter(|(_, theirs)| theirs.status.activity == Activity::Working)
            .max_by_key(|(peer, theirs)| (theirs.status.speed.max(theirs.status.solo_speed), **peer))
            .map(|(peer, _)| *peer);
        let Some(peer) = fastest else { return false };
        while !work.mine.is_empty() {
            let runs = work.mine.take_back(&self.kind, u64::MAX, RUNS_MAX);
            self.grant(now, peer, 0, runs, post);
        }
        true
    }
}

/// Two hold the same units: the one with the smaller id yields what the other will come to next, and goes on behind it. It
/// yields no more than it would itself do in a few status rounds, so that one who only says that it holds them gains little.
fn yield_to(holding: &UnitSet, kind: &JobKind, now: Time, work: &mut Work) {
    let mut budget = cost_in(work.capacity(now), YIELD);
    let both: Vec<UnitRange> = holding.runs().flat_map(|run| work.mine.within(run)).collect();
    for run in both {
        if budget == 0 {
            return;
        }
        let part = UnitRange::new(run.start, kind.cut_front(run, budget));
        budget = budget.saturating_sub(kind.cost(part));
        work.mine.remove(part);
    }
}

/// The part of `all` in proportion `speed : speed + rivals`, rounded down.
fn proportional(all: u64, speed: u64, rivals: u64) -> u64 {
    let part = u128::from(all) * u128::from(speed) / (u128::from(speed) + u128::from(rivals)).max(1);
    u64::try_from(part).unwrap_or(u64::MAX)
}
