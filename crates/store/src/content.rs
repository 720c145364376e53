//! The files of large content: `content/ab/<id>.<generation>`, both in hexadecimal digits, in one of 256 folders by the id's
//! first byte. Behind the content is the list of its chunks' hashes. Nothing of a file's own name is in a path.

use std::collections::HashSet;
use std::ffi::OsString;
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
    /// The latest used ones last.
    open: Mutex<Vec<(FileId, u64, Arc<File>)>>,
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
        self.keep_open(file, generation, Arc::new(made));
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
        let mut open = locked(&self.open);
        if let Some(at) = open.iter().position(|(id, time, _)| (id, *time) == (file, generation)) {
            let found = open.remove(at);
            let handle = found.2.clone();
            open.push(found);
            return Ok(handle);
        }
        drop(open);
        let handle = Arc::new(disk::open(&self.path(file, generation))?);
        self.keep_open(file, generation, handle.clone());
        Ok(handle)
    }

    /// Deletes content.
    pub(crate) fn remove(&self, file: &FileId, generation: u64) -> io::Result<()> {
        locked(&self.open).retain(|(id, time, _)| (id, *time) != (file, generation));
        disk::remove(&self.path(file, generation))
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

    /// Whether there is any content at all.
    pub(crate) fn is_empty(&self) -> io::Result<bool> {
        for folder in self.folders()? {
            if fs::read_dir(folder)?.next().is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Deletes the files that are not expected.
    pub(crate) fn sweep(&self, expected: &HashSet<OsString>) -> io::Result<()> {
        for folder in self.folders()? {
            for file in fs::read_dir(folder)? {
                let file = file?;
                if !expected.contains(&file.file_name()) {
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

    fn keep_open(&self, file: &FileId, generation: u64, handle: Arc<File>) {
        let mut open = locked(&self.open);
        if open.len() >= OPEN_MAX {
            open.remove(0);
        }
        open.push((*file, generation, handle));
    }
}
