//! The file of a search under what happens to it: restarts, crashes between any two steps, other people, other wishes.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use manyhands_jobs::kernel;
use manyhands_jobs::worker::Saved;
use manyhands_wire::{JobId, PeerId};
use tempfile::TempDir;

use super::*;

const FROM: u32 = 2;
const TO: u32 = 300;

#[test]
fn a_new_search_makes_its_file_and_says_that_nothing_is_finished() {
    let folder = tempfile::tempdir().unwrap();

    let opened = open(&folder, Some(FROM), Some(TO)).unwrap();

    assert!(!opened.resumed && opened.notices.is_empty(), "{:?}", opened.notices);
    assert_eq!(on_disk(&folder), SearchFile::new(FROM, Some(TO)));
    assert_eq!(opened.spec.kind, JobKind::Mersenne { from: FROM, to: TO, proofs_from: PROOFS_FROM });
}

#[test]
fn a_search_goes_on_where_it_was_with_the_same_invite() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = open(&folder, Some(FROM), Some(TO)).unwrap();
    compute(&mut first, 0..40);
    compute(&mut first, 60..90);
    first.ledger.credit(UnitRange::new(60, 90), PeerId([4; 32]));
    save(&mut first);
    let (spec, ledger, keys) = (first.spec.clone(), first.ledger.clone(), (first.secret, first.room_key));
    drop(first);

    for (from, to) in [(None, None), (Some(FROM), None), (Some(FROM), Some(TO))] {
        let mut again = open(&folder, from, to).unwrap();

        assert!(again.resumed && again.notices.is_empty(), "{:?}", again.notices);
        assert_eq!((&again.spec, &again.ledger), (&spec, &ledger));
        assert_eq!((again.secret, again.room_key), keys);
        save(&mut again);
        let said = on_disk(&folder);
        assert_eq!(said.every_exponent_up_to, 41);
        assert_eq!(said.primes, [2, 3, 5, 7, 13, 17, 19, 31, 89]);
    }
}

#[test]
fn a_crash_at_any_step_of_a_save_leaves_a_true_state_to_go_on_from() {
    let mut crashes = 0;
    for at in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let mut opened = open(&folder, Some(FROM), Some(TO)).unwrap();
        compute(&mut opened, 0..20);
        save(&mut opened);
        compute(&mut opened, 20..128);

        // From this step on nothing reaches the disk any more, not even the cleaning up.
        let steps = AtomicUsize::new(0);
        opened.store.hook = Box::new(move |_| match steps.fetch_add(1, Ordering::Relaxed) {
            step if step < at => Ok(()),
            _ => Err(io::Error::other("the power failed")),
        });
        let outcome = opened.store.save(&opened.spec, &opened.ledger);
        drop(opened);

        let left = on_disk(&folder);
        assert!([21, 129].contains(&left.every_exponent_up_to), "step {at}: {left}");
        let mut again = open(&folder, None, None).unwrap();
        assert!(again.resumed && again.notices.is_empty(), "step {at}: {:?}", again.notices);
        compute(&mut again, 0..u64::from(TO - FROM) + 1);
        save(&mut again);
        assert_eq!(on_disk(&folder).every_exponent_up_to, TO, "step {at}");
        match outcome {
            Ok(_) => break,
            Err(_) => crashes += 1,
        }
    }

    // Five steps for each of two files.
    assert_eq!(crashes, 10);
}

#[test]
fn a_search_is_led_further_up_with_all_that_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = open(&folder, Some(FROM), Some(TO)).unwrap();
    compute(&mut first, 0..u64::from(TO - FROM) + 1);
    first.ledger.credit(UnitRange::new(0, 10), PeerId([4; 32]));
    save(&mut first);
    let before = on_disk(&folder);
    drop(first);

    let again = open(&folder, None, Some(700)).unwrap();

    assert!(again.notices[0].contains("now goes up to 700"), "{:?}", again.notices);
    assert_eq!(again.spec.units(), 699);
    assert_eq!(again.ledger.credited(&PeerId([4; 32])), 10);
    let said = on_disk(&folder);
    assert_eq!((said.to, said.every_exponent_up_to), (Some(700), TO));
    assert_eq!((said.primes, said.tested), (before.primes, before.tested));
}

