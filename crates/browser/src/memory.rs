//! What this browser keeps of its rooms: in IndexedDB, for each room, the job and its ledger as they were last.
//!
//! The database `manyhands` has one store, `rooms`, and a room's record holds the id of the room, the core's
//! [`Remembered`] as bytes, the job's id, the number of finished units, and the time. It is read once, before the node is
//! made, and written when the ledger grew, every [`KEEP_EVERY`] at most. A write ends some moments after it is asked for,
//! so a page that closes asks once more, but may lose what it finished since the last time.
//!
//! Tabs of one browser share the record. All of them are in the same room and tell each other what they finish, so their
//! ledgers are soon the same and no union has to be made here: in one transaction, a tab looks at what is there and writes
//! over it unless that has more finished units of the same job. A newer job replaces the older one. A ledger that shrank,
//! since a liar was found, replaces what this tab wrote or read before. What cannot be read is deleted, or it would keep
//! out what can.
//!
//! The newest [`ROOMS_MAX`] rooms are kept. Where storage is forbidden, full or silent, all goes on without, and what was
//! not written is tried again.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use js_sys::{Array, Date, Object, Promise, Reflect, Uint8Array};
use manyhands_core::memory::MEMORY_BYTES_MAX;
use manyhands_core::{Node, Remembered, RoomKey, Time};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{IdbDatabase, IdbObjectStore, IdbObjectStoreParameters, IdbTransactionMode};

use crate::database::{self, answer, first_of};
use crate::listen::Timeout;

/// How often a growing ledger is written at most.
const KEEP_EVERY: Duration = Duration::from_secs(2);
/// How many rooms are kept.
const ROOMS_MAX: usize = 8;
/// How long the database may take to answer before the page goes on without it, in milliseconds (guess).
const PATIENCE_MS: u32 = 2_000;
const DATABASE: &str = "manyhands";
const ROOMS: &str = "rooms";

/// Where this page keeps its room.
pub struct Memory {
    room: String,
    database: Option<IdbDatabase>,
    kept: Rc<RefCell<Kept>>,
    due: Cell<Time>,
    is_too_large: Cell<bool>,
}

/// What this page knows of its record.
#[derive(Default)]
struct Kept {
    job: String,
    /// As many finished units as the record can have from this page, until a write has ended well: those it read, or the
    /// most it asked to be written.
    units_max: u64,
    /// What was so when a write last ended well.
    written: Option<State>,
}

/// Whether the job has begun, and the version of its ledger.
type State = (bool, u64);

impl Kept {
    /// Whether this was written.
    fn has(&self, job: &str, state: State) -> bool {
        self.job == job && self.written == Some(state)
    }

    /// A write begins. Whether the ledger shrank, so that what is there has to go although it has more.
    fn ask(&mut self, job: &str, done_units: u64) -> bool {
        if self.job != job {
            *self = Self { job: job.to_owned(), ..Self::default() };
        }
        let shrank = done_units < self.units_max;
        self.units_max = self.units_max.max(done_units);
        shrank
    }

    /// A write ended well.
    fn wrote(&mut self, job: &str, done_units: u64, state: State) {
        if self.job == job {
            (self.units_max, self.written) = (done_units, Some(state));
        }
    }
}

impl Memory {
    /// Opens the memory, with what it has of this room.
    pub async fn open(room: &RoomKey) -> (Self, Option<Remembered>) {
        let room = room.room_id().to_string();
        let wanted = room.clone();
        let opened = within_patience(async move {
            let database = open_database().await?;
            let remembered = read(&database, wanted).await?;
            Ok((database, remembered))
        });
        let (database, remembered) = opened.await.unzip();
        let remembered = remembered.flatten();
        let kept = remembered.as_ref().map_or_else(Kept::default, |memory| Kept {
            job: memory.job.spec.id().to_string(),
            units_max: memory.ledger.done_units(),
            written: None,
        });
        let (kept, due) = (Rc::new(RefCell::new(kept)), Cell::new(Time::ZERO));
        (Self { room, database, kept, due, is_too_large: Cell::default() }, remembered)
    }

    /// Writes what `node` knows, if it is not what was written, and if it is time to or has to be `at_once`.
    pub fn keep(&self, node: &Node, now: Time, at_once: bool) {
        let Some(database) = self.database.as_ref().filter(|_| at_once || now >= self.due.get()) else {
            return;
        };
        let (Some(job), Some(ledger)) = (node.job(), node.ledger()) else { return };
        self.due.set(now + KEEP_EVERY);
        let (job, done_units, version) = (job.id().to_string(), ledger.done_units(), ledger.version());
        let Some(memory) = node.memory() else { return };
        let state = (memory.start.is_some(), version);
        if self.kept.borrow().has(&job, state) {
            return;
        }
        let bytes = memory.to_bytes();
        if bytes.len() > MEMORY_BYTES_MAX {
            if !self.is_too_large.replace(true) {
                web_sys::console::info_1(&"The ledger is too large for this browser to keep.".into());
            }
            return;
        }
        let shrank = self.kept.borrow_mut().ask(&job, done_units);
        let record = Record { room: self.room.clone(), job, done_units, shrank, bytes };
        let (database, kept) = (database.clone(), Rc::clone(&self.kept));
        spawn_local(async move {
            // A full or forbidden storage is no reason to stop. It may have room later.
            if record.write(&database).await.is_ok() {
                kept.borrow_mut().wrote(&record.job, done_units, state);
            }
        });
    }
}

/// A room, as it is written.
struct Record {
    room: String,
    job: String,
    done_units: u64,
    shrank: bool,
    bytes: Vec<u8>,
}

