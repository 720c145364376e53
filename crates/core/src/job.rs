//! The room's job as this node has it: its description, whether it started, its ledger and its work.

use std::collections::VecDeque;
use std::time::Duration;

use manyhands_ledger::Ledger;
use manyhands_wire::frame::Record;
use manyhands_wire::{JobId, JobKind, PeerId, Signature, SignedJob, UnitRange};

use crate::checks::Checks;
use crate::identity::Identity;
use crate::invite::RoomKey;
use crate::io::{Event, Output, Slot};
use crate::parcels::Parcels;
use crate::post::Post;
use crate::primes::Primes;
use crate::replica::Replica;
use crate::sharing::Sharing;
use crate::table::Set;
use crate::time::Time;
use crate::work::{UNSPARED, Work, cost_in};

/// How long a complete ledger waits for all others to be complete and the checks of its last results to be told, and to be made.
const SETTLE: Duration = Duration::from_millis(250);
const SETTLE_MAX: Duration = Duration::from_secs(30);
/// How long a result may have taken at the most, for one as fast as its computer says: slices are far shorter.
const RESULT_MAX: Duration = Duration::from_secs(4);
/// How many times faster than this node a computer is believed to be.
const FASTER_MAX: u64 = 256;

/// The job and everything about it.
pub(crate) struct Job {
    pub(crate) id: JobId,
    pub(crate) signed: SignedJob,
    /// The host's signature that starts it.
    pub(crate) start: Option<Signature>,
    pub(crate) started: Option<Time>,
    pub(crate) finished: Option<Time>,
    pub(crate) replica: Replica,
    pub(crate) work: Work,
    pub(crate) sharing: Sharing,
    pub(crate) checks: Checks,
    pub(crate) parcels: Parcels,
    pub(crate) primes: Primes,
    /// How many of its units may be begun, as far as its prefix has come.
    reach: u64,
    /// Since when every unit is finished, as far as nobody is caught lying.
    pub(crate) complete: Option<Time>,
}

impl Job {
    /// A job whose signature was checked.
    pub(crate) fn new(me: PeerId, signed: SignedJob, ledger: Option<Ledger>, threads: u16) -> Self {
        let id = signed.spec.id();
        let units = signed.spec.units();
        let ledger = ledger.filter(|ledger| ledger.units() == units).unwrap_or_else(|| Ledger::new(units));
        Self {
            id,
            start: None,
            started: None,
            finished: None,
            work: Work::new(signed.spec.kind.clone(), threads),
            sharing: Sharing::new(me, id, signed.spec.kind.clone()),
            checks: Checks::default(),
            parcels: Parcels::new(id),
            primes: Primes::of(&signed.spec, &ledger),
            reach: signed.spec.reach(ledger.prefix_units()),
            replica: Replica::new(id, signed.spec.clone(), ledger),
            complete: None,
            signed,
        }
    }

    /// The units that may be begun.
    pub(crate) fn open(&self) -> UnitRange {
        UnitRange::new(0, self.reach)
    }

    /// Opens more of the job as its prefix moves. What is new is held by the host, if this node is it.
    pub(crate) fn open_more(&mut self, is_host: bool) {
        let reach = self.signed.spec.reach(self.replica.ledger.prefix_units());
        if reach > self.reach {
            let new = UnitRange::new(self.reach, reach);
            self.reach = reach;
            if is_host {
                self.replica.ledger.missing(new).for_each(|units| self.work.mine.insert(units));
                self.sharing.news = true;
            }
        }
    }

    /// Begins the work, as this node sees it.
    pub(crate) fn begin(&mut self, now: Time, signature: Signature) {
        self.start = Some(signature);
        self.started = Some(now);
        self.sharing.news = true;
    }

    /// Whether the host signed this for the job's start.
    pub(crate) fn is_start(&self, me: &Identity, signature: &Signature) -> bool {
        me.is_signed_by(&self.signed.host, &SignedJob::start_bytes(&self.id), signature)
    }

    /// There is no link to a peer any more, and it goes on.
    pub(crate) fn on_parted(&mut self, now: Time, peer: &PeerId, post: &mut Post) {
        self.on_link_down(now, peer, post);
        self.sharing.on_parted(peer);
    }

    /// A worker gave up units of its slice: they go to whoever waits for them, or are held again.
    pub(crate) fn give_up(&mut self, now: Time, slot: Slot, units: UnitRange, post: &mut Post) {
        if let Some(units) = self.sharing.on_given_up(now, slot, units, post) {
            self.replica.ledger.missing(units).for_each(|missing| self.work.mine.insert(missing));
        }
    }

    /// A peer is gone: take back what it was granted. `heirs` are those that had a link to it, as it said.
    pub(crate) fn on_peer_gone(
        &mut self,
        now: Time,
        peer: &PeerId,
        heirs: &Set<PeerId>,
        post: &mut Post,
        out: &mut VecDeque<Output>,
    ) {
        self.on_link_down(now, peer, post);
        let back = self.sharing.on_gone(now, peer, heirs, &self.replica.ledger, &mut self.work);
        out.extend(back.into_iter().map(|units| Output::Event(Event::TookBack { units })));
    }

    fn on_link_down(&mut self, now: Time, peer: &PeerId, post: &mut Post) {
        self.replica.on_link_down(peer);
        self.checks.on_link_down(peer);
        self.parcels.on_link_down(now, peer, post);
    }

