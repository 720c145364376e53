//! Small records by name: in IndexedDB, or in memory where that is forbidden.
//!
//! A record lies in one of five drawers under a key that begins with the room's id: an entry, the hashes of a file's chunks, the
//! bits that say which are there, a chunk, and the room itself. Changes are made together or not at all, so bits never tell of
//! a chunk that is not in the shelf; for those on the disk, the keeper sees to the order.

use js_sys::{Array, Map, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{IdbDatabase, IdbKeyRange, IdbObjectStore, IdbTransaction, IdbTransactionMode};

use super::MEMORY_BYTES_MAX;
use crate::database::{self, answer, first_of};

/// A drawer, by the name of its store in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Drawer(&'static str);

/// Entries.
pub(super) const ENTRIES: Drawer = Drawer("entries");
/// The hashes of all chunks of a file.
pub(super) const HASHES: Drawer = Drawer("hashes");
/// Which chunks of a file there are; a text in their place where it is forgotten.
pub(super) const BITS: Drawer = Drawer("bits");
/// Chunks.
pub(super) const CHUNKS: Drawer = Drawer("chunks");
/// When each room was last open.
pub(super) const ROOMS: Drawer = Drawer("rooms");
/// All of them.
const DRAWERS: [Drawer; 5] = [ENTRIES, HASHES, BITS, CHUNKS, ROOMS];

/// One change.
pub(super) enum Change {
    /// This is there from now on.
    Put(Drawer, String, JsValue),
    /// This is gone.
    Remove(Drawer, String),
    /// All whose key begins so is gone.
    RemoveAll(Drawer, String),
}

impl Change {
    /// Whether it needs room. A mark, which is a text, is as good as none.
    pub(super) fn is_record(&self) -> bool {
        matches!(self, Self::Put(.., value) if !value.is_string())
    }
}

/// Where the records are.
pub(super) enum Shelf {
    /// In this database.
    Database(IdbDatabase),
    /// In this map, which holds so many bytes.
    Memory(Map, u64),
}

impl Shelf {
    /// The database of this name, filled with drawers if it is new.
    pub(super) async fn open(name: &str) -> Result<Self, JsValue> {
        let made = database::open(name, |database| {
            for Drawer(name) in DRAWERS {
                // Fails only if it is there, and then it need not be made.
                let _ = database.create_object_store(name);
            }
        });
        Ok(Self::Database(made.await?))
    }

    /// Nothing, which lasts as long as the worker.
    pub(super) fn in_memory() -> Self {
        Self::Memory(Map::new(), 0)
    }

    /// One record.
    pub(super) async fn get(&self, drawer: Drawer, key: &str) -> Option<JsValue> {
        let found = match self {
            Self::Database(database) => {
                let store = store(database, drawer).ok()?;
                answer(&store.get(&key.into()).ok()?).await.ok()?
            }
            Self::Memory(map, _) => map.get(&place(drawer, key)),
        };
        (!found.is_undefined()).then_some(found)
    }

    /// All records whose key begins so, in the order of their keys. Those in memory were made by this worker, which never asks.
    pub(super) async fn all(&self, drawer: Drawer, prefix: &str) -> Result<Vec<(String, JsValue)>, JsValue> {
        let Self::Database(database) = self else { return Ok(Vec::new()) };
        let store = store(database, drawer)?;
        let range = range(prefix)?;
        // Both are asked for before the first is awaited: else the transaction would be over.
        let (keys, values) = (store.get_all_keys_with_key(&range)?, store.get_all_with_key(&range)?);
        let values = database_answers(&keys, &values).await?;
        let keys = Array::from(&keys.result()?);
        Ok(keys.iter().filter_map(|key| key.as_string()).zip(values.iter()).collect())
    }

    /// Makes these changes, all or none.
    ///
    /// # Errors
    /// Why not, for people.
    pub(super) async fn change(&mut self, changes: &[Change]) -> Result<(), String> {
        match self {
            _ if changes.is_empty() => Ok(()),
            Self::Database(database) => change_database(database, changes).await.map_err(|error| why(&error)),
            Self::Memory(map, bytes) => change_map(map, bytes, changes),
        }
    }
}

/// What went wrong, for people. A text says so already.
pub(super) fn why(error: &JsValue) -> String {
    if let Some(why) = error.as_string() {
        return why;
    }
    let name = js_sys::Reflect::get(error, &"name".into()).ok().and_then(|name| name.as_string());
    match name.as_deref() {
        Some("QuotaExceededError") => "the browser's storage is full".to_owned(),
        Some("NoModificationAllowedError") => "another tab of this browser holds the file".to_owned(),
        Some("NotReadableError" | "NotFoundError") => "it cannot be read any more".to_owned(),
        Some(name) => ["the browser's storage failed: ", name].concat(),
        None => "the browser's storage failed".to_owned(),
    }
}

async fn database_answers(
    keys: &web_sys::IdbRequest,
    values: &web_sys::IdbRequest,
) -> Result<Array, JsValue> {
    first_of(keys, ["success", "error"]).await?;
    // The second may have come while the first was waited for.
    if values.ready_state() != web_sys::IdbRequestReadyState::Done {
        first_of(values, ["success", "error"]).await?;
    }
    Ok(Array::from(&values.result()?))
}

async fn change_database(database: &IdbDatabase, changes: &[Change]) -> Result<(), JsValue> {
    let names: Array = DRAWERS.iter().map(|Drawer(name)| JsValue::from_str(name)).collect();
    let transaction =
        database.transaction_with_str_sequence_and_mode(&names, IdbTransactionMode::Readwrite)?;
    if let Err(error) = ask_for(&transaction, changes) {
        // Those before it would be made without the others.
        let _ = transaction.abort();
        return Err(error);
    }
    let done = first_of(&transaction, ["complete", "abort"]).await;
    done.map_err(|_| transaction.error().map_or(JsValue::NULL, JsValue::from))
}

fn ask_for(transaction: &IdbTransaction, changes: &[Change]) -> Result<(), JsValue> {
    for change in changes {
        match change {
            Change::Put(drawer, key, value) => {
                transaction.object_store(drawer.0)?.put_with_key(value, &key.into())?;
            }
            Change::Remove(drawer, key) => {
                transaction.object_store(drawer.0)?.delete(&key.into())?;
            }
            Change::RemoveAll(drawer, prefix) => {
                transaction.object_store(drawer.0)?.delete(&range(prefix)?)?;
            }
        }
    }
    Ok(())
}

fn change_map(map: &Map, bytes: &mut u64, changes: &[Change]) -> Result<(), String> {
    let coming = changes.iter().map(|change| match change {
        Change::Put(_, _, value) => bytes_in(value),
        Change::Remove(..) | Change::RemoveAll(..) => 0,
    });
    if *bytes + coming.sum::<u64>() > MEMORY_BYTES_MAX {
        return Err(
            "this browser gives the page no storage, and its memory is for small files only".to_owned()
        );
    }
    for change in changes {
        match change {
            Change::Put(drawer, key, value) => {
                let place = place(*drawer, key);
                remove(map, bytes, &place);
                map.set(&place, value);
                *bytes += bytes_in(value);
            }
            Change::Remove(drawer, key) => remove(map, bytes, &place(*drawer, key)),
            Change::RemoveAll(drawer, prefix) => {
                let prefix = [drawer.0, "/", prefix].concat();
                for key in Array::from(&map.keys()).iter() {
                    if key.as_string().is_some_and(|key| key.starts_with(&prefix)) {
                        remove(map, bytes, &key);
                    }
                }
            }
        }
    }
    Ok(())
}

fn remove(map: &Map, bytes: &mut u64, key: &JsValue) {
    *bytes = bytes.saturating_sub(bytes_in(&map.get(key)));
    map.delete(key);
}

fn bytes_in(value: &JsValue) -> u64 {
    value.dyn_ref::<Uint8Array>().map_or(0, |bytes| u64::from(bytes.length()))
}

fn place(drawer: Drawer, key: &str) -> JsValue {
    [drawer.0, "/", key].concat().into()
}

fn store(database: &IdbDatabase, drawer: Drawer) -> Result<IdbObjectStore, JsValue> {
    database.transaction_with_str(drawer.0)?.object_store(drawer.0)
}

/// All keys that begin so. They are hexadecimal digits and slashes, all of which come before `~`.
fn range(prefix: &str) -> Result<JsValue, JsValue> {
    IdbKeyRange::bound(&prefix.into(), &[prefix, "~"].concat().into()).map(JsValue::from)
}
