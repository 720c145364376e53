//! The file beside `task.json`: what the host must remember that Liz's three keys cannot say.
//!
//! It holds the room's secrets (so that an invite stays good after a restart), the job, and the ledger with the blocks
//! ahead of the prefix and everybody's credit. It also says what `task.json` was and what it was about to become when the
//! sidecar was written: the two files are written one after the other, so after a crash between them `task.json` is one
//! of these two, and anything else was written by somebody else.
//!
//! The format: a line that names the version, the BLAKE3 hash of the rest, and the rest in postcard.

use manyhands_ledger::{Ledger, TaskFile};
use manyhands_wire::JobSpec;
use serde::{Deserialize, Serialize};
use thiserror::Error;

const HEADER: &[u8] = b"manyhands sidecar v1\n";
/// What the header of every version begins with.
const FAMILY: &[u8] = b"manyhands sidecar v";
const HASH_BYTES: usize = 32;

/// The room's secrets.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Keys {
    /// The secret half of the host's Ed25519 key.
    pub(super) identity: [u8; 32],
    /// The secret of the invite.
    pub(super) room: [u8; 16],
}

/// What the sidecar says.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Sidecar {
    /// The room's secrets.
    pub(super) keys: Keys,
    /// The job.
    pub(super) spec: JobSpec,
    /// What is done of it.
    pub(super) ledger: Ledger,
    /// What `task.json` said when the sidecar was written.
    pub(super) before: TaskFile,
    /// What `task.json` was to say next.
    pub(super) after: TaskFile,
}

/// Why a sidecar is not believed.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum SidecarError {
    /// A later version wrote it.
    #[error("it was written by a newer version of manyhands")]
    Newer,
    /// Its bytes are not what was written.
    #[error("its bytes are damaged")]
    Damaged,
    /// What it says does not fit together.
    #[error("what it says does not fit together")]
    Contradiction,
}

impl Sidecar {
    /// The file's bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let body = postcard::to_stdvec(self).expect("a sidecar is plain data, which postcard always encodes");
        [HEADER, blake3::hash(&body).as_bytes(), &body].concat()
    }

    /// Reads the file's bytes.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, SidecarError> {
        let Some(rest) = bytes.strip_prefix(HEADER) else {
            let newer = bytes.starts_with(FAMILY);
            return Err(if newer { SidecarError::Newer } else { SidecarError::Damaged });
        };
        let (hash, body) = rest.split_at_checked(HASH_BYTES).ok_or(SidecarError::Damaged)?;
        if blake3::hash(body).as_bytes() != hash {
            return Err(SidecarError::Damaged);
        }
        let sidecar: Self = postcard::from_bytes(body).map_err(|_| SidecarError::Damaged)?;
        let fits = sidecar.spec.check().is_ok()
            && sidecar.spec.units() == sidecar.ledger.units()
            && TaskFile::of(&sidecar.spec, &sidecar.ledger) == Some(sidecar.after);
        if fits { Ok(sidecar) } else { Err(SidecarError::Contradiction) }
    }
}
