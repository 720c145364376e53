//! The page's state: the driver, and the view that is drawn some times a second.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use js_sys::{Date, Object, Reflect};
use manyhands_core::view::{JobView, Phase};
use manyhands_core::{Command, Event, RoomKey, View};
use manyhands_wire::flood::Body;
use manyhands_wire::{JobKind, PeerId};
use wasm_bindgen::JsValue;
use wasm_bindgen::closure::Closure;
use web_sys::window;

use super::dom::document;
use super::format::{capitalised, grouped, rounded, squared_bits, whole};
use super::search;
use crate::bridge;
use crate::json::to_json;
use crate::listen::Interval;
use crate::memory::Memory;
use crate::run::{Driver, Settings, Told, id_text};
use crate::storage::Identity;
use crate::store::client::Store;

/// How often the page is drawn anew, in milliseconds.
const REFRESH_MS: u32 = 200;
/// How much of a message is read aloud, in characters.
const ANNOUNCED_CHARS_MAX: usize = 200;
/// How much of a file's name is read aloud, in characters.
const NAME_CHARS_MAX: usize = 60;
/// How long nothing is said of files that came, after something was, in milliseconds.
const FILES_REST_MS: f64 = 4_000.0;
/// How many messages on their way are remembered, and for how long, in milliseconds: whoever draws them asks more often.
const FLIGHTS_MAX: usize = 8;
const FLIGHT_MS: f64 = 1_000.0;
/// The workers' scripts, where the page does not name others.
const WORKER_SCRIPT: &str = "worker_loader.js";
const SEARCHER_SCRIPT: &str = "searcher_loader.js";
const STORE_SCRIPT: &str = "store_loader.js";

/// The room that this page is in.
pub(crate) struct Room {
    driver: OnceCell<Driver>,
    store: OnceCell<Rc<Store>>,
    draw: OnceCell<Draw>,
    threads: Cell<u16>,
    news: RefCell<String>,
    trouble: RefCell<Option<String>>,
    /// When each came, and which way.
    flights: RefCell<Vec<(f64, Flight)>>,
    refresh: OnceCell<Interval>,
    /// How many files came that nothing was said of, the name of the last, and when something was said.
    came: RefCell<(u64, String, f64)>,
}

/// Draws the page.
type Draw = Box<dyn Fn(&Scene)>;

/// What is drawn.
pub(crate) struct Scene {
    /// What a person sees of the node.
    pub(crate) view: View,
    /// What the job is, once known.
    pub(crate) kind: Option<JobKind>,
    /// What of the job is done, and all of it, by its cost; none of one without an end.
    pub(crate) progress: Option<(u64, u64)>,
    /// How many threads are lent.
    pub(crate) threads: u16,
    /// The latest news, read aloud by screen readers.
    pub(crate) news: String,
    /// What is wrong, if anything.
    pub(crate) trouble: Option<String>,
}

/// The way of a message, as the ids of those it went through. Of one id alone: it goes out from there to all neighbours.
type Flight = Vec<String>;

impl Scene {
    /// The job, once known.
    pub(crate) fn job(&self) -> Option<&JobView> {
        self.view.job.as_ref()
    }

    /// A cost, in what the job counts: numbers where it adds them, squared bits where it searches primes, else units.
    pub(crate) fn counted(&self, cost: f64) -> String {
        match self.kind {
            Some(JobKind::Sum { unit_size, .. }) => rounded(cost * unit_size as f64),
            Some(JobKind::Mersenne { .. }) => squared_bits(cost),
            Some(JobKind::Delay { .. }) | None => rounded(cost),
        }
    }

    /// The same, with the word for what is counted.
    pub(crate) fn amount(&self, cost: f64) -> String {
        let word = match self.kind {
            Some(JobKind::Sum { .. }) => " numbers",
            Some(JobKind::Mersenne { .. }) => "",
            Some(JobKind::Delay { .. }) | None => " units",
        };
        [&self.counted(cost), word].concat()
    }
}

