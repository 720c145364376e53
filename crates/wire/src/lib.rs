//! Every message of Manyhands: what peers say on a link, and what they say to signaling.
//!
//! In reading order:
//!
//! 1. [`id`]: who and what: peers, jobs, rooms, and the friendly names shown to people.
//! 2. [`units`]: how a job is cut: units, ranges of units, aligned blocks.
//! 3. [`outcome`]: what a finished block is worth, and how two neighbours become one.
//! 4. [`job`]: the description of a job that the host signs.
//! 5. [`mersenne`]: what there is to say of exponents.
//! 6. [`frame`]: the messages on a link, with their codec and limits.
//! 7. [`flood`]: messages that everybody hears.
//! 8. [`file`]: what a file is, and how it is cut; [`bulk`]: the messages that carry its bytes.
//! 9. [`parcel`]: bytes about one unit that peers keep for each other.
//! 10. [`signaling`]: the JSON messages to and from the signaling server.
//! 11. [`sealed`]: what two peers say to each other through signaling, which the server cannot read.
//!
//! Nothing here performs I/O or cryptography; bytes from the network are looked at for their size
//! first and for the limits of each list and text before they are used, and a decoder returns an error for anything it does not like: it never panics.

pub mod bulk;
pub mod file;
pub mod flood;
pub mod frame;
pub mod id;
pub mod job;
pub mod mersenne;
pub mod outcome;
pub mod parcel;
pub mod sealed;
pub mod signaling;
pub mod units;

pub use file::FileId;
pub use frame::{Frame, FrameError};
pub use id::{JobId, PeerId, RoomId, Signature};
pub use job::{JobKind, JobSpec, SignedJob};
pub use outcome::Outcome;
pub use units::{Block, UnitRange};
