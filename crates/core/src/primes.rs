//! Mersenne primes as the room knows them: who told of each, by which way it came, and who tested it too.
//!
//! 1. A node whose worker finds a prime says so to everybody ([`Body::Prime`](manyhands_wire::flood::Body::Prime)). A prime in a
//!    peer's results is known as well, told of or not.
//! 2. Nobody has to believe it. An exponent up to [`CONFIRM_ALL_MAX`] is tested by every node that lends a thread, a larger one
//!    by the one that the lot falls on, and if nothing comes of that, by the next ([`Body::Checked`](manyhands_wire::flood::Body::Checked)
//!    tells the others). The second test uses another transform and another shift than the first, so that the same slip of
//!    arithmetic cannot befall both.
//! 3. What proves false is thrown out and counted; the results of who told it are looked at.
//! 4. The finder is who signed the result that says so, whoever else tells of it. A node to which the result came merged takes
//!    the one of those that told who has the credit, and if none of them has it the one with the smallest id; while nobody has
//!    told, who has the credit. So all nodes agree, unless somebody makes up credit: of those who come late, it may deceive some.

use std::collections::VecDeque;
use std::time::Duration;

use manyhands_ledger::Ledger;
use manyhands_wire::mersenne::Verdict;
use manyhands_wire::{JobKind, JobSpec, PeerId, UnitRange};

use crate::table::{Set, Table};
use crate::time::Time;

/// Up to which exponent every node tests for itself what it is told: a tenth of a second for a slow machine (a guess).
const CONFIRM_ALL_MAX: u32 = 1 << 15;
/// How long such a test waits for a moment in which the node has nothing else to do.
const CONFIRM_AFTER: Duration = Duration::from_secs(10);
/// How many primes are known at most. Of the exponents that can be searched 37 give one; what is false is soon thrown out.
const PRIMES_MAX: usize = 128;
/// How many peers may tell of one prime, or of a test of it, and count.
const VOICES_MAX: usize = 32;
/// How many false primes are remembered, the newest.
const REFUSED_MAX: usize = 256;
/// How many primes one peer may have told of that neither a result nor a test has borne out yet.
const UNPROVEN_MAX: usize = 32;
/// How many peers are remembered that told of primes that are none.
const FALSE_TELLERS_MAX: usize = 64;
/// How long each that the lot falls on has before the next may try, beside the time that the test takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A prime as this node knows it.
#[derive(Debug, Default)]
pub(crate) struct Prime {
    /// When this node heard of it first, and whether that was after it began.
    pub(crate) heard: Time,
    pub(crate) is_news: bool,
    /// Who signed the results that have it, the smallest id.
    signed: Option<PeerId>,
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
    /// Who told of primes that are none: what they tell is not listened to any more.
    false_tellers: Set<PeerId>,
    /// How often something was told that is not so.
    pub(crate) false_news: u64,
}

impl Primes {
    /// Those of a job that the ledger has.
    pub(crate) fn of(spec: &JobSpec, ledger: &Ledger) -> Self {
        let mut primes = Self {
            kind: spec.kind.clone(),
            known: Table::new(),
            refused: VecDeque::new(),
            false_tellers: Set::new(),
            false_news: 0,
        };
        for finding in ledger.findings(ledger.range()).filter(|finding| finding.verdict == Verdict::Prime) {
            primes.learn(Time::ZERO, finding.exponent, None);
        }
        for prime in primes.known.values_mut() {
            prime.is_news = false;
        }
        primes
    }

    /// A result says that this is one, perhaps signed by who computed it.
    pub(crate) fn learn(&mut self, now: Time, exponent: u32, by: Option<PeerId>) {
        if !self.known.contains_key(&exponent) {
            self.make_room();
            self.known.insert(exponent, Prime { heard: now, is_news: true, ..Prime::default() });
        }
        let Some(prime) = self.known.get_mut(&exponent) else { return };
        prime.signed = match (prime.signed, by) {
            (Some(known), Some(by)) => Some(known.min(by)),
            (known, by) => known.or(by),
        };
    }

    /// What a result says comes before what was only told: of that, the largest goes.
    fn make_room(&mut self) {
        if self.known.len() >= PRIMES_MAX {
            let is_only_told = |prime: &Prime| prime.signed.is_none() && prime.mine != Mine::Prime;
            let largest =
                self.known.iter().rev().find(|(_, prime)| is_only_told(prime)).map(|(exponent, _)| *exponent);
            largest.and_then(|exponent| self.known.remove(&exponent));
        }
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
        open: UnitRange,
    ) -> Result<(), Refusal> {
        // Where others are ahead, their finds may lie somewhat beyond what this node knows to be open.
        let is_open = self.kind.unit_of(exponent).is_some_and(|unit| unit < open.end.saturating_mul(2));
        let refusal = match () {
            () if !is_open => Some("news of a prime that the job has nothing to do with"),
            () if self.refused.contains(&exponent) => Some("news of a prime that is none"),
            () if self.known.contains_key(&exponent) => None,
            () if self.false_tellers.contains(&finder) => {
                Some("news of a prime from one who told of others that are none")
            }
            () if self.unproven(&finder) >= UNPROVEN_MAX || self.known.len() >= PRIMES_MAX => {
                Some("news of a prime beside many others that are not tested yet")
            }
            () => None,
        };
        if let Some(refusal) = refusal {
            self.false_news += 1;
            return Err(refusal);
        }
        if !self.known.contains_key(&exponent) {
            self.known.insert(exponent, Prime { heard: now, is_news: true, ..Prime::default() });
        }
        if let Some(prime) = self.known.get_mut(&exponent).filter(|prime| prime.told.len() < VOICES_MAX) {
            prime.told.entry(finder).or_insert(path);
        }
        Ok(())
    }

