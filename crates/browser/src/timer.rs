//! Ticks that hidden tabs do not slow down.
//!
//! Browsers run the timers of a hidden page once a second, later once a minute. A worker's timers keep their time, so
//! the timer is a worker of one line. Where such a worker may not start, the page's own timers do: late, but never wrong.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::Array;
use wasm_bindgen::JsValue;
use web_sys::{Blob, BlobPropertyBag, Url, Worker};

use crate::listen::{Listener, Timeout};

/// Waits for as long as it is told, then says so; a new wait replaces the old one.
const SCRIPT: &str = "let t;onmessage=e=>{clearTimeout(t);t=setTimeout(()=>postMessage(0),e.data)}";

/// One timeout, set anew at will.
pub struct Timer {
    inner: Rc<Inner>,
    _listeners: Vec<Listener>,
}

struct Inner {
    worker: Cell<Option<Worker>>,
    fallback: RefCell<Option<Timeout>>,
    tick: Box<dyn Fn()>,
}

impl Timer {
    /// A timer that calls `tick`.
    pub fn new(tick: impl Fn() + 'static) -> Self {
        let worker = start().ok();
        let inner = Rc::new(Inner {
            worker: Cell::new(worker.clone()),
            fallback: RefCell::default(),
            tick: Box::new(tick),
        });
        let mut listeners = Vec::new();
        if let Some(worker) = worker {
            let weak = Rc::downgrade(&inner);
            listeners.push(Listener::new(&worker, "message", move |_| {
                if let Some(inner) = weak.upgrade() {
                    (inner.tick)();
                }
            }));
            let weak = Rc::downgrade(&inner);
            listeners.push(Listener::new(&worker, "error", move |_| {
                if let Some(inner) = weak.upgrade() {
                    inner.worker.set(None);
                    // The wait that was under way is lost: a tick too early does no harm.
                    (inner.tick)();
                }
            }));
        }
        Self { inner, _listeners: listeners }
    }

    /// Ticks once, `ms` milliseconds from now, and not when it was set to before.
    pub fn set(&self, ms: u32) {
        let worker = self.inner.worker.take();
        match &worker {
            Some(worker) => {
                let _ = worker.post_message(&JsValue::from(ms));
            }
            None => {
                let weak = Rc::downgrade(&self.inner);
                let timeout = Timeout::new(ms, move || {
                    if let Some(inner) = weak.upgrade() {
                        (inner.tick)();
                    }
                });
                drop(self.inner.fallback.replace(Some(timeout)));
            }
        }
        self.inner.worker.set(worker);
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(worker) = self.inner.worker.take() {
            worker.terminate();
        }
        drop(self.inner.fallback.take());
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
