//! Who this tab is: a key that survives a reload and is never in two tabs at once.
//!
//! Keys lie in the origin's `localStorage`, in numbered places: `manyhands.key.N`. A tab takes a place by writing its
//! own random token and the time to `manyhands.tab.N`, writes the time anew every [`BEAT_MS`], and gives the place back
//! when it closes. A place whose time is older than [`STALE_MS`] is free: its tab has crashed. `sessionStorage` remembers
//! the place, so that a reload takes the same one; a duplicated tab remembers it too, but finds it taken. After taking a
//! place the tab waits a moment and looks again, in case another took it at the same time: the last writer has it.
//!
//! Where storage is forbidden the key lasts as long as the page.

use js_sys::Date;
use web_sys::{Storage, window};

use crate::listen::Timeout;

/// How often a tab says that it is there, in milliseconds.
pub const BEAT_MS: f64 = 2_000.0;
/// How long a silent tab keeps its place, in milliseconds (guess: a few beats).
const STALE_MS: f64 = 10_000.0;
/// How long another tab's writing may take to be seen, in milliseconds (guess).
const SETTLE_MS: u32 = 30;
/// How many tabs of one browser can be friends with keys that last.
const PLACES_MAX: u32 = 64;
const NAME: &str = "manyhands.name";
const PLACE: &str = "manyhands.place";

/// A key, held by this tab until dropped.
pub struct Identity {
    /// The secret half of the node's key.
    pub secret: [u8; 32],
    place: Option<Place>,
}

struct Place {
    storage: Storage,
    number: u32,
    token: String,
}

impl Identity {
    /// Takes this tab's key, or makes one.
    pub async fn take() -> Self {
        let token = hex(&random());
        if let Some(storage) = window().and_then(|window| window.local_storage().ok().flatten()) {
            let remembered =
                session().and_then(|session| session.get_item(PLACE).ok().flatten()?.parse().ok());
            for number in remembered.into_iter().chain(0..PLACES_MAX) {
                let place = Place { storage: storage.clone(), number, token: token.clone() };
                if place.is_free() && place.beat() {
                    pause(SETTLE_MS).await;
                    if place.is_ours() {
                        let secret = place.secret();
                        if let Some(session) = session() {
                            let _ = session.set_item(PLACE, &decimal(number));
                        }
                        return Self { secret, place: Some(place) };
                    }
                }
            }
        }
        Self { secret: random(), place: None }
    }

    /// The number of the place that this tab holds; `None` where storage is forbidden.
    pub fn place(&self) -> Option<u32> {
        self.place.as_ref().map(|place| place.number)
    }

    /// Says that this tab is there. `false` if another tab has taken the place meanwhile, since this one was
    /// frozen: then this tab must stop being this peer.
    pub fn beat(&self) -> bool {
        self.place.as_ref().is_none_or(|place| place.is_ours() && place.beat())
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        if let Some(place) = self.place.take().filter(Place::is_ours) {
            let _ = place.storage.remove_item(&place.tab());
        }
    }
}

impl Place {
    fn tab(&self) -> String {
        ["manyhands.tab.", &decimal(self.number)].concat()
    }

    /// The token and the time of who holds the place.
    fn holder(&self) -> Option<(String, f64)> {
        let text = self.storage.get_item(&self.tab()).ok()??;
        let (token, time) = text.split_once(' ')?;
        Some((token.to_owned(), time.parse::<u64>().ok()? as f64))
    }

    fn is_free(&self) -> bool {
        self.holder().is_none_or(|(_, time)| (Date::now() - time).abs() > STALE_MS)
    }

    fn is_ours(&self) -> bool {
        self.holder().is_some_and(|(token, _)| token == self.token)
    }

    /// Whether it could be written.
    fn beat(&self) -> bool {
        let text = [self.token.as_str(), " ", &decimal(Date::now() as u64)].concat();
        self.storage.set_item(&self.tab(), &text).is_ok()
    }

    fn secret(&self) -> [u8; 32] {
        let key = ["manyhands.key.", &decimal(self.number)].concat();
        if let Some(secret) = self.storage.get_item(&key).ok().flatten().and_then(|text| from_hex(&text)) {
            return secret;
        }
        let secret = random();
        let _ = self.storage.set_item(&key, &hex(&secret));
        secret
    }
}

/// The name the person chose last time; empty if none.
pub fn name() -> String {
    let storage = window().and_then(|window| window.local_storage().ok().flatten());
    storage.and_then(|storage| storage.get_item(NAME).ok().flatten()).unwrap_or_default()
}

/// Remembers the name the person chose.
pub fn remember_name(name: &str) {
    if let Some(storage) = window().and_then(|window| window.local_storage().ok().flatten()) {
        let _ = storage.set_item(NAME, name);
    }
}

/// 32 random bytes from the browser's own source.
///
/// # Panics
/// Where there is no `crypto.getRandomValues`, which no browser lacks.
pub fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("every browser has crypto.getRandomValues");
    bytes
}

/// Waits at least `ms` milliseconds.
pub(crate) async fn pause(ms: u32) {
    let mut timeout = None;
    let promise = js_sys::Promise::new(&mut |resolve, _| {
        timeout = Some(Timeout::new(ms, move || {
            let _ = resolve.call0(&wasm_bindgen::JsValue::UNDEFINED);
        }));
    });
    let _ = wasm_bindgen_futures::JsFuture::from(promise).await;
    drop(timeout);
}

fn session() -> Option<Storage> {
    window()?.session_storage().ok().flatten()
}

fn decimal(number: impl Into<u64>) -> String {
    number.into().to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|half| char::from_digit(half.into(), 16))
        .collect()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    if text.len() != 64 || digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *byte = pair[0] << 4 | pair[1];
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_text_form() {
        let key: [u8; 32] = std::array::from_fn(|i| i as u8 * 8 + 7);

        assert_eq!(from_hex(&hex(&key)), Some(key));
        assert_eq!(from_hex("short"), None);
        assert_eq!(from_hex(&"x".repeat(64)), None);
    }
}
