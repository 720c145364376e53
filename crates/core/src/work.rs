//! The node's own workers: which units it holds, which slices are under way, how fast it is.
//!
//! Units that the node holds are in `mine` until a slice takes them from the front; thieves get theirs from the back
//! (see [`sharing`](crate::sharing)). A slice is about [`SLICE_MIN`] to [`SLICE_MAX`] of work at the measured speed,
//! shorter when little is left, and ends on a block boundary where that is near, so that few blocks come of it.

use std::collections::VecDeque;
use std::time::Duration;

use manyhands_jobs as jobs;
use manyhands_jobs::worker::{Claim, Saved};
use manyhands_wire::frame::{Activity, Progress};
use manyhands_wire::{JobKind, UnitRange};

use crate::io::{Output, Slot};
use crate::parcels::{Parcels, Standing};
use crate::post::Post;
use crate::time::Time;
use crate::unit_set::UnitSet;

/// The shortest slice aimed at (a unit that takes longer is still one slice).
pub(crate) const SLICE_MIN: Duration = Duration::from_millis(100);
/// The longest slice aimed at: what a tab that closes loses at most. Slices come out up to half as long again.
pub(crate) const SLICE_MAX: Duration = Duration::from_millis(650);
/// A slice is at most this part of the work left, so that the end is not a wait for the slowest.
const SLICES_LEFT_MIN: u64 = 4;

/// How many times more than its cost a unit may take that is not spared: cost is an average of many.
pub(crate) const UNSPARED: u64 = 16;

/// Over how much time slices are averaged that take very different times, in microseconds: some dozens of them.
const EVEN_OUT_US: u64 = 20_000_000;
/// How much of such time the measurement before the work stands for, in microseconds.
const KNOWN_US: u64 = 1_000_000;

/// What the person wants of the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Compute as soon as the job has started.
    Working,
    /// Compute nothing; give away what is held when asked.
    Paused,
    /// Finish the slices under way and take no more.
    Finishing,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Slice {
    pub(crate) range: UnitRange,
    begun: Time,
    /// Whether the worker was asked to end earlier and has not answered.
    cutting: bool,
    task: Task,
}

/// What a slice is computed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    /// The job.
    Job,
    /// To check another peer's result.
    Check,
    /// To confirm a prime that another peer told of.
    Confirm(u32),
}

#[derive(Clone, Copy, Debug, Default)]
struct SlotState {
    slice: Option<Slice>,
    calibrating: bool,
    calibrated: bool,
    /// Thousandths of cost per second alone, from calibration.
    solo: u64,
    /// Thousandths of cost per second in the work itself, smoothed.
    speed: u64,
    /// Whether what it did last, or does, is not the job's own work.
    has_checked: bool,
    /// How far it is with a unit that takes long.
    progress: Option<Progress>,
    /// What slices cost that were over too soon to be measured: it is counted with the next one.
    unmeasured: u64,
    /// Where slices of equal cost take very different times: what the last ones cost, and how long they took, in microseconds.
    lately: (u64, u64),
}

/// The node's workers and what it holds.
pub(crate) struct Work {
    kind: JobKind,
    /// Units held and not begun.
    pub(crate) mine: UnitSet,
    slots: Vec<SlotState>,
    threads: u16,
    pub(crate) mode: Mode,
    /// What the units cost that were computed in this session.
    pub(crate) gross: u64,
    /// Blocks to be computed anew, to check them, with what is proven of them.
    checks: VecDeque<(UnitRange, Vec<Claim>)>,
    /// Primes to be confirmed, with what chooses the shift.
    confirmations: VecDeque<(u32, u64)>,
}

impl Work {
    pub(crate) fn new(kind: JobKind, threads: u16) -> Self {
        let mut work = Self {
            kind,
            mine: UnitSet::default(),
            slots: Vec::new(),
            threads: 0,
            mode: Mode::Working,
            gross: 0,
            checks: VecDeque::new(),
            confirmations: VecDeque::new(),
        };
        work.threads = threads;
        work.slots.resize(usize::from(threads), SlotState::default());
        work
    }

