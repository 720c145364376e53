//! The host's file on disk: Liz's `task.json`, or the `mersenne.json` of a search, and what is kept beside it.
//!
//! 1. [`TaskStore::open`] finds the file of a sum, keeps other hosts away, reads it, and decides: go on with the job of last
//!    time, or begin one from what the file says. A total is checked by really adding where that is quick.
//!    [`TaskStore::open_search`] does the same for a search ([`search`]), whose file it makes if there is none, and
//!    [`TaskStore::begin`] for a job that the host's person chose while the host runs.
//!    Where long tests stand is beside it as well ([`under_way`]).
//! 2. [`TaskStore::save`] writes the sidecar (`task.json.manyhands`), then the file, each in one step. Killed at
//!    any instruction, both are whole, the file is true, and opening them goes on from there.
//!
//! While a host runs, the host's word counts: if somebody else writes its file, theirs is kept under another name,
//! and said so.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use manyhands_jobs::worker::Saved;
use manyhands_ledger::{Ledger, TaskFile};
use manyhands_wire::{JobKind, JobSpec};

mod error;
mod place;
mod replace;
mod search;
mod sidecar;
mod statement;
mod under_way;
mod verify;

#[cfg(test)]
mod tests;

pub(crate) use error::{OpenError, WriteError};
pub(crate) use search::SearchOptions;
pub(crate) use statement::{Kind, Statement};

use place::Place;
use replace::{Hook, Mode};
use sidecar::{Keys, Sidecar, SidecarError};
use statement::STATEMENT_BYTES_MAX;
use verify::Verdict;

/// How many files of somebody else's a host keeps aside while it runs: a program that writes again and again must not fill the
/// disk.
const SET_ASIDE_MAX: u32 = 32;

/// How to open a file.
pub(crate) struct OpenOptions<'a> {
    /// How many numbers make a unit of a new job; none for the default.
    pub(crate) unit_size: Option<u64>,
    /// Who asks, in a new job.
    pub(crate) asked_by: &'a str,
    /// Begin again from 0.
    pub(crate) restart: bool,
    /// Fills bytes with good random numbers, for new secrets.
    pub(crate) random: &'a mut dyn FnMut(&mut [u8]),
}

/// An opened file.
pub(crate) struct Opened {
    /// Where to save.
    pub(crate) store: TaskStore,
    /// The job.
    pub(crate) spec: JobSpec,
    /// What is done of it.
    pub(crate) ledger: Ledger,
    /// Where tests stand that were under way last time.
    pub(crate) saved: Vec<Saved>,
    /// The secret half of the host's Ed25519 key, the same as last time.
    pub(crate) secret: [u8; 32],
    /// The secret of the invite, the same as last time.
    pub(crate) room_key: [u8; 16],
    /// Whether the job of last time goes on.
    pub(crate) resumed: bool,
    /// What the person should know.
    pub(crate) notices: Vec<String>,
}

/// What a save did.
#[derive(Debug)]
pub(crate) struct Done {
    /// What the person should know.
    pub(crate) notices: Vec<String>,
}

/// The host's files, locked for as long as this lives.
pub(crate) struct TaskStore {
    place: Place,
    keys: Keys,
    /// What the file says, as far as we wrote it.
    said: Statement,
    /// What it says too, perhaps, if the last save failed half-way.
    attempted: Option<Statement>,
    /// What is in the sidecar: the hash of the job and ledger, and what it says of the file.
    saved: Option<(blake3::Hash, Statement, Statement)>,
    /// How many files of somebody else's were kept aside.
    set_aside: u32,
    hook: Hook,
    _lock: Option<File>,
}

/// What the file turns out to be.
enum OnDisk {
    Absent,
    /// These bytes, and what they say if they are of the right kind.
    Present(Vec<u8>, Option<Statement>),
}

/// Whether a file is being opened, or belongs to a host that runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    Opening,
    Running,
}

impl TaskStore {
    /// Opens a file and saves it once, so that a folder that cannot be written is found out at once.
    ///
    /// # Errors
    /// See [`OpenError`]; `task.json` is as it was before.
    pub(crate) fn open(path: &Path, options: OpenOptions<'_>) -> Result<Opened, OpenError> {
        Self::open_with(path, options, Box::new(|_| Ok(())))
    }

    fn open_with(path: &Path, options: OpenOptions<'_>, hook: Hook) -> Result<Opened, OpenError> {
        let mut held = Held::take(path, Kind::Task, hook)?;
        let remembered = held.remembered.take();
        let bytes = read_task(&held.place, path, remembered.as_ref())?;
        let keys = remembered.as_ref().map_or_else(|| new_keys(options.random), |sidecar| sidecar.keys);
        let (spec, ledger, resumed) =
            choose_job(path, &held.place, &bytes, remembered, options, &mut held.notices)?;
        held.open(keys, spec, ledger, resumed)
    }

