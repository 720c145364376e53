//! What the program around a peer sees: its view, its ledger, its files and its events.
//!
//! Views, ledgers and lists of files are the newest of their kind, so a slow watcher misses only what is out of date. Making
//! them costs the node's task time, so each has its pace. The list of files may be long; the view, which is made all the time,
//! tells whether it has changed.

use std::sync::Arc;
use std::time::Duration;

use manyhands_core::files::FileInfo;
use manyhands_core::{Event, Node, Time, View};
use manyhands_jobs::worker::Saved;
use manyhands_ledger::Ledger;
use manyhands_wire::{JobId, JobSpec};
use tokio::sync::{broadcast, watch};

/// How many events a slow listener may be behind before it misses some.
pub(crate) const EVENTS_MAX: usize = 1024;
/// How often the view is made anew when nothing in particular happens.
const VIEW_EVERY: Duration = Duration::from_millis(250);
/// How often the view is made anew at most, whatever happens.
const VIEW_SPACING: Duration = Duration::from_millis(20);
/// How often the ledger is copied at most.
const LEDGER_SPACING: Duration = Duration::from_millis(100);

/// How often saved tests are copied at most: they may be megabytes.
const SAVED_SPACING: Duration = Duration::from_secs(10);

/// How often the list of files is made anew at most.
const FILES_SPACING: Duration = Duration::from_millis(500);
/// How many files the list may have for each millisecond that it is not made anew after a person has changed it: copying them must
/// not take much of the node's time. A guess, of some hundred nanoseconds for each.
const FILES_PER_MS: u32 = 50;

/// A job and which of its blocks are done.
pub type JobLedger = Arc<(JobSpec, Ledger)>;

/// Where long tests of a job stand that are under way, for whoever keeps them beyond the program's end.
pub type SavedTests = Arc<(JobId, Vec<Saved>)>;

/// The sending ends.
#[derive(Debug)]
pub(crate) struct Outlets {
    views: watch::Sender<View>,
    ledgers: watch::Sender<Option<JobLedger>>,
    saved: watch::Sender<Option<SavedTests>>,
    files: watch::Sender<Arc<Vec<FileInfo>>>,
    events: broadcast::Sender<Event>,
    view_made_at: Time,
    view_due_at: Time,
    ledger_made_at: Time,
    ledger_version: Option<u64>,
    saved_made_at: Time,
    saved_version: u64,
    files_made_at: Time,
    files_version: Option<u64>,
    /// Whether a person has changed something about the files, and waits to see it.
    files_are_awaited: bool,
}

/// The receiving ends.
#[derive(Debug)]
pub(crate) struct Watchers {
    /// The newest view.
    pub(crate) views: watch::Receiver<View>,
    /// The newest ledger.
    pub(crate) ledgers: watch::Receiver<Option<JobLedger>>,
    /// The newest saved tests.
    pub(crate) saved: watch::Receiver<Option<SavedTests>>,
    /// The newest list of files.
    pub(crate) files: watch::Receiver<Arc<Vec<FileInfo>>>,
    /// The events.
    pub(crate) events: broadcast::Receiver<Event>,
}

impl Outlets {
    /// Both ends, with what the node is like at the start.
    pub(crate) fn new(node: &Node, now: Time) -> (Self, Watchers) {
        let (views, views_rx) = watch::channel(node.view(now));
        let (ledgers, ledgers_rx) = watch::channel(None);
        let (saved, saved_rx) = watch::channel(None);
        let (files, files_rx) = watch::channel(Arc::new(node.files()));
        let (events, events_rx) = broadcast::channel(EVENTS_MAX);
        let outlets = Self {
            views,
            ledgers,
            saved,
            files,
            events,
            view_made_at: now,
            view_due_at: now,
            ledger_made_at: Time::ZERO,
            ledger_version: None,
            saved_made_at: Time::ZERO,
            saved_version: 0,
            files_made_at: now,
            files_version: None,
            files_are_awaited: false,
        };
        let watchers = Watchers {
            views: views_rx,
            ledgers: ledgers_rx,
            saved: saved_rx,
            files: files_rx,
            events: events_rx,
        };
        (outlets, watchers)
    }

