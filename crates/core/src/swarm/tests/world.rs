//! Machines that exchange chunks in memory: one message at a time, in order, with disks that lie or are full.

use std::collections::{BTreeSet, VecDeque};

use super::*;

/// How far time goes on when no message is on its way.
const STEP: Duration = Duration::from_millis(5);

/// A file with this content.
pub(super) fn manifest(name: &str, content: &[u8], chunk_bytes: u32) -> (Manifest, Vec<Hash>) {
    let hashes: Vec<Hash> =
        content.chunks(chunk_bytes as usize).map(|chunk| *blake3::hash(chunk).as_bytes()).collect();
    let size = content.len() as u64;
    (Manifest::new(name.to_owned(), size, chunk_bytes, &hashes, FileKind::File), hashes)
}

/// Bytes that do not repeat from chunk to chunk.
pub(super) fn content(len: usize, salt: u8) -> Vec<u8> {
    (0..len).map(|at| (at / 7) as u8 ^ (at / 1024) as u8 ^ salt).collect()
}

pub(super) fn peer(number: usize) -> PeerId {
    PeerId([number as u8 + 1; 32])
}

pub(super) struct Machine {
    pub(super) swarm: Swarm,
    pub(super) disk: BTreeMap<FileId, BTreeMap<u32, Vec<u8>>>,
    pub(super) hashes: BTreeMap<FileId, Vec<Hash>>,
    pub(super) here: BTreeSet<FileId>,
    pub(super) failed: Vec<String>,
    pub(super) bad: Vec<usize>,
    pub(super) is_up: bool,
    /// Damages what it gives, or promises what it does not send.
    pub(super) lies: bool,
    pub(super) mute: bool,
    pub(super) disk_is_full: bool,
    pub(super) given: u64,
}

pub(super) enum Message {
    Frame(Frame),
    Bulk(Vec<u8>),
}

/// Machines in a full mesh, or as `links` says; messages arrive in order, one at a time.
pub(super) struct World {
    pub(super) now: Time,
    pub(super) machines: Vec<Machine>,
    pub(super) flying: VecDeque<(usize, usize, Message)>,
}

impl World {
    pub(super) fn new(count: usize) -> Self {
        Self::with(count, SwarmConfig::default(), u64::MAX)
    }

    pub(super) fn with(count: usize, config: SwarmConfig, quota_bytes: u64) -> Self {
        let machine = |number| Machine {
            swarm: Swarm::new(config.clone(), quota_bytes, [number as u8; 32], Time::ZERO),
            disk: BTreeMap::new(),
            hashes: BTreeMap::new(),
            here: BTreeSet::new(),
            failed: Vec::new(),
            bad: Vec::new(),
            is_up: true,
            lies: false,
            mute: false,
            disk_is_full: false,
            given: 0,
        };
        Self { now: Time::ZERO, machines: (0..count).map(machine).collect(), flying: VecDeque::new() }
    }

    pub(super) fn link(&mut self, a: usize, b: usize) {
        self.machines[a].swarm.on_link_up(self.now, peer(b));
        self.machines[b].swarm.on_link_up(self.now, peer(a));
        self.drain(a);
        self.drain(b);
    }

    pub(super) fn link_all(&mut self) {
        for a in 0..self.machines.len() {
            (0..a).for_each(|b| self.link(a, b));
        }
    }

    pub(super) fn cut(&mut self, a: usize, b: usize) {
        self.machines[a].swarm.on_link_down(self.now, &peer(b));
        self.machines[b].swarm.on_link_down(self.now, &peer(a));
        self.flying.retain(|(from, to, _)| !((*from == a && *to == b) || (*from == b && *to == a)));
        self.drain(a);
        self.drain(b);
    }

    /// A machine that stops for good.
    pub(super) fn stop(&mut self, number: usize) {
        self.machines[number].is_up = false;
        for other in (0..self.machines.len()).filter(|other| *other != number) {
            self.cut(number, other);
        }
    }

    pub(super) fn put(&mut self, number: usize, name: &str, content: &[u8], chunk_bytes: u32) -> FileId {
        let (manifest, hashes) = manifest(name, content, chunk_bytes);
        let id = manifest.id();
        let machine = &mut self.machines[number];
        let chunks = content.chunks(chunk_bytes as usize).map(<[u8]>::to_vec);
        machine.disk.insert(id, chunks.enumerate().map(|(at, chunk)| (at as u32, chunk)).collect());
        machine.hashes.insert(id, hashes);
        machine.swarm.add_own(self.now, manifest);
        machine.here.insert(id);
        self.drain(number);
        id
    }