    /// Makes the file of a job that the host's person chose while the host runs, with the keys that the host has already. A
    /// file that is there must say that nothing is done yet.
    ///
    /// # Errors
    /// See [`OpenError`]; the file is as it was before.
    pub(crate) fn begin(
        path: &Path,
        spec: JobSpec,
        secret: [u8; 32],
        room_key: [u8; 16],
    ) -> Result<Opened, OpenError> {
        let kind = Kind::of(&spec).unwrap_or(Kind::Task);
        let held = Held::take(path, kind, Box::new(|_| Ok(())))?;
        let unreadable = |source| OpenError::Unreadable { path: path.to_owned(), source };
        let said = match look(&held.place.task, kind).map_err(unreadable)? {
            OnDisk::Present(_, None) => return Err(OpenError::NoPlace(path.to_owned())),
            OnDisk::Present(_, said) => said,
            OnDisk::Absent => None,
        };
        let is_begun = |sidecar: &Sidecar| sidecar.ledger.done_units() > 0;
        if held.remembered.as_ref().is_some_and(is_begun) || said.is_some_and(|said| said.is_begun()) {
            return Err(OpenError::Begun { path: path.to_owned() });
        }
        let ledger = Ledger::new(spec.units());
        held.open(Keys { identity: secret, room: room_key }, spec, ledger, false)
    }

    /// Saves the job and what is done of it. After an error, what was saved before is whole: try again later.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub(crate) fn save(&mut self, spec: &JobSpec, ledger: &Ledger) -> Result<Done, WriteError> {
        self.save_at(Moment::Running, spec, ledger)
    }

    /// The file's path, links followed.
    pub(crate) fn path(&self) -> &Path {
        &self.place.task
    }

    /// What the file says, as far as this host wrote it.
    pub(crate) fn said(&self) -> &Statement {
        &self.said
    }

    fn save_at(&mut self, moment: Moment, spec: &JobSpec, ledger: &Ledger) -> Result<Done, WriteError> {
        let kind = self.said.kind();
        let mut notices = Vec::new();
        // The host's person may have chosen another job, which has another file.
        let Some(after) = Statement::of(spec, ledger).filter(|after| after.kind() == kind) else {
            return Ok(Done { notices });
        };
        let on_disk =
            look(&self.place.task, kind).map_err(|error| WriteError::new(&self.place.task, error))?;
        let said = match &on_disk {
            OnDisk::Present(_, said) => said.clone(),
            OnDisk::Absent => None,
        };
        let before = match (moment, said.clone()) {
            (Moment::Opening, said) => said.unwrap_or_else(|| after.clone()),
            (Moment::Running, Some(said)) if said == self.said || Some(&said) == self.attempted.as_ref() => {
                said
            }
            (Moment::Running, _) => {
                notices.push(self.set_aside(&on_disk)?);
                self.said.clone()
            }
        };

        self.save_sidecar(spec, ledger, &before, &after)?;
        if said.as_ref() != Some(&after) {
            self.attempted = Some(after.clone());
            let mode = match fs::metadata(&self.place.task) {
                Ok(metadata) => Mode::Like(metadata.permissions()),
                Err(_) => Mode::Default,
            };
            replace::replace(&self.place.task, after.render().as_bytes(), &mode, &mut self.hook)
                .map_err(|error| WriteError::new(&self.place.task, error))?;
        }
        if moment == Moment::Opening && before != after {
            // From here on the file that was there before is a stranger's, should it ever come back.
            self.save_sidecar(spec, ledger, &after, &after)?;
        }
        self.said = after;
        self.attempted = None;
        Ok(Done { notices })
    }

    /// Writes the sidecar, unless it says the same already.
    fn save_sidecar(
        &mut self,
        spec: &JobSpec,
        ledger: &Ledger,
        before: &Statement,
        after: &Statement,
    ) -> Result<(), WriteError> {
        let content =
            postcard::to_stdvec(&(spec, ledger)).expect("plain data, which postcard always encodes");
        let hash = blake3::hash(&content);
        let path = &self.place.sidecar;
        let (before, after) = (before.clone(), after.clone());
        let saved = (hash, before.clone(), after.clone());
        if self.saved.as_ref() == Some(&saved) && path.exists() {
            return Ok(());
        }
        let sidecar = Sidecar { keys: self.keys, spec: spec.clone(), ledger: ledger.clone(), before, after };
        // After an error half-way nobody knows which of the two is there.
        self.saved = None;
        replace::replace(path, &sidecar.encode(), &Mode::Private, &mut self.hook)
            .map_err(|error| WriteError::new(path, error))?;
        self.saved = Some(saved);
        Ok(())
    }

    /// Keeps what somebody else wrote into the file, and says so.
    fn set_aside(&mut self, on_disk: &OnDisk) -> Result<String, WriteError> {
        let task = self.place.task.clone();
        let task = task.display();
        match on_disk {
            OnDisk::Absent => Ok(format!("{task} was removed while this host runs: it is written again")),
            OnDisk::Present(..) if self.set_aside >= SET_ASIDE_MAX => Ok(format!(
                "{task} was changed by somebody else once more: {SET_ASIDE_MAX} of their files are kept already, so this one \
                 is not, and the host's is written again"
            )),
            OnDisk::Present(..) => {
                let kept = keep_copy(&self.place.task, "changed")?;
                self.set_aside += 1;
                Ok(format!(
                    "{task} was changed by somebody else while this host runs: their file is kept as {}, and the \
                     host's is written again (to change the task, stop the host first)",
                    kept.display()
                ))
            }
        }
    }
}

