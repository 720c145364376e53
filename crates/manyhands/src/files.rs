//! A node's files: where they are kept, and how the parts that deal with them are put together.
//!
//! A *store* keeps them on the disk; the peer, which decides what is fetched and given, speaks to it through its pipes; the HTTP API puts
//! into it and reads from it.

pub(crate) mod args;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use manyhands_core::Command;
use manyhands_core::files::{FetchPolicy, FilesConfig, SwarmConfig};
use manyhands_peer::{Peer, Store};
use manyhands_store::{FileStore, Pipes, Serving, StoreError, StoreOptions};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::exit::{Failure, Reason};
use crate::http::FilesFace;
use crate::http::files::{Claims, Places};
use crate::identity::make_private_folder;
use crate::signals::Signals;
use args::{Fetch, FilesArgs};

/// How long the store may take at the end.
const END_WITHIN: Duration = Duration::from_secs(5);

/// The files of a node that does not run yet.
pub(crate) struct Files {
    /// What the node is told of them.
    pub(crate) config: FilesConfig,
    store: FileStore,
    file_bytes_max: u64,
    is_open: bool,
}

/// Opens the folder of files that was asked for, or this one. None if there are to be no files. A large one takes its time, in
/// which the person may lose patience.
///
/// # Errors
/// If the folder that was asked for cannot be used, or the person stopped it.
pub(crate) async fn open(
    args: &FilesArgs,
    default_folder: Option<PathBuf>,
    warn: impl FnOnce(&str),
    signals: &mut Signals,
) -> Result<Option<Files>, Failure> {
    if args.no_files {
        return Ok(None);
    }
    let Some(folder) = args.folder.clone().or(default_folder) else { return Ok(None) };
    let own_args = args.clone();
    let opening = tokio::task::spawn_blocking(move || open_folder(&own_args, &folder));
    let opened = tokio::select! {
        opened = opening => opened.map_err(anyhow::Error::from)?,
        () = signals.recv() => return Err(Failure::interrupted()),
    };
    match opened {
        Ok(files) => Ok(Some(files)),
        Err(error) if args.folder.is_some() => Err(Failure::new(Reason::File, error)),
        // The work does not need files, so it goes on without.
        Err(error) => {
            warn(&format!(
                "no files are kept and none fetched here: {error}\nChoose a folder with --files DIR."
            ));
            Ok(None)
        }
    }
}

fn open_folder(args: &FilesArgs, folder: &Path) -> Result<Files, StoreError> {
    // What the room says among itself is not for everybody who has an account on this machine. The store says it if this fails.
    let _ = make_private_folder(folder);
    let options = StoreOptions { quota_bytes: args.files_quota, chunk_bytes: args.chunk_size };
    let (store, stored) = FileStore::open(folder, options)?;
    let fetch = match args.fetch {
        Fetch::All => FetchPolicy::All,
        Fetch::Asked => FetchPolicy::Asked { unasked_bytes_max: 0 },
    };
    let swarm = SwarmConfig {
        upload_bytes_per_second: args.upload_limit.unwrap_or(0),
        download_bytes_per_second: args.download_limit.unwrap_or(0),
        ..SwarmConfig::default()
    };
    let config = FilesConfig { stored, fetch, quota_bytes: args.files_quota, swarm };
    let file_bytes_max = args.files_max.unwrap_or(args.files_quota);
    Ok(Files { config, store, file_bytes_max, is_open: args.open_files })
}

/// The way from a peer to its store and back, and what the HTTP API needs of it once the peer runs.
pub(crate) struct Wired {
    store: FileStore,
    serving: Serving,
    file_bytes_max: u64,
    is_open: bool,
}

impl Files {
    /// Starts the store on the tokio runtime of the caller. First what the node is told, then what its driver takes, then the rest.
    pub(crate) fn wire(self) -> (FilesConfig, Store, Wired) {
        let Self { config, store, file_bytes_max, is_open } = self;
        let Pipes { orders, events, serving } = store.serve();
        let wired = Wired { store, serving, file_bytes_max, is_open };
        (config, Store { orders, events }, wired)
    }
}

impl Wired {
    /// What the HTTP API serves files with.
    pub(crate) fn face(&self, peer: &Peer, commands: mpsc::Sender<Command>) -> Arc<FilesFace> {
        Arc::new(FilesFace {
            store: self.store.clone(),
            files: peer.files(),
            events: peer.events(),
            commands,
            views: peer.views(),
            file_bytes_max: self.file_bytes_max,
            is_open: self.is_open,
            uploads: Places::new(),
            claims: Claims::default(),
        })
    }

    /// Waits, once the peer has ended, until what it wanted kept is on the disk.
    pub(crate) async fn end(self) {
        if timeout(END_WITHIN, self.serving.join()).await.is_err() {
            tracing::warn!("the disk is slow: what came last of files may have to be fetched again");
        }
    }
}

/// Starts a peer, with its files where it has any.
pub(crate) fn spawn(
    mut config: manyhands_core::Config,
    options: manyhands_peer::Options,
    files: Option<Files>,
) -> (Peer, Option<Wired>) {
    let (store, wired) = match files {
        Some(files) => {
            let (files_config, store, wired) = files.wire();
            config.files = Some(files_config);
            (Some(store), Some(wired))
        }
        None => (None, None),
    };
    (manyhands_peer::spawn_with_store(config, options, store), wired)
}
