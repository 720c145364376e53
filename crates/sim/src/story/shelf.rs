//! The files of a story: who puts and forgets which, what is wrong with whose disk, and the demand that at the end everybody has
//! every file of which all chunks are left somewhere.
//!
//! What concerns files is drawn from random numbers of their own, so that the rest of a story is the same without them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use manyhands_core::Command;
use manyhands_core::files::FileState;
use manyhands_wire::FileId;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;

use super::{Draw, key};
use crate::disk::{FileOptions, Health};
use crate::world::{NodeNumber, World};

/// How large a file is at most.
const BYTES_MAX: u64 = 200_000;
/// How many files a story has at most.
const FILES_MAX: usize = 24;
/// How long everybody may take to have every file once nothing disturbs them any more: a peer that promises and does not send is
/// given up only after a while, again and again.
const CONVERGENCE: Duration = Duration::from_secs(240);

/// What there is of files in a story.
pub(super) struct Shelf {
    draw: Draw,
    files: BTreeMap<FileId, Vec<u8>>,
    /// Who does not want which any more.
    forgotten: BTreeSet<(u32, FileId)>,
    /// Whose disk something is wrong with, and what.
    sick: (u32, Health),
}

impl Shelf {
    /// For a story of so many friends.
    pub(super) fn new(seed: u64, friends: u32) -> Self {
        let mut seed = key(seed);
        seed[31] ^= 0xff;
        let mut draw = Draw(ChaCha8Rng::from_seed(seed));
        let who = 1 + draw.below(u64::from(friends)) as u32;
        let health = match draw.below(5) {
            0 => Health::Lies,
            1 => Health::Mute,
            2 => Health::Damaged,
            _ => Health::Good,
        };
        Self { draw, files: BTreeMap::new(), forgotten: BTreeSet::new(), sick: (who, health) }
    }

    /// What is told of it before the story begins.
    pub(super) fn settings(&self) -> String {
        format!(", files, {:?} disk of friend {}", self.sick.1, self.sick.0)
    }

    /// How a peer treats files.
    pub(super) fn options(&mut self, identity: u32) -> FileOptions {
        let disk = if identity == self.sick.0 { self.sick.1 } else { Health::Good };
        let takes = if self.draw.chance(30) { self.draw.below(60) } else { 0 };
        FileOptions { disk, disk_takes: Duration::from_millis(takes), ..FileOptions::default() }
    }

    /// Some put files, and somebody may not want one any more.
    pub(super) fn happen(&mut self, world: &mut World) {
        let alive = world.alive();
        if alive.is_empty() {
            return;
        }
        for _ in 0..self.draw.below(4) {
            let number = alive[self.draw.below(alive.len() as u64) as usize];
            self.put(world, number);
        }
        let number = alive[self.draw.below(alive.len() as u64) as usize];
        if self.draw.chance(10)
            && let Some(id) = self.files.keys().nth(self.draw.below(self.files.len() as u64) as usize)
        {
            self.forgotten.insert((world.identity(number), *id));
            world.command(number, Command::ForgetFile(*id));
        }
    }

    fn put(&mut self, world: &mut World, number: NodeNumber) {
        if self.files.len() >= FILES_MAX {
            return;
        }
        // Few names and contents, so that the same file is put twice now and then.
        let (name, salt) = (self.draw.below(16), self.draw.below(4));
        let len = if self.draw.chance(30) { name } else { name * name * BYTES_MAX / 225 };
        let chunk_bytes = 1024 << (name % 5);
        let bytes: Vec<u8> = (0..len).map(|at| (at / 7 + at / 1024 + salt) as u8).collect();
        let id = world.put_file(number, &format!("{name}-{salt}"), &bytes, chunk_bytes);
        self.forgotten.remove(&(world.identity(number), id));
        self.files.insert(id, bytes);
    }

    /// Waits until all have what can be had. What is missing then, in words.
    pub(super) fn lag(&self, world: &mut World) -> Option<String> {
        let end = world.now() + CONVERGENCE;
        let can_be_had = self.left(world);
        loop {
            let missing: Vec<String> = can_be_had.iter().filter_map(|id| self.missing(world, id)).collect();
            if missing.is_empty() {
                return None;
            }
            if world.now() >= end {
                return Some(missing.join("; "));
            }
            world.run_for(Duration::from_secs(1));
        }
    }

    /// The files of which every chunk is on a healthy disk of somebody who is there.
    fn left(&self, world: &World) -> Vec<FileId> {
        let gives = |number: &NodeNumber, id: &FileId| {
            let identity = world.identity(*number);
            (identity != self.sick.0 || self.sick.1 == Health::Good)
                && !self.forgotten.contains(&(identity, *id))
        };
        let is_left = |(id, bytes): (&FileId, &Vec<u8>)| {
            let givers = world.alive().into_iter().filter(|number| gives(number, id));
            let knows = |number: NodeNumber| world.node(number).file(id);
            let files: Vec<_> = givers.filter_map(|number| Some((number, knows(number)?))).collect();
            let chunks = files.first().map(|(_, file)| file.chunks)?;
            let there: BTreeSet<u32> =
                files.iter().flat_map(|(number, _)| world.chunks_on_disk(*number, id)).collect();
            // The empty file is wherever it is known.
            (there.len() == chunks as usize || bytes.is_empty()).then_some(*id)
        };
        self.files.iter().filter_map(is_left).collect()
    }

    /// Who lacks a file, in words.
    fn missing(&self, world: &World, id: &FileId) -> Option<String> {
        let bytes = &self.files[id];
        let lacks = |number: &NodeNumber| {
            let identity = world.identity(*number);
            let is_here = world.node(*number).file(id).is_some_and(|file| file.state == FileState::Here);
            let is_right = world.file_bytes(*number, id).as_ref() == Some(bytes);
            // Of a disk that spoils what it reads, and of whom all have left alone for it, nothing is demanded.
            let is_sick = identity == self.sick.0 && matches!(self.sick.1, Health::Lies | Health::Damaged);
            let is_excused = is_sick || self.forgotten.contains(&(identity, *id));
            let is_whole = is_here && is_right;
            !is_excused && !is_whole
        };
        let lacking: Vec<String> = world
            .alive()
            .into_iter()
            .filter(lacks)
            .map(|number| {
                let file = world.node(number).file(id);
                let state = file.map_or_else(
                    || "not known".to_owned(),
                    |file| {
                        format!(
                            "{:?}, {} of {} chunks, {}",
                            file.state, file.chunks_here, file.chunks, file.trouble
                        )
                    },
                );
                format!("node {number}: {state}")
            })
            .collect();
        let file = id.to_string();
        (!lacking.is_empty())
            .then(|| format!("file {} of {} bytes lacks: {}", &file[..8], bytes.len(), lacking.join(", ")))
    }
}
