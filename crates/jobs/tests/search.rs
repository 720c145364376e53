//! The worker on a search for Mersenne primes, against a clock that goes as the test likes.

use std::time::Duration;

use manyhands_jobs::kernel::compute;
use manyhands_jobs::kernel::mersenne::{Run, test};
use manyhands_jobs::{Claim, Command, Report, Saved, Worker};
use manyhands_wire::mersenne::{LEVEL_MAX, Verdict};
use manyhands_wire::{Block, JobKind, Outcome, UnitRange};

/// The first exponent of the searches: its unit is 0.
const FROM: u32 = 2;
/// A composite that has a proof in these searches, and no small factor.
const PROVEN: u32 = 2027;

/// A worker with a clock that moves by `step_us` during each step, and over the whole rest after it.
struct Bench {
    worker: Worker,
    now_us: u64,
    step_us: u64,
    /// What was told, but for slices that were finished.
    told: Vec<Report>,
    steps: u64,
}

#[test]
fn a_slice_comes_out_as_blocks_of_no_more_than_256_exponents() {
    let kind = search(3000, 2000);
    let mut bench = Bench::new(10_000);
    bench.handle(begin(&kind, 3, 1_500));

    bench.assert_whole(&kind, UnitRange::new(3, 1_500));
    assert!(bench.steps > 3, "commands get a hearing");
    assert!(!bench.worker.is_busy());
}

#[test]
fn units_beyond_the_last_exponent_are_nothing() {
    let kind = search(100, 50);
    let mut bench = Bench::new(10_000);
    bench.handle(begin(&kind, 90, 200));

    bench.assert_whole(&kind, UnitRange::new(90, 200));
}

#[test]
fn the_speed_of_the_clock_leaves_no_trace() {
    let kind = search(2500, 1500);
    let units = UnitRange::new(1_000, 2_100);
    let proofs: Vec<Vec<Report>> = [0, 100, 10_000, 1_000_000]
        .into_iter()
        .map(|step_us| {
            let mut bench = Bench::new(step_us);
            bench.handle(begin(&kind, units.start, units.end));
            bench.assert_whole(&kind, units);
            bench.told.retain(|report| matches!(report, Report::Proved { .. }));
            bench.told
        })
        .collect();

    assert!(!proofs[0].is_empty());
    assert!(proofs.iter().all(|others| *others == proofs[0]));
}

#[test]
fn a_proof_comes_before_its_slice_is_done() {
    let kind = search(3000, 1000);
    let unit = u64::from(PROVEN - FROM);
    let mut bench = Bench::new(10_000);
    bench.handle(begin(&kind, unit, unit + 1));

    bench.assert_whole(&kind, UnitRange::new(unit, unit + 1));
    let (_, proof) = test(PROVEN, 1000);
    assert_eq!(bench.told, [Report::Proved { unit, proof: proof.expect("it is a composite") }]);
}

#[test]
fn a_long_unit_tells_its_progress_each_second_and_is_saved_after_ten() {
    let kind = search(3000, 1000);
    let unit = u64::from(PROVEN - FROM);
    let mut bench = Bench::new(1_000_000);
    bench.handle(begin(&kind, unit, unit + 1));
    bench.until(25_000_000);

    let progress: Vec<u32> = bench.told.iter().filter_map(progress_of).collect();
    assert!((15..=25).contains(&progress.len()), "{} times in 25 s", progress.len());
    assert!(progress.is_sorted() && progress[0] > 0 && progress[progress.len() - 1] <= PROVEN);
    let saved: Vec<&Report> =
        bench.told.iter().filter(|report| matches!(report, Report::Saved { .. })).collect();
    assert_eq!(saved.len(), 2);

    let Report::Saved { unit: of, iteration, iterations, state } = saved[0] else { panic!("it is saved") };
    assert_eq!((*of, *iterations), (unit, PROVEN));
    let resumed = Run::resume(PROVEN, 1000, state, false).expect("a worker saves what can be resumed");
    assert_eq!(resumed.progress().0, *iteration);
}

