//! Taking a port and serving on it.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::cli::ListenArgs;
use crate::exit::{Failure, Reason};
use crate::http;

/// Takes the port, or says what to do.
pub(crate) async fn listen(args: &ListenArgs) -> Result<TcpListener, Failure> {
    let address = SocketAddr::new(args.bind, args.port);
    TcpListener::bind(address).await.map_err(|error| {
        let port = args.port;
        let message = match error.kind() {
            io::ErrorKind::AddrInUse => format!(
                "port {port} is taken: another program, perhaps another host, listens on it.\n\
                 Choose another with --port {}, or any free one with --port 0",
                if port == u16::MAX { port - 1 } else { port + 1 }
            ),
            io::ErrorKind::PermissionDenied => {
                format!("port {port} is reserved for the system: choose one above 1023 with --port 8080")
            }
            io::ErrorKind::AddrNotAvailable => {
                format!("{} is no address of this machine: leave --bind away to listen on all", args.bind)
            }
            _ => format!("cannot listen on {address}: {error}; choose another port with --port"),
        };
        Failure::new(Reason::Port, message)
    })
}

/// A server that runs until it is told to stop.
pub(crate) struct Serving {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Serving {
    /// Serves these routes.
    pub(crate) fn start(listener: TcpListener, router: Router) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(http::serve(listener, router, async {
            let _ = stopped.await;
        }));
        Self { stop, task }
    }

    /// Takes no new requests, and waits a moment for those under way.
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}
