//! The messages on a link.
//!
//! One message of a data channel is one frame: the magic `MH`, the version, then the postcard encoding of [`Frame`], whose
//! first number is the tag. The enum is append only. A tag that this build does not know is an error of its own,
//! [`FrameError::UnknownTag`], which the receiver skips, so that a newer peer may say more. A frame is at most
//! [`FRAME_BYTES_MAX`] long; senders split what could grow past it, and a decoder looks at the size before anything else.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::file::{BUCKETS, CHUNKS_MAX, ENTRIES_MAX, FILE_IDS_MAX, FileId, Listed, PICKS_MAX, Picks};
use crate::flood::{Flood, FloodId, IDS_MAX};
use crate::id::{JobId, PeerId, Signature};
use crate::job::SignedJob;
use crate::outcome::Outcome;
use crate::parcel::{LABELS_MAX, Label, PARCEL_BYTES_MAX, PART_BYTES_MAX};
use crate::units::{Block, UnitRange};

/// The largest frame, in bytes: what every browser carries in one data channel message.
pub const FRAME_BYTES_MAX: usize = 16 * 1024;
/// The first bytes of every frame.
pub const MAGIC: [u8; 2] = *b"MH";
/// The version this build speaks.
pub const VERSION: u8 = 1;
/// How many tags this build knows.
const TAGS: u8 = 46;

/// The most records in one [`Frame::Records`].
pub const RECORDS_MAX: usize = 64;
/// The most bytes of records in one, as [`Record::bytes`] counts them.
pub const RECORDS_BYTES_MAX: usize = 15 * 1024;
/// The most runs in one [`Frame::Have`], [`Frame::Credit`], [`Grant`] or [`Status`].
pub const RUNS_MAX: usize = 128;
/// The most peers in one [`Frame::Neighbours`].
pub const NEIGHBOURS_MAX: usize = 64;
/// The most peers in one [`Frame::Backups`].
pub const BACKUPS_MAX: usize = 16;
/// The longest address of a node, in bytes: `http://` with a name or number and a port.
pub const ADDRESS_BYTES_MAX: usize = 128;
/// The longest body of a [`Frame::Letter`], in bytes.
pub const LETTER_BYTES_MAX: usize = 12 * 1024;
/// The longest name a person may give, in bytes.
pub const NAME_BYTES_MAX: usize = 32;

