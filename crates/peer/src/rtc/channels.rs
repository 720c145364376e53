//! The two data channels of a connection, from their arrival to their end.
//!
//! The caller's side makes both; the other side hears of them in any order. Each is taken once, by its label; any other, or a
//! second one of the same label, ends the connection, as it would gather its messages in memory with nobody to read them. Then a
//! *pump* for each empties the channel's event queue into the link's. These queues are bounded, and so is the channel's own: a
//! link that is not read slows the sender on the other side. The library takes nothing more from the network while one of the
//! channels has a full queue, so a link has to empty both always.
//!
//! The library itself would take any amount to send. How much each channel has under way is bounded here: by a constant for the
//! protocol, by its [`Pace`] for bulk.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use manyhands_core::io::{BULK_LABEL, CHANNEL_LABEL};
use manyhands_wire::bulk::BULK_BYTES_MAX;
use manyhands_wire::frame::FRAME_BYTES_MAX;
use tokio::sync::{Notify, OnceCell, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use webrtc::data_channel::{DataChannel, DataChannelEvent};

use super::pace::{LIMIT_MIN, Pace};
use crate::runtime::EagerRuntime;
use crate::transport::{Reports, TransportError, TransportEvent};

/// How many channels a connection has, and how many may be on their way to be taken.
pub(super) const CHANNELS: usize = 2;
/// How long a connection stays eager after its channel opened, for the handshake's last messages.
const EAGER_OPENED: Duration = Duration::from_millis(500);
/// How often to look whether all is acknowledged.
const FLUSH_LOOKS_EVERY: Duration = Duration::from_millis(2);

/// How often to look for room to send, if nobody says that there is some.
const ROOM_LOOKS_EVERY: Duration = Duration::from_millis(20);

/// A channel of the library.
pub(super) type AnyChannel = Arc<dyn DataChannel>;

/// The channels of one connection.
pub(super) struct Channels {
    protocol: Lane,
    bulk: Lane,
    is_bulk_open: watch::Sender<bool>,
    /// How much bulk may have under way.
    pace: Pacing,
}

/// One channel, and who waits for it.
#[derive(Default)]
struct Lane {
    /// Empty until the channel is made, or has come.
    channel: OnceCell<AnyChannel>,
    /// Told when much of what was under way has left.
    drained: Notify,
}

/// How much a channel may have under way.
enum Pacing {
    Fixed(usize),
    Measured(Mutex<Pace>),
}

/// Which channel.
#[derive(Clone, Copy)]
enum Kind {
    Protocol,
    Bulk,
}

impl Channels {
    /// None yet. Bulk has so many bytes under way, or as many as its path carries well.
    pub(super) fn new(bulk_bytes: Option<usize>) -> Self {
        let pace = bulk_bytes.map_or_else(|| Pacing::Measured(Mutex::new(Pace::new())), Pacing::Fixed);
        Self {
            protocol: Lane::default(),
            bulk: Lane::default(),
            is_bulk_open: watch::Sender::new(false),
            pace,
        }
    }

    /// Sends one message of the protocol, as soon as there is room.
    pub(super) async fn send(&self, message: Vec<u8>) -> Result<(), TransportError> {
        while self.protocol.under_way().await? >= LIMIT_MIN {
            self.protocol.drain().await;
        }
        self.protocol.send(message).await
    }

    /// Sends one message in bulk, as soon as the channel is open and there is room.
    pub(super) async fn send_bulk(&self, message: Vec<u8>) -> Result<(), TransportError> {
        let mut is_open = self.is_bulk_open.subscribe();
        is_open.wait_for(|is_open| *is_open).await.map_err(|_| TransportError::Closed)?;
        loop {
            let under_way = self.bulk.under_way().await?;
            let (limit, is_new) = self.pace.look(under_way);
            if is_new {
                self.bulk.tell_when_drained(limit).await;
            }
            if under_way < limit {
                self.pace.give(message.len(), under_way);
                return self.bulk.send(message).await;
            }
            self.bulk.drain().await;
        }
    }

    /// Waits until the protocol's messages are acknowledged.
    pub(super) async fn flush(&self) {
        while matches!(self.protocol.under_way().await, Ok(1..)) {
            sleep(FLUSH_LOOKS_EVERY).await;
        }
    }

    /// Tells the other side that the channels close; says whether there was one to close.
    pub(super) async fn close(&self) -> bool {
        let mut is_any = false;
        for lane in [&self.protocol, &self.bulk] {
            if let Some(channel) = lane.channel.get() {
                is_any |= channel.close().await.is_ok();
            }
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
        let kind = match label.as_str() {
            CHANNEL_LABEL => Kind::Protocol,
            BULK_LABEL => Kind::Bulk,
            _ => return None,
        };
        self.lane(kind).channel.set(channel.clone()).is_ok().then_some(kind)
    }

    fn lane(&self, kind: Kind) -> &Lane {
        match kind {
            Kind::Protocol => &self.protocol,
            Kind::Bulk => &self.bulk,
        }
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
                    self.protocol.tell_when_drained(LIMIT_MIN).await;
                    let _ = reports.events.send(TransportEvent::Opened).await;
                }
                (DataChannelEvent::OnOpen, Kind::Bulk) => {
                    self.bulk.tell_when_drained(self.pace.look(0).0).await;
                    self.is_bulk_open.send_replace(true);
                }
                (DataChannelEvent::OnMessage(message), Kind::Protocol) => {
                    let message = cut(message.data, FRAME_BYTES_MAX);
                    let _ = reports.events.send(TransportEvent::Received(message)).await;
                }
                (DataChannelEvent::OnMessage(message), Kind::Bulk) => {
                    let _ = reports.bulk.send(cut(message.data, BULK_BYTES_MAX)).await;
                }
                (DataChannelEvent::OnBufferedAmountLow, kind) => self.lane(kind).drained.notify_one(),
                (DataChannelEvent::OnClose, _) => break,
                // Of full buffers nobody needs to hear; and the enum may grow.
                _ => {}
            }
        }
        let _ = reports.events.send(TransportEvent::Closed).await;
    }
}

