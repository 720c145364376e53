//! The files of large content: `content/ab/<id>.<generation>`, both in hexadecimal digits, in one of 256 folders by the id's
//! first byte. Behind the content is the list of its chunks' hashes. Nothing of a file's own name is in a path.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use manyhands_wire::FileId;
use manyhands_wire::file::{Hash, Manifest, hash_list};

use crate::disk::{self, Disk};
use crate::locked;

/// How many files are kept open.
const OPEN_MAX: usize = 64;

/// The folder of large content, and the files in it that are open.
#[derive(Debug)]
pub(crate) struct Contents {
    folder: PathBuf,
    disk: Disk,
    /// Whether one of the 256 folders is new, and may be gone after a crash.
    has_new_folder: AtomicBool,
    open: Mutex<Open>,
}

/// The files that are open.
#[derive(Debug, Default)]
struct Open {
    /// The latest used ones last.
    files: Vec<(FileId, u64, Arc<File>)>,
    /// How many times content was removed: what was opened before the last time may be gone by now.
    removals: u64,
}

impl Contents {
    /// The folder, made if there is none.
    pub(crate) fn new(folder: PathBuf, disk: Disk) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        Ok(Self { folder, disk, has_new_folder: AtomicBool::new(false), open: Mutex::default() })
    }

    /// Makes room for content that comes chunk by chunk: a file as long as it will be, which takes no room on most disks
    /// before something is written, and the hashes behind it.
    pub(crate) fn create(
        &self,
        file: &FileId,
        generation: u64,
        size: u64,
        hashes: &[Hash],
    ) -> io::Result<()> {
        let path = self.path(file, generation);
        self.make_folder(&path)?;
        let made = disk::create(&path)
            .and_then(|made| self.disk.write_at(&made, hashes.as_flattened(), size).map(|()| made))
            .inspect_err(|_| {
                let _ = disk::remove(&path);
            })?;
        // Nobody else knows of this generation yet, and so nobody has removed it.
        locked(&self.open).keep(file, generation, Arc::new(made));
        Ok(())
    }

    /// Takes a whole file over, its hashes behind it and all of it synced.
    pub(crate) fn take_over(&self, file: &FileId, generation: u64, from: &Path) -> io::Result<()> {
        let path = self.path(file, generation);
        self.make_folder(&path)?;
        fs::rename(from, &path)?;
        self.sync_names(file)
    }

    /// Makes it last that the files of this content's folder are there.
    pub(crate) fn sync_names(&self, file: &FileId) -> io::Result<()> {
        self.disk.sync_folder(&self.folder_of(file))?;
        if self.has_new_folder.swap(false, Ordering::Relaxed) {
            let synced = self.disk.sync_folder(&self.folder);
            return synced.inspect_err(|_| self.has_new_folder.store(true, Ordering::Relaxed));
        }
        Ok(())
    }

    /// A file of content, open.
    pub(crate) fn file(&self, file: &FileId, generation: u64) -> io::Result<Arc<File>> {
        self.file_while(file, generation, || {})
    }

    /// The same, and something happens before the file is kept open.
    fn file_while(&self, file: &FileId, generation: u64, meanwhile: impl FnOnce()) -> io::Result<Arc<File>> {
        let removals = {
            let mut open = locked(&self.open);
            if let Some(handle) = open.find(file, generation) {
                return Ok(handle);
            }
            open.removals
        };
        let handle = Arc::new(disk::open(&self.path(file, generation))?);
        meanwhile();
        let mut open = locked(&self.open);
        // A removed file that is kept open would take its room on the disk for as long.
        if open.removals == removals {
            open.keep(file, generation, handle.clone());
        }
        Ok(handle)
    }

    /// Deletes content.
    pub(crate) fn remove(&self, file: &FileId, generation: u64) -> io::Result<()> {
        let removed = disk::remove(&self.path(file, generation));
        let mut open = locked(&self.open);
        open.removals += 1;
        open.files.retain(|(id, time, _)| (id, *time) != (file, generation));
        removed
    }

    /// Reads all hashes, and checks them. `None` if they are not what the manifest says.
    pub(crate) fn hashes(&self, generation: u64, manifest: &Manifest) -> io::Result<Option<Vec<Hash>>> {
        let handle = self.file(&manifest.id(), generation)?;
        let bytes = disk::read_at(&handle, manifest.chunks() as usize * 32, manifest.size)?;
        let hashes = bytes.as_chunks::<32>().0.to_vec();
        Ok((hash_list(&hashes) == manifest.hashes).then_some(hashes))
    }

    fn folder_of(&self, file: &FileId) -> PathBuf {
        self.folder.join(format!("{:02x}", file.0[0]))
    }

    /// Deletes the files of content that are not expected.
    pub(crate) fn sweep(&self, expected: &HashSet<OsString>) -> io::Result<()> {
        for folder in self.folders()? {
            for file in fs::read_dir(folder)? {
                let file = file?;
                if is_name(&file.file_name()) && !expected.contains(&file.file_name()) {
                    tracing::info!(file = %file.path().display(), "left over from before, and removed");
                    disk::remove(&file.path())?;
                }
            }
        }
        Ok(())
    }

    /// What content is called in its folder.
    pub(crate) fn name(file: &FileId, generation: u64) -> OsString {
        format!("{file}.{generation:016x}").into()
    }

    /// How long the file of some content should be.
    pub(crate) fn len_with_hashes(manifest: &Manifest) -> u64 {
        manifest.size + u64::from(manifest.chunks()) * 32
    }

    /// How long the file of some content is, hashes and all.
    pub(crate) fn len(&self, file: &FileId, generation: u64) -> io::Result<u64> {
        fs::metadata(self.path(file, generation)).map(|about| about.len())
    }

    fn folders(&self) -> io::Result<Vec<PathBuf>> {
        let mut folders = Vec::new();
        for folder in fs::read_dir(&self.folder)? {
            let folder = folder?;
            if folder.file_type()?.is_dir() {
                folders.push(folder.path());
            }
        }
        Ok(folders)
    }

    fn path(&self, file: &FileId, generation: u64) -> PathBuf {
        self.folder_of(file).join(Self::name(file, generation))
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        let Some(folder) = path.parent() else { return Ok(()) };
        match fs::create_dir(folder) {
            Ok(()) => {
                self.has_new_folder.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Open {
    fn find(&mut self, file: &FileId, generation: u64) -> Option<Arc<File>> {
        let at = self.files.iter().position(|(id, time, _)| (id, *time) == (file, generation))?;
        let found = self.files.remove(at);
        let handle = found.2.clone();
        self.files.push(found);
        Some(handle)
    }

    fn keep(&mut self, file: &FileId, generation: u64, handle: Arc<File>) {
        if self.find(file, generation).is_some() {
            return;
        }
        if self.files.len() >= OPEN_MAX {
            self.files.remove(0);
        }
        self.files.push((*file, generation, handle));
    }
}

/// Whether a file is called as content is.
fn is_name(name: &OsStr) -> bool {
    let parts = name.to_str().and_then(|name| name.split_once('.'));
    parts.is_some_and(|(file, generation)| disk::is_hex(file, 64) && disk::is_hex(generation, 16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_removed_while_it_is_opened_is_not_kept_open() {
        let folder = tempfile::tempdir().unwrap();
        let contents = Contents::new(folder.path().join("content"), Disk::default()).unwrap();
        let file = FileId([7; 32]);
        contents.create(&file, 1, 100, &[[0; 32]]).unwrap();
        locked(&contents.open).files.clear();

        contents.file_while(&file, 1, || contents.remove(&file, 1).unwrap()).unwrap();

        assert_eq!(locked(&contents.open).files.len(), 0);
        assert!(contents.file(&file, 1).is_err());
    }
}
