//! What a node keeps when its program ends: enough to go on alone, without the host.
//!
//! A page that is closed and opened again, when everybody else is gone, still has the job as the host signed it, the host's
//! word that it may begin, and every block it knew.

use manyhands_ledger::Ledger;
use manyhands_wire::{Signature, SignedJob};
use serde::{Deserialize, Serialize};

/// The longest memory that is read, in bytes: far more than a ledger takes, far less than a browser's storage.
pub const MEMORY_BYTES_MAX: usize = 4 << 20;

/// A job as a node remembers it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remembered {
    /// What is computed, signed by the host.
    pub job: SignedJob,
    /// The host's signature that starts it, once heard.
    pub start: Option<Signature>,
    /// Which blocks are done.
    pub ledger: Ledger,
}

impl Remembered {
    /// The memory as bytes, to be kept somewhere.
    pub fn to_bytes(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("a memory is plain data, which postcard always encodes")
    }

    /// Reads what [`Remembered::to_bytes`] wrote; `None` if it is damaged, too long, or of another build's form. Whether the
    /// host really signed it is checked by the node that is given it.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MEMORY_BYTES_MAX {
            return None;
        }
        let (memory, rest) = postcard::take_from_bytes::<Self>(bytes).ok()?;
        rest.is_empty().then_some(memory)
    }
}
