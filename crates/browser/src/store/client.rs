//! The page's end of the store.
//!
//! The worker is started by the first order or file, or at once where there may be files from before: the origin's
//! `localStorage` remembers that there were. What is asked before it is ready waits. A worker that fails, or whose program does
//! not load, takes all that it was asked with it: then that is refused, and so is every order, until the person puts a file once
//! more: then it is started anew.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use js_sys::{ArrayBuffer, Function, Promise, Reflect, Uint8Array};
use manyhands_core::files::{Content, StoreEvent, StoreOrder, Stored};
use manyhands_wire::FileId;
use manyhands_wire::file::{CHUNK_BYTES, FileKind, Manifest};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, MessageEvent, Worker, window};

use super::{Answer, Ask, MEMORY_BYTES_MAX, READY, Way, hashes_from, message, read_message};
use crate::listen::{Listener, Timeout};

/// How long the store may take to open before the page goes on without what is in it, in milliseconds (guess: it waits for
/// another tab to let go of it, and its program has to be loaded).
const PATIENCE_MS: u32 = 8_000;
/// How long its program may take to load, in milliseconds (guess).
const LOAD_MS: u32 = 40_000;
/// How many bytes are kept at most where the browser does not say how much room there is (guess).
const QUOTA_BYTES: u64 = 512 << 20;
/// How many buffers are put by to be used again, of at most the usual chunk each: two megabytes.
const BUFFERS_MAX: usize = 32;
/// The mark that there were files.
const MARK: &str = "manyhands.files";

/// Hears what is answered to orders.
type OnEvent = Box<dyn Fn(StoreEvent)>;

/// The store of this page's room. Ended by [`Store::close`], or with the page.
pub struct Store {
    url: String,
    room: String,
    place: Option<u32>,
    worker: RefCell<Option<(Worker, [Listener; 2])>>,
    is_ready: Cell<bool>,
    has_failed: Cell<bool>,
    /// Whether the page has left the room.
    is_closed: Cell<bool>,
    /// Whether what is in it from before came too late to be looked at.
    is_late: Cell<bool>,
    /// Ends the wait for its program.
    loading: RefCell<Option<Timeout>>,
    /// What the worker was asked and has not answered.
    posted: RefCell<Vec<Wanted>>,
    /// What was asked before the worker was ready.
    waiting: RefCell<VecDeque<(Ask, Option<JsValue>)>>,
    way: Cell<Way>,
    opened: RefCell<Option<Vec<Stored>>>,
    open_waits: RefCell<Option<Function>>,
    on_event: RefCell<Option<OnEvent>>,
    errands: RefCell<Vec<Errand>>,
    /// Buffers that have come back.
    buffers: RefCell<Vec<ArrayBuffer>>,
    count: Cell<u32>,
}

/// What answers an order: of which kind it is, of what file and, where it is one, of which chunk.
type Wanted = (Kind, FileId, u32);

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Written,
    Read,
    Hashes,
}

/// Something that the page waits for.
struct Errand {
    number: u32,
    progress: Box<dyn Fn(u32)>,
    done: Function,
    outcome: Rc<RefCell<Outcome>>,
}

#[derive(Default)]
enum Outcome {
    #[default]
    None,
    Taken(Manifest),
    NotTaken(String),
    Given(Blob),
}

impl Store {
    /// The store of a room in the place of the tab's key, whose worker runs the script at `url`; not started yet.
    pub fn new(url: String, room: String, place: Option<u32>) -> Rc<Self> {
        Rc::new(Self {
            url,
            room,
            place,
            worker: RefCell::default(),
            is_ready: Cell::default(),
            has_failed: Cell::default(),
            is_closed: Cell::default(),
            is_late: Cell::default(),
            loading: RefCell::default(),
            posted: RefCell::default(),
            waiting: RefCell::default(),
            way: Cell::new(if place.is_some() { Way::Database } else { Way::Memory }),
            opened: RefCell::default(),
            open_waits: RefCell::default(),
            on_event: RefCell::default(),
            errands: RefCell::default(),
            buffers: RefCell::default(),
            count: Cell::default(),
        })
    }

