//! Waiting for pieces of a file that others give.

use std::time::Duration;

use axum::http::StatusCode;
use manyhands_core::Command;
use manyhands_core::files::FileState;
use manyhands_core::view::LinkState;
use manyhands_wire::FileId;
use tokio::time::{Instant, sleep_until};

use super::FilesFace;
use super::problem::Problem;

/// How long to wait where nothing of the file arrives.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait where nobody is linked who is known to have the file: somebody may just be coming in.
const LONELY_PATIENCE: Duration = Duration::from_secs(4);
/// How often to look whether the node has given up, or somebody has come.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Asks for a piece of a file, and waits until it is here, for as long as the file goes on arriving. Asking brings a file back
/// that was forgotten, which only the first piece of an answer may: who throws a file away means also those who read it now.
///
/// # Errors
/// 404 if nobody is there who has it or it was thrown away, 504 if nothing arrives any more, 507 if it cannot be kept.
pub(super) async fn await_chunk(
    face: &FilesFace,
    id: &FileId,
    chunk: u32,
    may_bring_back: bool,
) -> Result<(), Problem> {
    let is_unwanted = || !may_bring_back && face.store.is_forgotten(id);
    let mut changes = face.store.changes();
    if face.store.has_chunk(id, chunk) {
        return Ok(());
    }
    if is_unwanted() {
        return Err(thrown_away());
    }
    let mut files = face.files.clone();
    face.command(Command::FetchFile(*id, Some(chunk))).await?;
    let begun = Instant::now();
    let (mut here, mut moved_at) = (None, begun);
    loop {
        if face.store.has_chunk(id, chunk) {
            return Ok(());
        }
        if is_unwanted() {
            return Err(thrown_away());
        }
        let Some(info) = face.info(id) else {
            return Err(Problem::unknown("the file is not known any more"));
        };
        // A large piece may be on its way for longer than this.
        if here != Some(info.chunks_here) || info.bytes_per_second > 0 {
            (here, moved_at) = (Some(info.chunks_here), Instant::now());
        }
        let has_asked = begun.elapsed() >= LOOK_EVERY;
        if info.state == FileState::Failed && has_asked {
            let why = format!("the file cannot be kept here: {}", info.trouble);
            return Err(Problem::new(StatusCode::INSUFFICIENT_STORAGE, why));
        }
        let is_lonely = info.peers == 0 && !is_linked(face);
        if is_lonely && begun.elapsed() >= LONELY_PATIENCE {
            return Err(Problem::unknown("the file is not here, and nobody is linked who could give it"));
        }
        if moved_at.elapsed() >= PATIENCE {
            let patience = PATIENCE.as_secs();
            let why = match info.peers {
                0 => format!(
                    "nobody who is there has all of the file, and nothing of it came for {patience} s"
                ),
                peers => format!("nothing of the file came for {patience} s, though {peers} have it"),
            };
            return Err(Problem::new(StatusCode::GATEWAY_TIMEOUT, why));
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return Err(stopping()) },
            changed = files.changed() => if changed.is_err() { return Err(stopping()) },
            () = sleep_until(Instant::now() + LOOK_EVERY) => {}
        }
    }
}

/// Whether anybody is there who could give something.
pub(super) fn is_linked(face: &FilesFace) -> bool {
    face.views.borrow().peers.iter().any(|peer| peer.link == LinkState::Open)
}

fn thrown_away() -> Problem {
    Problem::unknown("the file was thrown away here while it was read")
}

fn stopping() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "this program is stopping")
}
