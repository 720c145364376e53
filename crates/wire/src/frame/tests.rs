//! The codec: every frame, its golden bytes, its limits, and bytes that are no frame.

use proptest::prelude::*;

use super::*;
use crate::file::{
    CHUNK_BYTES_MAX, Entry, FILE_BYTES_MAX, FILE_NAME_BYTES_MAX, FileKind, MEDIA_TYPE_BYTES_MAX, Manifest,
};
use crate::flood::{Body, Hop, PATH_MAX, TEXT_BYTES_MAX};
use crate::job::{JobKind, JobSpec};
use crate::parcel::ParcelKind;

fn a_record(index: u64) -> Record {
    Record {
        block: Block::new(4, index).unwrap(),
        outcome: Outcome::Sum(u128::from(index) << 64),
        computed: true,
        signer: PeerId([3; 32]),
        signature: Signature([4; 64]),
    }
}

fn runs() -> Vec<UnitRange> {
    (0..RUNS_MAX as u64).map(|i| UnitRange::new(u64::MAX - 2 * i - 1, u64::MAX - 2 * i)).collect()
}

/// One of each, the growing ones at their limit.
fn one_of_each() -> Vec<Frame> {
    let job = JobId([9; 32]);
    let spec = JobSpec {
        kind: JobKind::Sum { first: 1, last: 100_000_000, unit_size: 16_384, base: 0 },
        asked_by: "Liz".into(),
        salt: [2; 16],
    };
    let (host, signature) = (PeerId([1; 32]), Signature([5; 64]));
    let id = FloodId { originator: host, sequence: u64::MAX };
    let (name, address) = ("n".repeat(NAME_BYTES_MAX), "a".repeat(ADDRESS_BYTES_MAX));
    let contact =
        Contact { peer: host, kind: PeerKind::Native, name: name.clone(), address: address.clone() };
    let manifest = Manifest {
        name: "f".repeat(FILE_NAME_BYTES_MAX),
        size: FILE_BYTES_MAX,
        chunk_bytes: CHUNK_BYTES_MAX,
        hashes: [3; 32],
        kind: FileKind::File,
    };
    let file = manifest.id();
    let media_type = "t".repeat(MEDIA_TYPE_BYTES_MAX);
    let listed = Listed { entry: Entry { manifest, media_type, put_ms: 1, by: host, signature }, here: true };
    let label = Label {
        unit: u64::MAX,
        kind: ParcelKind::Saved { iteration: u32::MAX },
        hash: [9; 32],
        bytes: PARCEL_BYTES_MAX,
    };
    let picks = Picks { file, chunks: vec![CHUNKS_MAX] };
    vec![
        Frame::Hello(Hello { peer: host, nonce: [6; 32], kind: PeerKind::Browser, name, address }),
        Frame::Proof(Proof { room: [7; 32], identity: signature }),
        Frame::Ping(1),
        Frame::Pong(u64::MAX),
        Frame::Job(SignedJob { spec, host, signature }),
        Frame::Start { job, signature },
        Frame::Lobby { wanted: 9, present: 3 },
        Frame::Status(Status {
            job: Some(job),
            activity: Activity::Working,
            threads: 8,
            speed: 1000,
            solo_speed: 1001,
            holding: runs(),
            granted: runs(),
            under_way: runs(),
            progress: vec![Progress { unit: u64::MAX, iteration: 4, iterations: u32::MAX }; RUNS_MAX],
            gross_units: 5,
            done_units: 6,
            checked_units: 7,
            checks_left: 1,
            credit: u64::MAX,
            liars: u64::MAX,
        }),
        Frame::Ask(Ask { job, request: 7, speed: 2000 }),
        Frame::Grant(Grant { job, request: 7, runs: runs() }),
        Frame::Records { job, records: (0..RECORDS_MAX as u64).map(a_record).collect() },
        Frame::Credit { job, runs: runs().into_iter().map(|units| CreditRun { units, by: host }).collect() },
        Frame::Have { job, within: UnitRange::new(0, u64::MAX), runs: runs() },
        Frame::Bye,
        Frame::Neighbours(vec![contact.clone(); NEIGHBOURS_MAX]),
        Frame::Letter { from: host, to: host, body: "b".repeat(LETTER_BYTES_MAX) },
        Frame::Flood(Box::new(Flood {
            id,
            ttl: 8,
            path: vec![Hop { peer: host, signature }; PATH_MAX],
            body: Body::Message("m".repeat(TEXT_BYTES_MAX)),
            signature,
        })),
        Frame::Known(vec![id; IDS_MAX]),
        Frame::Want(vec![id; IDS_MAX]),
        Frame::Prune,
        Frame::Knowledge([8; 32]),
        Frame::Part,
        Frame::Backups { contacts: vec![contact; BACKUPS_MAX], answer: true },
        Frame::Sated,
        Frame::Probe(host),
        Frame::Heard { peer: host, ago_ms: u64::MAX },
        Frame::Claim { job, units: runs(), ttl: 16 },
        Frame::Lie { job, record: a_record(7) },
        Frame::Catalog(u64::MAX),
        Frame::Buckets(vec![u64::MAX; BUCKETS]),
        Frame::Listing(
            (0..BUCKETS)
                .map(|first| Bucket { first: first as u8, ids: vec![file; FILE_IDS_MAX / BUCKETS] })
                .collect(),
        ),
        Frame::Entries { entries: vec![listed; 11], news: true, more: true },
        Frame::Holds(vec![file; FILE_IDS_MAX]),
        Frame::Lacks(vec![file; FILE_IDS_MAX]),
        Frame::AskHolds,
        Frame::Wants(vec![file; FILE_IDS_MAX]),
        Frame::Unwants(vec![file; FILE_IDS_MAX]),
        Frame::Chunks { file, bits: vec![255; CHUNKS_MAX as usize / 8] },
        Frame::Got(vec![picks.clone(); PICKS_MAX]),
        Frame::Turn { bytes: u32::MAX, picks: vec![picks.clone(); PICKS_MAX] },
        Frame::Fetch(vec![picks.clone(); PICKS_MAX]),
        Frame::Cancel(vec![picks; PICKS_MAX]),
        Frame::AskHashes(file),
        Frame::Labels { job, labels: vec![label; LABELS_MAX] },
        Frame::AskPart { hash: [9; 32], from: 12_288 },
        Frame::Piece { hash: [9; 32], from: u32::MAX, bytes: vec![1; PART_BYTES_MAX] },
    ]
}

