//! The node's files: the catalog says which there are, the swarm moves their bytes, and here both are tied to the links.

use manyhands_wire::file::{Entry, FILE_IDS_MAX, Listed};
use manyhands_wire::{FileId, Frame, PeerId};
use rand_chacha::rand_core::Rng as _;

use super::Node;
use crate::catalog::{Catalog, is_signed};
use crate::files::{
    ChunkState, Content, FetchPolicy, FileInfo, FilesConfig, NewFile, Source, StoreEvent, StoreOrder, Stored,
};
use crate::io::{Event, LinkId, Output};
use crate::show;
use crate::swarm::{FileView, Swarm, SwarmOutput};
use crate::time::Time;

/// The node's part in the files of the mesh.
pub(crate) struct Files {
    catalog: Catalog,
    pub(crate) swarm: Swarm,
    fetch: FetchPolicy,
}

impl Files {
    /// Whether something is under way that a comparison of catalogs ends.
    pub(super) fn is_waiting(&self) -> bool {
        self.catalog.is_waiting()
    }

    /// Whether a file is fetched without being asked for.
    fn fetches(&self, entry: &Entry) -> bool {
        match self.fetch {
            FetchPolicy::All => true,
            FetchPolicy::Asked { unasked_bytes_max } => entry.manifest.size <= unasked_bytes_max,
        }
    }

    /// A file is known now.
    fn add(&mut self, id: &FileId, entry: Entry, content: Content) {
        let is_wanted = self.fetches(&entry);
        let is_new = content == Content::Nothing;
        self.swarm.add(entry.manifest.clone(), content);
        self.catalog.add(id, entry);
        if is_new && is_wanted {
            self.swarm.want(id, false, None);
        }
    }
}

impl Node {
    /// Sets up the files as the store has them.
    pub(super) fn open_files(&mut self, now: Time, config: FilesConfig) {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let FilesConfig { stored, fetch, quota_bytes, swarm } = config;
        let swarm = Swarm::new(swarm, quota_bytes, seed, now);
        let mut files = Files { catalog: Catalog::new(), swarm, fetch };
        for Stored { entry, content } in stored {
            let id = entry.manifest.id();
            if !files.catalog.is_full() && !files.swarm.knows(&id) && entry.is_within_limits() {
                files.add(&id, entry, content);
            }
        }
        self.files = Some(Box::new(files));
    }

    /// Takes in what the store of files answers.
    pub fn handle_store(&mut self, now: Time, event: StoreEvent) {
        if self.left {
            return;
        }
        if let Some(files) = &mut self.files {
            files.swarm.on_store(now, event);
        }
        self.settle(now);
    }

    pub(super) fn on_file_link_up(&mut self, now: Time, peer: PeerId) {
        if let Some(files) = &mut self.files {
            files.catalog.compare(peer, &mut self.post);
            files.swarm.on_link_up(now, peer);
        }
    }

    pub(super) fn on_file_link_down(&mut self, now: Time, peer: &PeerId) {
        if let Some(files) = &mut self.files {
            files.swarm.on_link_down(now, peer);
        }
    }

    /// A neighbour said something about files.
    pub(super) fn on_file_frame(&mut self, now: Time, id: LinkId, peer: PeerId, frame: Frame) {
        let Some(files) = &mut self.files else { return };
        match frame {
            Frame::Catalog(digest) => files.catalog.on_digest(peer, digest, &mut self.post),
            Frame::Buckets(digests) => {
                files.catalog.on_buckets(peer, &digests, &files.swarm, &mut self.post);
            }
            Frame::Listing(listing) => {
                files.catalog.on_listing(peer, &listing, &files.swarm, &mut self.post);
            }
            Frame::Entries { entries, news, more } => self.on_entries(now, id, peer, entries, (news, more)),
            _ => files.swarm.on_frame(now, peer, frame),
        }
    }

