//! The messages on the bulk channel: bytes of files, and nothing else.
//!
//! A message is the magic `MB`, the version, a tag, the file's id, a number and an offset (both 32 bits, little endian), then
//! bytes up to the end. A chunk longer than [`PART_BYTES_MAX`] comes in parts, in order. Only what was asked for is sent, so
//! the receiver always knows what to expect.

use crate::file::FileId;

/// The most bytes of a file in one message.
pub const PART_BYTES_MAX: usize = 64 * 1024;
/// The longest message, in bytes.
pub const BULK_BYTES_MAX: usize = HEADER_BYTES + PART_BYTES_MAX;

const HEADER_BYTES: usize = 4 + 32 + 4 + 4;
const MAGIC: [u8; 3] = *b"MB\x01";

/// What the bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BulkKind {
    /// Part of the chunk of that number, from the offset on.
    Chunk(u32),
    /// Part of the list of chunk hashes, from the offset on.
    Hashes,
}

/// One message of the bulk channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bulk<'a> {
    /// Of which file.
    pub file: FileId,
    /// What.
    pub kind: BulkKind,
    /// Where in the chunk or list the bytes belong.
    pub offset: u32,
    /// At most [`PART_BYTES_MAX`].
    pub bytes: &'a [u8],
}

impl<'a> Bulk<'a> {
    /// The message's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let (tag, number) = match self.kind {
            BulkKind::Chunk(number) => (0, number),
            BulkKind::Hashes => (1, 0),
        };
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.bytes.len());
        bytes.extend(MAGIC);
        bytes.push(tag);
        bytes.extend(self.file.0);
        bytes.extend(number.to_le_bytes());
        bytes.extend(self.offset.to_le_bytes());
        bytes.extend(self.bytes);
        bytes
    }

    /// Reads one message. `None` for anything else.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() > BULK_BYTES_MAX {
            return None;
        }
        let (header, bytes) = bytes.split_at_checked(HEADER_BYTES)?;
        let (magic, header) = header.split_first_chunk::<3>()?;
        let (tag, header) = header.split_first()?;
        let (file, header) = header.split_first_chunk::<32>()?;
        let (number, header) = header.split_first_chunk::<4>()?;
        let (offset, _) = header.split_first_chunk::<4>()?;
        let number = u32::from_le_bytes(*number);
        let kind = match tag {
            0 => BulkKind::Chunk(number),
            1 if number == 0 => BulkKind::Hashes,
            _ => return None,
        };
        (*magic == MAGIC).then(|| Self {
            file: FileId(*file),
            kind,
            offset: u32::from_le_bytes(*offset),
            bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_has_these_bytes() {
        let bulk = Bulk { file: FileId([7; 32]), kind: BulkKind::Chunk(258), offset: 3, bytes: b"abc" };

        let mut golden = b"MB\x01\x00".to_vec();
        golden.extend([7; 32]);
        golden.extend(b"\x02\x01\x00\x00\x03\x00\x00\x00abc");
        assert_eq!(bulk.encode(), golden);
        assert_eq!(Bulk::decode(&golden), Some(bulk));
    }

    #[test]
    fn what_is_too_long_or_of_an_unknown_kind_is_no_message() {
        let bulk = Bulk { file: FileId([7; 32]), kind: BulkKind::Hashes, offset: 0, bytes: &[1] };
        let mut bytes = bulk.encode();
        assert_eq!(Bulk::decode(&bytes), Some(bulk));
        bytes[3] = 9;
        assert_eq!(Bulk::decode(&bytes), None);
        assert_eq!(Bulk::decode(&vec![b'M'; BULK_BYTES_MAX + 1]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_fail_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Bulk::decode(&bytes);
        }
    }
}
