//! What the program serves over HTTP: the page, signaling, the API.
//!
//! 1. [`serve`]: connections, with their bounds.
//! 2. [`assets`]: the embedded page.
//! 3. [`api`]: status, room, task and metrics, which only read.
//! 4. [`control`]: start, pause and resume, which only the host's own machine may ask for. [`choice`]: which job it is.
//! 5. [`node`]: a node among its peers: who they are, what was said, sleep and waking.
//! 6. [`search`]: a search for Mersenne primes, what it found, and what became of every exponent.
//! 7. [`files`]: put, list, fetch and forget files. [`docs`]: a page to try all of it.
//!
//! Everything a handler needs is in [`Web`]; nothing here knows how a node is driven, so the routes are tested with a
//! [`View`](manyhands_core::View) made by hand.

pub(crate) mod api;
mod assets;
mod choice;
mod control;
mod docs;
pub(crate) mod files;
pub(crate) mod node;
pub(crate) mod search;
mod serve;
#[cfg(test)]
mod tests;
mod watched;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use manyhands_core::{Command, View};
use manyhands_ledger::Ledger;
use manyhands_signaling::Server;
use manyhands_wire::JobSpec;
use tokio::sync::{mpsc, watch};

pub(crate) use choice::{Choice, Chosen};
pub(crate) use control::is_loopback_name;
pub(crate) use files::FilesFace;
pub(crate) use serve::serve;

/// No request here carries more than this, in bytes.
const REQUEST_BYTES_MAX: usize = 4 * 1024;

/// A job and its ledger, as the node last told them.
pub(crate) type Progress = Option<Arc<(JobSpec, Ledger)>>;

/// What the handlers know.
pub(crate) struct Web {
    /// The signaling server, where this program is one.
    pub(crate) signaling: Option<Arc<Server>>,
    /// The node, where there is one: a relay has none.
    pub(crate) node: Option<NodeFace>,
    /// When the program started.
    pub(crate) started: Instant,
}

/// A node as the handlers see it.
pub(crate) struct NodeFace {
    /// Whether it is the host.
    pub(crate) is_host: bool,
    /// What a person sees of it.
    pub(crate) views: watch::Receiver<View>,
    /// Its job and ledger.
    pub(crate) progress: watch::Receiver<Progress>,
    /// Where it takes commands.
    pub(crate) commands: mpsc::Sender<Command>,
    /// Where the host takes the choice of its job; none for any other node.
    pub(crate) choices: Option<mpsc::Sender<Choice>>,
    /// The job's file, where it keeps one.
    pub(crate) task: watch::Receiver<Option<PathBuf>>,
    /// Where friends reach the room, the best address first; told to this machine only.
    pub(crate) lan: Vec<String>,
    /// Its files, where it keeps any.
    pub(crate) files: Option<Arc<FilesFace>>,
}

/// All routes.
pub(crate) fn router(web: Web) -> Router {
    let signaling = web.signaling.clone().map_or_else(Router::new, manyhands_signaling::router);
    let routes = Router::new()
        .route("/api/status", get(api::status))
        .route("/api/room", get(api::room))
        .route("/api/start", post(control::start))
        .route("/api/job", post(choice::choose))
        .route("/api/pause", post(control::pause))
        .route("/api/resume", post(control::resume))
        .merge(node::routes())
        .merge(search::routes())
        .merge(files::routes())
        .merge(docs::routes())
        .route("/api/openapi.json", get(api::openapi))
        .route("/task.json", get(api::task))
        .route("/configs", get(api::task))
        .route("/healthz", get(api::health))
        .route("/metrics", get(api::metrics))
        .fallback(assets::serve)
        .with_state(Arc::new(web));
    routes
        .merge(signaling)
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .layer(middleware::from_fn_with_state(assets::script_hashes(), harden))
}

/// Adds the headers that keep a browser from doing more with an answer than it should.
async fn harden(State(script_hashes): State<Arc<str>>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
    let mut response = next.run(request).await;

    let policy = content_security_policy(&script_hashes, host.as_deref());
    let headers = response.headers_mut();
    // What is given of somebody's files has a stricter one of its own.
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(policy);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// What the page may load and whom it may speak to: this server and nobody else.
fn content_security_policy(script_hashes: &str, host: Option<&str>) -> HeaderValue {
    // Some browsers do not count the WebSockets of a page's own server as 'self', so they are named.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    let sockets = match host {
        Some(host) if host.chars().all(is_plain) => format!(" ws://{host} wss://{host}"),
        Some(_) | None => String::new(),
    };
    let policy = format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'{script_hashes}; worker-src 'self' blob:; \
         style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; manifest-src 'self'; \
         connect-src 'self'{sockets}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
}
