//! Mersenne primes as the room knows them: who told of each, by which way it came, and who tested it too.
//!
//! 1. A node whose worker finds a prime says so to everybody ([`Body::Prime`](manyhands_wire::flood::Body::Prime)). A prime in a
//!    peer's results is known as well, told of or not.
//! 2. Nobody has to believe it. An exponent up to [`CONFIRM_ALL_MAX`] is tested by every node that lends a thread, a larger one
//!    by the one that the lot falls on, and if nothing comes of that, by the next ([`Body::Checked`](manyhands_wire::flood::Body::Checked)
//!    tells the others). The second test uses another transform and another shift than the first, so that the same slip of
//!    arithmetic cannot befall both.
//! 3. What proves false is thrown out and counted; the results of who told it are looked at.
//! 4. The finder is who has the credit for the exponent in the ledger, where the ledger knows it: whoever else signs the news.
//!    Until then it is the one with the smallest id of those that told, so that all nodes agree.

use std::collections::VecDeque;
use std::time::Duration;

use manyhands_ledger::Ledger;
use manyhands_wire::mersenne::Verdict;
use manyhands_wire::{JobKind, JobSpec, PeerId, UnitRange};

use crate::table::{Set, Table};
use crate::time::Time;

/// Up to which exponent every node tests for itself what it is told: a tenth of a second for a slow machine (a guess).
const CONFIRM_ALL_MAX: u32 = 1 << 15;
/// How many primes are known at most. Of the exponents that can be searched 37 give one; what is false is soon thrown out.
const PRIMES_MAX: usize = 128;
/// How many peers may tell of one prime, or of a test of it, and count.
const VOICES_MAX: usize = 32;
/// How many false primes are remembered, the newest.
const REFUSED_MAX: usize = 256;
/// How long each that the lot falls on has before the next may try, beside the time that the test takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A prime as this node knows it.
#[derive(Debug, Default)]
pub(crate) struct Prime {
    /// When this node heard of it first.
    pub(crate) heard: Time,
    /// Who told of it, and those the news went through up to this node.
    pub(crate) told: Table<PeerId, Vec<PeerId>>,
    /// Who else says that they tested it: that it is one, or not.
    pub(crate) confirmed: Set<PeerId>,
    refuted: Set<PeerId>,
    /// What this node itself knows of it.
    pub(crate) mine: Mine,
}

/// What this node itself knows of a prime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mine {
    /// It has not tested it.
    #[default]
    Untested,
    /// A test waits for a thread, or is under way.
    Queued,
    /// It is one.
    Prime,
}

/// Why news of a prime is refused, for people.
pub(crate) type Refusal = &'static str;

/// The primes of one job.
pub(crate) struct Primes {
    kind: JobKind,
    pub(crate) known: Table<u32, Prime>,
    refused: VecDeque<u32>,
    /// How often something was told that is not so.
    pub(crate) false_news: u64,
}

impl Primes {
    /// Those of a job that the ledger has.
    pub(crate) fn of(spec: &JobSpec, ledger: &Ledger) -> Self {
        let mut primes =
            Self { kind: spec.kind.clone(), known: Table::new(), refused: VecDeque::new(), false_news: 0 };
        for finding in ledger.findings(ledger.range()).filter(|finding| finding.verdict == Verdict::Prime) {
            primes.learn(Time::ZERO, finding.exponent);
        }
        primes
    }

    /// A result says that this is one. `false` if it was known.
    pub(crate) fn learn(&mut self, now: Time, exponent: u32) -> bool {
        let is_new = !self.known.contains_key(&exponent);
        if is_new && self.known.len() < PRIMES_MAX {
            self.known.insert(exponent, Prime { heard: now, ..Prime::default() });
        }
        is_new
    }

    /// Somebody told of a prime; `path` is whom it went through, up to this node.
    ///
    /// # Errors
    /// If it cannot be one of the job's, or has proved false before.
    pub(crate) fn on_told(
        &mut self,
        now: Time,
        finder: PeerId,
        exponent: u32,
        path: Vec<PeerId>,
    ) -> Result<(), Refusal> {
        if self.kind.unit_of(exponent).is_none() {
            self.false_news += 1;
            return Err("news of a prime that the job has nothing to do with");
        }
        if self.refused.contains(&exponent) {
            self.false_news += 1;
            return Err("news of a prime that is none");
        }
        self.learn(now, exponent);
        if let Some(prime) = self.known.get_mut(&exponent).filter(|prime| prime.told.len() < VOICES_MAX) {
            prime.told.entry(finder).or_insert(path);
        }
        Ok(())
    }

