//! A slow path between two links of this machine: a proxy that delays what it passes on, at a bounded rate.
//!
//! It has a socket for each end: what the other end sends there is passed on from the other socket, so each end takes the proxy's
//! socket for its peer. Each direction is a line of its own, with a queue that drops what does not fit.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// How the path between two links is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// How long a packet takes from one end to the other.
    pub delay: Duration,
    /// How many bytes a second each direction carries.
    pub bytes_per_second: u64,
    /// How long a packet waits at most for those before it; one that would wait longer is lost.
    pub queue_max: Duration,
}

/// The most packets that are on their way in one direction.
const PACKETS_MAX: usize = 65_536;
const PACKET_BYTES_MAX: usize = 65_536;
const SOCKET_BUFFER_BYTES: usize = 4 << 20;

/// The proxy, which ends when it is dropped.
pub(super) struct Proxy {
    ends: [End; 2],
    _tasks: JoinSet<()>,
}

/// What one end of the path is.
struct End {
    /// Where the other end is told that this one is.
    told: SocketAddr,
    /// Where it really is, once known.
    real: watch::Sender<Option<SocketAddr>>,
}

impl Proxy {
    /// Binds on an address that the links use too.
    pub(super) async fn open(path: Path, address: Ipv4Addr) -> std::io::Result<Self> {
        let (a, b) = (bind(address).await?, bind(address).await?);
        let end =
            |socket: &UdpSocket| socket.local_addr().map(|told| End { told, real: watch::Sender::new(None) });
        let ends = [end(&a)?, end(&b)?];
        let mut tasks = JoinSet::new();
        for (from, to, end) in [(a.clone(), b.clone(), &ends[0]), (b, a, &ends[1])] {
            let (queue, line) = mpsc::channel(PACKETS_MAX);
            tasks.spawn(enqueue(path, from, queue));
            tasks.spawn(deliver(line, to, end.real.subscribe()));
        }
        Ok(Self { ends, _tasks: tasks })
    }

    /// What the other end is told of a candidate: nothing but the first of IPv4, with the proxy's address.
    pub(super) fn candidate(&self, end: usize, candidate: &str) -> Option<String> {
        let end = &self.ends[end];
        let mut words: Vec<&str> = candidate.split(' ').collect();
        let ip: Ipv4Addr = words.get(4)?.parse().ok()?;
        let port: u16 = words.get(5)?.parse().ok()?;
        if end.real.borrow().is_some() {
            return None;
        }
        end.real.send_replace(Some(SocketAddr::from((ip, port))));
        let (ip, port) = (end.told.ip().to_string(), end.told.port().to_string());
        words[4] = &ip;
        words[5] = &port;
        Some(words.join(" "))
    }
}

async fn bind(address: Ipv4Addr) -> std::io::Result<Arc<UdpSocket>> {
    let socket = UdpSocket::bind((address, 0)).await?;
    // The only queue is to be the path's own.
    let _ = SockRef::from(&socket).set_recv_buffer_size(SOCKET_BUFFER_BYTES);
    let _ = SockRef::from(&socket).set_send_buffer_size(SOCKET_BUFFER_BYTES);
    Ok(Arc::new(socket))
}

/// Takes packets in, each with the time when it is at the other end.
async fn enqueue(path: Path, socket: Arc<UdpSocket>, queue: mpsc::Sender<(Instant, Vec<u8>)>) {
    let mut buffer = vec![0; PACKET_BYTES_MAX];
    let mut line_free_at = Instant::now();
    while let Ok((len, _)) = socket.recv_from(&mut buffer).await {
        let now = Instant::now();
        line_free_at = line_free_at.max(now);
        if line_free_at - now > path.queue_max {
            continue;
        }
        line_free_at += Duration::from_secs_f64(len as f64 / path.bytes_per_second as f64);
        // A queue that is full loses the packet, as routers do.
        let _ = queue.try_send((line_free_at + path.delay, buffer[..len].to_vec()));
    }
}

async fn deliver(
    mut line: mpsc::Receiver<(Instant, Vec<u8>)>,
    socket: Arc<UdpSocket>,
    mut to: watch::Receiver<Option<SocketAddr>>,
) {
    while let Some((at, packet)) = line.recv().await {
        sleep_until(at).await;
        let Ok(to) = to.wait_for(Option::is_some).await.map(|to| *to) else { return };
        if let Some(to) = to {
            let _ = socket.send_to(&packet, to).await;
        }
    }
}
