//! The part of the API that is about a search for Mersenne primes: how far it is, what was found, and what became of every
//! exponent.
//!
//! It is what the room computes, so anyone may read it, as with the total of a sum. The results are written while they are
//! read, a run of exponents after the other, so that the text of millions takes no memory. A reader keeps the ledger as it was
//! when it began, which may be megabytes, so other machines have few readers at a time.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Json, Router, body::Bytes};
use futures_util::stream;
use manyhands_core::View;
use manyhands_core::view::{PrimeState, PrimeView, SearchView};
use manyhands_ledger::Ledger;
use manyhands_wire::mersenne::{Finding, Verdict};
use manyhands_wire::{JobKind, JobSpec, PeerId, UnitRange};
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::control::{Caller, check_own_machine};
use super::files::list::rfc3339;
use super::files::problem::Problem;
use super::{NodeFace, Web};
use crate::cli::job::{check_exponent, check_order};

/// How many units are looked at for one part of the results: a part has some tens of kilobytes.
const UNITS_A_PART: u64 = 4096;

/// How many may read the results from other machines at the same time.
const READERS_MAX: usize = 4;

/// A Mersenne prime: an item of `/api/primes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FoundPrime {
    /// The exponent `p`: the prime is `2^p - 1`.
    pub(crate) exponent: u32,
    /// How many decimal digits it has.
    pub(crate) digits: u32,
    /// The name of who found it.
    pub(crate) finder: String,
    /// The id of the same.
    pub(crate) finder_id: String,
    /// When this node heard of it, by its own clock: as RFC 3339 has it.
    pub(crate) found_at: Option<String>,
    /// The same in milliseconds since 1970.
    pub(crate) found_ms: Option<u64>,
    /// The names of those the news went through, the finder first, this node last.
    pub(crate) path: Vec<String>,
    /// The ids of the same.
    pub(crate) path_ids: Vec<String>,
    /// Whether it is believed.
    pub(crate) state: PrimeState,
    /// The names of those who tested it too and found it prime.
    pub(crate) confirmed_by: Vec<String>,
}

/// What became of one exponent: a line of `/api/results`.
#[derive(Debug, Serialize)]
struct ResultLine<'a> {
    exponent: u32,
    /// What `2^exponent - 1` is: `prime`, `factor` for a composite with a known factor, or `composite`.
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    factor: Option<u64>,
    /// The lower 64 bits that the test ended on, as 16 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    residue: Option<String>,
    /// Which test: `ll` is Lucas and Lehmer's, `prp-3` Fermat's to base 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<&'static str>,
    /// The name of who has the credit.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<Cow<'a, str>>,
    /// The id of the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    by_id: Option<String>,
}

/// Which exponents are wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    from: Option<u64>,
    to: Option<u64>,
}

/// The routes of this part.
pub(super) fn routes() -> Router<Arc<Web>> {
    Router::new()
        .route("/api/primes", get(primes))
        .route("/api/search", get(search))
        .route("/api/results", get(results).layer(Extension(Arc::new(Semaphore::new(READERS_MAX)))))
}

/// `GET /api/search`: how far the search is.
async fn search(State(web): State<Arc<Web>>) -> Result<Json<SearchView>, Problem> {
    let view = node(&web)?.views.borrow().clone();
    search_of(&view).cloned().map(Json)
}

/// `GET /api/primes`: the primes that this node knows, the smallest first.
async fn primes(State(web): State<Arc<Web>>) -> Result<Json<Vec<FoundPrime>>, Problem> {
    let view = node(&web)?.views.borrow().clone();
    let since = UNIX_EPOCH.elapsed().unwrap_or_default();
    let now_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    let found = |prime: &PrimeView| {
        let found_ms = prime.heard_ms.map(|heard| now_ms.saturating_sub(heard));
        FoundPrime {
            exponent: prime.exponent,
            digits: prime.digits,
            finder: prime.finder.clone(),
            finder_id: prime.finder_id.clone(),
            found_at: found_ms.map(rfc3339),
            found_ms,
            path: prime.path.clone(),
            path_ids: prime.path_ids.clone(),
            state: prime.state,
            confirmed_by: prime.confirmed_by.clone(),
        }
    };
    Ok(Json(search_of(&view)?.primes.iter().map(found).collect()))
}