    /// A neighbour told of files.
    fn on_entries(
        &mut self,
        now: Time,
        link: LinkId,
        via: PeerId,
        entries: Vec<Listed>,
        (news, more): (bool, bool),
    ) {
        let Some(files) = &mut self.files else { return };
        let (mut fresh, mut held) = (Vec::new(), Vec::new());
        let mut forged = false;
        for Listed { entry, here } in entries {
            let id = entry.manifest.id();
            if here {
                held.push(id);
            }
            if let Some(place) = files.swarm.place(&id) {
                if files.catalog.is_older(place, &entry) {
                    if is_signed(&self.me, &id, &entry) {
                        files.catalog.replace(place, entry.clone());
                        self.out.push_back(Output::Store(StoreOrder::Keep(entry)));
                    } else {
                        forged = true;
                    }
                }
                continue;
            }
            if files.catalog.is_full() {
                continue;
            }
            if !is_signed(&self.me, &id, &entry) {
                forged = true;
                continue;
            }
            self.out.push_back(Output::Store(StoreOrder::Keep(entry.clone())));
            files.add(&id, entry, Content::Nothing);
            fresh.extend(files.swarm.place(&id));
        }
        if news {
            let others = self.up.keys().copied().filter(|peer| *peer != via).collect();
            files.catalog.tell(others, &fresh, &files.swarm, &mut self.post);
        } else if !fresh.is_empty() {
            files.catalog.on_learnt(now);
        }
        files.swarm.on_frame(now, via, Frame::Holds(held));
        if more && !fresh.is_empty() {
            files.catalog.compare(via, &mut self.post);
        }
        if forged {
            self.on_fault(now, link, "a file that nobody signed".to_owned());
        }
    }

    /// The person put a file here.
    pub(super) fn add_file(&mut self, now: Time, file: NewFile) {
        let Some(files) = &mut self.files else { return };
        let NewFile { manifest, mut media_type, put_ms } = file;
        if media_type.len() > manyhands_wire::file::MEDIA_TYPE_BYTES_MAX {
            media_type.clear();
        }
        let id = manifest.id();
        if let Some(place) = files.swarm.place(&id) {
            // Somebody put the same file before, or it was put here and forgotten.
            if let Some(entry) = files.catalog.entry(place) {
                self.out.push_back(Output::Store(StoreOrder::Keep(entry.clone())));
            }
            return files.swarm.add_own(now, manifest);
        }
        if files.catalog.is_full() || !manifest.is_within_limits() {
            let (name, why) = (manifest.name, "this network knows as many files as it can".to_owned());
            return self.out.push_back(Output::Event(Event::FileFailed { file: id, name, why }));
        }
        let signature = self.me.sign(&Entry::signed_bytes(&id, &media_type, put_ms));
        let entry = Entry { manifest: manifest.clone(), media_type, put_ms, by: self.me.id(), signature };
        self.out.push_back(Output::Store(StoreOrder::Keep(entry.clone())));
        files.add(&id, entry, Content::Whole);
        let everybody: Vec<PeerId> = self.up.keys().copied().collect();
        if let Some(place) = files.swarm.place(&id) {
            files.catalog.tell(everybody, &[place], &files.swarm, &mut self.post);
        }
        self.out.push_back(Output::Event(Event::FileHere { file: id, name: manifest.name }));
    }

    /// The person wants a file.
    pub(super) fn fetch_file(&mut self, now: Time, id: &FileId, urgent: Option<u32>) {
        if let Some(files) = &mut self.files {
            files.swarm.want(id, true, urgent);
            files.swarm.on_tick(now);
        }
    }

    /// The person does not want a file any more.
    pub(super) fn forget_file(&mut self, now: Time, id: &FileId) {
        if let Some(files) = &mut self.files {
            files.swarm.forget(now, id);
        }
    }

    /// What is due about files.
    pub(super) fn look_after_files(&mut self, now: Time) {
        if let Some(files) = &mut self.files {
            files.catalog.on_tick(now, &mut self.post);
        }
    }

    /// Does what the swarm wants done.
    pub(super) fn settle_files(&mut self, now: Time) {
        // A link that is hung up on gives the swarm more to say.
        while let Some((peer, what)) = self.do_for_swarm(true) {
            self.out.push_back(Output::Event(Event::Misbehaved { peer, what }));
            self.doubt(&peer);
            self.calls.ban(now, peer);
            if let Some(link) = self.up.get(&peer).copied() {
                self.hang_up(now, link);
            }
        }
    }

