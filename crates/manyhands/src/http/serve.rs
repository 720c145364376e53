//! Connections: how many, how slow they may be, and how they end.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use manyhands_signaling::accounted;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::watched::Watched;

/// The most HTTP connections at a time; WebSockets are counted by signaling.
const CONNECTIONS_MAX: usize = 1024;
/// The most of them from one address, so that one slow stranger cannot take all places. A browser opens six.
const CONNECTIONS_PER_ADDRESS_MAX: usize = 256;
/// How long a request's head may take to arrive, and how long a connection may stay open without one.
const HEAD_WITHIN: Duration = Duration::from_secs(15);
/// How long a connection may stand still, with neither a byte read nor one written: who never reads an answer must not
/// keep a place for ever. A WebSocket has its own time limits.
const STILL_MAX: Duration = Duration::from_secs(60);
/// How long requests under way may take to end when the server stops.
const GOODBYE: Duration = Duration::from_secs(2);
/// How long to wait after the system had no room for another connection.
const BREATH: Duration = Duration::from_millis(50);

/// Serves until `stop` comes true, then lets requests under way end.
pub(crate) async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    serve_patiently(listener, router, stop, STILL_MAX).await;
}

/// Serves, and gives up connections that stand still for so long.
async fn serve_patiently(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()>,
    still_max: Duration,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (stopping, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut callers = BTreeMap::<IpAddr, usize>::new();
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN);

    tokio::pin!(stop);
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await.expect("the semaphore is never closed");
            (listener.accept().await, place)
        };
        let ((stream, address), place) = tokio::select! {
            (accepted, place) = accepted => match accepted {
                Ok(accepted) => (accepted, place),
                Err(error) => {
                    tracing::debug!("a connection was not accepted: {error}");
                    tokio::time::sleep(BREATH).await;
                    continue;
                }
            },
            Some(ended) = connections.join_next() => {
                if let Ok(caller) = ended {
                    forget(&mut callers, caller);
                }
                continue;
            }
            () = &mut stop => break,
        };
        let caller = accounted(address.ip());
        let calls = callers.entry(caller).or_default();
        if *calls >= CONNECTIONS_PER_ADDRESS_MAX {
            tracing::debug!(%address, "too many connections from this address");
            continue;
        }
        *calls += 1;
        // Small messages follow each other on a WebSocket: none should wait for the answer to the one before.
        let _ = stream.set_nodelay(true);
        let service = with_address(router.clone(), address);
        let (stream, pulse) = Watched::new(stream);
        // It ends with the last answer, or with the upgrade to a WebSocket.
        let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let mut stopped = stopped.clone();
        connections.spawn(async move {
            let served = async {
                let mut connection = pin!(connection);
                tokio::select! {
                    ended = &mut connection => ended,
                    _ = stopped.changed() => {
                        connection.as_mut().graceful_shutdown();
                        connection.await
                    }
                }
            };
            tokio::select! {
                ended = served => if let Err(error) = ended {
                    tracing::trace!(%address, "a connection ended: {error}");
                },
                () = pulse.stops(still_max) => tracing::debug!(%address, "a connection stands still"),
            }
            drop(place);
            caller
        });
    }
    drop((stopping, listener));
    let _ = tokio::time::timeout(GOODBYE, async { while connections.join_next().await.is_some() {} }).await;
}

/// One connection of `caller` is gone.
fn forget(callers: &mut BTreeMap<IpAddr, usize>, caller: IpAddr) {
    if let Entry::Occupied(mut calls) = callers.entry(caller) {
        *calls.get_mut() -= 1;
        if *calls.get() == 0 {
            calls.remove();
        }
    }
}

/// The router as hyper calls it, with the address of who asks in each request.
fn with_address(
    router: Router,
    address: SocketAddr,
) -> impl hyper::service::Service<
    Request<Incoming>,
    Response = axum::response::Response,
    Error = std::convert::Infallible,
    Future: Send,
> {
    let service = TowerToHyperService::new(router);
    service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(address));
        service.call(request)
    })
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use axum::body::{Body, Bytes, HttpBody};
    use axum::routing::get;
    use hyper::body::Frame;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpStream;
    use tokio::sync::mpsc;

    use super::*;

    /// An answer without end, which tells when the server lets go of it.
    struct Endless(mpsc::Sender<()>);

    impl HttpBody for Endless {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[7; 16 * 1024])))))
        }
    }

    impl Drop for Endless {
        fn drop(&mut self) {
            let _ = self.0.try_send(());
        }
    }

    #[tokio::test]
    async fn who_never_reads_an_answer_loses_its_place() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (dropped_tx, mut dropped) = mpsc::channel(1);
        let router = Router::new().route("/", get(async move || Body::new(Endless(dropped_tx))));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(serve_patiently(
            listener,
            router,
            async { drop(stopped.await) },
            Duration::from_millis(100),
        ));

        let mut stranger = TcpStream::connect(address).await.unwrap();
        stranger.write_all(b"GET / HTTP/1.1\r\nhost: liz\r\n\r\n").await.unwrap();

        let is_dropped = tokio::time::timeout(Duration::from_secs(60), dropped.recv()).await;
        assert_eq!(is_dropped, Ok(Some(())));
        drop((stranger, stop));
        serving.await.unwrap();
    }
}
