//! `manyhands put`: gives files to everybody in the room.
//!
//! All files go in one request, one after the other as they are read; none is ever in memory as a whole.

use std::fs::{self, File};
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

use manyhands_wire::file::{FILE_NAME_BYTES_MAX, MEDIA_TYPE_BYTES_MAX};
use serde_json::json;
use ureq::SendBody;

use super::args::PutArgs;
use super::progress::{Counted, Progress};
use super::target::{Target, segment};
use crate::exit::{Failure, Outcome, Reason};
use crate::http::files::names::{extended, guessed_type, is_media_type};
use crate::http::files::sets::MEMBERS_MAX;
use crate::http::files::upload::Answer;
use crate::voice::{one_line, print};

/// How deep folders are followed.
const DEPTH_MAX: usize = 64;

/// A file that is to be put.
struct Item {
    /// Where it is; none for the standard input.
    path: Option<PathBuf>,
    name: String,
    /// How long it is, where that is known.
    size: Option<u64>,
}

/// Puts files, and says which ids they have.
pub(crate) fn run(args: &PutArgs) -> Outcome {
    if let Some(media_type) = args.media_type.as_deref().filter(|media_type| !media_type.is_empty())
        && (media_type.len() > MEDIA_TYPE_BYTES_MAX || !is_media_type(media_type))
    {
        let message = format!(
            "--type {media_type}: a media type looks like text/plain, and has at most {MEDIA_TYPE_BYTES_MAX} characters"
        );
        return Err(Failure::new(Reason::Usage, message));
    }
    let target = Target::new(&args.to)?;
    let items = items(args)?;
    let boundary = boundary()?;
    let heads: Vec<String> =
        items.iter().enumerate().map(|(at, item)| head(&boundary, at, item, args)).collect();
    let end = format!("\r\n--{boundary}--\r\n");
    let length = items
        .iter()
        .zip(&heads)
        .try_fold(end.len() as u64, |length, (item, head)| Some(length + head.len() as u64 + item.size?));

    let what = match &items[..] {
        [item] => item.name.clone(),
        items => format!("{} files", items.len()),
    };
    let mut progress = Progress::new(&what, length, args.json);
    let parts = items.iter().zip(&heads).map(|(item, head)| -> io::Result<Box<dyn Read>> {
        let content: Box<dyn Read> = match (&item.path, item.size) {
            (Some(path), Some(size)) => Box::new(Exactly { file: File::open(path)?, left: size }),
            (Some(path), None) => Box::new(File::open(path)?),
            (None, _) => Box::new(io::stdin()),
        };
        Ok(Box::new(Cursor::new(head.clone()).chain(content)))
    });
    let end: io::Result<Box<dyn Read>> = Ok(Box::new(Cursor::new(end)));
    let parts = OneByOne { parts: parts.chain([end]), now: None };
    let mut body = Counted { reader: parts, progress: &mut progress };

    let query = args.set.as_ref().map(|set| format!("?set={}", segment(set))).unwrap_or_default();
    let mut request = target
        .agent()
        .post(target.url(&format!("/api/files{query}")))
        .header("content-type", format!("multipart/form-data; boundary={boundary}"))
        // A node that will not take it says so before all is sent.
        .header("expect", "100-continue");
    if let Some(length) = length {
        request = request.header("content-length", length.to_string());
    }
    let sent = request.send(SendBody::from_reader(&mut body));
    if let Err(ureq::Error::Io(error)) = &sent
        && matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
        && body.progress.has_moved()
    {
        let message = format!(
            "the node at {} broke off while the files were sent ({error}), and nothing of them was put: perhaps they are more \
             than it has room for (--files-quota) or takes (--files-max)",
            args.to
        );
        return Err(Failure::new(Reason::File, message));
    }
    let answer = target.good(sent)?;
    drop(progress);
    let answer: Answer = target.json(answer)?;
    if args.json {
        print(&json!(answer).to_string());
        return Ok(());
    }
    for file in &answer.files {
        print(&format!("{}  {}", file.id, one_line(&file.name)));
    }
    if let Some(set) = answer.set {
        print(&format!("{set}  the set of these {} files", answer.files.len()));
    }
    Ok(())
}

