//! The peer protocol of Manyhands as pure state machines.
//!
//! A [`Node`] performs no I/O and reads no clock. A driver
//!
//! 1. hands in what happened, with the time: [`Node::handle_signaling`], [`Node::handle_link`],
//!    [`Node::handle_worker`], [`Node::handle_store`], [`Node::handle_command`], [`Node::handle_timeout`];
//! 2. takes out what is to be done, until there is nothing: [`Node::poll_output`];
//! 3. waits for the next thing, at most until [`Node::poll_timeout`], and begins anew.
//!
//! A late tick is harmless. Bad bytes from the network are an [`Event`] and never an error to the driver. The same seed and
//! the same inputs give the same outputs, byte for byte, on every platform.

mod calls;
mod catalog;
mod checks;
mod claims;
mod directory;
pub mod files;
mod gossip;
mod handshake;
mod identity;
pub mod invite;
pub mod io;
mod job;
mod link;
pub mod memory;
pub mod node;
mod parcels;
mod post;
mod primes;
mod replica;
mod seal;
mod sharing;
mod show;
pub mod swarm;
pub mod table;
pub mod time;
mod unit_set;
pub mod view;
mod views;
mod work;

pub use identity::Signatures;
pub use invite::{Invite, InviteError, RoomKey};
pub use io::{Command, Event, LinkEvent, LinkId, Output, ServerId, SignalingEvent, Slot};
pub use memory::Remembered;
pub use node::{Config, HostConfig, Node};
pub use time::Time;
pub use view::View;
