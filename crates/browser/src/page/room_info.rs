//! What the page's server says of the room before anybody joins: `GET /api/room`.

use serde::Deserialize;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, RequestInit, Response, window};

/// The status with which a node of the room says that it knows of no job.
const NO_JOB_KNOWN: u16 = 503;

/// The room as its host describes it to a visitor. Every field may be missing: the page then says less.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct RoomInfo {
    /// Who asks.
    pub(crate) asked_by: String,
    /// What is to be done, as a sentence.
    pub(crate) title: String,
    /// How far things are, in one word.
    pub(crate) phase: String,
    /// How many units the job has.
    pub(crate) units: u64,
    /// How many are finished.
    pub(crate) done_units: u64,
    /// Where friends reach the room, the best first; told on the host's own computer only.
    pub(crate) lan: Vec<String>,
    /// Whether its server is the host, which alone can start the job.
    pub(crate) is_host: bool,
}

impl RoomInfo {
    /// Whether its server knows of no job.
    pub(crate) fn is_jobless(&self) -> bool {
        self.title.is_empty()
    }

    /// Asks the server. `None` if it cannot be reached or does not say.
    pub(crate) async fn fetch() -> Option<Self> {
        let response = JsFuture::from(window()?.fetch_with_str("/api/room")).await.ok()?;
        let response: Response = response.dyn_into().ok()?;
        if response.status() == NO_JOB_KNOWN {
            return Some(Self::default());
        }
        if !response.ok() {
            return None;
        }
        let text = JsFuture::from(response.text().ok()?).await.ok()?.as_string()?;
        serde_json::from_str(&text).ok()
    }
}

/// Asks the host's program, on whose own computer this page is, to start the job now.
///
/// # Errors
/// What the server, or the browser, has against it.
pub(crate) async fn start_job() -> Result<(), String> {
    const UNREACHABLE: &str = "the program on this computer does not answer";
    let failed = |_: JsValue| UNREACHABLE.to_owned();
    let headers = Headers::new().map_err(failed)?;
    // No other site's page can send this header without the server's consent.
    headers.set("x-manyhands", "1").map_err(failed)?;
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_headers(&headers);
    let window = window().ok_or(UNREACHABLE)?;
    let response =
        JsFuture::from(window.fetch_with_str_and_init("/api/start", &init)).await.map_err(failed)?;
    let response: Response = response.dyn_into().map_err(failed)?;
    if response.ok() {
        return Ok(());
    }
    let text = JsFuture::from(response.text().map_err(failed)?).await.map_err(failed)?;
    let refusal: Option<Refusal> = text.as_string().and_then(|text| serde_json::from_str(&text).ok());
    Err(refusal.map_or_else(|| UNREACHABLE.to_owned(), |refusal| refusal.error))
}

/// An error as the API tells it.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}
