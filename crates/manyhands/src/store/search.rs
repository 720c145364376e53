//! Opening the file of a search, `mersenne.json`.
//!
//! The file is for people: what became of each exponent is in the sidecar, and only that can be gone on from. So a file
//! without its sidecar, or one that somebody changed, is kept under another name, and told so. What is there before a search
//! begins again is kept with its results, so that one can go on with it under its other name.

#[cfg(test)]
mod tests;

use std::path::Path;

use manyhands_ledger::{Ledger, SearchFile};
use manyhands_wire::mersenne::{EXPONENT_MAX, EXPONENT_MIN, PROOFS_FROM};
use manyhands_wire::{JobKind, JobSpec, UnitRange};

use super::error::end;
use super::replace::Hook;
use super::{
    Held, Kind, OnDisk, OpenError, Opened, Sidecar, Statement, TaskStore, keep_all, keep_copy, look, new_keys,
};

/// What the file says.
enum Said {
    /// Nothing: it is not there.
    Nothing,
    /// Nothing that could be read.
    Unclear,
    /// This.
    Search(SearchFile),
}

impl Said {
    fn search(&self) -> Option<&SearchFile> {
        match self {
            Self::Nothing | Self::Unclear => None,
            Self::Search(search) => Some(search),
        }
    }
}

/// How to open the file of a search.
pub(crate) struct SearchOptions<'a> {
    /// The first exponent; none for that of the search under way, or the first there is.
    pub(crate) from: Option<u32>,
    /// The last exponent; none for that of the search under way, or no end.
    pub(crate) to: Option<u32>,
    /// From which exponent on composites are proven, if that was asked for.
    pub(crate) proofs_from: Option<u32>,
    /// Who asks, in a new search.
    pub(crate) asked_by: &'a str,
    /// Begin again from the first exponent.
    pub(crate) restart: bool,
    /// Fills bytes with good random numbers, for new secrets.
    pub(crate) random: &'a mut dyn FnMut(&mut [u8]),
}

impl TaskStore {
    /// Opens the file of a search, or makes it, and saves it once.
    ///
    /// # Errors
    /// See [`OpenError`]; the file is as it was before.
    pub(crate) fn open_search(path: &Path, options: SearchOptions<'_>) -> Result<Opened, OpenError> {
        Self::open_search_with(path, options, Box::new(|_| Ok(())))
    }

    pub(super) fn open_search_with(
        path: &Path,
        options: SearchOptions<'_>,
        hook: Hook,
    ) -> Result<Opened, OpenError> {
        let mut held = Held::take(path, Kind::Search, hook)?;
        let remembered = held.remembered.take();
        let keys = remembered.as_ref().map_or_else(|| new_keys(options.random), |sidecar| sidecar.keys);
        let may_be_unclear = options.restart || remembered.is_some();
        let said = read_search(path, &held, may_be_unclear)?;
        let (spec, ledger, resumed) = choose_search(path, &mut held, said, remembered, options)?;
        spec.check().map_err(|source| OpenError::Job { path: path.to_owned(), source })?;
        held.open(keys, spec, ledger, resumed)
    }
}

/// What the file says. One that cannot be read is no hindrance where the search begins again, or where the results are known.
fn read_search(path: &Path, held: &Held, may_be_unclear: bool) -> Result<Said, OpenError> {
    let on_disk = look(&held.place.task, Kind::Search)
        .map_err(|source| OpenError::Unreadable { path: path.to_owned(), source })?;
    match on_disk {
        OnDisk::Absent => Ok(Said::Nothing),
        OnDisk::Present(_, Some(Statement::Search(said))) => Ok(Said::Search(said)),
        OnDisk::Present(..) if may_be_unclear => Ok(Said::Unclear),
        OnDisk::Present(bytes, _) => match SearchFile::parse(&bytes) {
            Ok(said) => Ok(Said::Search(said)),
            Err(source) => Err(OpenError::NotASearch { path: path.to_owned(), source }),
        },
    }
}

