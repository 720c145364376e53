//! The host is killed with `kill -9` at random moments, again and again: `task.json` is true after each, never goes back,
//! and in the end shows the exact total.
//!
//! The moments come from a seed, which every failure names; `MANYHANDS_SEED=… cargo test -p manyhands --test kill_nine`
//! runs the same ones again.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use manyhands_jobs::kernel;
use manyhands_ledger::TaskFile;
use manyhands_wire::UnitRange;

const SEED: u64 = 0x51ed_2701;
const KILLS: u64 = 18;
/// How much of one thread the killed hosts lend, so that the job outlives them all.
const THROTTLE: &str = "15%";
/// How long one thread would take for the job, unthrottled: several times what all killed hosts can do.
const JOB_SECONDS: u64 = 10;
/// How often the speed is measured: the best counts, as others may use the machine meanwhile.
const MEASUREMENTS: u32 = 5;
/// Far more than a host needs for anything here, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn a_host_killed_at_any_moment_leaves_a_true_task_and_ends_with_the_exact_total() {
    let seed = std::env::var("MANYHANDS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(SEED);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("task.json");
    let goal = numbers_per_second() * JOB_SECONDS;
    fs::write(&path, TaskFile::new(goal).render()).unwrap();
    let mut random = seed;
    let mut reached = 0;
    let mut kills_that_progressed = 0;

    for kill in 0..KILLS {
        let mut host = Host::start(&path, &["--threads", "1", "--throttle", THROTTLE]);
        if kill % 3 == 0 {
            // Somewhere around a save.
            host.run_until_the_task_changes(&path);
            host.run_for(millis(&mut random, 60));
        } else {
            // While it starts, opens its file, or works.
            host.run_for(millis(&mut random, 700));
        }
        host.kill();

        let task = read(&path, seed, kill);
        let now = task.most_recent_counting_number_added;
        assert_eq!(task.counting_number, goal, "seed {seed}, kill {kill}");
        assert_eq!(task.current_total, total(now), "seed {seed}, kill {kill}: {task}");
        assert!(now >= reached, "seed {seed}, kill {kill}: {now} after {reached}");
        kills_that_progressed += u64::from(now > reached);
        reached = now;
        if task.is_finished() {
            // The speed was measured in a bad moment; there is nothing left to be killed at.
            break;
        }
    }
    assert!(
        kills_that_progressed >= KILLS / 3 || reached == goal,
        "only {kills_that_progressed} of {KILLS} hosts progressed"
    );
    let mut last = Host::start(&path, &["--exit-when-done"]);
    let (status, said) = last.run_to_its_end();

    let task = read(&path, seed, KILLS);
    assert!(status.success(), "seed {seed}: {status}, {said}");
    assert!(task.is_finished(), "seed {seed}: {task}");
    assert_eq!(task.current_total, total(goal), "seed {seed}: {task}");
}

/// A host that runs, and is killed when the test lets go of it.
struct Host {
    child: Child,
    /// Hears of it when the process has ended, with what it said on the error output.
    ended: Receiver<String>,
}

impl Host {
    fn start(task: &Path, more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_manyhands"));
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("MANYHANDS_") {
                command.env_remove(variable);
            }
        }
        let mut child = command
            .arg("host")
            .arg(task)
            .args(["--bind", "127.0.0.1", "--port", "0"])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program is built before its tests");
        let mut output = child.stderr.take().expect("the error output is piped");
        let (tell, ended) = channel();
        std::thread::spawn(move || {
            let mut said = String::new();
            // The output closes when the process ends, however it ends; nobody may be listening by then.
            let _ = output.read_to_string(&mut said);
            let _ = tell.send(said);
        });
        Self { child, ended }
    }

    /// Lets it run for so long.
    fn run_for(&mut self, time: Duration) {
        let ended = self.ended.recv_timeout(time);
        assert_eq!(
            ended,
            Err(RecvTimeoutError::Timeout),
            "the host ended by itself: {:?}",
            self.child.wait()
        );
    }

    fn run_until_the_task_changes(&mut self, path: &Path) {
        let before = fs::read(path).expect("the task is there at every moment");
        let begun = Instant::now();
        let is_finished = TaskFile::parse(&before).is_ok_and(|task| task.is_finished());
        while !is_finished && fs::read(path).expect("the task is there at every moment") == before {
            assert!(begun.elapsed() < PATIENCE, "the task does not change");
            self.run_for(Duration::from_millis(1));
        }
    }

    fn run_to_its_end(&mut self) -> (ExitStatus, String) {
        let said = self.ended.recv_timeout(PATIENCE).expect("the host ends when the job is done");
        (self.child.wait().expect("the host is our own child"), said)
    }

    /// `kill -9`.
    fn kill(mut self) {
        self.child.kill().expect("the host is our own child");
        self.child.wait().expect("the host is our own child");
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(path: &Path, seed: u64, kill: u64) -> TaskFile {
    let bytes = fs::read(path).expect("the task is there at every moment");
    TaskFile::parse(&bytes).unwrap_or_else(|error| panic!("seed {seed}, kill {kill}: {error}"))
}

/// What the numbers from 1 on come to. The test may use the formula: it is the one who checks the adding.
fn total(last: u64) -> u128 {
    u128::from(last) * (u128::from(last) + 1) / 2
}

fn numbers_per_second() -> u64 {
    const PIECE: u64 = 1 << 22;
    let job = TaskFile::new(1 << 40).to_spec(Some(PIECE), "", [0; 16]);
    let measure = |_| {
        let begun = Instant::now();
        let mut units = 0;
        while begun.elapsed() < Duration::from_millis(100) {
            std::hint::black_box(kernel::compute(&job.kind, UnitRange::new(units, units + 1)));
            units += 1;
        }
        units * PIECE * 10
    };
    (0..MEASUREMENTS).map(measure).max().expect("there is more than one measurement")
}

fn millis(random: &mut u64, below: u64) -> Duration {
    *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    Duration::from_millis((*random >> 33) % below)
}
