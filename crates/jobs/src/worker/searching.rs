//! What only a search for primes needs, by pointers.
//!
//! A program whose workers are [made without it](super::Worker::without_search) never names this table, so the linker leaves
//! the whole kernel of the search out of it: a friend's page that adds numbers need not download it.

use std::fmt::Debug;

use manyhands_wire::JobKind;
use manyhands_wire::mersenne::Finding;

use super::message::{Claim, Report, Saved};
use super::search::Search;
use crate::kernel::mersenne::Confirmation;
use crate::transform::{Field, Number};

/// The exponents of a slice; none if the job is no search.
type AnyExponents = Option<Box<dyn Exponents>>;

/// How the parts of a search begin.
#[derive(Debug)]
pub(super) struct Searching {
    /// A slice, with a unit that was begun somewhere.
    pub(super) exponents: fn(&JobKind, Option<Saved>) -> AnyExponents,
    /// The same, to check what was claimed of them.
    pub(super) checks: fn(&JobKind, Vec<Claim>) -> AnyExponents,
    /// A prime's second test, with what chooses its shift.
    pub(super) confirmation: fn(u32, u64) -> Box<dyn Confirming>,
    /// Squarings of a number as long as this exponent, to be timed.
    pub(super) squarings: fn(u32) -> Box<dyn Squaring>,
}

/// All of it.
pub(super) static SEARCHING: Searching = Searching {
    exponents: |kind, saved| Some(Box::new(Search::new(kind, saved)?)),
    checks: |kind, claims| Some(Box::new(Search::new(kind, None)?.checking(claims))),
    confirmation: |exponent, salt| Box::new(Confirmation::new(exponent, salt)),
    squarings: |exponent| Box::new(Squarings::new(exponent)),
};

/// See [`Search`].
pub(super) trait Exponents: Debug + Send {
    /// See [`Search::is_under_way`].
    fn is_under_way(&self) -> bool;
    /// See [`Search::work_left`].
    fn work_left(&self) -> u64;
    /// See [`Search::step`].
    fn step(&mut self, unit: u64, work: u64, reports: &mut Vec<Report>) -> (Option<Option<Finding>>, u64);
    /// See [`Search::tell`].
    fn tell(&mut self, now: u64, reports: &mut Vec<Report>);
    /// See [`Search::give_up`].
    fn give_up(&mut self) -> Option<Report>;
}

/// See [`Confirmation`].
pub(super) trait Confirming: Debug + Send {
    /// See [`Confirmation::exponent`].
    fn exponent(&self) -> u32;
    /// See [`Confirmation::is_prime`].
    fn is_prime(&self) -> Option<bool>;
    /// See [`Confirmation::step`].
    fn step(&mut self, work: u64) -> u64;
}

/// Squarings that are done to be timed.
pub(super) trait Squaring: Debug + Send {
    /// What one costs, in elements of the transform.
    fn price(&self) -> u64;
    /// Does one.
    fn square(&mut self);
}

impl Exponents for Search {
    fn is_under_way(&self) -> bool {
        self.is_under_way()
    }

    fn work_left(&self) -> u64 {
        self.work_left()
    }

    fn step(&mut self, unit: u64, work: u64, reports: &mut Vec<Report>) -> (Option<Option<Finding>>, u64) {
        self.step(unit, work, reports)
    }

    fn tell(&mut self, now: u64, reports: &mut Vec<Report>) {
        self.tell(now, reports);
    }

    fn give_up(&mut self) -> Option<Report> {
        self.give_up()
    }
}

impl Confirming for Confirmation {
    fn exponent(&self) -> u32 {
        self.exponent()
    }

    fn is_prime(&self) -> Option<bool> {
        self.is_prime()
    }

    fn step(&mut self, work: u64) -> u64 {
        self.step(work)
    }
}

#[derive(Debug)]
struct Squarings(Field, Number);

impl Squarings {
    fn new(exponent: u32) -> Self {
        let field = Field::best(exponent).expect("the exponent is in range");
        let number = field.number(&[3], 0);
        Self(field, number)
    }
}

impl Squaring for Squarings {
    fn price(&self) -> u64 {
        u64::from(self.0.length().digits())
    }

    fn square(&mut self) {
        let Self(field, number) = self;
        if field.square(number).is_err() {
            *number = field.number(&[3], 0);
        }
    }
}