    /// What is in it from before, and how many bytes it may hold. Not started for nothing.
    pub async fn look(self: &Rc<Self>) -> (Vec<Stored>, u64) {
        let mut stored = Vec::new();
        if self.place.is_some()
            && marks().is_some_and(|marks| marks.get_item(MARK).is_ok_and(|mark| mark.is_some()))
        {
            let mut timeout = None;
            let opened = Promise::new(&mut |resolve, _| {
                let late = resolve.clone();
                timeout = Some(Timeout::new(PATIENCE_MS, move || {
                    let _ = late.call0(&JsValue::UNDEFINED);
                }));
                *self.open_waits.borrow_mut() = Some(resolve);
            });
            self.start();
            let _ = JsFuture::from(opened).await;
            drop(timeout);
            let opened = self.opened.take();
            self.is_late.set(opened.is_none());
            stored = opened.unwrap_or_default();
        }
        let held = stored.iter().filter(|stored| stored.content != Content::Nothing);
        let held_bytes = held.map(|stored| stored.entry.manifest.size).sum();
        (stored, self.quota(held_bytes).await)
    }

    /// Where files are kept, as far as it is known.
    pub fn way(&self) -> Way {
        self.way.get()
    }

    /// Whether it cannot keep anything, as its program failed.
    pub fn has_failed(&self) -> bool {
        self.has_failed.get()
    }

    /// Whether what is in it from before came too late to be looked at.
    pub fn is_late(&self) -> bool {
        self.is_late.get()
    }

    /// Calls `on_event` with what is answered to orders from now on.
    pub fn listen(&self, on_event: impl Fn(StoreEvent) + 'static) {
        *self.on_event.borrow_mut() = Some(Box::new(on_event));
    }

    /// Gives an order.
    pub fn order(self: &Rc<Self>, order: StoreOrder) {
        let (ask, with) = match order {
            StoreOrder::Keep(entry) => (Ask::Keep(entry), None),
            StoreOrder::Begin { file, hashes } => (Ask::Begin(file), Some(buffer(hashes.as_flattened()))),
            StoreOrder::Write { file, chunk, bytes } => {
                (Ask::Write { file, chunk }, Some(self.filled(&bytes)))
            }
            StoreOrder::Read { file, chunk } => {
                (Ask::Read { file, chunk }, self.buffers.borrow_mut().pop().map(JsValue::from))
            }
            StoreOrder::ReadHashes(file) => (Ask::ReadHashes(file), None),
            StoreOrder::Forget(file) => (Ask::Forget(file), None),
            StoreOrder::Recall(file) => (Ask::Recall(file), None),
        };
        self.ask(ask, with);
    }

    /// Takes a file in, with the progress in thousandths.
    ///
    /// # Errors
    /// Why it could not be taken in, for people.
    pub async fn take(
        self: &Rc<Self>,
        file: &Blob,
        name: String,
        kind: FileKind,
        progress: impl Fn(u32) + 'static,
    ) -> Result<Manifest, String> {
        // What failed the first time may work the second.
        self.has_failed.set(self.is_closed.get());
        let ask = |number| Ask::Take { number, name, kind };
        match self.errand(ask, Some(file), Box::new(progress)).await {
            Outcome::Taken(manifest) => Ok(manifest),
            Outcome::NotTaken(why) => Err(why),
            Outcome::None | Outcome::Given(_) => Err("the program that keeps files has failed".to_owned()),
        }
    }

    /// All of a file, to be saved by the person. `None` if it is not here.
    pub async fn give(self: &Rc<Self>, file: FileId) -> Option<Blob> {
        match self.errand(|number| Ask::Give { number, file }, None, Box::new(|_| {})).await {
            Outcome::Given(blob) => Some(blob),
            Outcome::None | Outcome::Taken(_) | Outcome::NotTaken(_) => None,
        }
    }

    /// Ends it, as the page goes away or leaves the room: another tab may have it.
    pub fn close(&self) {
        self.is_closed.set(true);
        self.fail();
    }

    async fn errand(
        self: &Rc<Self>,
        ask: impl FnOnce(u32) -> Ask,
        with: Option<&Blob>,
        progress: Box<dyn Fn(u32)>,
    ) -> Outcome {
        let number = self.count.get();
        self.count.set(number.wrapping_add(1));
        let outcome = Rc::new(RefCell::new(Outcome::None));
        let ours = Rc::clone(&outcome);
        let mut errand = Some(progress);
        let done = Promise::new(&mut |done, _| {
            if let Some(progress) = errand.take() {
                let outcome = Rc::clone(&ours);
                self.errands.borrow_mut().push(Errand { number, progress, done, outcome });
            }
        });
        self.ask(ask(number), with.map(JsValue::from));
        let _ = JsFuture::from(done).await;
        outcome.take()
    }

