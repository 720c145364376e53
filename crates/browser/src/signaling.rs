//! The way to the signaling server: a WebSocket that is opened again, with back-off, whenever it closes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{Array, JSON, Reflect};
use manyhands_core::SignalingEvent;
use manyhands_wire::signaling::{ClientMessage, ErrorCode, Member, ServerMessage};
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{Event, MessageEvent, WebSocket};

use crate::listen::Listener;
use crate::timer::Alarm;

/// The first wait before another attempt, in milliseconds; it doubles with each failure (guess).
const BACK_OFF_MS_MIN: u32 = 500;
/// The longest wait, in milliseconds (guess).
const BACK_OFF_MS_MAX: u32 = 20_000;

/// The connection to the signaling server, closed when dropped.
pub struct Signaling(Rc<Inner>);

struct Inner {
    url: String,
    tell: Box<dyn Fn(SignalingEvent)>,
    socket: RefCell<Option<Socket>>,
    wait_ms: Cell<u32>,
    again: RefCell<Option<Alarm>>,
}

struct Socket {
    socket: WebSocket,
    _listeners: [Listener; 3],
}

impl Signaling {
    /// Connects to `url` and keeps at it.
    pub fn connect(url: String, tell: impl Fn(SignalingEvent) + 'static) -> Self {
        let inner = Rc::new(Inner {
            url,
            tell: Box::new(tell),
            socket: RefCell::default(),
            wait_ms: Cell::new(BACK_OFF_MS_MIN),
            again: RefCell::default(),
        });
        inner.open();
        Self(inner)
    }

    /// Sends a message; drops it if there is no connection.
    pub fn send(&self, message: &ClientMessage) {
        if let Some(socket) = &*self.0.socket.borrow()
            && socket.socket.ready_state() == WebSocket::OPEN
            && let Some(json) = crate::json::to_json(message)
        {
            let _ = socket.socket.send_with_str(&json);
        }
    }
}

impl Drop for Signaling {
    fn drop(&mut self) {
        drop(self.0.again.take());
        drop(self.0.socket.take());
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = self.socket.close();
    }
}

impl Inner {
    fn open(self: &Rc<Self>) {
        let Ok(socket) = WebSocket::new(&self.url) else {
            self.try_again();
            return;
        };
        let listeners = [
            self.on(&socket, "open", |inner, _| (inner.tell)(SignalingEvent::Connected)),
            self.on(&socket, "message", |inner, event| {
                let text = event.unchecked_into::<MessageEvent>().data().as_string().unwrap_or_default();
                // A message this build does not know is of a newer server: passed over.
                if let Some(message) = read(&text) {
                    // Only a welcome is a success: a server that refuses is asked less and less often.
                    if matches!(message, ServerMessage::Welcome { .. }) {
                        inner.wait_ms.set(BACK_OFF_MS_MIN);
                    }
                    (inner.tell)(SignalingEvent::Message(message));
                }
            }),
            // A failed attempt ends in this event too.
            self.on(&socket, "close", |inner, _| {
                drop(inner.socket.take());
                (inner.tell)(SignalingEvent::Disconnected);
                inner.try_again();
            }),
        ];
        *self.socket.borrow_mut() = Some(Socket { socket, _listeners: listeners });
    }

    fn try_again(self: &Rc<Self>) {
        let wait_ms = self.wait_ms.get();
        self.wait_ms.set((wait_ms * 2).min(BACK_OFF_MS_MAX));
        let weak = Rc::downgrade(self);
        // Up to a half is left to chance, so that a room does not come back all at once.
        let wait_ms = wait_ms - (js_sys::Math::random() * f64::from(wait_ms / 2)) as u32;
        let again = Alarm::new(wait_ms, move || {
            if let Some(inner) = weak.upgrade() {
                inner.open();
            }
        });
        drop(self.again.replace(Some(again)));
    }

    fn on(self: &Rc<Self>, socket: &WebSocket, name: &'static str, react: fn(&Rc<Self>, Event)) -> Listener {
        let weak = Rc::downgrade(self);
        Listener::new(socket, name, move |event| {
            if let Some(inner) = weak.upgrade() {
                react(&inner, event);
            }
        })
    }
}

/// The words for why a server refuses.
const ERROR_CODES: [(&str, ErrorCode); 6] = [
    ("version", ErrorCode::Version),
    ("malformed", ErrorCode::Malformed),
    ("no-such-room", ErrorCode::NoSuchRoom),
    ("room-full", ErrorCode::RoomFull),
    ("server-full", ErrorCode::ServerFull),
    ("too-fast", ErrorCode::TooFast),
];

/// A message of the server. The browser takes JSON apart, and a parser of our own stays out of the download: this is all that the
/// page ever reads in that form.
fn read(text: &str) -> Option<ServerMessage> {
    let json = JSON::parse(text).ok()?;
    let field = |name: &str| Reflect::get(&json, &name.into()).ok();
    let text = |name: &str| field(name)?.as_string();
    let number = |name: &str| member(&field(name)?);
    Some(match text("type")?.as_str() {
        "welcome" => {
            let members: Array = field("members")?.dyn_into().ok()?;
            let members = members.iter().map(|value| member(&value)).collect::<Option<_>>()?;
            ServerMessage::Welcome { you: number("you")?, members }
        }
        "joined" => ServerMessage::Joined { member: number("member")? },
        "left" => ServerMessage::Left { member: number("member")? },
        "from" => ServerMessage::From { from: number("from")?, body: text("body")? },
        "error" => {
            let word = text("code")?;
            let (_, code) = ERROR_CODES.into_iter().find(|(known, _)| *known == word)?;
            ServerMessage::Error { code, message: text("message")? }
        }
        _ => return None,
    })
}

fn member(value: &JsValue) -> Option<Member> {
    let number = value.as_f64()?;
    let member = number as Member;
    (f64::from(member) == number).then_some(member)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_server_refuses_is_known_by_the_words_of_the_wire() {
        for (word, code) in ERROR_CODES {
            assert_eq!(serde_json::to_string(&code).unwrap(), format!("\"{word}\""));
        }
    }
}
