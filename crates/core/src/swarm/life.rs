//! The life of a file on this node: known, wanted, given up, whole, damaged, forgotten.

use manyhands_wire::file::{Hash, Manifest};
use manyhands_wire::{FileId, Frame, PeerId};

use super::file::{Fetch, File, Origin, Part, State};
use super::{Bits, Swarm, SwarmOutput};
use crate::files::{Content, StoreOrder};
use crate::table::Table;
use crate::time::Time;

impl Swarm {
    /// A file is known now. What the store has of it counts.
    pub fn add(&mut self, manifest: Manifest, content: Content) {
        let id = manifest.id();
        if self.places.contains_key(&id) {
            return;
        }
        let place = self.files.len() as u32;
        let mut file = File::new(manifest);
        let chunks = file.manifest.chunks();
        file.state = match content {
            Content::Nothing => State::Known,
            Content::Whole => State::Here,
            Content::Part { hashes, chunks: have }
                if have.len() == chunks && hashes.len() == chunks as usize =>
            {
                State::Waiting(Some(Box::new(Part { hashes, have })))
            }
            Content::Part { .. } => State::Waiting(None),
            Content::Forgotten => State::Forgotten,
        };
        file.is_seed = file.is_here();
        if matches!(file.state, State::Waiting(_)) {
            self.waiting.insert((true, place));
        }
        self.bytes_kept += file.bytes_kept();
        self.places.insert(id, place);
        self.files.push(file);
        self.version += 1;
        // Neighbours may have spoken of it before.
        self.look = true;
    }

    /// The person put a file here, and the store has all of it.
    pub fn add_own(&mut self, now: Time, manifest: Manifest) {
        let id = manifest.id();
        let Some(place) = self.places.get(&id).copied() else {
            self.add(manifest, Content::Whole);
            self.tell_here(now, id);
            return self.go_on(now);
        };
        if !self.files[place as usize].is_here() {
            self.abandon(place);
            self.files[place as usize].is_seed = true;
            self.finish(now, place);
            self.go_on(now);
        }
    }

    /// A file is wanted; `asked` if its person asked for it, and then from which chunk on they read it. `false` if it is not known.
    pub fn want(&mut self, id: &FileId, asked: bool, urgent: Option<u32>) -> bool {
        let Some(place) = self.places.get(id).copied() else { return false };
        let file = &mut self.files[place as usize];
        file.urgent = urgent.or(file.urgent);
        if asked {
            (file.trouble, file.rests_until) = (None, Time::ZERO);
            if matches!(file.state, State::Forgotten) {
                file.state = State::Known;
                self.out.push_back(SwarmOutput::Store(StoreOrder::Recall(*id)));
            }
        }
        match &file.state {
            State::Known => {
                file.state = State::Waiting(None);
                file.asked = asked;
                self.waiting.insert((!asked, place));
            }
            State::Waiting(_) if asked && !file.asked => {
                self.waiting.remove(&(true, place));
                self.waiting.insert((false, place));
                file.asked = true;
            }
            State::Waiting(_) | State::Fetching(_) | State::Here | State::Damaged(_) | State::Forgotten => {
                return true;
            }
        }
        self.look = true;
        self.version += 1;
        true
    }

    /// A file is not wanted any more. `false` if it is not known.
    pub fn forget(&mut self, now: Time, id: &FileId) -> bool {
        let Some(place) = self.places.get(id).copied() else { return false };
        if matches!(self.files[place as usize].state, State::Forgotten) {
            return true;
        }
        let was_here = self.files[place as usize].is_here();
        self.abandon(place);
        let file = &mut self.files[place as usize];
        self.bytes_kept = self.bytes_kept.saturating_sub(file.bytes_kept());
        file.state = State::Forgotten;
        (file.asked, file.urgent, file.trouble, file.origin) = (false, None, None, None);
        self.waiting.remove(&(false, place));
        self.waiting.remove(&(true, place));
        self.out.push_back(SwarmOutput::Store(StoreOrder::Forget(*id)));
        self.news.whole.retain(|told| told != id);
        if was_here {
            let lacks = Frame::Lacks(vec![*id]);
            self.out.push_back(SwarmOutput::Frame(self.peers.keys().copied().collect(), lacks));
        }
        // There is room for others now.
        for (_, until) in self.files.iter_mut().filter_map(|file| file.trouble.as_mut()) {
            *until = now;
        }
        self.look = true;
        self.version += 1;
        self.go_on(now);
        true
    }

