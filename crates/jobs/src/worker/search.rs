//! The exponent that a search is on: its run, and what is told of it on the way.
//!
//! Most exponents are nothing to tell of. Of one that takes a second its progress is told about once a second. Of one that
//! takes longer and will be proven it is told where it stands, so that another worker could go on from there: after ten
//! seconds, and then again and again, more rarely where that is much to pass on.

use std::collections::VecDeque;

use manyhands_wire::JobKind;
use manyhands_wire::mersenne::{Finding, Verdict, is_proven};
use manyhands_wire::parcel::PARCEL_BYTES_MAX;

use super::message::{Claim, Report, Saved};
use crate::kernel::mersenne::factor::Factoring;
use crate::kernel::mersenne::{Run, Verification, exponent_of};

/// How often progress is told, in microseconds.
const PROGRESS_EVERY_US: u64 = 1_000_000;
/// How often it is told where a test stands, in microseconds, if that is little to pass on.
const SAVE_EVERY_US: u64 = 10_000_000;
/// How many bytes of saved states a second of work may make.
const SAVED_BYTES_PER_S: u64 = 256 << 10;
/// What looking at a number costs that is no prime, in elements of the transform. A guess: many divisions are few.
const LOOK: u64 = 64;

/// A search's exponents, one after the other.
#[derive(Debug)]
pub(super) struct Search {
    from: u32,
    to: u32,
    proofs_from: u32,
    /// A unit that was begun somewhere.
    saved: Option<Saved>,
    /// Whether this is a check: nobody waits for states and proofs.
    is_check: bool,
    /// What was claimed and is not looked at yet, by unit.
    claims: VecDeque<Claim>,
    under_way: Option<UnderWay>,
}

/// A unit under way.
#[derive(Debug)]
struct UnderWay {
    unit: u64,
    exponent: u32,
    work: Work,
    /// When to tell of it next; none before its first step is over.
    progress_us: Option<u64>,
    save_us: u64,
}

#[derive(Debug)]
enum Work {
    Run(Box<Run>),
    Verify(Box<Verify>),
}

/// The verification of a composite's proof. Who computes it looks for a factor first, and so it is looked for here too.
#[derive(Debug)]
struct Verify {
    factoring: Factoring,
    verification: Verification,
    residue: u64,
}

impl Search {
    /// `None` if the job is no search.
    pub(super) fn new(kind: &JobKind, saved: Option<Saved>) -> Option<Self> {
        match *kind {
            JobKind::Mersenne { from, to, proofs_from } => {
                let (is_check, claims) = (false, VecDeque::new());
                Some(Self { from, to, proofs_from, saved, is_check, claims, under_way: None })
            }
            JobKind::Sum { .. } | JobKind::Delay { .. } => None,
        }
    }

    /// As a check of these claims.
    pub(super) fn checking(mut self, mut claims: Vec<Claim>) -> Self {
        claims.sort_by_key(|claim| claim.unit);
        self.claims = claims.into();
        self.is_check = true;
        self
    }

    /// Whether a unit is begun and not finished.
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// About how much work is left of the unit under way, in elements of the transform, if nothing is found that makes it more.
    pub(super) fn work_left(&self) -> u64 {
        match self.under_way.as_ref().map(|under_way| &under_way.work) {
            Some(Work::Run(run)) => run.work_left(),
            Some(Work::Verify(verify)) => verify.factoring.left() + verify.verification.work_left(),
            None => 0,
        }
    }

    /// Goes on with this unit for about so much work. Returns what was found if it is finished (that is nothing where the number
    /// is no prime), and how much work it was.
    pub(super) fn step(
        &mut self,
        unit: u64,
        work: u64,
        reports: &mut Vec<Report>,
    ) -> (Option<Option<Finding>>, u64) {
        if self.under_way.as_ref().is_none_or(|under_way| under_way.unit != unit) {
            let Some(exponent) = exponent_of(self.from, self.to, unit) else { return (Some(None), LOOK) };
            let work = self.begin(unit, exponent);
            self.under_way = Some(UnderWay { unit, exponent, work, progress_us: None, save_us: 0 });
        }
        let Some(under_way) = &mut self.under_way else { return (None, 0) };
        let spent = under_way.step(work, self.proofs_from);
        let Some(under_way) = self.under_way.take_if(|under_way| under_way.is_done()) else {
            return (None, spent);
        };
        let (finding, proof) = under_way.finish();
        if let Some(proof) = proof.filter(|_| !self.is_check) {
            reports.push(Report::Proved { unit, proof });
        }
        (Some(finding), spent)
    }

