//! A run: everything that is done about one exponent, in steps, from nothing to its finding.
//!
//! 1. The smallest [factor](super::factor) below the bound. If there is one, that is all.
//! 2. Below `proofs_from`: Lucas-Lehmer.
//! 3. From there on Fermat's test. A composite's run ends with the making of its proof and with its verification, as a bit
//!    that flips in the trail is noticed by nothing else. What looks prime is tested by Lucas-Lehmer too, and is called
//!    prime only then.
//!
//! What somebody else saved is not believed: factors are looked for first, and a test of Lucas-Lehmer is always made from the
//! start. If the two tests disagree, or the proof fails, the tests begin anew.

use manyhands_wire::mersenne::{Finding, Verdict, is_proven};

use super::factor::Factoring;
use super::fermat::{self, Fermat, OF_PRIMES};
use super::lucas::Lucas;
use super::proof::{self, Proving, Verification};
use super::residue::Residue;
use super::saved::{Saved, SavedError, State};
use crate::transform::EXPONENT_MAX;

/// How often to begin anew because of a proof that fails. A machine that fails more often gives out no proof.
const AGAIN_MAX: u32 = 2;

/// One exponent's run.
#[derive(Clone, Debug)]
pub struct Run {
    exponent: u32,
    proofs_from: u32,
    /// The search for a factor, until it is over.
    factoring: Option<Factoring>,
    stage: Stage,
    /// Whether it went on from what somebody else had saved.
    is_foreign: bool,
    /// Whether a composite's proof is to be made.
    wants_proof: bool,
    /// Errors noticed and mended in stages that are over.
    errors: u32,
    /// How often it began anew.
    again: u32,
}

#[derive(Clone, Debug)]
enum Stage {
    /// No test is begun.
    Untested,
    Lucas(Box<Lucas>),
    Fermat(Box<Fermat>),
    /// Making the proof.
    Proving(Box<Proven>),
    /// Lucas-Lehmer of what Fermat's test calls prime; whether it is the second time.
    Confirming(Box<Lucas>, bool),
    Done(Verdict, Option<Vec<u8>>),
}

/// A finished test of Fermat's, and what is made of it.
#[derive(Clone, Debug)]
struct Proven {
    residue: u64,
    /// To begin the end again from, if it is to be saved.
    checked: (u32, Residue),
    proving: Proving,
    /// The proof and its verification, once it is made.
    verification: Option<(Vec<u8>, Verification)>,
}

impl Run {
    /// A run from the start. From the exponent `proofs_from` on composites are proven.
    ///
    /// # Panics
    /// If the exponent is not within 2 to [`EXPONENT_MAX`].
    pub fn new(exponent: u32, proofs_from: u32) -> Self {
        assert!((2..=EXPONENT_MAX).contains(&exponent), "{exponent} is no exponent to be tested");
        Self {
            exponent,
            proofs_from,
            factoring: Some(Factoring::new(exponent)),
            stage: Stage::Untested,
            is_foreign: false,
            wants_proof: true,
            errors: 0,
            again: 0,
        }
    }

