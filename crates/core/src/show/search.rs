//! What a person sees of the search for Mersenne primes.

use manyhands_wire::frame::Progress;
use manyhands_wire::mersenne::{Verdict, digits};
use manyhands_wire::{JobKind, PeerId, UnitRange};

use super::{hex, name};
use crate::job::Job;
use crate::node::Node;
use crate::primes::{Mine, Prime};
use crate::table::Table;
use crate::time::Time;
use crate::view::{PrimeState, PrimeView, SearchView, TestView};

/// The search, if that is the job. `position` has the places of the peers in the view.
pub(super) fn search(
    node: &Node,
    job: &Job,
    position: &Table<PeerId, usize>,
    now: Time,
) -> Option<SearchView> {
    let JobKind::Mersenne { from, to, .. } = job.signed.spec.kind else { return None };
    let ledger = &job.replica.ledger;
    let (mut tested, mut factored) = (0, 0);
    for finding in ledger.findings(ledger.range()) {
        match finding.verdict {
            Verdict::Prime | Verdict::Composite { .. } => tested += 1,
            Verdict::Factor(_) => factored += 1,
        }
    }
    let primes =
        job.primes.known.iter().map(|(exponent, prime)| prime_view(node, job, *exponent, prime, now));
    let mine = job.work.progress().map(|progress| (node.me.id(), progress));
    let theirs = job
        .sharing
        .theirs
        .iter()
        .flat_map(|(peer, theirs)| theirs.status.progress.iter().map(|progress| (*peer, *progress)));
    let is_open = |progress: &Progress| {
        let end = progress.unit.checked_add(1);
        end.is_some_and(|end| !ledger.is_done(UnitRange::new(progress.unit, end)))
    };
    let mut tests: Table<(u32, u16), TestView> = Table::new();
    let under_way = mine.chain(theirs).filter(|(_, progress)| is_open(progress)).filter_map(
        |(peer, Progress { unit, iteration, iterations })| {
            let by = position.get(&peer).and_then(|at| u16::try_from(*at).ok())?;
            let exponent = from.checked_add(u32::try_from(unit).ok()?).filter(|exponent| *exponent <= to)?;
            Some(((exponent, by), TestView { exponent, peer: name(node, &peer), by, iteration, iterations }))
        },
    );
    tests.extend(under_way);
    let prefix = u32::try_from(ledger.prefix_units()).unwrap_or(u32::MAX);
    Some(SearchView {
        from,
        to,
        frontier: (from - 1).saturating_add(prefix).min(to),
        tested,
        factored,
        primes: primes.collect(),
        tests: tests.into_values().collect(),
        false_news: job.primes.false_news,
    })
}

/// Who found a prime, and the way that its news took, as far as they came.
pub(super) fn way(job: &Job, exponent: u32) -> Option<(PeerId, Vec<PeerId>)> {
    let finder = job.primes.finder(&job.replica.ledger, exponent)?;
    let path = job.primes.known.get(&exponent).and_then(|prime| prime.told.get(&finder)).cloned();
    Some((finder, path.unwrap_or_else(|| vec![finder])))
}

fn prime_view(node: &Node, job: &Job, exponent: u32, prime: &Prime, now: Time) -> PrimeView {
    let (finder, path) = way(job, exponent).unzip();
    let path = path.unwrap_or_default();
    let mine = Some(node.me.id()).filter(|me| prime.mine == Mine::Prime && finder != Some(*me));
    let others = prime.confirmed.iter().copied().filter(|peer| Some(*peer) != finder);
    let confirmed_by: Vec<String> = mine
        .into_iter()
        .chain(others.filter(|peer| Some(*peer) != mine))
        .map(|peer| name(node, &peer))
        .collect();
    PrimeView {
        exponent,
        digits: digits(exponent),
        finder: finder.map(|finder| name(node, &finder)).unwrap_or_default(),
        finder_id: finder.map(|finder| hex(&finder)).unwrap_or_default(),
        heard_ms: prime
            .is_news
            .then(|| u64::try_from(now.since(prime.heard).as_millis()).unwrap_or(u64::MAX)),
        path: path.iter().map(|peer| name(node, peer)).collect(),
        path_ids: path.iter().map(hex).collect(),
        state: if confirmed_by.is_empty() { PrimeState::Claimed } else { PrimeState::Confirmed },
        confirmed_by,
    }
}
