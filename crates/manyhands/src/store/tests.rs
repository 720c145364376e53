//! The host's file under everything that happens to files: crashes between any two steps, full disks, other people.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use manyhands_jobs::kernel;
use manyhands_wire::{PeerId, UnitRange};
use tempfile::TempDir;

use super::replace::Step;
use super::*;

const GOAL: u64 = 10_000;
/// Ten units of a thousand numbers.
const UNIT_SIZE: u64 = 1000;
const LIZ: &str =
    "{ \"most_recent_counting_number_added\": 0, \"current_total\": 0, \"counting_number\": 10000 }\n";

#[test]
fn a_new_task_is_opened_without_touching_it() {
    let folder = a_folder(LIZ);

    let opened = open(&folder).unwrap();

    assert_eq!(text(&folder), LIZ);
    assert!(!opened.resumed && opened.notices.is_empty(), "{:?}", opened.notices);
    assert_eq!((opened.spec.units(), opened.ledger.done_units()), (10, 0));
    assert_ne!(opened.secret, [0; 32]);
}

#[test]
fn only_the_owner_can_read_the_secrets_and_the_task_keeps_its_readers() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = a_folder(LIZ);
    fs::set_permissions(task(&folder), fs::Permissions::from_mode(0o640)).unwrap();

    let mut opened = open(&folder).unwrap();
    compute(&mut opened, 0..1);
    save(&mut opened).unwrap();

    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.path().join("task.json.manyhands")), 0o600);
    assert_eq!(mode(task(&folder)), 0o640);
}

#[test]
fn a_job_goes_on_where_it_was_with_the_same_invite() {
    let folder = a_folder(LIZ);
    let mut first = open(&folder).unwrap();
    compute(&mut first, 0..3);
    compute(&mut first, 5..7);
    first.ledger.credit(UnitRange::new(5, 7), PeerId([4; 32]));

    save(&mut first).unwrap();
    assert_eq!(first.store.said(), &Statement::Task(truth(3000)));
    let (spec, ledger, secret, room_key) =
        (first.spec.clone(), first.ledger.clone(), first.secret, first.room_key);
    drop(first);
    let mut second = open(&folder).unwrap();

    assert_eq!(on_disk(&folder), truth(3000));
    assert!(second.resumed && second.notices.is_empty(), "{:?}", second.notices);
    assert_eq!((&second.spec, &second.ledger), (&spec, &ledger));
    assert_eq!((second.secret, second.room_key), (secret, room_key));
    finish(&mut second);
    assert_eq!(on_disk(&folder), truth(GOAL));
}

#[test]
fn a_crash_at_any_step_of_a_save_leaves_a_true_state_to_go_on_from() {
    let mut crashes = 0;
    for at in 0.. {
        let folder = a_folder(LIZ);
        let mut opened = open(&folder).unwrap();
        compute(&mut opened, 0..2);
        save(&mut opened).unwrap();
        compute(&mut opened, 2..4);
        compute(&mut opened, 6..8);
        let keys = (opened.secret, opened.room_key);

        // From this step on nothing reaches the disk any more, not even the cleaning up.
        let steps = AtomicUsize::new(0);
        opened.store.hook = Box::new(move |_| match steps.fetch_add(1, Ordering::Relaxed) {
            step if step < at => Ok(()),
            _ => Err(io::Error::other("the power failed")),
        });
        let outcome = save(&mut opened);
        drop(opened);

        let left = on_disk(&folder);
        assert!(left == truth(2000) || left == truth(4000), "step {at}: {left}");
        let mut again = open(&folder).unwrap();
        assert!(again.resumed && again.notices.is_empty(), "step {at}: {:?}", again.notices);
        assert_eq!((again.secret, again.room_key), keys, "step {at}");
        assert!([2, 6].contains(&again.ledger.done_units()), "step {at}");
        finish(&mut again);
        assert_eq!(on_disk(&folder), truth(GOAL), "step {at}");
        assert_eq!(names(&folder), [".task.json.manyhands-lock", "task.json", "task.json.manyhands"]);
        match outcome {
            Ok(_) => break,
            Err(_) => crashes += 1,
        }
    }

    // Five steps for each of two files.
    assert_eq!(crashes, 10);
}

#[test]
fn a_crash_at_any_step_of_a_restart_leaves_the_old_state_or_the_new() {
    for at in 0..20 {
        let folder = a_folder(&truth(2000).render());
        drop(open(&folder).unwrap());
        let steps = AtomicUsize::new(0);
        let hook: Hook = Box::new(move |_| match steps.fetch_add(1, Ordering::Relaxed) {
            step if step < at => Ok(()),
            _ => Err(io::Error::other("the power failed")),
        });

        let mut random = random();
        let _ = TaskStore::open_with(&task(&folder), options(true, &mut random), hook);

        let left = on_disk(&folder);
        assert!(left == truth(2000) || left == truth(0), "step {at}: {left}");
        let mut again = open(&folder).unwrap();
        finish(&mut again);
        assert_eq!(on_disk(&folder), truth(GOAL), "step {at}");
    }
}

