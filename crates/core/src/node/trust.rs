//! Whom to believe: results that are drawn for a check, and peers that are caught lying.

use manyhands_jobs as jobs;
use manyhands_wire::frame::Record;
use manyhands_wire::{Block, Frame, JobKind, Outcome, PeerId, UnitRange, mersenne};
use rand_chacha::rand_core::Rng as _;

use super::Node;
use super::search::proven;
use crate::checks::{ONE_IN, ONE_IN_PROVEN, ONE_IN_SEARCH, Verdict};
use crate::io::{Event, Output, Slot};
use crate::job::Job;
use crate::time::Time;
use crate::work::Mode;

impl Node {
    /// Results came that their computers signed: some are checked here. Of a refused frame only the disputed one is.
    pub(super) fn on_signed_results(
        &mut self,
        now: Time,
        signed: Vec<Record>,
        is_taken: bool,
        disputed: Option<Record>,
    ) {
        let (me, can_check) = (self.me.id(), self.can_check());
        let Some(job) = self.job.as_mut().filter(|job| job.is_checkable()) else { return };
        if let Some(range) = disputed.filter(|_| can_check).and_then(|record| job.checks.dispute(&record)) {
            job.work.check(range, Vec::new());
        }
        let mut drawn = Vec::new();
        for record in signed.into_iter().filter(|_| is_taken) {
            // Only who has a link to its computer was sent it for certain.
            let links = self.calls.directory.neighbours();
            let was_sent =
                |peer: &PeerId| links.get(peer).is_some_and(|theirs| theirs.contains(&record.signer));
            let able: Vec<PeerId> =
                job.sharing.workers().filter(was_sent).chain(can_check.then_some(me)).collect();
            let Sample { ranges, one_in } = sample(&job.signed.spec.kind, &record, self.rng.next_u64());
            let chance = one_in.map(|one_in| (one_in, self.rng.next_u64()));
            // The lot of proofs hangs on what their maker signed. Now and then somebody looks at one whom nobody could choose, and
            // computes it all anew: a proof holds but for elements of small order, which are hard to rule out.
            let is_private = one_in.is_none()
                && can_check
                && record.signer != me
                && self.rng.next_u64().is_multiple_of(ONE_IN_PROVEN);
            let sees_all = job.sharing.sees_all();
            let is_drawn =
                !ranges.is_empty() && job.checks.draw(me, able.into_iter(), sees_all, chance, &record);
            if is_private {
                for range in ranges.iter().filter_map(|range| job.checks.add(record.clone(), *range)) {
                    job.work.check(range, Vec::new());
                }
            } else if is_drawn {
                let ranges = ranges.into_iter();
                drawn.extend(
                    ranges
                        .filter_map(|range| job.checks.add(record.clone(), range))
                        .map(|range| (range, record.clone())),
                );
                job.sharing.news = true;
            }
            job.checks.keep(record);
        }
        for (range, record) in drawn {
            self.check_soon(now, range, &record);
        }
    }

    /// This node's own results are evidence as good as any, and show what others signed wrongly.
    pub(super) fn keep_own(&mut self, now: Time, blocks: &[(Block, Outcome)]) {
        let me = self.me.id();
        let Some(job) = self.job.as_mut().filter(|job| job.is_checkable()) else { return };
        let mut lies = Vec::new();
        for (block, outcome) in blocks {
            lies.extend(job.checks.contradiction(&me, block, outcome));
            job.checks.keep(job.replica.signed(&self.me, *block, outcome));
        }
        lies.into_iter().for_each(|record| self.on_lie(now, record, true));
    }

    /// Whether a thread of this node could compute something anew now.
    pub(super) fn can_check(&self) -> bool {
        self.job.as_ref().is_some_and(|job| job.work.threads() > 0 && job.work.mode == Mode::Working)
    }

    /// A peer says that another lied. Returns why that is refused.
    pub(super) fn on_accused(&mut self, now: Time, accuser: PeerId, record: Record) -> Option<String> {
        let can_check = self.can_check();
        let job = self.job.as_mut().filter(|job| job.is_checkable())?;
        if !record.computed || record.block.range().end > job.replica.ledger.units() {
            return Some("an accusation about no result of the job".to_owned());
        }
        if !job.replica.is_signed(&self.me, &record) {
            return Some("an accusation with a result that the accused did not sign".to_owned());
        }
        let is_plausible = job.signed.spec.is_plausible(record.block.range(), &record.outcome);
        if !is_plausible || record.block.range().end > job.open().end || job.is_too_large(now, &record) {
            return Some("an accusation about a result that nobody would take".to_owned());
        }
        if can_check && job.checks.is_accuser(&accuser) {
            // One at a time: it is not to keep everybody busy.
            return None;
        }
        let workers = job.sharing.workers().filter(|peer| *peer != record.signer).count();
        let (range, verdict) = job.checks.on_accused(accuser, record.clone(), can_check, workers);
        if let Some(range) = range {
            self.check_soon(now, range, &record);
        }
        if let Some(Verdict::Lie(record)) = verdict {
            // Believed, and not passed on: this node could not answer for it.
            self.on_lie(now, *record, false);
        }
        None
    }

