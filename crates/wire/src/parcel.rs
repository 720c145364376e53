//! Parcels: bytes about one unit that a peer keeps for others, named by their hash and handed out on request.
//!
//! Two things are too large for a frame and too short-lived for a file: where a long test stands, so that another machine
//! can go on with it, and the proof of a composite. Who has one tells its peers by a [`Label`]; who wants it asks for its parts
//! one after the other, a few ahead of what came, and checks the hash of the whole.

use serde::{Deserialize, Serialize};

/// The largest parcel, in bytes: a test at the largest exponent with all that its proof will be made of.
pub const PARCEL_BYTES_MAX: u32 = 36 << 20;
/// The most bytes of a parcel in one frame.
pub const PART_BYTES_MAX: usize = 12 * 1024;
/// The most labels in one frame.
pub const LABELS_MAX: usize = 64;

/// What a parcel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ParcelKind {
    /// Where the test of the unit stands.
    Saved {
        /// How many iterations are done.
        iteration: u32,
    },
    /// The proof that the unit's residue is right.
    Proof,
}

/// A parcel that the speaker has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Label {
    /// The unit that it is about.
    pub unit: u64,
    /// What it is.
    pub kind: ParcelKind,
    /// BLAKE3 of its bytes.
    pub hash: [u8; 32],
    /// How many bytes; at most [`PARCEL_BYTES_MAX`].
    pub bytes: u32,
}
