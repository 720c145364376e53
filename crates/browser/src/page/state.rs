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
use super::format::{capitalised, grouped, whole};
use crate::json::to_json;
use crate::listen::Interval;
use crate::memory::Memory;
use crate::run::{Driver, Settings, Told};
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
/// How many messages on their way are shown between two drawings.
const FLIGHTS_MAX: usize = 8;
/// The workers' scripts, where the page does not name others.
const WORKER_SCRIPT: &str = "worker_loader.js";
const STORE_SCRIPT: &str = "store_loader.js";

/// The room that this page is in.
pub(crate) struct Room {
    driver: OnceCell<Driver>,
    store: OnceCell<Rc<Store>>,
    draw: OnceCell<Draw>,
    unit_size: Cell<Option<u64>>,
    threads: Cell<u16>,
    news: RefCell<String>,
    trouble: RefCell<Option<String>>,
    flights: RefCell<Vec<Flight>>,
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
    /// How many counting numbers a unit has, where the job adds numbers.
    pub(crate) unit_size: Option<u64>,
    /// How many threads are lent.
    pub(crate) threads: u16,
    /// The latest news, read aloud by screen readers.
    pub(crate) news: String,
    /// What is wrong, if anything.
    pub(crate) trouble: Option<String>,
    /// What came or went since the last drawing.
    pub(crate) flights: Vec<Flight>,
}

/// The way of a message, as the ids of those it went through. Of one id alone: it goes out from there to all neighbours.
pub(crate) type Flight = Vec<String>;

impl Scene {
    /// The job, once known.
    pub(crate) fn job(&self) -> Option<&JobView> {
        self.view.job.as_ref()
    }

    /// An amount of units, in what the job counts: numbers where it adds them, else units.
    pub(crate) fn counted(&self, units: f64) -> f64 {
        self.unit_size.map_or(units, |size| units * size as f64)
    }

    /// What [`Scene::counted`] counts, in one word.
    pub(crate) fn counted_word(&self) -> &'static str {
        if self.unit_size.is_some() { "numbers" } else { "units" }
    }
}

impl Room {
    /// A room that is not joined yet.
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            driver: OnceCell::new(),
            store: OnceCell::new(),
            draw: OnceCell::new(),
            unit_size: Cell::default(),
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
            worker_url: script_url("worker", WORKER_SCRIPT),
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

    /// Shows the way of a message.
    pub(crate) fn fly(&self, flight: Flight) {
        let mut flights = self.flights.borrow_mut();
        if flights.len() < FLIGHTS_MAX {
            flights.push(flight);
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
        if self.unit_size.get().is_none()
            && let Some(JobKind::Sum { unit_size, .. }) = driver.job().map(|job| job.kind)
        {
            self.unit_size.set(Some(unit_size));
        }
        let scene = Scene {
            view: driver.view(),
            unit_size: self.unit_size.get(),
            threads: self.threads.get(),
            news: self.news.borrow().clone(),
            trouble: self.trouble.borrow().clone(),
            flights: self.flights.take(),
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
                let total = self.driver.get().and_then(|driver| driver.view().job?.done_total);
                self.announce(&match total {
                    Some(total) => ["Done. The total is ", &grouped(&total), "."].concat(),
                    None => "Done.".to_owned(),
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
            Event::LinkDown { .. } | Event::TookBack { .. } => {}
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
}

/// So many characters of a text, at most.
fn beginning(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

/// An id as the view has it.
fn id_text(peer: &PeerId) -> String {
    peer.0
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|half| char::from_digit(half.into(), 16))
        .collect()
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

/// Lets tests and curious people read `__manyhands.view`: the view of this moment, as JSON.
fn expose(room: Rc<Room>) {
    let read = Closure::<dyn Fn() -> String>::new(move || room.json()).into_js_value();
    let (object, descriptor) = (Object::new(), Object::new());
    let set = |object: &Object, name: &str, value: &JsValue| Reflect::set(object, &name.into(), value);
    // None of this fails on fresh objects.
    let _ = set(&descriptor, "get", &read);
    Object::define_property(&object, &"view".into(), &descriptor);
    let _ = Reflect::set(&js_sys::global(), &"__manyhands".into(), &object);
}

fn log(parts: &[&str]) {
    web_sys::console::info_1(&parts.concat().into());
}
