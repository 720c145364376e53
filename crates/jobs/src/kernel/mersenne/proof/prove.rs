//! The making of a proof, in steps.
//!
//! The middle of turn i is the product of 2^i residues of the trail, those at odd multiples of T / 2^(i + 1), each to the
//! power of a product of challenges: of the first, unless it is in the upper half of the whole, of the second, unless it is
//! in the upper half of its half, and so on. That is a binary tree, whose nodes are `left^h right` with the h of their
//! level. It is walked from the leaves, in order, with at most one finished tree of each size waiting.

use super::super::arithmetic::Arithmetic;
use super::super::residue::Residue;
use super::power::Power;
use super::{Challenges, Proof, power};
use crate::transform::{Number, RoundOff};

/// The making of a proof under way.
#[derive(Clone, Debug)]
pub(in super::super) struct Proving {
    arithmetic: Arithmetic,
    /// The residues after 1, 2, ... times the stride.
    trail: Vec<Residue>,
    source: Challenges,
    challenges: Vec<u64>,
    middles: Vec<Residue>,
    /// How many leaves of this turn's tree are taken.
    leaves: usize,
    /// Finished trees and their heights, the largest first.
    trees: Vec<(Number, u32)>,
    /// The left part of a node under way; the right one is the last tree.
    node: Option<Power>,
}

impl Proving {
    /// A proof from a whole trail.
    ///
    /// # Panics
    /// If the trail is not whole.
    pub(in super::super) fn new(exponent: u32, trail: Vec<Residue>) -> Self {
        assert_eq!(trail.len(), 1 << power(exponent), "a proof is made of a whole trail");
        Self {
            arithmetic: Arithmetic::new(exponent, 0),
            source: Challenges::new(&trail[trail.len() - 1]),
            trail,
            challenges: Vec::new(),
            middles: Vec::new(),
            leaves: 0,
            trees: Vec::new(),
            node: None,
        }
    }

    /// Spends about `work`, in elements of the transform; returns how much it was.
    pub(in super::super) fn step(&mut self, work: u64) -> u64 {
        let mut spent = 0;
        while spent < work && !self.is_done() {
            spent += self.arithmetic.price();
            if self.advance().is_err() {
                // This turn anew.
                self.arithmetic.lengthen();
                self.begin_turn();
            }
        }
        spent
    }

    /// The price of one multiplication.
    pub(in super::super) fn price(&self) -> u64 {
        self.arithmetic.price()
    }

    /// What it is made of.
    pub(in super::super) fn trail(&self) -> &[Residue] {
        &self.trail
    }

    fn is_done(&self) -> bool {
        self.middles.len() == power(self.arithmetic.exponent()) as usize
    }

    /// The proof, once it is finished.
    pub(in super::super) fn finished(&self) -> Option<Proof> {
        let end = self.trail.last()?.clone();
        self.is_done().then(|| Proof { end, middles: self.middles.clone() })
    }

    #[cfg(test)]
    pub(super) fn with(self, arithmetic: Arithmetic) -> Self {
        Self { arithmetic, ..self }
    }

    fn begin_turn(&mut self) {
        self.leaves = 0;
        self.trees.clear();
        self.node = None;
    }

    fn advance(&mut self) -> Result<(), RoundOff> {
        let turn = self.middles.len();
        if let Some(node) = &mut self.node {
            let Some(left) = node.step(&mut self.arithmetic)? else { return Ok(()) };
            self.node = None;
            if let Some((right, height)) = self.trees.last_mut() {
                self.arithmetic.field.multiply(right, &left)?;
                *height += 1;
            }
        } else if let [.., (_, left), (_, right)] = self.trees[..]
            && left == right
        {
            let at = self.trees.len() - 2;
            let (left, height) = self.trees.remove(at);
            self.node = Some(Power::new(left, self.challenges[turn - 1 - height as usize]));
        } else if self.leaves < 1 << turn {
            // Residue k of the trail is at place k - 1.
            let half = self.trail.len() >> (turn + 1);
            let residue = &self.trail[(2 * self.leaves + 1) * half - 1];
            self.trees.push((self.arithmetic.number(residue, 0), 0));
            self.leaves += 1;
        } else if let Some((middle, _)) = self.trees.pop() {
            let middle = self.arithmetic.residue(&middle);
            self.challenges.push(self.source.next(&middle));
            self.middles.push(middle);
            self.begin_turn();
        }
        Ok(())
    }
}
