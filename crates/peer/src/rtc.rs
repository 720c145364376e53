//! The [`Transport`] on webrtc-rs.
//!
//! The library runs a driver task per connection and calls the [`Handler`] on it, which must never wait: it passes
//! on what it hears. The data channel has an event queue of its own, which the *pump* task empties into the link's.
//! The link's queue is bounded, and so is the channel's: a link that is not read slows the sender on the other side.
//!
//! Who owns whom decides what leaks: the library's connection owns the handler, and a data channel owns the connection.
//! So the handler keeps no channel; it hands the first one over, once, and a second one ends the connection.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use manyhands_core::io::CHANNEL_LABEL;
use manyhands_wire::frame::FRAME_BYTES_MAX;
use rtc::ice::mdns::MulticastDnsMode;
use rtc::peer_connection::configuration::setting_engine::SctpMaxMessageSize;
use tokio::sync::{OnceCell, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use webrtc::data_channel::{DataChannel, DataChannelEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceCandidateInit,
    RTCPeerConnectionIceEvent, RTCPeerConnectionState, RTCSessionDescription, SettingEngine,
    SettingEngineBuilder,
};

use crate::addresses;
use crate::runtime::EagerRuntime;
use crate::transport::{Transport, TransportError, TransportEvent, Transports};

/// How many unacknowledged bytes a channel takes before sending waits. Measured: larger ones are slower.
const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// How many bytes of a message the other side is told to send at most; what is longer than a frame is refused later.
const MESSAGE_BYTES_MAX: u32 = 64 * 1024;
/// How long a connection is eager once both descriptions are there: longer than any dial lasts.
const EAGER_CONNECTING: Duration = Duration::from_secs(20);
/// How long a connection stays eager after its channel opened, for the handshake's last messages.
const EAGER_OPENED: Duration = Duration::from_millis(500);
/// How long the other side has to confirm that the channel closes.
const CLOSE_CONFIRMED_WITHIN: Duration = Duration::from_millis(300);
/// How often to look whether all is acknowledged.
const FLUSH_LOOKS_EVERY: Duration = Duration::from_millis(2);
/// Connectivity checks are sent this often at first. Measured.
const CHECK_EVERY: Duration = Duration::from_millis(20);
/// The most connectivity checks of one pair of candidates.
const CHECKS_MAX: u16 = 70;

/// Makes connections of webrtc-rs.
#[derive(Debug)]
pub(crate) struct Rtc;

#[async_trait]
impl Transports for Rtc {
    async fn open(&self, events: mpsc::Sender<TransportEvent>) -> Result<Box<dyn Transport>, TransportError> {
        let runtime = Arc::new(EagerRuntime::new());
        let (hand_over, handed) = oneshot::channel();
        let hand_over = Arc::new(Mutex::new(Some(hand_over)));
        let handler = Handler { events: events.clone(), hand_over: hand_over.clone() };
        let connection = PeerConnectionBuilder::new()
            .with_runtime(runtime.clone())
            .with_handler(Arc::new(handler))
            .with_setting_engine(settings())
            .with_udp_addrs(addresses::to_bind())
            .with_data_channel_send_buffer_limit(SEND_BUFFER_BYTES)
            .build()
            .await
            .map_err(library("open a connection"))?;
        let channel = Arc::new(OnceCell::new());
        let pump = tokio::spawn(pump(handed, channel.clone(), events, runtime.clone()));
        Ok(Box::new(Connection {
            runtime,
            connection: Box::new(connection),
            hand_over,
            channel,
            pump: tokio::sync::Mutex::new(Some(pump)),
        }))
    }
}

fn settings() -> SettingEngine {
    SettingEngineBuilder::new()
        .with_multicast_dns_mode(MulticastDnsMode::Disabled)
        .with_prflx_acceptance_min_wait(Some(Duration::ZERO))
        .with_ice_connection_attempts(Some(CHECK_EVERY), Some(CHECKS_MAX))
        .with_sctp_max_message_size(SctpMaxMessageSize::Bounded(MESSAGE_BYTES_MAX))
        .build()
}

fn library(doing: &'static str) -> impl Fn(webrtc::error::Error) -> TransportError {
    move |error| TransportError::Library { doing, why: error.to_string() }
}

/// How the connection's one channel comes to the pump; empty once it has.
type HandOver = Arc<Mutex<Option<oneshot::Sender<Arc<dyn DataChannel>>>>>;

/// One connection of webrtc-rs.
struct Connection {
    runtime: Arc<EagerRuntime>,
    connection: Box<dyn PeerConnection>,
    hand_over: HandOver,
    /// Empty until the channel is made, or has come.
    channel: Arc<OnceCell<Arc<dyn DataChannel>>>,
    pump: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

#[async_trait]
impl Transport for Connection {
    async fn offer(&self) -> Result<String, TransportError> {
        let channel = self
            .connection
            .create_data_channel(CHANNEL_LABEL, None)
            .await
            .map_err(library("create the data channel"))?;
        hand_over(&self.hand_over, channel).map_err(|_| TransportError::Closed)?;
        let offer = self.connection.create_offer(None).await.map_err(library("create the offer"))?;
        let sdp = offer.sdp.clone();
        self.connection.set_local_description(offer).await.map_err(library("set the local offer"))?;
        Ok(sdp)
    }

    async fn answer(&self, offer: String) -> Result<String, TransportError> {
        let offer = RTCSessionDescription::offer(offer).map_err(library("read the remote offer"))?;
        self.connection.set_remote_description(offer).await.map_err(library("set the remote offer"))?;
        let answer = self.connection.create_answer(None).await.map_err(library("create the answer"))?;
        let sdp = answer.sdp.clone();
        self.runtime.be_eager_for(EAGER_CONNECTING);
        self.connection.set_local_description(answer).await.map_err(library("set the local answer"))?;
        Ok(sdp)
    }

    async fn accept_answer(&self, answer: String) -> Result<(), TransportError> {
        let answer = RTCSessionDescription::answer(answer).map_err(library("read the remote answer"))?;
        self.runtime.be_eager_for(EAGER_CONNECTING);
        self.connection.set_remote_description(answer).await.map_err(library("set the remote answer"))
    }

    async fn add_candidate(&self, candidate: String) {
        let init: RTCIceCandidateInit = match serde_json::from_str(&candidate) {
            Ok(init) => init,
            Err(error) => {
                tracing::debug!(%error, "a remote candidate that cannot be read");
                return;
            }
        };
        // There are only UDP sockets here; and an empty one says that there are no more.
        let is_udp =
            init.candidate.split(' ').nth(2).is_some_and(|protocol| protocol.eq_ignore_ascii_case("udp"));
        if !is_udp {
            return;
        }
        if let Err(error) = self.connection.add_ice_candidate(init).await {
            // Browsers hide their addresses behind names; their checks reach this side all the same.
            tracing::debug!(%error, candidate, "a remote candidate was passed over");
        }
    }

    async fn send(&self, message: Vec<u8>) -> Result<(), TransportError> {
        let channel = self.channel.get().ok_or(TransportError::Closed)?;
        channel.send(BytesMut::from(message.as_slice())).await.map_err(|_| TransportError::Closed)
    }

    async fn flush(&self) {
        let Some(channel) = self.channel.get() else { return };
        while matches!(channel.outstanding_bytes().await, Ok(1..)) {
            tokio::time::sleep(FLUSH_LOOKS_EVERY).await;
        }
    }

    async fn close(&self) {
        if let (Some(channel), Some(mut pump)) = (self.channel.get(), self.pump.lock().await.take()) {
            self.runtime.be_eager_for(CLOSE_CONFIRMED_WITHIN);
            // The pump ends when the other side has confirmed, or was the first to close.
            if channel.close().await.is_ok() {
                let _ = timeout(CLOSE_CONFIRMED_WITHIN, &mut pump).await;
            }
            pump.abort();
        }
        if let Err(error) = self.connection.close().await {
            tracing::debug!(%error, "closing a connection");
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(pump) = self.pump.get_mut().take() {
            pump.abort();
        }
    }
}

/// What the library calls, on the connection's driver.
struct Handler {
    events: mpsc::Sender<TransportEvent>,
    hand_over: HandOver,
}

impl Handler {
    /// Passes an event on without waiting. While a connection is being made, the link reads its queue at once.
    fn tell(&self, event: TransportEvent) {
        if let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) {
            tracing::debug!(?event, "a link that is not read misses an event of its connection");
        }
    }
}

#[async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        let Ok(mut init) = event.candidate.to_json() else { return };
        // The library leaves the section's name empty, which browsers refuse; the index alone names it.
        init.sdp_mid = None;
        init.sdp_mline_index = Some(0);
        if let Ok(json) = serde_json::to_string(&init) {
            self.tell(TransportEvent::Candidate(json));
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        if matches!(state, RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed) {
            self.tell(TransportEvent::Closed);
        }
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        // A second channel would gather its messages in memory, as nobody reads it.
        if hand_over(&self.hand_over, channel).is_err() {
            self.tell(TransportEvent::Closed);
        }
    }
}

/// Gives the pump its channel; gives it back if the pump has one, or is gone.
fn hand_over(to: &HandOver, channel: Arc<dyn DataChannel>) -> Result<(), Arc<dyn DataChannel>> {
    let pump = to.lock().unwrap_or_else(PoisonError::into_inner).take();
    match pump {
        Some(pump) => pump.send(channel),
        None => Err(channel),
    }
}

/// Empties the channel's event queue into the link's, until the channel is closed.
async fn pump(
    handed: oneshot::Receiver<Arc<dyn DataChannel>>,
    cell: Arc<OnceCell<Arc<dyn DataChannel>>>,
    events: mpsc::Sender<TransportEvent>,
    runtime: Arc<EagerRuntime>,
) {
    let Ok(channel) = handed.await else { return };
    if cell.set(channel.clone()).is_err() || channel.label().await.as_deref() != Ok(CHANNEL_LABEL) {
        let _ = events.send(TransportEvent::Closed).await;
        return;
    }
    // Once the link is gone it reads no more; the pump still waits for the channel's end, to know that it was confirmed.
    while let Some(event) = channel.poll().await {
        match event {
            DataChannelEvent::OnOpen => {
                runtime.be_eager_for(EAGER_OPENED);
                let _ = events.send(TransportEvent::Opened).await;
            }
            DataChannelEvent::OnMessage(message) => {
                let kept = message.data.len().min(FRAME_BYTES_MAX + 1);
                let _ = events.send(TransportEvent::Received(message.data[..kept].to_vec())).await;
            }
            DataChannelEvent::OnClose => break,
            // The rest is about buffers, which the send limit looks after; and the enum may grow.
            _ => {}
        }
    }
    let _ = events.send(TransportEvent::Closed).await;
}
