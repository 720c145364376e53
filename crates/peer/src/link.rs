//! One link: a task that owns one connection from the dial to the last byte.
//!
//! Life of a link: it describes itself, waits for the channel to open (a dial that takes longer than [`DIAL_TIMEOUT`] is
//! given up), then carries messages both ways until the node hangs up, the other side closes, or an error ends it.
//! After [`Link::hang_up`] what was sent before still leaves, for at most [`FLUSH_MAX`]; then the connection is closed.
//!
//! Chromium now and then loses a message that arrives just while the caller's channel opens (measured: 2 of 314 times). So
//! an answered link counts as open when the caller's first message is there, by which time the caller's channel is
//! surely open, or after [`QUIET_MAX`].
//!
//! The node's loop never waits for a link: [`Link::give`] puts an order on the link's bounded queue or fails, and the
//! caller then hangs up. Reading and writing go on side by side, so two peers that both wait for room to send still
//! read each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use manyhands_core::io::DIAL_TIMEOUT;
use manyhands_core::{LinkEvent, LinkId};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::transport::{Transport, TransportError, TransportEvent, Transports};

/// The most orders that wait in one link.
const ORDERS_MAX: usize = 1024;
/// The most bytes of messages that wait in one link.
const QUEUED_BYTES_MAX: usize = 4 << 20;
/// How many events of a transport wait for its link.
const TRANSPORT_EVENTS_MAX: usize = 64;
/// How many remote candidates wait for the remote description.
const EARLY_CANDIDATES_MAX: usize = 64;
/// How long an answered link waits for the caller to speak first (guess: many round trips).
const QUIET_MAX: Duration = Duration::from_millis(500);
/// How long what was sent before a hang-up has to leave.
const FLUSH_MAX: Duration = Duration::from_secs(1);

/// Which side of the connection this node is.
#[derive(Clone, Debug)]
pub(crate) enum Role {
    /// It creates the channel and offers.
    Dial,
    /// It answers this offer.
    Answer(String),
}

/// What a link is to do.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    /// The remote answer has come.
    Answered(String),
    /// A remote candidate has come.
    Candidate(String),
    /// Send a message.
    Send(Vec<u8>),
}

/// The link's queue is over its bound, or its connection is gone.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("the link takes no more: its queue is full or its connection is gone")]
pub(crate) struct Refused;

/// The node's end of a link. Dropping it hangs up.
#[derive(Debug)]
pub(crate) struct Link {
    orders: mpsc::Sender<Order>,
    queued_bytes: Arc<AtomicUsize>,
    _on_the_line: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Link {
    /// Starts a link that reports to `inbox`.
    pub(crate) fn start(
        id: LinkId,
        role: Role,
        transports: Arc<dyn Transports>,
        inbox: mpsc::Sender<(LinkId, LinkEvent)>,
    ) -> Self {
        let (orders, orders_rx) = mpsc::channel(ORDERS_MAX);
        let (on_the_line, hung_up) = oneshot::channel();
        let queued_bytes = Arc::new(AtomicUsize::new(0));
        let task = Task { id, inbox, queued_bytes: queued_bytes.clone(), opened: AtomicBool::new(false) };
        let task = tokio::spawn(task.run(role, transports, orders_rx, hung_up));
        Self { orders, queued_bytes, _on_the_line: on_the_line, task }
    }

    /// Queues an order.
    ///
    /// # Errors
    /// [`Refused`]: hang up then.
    pub(crate) fn give(&self, order: Order) -> Result<(), Refused> {
        let bytes = order.bytes();
        if self.queued_bytes.load(Ordering::Relaxed) + bytes > QUEUED_BYTES_MAX {
            return Err(Refused);
        }
        self.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.orders.try_send(order).map_err(|_| Refused)
    }

    /// Closes the link once what was sent before has left. The task ends when the connection is closed.
    pub(crate) fn hang_up(self) -> JoinHandle<()> {
        self.task
    }
}

impl Order {
    fn bytes(&self) -> usize {
        match self {
            Self::Answered(text) | Self::Candidate(text) => text.len(),
            Self::Send(message) => message.len(),
        }
    }
}

/// Why a link ends.
enum End {
    /// The node hung up, or is gone.
    HungUp,
    /// The connection did not come about, or is gone.
    Lost(&'static str),
}

struct Task {
    id: LinkId,
    inbox: mpsc::Sender<(LinkId, LinkEvent)>,
    queued_bytes: Arc<AtomicUsize>,
    opened: AtomicBool,
}

impl Task {
    async fn run(
        self,
        role: Role,
        transports: Arc<dyn Transports>,
        orders: mpsc::Receiver<Order>,
        hung_up: oneshot::Receiver<()>,
    ) {
        let is_answered = matches!(role, Role::Answer(_));
        let (events_tx, mut events) = mpsc::channel(TRANSPORT_EVENTS_MAX);
        let transport = match transports.open(events_tx).await {
            Ok(transport) => transport,
            Err(error) => {
                tracing::warn!(link = self.id.0, %error, "no connection");
                self.tell(LinkEvent::Closed).await;
                return;
            }
        };

        let end = tokio::select! {
            end = self.write(&*transport, role, orders) => end,
            end = self.read(&mut events, is_answered) => end,
            end = self.give_up(hung_up) => end,
        };

        // The transport is closed at once, and the node hears of it at once: neither waits for the other.
        drop(events);
        match end {
            End::HungUp => transport.close().await,
            End::Lost(why) => {
                tracing::debug!(link = self.id.0, why, "a link is lost");
                tokio::join!(self.tell(LinkEvent::Closed), transport.close());
            }
        }
    }

