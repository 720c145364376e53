//! Files on their way out of the page: to the person's disk, and sets into their members.

use js_sys::Uint8Array;
use manyhands_wire::FileId;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, Url};

use super::dom::el;
use crate::timer::Alarm;

/// How long the browser may take to begin with a download, in milliseconds (guess).
const BEGUN_WITHIN_MS: u32 = 60_000;
/// The longest set that is read, in bytes: more than thirty thousand members.
const SET_BYTES_MAX: f64 = 1048576.0;

/// Saves it where the person's downloads are. The browser reads it as it writes it.
///
/// # Errors
/// If the browser does not take it.
pub(crate) fn save(blob: &Blob, name: &str) -> Result<(), JsValue> {
    let url = Url::create_object_url_with_blob(blob)?;
    el("a").attr("href", &url).attr("download", name).click();
    std::mem::forget(Alarm::new(BEGUN_WITHIN_MS, move || {
        let _ = Url::revoke_object_url(&url);
    }));
    Ok(())
}

/// The members of a set. `None` if it cannot be read.
pub(super) async fn members(blob: &Blob) -> Option<Vec<FileId>> {
    if blob.size() > SET_BYTES_MAX {
        return None;
    }
    let bytes = Uint8Array::new(&JsFuture::from(blob.array_buffer()).await.ok()?).to_vec();
    Some(bytes.as_chunks::<32>().0.iter().map(|id| FileId(*id)).collect())
}
