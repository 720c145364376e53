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
//! read each other. Bulk has queues of its own all the way, so that the protocol waits for none of it; what of it has not left
//! at the hang-up stays.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use manyhands_core::io::DIAL_TIMEOUT;
use manyhands_core::{LinkEvent, LinkId};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::transport::{Reports, Transport, TransportError, TransportEvent, Transports};

/// The most orders that wait in one link.
const ORDERS_MAX: usize = 1024;
/// The most bytes of messages that wait in one link.
const QUEUED_BYTES_MAX: usize = 4 << 20;
/// The most messages in bulk that wait in one link: it is their bytes that count, but small ones must end somewhere too.
const BULK_ORDERS_MAX: usize = 16 * 1024;
/// The most bytes of messages in bulk that wait in one link. The node keeps itself to far less.
const BULK_QUEUED_BYTES_MAX: usize = 8 << 20;
/// How many events of a transport wait for its link.
const TRANSPORT_EVENTS_MAX: usize = 64;
/// How many messages in bulk wait for the link of their transport.
const TRANSPORT_BULK_MAX: usize = 4;
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

/// Where links report to. Both queues are bounded: a node that is busy slows the other side down.
#[derive(Clone, Debug)]
pub(crate) struct Inbox {
    /// For all but bulk.
    pub(crate) events: mpsc::Sender<(LinkId, LinkEvent)>,
    /// For [`LinkEvent::ReceivedBulk`] and [`LinkEvent::SentBulk`].
    pub(crate) bulk: mpsc::Sender<(LinkId, LinkEvent)>,
}

/// The link's queue is over its bound, or its connection is gone.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("the link takes no more: its queue is full or its connection is gone")]
pub(crate) struct Refused;

