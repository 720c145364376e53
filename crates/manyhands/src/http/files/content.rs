//! Giving a file: `GET /api/files/{id}`.
//!
//! The first piece is read, and fetched if it must be, before the answer begins, so that what is wrong is told by a status. From
//! then on a piece that does not come breaks the connection off: the length that was promised tells the other side.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use manyhands_core::files::FileInfo;
use manyhands_store::ReadError;
use manyhands_wire::FileId;
use serde::Deserialize;

use super::FilesFace;
use super::arrival::await_chunk;
use super::find::{Word, find_soon};
use super::names::{attachment, is_media_type};
use super::problem::Problem;
use super::range::{Wanted, wanted};
use super::who::Guest;

/// What a browser may do with the content of a file: show it, and nothing else. It comes from who knows whom, and must not
/// speak to this server as if it were its page.
const CONTENT_POLICY: &str = "default-src 'none'; sandbox";
/// How often a piece that was here and cannot be read is fetched anew before the answer is given up.
const REPAIRS_MAX: u32 = 3;

/// How the content is to be told.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    #[serde(default)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// The bytes.
    #[default]
    Raw,
    /// Hexadecimal digits in JSON.
    Hex,
}

/// `GET /api/files/{id}`
pub(super) async fn content(
    Guest(face): Guest,
    method: Method,
    Word(word): Word,
    question: Result<Query<Question>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(question) = question.map_err(|error| Problem::bad(error.body_text()))?;
    let file = find_soon(&face, &word).await?;
    let is_head = method == Method::HEAD;
    match question.format {
        Format::Raw => raw(face, file, &headers, is_head).await,
        Format::Hex => hex(face, file, is_head).await,
    }
}

async fn raw(
    face: Arc<FilesFace>,
    file: FileInfo,
    headers: &HeaderMap,
    is_head: bool,
) -> Result<Response, Problem> {
    let tag = format!("\"{}\"", file.id);
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let mut answer = Response::new(Body::empty());
    let known = text(header::IF_NONE_MATCH).unwrap_or_default();
    if known
        .split(',')
        .any(|known| matches!(known.trim().trim_start_matches("W/"), known if known == tag || known == "*"))
    {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        insert(&mut answer, header::ETAG, &tag);
        return Ok(answer);
    }

    // A part of another version would not fit; the same id never has another content.
    // A range is of what is given, and of a HEAD nothing is.
    let range = text(header::RANGE)
        .filter(|_| !is_head && text(header::IF_RANGE).is_none_or(|condition| condition == tag));
    let part = match wanted(range, file.size) {
        Wanted::Whole => 0..file.size,
        Wanted::Part(part) => {
            *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
            let told = format!("bytes {}-{}/{}", part.start, part.end - 1, file.size);
            insert(&mut answer, header::CONTENT_RANGE, &told);
            part
        }
        Wanted::Nothing => {
            let why = format!("the file has {} bytes", file.size);
            let mut refused = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, why).into_response();
            insert(&mut refused, header::CONTENT_RANGE, &format!("bytes */{}", file.size));
            return Ok(refused);
        }
    };
    insert(&mut answer, header::CONTENT_LENGTH, &(part.end - part.start).to_string());
    insert(&mut answer, header::CONTENT_TYPE, "application/octet-stream");
    // What somebody else says of a file need not be anything that is known.
    if is_media_type(&file.media_type) {
        insert(&mut answer, header::CONTENT_TYPE, &file.media_type);
    }
    insert(&mut answer, header::CONTENT_DISPOSITION, &attachment(&file.name));
    insert(&mut answer, header::CONTENT_SECURITY_POLICY, CONTENT_POLICY);
    insert(&mut answer, header::ACCEPT_RANGES, "bytes");
    insert(&mut answer, header::ETAG, &tag);
    if !is_head {
        *answer.body_mut() = Body::from_stream(Reading::new(face, &file, part).begin().await?);
    }
    Ok(answer)
}