#[test]
fn a_long_unit_that_nobody_wants_any_more_is_saved_and_given_up() {
    let kind = search(3000, 1000);
    let unit = u64::from(PROVEN - FROM);
    let mut first = Bench::new(400_000);
    first.handle(begin(&kind, unit, unit + 5));
    first.until(5_000_000);
    first.told.clear();
    first.handle(Command::Shorten { end: 0 });

    let [Report::Saved { unit: of, state, .. }, Report::Shortened { end }] = &first.told[..] else {
        panic!("{:?}", first.told)
    };
    assert_eq!((*of, *end), (unit, unit));
    let state = state.clone();
    first.assert_whole(&kind, UnitRange::new(unit, unit));

    // Somebody else goes on with it, and the proof is verified on the way.
    let mut second = Bench::new(10_000);
    let saved = Some(Saved { unit, state, is_foreign: true });
    let slice = UnitRange::new(unit, unit + 1);
    second.handle(Command::Begin { kind: kind.clone(), slice, saved });
    second.assert_whole(&kind, slice);
    let (_, proof) = test(PROVEN, 1000);
    assert_eq!(second.told, [Report::Proved { unit, proof: proof.expect("it is a composite") }]);
}

#[test]
fn a_unit_without_a_proof_is_given_up_without_a_state() {
    let kind = search(9000, u32::MAX);
    let unit = u64::from(8999 - FROM);
    let mut bench = Bench::new(1_000_000);
    bench.handle(begin(&kind, unit, unit + 1));
    bench.until(5_000_000);
    bench.told.clear();
    bench.handle(Command::Shorten { end: unit });

    assert_eq!(bench.told, [Report::Shortened { end: unit }]);
    bench.assert_whole(&kind, UnitRange::new(unit, unit));
}

#[test]
fn a_unit_that_is_nearly_done_is_finished() {
    let kind = search(3000, 1000);
    let unit = u64::from(PROVEN - FROM);
    // On this clock the whole unit takes a fraction of a second.
    let mut bench = Bench::new(100);
    bench.handle(begin(&kind, unit, unit + 5));
    for _ in 0..3 {
        assert!(bench.step().is_none());
    }
    bench.handle(Command::Shorten { end: 0 });

    assert_eq!(bench.told, [Report::Shortened { end: unit + 1 }]);
    bench.assert_whole(&kind, UnitRange::new(unit, unit + 1));
}

#[test]
fn a_check_that_verifies_ends_when_nobody_wants_it_any_more() {
    let kind = search(9000, 1000);
    let unit = u64::from(8999 - FROM);
    let slice = UnitRange::new(unit, unit + 1);
    let (finding, proof) = test(8999, 1000);
    let Verdict::Composite { residue } = finding.verdict else { panic!("it is a composite") };
    let proof = proof.expect("it has a proof");
    let mut bench = Bench::new(1_000_000);
    bench.handle(Command::Check { kind: kind.clone(), slice, claims: vec![Claim { unit, residue, proof }] });
    for _ in 0..3 {
        assert!(bench.step().is_none());
    }
    bench.handle(Command::Shorten { end: unit });

    assert_eq!(bench.told, [Report::Shortened { end: unit }]);
    bench.assert_whole(&kind, UnitRange::new(unit, unit));
}

#[test]
fn a_check_that_was_nearly_done_does_not_become_a_whole_test() {
    let kind = search(9000, 1000);
    let unit = u64::from(8999 - FROM);
    let slice = UnitRange::new(unit, unit + 1);
    let (finding, proof) = test(8999, 1000);
    let Verdict::Composite { residue } = finding.verdict else { panic!("it is a composite") };
    let mut proof = proof.expect("it has a proof");
    let claim = |proof: &[u8]| vec![Claim { unit, residue, proof: proof.to_vec() }];
    let mut bench = Bench::new(10_000);
    bench.handle(Command::Check { kind: kind.clone(), slice, claims: claim(&proof) });
    bench.assert_whole(&kind, slice);
    let steps = bench.steps;

    // That the proof is none shows at the end only.
    proof[2000] ^= 1;
    let mut bench = Bench::new(10_000);
    bench.handle(Command::Check { kind: kind.clone(), slice, claims: claim(&proof) });
    for _ in 0..steps - 10 {
        assert!(bench.step().is_none());
    }
    bench.handle(Command::Shorten { end: unit });

    assert_eq!(bench.told, [Report::Shortened { end: unit + 1 }], "it is nearly done");
    bench.assert_whole(&kind, UnitRange::new(unit, unit));
}