/// One message on a link. Append only: the position is the tag on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Frame {
    /// The first frame each way: who speaks.
    Hello(Hello),
    /// The second frame each way: that the speaker knows the room's key and holds its own.
    Proof(Proof),
    /// Asks for a [`Frame::Pong`] with the same number.
    Ping(u64),
    /// Answers a [`Frame::Ping`].
    Pong(u64),
    /// The room's job. Valid from any peer, as it is signed by the host.
    Job(SignedJob),
    /// The job may begin. Valid from any peer: signed by the host over [`SignedJob::start_bytes`].
    Start {
        /// Which job.
        job: JobId,
        /// The host's signature.
        signature: Signature,
    },
    /// How full the host's lobby is. Believed only from the host itself.
    Lobby {
        /// How many friends the host waits for.
        wanted: u16,
        /// How many are in.
        present: u16,
    },
    /// How the speaker is doing: about once a second, and soon after a change.
    Status(Status),
    /// Asks the receiver for a part of the units it holds.
    Ask(Ask),
    /// Hands units over: the answer to an [`Ask`] (empty for no), or a gift from a peer that stops.
    Grant(Grant),
    /// Finished blocks.
    Records {
        /// Of which job.
        job: JobId,
        /// At most [`RECORDS_MAX`].
        records: Vec<Record>,
    },
    /// Who computed which units, as the speaker's ledger has it.
    Credit {
        /// Of which job.
        job: JobId,
        /// At most [`RUNS_MAX`].
        runs: Vec<CreditRun>,
    },
    /// Which units within a range the speaker knows to be finished: the receiver sends the records of the others.
    Have {
        /// Of which job.
        job: JobId,
        /// The range spoken of.
        within: UnitRange,
        /// The finished runs in it, in order; at most [`RUNS_MAX`].
        runs: Vec<UnitRange>,
    },
    /// The speaker leaves, and what it held is free.
    Bye,
    /// Whom the speaker has links to, so that those who share only the speaker can meet; at most [`NEIGHBOURS_MAX`].
    Neighbours(Vec<Contact>),
    /// A sealed letter for a peer that the receiver has a link to: introductions without a server.
    Letter {
        /// Who wrote it.
        from: PeerId,
        /// For whom it is.
        to: PeerId,
        /// The sealed payload, as in signaling; at most [`LETTER_BYTES_MAX`] bytes.
        body: String,
    },
    /// A message that everybody hears.
    Flood(Box<Flood>),
    /// Names of messages that the speaker knows; at most [`IDS_MAX`].
    Known(Vec<FloodId>),
    /// Names of messages that the speaker asks for; at most [`IDS_MAX`].
    Want(Vec<FloodId>),
    /// The speaker hears messages sooner from others: names are enough over this link.
    Prune,
    /// The hash of the names of all messages that the speaker knows.
    Knowledge([u8; 32]),
    /// The speaker has more links than it wants, and closes this one. Both may call each other again when they lack some.
    Part,
    /// Some peers that the speaker could link to and need not: at most [`BACKUPS_MAX`].
    Backups {
        /// Whom.
        contacts: Vec<Contact>,
        /// Whether the receiver is to answer with some of its own.
        answer: bool,
    },
    /// The speaker hears of finished blocks sooner from others: over this link it asks for them when it lacks some.
    Sated,
    /// Has the receiver heard this peer lately? The speaker has not.
    Probe(PeerId),
    /// The receiver's [`Frame::Probe`] answered: the speaker heard that peer so many milliseconds ago.
    Heard {
        /// Whom.
        peer: PeerId,
        /// How long ago, in milliseconds.
        ago_ms: u64,
    },
    /// Somebody does units that seemed to be nobody's: others that see no holder of them leave them alone for a while.
    Claim {
        /// Of which job.
        job: JobId,
        /// The units; at most [`RUNS_MAX`] runs.
        units: Vec<UnitRange>,
        /// How many more hops it may make.
        ttl: u8,
    },
    /// A result that its signer did not compute truly: whoever computes the block anew sees that.
    Lie {
        /// Of which job.
        job: JobId,
        /// The wrong result, signed by who claims to have computed it.
        record: Record,
    },
    /// A digest of the speaker's catalog of files: who has another answers with its buckets.
    Catalog(u64),
    /// The digests of the speaker's catalog, bucket by bucket: [`BUCKETS`] of them.
    Buckets(Vec<u64>),
    /// All ids in some buckets of the speaker's catalog: the receiver tells what it has beyond these.
    Listing(Vec<Bucket>),
    /// Files that were put on the mesh.
    Entries {
        /// At most [`ENTRIES_MAX`].
        entries: Vec<Listed>,
        /// Whether they were put just now, and are to be told on; otherwise they answer a [`Frame::Listing`].
        news: bool,
        /// Whether the speaker has more to tell once the receiver compares again.
        more: bool,
    },
    /// Files that the speaker has whole; at most [`FILE_IDS_MAX`].
    Holds(Vec<FileId>),
    /// Files that the speaker had and has not any more; at most [`FILE_IDS_MAX`].
    Lacks(Vec<FileId>),
    /// Asks for all that the speaker holds whole: some names of it were new to the receiver.
    AskHolds,
    /// Files that the speaker wants to have, and has no chunk of; at most [`FILE_IDS_MAX`].
    Wants(Vec<FileId>),
    /// Files that the speaker does not want any more; at most [`FILE_IDS_MAX`].
    Unwants(Vec<FileId>),
    /// A file that the speaker wants, and which chunks of it it has: bit `i % 8` of byte `i / 8` for chunk `i`.
    Chunks {
        /// Which.
        file: FileId,
        /// At most [`CHUNKS_MAX`] bits.
        bits: Vec<u8>,
    },
    /// Chunks that the speaker has now; at most [`PICKS_MAX`] in all.
    Got(Vec<Picks>),
    /// The receiver may ask for chunks now.
    Turn {
        /// For how many bytes of chunks.
        bytes: u32,
        /// What the speaker would like best to give, the best first; at most [`PICKS_MAX`] in all.
        picks: Vec<Picks>,
    },
    /// Asks for chunks, in this order: the answer to a [`Frame::Turn`], empty for none; at most [`PICKS_MAX`] in all.
    Fetch(Vec<Picks>),
    /// Chunks that were asked for and are not needed any more; at most [`PICKS_MAX`] in all.
    Cancel(Vec<Picks>),
    /// Asks for the list of the file's chunk hashes, over the bulk channel.
    AskHashes(FileId),
    /// Parcels that the speaker has; at most [`LABELS_MAX`].
    Labels {
        /// Of which job.
        job: JobId,
        /// The parcels.
        labels: Vec<Label>,
    },
    /// Asks for a part of a parcel.
    AskPart {
        /// The parcel's hash.
        hash: [u8; 32],
        /// Where the part begins, in bytes.
        from: u32,
    },
    /// A part of a parcel: [`PART_BYTES_MAX`] bytes, or fewer at its end; none if the speaker has it not any more.
    Piece {
        /// The parcel's hash.
        hash: [u8; 32],
        /// Where the part begins, in bytes.
        from: u32,
        /// The bytes.
        bytes: Vec<u8>,
    },
}

