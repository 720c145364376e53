//! The job is chosen on the page, or another than the one that waits in the lobby.
//!
//! A job that has not begun has left nothing in its file, so a file that has progress is never touched: whoever wants to go on
//! with that starts the host on it. A job of the same kind goes into the file that is open; one of another kind gets a file and
//! a saver of its own, and the friends who are in stay in, as the room's keys stay the same. Whether the job has begun only the
//! node knows for sure, so it has the last word: where is saved changes only after it took the other job.

use std::path::PathBuf;
use std::time::Duration;

use manyhands_core::View;
use manyhands_core::view::Phase;
use manyhands_ledger::TaskFile;
use manyhands_wire::mersenne::{EXPONENT_MAX, PROOFS_FROM};
use manyhands_wire::{JobKind, JobSpec};
use tokio::sync::watch;
use tokio::time::timeout;

use super::Hosting;
use super::opening::Job;
use super::saver::Saver;
use crate::cli::HostArgs;
use crate::cli::job::JobChoice;
use crate::http::{Choice, Chosen};
use crate::identity::random;
use crate::store::{Kind, TaskStore};

/// Why no other job can be chosen any more.
const BEGUN: &str = "the job has begun already: start another host for another job";

/// How long the views may take to show another job.
const SEEN_WITHIN: Duration = Duration::from_secs(1);

/// What it takes to begin another job.
pub(super) struct Chooser {
    asked_by: String,
    wait: u16,
    /// The file of a sum, and that of a search.
    files: [PathBuf; 2],
    secret: [u8; 32],
    room_key: [u8; 16],
    /// The kind of the job whose file is open, and whether there was progress in it.
    open: Option<(Kind, bool)>,
    /// A job that is made up to be measured is not exchanged for another.
    is_fixed: bool,
    /// Where others look up the file of the job.
    task: watch::Sender<Option<PathBuf>>,
}

impl Chooser {
    /// For a host that was started so.
    pub(super) fn new(args: &HostArgs, job: &Job, task: watch::Sender<Option<PathBuf>>) -> Self {
        Self {
            asked_by: args.asked_by.clone(),
            wait: args.wait,
            files: [JobChoice::Sum, JobChoice::Mersenne].map(|job| args.file_of(job)),
            secret: job.secret,
            room_key: job.room_key,
            open: job.store.as_ref().map(|store| {
                let has_results = job.work.as_ref().is_some_and(|(_, ledger)| ledger.done_units() > 0);
                (store.said().kind(), has_results || store.said().is_begun())
            }),
            is_fixed: args.delay.is_some(),
            task,
        }
    }

    fn spec(&self, chosen: Chosen) -> anyhow::Result<JobSpec> {
        let salt = random()?;
        Ok(match chosen {
            Chosen::Sum { counting_number } => {
                TaskFile::new(counting_number).to_spec(None, &self.asked_by, salt)
            }
            Chosen::Mersenne { from, to } => {
                let kind =
                    JobKind::Mersenne { from, to: to.unwrap_or(EXPONENT_MAX), proofs_from: PROOFS_FROM };
                JobSpec { kind, asked_by: self.asked_by.clone(), salt }
            }
        })
    }

    /// The file for a job that is none of the open one's kind.
    fn file(&self, chosen: Chosen) -> &PathBuf {
        match chosen {
            Chosen::Sum { .. } => &self.files[0],
            Chosen::Mersenne { .. } => &self.files[1],
        }
    }
}

impl Hosting {
    /// The host's person has chosen a job.
    pub(super) async fn on_choice(&mut self, Choice { job, answer }: Choice) {
        let outcome = self.choose(job).await;
        if let Err(why) = &outcome {
            tracing::info!("the job that was chosen is refused: {why}");
        }
        // Whoever asked may have lost interest.
        let _ = answer.send(outcome);
    }

    async fn choose(&mut self, chosen: Chosen) -> Result<(), String> {
        match self.views.borrow().phase {
            _ if self.chooser.is_fixed => return Err("this host only measures".to_owned()),
            Phase::Connecting | Phase::Lobby { .. } => {}
            Phase::Running | Phase::Paused | Phase::Finishing | Phase::Finished | Phase::Left => {
                return Err(BEGUN.to_owned());
            }
        }
        let spec = self.chooser.spec(chosen).map_err(|error| format!("{error:#}"))?;
        spec.check().map_err(|error| error.to_string())?;
        let kind = Kind::of(&spec);
        let store = match self.chooser.open {
            Some((open, is_begun)) if Some(open) == kind => {
                if is_begun {
                    let why =
                        "the job that waits here has progress in its file: start it, or start another host";
                    return Err(why.to_owned());
                }
                None
            }
            Some(_) | None => Some(self.open_file(&spec, chosen)?),
        };
        // The view may lag behind: all friends may be in by now.
        if !self.peer.set_job(spec.clone(), self.chooser.wait).await {
            return Err(BEGUN.to_owned());
        }
        if let Some(store) = store {
            self.save_in(store).await;
        }
        // Whoever is told that it was taken looks at once. A view is made every few milliseconds, so the limit is a formality.
        let (mut views, id) = (self.peer.views(), spec.id().to_string());
        let is_seen = |view: &View| view.job.as_ref().is_some_and(|job| job.id == id);
        let _ = timeout(SEEN_WITHIN, views.wait_for(is_seen)).await;
        Ok(())
    }

    /// Opens the file of a job of another kind.
    fn open_file(&self, spec: &JobSpec, chosen: Chosen) -> Result<TaskStore, String> {
        let Chooser { secret, room_key, .. } = self.chooser;
        let path = self.chooser.file(chosen);
        let opened = tokio::task::block_in_place(|| TaskStore::begin(path, spec.clone(), secret, room_key));
        let opened = opened.map_err(|error| error.to_string())?;
        opened.notices.iter().for_each(|notice| self.voice.warn(notice));
        Ok(opened.store)
    }

    /// Keeps what the room computes in another file from now on.
    async fn save_in(&mut self, store: TaskStore) {
        self.chooser.open = Some((store.said().kind(), false));
        self.chooser.task.send_replace(Some(store.path().to_owned()));
        let saver = Saver::start(store, self.peer.ledgers(), self.peer.saved_tests());
        if let Some(old) = self.saver.replace(saver)
            && let Err(error) = old.end().await
        {
            self.voice.warn(&error.to_string());
        }
    }
}