#[test]
fn a_state_of_no_use_is_passed_over() {
    let kind = search(3000, 1000);
    let unit = u64::from(PROVEN - FROM);
    for (of, state) in [(unit, vec![]), (unit, vec![1; 5_000]), (unit + 7, vec![1; 50])] {
        let mut bench = Bench::new(10_000);
        let slice = UnitRange::new(unit, unit + 1);
        let saved = Some(Saved { unit: of, state, is_foreign: true });
        bench.handle(Command::Begin { kind: kind.clone(), slice, saved });

        bench.assert_whole(&kind, slice);
    }
}

#[test]
fn a_check_believes_proofs_and_computes_the_rest() {
    let kind = search(3000, 1000);
    let unit = u64::from(PROVEN - FROM);
    let (finding, proof) = test(PROVEN, 1000);
    let Verdict::Composite { residue } = finding.verdict else { panic!("it is a composite") };
    let proof = proof.expect("it has a proof");
    let slice = UnitRange::new(unit - 30, unit + 20);
    let mut squarings = Vec::new();
    for (residue, proof) in [(residue, proof.clone()), (residue ^ 1, proof.clone()), (residue, vec![1; 40])] {
        let claims =
            vec![Claim { unit: unit + 5_000, residue: 1, proof: vec![] }, Claim { unit, residue, proof }];
        let mut bench = Bench::new(1_000_000);
        bench.handle(Command::Check { kind: kind.clone(), slice, claims });
        bench.assert_whole(&kind, slice);
        let is_silent = bench.told.iter().all(|report| matches!(report, Report::Progress { .. }));
        assert!(is_silent, "a check tells of no states and proofs");
        squarings.push(bench.steps);
    }

    assert!(squarings[0] < squarings[1] && squarings[0] < squarings[2], "{squarings:?}");
}

#[test]
fn a_proven_composite_with_a_small_factor_is_checked_to_be_that() {
    // 2^2003 - 1 has the factor 4007. To say what is true too, but not what the others will say, is no way to make liars of them.
    let kind = search(3000, 1000);
    let unit = u64::from(2003 - FROM);
    let slice = UnitRange::new(unit, unit + 1);
    let mut run = Run::without_factors(2003, 1000);
    while !run.is_done() {
        run.step(1 << 20);
    }
    let Some((finding, Some(proof))) = run.finish() else { panic!("it has a proof") };
    let Verdict::Composite { residue } = finding.verdict else { panic!("it is a composite") };
    let mut begun = Run::without_factors(2003, 1000);
    begun.step(1 << 16);
    let state = begun.save().expect("a test has a state");

    let mut bench = Bench::new(10_000);
    let claims = vec![Claim { unit, residue, proof }];
    bench.handle(Command::Check { kind: kind.clone(), slice, claims });
    bench.assert_whole(&kind, slice);

    let saved = Some(Saved { unit, state, is_foreign: true });
    bench.handle(Command::Begin { kind: kind.clone(), slice, saved });
    bench.assert_whole(&kind, slice);
}

#[test]
fn a_prime_is_confirmed_and_a_false_one_is_not() {
    for (exponent, is_prime) in [(1279, true), (2203, true), (2207, false), (4, false), (u32::MAX, false)] {
        let mut bench = Bench::new(10_000);
        bench.handle(Command::Confirm { exponent, salt: 9 });

        assert_eq!(bench.run(), Report::Confirmed { exponent, is_prime: Some(is_prime) });
        assert!(!bench.worker.is_busy() && bench.told.is_empty());
    }
}

