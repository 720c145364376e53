//! The simulator at work: what a person does is asked of the worker, and what it answers is shown.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use js_sys::Math;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;
use web_sys::window;

use super::client::Client;
use super::message::{Answer, Ask, Frame, Snapshot};
use super::parts::{Deed, Mode, Parts};
use crate::listen::{Interval, Timeout};
use crate::page::dom::{by_id, told};
use crate::page::invite::copied;

/// How often a run that is watched goes on, in milliseconds.
const TICK_MS: u32 = 60;
/// How often it is looked whether the page has another width or theme, in milliseconds.
const LOOK_MS: u32 = 500;
/// Into how many stretches a run to its end is cut, so that it is seen: parts of the least time.
const STRETCHES: u64 = 60;
/// What follows the page's address for a run.
const FRAGMENT: &str = "#simulator";
/// What is told where no worker starts.
const NO_WORKER: &str = "The simulator's program could not be started. Load the page again.";

struct Panel {
    parts: Parts,
    mode: Cell<Mode>,
    /// The worker of the run, started by the first question.
    client: RefCell<Option<Client>>,
    /// The worker of the comparison, while there is one.
    comparer: RefCell<Option<Client>>,
    next: RefCell<Option<Timeout>>,
    frame: RefCell<Frame>,
    snapshot: RefCell<Snapshot>,
}

/// Draws the simulator into the element of this id.
pub(super) fn open(place: &str) {
    std::panic::set_hook(Box::new(|info| web_sys::console::error_1(&info.to_string().into())));
    let Some(place) = by_id(place) else { return };
    let style = told("style", "", include_str!("../../../../web/simulator.css"));
    let panel = Rc::new_cyclic(|panel: &Weak<Panel>| {
        let panel = panel.clone();
        let parts = Parts::new(move |deed| {
            if let Some(panel) = panel.upgrade() {
                panel.act(deed);
            }
        });
        Panel {
            parts,
            mode: Cell::new(Mode::Loading),
            client: RefCell::default(),
            comparer: RefCell::default(),
            next: RefCell::default(),
            frame: RefCell::default(),
            snapshot: RefCell::default(),
        }
    });
    place.hold([&style, &panel.parts.el].into_iter());
    let settings = fragment().and_then(|fragment| Some(fragment.split_once('?')?.1.to_owned()));
    panel.begin(settings.unwrap_or_default());
    let watcher = Rc::clone(&panel);
    let interval = Interval::new(LOOK_MS, move || watcher.draw());
    // Both live as long as the page.
    std::mem::forget((panel, interval));
}

/// What the address says from [`FRAGMENT`] on; none if this is the page of a room.
fn fragment() -> Option<String> {
    let hash = window()?.location().hash().ok()?;
    hash.starts_with(FRAGMENT).then_some(hash)
}

impl Panel {
    fn act(self: &Rc<Self>, deed: Deed) {
        match deed {
            Deed::Settings => self.begin(self.parts.fields.settings()),
            Deed::Reseed => {
                self.parts.fields.reseed((Math::random() * 1e6) as u32);
                self.begin(self.parts.fields.settings());
            }
            Deed::Start => self.go(Mode::Running),
            Deed::End => self.go(Mode::Ending),
            Deed::Pause => {
                self.set_mode(Mode::Still);
                drop(self.next.take());
            }
            Deed::Step => {
                self.set_mode(Mode::Still);
                self.ask(Ask::Step);
            }
            Deed::Reset => {
                self.set_mode(Mode::Loading);
                self.ask(Ask::Reset);
            }
            Deed::Compare => self.compare(),
            Deed::Copy => self.copy(),
        }
    }

    /// A run with these settings, at its beginning.
    fn begin(self: &Rc<Self>, settings: String) {
        self.set_mode(Mode::Loading);
        drop(self.comparer.take());
        self.parts.plot.clear();
        self.ask(Ask::Begin(settings));
    }

    fn go(self: &Rc<Self>, mode: Mode) {
        self.set_mode(mode);
        if self.client.borrow().as_ref().is_some_and(|client| client.pending() == 0) {
            self.go_on();
        }
    }

    /// The next stretch.
    fn go_on(self: &Rc<Self>) {
        let (round_us, bound) = (self.frame.borrow().round_us, u64::from(self.frame.borrow().bound));
        let us = match self.mode.get() {
            Mode::Running => (self.parts.speed() * round_us as f64 * f64::from(TICK_MS) / 1000.0) as u64,
            Mode::Ending => round_us * bound / STRETCHES,
            Mode::Loading | Mode::Wrong | Mode::Still | Mode::Over => return,
        };
        self.ask(Ask::Go(us.max(1)));
    }

