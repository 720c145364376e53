//! The few things that the store does to files, in one place: so that they work alike on every system, and so that a test can
//! make the disk full.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The disk, or one that a test has made smaller.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    faults: Option<Arc<Faults>>,
}

/// What is wrong with a disk.
#[derive(Debug)]
pub(crate) struct Faults {
    /// How many bytes can still be written.
    pub(crate) room: AtomicU64,
    /// Whether nothing can be made to last.
    pub(crate) syncs_fail: AtomicBool,
}

impl Disk {
    /// A disk that is as bad as the test wants it.
    #[cfg(test)]
    pub(crate) fn with_faults(faults: Arc<Faults>) -> Self {
        Self { faults: Some(faults) }
    }

    /// Writes all bytes at a place, or some of them and fails.
    pub(crate) fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        let room = self.take_room(bytes.len());
        write_all_at(file, &bytes[..room], offset)?;
        if room < bytes.len() { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    /// Makes the file's bytes and length last.
    pub(crate) fn sync(&self, file: &File) -> io::Result<()> {
        self.check_sync()?;
        file.sync_data()
    }

    /// Makes a folder's list of names last.
    pub(crate) fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.check_sync()?;
        if cfg!(windows) {
            // A folder cannot be opened as a file there, and its changes are in the file system's journal.
            return Ok(());
        }
        File::open(folder)?.sync_all()
    }

    /// Makes all of the file system last that this folder is on; cheaper than many files one by one. `false` where there is
    /// no such thing.
    #[cfg(target_os = "linux")]
    pub(crate) fn sync_all(&self, folder: &Path) -> io::Result<bool> {
        self.check_sync()?;
        rustix::fs::syncfs(File::open(folder)?)?;
        Ok(true)
    }

    /// Makes all of the file system last: not on this one.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn sync_all(&self, _folder: &Path) -> io::Result<bool> {
        Ok(false)
    }

    fn take_room(&self, wanted: usize) -> usize {
        let Some(faults) = &self.faults else { return wanted };
        let wanted = wanted as u64;
        let before = faults
            .room
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| Some(room.saturating_sub(wanted)))
            .unwrap_or(0);
        before.min(wanted) as usize
    }

    fn check_sync(&self) -> io::Result<()> {
        match &self.faults {
            Some(faults) if faults.syncs_fail.load(Ordering::Relaxed) => Err(ErrorKind::StorageFull.into()),
            Some(_) | None => Ok(()),
        }
    }
}

/// Whether it failed because there is no room: the disk, the person's share of it, or the largest file allowed.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}

/// Whether it failed because what is there is not what should be, rather than because the system is short of something.
pub(crate) fn is_damage(error: &io::Error) -> bool {
    // 5 is EIO: the disk itself could not read what was written. Rust has no name for it.
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::UnexpectedEof)
        || (cfg!(unix) && error.raw_os_error() == Some(5))
}

/// A new file that is read and written; one of that name is emptied.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)
}

/// An old file that is read and written.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// Removes a file; it is no error if there is none.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Whether a name is a number of so many hexadecimal digits, as the store writes them.
pub(crate) fn is_hex(name: &str, digits: usize) -> bool {
    name.len() == digits && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Reads so many bytes from a place.
pub(crate) fn read_at(file: &File, len: usize, offset: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    read_exact_at(file, &mut bytes, offset)?;
    Ok(bytes)
}

#[cfg(unix)]
use std::os::unix::fs::FileExt;

#[cfg(unix)]
fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    file.read_exact_at(bytes, offset)
}

#[cfg(windows)]
use std::os::windows::fs::FileExt;

#[cfg(windows)]
fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.seek_write(bytes, offset) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => (bytes, offset) = (&bytes[n..], offset + n as u64),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.seek_read(bytes, offset) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) => (bytes, offset) = (&mut bytes[n..], offset + n as u64),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
