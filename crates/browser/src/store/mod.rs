//! The store of files: a Web Worker of its own, which keeps what the core wants kept.
//!
//! In reading order:
//!
//! 1. This file: what the page and the worker say to each other.
//! 2. [`client`]: the page's end. The worker is started when the first file comes, or when there are files from before.
//! 3. [`serve`]: the worker's end: one thing after the other, in the order asked.
//! 4. [`keeper`]: what is here of each file, and the core's orders carried out; in `keeper::past`, what is there from before.
//! 5. [`shelf`]: small records by name, in IndexedDB; in memory where that is forbidden.
//! 6. [`disk`]: the chunks of large files, in the origin's private file system.
//! 7. [`intake`]: a file that the person puts, read, hashed and copied piece by piece.
//!
//! What is kept belongs to a room, and to the tab's key (see [`storage`](crate::storage)): two tabs of one browser keep their
//! files apart, so that nothing is written by two. The newest rooms are kept, as the jobs are (see [`memory`](crate::memory)).
//!
//! A message is an array: a head of [`Ask`] or [`Answer`], as bytes, and sometimes one thing more: bytes, which are handed over
//! and not copied, or a file.

pub mod client;
mod disk;
mod intake;
mod keeper;
pub mod serve;
mod shelf;

use js_sys::{Array, ArrayBuffer, Uint8Array};
use manyhands_core::files::{Bits, Content, Stored};
use manyhands_wire::FileId;
use manyhands_wire::file::{Entry, FileKind, Hash, Manifest};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wasm_bindgen::{JsCast as _, JsValue};

/// How many bytes of files are kept in memory at most, where a browser has no other place.
pub const MEMORY_BYTES_MAX: u64 = 64 << 20;
/// The first message of the worker, a text; all others are answers.
const READY: &str = "ready";

/// What the page asks of the worker.
#[derive(Debug, Serialize, Deserialize)]
enum Ask {
    /// Open the store of this room, in the place of the tab's key; the first that is asked. Answered by [`Answer::Opened`].
    Open { room: String, place: Option<u32> },
    /// See `StoreOrder::Keep`.
    Keep(Entry),
    /// See `StoreOrder::Begin`. The hashes come with it.
    Begin(FileId),
    /// See `StoreOrder::Write`. The bytes come with it.
    Write { file: FileId, chunk: u32 },
    /// See `StoreOrder::Read`. A buffer to read into may come with it.
    Read { file: FileId, chunk: u32 },
    /// See `StoreOrder::ReadHashes`.
    ReadHashes(FileId),
    /// See `StoreOrder::Forget`.
    Forget(FileId),
    /// See `StoreOrder::Recall`.
    Recall(FileId),
    /// Take a file in, which comes with it. Answered by [`Answer::Taken`] or [`Answer::NotTaken`].
    Take { number: u32, name: String, kind: FileKind },
    /// Give all of a file, to be saved by the person. Answered by [`Answer::Given`].
    Give { number: u32, file: FileId },
}

/// What the worker answers.
#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    /// The store is open.
    Opened { way: Way, stored: Vec<Record> },
    /// See `StoreEvent::Written`. The buffer may come back with it.
    Written { file: FileId, chunk: u32 },
    /// See `StoreEvent::Refused`.
    Refused { file: FileId, why: String },
    /// See `StoreEvent::Read`. The bytes come with it, if they are there.
    Read { file: FileId, chunk: u32 },
    /// See `StoreEvent::Hashes`. They come with it, if they are there.
    Hashes(FileId),
    /// So much of a file that is taken in has been read, in thousandths.
    Taking { number: u32, thousandths: u32 },
    /// The file has been taken in.
    Taken { number: u32, manifest: Manifest },
    /// The file could not be taken in: why, for people.
    NotTaken { number: u32, why: String },
    /// The file comes with it, if it is there.
    Given { number: u32 },
}

/// Where files are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Way {
    /// In the origin's private file system, small ones in IndexedDB.
    Disk,
    /// In IndexedDB: the browser gives this page no file system.
    Database,
    /// In memory, for as long as the page lives: the browser gives this page no storage, or another tab holds it.
    Memory,
}

/// A file that was there when the store was opened.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    entry: Entry,
    content: Kept,
}

/// How much of a file was there.
#[derive(Debug, Serialize, Deserialize)]
enum Kept {
    Nothing,
    /// The hashes, one after the other, and the bits of the chunks.
    Part(Vec<u8>, Vec<u8>),
    Whole,
    Forgotten,
}

impl Record {
    /// As the core wants it.
    fn into_stored(self) -> Stored {
        let content = match self.content {
            Kept::Nothing => Content::Nothing,
            Kept::Part(hashes, bits) => part(&self.entry.manifest, &hashes, bits).unwrap_or(Content::Nothing),
            Kept::Whole => Content::Whole,
            Kept::Forgotten => Content::Forgotten,
        };
        Stored { entry: self.entry, content }
    }
}

fn part(manifest: &Manifest, hashes: &[u8], bits: Vec<u8>) -> Option<Content> {
    let chunks = manifest.chunks();
    let hashes = hashes_from(hashes).filter(|hashes| hashes.len() == chunks as usize)?;
    Some(Content::Part { hashes, chunks: Bits::from_bytes(bits, chunks)? })
}

/// The hashes that lie one after the other in these bytes. `None` if that does not come out even.
fn hashes_from(bytes: &[u8]) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<{ size_of::<Hash>() }>();
    rest.is_empty().then(|| hashes.to_vec())
}

/// A message, and what of it is handed over.
fn message(head: &impl Serialize, with: Option<&JsValue>) -> (Array, Array) {
    let (message, handed_over) = (Array::new(), Array::new());
    let head = postcard::to_stdvec(head).expect("messages are plain data, which postcard always encodes");
    message.push(&Uint8Array::from(head.as_slice()).buffer());
    if let Some(with) = with {
        message.push(with);
        if with.is_instance_of::<ArrayBuffer>() {
            handed_over.push(with);
        }
    }
    (message, handed_over)
}

/// The head of a message and what came with it. `None` for anything else.
fn read_message<H: DeserializeOwned>(message: &JsValue) -> Option<(H, JsValue)> {
    let message = message.dyn_ref::<Array>()?;
    let head = message.get(0).dyn_into::<ArrayBuffer>().ok()?;
    let head = postcard::from_bytes(&Uint8Array::new(&head).to_vec()).ok()?;
    Some((head, message.get(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_come_out_even_or_not_at_all() {
        assert_eq!(hashes_from(&[7; 64]), Some(vec![[7; 32]; 2]));
        assert_eq!(hashes_from(&[]), Some(Vec::new()));
        assert_eq!(hashes_from(&[7; 33]), None);
    }

    #[test]
    fn a_part_whose_record_does_not_fit_its_manifest_is_nothing() {
        let manifest = Manifest::new("a".into(), 2500, 1024, &[[1; 32]; 3], FileKind::File);

        assert!(part(&manifest, &[1; 96], vec![5]).is_some());
        assert_eq!(part(&manifest, &[1; 64], vec![5]), None);
        assert_eq!(part(&manifest, &[1; 96], vec![5, 5]), None);
    }
}
