//! Liz's file: what is read from it, what is said about a bad one, and how it follows the ledger.

use manyhands_ledger::{Ledger, TaskError, TaskFile};
use manyhands_wire::{Block, JobKind, Outcome};
use proptest::prelude::*;

const LIZ: &str =
    "{ \"most_recent_counting_number_added\": 0, \"current_total\": 0, \"counting_number\": 100000000 }\n";

#[test]
fn lizs_file_is_read_and_written_as_it_is() {
    let task = TaskFile::parse(LIZ.as_bytes()).unwrap();

    assert_eq!(task, TaskFile::new(100_000_000));
    assert_eq!(task.render(), LIZ);
}

#[test]
fn white_space_order_and_a_byte_order_mark_do_not_matter() {
    let text = "\u{feff}\n{\"counting_number\":7,\r\n\t\"current_total\" : 6,\"most_recent_counting_number_added\":3 }\n\n";

    let task = TaskFile::parse(text.as_bytes()).unwrap();

    let expected = TaskFile { most_recent_counting_number_added: 3, current_total: 6, counting_number: 7 };
    assert_eq!(task, expected);
}

#[test]
fn a_total_keeps_all_its_digits() {
    let text = file("1000000000000000000", "500000000000000000500000000000000000", "1000000000000000000");

    let task = TaskFile::parse(text.as_bytes()).unwrap();

    assert_eq!(task.current_total, 500_000_000_000_000_000_500_000_000_000_000_000);
    assert!(task.is_finished());
}

#[test]
fn each_thing_that_can_be_wrong_has_a_message_of_its_own() {
    let cases: Vec<(String, &str)> = vec![
        (String::new(), "the file is empty; it should read like { \"most_recent"),
        (" \n\t ".into(), "the file is empty"),
        (
            "{\n  \"counting_number\": 5,\n}".into(),
            "the file is not JSON: key must be a string (line 3, column 1)",
        ),
        ("{ \"counting_number\": 5".into(), "the file is not JSON: EOF while parsing an object (line 1"),
        (file("0", "0", "05"), "the file is not JSON: invalid number (line 1"),
        (format!("{} x", file("0", "0", "5")), "the file is not JSON: trailing characters (line 1"),
        ("[1, 2]".into(), "the file holds a list where an object in braces belongs"),
        ("100000000".into(), "the file holds a number where"),
        ("{ \"counting_number\": 5 }".into(), "\"most_recent_counting_number_added\" is missing"),
        (file("0", "0", "5, \"goal\": 5"), "\"goal\" is no key of a task"),
        (file("0", "0", "5, \"current_total\": 0"), "\"current_total\" is there twice"),
        (file("0", "0", "\"5\""), "\"counting_number\" is a text in quotes; it must be a whole number"),
        (file("null", "0", "5"), "\"most_recent_counting_number_added\" is null;"),
        (file("0", "[0]", "5"), "\"current_total\" is a list;"),
        (file("0", "0", "-5"), "\"counting_number\" is -5; it must not be negative"),
        (
            file("0", "0.0", "5"),
            "\"current_total\" is 0.0; it must be a whole number, without a decimal point",
        ),
        (file("0", "0", "1e8"), "\"counting_number\" is 1e8; write all its digits out"),
        (
            file("0", "0", "1000000000000000001"),
            "\"counting_number\" is 1000000000000000001; the largest there may be",
        ),
        (file("0", "0", &"9".repeat(200)), "9…; the largest there may be is 1000000000000000000"),
        (
            file("6", "21", "5"),
            "\"most_recent_counting_number_added\" is 6, beyond the \"counting_number\" 5",
        ),
        (file("0", "1", "5"), "\"current_total\" is 1, which the numbers from 1 to 0 cannot come to"),
        (file("3", "2", "5"), "\"current_total\" is 2, which the numbers from 1 to 3 cannot come to"),
        (file("3", &"9".repeat(60), "5"), "which the numbers from 1 to 3 cannot come to"),
        (" ".repeat(70_000), "the file has 70000 bytes, far more than a task needs"),
    ];

    for (text, expected) in cases {
        let error = TaskFile::parse(text.as_bytes()).expect_err(&text).to_string();
        assert!(error.contains(expected), "{text}\n  says: {error}\n  not:  {expected}");
        assert!(error.len() < 400, "{error}");
    }
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    assert!(matches!(
        TaskFile::parse(b"{ \"counting_number\": \"\xff\xfe\" }"),
        Err(TaskError::NotJson { .. })
    ));
    assert!(matches!(TaskFile::parse(&[0xff; 20]), Err(TaskError::NotJson { .. })));
}