/// A part of a catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// The first byte of its ids.
    pub first: u8,
    /// All ids in it; over all buckets of a frame at most [`FILE_IDS_MAX`].
    pub ids: Vec<FileId>,
}

/// A peer, and how it can be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Who.
    pub peer: PeerId,
    /// What kind of node.
    pub kind: PeerKind,
    /// The name its person chose, at most [`NAME_BYTES_MAX`] bytes; empty for the nickname of the key.
    pub name: String,
    /// Where it serves signaling, as in [`Hello::address`].
    pub address: String,
}

/// Who speaks, and its part of the handshake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The speaker's public key.
    pub peer: PeerId,
    /// A fresh random number.
    pub nonce: [u8; 32],
    /// What kind of node.
    pub kind: PeerKind,
    /// A name the person chose, at most [`NAME_BYTES_MAX`] bytes; empty for the nickname of the key.
    pub name: String,
    /// Where it serves signaling itself, such as `http://192.168.1.7:8080`: at most [`ADDRESS_BYTES_MAX`] bytes; empty if
    /// nowhere.
    pub address: String,
}

/// What kind of node a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PeerKind {
    /// A page in a browser.
    Browser,
    /// The native program.
    Native,
}

/// That the speaker knows the room's key and holds the key it named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// BLAKE3 keyed with the room's link key, over the transcript and the speaker's id.
    pub room: [u8; 32],
    /// The speaker's signature over the same.
    pub identity: Signature,
}

/// How a peer is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The job it is on, if it has one.
    pub job: Option<JobId>,
    /// What it does.
    pub activity: Activity,
    /// How many threads it lends.
    pub threads: u16,
    /// Its speed now, in thousandths of cost ([`JobKind::cost`](crate::JobKind::cost)) per second.
    pub speed: u64,
    /// Its speed alone, measured before it joined the work, in thousandths of cost per second.
    pub solo_speed: u64,
    /// The units it holds and has not finished, in order; at most [`RUNS_MAX`] runs.
    pub holding: Vec<UnitRange>,
    /// The units it granted to peers that it has links to, and that are not finished, in order; at most [`RUNS_MAX`] runs.
    pub granted: Vec<UnitRange>,
    /// The slices its workers are on; at most [`RUNS_MAX`].
    pub under_way: Vec<UnitRange>,
    /// How far it is with units that take long; at most [`RUNS_MAX`].
    pub progress: Vec<Progress>,
    /// How many units it has computed in this session, counting those that others had finished too: their cost.
    pub gross_units: u64,
    /// How many units its ledger has finished.
    pub done_units: u64,
    /// How many units of others it has computed anew in this session, to check them: their cost.
    pub checked_units: u64,
    /// How many results it has yet to check.
    pub checks_left: u16,
    /// A hash of who has the credit for what, as its ledger has it.
    pub credit: u64,
    /// A hash of who it knows to have lied; 0 while it knows of nobody. Merged results are exchanged by those who agree on it.
    pub liars: u64,
}

