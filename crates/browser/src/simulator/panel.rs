//! The simulator as a person sees it: the settings, the buttons, the drawing and the words, wired to a worker.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::Math;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::spawn_local;
use web_sys::{MessageEvent, Worker, window};

use super::charts::hundredths;
use super::fields::Fields;
use super::message::{Answer, Ask, Frame, Snapshot, posted, read};
use super::plot::Plot;
use super::tables::{Log, Servers};
use super::tiles::Tiles;
use crate::listen::{Interval, Listener, Timeout};
use crate::page::dom::{El, by_id, document, el, told};
use crate::page::format::whole;
use crate::page::invite::copied;

/// How often a run that is watched goes on, in milliseconds.
const TICK_MS: u32 = 60;
/// How many rounds a second at first.
const SPEED: &str = "4";
/// How often it is looked whether the page has another width or theme, in milliseconds.
const LOOK_MS: u32 = 500;
/// Into how many stretches a run to its end is cut, so that it is seen: parts of the least time.
const STRETCHES: u64 = 60;
/// What the address is followed by for a run.
const FRAGMENT: &str = "#simulator";

/// What goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// The settings are being looked at by the worker.
    Loading,
    /// They are wrong.
    Wrong,
    /// The run stands, at its beginning or later.
    Still,
    /// It goes on as quickly as the person wants.
    Running,
    /// It goes on to its end.
    Ending,
    /// It is over.
    Over,
}

impl Mode {
    fn word(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Wrong => "wrong",
            Self::Still => "still",
            Self::Running => "running",
            Self::Ending => "ending",
            Self::Over => "over",
        }
    }
}

struct Buttons {
    start: El,
    pause: El,
    step: El,
    end: El,
    reset: El,
}

struct Panel {
    el: El,
    fields: Fields,
    buttons: Buttons,
    speed: El,
    status: El,
    facts: El,
    bar: El,
    link: El,
    tiles: Tiles,
    log: Log,
    servers: Servers,
    plot: Plot,
    mode: Cell<Mode>,
    /// The worker of the run, and what it waits to be asked until it is ready.
    worker: RefCell<Option<(Worker, [Listener; 2])>>,
    waiting: RefCell<Option<Vec<Ask>>>,
    /// How many answers are on their way.
    pending: Cell<u32>,
    next: RefCell<Option<Timeout>>,
    /// The worker of the comparison.
    comparer: RefCell<Option<(Worker, [Listener; 2])>>,
    frame: RefCell<Frame>,
    snapshot: RefCell<Snapshot>,
}

/// Draws the simulator into the element of this id.
pub(super) fn open(place: &str) {
    std::panic::set_hook(Box::new(|info| web_sys::console::error_1(&info.to_string().into())));
    let Some(place) = by_id(place) else { return };
    let style = told("style", "", include_str!("../../../../web/simulator.css"));
    let panel = Panel::new();
    place.hold([&style, &panel.el].into_iter());
    let settings = fragment().and_then(|fragment| fragment.split_once('?').map(|(_, rest)| rest.to_owned()));
    panel.begin(settings.unwrap_or_default());
    let watcher = Rc::clone(&panel);
    let interval = Interval::new(LOOK_MS, move || watcher.redraw());
    // Both live as long as the page.
    std::mem::forget((panel, interval));
}

/// What the address says after [`FRAGMENT`], with it; none if this is the page of a room.
fn fragment() -> Option<String> {
    let hash = window()?.location().hash().ok()?;
    hash.starts_with(FRAGMENT).then_some(hash)
}

