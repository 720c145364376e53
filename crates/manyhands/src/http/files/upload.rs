//! Putting files: `POST /api/files`.
//!
//! 1. A task of its own takes the request, so that it comes to an end also if whoever asked goes away in the middle.
//! 2. [`json`](super::json) or [`multipart`](super::multipart) reads the body as it comes, and gives one file after the other to a
//!    [`Putting`], which writes it into the store piece by piece.
//! 3. Several files make a set. Only when all of them are in the store does the node hear of any.
//! 4. If one of them is refused, none is put: those that were written before are thrown away again.

use std::collections::BTreeSet;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Json;
use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, StreamExt as _};
use manyhands_core::Command;
use manyhands_core::files::NewFile;
use manyhands_store::PutError;
use manyhands_wire::FileId;
use manyhands_wire::file::{FILE_NAME_BYTES_MAX, FileKind, MEDIA_TYPE_BYTES_MAX};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::timeout;

use super::FilesFace;
use super::names::{guessed_type, is_media_type};
use super::problem::Problem;
use super::sets::MEMBERS_MAX;
use super::who::Guest;
use super::{json, multipart};

/// How long a refused request may go on sending before the connection is closed on it. Who has sent all hears why.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);
/// How much it may send meanwhile, in bytes.
const DRAIN_BYTES_MAX: usize = 64 << 20;

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
    question: Result<Query<Question>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let Query(Question { set }) = question.map_err(|error| Problem::bad(error.body_text()))?;
    if let Some(name) = &set {
        check_name(name)?;
    }
    let source = Source(Arc::new(Mutex::new(body.into_data_stream())));
    let taking = tokio::spawn(async move {
        let taken = take(face, set, &headers, source.clone()).await;
        if taken.is_err() {
            let _ = timeout(DRAIN_WITHIN, drain(source)).await;
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
    let place = Arc::clone(&face.uploads).acquire_owned().await;
    let mut putting = Putting { face, set_name, files: vec![] };
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let taken = match essence.as_str() {
        "application/json" => json::take(source, &mut putting).await,
        "multipart/form-data" => multipart::take(source, content_type, &mut putting).await,
        _ => {
            let why = "send application/json or multipart/form-data";
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why))
        }
    };
    let answer = match taken {
        Ok(()) => putting.finish().await,
        Err(problem) => {
            putting.undo().await;
            Err(problem)
        }
    };
    drop(place);
    answer
}

/// Reads what is left of a body that nobody wants: whoever sends it listens only when it is sent.
async fn drain(mut source: Source) {
    let mut left = DRAIN_BYTES_MAX;
    while let Some(Ok(bytes)) = source.next().await {
        match left.checked_sub(bytes.len()) {
            Some(less) => left = less,
            None => return,
        }
    }
}

/// The body of a request, which its reader and whoever reads on after it share.
#[derive(Clone)]
pub(super) struct Source(Arc<Mutex<BodyDataStream>>);

impl Stream for Source {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *body).poll_next(cx)
    }
}

/// Files on their way into the store.
pub(super) struct Putting {
    face: Arc<FilesFace>,
    set_name: Option<String>,
    files: Vec<NewFile>,
}

/// What was wrong with the content of a file while it was read: the store only knows that it could not be read.
#[derive(Clone, Default)]
pub(super) struct Fault(Arc<Mutex<Option<Problem>>>);

impl Fault {
    /// Says what is wrong, and gives the error that a reader then returns.
    pub(super) fn raise(&self, problem: Problem) -> io::Error {
        let error = io::Error::other(problem.detail.clone());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(problem);
        error
    }

