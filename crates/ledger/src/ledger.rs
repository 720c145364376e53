//! The finished blocks of a job.
//!
//! One set of finished units has one form: the largest aligned blocks that are finished (and that an outcome of its kind may
//! grow to), in order. Two finished siblings
//! become their parent, with their outcomes merged front first, and a larger block takes the place of those nested in it.
//! So any two ledgers that know the same units are equal, however they came to know them.
//!
//! Outcomes are believed here: who signed what, and who lied, is the business of the core. A ledger refuses only what
//! cannot be: a block beyond the job, an outcome of another kind of job or larger than any true one, and two outcomes for
//! the same block. On every error the ledger is as it was before.

use std::collections::BTreeMap;

use manyhands_wire::frame::CreditRun;
use manyhands_wire::mersenne::{FINDINGS_MAX, Finding, LEVEL_MAX, Verdict};
use manyhands_wire::{Block, Outcome, PeerId, UnitRange};
use rangemap::RangeSet;
use thiserror::Error;

use crate::credit::Credit;

/// The most blocks that are kept. Finished work lies in few large blocks, so honest jobs stay far below.
pub const BLOCKS_MAX: usize = 1 << 18;
/// No true total reaches this: the counting numbers up to 10^18 come to less than 2^119.
const SUM_MAX: u128 = 1 << 120;

/// Which blocks of one job are done, what they came to, and who computed them.
#[derive(Clone, Debug)]
pub struct Ledger {
    units: u64,
    /// The maximal finished blocks by their first unit.
    blocks: BTreeMap<u64, (Block, Outcome)>,
    /// The same units as runs, so that large clean ledgers are quick to look at.
    done: RangeSet<u64>,
    done_units: u64,
    credit: Credit,
    version: u64,
}

/// What an insertion added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inserted {
    /// The runs of the block that were not finished before, in order.
    pub fresh: Vec<UnitRange>,
}

/// Why a block or a ledger is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LedgerError {
    /// The block reaches beyond the job.
    #[error("the block {block:?} ends beyond the job's {units} units")]
    OutOfRange {
        /// The block.
        block: Block,
        /// How many units the job has.
        units: u64,
    },
    /// The block is finished already, with another outcome: one of the two is wrong.
    #[error("two outcomes for the block {block:?}: {ours:?} is known and {theirs:?} came")]
    Conflict {
        /// The block.
        block: Block,
        /// The outcome that is known.
        ours: Outcome,
        /// The outcome that came.
        theirs: Outcome,
    },
    /// The outcome belongs to another kind of job.
    #[error("an outcome of another kind of job than the ones known")]
    WrongKind,
    /// The outcome, alone or merged with its neighbours, is larger than any true one.
    #[error("the outcome of the block {block:?} is larger than any true one")]
    TooLarge {
        /// The block.
        block: Block,
    },
    /// There are [`BLOCKS_MAX`] blocks apart from each other already.
    #[error(
        "the ledger holds {BLOCKS_MAX} separate blocks, which is the most: finish the gaps between them first"
    )]
    Full,
    /// The other ledger is of a job with another number of units.
    #[error("a ledger of {theirs} units, where this job has {ours}")]
    OtherJob {
        /// The units of this ledger.
        ours: u64,
        /// The units of the other.
        theirs: u64,
    },
}

impl Inserted {
    /// Whether every unit of the block was finished before.
    pub fn is_known(&self) -> bool {
        self.fresh.is_empty()
    }
}

impl Ledger {
    /// The ledger of a job of `units` units, none of them finished.
    pub fn new(units: u64) -> Self {
        Self {
            units,
            blocks: BTreeMap::new(),
            done: RangeSet::new(),
            done_units: 0,
            credit: Credit::default(),
            version: 0,
        }
    }

    /// How many units the job has.
    pub fn units(&self) -> u64 {
        self.units
    }

    /// Every unit of the job.
    pub fn range(&self) -> UnitRange {
        UnitRange::new(0, self.units)
    }

    /// A number that grows with every change of blocks or credit, for whoever draws or sends them. It is no part of the
    /// content: equal ledgers may have different versions.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Takes in a finished block.
    ///
    /// # Errors
    /// See [`LedgerError`]; the ledger is unchanged then.
    pub fn insert(&mut self, block: Block, outcome: Outcome) -> Result<Inserted, LedgerError> {
        if block.range().end > self.units {
            return Err(LedgerError::OutOfRange { block, units: self.units });
        }
        if self.blocks.first_key_value().is_some_and(|(_, (_, known))| !same_kind(known, &outcome)) {
            return Err(LedgerError::WrongKind);
        }
        if !is_plausible(block, &outcome) {
            return Err(LedgerError::TooLarge { block });
        }
        if let Some((known, ours)) = self.kept_around(block) {
            return if known == block && *ours != outcome {
                Err(LedgerError::Conflict { block, ours: ours.clone(), theirs: outcome })
            } else {
                Ok(Inserted { fresh: Vec::new() })
            };
        }

        let (whole, merged) = self.grown(block, outcome)?;
        let replaced: Vec<u64> =
            self.blocks.range(whole.start()..whole.range().end).map(|(start, _)| *start).collect();
        if self.blocks.len() - replaced.len() >= BLOCKS_MAX {
            return Err(LedgerError::Full);
        }
        let fresh: Vec<UnitRange> = self.missing(block.range()).collect();
        for start in replaced {
            self.blocks.remove(&start);
        }
        self.blocks.insert(whole.start(), (whole, merged));
        self.done_units += fresh.iter().map(UnitRange::len).sum::<u64>();
        self.done.insert(block.start()..block.range().end);
        self.version += 1;
        Ok(Inserted { fresh })
    }

