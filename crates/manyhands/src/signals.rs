//! Ctrl-C and the system's polite request to end, as something to wait for.

use tokio::sync::mpsc;

/// Requests to stop, one for each Ctrl-C or SIGTERM.
pub(crate) struct Signals {
    receiver: mpsc::Receiver<()>,
}

impl Signals {
    /// Listens from now on; without this, the system would end the program on the spot.
    pub(crate) fn new() -> std::io::Result<Self> {
        // Whoever presses Ctrl-C more often than this within one turn of a loop means the same thing.
        let (sender, receiver) = mpsc::channel(4);
        // Registered here and not in the task, which may begin later than the first request comes.
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
                let (mut requests, sender) = (signal(kind)?, sender.clone());
                tokio::spawn(async move {
                    while requests.recv().await.is_some() {
                        let _ = sender.try_send(());
                    }
                });
            }
        }
        #[cfg(not(unix))]
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                let _ = sender.try_send(());
            }
        });
        Ok(Self { receiver })
    }

    /// Waits for the next request.
    pub(crate) async fn recv(&mut self) {
        if self.receiver.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}
