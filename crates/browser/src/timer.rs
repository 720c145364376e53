//! Timeouts that hidden tabs do not slow down.
//!
//! Browsers run the timers of a hidden page once a second, later once a minute. A worker's timers keep their time, so all
//! of the driver's are kept by one worker of one line: an [`Alarm`] is a timeout there, a [`Timer`] one alarm that is set
//! anew at will. Where such a worker may not start, the page's own timers do: late, but never wrong.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use js_sys::Array;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{Blob, BlobPropertyBag, MessageEvent, Url, Worker};

use crate::listen::{Listener, Timeout};

/// Takes pairs of a number and a wait, and says the number after the wait; a negative wait ends the one under way.
const SCRIPT: &str = "let t={};onmessage=({data:[i,m]})=>{clearTimeout(t[i]);delete t[i];\
                      if(m>=0)t[i]=setTimeout(()=>{delete t[i];postMessage(i)},m)}";

thread_local! {
    static CLOCKWORK: Clockwork = const { Clockwork::new() };
}

/// All alarms of the page.
struct Clockwork {
    worker: OnceCell<Option<(Worker, [Listener; 2])>>,
    has_failed: Cell<bool>,
    waiting: RefCell<Vec<Waiting>>,
    made: Cell<u32>,
}

struct Waiting {
    number: u32,
    ms: u32,
    then: Box<dyn FnOnce()>,
    /// The page's own timer, where there is no worker.
    plain: Option<Timeout>,
}

/// A timeout that keeps its time in a hidden page; cancelled when dropped.
pub struct Alarm(u32);

impl Alarm {
    /// Calls `then` once, `ms` milliseconds from now.
    pub fn new(ms: u32, then: impl FnOnce() + 'static) -> Self {
        CLOCKWORK.with(|clockwork| {
            let number = clockwork.made.get().wrapping_add(1);
            clockwork.made.set(number);
            let is_kept = clockwork.tell(number, ms.into());
            let plain = (!is_kept).then(|| plain(number, ms));
            clockwork.waiting.borrow_mut().push(Waiting { number, ms, then: Box::new(then), plain });
            Self(number)
        })
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        // At the page's end there may be nothing left to cancel.
        let _ = CLOCKWORK.try_with(|clockwork| {
            if clockwork.take(self.0).is_some() {
                clockwork.tell(self.0, -1.0);
            }
        });
    }
}

impl Clockwork {
    const fn new() -> Self {
        Self {
            worker: OnceCell::new(),
            has_failed: Cell::new(false),
            waiting: RefCell::new(Vec::new()),
            made: Cell::new(0),
        }
    }

    /// Tells the worker. Whether there is one.
    fn tell(&self, number: u32, ms: f64) -> bool {
        let worker = self.worker.get_or_init(|| {
            let worker = start().ok()?;
            let rings = Listener::new(&worker, "message", |event| {
                if let Some(number) = event.unchecked_ref::<MessageEvent>().data().as_f64() {
                    ring(number as u32);
                }
            });
            let fails = Listener::new(&worker, "error", |_| CLOCKWORK.with(Self::fall_back));
            Some((worker, [rings, fails]))
        });
        let Some((worker, _)) = worker.as_ref().filter(|_| !self.has_failed.get()) else { return false };
        worker.post_message(&Array::of2(&number.into(), &ms.into())).is_ok()
    }

    /// There are few at a time.
    fn take(&self, number: u32) -> Option<Waiting> {
        let mut waiting = self.waiting.borrow_mut();
        let place = waiting.iter().position(|other| other.number == number)?;
        Some(waiting.swap_remove(place))
    }

    /// The worker does not load: the page's own timers take its place, from the beginning.
    fn fall_back(&self) {
        if !self.has_failed.replace(true) {
            for waiting in &mut *self.waiting.borrow_mut() {
                waiting.plain = Some(plain(waiting.number, waiting.ms));
            }
        }
    }
}

fn plain(number: u32, ms: u32) -> Timeout {
    Timeout::new(ms, move || ring(number))
}

fn ring(number: u32) {
    let waiting = CLOCKWORK.with(|clockwork| clockwork.take(number));
    if let Some(waiting) = waiting {
        (waiting.then)();
    }
}

/// One timeout, set anew at will.
pub struct Timer {
    tick: Rc<dyn Fn()>,
    alarm: RefCell<Option<Alarm>>,
}

impl Timer {
    /// A timer that calls `tick`.
    pub fn new(tick: impl Fn() + 'static) -> Self {
        Self { tick: Rc::new(tick), alarm: RefCell::default() }
    }

    /// Ticks once, `ms` milliseconds from now, and not when it was set to before.
    pub fn set(&self, ms: u32) {
        let tick = Rc::clone(&self.tick);
        let alarm = Alarm::new(ms, move || tick());
        drop(self.alarm.replace(Some(alarm)));
    }
}

fn start() -> Result<Worker, JsValue> {
    let options = BlobPropertyBag::new();
    options.set_type("text/javascript");
    let parts = Array::of1(&JsValue::from_str(SCRIPT));
    let blob = Blob::new_with_str_sequence_and_options(&parts, &options)?;
    let url = Url::create_object_url_with_blob(&blob)?;
    // The URL is left to live as long as the page: revoking it may come before the worker has read it.
    Worker::new(&url)
}
