//! The way to the signaling server: a WebSocket that is opened again, with back-off, whenever it closes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use manyhands_core::SignalingEvent;
use manyhands_wire::signaling::{ClientMessage, ServerMessage};
use wasm_bindgen::JsCast as _;
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
                if let Ok(message) = serde_json::from_str::<ServerMessage>(&text) {
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
