//! The page's end of a worker: questions wait until it is ready, and it ends when it is dropped.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use wasm_bindgen::JsCast as _;
use web_sys::{MessageEvent, Worker};

use super::message::{Answer, Ask, posted, read};
use crate::listen::Listener;
use crate::page::dom::document;

/// A worker of the simulator.
pub(super) struct Client {
    line: Rc<Line>,
    _listeners: [Listener; 2],
}

struct Line {
    worker: Worker,
    /// What it is to be asked once it is ready; none afterwards.
    waiting: RefCell<Option<Vec<Ask>>>,
    pending: Cell<u32>,
}

impl Client {
    /// Starts a worker; none if the page does not name its script, or the browser does not let it start. `on_answer` hears what it
    /// answers, and `on_error` that it could not be loaded or has failed.
    pub(super) fn start(on_answer: impl Fn(Answer) + 'static, on_error: impl Fn() + 'static) -> Option<Self> {
        let meta = document().query_selector("meta[name=simulator]").ok()??;
        let worker = Worker::new(&meta.get_attribute("content")?).ok()?;
        let line =
            Rc::new(Line { worker, waiting: RefCell::new(Some(Vec::new())), pending: Cell::default() });
        let heard = Rc::downgrade(&line);
        let messages = Listener::new(&line.worker, "message", move |event| {
            let Some(line) = heard.upgrade() else { return };
            match read(event.unchecked_into::<MessageEvent>().data()) {
                Some(answer) => {
                    line.pending.set(line.pending.get().saturating_sub(1));
                    on_answer(answer);
                }
                None => line.waiting.take().into_iter().flatten().for_each(|ask| line.post(&ask)),
            }
        });
        let errors = Listener::new(&line.worker, "error", move |_| on_error());
        Some(Self { line, _listeners: [messages, errors] })
    }

    /// Asks it, now or as soon as it is ready.
    pub(super) fn ask(&self, ask: Ask) {
        self.line.pending.set(self.line.pending.get() + 1);
        if let Some(waiting) = self.line.waiting.borrow_mut().as_mut() {
            waiting.push(ask);
            return;
        }
        self.line.post(&ask);
    }

    /// How many answers are on their way.
    pub(super) fn pending(&self) -> u32 {
        self.line.pending.get()
    }
}

impl Line {
    fn post(&self, ask: &Ask) {
        let _ = self.worker.post_message(&posted(ask));
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.line.worker.terminate();
    }
}