#[test]
fn other_exponents_are_refused_with_what_the_file_has_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = open(&folder, Some(FROM), Some(TO)).unwrap();
    compute(&mut first, 0..40);
    save(&mut first);
    drop(first);
    let before = fs::read(path(&folder)).unwrap();

    for (from, to, asked) in [
        (Some(3), None, "3 on was asked for"),
        (None, Some(200), "up to 200 was asked for"),
        (Some(50), Some(900), "50 to 900"),
    ] {
        let refused = open(&folder, from, to).map(|_| ()).unwrap_err().to_string();

        for words in ["is of the exponents 2 to 300, finished up to 41", asked, "--restart", "--task"] {
            assert!(refused.contains(words), "{words}: {refused}");
        }
        assert_eq!(fs::read(path(&folder)).unwrap(), before);
    }
    let restarted = open_with(&folder, Some(50), Some(900), true).unwrap();
    assert!(restarted.notices[0].contains("before-restart-1"), "{:?}", restarted.notices);
    assert_eq!(on_disk(&folder), SearchFile::new(50, Some(900)));
    assert_eq!(fs::read(folder.path().join("mersenne.json.before-restart-1")).unwrap(), before);
}

#[test]
fn a_file_without_its_results_is_kept_and_the_search_begins_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = open(&folder, Some(FROM), Some(TO)).unwrap();
    compute(&mut first, 0..40);
    save(&mut first);
    drop(first);
    let sidecar = folder.path().join("mersenne.json.manyhands");
    fs::write(&sidecar, &fs::read(&sidecar).unwrap()[..50]).unwrap();

    let again = open(&folder, None, None).unwrap();

    assert!(again.notices[0].contains("its bytes are damaged"), "{:?}", again.notices);
    assert!(again.notices[1].contains("mersenne.json.before-restart-1"), "{:?}", again.notices);
    assert_eq!(on_disk(&folder), SearchFile::new(FROM, Some(TO)));
}

#[test]
fn a_file_that_somebody_changed_is_kept_and_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = open(&folder, Some(FROM), Some(TO)).unwrap();
    compute(&mut first, 0..40);
    save(&mut first);
    drop(first);
    let truth = on_disk(&folder);
    let lie = SearchFile { primes: vec![11], ..truth.clone() };
    fs::write(path(&folder), lie.render()).unwrap();

    let again = open(&folder, None, None).unwrap();

    assert!(again.resumed && again.notices[0].contains("mersenne.json.changed-1"), "{:?}", again.notices);
    assert_eq!(on_disk(&folder), truth);
    drop(again);
    fs::write(path(&folder), "not a search").unwrap();
    let of_garbage = open(&folder, None, None).unwrap();
    assert!(of_garbage.resumed && of_garbage.notices[0].contains("mersenne.json.changed-2"));
    assert_eq!(on_disk(&folder), truth);
    drop(of_garbage);
    fs::write(path(&folder), "not a search").unwrap();
    fs::remove_file(folder.path().join("mersenne.json.manyhands")).unwrap();
    let refused = open(&folder, None, None).map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("not that of a search") && refused.contains("--restart"), "{refused}");
}

#[test]
fn a_search_that_begins_again_keeps_the_results_of_the_one_before() {
    for damage in [None, Some("garbage"), Some("")] {
        let folder = tempfile::tempdir().unwrap();
        let mut first = open(&folder, Some(FROM), Some(TO)).unwrap();
        compute(&mut first, 0..40);
        first.ledger.credit(UnitRange::new(0, 10), PeerId([4; 32]));
        save(&mut first);
        first.store.save_tests(&(first.spec.id(), vec![])).unwrap();
        let ledger = first.ledger.clone();
        drop(first);
        match damage {
            Some("") => fs::remove_file(path(&folder)).unwrap(),
            Some(garbage) => fs::write(path(&folder), garbage).unwrap(),
            None => {}
        }

        let restarted = open_with(&folder, Some(50), Some(900), true).unwrap();

        let kept = folder.path().join("mersenne.json.before-restart-1");
        assert!(restarted.notices[0].contains("mersenne.json.before-restart-1"), "{:?}", restarted.notices);
        assert_eq!(on_disk(&folder), SearchFile::new(50, Some(900)));
        let mut random = random();
        let options = SearchOptions {
            from: None,
            to: None,
            proofs_from: None,
            asked_by: "Liz",
            restart: false,
            random: &mut random,
        };
        let before = TaskStore::open_search(&kept, options).unwrap();
        assert!(before.resumed);
        assert_eq!(before.ledger, ledger);
    }
}

