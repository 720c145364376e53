//! What is there from before: rooms that are too many are thrown away, and so is what nobody can make sense of.

use std::collections::{BTreeMap, BTreeSet};

use js_sys::{Date, Uint8Array};
use manyhands_core::files::Bits;
use manyhands_wire::FileId;
use manyhands_wire::file::{Entry, Hash, Manifest};
use wasm_bindgen::{JsCast as _, JsValue};

use super::super::disk;
use super::super::shelf::{BITS, CHUNKS, Change, ENTRIES, HASHES, ROOMS, why};
use super::super::{Kept, Record};
use super::{Held, Keeper, SMALL_BYTES_MAX, chunk_key};

/// How many rooms are kept.
const ROOMS_MAX: usize = 8;

impl Keeper {
    /// Keeps the newest rooms, this one among them.
    pub(super) async fn forget_old_rooms(&mut self, place: &str) -> Result<(), String> {
        let mut rooms = self.shelf.all(ROOMS, "").await.map_err(|error| why(&error))?;
        rooms.retain(|(room, _)| *room != self.room);
        rooms.sort_by(|(_, one), (_, other)| {
            other.as_f64().unwrap_or(0.0).total_cmp(&one.as_f64().unwrap_or(0.0))
        });
        let mut changes = vec![Change::Put(ROOMS, self.room.clone(), Date::now().into())];
        let old = rooms.split_off(rooms.len().min(ROOMS_MAX - 1));
        for (room, _) in &old {
            let prefix = [room.as_str(), "/"].concat();
            changes.extend(
                [ENTRIES, HASHES, BITS, CHUNKS].map(|drawer| Change::RemoveAll(drawer, prefix.clone())),
            );
            changes.push(Change::Remove(ROOMS, room.clone()));
        }
        self.shelf.change(&changes).await?;
        if self.disk.is_some() {
            let mut kept: Vec<String> = rooms.into_iter().map(|(room, _)| room).collect();
            kept.push(self.room.clone());
            let _ = disk::retain_rooms(place, &kept).await;
        }
        Ok(())
    }

    /// What is there from before. What nobody can make sense of is thrown away.
    pub(super) async fn look_around(&mut self) -> Result<Vec<Record>, JsValue> {
        let prefix = [&self.room, "/"].concat();
        let mut bits: BTreeMap<String, JsValue> = self.shelf.all(BITS, &prefix).await?.into_iter().collect();
        let mut stored = Vec::new();
        for (key, bytes) in self.shelf.all(ENTRIES, &prefix).await? {
            let bytes = bytes.dyn_into::<Uint8Array>().map(|bytes| bytes.to_vec()).unwrap_or_default();
            let Ok(entry) = postcard::from_bytes::<Entry>(&bytes) else { continue };
            let file = entry.manifest.id();
            let mut held = Held::new(&entry.manifest, self.disk.is_some());
            held.has_entry = true;
            let content = match bits.remove(&key) {
                Some(mark) if mark.is_string() => Kept::Forgotten,
                Some(bytes) => self.content(file, &mut held, &key, &entry.manifest, &bytes).await,
                None => Kept::Nothing,
            };
            // Who does not know of it does not ask for it, nor fetch it a second time.
            if !held.is_out_of_reach {
                stored.push(Record { entry, content });
            }
            self.files.insert(file, held);
        }
        // A file that was being taken in when the page was closed has bits and no entry. What is whole stays: its entry may
        // have been refused, and may come again.
        let mut left_alone = BTreeSet::new();
        for (key, bits) in bits {
            let Some(file) = key.get(prefix.len()..).and_then(FileId::parse) else {
                self.changes.push(Change::Remove(BITS, key));
                continue;
            };
            if self.is_whole(&key, &bits).await {
                left_alone.insert(file);
            } else {
                self.throw_away(file).await;
            }
        }
        if let Some(disk) = &mut self.disk {
            for file in disk.files().await? {
                let held = self.files.get(&file);
                if held.is_none_or(|held| held.bits.is_none()) && !left_alone.contains(&file) {
                    disk.remove(file).await;
                }
            }
        }
        let _ = self.commit().await;
        Ok(stored)
    }

    /// Whether these bits are those of all chunks that there are hashes of.
    async fn is_whole(&self, key: &str, bits: &JsValue) -> bool {
        let Some(bits) = bits.dyn_ref::<Uint8Array>() else { return false };
        let hashes =
            self.shelf.get(HASHES, key).await.and_then(|hashes| hashes.dyn_into::<Uint8Array>().ok());
        let chunks = hashes.map_or(0, |hashes| hashes.length() / size_of::<Hash>() as u32);
        Bits::from_bytes(bits.to_vec(), chunks).is_some_and(|bits| bits.is_full())
    }

    async fn content(
        &self,
        file: FileId,
        held: &mut Held,
        key: &str,
        manifest: &Manifest,
        bits: &JsValue,
    ) -> Kept {
        let bytes = bits.dyn_ref::<Uint8Array>().map(Uint8Array::to_vec).unwrap_or_default();
        let Some(bits) = Bits::from_bytes(bytes.clone(), manifest.chunks()) else {
            return Kept::Nothing;
        };
        // The disk may have been missing when the file came, and be there now, or the other way round.
        if held.size > SMALL_BYTES_MAX
            && let Some(first) = (0..bits.len()).find(|&chunk| bits.has(chunk))
        {
            held.is_on_disk = self.shelf.get(CHUNKS, &chunk_key(&self.room, file, first)).await.is_none();
            held.is_out_of_reach = held.is_on_disk && self.disk.is_none();
        }
        if held.is_out_of_reach {
            return Kept::Nothing;
        }
        let is_whole = bits.is_full();
        held.bits = Some(bits);
        if is_whole {
            return Kept::Whole;
        }
        match self.shelf.get(HASHES, key).await.and_then(|hashes| hashes.dyn_into::<Uint8Array>().ok()) {
            Some(hashes) => Kept::Part(hashes.to_vec(), bytes),
            None => Kept::Nothing,
        }
    }
}
