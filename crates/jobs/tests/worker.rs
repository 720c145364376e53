//! The worker against a clock that goes as the test likes.

#![cfg(not(target_arch = "wasm32"))]

use std::time::Duration;

use manyhands_jobs::kernel::compute;
use manyhands_jobs::{Command, Report, Worker};
use manyhands_wire::{Block, JobKind, Outcome, UnitRange};
use proptest::prelude::*;

/// A worker with a clock that moves by `tick_us` at each reading, and over the whole rest after each step.
struct Bench {
    worker: Worker,
    now_us: u64,
    tick_us: u64,
}

#[test]
fn a_slice_comes_out_as_its_blocks() {
    let kind = sum(1_000_000, 10);
    let mut bench = Bench::new(1_000);

    assert_eq!(bench.worker.handle(begin(&kind, 5, 1_000)), []);
    assert!(bench.worker.is_busy());
    let report = bench.run_to_report();

    assert_whole(&kind, &report, UnitRange::new(5, 1_000));
    assert!(!bench.worker.is_busy());
}

#[test]
fn an_empty_slice_is_done_at_once() {
    let mut bench = Bench::new(1_000);

    bench.worker.handle(begin(&sum(100, 1), 7, 7));

    let step = bench.step();
    assert_eq!(step, Some(Report::Done { slice: UnitRange::new(7, 7), blocks: vec![], took_us: 0 }));
    assert!(!bench.worker.is_busy());
}

#[test]
fn shortening_an_idle_worker_is_not_answered() {
    let mut worker = Worker::new();

    assert_eq!(worker.handle(Command::Shorten { end: 3 }), []);
}

#[test]
fn a_slice_is_never_lengthened() {
    let kind = sum(1_000_000, 10);
    let mut bench = Bench::new(1_000);
    bench.worker.handle(begin(&kind, 0, 50));

    assert_eq!(bench.worker.handle(Command::Shorten { end: 90 }), [Report::Shortened { end: 50 }]);

    assert_whole(&kind, &bench.run_to_report(), UnitRange::new(0, 50));
}

#[test]
fn a_second_slice_ends_the_first_where_it_is() {
    let kind = sum(1 << 40, 1 << 14);
    let mut bench = Bench::new(10_000);
    bench.worker.handle(begin(&kind, 0, 1 << 20));
    for _ in 0..3 {
        assert_eq!(bench.step(), None);
    }

    let first = bench.worker.handle(begin(&kind, 1 << 25, (1 << 25) + 8));

    let [done @ Report::Done { slice, .. }] = &first[..] else { panic!("{first:?}") };
    assert!(slice.start == 0 && slice.end > 0 && slice.end < 1 << 20);
    assert_whole(&kind, done, *slice);
    assert_whole(&kind, &bench.run_to_report(), UnitRange::new(1 << 25, (1 << 25) + 8));
}

#[test]
fn steps_grow_to_ten_milliseconds_and_commands_get_a_hearing() {
    let kind = sum(1 << 40, 1);
    // A clock on which a million numbers take a millisecond.
    let mut bench = Bench::new(0);
    bench.worker.handle(begin(&kind, 0, 1 << 28));
    let mut steps = 0;
    let report = loop {
        steps += 1;
        let mut clock = Stepwise { now_us: &mut bench.now_us, readings: 0 };
        let step = bench.worker.step(&mut || clock.read(10_000));
        if let [report] = &step.reports[..] {
            break report.clone();
        }
    };

    // Every step takes 10 ms on this clock, so the pace stays where it began.
    assert_eq!(steps, (1 << 28) / (1 << 14));
    assert_whole(&kind, &report, UnitRange::new(0, 1 << 28));
}

#[test]
fn the_throttle_stretches_time_by_its_share() {
    let kind = sum(1 << 40, 1);
    let mut bench = Bench::new(0);
    bench.worker.handle(Command::Throttle(250));
    bench.worker.handle(begin(&kind, 0, 1 << 20));
    let (mut busy, mut rested) = (0, 0);
    while bench.worker.is_busy() {
        let before = bench.now_us;
        let mut clock = Stepwise { now_us: &mut bench.now_us, readings: 0 };
        let step = bench.worker.step(&mut || clock.read(10_000));
        busy += bench.now_us - before;
        // Timers are late.
        let late = if step.rest.is_zero() { 0 } else { 1_300 };
        let rest = u64::try_from(step.rest.as_micros()).unwrap() + late;
        bench.now_us += rest;
        rested += rest;
        if let [Report::Done { took_us, .. }] = step.reports[..] {
            assert!(took_us.abs_diff(busy * 4) <= 2_600, "{took_us} for {busy}");
        }
    }

    assert!((busy * 3).abs_diff(rested) <= 2_600, "{busy} busy, {rested} rested");
}

