//! The part of the API that is about files: put, list, fetch, forget.
//!
//! 1. [`who`]: who may do what. [`problem`]: what is said to those who may not, and of all else that is wrong.
//! 2. [`list`]: which files there are. [`find`]: which one is meant.
//! 3. [`upload`]: puts files, by [`json`] or by [`multipart`]. No file is ever in memory as a whole. [`putting`]: into the store,
//!    and to the node. [`claims`]: who puts the same at once.
//!    [`source`] and [`places`]: the bounds of all that.
//! 4. [`content`]: gives a file, in parts as [`range`] says, and fetches from the mesh what is not here. [`arrival`]: waits for it.
//! 5. [`sets`]: files that were put together.
//!
//! The name of a file is data: it is in the listing and in a header, and never a path.

mod arrival;
mod claims;
mod content;
mod find;
mod json;
pub(crate) mod list;
mod multipart;
pub(crate) mod names;
mod places;
pub(super) mod problem;
mod putting;
mod range;
pub(crate) mod sets;
mod source;
#[cfg(test)]
mod tests;
pub(crate) mod upload;
mod who;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::get;
use manyhands_core::files::{FileInfo, FileState};
use manyhands_core::{Command, Event, View};
use manyhands_store::FileStore;
use manyhands_wire::FileId;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::timeout;

use super::Web;
pub(crate) use claims::Claims;
use find::{Word, find};
pub(crate) use places::Places;
use problem::Problem;
use who::Owner;

/// How long the node may take to list a file that was forgotten, or that it may just hear of.
const LISTED_WITHIN: Duration = Duration::from_secs(3);

/// All files that the node knows, the latest first.
pub(crate) type Files = Arc<Vec<FileInfo>>;

/// A node's files as the handlers see them.
pub(crate) struct FilesFace {
    /// What is on the disk.
    pub(crate) store: FileStore,
    /// What the node knows.
    pub(crate) files: watch::Receiver<Files>,
    /// What happens at the node.
    pub(crate) events: broadcast::Receiver<Event>,
    /// Where the node takes commands.
    pub(crate) commands: mpsc::Sender<Command>,
    /// What a person sees of the node.
    pub(crate) views: watch::Receiver<View>,
    /// The largest file that is taken, in bytes.
    pub(crate) file_bytes_max: u64,
    /// Whether other machines may list, fetch and put.
    pub(crate) is_open: bool,
    /// Places for requests that put files.
    pub(crate) uploads: Arc<Places>,
    /// Which files these put.
    pub(crate) claims: Claims,
}

/// The routes of this part.
pub(super) fn routes() -> Router<Arc<Web>> {
    Router::new()
        .route("/api/files", get(list::list).post(upload::upload))
        .route("/api/files/{id}", get(content::content).delete(forget))
        .route("/api/files/{id}/info", get(list::info))
        .route("/api/sets/{id}", get(sets::set))
        .method_not_allowed_fallback(problem::wrong_method)
        .layer(map_response(for_own_pages))
}

/// Keeps another site's page from taking a file into itself, as a picture for instance.
async fn for_own_pages(mut answer: Response) -> Response {
    let name = HeaderName::from_static("cross-origin-resource-policy");
    answer.headers_mut().insert(name, HeaderValue::from_static("same-origin"));
    answer
}

/// `DELETE /api/files/{id}`: throws a file away here, and does not fetch it again unless somebody here asks for it. Others
/// keep theirs.
async fn forget(Owner(face): Owner, Word(word): Word) -> Result<StatusCode, Problem> {
    let id = find(&face, &word)?.id;
    face.command(Command::ForgetFile(id)).await?;
    face.until_listed(|files| {
        files.iter().find(|file| file.id == id).is_none_or(|file| file.state == FileState::Forgotten)
    })
    .await;
    let mut changes = face.store.changes();
    let _ = timeout(LISTED_WITHIN, changes.wait_for(|_| face.store.is_forgotten(&id))).await;
    Ok(StatusCode::NO_CONTENT)
}

impl FilesFace {
    /// Tells the node something.
    ///
    /// # Errors
    /// 503 if the node stops.
    async fn command(&self, command: Command) -> Result<(), Problem> {
        let sent = self.commands.send(command).await;
        sent.map_err(|_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "this program is stopping"))
    }

    /// What the node knows of a file.
    fn info(&self, id: &FileId) -> Option<FileInfo> {
        self.files.borrow().iter().find(|file| file.id == *id).cloned()
    }

    /// Waits a moment until the node's list is as it should be.
    async fn until_listed(&self, is_so: impl Fn(&[FileInfo]) -> bool) {
        let mut files = self.files.clone();
        let _ = timeout(LISTED_WITHIN, files.wait_for(|files| is_so(files))).await;
    }
}
