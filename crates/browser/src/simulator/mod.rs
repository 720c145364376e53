//! The simulator of chunks that spread over servers: no server and no room are needed.
//!
//! One program is both: in the page it draws ([`panel`]), and in a Web Worker, where the same file is loaded once more, it runs the
//! very machines of the core in a virtual network ([`serve`], [`manyhands_sim::spread`]). The page's own program loads it only when
//! somebody opens it, so nothing of it is in the first download; its style sheet comes with it too.
//!
//! The page leads: it asks ([`message::Ask`]) for the next stretch of time, and the worker answers with how things stand. So a run
//! can be stopped anywhere, and the worker never computes what nobody looks at.

mod charts;
mod client;
mod fields;
mod message;
mod panel;
mod parts;
mod plot;
mod serve;
mod tables;
mod tiles;

use wasm_bindgen::JsCast as _;
use web_sys::DedicatedWorkerGlobalScope;

/// Where the page wants it, by id.
const PLACE: &str = "simulator";

/// Draws into the page that loaded it, or computes for the page whose worker it is.
///
/// # Panics
/// Anywhere else.
pub fn run() {
    if let Ok(scope) = js_sys::global().dyn_into::<DedicatedWorkerGlobalScope>() {
        serve::serve(scope);
    } else {
        panel::open(PLACE);
    }
}
