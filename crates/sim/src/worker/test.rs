//! Tests of exponents in virtual time: what each takes, where it stands, and what proves it.
//!
//! The real verdicts are computed at once; what is simulated is how long it takes. An exponent with a small factor takes next to
//! nothing, another many times its cost, as in life. A proof here is a hash that only the true residue gives.

use manyhands_jobs::Report;
use manyhands_jobs::worker::{Claim, Saved};
use manyhands_wire::mersenne::{Finding, Verdict};
use manyhands_wire::{JobKind, Outcome, UnitRange};

use crate::truth::finding;

/// How many times its cost a test takes that nothing spares.
const UNSPARED: u64 = 12;
/// From which cost on a test takes so long that it is saved, rather than finished.
const LONG: u64 = 1 << 8;
/// What part of a test it takes to verify its proof.
const VERIFICATION: u64 = 64;

/// The units of a slice.
#[derive(Clone, Debug)]
pub struct Tests {
    units: Vec<Unit>,
    kind: JobKind,
}

#[derive(Clone, Copy, Debug)]
struct Unit {
    finding: Option<Finding>,
    /// What is left to do of it.
    cost: u64,
    /// What was done of it before, by whomever.
    before: u64,
}

impl Tests {
    /// The tests of a slice, if the job is a search: that of the first unit from where it was saved, and those that are claimed
    /// and proven all but done.
    pub fn of(kind: &JobKind, slice: UnitRange, saved: Option<Saved>, claims: &[Claim]) -> Option<Self> {
        if !matches!(kind, JobKind::Mersenne { .. }) {
            return None;
        }
        let units = (slice.start..slice.end).map(|unit| {
            let finding = finding(kind, unit);
            let is_proven = claims.iter().any(|claim| claim.unit == unit && is_true(claim, finding));
            let cost = match finding.map(|finding| finding.verdict) {
                None | Some(Verdict::Factor(_)) => 1,
                Some(Verdict::Prime | Verdict::Composite { .. }) => {
                    let whole = kind.cost(UnitRange::new(unit, unit + 1)) * UNSPARED;
                    if is_proven { whole / VERIFICATION } else { whole }
                }
            };
            let saved = saved.as_ref().filter(|saved| saved.unit == unit && unit == slice.start);
            let before = saved.and_then(|saved| read(&saved.state, unit)).filter(|done| *done < cost);
            Unit { finding, cost: cost - before.unwrap_or(0), before: before.unwrap_or(0) }
        });
        Some(Self { units: units.collect(), kind: kind.clone() })
    }

    /// What the first `count` units take.
    pub fn cost(&self, count: u64) -> u64 {
        self.units.iter().take(count as usize).map(|unit| unit.cost).sum()
    }

    /// How many units are whole when so much is done.
    pub fn finished_by(&self, done: u64) -> u64 {
        let mut left = done;
        let fits = |unit: &&Unit| {
            let rest = left.checked_sub(unit.cost);
            left = rest.unwrap_or(0);
            rest.is_some()
        };
        self.units.iter().take_while(fits).count() as u64
    }

    /// What the unit at this place is; none for a composite exponent.
    pub fn verdict(&self, at: u64) -> Option<Verdict> {
        self.units.get(at as usize)?.finding.map(|finding| finding.verdict)
    }

    /// Whether the test at this place is a long one.
    pub fn is_long(&self, at: u64) -> bool {
        self.units.get(at as usize).is_some_and(|unit| unit.cost >= LONG)
    }

    /// Where the unit at this place stands when `done` is done of the slice, as the worker saves it.
    pub fn save(&self, slice: UnitRange, at: u64, done: u64) -> Option<Report> {
        let unit = self.units.get(at as usize)?;
        let exponent = unit.finding?.exponent;
        let done_of_it = unit.before + done.saturating_sub(self.cost(at)).min(unit.cost);
        let state = [(slice.start + at).to_le_bytes(), done_of_it.to_le_bytes()].concat();
        let iteration = share(exponent, done_of_it, unit);
        let is_saved = self.kind.is_proven(exponent) && self.is_long(at) && iteration > 0;
        is_saved.then_some(Report::Saved { unit: slice.start + at, iteration, iterations: exponent, state })
    }

    /// How far the unit under way is when `done` is done of the slice.
    pub fn progress(&self, slice: UnitRange, done: u64) -> Option<Report> {
        let at = self.finished_by(done);
        let unit = self.units.get(at as usize)?;
        let exponent = unit.finding?.exponent;
        let iteration = share(exponent, unit.before + done.saturating_sub(self.cost(at)), unit);
        Some(Report::Progress { unit: slice.start + at, iteration, iterations: exponent })
    }
}

/// What a worker that lies makes of a finding: sometimes a prime of it, sometimes none, sometimes another residue.
pub fn lie(finding: &Finding, lot: u64) -> Verdict {
    match finding.verdict {
        Verdict::Composite { .. } if lot & 1024 == 0 => Verdict::Prime,
        Verdict::Composite { residue } => Verdict::Composite { residue: residue ^ 1 },
        Verdict::Prime => Verdict::Composite { residue: 1 },
        factor @ Verdict::Factor(_) => factor,
    }
}

/// What a worker gives as proofs of an outcome: of a false residue it is no proof.
pub fn proofs(kind: &JobKind, outcome: &Outcome) -> Vec<Report> {
    let Outcome::Mersenne(findings) = outcome else { return Vec::new() };
    let prove = |finding: &Finding| match finding.verdict {
        Verdict::Composite { residue } if kind.is_proven(finding.exponent) => {
            let unit = kind.unit_of(finding.exponent)?;
            Some(Report::Proved { unit, proof: proof(unit, residue) })
        }
        Verdict::Composite { .. } | Verdict::Prime | Verdict::Factor(_) => None,
    };
    findings.iter().filter_map(prove).collect()
}

fn proof(unit: u64, residue: u64) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new_derive_key("manyhands simulated proof v1");
    hasher.update(&unit.to_le_bytes()).update(&residue.to_le_bytes()).finalize().as_bytes().to_vec()
}

fn is_true(claim: &Claim, finding: Option<Finding>) -> bool {
    let truth = finding.map(|finding| finding.verdict);
    truth == Some(Verdict::Composite { residue: claim.residue })
        && claim.proof == proof(claim.unit, claim.residue)
}

fn share(exponent: u32, done: u64, unit: &Unit) -> u32 {
    (u64::from(exponent) * done / (unit.before + unit.cost).max(1)) as u32
}

fn read(state: &[u8], unit: u64) -> Option<u64> {
    let (of, done) = state.split_first_chunk::<8>()?;
    let done = u64::from_le_bytes(done.try_into().ok()?);
    (u64::from_le_bytes(*of) == unit).then_some(done)
}
