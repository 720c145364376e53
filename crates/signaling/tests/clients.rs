//! The server with real WebSocket clients, on a port of the system's choice.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use manyhands_signaling::bucket::Rate;
use manyhands_signaling::{Limits, ServedRooms, Server, router};
use manyhands_wire::RoomId;
use manyhands_wire::signaling::{ClientMessage, ErrorCode, SIGNALING_BYTES_MAX, ServerMessage};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Long enough for any machine; reached only where a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn two_friends_are_introduced_and_carry_payloads() {
    let (server, url) = start(Limits::default()).await;
    let mut liz = join(&url).await;
    let mut ann = Client::connect(&url).await;

    ann.say(&ClientMessage::Join { v: 1, room: ROOM }).await;
    assert_eq!(ann.hear().await, ServerMessage::Welcome { you: 2, members: vec![1] });
    assert_eq!(liz.hear().await, ServerMessage::Joined { member: 2 });
    ann.say(&ClientMessage::Send { to: 1, body: "aGVsbG8".into() }).await;
    assert_eq!(liz.hear().await, ServerMessage::From { from: 2, body: "aGVsbG8".into() });
    drop(ann);
    assert_eq!(liz.hear().await, ServerMessage::Left { member: 2 });

    assert_eq!(server.counters().relayed_frames, 1);
}

