//! Files on the mesh: what a file is called everywhere, how it is cut, and who put it there.
//!
//! A file is cut into chunks of equal size, the last one shorter. Its [`Manifest`] says how, and holds the hash of the list of
//! the chunks' hashes; the file's id is the hash of the manifest. So the same file put twice, by whomever, has one id, a
//! chunk is checked alone, and the list (two megabytes for the largest files) travels only where it is needed.
//!
//! A *set* of files is a file as well: its content is the ids of its members, one after the other, 32 bytes each.
//!
//! Names are data: nothing here or elsewhere makes a path of one.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{PeerId, Signature};

/// How large a chunk is unless somebody wants it otherwise, in bytes.
pub const CHUNK_BYTES: u32 = 64 * 1024;
/// The smallest chunk, in bytes.
pub const CHUNK_BYTES_MIN: u32 = 1024;
/// The largest chunk, in bytes.
pub const CHUNK_BYTES_MAX: u32 = 4 << 20;
/// The most chunks of a file: what each peer says of which it has fits into one frame.
pub const CHUNKS_MAX: u32 = 65_536;
/// The largest file, in bytes: 256 GiB.
pub const FILE_BYTES_MAX: u64 = CHUNKS_MAX as u64 * CHUNK_BYTES_MAX as u64;
/// The longest name of a file, in bytes.
pub const FILE_NAME_BYTES_MAX: usize = 1024;
/// The longest media type, in bytes.
pub const MEDIA_TYPE_BYTES_MAX: usize = 128;
/// The most entries in one [`Frame::Entries`](crate::Frame::Entries); their bytes are bounded by the frame.
pub const ENTRIES_MAX: usize = 96;
/// The most ids in one frame that lists files.
pub const FILE_IDS_MAX: usize = 400;
/// The most chunks in one frame that lists chunks, over all its files.
pub const PICKS_MAX: usize = 128;
/// Into how many buckets, by the first byte of the id, a catalog is cut to be compared.
pub const BUCKETS: usize = 256;

/// A file: the hash of its manifest, 32 bytes; 64 hexadecimal digits for people.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub [u8; 32]);

/// A BLAKE3 hash, 32 bytes.
pub type Hash = [u8; 32];

/// What kind of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// Somebody's file.
    File,
    /// A list of the ids of files that were put together.
    Set,
}

/// What a file is, the same for everybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// What its person calls it: at most [`FILE_NAME_BYTES_MAX`] bytes of any kind.
    pub name: String,
    /// How long it is, in bytes.
    pub size: u64,
    /// How long each chunk but the last is, in bytes.
    pub chunk_bytes: u32,
    /// The BLAKE3 hash of the chunks' BLAKE3 hashes, one after the other.
    pub hashes: Hash,
    /// What kind of file.
    pub kind: FileKind,
}

/// A file as the catalog of every node lists it: what it is, and who put it there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What the file is.
    pub manifest: Manifest,
    /// Its media type, such as `text/plain`: at most [`MEDIA_TYPE_BYTES_MAX`] bytes; empty if nobody knows.
    pub media_type: String,
    /// When it was put, in milliseconds since 1970, by the clock of who put it.
    pub put_ms: u64,
    /// Who put it.
    pub by: PeerId,
    /// Its signature over [`Entry::signed_bytes`].
    pub signature: Signature,
}

/// An entry, and whether the speaker has the whole file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The entry.
    pub entry: Entry,
    /// Whether the speaker can give all of it.
    pub here: bool,
}

/// Some chunks of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picks {
    /// Of which file.
    pub file: FileId,
    /// Which, from 0.
    pub chunks: Vec<u32>,
}

impl Manifest {
    /// A manifest for content with these chunk hashes.
    pub fn new(name: String, size: u64, chunk_bytes: u32, hashes: &[Hash], kind: FileKind) -> Self {
        Self { name, size, chunk_bytes, hashes: hash_list(hashes), kind }
    }

    /// The file's id.
    pub fn id(&self) -> FileId {
        let bytes = postcard::to_extend(self, b"manyhands file v1".to_vec())
            .expect("manifests are plain data, which postcard always encodes");
        FileId(*blake3::hash(&bytes).as_bytes())
    }

    /// How many chunks it has; none for the empty file.
    pub fn chunks(&self) -> u32 {
        let chunks = self.size.div_ceil(u64::from(self.chunk_bytes.max(1)));
        u32::try_from(chunks).unwrap_or(u32::MAX)
    }