    fn ask(self: &Rc<Self>, ask: Ask, with: Option<JsValue>) {
        self.start();
        if self.has_failed.get() {
            self.refuse(&ask);
        } else if self.is_ready.get() {
            self.post(&ask, with.as_ref());
        } else {
            self.waiting.borrow_mut().push_back((ask, with));
        }
    }

    fn post(&self, ask: &Ask, with: Option<&JsValue>) {
        let (message, handed_over) = message(ask, with);
        let wanted = match *ask {
            Ask::Write { file, chunk } => Some((Kind::Written, file, chunk)),
            Ask::Read { file, chunk } => Some((Kind::Read, file, chunk)),
            Ask::ReadHashes(file) => Some((Kind::Hashes, file, 0)),
            _ => None,
        };
        self.posted.borrow_mut().extend(wanted);
        if let Some((worker, _)) = &*self.worker.borrow() {
            let _ = worker.post_message_with_transfer(&message, &handed_over);
        }
    }

    fn start(self: &Rc<Self>) {
        if self.worker.borrow().is_some() || self.has_failed.get() {
            return;
        }
        if let Some(marks) = marks() {
            let _ = marks.set_item(MARK, "1");
        }
        let Ok(worker) = Worker::new(&self.url) else {
            self.fail();
            return;
        };
        let (told, failed): (Weak<Self>, Weak<Self>) = (Rc::downgrade(self), Rc::downgrade(self));
        let listeners = [
            Listener::new(&worker, "message", move |event| {
                if let Some(store) = told.upgrade() {
                    store.hear(&event.unchecked_ref::<MessageEvent>().data());
                }
            }),
            Listener::new(&worker, "error", move |_| {
                if let Some(store) = failed.upgrade() {
                    store.fail();
                }
            }),
        ];
        *self.worker.borrow_mut() = Some((worker, listeners));
        let late = Rc::downgrade(self);
        *self.loading.borrow_mut() = Some(Timeout::new(LOAD_MS, move || {
            if let Some(store) = late.upgrade() {
                store.fail();
            }
        }));
    }

    fn hear(&self, data: &JsValue) {
        if data.as_string().as_deref() == Some(READY) {
            self.post(&Ask::Open { room: self.room.clone(), place: self.place }, None);
            self.is_ready.set(true);
            drop(self.loading.take());
            for (ask, with) in self.waiting.take() {
                self.post(&ask, with.as_ref());
            }
            return;
        }
        let Some((answer, with)) = read_message::<Answer>(data) else { return };
        match answer {
            Answer::Opened { way, stored } => {
                self.way.set(way);
                *self.opened.borrow_mut() =
                    Some(stored.into_iter().map(super::Record::into_stored).collect());
                self.go_on();
            }
            Answer::Written { file, chunk } => {
                self.put_by(with);
                self.settle((Kind::Written, file, chunk));
                self.tell(StoreEvent::Written { file, chunk });
            }
            Answer::Refused { file, why } => {
                // The core takes it for all that it wrote of it.
                self.posted.borrow_mut().retain(|(kind, of, _)| *kind != Kind::Written || *of != file);
                self.tell(StoreEvent::Refused { file, why });
            }
            Answer::Read { file, chunk } => {
                self.settle((Kind::Read, file, chunk));
                self.tell(StoreEvent::Read { file, chunk, bytes: self.emptied(with) })
            }
            Answer::Hashes(file) => {
                self.settle((Kind::Hashes, file, 0));
                let hashes = bytes(&with).and_then(|bytes| hashes_from(&bytes));
                self.tell(StoreEvent::Hashes { file, hashes });
            }
            Answer::Taking { number, thousandths } => {
                if let Some(errand) = self.errands.borrow().iter().find(|errand| errand.number == number) {
                    (errand.progress)(thousandths);
                }
            }
            Answer::Taken { number, manifest } => self.conclude(number, Outcome::Taken(manifest)),
            Answer::NotTaken { number, why } => self.conclude(number, Outcome::NotTaken(why)),
            Answer::Given { number } => {
                self.conclude(number, with.dyn_into().map_or(Outcome::None, Outcome::Given));
            }
        }
    }

    /// These bytes in a buffer that was used before, if there is one of their length.
    fn filled(&self, bytes: &[u8]) -> JsValue {
        let mut buffers = self.buffers.borrow_mut();
        let fitting = buffers.iter().position(|buffer| buffer.byte_length() as usize == bytes.len());
        match fitting.map(|place| buffers.swap_remove(place)) {
            Some(used) => {
                Uint8Array::new(&used).copy_from(bytes);
                used.into()
            }
            None => buffer(bytes),
        }
    }