/// How far a unit is that takes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Which.
    pub unit: u64,
    /// How many iterations are done.
    pub iteration: u32,
    /// How many there are in all.
    pub iterations: u32,
}

/// What a peer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activity {
    /// Measures its speed, or waits for the start.
    Ready,
    /// Computes, or looks for work.
    Working,
    /// Paused by its person: gives away what it holds when asked.
    Paused,
    /// Lends no threads: keeps the ledger only.
    Watching,
    /// The job is finished.
    Finished,
}

/// A request for work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// For which job.
    pub job: JobId,
    /// Number of the request, repeated in the answer.
    pub request: u64,
    /// The asker's speed, in thousandths of cost per second.
    pub speed: u64,
}

/// Units handed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Of which job.
    pub job: JobId,
    /// Which request it answers; 0 for a gift.
    pub request: u64,
    /// The units; at most [`RUNS_MAX`] runs; none means that there is nothing to give.
    pub runs: Vec<UnitRange>,
}

/// A finished block, signed by the peer that computed it or, once merged, by one that vouches for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Which units.
    pub block: Block,
    /// What they came to.
    pub outcome: Outcome,
    /// Whether the signer computed the whole block itself, and so has the credit.
    pub computed: bool,
    /// Who signs.
    pub signer: PeerId,
    /// Its signature over [`Record::signed_bytes`].
    pub signature: Signature,
}

/// A run of units that one peer computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditRun {
    /// The units.
    pub units: UnitRange,
    /// Who computed them.
    pub by: PeerId,
}

/// Why bytes are not a frame.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FrameError {
    /// Longer than [`FRAME_BYTES_MAX`].
    #[error("a frame of {0} bytes, where {FRAME_BYTES_MAX} is the most")]
    TooLong(usize),
    /// Does not begin with the magic.
    #[error("not a frame of this protocol")]
    NotOurs,
    /// Another version of the protocol.
    #[error("version {0} of the protocol, where this build speaks {VERSION}")]
    Version(u8),
    /// A message this build does not know: skip it.
    #[error("an unknown message, tag {0}")]
    UnknownTag(u8),
    /// A known message whose body does not decode, or that has bytes left over.
    #[error("a malformed message, tag {0}")]
    Malformed(u8),
    /// A list or a text in the message is longer than its limit.
    #[error("a message with more than its limit, tag {0}")]
    OverLimit(u8),
}

