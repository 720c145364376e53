//! The chunks of large files, in the origin's private file system: one file there for each file, named by its id.
//!
//! Handles stay open for the files that were used last. What is written is surely there only after [`Disk::flush`].

use std::collections::VecDeque;

use js_sys::{Array, Uint8Array};
use manyhands_wire::FileId;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Blob, DedicatedWorkerGlobalScope, FileSystemDirectoryHandle, FileSystemFileHandle,
    FileSystemGetDirectoryOptions, FileSystemGetFileOptions, FileSystemReadWriteOptions,
    FileSystemRemoveOptions, FileSystemSyncAccessHandle,
};

/// How many files are open at once.
const OPEN_MAX: usize = 8;
/// What it means that less was written than there was.
const FULL: &str = "the browser's storage is full";
/// The folder of all stores.
const FOLDER: &str = "manyhands";

/// A folder of files.
pub(super) struct Disk {
    folder: FileSystemDirectoryHandle,
    /// The files that are open, the one used last in front.
    open: VecDeque<(FileId, FileSystemSyncAccessHandle)>,
}

impl Disk {
    /// The folder of a room in the place of a tab's key.
    ///
    /// # Errors
    /// Where the browser has no file system for this page, or none of the kind that is wanted.
    pub(super) async fn open(place: &str, room: &str) -> Result<Self, JsValue> {
        let folder = subfolder(&stores(place).await?, room).await?;
        let mut disk = Self { folder, open: VecDeque::new() };
        // Some browsers have the file system and not the handles.
        let probe = FileId([0; 32]);
        disk.handle(probe, true).await?;
        disk.remove(probe).await;
        Ok(disk)
    }

    /// Makes room for a file of that many bytes.
    pub(super) async fn make_room(&mut self, file: FileId, bytes: u64) -> Result<(), JsValue> {
        let handle = self.handle(file, true).await?;
        if handle.get_size()? < bytes as f64 {
            handle.truncate_with_f64(bytes as f64)?;
        }
        Ok(())
    }

    /// Writes at a place of a file.
    pub(super) async fn write(&mut self, file: FileId, at: u64, bytes: &Uint8Array) -> Result<(), JsValue> {
        let handle = self.handle(file, true).await?;
        let written = handle.write_with_js_u8_array_and_options(bytes, &place(at))?;
        if written == f64::from(bytes.length()) { Ok(()) } else { Err(FULL.into()) }
    }

    /// Fills a buffer from a place of a file. `None` if there is not as much.
    pub(super) async fn read(&mut self, file: FileId, at: u64, buffer: Uint8Array) -> Option<Uint8Array> {
        let handle = self.handle(file, false).await.ok()?;
        let read = handle.read_with_js_u8_array_and_options(&buffer, &place(at)).ok()?;
        (read == f64::from(buffer.length())).then_some(buffer)
    }

    /// Makes sure that what was written to a file stays.
    pub(super) async fn flush(&mut self, file: FileId) -> Result<(), JsValue> {
        self.handle(file, false).await?.flush()
    }

    /// Throws a file away, if it is there.
    pub(super) async fn remove(&mut self, file: FileId) {
        self.close(file);
        let _ = JsFuture::from(self.folder.remove_entry(&file.to_string())).await;
    }

    /// A file as the browser hands it out, without reading it.
    pub(super) async fn give(&mut self, file: FileId) -> Option<Blob> {
        self.close(file);
        let found = JsFuture::from(self.folder.get_file_handle(&file.to_string())).await.ok()?;
        let found: FileSystemFileHandle = found.unchecked_into();
        Some(JsFuture::from(found.get_file()).await.ok()?.unchecked_into())
    }

    /// All files that it has something of.
    pub(super) async fn files(&self) -> Result<Vec<FileId>, JsValue> {
        let names = names_in(&self.folder).await?;
        Ok(names.iter().filter_map(|name| FileId::parse(name)).collect())
    }

    async fn handle(&mut self, file: FileId, create: bool) -> Result<&FileSystemSyncAccessHandle, JsValue> {
        let opened = match self.open.iter().position(|(other, _)| *other == file) {
            Some(0) => None,
            Some(place) => self.open.remove(place),
            None => {
                let options = FileSystemGetFileOptions::new();
                options.set_create(create);
                let name = file.to_string();
                let found = JsFuture::from(self.folder.get_file_handle_with_options(&name, &options)).await?;
                let found: FileSystemFileHandle = found.unchecked_into();
                let handle = JsFuture::from(found.create_sync_access_handle()).await?;
                if self.open.len() >= OPEN_MAX
                    && let Some((_, least)) = self.open.pop_back()
                {
                    least.close();
                }
                Some((file, handle.unchecked_into()))
            }
        };
        if let Some(opened) = opened {
            self.open.push_front(opened);
        }
        self.open.front().map(|(_, handle)| handle).ok_or(JsValue::NULL)
    }

    fn close(&mut self, file: FileId) {
        if let Some(place) = self.open.iter().position(|(other, _)| *other == file)
            && let Some((_, handle)) = self.open.remove(place)
        {
            handle.close();
        }
    }
}

/// Throws away what is kept of other rooms than these.
pub(super) async fn retain_rooms(place: &str, rooms: &[String]) -> Result<(), JsValue> {
    let stores = stores(place).await?;
    let options = FileSystemRemoveOptions::new();
    options.set_recursive(true);
    for name in names_in(&stores).await? {
        if rooms.contains(&name) {
            continue;
        }
        JsFuture::from(stores.remove_entry_with_options(&name, &options)).await?;
    }
    Ok(())
}

/// Whether the browser has a file system for this page at all.
pub(super) fn is_there() -> bool {
    storage().is_ok_and(|storage| {
        js_sys::Reflect::get(&storage, &"getDirectory".into()).is_ok_and(|get| get.is_function())
    })
}

async fn names_in(folder: &FileSystemDirectoryHandle) -> Result<Vec<String>, JsValue> {
    let (keys, mut names) = (folder.keys(), Vec::new());
    loop {
        let next = JsFuture::from(keys.next()?).await?;
        let Some(name) = js_sys::Reflect::get(&next, &"value".into())?.as_string() else { return Ok(names) };
        names.push(name);
    }
}

/// What the browser calls its storage; nothing in a page that is not secure.
fn storage() -> Result<JsValue, JsValue> {
    let scope: DedicatedWorkerGlobalScope = js_sys::global().dyn_into()?;
    js_sys::Reflect::get(&scope.navigator(), &"storage".into())
}

/// The folder of the rooms in the place of a tab's key.
async fn stores(place: &str) -> Result<FileSystemDirectoryHandle, JsValue> {
    let storage = storage()?;
    let directory: js_sys::Function = js_sys::Reflect::get(&storage, &"getDirectory".into())?.dyn_into()?;
    let root: js_sys::Promise = directory.apply(&storage, &Array::new())?.dyn_into()?;
    let root: FileSystemDirectoryHandle = JsFuture::from(root).await?.unchecked_into();
    subfolder(&subfolder(&root, FOLDER).await?, place).await
}

async fn subfolder(
    folder: &FileSystemDirectoryHandle,
    name: &str,
) -> Result<FileSystemDirectoryHandle, JsValue> {
    let options = FileSystemGetDirectoryOptions::new();
    options.set_create(true);
    Ok(JsFuture::from(folder.get_directory_handle_with_options(name, &options)).await?.unchecked_into())
}

fn place(at: u64) -> FileSystemReadWriteOptions {
    let options = FileSystemReadWriteOptions::new();
    options.set_at_f64(at as f64);
    options
}