    /// What is in a buffer, which is put by for the next that needs one.
    fn emptied(&self, buffer: JsValue) -> Option<Vec<u8>> {
        let bytes = bytes(&buffer);
        self.put_by(buffer);
        bytes
    }

    /// This has been answered.
    fn settle(&self, wanted: Wanted) {
        let mut posted = self.posted.borrow_mut();
        if let Some(place) = posted.iter().position(|other| *other == wanted) {
            posted.swap_remove(place);
        }
    }

    fn put_by(&self, buffer: JsValue) {
        let mut buffers = self.buffers.borrow_mut();
        if let Ok(buffer) = buffer.dyn_into::<ArrayBuffer>()
            && buffer.byte_length() <= CHUNK_BYTES
            && buffers.len() < BUFFERS_MAX
        {
            buffers.push(buffer);
        }
    }

    fn tell(&self, event: StoreEvent) {
        if let Some(on_event) = &*self.on_event.borrow() {
            on_event(event);
        }
    }

    fn conclude(&self, number: u32, outcome: Outcome) {
        let mut errands = self.errands.borrow_mut();
        let Some(place) = errands.iter().position(|errand| errand.number == number) else { return };
        let errand = errands.swap_remove(place);
        *errand.outcome.borrow_mut() = outcome;
        let _ = errand.done.call0(&JsValue::UNDEFINED);
    }

    /// Who waits for the store to open need not wait any more.
    fn go_on(&self) {
        if let Some(waits) = self.open_waits.take() {
            let _ = waits.call0(&JsValue::UNDEFINED);
        }
    }

    /// The worker is gone.
    fn fail(&self) {
        self.has_failed.set(true);
        self.is_ready.set(false);
        drop(self.loading.take());
        if let Some((worker, _)) = self.worker.take() {
            worker.terminate();
        }
        self.go_on();
        for errand in self.errands.take() {
            let _ = errand.done.call0(&JsValue::UNDEFINED);
        }
        for (ask, _) in self.waiting.take() {
            self.refuse(&ask);
        }
        for (kind, file, chunk) in self.posted.take() {
            self.refuse(&match kind {
                Kind::Written => Ask::Write { file, chunk },
                Kind::Read => Ask::Read { file, chunk },
                Kind::Hashes => Ask::ReadHashes(file),
            });
        }
    }

    /// Answers in place of a worker that is gone.
    fn refuse(&self, ask: &Ask) {
        match *ask {
            Ask::Begin(file) | Ask::Write { file, .. } => {
                let why = "the program that keeps files has failed".to_owned();
                self.tell(StoreEvent::Refused { file, why });
            }
            Ask::Read { file, chunk } => self.tell(StoreEvent::Read { file, chunk, bytes: None }),
            Ask::ReadHashes(file) => self.tell(StoreEvent::Hashes { file, hashes: None }),
            Ask::Take { number, .. } | Ask::Give { number, .. } => self.conclude(number, Outcome::None),
            Ask::Open { .. } | Ask::Keep(_) | Ask::Forget(_) | Ask::Recall(_) => {}
        }
    }

    /// What it holds already and half of what is free, as far as the browser says.
    async fn quota(&self, held_bytes: u64) -> u64 {
        if self.way.get() == Way::Memory {
            return MEMORY_BYTES_MAX;
        }
        estimate().await.map_or(QUOTA_BYTES, |free| held_bytes + free as u64)
    }
}

/// Half of what is free.
async fn estimate() -> Option<f64> {
    let storage = Reflect::get(&window()?.navigator(), &"storage".into()).ok()?;
    let ask: Function = Reflect::get(&storage, &"estimate".into()).ok()?.dyn_into().ok()?;
    let asked: Promise = ask.call0(&storage).ok()?.dyn_into().ok()?;
    let estimate = JsFuture::from(asked).await.ok()?;
    let field = |name: &str| Reflect::get(&estimate, &name.into()).ok()?.as_f64();
    let (quota, usage) = (field("quota")?, field("usage")?);
    Some((quota - usage).max(0.0) / 2.0)
}

fn marks() -> Option<web_sys::Storage> {
    window()?.local_storage().ok().flatten()
}

fn buffer(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).buffer().into()
}

fn bytes(buffer: &JsValue) -> Option<Vec<u8>> {
    Some(Uint8Array::new(buffer.dyn_ref::<ArrayBuffer>()?).to_vec())
}
