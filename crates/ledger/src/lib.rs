//! Which blocks of a job are done, and what `task.json` says about it.
//!
//! 1. [`ledger`]: the finished blocks with their outcomes. Merging two ledgers is a union: commutative, associative and
//!    idempotent, so nothing is lost and nothing is counted twice, whatever the order and however often.
//! 2. [`credit`]: who computed what, beside the results; it never decides a total.
//! 3. [`task`]: Liz's `task.json`, the view of the ledger's finished prefix. [`search`]: the same for a search, `mersenne.json`.
//!
//! Nothing here performs I/O, and everything that comes from outside is checked before it is believed.

pub mod credit;
pub mod ledger;
pub mod search;
pub mod task;

mod portable;

pub use credit::CREDIT_RUNS_MAX;
pub use ledger::{BLOCKS_MAX, Inserted, Ledger, LedgerError};
pub use search::{SearchFile, SearchFileError};
pub use task::{TaskError, TaskFile};
