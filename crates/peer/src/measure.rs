//! Measures what a link carries: two links in this process, on real connections, with the descriptions carried by hand.
//!
//! One side gives messages in bulk as the node does, some at once and another one whenever one has left; the other takes them.
//! Meanwhile small messages of the protocol go back and forth, as bulk must not hold them up. The two are next to each other, or at
//! the ends of a [`Path`] that is slow.

mod path;

use std::sync::Arc;
use std::time::{Duration, Instant};

use manyhands_core::{LinkEvent, LinkId};
use tokio::sync::mpsc;

use crate::link::{Inbox, Link, Order, Role};
use crate::rtc::Rtc;
use crate::transport::Transports;
pub use path::Path;
use path::Proxy;

/// How many events wait on each side.
const EVENTS_MAX: usize = 64;
/// How long to wait between two pings.
const PING_EVERY: Duration = Duration::from_millis(5);
/// How many bytes the giving side has under way, as the node has for one link.
const UNDER_WAY_BYTES: usize = 1 << 20;

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkRun {
    /// How long each message is, in bytes, from 1 to the longest that the bulk channel takes.
    pub message_bytes: usize,
    /// How many bytes in all.
    pub total_bytes: usize,
    /// How many unacknowledged bytes the connection's buffer takes; `None` for what links have.
    pub send_buffer_bytes: Option<usize>,
    /// What is between the links, if anything.
    pub path: Option<Path>,
}

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BulkMeasured {
    /// How many bytes of messages arrived in a second.
    pub bytes_per_second: f64,
    /// How long a small message took there and back meanwhile: half of them less than this.
    pub ping_median: Duration,
    /// The same, the longest.
    pub ping_worst: Duration,
}

/// Carries that many bytes from one link to another. `None` if the links do not open, or break.
pub async fn bulk(run: BulkRun) -> Option<BulkMeasured> {
    let rtc = Rtc { bulk_bytes: run.send_buffer_bytes };
    let (from, to, _proxy) = a_pair(Arc::new(rtc), run.path).await?;
    let messages = run.total_bytes / run.message_bytes.max(1);
    let started = Instant::now();
    let mut pings = Vec::new();
    let carried = tokio::select! {
        carried = async { tokio::join!(
            give(&from.link, from.bulk, run.message_bytes, messages),
            take(to.bulk, messages),
        ) } => carried.0.and(carried.1),
        () = ping((&from.link, from.events), (&to.link, to.events), &mut pings) => None,
    };
    let took = started.elapsed();
    let _ = tokio::join!(from.link.hang_up(), to.link.hang_up());
    carried?;
    pings.sort();
    Some(BulkMeasured {
        bytes_per_second: (messages * run.message_bytes) as f64 / took.as_secs_f64(),
        ping_median: pings.get(pings.len() / 2).copied().unwrap_or_default(),
        ping_worst: pings.last().copied().unwrap_or_default(),
    })
}

type Events = mpsc::Receiver<(LinkId, LinkEvent)>;

/// One end of a link, as the node has it.
struct Side {
    link: Link,
    events: Events,
    bulk: Events,
}

impl Side {
    fn start(role: Role, transports: Arc<dyn Transports>) -> Self {
        let (events_tx, events) = mpsc::channel(EVENTS_MAX);
        let (bulk_tx, bulk) = mpsc::channel(EVENTS_MAX);
        let inbox = Inbox { events: events_tx, bulk: bulk_tx };
        Self { link: Link::start(LinkId(0), role, transports, inbox), events, bulk }
    }

    async fn described(&mut self) -> Option<String> {
        match self.events.recv().await?.1 {
            LinkEvent::Described(description) => Some(description),
            _ => None,
        }
    }
}