#[test]
fn a_passing_error_at_any_step_is_told_and_the_next_save_makes_good() {
    for at in 0..10 {
        let folder = a_folder(LIZ);
        let mut opened = open(&folder).unwrap();
        compute(&mut opened, 0..2);
        let steps = AtomicUsize::new(0);
        opened.store.hook = Box::new(move |_| match steps.fetch_add(1, Ordering::Relaxed) {
            step if step == at => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        });

        let error = save(&mut opened).unwrap_err();
        assert!(error.to_string().contains("the disk is full; make some room"), "{error}");
        assert_eq!(names(&folder), [".task.json.manyhands-lock", "task.json", "task.json.manyhands"]);

        compute(&mut opened, 2..3);
        let saved = save(&mut opened).unwrap();
        assert!(saved.notices.is_empty(), "step {at}: {:?}", saved.notices);
        assert_eq!(on_disk(&folder), truth(3000));
    }
}

#[test]
fn a_save_without_news_writes_nothing() {
    let folder = a_folder(LIZ);
    let mut opened = open(&folder).unwrap();
    compute(&mut opened, 0..1);
    save(&mut opened).unwrap();
    save(&mut opened).unwrap();
    let steps = Arc::new(Mutex::new(Vec::<Step>::new()));
    let seen = Arc::clone(&steps);
    opened.store.hook = Box::new(move |step| {
        seen.lock().unwrap().push(step);
        Ok(())
    });

    save(&mut opened).unwrap();

    assert_eq!(*steps.lock().unwrap(), []);
}

#[test]
fn somebody_elses_change_while_running_is_kept_aside() {
    let folder = a_folder(LIZ);
    let mut opened = open(&folder).unwrap();
    compute(&mut opened, 0..1);
    save(&mut opened).unwrap();

    for (number, theirs) in [(1, "{ \"counting_number\": 77"), (2, &*truth(7000).render())] {
        fs::write(task(&folder), theirs).unwrap();
        let saved = save(&mut opened).unwrap();
        let kept = folder.path().join(format!("task.json.changed-{number}"));
        assert!(saved.notices[0].contains("changed by somebody else"), "{:?}", saved.notices);
        assert_eq!(fs::read_to_string(kept).unwrap(), theirs);
        assert_eq!(on_disk(&folder), truth(1000));
    }
    fs::remove_file(task(&folder)).unwrap();
    let saved = save(&mut opened).unwrap();

    assert!(saved.notices[0].contains("was removed"), "{:?}", saved.notices);
    assert_eq!(on_disk(&folder), truth(1000));
    for _ in 2..SET_ASIDE_MAX {
        fs::write(task(&folder), "again").unwrap();
        save(&mut opened).unwrap();
    }
    fs::write(task(&folder), "once more").unwrap();
    let saved = save(&mut opened).unwrap();
    assert!(saved.notices[0].contains("is not, and the host's is written again"), "{:?}", saved.notices);
    assert_eq!(on_disk(&folder), truth(1000));
    assert!(!folder.path().join(format!("task.json.changed-{}", SET_ASIDE_MAX + 1)).exists());
}

#[test]
fn new_white_space_is_no_change() {
    let folder = a_folder(LIZ);
    let mut opened = open(&folder).unwrap();
    compute(&mut opened, 0..1);
    save(&mut opened).unwrap();
    fs::write(task(&folder), truth(1000).render().replace(", ", ",\n  ")).unwrap();

    let notices = save(&mut opened).unwrap().notices;
    drop(opened);

    assert!(notices.is_empty(), "{notices:?}");
    assert!(open(&folder).unwrap().resumed);
}

#[test]
fn a_task_changed_between_runs_is_a_new_job_in_the_same_room() {
    let folder = a_folder(LIZ);
    let mut opened = open(&folder).unwrap();
    compute(&mut opened, 0..4);
    save(&mut opened).unwrap();
    let (id, keys) = (opened.spec.id(), (opened.secret, opened.room_key));
    drop(opened);
    fs::write(task(&folder), TaskFile { counting_number: 20_000, ..truth(4000) }.render()).unwrap();

    let changed = open(&folder).unwrap();

    assert!(!changed.resumed);
    assert!(changed.notices[0].contains("was changed since the last time"), "{:?}", changed.notices);
    assert_ne!(changed.spec.id(), id);
    assert_eq!((changed.secret, changed.room_key), keys);
    assert_eq!(changed.spec.units(), 16);
}