impl Room {
    /// A room that is not joined yet.
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            driver: OnceCell::new(),
            store: OnceCell::new(),
            draw: OnceCell::new(),
            threads: Cell::default(),
            news: RefCell::default(),
            trouble: RefCell::default(),
            flights: RefCell::default(),
            refresh: OnceCell::new(),
            came: RefCell::default(),
        })
    }

    /// Joins, and from then on draws with `draw`.
    pub(crate) async fn join(
        self: Rc<Self>,
        key: RoomKey,
        name: String,
        threads: u16,
        draw: impl Fn(&Scene) + 'static,
    ) {
        let identity = Identity::take().await;
        let store =
            Store::new(script_url("store", STORE_SCRIPT), key.room_id().to_string(), identity.place());
        let (stored, quota_bytes) = store.look().await;
        let _ = self.store.set(Rc::clone(&store));
        let settings = Settings {
            memory: Memory::open(&key).await,
            room: key,
            identity,
            store: (store, stored, quota_bytes),
            name,
            threads,
            origin: window().and_then(|window| window.location().origin().ok()).unwrap_or_default(),
            worker_urls: [script_url("worker", WORKER_SCRIPT), script_url("searcher", SEARCHER_SCRIPT)],
        };
        self.threads.set(threads);
        let room = Rc::clone(&self);
        let driver = Driver::start(settings, move |told| room.hear(told));
        // Each is set here only, once.
        let _ = self.driver.set(driver);
        let _ = self.draw.set(Box::new(draw));
        let room = Rc::clone(&self);
        let _ = self.refresh.set(Interval::new(REFRESH_MS, move || room.redraw()));
        self.redraw();
        expose(self);
    }

    /// Hands on what the person wants.
    pub(crate) fn command(&self, command: Command) {
        let is_said = matches!(command, Command::Say(_));
        if let Some(driver) = self.driver.get() {
            driver.command(command);
            if is_said {
                self.fly(vec![id_text(&driver.id())]);
            }
        }
        self.redraw();
    }

    /// Lends this many threads from now on.
    pub(crate) fn lend(&self, threads: u16) {
        self.threads.set(threads);
        self.command(Command::SetThreads(threads));
    }

    /// The peer in this page, once it has joined.
    pub(crate) fn driver(&self) -> Option<&Driver> {
        self.driver.get()
    }

    /// The store of files, once the page has joined.
    pub(crate) fn store(&self) -> Option<&Rc<Store>> {
        self.store.get()
    }

    /// What this node does now.
    pub(crate) fn phase(&self) -> Phase {
        self.driver.get().map(|driver| driver.view().phase).unwrap_or_default()
    }

    /// Says what is wrong.
    pub(crate) fn complain(&self, what: String) {
        *self.trouble.borrow_mut() = Some(what);
        self.redraw();
    }

    /// Tells news, to be read aloud.
    pub(crate) fn announce(&self, news: &str) {
        news.clone_into(&mut self.news.borrow_mut());
    }

    /// Remembers the way of a message for a moment.
    fn fly(&self, flight: Flight) {
        let (mut flights, now) = (self.flights.borrow_mut(), Date::now());
        flights.retain(|(came, _)| now - came < FLIGHT_MS);
        if flights.len() < FLIGHTS_MAX {
            flights.push((now, flight));
        }
    }

    /// Tells of the files that came, all at once if they are several.
    fn announce_files(&self) {
        let mut came = self.came.borrow_mut();
        let now = Date::now();
        if came.0 > 0 && now - came.2 > FILES_REST_MS {
            self.announce(&match came.0 {
                1 => ["The file ", &beginning(&came.1, NAME_CHARS_MAX), " is here."].concat(),
                many => [&whole(many), " files are here."].concat(),
            });
            *came = (0, String::new(), now);
        }
    }

    fn redraw(&self) {
        self.announce_files();
        let (Some(driver), Some(draw)) = (self.driver.get(), self.draw.get()) else { return };
        let scene = Scene {
            view: driver.view(),
            kind: driver.job().map(|job| job.kind),
            progress: driver.progress(),
            threads: self.threads.get(),
            news: self.news.borrow().clone(),
            trouble: self.trouble.borrow().clone(),
        };
        draw(&scene);
    }

    fn hear(&self, told: Told) {
        match told {
            Told::Event(event) => self.hear_event(event),
            Told::WorkerFailed(why) => self.complain(
                [
                    "This browser could not run a worker (",
                    &why,
                    "), so this page leaves the room. Load it again to try once more.",
                ]
                .concat(),
            ),
            Told::KeyTaken => self.complain(
                "This tab slept for a while, and another tab of yours took its place. Load it again to join as one \
                 more friend."
                    .to_owned(),
            ),
        }
    }

    fn hear_event(&self, event: Event) {
        match event {
            Event::LinkUp { peer } => self.announce(&[&self.name(&peer), " is here."].concat()),
            Event::JobKnown => *self.trouble.borrow_mut() = None,
            Event::Started => self.announce("The job has begun."),
            Event::SignalingRefused { message } => self.complain([&capitalised(&message), "."].concat()),
            Event::Finished => {
                let view = self.driver.get().map(Driver::view).unwrap_or_default();
                let total = view.job.and_then(|job| job.done_total);
                self.announce(&match (total, &view.search) {
                    (Some(total), _) => ["Done. The total is ", &grouped(&total), "."].concat(),
                    (None, Some(search)) => ["Done. ", &search::count(search), "."].concat(),
                    (None, None) => "Done.".to_owned(),
                });
                self.redraw();
            }
            Event::Left => {
                self.announce("You have left. Thank you.");
                self.redraw();
            }
            Event::Refused { why } => log(&["refused: ", &why]),
            Event::Disputed { why, .. } => log(&["disputed: ", &why]),
            Event::Misbehaved { peer, what } => log(&["misbehaved: ", &peer.nickname(), ": ", &what]),
            Event::Heard { from, path, body: Body::Message(text) } => {
                self.fly_here(&from, &path);
                let text = beginning(&text, ANNOUNCED_CHARS_MAX);
                self.announce(&[&self.name(&from), " says: ", &text].concat());
            }
            Event::Heard { from, path, body: Body::News { what, value } } => {
                self.fly_here(&from, &path);
                self.announce(&[&self.name(&from), " found ", &what, " ", &whole(value), "."].concat());
            }
            Event::FileHere { name, .. } => {
                let mut came = self.came.borrow_mut();
                *came = (came.0 + 1, name, came.2);
            }
            Event::FileFailed { name, why, .. } => {
                self.announce(
                    &["The file ", &beginning(&name, NAME_CHARS_MAX), " cannot be kept: ", &why, "."]
                        .concat(),
                );
            }
            Event::Heard { from, path, body: Body::Prime { .. } } => self.fly_here(&from, &path),
            // What is found is told as the view has it.
            Event::Heard { body: Body::Checked { .. }, .. }
            | Event::LinkDown { .. }
            | Event::TookBack { .. }
            | Event::PrimeFound { .. } => {}
        }
    }

    /// The name that the page shows for this peer.
    fn name(&self, peer: &PeerId) -> String {
        let id = id_text(peer);
        let peers = self.driver.get().map(|driver| driver.view().peers).unwrap_or_default();
        peers.into_iter().find(|shown| shown.id == id).map_or_else(|| peer.nickname(), |shown| shown.name)
    }

    fn fly_here(&self, from: &PeerId, path: &[PeerId]) {
        let me = self.driver.get().map(Driver::id);
        self.fly(std::iter::once(from).chain(path).chain(me.as_ref()).map(id_text).collect());
    }

    fn json(&self) -> String {
        self.driver.get().and_then(|driver| to_json(&driver.view())).unwrap_or_default()
    }

    /// Answers another program of this page, or whoever asks: see [`bridge`].
    fn answer(&self, what: &str, text: String) -> String {
        match what {
            bridge::SAY => self.command(Command::Say(Body::Message(text))),
            bridge::FLIGHTS => {
                let lines = self.flights.take().into_iter().map(|(_, flight)| flight.join(" "));
                return lines.collect::<Vec<String>>().join("\n");
            }
            bridge::FINDINGS => return self.driver.get().map(Driver::findings).unwrap_or_default(),
            _ => {}
        }
        String::new()
    }
}

