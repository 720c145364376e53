//! A connection whose progress can be watched: when was a byte last taken or given?

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

/// A stream that notes when it last moved.
pub(super) struct Watched {
    stream: TcpStream,
    pulse: Pulse,
}

/// When a stream last moved.
#[derive(Clone)]
pub(super) struct Pulse {
    start: Instant,
    /// Milliseconds after `start`.
    moved_ms: Arc<AtomicU64>,
}

impl Watched {
    /// Watches a stream from now on.
    pub(super) fn new(stream: TcpStream) -> (Self, Pulse) {
        let pulse = Pulse { start: Instant::now(), moved_ms: Arc::default() };
        (Self { stream, pulse: pulse.clone() }, pulse)
    }
}

impl Pulse {
    /// Waits until nothing has moved for so long.
    pub(super) async fn stops(self, still_max: Duration) {
        loop {
            let due = self.start + Duration::from_millis(self.moved_ms.load(Ordering::Relaxed)) + still_max;
            if due <= Instant::now() {
                return;
            }
            sleep_until(due).await;
        }
    }

    fn beat(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved_ms.store(now, Ordering::Relaxed);
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.pulse.beat();
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.pulse.beat();
        }
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.pulse.beat();
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