    fn take(&self) -> Option<Problem> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Putting {
    /// Names the set, where the address did not.
    pub(super) fn name_set(&mut self, name: String) -> Result<(), Problem> {
        check_name(&name)?;
        self.set_name.get_or_insert(name);
        Ok(())
    }

    /// Writes one file into the store.
    pub(super) async fn add(
        &mut self,
        name: String,
        media_type: Option<String>,
        fault: &Fault,
        content: impl AsyncRead + Unpin + Send,
    ) -> Result<(), Problem> {
        check_name(&name)?;
        if self.files.len() >= MEMBERS_MAX {
            return Err(Problem::too_large(format!(
                "more than {MEMBERS_MAX} files: put them in several requests"
            )));
        }
        let media_type = media_type.filter(|media_type| !media_type.is_empty());
        let media_type = media_type.unwrap_or_else(|| guessed_type(&name).to_owned());
        check_media_type(&media_type)?;
        let mut content = Metered { content, left: self.face.file_bytes_max, fault: fault.clone() };
        let put = self.face.store.put(name.clone(), media_type, FileKind::File, None, &mut content).await;
        let file = put.map_err(|error| fault.take().unwrap_or_else(|| refused(&name, &error)))?;
        self.files.push(file);
        Ok(())
    }

    /// Says what type the last file has, after its content.
    pub(super) fn retype(&mut self, media_type: String) -> Result<(), Problem> {
        check_media_type(&media_type)?;
        if let Some(file) = self.files.last_mut() {
            file.media_type = media_type;
        }
        Ok(())
    }

    /// Makes a set of several files, and tells the node of all.
    async fn finish(mut self) -> Result<Answer, Problem> {
        let members: Vec<Member> = self.files.iter().map(member).collect();
        let set = match &members[..] {
            [] => return Err(Problem::bad("there is no file in it")),
            [_] => None,
            [first, ..] => {
                let name = self.set_name.take().unwrap_or_else(|| name_of_set(&first.name, members.len()));
                match self.put_set(name, &members).await {
                    Ok(file) => {
                        let id = file.manifest.id();
                        self.files.push(file);
                        Some(id)
                    }
                    Err(problem) => {
                        self.undo().await;
                        return Err(problem);
                    }
                }
            }
        };
        let mut told = BTreeSet::new();
        for file in std::mem::take(&mut self.files) {
            if told.insert(file.manifest.id()) {
                self.face.command(Command::AddFile(file)).await?;
            }
        }
        let ids: Vec<FileId> = members.iter().map(|member| member.id).chain(set).collect();
        self.face
            .until_listed(|files| {
                let known: BTreeSet<_> = files.iter().map(|file| file.id).collect();
                ids.iter().all(|id| known.contains(id))
            })
            .await;
        Ok(Answer { set, files: members })
    }

    async fn put_set(&self, name: String, members: &[Member]) -> Result<NewFile, Problem> {
        let mut seen = BTreeSet::new();
        let ids = members.iter().filter(|member| seen.insert(member.id));
        let content: Vec<u8> = ids.flat_map(|member| member.id.0).collect();
        let size = content.len() as u64;
        let put = self.face.store.put(name.clone(), String::new(), FileKind::Set, Some(size), &content[..]);
        put.await.map_err(|error| refused(&name, &error))
    }

    /// Throws away what was written and nobody else has put before.
    async fn undo(self) {
        let known: BTreeSet<_> = self.face.files.borrow().iter().map(|file| file.id).collect();
        for file in self.files {
            let id = file.manifest.id();
            if !known.contains(&id) {
                self.face.discard(id).await;
            }
        }
    }
}

fn member(file: &NewFile) -> Member {
    Member { id: file.manifest.id(), name: file.manifest.name.clone(), size: file.manifest.size }
}

/// `a.txt and 2 more`: short enough for a name.
fn name_of_set(first: &str, count: usize) -> String {
    const FIRST_BYTES_MAX: usize = 200;
    let mut end = first.len().min(FIRST_BYTES_MAX);
    while !first.is_char_boundary(end) {
        end -= 1;
    }
    format!("{} and {} more", &first[..end], count - 1)
}

fn check_name(name: &str) -> Result<(), Problem> {
    match name.len() {
        0 => Err(Problem::bad("a file needs a name")),
        bytes if bytes > FILE_NAME_BYTES_MAX => {
            Err(Problem::bad(format!("a name of {bytes} bytes, where {FILE_NAME_BYTES_MAX} is the most")))
        }
        _ => Ok(()),
    }
}

fn check_media_type(media_type: &str) -> Result<(), Problem> {
    if media_type.is_empty() || (media_type.len() <= MEDIA_TYPE_BYTES_MAX && is_media_type(media_type)) {
        return Ok(());
    }
    Err(Problem::bad(format!(
        "a media type looks like text/plain, and has at most {MEDIA_TYPE_BYTES_MAX} characters"
    )))
}

fn refused(name: &str, error: &PutError) -> Problem {
    let status = match error {
        PutError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        PutError::Quota { .. } | PutError::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
        PutError::NameTooLong { .. } | PutError::Invalid(_) => StatusCode::BAD_REQUEST,
        PutError::Io(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Problem::new(status, format!("{error}; nothing of this request was put")).with("file", name.into())
}

/// A content that must not be longer than so much.
struct Metered<R> {
    content: R,
    left: u64,
    fault: Fault,
}

impl<R: AsyncRead + Unpin> AsyncRead for Metered<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.content).poll_read(cx, buffer);
        match self.left.checked_sub((buffer.filled().len() - before) as u64) {
            Some(left) => {
                self.left = left;
                read
            }
            None => {
                let why =
                    "a file is larger than this node takes (--files-max); nothing of this request was put";
                Poll::Ready(Err(self.fault.raise(Problem::too_large(why))))
            }
        }
    }
}
