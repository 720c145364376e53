//! What goes into a [`Node`](crate::Node) and what comes out: the whole surface between the core and its drivers.

use std::time::Duration;

use manyhands_jobs as jobs;
use manyhands_wire::flood::Body;
use manyhands_wire::signaling::{ClientMessage, ServerMessage};
use manyhands_wire::{FileId, JobSpec, PeerId, UnitRange};
use serde::Serialize;

use crate::files::{NewFile, StoreOrder};

/// The label of the data channel that carries frames: every driver makes one of this name.
pub const CHANNEL_LABEL: &str = "manyhands";
/// The label of the data channel that carries bytes of files: the second one that every driver makes, and no other is taken.
pub const BULK_LABEL: &str = "manyhands-bulk";
/// How long a driver waits for a channel to open before it gives the attempt up as [`LinkEvent::Closed`].
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection attempt or connection, numbered by the node that owns it; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// One of this node's worker threads, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u16);

/// A signaling server that this node knows, numbered by the node; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(pub u64);

/// What happened on the way to a signaling server. The driver connects, and after a loss connects again with back-off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignalingEvent {
    /// The WebSocket is open: the node will join its room.
    Connected,
    /// The server said something.
    Message(ServerMessage),
    /// The WebSocket is closed.
    Disconnected,
}

/// What happened on a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// The local session description is set: the offer after [`Output::Dial`], the answer after [`Output::Answer`].
    Described(String),
    /// A local candidate, as the JSON of `RTCIceCandidateInit`.
    Candidate(String),
    /// The data channel is open.
    Opened,
    /// One message arrived.
    Received(Vec<u8>),
    /// One message arrived on the bulk channel.
    ReceivedBulk(Vec<u8>),
    /// One message of the bulk channel has left the driver: the connection's own buffer has taken it.
    SentBulk,
    /// The channel is closed, or the attempt failed. Nothing follows.
    Closed,
}

/// What the person, or the program around the node, wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Lend this many threads from now on. The driver has workers for slots `0..n` ready.
    SetThreads(u16),
    /// Stop computing, keep the links; others take over what this node holds.
    Pause,
    /// Compute again.
    Resume,
    /// This is the job (the host's only, and only until it has started): in place of the one there was, if any. It starts once
    /// so many friends are in.
    SetJob {
        /// What is to be computed. A description beyond its limits is passed over.
        spec: JobSpec,
        /// How many friends to wait for.
        wait: u16,
    },
    /// Begin the job now, whoever is there (the host's only).
    Start,
    /// Finish the slices under way, hand the rest to the others, say goodbye: ends with [`Event::Left`].
    Finish,
    /// Say something to everybody in the room.
    Say(Body),
    /// Fall asleep: hear nothing and say nothing, as a machine does whose lid is closed. The others think it gone.
    Sleep,
    /// Wake up, and find the way back.
    Wake,
    /// A file was put here, and the store has it.
    AddFile(NewFile),
    /// The person wants this file, from this chunk on if they read it in order.
    FetchFile(FileId, Option<u32>),
    /// The person does not want this file any more: it is thrown away here, and not fetched again unless they ask for it.
    ForgetFile(FileId),
    /// Say goodbye at once and hang up: ends with [`Event::Left`].
    Leave,
}

/// What the driver is to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Connect to the signaling server at this address, such as `http://192.168.1.7:8080`, and keep at it, with back-off.
    Connect(ServerId, String),
    /// Close the connection to that server, and forget it. No [`SignalingEvent`] need follow.
    Disconnect(ServerId),
    /// Send this to the signaling server; drop it if there is no connection.
    Signal(ServerId, ClientMessage),
    /// Create a connection with a data channel, and describe the offer.
    Dial(LinkId),
    /// Create a connection for this remote offer, and describe the answer.
    Answer(LinkId, String),
    /// The remote answer for a link that this node dialled.
    Answered(LinkId, String),
    /// A remote candidate. May come before [`Output::Answered`]: the driver queues it until the description is set.
    Candidate(LinkId, String),
    /// Send one message. The driver closes the link if its queue is over its bound.
    Send(LinkId, Vec<u8>),
    /// Send one message over the bulk channel, or drop it if that is not open. Told back by [`LinkEvent::SentBulk`]; the node
    /// never has more than some megabytes on their way there.
    SendBulk(LinkId, Vec<u8>),
    /// Close the connection once what was sent before has left, and forget it. No [`LinkEvent`] need follow.
    HangUp(LinkId),
    /// A command for a worker.
    Work(Slot, jobs::Command),
    /// An order for the store of files.
    Store(StoreOrder),
    /// Something a person or the program around the node may want to know.
    Event(Event),
}

/// Something worth telling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A peer proved itself: the link counts.
    LinkUp {
        /// Who.
        peer: PeerId,
    },
    /// A link that counted is gone.
    LinkDown {
        /// Who.
        peer: PeerId,
    },
    /// Somebody reached this node without the room's key, or with a key that is not its own.
    Refused {
        /// Why, for people.
        why: String,
    },
    /// A peer sent something it should not have. Counted; the link stays unless it goes on.
    Misbehaved {
        /// Who.
        peer: PeerId,
        /// What, for people.
        what: String,
    },
    /// The job is known.
    JobKnown,
    /// The job began.
    Started,
    /// Units of a vanished or leaving peer are to be done again by this node.
    TookBack {
        /// Which.
        units: UnitRange,
    },
    /// This node's own result for some units differs from what a peer told before.
    Disputed {
        /// Which.
        units: UnitRange,
        /// What the ledger says of it, for people.
        why: String,
    },
    /// Somebody said something to everybody.
    Heard {
        /// Who said it.
        from: PeerId,
        /// Who carried it, in order, up to this node.
        path: Vec<PeerId>,
        /// What.
        body: Body,
    },
    /// This node's own worker found a Mersenne prime.
    PrimeFound {
        /// The exponent.
        exponent: u32,
    },
    /// Every unit is finished.
    Finished,
    /// A file is whole here that was not.
    FileHere {
        /// Which.
        file: FileId,
        /// What its person calls it.
        name: String,
    },
    /// A file cannot be kept here.
    FileFailed {
        /// Which.
        file: FileId,
        /// What its person calls it.
        name: String,
        /// Why, for people.
        why: String,
    },
    /// The signaling server refused this node.
    SignalingRefused {
        /// Why, for people.
        message: String,
    },
    /// This node has said goodbye; the driver may stop.
    Left,
}