    pub(crate) fn threads(&self) -> u16 {
        self.threads
    }

    /// Lends this many threads. Slices of slots that are no longer lent are cut short.
    pub(crate) fn set_threads(&mut self, threads: u16, out: &mut VecDeque<Output>) {
        self.threads = threads;
        if self.slots.len() < usize::from(threads) {
            self.slots.resize(usize::from(threads), SlotState::default());
        }
        for index in usize::from(threads)..self.slots.len() {
            self.stop(index, out);
        }
    }

    /// Cuts every slice short at once.
    pub(crate) fn stop_all(&mut self, out: &mut VecDeque<Output>) {
        (0..self.slots.len()).for_each(|index| self.stop(index, out));
    }

    /// Cuts short the slices whose units all satisfy `done`.
    pub(crate) fn stop_where(&mut self, done: impl Fn(UnitRange) -> bool, out: &mut VecDeque<Output>) {
        for index in 0..self.slots.len() {
            let is_in_vain = |slice: Slice| !slice.cutting && slice.task == Task::Job && done(slice.range);
            if self.slots[index].slice.is_some_and(is_in_vain) {
                self.stop(index, out);
            }
        }
    }

    fn stop(&mut self, index: usize, out: &mut VecDeque<Output>) {
        if let Some(slice) = &mut self.slots[index].slice {
            slice.cutting = true;
            out.push_back(work(index, jobs::Command::Shorten { end: slice.range.start }));
        }
    }

    /// Has every lent thread measured that was not yet.
    pub(crate) fn calibrate(&mut self, out: &mut VecDeque<Output>) {
        let kind = &self.kind;
        for (index, slot) in self.slots.iter_mut().enumerate().take(usize::from(self.threads)) {
            if !slot.calibrated && !slot.calibrating && slot.slice.is_none() {
                slot.calibrating = true;
                out.push_back(work(index, jobs::Command::Calibrate(kind.clone())));
            }
        }
    }

    /// Gives every idle thread a slice, as far as there are units.
    pub(crate) fn begin_slices(
        &mut self,
        now: Time,
        parcels: &mut Parcels,
        post: &mut Post,
        out: &mut VecDeque<Output>,
    ) {
        if self.mode != Mode::Working {
            return;
        }
        self.calibrate(out);
        for index in 0..usize::from(self.threads) {
            let slot = &self.slots[index];
            if slot.slice.is_some() || slot.calibrating {
                continue;
            }
            let Some((range, saved)) = self.next_slice(now, slot.speed.max(1), parcels, post) else { break };
            self.mine.remove(range);
            let begin = jobs::Command::Begin { kind: self.kind.clone(), slice: range, saved };
            self.begin(now, index, range, Task::Job, begin, out);
        }
    }

    /// Gives idle threads what is to be checked and confirmed: before the job's own work, since everybody builds on it, but never
    /// twice in a row to a thread that has work of the job to do, and only one confirmation at a time.
    pub(crate) fn begin_checks(&mut self, now: Time, out: &mut VecDeque<Output>) {
        let is_confirming =
            |slot: &SlotState| slot.slice.is_some_and(|slice| matches!(slice.task, Task::Confirm(_)));
        let mut may_confirm = !self.slots.iter().any(is_confirming);
        for index in 0..usize::from(self.threads) {
            let slot = &self.slots[index];
            let is_turn = !slot.has_checked || self.mine.is_empty();
            if slot.slice.is_some() || slot.calibrating || self.mode != Mode::Working || !is_turn {
                continue;
            }
            if let Some((range, claims)) = self.checks.pop_front() {
                let check = jobs::Command::Check { kind: self.kind.clone(), slice: range, claims };
                self.begin(now, index, range, Task::Check, check, out);
            } else if let Some((exponent, salt)) = self.confirmations.pop_front_if(|_| may_confirm) {
                may_confirm = false;
                let confirm = jobs::Command::Confirm { exponent, salt };
                let unit = self.kind.unit_of(exponent).unwrap_or(0);
                let range = UnitRange::new(unit, unit + 1);
                self.begin(now, index, range, Task::Confirm(exponent), confirm, out);
            } else {
                break;
            }
        }
    }