    /// Makes view, ledger and files anew a last time, whatever their pace: what was finished last is worth as much as the rest.
    /// To be called before anybody hears that the node has left.
    pub(crate) fn refresh_finally(&mut self, node: &Node, now: Time) {
        let view = node.view(now);
        self.refresh_files(node, &view, now);
        self.views.send_replace(view);
        if let (Some(spec), Some(ledger)) = (node.job(), node.ledger())
            && self.is_news(spec, ledger)
        {
            self.publish(spec, ledger, now);
        }
        self.refresh_saved(node, now);
    }

    /// Passes an event on, and makes the view anew soon, as it has probably changed.
    pub(crate) fn tell(&mut self, event: Event) {
        tracing::debug!(?event);
        // Nobody need listen.
        let _ = self.events.send(event);
        self.look_soon();
    }

    /// Makes the view anew soon.
    pub(crate) fn look_soon(&mut self) {
        self.view_due_at = self.view_due_at.min(self.view_made_at + VIEW_SPACING);
    }

    /// Makes the list of files anew soon, too.
    pub(crate) fn look_at_files_soon(&mut self) {
        self.files_are_awaited = true;
        self.look_soon();
    }

    /// Makes anew what is due; returns when to come again at the latest.
    pub(crate) fn refresh(&mut self, node: &Node, now: Time) -> Time {
        if self.view_due_at <= now {
            let view = node.view(now);
            self.view_made_at = now;
            self.view_due_at = now + VIEW_EVERY;
            let files_due_at = self.files_made_at + self.files_spacing();
            if now >= files_due_at {
                self.refresh_files(node, &view, now);
                self.files_are_awaited = false;
            } else if self.files_are_awaited {
                self.view_due_at = self.view_due_at.min(files_due_at);
            }
            self.views.send_replace(view);
        }
        if now >= self.saved_made_at + SAVED_SPACING {
            self.refresh_saved(node, now);
        }
        self.view_due_at.min(self.refresh_ledger(node, now))
    }

    /// Copies the saved tests if they have changed and somebody wants them.
    fn refresh_saved(&mut self, node: &Node, now: Time) {
        let (version, tests) = node.saved_tests();
        // One that watches is the peer's own handle.
        if version == self.saved_version || self.saved.receiver_count() < 2 {
            return;
        }
        let Some(spec) = node.job() else { return };
        self.saved.send_replace(Some(Arc::new((spec.id(), tests.collect()))));
        self.saved_version = version;
        self.saved_made_at = now;
    }

    fn files_spacing(&self) -> Duration {
        if !self.files_are_awaited {
            return FILES_SPACING;
        }
        let files = u32::try_from(self.files.borrow().len()).unwrap_or(u32::MAX);
        Duration::from_millis((files / FILES_PER_MS).into()).clamp(VIEW_SPACING, FILES_SPACING)
    }

    /// Makes the list of files anew if the view knows of something new.
    fn refresh_files(&mut self, node: &Node, view: &View, now: Time) {
        let version = view.files.as_ref().map(|files| files.version);
        if version != self.files_version {
            self.files.send_replace(Arc::new(node.files()));
            self.files_made_at = now;
            self.files_version = version;
        }
    }

    fn refresh_ledger(&mut self, node: &Node, now: Time) -> Time {
        let (Some(spec), Some(ledger)) = (node.job(), node.ledger()) else { return Time::NEVER };
        if !self.is_news(spec, ledger) {
            return Time::NEVER;
        }
        let due_at = self.ledger_made_at + LEDGER_SPACING;
        // The end is told at once, and so is the beginning.
        if now < due_at && !ledger.is_complete() && self.ledger_version.is_some() {
            return due_at;
        }
        self.publish(spec, ledger, now);
        Time::NEVER
    }

    /// Whether nobody was shown this yet. Until a job has begun its host may choose another, whose ledger is as empty.
    fn is_news(&self, spec: &JobSpec, ledger: &Ledger) -> bool {
        let is_same = |known: &JobLedger| known.0 == *spec;
        self.ledger_version != Some(ledger.version()) || !self.ledgers.borrow().as_ref().is_some_and(is_same)
    }

    fn publish(&mut self, spec: &JobSpec, ledger: &Ledger, now: Time) {
        self.ledgers.send_replace(Some(Arc::new((spec.clone(), ledger.clone()))));
        self.ledger_made_at = now;
        self.ledger_version = Some(ledger.version());
    }
}
