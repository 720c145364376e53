//! Files on their way into the store, and from there to the node: of a request that is refused, none.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::StatusCode;
use manyhands_core::files::{FileState, NewFile};
use manyhands_core::{Command, Event};
use manyhands_store::PutError;
use manyhands_wire::FileId;
use manyhands_wire::file::{FILE_NAME_BYTES_MAX, FileKind, MEDIA_TYPE_BYTES_MAX};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until, timeout};

use super::FilesFace;
use super::names::{guessed_type, is_media_type};
use super::problem::Problem;
use super::sets::MEMBERS_MAX;
use super::upload::{Answer, Member};

/// How long the node may take for the next files, of those that it was told of.
const ADDED_WITHIN: Duration = Duration::from_secs(20);
/// How long the store may take to have what the node wants kept.
const KEPT_WITHIN: Duration = Duration::from_secs(10);

/// Files on their way into the store.
pub(super) struct Putting {
    face: Arc<FilesFace>,
    set_name: Option<String>,
    /// Those that are there; each is claimed.
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
    /// Nothing yet; the set's name if it is known already.
    pub(super) fn new(face: Arc<FilesFace>, set_name: Option<String>) -> Self {
        Self { face, set_name, files: vec![] }
    }

    /// Names the set, where the address did not.
    pub(super) fn name_set(&mut self, name: String) -> Result<(), Problem> {
        check_name(&name)?;
        self.set_name.get_or_insert(name);
        Ok(())
    }

    /// Writes one file into the store. Its size, where it is known before, lets it be refused before it came.
    pub(super) async fn add(
        &mut self,
        name: String,
        media_type: Option<String>,
        size: Option<u64>,
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
        if size.is_some_and(|size| size > self.face.file_bytes_max) {
            return Err(over_the_limit());
        }
        let mut content = Metered { content, left: self.face.file_bytes_max, fault: fault.clone() };
        self.write(name, media_type, FileKind::File, size, fault, &mut content).await.map(|_| ())
    }

    async fn write(
        &mut self,
        name: String,
        media_type: String,
        kind: FileKind,
        size: Option<u64>,
        fault: &Fault,
        content: impl AsyncRead + Unpin + Send,
    ) -> Result<FileId, Problem> {
        let store = &self.face.store;
        let put = store.put_new(name.clone(), media_type, kind, size, content).await;
        let (file, is_new) = put.map_err(|error| fault.take().unwrap_or_else(|| refused(&name, &error)))?;
        let id = file.manifest.id();
        if !self.face.claims.add(store, id, is_new).await {
            let why = "somebody else has taken back the same file in this moment: put it again";
            return Err(Problem::busy(why).with("file", name.into()));
        }
        self.files.push(file);
        Ok(id)
    }

    /// Says what type the last file has, after its content.
    pub(super) fn retype(&mut self, media_type: String) -> Result<(), Problem> {
        check_media_type(&media_type)?;
        if let Some(file) = self.files.last_mut() {
            file.media_type = media_type;
        }
        Ok(())
    }

    /// Makes a set of several files, tells the node of all, and waits until they outlive a power cut.
    pub(super) async fn finish(mut self) -> Result<Answer, Problem> {
        let members: Vec<Member> = self.files.iter().map(member).collect();
        let set = match &members[..] {
            [] => return Err(Problem::bad("there is no file in it")),
            [_] => None,
            [first, ..] => {
                let name = self.set_name.take().unwrap_or_else(|| name_of_set(&first.name, members.len()));
                match self.put_set(name, &members).await {
                    Ok(id) => Some(id),
                    Err(problem) => {
                        self.undo().await;
                        return Err(problem);
                    }
                }
            }
        };
        let told = self.tell_node().await;
        let failed = told.as_ref().map(|failed| failed.keys().copied().collect()).unwrap_or_default();
        let kept = match &told {
            Ok(failed) => self.make_last(failed).await,
            Err(_) => Ok(()),
        };
        self.release(&failed).await;
        kept?;
        match told?.into_values().next() {
            Some(why) => {
                let why = format!("{why}; what it had taken of this request before stays");
                Err(Problem::new(StatusCode::INSUFFICIENT_STORAGE, why))
            }
            None => Ok(Answer { set, files: members }),
        }
    }