    fn begin(
        &mut self,
        now: Time,
        index: usize,
        range: UnitRange,
        task: Task,
        command: jobs::Command,
        out: &mut VecDeque<Output>,
    ) {
        self.slots[index].has_checked = task != Task::Job;
        self.slots[index].slice = Some(Slice { range, begun: now, cutting: false, task });
        out.push_back(work(index, command));
    }

    /// A block is to be computed anew soon, but for what is proven of it.
    pub(crate) fn check(&mut self, range: UnitRange, claims: Vec<Claim>) {
        self.checks.push_back((range, claims));
    }

    /// A prime that another peer told of is to be confirmed soon.
    pub(crate) fn confirm(&mut self, exponent: u32, salt: u64) {
        self.confirmations.push_back((exponent, salt));
    }

    /// Which prime this slot confirms, if it does.
    pub(crate) fn confirmed_by(&self, slot: Slot) -> Option<u32> {
        match self.slots.get(usize::from(slot.0))?.slice?.task {
            Task::Confirm(exponent) => Some(exponent),
            Task::Job | Task::Check => None,
        }
    }

    /// A worker tells how far it is with a unit.
    pub(crate) fn on_progress(&mut self, slot: Slot, progress: Progress) {
        if let Some(state) = self.slots.get_mut(usize::from(slot.0)) {
            state.progress = state.slice.filter(|slice| slice.task == Task::Job).map(|_| progress);
        }
    }

