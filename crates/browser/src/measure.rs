//! How fast the search's transform is in this browser, told to whoever asks the searcher: for measurements.
//!
//! The question is a text, `measure 44497`, and the answer another, `44497 125000`: the exponent and the nanoseconds of one
//! iteration, or `44497 none`. What the page tells its workers are no texts.

use manyhands_jobs::transform::{Path, speed};
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};

use crate::clock::Clock;
use crate::listen::Listener;

/// What a question begins with.
const QUESTION: &str = "measure ";

/// Answers for as long as the worker lives. Anywhere but in a worker it does nothing.
pub fn answer() {
    let Ok(scope) = js_sys::global().dyn_into::<DedicatedWorkerGlobalScope>() else { return };
    let port = scope.clone();
    let questions = Listener::new(&scope, "message", move |event| {
        let question = event.unchecked_into::<MessageEvent>().data().as_string();
        let asked = question.as_deref().and_then(|text| text.strip_prefix(QUESTION)?.parse::<u32>().ok());
        if let Some(exponent) = asked {
            let _ = port.post_message(&JsValue::from_str(&measured(exponent)));
        }
    });
    std::mem::forget(questions);
}

fn measured(exponent: u32) -> String {
    let clock = Clock::new();
    let mut clock_us = || clock.now().as_micros();
    let paths = Path::ALL.iter();
    let speeds = paths.filter_map(|path| speed::measure(exponent, *path, &mut clock_us));
    let fastest = speeds.map(|speed| speed.step_ns).reduce(f64::min);
    let answer = fastest.map_or_else(|| "none".to_owned(), |step_ns| (step_ns as u64).to_string());
    format!("{exponent} {answer}")
}