    /// Describes the link, then does what is ordered, until the node hangs up and all has left.
    async fn write(&self, transport: &dyn Transport, role: Role, mut orders: mpsc::Receiver<Order>) -> End {
        let mut is_described = matches!(role, Role::Answer(_));
        let description = match role {
            Role::Dial => transport.offer().await,
            Role::Answer(offer) => transport.answer(offer).await,
        };
        match description {
            Ok(sdp) => self.tell(LinkEvent::Described(sdp)).await,
            Err(error) => return self.lost(&error, "could not be described"),
        }

        let mut early = Vec::new();
        while let Some(order) = orders.recv().await {
            let bytes = order.bytes();
            match order {
                Order::Answered(answer) => {
                    if let Err(error) = transport.accept_answer(answer).await {
                        return self.lost(&error, "did not understand the answer");
                    }
                    is_described = true;
                    for candidate in early.drain(..) {
                        transport.add_candidate(candidate).await;
                    }
                }
                Order::Candidate(candidate) if is_described => transport.add_candidate(candidate).await,
                Order::Candidate(candidate) => {
                    if early.len() < EARLY_CANDIDATES_MAX {
                        early.push(candidate);
                    }
                }
                Order::Send(message) => {
                    if let Err(error) = transport.send(message).await {
                        return self.lost(&error, "could not send");
                    }
                }
            }
            self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        if self.opened.load(Ordering::Relaxed) {
            let _ = timeout(FLUSH_MAX, transport.flush()).await;
        }
        End::HungUp
    }

    /// Passes on what the transport reports, until it is closed.
    async fn read(&self, events: &mut mpsc::Receiver<TransportEvent>, is_answered: bool) -> End {
        // Until when an answered link, whose channel is open, waits for the caller to speak.
        let mut quiet_until = None;
        loop {
            let quiet = async {
                match quiet_until {
                    Some(end) => sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            let event = tokio::select! {
                event = events.recv() => event,
                () = quiet => {
                    quiet_until = None;
                    self.tell(LinkEvent::Opened).await;
                    continue;
                }
            };
            match event {
                Some(TransportEvent::Candidate(candidate)) => {
                    self.tell(LinkEvent::Candidate(candidate)).await
                }
                Some(TransportEvent::Opened) => {
                    self.opened.store(true, Ordering::Relaxed);
                    if is_answered {
                        quiet_until = Some(Instant::now() + QUIET_MAX);
                    } else {
                        self.tell(LinkEvent::Opened).await;
                    }
                }
                Some(TransportEvent::Received(message)) => {
                    if quiet_until.take().is_some() {
                        self.tell(LinkEvent::Opened).await;
                    }
                    self.tell(LinkEvent::Received(message)).await;
                }
                Some(TransportEvent::Closed) | None => break,
            }
        }
        End::Lost("closed by the other side, or by the network")
    }

    /// Ends a dial that takes too long, and a hang-up whose flush takes too long.
    async fn give_up(&self, hung_up: oneshot::Receiver<()>) -> End {
        tokio::pin!(hung_up);
        if timeout(DIAL_TIMEOUT, &mut hung_up).await.is_err() {
            if !self.opened.load(Ordering::Relaxed) {
                return End::Lost("not open in time");
            }
            let _ = hung_up.await;
        }
        sleep(FLUSH_MAX).await;
        End::HungUp
    }

    fn lost(&self, error: &TransportError, why: &'static str) -> End {
        tracing::debug!(link = self.id.0, %error, why, "a link fails");
        End::Lost(why)
    }

    /// Waits while the node is busy: that is what slows the sender on the other side. A node that is gone hears nothing.
    async fn tell(&self, event: LinkEvent) {
        let _ = self.inbox.send((self.id, event)).await;
    }
}

#[cfg(test)]
mod tests;
