//! The third file of a search, `mersenne.json.manyhands-tests`: where long tests stand that are under way.
//!
//! It has megabytes where the exponents are large, and changes on its own, so it is apart from the sidecar. Nothing depends on
//! it: without it, or with one that is damaged or of another job, those tests begin again. It is readable by its owner only, as
//! what it says is gone on from unchecked.
//!
//! The format is the sidecar's: a line that names the version, the BLAKE3 hash of the rest, and the rest in postcard.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use manyhands_jobs::worker::Saved;
use manyhands_wire::JobId;

use super::replace::{self, Mode};
use super::{TaskStore, WriteError};

const HEADER: &[u8] = b"manyhands tests v1\n";
const HASH_BYTES: usize = 32;
/// The longest file that is read, in bytes: a dozen tests of the largest exponents.
const BYTES_MAX: u64 = 512 << 20;

/// What the file says of this job; nothing if it is not there, damaged, or of another job.
pub(super) fn read(path: &Path, job: JobId) -> Vec<Saved> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = vec![];
        File::open(path)?.take(BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let Ok(bytes) = read() else { return vec![] };
    let body = bytes.strip_prefix(HEADER).and_then(|rest| rest.split_at_checked(HASH_BYTES));
    let Some((_, body)) = body.filter(|(hash, body)| blake3::hash(body).as_bytes() == *hash) else {
        tracing::warn!("{} is damaged: the tests in it begin again", path.display());
        return vec![];
    };
    match postcard::from_bytes::<(JobId, Vec<Saved>)>(body) {
        Ok((of, tests)) if of == job => tests,
        Ok(_) | Err(_) => vec![],
    }
}

impl TaskStore {
    /// Saves where the tests of a job stand. The file goes away once there are none.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub(crate) fn save_tests(&mut self, tests: &(JobId, Vec<Saved>)) -> Result<(), WriteError> {
        let path = &self.place.tests;
        let failed = |error| WriteError::new(path, error);
        if tests.1.is_empty() {
            return match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
                Ok(()) | Err(_) => Ok(()),
            };
        }
        let body = postcard::to_stdvec(tests).expect("plain data, which postcard always encodes");
        let content = [HEADER, blake3::hash(&body).as_bytes(), &body].concat();
        replace::replace(path, &content, &Mode::Private, &mut self.hook).map_err(failed)
    }
}