    /// A run that looks for no factors: for measurements, and to learn the residues of numbers that have some.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub fn without_factors(exponent: u32, proofs_from: u32) -> Self {
        let mut run = Self::new(exponent, proofs_from);
        run.factoring = None;
        run.stage = first_test(exponent, proofs_from);
        run
    }

    /// The same run without the making of a proof: for who wants to know only.
    pub fn without_proof(mut self) -> Self {
        self.wants_proof = false;
        self
    }

    /// A run that goes on from what [`save`](Self::save) wrote, here or, if `is_foreign`, with somebody who may lie.
    ///
    /// # Errors
    /// [`SavedError`] if the bytes are no state of this exponent's test, or one that could never be verified.
    pub fn resume(
        exponent: u32,
        proofs_from: u32,
        saved: &[u8],
        is_foreign: bool,
    ) -> Result<Self, SavedError> {
        let Saved { is_foreign: was_foreign, state } = Saved::from_bytes(exponent, saved)?;
        let proves = is_proven(exponent, proofs_from);
        let stage = match state {
            State::Fermat(state) if proves => Stage::Fermat(Box::new(Fermat::resume(state))),
            State::Fermat(_) => return Err(SavedError::OfAnother),
            // After a test of Fermat's that came from somebody else, this one is our own nevertheless.
            State::Lucas(_) if is_foreign || was_foreign && !proves => {
                return Err(SavedError::Unverifiable);
            }
            State::Lucas([now, checked]) => {
                let lucas = Box::new(Lucas::resume(now, checked));
                if proves { Stage::Confirming(lucas, false) } else { Stage::Lucas(lucas) }
            }
        };
        let is_foreign = is_foreign || was_foreign;
        let factoring = is_foreign.then(|| Factoring::new(exponent));
        let (wants_proof, errors, again) = (true, 0, 0);
        Ok(Self { exponent, proofs_from, factoring, stage, is_foreign, wants_proof, errors, again })
    }

    /// Where the run stands, to be resumed on any machine; `None` if there is nothing worth it: before the test, and after.
    pub fn save(&self) -> Option<Vec<u8>> {
        let state = match &self.stage {
            Stage::Untested | Stage::Done(..) => return None,
            Stage::Lucas(lucas) | Stage::Confirming(lucas, _) => State::Lucas(lucas.places()),
            Stage::Fermat(fermat) => State::Fermat(fermat.state()),
            Stage::Proving(proven) => {
                let checked = proven.checked.clone();
                let left = (checked.0 / proof::stride(self.exponent)) as usize;
                let trail = proven.proving.trail().iter().take(left).cloned().collect();
                let product = checked.1.clone();
                State::Fermat(fermat::State { now: checked.clone(), product, checked, trail })
            }
        };
        Some(Saved { is_foreign: self.is_foreign, state }.to_bytes())
    }

    /// The exponent.
    pub fn exponent(&self) -> u32 {
        self.exponent
    }

    /// How many iterations of the test are done, and how many there are. What looks prime has a second test before it.
    pub fn progress(&self) -> (u32, u32) {
        let p = self.exponent;
        let all = if is_proven(p, self.proofs_from) { p } else { p - 2 };
        match &self.stage {
            Stage::Untested => (0, all),
            Stage::Lucas(lucas) => (lucas.iteration(), all),
            Stage::Fermat(fermat) => (fermat.iteration(), all),
            Stage::Proving(_) | Stage::Done(..) => (all, all),
            Stage::Confirming(lucas, _) => (all + lucas.iteration(), all + lucas.iterations()),
        }
    }

    /// About how much work is left, in elements of the transform, if no factor is found and nothing looks prime.
    pub fn work_left(&self) -> u64 {
        let left = |(done, all): (u32, u32), price: u64| u64::from(all - done.min(all)) * price;
        let proving =
            || proof::making_squarings(self.exponent) + proof::verification_squarings(self.exponent);
        let factoring = self.factoring.as_ref().map_or(0, Factoring::left);
        factoring
            + match &self.stage {
                // The digits of a transform have about 18 bits.
                Stage::Untested => u64::from(self.exponent).pow(2) / 18,
                Stage::Lucas(lucas) | Stage::Confirming(lucas, _) => left(self.progress(), lucas.price()),
                Stage::Fermat(fermat) => left(self.progress(), fermat.price()) + proving() * fermat.price(),
                Stage::Proving(proven) => match &proven.verification {
                    Some((_, verification)) => verification.work_left(),
                    None => proving() * proven.proving.price(),
                },
                Stage::Done(..) => 0,
            }
    }

    /// How many errors of the machine, or round-offs that were too large, were noticed and mended.
    pub fn errors(&self) -> u32 {
        self.errors
            + match &self.stage {
                Stage::Lucas(lucas) | Stage::Confirming(lucas, _) => lucas.errors(),
                Stage::Fermat(fermat) => fermat.errors(),
                Stage::Untested | Stage::Proving(_) | Stage::Done(..) => 0,
            }
    }

    /// Whether the finding is there.
    pub fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done(..))
    }

    /// The finding, and the proof if it is a composite that has one; `None` before the run is done.
    pub fn finish(self) -> Option<(Finding, Option<Vec<u8>>)> {
        match self.stage {
            Stage::Done(verdict, proof) => Some((Finding { exponent: self.exponent, verdict }, proof)),
            Stage::Untested
            | Stage::Lucas(_)
            | Stage::Fermat(_)
            | Stage::Proving(_)
            | Stage::Confirming(..) => None,
        }
    }

    /// Spends about `work`, in elements of the transform (a multiplier of trial factoring counts as one); returns how much
    /// it was. Less only if the run is done.
    pub fn step(&mut self, work: u64) -> u64 {
        let mut spent = 0;
        while spent < work && !self.is_done() {
            let left = work - spent;
            if let Some(factoring) = &mut self.factoring {
                spent += factoring.step(left);
                self.finish_factoring();
                continue;
            }
            spent += match &mut self.stage {
                Stage::Lucas(lucas) | Stage::Confirming(lucas, _) => lucas.step(left),
                Stage::Fermat(fermat) => fermat.step(left),
                Stage::Proving(proven) => proven.step(left),
                Stage::Untested | Stage::Done(..) => 0,
            };
            self.go_on();
        }
        spent
    }

    /// Goes on to the test, if there is no factor.
    fn finish_factoring(&mut self) {
        if let Some(factoring) = self.factoring.take_if(|factoring| factoring.is_done()) {
            if let Some(factor) = factoring.found() {
                self.stage = Stage::Done(Verdict::Factor(factor), None);
            } else if matches!(self.stage, Stage::Untested) {
                self.stage = first_test(self.exponent, self.proofs_from);
            }
        }
    }

    /// Goes to the next stage, if this one is over.
    fn go_on(&mut self) {
        let mut errors = self.errors();
        let may_fail = self.again < AGAIN_MAX;
        let next = match &mut self.stage {
            Stage::Lucas(lucas) => lucas.end().map(|end| Stage::Done(verdict_of(end), None)),
            Stage::Confirming(lucas, again) => lucas.end().map(|end| match (end.is_zero(), *again) {
                (true, _) => Stage::Done(Verdict::Prime, None),
                (false, _) if self.is_foreign => Stage::Untested,
                (false, false) => Stage::Confirming(Box::new(Lucas::new(self.exponent, 1, 1)), true),
                // A composite that passes Fermat's test: nobody has seen one of this form.
                (false, true) => Stage::Done(Verdict::Composite { residue: 1 }, None),
            }),
            Stage::Fermat(fermat) => fermat.take_end().map(|(end, checked, trail)| {
                if end == Residue::small(self.exponent, OF_PRIMES) {
                    return Stage::Confirming(Box::new(Lucas::new(self.exponent, 0, 0)), false);
                }
                let residue = end.divided(OF_PRIMES as u32).res64();
                if !self.wants_proof && !self.is_foreign {
                    return Stage::Done(Verdict::Composite { residue }, None);
                }
                let proving = Proving::new(self.exponent, trail);
                Stage::Proving(Box::new(Proven { residue, checked, proving, verification: None }))
            }),
            Stage::Proving(proven) => proven.next(may_fail),
            Stage::Untested | Stage::Done(..) => None,
        };
        self.stage = match next {
            None => return,
            Some(Stage::Untested) => {
                // What came from somebody else was wrong, or this machine was. From here on it is all our own.
                errors += u32::from(!self.is_foreign);
                self.is_foreign = false;
                self.again += 1;
                first_test(self.exponent, self.proofs_from)
            }
            Some(next) => next,
        };
        self.errors = errors;
    }
}