    /// How long a chunk is, in bytes; 0 where there is none.
    pub fn chunk_len(&self, chunk: u32) -> u32 {
        let start = u64::from(chunk) * u64::from(self.chunk_bytes);
        self.size.saturating_sub(start).min(u64::from(self.chunk_bytes)) as u32
    }

    /// Whether sizes, counts and texts are within their limits.
    pub fn is_within_limits(&self) -> bool {
        self.name.len() <= FILE_NAME_BYTES_MAX
            && (CHUNK_BYTES_MIN..=CHUNK_BYTES_MAX).contains(&self.chunk_bytes)
            && self.chunks() <= CHUNKS_MAX
            && (self.kind == FileKind::File || self.size.is_multiple_of(32))
    }
}

impl Entry {
    /// What the peer that put the file signs.
    pub fn signed_bytes(id: &FileId, media_type: &str, put_ms: u64) -> Vec<u8> {
        postcard::to_extend(&(id, media_type, put_ms), b"manyhands entry v1".to_vec())
            .expect("ids and texts are plain data, which postcard always encodes")
    }

    /// Whether all of it is within its limits.
    pub fn is_within_limits(&self) -> bool {
        self.media_type.len() <= MEDIA_TYPE_BYTES_MAX && self.manifest.is_within_limits()
    }

    /// The most bytes it takes in a frame.
    pub fn bytes_max(&self) -> usize {
        self.manifest.name.len() + self.media_type.len() + 200
    }
}

/// The hash of a list of chunk hashes.
pub fn hash_list(hashes: &[Hash]) -> Hash {
    *blake3::hash(hashes.as_flattened()).as_bytes()
}

/// The chunk size for a file of that many bytes: the wanted one, doubled until there are few enough chunks. `None` if the file
/// is too large for any.
pub fn fitting_chunk_bytes(size: u64, wanted: u32) -> Option<u32> {
    let mut chunk_bytes = wanted.clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX);
    while size.div_ceil(u64::from(chunk_bytes)) > u64::from(CHUNKS_MAX) {
        chunk_bytes = chunk_bytes.checked_mul(2).filter(|bytes| *bytes <= CHUNK_BYTES_MAX)?;
    }
    Some(chunk_bytes)
}

impl FileId {
    /// Reads 64 hexadecimal digits. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut id = [0; 32];
        for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |at: usize| char::from(pair[at]).to_digit(16);
            *byte = (digit(0)? * 16 + digit(1)?) as u8;
        }
        Some(Self(id))
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileId({self})")
    }
}

impl Serialize for FileId {
    /// Hexadecimal digits where people read, bytes on the wire.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for FileId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not 64 hexadecimal digits"))
        } else {
            <[u8; 32]>::deserialize(deserializer).map(Self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(size: u64) -> Manifest {
        Manifest::new("a.txt".into(), size, 1024, &[[1; 32], [2; 32]], FileKind::File)
    }

    #[test]
    fn a_file_is_cut_into_equal_chunks_and_a_shorter_last_one() {
        let manifest = manifest(2500);

        assert_eq!(manifest.chunks(), 3);
        assert_eq!((0..4).map(|at| manifest.chunk_len(at)).collect::<Vec<_>>(), [1024, 1024, 452, 0]);
    }

    #[test]
    fn the_empty_file_has_no_chunk() {
        assert_eq!(Manifest::new(String::new(), 0, 1024, &[], FileKind::File).chunks(), 0);
    }

    #[test]
    fn an_id_depends_on_all_of_the_manifest_and_on_nothing_else() {
        let other_name = Manifest { name: "b.txt".into(), ..manifest(5) };

        assert_eq!(manifest(5).id(), manifest(5).id());
        assert_ne!(manifest(5).id(), manifest(6).id());
        assert_ne!(manifest(5).id(), other_name.id());
    }

    #[test]
    fn an_id_survives_its_text_form() {
        let id = manifest(5).id();

        assert_eq!(FileId::parse(&id.to_string()), Some(id));
        assert_eq!(FileId::parse("12"), None);
        assert_eq!(FileId::parse(&"é".repeat(32)), None);
    }

    #[test]
    fn large_files_have_larger_chunks_until_there_are_none() {
        assert_eq!(fitting_chunk_bytes(1 << 30, CHUNK_BYTES), Some(CHUNK_BYTES));
        assert_eq!(fitting_chunk_bytes(5 << 30, CHUNK_BYTES), Some(2 * CHUNK_BYTES));
        assert_eq!(fitting_chunk_bytes(FILE_BYTES_MAX, CHUNK_BYTES), Some(CHUNK_BYTES_MAX));
        assert_eq!(fitting_chunk_bytes(FILE_BYTES_MAX + 1, CHUNK_BYTES), None);
    }
}