#[test]
fn a_step_before_the_rest_is_over_only_says_what_is_left() {
    let kind = sum(1 << 40, 1);
    let mut bench = Bench::new(0);
    bench.worker.handle(Command::Throttle(100));
    bench.worker.handle(begin(&kind, 0, 1 << 20));
    let mut clock = Stepwise { now_us: &mut bench.now_us, readings: 0 };
    let first = bench.worker.step(&mut || clock.read(10_000));
    assert_eq!(first.rest, Duration::from_millis(90));

    bench.now_us += 30_000;
    let second = bench.worker.step(&mut || bench.now_us);

    assert_eq!((second.reports, second.rest), (vec![], Duration::from_millis(60)));
}

#[test]
fn the_rest_after_a_slice_is_kept_before_the_next() {
    let kind = sum(1 << 40, 1);
    let mut bench = Bench::new(0);
    bench.worker.handle(Command::Throttle(500));
    bench.worker.handle(begin(&kind, 0, 100));
    let mut clock = Stepwise { now_us: &mut bench.now_us, readings: 0 };
    let last = bench.worker.step(&mut || clock.read(8_000));
    assert!(matches!(last.reports[..], [Report::Done { took_us: 16_000, .. }]), "{last:?}");

    bench.worker.handle(begin(&kind, 100, 200));
    let early = bench.worker.step(&mut || bench.now_us);

    assert_eq!((early.reports, early.rest), (vec![], Duration::from_millis(8)));
}

#[test]
fn units_of_a_delay_take_their_time() {
    let kind = JobKind::Delay { units: 10, unit_ms: 100 };
    let mut bench = Bench::new(0);
    bench.worker.handle(begin(&kind, 2, 5));

    let report = bench.run_to_report();

    assert_eq!(bench.now_us, 300_000);
    assert_whole(&kind, &report, UnitRange::new(2, 5));
    assert!(matches!(report, Report::Done { took_us: 300_000, .. }));
}

#[test]
fn a_throttled_delay_takes_longer() {
    let kind = JobKind::Delay { units: 10, unit_ms: 100 };
    let mut bench = Bench::new(0);
    bench.worker.handle(Command::Throttle(100));
    bench.worker.handle(begin(&kind, 0, 3));

    bench.run_to_report();

    assert_eq!(bench.now_us, 3_000_000);
}

#[test]
fn a_delay_that_nobody_wants_any_more_ends_at_once() {
    let kind = JobKind::Delay { units: 10, unit_ms: 1_000 };
    let mut bench = Bench::new(0);
    bench.worker.handle(begin(&kind, 0, 5));
    assert_eq!(bench.step(), None);
    assert_eq!(bench.worker.step(&mut || bench.now_us).rest, Duration::from_secs(1));

    assert_eq!(bench.worker.handle(Command::Shorten { end: 0 }), [Report::Shortened { end: 1 }]);
    let report = bench.step();

    assert_eq!(bench.now_us, 1_000_000);
    assert_whole(&kind, &report.expect("nothing is left to wait for"), UnitRange::new(0, 1));
}

#[test]
fn the_speed_of_a_delay_is_known() {
    let kind = JobKind::Delay { units: 2, unit_ms: 500 };
    let mut worker = Worker::new();

    assert_eq!(worker.handle(Command::Calibrate(kind.clone())), [Report::Calibrated { speed: 2_000 }]);
    worker.handle(Command::Throttle(100));
    assert_eq!(worker.handle(Command::Calibrate(kind)), [Report::Calibrated { speed: 200 }]);
}

#[test]
fn speed_is_measured_in_units_whatever_their_size() {
    for (last, unit_size) in [(1 << 40, 1), (1 << 40, 16_384), (1 << 59, 1 << 30), (3, 1 << 10), (3, 1)] {
        let speed = |permille| {
            // Ten milliseconds a run, and a run is 2^14 numbers where the pace finds no reason to change.
            let mut bench = Bench::new(10_000);
            bench.worker.handle(Command::Throttle(permille));
            bench.worker.handle(Command::Calibrate(JobKind::Sum { first: 1, last, unit_size, base: 0 }));
            match bench.run_to_report() {
                Report::Calibrated { speed } => speed,
                other => panic!("{other:?}"),
            }
        };

        let numbers_per_s = (1 << 14) as u64 * 100;
        assert_eq!(speed(1_000), (numbers_per_s * 1_000 / unit_size).max(1));
        assert_eq!(speed(250), (numbers_per_s * 1_000 / unit_size / 4).max(1));
    }
}

