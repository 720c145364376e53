//! The log: records one after the other in one file, each with a checksum, read from its beginning when the store opens.
//!
//! 1. The file begins with a magic, whose last byte is a version, and a random key of its own, checked. So it does in every
//!    version. One that is not known is not touched, nor is a log with a record of a kind that is not known.
//! 2. A record is a mark, its length, a keyed BLAKE3 hash of its payload cut to 16 bytes, and the payload: a [`Record`] in
//!    postcard, behind it the bytes of a small chunk if it is one. Nobody who chooses bytes of a chunk can know mark and key,
//!    so nothing within a chunk looks like a record.
//! 3. What was not written to its end by a crash is the last record or a few, and is cut off.
//! 4. A damaged record in the middle is skipped: the next mark with a right checksum goes on. The store is told, and trusts
//!    nothing of what the log says then but what it has checked.
//! 5. Now and then the log is written anew without what no longer counts, into a file beside it that takes its place.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::disk::{self, Disk};
use crate::record::Record;

/// The longest payload of a record, in bytes.
pub(crate) const RECORD_BYTES_MAX: usize = 16 * 1024;

const MAGIC: [u8; 8] = *b"MHSTORE1";
/// How much of the magic every version has.
const NAME_BYTES: usize = 7;
const HEADER_BYTES: usize = 8 + 32 + 8;
const MARK_BYTES: usize = 4;
const RECORD_HEAD_BYTES: usize = MARK_BYTES + 4 + 16;
/// How much of the file is in memory while it is read.
const WINDOW_BYTES: usize = 1 << 20;

/// Where bytes of a small chunk are.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    file: Arc<File>,
    offset: u64,
    len: u32,
}

/// How the log was when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// All of it was right.
    Sound,
    /// Its end was not: as a crash leaves it.
    Torn,
    /// Something in its middle was not, as no crash leaves it.
    Damaged,
}

/// Why a log cannot be opened.
#[derive(Debug)]
pub(crate) enum LogError {
    /// It does not begin as a log does.
    NoLog,
    /// A later version wrote it.
    Newer,
    /// The system refused.
    Io(io::Error),
}

impl From<io::Error> for LogError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The log, open for more.
#[derive(Debug)]
pub(crate) struct Log {
    disk: Disk,
    path: PathBuf,
    file: Arc<File>,
    /// Whether it lasts that the log has its name.
    is_named: Arc<AtomicBool>,
    seal: Seal,
    len: u64,
}

/// A log as it is now, to be synced while others append.
#[derive(Debug)]
pub(crate) struct Syncing {
    file: Arc<File>,
    folder: Option<PathBuf>,
    is_named: Arc<AtomicBool>,
}

/// What makes a record one of this log.
#[derive(Clone, Debug)]
struct Seal {
    key: [u8; 32],
    mark: [u8; MARK_BYTES],
}

impl Place {
    /// Reads the bytes.
    pub(crate) fn read(&self) -> io::Result<Vec<u8>> {
        disk::read_at(&self.file, self.len as usize, self.offset)
    }

    /// How many bytes there are.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }
}