impl Panel {
    fn new() -> Rc<Self> {
        Rc::new_cyclic(|weak: &std::rc::Weak<Self>| {
            let on = |act: fn(&Rc<Self>)| {
                let weak = weak.clone();
                move || {
                    if let Some(panel) = weak.upgrade() {
                        act(&panel);
                    }
                }
            };
            let button = |id: &str, class: &str, text: &str, act: fn(&Rc<Self>)| {
                let act = on(act);
                told("button", class, text).id(id).attr("type", "button").on("click", move |_| act())
            };
            let buttons = Buttons {
                start: button("sim-start", "primary", "Start", |panel| panel.go(Mode::Running)),
                pause: button("sim-pause", "", "Pause", |panel| panel.halt()),
                step: button("sim-step", "", "Step", |panel| panel.step()),
                end: button("sim-end", "", "To the end", |panel| panel.go(Mode::Ending)),
                reset: button("sim-reset", "", "Reset", |panel| panel.reset()),
            };
            let reseed = button("sim-reseed", "", "Another seed", |panel| {
                panel.fields.reseed((Math::random() * 1e6) as u32);
                panel.begin(panel.fields.settings());
            });
            let fields = Fields::new(on(|panel| panel.begin(panel.fields.settings())), &reseed);
            let copy = button("sim-copy", "", "Copy", |panel| panel.copy());
            let plot = Plot::new(on(|panel| panel.compare()));
            let speed = el("input")
                .id("sim-speed")
                .attr("type", "range")
                .attr("min", "1")
                .attr("max", "60")
                .with_value(SPEED);
            let (typed, shown) = (speed.clone(), el("output").attr("for", "sim-speed").text(SPEED));
            let told_speed = shown.clone();
            let speed = speed.on("input", move |_| told_speed.say(&typed.value()));
            let link = el("input")
                .id("sim-link")
                .attr("type", "text")
                .attr("readonly", "")
                .attr("aria-label", "The link to this run");
            let status = told("p", "sim-status", "One moment…").id("sim-status").attr("role", "status");
            let (facts, bar) = (told("p", "facts", "").id("sim-facts"), el("i"));
            let (tiles, log, servers) = (Tiles::new(), Log::new(), Servers::new());

            let deeds = el("div")
                .class("sim-deeds")
                .attr("role", "group")
                .attr("aria-label", "The run")
                .with(&[&buttons.start, &buttons.pause, &buttons.step, &buttons.end, &buttons.reset]);
            let slider = el("div")
                .class("slider")
                .with(&[&el("label").attr("for", "sim-speed").text("Speed: rounds a second"), &speed]);
            let el = el("section").class("sim").attr("aria-labelledby", "sim-title").with(&[
                &el("h2").id("sim-title").text("Simulator: chunks that spread over servers"),
                &told("p", "why sim-about", ABOUT),
                fields.el(),
                &el("div").class("controls").with(&[&deeds, &slider]),
                &status,
                &el("div").class("bar").attr("aria-hidden", "true").with(&[&bar]),
                &facts,
                tiles.el(),
                &el("div").class("pair").with(&[log.el(), servers.el()]),
                plot.el(),
                &told("h3", "", "The link to this very run"),
                &el("div").class("copy").with(&[&link, &copy]),
            ]);
            Self {
                el,
                fields,
                buttons,
                speed,
                status,
                facts,
                bar,
                link,
                tiles,
                log,
                servers,
                plot,
                mode: Cell::new(Mode::Loading),
                worker: RefCell::default(),
                waiting: RefCell::new(Some(Vec::new())),
                pending: Cell::default(),
                next: RefCell::default(),
                comparer: RefCell::default(),
                frame: RefCell::default(),
                snapshot: RefCell::default(),
            }
        })
    }

    /// A run with these settings, at its beginning.
    fn begin(self: &Rc<Self>, settings: String) {
        self.set_mode(Mode::Loading);
        end(self.comparer.take());
        self.plot.clear();
        self.ask(Ask::Begin(settings));
    }

    fn reset(self: &Rc<Self>) {
        self.set_mode(Mode::Loading);
        self.ask(Ask::Reset);
    }

    fn step(self: &Rc<Self>) {
        self.set_mode(Mode::Still);
        self.ask(Ask::Step);
    }

    fn halt(&self) {
        self.set_mode(Mode::Still);
        drop(self.next.take());
    }

    fn go(self: &Rc<Self>, mode: Mode) {
        self.set_mode(mode);
        if self.pending.get() == 0 {
            self.go_on();
        }
    }

    /// The next stretch.
    fn go_on(self: &Rc<Self>) {
        let (round_us, bound) = (self.frame.borrow().round_us, u64::from(self.frame.borrow().bound));
        let us = match self.mode.get() {
            Mode::Running => {
                let speed: f64 = self.speed.value().parse().unwrap_or(1.0);
                (speed * round_us as f64 * f64::from(TICK_MS) / 1000.0) as u64
            }
            Mode::Ending => round_us * bound / STRETCHES,
            Mode::Loading | Mode::Wrong | Mode::Still | Mode::Over => return,
        };
        self.ask(Ask::Go(us.max(1)));
    }