#[test]
fn tests_under_way_are_kept_for_their_own_job_only_and_damage_costs_no_more_than_them() {
    let folder = tempfile::tempdir().unwrap();
    let tests = |unit| vec![Saved { unit, state: vec![7; 100], is_foreign: false }];
    let file = folder.path().join("mersenne.json.manyhands-tests");
    let mut first = open(&folder, Some(FROM), Some(TO)).unwrap();
    let (id, other) = (first.spec.id(), JobId([9; 32]));
    first.store.save_tests(&(id, tests(3))).unwrap();
    drop(first);

    let mut again = open(&folder, None, None).unwrap();
    assert_eq!(again.saved, tests(3));
    again.store.save_tests(&(other, tests(4))).unwrap();
    drop(again);
    let mut of_other = open(&folder, None, None).unwrap();
    assert!(of_other.saved.is_empty());
    of_other.store.save_tests(&(id, tests(5))).unwrap();
    drop(of_other);
    let further = open(&folder, None, Some(700)).unwrap();
    assert_eq!(further.saved, tests(5), "units have the same numbers further up");
    drop(further);

    let mut bytes = fs::read(&file).unwrap();
    bytes[80] ^= 1;
    fs::write(&file, bytes).unwrap();
    let mut damaged = open(&folder, None, None).unwrap();
    assert!(damaged.resumed && damaged.saved.is_empty());
    damaged.store.save_tests(&(id, vec![])).unwrap();
    assert!(!file.exists());
}

#[test]
fn sums_and_searches_do_not_take_each_others_files() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(&folder, Some(FROM), Some(TO)).unwrap());
    let mut random = random();
    let options =
        crate::store::OpenOptions { unit_size: None, asked_by: "Liz", restart: true, random: &mut random };

    let refused = TaskStore::open(&path(&folder), options).map(|_| ()).unwrap_err().to_string();

    assert!(refused.contains("belongs to a search for Mersenne primes; say --job mersenne"), "{refused}");
    assert_eq!(on_disk(&folder), SearchFile::new(FROM, Some(TO)));
}

#[test]
fn a_job_that_is_chosen_takes_no_file_with_progress() {
    let folder = tempfile::tempdir().unwrap();
    let spec = |to| {
        let kind = JobKind::Mersenne { from: FROM, to, proofs_from: PROOFS_FROM };
        JobSpec { kind, asked_by: "Liz".into(), salt: [5; 16] }
    };
    let mut first = TaskStore::begin(&path(&folder), spec(TO), [1; 32], [2; 16]).unwrap();
    assert_eq!((first.secret, first.room_key), ([1; 32], [2; 16]));
    drop(TaskStore::begin(&path(&folder), spec(TO), [1; 32], [2; 16]).map(|_| ()).unwrap_err());
    compute(&mut first, 100..110);
    save(&mut first);
    drop(first);

    let begun = TaskStore::begin(&path(&folder), spec(900), [1; 32], [2; 16]).map(|_| ()).unwrap_err();
    fs::write(folder.path().join("notes.txt"), "my notes").unwrap();
    let notes = folder.path().join("notes.txt");
    let foreign = TaskStore::begin(&notes, spec(900), [1; 32], [2; 16]).map(|_| ()).unwrap_err();

    assert!(begun.to_string().contains("has the progress of another job"), "{begun}");
    assert!(foreign.to_string().contains("no file of this kind of job"), "{foreign}");
    assert_eq!(fs::read_to_string(notes).unwrap(), "my notes");
}

fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("mersenne.json")
}

fn on_disk(folder: &TempDir) -> SearchFile {
    SearchFile::parse(&fs::read(path(folder)).unwrap()).unwrap()
}

fn open(folder: &TempDir, from: Option<u32>, to: Option<u32>) -> Result<Opened, OpenError> {
    open_with(folder, from, to, false)
}

fn open_with(
    folder: &TempDir,
    from: Option<u32>,
    to: Option<u32>,
    restart: bool,
) -> Result<Opened, OpenError> {
    let mut random = random();
    let options =
        SearchOptions { from, to, proofs_from: None, asked_by: "Liz", restart, random: &mut random };
    TaskStore::open_search(&path(folder), options)
}

/// Other bytes with each call.
fn random() -> impl FnMut(&mut [u8]) {
    let mut next = 0_u8;
    move |bytes| {
        next += 1;
        bytes.fill(next);
    }
}

fn compute(opened: &mut Opened, units: std::ops::Range<u64>) {
    for block in UnitRange::new(units.start, units.end).blocks_up_to(manyhands_wire::mersenne::LEVEL_MAX) {
        let outcome = kernel::compute(&opened.spec.kind, block.range());
        opened.ledger.insert(block, outcome).unwrap();
    }
}

fn save(opened: &mut Opened) {
    let saved = opened.store.save(&opened.spec, &opened.ledger).unwrap();
    assert!(saved.notices.is_empty(), "{:?}", saved.notices);
}
