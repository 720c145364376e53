//! A node from outside: `put`, `get`, `ls` and `primes` speak to its HTTP API, on this machine or on another.

pub(crate) mod args;
pub(crate) mod get;
mod interrupted;
pub(crate) mod ls;
pub(crate) mod primes;
mod progress;
pub(crate) mod put;
mod safe;
pub(crate) mod target;
