//! Files from outside of a node: `put`, `get` and `ls` speak to a node's HTTP API, on this machine or on another.

pub(crate) mod args;
pub(crate) mod get;
mod interrupted;
pub(crate) mod ls;
mod progress;
pub(crate) mod put;
mod safe;
pub(crate) mod target;
