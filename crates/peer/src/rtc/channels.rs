//! The two data channels of a connection, from their arrival to their end.
//!
//! The caller's side makes both; the other side hears of them in any order. Each is taken once, by its label; any other, or a
//! second one of the same label, ends the connection, as it would gather its messages in memory with nobody to read them. Then a
//! *pump* for each empties the channel's event queue into the link's. These queues are bounded, and so is the channel's own: a
//! link that is not read slows the sender on the other side. The library takes nothing more from the network while one of the
//! channels has a full queue, so a link has to empty both always.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use manyhands_core::io::{BULK_LABEL, CHANNEL_LABEL};
use manyhands_wire::bulk::BULK_BYTES_MAX;
use manyhands_wire::frame::FRAME_BYTES_MAX;
use tokio::sync::{OnceCell, mpsc, watch};
use tokio::task::JoinSet;
use webrtc::data_channel::{DataChannel, DataChannelEvent};

use crate::runtime::EagerRuntime;
use crate::transport::{Reports, TransportError, TransportEvent};

/// How many channels a connection has, and how many may be on their way to be taken.
pub(super) const CHANNELS: usize = 2;
/// How long a connection stays eager after its channel opened, for the handshake's last messages.
const EAGER_OPENED: Duration = Duration::from_millis(500);
/// How often to look whether all is acknowledged.
const FLUSH_LOOKS_EVERY: Duration = Duration::from_millis(2);

/// A channel of the library.
pub(super) type AnyChannel = Arc<dyn DataChannel>;

/// The channels of one connection.
pub(super) struct Channels {
    /// Empty until the channel is made, or has come.
    protocol: OnceCell<AnyChannel>,
    /// The same for bulk.
    bulk: OnceCell<AnyChannel>,
    is_bulk_open: watch::Sender<bool>,
}

/// Which channel.
#[derive(Clone, Copy)]
enum Kind {
    Protocol,
    Bulk,
}

impl Channels {
    /// None yet.
    pub(super) fn new() -> Self {
        Self { protocol: OnceCell::new(), bulk: OnceCell::new(), is_bulk_open: watch::Sender::new(false) }
    }

    /// Sends one message of the protocol, as soon as there is room.
    pub(super) async fn send(&self, message: Vec<u8>) -> Result<(), TransportError> {
        let channel = self.protocol.get().ok_or(TransportError::Closed)?;
        channel.send(owned(message)).await.map_err(|_| TransportError::Closed)
    }

    /// Sends one message in bulk, as soon as the channel is open and there is room.
    pub(super) async fn send_bulk(&self, message: Vec<u8>) -> Result<(), TransportError> {
        let mut is_open = self.is_bulk_open.subscribe();
        is_open.wait_for(|is_open| *is_open).await.map_err(|_| TransportError::Closed)?;
        let channel = self.bulk.get().ok_or(TransportError::Closed)?;
        channel.send(owned(message)).await.map_err(|_| TransportError::Closed)
    }

    /// Waits until the protocol's messages are acknowledged.
    pub(super) async fn flush(&self) {
        let Some(channel) = self.protocol.get() else { return };
        while matches!(channel.outstanding_bytes().await, Ok(1..)) {
            tokio::time::sleep(FLUSH_LOOKS_EVERY).await;
        }
    }

    /// Tells the other side that the channels close; says whether there was one to close.
    pub(super) async fn close(&self) -> bool {
        let mut is_any = false;
        for channel in [&self.protocol, &self.bulk].into_iter().filter_map(OnceCell::get) {
            is_any |= channel.close().await.is_ok();
        }
        is_any
    }

    /// Takes the channels as they come, and reports what they hear, until all are closed.
    pub(super) async fn run(
        self: Arc<Self>,
        mut arriving: mpsc::Receiver<AnyChannel>,
        reports: Reports,
        runtime: Arc<EagerRuntime>,
    ) {
        // Dropping the set ends its tasks.
        let mut pumps = JoinSet::new();
        while pumps.len() < CHANNELS {
            let channel = tokio::select! {
                Some(channel) = arriving.recv() => channel,
                Some(_) = pumps.join_next() => break,
                else => break,
            };
            match self.take(&channel).await {
                Some(kind) => {
                    pumps.spawn(self.clone().pump(kind, channel, reports.clone(), runtime.clone()));
                }
                None => {
                    let _ = reports.events.send(TransportEvent::Closed).await;
                    return;
                }
            }
        }
        // Whoever brings another one from now on is refused.
        drop(arriving);
        while pumps.join_next().await.is_some() {}
    }

    /// Finds the place of a channel; `None` if it has none.
    async fn take(&self, channel: &AnyChannel) -> Option<Kind> {
        let label = channel.label().await.ok()?;
        let (kind, place) = match label.as_str() {
            CHANNEL_LABEL => (Kind::Protocol, &self.protocol),
            BULK_LABEL => (Kind::Bulk, &self.bulk),
            _ => return None,
        };
        place.set(channel.clone()).is_ok().then_some(kind)
    }

    /// Empties the channel's event queue into the link's, until the channel is closed.
    async fn pump(
        self: Arc<Self>,
        kind: Kind,
        channel: AnyChannel,
        reports: Reports,
        runtime: Arc<EagerRuntime>,
    ) {
        // Once the link is gone it reads no more; the pump still waits for the channel's end, to know that it was confirmed.
        while let Some(event) = channel.poll().await {
            match (event, kind) {
                (DataChannelEvent::OnOpen, Kind::Protocol) => {
                    runtime.be_eager_for(EAGER_OPENED);
                    let _ = reports.events.send(TransportEvent::Opened).await;
                }
                (DataChannelEvent::OnOpen, Kind::Bulk) => {
                    self.is_bulk_open.send_replace(true);
                }
                (DataChannelEvent::OnMessage(message), Kind::Protocol) => {
                    let message = cut(message.data, FRAME_BYTES_MAX);
                    let _ = reports.events.send(TransportEvent::Received(message)).await;
                }
                (DataChannelEvent::OnMessage(message), Kind::Bulk) => {
                    let _ = reports.bulk.send(cut(message.data, BULK_BYTES_MAX)).await;
                }
                (DataChannelEvent::OnClose, _) => break,
                // The rest is about buffers, which the send limit looks after; and the enum may grow.
                _ => {}
            }
        }
        let _ = reports.events.send(TransportEvent::Closed).await;
    }
}

/// The message as the library wants it, without copying.
fn owned(message: Vec<u8>) -> BytesMut {
    BytesMut::from(Bytes::from(message))
}

/// The message as the core wants it, without copying; one that is too long ends one byte past the limit.
fn cut(mut message: BytesMut, limit: usize) -> Vec<u8> {
    message.truncate(limit + 1);
    message.into()
}
