//! What a link needs of a WebRTC library, and no more: the seam behind which the library can be exchanged.
//!
//! A transport is one connection with two ordered, reliable data channels: one for the protocol, one for bytes in *bulk*. It
//! is made by [`Transports::open`], described once (by [`Transport::offer`] and [`Transport::accept_answer`], or by
//! [`Transport::answer`]), reports what happens on the bounded queues it was given, one for each channel, and is closed by
//! [`Transport::close`], which must always be called: a connection that is only dropped keeps its sockets.
//!
//! The transport is open when its protocol channel is. Each channel has its own pace: whoever waits to send on one does not
//! hinder the other.

use async_trait::async_trait;
use thiserror::Error;
use tokio::sync::mpsc;

/// What happens on a transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TransportEvent {
    /// A local candidate, as the JSON of `RTCIceCandidateInit`.
    Candidate(String),
    /// The protocol's channel is open.
    Opened,
    /// One message arrived on the protocol's channel. Longer ones than a frame may be are cut one byte past the limit, so that the core refuses them.
    Received(Vec<u8>),
    /// One of the channels or the connection is gone. Nothing follows.
    Closed,
}

/// Why a transport could not do what it was asked for.
#[derive(Debug, Error)]
pub(crate) enum TransportError {
    /// The data channel is not there, or not any more.
    #[error("the data channel is closed")]
    Closed,
    /// The library says so.
    #[error("{doing}: {why}")]
    Library {
        /// What was being done.
        doing: &'static str,
        /// What the library said.
        why: String,
    },
}

/// One connection.
#[async_trait]
pub(crate) trait Transport: Send + Sync {
    /// Creates both channels and the local offer, and begins to gather candidates.
    async fn offer(&self) -> Result<String, TransportError>;

    /// Takes the remote offer, and gives the local answer.
    async fn answer(&self, offer: String) -> Result<String, TransportError>;

    /// Takes the remote answer to the local offer.
    async fn accept_answer(&self, answer: String) -> Result<(), TransportError>;

    /// Takes a remote candidate. The remote description must be there. One that makes no sense is passed over.
    async fn add_candidate(&self, candidate: String);

    /// Sends one message of the protocol, as soon as its send buffer has room.
    async fn send(&self, message: Vec<u8>) -> Result<(), TransportError>;

    /// Sends one message in bulk, as soon as that channel is open and its send buffer has room.
    async fn send_bulk(&self, message: Vec<u8>) -> Result<(), TransportError>;

    /// Waits until the other side has acknowledged all of the protocol's messages that were sent, or nothing can be sent any more.
    async fn flush(&self);

    /// Tells the other side, and gives everything back to the system.
    async fn close(&self);
}

/// Where a transport reports to. Both queues are bounded; one that is full slows the other side down.
#[derive(Clone, Debug)]
pub(crate) struct Reports {
    /// For all but bulk.
    pub(crate) events: mpsc::Sender<TransportEvent>,
    /// For the messages of the bulk channel. Longer ones than allowed are cut one byte past the limit.
    pub(crate) bulk: mpsc::Sender<Vec<u8>>,
}

/// Makes connections.
#[async_trait]
pub(crate) trait Transports: Send + Sync {
    /// A connection that reports to `reports`.
    async fn open(&self, reports: Reports) -> Result<Box<dyn Transport>, TransportError>;
}
