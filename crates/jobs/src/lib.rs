//! What is computed: kernels, and the worker that runs them slice by slice.

pub mod worker;

pub use worker::{Command, Report};