    /// Does what the swarm wants done while this node is asleep: nobody hears of it.
    pub(super) fn silence_files(&mut self) {
        while self.do_for_swarm(false).is_some() {}
    }

    /// Does what the swarm wants done, up to the next peer that it has caught.
    fn do_for_swarm(&mut self, is_awake: bool) -> Option<(PeerId, String)> {
        let files = self.files.as_mut()?;
        while let Some(output) = files.swarm.poll_output() {
            let name = |file: &FileId| {
                files.swarm.file_view(file).map(|view| view.manifest.name.clone()).unwrap_or_default()
            };
            match output {
                SwarmOutput::Frame(peers, frame) if is_awake => self.post.send_many(peers, frame),
                SwarmOutput::Bulk(peer, bytes) if is_awake => {
                    if let Some(link) = self.up.get(&peer) {
                        self.out.push_back(Output::SendBulk(*link, bytes));
                    }
                }
                SwarmOutput::Frame(..) | SwarmOutput::Bulk(..) => {}
                SwarmOutput::Store(order) => self.out.push_back(Output::Store(order)),
                SwarmOutput::Here(file) => {
                    self.out.push_back(Output::Event(Event::FileHere { file, name: name(&file) }));
                }
                SwarmOutput::Failed(file, why) => {
                    self.out.push_back(Output::Event(Event::FileFailed { file, name: name(&file), why }));
                }
                SwarmOutput::Bad(peer, what) => return Some((peer, what)),
            }
        }
        None
    }

    /// Awake again: a neighbour may have said what this node did not hear, and the other way round.
    pub(super) fn on_file_wake(&mut self, now: Time, peer: PeerId) {
        self.on_file_link_down(now, &peer);
        self.on_file_link_up(now, peer);
        if let Some(files) = &self.files {
            self.post.send(peer, Frame::AskHolds);
            for part in files.swarm.forgotten().chunks(FILE_IDS_MAX) {
                self.post.send(peer, Frame::Lacks(part.to_vec()));
                self.post.send(peer, Frame::Unwants(part.to_vec()));
            }
        }
    }

    /// All files that are known, forgotten ones too, the latest first.
    pub fn files(&self) -> Vec<FileInfo> {
        let Some(files) = &self.files else { return Vec::new() };
        let views = files.swarm.files().enumerate();
        let mut all: Vec<FileInfo> = views
            .filter_map(|(place, view)| self.file_info(files.catalog.entry(place as u32)?, &view))
            .collect();
        all.sort_by(|a, b| (b.put_ms, &a.name, a.id).cmp(&(a.put_ms, &b.name, b.id)));
        all
    }

    /// One of them.
    pub fn file(&self, id: &FileId) -> Option<FileInfo> {
        let files = self.files.as_ref()?;
        let place = files.swarm.place(id)?;
        self.file_info(files.catalog.entry(place)?, &files.swarm.file_view(id)?)
    }

    fn file_info(&self, entry: &Entry, view: &FileView<'_>) -> Option<FileInfo> {
        let mut sources: Vec<Source> = view
            .sources
            .iter()
            .map(|(peer, bytes)| Source { peer: show::name(self, peer), bytes: *bytes })
            .collect();
        sources.sort_by_key(|source| u64::MAX - source.bytes);
        let manifest = view.manifest;
        Some(FileInfo {
            id: view.id,
            name: manifest.name.clone(),
            size: manifest.size,
            media_type: entry.media_type.clone(),
            kind: manifest.kind,
            put_ms: entry.put_ms,
            by: show::name(self, &entry.by),
            chunk_bytes: manifest.chunk_bytes,
            chunks: manifest.chunks(),
            chunks_here: view.chunks_here,
            peers: view.peers,
            state: view.state,
            bytes_per_second: view.bytes_per_second,
            sources,
            trouble: view.trouble.to_owned(),
        })
    }

    /// Changes whenever something about some file does; 0 for a node without a store of files.
    pub fn files_version(&self) -> u64 {
        self.files.as_ref().map_or(0, |files| files.swarm.version())
    }

    /// How each chunk of a file stands. `None` if the file is not known.
    pub fn chunk_states(&self, id: &FileId) -> Option<Vec<ChunkState>> {
        self.files.as_ref()?.swarm.chunk_states(id)
    }
}
