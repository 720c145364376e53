//! The part of the set-up that tests and benchmarks share: real browsers and real hosts, driven from Rust.

pub mod browsers;