impl Record {
    async fn write(&self, database: &IdbDatabase) -> Result<(), JsValue> {
        let store = store(database, IdbTransactionMode::Readwrite)?;
        let there = answer(&store.get(&self.room.as_str().into())?).await?;
        let is_same_job = field(&there, "job").as_string().as_deref() == Some(&self.job);
        let more = field(&there, "units").as_f64().is_some_and(|units| units > self.done_units as f64);
        if is_same_job && more && !self.shrank {
            return Ok(());
        }
        let record = Object::new();
        Reflect::set(&record, &"room".into(), &self.room.as_str().into())?;
        Reflect::set(&record, &"job".into(), &self.job.as_str().into())?;
        Reflect::set(&record, &"units".into(), &(self.done_units as f64).into())?;
        Reflect::set(&record, &"time".into(), &Date::now().into())?;
        Reflect::set(&record, &"bytes".into(), &Uint8Array::from(self.bytes.as_slice()))?;
        answer(&store.put(&record)?).await?;
        // Storage may turn out to be full only now.
        first_of(&store.transaction(), ["complete", "abort"]).await
    }
}

async fn open_database() -> Result<IdbDatabase, JsValue> {
    database::open(DATABASE, |database| {
        let key = IdbObjectStoreParameters::new();
        key.set_key_path(&"room".into());
        // Fails only if the store is there, and then it need not be made.
        let _ = database.create_object_store_with_optional_parameters(ROOMS, &key);
    })
    .await
}

/// What is kept of `room`. Rooms that are too many are forgotten on the way.
async fn read(database: &IdbDatabase, room: String) -> Result<Option<Remembered>, JsValue> {
    let store = store(database, IdbTransactionMode::Readwrite)?;
    // The newest first; sorted by inserting, as there are few.
    let mut records: Vec<JsValue> = Vec::new();
    for record in Array::from(&answer(&store.get_all()?).await?) {
        let place = records.partition_point(|other| time(other) >= time(&record));
        records.insert(place, record);
    }
    let is_ours = |record: &JsValue| field(record, "room").as_string().as_deref() == Some(&room);
    let ours = records.iter().find(|record| is_ours(record)).cloned();
    for old in records.iter().filter(|record| !is_ours(record)).skip(ROOMS_MAX - 1) {
        store.delete(&field(old, "room"))?;
    }
    let Some(ours) = ours else { return Ok(None) };
    let bytes = field(&ours, "bytes").dyn_into::<Uint8Array>().ok();
    let remembered = bytes.and_then(|bytes| Remembered::from_bytes(&bytes.to_vec()));
    if remembered.is_none() {
        store.delete(&room.into())?;
    }
    Ok(remembered)
}

fn time(record: &JsValue) -> f64 {
    field(record, "time").as_f64().unwrap_or(0.0)
}

fn field(record: &JsValue, name: &str) -> JsValue {
    Reflect::get(record, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

fn store(database: &IdbDatabase, mode: IdbTransactionMode) -> Result<IdbObjectStore, JsValue> {
    database.transaction_with_str_and_mode(ROOMS, mode)?.object_store(ROOMS)
}

/// The result, or nothing if it fails or takes too long.
async fn within_patience<T: 'static>(work: impl Future<Output = Result<T, JsValue>> + 'static) -> Option<T> {
    let result = std::rc::Rc::new(RefCell::new(None));
    let place = std::rc::Rc::clone(&result);
    let mut timeout = None;
    let mut work = Some(work);
    let promise = Promise::new(&mut |resolve, _| {
        let in_time = resolve.clone();
        timeout = Some(Timeout::new(PATIENCE_MS, move || {
            let _ = resolve.call0(&JsValue::UNDEFINED);
        }));
        let (place, work) = (std::rc::Rc::clone(&place), work.take());
        spawn_local(async move {
            if let Some(work) = work {
                *place.borrow_mut() = work.await.ok();
            }
            let _ = in_time.call0(&JsValue::UNDEFINED);
        });
    });
    let _ = JsFuture::from(promise).await;
    drop(timeout);
    result.take()
}

#[cfg(test)]
mod tests {
    use super::Kept;

    #[test]
    fn what_was_not_written_is_tried_again() {
        let mut kept = Kept::default();

        kept.ask("job", 10);
        assert!(!kept.has("job", (true, 1)));
        kept.wrote("job", 10, (true, 1));

        assert!(kept.has("job", (true, 1)));
    }

    #[test]
    fn as_many_units_in_place_of_a_lie_are_written() {
        let mut kept = Kept::default();
        kept.ask("job", 10);
        kept.wrote("job", 10, (true, 1));

        assert!(!kept.has("job", (true, 3)));
    }

    #[test]
    fn a_ledger_that_shrank_replaces_what_was_read() {
        let mut kept = Kept { job: "job".to_owned(), units_max: 10, written: None };

        assert!(kept.ask("job", 8));
        // That write failed, so what was read is still there.
        assert!(kept.ask("job", 9));
        kept.wrote("job", 9, (true, 4));

        assert!(!kept.ask("job", 9));
    }

    #[test]
    fn a_ledger_that_shrank_replaces_what_is_still_being_written() {
        let mut kept = Kept::default();
        assert!(!kept.ask("job", 10));

        assert!(kept.ask("job", 9));
    }

    #[test]
    fn another_job_is_another_record() {
        let mut kept = Kept::default();
        kept.ask("job", 10);

        assert!(!kept.ask("other", 1));
        kept.wrote("job", 10, (true, 1));

        assert!(!kept.has("other", (true, 1)));
    }
}