fn items(args: &PutArgs) -> Result<Vec<Item>, Failure> {
    let usage = |message: String| Failure::new(Reason::Usage, message);
    let mut items = vec![];
    for path in &args.files {
        if path.as_os_str() == "-" {
            let name =
                args.name.clone().ok_or_else(|| usage("say what to call it: --name NAME".to_owned()))?;
            items.push(Item { path: None, name, size: None });
            continue;
        }
        let kind = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
        if !kind.is_dir() {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let size = kind.is_file().then_some(kind.len());
            items.push(Item { path: Some(path.clone()), name: args.name.clone().unwrap_or(name), size });
        } else if args.recursive {
            // `folder/.` and `..` have a name of their own as well.
            let whole = fs::canonicalize(path).map_err(|error| unreadable(path, &error))?;
            let name = whole.file_name().unwrap_or_default().to_string_lossy().into_owned();
            walk(path, &name, 0, &mut items)?;
        } else {
            return Err(usage(format!("{} is a folder: put all files in it with -r", path.display())));
        }
    }
    if args.name.is_some() && items.len() > 1 {
        return Err(usage(
            "--name is for a single file; what several are called together says --set".to_owned(),
        ));
    }
    if items.is_empty() {
        return Err(usage("there is no file in it".to_owned()));
    }
    if items.len() > MEMBERS_MAX {
        return Err(usage(format!("{} files, where {MEMBERS_MAX} can be put at once", items.len())));
    }
    for item in &items {
        if item.name.is_empty() || item.name.len() > FILE_NAME_BYTES_MAX {
            return Err(usage(format!(
                "a name has 1 to {FILE_NAME_BYTES_MAX} bytes: choose one with --name"
            )));
        }
    }
    Ok(items)
}

/// All files in a folder, in order. Links are not followed.
fn walk(folder: &Path, name: &str, depth: usize, items: &mut Vec<Item>) -> Outcome {
    if depth > DEPTH_MAX {
        let message = format!("{} is deeper than {DEPTH_MAX} folders", folder.display());
        return Err(Failure::new(Reason::Usage, message));
    }
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut entries = entries.map_err(|error| unreadable(folder, &error))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let name = format!("{name}/{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type().map_err(|error| unreadable(&path, &error))?;
        if kind.is_dir() {
            walk(&path, &name, depth + 1, items)?;
        } else if kind.is_file() {
            let size = entry.metadata().map_err(|error| unreadable(&path, &error))?.len();
            items.push(Item { path: Some(path), name, size: Some(size) });
        }
        if items.len() > MEMBERS_MAX {
            let message =
                format!("{} has more than {MEMBERS_MAX} files: put them in parts", folder.display());
            return Err(Failure::new(Reason::Usage, message));
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Reason::File, format!("cannot read {}: {error}", path.display()))
}

/// What stands before a file's content.
fn head(boundary: &str, at: usize, item: &Item, args: &PutArgs) -> String {
    let media_type = args.media_type.clone().unwrap_or_else(|| guessed_type(&item.name).to_owned());
    let media_type: String = media_type.chars().filter(|c| !c.is_control()).collect();
    let break_before = if at == 0 { "" } else { "\r\n" };
    // A node that knows this can refuse a file before it came.
    let size_line = item.size.map(|size| format!("content-length: {size}\r\n")).unwrap_or_default();
    let type_line =
        if media_type.is_empty() { String::new() } else { format!("content-type: {media_type}\r\n") };
    format!(
        "{break_before}--{boundary}\r\ncontent-disposition: form-data; name=\"files\"; filename=\"file\"; filename*={}\r\n\
         {type_line}{size_line}\r\n",
        extended(&item.name)
    )
}

/// A line that no file has in it but by a chance of 1 to 2^128.
fn boundary() -> anyhow::Result<String> {
    let random: [u8; 16] = crate::identity::random()?;
    Ok(format!("manyhands-{}", random.map(|byte| format!("{byte:02x}")).concat()))
}

/// One reader after the other, each opened when it is its turn.
struct OneByOne<I> {
    parts: I,
    now: Option<Box<dyn Read>>,
}

impl<I: Iterator<Item = io::Result<Box<dyn Read>>>> Read for OneByOne<I> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(part) = &mut self.now {
                let bytes = part.read(buffer)?;
                if bytes > 0 || buffer.is_empty() {
                    return Ok(bytes);
                }
            }
            match self.parts.next() {
                Some(part) => self.now = Some(part?),
                None => return Ok(0),
            }
        }
    }
}

/// A file whose length was told before: one that grew is cut, one that shrank is an error.
struct Exactly {
    file: File,
    left: u64,
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let bytes = self.file.read(&mut buffer[..most])?;
        self.left -= bytes as u64;
        if bytes == 0 && most > 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "a file became shorter while it was read",
            ));
        }
        Ok(bytes)
    }
}