#[tokio::test]
async fn nonsense_is_answered_with_a_reason_and_a_close() {
    let (server, url) = start(Limits::default()).await;
    let nonsense = [
        Message::text("garbage"),
        Message::binary(vec![1, 2, 3]),
        Message::text(r#"{"type":"send","to":1,"body":"YQ"}"#),
        Message::text("x".repeat(SIGNALING_BYTES_MAX + 1)),
        Message::text("x".repeat(8 * SIGNALING_BYTES_MAX)),
    ];
    let count = nonsense.len() as u64;

    for message in nonsense {
        let mut client = Client::connect(&url).await;
        client.0.send(message).await.unwrap();

        match client.hear().await {
            ServerMessage::Error { code, .. } => assert_eq!(code, ErrorCode::Malformed),
            other => panic!("not an error: {other:?}"),
        }
        client.assert_closed().await;
    }

    assert_eq!((server.counters().refused, server.counters().members), (count, 0));
}

#[tokio::test]
async fn the_longest_payload_arrives_whole() {
    let (_server, url) = start(Limits::default()).await;
    let (mut liz, mut ann) = (join(&url).await, join(&url).await);
    assert_eq!(liz.hear().await, ServerMessage::Joined { member: 2 });
    let body = "A".repeat(manyhands_signaling::limits::BODY_BYTES_MAX);

    ann.say(&ClientMessage::Send { to: 1, body: body.clone() }).await;

    assert_eq!(liz.hear().await, ServerMessage::From { from: 2, body });
}

#[tokio::test]
async fn a_page_from_elsewhere_is_not_let_in() {
    let (_server, url) = start(Limits::default()).await;
    let mut request = url.as_str().into_client_request().unwrap();
    request.headers_mut().insert("origin", "http://evil.example".parse().unwrap());

    match connect_async(request).await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 403),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_member_who_does_not_read_is_dropped_and_the_others_stay() {
    let limits = Limits {
        queue_messages_max: 8,
        connection_rate: Rate { burst: u32::MAX, per_second: 0 },
        address_rate: Rate { burst: u32::MAX, per_second: 0 },
        ..Limits::default()
    };
    let (server, url) = start(limits).await;
    let sleeper = join(&url).await;
    let mut ann = join(&url).await;
    let body = "A".repeat(30_000);

    // The sleeper's system takes some megabytes before the server's queue grows.
    let mut sent = 0;
    while server.counters().members == 2 {
        ann.say(&ClientMessage::Send { to: 1, body: body.clone() }).await;
        sent += 1;
        assert!(sent < 2_000, "the sleeper is still a member");
        tokio::task::yield_now().await;
    }

    assert_eq!(ann.hear().await, ServerMessage::Left { member: 1 });
    drop(sleeper);
}

#[tokio::test]
async fn a_connection_that_never_joins_is_closed() {
    let limits = Limits { join_within: Duration::from_millis(50), ..Limits::default() };
    let (_server, url) = start(limits).await;
    let mut client = Client::connect(&url).await;

    assert!(matches!(client.hear().await, ServerMessage::Error { .. }));
    client.assert_closed().await;
}

#[tokio::test]
async fn a_silent_connection_is_pinged_and_a_dead_one_dropped() {
    let limits = Limits {
        ping_every: Duration::from_millis(20),
        silence_max: Duration::from_secs(2),
        ..Limits::default()
    };
    let (server, url) = start(limits).await;
    let mut alive = join(&url).await;
    let dead = join(&url).await;
    assert_eq!(alive.hear().await, ServerMessage::Joined { member: 2 });

    // Whoever reads answers pings by that alone; whoever does not read is as good as dead.
    assert_eq!(alive.hear().await, ServerMessage::Left { member: 2 });

    assert_eq!(server.counters().members, 1);
    drop(dead);
}

#[tokio::test]
async fn a_room_of_thirty_from_one_address_calls_all_round() {
    let (server, url) = start(Limits::default()).await;
    let mut friends = vec![];
    for _ in 0..30 {
        friends.push(join(&url).await);
    }

    // Each calls each with as many messages as a call with many candidates takes.
    let talks = friends.into_iter().enumerate().map(|(index, friend)| async move {
        let (mut write, mut read) = friend.0.split();
        let me = index as u32 + 1;
        let talk = async {
            for to in (1..=30).filter(|to| *to != me) {
                for _ in 0..12 {
                    let message = ClientMessage::Send { to, body: "A".repeat(300) };
                    write.send(Message::text(serde_json::to_string(&message).unwrap())).await.unwrap();
                }
            }
        };
        let listen = async {
            let mut heard = 0;
            while heard < 29 * 12 {
                match read.next().await.expect("the server keeps the friend").unwrap() {
                    Message::Text(text) if text.contains("\"from\"") => heard += 1,
                    _ => {}
                }
            }
        };
        timeout(PATIENCE, futures_util::future::join(talk, listen)).await.expect("all is heard in time");
        // A friend that hung up now might take its last words with it.
        (write, read)
    });
    let friends = futures_util::future::join_all(talks).await;

    assert_eq!(server.counters().relayed_frames, 30 * 29 * 12);
    assert_eq!(server.counters().refused, 0);
    drop(friends);
}

#[tokio::test]
async fn a_server_that_shuts_down_closes_all() {
    let (server, url) = start(Limits::default()).await;
    let mut liz = join(&url).await;

    server.shut_down();

    liz.assert_closed().await;
    let mut late = Client::connect(&url).await;
    assert!(matches!(late.hear().await, ServerMessage::Error { code: ErrorCode::ServerFull, .. }));
}

const ROOM: RoomId = RoomId([5; 16]);

struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    async fn connect(url: &str) -> Self {
        Self(connect_async(url).await.expect("the server accepts").0)
    }

    async fn say(&mut self, message: &ClientMessage) {
        self.0.send(Message::text(serde_json::to_string(message).unwrap())).await.expect("the server reads");
    }

    async fn hear(&mut self) -> ServerMessage {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("something is said in time") {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("not a message: {other:?}"),
            }
        }
    }

    async fn assert_closed(&mut self) {
        match timeout(PATIENCE, self.0.next()).await.expect("it is closed in time") {
            None | Some(Ok(Message::Close(_)) | Err(_)) => {}
            Some(Ok(other)) => panic!("still open: {other:?}"),
        }
    }
}

async fn start(limits: Limits) -> (Arc<Server>, String) {
    let server = Server::with_limits(ServedRooms::Any, limits);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/signaling", listener.local_addr().unwrap());
    let service = router(Arc::clone(&server)).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    (server, url)
}

async fn join(url: &str) -> Client {
    let mut client = Client::connect(url).await;
    client.say(&ClientMessage::Join { v: 1, room: ROOM }).await;
    assert!(matches!(client.hear().await, ServerMessage::Welcome { .. }));
    client
}