    /// Takes in all that another ledger of the same job knows, credit included.
    ///
    /// # Errors
    /// See [`LedgerError`]; the ledger is unchanged then.
    pub fn merge(&mut self, other: &Self) -> Result<(), LedgerError> {
        if self.units != other.units {
            return Err(LedgerError::OtherJob { ours: self.units, theirs: other.units });
        }
        let mut union = self.clone();
        // Large blocks and small ones may come in any order: each insertion leaves the one form of what is known.
        for (block, outcome) in other.blocks.values() {
            union.insert(*block, outcome.clone())?;
        }
        for run in other.credit_runs(other.range()) {
            union.credit(run.units, run.by);
        }
        *self = union;
        Ok(())
    }

    /// Takes out every kept block that touches one of these runs, with its credit, since a peer lied about some of its units:
    /// what was merged with a lie cannot be told apart from it. Returns the runs that are not finished any more, in order.
    pub fn retract(&mut self, runs: &[UnitRange]) -> Vec<UnitRange> {
        let touched: Vec<Block> =
            runs.iter().flat_map(|run| self.blocks(*run)).map(|(block, _)| block).collect();
        let mut gone = RangeSet::new();
        for block in touched {
            if self.blocks.remove(&block.start()).is_some() {
                let UnitRange { start, end } = block.range();
                self.done.remove(start..end);
                self.done_units -= block.len();
                self.credit.remove(block.range());
                self.version += 1;
                gone.insert(start..end);
            }
        }
        gone.iter().map(|run| UnitRange::new(run.start, run.end)).collect()
    }

    /// Whether every unit of the range is finished; true for an empty one.
    pub fn is_done(&self, range: UnitRange) -> bool {
        self.missing(range).next().is_none()
    }

    /// How many units are finished.
    pub fn done_units(&self) -> u64 {
        self.done_units
    }

    /// Whether the whole job is finished.
    pub fn is_complete(&self) -> bool {
        self.done_units == self.units
    }