impl Log {
    /// A log without records; one that was there is replaced when [`Log::take_place`] is called.
    pub(crate) fn create(path: &Path, disk: &Disk) -> io::Result<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        let mut header = MAGIC.to_vec();
        header.extend(key);
        header.extend(&blake3::hash(&header).as_bytes()[..8]);
        let new_path = beside(path);
        let file = disk::create(&new_path)?;
        disk.write_at(&file, &header, 0)?;
        let len = header.len() as u64;
        let is_named = Arc::new(AtomicBool::new(true));
        let (disk, path, file, seal) = (disk.clone(), path.into(), Arc::new(file), Seal::new(key));
        Ok(Self { disk, path, file, is_named, seal, len })
    }

    /// Makes a created log last, and lets it take its place, which lasts after the next [`Syncing::sync`].
    ///
    /// # Errors
    ///
    /// If the system refuses; the log that was there is then there still.
    pub(crate) fn take_place(&mut self) -> io::Result<()> {
        self.disk.sync(&self.file)?;
        fs::rename(beside(&self.path), &self.path)?;
        self.is_named.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Whether a file may be what a [`Log::create`] that came to nothing has left, or a log: it is one as far as it goes.
    pub(crate) fn may_be_one(path: &Path) -> io::Result<bool> {
        let file = match File::open(path) {
            // It has just taken its place.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            opened => opened?,
        };
        let mut start = Vec::new();
        file.take(NAME_BYTES as u64).read_to_end(&mut start)?;
        Ok(MAGIC.starts_with(&start))
    }

    /// Removes what a [`Log::create`] that came to nothing has left.
    pub(crate) fn remove_left_over(path: &Path) -> io::Result<()> {
        disk::remove(&beside(path))
    }

    /// Opens a log, and gives all its records in order.
    pub(crate) fn open(
        path: &Path,
        disk: &Disk,
        mut each: impl FnMut(Record, Place),
    ) -> Result<(Self, Health), LogError> {
        let file = Arc::new(disk::open(path)?);
        let file_len = file.metadata()?.len();
        if file_len < HEADER_BYTES as u64 {
            return Err(LogError::NoLog);
        }
        let header = disk::read_at(&file, HEADER_BYTES, 0)?;
        let (body, sum) = header.split_at(HEADER_BYTES - 8);
        if !body.starts_with(&MAGIC[..NAME_BYTES]) || *sum != blake3::hash(body).as_bytes()[..8] {
            return Err(LogError::NoLog);
        }
        let key = body.strip_prefix(&MAGIC).and_then(|key| <[u8; 32]>::try_from(key).ok());
        let key = key.ok_or(LogError::Newer)?;
        let seal = Seal::new(key);
        let (len, health) = scan(&file, file_len, &seal, &mut each)?;
        let is_named = Arc::new(AtomicBool::new(true));
        Ok((Self { disk: disk.clone(), path: path.into(), file, is_named, seal, len }, health))
    }

    /// Adds a record and, for a small chunk, its bytes; they are handed to the system, and last after a sync.
    ///
    /// # Errors
    ///
    /// If the system refuses; the log is then as it was before.
    pub(crate) fn append(&mut self, record: &Record, chunk: &[u8]) -> io::Result<Place> {
        let bytes = self.seal.encode(record, chunk);
        if bytes.len() > RECORD_HEAD_BYTES + RECORD_BYTES_MAX {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if let Err(error) = self.disk.write_at(&self.file, &bytes, self.len) {
            // If that fails as well, the next record is written over the half one, or a start cuts it off.
            let _ = self.file.set_len(self.len);
            return Err(error);
        }
        self.len += bytes.len() as u64;
        Ok(Place { file: self.file.clone(), offset: self.len - chunk.len() as u64, len: chunk.len() as u32 })
    }

    /// How long it is, in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// What there is to sync, while others append.
    pub(crate) fn syncing(&self) -> Syncing {
        let folder = self.path.parent().map(Path::to_owned);
        Syncing { file: self.file.clone(), folder, is_named: self.is_named.clone() }
    }
}

impl Syncing {
    /// Makes all records last, and that the log has its name.
    pub(crate) fn sync(&self, disk: &Disk) -> io::Result<()> {
        disk.sync(&self.file)?;
        if let Some(folder) = &self.folder
            && !self.is_named.swap(true, Ordering::Relaxed)
        {
            let synced = disk.sync_folder(folder);
            return synced.inspect_err(|_| self.is_named.store(false, Ordering::Relaxed));
        }
        Ok(())
    }
}

impl Seal {
    fn new(key: [u8; 32]) -> Self {
        let mark = blake3::keyed_hash(&key, b"mark");
        Self { key, mark: std::array::from_fn(|at| mark.as_bytes()[at]) }
    }

    fn sum(&self, payload: &[u8]) -> [u8; 16] {
        let sum = blake3::keyed_hash(&self.key, payload);
        std::array::from_fn(|at| sum.as_bytes()[at])
    }

    fn encode(&self, record: &Record, chunk: &[u8]) -> Vec<u8> {
        let head = vec![0; RECORD_HEAD_BYTES];
        let mut bytes =
            postcard::to_extend(record, head).expect("records are plain data, which postcard always encodes");
        bytes.extend(chunk);
        let payload = &bytes[RECORD_HEAD_BYTES..];
        let (len, sum) = (payload.len() as u32, self.sum(payload));
        bytes[..MARK_BYTES].copy_from_slice(&self.mark);
        bytes[MARK_BYTES..8].copy_from_slice(&len.to_le_bytes());
        bytes[8..RECORD_HEAD_BYTES].copy_from_slice(&sum);
        bytes
    }

    /// The payload of the record that begins here. `None` if none does, or it is damaged or cut off.
    fn payload<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let rest = bytes.strip_prefix(&self.mark)?;
        let (len, rest) = rest.split_first_chunk::<4>()?;
        let (sum, rest) = rest.split_first_chunk::<16>()?;
        let len = u32::from_le_bytes(*len) as usize;
        let payload = rest.get(..len).filter(|_| len <= RECORD_BYTES_MAX)?;
        (self.sum(payload) == *sum).then_some(payload)
    }
}