    /// Tells of the unit under way what there is to tell at this time.
    pub(super) fn tell(&mut self, now: u64, reports: &mut Vec<Report>) {
        let Some(under_way) = &mut self.under_way else { return };
        let Work::Run(run) = &under_way.work else { return };
        let Some(progress_us) = under_way.progress_us else {
            under_way.progress_us = Some(now + PROGRESS_EVERY_US);
            under_way.save_us = now + SAVE_EVERY_US;
            return;
        };
        if now >= progress_us {
            under_way.progress_us = Some(now + PROGRESS_EVERY_US);
            let (iteration, iterations) = run.progress();
            reports.push(Report::Progress { unit: under_way.unit, iteration, iterations });
        }
        if now >= under_way.save_us {
            let mut interval = SAVE_EVERY_US;
            if let Some(report) = saved(under_way, self.is_check, self.proofs_from) {
                if let Report::Saved { state, .. } = &report {
                    interval = interval.max(state.len() as u64 * 1_000_000 / SAVED_BYTES_PER_S);
                }
                reports.push(report);
            }
            under_way.save_us = now + interval;
        }
    }

    /// Lets go of the unit under way; where it stands, if that can be of use.
    pub(super) fn give_up(&mut self) -> Option<Report> {
        let under_way = self.under_way.take()?;
        saved(&under_way, self.is_check, self.proofs_from)
    }

    /// What is to be done about a unit.
    fn begin(&mut self, unit: u64, exponent: u32) -> Work {
        while self.claims.front().is_some_and(|claim| claim.unit < unit) {
            self.claims.pop_front();
        }
        if let Some(claim) = self.claims.pop_front_if(|claim| claim.unit == unit)
            && is_proven(exponent, self.proofs_from)
            && let Some(verification) = Verification::new(exponent, claim.residue, &claim.proof)
        {
            let factoring = Factoring::new(exponent);
            return Work::Verify(Box::new(Verify { factoring, verification, residue: claim.residue }));
        }
        let resumed = self
            .saved
            .take_if(|saved| saved.unit == unit)
            .and_then(|saved| Run::resume(exponent, self.proofs_from, &saved.state, saved.is_foreign).ok());
        let run = resumed.unwrap_or_else(|| Run::new(exponent, self.proofs_from));
        Work::Run(Box::new(if self.is_check { run.without_proof() } else { run }))
    }
}

impl UnderWay {
    fn step(&mut self, work: u64, proofs_from: u32) -> u64 {
        match &mut self.work {
            Work::Run(run) => run.step(work),
            Work::Verify(verify) if !verify.factoring.is_done() => verify.factoring.step(work),
            Work::Verify(verify) => {
                let spent = verify.verification.step(work);
                if verify.verification.verdict() == Some(false) {
                    self.work = Work::Run(Box::new(Run::new(self.exponent, proofs_from).without_proof()));
                }
                spent
            }
        }
    }

    fn is_done(&self) -> bool {
        match &self.work {
            Work::Run(run) => run.is_done(),
            Work::Verify(verify) => {
                verify.factoring.found().is_some() || verify.verification.verdict() == Some(true)
            }
        }
    }

    /// What was found and its proof; none unless it is done.
    fn finish(self) -> (Option<Finding>, Option<Vec<u8>>) {
        match self.work {
            Work::Run(run) => match run.finish() {
                Some((finding, proof)) => (Some(finding), proof),
                None => (None, None),
            },
            Work::Verify(verify) => {
                let residue = Verdict::Composite { residue: verify.residue };
                let verdict = verify.factoring.found().map_or(residue, Verdict::Factor);
                (Some(Finding { exponent: self.exponent, verdict }), None)
            }
        }
    }
}

/// Where a unit stands, if that is worth telling.
fn saved(under_way: &UnderWay, is_check: bool, proofs_from: u32) -> Option<Report> {
    let Work::Run(run) = &under_way.work else { return None };
    if is_check || !is_proven(under_way.exponent, proofs_from) {
        return None;
    }
    let state = run.save().filter(|state| state.len() <= PARCEL_BYTES_MAX as usize)?;
    let (iteration, iterations) = run.progress();
    Some(Report::Saved { unit: under_way.unit, iteration, iterations, state })
}
