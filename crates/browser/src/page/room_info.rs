//! What the page's server says of the room before anybody joins: `GET /api/room`.

use js_sys::{Array, Reflect};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, RequestInit, Response, window};

/// The status with which a node of the room says that it knows of no job.
const NO_JOB_KNOWN: u16 = 503;

/// The room as its host describes it to a visitor. Every field may be missing: the page then says less.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RoomInfo {
    /// Who asks.
    pub(crate) asked_by: String,
    /// What is to be done, as a sentence.
    pub(crate) title: String,
    /// Whether it is a search, which may have no end.
    pub(crate) is_search: bool,
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
    /// Whether whoever sees this page may choose the job: on the host's own computer, as long as nothing has begun.
    pub(crate) can_choose: bool,
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
        let told = JsFuture::from(response.json().ok()?).await.ok()?;
        let field = |name: &str| Reflect::get(&told, &name.into()).unwrap_or_default();
        let text = |name: &str| field(name).as_string().unwrap_or_default();
        // Exact up to 2^53; it is for percent only.
        let count = |name: &str| field(name).as_f64().unwrap_or_default() as u64;
        let lan = field("lan").dyn_into::<Array>().unwrap_or_default();
        Some(Self {
            asked_by: text("asked_by"),
            title: text("title"),
            is_search: text("kind") == "mersenne",
            phase: text("phase"),
            units: count("units"),
            done_units: count("done_units"),
            lan: lan.iter().filter_map(|address| address.as_string()).collect(),
            is_host: field("is_host").is_truthy(),
            can_choose: field("can_choose").is_truthy(),
        })
    }
}

/// Asks the host's program, on whose own computer this page is, to start the job now.
///
/// # Errors
/// What the server, or the browser, has against it.
pub(crate) async fn start_job() -> Result<(), String> {
    post("/api/start", None).await
}

/// Asks it to take this job, as JSON, in place of the one there was.
///
/// # Errors
/// As [`start_job`].
pub(crate) async fn choose_job(json: &str) -> Result<(), String> {
    post("/api/job", Some(json)).await
}

async fn post(path: &str, json: Option<&str>) -> Result<(), String> {
    const UNREACHABLE: &str = "the program on this computer does not answer";
    let failed = |_: JsValue| UNREACHABLE.to_owned();
    let headers = Headers::new().map_err(failed)?;
    // No other site's page can send this header without the server's consent.
    headers.set("x-manyhands", "1").map_err(failed)?;
    let init = RequestInit::new();
    init.set_method("POST");
    if let Some(json) = json {
        headers.set("content-type", "application/json").map_err(failed)?;
        init.set_body(&json.into());
    }
    init.set_headers(&headers);
    let window = window().ok_or(UNREACHABLE)?;
    let response = JsFuture::from(window.fetch_with_str_and_init(path, &init)).await.map_err(failed)?;
    let response: Response = response.dyn_into().map_err(failed)?;
    if response.ok() {
        return Ok(());
    }
    // Errors are told as `error`, or by RFC 9457 as `detail` with a `title`.
    let refusal = JsFuture::from(response.json().map_err(failed)?).await.unwrap_or_default();
    let told = |name: &str| Reflect::get(&refusal, &name.into()).ok()?.as_string();
    let why = told("error").or_else(|| told("detail")).or_else(|| told("title"));
    Err(why.unwrap_or_else(|| UNREACHABLE.to_owned()).trim_end_matches('.').to_owned())
}
