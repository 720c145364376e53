//! A search for Mersenne primes as a person or a script meets it: its options, its file, its results, what a stop leaves behind.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod program;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread::sleep;
use std::time::{Duration, Instant};

use program::{Ended, Folder, Program, done, post, post_json, run};
use serde_json::Value;

/// The exponents below 2500 that give primes: OEIS A000043.
const PRIMES: [u32; 17] = [2, 3, 5, 7, 13, 17, 19, 31, 61, 89, 107, 127, 521, 607, 1279, 2203, 2281];

#[test]
fn exponents_that_cannot_be_searched_are_refused_before_anything_is_written() {
    let huge = "9".repeat(400);
    for (options, why) in [
        (&["--from", "10", "--to", "5"] as &[&str], "from 10 to 5 has no exponents"),
        (&["--from", "0"], "smallest exponent is 2"),
        (&["--to", "1"], "smallest exponent is 2"),
        (&["--to", "4194305"], "largest exponent that can be searched is 4194304"),
        (&["--from", &huge], "largest exponent that can be searched is 4194304"),
        (&["--from", "-7"], "whole number from 2 to 4194304"),
        (&["--to", "2e5"], "whole number from 2 to 4194304"),
        (&["--to", ""], "whole number from 2 to 4194304"),
        (&["--unit-size", "7"], "--unit-size is for sums"),
    ] {
        let folder = Folder::new();
        let refused = done(folder.start(&[&["host", "--job", "mersenne", "--port", "0"], options].concat()));

        assert_eq!(refused.code, 2, "{options:?}: {}", refused.err);
        assert!(refused.err.contains(why), "{options:?}: {}", refused.err);
        assert!(!folder.path("mersenne.json").exists(), "{options:?}");
    }
    for (options, why) in [
        (&["host", "--to", "500"] as &[&str], "say --job mersenne"),
        (&["host", "--job", "choose", "--from", "3"], "chosen on the page"),
        (&["host", "--job", "choose", "big.json"], "kept in task.json"),
        (&["host", "--job", "dance"], "dance"),
        (&["start-network", "--from", "3"], "say --job mersenne"),
        (&["start-network", "--job", "mersenne", "--from", "7", "--to", "3"], "has no exponents"),
    ] {
        let refused = run(options);
        assert_eq!(refused.code, 2, "{options:?}: {}", refused.err);
        assert!(refused.err.contains(why), "{options:?}: {}", refused.err);
    }
}

