//! Files as a form sends them: `multipart/form-data`, RFC 7578. A part with a file name is a file; the part `set` is the set's name.

use axum::http::header;
use futures_util::TryStreamExt as _;
use manyhands_wire::file::FILE_NAME_BYTES_MAX;
use multer::{Constraints, Field, Multipart, SizeLimit};
use tokio_util::io::StreamReader;

use super::names::{form_data, is_media_type};
use super::problem::Problem;
use super::putting::{Fault, Putting};
use super::source::{Meted, Source};

/// How many bytes may come before a part's content begins, but for what the last packet brings beside it.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Takes all files of a form.
pub(super) async fn take(source: Source, content_type: &str, putting: &mut Putting) -> Result<(), Problem> {
    let boundary = multer::parse_boundary(content_type).map_err(|error| wrong(&error))?;
    // What limits there are for a file's content, the reader and the store know.
    let limits = Constraints::new().size_limit(SizeLimit::new());
    let (source, allowance) = Meted::new(source);
    let mut form = Multipart::with_constraints(source, boundary, limits);
    loop {
        // The form's reader holds all that it does not understand yet.
        allowance.set(HEAD_BYTES_MAX);
        let Some(field) = form.next_field().await.map_err(|error| wrong(&error))? else { return Ok(()) };
        allowance.set(usize::MAX);
        let disposition = field.headers().get(header::CONTENT_DISPOSITION).map(|value| value.as_bytes());
        let (name, file_name) = disposition
            .and_then(form_data)
            .ok_or_else(|| Problem::bad("a part of the form has no readable header content-disposition"))?;
        match file_name {
            Some(file_name) => add(field, file_name, putting).await?,
            None if name == "set" => putting.name_set(text(field).await?)?,
            None => {
                return Err(Problem::bad(format!("the part `{name}` has no file name, so it is no file")));
            }
        }
    }
}

async fn add(field: Field<'_>, name: String, putting: &mut Putting) -> Result<(), Problem> {
    // What browsers and scripts guess is taken where it can be.
    let media_type =
        field.content_type().map(ToString::to_string).filter(|media_type| is_media_type(media_type));
    let size = field.headers().get(header::CONTENT_LENGTH).and_then(|size| size.to_str().ok()?.parse().ok());
    let fault = Fault::default();
    let raised = fault.clone();
    let content = StreamReader::new(field.map_err(move |error| raised.raise(wrong(&error))));
    putting.add(name, media_type, size, &fault, content).await
}

/// A short text.
async fn text(mut field: Field<'_>) -> Result<String, Problem> {
    let mut text = vec![];
    while let Some(bytes) = field.chunk().await.map_err(|error| wrong(&error))? {
        text.extend(bytes);
        if text.len() > FILE_NAME_BYTES_MAX {
            return Err(Problem::bad("the set's name is too long"));
        }
    }
    String::from_utf8(text).map_err(|_| Problem::bad("the set's name is not UTF-8"))
}

fn wrong(error: &multer::Error) -> Problem {
    let why = match error {
        multer::Error::StreamReadFailed(why) => why.to_string(),
        other => other.to_string(),
    };
    Problem::bad(format!("this is not the form that was announced: {why}"))
}