    fn ask(self: &Rc<Self>, ask: Ask) {
        drop(self.next.take());
        let mut client = self.client.borrow_mut();
        if client.is_none() {
            let (answered, failed) = (Rc::downgrade(self), Rc::downgrade(self));
            let on_answer = move |answer| {
                if let Some(panel) = answered.upgrade() {
                    panel.on_answer(answer);
                }
            };
            *client = Client::start(on_answer, move || {
                if let Some(panel) = failed.upgrade() {
                    panel.fail(NO_WORKER);
                }
            });
        }
        match &*client {
            Some(client) => client.ask(ask),
            None => self.fail(NO_WORKER),
        }
    }

    fn on_answer(self: &Rc<Self>, answer: Answer) {
        match answer {
            Answer::Begun(frame, snapshot) => self.on_begun(frame, snapshot),
            Answer::Gone(snapshot) => self.on_gone(snapshot),
            Answer::Wrong(why) => self.fail(&why),
            // The comparison has a worker of its own.
            Answer::Compared(_) => {}
        }
    }

    fn on_begun(&self, frame: Frame, snapshot: Snapshot) {
        self.parts.fields.show(&frame.settings);
        let address = window().and_then(|window| window.location().href().ok()).unwrap_or_default();
        let page = address.split('#').next().unwrap_or_default();
        let fragment_now = [FRAGMENT, "?", &frame.settings].concat();
        drop(self.parts.link.clone().with_value(&[page, &fragment_now].concat()));
        if fragment().is_some() {
            remember_in_address(&fragment_now);
        }
        *self.frame.borrow_mut() = frame;
        *self.snapshot.borrow_mut() = snapshot;
        self.parts.log.clear();
        self.set_mode(Mode::Still);
        self.parts.status.say("Ready. Server 0 has everything, the others nothing.");
        self.draw();
    }

    fn on_gone(self: &Rc<Self>, snapshot: Snapshot) {
        // What was asked of the run before belongs to nobody once another begins.
        if matches!(self.mode.get(), Mode::Loading | Mode::Wrong) {
            return;
        }
        self.parts.log.add(&self.frame.borrow(), &snapshot.news);
        let is_over = snapshot.end_us.is_some() || snapshot.is_given_up;
        *self.snapshot.borrow_mut() = snapshot;
        if is_over && self.mode.get() != Mode::Over {
            self.set_mode(Mode::Over);
            self.parts.say_end(&self.frame.borrow(), &self.snapshot.borrow());
        }
        self.draw();
        if self.client.borrow().as_ref().is_none_or(|client| client.pending() > 0) {
            return;
        }
        match self.mode.get() {
            Mode::Running => {
                let panel = Rc::downgrade(self);
                let next = Timeout::new(TICK_MS, move || {
                    if let Some(panel) = panel.upgrade() {
                        panel.go_on();
                    }
                });
                *self.next.borrow_mut() = Some(next);
            }
            Mode::Ending => self.go_on(),
            Mode::Loading | Mode::Wrong | Mode::Still | Mode::Over => {}
        }
    }

    /// Nothing can run: why.
    fn fail(&self, why: &str) {
        self.set_mode(Mode::Wrong);
        self.parts.status.say(why);
    }

    fn set_mode(&self, mode: Mode) {
        self.parts.show_mode(self.mode.replace(mode), mode);
    }

    fn draw(&self) {
        self.parts.draw(&self.frame.borrow(), &self.snapshot.borrow());
    }

    /// Runs all policies in a worker of their own, which ends with them.
    fn compare(self: &Rc<Self>) {
        let frame = self.frame.borrow().clone();
        let settings = frame.settings.clone();
        self.parts.plot.begin(frame);
        let (answered, failed) = (Rc::downgrade(self), Rc::downgrade(self));
        let on_answer = move |answer| {
            let Some(panel) = answered.upgrade() else { return };
            match answer {
                Answer::Compared(run) => {
                    let is_last = run.is_last;
                    panel.parts.plot.add(run);
                    if is_last {
                        drop(panel.comparer.take());
                    }
                }
                Answer::Wrong(why) => panel.parts.plot.fail(&why),
                Answer::Begun(..) | Answer::Gone(_) => {}
            }
        };
        let client = Client::start(on_answer, move || {
            if let Some(panel) = failed.upgrade() {
                panel.parts.plot.fail(NO_WORKER);
            }
        });
        match &client {
            Some(client) => client.ask(Ask::Compare(settings)),
            None => self.parts.plot.fail(NO_WORKER),
        }
        *self.comparer.borrow_mut() = client;
    }

    fn copy(self: &Rc<Self>) {
        let panel = Rc::clone(self);
        spawn_local(async move {
            let Parts { link, status, .. } = &panel.parts;
            if copied(&link.value()).await {
                status.say("The link is copied.");
            } else {
                link.select();
                status.say("The link is selected: press Ctrl+C, or ⌘C.");
            }
        });
    }
}

/// The address in the bar is that of the run, so that it survives a reload; no new entry in the history.
fn remember_in_address(fragment: &str) {
    if let Some(history) = window().and_then(|window| window.history().ok()) {
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(fragment));
    }
}
