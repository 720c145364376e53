//! A peer with a link, as the swarm sees it: what it has and wants, what it was promised, what it was asked for.

use std::collections::VecDeque;
use std::time::Duration;

use super::bits::{Bits, Numbers};
use crate::table::{Set, Table};
use crate::time::Time;

/// No line is allowed for that takes longer there and back.
const ROUND_TRIP_MAX: Duration = Duration::from_millis(600);

/// How long a neighbour may take nothing of what it was sent.
const STUCK_AFTER: Duration = Duration::from_secs(10);

/// A chunk, by the place of its file and its number.
pub(crate) type Chunk = (u32, u32);

/// A peer with a link.
#[derive(Default)]
pub(crate) struct Neighbour {
    /// The files that it has whole, by their place.
    pub(crate) holds: Numbers,
    /// The files that it wants, and what of each it has.
    pub(crate) wants: Table<u32, Bits>,
    /// How many bytes it lacks of these.
    pub(crate) missing_bytes: u64,
    /// Whether it spoke of files that this node did not know.
    pub(crate) spoke_of_unknown: bool,
    /// When it was last asked to say it again, and how many files this node knew then.
    pub(crate) asked_again: (Time, usize),
    /// When it was last told all that this node has and wants.
    pub(crate) told_all: Time,

    /// It may ask for so many bytes: until it does, or it is too late.
    pub(crate) turn: Option<(u32, Time)>,
    /// What it asked for, in order.
    pub(crate) queue: VecDeque<Chunk>,
    pub(crate) queued_bytes: u64,
    /// How many bytes are being read for it, and are on their way through the driver.
    pub(crate) reading_bytes: u64,
    pub(crate) in_driver: VecDeque<u32>,
    pub(crate) in_driver_bytes: u64,
    /// When the driver last took something for it, or had nothing for it.
    pub(crate) driven: Time,
    /// Lists of hashes that it asked for, and the one that the store reads for it.
    pub(crate) lists: VecDeque<u32>,
    pub(crate) reading_list: Option<u32>,
    /// What it was offered with its turn.
    pub(crate) offered: Vec<Chunk>,
    /// What it asked for, and has not said that it has.
    pub(crate) promised: Set<Chunk>,
    /// It had no use for its turn: none before that.
    pub(crate) idle_until: Time,
    /// How long it takes at least from a turn to its answer, as far as known; forgotten slowly.
    pub(crate) round_trip: Duration,

    /// What this node asked it for.
    pub(crate) asked: Set<Chunk>,
    pub(crate) asked_bytes: u64,
    /// The chunk that is coming, and what of it is there.
    pub(crate) coming: Option<(Chunk, Vec<u8>)>,
    /// How long its chunks take from being asked for to being here, lately; zero before the first.
    pub(crate) takes: Duration,
    /// When one of its turns last had this node search for chunks.
    pub(crate) searched: Time,
    /// When it last brought something that was asked for, or was first asked.
    pub(crate) last_bytes: Time,
    /// It was asked and brought nothing: its turns are not taken before that.
    pub(crate) shunned_until: Time,
    /// Messages that nobody asked it for.
    pub(crate) unasked: u32,
    /// Messages with what was asked for and is not waited for any more: so many may still come.
    pub(crate) late: u32,
}

impl Neighbour {
    /// It took this long to answer.
    pub(crate) fn measure(&mut self, took: Duration) {
        let took = took.min(ROUND_TRIP_MAX);
        self.round_trip =
            if self.round_trip.is_zero() { took } else { took.min(self.round_trip + self.round_trip / 32) };
    }

    /// How many bytes are promised or on their way to it.
    pub(crate) fn committed(&self) -> u64 {
        let turn = self.turn.map_or(0, |(bytes, _)| u64::from(bytes));
        turn + self.queued_bytes + self.reading_bytes + self.in_driver_bytes
    }

    /// Whether it has not taken for long what it was sent: it does not count then, nor is it given anything.
    pub(crate) fn is_stuck(&self, now: Time) -> bool {
        !self.in_driver.is_empty() && now.since(self.driven) > STUCK_AFTER
    }

    /// Whether it has a chunk.
    pub(crate) fn has(&self, (file, chunk): Chunk) -> bool {
        self.holds.has(file) || self.wants.get(&file).is_some_and(|bits| bits.has(chunk))
    }

    /// Whether it has anything of a file.
    pub(crate) fn has_some(&self, file: u32) -> bool {
        self.holds.has(file) || self.wants.get(&file).is_some_and(|bits| bits.count() > 0)
    }
}
