//! Event listeners and timeouts that end when they are dropped.
//!
//! All listeners have the same type of closure, which keeps the page small.

use js_sys::{Function, Reflect, global};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{Event, EventTarget};

/// A listener, taken away when dropped.
pub struct Listener {
    target: EventTarget,
    name: &'static str,
    closure: Closure<dyn FnMut(Event)>,
}

impl Listener {
    /// Calls `on_event` at each event `name` of `target`.
    pub fn new(target: &EventTarget, name: &'static str, on_event: impl FnMut(Event) + 'static) -> Self {
        let closure = Closure::new(on_event);
        // Fails only for a closure that is no function.
        let _ = target.add_event_listener_with_callback(name, closure.as_ref().unchecked_ref());
        Self { target: target.clone(), name, closure }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ =
            self.target.remove_event_listener_with_callback(self.name, self.closure.as_ref().unchecked_ref());
    }
}

/// A timeout, cancelled when dropped. Hidden tabs round it up to a second or a minute.
pub struct Timeout {
    handle: JsValue,
    _closure: Closure<dyn FnMut()>,
}

impl Timeout {
    /// Calls `then` once, `ms` milliseconds from now at the earliest.
    pub fn new(ms: u32, then: impl FnOnce() + 'static) -> Self {
        let mut then = Some(then);
        let closure = Closure::<dyn FnMut()>::new(move || {
            if let Some(then) = then.take() {
                then();
            }
        });
        let handle = global_function("setTimeout")
            .and_then(|set| set.call2(&JsValue::UNDEFINED, closure.as_ref(), &ms.into()).ok())
            .unwrap_or(JsValue::UNDEFINED);
        Self { handle, _closure: closure }
    }
}

impl Drop for Timeout {
    fn drop(&mut self) {
        if let Some(clear) = global_function("clearTimeout") {
            let _ = clear.call1(&JsValue::UNDEFINED, &self.handle);
        }
    }
}

/// Calls again and again until it is dropped. Hidden tabs slow it down.
pub struct Interval {
    handle: JsValue,
    _closure: Closure<dyn FnMut()>,
}

impl Interval {
    /// Calls `each` every `ms` milliseconds.
    pub fn new(ms: u32, each: impl FnMut() + 'static) -> Self {
        let closure = Closure::<dyn FnMut()>::new(each);
        let handle = global_function("setInterval")
            .and_then(|set| set.call2(&JsValue::UNDEFINED, closure.as_ref(), &ms.into()).ok())
            .unwrap_or(JsValue::UNDEFINED);
        Self { handle, _closure: closure }
    }
}

impl Drop for Interval {
    fn drop(&mut self) {
        if let Some(clear) = global_function("clearInterval") {
            let _ = clear.call1(&JsValue::UNDEFINED, &self.handle);
        }
    }
}

/// A function of the page's or the worker's global scope, so that one code serves both.
fn global_function(name: &str) -> Option<Function> {
    Reflect::get(&global(), &JsValue::from_str(name)).ok()?.dyn_into().ok()
}
