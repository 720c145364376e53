//! The body of a request that puts files, as a stream with bounds: how slowly it may come, how much of it may be waited for until
//! it makes sense, and how much of it is still listened to when nobody wants it any more.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use futures_util::{Stream, StreamExt as _};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::places::Places;

/// How long a refused request may go on sending before the connection is closed on it. Who has sent all hears why.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);
/// How much it may send meanwhile, in bytes.
const DRAIN_BYTES_MAX: usize = 256 << 20;
/// How long a body is waited for, in all, until so much of it must have come, if no place is free: shorter than others wait for
/// one.
const PACE_TIME: Duration = Duration::from_secs(8);
/// So much, in bytes.
const PACE_BYTES: usize = 32 * 1024;

/// The body of a request, which its reader and whoever reads on after it share.
#[derive(Clone)]
pub(super) struct Source(Arc<Mutex<Paced>>);

/// A body whose pace is watched.
struct Paced {
    body: BodyDataStream,
    places: Arc<Places>,
    /// How much came since the pace was looked at.
    bytes: usize,
    /// How long it was waited for since then, but for the wait under way.
    waited: Duration,
    waiting_since: Option<Instant>,
    alarm: Pin<Box<Sleep>>,
}

impl Source {
    /// The body of a request that may have to make place for others.
    pub(super) fn new(body: Body, places: Arc<Places>) -> Self {
        Self(Arc::new(Mutex::new(Paced {
            body: body.into_data_stream(),
            places,
            bytes: 0,
            waited: Duration::ZERO,
            waiting_since: None,
            alarm: Box::pin(sleep_until(Instant::now())),
        })))
    }

    /// Reads what is left of a body that nobody wants: whoever sends it listens only when it is sent.
    pub(super) async fn drain(mut self) {
        let mut left = DRAIN_BYTES_MAX;
        let draining = async {
            while let Some(Ok(bytes)) = self.next().await {
                match left.checked_sub(bytes.len()) {
                    Some(less) => left = less,
                    None => return,
                }
            }
        };
        let _ = timeout(DRAIN_WITHIN, draining).await;
    }
}

impl Stream for Source {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut paced = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let polled = Pin::new(&mut paced.body).poll_next(cx);
        if let Poll::Ready(polled) = polled {
            paced.moved(polled.as_ref().map_or(0, |bytes| bytes.as_ref().map_or(0, Bytes::len)));
            return Poll::Ready(polled);
        }
        if paced.is_too_slow(cx) {
            let why = "it comes so slowly that others wait for its place";
            return Poll::Ready(Some(Err(axum::Error::new(io::Error::other(why)))));
        }
        Poll::Pending
    }
}

impl Paced {
    fn moved(&mut self, bytes: usize) {
        self.waited += self.waiting_since.take().map(|since| since.elapsed()).unwrap_or_default();
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes >= PACE_BYTES {
            (self.bytes, self.waited) = (0, Duration::ZERO);
        }
    }

    /// Whether too little came in the time it was waited for; otherwise, wakes whoever waits when that may be so.
    fn is_too_slow(&mut self, cx: &mut Context<'_>) -> bool {
        let now = Instant::now();
        let since = *self.waiting_since.get_or_insert(now);
        let mut due = since + PACE_TIME.saturating_sub(self.waited);
        if due <= now {
            if self.places.are_taken() {
                return true;
            }
            // Nobody else wants the place now: it is looked at again after a while.
            (self.bytes, self.waited, self.waiting_since) = (0, Duration::ZERO, Some(now));
            due = now + PACE_TIME;
        }
        self.alarm.as_mut().reset(due);
        // It is reset to the future, or woken up right now and looked at again.
        if self.alarm.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        false
    }
}

/// How many bytes may come while a [`Meted`] source is waited on for something that makes sense.
#[derive(Clone, Default)]
pub(super) struct Allowance(Arc<AtomicUsize>);

impl Allowance {
    /// From now on so many bytes may come.
    pub(super) fn set(&self, bytes: usize) {
        self.0.store(bytes, Ordering::Relaxed);
    }
}

/// A source for a reader that takes all there is before it looks at any: it is given one piece at a time, and no more than is
/// allowed.
pub(super) struct Meted {
    source: Source,
    allowance: Allowance,
    has_given: bool,
}

impl Meted {
    /// A source under an allowance, which is nothing at first.
    pub(super) fn new(source: Source) -> (Self, Allowance) {
        let allowance = Allowance::default();
        (Self { source, allowance: allowance.clone(), has_given: false }, allowance)
    }
}

impl Stream for Meted {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.has_given) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = Pin::new(&mut self.source).poll_next(cx);
        if let Poll::Ready(Some(Ok(bytes))) = &polled {
            let left = self.allowance.0.load(Ordering::Relaxed);
            if left == 0 {
                let why = "the beginning of a part does not end";
                return Poll::Ready(Some(Err(axum::Error::new(io::Error::other(why)))));
            }
            // The last piece may be larger than that: it is here already.
            self.allowance.set(left.saturating_sub(bytes.len()));
            self.has_given = true;
        }
        polled
    }
}
