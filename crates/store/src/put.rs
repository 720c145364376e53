//! Putting a file: content streams through memory, a megabyte at a time, is hashed chunk by chunk, and ends up in the log if
//! it is small, otherwise in a file that is renamed to where it belongs once all of it is on the disk.
//!
//! While one part is hashed and written on a blocking thread, the next is read. Whoever drops the future of a put while content
//! is still being read leaves nothing behind. Once all was read the file is on its way into the store and gets there, since
//! nobody can tell whether another who put the same has been told that it is here: it takes its room until it is discarded, or
//! until the next start if the node never keeps an entry of it.

use std::fs::File;
use std::io;
use std::mem;
use std::path::PathBuf;
use std::sync::{Arc, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use manyhands_core::files::{Bits, NewFile};
use manyhands_wire::FileId;
use manyhands_wire::file::{
    CHUNKS_MAX, FILE_BYTES_MAX, FILE_NAME_BYTES_MAX, FileKind, Hash, MEDIA_TYPE_BYTES_MAX, Manifest,
    fitting_chunk_bytes,
};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::disk::{self, Disk};
use crate::index::{Before, FILES_MAX, Held, is_small};
use crate::log::{Log, Place};
use crate::open::INCOMING;
use crate::record::Record;
use crate::shared::Shared;
use crate::{PutError, locked};

/// About how many bytes are hashed and written at once.
const PART_BYTES: usize = 1 << 20;
/// How many bytes are made room for at first: many files are small.
const FIRST_BYTES: usize = 16 * 1024;

/// After how many bytes the disk begins to sync what came, so that little is left to be waited for at the end.
const SYNC_BYTES: u64 = 32 << 20;

const TOO_LARGE: PutError = PutError::TooLarge { limit: FILE_BYTES_MAX };

/// What the person says of the file.
pub(crate) struct About {
    pub(crate) name: String,
    pub(crate) media_type: String,
    pub(crate) kind: FileKind,
}

/// What came in so far.
struct Incoming {
    shared: Arc<Shared>,
    /// How the content is cut, unless it turns out that another length fits better.
    chunk_bytes: u32,
    /// Of the chunks so far; none any more once there are too many.
    hashes: Vec<Hash>,
    size: u64,
    temporary: Option<Temporary>,
}

/// A file that is removed, unless it was renamed.
struct Temporary {
    file: Arc<File>,
    path: PathBuf,
    /// How many bytes were written since a sync was begun.
    unsynced_bytes: u64,
    syncing: Option<JoinHandle<io::Result<()>>>,
}

/// Whether a part is being written.
enum Writer {
    Idle(Incoming),
    /// It gives the part back, empty.
    Busy(JoinHandle<Result<(Incoming, Vec<u8>), PutError>>),
}

/// Streams content into the store.
pub(crate) async fn put(
    shared: Arc<Shared>,
    about: About,
    size_hint: Option<u64>,
    mut content: impl AsyncRead + Unpin,
) -> Result<(NewFile, bool), PutError> {
    if about.name.len() > FILE_NAME_BYTES_MAX {
        return Err(PutError::NameTooLong { bytes: about.name.len(), limit: FILE_NAME_BYTES_MAX });
    }
    if about.media_type.len() > MEDIA_TYPE_BYTES_MAX {
        return Err(PutError::Invalid(
            "the media type is longer than 128 bytes: give a shorter one, or none",
        ));
    }
    let size_hint = size_hint.unwrap_or(0);
    let chunk_bytes = fitting_chunk_bytes(size_hint, shared.options.chunk_bytes).ok_or(TOO_LARGE)?;
    check_quota(&shared, 0, size_hint)?;
    let part_bytes = PART_BYTES.next_multiple_of(chunk_bytes as usize);
    let mut part = Vec::new();
    let mut writer =
        Writer::Idle(Incoming { shared, chunk_bytes, hashes: Vec::new(), size: 0, temporary: None });
    loop {
        fill(&mut part, part_bytes, &mut content).await?;
        let (mut incoming, empty) = writer.idle().await?;
        let full = mem::replace(&mut part, empty);
        if full.len() < part_bytes {
            return joined(spawn_blocking(move || incoming.finish(full, about))).await;
        }
        writer = Writer::Busy(spawn_blocking(move || {
            incoming.take(&full)?;
            let mut empty = full;
            empty.clear();
            Ok((incoming, empty))
        }));
    }
}

impl Writer {
    async fn idle(self) -> Result<(Incoming, Vec<u8>), PutError> {
        match self {
            Self::Idle(incoming) => Ok((incoming, Vec::new())),
            Self::Busy(job) => joined(job).await,
        }
    }
}

async fn joined<T>(job: JoinHandle<Result<T, PutError>>) -> Result<T, PutError> {
    job.await.map_err(|error| PutError::Io(io::Error::other(error)))?
}

/// Reads until there are so many bytes, or no more.
async fn fill(part: &mut Vec<u8>, bytes: usize, content: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    while part.len() < bytes {
        if part.capacity() == part.len() {
            part.reserve_exact((bytes - part.len()).min(part.len().max(FIRST_BYTES)));
        }
        let room = (part.capacity().min(bytes) - part.len()) as u64;
        if (&mut *content).take(room).read_buf(part).await? == 0 {
            break;
        }
    }
    Ok(())
}

/// Whether so many more bytes may be taken, beside those of the same file that were.
fn check_quota(shared: &Shared, size: u64, more: u64) -> Result<(), PutError> {
    let quota_bytes = shared.options.quota_bytes;
    let index = locked(&shared.index);
    let used_bytes = index.taken_bytes();
    if used_bytes.saturating_add(more) > quota_bytes {
        return Err(PutError::Quota { used_bytes: used_bytes.saturating_sub(size), quota_bytes });
    }
    Ok(())
}

impl Incoming {
    /// Writes and hashes the next part: whole chunks, but for the last part.
    fn take(&mut self, part: &[u8]) -> Result<(), PutError> {
        let size = self.size.saturating_add(part.len() as u64);
        if size > FILE_BYTES_MAX {
            return Err(TOO_LARGE);
        }
        check_quota(&self.shared, self.size, part.len() as u64)?;
        // Two puts at once may together be over the quota by one part each, and are refused at the next.
        locked(&self.shared.index).incoming_bytes += part.len() as u64;
        let offset = mem::replace(&mut self.size, size);
        let temporary = match &mut self.temporary {
            Some(temporary) => temporary,
            none => {
                let name = format!("{:016x}", self.shared.next_generation());
                let path = self.shared.folder.join(INCOMING).join(name);
                let file = Arc::new(disk::create(&path)?);
                none.insert(Temporary { file, path, unsynced_bytes: 0, syncing: None })
            }
        };
        self.shared.disk.write_at(&temporary.file, part, offset)?;
        temporary.sync_meanwhile(part.len() as u64, &self.shared.disk)?;
        if size.div_ceil(u64::from(self.chunk_bytes)) > u64::from(CHUNKS_MAX) {
            self.hashes = Vec::new();
        } else {
            self.hashes.extend(hashes_of(part, self.chunk_bytes));
        }
        Ok(())
    }

    /// Takes the last part, and lets the store have the file. Answers also whether its content is new.
    fn finish(mut self, last: Vec<u8>, about: About) -> Result<(NewFile, bool), PutError> {
        let is_small = self.size == 0 && is_small(last.len() as u64);
        let small = if is_small { Some(last) } else { self.take(&last).map(|()| None)? };
        let size = small.as_ref().map_or(self.size, |content| content.len() as u64);
        let chunk_bytes = fitting_chunk_bytes(size, self.shared.options.chunk_bytes).ok_or(TOO_LARGE)?;
        let hashes = match &small {
            Some(content) => hashes_of(content, chunk_bytes).collect(),
            None if chunk_bytes == self.chunk_bytes => mem::take(&mut self.hashes),
            None => self.hashes_again(chunk_bytes)?,
        };
        let manifest = Manifest::new(about.name, size, chunk_bytes, &hashes, about.kind);
        if !manifest.is_within_limits() {
            return Err(PutError::Invalid("a set is a list of ids of files, 32 bytes each"));
        }
        let is_new = match small {
            Some(content) => self.keep_small(&manifest, hashes, &content)?,
            None => self.keep_large(&manifest, &hashes)?,
        };
        self.shared.changed();
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let put_ms = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
        Ok((NewFile { manifest, media_type: about.media_type, put_ms }, is_new))
    }

    /// Hashes all of the temporary file once more, in chunks of another length.
    fn hashes_again(&self, chunk_bytes: u32) -> Result<Vec<Hash>, PutError> {
        let Some(temporary) = &self.temporary else { return Ok(Vec::new()) };
        let mut hashes = Vec::new();
        let mut offset = 0;
        while offset < self.size {
            let len = (self.size - offset).min(u64::from(chunk_bytes));
            let chunk = disk::read_at(&temporary.file, len as usize, offset)?;
            hashes.push(*blake3::hash(&chunk).as_bytes());
            offset += len;
        }
        Ok(hashes)
    }

    fn keep_small(&self, manifest: &Manifest, hashes: Vec<Hash>, content: &[u8]) -> Result<bool, PutError> {
        let file = manifest.id();
        let mut log = locked(&self.shared.log);
        if self.is_whole(&file)? {
            return Ok(false);
        }
        check_quota(&self.shared, 0, manifest.size)?;
        let generation = self.shared.next_generation();
        let mut held = Held::small(generation, hashes.clone());
        let begun = Record::Begun { file, generation, chunks: manifest.chunks(), hashes: Some(hashes) };
        self.append(&mut log, &file, &Record::Recalled(file), &[])?;
        self.append(&mut log, &file, &begun, &[])?;
        for (chunk, bytes) in (0..).zip(content.chunks(manifest.chunk_bytes as usize)) {
            let record = Record::Small { file, generation, chunk };
            held.place(chunk, self.append(&mut log, &file, &record, bytes)?);
        }
        self.keep(manifest, held);
        Ok(true)
    }

    fn keep_large(&mut self, manifest: &Manifest, hashes: &[Hash]) -> Result<bool, PutError> {
        let (file, chunks) = (manifest.id(), manifest.chunks());
        if self.is_whole(&file)? {
            return Ok(false);
        }
        let Some(temporary) = &mut self.temporary else { return Ok(false) };
        self.shared.disk.write_at(&temporary.file, hashes.as_flattened(), manifest.size)?;
        temporary.synced()?;
        self.shared.disk.sync(&temporary.file)?;
        let path = temporary.path.clone();
        let generation = self.shared.next_generation();
        let mut log = locked(&self.shared.log);
        if self.is_whole(&file)? {
            return Ok(false);
        }
        self.shared.contents.take_over(&file, generation, &path)?;
        let records = [
            Record::Recalled(file),
            Record::Begun { file, generation, chunks, hashes: None },
            Record::Have { file, generation, runs: vec![(0, chunks)] },
        ];
        for record in records {
            if let Err(error) = self.append(&mut log, &file, &record, &[]) {
                self.shared.remove_content(&file, Some(generation));
                return Err(error);
            }
        }
        let before = self.keep(manifest, Held::large(generation, Bits::all(chunks)));
        self.shared.remove_content(&file, before);
        Ok(true)
    }

    /// Adds a record; if that fails, what the log should say of the file is told anew later.
    fn append(
        &self,
        log: &mut MutexGuard<'_, Log>,
        file: &FileId,
        record: &Record,
        chunk: &[u8],
    ) -> Result<Place, PutError> {
        let appended = log.append(record, chunk);
        match &appended {
            Ok(_) => self.shared.pending.logged(),
            Err(_) => self.shared.pending.unlogged(*file),
        }
        Ok(appended?)
    }

    /// Whether the very same file is here already.
    fn is_whole(&self, file: &FileId) -> Result<bool, PutError> {
        let index = locked(&self.shared.index);
        let known = index.files.get(file);
        if known.is_none() && index.files.len() >= FILES_MAX {
            return Err(PutError::Invalid(
                "there are too many files here: put many small ones as one archive",
            ));
        }
        Ok(known.is_some_and(|known| known.is_whole()))
    }

    /// The file is here. Answers which large content it takes the place of.
    fn keep(&self, manifest: &Manifest, held: Held) -> Option<u64> {
        let file = manifest.id();
        let mut index = locked(&self.shared.index);
        let known = index.files.entry(file).or_default();
        known.before_put = match (known.is_forgotten, &known.held) {
            (true, _) => Before::Forgotten,
            (false, Some(_)) => Before::Begun,
            (false, None) => Before::Nothing,
        };
        let before = index.drop_content(&file);
        index.used_bytes += manifest.size;
        let known = index.files.entry(file).or_default();
        if known.entry.is_none() {
            known.put = Some(manifest.clone());
        }
        known.is_forgotten = false;
        known.held = Some(held);
        before
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let mut index = locked(&self.shared.index);
        index.incoming_bytes = index.incoming_bytes.saturating_sub(self.size);
    }
}

impl Temporary {
    /// Lets the disk sync beside what is done here, whenever enough was written and the last time is over.
    fn sync_meanwhile(&mut self, written: u64, disk: &Disk) -> io::Result<()> {
        self.unsynced_bytes += written;
        if self.unsynced_bytes < SYNC_BYTES || self.syncing.as_ref().is_some_and(|job| !job.is_finished()) {
            return Ok(());
        }
        self.synced()?;
        self.unsynced_bytes = 0;
        let (file, disk) = (self.file.clone(), disk.clone());
        self.syncing = Some(spawn_blocking(move || disk.sync(&file)));
        Ok(())
    }

    /// Waits for the sync that was begun. The system tells a failure once only, so none may be overlooked.
    fn synced(&mut self) -> io::Result<()> {
        let Some(job) = self.syncing.take() else { return Ok(()) };
        Handle::current().block_on(job).map_err(io::Error::other)?
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(error) = disk::remove(&self.path) {
            tracing::warn!(%error, "cannot remove a temporary file, which the next start will");
        }
    }
}

fn hashes_of(part: &[u8], chunk_bytes: u32) -> impl Iterator<Item = Hash> + '_ {
    part.chunks(chunk_bytes as usize).map(|chunk| *blake3::hash(chunk).as_bytes())
}