    /// How far the workers are with units that take long.
    pub(crate) fn progress(&self) -> impl Iterator<Item = Progress> + '_ {
        self.slots.iter().filter_map(|slot| slot.progress)
    }

    /// Whether this slot computes another's result anew; which units of it.
    pub(crate) fn checked_by(&self, slot: Slot) -> Option<UnitRange> {
        let slice = self.slots.get(usize::from(slot.0))?.slice?;
        (slice.task == Task::Check).then_some(slice.range)
    }

    /// A worker ended its check, whole or not.
    pub(crate) fn on_check_done(&mut self, slot: Slot) {
        if let Some(state) = self.slots.get_mut(usize::from(slot.0)) {
            state.slice = None;
        }
    }

    /// The units a thread of this speed takes next, and where the test of the first of them stands. A unit that somebody has
    /// begun is a slice of its own, and waits while its state is on its way.
    fn next_slice(
        &self,
        now: Time,
        speed: u64,
        parcels: &mut Parcels,
        post: &mut Post,
    ) -> Option<(UnitRange, Option<Saved>)> {
        for mut run in self.mine.runs() {
            while !run.is_empty() {
                let saved = parcels.first_saved(run);
                if saved != Some(run.start) {
                    run.end = saved.unwrap_or(run.end);
                    return Some((self.slice_of(run, speed), None));
                }
                let unit = UnitRange::new(run.start, run.start + 1);
                match parcels.standing(now, run.start, post) {
                    Standing::Here(saved) => return Some((unit, Some(saved))),
                    Standing::Unknown => return Some((unit, None)),
                    Standing::Coming => run.start += 1,
                }
            }
        }
        None
    }

    /// The units at the front of a run that a thread of this speed takes as a slice.
    fn slice_of(&self, run: UnitRange, speed: u64) -> UnitRange {
        let left = self.mine.cost(&self.kind);
        let aim = cost_in(speed, SLICE_MAX)
            .min((left / (SLICES_LEFT_MIN * u64::from(self.threads.max(1)))).max(cost_in(speed, SLICE_MIN)));
        // No unit costs nothing, so as many as the aim are enough.
        let ahead = UnitRange::new(run.start, run.start.saturating_add(aim.max(1)));
        let aim = self.kind.cut_front(ahead, aim) - run.start;
        // Slices of a power of two that end on their own boundary merge into few blocks.
        let size = 1u64 << aim.max(1).ilog2();
        let boundary = (run.start / size + 1).saturating_mul(size);
        let end =
            if boundary - run.start < size.div_ceil(2) { boundary.saturating_add(size) } else { boundary };
        UnitRange::new(run.start, end.min(run.end))
    }

    /// A worker measured itself.
    pub(crate) fn on_calibrated(&mut self, slot: Slot, speed: u64) {
        let Some(state) = self.slots.get_mut(usize::from(slot.0)) else { return };
        *state = SlotState { calibrating: false, calibrated: true, solo: speed, speed, ..*state };
    }

    /// A worker agreed to end earlier. Returns the units it gave up.
    pub(crate) fn on_shortened(&mut self, slot: Slot, end: u64) -> Option<UnitRange> {
        let slice = self.slots.get_mut(usize::from(slot.0))?.slice.as_mut()?;
        slice.cutting = false;
        let given_up = UnitRange::new(end.clamp(slice.range.start, slice.range.end), slice.range.end);
        slice.range.end = given_up.start;
        Some(given_up)
    }

    /// A worker finished its slice. Returns the units of the slice that it did not compute after all.
    pub(crate) fn on_done(&mut self, slot: Slot, computed: UnitRange, took_us: u64) -> Option<UnitRange> {
        let state = self.slots.get_mut(usize::from(slot.0))?;
        state.progress = None;
        // Anything else is of a job that the host has replaced.
        let slice = state.slice.take_if(|slice| slice.range.start == computed.start)?;
        let cost = self.kind.cost(computed);
        self.gross += cost;
        if unspared(&self.kind) > 1 {
            state.even_out(cost, took_us);
        } else if took_us <= 1_000 {
            state.unmeasured = state.unmeasured.saturating_add(cost);
        } else if !computed.is_empty() {
            let cost = u128::from(cost) + u128::from(std::mem::take(&mut state.unmeasured));
            let measured = u64::try_from(cost * 1_000_000_000 / u128::from(took_us)).unwrap_or(u64::MAX);
            // Half old, half new: quick to follow a machine that others use too, slow to follow one odd slice.
            state.speed = (state.speed / 2 + measured / 2).max(1);
        }
        Some(UnitRange::new(computed.end.max(slice.range.start), slice.range.end))
    }

    /// The slices under way.
    pub(crate) fn under_way(&self) -> impl Iterator<Item = UnitRange> + '_ {
        self.slots
            .iter()
            .filter_map(|slot| slot.slice)
            .filter(|slice| slice.task == Task::Job)
            .map(|slice| slice.range)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.slots.iter().all(|slot| slot.slice.is_none())
    }

    /// Everything held: begun or not.
    pub(crate) fn held(&self) -> UnitSet {
        let mut held = self.mine.clone();
        self.under_way().for_each(|slice| held.insert(slice));
        held
    }

    fn lent(&self) -> impl Iterator<Item = &SlotState> {
        self.slots.iter().take(usize::from(self.threads))
    }

    /// Thousandths of cost per second when all lent threads work.
    pub(crate) fn capacity(&self, now: Time) -> u64 {
        if self.mode == Mode::Working {
            self.lent().map(|slot| slot.speed_at(now, &self.kind)).sum()
        } else {
            0
        }
    }

    /// Thousandths of cost per second of the threads at work now.
    pub(crate) fn speed(&self) -> u64 {
        self.slots.iter().filter(|slot| slot.slice.is_some()).map(|slot| slot.speed).sum()
    }

    /// Thousandths of cost per second, measured before the work began.
    pub(crate) fn solo_speed(&self) -> u64 {
        self.lent().map(|slot| slot.solo).sum()
    }

    /// Whether every lent thread knows its speed.
    pub(crate) fn is_calibrated(&self) -> bool {
        self.lent().all(|slot| slot.calibrated)
    }

    pub(crate) fn activity(&self, started: bool, finished: bool) -> Activity {
        match self.mode {
            _ if finished => Activity::Finished,
            Mode::Paused | Mode::Finishing => Activity::Paused,
            Mode::Working if self.threads == 0 => Activity::Watching,
            Mode::Working if started && self.is_calibrated() => Activity::Working,
            Mode::Working => Activity::Ready,
        }
    }

    /// What the units of the slices under way cost that are not computed yet, as the speed would have it, and the slot with
    /// the most time left, with what its own cost.
    pub(crate) fn rest_of_slices(&self, now: Time) -> (u64, Option<(Slot, u64)>) {
        let rests = self.slots.iter().enumerate().filter_map(|(index, slot)| {
            let slice = slot.slice.as_ref()?;
            // A slice that should be finished already is expected to be late as long again.
            let computed = cost_in(slot.speed, now.since(slice.begun));
            let whole = self.kind.cost(slice.range);
            let rest = whole.abs_diff(computed).clamp(1, whole.max(1));
            Some((
                Slot(index as u16),
                rest,
                slice.cutting || slice.task != Task::Job || slice.range.len() < 2,
                slot.speed_at(now, &self.kind),
            ))
        });
        let (mut all, mut longest) = (0, None::<(Slot, u64, u64)>);
        for (slot, rest, is_whole, speed) in rests {
            all += rest;
            let time = rest.saturating_mul(1_000_000) / speed.max(1);
            if !is_whole && longest.is_none_or(|(_, _, most)| time > most) {
                longest = Some((slot, rest, time));
            }
        }
        (all, longest.map(|(slot, rest, _)| (slot, rest)))
    }

    /// Seconds until this node has computed all it holds.
    pub(crate) fn seconds_left(&self, now: Time) -> f64 {
        let (rest, _) = self.rest_of_slices(now);
        seconds(self.mine.cost(&self.kind).saturating_add(rest), self.capacity(now))
    }

    /// The speed of one slot, in thousandths of cost per second.
    pub(crate) fn slot_speed(&self, now: Time, slot: Slot) -> u64 {
        self.slots.get(usize::from(slot.0)).map_or(0, |slot| slot.speed_at(now, &self.kind))
    }

    /// Asks a worker to stop before the units at the end of its slice that cost about `cost`.
    pub(crate) fn cut(&mut self, slot: Slot, cost: u64, out: &mut VecDeque<Output>) {
        let index = usize::from(slot.0);
        if let Some(slice) = self.slots.get_mut(index).and_then(|slot| slot.slice.as_mut()) {
            slice.cutting = true;
            let end = self.kind.cut_back(slice.range, cost);
            out.push_back(work(index, jobs::Command::Shorten { end }));
        }
    }
}