    /// Stops fetching a file: nobody is waited for any more.
    pub(super) fn abandon(&mut self, place: u32) {
        if let Some(at) = self.fetching.iter().position(|other| *other == place) {
            self.fetching.swap_remove(at);
        } else {
            return;
        }
        let file = &mut self.files[place as usize];
        let id = file.id;
        let chunks = file.manifest.chunks();
        let kept = file.bytes_kept();
        let State::Fetching(fetch) = std::mem::replace(&mut file.state, State::Known) else { return };
        let Fetch { hashes, has_begun, have, asked_of, .. } = *fetch;
        let part = has_begun.then(|| Box::new(Part { hashes, have }));
        if part.is_some() && chunks > 0 {
            file.state = State::Waiting(part);
        } else {
            self.bytes_kept = self.bytes_kept.saturating_sub(kept);
        }
        self.wait_no_more(place, &asked_of);
        let everybody = self.peers.keys().copied().collect();
        self.out.push_back(SwarmOutput::Frame(everybody, Frame::Unwants(vec![id])));
    }

    /// Nobody is waited for any more with chunks of a file.
    fn wait_no_more(&mut self, place: u32, asked_of: &Table<u32, Vec<(PeerId, Time)>>) {
        for (chunk, asked) in asked_of.iter() {
            asked.iter().for_each(|(peer, _)| self.let_go(peer, &[(place, *chunk)]));
        }
    }

    /// A file is whole.
    pub(super) fn finish(&mut self, now: Time, place: u32) {
        if let Some(at) = self.fetching.iter().position(|other| *other == place) {
            self.fetching.swap_remove(at);
        }
        self.waiting.remove(&(false, place));
        self.waiting.remove(&(true, place));
        let file = &mut self.files[place as usize];
        let before = file.bytes_kept();
        let was = std::mem::replace(&mut file.state, State::Here);
        (file.urgent, file.trouble) = (None, None);
        self.bytes_kept = self.bytes_kept + file.manifest.size - before;
        if let Some(origin) = &mut file.origin {
            origin.rate = 0.0;
        }
        let id = file.id;
        if let State::Fetching(fetch) = was {
            self.wait_no_more(place, &fetch.asked_of);
        }
        self.version += 1;
        self.look = true;
        self.out.push_back(SwarmOutput::Here(id));
        self.tell_here(now, id);
    }

    /// What the store told of the hashes that were asked for: for a neighbour, or to mend a damaged file.
    pub(super) fn on_stored_hashes(&mut self, now: Time, id: &FileId, hashes: Option<Vec<Hash>>) {
        let Some(place) = self.places.get(id).copied() else { return };
        let hashes = hashes.unwrap_or_default();
        let chunks = self.files[place as usize].manifest.chunks();
        let is_whole = hashes.len() == chunks as usize;
        self.send_hashes(now, place, is_whole.then_some(&hashes));
        let file = &mut self.files[place as usize];
        let mut have = Bits::all(chunks);
        match &file.state {
            State::Damaged(bad) => bad.iter().for_each(|chunk| {
                have.remove(*chunk);
            }),
            State::Here if !is_whole => {
                let everybody = self.peers.keys().copied().collect();
                self.out.push_back(SwarmOutput::Frame(everybody, Frame::Lacks(vec![*id])));
            }
            State::Here | State::Known | State::Waiting(_) | State::Fetching(_) | State::Forgotten => return,
        }
        // Without its hashes nothing of the file can be told to be right.
        let part = is_whole.then(|| Box::new(Part { hashes, have }));
        let kept = file.bytes_kept();
        file.origin = part.as_ref().map(|part| Box::new(Origin::new(&part.have)));
        file.state = State::Waiting(part);
        self.bytes_kept = self.bytes_kept - kept + file.bytes_kept();
        self.waiting.insert((!file.asked, place));
        (self.look, self.version) = (true, self.version + 1);
    }

    pub(super) fn tell_here(&mut self, now: Time, id: FileId) {
        if !self.has_news() {
            self.news.since = now;
        }
        self.news.whole.push(id);
    }

    /// The store has lost a chunk, which is to be fetched again.
    pub(super) fn on_damaged(&mut self, place: u32, chunk: u32) {
        let file = &mut self.files[place as usize];
        let id = file.id;
        match &mut file.state {
            State::Here => {
                file.state = State::Damaged(vec![chunk]);
                let lacks = Frame::Lacks(vec![id]);
                self.out.push_back(SwarmOutput::Frame(self.peers.keys().copied().collect(), lacks));
                self.out.push_back(SwarmOutput::Store(StoreOrder::ReadHashes(id)));
            }
            State::Damaged(chunks) if !chunks.contains(&chunk) => chunks.push(chunk),
            State::Fetching(fetch) => {
                fetch.have.remove(chunk);
                fetch.got.remove(chunk);
                let bits = fetch.have.as_bytes().to_vec();
                let frame = Frame::Chunks { file: id, bits };
                self.out.push_back(SwarmOutput::Frame(self.peers.keys().copied().collect(), frame));
            }
            State::Waiting(Some(part)) => {
                part.have.remove(chunk);
            }
            State::Damaged(_) | State::Waiting(None) | State::Known | State::Forgotten => {}
        }
        self.version += 1;
        self.look = true;
    }
}
