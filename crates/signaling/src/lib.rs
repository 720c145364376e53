//! The signaling server: it introduces peers to each other and knows nothing of what they say.
//!
//! In reading order:
//!
//! 1. [`limits`]: everything that is bounded, in one place.
//! 2. [`bucket`]: how often is too often.
//! 3. [`rooms`]: the whole state as a pure state machine: who is in which room, who may speak, what goes to whom.
//! 4. [`server`]: the state behind a lock, with a bounded queue for each member.
//! 5. [`socket`]: one WebSocket: waits, converts, hands to the state, sends what comes out.
//!
//! A member joins one room, is told who is there, and sends sealed payloads to members by number. The server never
//! sees a key, keeps nothing on disk, and forgets a member when its connection ends. It is needed only until two peers
//! have a link of their own.

pub mod bucket;
pub mod limits;
pub mod rooms;
pub mod server;
mod socket;

pub use limits::Limits;
pub use rooms::{Counters, Rooms, ServedRooms, accounted};
pub use server::{Server, router};
