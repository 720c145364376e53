//! A file that the person puts: read to hash it, then to copy it, and never more than a piece of it at a time.
//!
//! Its id is known only when all of it is hashed, hence the second time; what is a single piece is read once. The one copy lies
//! where it stays from the first byte on, and a file that is here already is not copied at all. Between two pieces the core's
//! orders have their turn. What could not be taken in leaves nothing behind.

use js_sys::{ArrayBuffer, Uint8Array};
use manyhands_wire::FileId;
use manyhands_wire::file::{CHUNK_BYTES, FileKind, Hash, Manifest, fitting_chunk_bytes};
use wasm_bindgen::JsCast as _;
use wasm_bindgen_futures::JsFuture;
use web_sys::Blob;

use super::Answer;
use super::keeper::Keeper;
use super::shelf::why;

/// How much is read at once at least, in bytes (guess); whole chunks in any case.
const PIECE_BYTES: u64 = 2 << 20;

/// A file on its way in.
pub(super) struct Intake {
    number: u32,
    file: Blob,
    name: String,
    kind: FileKind,
    size: u64,
    chunk_bytes: u32,
    hashes: Vec<Hash>,
    /// What it is called once it is hashed.
    copying: Option<(FileId, Manifest)>,
    /// Up to where it is hashed, or copied.
    at: u64,
    /// All of it, if one piece is: then it is read once.
    all: Option<Vec<u8>>,
    /// What a chunk for the disk is handed over in, again and again.
    buffer: Uint8Array,
}

impl Intake {
    /// A file to be taken in.
    ///
    /// # Errors
    /// Why it cannot be, for people.
    pub(super) fn new(number: u32, file: Blob, name: String, kind: FileKind) -> Result<Self, String> {
        let size = file.size() as u64;
        let chunk_bytes = fitting_chunk_bytes(size, CHUNK_BYTES).ok_or("it is too large")?;
        Ok(Self {
            number,
            file,
            name,
            kind,
            size,
            chunk_bytes,
            hashes: Vec::new(),
            copying: None,
            at: 0,
            all: None,
            buffer: Uint8Array::new_with_length(0),
        })
    }

    /// Goes on with the next piece. Whether there is more to do.
    pub(super) async fn step(&mut self, keeper: &mut Keeper) -> bool {
        let number = self.number;
        match self.piece(keeper).await {
            Ok(None) => {
                let done = self.at + if self.copying.is_some() { self.size } else { 0 };
                let thousandths = (done * 500).checked_div(self.size).unwrap_or(0) as u32;
                keeper.tell(&Answer::Taking { number, thousandths });
                true
            }
            Ok(Some(manifest)) => {
                keeper.tell(&Answer::Taken { number, manifest });
                false
            }
            Err(why) => {
                // Half of it would only take room.
                if let Some((file, _)) = &self.copying {
                    keeper.give_up(*file).await;
                }
                keeper.tell(&Answer::NotTaken { number, why });
                false
            }
        }
    }

    /// The next piece. The manifest, when all is done.
    async fn piece(&mut self, keeper: &mut Keeper) -> Result<Option<Manifest>, String> {
        let first = (self.at / u64::from(self.chunk_bytes)) as usize;
        let bytes = match self.all.take() {
            Some(bytes) => {
                self.at = self.size;
                bytes
            }
            None => self.read().await?,
        };
        let chunks = bytes.chunks(self.chunk_bytes as usize);
        match &self.copying {
            None => {
                self.hashes.extend(chunks.map(|chunk| *blake3::hash(chunk).as_bytes()));
                if self.at < self.size {
                    return Ok(None);
                }
                let name = std::mem::take(&mut self.name);
                let manifest = Manifest::new(name, self.size, self.chunk_bytes, &self.hashes, self.kind);
                if keeper.has(manifest.id()) {
                    return Ok(Some(manifest));
                }
                (self.copying, self.at) = (Some((manifest.id(), manifest.clone())), 0);
                keeper.expect(&manifest, &self.hashes).await?;
                self.all = Some(bytes).filter(|bytes| bytes.len() as u64 == self.size);
            }
            Some((file, _)) => {
                for (chunk, bytes) in (first..).zip(chunks) {
                    if self.hashes.get(chunk) != Some(blake3::hash(bytes).as_bytes()) {
                        return Err("it was changed meanwhile".to_owned());
                    }
                    let bytes = if keeper.is_on_disk(*file) {
                        if self.buffer.length() as usize != bytes.len() {
                            self.buffer = Uint8Array::new_with_length(bytes.len() as u32);
                        }
                        self.buffer.copy_from(bytes);
                        self.buffer.clone()
                    } else {
                        Uint8Array::from(bytes)
                    };
                    keeper.write(*file, chunk as u32, bytes, false).await?;
                }
            }
        }
        if self.copying.is_some() && self.at == self.size {
            keeper.settle().await?;
            return match &self.copying {
                Some((file, manifest)) if keeper.has(*file) => Ok(Some(manifest.clone())),
                _ => Err("the browser's storage is full".to_owned()),
            };
        }
        Ok(None)
    }

    /// Reads on, up to the end of a chunk.
    async fn read(&mut self) -> Result<Vec<u8>, String> {
        let chunk_bytes = u64::from(self.chunk_bytes);
        let end = (self.at + PIECE_BYTES.div_ceil(chunk_bytes) * chunk_bytes).min(self.size);
        // Nothing is read, too: what looks like an empty file may be a folder, which cannot be.
        let slice = self.file.slice_with_f64_and_f64(self.at as f64, end as f64);
        let slice = slice.map_err(|error| why(&error))?;
        let buffer = JsFuture::from(slice.array_buffer()).await.map_err(|error| why(&error))?;
        let bytes = Uint8Array::new(buffer.unchecked_ref::<ArrayBuffer>()).to_vec();
        if bytes.len() as u64 != end - self.at {
            return Err("it was changed meanwhile".to_owned());
        }
        self.at = end;
        Ok(bytes)
    }
}
