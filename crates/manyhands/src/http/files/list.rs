//! Which files there are: `GET /api/files` and `GET /api/files/{id}/info`.

use axum::Json;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use manyhands_core::files::{FileInfo, FileState, Source};
use manyhands_wire::FileId;
use manyhands_wire::file::FileKind;
use serde::{Deserialize, Serialize};

use super::find::{Word, find_soon};
use super::problem::Problem;
use super::who::Guest;

/// How many files are told at once unless asked otherwise.
const LIMIT_DEFAULT: usize = 1000;
/// How many files are told at once at most.
const LIMIT_MAX: usize = 10_000;

/// A file, as the API tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Listed {
    /// Its id.
    pub(crate) id: FileId,
    /// What its person calls it.
    pub(crate) name: String,
    /// How long it is, in bytes.
    pub(crate) size: u64,
    /// Its media type; empty if nobody knows.
    #[serde(rename = "type")]
    pub(crate) media_type: String,
    /// Whether it is a file or a set of files.
    pub(crate) kind: FileKind,
    /// When it was put, by the clock of who put it: as RFC 3339 has it.
    pub(crate) put_at: String,
    /// The same in milliseconds since 1970.
    pub(crate) put_ms: u64,
    /// Who put it.
    pub(crate) by: String,
    /// How long its pieces are, in bytes.
    pub(crate) chunk_bytes: u32,
    /// How many it has.
    pub(crate) chunks: u32,
    /// How many of them are here.
    pub(crate) chunks_here: u32,
    /// How much of it is here, 0 to 1.
    pub(crate) here: f64,
    /// How many peers have all of it, this node included, as far as it sees.
    pub(crate) peers: u32,
    /// How it stands here.
    pub(crate) state: String,
    /// How quickly it comes.
    pub(crate) bytes_per_second: u64,
    /// Who gave how much of it.
    pub(crate) sources: Vec<Giver>,
    /// Why it does not come; empty if nothing is wrong.
    pub(crate) trouble: String,
}

/// Who gave a part of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Giver {
    /// Who.
    pub(crate) peer: String,
    /// How many bytes.
    pub(crate) bytes: u64,
}

/// A page of the list.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Listing {
    /// The files, the latest first.
    pub(crate) files: Vec<Listed>,
    /// How many there are on all pages.
    pub(crate) total: usize,
    /// What to give as `after` for the next page; none on the last one.
    pub(crate) next: Option<FileId>,
}

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    /// Only files of exactly this name.
    name: Option<String>,
    /// Only files, only sets, or both.
    #[serde(default)]
    kind: Kind,
    /// How many at most.
    limit: Option<usize>,
    /// Only what comes after the file of this id.
    after: Option<FileId>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    File,
    Set,
    All,
}

/// `GET /api/files`
pub(super) async fn list(
    Guest(face): Guest,
    question: Result<Query<Question>, QueryRejection>,
) -> Result<Json<Listing>, Problem> {
    let Query(question) = question.map_err(|error| Problem::bad(error.body_text()))?;
    let limit = question.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::bad(format!("`limit` is a number from 1 to {LIMIT_MAX}")));
    }
    let files = face.files.borrow().clone();
    page(&files, &question, limit).map(Json)
}

fn page(files: &[FileInfo], question: &Question, limit: usize) -> Result<Listing, Problem> {
    let is_wanted = |file: &&FileInfo| {
        let kind = match question.kind {
            Kind::File => file.kind == FileKind::File,
            Kind::Set => file.kind == FileKind::Set,
            Kind::All => true,
        };
        kind && file.state != FileState::Forgotten
            && question.name.as_ref().is_none_or(|name| file.name == *name)
    };
    let total = files.iter().filter(is_wanted).count();
    let begin = match question.after {
        Some(after) => {
            1 + files
                .iter()
                .position(|file| file.id == after)
                .ok_or_else(|| Problem::bad("`after` is the id of no file"))?
        }
        None => 0,
    };
    let mut rest = files[begin..].iter().filter(is_wanted);
    let files: Vec<_> = rest.by_ref().take(limit).map(Listed::from).collect();
    let next = rest.next().and(files.last()).map(|file| file.id);
    Ok(Listing { files, total, next })
}

