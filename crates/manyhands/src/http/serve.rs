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
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// The most HTTP connections at a time; WebSockets are counted by signaling.
const CONNECTIONS_MAX: usize = 1024;
/// The most of them from one address, so that one slow stranger cannot take all places. A browser opens six.
const CONNECTIONS_PER_ADDRESS_MAX: usize = 256;
/// How long a request's head may take to arrive, and how long a connection may stay open without one.
const HEAD_WITHIN: Duration = Duration::from_secs(15);
/// How long requests under way may take to end when the server stops.
const GOODBYE: Duration = Duration::from_secs(2);
/// How long to wait after the system had no room for another connection.
const BREATH: Duration = Duration::from_millis(50);

/// Serves until `stop` comes true, then lets requests under way end.
pub(crate) async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
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
        let calls = callers.entry(address.ip()).or_default();
        if *calls >= CONNECTIONS_PER_ADDRESS_MAX {
            tracing::debug!(%address, "too many connections from this address");
            continue;
        }
        *calls += 1;
        // Small messages follow each other on a WebSocket: none should wait for the answer to the one before.
        let _ = stream.set_nodelay(true);
        let service = with_address(router.clone(), address);
        let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let mut stopped = stopped.clone();
        connections.spawn(async move {
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = &mut connection => ended,
                _ = stopped.changed() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::trace!(%address, "a connection ended: {error}");
            }
            drop(place);
            address.ip()
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