    /// Whether results can be wrong at all, and so are worth a check.
    pub(crate) fn is_checkable(&self) -> bool {
        match self.signed.spec.kind {
            JobKind::Sum { .. } | JobKind::Mersenne { .. } => true,
            JobKind::Delay { .. } => false,
        }
    }

    /// Whether a result is of more units than its computer can have computed in some slices.
    pub(crate) fn is_too_large(&self, now: Time, record: &Record) -> bool {
        let ours = self.work.capacity(now);
        // What lies beyond the job is refused for that.
        let is_within = record.block.range().end <= self.replica.ledger.units();
        if !self.is_checkable() || !is_within || ours == 0 {
            return false;
        }
        let theirs = self
            .sharing
            .theirs
            .get(&record.signer)
            .map_or(0, |theirs| theirs.status.solo_speed.max(theirs.status.speed));
        let speed = theirs.min(ours.saturating_mul(FASTER_MAX)).max(ours);
        let cost = self.signed.spec.kind.cost(record.block.range());
        // One unit may take as long as it takes.
        let most = match self.signed.spec.kind {
            JobKind::Sum { .. } | JobKind::Delay { .. } => cost_in(speed, RESULT_MAX).next_power_of_two(),
            JobKind::Mersenne { .. } => cost_in(speed, RESULT_MAX).saturating_mul(UNSPARED),
        };
        record.block.len() > 1 && cost > most
    }

    /// Whether the job has just come to its end: every unit is finished, and no check of the last results is left, here or at
    /// a linked peer.
    pub(crate) fn comes_to_its_end(&mut self, now: Time) -> bool {
        if self.finished.is_some() || self.started.is_none() || !self.replica.ledger.is_complete() {
            self.complete = None;
            return false;
        }
        // Who is alone has nobody to check, or to be checked by.
        let is_alone = self.sharing.theirs.is_empty() && self.checks.left() == 0;
        if !self.is_checkable() || is_alone {
            return true;
        }
        // All who are at work are told at once that there is nothing left, and wait to hear the same of the others.
        self.sharing.news |= self.complete.is_none();
        let since = *self.complete.get_or_insert(now);
        let units = self.replica.ledger.units();
        let theirs = || self.sharing.theirs.values().map(|theirs| &theirs.status);
        let is_checked = self.checks.left() == 0 && theirs().all(|status| status.checks_left == 0);
        let is_agreed = theirs().all(|status| status.done_units == units || status.threads == 0);
        let settled = is_checked && (is_agreed || now.since(since) >= SETTLE);
        settled || now.since(since) >= SETTLE_MAX
    }

    /// Whether units are still to be computed and the job may be worked on.
    pub(crate) fn is_running(&self) -> bool {
        self.started.is_some() && self.finished.is_none()
    }
}

/// Whether the room's host signed this job, and the job is within its limits.
pub(crate) fn is_genuine(me: &Identity, room: &RoomKey, job: &SignedJob) -> bool {
    room.is_host(&job.host)
        && job.spec.check().is_ok()
        && me.is_signed_by(&job.host, &SignedJob::signed_bytes(&job.spec.id()), &job.signature)
}

#[cfg(test)]
mod tests {
    use manyhands_wire::mersenne::{EXPONENT_MAX, Finding, LEVEL_MAX, Verdict, is_prime};
    use manyhands_wire::{JobSpec, Outcome};

    use super::*;

    /// An open-ended search of which so many blocks of 256 exponents are finished.
    fn a_search(blocks: u64) -> Job {
        let kind = JobKind::Mersenne { from: 2, to: EXPONENT_MAX, proofs_from: 1 << 16 };
        let spec = JobSpec { kind, asked_by: "Liz".into(), salt: [0; 16] };
        let host = PeerId([1; 32]);
        let mut job = Job::new(host, SignedJob { spec, host, signature: Signature([0; 64]) }, None, 1);
        for block in UnitRange::new(0, blocks << LEVEL_MAX).blocks_up_to(LEVEL_MAX) {
            finish(&mut job, block);
        }
        job
    }

    fn finish(job: &mut Job, block: manyhands_wire::Block) {
        let exponents = (block.range().start..block.range().end).map(|unit| unit as u32 + 2);
        let verdict = Verdict::Composite { residue: 1 };
        let findings =
            exponents.filter(|exponent| is_prime(*exponent)).map(|exponent| Finding { exponent, verdict });
        job.replica.ledger.insert(block, Outcome::Mersenne(findings.collect())).unwrap();
    }

    #[test]
    fn an_open_ended_search_goes_on_as_its_prefix_moves() {
        let mut job = a_search(40);
        let at_first = job.open();

        job.open_more(true);
        let opened = job.open();

        assert_eq!(at_first, UnitRange::new(0, 1 << 15));
        assert_eq!(opened, UnitRange::new(0, (40 << LEVEL_MAX) + (1 << 15)));
        assert_eq!(job.work.mine.runs().collect::<Vec<_>>(), [UnitRange::new(1 << 15, opened.end)]);
        assert!(!job.replica.ledger.is_complete());
    }

    #[test]
    fn who_is_not_the_host_leaves_new_units_to_it() {
        let mut job = a_search(40);

        job.open_more(false);

        assert!(job.work.mine.is_empty() && job.open().end > 1 << 15);
    }
}
