//! A seeded virtual network for whole nodes.
//!
//! A `World` runs any number of [`Node`](manyhands_core::Node)s in virtual time: it carries their signaling, their links
//! and their workers' reports, with latency, jitter, partitions, pauses and crashes as the scenario or the seed has them.
//! After every step it checks what must always hold, and it folds every output into a trace, so that two runs of one seed, on
//! any platform, can be compared by one hash.
//!
//! - `world`: the event loop, the faults a scenario can inject, the checks.
//! - `options`: what a simulation and its peers are like.
//! - `network`: links; signaling servers lie beside it.
//! - `disk`: what a machine keeps of files.
//! - `worker`: workers of a given speed.
//! - `story`: runs with random faults from a seed.
//! - `scenarios`: what is measured.
//! - [`spread`]: chunks that spread over servers, without nodes around them: all there is without the feature `nodes`.

#[cfg(feature = "nodes")]
pub mod disk;
#[cfg(feature = "nodes")]
pub mod network;
#[cfg(feature = "nodes")]
pub mod options;
mod queue;
#[cfg(feature = "nodes")]
pub mod scenarios;
#[cfg(feature = "nodes")]
mod servers;
pub mod spread;
#[cfg(feature = "nodes")]
pub mod story;
#[cfg(feature = "nodes")]
mod trace;
#[cfg(feature = "nodes")]
pub mod traffic;
#[cfg(feature = "nodes")]
pub mod truth;
#[cfg(feature = "nodes")]
pub mod worker;
#[cfg(feature = "nodes")]
pub mod world;

#[cfg(feature = "nodes")]
pub use options::{PeerOptions, Settings};
#[cfg(feature = "nodes")]
pub use story::{Story, tell};
#[cfg(feature = "nodes")]
pub use world::{NodeNumber, World};
