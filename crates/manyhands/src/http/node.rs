//! The part of the API that is about a node among its peers: who they are, what was said, sleep and waking.
//!
//! All of it is for the node's own machine, as in [`control`](super::control): the room's members are in the mesh, and whoever
//! only reaches this port is none of them.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, extract::DefaultBodyLimit};
use axum::{Router, routing::get, routing::post};
use manyhands_core::view::{LinkState, MessageView, NewsView, PeerView, Phase};
use manyhands_core::{Command, View};
use manyhands_wire::flood::{Body, TEXT_BYTES_MAX, WHAT_BYTES_MAX};
use manyhands_wire::frame::PeerKind;
use serde::{Deserialize, Serialize};

use super::api::refuse;
use super::control::{Caller, OwnMachine, check, command};
use super::{NodeFace, Web};
use crate::numbers;

/// The longest request here, in bytes: JSON may take six characters for one of a text.
const SAYING_BYTES_MAX: usize = 6 * TEXT_BYTES_MAX + 1024;

/// How a node is: the answer of `/api/state`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NodeState {
    /// The node's public key in hexadecimal.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// Its process.
    pub(crate) pid: u32,
    /// The program's version.
    pub(crate) version: String,
    /// Seconds since it started.
    pub(crate) uptime_s: f64,
    /// Whether it sleeps.
    pub(crate) asleep: bool,
    /// How it is, in words.
    #[serde(default)]
    pub(crate) state: String,
    /// How far its job is.
    #[serde(flatten)]
    pub(crate) phase: Phase,
    /// Whether it is connected to a signaling server.
    pub(crate) signaling: bool,
    /// The ids of the peers that it has working links to.
    pub(crate) links: Vec<String>,
    /// How many other peers it knows to be there.
    pub(crate) peers: usize,
    /// How many messages it has heard and keeps.
    pub(crate) messages: usize,
    /// Where others reach it; empty if nowhere.
    pub(crate) address: String,
    /// How far it knows the search to be, where that is the job.
    #[serde(default)]
    pub(crate) search: Option<SearchState>,
}

/// How far a node knows a search to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SearchState {
    /// Every exponent up to this one is finished.
    pub(crate) frontier: u32,
    /// How many primes it knows.
    pub(crate) primes: usize,
    /// The exponent of the largest of them; none before there is one.
    pub(crate) largest: Option<u32>,
    /// The name of who found that.
    pub(crate) finder: String,
    /// The id of the same.
    pub(crate) finder_id: String,
    /// How much of the work it has the credit for, 0 to 1.
    pub(crate) share: f64,
}

/// Another peer, as this node knows it: an item of `/api/peers`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Neighbour {
    /// Its public key in hexadecimal.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// The short code that tells equal names apart.
    pub(crate) code: String,
    /// What kind of node; none for one known only from others.
    pub(crate) kind: Option<PeerKind>,
    /// The link to it.
    pub(crate) link: LinkState,
    /// Milliseconds since it was last heard; none without a link.
    pub(crate) heard_ms: Option<u64>,
    /// Round trip in milliseconds, once measured.
    pub(crate) round_trip_ms: Option<f64>,
    /// The ids of the peers that it has links to, as far as it said so.
    pub(crate) links: Vec<String>,
    /// Where others reach it; empty if nowhere.
    pub(crate) address: String,
}

/// A text for everybody: what is posted to `/api/messages`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saying {
    /// The text.
    pub(crate) text: String,
}

/// A discovery: what is posted to `/api/news`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Discovery {
    what: String,
    value: u64,
}

/// The routes of this part.
pub(super) fn routes() -> Router<Arc<Web>> {
    let say = Router::new()
        .route("/api/messages", get(messages).post(say))
        .route("/api/news", get(news).post(discover))
        .layer(DefaultBodyLimit::max(SAYING_BYTES_MAX));
    Router::new()
        .route("/api/state", get(state))
        .route("/api/peers", get(peers))
        .route("/api/sleep", post(sleep))
        .route("/api/wake", post(wake))
        .route("/api/leave", post(leave))
        .merge(say)
}

/// `GET /api/state`
async fn state(_: OwnMachine, State(web): State<Arc<Web>>) -> Response {
    let Some(node) = &web.node else { return no_node() };
    let view = node.views.borrow().clone();
    let Some(me) = view.peers.iter().find(|peer| peer.me) else { return no_node() };
    let is_linked = |peer: &&PeerView| peer.link == LinkState::Open;
    Json(NodeState {
        id: me.id.clone(),
        name: me.name.clone(),
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_s: web.started.elapsed().as_secs_f64(),
        asleep: view.asleep,
        state: crate::status::state(&view),
        phase: view.phase,
        signaling: view.signaling,
        links: view.peers.iter().filter(is_linked).map(|peer| peer.id.clone()).collect(),
        peers: view.peers.len() - 1,
        messages: view.messages.len(),
        address: me.address.clone(),
        search: search_state(&view, me),
    })
    .into_response()
}

fn search_state(view: &View, me: &PeerView) -> Option<SearchState> {
    let search = view.search.as_ref()?;
    let largest = numbers::largest(search);
    let all: u64 = view.peers.iter().map(|peer| peer.credit_cost).sum();
    Some(SearchState {
        frontier: search.frontier,
        primes: search.primes.len(),
        largest: largest.map(|prime| prime.exponent),
        finder: largest.map(|prime| prime.finder.clone()).unwrap_or_default(),
        finder_id: largest.map(|prime| prime.finder_id.clone()).unwrap_or_default(),
        share: me.credit_cost as f64 / all.max(1) as f64,
    })
}