impl Proven {
    fn step(&mut self, work: u64) -> u64 {
        match &mut self.verification {
            Some((_, verification)) => verification.step(work),
            None => self.proving.step(work),
        }
    }

    /// The next stage, if this one is over.
    fn next(&mut self, may_fail: bool) -> Option<Stage> {
        let verdict = Verdict::Composite { residue: self.residue };
        let exponent = self.checked.1.exponent();
        let Some((proof, verification)) = &mut self.verification else {
            let proof = self.proving.finished()?.to_bytes();
            let verification = Verification::new(exponent, self.residue, &proof);
            let verification = verification.expect("a proof just made has the form of one");
            self.verification = Some((proof, verification));
            return None;
        };
        Some(match verification.verdict()? {
            true => Stage::Done(verdict, Some(std::mem::take(proof))),
            false if may_fail => Stage::Untested,
            // Others will have to find out whether it is right.
            false => Stage::Done(verdict, None),
        })
    }
}

fn first_test(exponent: u32, proofs_from: u32) -> Stage {
    if exponent == 2 {
        // Lucas-Lehmer is for odd exponents.
        Stage::Done(Verdict::Prime, None)
    } else if is_proven(exponent, proofs_from) {
        Stage::Fermat(Box::new(Fermat::new(exponent)))
    } else {
        Stage::Lucas(Box::new(Lucas::new(exponent, 0, 0)))
    }
}

fn verdict_of(end: &Residue) -> Verdict {
    if end.is_zero() { Verdict::Prime } else { Verdict::Composite { residue: end.res64() } }
}

#[cfg(test)]
mod tests {
    use super::super::reference;
    use super::*;

    /// A composite without small factors.
    const COMPOSITE: u32 = 1289;

    fn fermat(run: &mut Run) -> &mut Fermat {
        match &mut run.stage {
            Stage::Fermat(fermat) => fermat,
            stage => panic!("{stage:?}"),
        }
    }

    fn finish(mut run: Run) -> (Verdict, Option<Vec<u8>>, u32) {
        while !run.is_done() {
            run.step(1);
        }
        let errors = run.errors();
        let (finding, proof) = run.finish().expect("it is done");
        (finding.verdict, proof, errors)
    }

    #[test]
    fn what_flips_beside_the_number_makes_no_false_proof() {
        let (verdict, proof, _) = finish(Run::without_factors(COMPOSITE, 0));
        assert_eq!(verdict, Verdict::Composite { residue: reference::fermat(COMPOSITE).res64() });
        let flips: [fn(&mut Fermat); 2] = [Fermat::flip_trail, Fermat::flip_checked];
        for flip in flips {
            let mut run = Run::without_factors(COMPOSITE, 0);
            while run.progress().0 < 700 {
                run.step(1);
            }
            flip(fermat(&mut run));
            let (mended, another, errors) = finish(run);

            assert_eq!((mended, &another), (verdict, &proof));
            assert!(errors > 0);
        }
    }

    #[test]
    fn a_machine_that_fails_again_and_again_gives_out_no_proof() {
        let mut run = Run::without_factors(COMPOSITE, 0);
        let mut spoilt = 0;
        while !run.is_done() {
            run.step(1);
            if let Stage::Fermat(fermat) = &mut run.stage
                && fermat.iteration() == 700
            {
                fermat.flip_trail();
            }
            if let Stage::Proving(proven) = &run.stage {
                spoilt += u32::from(proven.verification.is_none());
            }
        }

        assert!(spoilt > AGAIN_MAX);
        assert_eq!(run.errors(), AGAIN_MAX);
        assert_eq!(run.finish().expect("it is done").1, None);
    }
}