    /// Somebody tested a prime too.
    pub(crate) fn on_checked(&mut self, by: PeerId, exponent: u32, is_prime: bool) {
        let Some(prime) = self.known.get_mut(&exponent) else { return };
        let voices = if is_prime { &mut prime.confirmed } else { &mut prime.refuted };
        if voices.len() < VOICES_MAX {
            voices.insert(by);
        }
    }

    /// The primes that this node is to test now; `able` are the peers that could, and `seconds` is how long a unit takes here.
    pub(crate) fn due(
        &mut self,
        now: Time,
        me: PeerId,
        able: &[PeerId],
        ledger: &Ledger,
        seconds: impl Fn(UnitRange) -> f64,
    ) -> Vec<u32> {
        let mut due = Vec::new();
        let kind = &self.kind;
        for (exponent, prime) in self.known.iter_mut() {
            let Some(unit) = kind.unit_of(*exponent) else { continue };
            let finder = finder(kind, ledger, *exponent, prime);
            if prime.mine != Mine::Untested || finder == Some(me) {
                continue;
            }
            let is_small = *exponent <= CONFIRM_ALL_MAX;
            let rank = rank(*exponent, me, able.iter().filter(|peer| Some(**peer) != finder));
            let span = Duration::from_secs_f64(seconds(UnitRange::new(unit, unit + 1)).min(1e6));
            let is_turn = now.since(prime.heard) >= (PATIENCE + 2 * span) * rank.min(1000) as u32;
            let is_settled = prime.confirmed.iter().any(|peer| Some(*peer) != finder);
            if is_small || !prime.refuted.is_empty() || (is_turn && !is_settled) {
                prime.mine = Mine::Queued;
                due.push(*exponent);
            }
        }
        due
    }

    /// Whether this node is to tell the others what came of its test: of small ones it is enough that one does.
    pub(crate) fn is_to_tell(&self, me: PeerId, able: &[PeerId], ledger: &Ledger, exponent: u32) -> bool {
        let finder = self.known.get(&exponent).and_then(|prime| finder(&self.kind, ledger, exponent, prime));
        exponent > CONFIRM_ALL_MAX
            || rank(exponent, me, able.iter().filter(|peer| Some(**peer) != finder)) == 0
    }

    /// This node tested a prime, or was kept from it. Returns who told of it, if it is none.
    pub(crate) fn on_tested(&mut self, exponent: u32, is_prime: Option<bool>) -> Vec<PeerId> {
        let Some(prime) = self.known.get_mut(&exponent) else { return Vec::new() };
        match is_prime {
            None => prime.mine = Mine::Untested,
            Some(true) => prime.mine = Mine::Prime,
            Some(false) => return self.refuse(exponent),
        }
        Vec::new()
    }

    /// Throws out those that this node has not tested and has reason not to believe: more peers say no than yes, or nobody but
    /// proven liars told of it and somebody, or the ledger by now, says no. Returns who told of them.
    pub(crate) fn believe_others(
        &mut self,
        is_liar: impl Fn(&PeerId) -> bool,
        ledger: &Ledger,
    ) -> Vec<(u32, Vec<PeerId>)> {
        let kind = &self.kind;
        let is_false = |exponent: u32, prime: &Prime| {
            let is_outvoted = prime.refuted.len() > prime.confirmed.len().max(1);
            let is_liars_word = prime.told.keys().chain(&prime.confirmed).all(&is_liar);
            let is_denied = || !prime.refuted.is_empty() || denies(kind, ledger, exponent);
            is_outvoted || (is_liars_word && is_denied())
        };
        let doubted: Vec<u32> = self
            .known
            .iter()
            .filter(|(exponent, prime)| prime.mine != Mine::Prime && is_false(**exponent, prime))
            .map(|(exponent, _)| *exponent)
            .collect();
        doubted.into_iter().map(|exponent| (exponent, self.refuse(exponent))).collect()
    }

    fn refuse(&mut self, exponent: u32) -> Vec<PeerId> {
        let told = self.known.remove(&exponent).map_or_else(Table::new, |prime| prime.told);
        self.false_news += (told.len() as u64).max(1);
        self.refused.push_back(exponent);
        if self.refused.len() > REFUSED_MAX {
            self.refused.pop_front();
        }
        told.keys().copied().collect()
    }

    /// Who found a prime, as all nodes see it once they know the same.
    pub(crate) fn finder(&self, ledger: &Ledger, exponent: u32) -> Option<PeerId> {
        finder(&self.kind, ledger, exponent, self.known.get(&exponent)?)
    }
}

