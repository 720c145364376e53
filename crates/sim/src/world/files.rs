//! Files in a simulated world: disks that outlive their nodes, and bytes on the bulk channels.

use manyhands_core::files::{NewFile, StoreOrder};
use manyhands_core::{Command, LinkEvent, LinkId};
use manyhands_wire::FileId;

use super::{Happening, NodeNumber, World};
use crate::disk::Health;
use crate::network::Sent;

impl World {
    /// A node's person puts a file of their own.
    pub fn put_file(&mut self, number: NodeNumber, name: &str, content: &[u8], chunk_bytes: u32) -> FileId {
        let identity = self.lives[number].options.identity;
        let manifest = self.disks.entry(identity).or_default().put(name, content, chunk_bytes);
        let id = manifest.id();
        let put_ms = self.now.as_micros() / 1000;
        let media_type = "application/octet-stream".to_owned();
        self.command(number, Command::AddFile(NewFile { manifest, media_type, put_ms }));
        id
    }

    /// All bytes of a file on a node's disk; `None` if some are not there.
    pub fn file_bytes(&self, number: NodeNumber, id: &FileId) -> Option<Vec<u8>> {
        self.disks.get(&self.lives[number].options.identity)?.content(id)
    }

    /// The chunks of a file that are on a node's disk.
    pub fn chunks_on_disk(&self, number: NodeNumber, id: &FileId) -> Vec<u32> {
        let disk = self.disks.get(&self.lives[number].options.identity);
        disk.map(|disk| disk.chunks(id)).unwrap_or_default()
    }

    /// How many chunks were ever written to a node's disk.
    pub fn chunks_written(&self, number: NodeNumber) -> u64 {
        self.disks.get(&self.lives[number].options.identity).map_or(0, |disk| disk.writes)
    }

    /// From now on this is wrong with a node's disk.
    pub fn spoil_disk(&mut self, number: NodeNumber, health: Health) {
        if let Some(files) = &mut self.lives[number].options.files {
            files.disk = health;
        }
    }

    pub(super) fn obey_store(&mut self, number: NodeNumber, order: StoreOrder) {
        let options = &mut self.lives[number].options;
        let Some(files) = &mut options.files else { return };
        let event = self.disks.entry(options.identity).or_default().obey(order, &mut files.disk);
        let at = self.now + files.disk_takes;
        if let Some(event) = event {
            self.schedule(at, number, Happening::Store(event));
        }
    }

    pub(super) fn send_bulk(&mut self, number: NodeNumber, link: LinkId, bytes: Vec<u8>) {
        match self.network.send(self.now, (number, link), bytes, &mut self.rng) {
            Sent::Arrives(end, at, bytes) => {
                self.schedule(at, end.0, Happening::Link(end.1, LinkEvent::ReceivedBulk(bytes)));
            }
            Sent::Overflow(other) => self.break_link((number, link), other),
            Sent::Held | Sent::Lost => {}
        }
        let left = self.network.has_left(number).max(self.now);
        self.schedule(left, number, Happening::Link(link, LinkEvent::SentBulk));
    }
}