#[test]
fn a_damaged_sidecar_costs_the_invite_and_no_work_in_the_task() {
    let folder = a_folder(LIZ);
    let mut opened = open(&folder).unwrap();
    compute(&mut opened, 0..4);
    save(&mut opened).unwrap();
    drop(opened);
    let sidecar = folder.path().join("task.json.manyhands");
    let good = fs::read(&sidecar).unwrap();

    let damages = (0..good.len()).step_by(37).map(|at| {
        let mut bytes = good.clone();
        bytes[at] ^= 0x55;
        bytes
    });
    for bytes in damages.chain([Vec::new(), good[..good.len() - 1].to_vec()]) {
        assert!(Sidecar::decode(&bytes).is_err());
    }
    fs::write(&sidecar, &good[..good.len() - 1]).unwrap();
    let opened = open(&folder).unwrap();

    assert!(!opened.resumed);
    assert!(opened.notices[0].contains("its bytes are damaged"), "{:?}", opened.notices);
    assert_eq!(opened.store.said(), &Statement::Task(truth(4000)));
    assert_eq!(
        fs::read(folder.path().join("task.json.manyhands.damaged-1")).unwrap(),
        good[..good.len() - 1]
    );
}

#[test]
fn a_sidecar_of_a_newer_version_is_left_alone() {
    let folder = a_folder(LIZ);
    let sidecar = folder.path().join("task.json.manyhands");
    fs::write(&sidecar, b"manyhands sidecar v3\nwhatever it holds").unwrap();

    let error = refusal(&folder);

    assert!(error.contains("was written by a newer version of manyhands"), "{error}");
    assert!(fs::read(&sidecar).unwrap().ends_with(b"whatever it holds"));
}

#[test]
fn a_wrong_total_is_refused_and_a_restart_begins_from_zero() {
    let wrong = TaskFile { current_total: 12_345_678, ..truth(5000) };
    let folder = a_folder(&wrong.render());

    let error = refusal(&folder);
    let mut random = random();
    let mut restarted = TaskStore::open(&task(&folder), options(true, &mut random)).unwrap();

    assert!(error.contains("current_total is 12345678"), "{error}");
    assert!(
        error.contains("the numbers from 1 to 5000 come to 12502500") && error.contains("--restart"),
        "{error}"
    );
    assert_eq!(on_disk(&folder), truth(0));
    assert!(restarted.notices[0].contains("begins again from 0"), "{:?}", restarted.notices);
    assert_eq!(fs::read_to_string(folder.path().join("task.json.before-restart-1")).unwrap(), wrong.render());
    finish(&mut restarted);
    assert_eq!(on_disk(&folder), truth(GOAL));
}

#[test]
fn a_total_that_takes_long_to_check_is_taken_on_trust_and_said_so() {
    let last = 900_000_000_000_000_000;
    let long = TaskFile {
        most_recent_counting_number_added: last,
        current_total: u128::from(last) << 32,
        counting_number: last + 10,
    };
    let folder = a_folder(&long.render());

    let opened = open_with_units(&folder, None).unwrap();

    assert!(opened.notices[0].contains("taken on trust"), "{:?}", opened.notices);
    assert_eq!(verify::check(&truth(5000), Duration::from_secs(2)), Verdict::True);
}

#[test]
fn a_second_host_on_the_same_file_is_told_who_has_it() {
    let folder = a_folder(LIZ);
    let link = folder.path().join("link.json");
    std::os::unix::fs::symlink("task.json", &link).unwrap();
    let first = open(&folder).unwrap();

    for path in [task(&folder), link] {
        let mut random = random();
        let error = TaskStore::open(&path, options(false, &mut random)).map(|_| ()).unwrap_err();
        let expected = format!("another manyhands host (process {}) is working on", std::process::id());
        assert!(error.to_string().contains(&expected), "{error}");
    }
    drop(first);

    assert!(open(&folder).is_ok());
}

#[test]
fn a_link_to_the_task_stays_a_link() {
    let folder = a_folder(LIZ);
    let link = folder.path().join("link.json");
    std::os::unix::fs::symlink("task.json", &link).unwrap();

    let mut random = random();
    let mut opened = TaskStore::open(&link, options(false, &mut random)).unwrap();
    finish(&mut opened);

    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(on_disk(&folder), truth(GOAL));
    assert_eq!(opened.store.path(), fs::canonicalize(task(&folder)).unwrap());
}