#[test]
fn a_calibration_goes_before_the_slice_and_harms_nothing() {
    let kind = sum(1 << 30, 1 << 12);
    let mut bench = Bench::new(10_000);
    bench.worker.handle(begin(&kind, 0, 64));
    bench.step();
    bench.worker.handle(Command::Calibrate(kind.clone()));

    assert!(matches!(bench.run_to_report(), Report::Calibrated { .. }));
    assert_whole(&kind, &bench.run_to_report(), UnitRange::new(0, 64));
}

proptest! {
    #[test]
    fn a_slice_cut_short_anywhere_gives_exactly_what_it_says(
        start in 0..5_000_u64,
        len in 0..5_000_u64,
        unit_size in 1..40_u64,
        throttle in 1..=1_000_u16,
        tick_us in 0..40_000_u64,
        cuts in proptest::collection::vec((0..20_usize, 0..11_000_u64), 0..5),
    ) {
        let kind = sum(6_000 * unit_size, unit_size);
        let mut bench = Bench::new(tick_us);
        bench.worker.handle(Command::Throttle(throttle));
        bench.worker.handle(begin(&kind, start, start + len));

        let mut end = start + len;
        for (steps, cut) in cuts {
            if let Some(report) = (0..steps).find_map(|_| bench.step()) {
                assert_whole(&kind, &report, UnitRange::new(start, end));
                return Ok(());
            }
            let [Report::Shortened { end: now }] = bench.worker.handle(Command::Shorten { end: cut })[..] else {
                panic!("a slice is under way");
            };
            prop_assert!(now <= end && (now == cut.min(end) || cut < now), "{} asked, {} answered, {} before", cut, now, end);
            end = now;
        }

        assert_whole(&kind, &bench.run_to_report(), UnitRange::new(start, end));
    }

    #[test]
    fn large_units_are_cut_between_each_two(
        start in 0..64_u64,
        len in 1..64_u64,
        steps in 0..80_usize,
        cut in 0..128_u64,
    ) {
        let kind = sum(128 << 15, 1 << 15);
        let mut bench = Bench::new(10_000);
        bench.worker.handle(begin(&kind, start, start + len));
        let early = (0..steps).find_map(|_| bench.step());

        let (report, end) = match early {
            Some(report) => {
                prop_assert!(steps as u64 >= len);
                (report, start + len)
            }
            None => {
                // Each step was one unit.
                let at = start + steps as u64;
                let end = cut.clamp(at, start + len);
                let answer = bench.worker.handle(Command::Shorten { end: cut });
                prop_assert_eq!(answer, [Report::Shortened { end }]);
                (bench.run_to_report(), end)
            }
        };

        assert_whole(&kind, &report, UnitRange::new(start, end));
    }
}

impl Bench {
    fn new(tick_us: u64) -> Self {
        Self { worker: Worker::new(), now_us: 0, tick_us }
    }

    /// One step, and the rest it asks for.
    fn step(&mut self) -> Option<Report> {
        let (now, tick) = (&mut self.now_us, self.tick_us);
        let step = self.worker.step(&mut || {
            let read = *now;
            *now += tick;
            read
        });
        if step.reports.is_empty() {
            self.now_us += u64::try_from(step.rest.as_micros()).expect("a rest is short");
        }
        assert!(step.reports.len() <= 1, "sums and delays have one thing to tell at a time");
        step.reports.into_iter().next()
    }

    fn run_to_report(&mut self) -> Report {
        (0..1_000_000).find_map(|_| self.step()).expect("a slice ends")
    }
}

/// A clock that moves between the readings of one step only.
struct Stepwise<'a> {
    now_us: &'a mut u64,
    readings: u32,
}

impl Stepwise<'_> {
    fn read(&mut self, step_us: u64) -> u64 {
        if self.readings == 1 {
            *self.now_us += step_us;
        }
        self.readings += 1;
        *self.now_us
    }
}

fn sum(last: u64, unit_size: u64) -> JobKind {
    JobKind::Sum { first: 1, last, unit_size, base: 0 }
}

fn begin(kind: &JobKind, start: u64, end: u64) -> Command {
    Command::Begin { kind: kind.clone(), slice: UnitRange::new(start, end), saved: None }
}

/// That a report covers exactly these units, in the largest blocks, each with its true outcome.
fn assert_whole(kind: &JobKind, report: &Report, units: UnitRange) {
    let Report::Done { slice, blocks, .. } = report else { panic!("not done: {report:?}") };
    assert_eq!(*slice, units);
    let expected: Vec<(Block, Outcome)> =
        units.blocks().map(|block| (block, compute(kind, block.range()))).collect();
    assert_eq!(*blocks, expected);
}