#[test]
fn a_search_finds_the_primes_and_leaves_them_in_its_file() {
    let folder = Folder::new();
    let mut host = search(&folder, &["--to", "2500"]);
    let (port, invite) = host.listening();
    let finished = host.event("finished");
    let url = format!("http://127.0.0.1:{port}");

    let json: Value = serde_json::from_str(&ok(&folder, &["primes", &url, "--json"])).unwrap();
    let table = ok(&folder, &["primes", &invite]);
    let status = ok(&folder, &["status", &url]);
    ok(&folder, &["primes", &url, "--results", "results.jsonl"]);
    let lines = ok(&folder, &["primes", &url, "--results", "-"]);
    let there = done(folder.start(&["primes", &url, "--results", "results.jsonl"]));
    ok(&folder, &["primes", &url, "--results", "results.jsonl", "--force"]);
    host.interrupt();

    assert_eq!(finished["exponents"], serde_json::json!(PRIMES));
    assert_eq!(exponents(&json), PRIMES);
    assert_eq!(json[16]["digits"], 687);
    assert!(table.contains("2,281     687") && table.contains("nobody yet"), "{table}");
    assert!(table.contains("bit²  100.0 %  ") && table.contains("Credit is counted in"), "{table}");
    assert_eq!(there.code, 8, "{}", there.err);
    assert!(there.err.contains("results.jsonl is there already: --force"), "{}", there.err);
    assert!(status.contains("largest     2^2281 - 1 (687 digits), found by"), "{status}");
    assert_eq!(fs::read_to_string(folder.path("results.jsonl")).unwrap(), lines);
    assert_eq!(lines.lines().count(), 367, "there are as many primes up to 2500");
    let of_eleven = lines.lines().nth(4).unwrap();
    assert!(of_eleven.starts_with(r#"{"exponent":11,"result":"factor","factor":23,"by":"#), "{of_eleven}");
    let found = lines.lines().filter(|line| line.contains(r#""result":"prime""#)).count();
    assert_eq!(found, PRIMES.len());
    assert_eq!(done(host).code, 0);
    let said = file(&folder);
    assert_eq!(
        (&said["from"], &said["to"], &said["every_exponent_up_to"]),
        (&2.into(), &2500.into(), &2500.into())
    );
    assert_eq!(said["primes"], serde_json::json!(PRIMES));
}

#[test]
fn a_friend_hears_of_the_primes_and_keeps_a_copy() {
    let folder = Folder::new();
    let mut host = search(&folder, &["--to", "1300", "--wait", "1", "--name", "Liz"]);
    let (_, invite) = host.listening();
    let friend = Folder::new();
    let mut helper = friend.start(&[
        "join",
        &invite,
        "--threads",
        "1",
        "--save",
        "copy.json",
        "--stay",
        "--json",
        "--name",
        "Ann",
    ]);

    let (port, _) = helper.listening();
    assert_eq!(helper.event("finished")["exponents"], serde_json::json!(PRIMES[..15]));
    let json: Value =
        serde_json::from_str(&ok(&friend, &["primes", &format!("http://127.0.0.1:{port}"), "--json"]))
            .unwrap();
    helper.interrupt();

    assert_eq!(exponents(&json), PRIMES[..15]);
    for prime in json.as_array().unwrap() {
        assert!(["Liz", "Ann"].contains(&prime["finder"].as_str().unwrap()), "{prime}");
        assert_eq!(prime["path"].as_array().unwrap().last().unwrap(), "Ann", "{prime}");
    }
    let helped = done(helper);
    assert_eq!(helped.code, 0, "{}", helped.err);
    let copy: Value = serde_json::from_slice(&fs::read(friend.path("copy.json")).unwrap()).unwrap();
    assert_eq!(copy["every_exponent_up_to"], 1300);
}

#[test]
fn an_interrupted_search_saves_and_the_same_command_goes_on_with_the_same_link() {
    let folder = Folder::new();
    // No end, so that it is never finished.
    let mut host = search(&folder, &["--threads", "1", "--throttle", "40%"]);
    let (_, first_invite) = host.listening();
    while host.event("progress")["frontier"].as_u64().unwrap_or(0) < 1000 {}

    host.interrupt();
    let ended = done(host);

    assert_eq!(ended.code, 130, "{}", ended.err);
    let said = file(&folder);
    let reached = said["every_exponent_up_to"].as_u64().unwrap();
    assert!(reached >= 1000 && said["to"].is_null(), "{said}");
    assert_eq!(
        said["primes"].as_array().unwrap()[..14],
        serde_json::json!(PRIMES[..14]).as_array().unwrap()[..]
    );
    let other = done(folder.start(&["host", "--job", "mersenne", "--from", "3", "--port", "0"]));
    assert_eq!(other.code, 5, "{}", other.err);
    assert!(other.err.contains("is of the exponents 2 to no end, finished up to"), "{}", other.err);
    assert_eq!(file(&folder), said);
    let mut again = search(&folder, &["--no-work"]);
    let (_, second_invite) = again.listening();
    assert_eq!(first_invite.split('#').nth(1), second_invite.split('#').nth(1));
    assert!(again.event("progress")["frontier"].as_u64().unwrap() >= reached);
}

#[test]
fn a_search_that_is_killed_again_and_again_misses_no_prime_and_finds_no_other() {
    let folder = Folder::new();
    let mut reached = 1;
    for kill in 0..8 {
        // It has no end, so that there is always something left to be killed at.
        let mut host = search(&folder, &["--threads", "1", "--throttle", "20%"]);
        host.listening();
        while host.event("progress")["frontier"].as_u64().unwrap_or(0) <= reached {}
        host.crash();

        let said = file(&folder);
        let now = said["every_exponent_up_to"].as_u64().unwrap();
        assert!(now >= reached, "kill {kill}: {said}");
        assert_eq!(up_to(now, &numbers(&said["primes"])), up_to(now, &PRIMES), "kill {kill}: {said}");
        reached = now;
    }

    let mut last = search(&folder, &[]);
    while last.event("progress")["frontier"].as_u64().unwrap_or(0) < 2500 {}
    last.interrupt();

    assert_eq!(done(last).code, 130);
    assert_eq!(up_to(2500, &numbers(&file(&folder)["primes"])), PRIMES);
}

#[test]
fn a_host_that_is_alone_goes_on_in_the_middle_of_a_long_test() {
    let folder = Folder::new();
    // No factor spares this one its test, which takes seconds here.
    let options =
        ["--from", "60013", "--to", "60013", "--proofs-from", "1000", "--threads", "1", "--throttle", "10%"];
    let iteration = |port: u16| {
        let text = ok(&folder, &["status", &format!("http://127.0.0.1:{port}"), "--json"]);
        let status: Value = serde_json::from_str(&text).unwrap();
        status["view"]["search"]["tests"][0]["iteration"].as_u64()
    };
    let reaches = |port: u16, wanted: u64| {
        let begun = Instant::now();
        loop {
            match iteration(port) {
                Some(at) if at >= wanted => return at,
                Some(_) | None => sleep(Duration::from_millis(20)),
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "the test does not get on");
        }
    };

    let mut host = search(&folder, &options);
    let (port, _) = host.listening();
    let before = reaches(port, 10_000);
    host.interrupt();
    assert_eq!(done(host).code, 130);
    assert!(folder.path("mersenne.json.manyhands-tests").exists());
    let mut again = search(&folder, &options);
    let (port, _) = again.listening();
    let after = reaches(port, 1);
    again.event("finished");
    let results = ok(&folder, &["primes", &format!("http://127.0.0.1:{port}"), "--results", "-"]);
    again.interrupt();

    assert_eq!(done(again).code, 0);
    assert!(after >= before, "it began again: {before}, then {after}");
    assert!(results.contains(r#""residue":"f16562f44e798ea2""#), "{results}");
    assert!(!folder.path("mersenne.json.manyhands-tests").exists(), "it is of no use any more");
}

#[test]
fn the_job_can_be_chosen_while_the_host_waits() {
    let folder = Folder::new();
    let mut host = folder.start(&[
        "host",
        "--job",
        "choose",
        "--bind",
        "127.0.0.1",
        "--port",
        "0",
        "--json",
        "--exit-when-done",
    ]);
    let (port, _) = host.listening();
    let bad = post_json(port, "/api/job", r#"{"job":"mersenne","from":10,"to":5}"#);

    let chosen = post_json(port, "/api/job", r#"{"job":"mersenne","from":2,"to":700}"#);

    assert!(bad.starts_with("HTTP/1.1 400"), "{bad}");
    assert!(chosen.starts_with("HTTP/1.1 202"), "{chosen}");
    assert_eq!(host.event("finished")["exponents"], serde_json::json!(PRIMES[..14]));
    assert_eq!(done(host).code, 0);
    assert_eq!(file(&folder)["every_exponent_up_to"], 700);
    assert!(!folder.path("task.json").exists());
}

#[test]
fn a_room_whose_job_is_chosen_keeps_its_own_files_and_no_other_rooms() {
    let folder = Folder::new();
    let choose = ["host", "--job", "choose", "--bind", "127.0.0.1", "--port", "0", "--json", "--no-work"];
    let keep = |host: &mut Program, name: &str| {
        let (port, _) = host.listening();
        fs::write(folder.path(name), name).unwrap();
        ok(&folder, &["put", name, "--to", &format!("http://127.0.0.1:{port}")]);
        port
    };
    let stop = |host: Program| {
        host.interrupt();
        assert_eq!(done(host).code, 130);
    };
    let mut first = folder.start(&choose);
    keep(&mut first, "first.txt");
    stop(first);

    let mut second = folder.start(&choose);
    let port = keep(&mut second, "second.txt");
    let of_second = ok(&folder, &["ls", "--from", &format!("http://127.0.0.1:{port}")]);
    let chosen = post_json(port, "/api/job", r#"{"job":"mersenne","from":2,"to":700}"#);
    stop(second);
    let mut again = search(&folder, &["--no-work"]);
    let (port, _) = again.listening();
    let of_again = ok(&folder, &["ls", "--from", &format!("http://127.0.0.1:{port}")]);

    assert!(chosen.starts_with("HTTP/1.1 202"), "{chosen}");
    assert!(of_second.contains("second.txt") && !of_second.contains("first.txt"), "{of_second}");
    assert!(of_again.contains("second.txt") && !of_again.contains("first.txt"), "{of_again}");
}

#[test]
fn another_job_can_be_chosen_in_the_lobby_and_none_once_it_has_begun() {
    let folder = Folder::new();
    let mut host = folder.host(1000, &["--wait", "1"]);
    let (port, invite) = host.listening();
    let larger = post_json(port, "/api/job", r#"{"job":"sum","counting_number":2000}"#);
    let begun = Instant::now();
    while !folder.task().contains("2000") {
        assert!(begun.elapsed() < Duration::from_secs(60), "the file does not change: {}", folder.task());
        sleep(Duration::from_millis(10));
    }
    let search = post_json(port, "/api/job", r#"{"job":"mersenne","from":2,"to":700}"#);
    let status = ok(&folder, &["status", &format!("http://127.0.0.1:{port}")]);

    let friend = done(Folder::new().start(&["join", &invite, "--threads", "1"]));
    let finished = host.event("finished");
    let late = post_json(port, "/api/job", r#"{"job":"sum","counting_number":3000}"#);

    assert!(larger.starts_with("HTTP/1.1 202") && search.starts_with("HTTP/1.1 202"), "{larger}{search}");
    assert!(status.contains("search the exponents 2 to 700"), "{status}");
    assert_eq!(friend.code, 0, "{}", friend.err);
    assert!(friend.out.contains("14 give primes"), "{}", friend.out);
    assert_eq!(finished["exponents"], serde_json::json!(PRIMES[..14]));
    assert!(late.starts_with("HTTP/1.1 409") && late.contains("has begun already"), "{late}");
    host.interrupt();
    assert_eq!(done(host).code, 0);
    assert_eq!(file(&folder)["every_exponent_up_to"], 700);
    let task: Value = serde_json::from_str(&folder.task()).unwrap();
    assert_eq!((&task["counting_number"], &task["current_total"]), (&2000.into(), &0.into()));
}

#[test]
fn a_choice_at_the_moment_of_the_start_is_taken_or_refused_and_nothing_is_lost() {
    for _ in 0..6 {
        let folder = Folder::new();
        let mut host = folder.host(5000, &["--wait", "3", "--exit-when-done"]);
        let (port, _) = host.listening();
        let wish = r#"{"job":"mersenne","from":2,"to":300}"#;

        let chosen = std::thread::scope(|scope| {
            let chosen = scope.spawn(|| post_json(port, "/api/job", wish));
            post(port, "/api/start");
            chosen.join().unwrap()
        });

        if chosen.starts_with("HTTP/1.1 202") {
            assert_eq!(done(host).code, 0);
            assert_eq!(file(&folder)["every_exponent_up_to"], 300);
        } else {
            assert!(chosen.starts_with("HTTP/1.1 409"), "{chosen}");
            assert_eq!(done(host).code, 0);
            let task: Value = serde_json::from_str(&folder.task()).unwrap();
            assert_eq!(task["current_total"], 12_502_500);
        }
    }
}

#[test]
fn results_that_break_off_or_are_broken_off_leave_nothing_behind() {
    let folder = Folder::new();
    let node = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", node.local_addr().unwrap());
    let save = ["primes", &url, "--results", "results.jsonl"];
    // Promises more than it sends, and holds the line or hangs up.
    let answer = || {
        let (mut stream, _) = node.accept().unwrap();
        let begun =
            "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ncontent-length: 999\r\n\r\n{}\n";
        let mut request = [0; 4096];
        assert!(stream.read(&mut request).unwrap() > 0);
        stream.write_all(begun.as_bytes()).unwrap();
        stream
    };

    let first = folder.start(&save);
    drop(answer());
    let first = done(first);
    let second = folder.start(&save);
    let held = answer();
    let is_begun = || fs::read_dir(folder.path("")).unwrap().any(|entry| is_partial(&entry.unwrap()));
    let begun = Instant::now();
    while !is_begun() {
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing is written");
        sleep(Duration::from_millis(5));
    }
    second.interrupt();
    let second = done(second);
    drop(held);

    assert_eq!(first.code, 3, "{}", first.err);
    assert!(first.err.contains("the results broke off"), "{}", first.err);
    assert_eq!(second.code, 130, "{}", second.err);
    assert!(!is_begun() && !folder.path("results.jsonl").exists());
}

fn is_partial(entry: &fs::DirEntry) -> bool {
    entry.file_name().to_string_lossy().ends_with(".part")
}

#[test]
fn a_room_that_adds_numbers_has_no_primes() {
    let folder = Folder::new();
    let mut host = folder.host(1000, &["--wait", "9"]);
    let (port, _) = host.listening();
    let url = format!("http://127.0.0.1:{port}");

    assert!(ok(&folder, &["primes", &url]).contains("no search for Mersenne primes"));
    assert_eq!(ok(&folder, &["primes", &url, "--json"]), "[]\n");
    let results = done(folder.start(&["primes", &url, "--results", "-"]));
    assert_eq!(results.code, 8, "{}", results.err);
    assert!(results.err.contains("no search for Mersenne primes"), "{}", results.err);
}

/// A host that searches, and speaks JSON.
fn search(folder: &Folder, more: &[&str]) -> Program {
    folder.host_again(&[&["--job", "mersenne"], more].concat())
}

fn ok(folder: &Folder, arguments: &[&str]) -> String {
    let Ended { code, out, err } = done(folder.start(arguments));
    assert_eq!(code, 0, "{arguments:?}: {err}");
    out
}

/// What `mersenne.json` says.
fn file(folder: &Folder) -> Value {
    serde_json::from_slice(&fs::read(folder.path("mersenne.json")).unwrap()).unwrap()
}

fn exponents(primes: &Value) -> Vec<u32> {
    primes.as_array().unwrap().iter().map(|prime| prime["exponent"].as_u64().unwrap() as u32).collect()
}

fn numbers(list: &Value) -> Vec<u32> {
    list.as_array().unwrap().iter().map(|number| number.as_u64().unwrap() as u32).collect()
}

/// Those of these exponents that are no larger, of those that this test knows of.
fn up_to(last: u64, exponents: &[u32]) -> Vec<u32> {
    exponents.iter().copied().filter(|exponent| u64::from(*exponent) <= last.min(2500)).collect()
}
