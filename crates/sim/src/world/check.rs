//! What must always hold.
//!
//! After each step, for the node that it was about, what costs next to nothing: its ledger only grows and is no larger than
//! the job, its links are bounded, a finished total is the true one. From time to time and at the end, for the whole of a
//! ledger: every block in it is true, no unit counts twice, and nobody has credit for what it has not computed.

use std::collections::BTreeMap;

use manyhands_core::node::LINKS_MAX;
use manyhands_core::view::{MAP_CELLS_MAX, MESSAGES_MAX};
use manyhands_jobs::Report;
use manyhands_ledger::Ledger;
use manyhands_wire::{JobSpec, Outcome, PeerId};
use rangemap::RangeSet;

use super::{NodeNumber, World};
use crate::truth::compute;

/// What the world knows and no node does.
pub(super) struct Truth {
    expected: Outcome,
    /// Who really computed what.
    computed: BTreeMap<PeerId, RangeSet<u64>>,
    /// How many nodes are still to know the result.
    pub(super) unfinished: usize,
    /// The job was changed: some node may still be at the former one.
    is_changed: bool,
    /// Nobody made up frames, so that credit must be as `computed` has it.
    pub(super) is_credit_sure: bool,
    /// Somebody lies about results.
    pub(super) is_lied_to: bool,
}

impl Truth {
    pub(super) fn new(spec: &JobSpec) -> Self {
        Self {
            expected: compute(&spec.kind, spec.range()),
            computed: BTreeMap::new(),
            unfinished: 0,
            is_changed: false,
            is_credit_sure: true,
            is_lied_to: false,
        }
    }

    pub(super) fn change(&mut self, spec: &JobSpec) {
        self.expected = compute(&spec.kind, spec.range());
        self.computed.clear();
        self.is_changed = true;
    }

    /// A ledger from before the world began.
    pub(super) fn believe(&mut self, ledger: &Ledger) {
        for run in ledger.credit_runs(ledger.range()) {
            self.computed.entry(run.by).or_default().insert(run.units.start..run.units.end);
        }
    }

    /// A worker finished something.
    pub(super) fn on_report(&mut self, by: PeerId, report: &Report) {
        if let Report::Done { slice, .. } = report
            && !slice.is_empty()
        {
            self.computed.entry(by).or_default().insert(slice.start..slice.end);
        }
    }
}

impl World {
    /// Whether a node is one whose result is waited for may have changed.
    pub(super) fn count(&mut self, number: NodeNumber) {
        let life = &mut self.lives[number];
        let is_waited_for = life.counts() && !life.knows && life.options.is_honest();
        if is_waited_for != life.is_waited_for {
            life.is_waited_for = is_waited_for;
            if is_waited_for {
                self.truth.unfinished += 1;
            } else {
                self.truth.unfinished -= 1;
            }
        }
    }

    /// What must hold for a node after each of its steps.
    ///
    /// # Panics
    /// If it does not.
    pub(super) fn check(&mut self, number: NodeNumber) {
        let life = &mut self.lives[number];
        assert!(life.node.links().count() <= LINKS_MAX, "node {number} has more links than it may");
        self.truth.is_lied_to |= life.options.lies_permille > 0;
        if let Some(ledger) = life.node.ledger()
            && !(self.truth.is_changed && life.node.job().is_none_or(|job| *job != self.spec))
        {
            let done = ledger.done_units();
            let before = life.done_units;
            life.unchecked_steps = life.unchecked_steps.saturating_add(1);
            if life.seen_version != Some(ledger.version()) {
                life.seen_version = Some(ledger.version());
                assert!(
                    done >= before || self.truth.is_lied_to,
                    "the ledger of node {number} shrank from {before} to {done} units"
                );
                assert!(done <= ledger.units(), "node {number} counts a unit twice");
                life.done_units = done;
                let is_whole = ledger.is_complete();
                let is_true = ledger.units() == 0 || ledger.merged().as_ref() == Some(&self.truth.expected);
                life.knows = is_whole && is_true;
                assert!(
                    life.knows || !is_whole || self.truth.is_lied_to,
                    "node {number} has a finished total that is not the true one"
                );
                let every = self.settings.full_check_every;
                if every > 0 && life.unchecked_steps >= every {
                    life.unchecked_steps = 0;
                    self.check_whole(number);
                }
            }
        } else {
            life.knows = false;
        }
        self.count(number);
    }

    /// Checks everything of every node that lives.
    ///
    /// # Panics
    /// If anything does not hold.
    pub fn check_all(&mut self) {
        for number in self.alive() {
            self.check(number);
            self.check_whole(number);
            let view = self.view(number);
            assert!(view.messages.len() <= MESSAGES_MAX && view.map.len() <= MAP_CELLS_MAX);
        }
    }

    fn check_whole(&self, number: NodeNumber) {
        let Some(ledger) = self.node(number).ledger() else { return };
        if self.node(number).job().is_none_or(|job| *job != self.spec) {
            return;
        }
        let mut counted = 0;
        for (block, outcome) in ledger.blocks(ledger.range()) {
            counted += block.len();
            assert!(
                self.truth.is_lied_to || *outcome == compute(&self.spec.kind, block.range()),
                "node {number} believes that {block:?} comes to {outcome:?}"
            );
        }
        assert_eq!(counted, ledger.done_units(), "node {number} counts a unit twice");
        let mut credited = 0;
        for run in ledger.credit_runs(ledger.range()) {
            credited += run.units.len();
            assert!(ledger.is_done(run.units), "node {number} gives credit for what is not done: {run:?}");
            let theirs = self.truth.computed.get(&run.by);
            let is_theirs = theirs.is_some_and(|theirs| {
                theirs.get(&run.units.start).is_some_and(|range| range.end >= run.units.end)
            });
            assert!(
                is_theirs || !self.truth.is_credit_sure,
                "node {number} gives credit for {:?} to one that did not compute it",
                run.units
            );
        }
        assert!(credited <= counted, "node {number} gives credit twice");
    }
}