    async fn put_set(&mut self, name: String, members: &[Member]) -> Result<FileId, Problem> {
        let mut seen = BTreeSet::new();
        let ids = members.iter().filter(|member| seen.insert(member.id));
        let content: Vec<u8> = ids.flat_map(|member| member.id.0).collect();
        let size = Some(content.len() as u64);
        self.write(name, String::new(), FileKind::Set, size, &Fault::default(), &content[..]).await
    }

    /// Tells the node of all files, and waits until it has listed each, or has said why not.
    async fn tell_node(&self) -> Result<BTreeMap<FileId, String>, Problem> {
        let (mut lists, mut events) = (self.face.files.clone(), self.face.events.resubscribe());
        let mut waiting: BTreeSet<FileId> = self.files.iter().map(|file| file.manifest.id()).collect();
        let mut failed = BTreeMap::new();
        let mut sending = pin!(async {
            let mut told = BTreeSet::new();
            for file in &self.files {
                if told.insert(file.manifest.id()) {
                    self.face.command(Command::AddFile(file.clone())).await?;
                }
            }
            Ok::<_, Problem>(())
        });
        let (mut is_sent, mut due) = (false, Instant::now() + ADDED_WITHIN);
        lists.mark_changed();
        while !(is_sent && waiting.is_empty()) {
            tokio::select! {
                sent = &mut sending, if !is_sent => {
                    sent?;
                    is_sent = true;
                    due = Instant::now() + ADDED_WITHIN;
                }
                changed = lists.changed() => {
                    changed.map_err(|_| stopping())?;
                    let before = waiting.len();
                    for file in lists.borrow_and_update().iter().filter(|file| file.state != FileState::Forgotten) {
                        waiting.remove(&file.id);
                    }
                    if waiting.len() < before {
                        due = Instant::now() + ADDED_WITHIN;
                    }
                }
                event = events.recv() => match event {
                    Ok(Event::FileFailed { file, why, .. }) => if waiting.remove(&file) {
                        failed.insert(file, why);
                    },
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return Err(stopping()),
                },
                () = sleep_until(due) => {
                    let why = "this node is too busy to take the files now: see what it lists, and put the rest again";
                    return Err(Problem::busy(why));
                }
            }
        }
        Ok(failed)
    }

    /// Waits until the store has what the node wants kept, and all of it is on the disk: once for all files.
    async fn make_last(&self, failed: &BTreeMap<FileId, String>) -> Result<(), Problem> {
        let store = self.face.store.clone();
        let ids = self.files.iter().map(|file| file.manifest.id());
        let mut left: Vec<FileId> = ids.filter(|id| !failed.contains_key(id)).collect();
        let mut changes = store.changes();
        let kept = changes.wait_for(|_| {
            while left.last().is_some_and(|id| store.is_kept(id)) {
                left.pop();
            }
            left.is_empty()
        });
        let is_kept = timeout(KEPT_WITHIN, kept).await.is_ok_and(|kept| kept.is_ok());
        let flushing = self.face.store.clone();
        if is_kept && tokio::task::spawn_blocking(move || flushing.flush()).await.unwrap_or(false) {
            return Ok(());
        }
        Err(Problem::busy(
            "the files are here, but the disk has not confirmed that they would outlive a power cut: try again",
        ))
    }

    /// Lets go of all files: of those that failed for good.
    async fn release(self, failed: &BTreeSet<FileId>) {
        for id in self.files.iter().map(|file| file.manifest.id()) {
            if failed.contains(&id) {
                self.face.claims.give_up(&self.face.store, id).await;
            } else {
                self.face.claims.keep(id).await;
            }
        }
    }

    /// Throws away what was written, unless somebody else has put or puts the same.
    pub(super) async fn undo(self) {
        for id in self.files.iter().map(|file| file.manifest.id()) {
            self.face.claims.give_up(&self.face.store, id).await;
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

fn stopping() -> Problem {
    Problem::busy("this program is stopping")
}

pub(super) fn check_name(name: &str) -> Result<(), Problem> {
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

fn over_the_limit() -> Problem {
    Problem::too_large("a file is larger than this node takes (--files-max); nothing of this request was put")
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
            None => Poll::Ready(Err(self.fault.raise(over_the_limit()))),
        }
    }
}