impl SlotState {
    /// A slice was computed, which may have taken many times more or less than its cost says: what counts is the average.
    fn even_out(&mut self, cost: u64, took_us: u64) {
        let (all, us) = (self.lately.0.saturating_add(cost), self.lately.1.saturating_add(took_us));
        self.lately = if us > EVEN_OUT_US { (all / 2, us / 2) } else { (all, us) };
        // The measurement beforehand counts as much as a short while of work.
        let known = u128::from(self.solo) * u128::from(KNOWN_US) / 1_000_000_000;
        let cost = (u128::from(self.lately.0) + known) * 1_000_000_000;
        let speed = cost / u128::from(self.lately.1 + KNOWN_US);
        self.speed = u64::try_from(speed).unwrap_or(u64::MAX).max(1);
    }

    /// Its speed, or less if its slice takes longer than that: a machine may have become slower since.
    fn speed_at(&self, now: Time, kind: &JobKind) -> u64 {
        let Some(slice) = &self.slice else { return self.speed };
        let elapsed_us = now.since(slice.begun).as_micros().max(1);
        let cost = kind.cost(slice.range).saturating_mul(unspared(kind));
        let at_most = u128::from(cost) * 1_000_000_000 / elapsed_us;
        self.speed.min(u64::try_from(at_most).unwrap_or(u64::MAX)).max(1)
    }
}