impl Lane {
    async fn send(&self, message: Vec<u8>) -> Result<(), TransportError> {
        let channel = self.channel.get().ok_or(TransportError::Closed)?;
        // This way it is not copied.
        let message = BytesMut::from(Bytes::from(message));
        channel.send(message).await.map_err(|_| TransportError::Closed)
    }

    /// How many bytes the other side has not acknowledged.
    async fn under_way(&self) -> Result<usize, TransportError> {
        let channel = self.channel.get().ok_or(TransportError::Closed)?;
        channel.outstanding_bytes().await.map_err(|_| TransportError::Closed)
    }

    /// Waits until some of it is acknowledged.
    async fn drain(&self) {
        let _ = timeout(ROOM_LOOKS_EVERY, self.drained.notified()).await;
    }

    /// Makes the channel tell when less than that is under way by a good part: often enough to keep the path busy, not so often
    /// that each packet wakes the sender.
    async fn tell_when_drained(&self, limit: usize) {
        if let Some(channel) = self.channel.get() {
            let threshold = u32::try_from(limit / 4 * 3).unwrap_or(u32::MAX);
            let _ = channel.set_buffered_amount_low_threshold(threshold).await;
        }
    }
}

impl Pacing {
    /// The limit, with so many bytes under way, and whether it is another than before.
    fn look(&self, under_way: usize) -> (usize, bool) {
        match self {
            Self::Fixed(limit) => (*limit, false),
            Self::Measured(pace) => {
                let mut pace = locked(pace);
                let is_new = pace.on_looked(Instant::now(), under_way);
                (pace.limit(), is_new)
            }
        }
    }

    /// A message is given.
    fn give(&self, bytes: usize, under_way: usize) {
        match self {
            Self::Fixed(_) => {}
            Self::Measured(pace) => locked(pace).on_given(Instant::now(), bytes, under_way),
        }
    }
}

fn locked(pace: &Mutex<Pace>) -> MutexGuard<'_, Pace> {
    pace.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The message as the core wants it, without copying; one that is too long ends one byte past the limit.
fn cut(mut message: BytesMut, limit: usize) -> Vec<u8> {
    message.truncate(limit + 1);
    message.into()
}