impl Frame {
    /// The frame's bytes.
    ///
    /// # Panics
    /// If the frame is longer than [`FRAME_BYTES_MAX`], which the limits of each message rule out.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend(MAGIC);
        bytes.push(VERSION);
        let bytes =
            postcard::to_extend(self, bytes).expect("frames are plain data, which postcard always encodes");
        assert!(bytes.len() <= FRAME_BYTES_MAX, "a frame within its limits fits: {}", bytes.len());
        bytes
    }

    /// Reads one frame.
    ///
    /// # Errors
    /// See [`FrameError`]. What is allocated is bounded by the size of a frame: a list never has more items than bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        if bytes.len() > FRAME_BYTES_MAX {
            return Err(FrameError::TooLong(bytes.len()));
        }
        let (version, body) = match bytes {
            [m, h, version, body @ ..] if [*m, *h] == MAGIC => (*version, body),
            _ => return Err(FrameError::NotOurs),
        };
        if version != VERSION {
            return Err(FrameError::Version(version));
        }
        let tag = *body.first().ok_or(FrameError::NotOurs)?;
        if tag >= TAGS {
            return Err(FrameError::UnknownTag(tag));
        }
        let (frame, rest) =
            postcard::take_from_bytes::<Self>(body).map_err(|_| FrameError::Malformed(tag))?;
        if !rest.is_empty() {
            return Err(FrameError::Malformed(tag));
        }
        if frame.is_within_limits() { Ok(frame) } else { Err(FrameError::OverLimit(tag)) }
    }

    /// Whether every list and text is within its limit.
    fn is_within_limits(&self) -> bool {
        match self {
            Self::Hello(hello) => {
                hello.name.len() <= NAME_BYTES_MAX && hello.address.len() <= ADDRESS_BYTES_MAX
            }
            Self::Job(job) => job.spec.check().is_ok(),
            Self::Status(status) => {
                let runs = [&status.holding, &status.granted, &status.under_way];
                runs.iter().all(|runs| runs.len() <= RUNS_MAX) && status.progress.len() <= RUNS_MAX
            }
            Self::Grant(grant) => grant.runs.len() <= RUNS_MAX,
            Self::Records { records, .. } => records.len() <= RECORDS_MAX,
            Self::Credit { runs, .. } => runs.len() <= RUNS_MAX,
            Self::Have { runs, .. } => runs.len() <= RUNS_MAX,
            Self::Claim { units, .. } => units.len() <= RUNS_MAX,
            Self::Neighbours(contacts) => {
                contacts.len() <= NEIGHBOURS_MAX && contacts.iter().all(Contact::is_within_limits)
            }
            Self::Backups { contacts, .. } => {
                contacts.len() <= BACKUPS_MAX && contacts.iter().all(Contact::is_within_limits)
            }
            Self::Flood(flood) => flood.is_within_limits(),
            Self::Known(ids) | Self::Want(ids) => ids.len() <= IDS_MAX,
            Self::Letter { body, .. } => body.len() <= LETTER_BYTES_MAX,
            Self::Proof(_)
            | Self::Ping(_)
            | Self::Pong(_)
            | Self::Start { .. }
            | Self::Lobby { .. }
            | Self::Ask(_)
            | Self::Prune
            | Self::Knowledge(_)
            | Self::Part
            | Self::Sated
            | Self::Probe(_)
            | Self::Heard { .. }
            | Self::Lie { .. }
            | Self::Catalog(_)
            | Self::AskHolds
            | Self::AskHashes(_)
            | Self::AskPart { .. }
            | Self::Bye => true,
            Self::Labels { labels, .. } => {
                labels.len() <= LABELS_MAX && labels.iter().all(|label| label.bytes <= PARCEL_BYTES_MAX)
            }
            Self::Piece { bytes, .. } => bytes.len() <= PART_BYTES_MAX,
            Self::Buckets(digests) => digests.len() == BUCKETS,
            Self::Listing(buckets) => {
                buckets.len() <= BUCKETS
                    && buckets.iter().map(|bucket| bucket.ids.len()).sum::<usize>() <= FILE_IDS_MAX
            }
            Self::Entries { entries, .. } => {
                entries.len() <= ENTRIES_MAX && entries.iter().all(|listed| listed.entry.is_within_limits())
            }
            Self::Holds(ids) | Self::Lacks(ids) | Self::Wants(ids) | Self::Unwants(ids) => {
                ids.len() <= FILE_IDS_MAX
            }
            Self::Chunks { bits, .. } => bits.len() <= CHUNKS_MAX as usize / 8,
            Self::Got(picks) | Self::Turn { picks, .. } | Self::Fetch(picks) | Self::Cancel(picks) => {
                picks.iter().map(|picks| picks.chunks.len().max(1)).sum::<usize>() <= PICKS_MAX
            }
        }
    }
}

impl Contact {
    /// Whether its texts are within their limits.
    fn is_within_limits(&self) -> bool {
        self.name.len() <= NAME_BYTES_MAX && self.address.len() <= ADDRESS_BYTES_MAX
    }
}

impl Record {
    /// How many bytes it takes at most, about.
    pub fn bytes(&self) -> usize {
        let outcome = match &self.outcome {
            Outcome::Sum(_) | Outcome::Delay(_) => 20,
            Outcome::Mersenne(findings) => 2 + findings.len() * 16,
        };
        outcome + 110
    }

    /// What the signer of a finished block signs.
    pub fn signed_bytes(job: &JobId, block: Block, outcome: &Outcome, computed: bool) -> Vec<u8> {
        let mut bytes = b"manyhands block v1".to_vec();
        bytes.extend(job.0);
        postcard::to_extend(&(block, outcome, computed), bytes)
            .expect("blocks and outcomes are plain data, which postcard always encodes")
    }
}

#[cfg(test)]
mod tests;