/// The search to do: that of last time, or a new one.
fn choose_search(
    path: &Path,
    held: &mut Held,
    said: Said,
    remembered: Option<Sidecar>,
    options: SearchOptions<'_>,
) -> Result<(JobSpec, Ledger, bool), OpenError> {
    let known = remembered.as_ref().and_then(search_of).or_else(|| said.search().cloned());
    // Who begins again and names an exponent means no other of last time.
    let is_other = options.restart && (options.from.is_some() || options.to.is_some());
    let known = known.filter(|_| !is_other);
    let from = options.from.or(known.as_ref().map(|known| known.from)).unwrap_or(EXPONENT_MIN);
    let to = options.to.or(known.as_ref().map(SearchFile::last)).unwrap_or(EXPONENT_MAX);

    if options.restart {
        let is_worth_keeping = match &said {
            Said::Nothing => false,
            Said::Unclear => true,
            Said::Search(search) => search.is_begun(),
        };
        if is_worth_keeping || remembered.as_ref().is_some_and(|sidecar| sidecar.ledger.done_units() > 0) {
            let kept = keep_all(&held.place, "before-restart")?;
            held.notices.push(format!(
                "begins again from {from}; what was there is kept as {} (to go on with it: --task and that name)",
                kept.display()
            ));
        }
        return Ok(new_search(from, to, options));
    }
    // A search may be led further up, and not otherwise changed.
    if let Some(known) = known.filter(|known| from != known.from || to < known.last()) {
        let last = end(Some(to).filter(|to| *to < EXPONENT_MAX));
        let asked = match (options.from, options.to) {
            (Some(from), None) => format!("{from} on"),
            (None, Some(_)) => format!("up to {last}"),
            (Some(_), Some(_)) | (None, None) => format!("{from} to {last}"),
        };
        return Err(OpenError::OtherSearch { path: path.to_owned(), known, asked });
    }
    let Some(Sidecar { spec, ledger, before, after, .. }) = remembered else {
        if said.search().is_some_and(SearchFile::is_begun) {
            let kept = keep_copy(&held.place.task, "before-restart")?;
            held.notices.push(format!(
                "{} holds the results, and is not there: the search begins again from {from}; what {} said is kept as {}",
                held.place.sidecar.display(),
                path.display(),
                kept.display()
            ));
        }
        return Ok(new_search(from, to, options));
    };
    let is_changed = match said {
        Said::Nothing => false,
        Said::Unclear => true,
        Said::Search(search) => ![&before, &after].contains(&&Statement::Search(search)),
    };
    if is_changed {
        let kept = keep_copy(&held.place.task, "changed")?;
        held.notices.push(format!(
            "{} was changed since the last time: that is kept as {}, and the search goes on from what was found",
            path.display(),
            kept.display()
        ));
    }
    go_on(held, spec, ledger, to, options)
}

/// The search of last time, perhaps further up.
fn go_on(
    held: &mut Held,
    mut spec: JobSpec,
    ledger: Ledger,
    last: u32,
    options: SearchOptions<'_>,
) -> Result<(JobSpec, Ledger, bool), OpenError> {
    let JobKind::Mersenne { to, proofs_from, .. } = &mut spec.kind else { return Ok((spec, ledger, true)) };
    if options.proofs_from.is_some_and(|wanted| wanted != *proofs_from) {
        let notice = format!("the search under way keeps its proofs from {proofs_from} on");
        held.notices.push(notice);
    }
    if last == *to {
        return Ok((spec, ledger, true));
    }
    held.notices.push(format!(
        "the search went up to {to}, and now goes up to {}",
        end(Some(last).filter(|to| *to < EXPONENT_MAX))
    ));
    *to = last;
    (options.random)(&mut spec.salt);
    let ledger = of_more_units(&ledger, spec.units());
    Ok((spec, ledger, true))
}

/// The same results, in a job that has more units behind them.
fn of_more_units(ledger: &Ledger, units: u64) -> Ledger {
    let mut more = Ledger::new(units);
    let all = UnitRange::new(0, ledger.units());
    for (block, outcome) in ledger.blocks(all) {
        more.insert(block, outcome.clone()).expect("a block of a shorter ledger fits a longer one");
    }
    ledger.credit_runs(all).for_each(|run| more.credit(run.units, run.by));
    more
}

fn new_search(from: u32, to: u32, options: SearchOptions<'_>) -> (JobSpec, Ledger, bool) {
    let proofs_from = options.proofs_from.unwrap_or(PROOFS_FROM);
    let mut salt = [0; 16];
    (options.random)(&mut salt);
    let kind = JobKind::Mersenne { from, to, proofs_from };
    let spec = JobSpec { kind, asked_by: options.asked_by.to_owned(), salt };
    // Exponents that are no search are told so by whoever called.
    let units = if from <= to { spec.units() } else { 0 };
    (spec, Ledger::new(units), false)
}

/// The search that a sidecar remembers.
fn search_of(sidecar: &Sidecar) -> Option<SearchFile> {
    match &sidecar.after {
        Statement::Search(search) => Some(search.clone()),
        Statement::Task(_) => None,
    }
}
