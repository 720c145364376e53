//! One WebSocket: waits for one thing, converts it, hands it to the server, and sends what is in the queue.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use manyhands_wire::signaling::{ErrorCode, ServerMessage};
use tokio::time::{Instant, sleep_until, timeout};

use crate::server::{Inbox, Input, Item, Server, encode};

/// How long a connection that is closed may take to say goodbye. Its last words are read and dropped: to close a TCP
/// connection with unread bytes would take away the message that says why.
const GOODBYE: Duration = Duration::from_secs(1);

/// Serves a connection to its end.
pub(crate) async fn serve(server: Arc<Server>, mut socket: WebSocket, address: IpAddr) {
    match server.connect(address) {
        Ok((id, inbox)) => {
            let farewell = Farewell { server: &server, id };
            run(&server, id, inbox, &mut socket).await;
            drop(farewell);
        }
        Err(code) => {
            let message = match code {
                ErrorCode::TooFast => "too many connections from this address",
                ErrorCode::ServerFull
                | ErrorCode::Version
                | ErrorCode::Malformed
                | ErrorCode::NoSuchRoom
                | ErrorCode::RoomFull => "this server has as many connections as it takes",
            };
            let text = encode(&ServerMessage::Error { code, message: message.to_owned() });
            let _ = timeout(GOODBYE, socket.send(Message::Text(text))).await;
        }
    }
    say_goodbye(socket).await;
}

/// Forgets the connection however its task ends.
struct Farewell<'a> {
    server: &'a Server,
    id: crate::rooms::ConnectionId,
}

impl Drop for Farewell<'_> {
    fn drop(&mut self) {
        self.server.handle(self.id, Input::Disconnected);
    }
}

async fn run(server: &Server, id: crate::rooms::ConnectionId, mut inbox: Inbox, socket: &mut WebSocket) {
    let mut due = server.handle(id, Input::Connected);
    loop {
        let wake_up = due.unwrap_or_else(|| Instant::now() + GOODBYE);
        tokio::select! {
            // What is to be sent goes first, so that the reason for a close is not overtaken by more input.
            biased;
            item = inbox.receiver.recv() => {
                let Some(item) = item else { return };
                let bytes = item.bytes();
                let message = match item {
                    Item::Text(text) => Message::Text(text),
                    Item::Ping => Message::Ping(Default::default()),
                    Item::Close => return,
                };
                match timeout(server.limits().write_within, socket.send(message)).await {
                    Ok(Ok(())) => inbox.bytes.fetch_sub(bytes, Ordering::Relaxed),
                    Ok(Err(_)) | Err(_) => return,
                };
            }
            message = socket.recv() => {
                due = match message {
                    Some(Ok(Message::Text(text))) => server.handle(id, Input::Text(&text)),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => server.handle(id, Input::Alive),
                    Some(Ok(Message::Binary(_))) => server.handle(id, Input::Refused("messages here are text")),
                    Some(Ok(Message::Close(_))) | None => return,
                    // A message that is too long ends up here; where the connection broke, nobody hears it.
                    Some(Err(_)) => {
                        server.handle(id, Input::Refused("a message that is too long or damaged"));
                        return send_the_rest(server, inbox, socket).await;
                    }
                };
            }
            () = sleep_until(wake_up) => due = server.handle(id, Input::Timeout),
        }
    }
}

/// After a read failed: sends what is left, reads no more.
async fn send_the_rest(server: &Server, mut inbox: Inbox, socket: &mut WebSocket) {
    while let Some(Item::Text(text)) = inbox.receiver.recv().await {
        match timeout(server.limits().write_within, socket.send(Message::Text(text))).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

async fn say_goodbye(mut socket: WebSocket) {
    let farewell = async {
        socket.send(Message::Close(None)).await.ok()?;
        while socket.recv().await.is_some_and(|message| message.is_ok()) {}
        Some(())
    };
    let _ = timeout(GOODBYE, farewell).await;
}