    /// Asks the run's worker, which is started by the first question.
    fn ask(self: &Rc<Self>, ask: Ask) {
        drop(self.next.take());
        self.pending.set(self.pending.get() + 1);
        if self.worker.borrow().is_none() {
            let this = Rc::downgrade(self);
            let on_data = move |data: JsValue| {
                let Some(this) = this.upgrade() else { return };
                match read(data) {
                    Some(answer) => this.on_answer(answer),
                    None => this.on_ready(),
                }
            };
            let this = Rc::downgrade(self);
            let worker = start_worker(on_data, move || {
                if let Some(this) = this.upgrade() {
                    this.fail("The simulator's program could not be started. Load the page again.");
                }
            });
            if worker.is_none() {
                return self.fail("This browser does not let the simulator's program start.");
            }
            *self.worker.borrow_mut() = worker;
        }
        match self.waiting.borrow_mut().as_mut() {
            Some(waiting) => waiting.push(ask),
            None => self.post(&ask),
        }
    }

    fn on_ready(&self) {
        for ask in self.waiting.take().unwrap_or_default() {
            self.post(&ask);
        }
    }

    fn post(&self, ask: &Ask) {
        if let Some((worker, _)) = &*self.worker.borrow() {
            let _ = worker.post_message(&posted(ask));
        }
    }

    fn on_answer(self: &Rc<Self>, answer: Answer) {
        self.pending.set(self.pending.get().saturating_sub(1));
        match answer {
            Answer::Begun(frame, snapshot) => {
                self.fields.show(&frame.settings);
                let address = window().and_then(|window| window.location().href().ok()).unwrap_or_default();
                let page = address.split('#').next().unwrap_or_default();
                let fragment_now = [FRAGMENT, "?", &frame.settings].concat();
                drop(self.link.clone().with_value(&[page, &fragment_now].concat()));
                if fragment().is_some() {
                    remember_in_address(&fragment_now);
                }
                *self.frame.borrow_mut() = frame;
                *self.snapshot.borrow_mut() = snapshot;
                self.log.clear();
                self.set_mode(Mode::Still);
                self.status.say("Ready. Server 0 has everything, the others nothing.");
                self.redraw();
            }
            Answer::Wrong(why) => self.fail(&why),
            Answer::Gone(snapshot) => {
                self.log.add(&self.frame.borrow(), &snapshot.news);
                let is_over = snapshot.end_us.is_some() || snapshot.is_given_up;
                *self.snapshot.borrow_mut() = snapshot;
                // What was asked of the run before belongs to nobody once another begins.
                if is_over && self.mode.get() != Mode::Loading {
                    self.set_mode(Mode::Over);
                }
                self.redraw();
                if self.pending.get() > 0 {
                    return;
                }
                match self.mode.get() {
                    Mode::Running => {
                        let this = Rc::downgrade(self);
                        let next = Timeout::new(TICK_MS, move || {
                            if let Some(this) = this.upgrade() {
                                this.go_on();
                            }
                        });
                        *self.next.borrow_mut() = Some(next);
                    }
                    Mode::Ending => self.go_on(),
                    Mode::Loading | Mode::Wrong | Mode::Still | Mode::Over => {}
                }
            }
            // The comparison has a worker of its own.
            Answer::Compared(_) => {}
        }
    }

    /// Nothing can run: why.
    fn fail(&self, why: &str) {
        self.set_mode(Mode::Wrong);
        self.status.say(why);
    }

    fn set_mode(&self, mode: Mode) {
        let before = self.mode.replace(mode);
        self.el.set("data-state", mode.word());
        let can_go = matches!(mode, Mode::Still | Mode::Running | Mode::Ending);
        let Buttons { start, pause, step, end, reset } = &self.buttons;
        // The focus stays where it is: a button that cannot be used has none.
        let had_focus = document().active_element().map(|element| element.id()).unwrap_or_default();
        start.enable_if(can_go && mode != Mode::Running);
        pause.enable_if(matches!(mode, Mode::Running | Mode::Ending));
        step.enable_if(can_go);
        end.enable_if(can_go && mode != Mode::Ending);
        reset.enable_if(!matches!(mode, Mode::Loading | Mode::Wrong));
        match (had_focus.as_str(), mode) {
            ("sim-start" | "sim-end", Mode::Running | Mode::Ending) => pause.focus(),
            ("sim-pause", Mode::Still) => start.focus(),
            ("sim-start" | "sim-pause" | "sim-step" | "sim-end", Mode::Over) => reset.focus(),
            _ => {}
        }
        match mode {
            Mode::Running if before != mode => self.status.say("Running…"),
            Mode::Ending if before != mode => self.status.say("Running to the end…"),
            Mode::Still if matches!(before, Mode::Running | Mode::Ending) => self.status.say("Paused."),
            _ => {}
        }
    }