/// A file that this host has for itself, and is about to open.
struct Held {
    place: Place,
    lock: Option<File>,
    /// What is beside it.
    remembered: Option<Sidecar>,
    /// Where tests stand that are under way in the job that is remembered.
    tests: Vec<Saved>,
    hook: Hook,
    notices: Vec<String>,
}

impl Held {
    /// Keeps other hosts away from a file, and reads what is beside it.
    fn take(path: &Path, kind: Kind, hook: Hook) -> Result<Self, OpenError> {
        let place = Place::find(path)?;
        let lock = place.lock()?;
        place.clean();
        let mut notices = Vec::new();
        if lock.is_none() {
            notices.push(format!(
                "{} is on a file system without locks: take care that only one host works on it",
                path.display()
            ));
        }
        let remembered = read_sidecar(&place, kind, &mut notices)?;
        let tests = match (kind, &remembered) {
            (Kind::Search, Some(sidecar)) => under_way::read(&place.tests, sidecar.spec.id()),
            (Kind::Task | Kind::Search, _) => vec![],
        };
        Ok(Self { place, lock, remembered, tests, hook, notices })
    }

    /// Opens it with this job, and saves it once.
    fn open(self, keys: Keys, spec: JobSpec, ledger: Ledger, resumed: bool) -> Result<Opened, OpenError> {
        let Self { place, lock, hook, mut notices, tests, .. } = self;
        let said = Statement::of(&spec, &ledger).unwrap_or(Statement::Task(TaskFile::new(0)));
        let mut store =
            TaskStore { place, keys, said, attempted: None, saved: None, set_aside: 0, hook, _lock: lock };
        let saved = store.save_at(Moment::Opening, &spec, &ledger)?;
        notices.extend(saved.notices);
        let Keys { identity: secret, room: room_key } = keys;
        let saved = if resumed { tests } else { vec![] };
        Ok(Opened { store, spec, ledger, saved, secret, room_key, resumed, notices })
    }
}

/// Writes a copy of a file that no host works on, whole and in one step.
///
/// # Errors
/// See [`WriteError`]; what was there before is whole.
pub(crate) fn write_copy(path: &Path, said: &Statement) -> Result<(), WriteError> {
    let mode = match fs::metadata(path) {
        Ok(metadata) => Mode::Like(metadata.permissions()),
        Err(_) => Mode::Default,
    };
    let mut hook: Hook = Box::new(|_| Ok(()));
    replace::replace(path, said.render().as_bytes(), &mode, &mut hook)
        .map_err(|error| WriteError::new(path, error))
}

/// The job to do: that of last time if `task.json` is as it was left, or one from what `task.json` says.
fn choose_job(
    path: &Path,
    place: &Place,
    bytes: &[u8],
    remembered: Option<Sidecar>,
    options: OpenOptions<'_>,
    notices: &mut Vec<String>,
) -> Result<(JobSpec, Ledger, bool), OpenError> {
    let OpenOptions { unit_size, asked_by, restart, random } = options;
    let known = remembered.as_ref().and_then(task_of);
    let not_a_task = |source| OpenError::NotATask { path: path.to_owned(), source, known };
    let parsed = TaskFile::parse(bytes);
    let task = if restart {
        if parsed.as_ref().map_or(true, |task| task.most_recent_counting_number_added > 0) {
            let kept = keep_copy(&place.task, "before-restart")?;
            notices.push(format!("begins again from 0; what was there is kept as {}", kept.display()));
        }
        TaskFile::parse_restarted(bytes).map_err(not_a_task)?
    } else {
        let task = parsed.map_err(not_a_task)?;
        if let Some(Sidecar { spec, ledger, before, after, .. }) = remembered {
            if [&before, &after].contains(&&Statement::Task(task)) {
                if let (Some(wanted), JobKind::Sum { unit_size, .. }) = (unit_size, &spec.kind)
                    && wanted != *unit_size
                {
                    notices.push(format!("the job under way keeps its unit size of {unit_size}"));
                }
                return Ok((spec, ledger, true));
            }
            notices.push(format!(
                "{} was changed since the last time: the job begins anew from what it says now",
                path.display()
            ));
        }
        check_total(path, &task, notices)?;
        task
    };
    let mut salt = [0; 16];
    random(&mut salt);
    let spec = task.to_spec(unit_size, asked_by, salt);
    spec.check().map_err(|source| OpenError::Job { path: path.to_owned(), source })?;
    let ledger = Ledger::new(spec.units());
    Ok((spec, ledger, false))
}

