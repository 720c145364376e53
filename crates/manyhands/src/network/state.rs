//! What is known of a network between two commands: a folder with a description, and a lock for each node.
//!
//! - `room` says for which room nodes may run here. It is the first thing a start writes, and the first that a stop removes;
//!   a node whose room it is not ends by itself, so that none is left behind, even one that nobody has seen yet.
//! - `network.json` lists the nodes. It is written once all of them are up.
//! - `node-K.lock` is locked by the process of node K for as long as it lives, and holds its process number. The lock is
//!   the system's and ends with the process, however that ends; so whoever finds it locked knows that the number
//!   inside is the node's and nobody else's, and nothing is ever killed by a number that the system has given away again.
//! - `node-K.log` is what the node said, `node-K-files` a folder with its files.
//! - `busy.lock` is locked by the command that changes the network at the moment.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::exit::{Failure, Reason};
use crate::files::args::FilesArgs;

/// The file that says for which room nodes may run.
const ROOM: &str = "room";

/// A network that was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Network {
    /// The part of an invite after the `#`.
    pub(super) room: String,
    /// Node 1 has this port, node k the port k - 1 further.
    pub(super) base_port: u16,
    /// How its nodes keep files; none if they keep none.
    #[serde(default)]
    pub(super) files: Option<FilesArgs>,
    /// How many threads each of its nodes lends to its job; none where it has no job.
    #[serde(default)]
    pub(super) threads: u16,
    /// All nodes that there ever were, in order.
    pub(super) nodes: Vec<Node>,
}

/// A node of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Node {
    /// Its number, from 1.
    pub(super) number: u16,
    /// Its public key in hexadecimal, once it is up.
    pub(super) id: String,
    /// Its port; 0 for one that is not known.
    pub(super) port: u16,
    /// The numbers of the nodes that it started from.
    pub(super) from: Vec<u16>,
    /// Whether it was removed.
    pub(super) removed: bool,
}

/// The folder of one network.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    /// The network's name.
    pub(super) name: String,
    path: PathBuf,
}

impl Node {
    /// Where it serves.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Network {
    /// The name of whoever has this id: a node's own, or what else it is known by. Nodes know the names of those near
    /// them; here all are known.
    pub(super) fn name_of(&self, id: &str, known_as: &str) -> String {
        let node = self.nodes.iter().find(|node| node.id == id);
        node.map_or_else(|| known_as.to_owned(), |node| super::name(node.number))
    }

    /// The nodes that were not removed.
    pub(super) fn present(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| !node.removed)
    }
}

impl Folder {
    /// The folder of this network, made if it is not there.
    pub(super) fn open(state: &Path, name: &str) -> anyhow::Result<Self> {
        let path = state.join("networks").join(name);
        crate::identity::make_private_folder(&path)
            .with_context(|| format!("cannot make the folder {}", path.display()))?;
        // Nodes run elsewhere.
        let path = fs::canonicalize(&path)?;
        Ok(Self { name: name.to_owned(), path })
    }

    /// Takes the right to change the network, for as long as the file is kept.
    pub(super) fn change(&self) -> Result<File, Failure> {
        let path = self.path.join("busy.lock");
        let file = open(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(Failure::new(
                Reason::Network,
                format!(
                    "another command is changing the network `{}` at this moment: wait for it",
                    self.name
                ),
            )),
            Err(TryLockError::Error(error)) => {
                Err(anyhow::Error::from(error).context(format!("cannot lock {}", path.display())).into())
            }
        }
    }

    /// The network that was started, if any.
    pub(super) fn read(&self) -> Result<Option<Network>, Failure> {
        let path = self.path.join("network.json");
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| {
                let path = path.display();
                Failure::new(
                    Reason::Network,
                    format!(
                        "{path} is damaged: {error}; manyhands stop-network ends what runs, to start anew"
                    ),
                )
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => {
                Err(anyhow::Error::from(error).context(format!("cannot read {}", path.display())).into())
            }
        }
    }

