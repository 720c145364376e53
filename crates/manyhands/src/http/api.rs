//! The part of the API that only reads: how things stand, for the page, for programs and for metrics.
//!
//! It tells anyone what is asked for and how far it is, what could be seen over Liz's shoulder, and never a key or an
//! invite. What the room says among itself, and where its members are, it tells to this machine only.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use manyhands_core::View;
use manyhands_core::view::{JobView, Phase};
use manyhands_signaling::Counters;
use serde::{Deserialize, Serialize};

use super::control::{Caller, check_own_machine};
use super::{NodeFace, Web};
use crate::numbers;
use crate::store::Statement;

/// The largest task file that is served, in bytes; a true one has some two hundred.
const TASK_BYTES_MAX: usize = 64 * 1024;

/// How a node is: the answer of `/api/status`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Status {
    /// The program's version.
    pub(crate) version: String,
    /// What the program is in its room.
    pub(crate) role: Role,
    /// Seconds since it started.
    pub(crate) uptime_s: f64,
    /// How many counting numbers a unit has, where the job adds numbers.
    pub(crate) unit_size: Option<u64>,
    /// What its signaling server has seen.
    pub(crate) signaling: Counters,
    /// The node and its room; none for a relay.
    pub(crate) view: Option<View>,
}

/// What a program is in its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// It asks for the work.
    Host,
    /// It lends a hand.
    Friend,
    /// It introduces others.
    Relay,
}

/// What is asked for and by whom: what a page shows before it joins.
#[derive(Debug, Serialize)]
struct Room {
    /// Whether this node is the host, which alone can start the job.
    is_host: bool,
    /// Whether whoever asks can choose the job now: on the host's own machine, before the job has begun.
    can_choose: bool,
    asked_by: String,
    /// What is computed; none while that is still to be chosen.
    kind: Option<RoomKind>,
    title: String,
    units: u64,
    done_units: u64,
    reached: Option<u64>,
    goal: Option<u64>,
    prefix_total: Option<String>,
    #[serde(flatten)]
    phase: Phase,
    /// Where friends reach the room: for the page on the host's own machine, whose own address is of no use to them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lan: Vec<String>,
}

/// What a room computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum RoomKind {
    /// The sum of counting numbers, or what is made up to be measured.
    Sum,
    /// A search for Mersenne primes.
    Mersenne,
}

/// `GET /api/status`
pub(super) async fn status(State(web): State<Arc<Web>>, caller: Caller, headers: HeaderMap) -> Json<Status> {
    let mut view = web.node.as_ref().map(|node| node.views.borrow().clone());
    if let Some(view) = view.as_mut().filter(|_| check_own_machine(caller, &headers).is_err()) {
        keep_to_the_room(view);
    }
    Json(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        role: match &web.node {
            Some(node) if node.is_host => Role::Host,
            Some(_) => Role::Friend,
            None => Role::Relay,
        },
        uptime_s: web.started.elapsed().as_secs_f64(),
        unit_size: web.node.as_ref().and_then(NodeFace::unit_size),
        signaling: web.counters(),
        view,
    })
}

/// Takes away what only members of the room should know.
fn keep_to_the_room(view: &mut View) {
    view.messages.clear();
    view.news.clear();
    for peer in &mut view.peers {
        peer.address.clear();
    }
}

/// `GET /api/room`
pub(super) async fn room(State(web): State<Arc<Web>>, caller: Caller, headers: HeaderMap) -> Response {
    let Some(node) = &web.node else {
        return refuse(StatusCode::NOT_FOUND, "a relay does not know what its rooms are for");
    };
    let view = node.views.borrow().clone();
    let is_own = check_own_machine(caller, &headers).is_ok();
    let may_choose = is_own && node.choices.is_some();
    let kind = match (&view.job, &view.search) {
        (None, _) => None,
        (Some(_), Some(_)) => Some(RoomKind::Mersenne),
        (Some(_), None) => Some(RoomKind::Sum),
    };
    let job = match view.job {
        Some(job) => job,
        // Whoever can choose the job is not told to come again, but what there is to say.
        None if may_choose => JobView::default(),
        None => return refuse(StatusCode::SERVICE_UNAVAILABLE, "the job is not known here yet"),
    };
    Json(Room {
        is_host: node.is_host,
        can_choose: may_choose && matches!(view.phase, Phase::Connecting | Phase::Lobby { .. }),
        asked_by: job.asked_by,
        kind,
        title: job.title,
        units: job.units,
        done_units: job.done_units,
        reached: job.reached,
        goal: job.goal,
        prefix_total: job.prefix_total,
        phase: view.phase,
        lan: if is_own { node.lan.clone() } else { vec![] },
    })
    .into_response()
}