    /// Shows how things stand, where that has changed or the page has.
    fn redraw(&self) {
        let (frame, snapshot) = (self.frame.borrow(), self.snapshot.borrow());
        if frame.servers == 0 {
            return;
        }
        self.tiles.draw(&frame, &snapshot);
        self.servers.draw(&frame, &snapshot);
        self.plot.draw();
        let rounds = snapshot.end_us.unwrap_or(snapshot.now_us) as f64 / frame.round_us as f64;
        let all = u64::from(frame.servers * frame.chunks);
        let first = u64::from(frame.chunks);
        let (got, lacked) = (snapshot.here - first.min(snapshot.here), all - first);
        self.bar.style("--p", &(got * 1000 / lacked.max(1)).to_string());
        let seconds = hundredths(snapshot.end_us.unwrap_or(snapshot.now_us) as f64 / 1e6);
        self.facts.say(
            &[
                "Round ",
                &hundredths(rounds),
                " · at least ",
                &frame.bound.to_string(),
                " are needed · ",
                &seconds,
                " s · ",
                &whole(got),
                " of ",
                &whole(lacked),
                " chunks are there · ",
                &whole(snapshot.twice),
                " came twice · ",
                &whole(frame.links.into()),
                " links",
            ]
            .concat(),
        );
        // For programs that look at the page: exact numbers.
        self.el.set("data-us", &snapshot.end_us.unwrap_or(snapshot.now_us).to_string());
        self.el.set("data-transfers", &snapshot.transfers.to_string());
        if self.mode.get() == Mode::Over {
            let ratio = hundredths(rounds / f64::from(frame.bound));
            let bound = frame.bound.to_string();
            let parts = if snapshot.is_given_up {
                vec!["This run does not come to an end."]
            } else {
                vec![
                    "All servers have everything, after ",
                    &seconds,
                    " s: ",
                    &ratio,
                    " times the least number of rounds, ",
                    &bound,
                    ".",
                ]
            };
            self.status.say(&parts.concat());
        }
    }

    /// Runs all policies in a worker of their own, which ends with them.
    fn compare(self: &Rc<Self>) {
        self.plot.begin(self.frame.borrow().clone());
        let settings = self.frame.borrow().settings.clone();
        let this = Rc::downgrade(self);
        let on_data = move |data: JsValue| {
            let Some(this) = this.upgrade() else { return };
            match read(data) {
                Some(Answer::Compared(run)) => {
                    let is_last = run.is_last;
                    this.plot.add(run);
                    if is_last {
                        end(this.comparer.take());
                    }
                }
                Some(Answer::Wrong(why)) => this.plot.fail(&why),
                Some(Answer::Begun(..) | Answer::Gone(_)) => {}
                None => {
                    if let Some((worker, _)) = &*this.comparer.borrow() {
                        let _ = worker.post_message(&posted(&Ask::Compare(settings.clone())));
                    }
                }
            }
        };
        let this = Rc::downgrade(self);
        let worker = start_worker(on_data, move || {
            if let Some(this) = this.upgrade() {
                this.plot.fail("The policies could not be compared.");
            }
        });
        end(self.comparer.replace(worker));
    }

    fn copy(self: &Rc<Self>) {
        let this = Rc::clone(self);
        spawn_local(async move {
            if copied(&this.link.value()).await {
                this.status.say("The link is copied.");
            } else {
                this.link.select();
                this.status.say("The link is selected: press Ctrl+C, or ⌘C.");
            }
        });
    }
}

/// What it is about, for people.
const ABOUT: &str = "Server 0 has a file, cut into chunks. All others want it, and each sends on what it has: one chunk after the \
    other, which takes a round. The servers are the same machines that share files in a room; here they run in this page \
    alone, over a network that is made up. The same settings and seed give the same run, everywhere.";

/// Starts a worker of the simulator; none if the page does not name it.
fn start_worker(
    on_data: impl Fn(JsValue) + 'static,
    on_error: impl Fn() + 'static,
) -> Option<(Worker, [Listener; 2])> {
    let meta = document().query_selector("meta[name=simulator]").ok()??;
    let worker = Worker::new(&meta.get_attribute("content")?).ok()?;
    let messages = Listener::new(&worker, "message", move |event| {
        on_data(event.unchecked_into::<MessageEvent>().data())
    });
    let errors = Listener::new(&worker, "error", move |_| on_error());
    Some((worker, [messages, errors]))
}

fn end(worker: Option<(Worker, [Listener; 2])>) {
    if let Some((worker, _listeners)) = worker {
        worker.terminate();
    }
}

/// The address in the bar is that of the run, so that it survives a reload; no new entry in the history.
fn remember_in_address(fragment: &str) {
    if let Some(history) = window().and_then(|window| window.history().ok()) {
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(fragment));
    }
}
