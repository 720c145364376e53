//! Putting files: `POST /api/files`.
//!
//! 1. A task of its own takes the request, so that it comes to an end also if whoever asked goes away in the middle.
//! 2. [`json`](super::json) or [`multipart`](super::multipart) reads the body as it comes, and gives one file after the other to a
//!    [`Putting`], which writes it into the store piece by piece.
//! 3. Several files make a set. Only when all of them are in the store does the node hear of any.
//! 4. If one of them is refused, none is put: those that were written before are thrown away again.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Extension, Query};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use manyhands_wire::FileId;
use serde::{Deserialize, Serialize};

use super::FilesFace;
use super::problem::Problem;
use super::putting::{Putting, check_name};
use super::source::Source;
use super::who::Guest;
use super::{json, multipart};

/// How many bytes of a request are no content at most: the names, types and boundaries of as many files as there may be. A
/// request that is longer than fits by less than that is refused when its content does not fit, and what is left of it then is
/// little enough to be listened to.
const AROUND_BYTES_MAX: u64 = 60 << 20;

/// What else is said of the files.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    /// What the set is called, where several files are put.
    set: Option<String>,
}

/// The answer: what was put.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// The id of the set; none for a single file.
    pub(crate) set: Option<FileId>,
    /// The files in their order.
    pub(crate) files: Vec<Member>,
}

/// A file that was put.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Member {
    /// Its id.
    pub(crate) id: FileId,
    /// What its person calls it.
    pub(crate) name: String,
    /// How long it is, in bytes.
    pub(crate) size: u64,
}

/// `POST /api/files`
pub(super) async fn upload(
    Guest(face): Guest,
    caller: Option<Extension<ConnectInfo<SocketAddr>>>,
    question: Result<Query<Question>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let Query(Question { set }) = question.map_err(|error| Problem::bad(error.body_text()))?;
    if let Some(name) = &set {
        check_name(name)?;
    }
    let source = Source::new(body, Arc::clone(&face.uploads));
    let begun = match check_length(&face, &headers) {
        Ok(()) => {
            let address = caller.map(|Extension(ConnectInfo(address))| address.ip());
            Arc::clone(&face.uploads).take(address).await
        }
        Err(problem) => Err(problem),
    };
    let place = match begun {
        Ok(place) => place,
        Err(problem) => {
            // Who asked whether to send hears it in place of a yes; others must have been listened to.
            if !headers.contains_key(header::EXPECT) {
                source.drain().await;
            }
            return Err(problem);
        }
    };
    let taking = tokio::spawn(async move {
        let taken = take(face, set, &headers, source.clone()).await;
        drop(place);
        if taken.is_err() {
            source.drain().await;
        }
        taken
    });
    let answer = taking.await.unwrap_or_else(|error| {
        tracing::warn!("a request to put files failed: {error}");
        Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the files could not be put"))
    })?;
    let location = match (&answer.set, &answer.files[..]) {
        (Some(set), _) => format!("/api/sets/{set}"),
        (None, [file, ..]) => format!("/api/files/{}", file.id),
        (None, []) => "/api/files".to_owned(),
    };
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(answer)).into_response())
}

async fn take(
    face: Arc<FilesFace>,
    set_name: Option<String>,
    headers: &HeaderMap,
    source: Source,
) -> Result<Answer, Problem> {
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut putting = Putting::new(face, set_name);
    let taken = match essence(headers).as_str() {
        "application/json" => json::take(source, &mut putting).await,
        "multipart/form-data" => multipart::take(source, content_type, &mut putting).await,
        _ => {
            let why = "send application/json or multipart/form-data";
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why))
        }
    };
    match taken {
        Ok(()) => putting.finish().await,
        Err(problem) => {
            putting.undo().await;
            Err(problem)
        }
    }
}

/// Refuses a request that says itself that it is too long, before anything of it is read.
fn check_length(face: &FilesFace, headers: &HeaderMap) -> Result<(), Problem> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let Some(length): Option<u64> = length else { return Ok(()) };
    let least = length.saturating_sub(AROUND_BYTES_MAX);
    // Two digits for a byte.
    let least = if essence(headers) == "application/json" { least / 2 } else { least };
    let (used_bytes, quota_bytes) = face.store.sized();
    if least > quota_bytes.saturating_sub(used_bytes) {
        let why = format!(
            "over the quota: {used_bytes} of {quota_bytes} bytes are used (--files-quota); nothing of this request was put"
        );
        return Err(Problem::new(StatusCode::INSUFFICIENT_STORAGE, why));
    }
    Ok(())
}

/// The media type of a request, without its parameters.
fn essence(headers: &HeaderMap) -> String {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
