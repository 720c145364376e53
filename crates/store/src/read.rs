//! Reading chunks: what is given out has the right hash, and what has not is not here any more.
//!
//! A chunk that seems wrong is read once more with the log locked, when nobody can lose it or have it anew meanwhile. If it is
//! still wrong, either the chunk is lost, or, where the list of hashes is wrong itself, all of the content.

use std::io;

use manyhands_core::files::StoreEvent;
use manyhands_wire::FileId;
use manyhands_wire::file::{Hash, Manifest};

use crate::ReadError;
use crate::disk::{self, is_damage};
use crate::index::Body;
use crate::locked;
use crate::log::Place;
use crate::shared::Shared;

/// Where a chunk and its hash are.
enum Source {
    Small(Place, Hash),
    Large { offset: u64, len: usize, hash_offset: u64 },
}

impl Shared {
    /// Reads a chunk, and checks it.
    pub(crate) fn read(&self, file: &FileId, chunk: u32) -> Result<Vec<u8>, ReadError> {
        let (generation, source) = self.source(file, chunk).ok_or(ReadError::NotHere)?;
        match self.read_from(file, generation, &source) {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => self.read_again(file, chunk),
            Err(error) if is_damage(&error) => self.read_again(file, chunk),
            Err(error) => Err(ReadError::Io(error)),
        }
    }

    fn source(&self, file: &FileId, chunk: u32) -> Option<(u64, Source)> {
        let index = locked(&self.index);
        let known = index.files.get(file)?;
        let manifest = known.manifest()?;
        let held = known.held.as_ref().filter(|held| held.here.has(chunk))?;
        let source = match &held.body {
            Body::Small { hashes, places } => {
                let at = chunk as usize;
                Source::Small(places.get(at)?.clone()?, *hashes.get(at)?)
            }
            Body::Large { .. } => Source::Large {
                offset: u64::from(chunk) * u64::from(manifest.chunk_bytes),
                len: manifest.chunk_len(chunk) as usize,
                hash_offset: manifest.size + u64::from(chunk) * 32,
            },
        };
        Some((held.generation, source))
    }

    fn read_from(&self, file: &FileId, generation: u64, source: &Source) -> io::Result<Option<Vec<u8>>> {
        let (bytes, hash) = match source {
            Source::Small(place, hash) => (place.read()?, hash.to_vec()),
            Source::Large { offset, len, hash_offset } => {
                let handle = self.contents.file(file, generation)?;
                (disk::read_at(&handle, *len, *offset)?, disk::read_at(&handle, 32, *hash_offset)?)
            }
        };
        Ok((*blake3::hash(&bytes).as_bytes() == *hash).then_some(bytes))
    }

    fn read_again(&self, file: &FileId, chunk: u32) -> Result<Vec<u8>, ReadError> {
        let mut log = locked(&self.log);
        let (generation, source) = self.source(file, chunk).ok_or(ReadError::NotHere)?;
        match self.read_from(file, generation, &source) {
            Ok(Some(bytes)) => return Ok(bytes),
            Ok(None) => {}
            Err(error) if is_damage(&error) => {}
            Err(error) => return Err(ReadError::Io(error)),
        }
        let are_hashes_right = match (&source, self.manifest(file)) {
            (Source::Large { .. }, Some(manifest)) => match self.contents.hashes(generation, &manifest) {
                Ok(hashes) => hashes.is_some(),
                Err(error) => !is_damage(&error),
            },
            (Source::Small(..), _) | (_, None) => true,
        };
        if are_hashes_right {
            tracing::warn!(%file, chunk, "a chunk is damaged, and has to be fetched again");
            self.lose(&mut log, file, generation, chunk);
        } else {
            tracing::warn!(%file, "the hashes of a file are damaged, and it has to be fetched again");
            self.drop_content(&mut log, file, generation);
        }
        drop(log);
        self.changed();
        Err(ReadError::Damaged)
    }

    /// Reads a chunk for somebody else than the node, which is told if it is damaged.
    pub(crate) fn read_and_tell(&self, file: &FileId, chunk: u32) -> Result<Vec<u8>, ReadError> {
        let read = self.read(file, chunk);
        if matches!(read, Err(ReadError::Damaged)) {
            self.tell(StoreEvent::Read { file: *file, chunk, bytes: None });
        }
        read
    }

    /// The hashes of all chunks. `None` if they are not here, or damaged.
    pub(crate) fn hashes(&self, file: &FileId) -> Option<Vec<Hash>> {
        let (manifest, generation) = {
            let index = locked(&self.index);
            let known = index.files.get(file)?;
            let held = known.held.as_ref()?;
            if let Body::Small { hashes, .. } = &held.body {
                return Some(hashes.clone());
            }
            (known.manifest()?.clone(), held.generation)
        };
        match self.contents.hashes(generation, &manifest) {
            Ok(Some(hashes)) => return Some(hashes),
            Ok(None) => {}
            Err(error) if is_damage(&error) => {}
            Err(error) => {
                tracing::warn!(%file, %error, "cannot read the hashes of a file");
                return None;
            }
        }
        let mut log = locked(&self.log);
        let is_same =
            locked(&self.index).files.get_mut(file).is_some_and(|known| known.held_of(generation).is_some());
        if is_same {
            tracing::warn!(%file, "the hashes of a file are damaged, and it has to be fetched again");
            self.drop_content(&mut log, file, generation);
        }
        drop(log);
        self.changed();
        None
    }

    /// What a file is.
    pub(crate) fn manifest(&self, file: &FileId) -> Option<Manifest> {
        locked(&self.index).files.get(file)?.manifest().cloned()
    }
}
