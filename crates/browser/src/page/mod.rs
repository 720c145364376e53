//! What a person sees.
//!
//! The page has two stages. [`start`] says who asks for what and has one button; nothing runs before it is pressed. Then
//! [`room`] shows the room: [`hero`] the total and the progress, [`controls`] what this person lends, [`map`] the job,
//! [`peers`] who is there, [`numbers`] what it was worth, [`invite`] the way for more friends. All of it is drawn from one
//! value, the core's [`View`](manyhands_core::View), taken some times a second by [`state`].
//!
//! What a browser without WebRTC, WebAssembly or workers is told stands in `web/index.html`, since this program may not
//! even load there.

pub mod controls;
pub mod format;
pub mod hero;
pub mod invite;
pub mod map;
pub mod numbers;
pub mod peers;
pub mod room;
pub mod room_info;
pub mod start;
pub mod state;

use leptos::mount::mount_to;
use leptos::prelude::*;
use manyhands_core::RoomKey;
use wasm_bindgen::JsCast as _;
use web_sys::{HtmlElement, PageTransitionEvent, window};

use crate::listen::Listener;
use state::Room;

/// Shows the page.
///
/// # Panics
/// Outside of a browser's page that has an element `app`.
pub fn open() {
    std::panic::set_hook(Box::new(|info| {
        web_sys::console::error_1(&info.to_string().into());
        set_root_data("missing", "luck");
    }));
    let document = window().and_then(|window| window.document()).expect("a page has a document");
    if document.document_element().is_some_and(|root| root.has_attribute("data-missing")) {
        // The page says already what this browser lacks.
        return;
    }
    let root: HtmlElement = document
        .get_element_by_id("app")
        .and_then(|element| element.dyn_into().ok())
        .expect("index.html has the element `app`");
    root.set_inner_html("");
    begin_anew_when_needed();
    mount_to(root, app).forget();
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

fn app() -> AnyView {
    let hash = window().and_then(|window| window.location().hash().ok()).unwrap_or_default();
    match RoomKey::parse_fragment(&hash) {
        Err(error) => start::without_invite(&error).into_any(),
        Ok(key) => {
            let joined = RwSignal::new(None::<Room>);
            (move || match joined.get() {
                None => start::start(key, joined).into_any(),
                Some(room) => room::room(room).into_any(),
            })
            .into_any()
        }
    }
}

/// Loads the page again.
pub(crate) fn reload() {
    if let Some(window) = window() {
        let _ = window.location().reload();
    }
}

/// Sets an attribute `data-…` of the root element, for the style sheet and for tests.
pub(crate) fn set_root_data(name: &str, value: &str) {
    if let Some(root) = window().and_then(|window| window.document()?.document_element()) {
        let _ = root.set_attribute(&["data-", name].concat(), value);
    }
}

/// Whether the page comes from the computer it is shown on: the host's own.
pub(crate) fn is_hosts_own_page() -> bool {
    let host = window().and_then(|window| window.location().hostname().ok()).unwrap_or_default();
    matches!(host.as_str(), "localhost" | "[::1]") || host.starts_with("127.")
}
