//! The page's state: the driver, and the view it gives some times a second.

use std::time::Duration;

use js_sys::{Object, Reflect};
use leptos::prelude::*;
use manyhands_core::view::Phase;
use manyhands_core::{Command, Event, RoomKey, View};
use manyhands_wire::JobKind;
use wasm_bindgen::JsValue;
use wasm_bindgen::closure::Closure;
use web_sys::window;

use super::format::grouped;
use super::set_root_data;
use crate::run::{Driver, Settings, Told};
use crate::storage::Identity;

/// How often the page is drawn anew.
const REFRESH: Duration = Duration::from_millis(200);
/// The worker's script, where the page does not name another.
const WORKER_SCRIPT: &str = "worker_loader.js";

/// The room that this page is in. A handle: copies are the same room.
#[derive(Clone, Copy)]
pub struct Room {
    /// What a person sees.
    pub view: RwSignal<View>,
    /// How many counting numbers a unit has, where the job adds numbers.
    pub unit_size: RwSignal<Option<u64>>,
    /// How many threads are lent.
    pub threads: RwSignal<u16>,
    /// The latest news, read aloud by screen readers.
    pub news: RwSignal<String>,
    /// What is wrong, if anything.
    pub trouble: RwSignal<Option<String>>,
    driver: StoredValue<Option<Driver>, LocalStorage>,
}

impl Room {
    /// Joins.
    pub async fn join(key: RoomKey, name: String, threads: u16) -> Self {
        let room = Self {
            view: RwSignal::new(View::default()),
            unit_size: RwSignal::new(None),
            threads: RwSignal::new(threads),
            news: RwSignal::new(String::new()),
            trouble: RwSignal::new(None),
            driver: StoredValue::new_local(None),
        };
        let settings = Settings {
            room: key,
            identity: Identity::take().await,
            name,
            threads,
            origin: window().and_then(|window| window.location().origin().ok()).unwrap_or_default(),
            worker_url: worker_url(),
        };
        let driver = Driver::start(settings, move |told| room.hear(told));
        room.driver.set_value(Some(driver));
        room.refresh();
        // Runs as long as the page.
        let _ = set_interval_with_handle(move || room.refresh(), REFRESH);
        expose(room);
        room
    }

    /// Hands on what the person wants.
    pub fn command(self, command: Command) {
        self.driver.with_value(|driver| {
            if let Some(driver) = driver {
                driver.command(command);
            }
        });
        self.refresh();
    }

    /// Lends this many threads from now on.
    pub fn lend(self, threads: u16) {
        self.threads.set(threads);
        self.command(Command::SetThreads(threads));
    }

    /// The part of the view that `pick` picks, followed as it changes.
    pub fn part<T>(self, pick: impl Fn(&View) -> T + Send + Sync + 'static) -> Memo<T>
    where
        T: PartialEq + Send + Sync + 'static,
    {
        Memo::new(move |_| self.view.with(&pick))
    }

    /// A speed or an amount of units, in what the job counts: numbers where it adds them, else units.
    pub fn counted(self, units: f64) -> f64 {
        self.unit_size.get().map_or(units, |size| units * size as f64)
    }

    /// What [`Room::counted`] counts, in one word.
    pub fn counted_word(self) -> &'static str {
        if self.unit_size.get().is_some() { "numbers" } else { "units" }
    }

    fn refresh(self) {
        let Some((view, kind)) = self.driver.with_value(|driver| {
            let driver = driver.as_ref()?;
            let kind = if self.unit_size.get_untracked().is_none() {
                driver.job().map(|job| job.kind)
            } else {
                None
            };
            Some((driver.view(), kind))
        }) else {
            return;
        };
        if let Some(JobKind::Sum { unit_size, .. }) = kind {
            self.unit_size.set(Some(unit_size));
        }
        if self.view.with_untracked(|old| *old != view) {
            set_root_data("phase", phase_word(view.phase));
            self.view.set(view);
        }
    }

    fn hear(self, told: Told) {
        match told {
            Told::Event(event) => self.hear_event(event),
            Told::WorkerFailed(why) => self.trouble.set(Some(
                ["This browser could not run a worker (", &why, "), so this page has left the room. Load it again to try once more."].concat(),
            )),
            Told::KeyTaken => self.trouble.set(Some(
                "This tab slept for a while, and another tab of yours took its place. Load it again to join as a second friend.".into(),
            )),
        }
    }

    fn hear_event(self, event: Event) {
        match event {
            Event::LinkUp { peer } => self.news.set([&peer.nickname(), " is here."].concat()),
            Event::Started => self.news.set("The job has begun.".into()),
            Event::SignalingRefused { message } => self.trouble.set(Some(message)),
            Event::Finished => {
                self.refresh();
                let total = self.view.with_untracked(|view| view.job.as_ref()?.done_total.clone());
                self.news.set(match total {
                    Some(total) => ["Done. The total is ", &grouped(&total), "."].concat(),
                    None => "Done.".into(),
                });
            }
            Event::Left => {
                self.refresh();
                self.news.set("You have left. Thank you.".into());
            }
            Event::JobKnown => self.trouble.set(None),
            Event::Refused { why } => log(&["refused: ", &why]),
            Event::Misbehaved { peer, what } => log(&["misbehaved: ", &peer.nickname(), ": ", &what]),
            Event::LinkDown { .. } | Event::TookBack { .. } => {}
        }
    }

    fn json(self) -> String {
        let view = self.driver.with_value(|driver| driver.as_ref().map(Driver::view));
        view.and_then(|view| serde_json::to_string(&view).ok()).unwrap_or_default()
    }
}

/// The phase as one word: the `data-phase` of the page.
pub fn phase_word(phase: Phase) -> &'static str {
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
pub fn threads_max() -> u16 {
    let count = window().map_or(1.0, |window| window.navigator().hardware_concurrency());
    (count as u16).max(1)
}

fn worker_url() -> String {
    let named = || {
        let meta = window()?.document()?.query_selector("meta[name=worker]").ok()??;
        meta.get_attribute("content").filter(|name| !name.is_empty())
    };
    named().unwrap_or_else(|| WORKER_SCRIPT.to_owned())
}

/// Lets tests and curious people read `__manyhands.view`: the view of this moment, as JSON.
fn expose(room: Room) {
    let set = || -> Result<(), JsValue> {
        let descriptor = Object::new();
        let read = Closure::<dyn Fn() -> String>::new(move || room.json());
        Reflect::set(&descriptor, &"get".into(), read.as_ref())?;
        read.forget();
        let object = Object::new();
        Object::define_property(&object, &"view".into(), &descriptor);
        Reflect::set(&js_sys::global(), &"__manyhands".into(), &object)?;
        Ok(())
    };
    let _ = set();
}

fn log(parts: &[&str]) {
    web_sys::console::info_1(&parts.concat().into());
}