/// `GET /api/files/{id}/info`
pub(super) async fn info(Guest(face): Guest, Word(word): Word) -> Result<Json<Listed>, Problem> {
    find_soon(&face, &word).await.map(|file| Json(Listed::from(&file)))
}

impl From<&FileInfo> for Listed {
    fn from(file: &FileInfo) -> Self {
        let is_whole = file.state == FileState::Here;
        Self {
            id: file.id,
            name: file.name.clone(),
            size: file.size,
            media_type: file.media_type.clone(),
            kind: file.kind,
            put_at: rfc3339(file.put_ms),
            put_ms: file.put_ms,
            by: file.by.clone(),
            chunk_bytes: file.chunk_bytes,
            chunks: file.chunks,
            chunks_here: file.chunks_here,
            here: if is_whole { 1.0 } else { f64::from(file.chunks_here) / f64::from(file.chunks.max(1)) },
            peers: file.peers,
            state: state(file.state).to_owned(),
            bytes_per_second: file.bytes_per_second,
            sources: file
                .sources
                .iter()
                .map(|Source { peer, bytes }| Giver { peer: peer.clone(), bytes: *bytes })
                .collect(),
            trouble: file.trouble.clone(),
        }
    }
}

fn state(state: FileState) -> &'static str {
    match state {
        FileState::Here => "here",
        FileState::Fetching => "fetching",
        FileState::Waiting => "waiting",
        FileState::Known => "known",
        FileState::Failed => "failed",
        FileState::Forgotten => "forgotten",
    }
}

/// The time as people and programs read it, such as `2026-11-21T17:01:10.250Z`. What a stranger's clock says beyond the year 9999
/// is the end of that year.
pub(crate) fn rfc3339(unix_ms: u64) -> String {
    const LAST_MS: u64 = 253_402_300_799_999;
    let unix_ms = unix_ms.min(LAST_MS);
    let (seconds, ms) = (unix_ms / 1000, unix_ms % 1000);
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// Year, month and day of a day since 1970-01-01, by Howard Hinnant's `civil_from_days`.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A file that is known, whose id is this byte over and over.
    pub(in super::super) fn file(id: u8, name: &str) -> FileInfo {
        FileInfo {
            id: FileId([id; 32]),
            name: name.to_owned(),
            size: 5,
            media_type: String::new(),
            kind: FileKind::File,
            put_ms: 1_795_280_470_250,
            by: "Ann".to_owned(),
            chunk_bytes: 1024,
            chunks: 1,
            chunks_here: 0,
            peers: 1,
            state: FileState::Known,
            bytes_per_second: 0,
            sources: vec![],
            trouble: String::new(),
        }
    }

    #[test]
    fn the_list_comes_in_pages() {
        let mut files: Vec<_> = (0..7).map(|id| file(id, if id == 3 { "three" } else { "x" })).collect();
        files[1].state = FileState::Forgotten;
        files[2].kind = FileKind::Set;
        let ask = |question: Question, limit| {
            page(&files, &question, limit).map(|page| {
                let ids: Vec<_> = page.files.iter().map(|file| file.id.0[0]).collect();
                (ids, page.total, page.next.map(|id| id.0[0]))
            })
        };
        let after = |id: u8| Question { after: Some(FileId([id; 32])), ..Question::default() };

        assert_eq!(ask(Question::default(), 2), Ok((vec![0, 3], 5, Some(3))));
        assert_eq!(ask(after(3), 3), Ok((vec![4, 5, 6], 5, None)));
        assert_eq!(ask(after(1), 1), Ok((vec![3], 5, Some(3))), "a forgotten file has a place, too");
        assert_eq!(
            ask(Question { name: Some("three".into()), ..Question::default() }, 9),
            Ok((vec![3], 1, None))
        );
        assert_eq!(ask(Question { kind: Kind::Set, ..Question::default() }, 9), Ok((vec![2], 1, None)));
        assert_eq!(ask(Question { kind: Kind::All, ..Question::default() }, 9).unwrap().1, 6);
        assert!(ask(after(99), 9).is_err());
    }

    #[test]
    fn times_are_told_as_people_know_them() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(rfc3339(1_795_280_470_250), "2026-11-21T17:01:10.250Z");
        assert_eq!(rfc3339(u64::MAX), "9999-12-31T23:59:59.999Z");
    }
}
