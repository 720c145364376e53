//! Which file is meant: by its id, by the beginning of its id, or by its name.

use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use manyhands_core::files::{FileInfo, FileState};
use manyhands_wire::FileId;
use serde_json::json;

use super::FilesFace;
use super::arrival::is_linked;
use super::problem::Problem;

/// How many digits of an id are enough to name a file, if no other begins so.
const DIGITS_MIN: usize = 6;
/// How many files are told where several are meant.
const CANDIDATES_MAX: usize = 20;

/// What stands in the place of an id in a request's path.
pub(super) struct Word(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Word {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let word = Path::<String>::from_request_parts(parts, state).await;
        word.map(|Path(word)| Self(word)).map_err(|error| Problem::bad(error.body_text()))
    }
}

/// The file that a word means, forgotten files apart.
///
/// # Errors
/// 404 if there is none, 409 with `candidates` if there are several.
pub(super) fn find(face: &FilesFace, word: &str) -> Result<FileInfo, Problem> {
    let files = face.files.borrow();
    let is_kept = |file: &&FileInfo| file.state != FileState::Forgotten;
    choose(files.iter().filter(is_kept), word).cloned()
}

/// The same, but a file's own id finds it also after it was forgotten, as whoever knows it may want it back; and for a moment
/// before it is heard of, as it may just have been put elsewhere.
pub(super) async fn find_soon(face: &FilesFace, word: &str) -> Result<FileInfo, Problem> {
    if let Some(id) = FileId::parse(word) {
        let is_known = |files: &[FileInfo]| files.iter().any(|file| file.id == id);
        if is_linked(face) {
            face.until_listed(is_known).await;
        }
        if let Some(file) = face.info(&id) {
            return Ok(file);
        }
    }
    find(face, word)
}

fn choose<'a>(
    files: impl Iterator<Item = &'a FileInfo> + Clone,
    word: &str,
) -> Result<&'a FileInfo, Problem> {
    if let Some(id) = FileId::parse(word) {
        let mut files = files.clone();
        if let Some(file) = files.find(|file| file.id == id) {
            return Ok(file);
        }
    }
    let named: Vec<_> = files.clone().filter(|file| file.name == word).collect();
    if !named.is_empty() {
        return only(&named, "several files have this name: choose one by its id");
    }
    let is_beginning = word.len() >= DIGITS_MIN && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let word = word.to_ascii_lowercase();
    let begun: Vec<_> = files.filter(|file| is_beginning && file.id.to_string().starts_with(&word)).collect();
    only(&begun, "several files have ids that begin like this: give more of it")
}

fn only<'a>(files: &[&'a FileInfo], why: &str) -> Result<&'a FileInfo, Problem> {
    match files {
        [file] => Ok(file),
        [] => Err(Problem::unknown("no file has this id or name here: perhaps it was not heard of yet")),
        several => {
            let told = several.iter().take(CANDIDATES_MAX);
            let told = told.map(|file| json!({ "id": file.id, "name": file.name, "size": file.size }));
            Err(Problem::new(StatusCode::CONFLICT, why).with("candidates", told.collect()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::list::tests::file;
    use super::*;

    #[test]
    fn a_file_is_found_by_its_id_the_beginning_of_it_or_its_name() {
        let files = [file(0xab, "a.txt"), file(0xcd, "b.txt"), file(0xce, "cdcdcdcd")];
        let found = |word: &str| choose(files.iter(), word).map(|file| file.id.0[0]);

        assert_eq!(found(&"ab".repeat(32)), Ok(0xab));
        assert_eq!(found("ABABAB"), Ok(0xab));
        assert_eq!(found("b.txt"), Ok(0xcd));
        assert_eq!(found("cdcdcdcd"), Ok(0xce), "a name comes before the beginning of an id");
        for unknown in ["", "ab", "a.tx", "ffffff", &"ff".repeat(32), "../a.txt"] {
            assert_eq!(found(unknown).unwrap_err().status, StatusCode::NOT_FOUND, "{unknown}");
        }
    }

    #[test]
    fn several_files_of_a_name_are_told() {
        let files = [file(1, "a"), file(2, "a"), file(3, "b")];

        let problem = choose(files.iter(), "a").unwrap_err();

        assert_eq!(problem.status, StatusCode::CONFLICT);
        assert_eq!(problem.more[0].1.as_array().unwrap().len(), 2);
    }
}