    /// The finished runs within a range, in order, as long as they can be, clipped to the range.
    pub fn runs(&self, within: UnitRange) -> impl Iterator<Item = UnitRange> + '_ {
        self.done
            .overlapping(within.start..within.end)
            .filter_map(move |run| UnitRange::new(run.start, run.end).intersection(&within))
    }

    /// The runs within a range that are not finished, in order, clipped to the range and to the job.
    pub fn missing(&self, within: UnitRange) -> impl Iterator<Item = UnitRange> + '_ {
        let within = UnitRange::new(within.start.min(self.units), within.end.min(self.units));
        let mut runs = self.runs(within);
        let mut at = Some(within.start);
        std::iter::from_fn(move || {
            loop {
                let start = at?;
                let run = runs.next();
                at = run.map(|run| run.end);
                let gap = UnitRange::new(start, run.map_or(within.end, |run| run.start));
                if !gap.is_empty() {
                    return Some(gap);
                }
            }
        })
    }

    /// The kept blocks that touch a range, in order.
    pub fn blocks(&self, within: UnitRange) -> impl Iterator<Item = (Block, &Outcome)> + '_ {
        let before = self.blocks.range(..=within.start).next_back();
        let from = match before {
            Some((start, (block, _))) if block.range().contains(within.start) => *start,
            Some(_) | None => within.start,
        };
        let to = if within.is_empty() { from } else { within.end };
        self.blocks.range(from..to).map(|(_, (block, outcome))| (*block, outcome))
    }

    /// How many units from 0 on are finished without a gap, and what they came to.
    pub fn prefix(&self) -> (u64, Option<Outcome>) {
        let end = self.prefix_units();
        (end, self.outcome_of(UnitRange::new(0, end)))
    }

    /// What became of the exponents within a range, in order, as far as the job is a search and they are finished. Blocks that
    /// reach over the range's ends are given whole.
    pub fn findings(&self, within: UnitRange) -> impl Iterator<Item = Finding> + '_ {
        self.blocks(within)
            .flat_map(|(_, outcome)| match outcome {
                Outcome::Mersenne(findings) => findings.as_slice(),
                Outcome::Sum(_) | Outcome::Delay(_) => &[],
            })
            .copied()
    }

    /// How many units from 0 on are finished without a gap.
    pub fn prefix_units(&self) -> u64 {
        self.done.get(&0).map_or(0, |run| run.end)
    }

    /// The outcome of all finished blocks in order. `None` if there are none, or if they are more than 128 bits hold,
    /// which honest outcomes never are.
    pub fn merged(&self) -> Option<Outcome> {
        self.outcome_of(self.range())
    }

    /// A hash of the blocks and their outcomes, without the credit: equal where these are equal.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"manyhands ledger v1");
        hasher.update(&self.units.to_le_bytes());
        for (block, outcome) in self.blocks.values() {
            let mut entry = |tag: u8, value: &[u8]| {
                hasher.update(&[block.level(), tag]);
                hasher.update(&block.index().to_le_bytes());
                hasher.update(value);
            };
            match outcome {
                Outcome::Sum(total) => entry(0, &total.to_le_bytes()),
                Outcome::Delay(units) => entry(1, &u128::from(*units).to_le_bytes()),
                Outcome::Mersenne(findings) => entry(2, blake3::hash(&encoded(findings)).as_bytes()),
            }
        }
        *hasher.finalize().as_bytes()
    }

    /// Credits units to a peer. For two peers with the same unit the smaller id has the credit, so all replicas agree.
    /// Units beyond the job, and runs beyond [`CREDIT_RUNS_MAX`](crate::CREDIT_RUNS_MAX), are passed over.
    pub fn credit(&mut self, units: UnitRange, by: PeerId) {
        if let Some(units) = units.intersection(&self.range())
            && self.credit.add(units, by)
        {
            self.version += 1;
        }
    }

    /// Who computed what within a range, in order, clipped to the range.
    pub fn credit_runs(&self, within: UnitRange) -> impl Iterator<Item = CreditRun> + '_ {
        self.credit.runs(within)
    }

    /// How many units a peer has the credit for.
    pub fn credited(&self, peer: &PeerId) -> u64 {
        self.credit.count(peer)
    }

    /// Every peer with credit, in the order of the ids, and for how many units.
    pub fn creditors(&self) -> impl Iterator<Item = (PeerId, u64)> + '_ {
        self.credit.counts()
    }

    /// How many blocks are kept.
    pub(crate) fn kept(&self) -> usize {
        self.blocks.len()
    }

    /// The kept block that a block lies in, if it is finished.
    fn kept_around(&self, block: Block) -> Option<(Block, &Outcome)> {
        let (_, (known, outcome)) = self.blocks.range(..=block.start()).next_back()?;
        known.contains(&block).then_some((*known, outcome))
    }

    /// The largest block that is finished once `block` is, and its outcome.
    fn grown(&self, block: Block, outcome: Outcome) -> Result<(Block, Outcome), LedgerError> {
        let (mut whole, mut merged) = (block, outcome);
        while let Some((parent, sibling)) = whole.parent().zip(whole.sibling()) {
            if parent.level() > merged.level_max() {
                break;
            }
            let Some((known, other)) = self.blocks.get(&sibling.start()) else { break };
            if *known != sibling {
                break;
            }
            let sum =
                if sibling.start() < whole.start() { other.merge(&merged) } else { merged.merge(other) };
            merged =
                sum.filter(|sum| is_plausible(parent, sum)).ok_or(LedgerError::TooLarge { block: parent })?;
            whole = parent;
        }
        Ok((whole, merged))
    }

    /// The outcome of the kept blocks of a range, merged in order.
    fn outcome_of(&self, range: UnitRange) -> Option<Outcome> {
        let mut outcomes = self.blocks(range).map(|(_, outcome)| outcome);
        let first = outcomes.next()?.clone();
        outcomes.try_fold(first, |sum, next| sum.merge(next))
    }
}

impl PartialEq for Ledger {
    fn eq(&self, other: &Self) -> bool {
        self.units == other.units && self.blocks == other.blocks && self.credit == other.credit
    }
}

/// Whether two outcomes can be of the same job.
fn same_kind(a: &Outcome, b: &Outcome) -> bool {
    match (a, b) {
        (Outcome::Sum(_), Outcome::Sum(_))
        | (Outcome::Delay(_), Outcome::Delay(_))
        | (Outcome::Mersenne(_), Outcome::Mersenne(_)) => true,
        (Outcome::Sum(_) | Outcome::Delay(_) | Outcome::Mersenne(_), _) => false,
    }
}

/// Findings as bytes of their own for each.
fn encoded(findings: &[Finding]) -> Vec<u8> {
    let encode = |Finding { exponent, verdict }: &Finding| {
        let (tag, value) = match *verdict {
            Verdict::Prime => (0_u8, 0),
            Verdict::Factor(factor) => (1, factor),
            Verdict::Composite { residue } => (2, residue),
        };
        [exponent.to_le_bytes().as_slice(), &[tag], &value.to_le_bytes()].concat()
    };
    findings.iter().flat_map(encode).collect()
}

/// Whether an outcome is small enough to be true, and to be kept as one.
fn is_plausible(block: Block, outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Sum(total) => *total < SUM_MAX,
        Outcome::Delay(units) => *units <= block.len(),
        Outcome::Mersenne(findings) => block.level() <= LEVEL_MAX && findings.len() <= FINDINGS_MAX,
    }
}
