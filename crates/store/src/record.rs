//! What the log says: one record for every change that has to outlive the program.
//!
//! A *generation* tells one time of having a file from the next: records and the file on disk bear its number, which is never
//! used twice. So a record that was lost cannot lend its meaning to bytes of another time.

use manyhands_wire::FileId;
use manyhands_wire::file::{Entry, Hash};
use serde::{Deserialize, Serialize};

/// The most runs of chunks in one record: it has to stay below [`RECORD_BYTES_MAX`](crate::log::RECORD_BYTES_MAX).
pub(crate) const RUNS_MAX: usize = 1024;

/// A change. New kinds are added at the end only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Record {
    /// This is known of a file.
    Entry(Entry),
    /// There is room for a file's content.
    Begun {
        /// Which.
        file: FileId,
        /// Which time.
        generation: u64,
        /// How many chunks it has.
        chunks: u32,
        /// Their hashes, if the content is kept in the log. Otherwise they are behind the content.
        hashes: Option<Vec<Hash>>,
    },
    /// These chunks are on the disk: from the first of each run up to the second, that one not included.
    Have {
        /// Of which file.
        file: FileId,
        /// Which time.
        generation: u64,
        /// Which.
        runs: Vec<(u32, u32)>,
    },
    /// A chunk, whose bytes follow the record.
    Small {
        /// Of which file.
        file: FileId,
        /// Which time.
        generation: u64,
        /// Which.
        chunk: u32,
    },
    /// A chunk turned out damaged.
    Lost {
        /// Of which file.
        file: FileId,
        /// Which time.
        generation: u64,
        /// Which.
        chunk: u32,
    },
    /// All of the content turned out useless.
    Dropped {
        /// Of which file.
        file: FileId,
        /// Which time.
        generation: u64,
    },
    /// The person does not want the file.
    Forgotten(FileId),
    /// The person wants the file after all, or all of it is told anew: nothing of it is here yet.
    Recalled(FileId),
}

/// Numbers in order, as runs from the first up to the second, that one not included.
pub(crate) fn runs(chunks: impl IntoIterator<Item = u32>) -> Vec<(u32, u32)> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for chunk in chunks {
        match runs.last_mut() {
            Some((_, end)) if *end == chunk => *end += 1,
            Some(_) | None => runs.push((chunk, chunk + 1)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_chunks_are_one_run() {
        assert_eq!(runs([0, 1, 2, 5, 7, 8]), [(0, 3), (5, 6), (7, 9)]);
        assert_eq!(runs([]), []);
    }
}