/// So many characters of a text, at most.
fn beginning(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

/// The phase as one word: the `data-phase` of the page, but for a room that has no job.
pub(crate) fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Connecting => "connecting",
        Phase::Lobby { .. } => "lobby",
        Phase::Running => "running",
        Phase::Paused => "paused",
        Phase::Finishing => "finishing",
        Phase::Finished => "finished",
        Phase::Left => "left",
    }
}

/// How many threads this computer has.
pub(crate) fn threads_max() -> u16 {
    let count = window().map_or(1.0, |window| window.navigator().hardware_concurrency());
    (count as u16).max(1)
}

/// The script of a worker, as the page names it.
fn script_url(worker: &str, script: &str) -> String {
    let meta = document().query_selector(&["meta[name=", worker, "]"].concat()).ok().flatten();
    let named = meta.and_then(|meta| meta.get_attribute("content")).filter(|name| !name.is_empty());
    named.unwrap_or_else(|| script.to_owned())
}

/// Lets the page's other programs, tests and curious people ask: see [`bridge`].
fn expose(room: Rc<Room>) {
    let asked = Rc::clone(&room);
    let read = Closure::<dyn Fn() -> String>::new(move || room.json()).into_js_value();
    let answer = move |what: String, text: String| asked.answer(&what, text);
    let ask = Closure::<dyn Fn(String, String) -> String>::new(answer).into_js_value();
    let (object, descriptor) = (Object::new(), Object::new());
    let set = |object: &Object, name: &str, value: &JsValue| Reflect::set(object, &name.into(), value);
    // None of this fails on fresh objects.
    let _ = set(&descriptor, "get", &read);
    Object::define_property(&object, &bridge::VIEW.into(), &descriptor);
    let _ = set(&object, bridge::ASK, &ask);
    let _ = Reflect::set(&js_sys::global(), &bridge::OBJECT.into(), &object);
}

fn log(parts: &[&str]) {
    web_sys::console::info_1(&parts.concat().into());
}