#[test]
fn every_message_fits_its_frame_and_comes_back_whole() {
    let frames = one_of_each();

    assert_eq!(frames.len(), usize::from(TAGS));
    for (tag, frame) in frames.into_iter().enumerate() {
        let bytes = frame.encode();
        assert_eq!(usize::from(bytes[3]), tag);
        assert_eq!(Frame::decode(&bytes), Ok(frame));
    }
}

#[test]
fn the_bytes_of_a_frame_never_change() {
    let all: Vec<u8> = one_of_each().iter().flat_map(Frame::encode).collect();

    assert_eq!(Frame::Ping(300).encode(), [b'M', b'H', 1, 2, 0xac, 0x02]);
    assert_eq!(blake3::hash(&all).to_hex().as_str(), include_str!("../golden_frames.txt").trim());
}

#[test]
fn strangers_are_told_apart_from_newer_friends() {
    assert_eq!(Frame::decode(b""), Err(FrameError::NotOurs));
    assert_eq!(Frame::decode(b"GET / HTTP/1.1"), Err(FrameError::NotOurs));
    assert_eq!(Frame::decode(b"MH\x02\x00"), Err(FrameError::Version(2)));
    assert_eq!(Frame::decode(b"MH\x01\x7f\x01\x02"), Err(FrameError::UnknownTag(0x7f)));
    assert_eq!(Frame::decode(b"MH\x01\x0d\x00"), Err(FrameError::Malformed(13)));
    assert_eq!(Frame::decode(&[b'M'; FRAME_BYTES_MAX + 1]), Err(FrameError::TooLong(FRAME_BYTES_MAX + 1)));
}

#[test]
fn a_message_over_its_limit_is_refused() {
    let hello = Hello {
        peer: PeerId([1; 32]),
        nonce: [0; 32],
        kind: PeerKind::Native,
        name: "n".repeat(33),
        address: String::new(),
    };

    assert_eq!(Frame::decode(&Frame::Hello(hello).encode()), Err(FrameError::OverLimit(0)));
}

proptest! {
    #[test]
    fn any_bytes_decode_or_fail_without_a_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..600), tag in 0..TAGS) {
        let _ = Frame::decode(&bytes);
        bytes.splice(0..bytes.len().min(4), [b'M', b'H', VERSION, tag]);
        let _ = Frame::decode(&bytes);
    }

    #[test]
    fn a_truncated_or_flipped_frame_never_panics(pick in 0..usize::from(TAGS), cut in any::<prop::sample::Index>(), flip in any::<u8>()) {
        let mut bytes = one_of_each()[pick].encode();
        let at = cut.index(bytes.len());
        bytes[at] ^= flip;
        let _ = Frame::decode(&bytes);
        bytes.truncate(at);
        prop_assert!(Frame::decode(&bytes).is_err());
    }
}
