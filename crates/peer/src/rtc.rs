//! The [`Transport`] on webrtc-rs.
//!
//! The library runs a driver task per connection and calls the [`Handler`] on it, which must never wait: it passes
//! on what it hears. The data channels have event queues of their own, which tasks of `channels` empty into the link's.
//!
//! Who owns whom decides what leaks: the library's connection owns the handler, and a data channel owns the connection.
//! So the handler keeps no channel; it hands each one over, and one too many ends the connection.
//!
//! SCTP sends what its channels give it in the order it was given, however many channels there are: a frame of the protocol waits
//! behind all of the bulk that was given before. So `pace` sees to it that this is little.

mod channels;
mod pace;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use manyhands_core::io::{BULK_LABEL, CHANNEL_LABEL};
use manyhands_wire::bulk::BULK_BYTES_MAX;
use rtc::ice::mdns::MulticastDnsMode;
use rtc::peer_connection::configuration::setting_engine::SctpMaxMessageSize;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use webrtc::data_channel::DataChannel;
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceCandidateInit,
    RTCPeerConnectionIceEvent, RTCPeerConnectionState, RTCSessionDescription, SettingEngine,
    SettingEngineBuilder,
};

use crate::addresses;
use crate::runtime::EagerRuntime;
use crate::transport::{Reports, Transport, TransportError, TransportEvent, Transports};
use channels::{AnyChannel, CHANNELS, Channels};

/// How many bytes of a message the other side is told to send at most, and none longer is sent; what is longer than it may be is
/// refused later. Browsers take 256 KiB and more.
const MESSAGE_BYTES_MAX: u32 = 128 * 1024;
const _: () = assert!(
    BULK_BYTES_MAX < MESSAGE_BYTES_MAX as usize,
    "a message that is just too long must arrive to be refused"
);
/// How long a connection is eager once both descriptions are there: longer than any dial lasts.
const EAGER_CONNECTING: Duration = Duration::from_secs(20);
/// How long the other side has to confirm that the channels close.
const CLOSE_CONFIRMED_WITHIN: Duration = Duration::from_millis(300);
/// Connectivity checks are sent this often at first. Measured.
const CHECK_EVERY: Duration = Duration::from_millis(20);
/// The most connectivity checks of one pair of candidates.
const CHECKS_MAX: u16 = 70;

/// Makes connections of webrtc-rs.
#[derive(Debug, Default)]
pub(crate) struct Rtc {
    /// How many unacknowledged bytes bulk takes before sending waits; `None` to find out what suits the path.
    pub(crate) bulk_bytes: Option<usize>,
}

#[async_trait]
impl Transports for Rtc {
    async fn open(&self, reports: Reports) -> Result<Box<dyn Transport>, TransportError> {
        let runtime = Arc::new(EagerRuntime::new());
        let (arriving, arrived) = mpsc::channel(CHANNELS);
        let handler = Handler { events: reports.events.clone(), arriving: arriving.clone() };
        let connection = PeerConnectionBuilder::new()
            .with_runtime(runtime.clone())
            .with_handler(Arc::new(handler))
            .with_setting_engine(settings())
            .with_udp_addrs(addresses::to_bind())
            .build()
            .await
            .map_err(library("open a connection"))?;
        let channels = Arc::new(Channels::new(self.bulk_bytes));
        let pumps = tokio::spawn(channels.clone().run(arrived, reports, runtime.clone()));
        Ok(Box::new(Connection {
            runtime,
            connection: Box::new(connection),
            arriving,
            channels,
            pumps: tokio::sync::Mutex::new(Some(pumps)),
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

/// One connection of webrtc-rs.
struct Connection {
    runtime: Arc<EagerRuntime>,
    connection: Box<dyn PeerConnection>,
    /// Where new channels go.
    arriving: mpsc::Sender<AnyChannel>,
    channels: Arc<Channels>,
    /// Ends when the channels have.
    pumps: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

#[async_trait]
impl Transport for Connection {
    async fn offer(&self) -> Result<String, TransportError> {
        for label in [CHANNEL_LABEL, BULK_LABEL] {
            let channel = self
                .connection
                .create_data_channel(label, None)
                .await
                .map_err(library("create a data channel"))?;
            self.arriving.try_send(channel).map_err(|_| TransportError::Closed)?;
        }
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
        self.channels.send(message).await
    }

    async fn send_bulk(&self, message: Vec<u8>) -> Result<(), TransportError> {
        self.channels.send_bulk(message).await
    }

    async fn flush(&self) {
        self.channels.flush().await;
    }

    async fn close(&self) {
        if let Some(mut pumps) = self.pumps.lock().await.take() {
            self.runtime.be_eager_for(CLOSE_CONFIRMED_WITHIN);
            // The pumps end when the other side has confirmed, or was the first to close.
            if self.channels.close().await {
                let _ = timeout(CLOSE_CONFIRMED_WITHIN, &mut pumps).await;
            }
            pumps.abort();
        }
        if let Err(error) = self.connection.close().await {
            tracing::debug!(%error, "closing a connection");
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(pumps) = self.pumps.get_mut().take() {
            pumps.abort();
        }
    }
}

/// What the library calls, on the connection's driver.
struct Handler {
    events: mpsc::Sender<TransportEvent>,
    arriving: mpsc::Sender<AnyChannel>,
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
        if self.arriving.try_send(channel).is_err() {
            self.tell(TransportEvent::Closed);
        }
    }
}

#[cfg(test)]
mod tests;
