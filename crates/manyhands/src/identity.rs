//! The identity of a friend's machine: a secret key that lasts, so that whoever comes back keeps the credit.
//!
//! Keys live in one folder as `key-0`, `key-1`, …, 32 bytes each, readable by their owner only. A running program holds a
//! lock on its key, so two friends on one machine are two peers: each takes the first key that is free. The lock
//! is the system's and ends with the process, however that ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use manyhands_wire::PeerId;

/// The most programs of one person that run at the same time.
const KEYS_MAX: usize = 256;

/// A secret key, locked for as long as this value lives.
pub(crate) struct Identity {
    pub(crate) secret: [u8; 32],
    /// Its number among the keys of the folder: no other running program has the same.
    pub(crate) index: usize,
    _lock: File,
}

/// Takes the first key in `folder` that no running program holds, and makes one if there is none.
pub(crate) fn take(folder: &Path) -> anyhow::Result<Identity> {
    make_private_folder(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    for index in 0..KEYS_MAX {
        let path = folder.join(format!("key-{index}"));
        let file = open_private(&path).with_context(|| format!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => return read_or_make(file, &path, index),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
    }
    bail!("all {KEYS_MAX} keys in {} are in use", folder.display())
}

/// Where keys live unless told otherwise: the XDG state folder.
pub(crate) fn default_folder() -> anyhow::Result<PathBuf> {
    let from = |variable| std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = from("XDG_STATE_HOME").or_else(|| Some(from("HOME")?.join(".local/state")));
    Ok(state
        .context("there is no home folder to keep the key in: name a folder with --state DIR")?
        .join("manyhands"))
}

/// Random bytes from the system.
pub(crate) fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| anyhow::anyhow!("the system gives no random numbers: {error}"))?;
    Ok(bytes)
}

/// The id of whoever has this secret key.
pub(crate) fn public_key(secret: &[u8; 32]) -> PeerId {
    PeerId(ed25519_dalek::SigningKey::from_bytes(secret).verifying_key().to_bytes())
}

fn read_or_make(mut file: File, path: &Path, index: usize) -> anyhow::Result<Identity> {
    let mut bytes = vec![];
    (&file).take(64).read_to_end(&mut bytes).with_context(|| format!("cannot read {}", path.display()))?;
    let secret = match <[u8; 32]>::try_from(bytes) {
        Ok(secret) => secret,
        Err(bytes) if bytes.is_empty() => {
            let secret = random()?;
            file.write_all(&secret)
                .and_then(|()| file.sync_all())
                .with_context(|| format!("cannot write {}", path.display()))?;
            secret
        }
        Err(bytes) => bail!(
            "{} is damaged: it has {} bytes where a key has 32; remove it to get a new one",
            path.display(),
            bytes.len()
        ),
    };
    Ok(Identity { secret, index, _lock: file })
}

/// Makes a folder that only its owner can look into, and those above it.
pub(crate) fn make_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.read(true).write(true).create(true).truncate(false).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_comes_back_is_the_same_peer() {
        let folder = tempfile::tempdir().unwrap();

        let first = take(folder.path()).unwrap().secret;
        let again = take(folder.path()).unwrap().secret;

        assert_eq!(first, again);
        assert_ne!(first, [0; 32]);
    }

    #[test]
    fn two_programs_at_once_are_two_peers() {
        let folder = tempfile::tempdir().unwrap();

        let (one, two) = (
            take(&folder.path().join("deep/down")).unwrap(),
            take(&folder.path().join("deep/down")).unwrap(),
        );

        assert_ne!(one.secret, two.secret);
    }

    #[test]
    fn a_damaged_key_is_named_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("key-0"), b"short").unwrap();

        let error = take(folder.path()).err().unwrap().to_string();

        assert!(error.contains("key-0 is damaged: it has 5 bytes"), "{error}");
        assert_eq!(fs::read(folder.path().join("key-0")).unwrap(), b"short");
    }

    #[cfg(unix)]
    #[test]
    fn a_key_is_readable_by_its_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();

        take(folder.path()).unwrap();

        assert_eq!(fs::metadata(folder.path().join("key-0")).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
