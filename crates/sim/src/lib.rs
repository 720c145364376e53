//! A seeded virtual network for whole nodes.
//!
//! A [`World`] runs any number of [`Node`](manyhands_core::Node)s in virtual time: it carries their signaling, their links
//! and their workers' reports, with latency, jitter, partitions, pauses and crashes as the scenario or the seed has them.
//! After every step it checks what must always hold ([`World::check`]), and it folds every output into a trace, so that
//! two runs of one seed, on any platform, can be compared by one hash.
//!
//! - [`world`]: the event loop and what a scenario can do to it.
//! - [`network`]: links and signaling.
//! - [`worker`]: workers of a given speed.
//! - [`story`]: runs with random faults from a seed.

pub mod network;
pub mod story;
pub mod worker;
pub mod world;

pub use story::{Story, tell};
pub use world::{NodeNumber, PeerOptions, World};
