//! The signaling servers that the node knows at present: one task each, and what is told of them outside.

use std::collections::BTreeMap;

use manyhands_core::invite::signaling_url;
use manyhands_core::{ServerId, SignalingEvent};
use manyhands_wire::signaling::ClientMessage;
use tokio::sync::{mpsc, watch};

use crate::signaling::{ServerNews, Signaling, SignalingNews};

/// How it stands with a signaling server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ServerState {
    /// It was not reached yet, or was lost a moment ago.
    #[default]
    Connecting,
    /// There is a connection to it.
    Connected,
    /// The last attempt to reach it failed, and why, for people. It is tried again.
    Failed(String),
}

/// The servers that a node knows at present, by their addresses.
pub type ServerStates = BTreeMap<String, ServerState>;

/// One server.
#[derive(Debug)]
struct Server {
    address: String,
    signaling: Signaling,
    /// The queue of the present connection.
    queue: Option<mpsc::Sender<ClientMessage>>,
}

/// All servers.
#[derive(Debug)]
pub(crate) struct Servers {
    servers: BTreeMap<ServerId, Server>,
    news: mpsc::Sender<ServerNews>,
    states: watch::Sender<ServerStates>,
}

impl Servers {
    /// None yet. Their tasks will report to `news`.
    pub(crate) fn new(news: mpsc::Sender<ServerNews>) -> (Self, watch::Receiver<ServerStates>) {
        let (states, watcher) = watch::channel(ServerStates::new());
        (Self { servers: BTreeMap::new(), news, states }, watcher)
    }

    /// Connects to the server at this address, and keeps at it.
    pub(crate) fn connect(&mut self, id: ServerId, address: String) {
        let signaling = Signaling::start(id, signaling_url(&address), self.news.clone());
        self.note(address.clone(), ServerState::Connecting);
        self.servers.insert(id, Server { address, signaling, queue: None });
    }

    /// Closes the connection to a server, and forgets it.
    pub(crate) fn disconnect(&mut self, id: ServerId) {
        if let Some(server) = self.servers.remove(&id) {
            self.states.send_modify(|states| {
                states.remove(&server.address);
            });
            // It ends by itself.
            drop(server.signaling.stop());
        }
    }

    /// Sends a message, if there is a connection to take it.
    pub(crate) fn send(&self, id: ServerId, message: ClientMessage) {
        let queue = self.servers.get(&id).and_then(|server| server.queue.as_ref());
        if queue.is_some_and(|queue| queue.try_send(message).is_err()) {
            tracing::debug!("a signaling message is dropped: the queue is full or the connection is lost");
        }
    }

    /// Takes note of what happened, and says what the node is to be told.
    pub(crate) fn on_news(&mut self, id: ServerId, news: SignalingNews) -> Option<SignalingEvent> {
        // A server that was left may still have had something to say.
        let server = self.servers.get_mut(&id)?;
        let (state, event) = match news {
            SignalingNews::Connected(queue) => {
                server.queue = Some(queue);
                (ServerState::Connected, SignalingEvent::Connected)
            }
            SignalingNews::Message(message) => return Some(SignalingEvent::Message(message)),
            SignalingNews::Disconnected => {
                server.queue = None;
                (ServerState::Connecting, SignalingEvent::Disconnected)
            }
            SignalingNews::Failed(why) => {
                let address = server.address.clone();
                self.note(address, ServerState::Failed(why));
                return None;
            }
        };
        let address = server.address.clone();
        self.note(address, state);
        Some(event)
    }

    /// Closes all connections politely, for a moment at most.
    pub(crate) async fn stop(self) {
        let tasks: Vec<_> = self.servers.into_values().map(|server| server.signaling.stop()).collect();
        for task in tasks {
            let _ = task.await;
        }
    }

    fn note(&self, address: String, state: ServerState) {
        self.states.send_modify(|states| {
            states.insert(address, state);
        });
    }
}
