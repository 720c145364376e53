//! The pool of Web Workers: one for each thread that is lent.
//!
//! A worker loads for a moment, and what is posted to it before it says [`READY`] is lost, so its commands wait here
//! until then. A worker that fails is started again in its place and told again what it was on; after
//! [`FAILURES_MAX`] failures the person is told instead. The driver counts on the core for all else.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use js_sys::{ArrayBuffer, Uint8Array};
use manyhands_core::Slot;
use manyhands_core::table::Table;
use manyhands_jobs::{Command, Report};
use manyhands_wire::JobKind;
use wasm_bindgen::JsCast as _;
use web_sys::{ErrorEvent, Event, MessageEvent, Worker};

use crate::listen::Listener;

/// The first message of a worker, a text; all others are reports.
pub const READY: &str = "ready";
/// How often a worker may fail before the person is told.
pub const FAILURES_MAX: u32 = 3;

/// What the pool tells.
pub enum Told {
    /// A report of the worker in this slot.
    Report(Slot, Report),
    /// The worker in this slot has failed for good: why, for people.
    Failed(Slot, String),
}

/// The workers, ended when dropped.
pub struct Pool(Rc<Inner>);

struct Inner {
    /// The scripts: of a worker that adds and waits, and of one that can search primes too.
    urls: [String; 2],
    seats: RefCell<Table<Slot, Seat>>,
    tell: Box<dyn Fn(Told)>,
}

/// One worker and what it was told.
struct Seat {
    worker: Worker,
    /// Whether it can search primes.
    searches: bool,
    ready: bool,
    /// What it was told and has not answered, to be told again after a failure; before it is ready, what waits.
    open: Vec<Command>,
    failures: u32,
    _listeners: [Listener; 2],
}

impl Pool {
    /// A pool without workers. They run the script at the first address, or, where they are to search primes, the one at the
    /// second: it is larger, and never loaded otherwise.
    pub fn new(urls: [String; 2], tell: impl Fn(Told) + 'static) -> Self {
        Self(Rc::new(Inner { urls, seats: RefCell::default(), tell: Box::new(tell) }))
    }

    /// Has workers for slots `0..threads`. Those above are kept, as they may have a slice to finish.
    pub fn grow(&self, threads: u16) {
        for slot in (0..threads).map(Slot) {
            if !self.0.seats.borrow().contains_key(&slot) {
                self.0.seat(slot, false, Vec::new(), 0);
            }
        }
    }

    /// Tells a worker, now or as soon as it is ready.
    pub fn work(&self, slot: Slot, command: Command) {
        self.grow(slot.0 + 1);
        if is_search(&command) {
            self.0.have_searcher(slot);
        }
        if let Some(seat) = self.0.seats.borrow_mut().get_mut(&slot) {
            if seat.ready {
                post(&seat.worker, &command);
            }
            seat.open.push(command);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for seat in self.seats.borrow().values() {
            seat.worker.terminate();
        }
    }
}

impl Inner {
    /// Has a worker in this slot that can search primes. What the one before was on belonged to another job.
    fn have_searcher(self: &Rc<Self>, slot: Slot) {
        let mut seats = self.seats.borrow_mut();
        let Some(seat) = seats.get_mut(&slot).filter(|seat| !seat.searches) else { return };
        let mut open = std::mem::take(&mut seat.open);
        open.retain(|command| matches!(command, Command::Throttle(_)));
        drop(seats);
        self.seat(slot, true, open, 0);
    }

    fn seat(self: &Rc<Self>, slot: Slot, searches: bool, open: Vec<Command>, failures: u32) {
        let worker = match Worker::new(&self.urls[usize::from(searches)]) {
            Ok(worker) => worker,
            Err(_) => return (self.tell)(Told::Failed(slot, "it was not allowed to start".into())),
        };
        let listeners = [
            self.on(&worker, "message", slot, |inner, slot, event| {
                inner.on_message(slot, event.unchecked_ref());
            }),
            self.on(&worker, "error", slot, |inner, slot, event| inner.on_error(slot, &event)),
        ];
        let seat = Seat { worker, searches, ready: false, open, failures, _listeners: listeners };
        let old = self.seats.borrow_mut().insert(slot, seat);
        if let Some(old) = old {
            old.worker.terminate();
        }
    }

    fn on_message(&self, slot: Slot, event: &MessageEvent) {
        let data = event.data();
        let Ok(buffer) = data.dyn_into::<ArrayBuffer>() else {
            self.on_ready(slot);
            return;
        };
        let Ok(report) = postcard::from_bytes::<Report>(&Uint8Array::new(&buffer).to_vec()) else { return };
        match report {
            Report::Calibrated { .. } | Report::Done { .. } | Report::Confirmed { .. } => {
                if let Some(seat) = self.seats.borrow_mut().get_mut(&slot) {
                    seat.open.retain(|command| matches!(command, Command::Throttle(_)));
                    seat.failures = 0;
                }
            }
            Report::Shortened { .. }
            | Report::Progress { .. }
            | Report::Saved { .. }
            | Report::Proved { .. } => {}
        }
        (self.tell)(Told::Report(slot, report));
    }

    fn on_ready(&self, slot: Slot) {
        if let Some(seat) = self.seats.borrow_mut().get_mut(&slot) {
            seat.ready = true;
            for command in &seat.open {
                post(&seat.worker, command);
            }
        }
    }

    fn on_error(self: &Rc<Self>, slot: Slot, event: &Event) {
        // A script that cannot be loaded has an event without a message.
        let why = event
            .dyn_ref::<ErrorEvent>()
            .map_or_else(|| "its program did not load".into(), ErrorEvent::message);
        let Some((searches, open, failures)) = self
            .seats
            .borrow_mut()
            .get_mut(&slot)
            .map(|seat| (seat.searches, std::mem::take(&mut seat.open), seat.failures + 1))
        else {
            return;
        };
        if failures < FAILURES_MAX {
            self.seat(slot, searches, open, failures);
        } else {
            (self.tell)(Told::Failed(slot, why));
        }
    }

    fn on(
        self: &Rc<Self>,
        worker: &Worker,
        name: &'static str,
        slot: Slot,
        react: fn(&Rc<Self>, Slot, Event),
    ) -> Listener {
        let weak: Weak<Self> = Rc::downgrade(self);
        Listener::new(worker, name, move |event| {
            if let Some(inner) = weak.upgrade() {
                react(&inner, slot, event);
            }
        })
    }
}

/// Whether only a worker that can search primes can do it.
fn is_search(command: &Command) -> bool {
    match command {
        Command::Calibrate(kind) | Command::Begin { kind, .. } | Command::Check { kind, .. } => {
            matches!(kind, JobKind::Mersenne { .. })
        }
        Command::Confirm { .. } => true,
        Command::Shorten { .. } | Command::Throttle(_) => false,
    }
}

fn post(worker: &Worker, command: &Command) {
    if let Ok(bytes) = postcard::to_stdvec(command) {
        let _ = worker.post_message(&Uint8Array::from(bytes.as_slice()).buffer());
    }
}
