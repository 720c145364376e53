//! The file beside `task.json` or `mersenne.json`: what the host must remember that their few keys cannot say.
//!
//! It holds the room's secrets (so that an invite stays good after a restart), the job, and the ledger with the blocks
//! ahead of the prefix and everybody's credit. It also says what the file was and what it was about to become when the
//! sidecar was written: the two are written one after the other, so after a crash between them the file says one
//! of these two things, and anything else was written by somebody else.
//!
//! The format: a line that names the version, the BLAKE3 hash of the rest, and the rest in postcard. Version 1 is of sums,
//! version 2 of searches, so that programs from before there were any say what they lack.

use manyhands_ledger::{Ledger, TaskFile};
use manyhands_wire::JobSpec;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::statement::Statement;

const TASK_HEADER: &[u8] = b"manyhands sidecar v1\n";
const SEARCH_HEADER: &[u8] = b"manyhands sidecar v2\n";
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
#[derive(Clone, PartialEq)]
pub(super) struct Sidecar {
    /// The room's secrets.
    pub(super) keys: Keys,
    /// The job.
    pub(super) spec: JobSpec,
    /// What is done of it.
    pub(super) ledger: Ledger,
    /// What the file said when the sidecar was written.
    pub(super) before: Statement,
    /// What the file was to say next, which is of the same kind.
    pub(super) after: Statement,
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
        let Self { keys, spec, ledger, before, after } = self;
        let (header, body) = match (before, after) {
            (Statement::Task(before), Statement::Task(after)) => {
                (TASK_HEADER, postcard::to_stdvec(&(keys, spec, ledger, before, after)))
            }
            (Statement::Task(_) | Statement::Search(_), _) => {
                (SEARCH_HEADER, postcard::to_stdvec(&(keys, spec, ledger, before, after)))
            }
        };
        let body = body.expect("a sidecar is plain data, which postcard always encodes");
        [header, blake3::hash(&body).as_bytes(), &body].concat()
    }

    /// Reads the file's bytes.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, SidecarError> {
        let sidecar = if let Some(rest) = bytes.strip_prefix(TASK_HEADER) {
            let (keys, spec, ledger, before, after): (_, _, _, TaskFile, TaskFile) = decode_body(rest)?;
            let (before, after) = (Statement::Task(before), Statement::Task(after));
            Self { keys, spec, ledger, before, after }
        } else if let Some(rest) = bytes.strip_prefix(SEARCH_HEADER) {
            let (keys, spec, ledger, before, after) = decode_body(rest)?;
            Self { keys, spec, ledger, before, after }
        } else {
            let newer = bytes.starts_with(FAMILY);
            return Err(if newer { SidecarError::Newer } else { SidecarError::Damaged });
        };
        let fits = sidecar.spec.check().is_ok()
            && sidecar.spec.units() == sidecar.ledger.units()
            && sidecar.before.kind() == sidecar.after.kind()
            && Statement::of(&sidecar.spec, &sidecar.ledger).as_ref() == Some(&sidecar.after);
        if fits { Ok(sidecar) } else { Err(SidecarError::Contradiction) }
    }
}

/// What follows the header: the hash, and what it is of.
fn decode_body<T: for<'a> Deserialize<'a>>(rest: &[u8]) -> Result<T, SidecarError> {
    let (hash, body) = rest.split_at_checked(HASH_BYTES).ok_or(SidecarError::Damaged)?;
    if blake3::hash(body).as_bytes() != hash {
        return Err(SidecarError::Damaged);
    }
    postcard::from_bytes(body).map_err(|_| SidecarError::Damaged)
}
