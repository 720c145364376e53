//! What a person sees.
//!
//! The page has two stages. [`start`] says who asks for what and has one button; nothing runs before it is pressed. Then
//! [`room`] shows the room: [`hero`] the total and the progress, [`controls`] what this person lends, and the [`tabs`]. One
//! is the job: its [`map`], in [`peers`] who is there, in [`numbers`] what it was worth; what a [`search`] for primes has
//! found so far is said here too. Another is the [`files`]: [`intake`] for new ones, the [`chunks`] of one, and [`file_rows`] of
//! all, to [`save`]. The others are drawn by programs of their own, loaded [`later`]: the network with what is said there, the
//! primes, and the simulator, which needs no room. [`invite`] is the way for more friends; on the host's own computer one can
//! [`choose`] what the room computes. All of it is drawn from one value, the core's [`View`](manyhands_core::View), taken some
//! times a second by [`state`]; [`dom`] makes elements, [`format`] numbers for people.
//!
//! What a browser without WebRTC, WebAssembly or workers is told stands in `web/index.html`, since this program may not
//! even load there.

mod choose;
mod chunks;
mod controls;
pub(crate) mod dom;
mod file_rows;
mod files;
pub(crate) mod format;
mod hero;
mod intake;
pub(crate) mod invite;
mod later;
mod map;
mod numbers;
pub(crate) mod peers;
mod room;
mod room_info;
pub(crate) mod save;
pub(crate) mod search;
mod start;
mod state;
pub(crate) mod table;
mod tabs;

use manyhands_core::RoomKey;
use wasm_bindgen::JsCast as _;
use web_sys::{PageTransitionEvent, window};

use crate::listen::Listener;
use dom::{El, by_id, document, reload, set_root_data};

/// Shows the page.
///
/// # Panics
/// Outside of a browser's page that has an element `app`.
pub fn open() {
    std::panic::set_hook(Box::new(|info| {
        web_sys::console::error_1(&info.to_string().into());
        set_root_data("missing", "luck");
    }));
    if document().document_element().is_some_and(|root| root.has_attribute("data-missing")) {
        // The page says already what this browser lacks.
        return;
    }
    let root = by_id("app").expect("index.html has the element `app`");
    begin_anew_when_needed();

    let hash = window().and_then(|window| window.location().hash().ok()).unwrap_or_default();
    if hash.starts_with("#simulator") {
        return later::simulator_alone(&root);
    }
    match RoomKey::parse_fragment(&hash) {
        Ok(key) => start::start(&root, key),
        Err(error) => show(&root, &[&start::without_invite(&error)]),
    }
}

/// A page that comes back from the browser's cache has left its room, and another link in the address bar is another
/// room: both begin anew.
fn begin_anew_when_needed() {
    let Some(window) = window() else { return };
    let shown = Listener::new(&window, "pageshow", |event| {
        if event.unchecked_into::<PageTransitionEvent>().persisted() {
            reload();
        }
    });
    let changed = Listener::new(&window, "hashchange", |_| reload());
    // Both live as long as the page.
    std::mem::forget((shown, changed));
}

/// Shows these parts and nothing else.
pub(crate) fn show(root: &El, parts: &[&El]) {
    root.hold(parts.iter().copied());
}

/// Whether the page comes from the computer it is shown on: the host's own, or that of a friend who runs the program too.
pub(crate) fn is_own_computers_page() -> bool {
    let host = window().and_then(|window| window.location().hostname().ok()).unwrap_or_default();
    matches!(host.as_str(), "localhost" | "[::1]") || host.starts_with("127.")
}