/// How many times more than its cost a single unit may take.
pub(crate) fn unspared(kind: &JobKind) -> u64 {
    match kind {
        JobKind::Sum { .. } | JobKind::Delay { .. } => 1,
        JobKind::Mersenne { .. } => UNSPARED,
    }
}

fn work(index: usize, command: jobs::Command) -> Output {
    Output::Work(Slot(index as u16), command)
}

/// What is done in `span` at `speed` thousandths of cost per second, at least one.
pub(crate) fn cost_in(speed: u64, span: Duration) -> u64 {
    let cost = u128::from(speed) * span.as_micros() / 1_000_000_000;
    u64::try_from(cost).unwrap_or(u64::MAX).max(1)
}

/// Seconds that what costs `cost` takes at `speed` thousandths of cost per second; infinite when it is zero.
pub(crate) fn seconds(cost: u64, speed: u64) -> f64 {
    if cost == 0 { 0.0 } else { cost as f64 * 1000.0 / speed as f64 }
}

#[cfg(test)]
mod tests {
    use manyhands_wire::JobId;

    use super::*;

    const KIND: JobKind = JobKind::Delay { units: 1 << 20, unit_ms: 1 };

    fn begun(out: &mut VecDeque<Output>) -> Vec<UnitRange> {
        out.drain(..)
            .filter_map(|output| match output {
                Output::Work(_, jobs::Command::Begin { slice, .. }) => Some(slice),
                _ => None,
            })
            .collect()
    }

    fn working(threads: u16, units: u64) -> (Work, VecDeque<Output>) {
        let (mut work, mut out) = (Work::new(KIND, threads), VecDeque::new());
        work.mine.insert(UnitRange::new(0, units));
        (0..threads).for_each(|slot| work.on_calibrated(Slot(slot), 1_000_000));
        work.begin_slices(Time::ZERO, &mut Parcels::new(JobId([0; 32])), &mut Post::default(), &mut out);
        (work, out)
    }

    #[test]
    fn slices_are_powers_of_two_of_the_measured_speed() {
        let (_, mut out) = working(2, 1 << 20);

        // 1000 units per second: 650 units, rounded down to a power of two.
        assert_eq!(begun(&mut out), [UnitRange::new(0, 512), UnitRange::new(512, 1024)]);
    }

    #[test]
    fn slices_shrink_towards_the_end() {
        let (_, mut out) = working(2, 1000);

        // A quarter of each thread's part, 125 units, rounded down.
        assert_eq!(begun(&mut out), [UnitRange::new(0, 64), UnitRange::new(64, 128)]);
    }

    #[test]
    fn a_slice_cut_short_gives_up_its_end() {
        let (mut work, mut out) = working(1, 1 << 20);

        work.cut(Slot(0), 200, &mut out);
        let given_up = work.on_shortened(Slot(0), 350);
        let missed = work.on_done(Slot(0), UnitRange::new(0, 350), 350_000);

        assert_eq!(given_up, Some(UnitRange::new(350, 512)));
        assert_eq!(missed, Some(UnitRange::new(350, 350)));
        assert_eq!(work.gross, 350);
    }

    #[test]
    fn a_paused_node_computes_nothing_and_keeps_what_it_holds() {
        let (mut work, mut out) = working(1, 1 << 20);
        out.clear();

        work.mode = Mode::Paused;
        work.stop_all(&mut out);
        let given_up = work.on_shortened(Slot(0), 10).unwrap();
        work.mine.insert(given_up);
        work.on_done(Slot(0), UnitRange::new(0, 10), 10_000);
        work.begin_slices(Time::ZERO, &mut Parcels::new(JobId([0; 32])), &mut Post::default(), &mut out);

        assert!(begun(&mut out).is_empty());
        assert_eq!(work.mine.len(), (1 << 20) - 10);
    }
}