/// Two links that are open to each other, and what is between them.
async fn a_pair(transports: Arc<dyn Transports>, path: Option<Path>) -> Option<(Side, Side, Option<Proxy>)> {
    let mut proxy = None;
    let mut a = Side::start(Role::Dial, transports.clone());
    let mut b = Side::start(Role::Answer(a.described().await?), transports);
    a.link.give(Order::Answered(b.described().await?)).ok()?;
    let (mut is_a_open, mut is_b_open) = (false, false);
    while !(is_a_open && is_b_open) {
        tokio::select! {
            event = a.events.recv() => match event?.1 {
                LinkEvent::Candidate(candidate) => pass_on(candidate, path, 0, &mut proxy, &b.link).await?,
                LinkEvent::Opened => {
                    is_a_open = true;
                    // The answering side is open once it is spoken to.
                    a.link.give(Order::Send(Vec::from(b"hello"))).ok()?;
                }
                _ => return None,
            },
            event = b.events.recv() => match event?.1 {
                LinkEvent::Candidate(candidate) => pass_on(candidate, path, 1, &mut proxy, &a.link).await?,
                LinkEvent::Opened => is_b_open = true,
                _ => return None,
            },
        }
    }
    received(&mut b.events).await?;
    Some((a, b, proxy))
}

/// Tells a link of a candidate of the other, or of the proxy's in its place.
async fn pass_on(
    candidate: String,
    path: Option<Path>,
    end: usize,
    proxy: &mut Option<Proxy>,
    to: &Link,
) -> Option<()> {
    let Some(path) = path else { return to.give(Order::Candidate(candidate)).ok() };
    let mut init: serde_json::Value = serde_json::from_str(&candidate).ok()?;
    let line = init.get("candidate")?.as_str()?.to_owned();
    let Some(address) = line.split(' ').nth(4).and_then(|ip| ip.parse().ok()) else { return Some(()) };
    if proxy.is_none() {
        *proxy = Some(Proxy::open(path, address).await.ok()?);
    }
    if let Some(line) = proxy.as_ref()?.candidate(end, &line) {
        init["candidate"] = line.into();
        to.give(Order::Candidate(init.to_string())).ok()?;
    }
    Some(())
}

async fn give(link: &Link, mut events: Events, message_bytes: usize, messages: usize) -> Option<()> {
    let under_way = (UNDER_WAY_BYTES / message_bytes).max(1);
    let (mut given, mut sent) = (0, 0);
    while sent < messages {
        while given < messages.min(sent + under_way) {
            link.give_bulk(vec![given as u8; message_bytes]).ok()?;
            given += 1;
        }
        if events.recv().await?.1 == LinkEvent::SentBulk {
            sent += 1;
        }
    }
    Some(())
}

async fn take(mut events: Events, messages: usize) -> Option<()> {
    let mut taken = 0;
    while taken < messages {
        if let (_, LinkEvent::ReceivedBulk(_)) = events.recv().await? {
            taken += 1;
        }
    }
    Some(())
}

/// Sends small messages back and forth until a link breaks.
async fn ping(from: (&Link, Events), to: (&Link, Events), times: &mut Vec<Duration>) {
    let ((from, mut answers), (to, mut calls)) = (from, to);
    loop {
        let start = Instant::now();
        let there =
            from.give(Order::Send(Vec::from(b"ping"))).is_ok() && received(&mut calls).await.is_some();
        let back = to.give(Order::Send(Vec::from(b"pong"))).is_ok() && received(&mut answers).await.is_some();
        if !(there && back) {
            return;
        }
        times.push(start.elapsed());
        tokio::time::sleep(PING_EVERY).await;
    }
}

/// The next message; `None` if the link is closed.
async fn received(events: &mut Events) -> Option<Vec<u8>> {
    loop {
        match events.recv().await?.1 {
            LinkEvent::Received(message) => return Some(message),
            LinkEvent::Closed => return None,
            LinkEvent::Described(_)
            | LinkEvent::Candidate(_)
            | LinkEvent::Opened
            | LinkEvent::ReceivedBulk(_)
            | LinkEvent::SentBulk => {}
        }
    }
}