fn check_total(path: &Path, task: &TaskFile, notices: &mut Vec<String>) -> Result<(), OpenError> {
    match verify::check(task, verify::BUDGET) {
        Verdict::True => {}
        Verdict::Wrong(expected) => {
            return Err(OpenError::WrongTotal { path: path.to_owned(), task: *task, expected });
        }
        Verdict::TooLong => notices.push(format!(
            "{}: the total of the first {} numbers is taken on trust, since adding them again would take too long",
            path.display(),
            task.most_recent_counting_number_added
        )),
    }
    Ok(())
}

fn new_keys(random: &mut dyn FnMut(&mut [u8])) -> Keys {
    let mut keys = Keys { identity: [0; 32], room: [0; 16] };
    random(&mut keys.identity);
    random(&mut keys.room);
    keys
}

/// Reads the sidecar if it is there and good; a damaged one is moved out of the way, since nothing in `task.json`
/// depends on it.
fn read_sidecar(place: &Place, kind: Kind, notices: &mut Vec<String>) -> Result<Option<Sidecar>, OpenError> {
    let path = &place.sidecar;
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(OpenError::Unreadable { path: path.clone(), source }),
    };
    match Sidecar::decode(&bytes) {
        Ok(sidecar) if sidecar.after.kind() == kind => Ok(Some(sidecar)),
        Ok(_) => Err(OpenError::OtherKind { path: place.task.clone(), wanted: kind }),
        Err(SidecarError::Newer) => Err(OpenError::NewerSidecar(path.clone())),
        Err(error @ (SidecarError::Damaged | SidecarError::Contradiction)) => {
            let kept = Place::free_name(path, "damaged");
            fs::rename(path, &kept).map_err(|error| WriteError::new(path, error))?;
            let what_now = match kind {
                Kind::Task => format!("the job goes on from {}", place.task.display()),
                Kind::Search => "the results were in it, so the search begins anew".to_owned(),
            };
            notices.push(format!(
                "{} cannot be used, {error}: it is kept as {}; {what_now}, with a new invite link",
                path.display(),
                kept.display(),
            ));
            Ok(None)
        }
    }
}

/// Reads `task.json`'s bytes, which must be there.
fn read_task(place: &Place, path: &Path, remembered: Option<&Sidecar>) -> Result<Vec<u8>, OpenError> {
    match look(&place.task, Kind::Task) {
        Ok(OnDisk::Present(bytes, _)) => Ok(bytes),
        Ok(OnDisk::Absent) => {
            Err(OpenError::Missing { path: path.to_owned(), known: remembered.and_then(task_of) })
        }
        Err(source) => Err(OpenError::Unreadable { path: path.to_owned(), source }),
    }
}

/// The task that a sidecar remembers.
fn task_of(sidecar: &Sidecar) -> Option<TaskFile> {
    match &sidecar.after {
        Statement::Task(task) => Some(*task),
        Statement::Search(_) => None,
    }
}

fn look(path: &Path, kind: Kind) -> io::Result<OnDisk> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(OnDisk::Absent),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(STATEMENT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    let said = kind.read(&bytes);
    Ok(OnDisk::Present(bytes, said))
}

/// Copies the file and what is beside it to a free name, under which a host can be started on it.
fn keep_all(place: &Place, label: &str) -> Result<PathBuf, WriteError> {
    let kept = place.free(label);
    for (from, to) in place.kept().into_iter().zip(kept.kept()) {
        match fs::copy(from, to).and_then(|_| File::open(to)?.sync_all()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            outcome => outcome.map_err(|error| WriteError::new(to, error))?,
        }
    }
    Ok(kept.task)
}

/// Copies the task to a free name beside it, and waits until the copy is on the disk.
fn keep_copy(task: &Path, label: &str) -> Result<PathBuf, WriteError> {
    let kept = Place::free_name(task, label);
    let copied = fs::copy(task, &kept).and_then(|_| File::open(&kept)?.sync_all());
    copied.map_err(|error| WriteError::new(&kept, error))?;
    Ok(kept)
}
