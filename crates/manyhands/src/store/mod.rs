//! The host's file on disk: Liz's `task.json`, and what is kept beside it.
//!
//! 1. [`TaskStore::open`] finds the file, keeps other hosts away, reads it, and decides: go on with the job of last time,
//!    or begin one from what the file says. A total is checked by really adding where that is quick.
//! 2. [`TaskStore::save`] writes the sidecar (`task.json.manyhands`), then `task.json`, each in one step. Killed at
//!    any instruction, both are whole, `task.json` is true, and opening them goes on from there.
//!
//! While a host runs, the host's word counts: if somebody else writes `task.json`, their file is kept under another name,
//! and said so.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use manyhands_ledger::task::TASK_BYTES_MAX;
use manyhands_ledger::{Ledger, TaskFile};
use manyhands_wire::{JobKind, JobSpec};

mod error;
mod place;
mod replace;
mod sidecar;
mod verify;

#[cfg(test)]
mod tests;

pub(crate) use error::{OpenError, WriteError};

use place::Place;
use replace::{Hook, Mode};
use sidecar::{Keys, Sidecar, SidecarError};
use verify::Verdict;

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
pub(crate) struct Saved {
    /// What the person should know.
    pub(crate) notices: Vec<String>,
}

/// The host's files, locked for as long as this lives.
pub(crate) struct TaskStore {
    place: Place,
    keys: Keys,
    /// What `task.json` says, as far as we wrote it.
    task: TaskFile,
    /// What it says too, perhaps, if the last save failed half-way.
    attempted: Option<TaskFile>,
    /// What is in the sidecar: the hash of the job and ledger, and what it says of `task.json`.
    saved: Option<(blake3::Hash, TaskFile, TaskFile)>,
    hook: Hook,
    _lock: Option<File>,
}

/// What `task.json` turns out to be.
enum OnDisk {
    Absent,
    /// These bytes, and what they say if they are a task.
    Present(Vec<u8>, Option<TaskFile>),
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
        let remembered = read_sidecar(&place, &mut notices)?;
        let bytes = read_task(&place, path, remembered.as_ref())?;
        let keys = remembered.as_ref().map_or_else(|| new_keys(options.random), |sidecar| sidecar.keys);
        let (spec, ledger, resumed) = choose_job(path, &place, &bytes, remembered, options, &mut notices)?;

        let task = TaskFile::of(&spec, &ledger).unwrap_or(TaskFile::new(0));
        let mut store = Self { place, keys, task, attempted: None, saved: None, hook, _lock: lock };
        let saved = store.save_at(Moment::Opening, &spec, &ledger)?;
        notices.extend(saved.notices);
        let Keys { identity: secret, room: room_key } = keys;
        Ok(Opened { store, spec, ledger, secret, room_key, resumed, notices })
    }

    /// Saves the job and what is done of it. After an error, what was saved before is whole: try again later.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub(crate) fn save(&mut self, spec: &JobSpec, ledger: &Ledger) -> Result<Saved, WriteError> {
        self.save_at(Moment::Running, spec, ledger)
    }

    /// The file's path, links followed.
    pub(crate) fn path(&self) -> &Path {
        &self.place.task
    }

    /// What `task.json` says, as far as this host wrote it.
    pub(crate) fn task(&self) -> TaskFile {
        self.task
    }

    fn save_at(&mut self, moment: Moment, spec: &JobSpec, ledger: &Ledger) -> Result<Saved, WriteError> {
        let after = TaskFile::of(spec, ledger).unwrap_or(self.task);
        let mut notices = Vec::new();
        let on_disk = look(&self.place.task).map_err(|error| WriteError::new(&self.place.task, error))?;
        let said = match &on_disk {
            OnDisk::Present(_, said) => *said,
            OnDisk::Absent => None,
        };
        let before = match (moment, said) {
            (Moment::Opening, said) => said.unwrap_or(after),
            (Moment::Running, Some(said)) if said == self.task || Some(said) == self.attempted => said,
            (Moment::Running, _) => {
                notices.push(self.set_aside(&on_disk)?);
                self.task
            }
        };

        self.save_sidecar(spec, ledger, before, after)?;
        if said != Some(after) {
            self.attempted = Some(after);
            let mode = match fs::metadata(&self.place.task) {
                Ok(metadata) => Mode::Like(metadata.permissions()),
                Err(_) => Mode::Default,
            };
            replace::replace(&self.place.task, after.render().as_bytes(), &mode, &mut self.hook)
                .map_err(|error| WriteError::new(&self.place.task, error))?;
        }
        self.task = after;
        self.attempted = None;
        if moment == Moment::Opening && before != after {
            // From here on the file that was there before is a stranger's, should it ever come back.
            self.save_sidecar(spec, ledger, after, after)?;
        }
        Ok(Saved { notices })
    }

    /// Writes the sidecar, unless it says the same already.
    fn save_sidecar(
        &mut self,
        spec: &JobSpec,
        ledger: &Ledger,
        before: TaskFile,
        after: TaskFile,
    ) -> Result<(), WriteError> {
        let content =
            postcard::to_stdvec(&(spec, ledger)).expect("plain data, which postcard always encodes");
        let hash = blake3::hash(&content);
        let path = &self.place.sidecar;
        if self.saved == Some((hash, before, after)) && path.exists() {
            return Ok(());
        }
        let sidecar = Sidecar { keys: self.keys, spec: spec.clone(), ledger: ledger.clone(), before, after };
        // After an error half-way nobody knows which of the two is there.
        self.saved = None;
        replace::replace(path, &sidecar.encode(), &Mode::Private, &mut self.hook)
            .map_err(|error| WriteError::new(path, error))?;
        self.saved = Some((hash, before, after));
        Ok(())
    }

    /// Keeps what somebody else wrote into `task.json`, and says so.
    fn set_aside(&self, on_disk: &OnDisk) -> Result<String, WriteError> {
        let task = self.place.task.display();
        match on_disk {
            OnDisk::Absent => Ok(format!("{task} was removed while this host runs: it is written again")),
            OnDisk::Present(..) => {
                let kept = keep_copy(&self.place.task, "changed")?;
                Ok(format!(
                    "{task} was changed by somebody else while this host runs: their file is kept as {}, and the \
                     host's is written again (to change the task, stop the host first)",
                    kept.display()
                ))
            }
        }
    }
}