    /// Everybody knows of the file and wants it.
    pub(super) fn tell(&mut self, name: &str, content: &[u8], chunk_bytes: u32) {
        let (manifest, _) = manifest(name, content, chunk_bytes);
        for number in 0..self.machines.len() {
            self.machines[number].swarm.add(manifest.clone(), Content::Nothing);
            self.machines[number].swarm.want(&manifest.id(), false, None);
            self.machines[number].swarm.on_tick(self.now);
            self.drain(number);
        }
    }

    pub(super) fn drain(&mut self, number: usize) {
        while let Some(output) = self.machines[number].swarm.poll_output() {
            match output {
                SwarmOutput::Frame(to, frame) => {
                    for to in to {
                        self.flying.push_back((
                            number,
                            usize::from(to.0[0]) - 1,
                            Message::Frame(frame.clone()),
                        ));
                    }
                }
                SwarmOutput::Bulk(to, bytes) => {
                    self.machines[number].given += 1;
                    self.flying.push_back((number, usize::from(to.0[0]) - 1, Message::Bulk(bytes)));
                }
                SwarmOutput::Store(order) => self.store(number, order),
                SwarmOutput::Here(file) => {
                    self.machines[number].here.insert(file);
                }
                SwarmOutput::Failed(_, why) => self.machines[number].failed.push(why),
                SwarmOutput::Bad(bad, _) => {
                    let bad = usize::from(bad.0[0]) - 1;
                    self.machines[number].bad.push(bad);
                    self.cut(number, bad);
                }
            }
        }
    }

    pub(super) fn store(&mut self, number: usize, order: StoreOrder) {
        let machine = &mut self.machines[number];
        let event = match order {
            StoreOrder::Write { file, .. } if machine.disk_is_full => {
                StoreEvent::Refused { file, why: "the disk is full".into() }
            }
            StoreOrder::Write { file, chunk, bytes } => {
                machine.disk.entry(file).or_default().insert(chunk, bytes);
                StoreEvent::Written { file, chunk }
            }
            StoreOrder::Read { file, chunk } => {
                let mut bytes = machine.disk.get(&file).and_then(|file| file.get(&chunk)).cloned();
                if machine.lies {
                    bytes = bytes.map(|bytes| bytes.iter().map(|byte| byte ^ 1).collect());
                }
                StoreEvent::Read { file, chunk, bytes }
            }
            StoreOrder::ReadHashes(file) => {
                StoreEvent::Hashes { file, hashes: machine.hashes.get(&file).cloned() }
            }
            StoreOrder::Begin { file, hashes } => {
                machine.hashes.insert(file, hashes);
                return;
            }
            StoreOrder::Keep(_) | StoreOrder::Forget(_) | StoreOrder::Recall(_) => return,
        };
        machine.swarm.on_store(self.now, event);
    }

    /// One message, or time goes on.
    pub(super) fn step(&mut self) {
        if let Some((from, to, message)) = self.flying.pop_front() {
            if !self.machines[from].is_up || !self.machines[to].is_up {
                return;
            }
            match message {
                Message::Frame(frame) => self.machines[to].swarm.on_frame(self.now, peer(from), frame),
                Message::Bulk(bytes) => {
                    self.machines[from].swarm.on_sent(self.now, &peer(to));
                    self.drain(from);
                    if !self.machines[from].mute {
                        self.machines[to].swarm.on_bulk(self.now, peer(from), &bytes);
                    }
                }
            }
            self.drain(to);
        } else {
            self.now = self.now + STEP;
            for number in 0..self.machines.len() {
                if self.machines[number].is_up && self.machines[number].swarm.poll_timeout() <= self.now {
                    self.machines[number].swarm.on_tick(self.now);
                    self.drain(number);
                }
            }
        }
    }

    pub(super) fn run_until(&mut self, seconds: u64, until: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + Duration::from_secs(seconds);
        while !until(self) {
            if self.now > end {
                return false;
            }
            self.step();
        }
        true
    }

    pub(super) fn all_have(&self, id: FileId) -> bool {
        self.machines.iter().all(|machine| !machine.is_up || machine.here.contains(&id))
    }

    pub(super) fn bytes(&self, number: usize, id: FileId) -> Vec<u8> {
        self.machines[number]
            .disk
            .get(&id)
            .into_iter()
            .flat_map(BTreeMap::values)
            .flatten()
            .copied()
            .collect()
    }
}