/// `GET /api/peers`
async fn peers(_: OwnMachine, State(web): State<Arc<Web>>) -> Response {
    let Some(node) = &web.node else { return no_node() };
    Json(neighbours(&node.views.borrow())).into_response()
}

/// All peers but the node itself.
fn neighbours(view: &View) -> Vec<Neighbour> {
    let id_at = |at: &u16| view.peers.get(usize::from(*at)).map(|peer| peer.id.clone());
    let neighbour = |peer: &PeerView| Neighbour {
        id: peer.id.clone(),
        name: peer.name.clone(),
        code: peer.code.clone(),
        kind: peer.kind,
        link: peer.link,
        heard_ms: matches!(peer.link, LinkState::Open | LinkState::Stale).then_some(peer.heard_ms),
        round_trip_ms: peer.round_trip_ms,
        links: peer.links.iter().filter_map(id_at).collect(),
        address: peer.address.clone(),
    };
    view.peers.iter().filter(|peer| !peer.me).map(neighbour).collect()
}

/// `GET /api/messages`
async fn messages(_: OwnMachine, State(web): State<Arc<Web>>) -> Response {
    let Some(node) = &web.node else { return no_node() };
    let messages: Vec<MessageView> = node.views.borrow().messages.clone();
    Json(messages).into_response()
}

/// `GET /api/news`
async fn news(_: OwnMachine, State(web): State<Arc<Web>>) -> Response {
    let Some(node) = &web.node else { return no_node() };
    let news: Vec<NewsView> = node.views.borrow().news.clone();
    Json(news).into_response()
}

/// `POST /api/messages`: says something to everybody.
async fn say(State(web): State<Arc<Web>>, caller: Caller, headers: HeaderMap, body: Posted) -> Response {
    let Saying { text } = match read(caller, &headers, body) {
        Ok(saying) => saying,
        Err((status, why)) => return refuse(status, &why),
    };
    if text.trim().is_empty() {
        return refuse(StatusCode::BAD_REQUEST, "the text is empty");
    }
    if text.len() > TEXT_BYTES_MAX {
        let why = format!("the text has {} bytes, where {TEXT_BYTES_MAX} is the most", text.len());
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, &why);
    }
    speak(&web, Body::Message(text))
}

/// `POST /api/news`: tells a discovery to everybody.
async fn discover(State(web): State<Arc<Web>>, caller: Caller, headers: HeaderMap, body: Posted) -> Response {
    let Discovery { what, value } = match read(caller, &headers, body) {
        Ok(discovery) => discovery,
        Err((status, why)) => return refuse(status, &why),
    };
    if what.trim().is_empty() {
        return refuse(StatusCode::BAD_REQUEST, "`what` is empty");
    }
    if what.len() > WHAT_BYTES_MAX {
        let why = format!("`what` has {} bytes, where {WHAT_BYTES_MAX} is the most", what.len());
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, &why);
    }
    speak(&web, Body::News { what, value })
}

/// `POST /api/sleep`: hear and say nothing, as if the lid were closed.
async fn sleep(State(web): State<Arc<Web>>, caller: Caller, headers: HeaderMap) -> Response {
    command(&web, caller, &headers, Command::Sleep)
}

/// `POST /api/wake`: find the way back.
async fn wake(State(web): State<Arc<Web>>, caller: Caller, headers: HeaderMap) -> Response {
    command(&web, caller, &headers, Command::Wake)
}

/// `POST /api/leave`: say goodbye and end.
async fn leave(State(web): State<Arc<Web>>, caller: Caller, headers: HeaderMap) -> Response {
    command(&web, caller, &headers, Command::Leave)
}

/// What was posted, or why it could not be read.
type Posted = Result<Bytes, BytesRejection>;

/// Why somebody is not listened to.
type Refusal = (StatusCode, String);

/// What is to be said, from somebody who may say it.
fn read<T: for<'a> Deserialize<'a>>(caller: Caller, headers: &HeaderMap, body: Posted) -> Result<T, Refusal> {
    check(caller, headers).map_err(|why| (StatusCode::FORBIDDEN, why.to_owned()))?;
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            (StatusCode::PAYLOAD_TOO_LARGE, format!("more than {SAYING_BYTES_MAX} bytes"))
        }
        status => (status, rejection.body_text()),
    })?;
    serde_json::from_slice(&body)
        .map_err(|error| (StatusCode::BAD_REQUEST, format!("this is not the JSON asked for: {error}")))
}

fn speak(web: &Web, body: Body) -> Response {
    let Some(node) = &web.node else { return no_node() };
    if node.views.borrow().asleep {
        return refuse(StatusCode::CONFLICT, "the node is asleep: wake it first");
    }
    node.pass_on(Command::Say(body))
}

fn no_node() -> Response {
    refuse(StatusCode::NOT_FOUND, "a relay is no node of any room")
}

impl NodeFace {
    /// Passes a command on to the node.
    pub(super) fn pass_on(&self, command: Command) -> Response {
        match self.commands.try_send(command) {
            Ok(()) => (StatusCode::ACCEPTED, Json(serde_json::json!({ "ok": true }))).into_response(),
            Err(_) => refuse(StatusCode::SERVICE_UNAVAILABLE, "busy or stopping: try again"),
        }
    }
}
