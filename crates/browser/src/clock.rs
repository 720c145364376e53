//! The time as the core wants it: microseconds since the page, or the worker, was opened.

use js_sys::{Reflect, global};
use manyhands_core::Time;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::Performance;

/// A clock that never goes back.
#[derive(Clone)]
pub struct Clock(Performance);

impl Clock {
    /// The clock of this page or worker.
    ///
    /// # Panics
    /// Where there is no `performance`, which no browser with WebAssembly lacks.
    pub fn new() -> Self {
        let performance = Reflect::get(&global(), &JsValue::from_str("performance"))
            .ok()
            .and_then(|value| value.dyn_into().ok())
            .expect("every browser with WebAssembly has a performance clock");
        Self(performance)
    }

    /// Now.
    pub fn now(&self) -> Time {
        // Both are exact far beyond the life of a page: 2^53 microseconds are 285 years.
        Time::from_micros((self.0.now() * 1000.0) as u64)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}