    /// How many primes a peer told of that nothing has borne out yet.
    fn unproven(&self, teller: &PeerId) -> usize {
        let is_unproven = |prime: &&Prime| {
            let is_borne_out =
                prime.signed.is_some() || prime.mine == Mine::Prime || !prime.confirmed.is_empty();
            prime.told.contains_key(teller) && !is_borne_out
        };
        self.known.values().filter(is_unproven).count()
    }

    /// Whether this node has told of a prime itself.
    pub(crate) fn has_told(&self, me: &PeerId, exponent: u32) -> bool {
        self.known.get(&exponent).is_some_and(|prime| prime.told.contains_key(me))
    }

    /// Somebody tested a prime too.
    pub(crate) fn on_checked(&mut self, by: PeerId, exponent: u32, is_prime: bool) {
        let Some(prime) = self.known.get_mut(&exponent) else { return };
        let voices = if is_prime { &mut prime.confirmed } else { &mut prime.refuted };
        if voices.len() < VOICES_MAX {
            voices.insert(by);
        }
    }

    /// The primes that this node is to test now; `able` are the peers that could, `is_idle` tells whether it has nothing else to
    /// do, and `seconds` is how long a unit takes here.
    pub(crate) fn due(
        &mut self,
        now: Time,
        me: PeerId,
        able: &[PeerId],
        is_idle: bool,
        ledger: &Ledger,
        seconds: impl Fn(UnitRange) -> f64,
    ) -> Vec<u32> {
        let mut due = Vec::new();
        let kind = &self.kind;
        for (exponent, prime) in self.known.iter_mut() {
            let Some(unit) = kind.unit_of(*exponent) else { continue };
            let finder = finder(kind, ledger, *exponent, prime);
            // Whose own find others deny has a machine that slips.
            if prime.mine != Mine::Untested || (finder == Some(me) && prime.refuted.is_empty()) {
                continue;
            }
            let is_small = *exponent <= CONFIRM_ALL_MAX;
            let rank = rank(*exponent, me, able.iter().filter(|peer| Some(**peer) != finder));
            let span = Duration::from_secs_f64(seconds(UnitRange::new(unit, unit + 1)).min(1e6));
            let is_turn = now.since(prime.heard) >= (PATIENCE + 2 * span) * rank.min(1000) as u32;
            let is_settled = prime.confirmed.iter().any(|peer| Some(*peer) != finder);
            let is_small_turn = is_small && (is_idle || now.since(prime.heard) >= CONFIRM_AFTER);
            let is_turn = is_turn && !is_small;
            if is_small_turn || !prime.refuted.is_empty() || (is_turn && !is_settled) {
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
    pub(crate) fn on_tested(&mut self, now: Time, exponent: u32, is_prime: Option<bool>) -> Vec<PeerId> {
        if is_prime == Some(true) && self.refused.contains(&exponent) {
            // Others said that it is none, and this node knows better.
            self.refused.retain(|refused| *refused != exponent);
            self.learn(now, exponent, None);
        }
        let Some(prime) = self.known.get_mut(&exponent) else { return Vec::new() };
        match is_prime {
            None => prime.mine = Mine::Untested,
            Some(true) => prime.mine = Mine::Prime,
            Some(false) => return self.refuse(exponent),
        }
        Vec::new()
    }

    /// Throws out those that this node has not tested and has reason not to believe: nobody but proven liars told of it and
    /// somebody says no, or the ledger by now does; or, where this node cannot test for itself, more peers say no than yes. Returns
    /// who told of them.
    pub(crate) fn believe_others(
        &mut self,
        can_test: bool,
        is_liar: impl Fn(&PeerId) -> bool,
        ledger: &Ledger,
    ) -> Vec<(u32, Vec<PeerId>)> {
        let kind = &self.kind;
        let is_false = |exponent: u32, prime: &Prime| {
            let is_outvoted = !can_test && prime.refuted.len() > prime.confirmed.len().max(1);
            let is_liars_word =
                prime.signed.iter().chain(prime.told.keys()).chain(&prime.confirmed).all(&is_liar);
            let is_told = !prime.told.is_empty() || prime.signed.is_some();
            let is_denied = (is_told && !prime.refuted.is_empty()) || denies(kind, ledger, exponent);
            is_outvoted || (is_liars_word && is_denied)
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
        for teller in told.keys().take(FALSE_TELLERS_MAX.saturating_sub(self.false_tellers.len())) {
            self.false_tellers.insert(*teller);
        }
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
    let teller = credited.filter(|peer| prime.told.contains_key(peer));
    prime.signed.or(teller).or_else(|| prime.told.keys().next().copied()).or(credited)
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

#[cfg(test)]
mod tests;