/// `GET /api/results`: what became of every finished prime exponent, a line of JSON for each, in order.
async fn results(
    State(web): State<Arc<Web>>,
    Extension(readers): Extension<Arc<Semaphore>>,
    caller: Caller,
    headers: HeaderMap,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Problem> {
    let node = node(&web)?;
    let view = node.views.borrow().clone();
    search_of(&view)?;
    let Query(wanted) = wanted.map_err(|rejection| Problem::bad(rejection.body_text()))?;
    let exponent = |wanted: Option<u64>| wanted.map(check_exponent).transpose().map_err(Problem::bad);
    let (from, to) = (exponent(wanted.from)?, exponent(wanted.to)?);
    check_order(from, to).map_err(Problem::bad)?;
    let place = match check_own_machine(caller, &headers) {
        Ok(()) => None,
        Err(_) => Some(
            readers.try_acquire_owned().map_err(|_| Problem::busy("too many read the results: try again"))?,
        ),
    };
    let Some(job) = node.progress.borrow().clone() else {
        return Err(Problem::busy("the results are not here yet: try again"));
    };
    let lines = Lines { _place: place, ..Lines::new(job, &view, from, to) };
    let parts = stream::iter(lines.map(|part| Ok::<_, std::convert::Infallible>(Bytes::from(part))));
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"mersenne-results.jsonl\""),
    ];
    Ok((StatusCode::OK, headers, Body::from_stream(parts)).into_response())
}

fn node(web: &Web) -> Result<&NodeFace, Problem> {
    web.node.as_ref().ok_or_else(|| Problem::unknown("a relay is no node of any search"))
}

fn search_of(view: &View) -> Result<&SearchView, Problem> {
    let why = match &view.job {
        Some(_) => "the room's job is no search for Mersenne primes",
        None => "no job is known here yet",
    };
    view.search.as_ref().ok_or_else(|| Problem::unknown(why))
}

/// The results in parts of some lines.
struct Lines {
    job: Arc<(JobSpec, Ledger)>,
    names: BTreeMap<String, String>,
    /// The units that are still to be looked at.
    left: UnitRange,
    /// A place among the readers, where one is needed.
    _place: Option<OwnedSemaphorePermit>,
}

impl Lines {
    fn new(job: Arc<(JobSpec, Ledger)>, view: &View, from: Option<u32>, to: Option<u32>) -> Self {
        let names = view.peers.iter().map(|peer| (peer.id.clone(), peer.name.clone())).collect();
        let first = match job.0.kind {
            JobKind::Mersenne { from, .. } => u64::from(from),
            JobKind::Sum { .. } | JobKind::Delay { .. } => 0,
        };
        let start = from.map_or(0, |from| u64::from(from).saturating_sub(first));
        let end = to.map_or(u64::MAX, |to| (u64::from(to) + 1).saturating_sub(first)).min(job.1.units());
        Self { job, names, left: UnitRange::new(start.min(end), end), _place: None }
    }

    /// The lines of some units.
    fn part(&self, units: UnitRange) -> String {
        let (spec, ledger) = &*self.job;
        let mut text = String::new();
        for finding in ledger.findings(units) {
            // A block may reach over the ends.
            let Some(unit) = spec.kind.unit_of(finding.exponent).filter(|unit| units.contains(*unit)) else {
                continue;
            };
            let by = ledger.credit_runs(UnitRange::new(unit, unit + 1)).next().map(|run| run.by);
            let line = self.line(finding, by);
            text.push_str(&serde_json::to_string(&line).expect("plain data, which JSON always takes"));
            text.push('\n');
        }
        text
    }

    fn line(&self, finding: Finding, by: Option<PeerId>) -> ResultLine<'_> {
        let exponent = finding.exponent;
        let (result, factor, residue, test) = match finding.verdict {
            Verdict::Prime => ("prime", None, None, Some("ll")),
            Verdict::Factor(factor) => ("factor", Some(factor), None, None),
            Verdict::Composite { residue } => {
                let test = if self.job.0.kind.is_proven(exponent) { "prp-3" } else { "ll" };
                ("composite", None, Some(format!("{residue:016x}")), Some(test))
            }
        };
        let by_id = by.map(|by| by.0.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        let name = by.zip(by_id.as_ref()).map(|(by, id)| match self.names.get(id) {
            Some(name) => Cow::Borrowed(name.as_str()),
            None => Cow::Owned(by.nickname()),
        });
        ResultLine { exponent, result, factor, residue, test, by: name, by_id }
    }
}

impl Iterator for Lines {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        while !self.left.is_empty() {
            let end = self.left.end.min(self.left.start + UNITS_A_PART);
            let part = self.part(UnitRange::new(self.left.start, end));
            self.left = UnitRange::new(end, self.left.end);
            if !part.is_empty() {
                return Some(part);
            }
        }
        None
    }
}
