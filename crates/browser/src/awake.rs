//! Keeping the browser from freezing a hidden page.
//!
//! A browser may stop a hidden page altogether, but not one with an open data channel, and not one that holds a Web Lock.
//! The lock is for the time without links. Pages from plain `http` have no locks: they go without.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Array, Function, Object, Promise, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::window;

const NAME: &str = "manyhands";

/// A Web Lock that every tab may hold at once, given back when dropped.
pub struct Awake(Rc<RefCell<Option<Function>>>);

impl Awake {
    /// Asks for the lock, if the browser has locks.
    pub fn new() -> Self {
        let release: Rc<RefCell<Option<Function>>> = Rc::default();
        // A browser without locks is no worse off than before.
        let _ = hold(&release);
        Self(release)
    }
}

impl Default for Awake {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        if let Some(release) = self.0.take() {
            let _ = release.call0(&JsValue::UNDEFINED);
        }
    }
}

fn hold(release: &Rc<RefCell<Option<Function>>>) -> Result<(), JsValue> {
    let locks = Reflect::get(&window().ok_or(JsValue::NULL)?.navigator(), &"locks".into())?;
    let request: Function = Reflect::get(&locks, &"request".into())?.dyn_into()?;
    let options = Object::new();
    Reflect::set(&options, &"mode".into(), &"shared".into())?;
    // The lock is held until this promise is kept.
    let until = Promise::new(&mut |resolve, _| *release.borrow_mut() = Some(resolve));
    let held = Closure::once_into_js(move || until);
    let asked: Promise = request.apply(&locks, &Array::of3(&NAME.into(), &options, &held))?.dyn_into()?;
    // A page that goes away may see its request refused: that is nobody's trouble.
    let refused = Closure::<dyn FnMut(JsValue)>::new(|_| {});
    let _ = asked.catch(&refused);
    refused.forget();
    Ok(())
}