/// Gives all records; answers where the last one ends, and how the file is.
fn scan(
    file: &Arc<File>,
    file_len: u64,
    seal: &Seal,
    each: &mut impl FnMut(Record, Place),
) -> Result<(u64, Health), LogError> {
    let mut window = Vec::new();
    let (mut window_start, mut at) = (HEADER_BYTES as u64, 0);
    let (mut good_end, mut skipped, mut is_damaged) = (window_start, false, false);
    loop {
        let read_end = window_start + window.len() as u64;
        if window.len() - at < RECORD_HEAD_BYTES + RECORD_BYTES_MAX && read_end < file_len {
            window.drain(..at);
            (window_start, at) = (window_start + at as u64, 0);
            let more = (file_len - read_end).min(WINDOW_BYTES as u64) as usize;
            window.extend(disk::read_at(file, more, read_end)?);
        }
        let rest = &window[at..];
        if rest.is_empty() {
            break;
        }
        let Some(payload) = seal.payload(rest) else {
            skipped = true;
            // The last bytes of the window may be the beginning of a mark.
            let next = rest[1..].windows(MARK_BYTES).position(|bytes| *bytes == seal.mark);
            at += next.map_or_else(|| rest.len().saturating_sub(MARK_BYTES - 1).max(1), |next| next + 1);
            continue;
        };
        is_damaged |= skipped;
        at += RECORD_HEAD_BYTES + payload.len();
        good_end = window_start + at as u64;
        // What has the right checksum and is no record that is known was written by a later version.
        let (record, chunk) = postcard::take_from_bytes::<Record>(payload).map_err(|_| LogError::Newer)?;
        let len = chunk.len() as u32;
        each(record, Place { file: file.clone(), offset: good_end - u64::from(len), len });
    }
    let health = match (is_damaged, good_end < file_len) {
        (true, _) => Health::Damaged,
        (false, true) => Health::Torn,
        (false, false) => Health::Sound,
    };
    Ok((good_end, health))
}

fn beside(path: &Path) -> PathBuf {
    path.with_extension("new")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_of(folder: &Path, records: u64) -> PathBuf {
        let path = folder.join("log");
        let mut log = Log::create(&path, &Disk::default()).unwrap();
        for generation in 0..records {
            log.append(&small(generation), format!("chunk {generation}").as_bytes()).unwrap();
        }
        log.take_place().unwrap();
        path
    }

    fn small(generation: u64) -> Record {
        Record::Small { file: manyhands_wire::FileId([3; 32]), generation, chunk: 0 }
    }

    fn read(path: &Path) -> (Vec<String>, Health) {
        let mut chunks = Vec::new();
        let (_, health) = Log::open(path, &Disk::default(), |_, place| {
            chunks.push(String::from_utf8(place.read().unwrap()).unwrap());
        })
        .unwrap();
        (chunks, health)
    }

    #[test]
    fn records_come_back_in_order_across_many_windows() {
        let folder = tempfile::tempdir().unwrap();
        let path = log_of(folder.path(), 40_000);

        let (chunks, health) = read(&path);

        assert_eq!(health, Health::Sound);
        assert_eq!(chunks.len(), 40_000);
        assert_eq!(chunks[39_999], "chunk 39999");
    }

    #[test]
    fn a_damaged_record_costs_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = log_of(folder.path(), 3);
        let mut bytes = fs::read(&path).unwrap();
        let record_len = (bytes.len() - HEADER_BYTES) / 3;
        bytes[HEADER_BYTES + record_len + 30] ^= 1;
        fs::write(&path, &bytes).unwrap();

        assert_eq!(read(&path), (vec!["chunk 0".into(), "chunk 2".into()], Health::Damaged));
    }

    #[test]
    fn a_torn_end_is_cut_off_and_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = log_of(folder.path(), 3);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();

        let (mut log, health) = Log::open(&path, &Disk::default(), |_, _| {}).unwrap();
        log.append(&small(9), b"chunk 9").unwrap();

        assert_eq!(health, Health::Torn);
        assert_eq!(read(&path), (vec!["chunk 0".into(), "chunk 1".into(), "chunk 9".into()], Health::Sound));
    }

    #[test]
    fn a_log_of_a_later_version_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = log_of(folder.path(), 3);
        let mut of_later_version = fs::read(&path).unwrap();
        of_later_version[NAME_BYTES] = b'2';
        let sum = blake3::hash(&of_later_version[..HEADER_BYTES - 8]);
        of_later_version[HEADER_BYTES - 8..HEADER_BYTES].copy_from_slice(&sum.as_bytes()[..8]);

        let mut with_later_record = fs::read(&path).unwrap();
        let key: [u8; 32] = with_later_record[8..40].try_into().unwrap();
        let seal = Seal::new(key);
        with_later_record.extend(seal.mark);
        with_later_record.extend(3_u32.to_le_bytes());
        with_later_record.extend(seal.sum(&[200, 1, 7]));
        with_later_record.extend([200, 1, 7]);

        for bytes in [of_later_version, with_later_record] {
            fs::write(&path, &bytes).unwrap();
            let opened = Log::open(&path, &Disk::default(), |_, _| {});
            assert!(matches!(opened, Err(LogError::Newer)), "{opened:?}");
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
    }

    #[test]
    fn what_a_person_puts_into_a_chunk_is_no_record() {
        let folder = tempfile::tempdir().unwrap();
        let other = fs::read(log_of(folder.path(), 5)).unwrap();
        let path = folder.path().join("second");
        let mut log = Log::create(&path, &Disk::default()).unwrap();
        log.append(&small(0), &other).unwrap();
        log.append(&small(1), b"after").unwrap();
        log.take_place().unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes[HEADER_BYTES + 10] ^= 1;
        fs::write(&path, &bytes).unwrap();

        assert_eq!(read(&path), (vec!["after".into()], Health::Damaged));
    }
}
