//! What the page asks of the simulator's worker, and what it answers: postcard in one buffer each.

use js_sys::{ArrayBuffer, Uint8Array};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wasm_bindgen::{JsCast as _, JsValue};

/// The worker's first message, before which it hears nothing.
pub(super) const READY: &str = "ready";
/// How many transfers one answer tells of at most: the last ones.
pub(super) const NEWS_MAX: usize = 200;
/// A cell in an answer: nothing there; from this much on it came from a server; from that much on a server sends it.
pub(super) const MISSING: u8 = 0;
pub(super) const FROM: u8 = 1;
pub(super) const COMING: u8 = 128;

/// What the page asks for.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Ask {
    /// A run with these settings, as a link has them, at its beginning.
    Begin(String),
    /// The same run from its beginning.
    Reset,
    /// So many microseconds of it.
    Go(u64),
    /// Everything up to the next transfer.
    Step,
    /// Runs of all policies with these settings, each to its end; answered one by one.
    Compare(String),
}

/// What the worker answers.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Answer {
    /// The run is at its beginning.
    Begun(Frame, Snapshot),
    /// Such settings there are not: why, for people.
    Wrong(String),
    /// The run has gone on.
    Gone(Snapshot),
    /// One policy's run is over.
    Compared(Compared),
}

/// What stays the same in a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Frame {
    /// The settings, all of them, as a link has them.
    pub(super) settings: String,
    pub(super) servers: u32,
    pub(super) chunks: u32,
    pub(super) round_us: u64,
    pub(super) bound: u32,
    pub(super) links: u32,
}

/// How a run stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Snapshot {
    pub(super) now_us: u64,
    /// When the last server had everything, if all have.
    pub(super) end_us: Option<u64>,
    pub(super) is_given_up: bool,
    /// How many chunks all servers have together.
    pub(super) here: u64,
    pub(super) transfers: u64,
    pub(super) twice: u64,
    /// All chunks of the first server, of the second, and so on.
    pub(super) cells: Vec<u8>,
    pub(super) standings: Vec<Standing>,
    /// What happened since the last answer, the oldest first; of much, the last.
    pub(super) news: Vec<News>,
}

/// How a server stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Standing {
    pub(super) here: u32,
    pub(super) sent: u32,
    pub(super) finished_us: Option<u64>,
}

/// A transfer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct News {
    pub(super) at_us: u64,
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) chunk: u32,
    pub(super) is_twice: bool,
}

/// How a policy did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Compared {
    pub(super) policy: String,
    pub(super) is_complete: bool,
    pub(super) rounds: f64,
    pub(super) ratio: f64,
    pub(super) twice: u64,
    pub(super) seeder_files: f64,
    /// Rounds, and the share of all chunks that was there then.
    pub(super) curve: Vec<(f64, f64)>,
    /// Whether no more come.
    pub(super) is_last: bool,
}

/// A message as it is posted.
pub(super) fn posted(message: &impl Serialize) -> JsValue {
    let bytes = postcard::to_stdvec(message).unwrap_or_default();
    Uint8Array::from(bytes.as_slice()).buffer().into()
}

/// A message that was posted. `None` for anything else.
pub(super) fn read<T: DeserializeOwned>(data: JsValue) -> Option<T> {
    let buffer = data.dyn_into::<ArrayBuffer>().ok()?;
    postcard::from_bytes(&Uint8Array::new(&buffer).to_vec()).ok()
}
