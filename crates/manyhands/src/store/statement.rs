//! What a host's file says: `task.json` of a sum, `mersenne.json` of a search.

use std::fmt;

use manyhands_ledger::search::SEARCH_BYTES_MAX;
use manyhands_ledger::task::TASK_BYTES_MAX;
use manyhands_ledger::{Ledger, SearchFile, TaskFile};
use manyhands_wire::{JobKind, JobSpec};
use serde::{Deserialize, Serialize};

/// The longest file of any kind, in bytes.
pub(super) const STATEMENT_BYTES_MAX: usize =
    if SEARCH_BYTES_MAX > TASK_BYTES_MAX { SEARCH_BYTES_MAX } else { TASK_BYTES_MAX };

/// The kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A sum's `task.json`.
    Task,
    /// A search's `mersenne.json`.
    Search,
}

/// What a file says. Append only: the position is the tag in the sidecar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Statement {
    /// How far a sum is.
    Task(TaskFile),
    /// How far a search is.
    Search(SearchFile),
}

impl Kind {
    /// The kind of file that a job has; none for one that leaves nothing behind.
    pub(crate) fn of(spec: &JobSpec) -> Option<Self> {
        match spec.kind {
            JobKind::Sum { .. } => Some(Self::Task),
            JobKind::Mersenne { .. } => Some(Self::Search),
            JobKind::Delay { .. } => None,
        }
    }

    /// What a file of this kind says, if it is one.
    pub(super) fn read(self, bytes: &[u8]) -> Option<Statement> {
        match self {
            Self::Task => TaskFile::parse(bytes).ok().map(Statement::Task),
            Self::Search => SearchFile::parse(bytes).ok().map(Statement::Search),
        }
    }
}

impl Statement {
    /// The file as it stands for a job; none for a job that leaves nothing behind.
    pub(crate) fn of(spec: &JobSpec, ledger: &Ledger) -> Option<Self> {
        match Kind::of(spec)? {
            Kind::Task => TaskFile::of(spec, ledger).map(Self::Task),
            Kind::Search => SearchFile::of(spec, ledger).map(Self::Search),
        }
    }

    /// What kind of file it is.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Task(_) => Kind::Task,
            Self::Search(_) => Kind::Search,
        }
    }

    /// Whether anything is finished.
    pub(crate) fn is_begun(&self) -> bool {
        match self {
            Self::Task(task) => task.most_recent_counting_number_added > 0,
            Self::Search(search) => search.is_begun(),
        }
    }

    /// The file's text.
    pub(crate) fn render(&self) -> String {
        match self {
            Self::Task(task) => task.render(),
            Self::Search(search) => search.render(),
        }
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task(task) => task.fmt(f),
            Self::Search(search) => search.fmt(f),
        }
    }
}
