//! Files that were put together: a set is a file of their ids, 32 bytes each.

use std::sync::Arc;

use axum::Json;
use manyhands_wire::FileId;
use manyhands_wire::file::FileKind;
use serde::{Deserialize, Serialize};

use super::FilesFace;
use super::content::Reading;
use super::find::{Word, find_soon};
use super::list::Listed;
use super::problem::Problem;
use super::who::Guest;

/// The most files of a set that is put, and of one that is told.
pub(crate) const MEMBERS_MAX: usize = 10_000;
/// How long an id is, in bytes.
const ID_BYTES: usize = 32;

/// A set, as the API tells it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Set {
    /// Its id.
    pub(crate) id: FileId,
    /// What its person calls it.
    pub(crate) name: String,
    /// The files of it that are known here, in their order.
    pub(crate) files: Vec<Listed>,
    /// The ids of those that are not.
    pub(crate) unknown: Vec<FileId>,
}

/// `GET /api/sets/{id}`: which files were put together.
pub(super) async fn set(Guest(face): Guest, Word(word): Word) -> Result<Json<Set>, Problem> {
    let file = find_soon(&face, &word).await?;
    if file.kind != FileKind::Set {
        return Err(Problem::unknown("this is a file, not a set of files"));
    }
    if file.size > (MEMBERS_MAX * ID_BYTES) as u64 {
        return Err(Problem::too_large(format!(
            "the set has more than {MEMBERS_MAX} files: fetch its list as a file"
        )));
    }
    let mut reading = Reading::new(Arc::clone(&face), &file, 0..file.size);
    let mut content = vec![];
    while let Some(bytes) = reading.next().await? {
        content.extend(bytes);
    }
    Ok(Json(told(&face, file.id, file.name, &content)))
}

fn told(face: &FilesFace, id: FileId, name: String, content: &[u8]) -> Set {
    let all = face.files.borrow().clone();
    let known: std::collections::BTreeMap<FileId, usize> =
        all.iter().enumerate().map(|(at, file)| (file.id, at)).collect();
    let mut set = Set { id, name, files: vec![], unknown: vec![] };
    for member in content.as_chunks::<ID_BYTES>().0 {
        match known.get(&FileId(*member)) {
            Some(at) => set.files.push(Listed::from(&all[*at])),
            None => set.unknown.push(FileId(*member)),
        }
    }
    set
}
