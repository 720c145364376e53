//! The way to a signaling server: a WebSocket that is opened again whenever it is lost.
//!
//! Attempts are [`BACK_OFF_MIN`] apart at first, then twice as long each time up to [`BACK_OFF_MAX`], each shortened at
//! random by up to a half so that a server that comes back is not stormed. The series begins anew once a server has said
//! welcome. A connection that says nothing for [`SILENCE_MAX`], although it was pinged, is given up.
//!
//! Each connection has a queue of its own, handed over with [`SignalingNews::Connected`]: what was meant for a former
//! connection never reaches the next. A node may know several servers: each has a task of its own, which reports under the
//! number that the node gave the server.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use manyhands_core::ServerId;
use manyhands_wire::signaling::{ClientMessage, SIGNALING_BYTES_MAX, ServerMessage};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// The first pause between two attempts.
const BACK_OFF_MIN: Duration = Duration::from_millis(200);
/// The longest pause between two attempts.
const BACK_OFF_MAX: Duration = Duration::from_secs(10);
/// How long an attempt may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long a connection may be silent before it is pinged.
const PING_AFTER: Duration = Duration::from_secs(20);
/// How long a connection may be silent before it is given up.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// How long a message may take to leave.
const SEND_MAX: Duration = Duration::from_secs(10);
/// How long the last words may take.
const CLOSE_MAX: Duration = Duration::from_millis(300);
/// How many messages wait to be sent.
pub(crate) const OUTGOING_MAX: usize = 256;
/// Messages are short and few: small buffers do.
const SOCKET_BUFFER_BYTES: usize = 4 * 1024;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What happens on the way to the server.
#[derive(Debug)]
pub(crate) enum SignalingNews {
    /// There is a connection; this is its queue.
    Connected(mpsc::Sender<ClientMessage>),
    /// The server said something.
    Message(ServerMessage),
    /// The connection is gone.
    Disconnected,
    /// There is no connection, and why, for people.
    Failed(String),
}

/// News of one of the servers.
pub(crate) type ServerNews = (ServerId, SignalingNews);

/// The task that keeps the connection.
#[derive(Debug)]
pub(crate) struct Signaling {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Signaling {
    /// Connects to `url` and reports to `news` as the server of this number.
    pub(crate) fn start(server: ServerId, url: String, news: mpsc::Sender<ServerNews>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(keep_connected(server, url, news, stopped));
        Self { stop, task }
    }

    /// Closes the connection politely. The task that is left ends within a moment.
    pub(crate) fn stop(self) -> JoinHandle<()> {
        drop(self.stop);
        self.task
    }
}

/// Why a conversation ended.
enum End {
    /// The connection is lost; whether the server had said welcome.
    Lost { was_welcome: bool },
    /// The node stops.
    Stopped,
}

async fn keep_connected(
    server: ServerId,
    url: String,
    news: mpsc::Sender<ServerNews>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut back_off = BACK_OFF_MIN;
    loop {
        let attempt = tokio::select! {
            attempt = connect(&url) => attempt,
            _ = &mut stopped => return,
        };
        match attempt {
            Ok(socket) => match converse(server, socket, &news, &mut stopped).await {
                End::Lost { was_welcome } => {
                    if was_welcome {
                        back_off = BACK_OFF_MIN;
                    }
                    if news.send((server, SignalingNews::Disconnected)).await.is_err() {
                        return;
                    }
                }
                End::Stopped => return,
            },
            Err(why) => {
                tracing::debug!(url, why, "no signaling server");
                if news.send((server, SignalingNews::Failed(why))).await.is_err() {
                    return;
                }
            }
        }
        tokio::select! {
            () = sleep(jittered(back_off)) => {}
            _ = &mut stopped => return,
        }
        back_off = (back_off * 2).min(BACK_OFF_MAX);
    }
}

/// Opens a connection, or says for people why there is none.
async fn connect(url: &str) -> Result<Socket, String> {
    let config = WebSocketConfig::default()
        .read_buffer_size(SOCKET_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * SIGNALING_BYTES_MAX)
        .max_message_size(Some(SIGNALING_BYTES_MAX))
        .max_frame_size(Some(SIGNALING_BYTES_MAX));
    match timeout(CONNECT_MAX, connect_async_with_config(url, Some(config), true)).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", CONNECT_MAX.as_secs())),
    }
}