/// `GET /task.json` and `GET /configs`
pub(super) async fn task(State(web): State<Arc<Web>>) -> Response {
    let Some(node) = &web.node else {
        return refuse(StatusCode::NOT_FOUND, "a relay has no task");
    };
    let path = node.task.borrow().clone();
    let text = match &path {
        // The file itself, since what it says is what is safe on the disk.
        Some(path) => match tokio::fs::read(path).await {
            Ok(bytes) if bytes.len() <= TASK_BYTES_MAX => bytes,
            Ok(_) => {
                return refuse(StatusCode::INTERNAL_SERVER_ERROR, "the task file is not what it should be");
            }
            Err(error) => {
                tracing::warn!("cannot read {}: {error}", path.display());
                return refuse(StatusCode::INTERNAL_SERVER_ERROR, "the task file cannot be read");
            }
        },
        None => match node.rendered_task() {
            Some(text) => text.into_bytes(),
            None => {
                return refuse(StatusCode::NOT_FOUND, "this job computes nothing, or is not known yet");
            }
        },
    };
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// `GET /healthz`
pub(super) async fn health() -> &'static str {
    "ok\n"
}

/// `GET /api/openapi.json`
pub(super) async fn openapi() -> Response {
    let text =
        include_str!("openapi.json").replace("\"0.0.0\"", concat!("\"", env!("CARGO_PKG_VERSION"), "\""));
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// `GET /metrics`, in the text format of Prometheus
pub(super) async fn metrics(State(web): State<Arc<Web>>) -> Response {
    let mut text = String::new();
    let mut metric = |name: &str, kind: &str, help: &str, value: f64| {
        let written = write!(
            text,
            "# HELP manyhands_{name} {help}\n# TYPE manyhands_{name} {kind}\nmanyhands_{name} {value}\n"
        );
        written.expect("a string takes all that is written to it");
    };
    let signaling = web.counters();
    metric("uptime_seconds", "gauge", "Time since the program started.", web.started.elapsed().as_secs_f64());
    metric("signaling_rooms", "gauge", "Rooms with somebody in them.", signaling.rooms as f64);
    metric("signaling_members", "gauge", "Members of all rooms.", signaling.members as f64);
    metric("signaling_joins_total", "counter", "How often somebody joined a room.", signaling.joins as f64);
    metric(
        "signaling_frames_total",
        "counter",
        "Payloads carried between members.",
        signaling.relayed_frames as f64,
    );
    metric("signaling_bytes_total", "counter", "Bytes of those payloads.", signaling.relayed_bytes as f64);
    metric("signaling_refused_total", "counter", "Connections refused or cut off.", signaling.refused as f64);
    if let Some(node) = &web.node {
        node_metrics(&node.views.borrow().clone(), &mut metric);
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// What a node has to tell.
fn node_metrics(view: &View, metric: &mut impl FnMut(&str, &str, &str, f64)) {
    if let Some(job) = &view.job {
        metric("job_units", "gauge", "Units of the job.", job.units as f64);
        metric("job_done_units", "gauge", "Units that are finished.", job.done_units as f64);
    }
    metric("room_machines", "gauge", "Machines that take part.", numbers::machines(view) as f64);
    metric("room_units_per_second", "gauge", "Speed of all together.", view.room.speed);
    metric("room_useful_units", "gauge", "Units finished since the start.", view.room.useful_units as f64);
    metric("room_gross_units", "gauge", "Units computed, duplicates counted.", view.room.gross_units as f64);
    if let Some(files) = &view.files {
        metric("files_known", "gauge", "Files that the room has.", f64::from(files.known));
        metric("files_here", "gauge", "Files that are here.", f64::from(files.here));
        metric("files_here_bytes", "gauge", "Bytes of files that are here.", files.bytes_here as f64);
        metric(
            "files_sent_bytes_total",
            "counter",
            "Bytes of files given to others.",
            files.sent_bytes as f64,
        );
        metric(
            "files_received_bytes_total",
            "counter",
            "Bytes of files got from others.",
            files.received_bytes as f64,
        );
        metric(
            "files_wasted_bytes_total",
            "counter",
            "Bytes that came twice or wrong.",
            files.wasted_bytes as f64,
        );
    }
    if let Some(search) = &view.search {
        metric(
            "search_frontier",
            "gauge",
            "Every exponent up to this one is finished.",
            f64::from(search.frontier),
        );
        metric(
            "search_tested",
            "gauge",
            "Prime exponents that are finished by a test.",
            search.tested as f64,
        );
        metric("search_factored", "gauge", "Prime exponents that a factor spared.", search.factored as f64);
        metric("search_primes", "gauge", "Mersenne primes that this node knows.", search.primes.len() as f64);
        metric(
            "search_false_news_total",
            "counter",
            "Primes told of that are none.",
            search.false_news as f64,
        );
    }
}

/// An error as the API tells it.
pub(super) fn refuse(status: StatusCode, why: &str) -> Response {
    (status, Json(serde_json::json!({ "error": why }))).into_response()
}

impl Web {
    fn counters(&self) -> Counters {
        self.signaling.as_ref().map(|server| server.counters()).unwrap_or_default()
    }
}

impl NodeFace {
    fn unit_size(&self) -> Option<u64> {
        self.progress.borrow().as_ref().and_then(|progress| numbers::unit_size(&progress.0))
    }

    fn rendered_task(&self) -> Option<String> {
        let progress = self.progress.borrow().clone()?;
        Some(Statement::of(&progress.0, &progress.1)?.render())
    }
}
