//! The server: the rooms behind a lock, a bounded queue for each connection, and the route.
//!
//! Every call locks the state, hands in what happened, and moves what comes out into the queues; nothing waits while the
//! lock is held. A connection whose queue is full does not read what it is sent: it is dropped, so that one slow
//! member costs the others nothing.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{Utf8Bytes, WebSocketUpgrade};
use axum::extract::{ConnectInfo, Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use manyhands_wire::signaling::{ErrorCode, SIGNALING_BYTES_MAX, ServerMessage};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::limits::{Limits, READ_BUFFER_BYTES, WRITE_BUFFER_BYTES, WRITE_BUFFER_BYTES_MAX};
use crate::rooms::{ConnectionId, Counters, Output, Rooms, ServedRooms};
use crate::socket;

/// A signaling server, apart from its listening socket.
pub struct Server {
    started: Instant,
    limits: Limits,
    state: Mutex<ServerState>,
}

struct ServerState {
    rooms: Rooms,
    queues: BTreeMap<ConnectionId, Queue>,
    is_shut: bool,
}

/// The sending end of a connection's queue.
struct Queue {
    sender: mpsc::Sender<Item>,
    bytes: Arc<AtomicUsize>,
}

/// The receiving end.
pub(crate) struct Inbox {
    pub(crate) receiver: mpsc::Receiver<Item>,
    pub(crate) bytes: Arc<AtomicUsize>,
}

/// What waits to be sent to one connection. After [`Item::Close`], or when the queue is gone, it closes.
pub(crate) enum Item {
    Text(Utf8Bytes),
    Ping,
    Close,
}

impl Server {
    /// A server with the ordinary bounds.
    pub fn new(served: ServedRooms) -> Arc<Self> {
        Self::with_limits(served, Limits::default())
    }

    /// A server with these bounds.
    pub fn with_limits(served: ServedRooms, limits: Limits) -> Arc<Self> {
        let rooms = Rooms::new(served, limits.clone());
        let state = ServerState { rooms, queues: BTreeMap::new(), is_shut: false };
        Arc::new(Self { started: Instant::now(), limits, state: Mutex::new(state) })
    }

    /// What the server has seen.
    pub fn counters(&self) -> Counters {
        self.lock().rooms.counters()
    }

    /// Closes every connection and takes no new one. Links that stand do not need the server any more.
    pub fn shut_down(&self) {
        let mut state = self.lock();
        state.is_shut = true;
        state.queues.clear();
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Finds a place for a connection.
    pub(crate) fn connect(&self, address: IpAddr) -> Result<(ConnectionId, Inbox), ErrorCode> {
        let now = self.now();
        let mut state = self.lock();
        if state.is_shut {
            return Err(ErrorCode::ServerFull);
        }
        let id = state.rooms.handle_connect(now, address)?;
        let (sender, receiver) = mpsc::channel(self.limits.queue_messages_max);
        let bytes = Arc::new(AtomicUsize::new(0));
        state.queues.insert(id, Queue { sender, bytes: Arc::clone(&bytes) });
        Ok((id, Inbox { receiver, bytes }))
    }

    /// Hands something in and does what comes of it; the answer is when the connection wants to be called again.
    pub(crate) fn handle(&self, id: ConnectionId, input: Input<'_>) -> Option<Instant> {
        let now = self.now();
        let mut state = self.lock();
        match input {
            Input::Connected => {}
            Input::Text(text) => state.rooms.handle_text(now, id, text),
            Input::Alive => state.rooms.handle_alive(now, id),
            Input::Refused(why) => state.rooms.handle_refused(now, id, ErrorCode::Malformed, why),
            Input::Timeout => state.rooms.handle_timeout(now, id),
            Input::Disconnected => {
                state.queues.remove(&id);
                state.rooms.handle_disconnect(now, id);
            }
        }
        state.deliver(now, &self.limits);
        state.rooms.poll_timeout(id).map(|due| self.started + due)
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, ServerState> {
        // A panic elsewhere leaves rooms that are at worst a member short; to refuse all others would be worse.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What can happen to a connection.
pub(crate) enum Input<'a> {
    Connected,
    Text(&'a str),
    Alive,
    Refused(&'a str),
    Timeout,
    Disconnected,
}

impl ServerState {
    /// Moves the outputs into the queues.
    fn deliver(&mut self, now: Duration, limits: &Limits) {
        let mut full = VecDeque::new();
        loop {
            while let Some(output) = self.rooms.poll_output() {
                let (id, item) = match output {
                    Output::Send(id, message) => (id, Item::Text(encode(&message))),
                    Output::Ping(id) => (id, Item::Ping),
                    Output::Close(id) => (id, Item::Close),
                };
                let Some(queue) = self.queues.get(&id) else { continue };
                let is_last = matches!(item, Item::Close);
                if !queue.push(item, limits) {
                    full.push_back(id);
                }
                if is_last {
                    self.queues.remove(&id);
                }
            }
            // Those who leave now give the others something to hear, who may be full in turn.
            let Some(id) = full.pop_front() else { break };
            tracing::debug!(connection = id.0, "dropped: it does not read what it is sent");
            self.queues.remove(&id);
            self.rooms.handle_disconnect(now, id);
        }
    }
}

impl Queue {
    fn push(&self, item: Item, limits: &Limits) -> bool {
        let bytes = item.bytes();
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > limits.queue_bytes_max {
            return false;
        }
        self.sender.try_send(item).is_ok()
    }
}

impl Item {
    /// How much of the queue's bound it takes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Ping | Self::Close => 0,
        }
    }
}

/// The JSON text of a message.
pub(crate) fn encode(message: &ServerMessage) -> Utf8Bytes {
    serde_json::to_string(message).expect("a message is plain data, which JSON always encodes").into()
}

/// The route `/signaling`.
///
/// Serve it with `into_make_service_with_connect_info::<SocketAddr>()`; without that, all connections count as one
/// address.
pub fn router(server: Arc<Server>) -> Router {
    Router::new().route("/signaling", any(upgrade)).with_state(server)
}

async fn upgrade(
    State(server): State<Arc<Server>>,
    connect_info: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if !is_same_origin(&headers) {
        return (StatusCode::FORBIDDEN, "this page is not from this server\n").into_response();
    }
    let address = connect_info
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Extension(ConnectInfo(address))| address.ip());
    upgrade
        .max_message_size(SIGNALING_BYTES_MAX)
        .max_frame_size(SIGNALING_BYTES_MAX)
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
        .on_upgrade(move |socket| socket::serve(server, socket, address))
}

/// Whether the request comes from a page of this very server, or from no page at all.
///
/// A browser always names the page's origin; a native program names none. Any other page that a friend has open must not
/// be able to speak to a server in the friend's network.
pub fn is_same_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")));
    matches!((authority, host), (Some(authority), Some(host)) if authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_servers_pages_and_native_programs_may_connect() {
        let headers = |origin: Option<&'static str>| {
            let mut headers = HeaderMap::from_iter([(header::HOST, "192.168.1.7:8080".parse().unwrap())]);
            headers.extend(origin.map(|origin| (header::ORIGIN, origin.parse().unwrap())));
            headers
        };

        assert!(is_same_origin(&headers(None)));
        assert!(is_same_origin(&headers(Some("http://192.168.1.7:8080"))));
        assert!(is_same_origin(&headers(Some("https://192.168.1.7:8080"))), "behind a proxy with TLS");
        for other in ["null", "http://192.168.1.7", "http://192.168.1.7:8080.evil.example", "file://"] {
            assert!(!is_same_origin(&headers(Some(other))), "{other}");
        }
    }
}