/// One connection, from its opening to its end.
async fn converse(
    server: ServerId,
    mut socket: Socket,
    news: &mpsc::Sender<ServerNews>,
    stopped: &mut oneshot::Receiver<()>,
) -> End {
    let (outgoing_tx, mut outgoing) = mpsc::channel(OUTGOING_MAX);
    if news.send((server, SignalingNews::Connected(outgoing_tx))).await.is_err() {
        return End::Stopped;
    }
    let mut was_welcome = false;
    let mut heard_at = Instant::now();
    let mut pinged_at = heard_at;
    loop {
        let ping_at = heard_at.max(pinged_at) + PING_AFTER;
        let to_send = tokio::select! {
            received = socket.next() => {
                heard_at = Instant::now();
                match received {
                    Some(Ok(Message::Text(text))) => {
                        match serde_json::from_str::<ServerMessage>(&text) {
                            Ok(message) => {
                                was_welcome |= matches!(message, ServerMessage::Welcome { .. });
                                if news.send((server, SignalingNews::Message(message))).await.is_err() {
                                    return End::Stopped;
                                }
                            }
                            Err(error) => tracing::debug!(%error, "the signaling server said something unknown"),
                        }
                        continue;
                    }
                    // The library answers pings by itself.
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => continue,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return End::Lost { was_welcome },
                }
            }
            message = outgoing.recv() => match message.map(|message| serde_json::to_string(&message)) {
                Some(Ok(json)) => Message::text(json),
                Some(Err(error)) => {
                    tracing::error!(%error, "a signaling message that is no JSON");
                    continue;
                }
                // The node has dropped the queue: it hears nothing more, so there is nothing to say either.
                None => Message::Close(None),
            },
            () = sleep_until(ping_at) => {
                pinged_at = Instant::now();
                Message::Ping(Default::default())
            }
            () = sleep_until(heard_at + SILENCE_MAX) => return End::Lost { was_welcome },
            _ = &mut *stopped => {
                let _ = timeout(CLOSE_MAX, socket.close(None)).await;
                return End::Stopped;
            }
        };
        let is_close = to_send.is_close();
        if !matches!(timeout(SEND_MAX, socket.send(to_send)).await, Ok(Ok(()))) || is_close {
            return End::Lost { was_welcome };
        }
    }
}

/// A half to the whole of `pause`, at random.
fn jittered(pause: Duration) -> Duration {
    // Without randomness from the system the pause is merely the same for all.
    let random = getrandom::u32().unwrap_or(u32::MAX);
    pause.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use manyhands_wire::RoomId;
    use manyhands_wire::signaling::SIGNALING_VERSION;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    const ROOM: RoomId = RoomId([5; 16]);

    const SERVER: ServerId = ServerId(7);

    async fn next(news: &mut mpsc::Receiver<ServerNews>) -> SignalingNews {
        let (server, news) = timeout(Duration::from_secs(20), news.recv()).await.unwrap().unwrap();
        assert_eq!(server, SERVER);
        news
    }

    /// Takes one connection, welcomes it, says nonsense, and is gone.
    async fn serve_once(listener: &TcpListener) -> String {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        let join = socket.next().await.unwrap().unwrap();
        let welcome = serde_json::to_string(&ServerMessage::Welcome { you: 1, members: vec![] }).unwrap();
        socket.send(Message::text("nonsense")).await.unwrap();
        socket.send(Message::text(welcome)).await.unwrap();
        join.to_string()
    }

    #[tokio::test]
    async fn a_lost_connection_is_opened_again_and_old_messages_stay_behind() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/signaling", listener.local_addr().unwrap());
        let (news_tx, mut news) = mpsc::channel(8);
        let join = ClientMessage::Join { v: SIGNALING_VERSION, room: ROOM };

        let signaling = Signaling::start(SERVER, url, news_tx);
        let mut former = None;
        for _ in 0..2 {
            let served = serve_once(&listener);
            let talk = async {
                let SignalingNews::Connected(outgoing) = next(&mut news).await else {
                    panic!("connected first")
                };
                if let Some(former) = former.replace(outgoing.clone()) {
                    assert!(former.try_send(join.clone()).is_err());
                }
                outgoing.try_send(join.clone()).unwrap();
                assert!(matches!(
                    next(&mut news).await,
                    SignalingNews::Message(ServerMessage::Welcome { .. })
                ));
                assert!(matches!(next(&mut news).await, SignalingNews::Disconnected));
            };
            let (received, ()) = tokio::join!(served, talk);
            assert_eq!(received, serde_json::to_string(&join).unwrap());
        }

        timeout(Duration::from_secs(2), signaling.stop()).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_secure_address_is_spoken_to_in_tls() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("wss://{}/signaling", listener.local_addr().unwrap());
        let (news_tx, _news) = mpsc::channel(8);

        let signaling = Signaling::start(SERVER, url, news_tx);

        let (mut stream, _) = listener.accept().await.unwrap();
        // The content type of a TLS record that carries a handshake (RFC 8446, section 5.1).
        assert_eq!(stream.read_u8().await.unwrap(), 22);
        timeout(Duration::from_secs(2), signaling.stop()).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_server_that_is_no_signaling_server_is_told_of_until_there_is_one() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/signaling", listener.local_addr().unwrap());
        let (news_tx, mut news) = mpsc::channel(8);

        let signaling = Signaling::start(SERVER, url, news_tx);
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 16];
        stream.read_exact(&mut head).await.unwrap();
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await.unwrap();

        let SignalingNews::Failed(why) = next(&mut news).await else { panic!("it is told first") };
        assert!(why.contains("403"), "{why:?}");
        let (stream, _) = listener.accept().await.unwrap();
        let _socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        assert!(matches!(next(&mut news).await, SignalingNews::Connected(_)));
        timeout(Duration::from_secs(2), signaling.stop()).await.unwrap().unwrap();
    }

    #[test]
    fn pauses_are_shortened_by_a_half_at_most() {
        for _ in 0..100 {
            let pause = jittered(BACK_OFF_MAX);
            assert!(BACK_OFF_MAX / 2 <= pause && pause <= BACK_OFF_MAX, "{pause:?}");
        }
    }
}
