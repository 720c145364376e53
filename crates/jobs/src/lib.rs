//! What is computed: kernels, and the worker that runs them slice by slice.
//!
//! In reading order:
//!
//! 1. [`kernel`]: units of a job in, their outcome out. Pure computing, with one path for each kind of processor.
//! 2. [`worker`]: the state machine that runs a kernel piece by piece, so that commands get a hearing, the person's
//!    throttle is kept, and what was computed comes out as aligned blocks.
//! 3. [`speed`]: how near the kernel comes to what the processor can do.
//! 4. [`transform`]: fast multiplication modulo 2^p - 1, which the search for Mersenne primes is made of.
//!
//! Nothing here starts a thread, reads a clock or performs I/O: a driver owns the thread and passes its clock in.

pub mod kernel;
pub mod speed;
pub mod transform;
pub mod worker;

pub use worker::{Claim, Command, Report, Saved, Step, Worker};
