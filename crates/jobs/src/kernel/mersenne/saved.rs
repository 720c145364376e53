//! Where a run stands, as bytes that any machine can go on from.
//!
//! ```text
//! version 1, kind 1, foreign 1 | exponent 4 | iteration 4, last checked 4 | residues | BLAKE3 of all before, 32
//! ```
//!
//! Numbers are little-endian, residues plain integers of ceil(p / 8) bytes. A run of Lucas and Lehmer has two, where it is
//! and where it was last right; one of Fermat has these, the product of Gerbicz' check between them, and the trail. How many
//! there must be follows from what stands before them, so there is only one way to write a state. *Foreign* is 1 for a run that
//! had gone on from what somebody else saved: it stays so wherever it goes.

use super::fermat;
use super::residue::{Residue, byte_len};
use crate::transform::EXPONENT_MAX;

const VERSION: u8 = 1;
const LUCAS: u8 = 1;
const FERMAT: u8 = 2;
const HEADER: usize = 15;
const CHECKSUM: usize = 32;

/// Why a saved state is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SavedError {
    /// The bytes are damaged, or were never a saved state.
    #[error("the saved state is damaged")]
    Damaged,
    /// It is of another exponent, another test or another version.
    #[error("the saved state is not of this test")]
    OfAnother,
    /// It comes from somebody else, and nothing about it could be verified in the end.
    #[error("the saved state of somebody else's Lucas-Lehmer test cannot be trusted")]
    Unverifiable,
}

/// What is saved of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Saved {
    /// Whether any of it comes from somebody else.
    pub(super) is_foreign: bool,
    pub(super) state: State,
}

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Of Lucas-Lehmer: where it is, and where it was last right.
    Lucas([(u32, Residue); 2]),
    /// Of Fermat's.
    Fermat(fermat::State),
}

impl Saved {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let (kind, now, checked, more) = match &self.state {
            State::Lucas([now, checked]) => (LUCAS, now, checked, Vec::new()),
            State::Fermat(state) => {
                let more = std::iter::once(&state.product).chain(&state.trail).collect();
                (FERMAT, &state.now, &state.checked, more)
            }
        };
        let exponent = now.1.exponent();
        let residues = 2 + more.len();
        let mut bytes = Vec::with_capacity(HEADER + residues * byte_len(exponent) + CHECKSUM);
        bytes.extend([VERSION, kind, u8::from(self.is_foreign)]);
        bytes.extend(exponent.to_le_bytes());
        bytes.extend(now.0.to_le_bytes());
        bytes.extend(checked.0.to_le_bytes());
        for residue in [&now.1, &checked.1].into_iter().chain(more) {
            bytes.extend(residue.to_bytes());
        }
        let checksum = blake3::hash(&bytes);
        bytes.extend(checksum.as_bytes());
        bytes
    }

    /// Reads a state of this exponent's test. Of what is in the residues it says nothing.
    pub(super) fn from_bytes(exponent: u32, bytes: &[u8]) -> Result<Self, SavedError> {
        let body = bytes.len().checked_sub(CHECKSUM).ok_or(SavedError::Damaged)?;
        let (body, checksum) = bytes.split_at(body);
        if body.len() < HEADER || blake3::hash(body).as_bytes() != checksum {
            return Err(SavedError::Damaged);
        }
        let (header, residues) = body.split_at(HEADER);
        let number =
            |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let in_range = (3..=EXPONENT_MAX).contains(&exponent) && !exponent.is_multiple_of(2);
        if header[0] != VERSION || header[2] > 1 || number(3) != exponent || !in_range {
            return Err(SavedError::OfAnother);
        }
        let is_foreign = header[2] == 1;
        let (now, checked) = (number(7), number(11));
        if residues.len() / byte_len(exponent) > 3 + (1 << super::proof::power(exponent)) {
            return Err(SavedError::Damaged);
        }
        let residues = residues.chunks(byte_len(exponent)).map(|bytes| Residue::from_bytes(exponent, bytes));
        let mut residues = residues.collect::<Option<Vec<_>>>().ok_or(SavedError::Damaged)?.into_iter();
        let (Some(first), Some(second)) = (residues.next(), residues.next()) else {
            return Err(SavedError::Damaged);
        };
        let (now, checked) = ((now, first), (checked, second));
        match header[1] {
            LUCAS if checked.0 <= now.0 && now.0 <= exponent - 2 && residues.len() == 0 => {
                Ok(Self { is_foreign, state: State::Lucas([now, checked]) })
            }
            FERMAT if exponent >= super::proof::EXPONENT_MIN => {
                let product = residues.next().ok_or(SavedError::Damaged)?;
                let state = fermat::State { now, product, checked, trail: residues.collect() };
                if !state.is_consistent() {
                    return Err(SavedError::Damaged);
                }
                Ok(Self { is_foreign, state: State::Fermat(state) })
            }
            _ => Err(SavedError::OfAnother),
        }
    }
}
