//! Whole parties in real browsers: the real program, the real page, real links.
//!
//! - [`parties`]: friends work together, come and go, and are told what is wrong.
//! - [`alone`]: nobody is needed: neither the host, nor anybody's attention.
//! - [`files`]: files put in one browser are got in others, and are still there after a reload.
//! - [`search`]: Mersenne primes are found, confirmed and told of.
//! - [`simulator`]: chunks that spread over servers, in the page alone.
//! - [`pages`]: what all wait for and look at.
//!
//! `cargo xtask test` builds the page and runs these; by themselves: `cargo xtask test --only page --only browsers`.
//! All are one program, so that the test that takes minutes, most of which it waits, has the others beside it.

#![expect(clippy::unwrap_used, reason = "what helps a test fails by panicking, as the test does")]

mod alone;
mod files;
mod pages;
mod parties;
mod search;
mod simulator;
