//! A friend's own copy of the task: written whenever what it says has changed, and at the end.
//!
//! Each copy is written whole and takes the place of the one before in one step, like the host's own file. A copy that
//! cannot be written is told once and tried again with the next change; the last one must succeed.

use std::path::PathBuf;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::exit::{Failure, Outcome, Reason};
use crate::http::Progress;
use crate::store::{Statement, WriteError, write_copy};

/// A copy that is kept.
pub(crate) struct TaskCopy {
    warnings: mpsc::Receiver<String>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), WriteError>>,
}

impl TaskCopy {
    /// Keeps a copy of what `progress` shows at `path`, until it is told to end.
    pub(crate) fn start(path: PathBuf, progress: watch::Receiver<Progress>) -> Self {
        // One warning is said, and no more.
        let (sender, warnings) = mpsc::channel(1);
        let desk = Desk { path, progress, written: None, has_warned: false, warnings: sender };
        let (stop, stopped) = oneshot::channel();
        Self { warnings, stop, task: tokio::spawn(desk.run(stopped)) }
    }

    /// The next thing that the person should know.
    pub(crate) async fn warning(&mut self) -> String {
        match self.warnings.recv().await {
            Some(text) => text,
            None => std::future::pending().await,
        }
    }

    /// Writes the last copy. The peer should have ended.
    ///
    /// # Errors
    /// If it could not be written.
    pub(crate) async fn end(self) -> Outcome {
        // It may have ended already.
        let _ = self.stop.send(());
        let written = self.task.await.expect("copying does not panic");
        written.map_err(|error| Failure::new(Reason::Task, error))
    }
}

struct Desk {
    path: PathBuf,
    progress: watch::Receiver<Progress>,
    written: Option<Statement>,
    has_warned: bool,
    warnings: mpsc::Sender<String>,
}

impl Desk {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) -> Result<(), WriteError> {
        loop {
            tokio::select! {
                changed = self.progress.changed() => if changed.is_err() { break },
                _ = &mut stopped => break,
            }
            if let Err(error) = self.write().await {
                self.warn(format!("{error}; the next change is tried again"));
            }
        }
        self.write().await
    }

    /// Writes what the newest ledger comes to, if that says anything new.
    async fn write(&mut self) -> Result<(), WriteError> {
        let Some(newest) = self.progress.borrow_and_update().clone() else { return Ok(()) };
        let Some(said) = Statement::of(&newest.0, &newest.1) else {
            self.warn("this job computes nothing: there is nothing to save".to_owned());
            return Ok(());
        };
        if self.written.as_ref() == Some(&said) {
            return Ok(());
        }
        let (path, copy) = (self.path.clone(), said.clone());
        spawn_blocking(move || write_copy(&path, &copy)).await.expect("writing does not panic")?;
        self.written = Some(said);
        Ok(())
    }

    fn warn(&mut self, text: String) {
        if !std::mem::replace(&mut self.has_warned, true) {
            let _ = self.warnings.try_send(text);
        }
    }
}