/// Whether the ledger has a result for an exponent that is not a prime's.
fn denies(kind: &JobKind, ledger: &Ledger, exponent: u32) -> bool {
    let Some(unit) = kind.unit_of(exponent) else { return false };
    let mut findings = ledger.findings(UnitRange::new(unit, unit + 1));
    findings.any(|finding| finding.exponent == exponent && finding.verdict != Verdict::Prime)
}

fn finder(kind: &JobKind, ledger: &Ledger, exponent: u32, prime: &Prime) -> Option<PeerId> {
    let unit = kind.unit_of(exponent)?;
    let credited = ledger.credit_runs(UnitRange::new(unit, unit + 1)).next().map(|run| run.by);
    credited.or_else(|| prime.told.keys().next().copied())
}

/// How many of the peers come before this node by lot, where an exponent is to be tested.
fn rank<'a>(exponent: u32, me: PeerId, able: impl Iterator<Item = &'a PeerId>) -> usize {
    let lot = |peer: &PeerId| {
        let mut hasher = blake3::Hasher::new_derive_key("manyhands confirm v1");
        *hasher.update(&exponent.to_le_bytes()).update(&peer.0).finalize().as_bytes()
    };
    let ours = lot(&me);
    able.filter(|peer| **peer != me && lot(peer) > ours).count()
}

/// How many decimal digits `2^exponent - 1` has.
pub(crate) fn digits(exponent: u32) -> u32 {
    // log10(2) to 18 places: exact for all exponents that can be searched, since no power of two is near a power of ten.
    let log = u128::from(exponent) * 301_029_995_663_981_195 / 10_u128.pow(18);
    u32::try_from(log).unwrap_or(u32::MAX - 1) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: PeerId = PeerId([9; 32]);
    const FINDER: PeerId = PeerId([1; 32]);
    const OTHER: PeerId = PeerId([2; 32]);

    fn search() -> (Primes, Ledger) {
        let kind = JobKind::Mersenne { from: 2, to: 100_000, proofs_from: 1 << 16 };
        let spec = JobSpec { kind, asked_by: "Liz".into(), salt: [0; 16] };
        let ledger = Ledger::new(spec.units());
        (Primes::of(&spec, &ledger), ledger)
    }

    #[test]
    fn a_small_prime_is_tested_by_everybody_and_a_large_one_by_lot() {
        let (mut primes, ledger) = search();
        for exponent in [31, 86_243] {
            primes.on_told(Time::ZERO, FINDER, exponent, vec![FINDER, ME]).unwrap();
        }
        let others: Vec<PeerId> = (10..30).map(|id| PeerId([id; 32])).collect();

        let first = primes.due(Time::ZERO, ME, &others, &ledger, |_| 1.0);
        let later = primes.due(Time::ZERO + Duration::from_secs(3600), ME, &others, &ledger, |_| 1.0);

        assert_eq!((first, later), (vec![31], vec![86_243]));
    }

    #[test]
    fn a_prime_that_another_confirmed_is_left_alone() {
        let (mut primes, ledger) = search();
        primes.on_told(Time::ZERO, FINDER, 86_243, vec![FINDER, ME]).unwrap();

        primes.on_checked(OTHER, 86_243, true);

        assert!(primes.due(Time::ZERO + Duration::from_secs(3600), ME, &[], &ledger, |_| 1.0).is_empty());
    }

    #[test]
    fn what_proves_false_is_thrown_out_and_refused_from_then_on() {
        let (mut primes, _) = search();
        primes.on_told(Time::ZERO, FINDER, 37, vec![FINDER, ME]).unwrap();

        let told = primes.on_tested(37, Some(false));

        assert_eq!(told, [FINDER]);
        assert!(primes.on_told(Time::ZERO, OTHER, 37, vec![OTHER, ME]).is_err());
        assert!(primes.on_told(Time::ZERO, OTHER, 1_257_787, vec![OTHER, ME]).is_err());
        assert_eq!((primes.known.len(), primes.false_news), (0, 3));
    }

    #[test]
    fn the_finder_is_who_has_the_credit_whoever_else_says_so() {
        let (mut primes, mut ledger) = search();
        primes.on_told(Time::ZERO, FINDER, 31, vec![FINDER, ME]).unwrap();
        let before = primes.finder(&ledger, 31);

        ledger.credit(UnitRange::new(29, 30), OTHER);

        assert_eq!((before, primes.finder(&ledger, 31)), (Some(FINDER), Some(OTHER)));
    }

    #[test]
    fn digits_are_counted_as_the_lists_have_them() {
        for (exponent, count) in
            [(2, 1), (7, 3), (127, 39), (1279, 386), (44_497, 13_395), (1_257_787, 378_632)]
        {
            assert_eq!(digits(exponent), count);
        }
    }
}