    /// Writes the description in one step.
    pub(super) fn write(&self, network: &Network) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(network)?;
        let (new, path) = (self.path.join("network.json.new"), self.path.join("network.json"));
        let mut file = create_private(&new)?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&new, &path))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Lets nodes of this room run, and of no other.
    pub(super) fn allow(&self, room: &str) -> anyhow::Result<()> {
        let path = self.path.join(ROOM);
        create_private(&path)?
            .write_all(room.as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Lets no nodes run: those that do end by themselves, soon.
    pub(super) fn forbid(&self) {
        // It may not be there.
        let _ = fs::remove_file(self.path.join(ROOM));
    }

    /// Removes all that is known of the network. Nothing of it should run any more.
    pub(super) fn clear(&self) {
        let Ok(entries) = fs::read_dir(&self.path) else { return };
        for entry in entries.flatten() {
            // Whoever waits for the right to change must find the same file.
            if entry.file_name() == "busy.lock" {
                continue;
            }
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let _ = if is_folder { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Nodes that live and that no description tells of.
    pub(super) fn strays(&self, known: &[Node]) -> Vec<Node> {
        let is_known = |number: &u16| known.iter().any(|node| node.number == *number);
        let stray = |number| Node { number, id: String::new(), port: 0, from: vec![], removed: false };
        self.alive().into_iter().filter(|number| !is_known(number)).map(stray).collect()
    }

    /// Where a node's process keeps its lock.
    pub(super) fn lock_path(&self, number: u16) -> PathBuf {
        self.path.join(format!("node-{number}.lock"))
    }

    /// Where a node's process says what happens.
    pub(super) fn log_path(&self, number: u16) -> PathBuf {
        self.path.join(format!("node-{number}.log"))
    }

    /// Where a node keeps files, unless the person named a folder for all nodes.
    pub(super) fn files_path(&self, number: u16, base: Option<&Path>) -> PathBuf {
        base.unwrap_or(&self.path).join(format!("node-{number}-files"))
    }

    /// An empty log for a node.
    pub(super) fn new_log(&self, number: u16) -> anyhow::Result<File> {
        create_private(&self.log_path(number))
    }

    /// The process of a node, if it lives.
    pub(super) fn process(&self, number: u16) -> Option<u32> {
        let mut file = File::open(self.lock_path(number)).ok()?;
        // Shared, so that two commands that look at the same time do not take each other for the node.
        match file.try_lock_shared() {
            Ok(()) => None,
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                file.read_to_string(&mut text).ok()?;
                // A process that has its lock and has not written its number yet is about to.
                Some(text.trim().parse().unwrap_or(0))
            }
            Err(TryLockError::Error(_)) => None,
        }
    }

    /// The numbers of all nodes that live, whether the description knows them or not.
    pub(super) fn alive(&self) -> Vec<u16> {
        (1..=super::NUMBERS_MAX).filter(|number| self.process(*number).is_some()).collect()
    }
}

/// Whether a node of this room, with this lock, may run. If it cannot be told, it may.
pub(super) fn is_allowed(lock: &Path, room: &str) -> bool {
    match fs::read_to_string(lock.with_file_name(ROOM)) {
        Ok(allowed) => allowed == room,
        Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    }
}

/// Takes the lock of a node for this process, for as long as the file is kept.
pub(super) fn live(path: &Path) -> anyhow::Result<File> {
    let mut file = open(path)?;
    // Others look at it now and then, for a moment only.
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(std::process::id().to_string().as_bytes())?;
    Ok(file)
}

fn open(path: &Path) -> anyhow::Result<File> {
    private(OpenOptions::new().read(true).write(true).create(true).truncate(false))
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))
}

fn create_private(path: &Path) -> anyhow::Result<File> {
    private(OpenOptions::new().write(true).create(true).truncate(true))
        .open(path)
        .with_context(|| format!("cannot create {}", path.display()))
}

/// The description holds the room's key.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_remembered_until_it_is_cleared() {
        let state = tempfile::tempdir().unwrap();
        let folder = Folder::open(state.path(), "default").unwrap();
        let node = Node { number: 1, id: "ab".into(), port: 7001, from: vec![2], removed: false };
        let network = Network {
            room: "room=a&key=b".into(),
            base_port: 7001,
            files: None,
            threads: 1,
            nodes: vec![node],
        };

        assert_eq!(folder.read().unwrap(), None);
        folder.write(&network).unwrap();
        assert_eq!(folder.read().unwrap(), Some(network));
        folder.clear();
        assert_eq!(folder.read().unwrap(), None);
    }

    #[test]
    fn a_node_lives_for_as_long_as_its_lock_is_held() {
        let state = tempfile::tempdir().unwrap();
        let folder = Folder::open(state.path(), "default").unwrap();

        assert_eq!(folder.process(3), None);
        let held = live(&folder.lock_path(3)).unwrap();
        assert_eq!((folder.process(3), folder.alive()), (Some(std::process::id()), vec![3]));
        drop(held);
        assert_eq!((folder.process(3), folder.alive()), (None, vec![]));
    }

    #[test]
    fn a_node_may_run_for_as_long_as_its_room_is_the_one() {
        let state = tempfile::tempdir().unwrap();
        let folder = Folder::open(state.path(), "default").unwrap();
        let lock = folder.lock_path(1);

        assert!(!is_allowed(&lock, "ours"));
        folder.allow("ours").unwrap();
        assert!(is_allowed(&lock, "ours"));
        folder.allow("theirs").unwrap();
        assert!(!is_allowed(&lock, "ours"));
        folder.forbid();
        assert!(!is_allowed(&lock, "theirs"));
        drop(state);
        assert!(!is_allowed(&lock, "theirs"), "the folder is gone");
    }

    #[test]
    fn who_lives_without_a_description_is_a_stray() {
        let state = tempfile::tempdir().unwrap();
        let folder = Folder::open(state.path(), "default").unwrap();
        let _held = [2, 5].map(|number| live(&folder.lock_path(number)).unwrap());
        let known = Node { number: 2, id: String::new(), port: 7002, from: vec![], removed: true };

        let strays = |known: &[Node]| folder.strays(known).iter().map(|node| node.number).collect::<Vec<_>>();

        assert_eq!((strays(&[]), strays(&[known])), (vec![2, 5], vec![5]));
    }

    #[test]
    fn only_one_command_changes_a_network_at_a_time() {
        let state = tempfile::tempdir().unwrap();
        let folder = Folder::open(state.path(), "default").unwrap();

        let first = folder.change().unwrap();
        let second = folder.change().unwrap_err();
        drop(first);

        assert_eq!(second.reason, Reason::Network);
        assert!(folder.change().is_ok());
    }
}