/// The node's end of a link. Dropping it hangs up.
#[derive(Debug)]
pub(crate) struct Link {
    orders: Queue<Order>,
    bulk: Queue<Vec<u8>>,
    _on_the_line: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Link {
    /// Starts a link that reports to `inbox`.
    pub(crate) fn start(id: LinkId, role: Role, transports: Arc<dyn Transports>, inbox: Inbox) -> Self {
        let (orders, orders_taken) = queue(ORDERS_MAX, QUEUED_BYTES_MAX);
        let (bulk, bulk_taken) = queue(BULK_ORDERS_MAX, BULK_QUEUED_BYTES_MAX);
        let (on_the_line, hung_up) = oneshot::channel();
        let task = Task { id, inbox, opened: AtomicBool::new(false) };
        let task = tokio::spawn(task.run(role, transports, orders_taken, bulk_taken, hung_up));
        Self { orders, bulk, _on_the_line: on_the_line, task }
    }

    /// Queues an order.
    ///
    /// # Errors
    /// [`Refused`]: hang up then.
    pub(crate) fn give(&self, order: Order) -> Result<(), Refused> {
        let bytes = order.bytes();
        self.orders.put(order, bytes)
    }

    /// Queues a message in bulk, which leaves once that channel is open.
    ///
    /// # Errors
    /// [`Refused`]: hang up then.
    pub(crate) fn give_bulk(&self, message: Vec<u8>) -> Result<(), Refused> {
        let bytes = message.len();
        self.bulk.put(message, bytes)
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

/// A queue that is bounded by number and by bytes: the end of who puts in. There is but one.
#[derive(Debug)]
struct Queue<T> {
    items: mpsc::Sender<T>,
    bytes: Arc<AtomicUsize>,
    bytes_max: usize,
}

/// The other end.
struct Taken<T> {
    items: mpsc::Receiver<T>,
    bytes: Arc<AtomicUsize>,
}

fn queue<T>(items_max: usize, bytes_max: usize) -> (Queue<T>, Taken<T>) {
    let (sender, items) = mpsc::channel(items_max);
    let bytes = Arc::new(AtomicUsize::new(0));
    (Queue { items: sender, bytes: bytes.clone(), bytes_max }, Taken { items, bytes })
}

impl<T> Queue<T> {
    fn put(&self, item: T, bytes: usize) -> Result<(), Refused> {
        if self.bytes.load(Ordering::Relaxed) + bytes > self.bytes_max {
            return Err(Refused);
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.items.try_send(item).map_err(|_| Refused)
    }
}

impl<T> Taken<T> {
    /// To be told once an item is done with.
    fn done(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
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
    inbox: Inbox,
    opened: AtomicBool,
}

impl Task {
    async fn run(
        self,
        role: Role,
        transports: Arc<dyn Transports>,
        orders: Taken<Order>,
        bulk: Taken<Vec<u8>>,
        hung_up: oneshot::Receiver<()>,
    ) {
        let is_answered = matches!(role, Role::Answer(_));
        let (events_tx, mut events) = mpsc::channel(TRANSPORT_EVENTS_MAX);
        let (bulk_tx, mut bulk_events) = mpsc::channel(TRANSPORT_BULK_MAX);
        let transport = match transports.open(Reports { events: events_tx, bulk: bulk_tx }).await {
            Ok(transport) => transport,
            Err(error) => {
                tracing::warn!(link = self.id.0, %error, "no connection");
                self.tell(LinkEvent::Closed).await;
                return;
            }
        };

        let end = tokio::select! {
            end = self.write(&*transport, role, orders, bulk) => end,
            end = self.read(&mut events, is_answered) => end,
            end = self.read_bulk(&mut bulk_events) => end,
            end = self.give_up(hung_up) => end,
        };

        // The transport is closed at once, and the node hears of it at once: neither waits for the other.
        drop(events);
        drop(bulk_events);
        match end {
            End::HungUp => transport.close().await,
            End::Lost(why) => {
                tracing::debug!(link = self.id.0, why, "a link is lost");
                tokio::join!(self.tell(LinkEvent::Closed), transport.close());
            }
        }
    }

    /// Describes the link, then does what is ordered, until the node hangs up and all but bulk has left.
    async fn write(
        &self,
        transport: &dyn Transport,
        role: Role,
        orders: Taken<Order>,
        bulk: Taken<Vec<u8>>,
    ) -> End {
        let is_described = matches!(role, Role::Answer(_));
        let description = match role {
            Role::Dial => transport.offer().await,
            Role::Answer(offer) => transport.answer(offer).await,
        };
        match description {
            Ok(sdp) => self.tell(LinkEvent::Described(sdp)).await,
            Err(error) => return self.lost(&error, "could not be described"),
        }

        let end = tokio::select! {
            end = self.follow(transport, orders, is_described) => end,
            end = self.write_bulk(transport, bulk) => end,
        };
        if matches!(end, End::HungUp) && self.opened.load(Ordering::Relaxed) {
            let _ = timeout(FLUSH_MAX, transport.flush()).await;
        }
        end
    }

    /// Does what is ordered, until the node hangs up.
    async fn follow(
        &self,
        transport: &dyn Transport,
        mut orders: Taken<Order>,
        mut is_described: bool,
    ) -> End {
        let mut early = Vec::new();
        while let Some(order) = orders.items.recv().await {
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
            orders.done(bytes);
        }
        End::HungUp
    }

    /// Sends bulk, and tells the node of each message, until the link ends.
    async fn write_bulk(&self, transport: &dyn Transport, mut bulk: Taken<Vec<u8>>) -> End {
        while let Some(message) = bulk.items.recv().await {
            let bytes = message.len();
            if let Err(error) = transport.send_bulk(message).await {
                return self.lost(&error, "could not send in bulk");
            }
            bulk.done(bytes);
            self.tell_bulk(LinkEvent::SentBulk).await;
        }
        pending().await
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

    /// Passes on what comes in bulk, until the link ends.
    async fn read_bulk(&self, bulk: &mut mpsc::Receiver<Vec<u8>>) -> End {
        while let Some(message) = bulk.recv().await {
            self.tell_bulk(LinkEvent::ReceivedBulk(message)).await;
        }
        pending().await
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
        let _ = self.inbox.events.send((self.id, event)).await;
    }

    /// The same for bulk.
    async fn tell_bulk(&self, event: LinkEvent) {
        let _ = self.inbox.bulk.send((self.id, event)).await;
    }
}

#[cfg(test)]
mod tests;
