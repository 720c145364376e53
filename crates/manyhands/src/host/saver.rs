//! Saving: whenever the ledger changed, the newest is written, one save after the other.
//!
//! A save waits for the disk, so it has a thread of its own, and what changes meanwhile goes into the next one. A save that
//! fails is told once, and tried again with pauses until it works: the room computes on, and nothing that was saved
//! is lost.

use std::time::Duration;

use manyhands_peer::SavedTests;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep, sleep_until};

use crate::http::Progress;
use crate::store::{Kind, TaskStore, WriteError};

/// The pause after a save that failed, at first and at most.
const RETRY_MIN: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(15);
/// After each save comes a pause of so many times what it took, and of so long at most: the results of a long search are some
/// megabytes, which a disk should not write all the time.
const PAUSE_FACTOR: u32 = 9;
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How often the last save of all is tried.
const LAST_TRIES: u32 = 3;
/// How many words may wait to be told; more are dropped, as the newest save counts.
const WORDS_MAX: usize = 64;

/// A saver that runs.
pub(super) struct Saver {
    words: mpsc::Receiver<Word>,
    complete: watch::Receiver<bool>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), WriteError>>,
}

/// What a saver says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Every unit of the job is finished and on the disk.
    Complete,
    /// Something the person should know.
    Notice(String),
}

impl Saver {
    /// Saves to `store` whatever `progress` shows, and where the tests stand that are under way.
    pub(super) fn start(
        store: TaskStore,
        progress: watch::Receiver<Progress>,
        tests: watch::Receiver<Option<SavedTests>>,
    ) -> Self {
        let (words_tx, words) = mpsc::channel(WORDS_MAX);
        let (complete_tx, complete) = watch::channel(false);
        let (stop, stopped) = oneshot::channel();
        let desk = Desk {
            store: Some(store),
            progress,
            tests,
            words: words_tx,
            complete: complete_tx,
            is_test_due: false,
        };
        Self { words, complete, stop, task: tokio::spawn(desk.run(stopped)) }
    }

    /// The next thing it says.
    pub(super) async fn word(&mut self) -> Word {
        match self.words.recv().await {
            Some(word) => word,
            None => std::future::pending().await,
        }
    }

    /// Whether every unit of the job is finished and on the disk.
    pub(super) fn is_complete(&self) -> bool {
        *self.complete.borrow()
    }

    /// Saves what is new, and ends.
    ///
    /// # Errors
    /// If the last save fails, again and again.
    pub(super) async fn end(self) -> Result<(), WriteError> {
        // It may have ended already.
        let _ = self.stop.send(());
        self.task.await.expect("saving does not panic")
    }
}

/// Where the saving is done.
struct Desk {
    /// Away only while a save is under way.
    store: Option<TaskStore>,
    progress: watch::Receiver<Progress>,
    tests: watch::Receiver<Option<SavedTests>>,
    words: mpsc::Sender<Word>,
    complete: watch::Sender<bool>,
    /// Whether the newest tests are not on the disk yet.
    is_test_due: bool,
}

impl Desk {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) -> Result<(), WriteError> {
        let mut retry_after = None::<Duration>;
        let mut rested = Instant::now();
        loop {
            tokio::select! {
                changed = self.progress.changed(), if retry_after.is_none() => if changed.is_err() { break },
                Ok(()) = self.tests.changed(), if retry_after.is_none() => self.is_test_due = true,
                () = sleep(retry_after.unwrap_or_default()), if retry_after.is_some() => {}
                _ = &mut stopped => break,
            }
            tokio::select! {
                () = sleep_until(rested) => {}
                _ = &mut stopped => break,
            }
            let begun = Instant::now();
            retry_after = match (self.save().await, retry_after) {
                (Ok(()), None) => None,
                (Ok(()), Some(_)) => {
                    self.say("saving works again".to_owned());
                    None
                }
                (Err(error), None) => {
                    self.say(format!("{error}; trying again until it works, nothing is lost meanwhile"));
                    Some(RETRY_MIN)
                }
                (Err(_), Some(pause)) => Some((pause * 2).min(RETRY_MAX)),
            };
            rested = Instant::now() + (begun.elapsed() * PAUSE_FACTOR).min(PAUSE_MAX);
        }

