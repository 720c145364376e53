//! What runs in one Web Worker: the jobs' worker, step by step.
//!
//! Between two steps the worker goes back to its event loop, so that a command posted meanwhile is heard. It comes back by
//! a message to itself, since a timeout of zero takes 4 ms; only a rest of the throttle is a timeout.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{ArrayBuffer, Uint8Array};
use manyhands_jobs::{Report, Worker};
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{DedicatedWorkerGlobalScope, MessageChannel, MessageEvent};

use crate::clock::Clock;
use crate::listen::{Listener, Timeout};
use crate::workers::READY;

struct Server {
    scope: DedicatedWorkerGlobalScope,
    clock: Clock,
    worker: RefCell<Worker>,
    channel: MessageChannel,
    /// Whether a message to itself is on its way.
    coming: Cell<bool>,
    rest: RefCell<Option<Timeout>>,
}

/// Serves the page that started this Web Worker, with the jobs' worker, for as long as it lives.
///
/// # Panics
/// Anywhere but in a dedicated worker.
pub fn serve(worker: Worker) {
    let scope: DedicatedWorkerGlobalScope =
        js_sys::global().dyn_into().expect("this program runs in a dedicated worker");
    let server = Rc::new(Server {
        scope: scope.clone(),
        clock: Clock::new(),
        worker: RefCell::new(worker),
        channel: MessageChannel::new().expect("every browser with workers has message channels"),
        coming: Cell::new(false),
        rest: RefCell::default(),
    });

    let this = Rc::clone(&server);
    let commands = Listener::new(&scope, "message", move |event| this.on_command(event.unchecked_ref()));
    let this = Rc::clone(&server);
    let port = server.channel.port1();
    let steps = Listener::new(&port, "message", move |_| this.step());
    port.start();
    // Both live as long as the worker.
    std::mem::forget((commands, steps));

    let _ = scope.post_message(&JsValue::from_str(READY));
}

impl Server {
    fn on_command(self: &Rc<Self>, event: &MessageEvent) {
        let Ok(data) = event.data().dyn_into::<ArrayBuffer>() else { return };
        let Ok(command) = postcard::from_bytes(&Uint8Array::new(&data).to_vec()) else { return };
        let reports = self.worker.borrow_mut().handle(command);
        self.post(&reports);
        self.come_back();
    }

    fn step(self: &Rc<Self>) {
        self.coming.set(false);
        if !self.worker.borrow().is_busy() {
            return;
        }
        let step = self.worker.borrow_mut().step(&mut || self.clock.now().as_micros());
        self.post(&step.reports);
        if step.rest.is_zero() {
            self.come_back();
        } else {
            let ms = u32::try_from(step.rest.as_millis()).unwrap_or(u32::MAX).max(1);
            let this = Rc::downgrade(self);
            let rest = Timeout::new(ms, move || {
                if let Some(this) = this.upgrade() {
                    this.come_back();
                }
            });
            drop(self.rest.replace(Some(rest)));
        }
    }

    /// Takes the next step after what is in the event loop by now.
    fn come_back(&self) {
        if self.worker.borrow().is_busy() && !self.coming.replace(true) {
            drop(self.rest.take());
            let _ = self.channel.port2().post_message(&JsValue::NULL);
        }
    }

    fn post(&self, reports: &[Report]) {
        for bytes in reports.iter().filter_map(|report| postcard::to_stdvec(report).ok()) {
            let _ = self.scope.post_message(&Uint8Array::from(bytes.as_slice()).buffer());
        }
    }
}
