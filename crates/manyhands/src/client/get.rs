//! `manyhands get`: fetches a file, or all files of a set.
//!
//! A file is written beside its place, under a name that is nobody's, and renamed when it is whole and its length is right. What is broken off
//! leaves nothing behind, also where a person breaks it off ([`interrupted`]). A device or a pipe is written as it comes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use manyhands_wire::file::FileKind;
use serde_json::json;

use super::args::GetArgs;
use super::interrupted;
use super::progress::Progress;
use super::safe::file_name;
use super::target::{Target, segment};
use crate::exit::{Failure, Outcome, Reason};
use crate::http::files::list::Listed;
use crate::http::files::sets::Set;
use crate::voice::{one_line, print};

/// How many bytes are taken at a time.
const PIECE_BYTES: usize = 256 * 1024;
/// How often the node is asked who gives the file, where a person looks.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// How many of those who give are named.
const SOURCES_SHOWN: usize = 3;

/// Fetches what is named, and says where it is.
pub(crate) fn run(args: &GetArgs) -> Outcome {
    let target = Target::new(&args.from)?;
    interrupted::watch()?;
    let info: Listed = target.get_json(&format!("/api/files/{}/info", segment(&args.which)))?;
    match info.kind {
        FileKind::File => {
            let told = fetch(&target, &info, args)?;
            tell(&[told], args);
        }
        FileKind::Set => {
            let told = fetch_set(&target, &info, args)?;
            tell(&told, args);
        }
    }
    Ok(())
}

/// A file that was fetched, and where it is; none for the standard output.
type Fetched = (Listed, Option<PathBuf>);

fn tell(fetched: &[Fetched], args: &GetArgs) {
    if args.json && fetched.iter().all(|(_, path)| path.is_some()) {
        let files: Vec<_> = fetched
            .iter()
            .map(|(file, path)| json!({ "id": file.id, "name": file.name, "size": file.size, "path": path }))
            .collect();
        print(&json!({ "files": files }).to_string());
        return;
    }
    for path in fetched.iter().filter_map(|(_, path)| path.as_ref()) {
        print(&one_line(&path.display().to_string()));
    }
}

/// All files of a set, into a folder.
fn fetch_set(target: &Target, info: &Listed, args: &GetArgs) -> Result<Vec<Fetched>, Failure> {
    let set: Set = target.get_json(&format!("/api/sets/{}", info.id))?;
    if !set.unknown.is_empty() {
        let message = format!(
            "{} of the set's {} files are not known at this node yet: try again in a moment",
            set.unknown.len(),
            set.unknown.len() + set.files.len()
        );
        return Err(Failure::new(Reason::File, message));
    }
    let folder = match &args.output {
        Some(path) if path.as_os_str() == "-" => {
            return Err(Failure::new(Reason::Usage, "a set has several files: name a folder with -o DIR"));
        }
        Some(path) => path.clone(),
        None => PathBuf::from("."),
    };
    fs::create_dir_all(&folder).map_err(|error| cannot_write(&folder, &error))?;
    let mut taken = std::collections::BTreeSet::new();
    let mut fetched = vec![];
    for file in set.files {
        let mut name = file_name(&file.name, &file.id);
        // Two files of a set may have one name, from two folders for instance, or one but for capital letters, which not every
        // disk tells apart.
        if !taken.insert(name.to_lowercase()) {
            name = format!("{}-{name}", &file.id.to_string()[..8]);
            taken.insert(name.to_lowercase());
        }
        let path = folder.join(name);
        fetch_into(target, &file, &path, args)?;
        fetched.push((file, Some(path)));
    }
    Ok(fetched)
}

fn fetch(target: &Target, file: &Listed, args: &GetArgs) -> Result<Fetched, Failure> {
    let path = match &args.output {
        Some(path) if path.as_os_str() == "-" => {
            let mut progress = Progress::new(&file.name, Some(file.size), args.json);
            receive(target, file, &mut io::stdout().lock(), &mut progress)?;
            return Ok((file.clone(), None));
        }
        Some(path) if path.is_dir() || is_named_as_folder(path) => {
            fs::create_dir_all(path).map_err(|error| cannot_write(path, &error))?;
            path.join(file_name(&file.name, &file.id))
        }
        Some(path) => path.clone(),
        None => PathBuf::from(file_name(&file.name, &file.id)),
    };
    fetch_into(target, file, &path, args)?;
    Ok((file.clone(), Some(path)))
}

fn fetch_into(target: &Target, file: &Listed, path: &Path, args: &GetArgs) -> Outcome {
    let place = place(path, args.force, "-o says another name")?;
    let mut progress = Progress::new(&file.name, Some(file.size), args.json);
    let place = match place {
        Place::New(place) => place,
        Place::Written(mut device) => return receive(target, file, &mut device, &mut progress),
    };
    let (path, place) = (place.as_path(), path);
    let partial = Partial::create(path).map_err(|error| cannot_write(place, &error))?;
    receive(target, file, &mut &partial.file, &mut progress)?;
    partial.finish(path, args.force).map_err(|error| cannot_write(place, &error))
}