#[test]
fn a_confirmation_cut_short_says_so() {
    for command in [Command::Shorten { end: 0 }, begin(&search(100, 50), 0, 10)] {
        let mut bench = Bench::new(1_000_000);
        bench.handle(Command::Confirm { exponent: 9689, salt: 0 });
        assert!(bench.step().is_none());

        bench.handle(command);

        assert_eq!(bench.told, [Report::Confirmed { exponent: 9689, is_prime: None }]);
    }
}

#[test]
fn the_throttle_holds_for_exponents_too() {
    let kind = search(3000, 1000);
    let mut bench = Bench::new(10_000);
    bench.handle(Command::Throttle(250));
    bench.handle(begin(&kind, 1_000, 1_400));
    let Report::Done { took_us, .. } = bench.run() else { panic!("it is done") };

    assert_eq!(took_us, bench.steps * 40_000);
}

#[test]
fn the_speed_of_a_search_is_measured_quickly() {
    for (from, to) in [(2, 100), (2, 20_000), (200_000, 4_000_000)] {
        let mut bench = Bench::new(10_000);
        bench.handle(Command::Calibrate(JobKind::Mersenne { from, to, proofs_from: 1 << 16 }));

        let Report::Calibrated { speed } = bench.run() else { panic!("it is calibrated") };

        assert!(speed > 0 && bench.now_us <= 100_000, "{speed} after {} us", bench.now_us);
    }
}

impl Bench {
    fn new(step_us: u64) -> Self {
        Self { worker: Worker::new(), now_us: 0, step_us, told: Vec::new(), steps: 0 }
    }

    fn handle(&mut self, command: Command) {
        self.told.extend(self.worker.handle(command));
    }

    /// One step, and the rest it asks for. The end of what was asked for, if that was it.
    fn step(&mut self) -> Option<Report> {
        self.steps += 1;
        let mut is_first = true;
        let (now_us, step_us) = (&mut self.now_us, self.step_us);
        let step = self.worker.step(&mut || {
            if !std::mem::take(&mut is_first) {
                *now_us += step_us;
            }
            *now_us
        });
        self.now_us += u64::try_from(step.rest.as_micros()).expect("a rest is short");
        assert!(step.rest < Duration::from_secs(5));
        let mut reports = step.reports;
        let is_end = |report: &Report| {
            matches!(report, Report::Done { .. } | Report::Calibrated { .. } | Report::Confirmed { .. })
        };
        let end = reports.pop_if(|report| is_end(report));
        self.told.extend(reports);
        end
    }

    fn run(&mut self) -> Report {
        (0..10_000_000).find_map(|_| self.step()).expect("a slice ends")
    }

    fn until(&mut self, us: u64) {
        while self.now_us < us {
            assert_eq!(self.step(), None);
        }
    }

    /// That the slice ends as exactly these units, in the largest blocks there may be, each with its true outcome.
    fn assert_whole(&mut self, kind: &JobKind, units: UnitRange) {
        let Report::Done { slice, blocks, .. } = self.run() else { panic!("a slice is done") };
        assert_eq!(slice, units);
        let truth: Vec<(Block, Outcome)> =
            units.blocks_up_to(LEVEL_MAX).map(|block| (block, compute(kind, block.range()))).collect();
        assert_eq!(blocks, truth);
    }
}

fn progress_of(report: &Report) -> Option<u32> {
    match report {
        Report::Progress { iteration, .. } => Some(*iteration),
        _ => None,
    }
}

fn search(to: u32, proofs_from: u32) -> JobKind {
    JobKind::Mersenne { from: FROM, to, proofs_from }
}

fn begin(kind: &JobKind, start: u64, end: u64) -> Command {
    Command::Begin { kind: kind.clone(), slice: UnitRange::new(start, end), saved: None }
}