#[test]
fn a_restart_needs_only_the_number_to_count_to() {
    let wrong = file("600", "-1", "100");

    assert_eq!(TaskFile::parse_restarted(wrong.as_bytes()), Ok(TaskFile::new(100)));
    assert_eq!(TaskFile::parse_restarted(b"{}"), Err(TaskError::Missing { key: "counting_number" }));
}

#[test]
fn the_default_unit_size_is_a_power_of_two_within_its_bounds() {
    let size_of = |goal| match TaskFile::new(goal).to_spec(None, "Liz", [0; 16]).kind {
        JobKind::Sum { unit_size, .. } => unit_size,
        JobKind::Delay { .. } | JobKind::Mersenne { .. } => 0,
    };

    assert_eq!([0, 5, 100_000_000, 10u64.pow(18)].map(size_of), [1024, 1024, 16_384, 1 << 20]);
}

#[test]
fn every_job_of_a_valid_file_is_within_the_jobs_limits() {
    let ends = [0, 1, 100_000_000, 10u64.pow(18)];

    for goal in ends {
        let spec = TaskFile::new(goal).to_spec(None, &"ü".repeat(40), [1; 16]);
        assert_eq!(spec.check(), Ok(()));
        assert_eq!(TaskFile::of(&spec, &Ledger::new(spec.units())), Some(TaskFile::new(goal)));
    }
}

#[test]
fn nothing_to_count_is_done_at_once() {
    let task = TaskFile::parse(file("0", "0", "0").as_bytes()).unwrap();
    let spec = task.to_spec(None, "Liz", [0; 16]);

    assert!(task.is_finished());
    assert!(Ledger::new(spec.units()).is_complete());
}

proptest! {
    #[test]
    fn the_file_follows_the_prefix_and_ends_with_the_exact_total(
        goal in 0..5000u64,
        begun in 0..5000u64,
        unit_size in 1..300u64,
        order in any::<u64>(),
    ) {
        let begun = begun.min(goal);
        let task = TaskFile {
            most_recent_counting_number_added: begun,
            current_total: sum(1, begun),
            counting_number: goal,
        };
        let spec = task.to_spec(Some(unit_size), "Liz", [0; 16]);
        let mut ledger = Ledger::new(spec.units());
        let mut units: Vec<u64> = (0..spec.units()).collect();
        shuffle(&mut units, order);

        for unit in units {
            let first = begun + 1 + unit * unit_size;
            let outcome = Outcome::Sum(sum(first, (first + unit_size - 1).min(goal)));
            ledger.insert(Block::new(0, unit).unwrap(), outcome).unwrap();
            let now = TaskFile::of(&spec, &ledger).unwrap();
            prop_assert_eq!(now.current_total, sum(1, now.most_recent_counting_number_added));
            prop_assert_eq!(TaskFile::parse(now.render().as_bytes()), Ok(now));
        }

        let end = TaskFile::of(&spec, &ledger).unwrap();
        prop_assert!(end.is_finished());
        prop_assert_eq!(end.current_total, sum(1, goal));
    }

    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in ".{0,80}", at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let _ = TaskFile::parse(text.as_bytes());
        let mut bytes = LIZ.as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = TaskFile::parse(&bytes);
    }
}

fn file(most_recent: &str, total: &str, goal: &str) -> String {
    format!(
        "{{ \"most_recent_counting_number_added\": {most_recent}, \"current_total\": {total}, \"counting_number\": {goal} }}"
    )
}

fn sum(first: u64, last: u64) -> u128 {
    (first..=last).map(u128::from).sum()
}

/// Puts the units into an order that the seed decides.
fn shuffle(units: &mut [u64], mut seed: u64) {
    for i in (1..units.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        units.swap(i, (seed >> 33) as usize % (i + 1));
    }
}