        let mut tries = 1;
        loop {
            match self.save().await {
                Err(_) if tries < LAST_TRIES => tries += 1,
                outcome => return outcome,
            }
            sleep(RETRY_MIN).await;
        }
    }

    /// Writes the newest, if there is any.
    async fn save(&mut self) -> Result<(), WriteError> {
        let Some(newest) = self.progress.borrow_and_update().clone() else { return Ok(()) };
        let mut store = self.store.take().expect("one save ends before the next begins");
        // Of another job, which has another file, nothing is saved here.
        let is_own = Kind::of(&newest.0) == Some(store.said().kind());
        let is_complete = newest.1.is_complete() && is_own;
        self.is_test_due |= self.tests.has_changed().unwrap_or(true);
        let is_test_due = self.is_test_due;
        let tests = self.tests.borrow_and_update().clone();
        let tests = tests.filter(|tests| is_own && is_test_due && tests.0 == newest.0.id());
        let (store, saved) = spawn_blocking(move || {
            let saved = store.save(&newest.0, &newest.1);
            let saved = saved.and_then(|done| {
                tests.map_or(Ok(()), |tests| store.save_tests(&tests))?;
                Ok(done)
            });
            (store, saved)
        })
        .await
        .expect("saving does not panic");
        self.store = Some(store);

        self.is_test_due = saved.is_err();
        for notice in saved?.notices {
            self.say(notice);
        }
        if is_complete && !self.complete.send_replace(true) {
            let _ = self.words.try_send(Word::Complete);
        }
        Ok(())
    }

    fn say(&self, notice: String) {
        tracing::info!("{notice}");
        let _ = self.words.try_send(Word::Notice(notice));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use manyhands_ledger::TaskFile;
    use manyhands_wire::{Outcome, UnitRange};

    use super::*;
    use crate::store::OpenOptions;

    #[tokio::test]
    async fn what_is_finished_is_saved_and_the_end_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("task.json");
        fs::write(&path, TaskFile::new(100).render()).unwrap();
        let options = OpenOptions {
            unit_size: Some(100),
            asked_by: "Liz",
            restart: false,
            random: &mut |bytes| bytes.fill(7),
        };
        let opened = TaskStore::open(&path, options).unwrap();
        let (sender, progress) = watch::channel(None);
        let mut saver = Saver::start(opened.store, progress, watch::channel(None).1);
        let mut ledger = opened.ledger;
        ledger.insert(UnitRange::new(0, 1).first_block().unwrap(), Outcome::Sum(5050)).unwrap();

        sender.send(Some(Arc::new((opened.spec, ledger)))).unwrap();

        assert_eq!(saver.word().await, Word::Complete);
        assert!(saver.is_complete());
        let task = TaskFile::parse(&fs::read(&path).unwrap()).unwrap();
        assert_eq!((task.most_recent_counting_number_added, task.current_total), (100, 5050));
        saver.end().await.unwrap();
    }

    #[tokio::test]
    async fn a_save_that_fails_is_told_and_tried_again_until_it_works() {
        let folder = tempfile::tempdir().unwrap();
        let (home, away) = (folder.path().join("home"), folder.path().join("away"));
        fs::create_dir(&home).unwrap();
        let path = home.join("task.json");
        fs::write(&path, TaskFile::new(100).render()).unwrap();
        let options = OpenOptions {
            unit_size: Some(100),
            asked_by: "Liz",
            restart: false,
            random: &mut |bytes| bytes.fill(7),
        };
        let opened = TaskStore::open(&path, options).unwrap();
        let (sender, progress) = watch::channel(None);
        let mut saver = Saver::start(opened.store, progress, watch::channel(None).1);
        let mut ledger = opened.ledger;
        ledger.insert(UnitRange::new(0, 1).first_block().unwrap(), Outcome::Sum(5050)).unwrap();

        fs::rename(&home, &away).unwrap();
        sender.send(Some(Arc::new((opened.spec, ledger)))).unwrap();
        let trouble = saver.word().await;
        fs::rename(&away, &home).unwrap();

        assert!(matches!(&trouble, Word::Notice(text) if text.contains("trying again")), "{trouble:?}");
        while saver.word().await != Word::Complete {}
        assert!(TaskFile::parse(&fs::read(&path).unwrap()).unwrap().is_finished());
    }

    #[tokio::test]
    async fn the_last_change_before_the_end_is_saved() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("task.json");
        fs::write(&path, TaskFile::new(100).render()).unwrap();
        let options = OpenOptions {
            unit_size: Some(50),
            asked_by: "Liz",
            restart: false,
            random: &mut |bytes| bytes.fill(7),
        };
        let opened = TaskStore::open(&path, options).unwrap();
        let (sender, progress) = watch::channel(None);
        let saver = Saver::start(opened.store, progress, watch::channel(None).1);
        let mut ledger = opened.ledger;
        ledger.insert(UnitRange::new(0, 1).first_block().unwrap(), Outcome::Sum(1275)).unwrap();

        sender.send(Some(Arc::new((opened.spec, ledger)))).unwrap();
        drop(sender);
        saver.end().await.unwrap();

        let task = TaskFile::parse(&fs::read(&path).unwrap()).unwrap();
        assert_eq!((task.most_recent_counting_number_added, task.current_total), (50, 1275));
    }
}