/// Writes a copy of a task that no host works on, whole and in one step.
///
/// # Errors
/// See [`WriteError`]; what was there before is whole.
pub(crate) fn write_copy(path: &Path, task: &TaskFile) -> Result<(), WriteError> {
    let mode = match fs::metadata(path) {
        Ok(metadata) => Mode::Like(metadata.permissions()),
        Err(_) => Mode::Default,
    };
    let mut hook: Hook = Box::new(|_| Ok(()));
    replace::replace(path, task.render().as_bytes(), &mode, &mut hook)
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
    let known = remembered.as_ref().map(|sidecar| sidecar.after);
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
            if task == after || task == before {
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
fn read_sidecar(place: &Place, notices: &mut Vec<String>) -> Result<Option<Sidecar>, OpenError> {
    let path = &place.sidecar;
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(OpenError::Unreadable { path: path.clone(), source }),
    };
    match Sidecar::decode(&bytes) {
        Ok(sidecar) => Ok(Some(sidecar)),
        Err(SidecarError::Newer) => Err(OpenError::NewerSidecar(path.clone())),
        Err(error @ (SidecarError::Damaged | SidecarError::Contradiction)) => {
            let kept = Place::free_name(path, "damaged");
            fs::rename(path, &kept).map_err(|error| WriteError::new(path, error))?;
            notices.push(format!(
                "{} cannot be used, {error}: it is kept as {}; the job goes on from {}, with a new invite link",
                path.display(),
                kept.display(),
                place.task.display()
            ));
            Ok(None)
        }
    }
}

/// Reads `task.json`'s bytes, which must be there.
fn read_task(place: &Place, path: &Path, remembered: Option<&Sidecar>) -> Result<Vec<u8>, OpenError> {
    match look(&place.task) {
        Ok(OnDisk::Present(bytes, _)) => Ok(bytes),
        Ok(OnDisk::Absent) => {
            Err(OpenError::Missing { path: path.to_owned(), known: remembered.map(|sidecar| sidecar.after) })
        }
        Err(source) => Err(OpenError::Unreadable { path: path.to_owned(), source }),
    }
}

fn look(path: &Path) -> io::Result<OnDisk> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(OnDisk::Absent),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(TASK_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    let said = TaskFile::parse(&bytes).ok();
    Ok(OnDisk::Present(bytes, said))
}

/// Copies the task to a free name beside it, and waits until the copy is on the disk.
fn keep_copy(task: &Path, label: &str) -> Result<PathBuf, WriteError> {
    let kept = Place::free_name(task, label);
    let copied = fs::copy(task, &kept).and_then(|_| File::open(&kept)?.sync_all());
    copied.map_err(|error| WriteError::new(&kept, error))?;
    Ok(kept)
}