#[test]
fn a_path_that_leads_to_no_file_is_told_what_is_wrong_with_it() {
    let folder = a_folder(LIZ);
    let inside = |name: &str| folder.path().join(name);
    std::os::unix::fs::symlink("nowhere.json", inside("dangling.json")).unwrap();
    fs::write(inside("read-only.json"), LIZ).unwrap();
    let mut permissions = fs::metadata(inside("read-only.json")).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(inside("read-only.json"), permissions).unwrap();
    let cases = [
        (inside("absent.json"), "create it with this line in it: { \"most_recent"),
        (inside("no/such/task.json"), "there is no folder"),
        (inside("dangling.json"), "is a link to nowhere.json, which does not exist"),
        (inside("read-only.json"), "is marked read-only"),
        (folder.path().to_owned(), "is a folder; name the file in it"),
        (PathBuf::from("/dev/null"), "is not a plain file"),
        (inside("task.json/task.json"), "cannot read"),
    ];

    for (path, expected) in cases {
        let mut random = random();
        let error = TaskStore::open(&path, options(false, &mut random)).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_broken_task_is_refused_with_the_last_state_that_was_saved() {
    let folder = a_folder(LIZ);
    let mut opened = open(&folder).unwrap();
    compute(&mut opened, 0..6);
    save(&mut opened).unwrap();
    drop(opened);
    let known = truth(6000).to_string();

    fs::write(task(&folder), "").unwrap();
    let empty = refusal(&folder);
    fs::remove_file(task(&folder)).unwrap();
    let gone = refusal(&folder);
    fs::write(task(&folder), &known).unwrap();

    assert!(empty.contains("the file is empty") && empty.contains(&known), "{empty}");
    assert!(gone.contains("there is no file") && gone.contains(&known), "{gone}");
    assert!(open(&folder).unwrap().resumed);
}

#[test]
fn a_unit_size_over_the_limit_is_refused() {
    let folder = a_folder(LIZ);

    for size in [0, 1 << 31] {
        let error = open_with_units(&folder, Some(size)).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("unit size is not within 1 to 2^30"), "{error}");
    }
}

#[test]
fn a_failure_to_write_at_the_opening_leaves_the_task_as_it_was() {
    let folder = a_folder(LIZ);
    let mut random = random();
    let hook: Hook = Box::new(|_| Err(io::ErrorKind::PermissionDenied.into()));

    let error =
        TaskStore::open_with(&task(&folder), options(false, &mut random), hook).map(|_| ()).unwrap_err();

    assert!(error.to_string().contains("the folder must be writable too"), "{error}");
    assert_eq!(text(&folder), LIZ);
}

fn a_folder(content: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(task(&folder), content).unwrap();
    folder
}

fn task(folder: &TempDir) -> PathBuf {
    folder.path().join("task.json")
}

fn text(folder: &TempDir) -> String {
    fs::read_to_string(task(folder)).unwrap()
}

fn on_disk(folder: &TempDir) -> TaskFile {
    TaskFile::parse(text(folder).as_bytes()).unwrap()
}

fn names(folder: &TempDir) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// What the file must say once the numbers up to `last` are added.
fn truth(last: u64) -> TaskFile {
    TaskFile {
        most_recent_counting_number_added: last,
        current_total: (1..=last).map(u128::from).sum(),
        counting_number: GOAL,
    }
}

fn random() -> impl FnMut(&mut [u8]) {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    |bytes| {
        let seed = blake3::hash(&NEXT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
        bytes.copy_from_slice(&seed.as_bytes()[..bytes.len()]);
    }
}

fn options(restart: bool, random: &mut dyn FnMut(&mut [u8])) -> OpenOptions<'_> {
    OpenOptions { unit_size: Some(UNIT_SIZE), asked_by: "Liz", restart, random }
}

fn open(folder: &TempDir) -> Result<Opened, OpenError> {
    open_with_units(folder, Some(UNIT_SIZE))
}

fn open_with_units(folder: &TempDir, unit_size: Option<u64>) -> Result<Opened, OpenError> {
    let mut random = random();
    TaskStore::open(&task(folder), OpenOptions { unit_size, ..options(false, &mut random) })
}

fn refusal(folder: &TempDir) -> String {
    open(folder).map(|_| ()).unwrap_err().to_string()
}

fn save(opened: &mut Opened) -> Result<Done, WriteError> {
    opened.store.save(&opened.spec, &opened.ledger)
}

fn compute(opened: &mut Opened, units: std::ops::Range<u64>) {
    for block in UnitRange::new(units.start, units.end).blocks() {
        let outcome = kernel::compute(&opened.spec.kind, block.range());
        opened.ledger.insert(block, outcome).unwrap();
    }
}

fn finish(opened: &mut Opened) {
    compute(opened, 0..opened.spec.units());
    save(opened).unwrap();
    assert_eq!(opened.store.said(), &Statement::Task(truth(GOAL)));
    assert!(Path::new(opened.store.path()).exists());
}