    /// A worker that computed a result anew is done. `false` if it did something else.
    pub(super) fn on_check_done(
        &mut self,
        now: Time,
        slot: Slot,
        slice: UnitRange,
        blocks: &[(Block, Outcome)],
    ) -> bool {
        let Some(job) = &mut self.job else { return false };
        let Some(range) = job.work.checked_by(slot).filter(|range| range.start == slice.start) else {
            return false;
        };
        job.work.on_check_done(slot);
        let mut outcomes = blocks.iter().map(|(_, outcome)| outcome.clone());
        let first = outcomes.next();
        let merged = first.and_then(|first| outcomes.try_fold(first, |sum, next| sum.merge(&next)));
        match merged.filter(|_| slice == range) {
            Some(outcome) => {
                for verdict in job.checks.on_computed(&job.signed.spec.kind, range, &outcome) {
                    self.on_verdict(now, verdict);
                }
            }
            None => job.checks.on_given_up(range),
        }
        true
    }

    fn on_verdict(&mut self, now: Time, verdict: Verdict) {
        match verdict {
            Verdict::True => {}
            Verdict::FalselyAccused(accuser) => {
                self.shun(now, accuser, "it said that a true result is a lie".to_owned());
            }
            Verdict::Lie(record) => self.on_lie(now, *record, true),
        }
    }

    /// A lie is proven: everybody is told, and what the liar may have spoilt is computed anew.
    fn on_lie(&mut self, now: Time, record: Record, is_seen: bool) {
        let liar = record.signer;
        let Some(job) = self.job.as_mut().filter(|_| liar != self.me.id()) else { return };
        if !job.checks.condemn(record.clone()) {
            return;
        }
        let checks = &job.checks;
        let lost = job.replica.retract(&liar, |runs| checks.evidence_within(runs));
        job.sharing.on_retracted(now, &liar, &lost);
        if !lost.is_empty() {
            job.finished = None;
            job.complete = None;
        }
        let what = format!("its result for units {:?} is wrong", record.block.range());
        if is_seen {
            self.post.send_all(Frame::Lie { job: job.id, record });
        }
        self.say_status(now);
        self.shun(now, liar, what);
    }

    /// No link with a peer any more for a while.
    fn shun(&mut self, now: Time, peer: PeerId, what: String) {
        self.out.push_back(Output::Event(Event::Misbehaved { peer, what }));
        self.doubt(&peer);
        self.calls.ban(now, peer);
        if let Some(link) = self.up.get(&peer).copied() {
            self.flush();
            self.hang_up(now, link);
        }
    }

    /// A peer that misbehaves may be broken, or lie: some of its results are looked at.
    pub(super) fn doubt(&mut self, peer: &PeerId) {
        let can_check = self.can_check();
        if let Some(job) = self.job.as_mut().filter(|job| can_check && job.is_checkable()) {
            job.checks.doubt(peer).into_iter().for_each(|range| job.work.check(range, Vec::new()));
        }
    }

    /// Whether this slot computes another's result anew, or confirms a prime. What is cut short is given up when it ends.
    pub(super) fn is_checking(&self, slot: Slot) -> bool {
        let is_so = |job: &Job| job.work.checked_by(slot).is_some() || job.work.confirmed_by(slot).is_some();
        self.job.as_ref().is_some_and(is_so)
    }

    /// Whether a report is the end of a check, which is no work of the job's own.
    pub(super) fn takes_as_check(&mut self, now: Time, slot: Slot, report: &jobs::Report) -> bool {
        match report {
            jobs::Report::Shortened { .. } => self.is_checking(slot),
            jobs::Report::Done { slice, blocks, .. } => self.on_check_done(now, slot, *slice, blocks),
            jobs::Report::Calibrated { .. }
            | jobs::Report::Progress { .. }
            | jobs::Report::Saved { .. }
            | jobs::Report::Proved { .. }
            | jobs::Report::Confirmed { .. } => false,
        }
    }
}

/// Which units of a result are computed anew if it is drawn for a check.
struct Sample {
    ranges: Vec<UnitRange>,
    /// Of how many such results one is drawn; none if all are.
    one_in: Option<u64>,
}

fn sample(kind: &JobKind, record: &Record, chance: u64) -> Sample {
    let findings = match (kind, &record.outcome) {
        (JobKind::Mersenne { .. }, Outcome::Mersenne(findings)) => findings,
        // What adds up can only be checked as a whole.
        _ => return Sample { ranges: vec![record.block.range()], one_in: Some(ONE_IN) },
    };
    let unit = |unit: u64| UnitRange::new(unit, unit + 1);
    let proven = proven(kind, record);
    if !proven.is_empty() {
        // To look at a proof costs little.
        return Sample { ranges: proven.into_iter().map(|(at, _)| unit(at)).collect(), one_in: None };
    }
    // Factors were looked at when they came, and primes are tested by themselves.
    let tested: Vec<u64> = findings
        .iter()
        .filter(|finding| matches!(finding.verdict, mersenne::Verdict::Composite { .. }))
        .filter_map(|finding| kind.unit_of(finding.exponent))
        .collect();
    let count = tested.len() as u64;
    let chosen = usize::try_from(chance % count.max(1)).ok().and_then(|at| tested.get(at));
    Sample {
        ranges: chosen.into_iter().map(|at| unit(*at)).collect(),
        one_in: Some((ONE_IN_SEARCH / count.max(1)).max(1)),
    }
}