async fn hex(face: Arc<FilesFace>, file: FileInfo, is_head: bool) -> Result<Response, Problem> {
    let fields = serde_json::json!({ "id": file.id, "name": file.name, "size": file.size }).to_string();
    let before = format!("{},\"content\":\"", fields.trim_end_matches('}'));
    let after = "\"}";
    let mut answer = Response::new(Body::empty());
    insert(&mut answer, header::CONTENT_TYPE, "application/json");
    let bytes = before.len() as u64 + 2 * file.size + after.len() as u64;
    insert(&mut answer, header::CONTENT_LENGTH, &bytes.to_string());
    if !is_head {
        use futures_util::StreamExt as _;
        let content = Reading::new(face, &file, 0..file.size).begin().await?;
        let digits = content.map(|bytes| bytes.map(|bytes| Bytes::from(digits(&bytes))));
        let around = |text: String| stream::iter([Ok::<_, io::Error>(Bytes::from(text))]);
        *answer.body_mut() = Body::from_stream(around(before).chain(digits).chain(around(after.to_owned())));
    }
    Ok(answer)
}

/// A header of an answer; a text that cannot stand in one is left away.
fn insert(answer: &mut Response, name: header::HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        answer.headers_mut().insert(name, value);
    }
}

fn digits(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)])).collect()
}

/// Part of a file that is read piece by piece.
pub(super) struct Reading {
    face: Arc<FilesFace>,
    id: FileId,
    chunk_bytes: u64,
    /// What is still to be read.
    left: Range<u64>,
    has_begun: bool,
}

impl Reading {
    pub(super) fn new(face: Arc<FilesFace>, file: &FileInfo, part: Range<u64>) -> Self {
        Self {
            face,
            id: file.id,
            chunk_bytes: u64::from(file.chunk_bytes.max(1)),
            left: part,
            has_begun: false,
        }
    }

    /// The bytes as a stream, whose first piece is here already.
    async fn begin(mut self) -> Result<impl stream::Stream<Item = io::Result<Bytes>> + Send, Problem> {
        use futures_util::StreamExt as _;
        let first = self.next().await?;
        let rest = stream::try_unfold(self, async |mut reading| {
            let next = reading.next().await.map_err(|problem| io::Error::other(problem.detail))?;
            Ok(next.map(|bytes| (bytes, reading)))
        });
        Ok(stream::iter(first.map(Ok)).chain(rest))
    }

    /// The next bytes; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        if self.left.is_empty() {
            return Ok(None);
        }
        let chunk = self.left.start / self.chunk_bytes;
        let bytes = self.chunk(u32::try_from(chunk).unwrap_or(u32::MAX)).await?;
        self.has_begun = true;
        let begin = chunk * self.chunk_bytes;
        let end = self.left.end.min(begin + bytes.len() as u64);
        let part = (self.left.start - begin) as usize..end.saturating_sub(begin) as usize;
        let part = bytes.get(part).filter(|part| !part.is_empty()).map(<[u8]>::to_vec);
        let part = part.ok_or_else(|| unreadable("a piece of it has another length than it should"))?;
        self.left.start = end;
        Ok(Some(part.into()))
    }

    async fn chunk(&self, chunk: u32) -> Result<Vec<u8>, Problem> {
        for _ in 0..=REPAIRS_MAX {
            await_chunk(&self.face, &self.id, chunk, !self.has_begun).await?;
            match self.face.store.read_chunk(&self.id, chunk).await {
                Ok(bytes) => return Ok(bytes),
                Err(ReadError::NotHere | ReadError::Damaged) => {}
                Err(ReadError::Io(error)) => return Err(unreadable(&error.to_string())),
            }
        }
        Err(unreadable("a piece of it is damaged on the disk"))
    }
}

fn unreadable(why: &str) -> Problem {
    tracing::warn!("a file cannot be read: {why}");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the file cannot be read: {why}"))
}