/// Where a file is written that comes to this path, if it may. What is there is overwritten only with force.
pub(super) fn place(path: &Path, force: bool, or_else: &str) -> Result<Place, Failure> {
    if force {
        return overwritten(path);
    }
    // Links that lead nowhere are there as well.
    if fs::symlink_metadata(path).is_ok() {
        let message = format!("{} is there already: --force overwrites it, {or_else}", path.display());
        return Err(Failure::new(Reason::File, message));
    }
    Ok(Place::New(path.to_owned()))
}

/// Where a file is written.
pub(super) enum Place {
    /// Beside this path, and renamed to it.
    New(PathBuf),
    /// Straight into what is there, which is no file: a device, or a pipe.
    Written(File),
}

/// Where a file is written that takes the place of another. A link stays, and what it leads to is replaced.
fn overwritten(path: &Path) -> Result<Place, Failure> {
    if fs::symlink_metadata(path).is_err() {
        return Ok(Place::New(path.to_owned()));
    }
    let real = fs::canonicalize(path).map_err(|error| cannot_write(path, &error))?;
    let kind = fs::metadata(&real).map_err(|error| cannot_write(path, &error))?;
    if kind.is_file() {
        return Ok(Place::New(real));
    }
    let device = OpenOptions::new().write(true).open(&real);
    device.map(Place::Written).map_err(|error| cannot_write(path, &error))
}

/// Whether a path can only be a folder's: it ends with a slash.
fn is_named_as_folder(path: &Path) -> bool {
    path.as_os_str().to_string_lossy().ends_with(std::path::is_separator)
}

/// Takes a file's bytes.
fn receive(target: &Target, file: &Listed, out: &mut dyn Write, progress: &mut Progress) -> Outcome {
    let watching = Watching::start(target, file, progress);
    let mut answer = target.get(&format!("/api/files/{}", file.id))?;
    let mut body = answer.body_mut().as_reader();
    let mut piece = vec![0; PIECE_BYTES];
    let mut left = file.size;
    loop {
        let bytes = match body.read(&mut piece) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(broken_off(left, &error.to_string())),
        };
        if bytes == 0 {
            break;
        }
        left =
            left.checked_sub(bytes as u64).ok_or_else(|| broken_off(0, "it is longer than it should be"))?;
        out.write_all(&piece[..bytes])
            .map_err(|error| Failure::new(Reason::File, format!("cannot write what comes: {error}")))?;
        progress.add(bytes as u64);
    }
    drop(watching);
    if left > 0 {
        return Err(broken_off(left, "the node gave it up"));
    }
    out.flush()?;
    Ok(())
}

fn broken_off(left: u64, why: &str) -> Failure {
    let message = format!(
        "the file broke off {left} bytes before its end: {why}. Try again: what the node has, it keeps"
    );
    Failure::new(Reason::File, message)
}

/// That a file cannot be written.
pub(super) fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Reason::File, format!("cannot write {}: {error}", path.display()))
}

/// A file that is not whole yet. Dropping it takes it away.
pub(super) struct Partial {
    file: File,
    path: Option<PathBuf>,
}

impl Partial {
    /// A new one beside the place where the file is to be.
    pub(super) fn create(place: &Path) -> io::Result<Self> {
        let mut name = std::ffi::OsString::from(".");
        name.push(place.file_name().unwrap_or_default());
        name.push(format!(".{}.part", std::process::id()));
        let path = place.with_file_name(name);
        let file =
            interrupted::creating(&path, || OpenOptions::new().write(true).create_new(true).open(&path))?;
        Ok(Self { file, path: Some(path) })
    }

    /// What is written so far.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Gives it its name, and makes sure that a crash of the machine does not leave it empty.
    pub(super) fn finish(mut self, place: &Path, may_replace: bool) -> io::Result<()> {
        self.file.sync_all()?;
        let Some(path) = &self.path else { return Ok(()) };
        if may_replace {
            fs::rename(path, place)?;
            self.path = None;
            return Ok(());
        }
        // A link, unlike a renaming, never replaces what somebody else has put there meanwhile.
        match fs::hard_link(path, place) {
            // It goes away under its first name when this is dropped.
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            // Not every file system has links.
            Err(_) => {
                fs::rename(path, place)?;
                self.path = None;
                Ok(())
            }
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path);
        }
        interrupted::forget();
    }
}

/// Asks now and then who gives the file, and shows it beside the bar.
struct Watching {
    end: Option<mpsc::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Watching {
    fn start(target: &Target, file: &Listed, progress: &Progress) -> Self {
        let Some(bar) = progress.bar() else { return Self { end: None, thread: None } };
        let (end, ended) = mpsc::channel();
        let (target, path) = (target.clone(), format!("/api/files/{}/info", file.id));
        let thread = std::thread::spawn(move || {
            while let Err(mpsc::RecvTimeoutError::Timeout) = ended.recv_timeout(ASK_EVERY) {
                if let Ok(info) = target.get_json::<Listed>(&path) {
                    bar.set_message(sources(&info));
                }
            }
        });
        Self { end: Some(end), thread: Some(thread) }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn sources(info: &Listed) -> String {
    if info.sources.is_empty() {
        return String::new();
    }
    let named: Vec<_> =
        info.sources.iter().take(SOURCES_SHOWN).map(|source| one_line(&source.peer)).collect();
    let more = info.sources.len().saturating_sub(SOURCES_SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("from {}{more}", named.join(", "))
}
