//! IndexedDB, as far as it is needed: opening a database, and waiting for what it answers.
//!
//! It serves the page and its workers alike.

use js_sys::{Function, Promise, Reflect, global};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{EventTarget, IdbDatabase, IdbFactory, IdbRequest};

use crate::listen::Listener;

/// Opens the database of this name, after filling it with `make` if it is new.
///
/// # Errors
/// Where databases are forbidden.
pub async fn open(name: &str, make: fn(&IdbDatabase)) -> Result<IdbDatabase, JsValue> {
    let factory: IdbFactory = Reflect::get(&global(), &"indexedDB".into())?.dyn_into()?;
    let request = factory.open_with_u32(name, 1)?;
    let opened = request.clone();
    let _new = Listener::new(&request, "upgradeneeded", move |_| {
        if let Ok(database) = opened.result() {
            make(database.unchecked_ref());
        }
    });
    Ok(answer(&request).await?.unchecked_into())
}

/// What the database answers to a request.
///
/// # Errors
/// If it fails.
pub async fn answer(request: &IdbRequest) -> Result<JsValue, JsValue> {
    first_of(request, ["success", "error"]).await?;
    request.result()
}

/// Waits for the first of two events: the good one, or the bad one.
///
/// # Errors
/// If it is the bad one.
pub async fn first_of(target: &EventTarget, [good, bad]: [&'static str; 2]) -> Result<(), JsValue> {
    let mut listeners = None;
    let promise = Promise::new(&mut |resolve, reject| {
        let call = |then: Function| {
            move |_| {
                let _ = then.call0(&JsValue::UNDEFINED);
            }
        };
        listeners =
            Some([Listener::new(target, good, call(resolve)), Listener::new(target, bad, call(reject))]);
    });
    let result = JsFuture::from(promise).await;
    drop(listeners);
    result.map(drop)
}
