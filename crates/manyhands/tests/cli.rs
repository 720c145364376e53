//! The program as a person or a script meets it: exit codes, messages, and what is left on the disk.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod program;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use program::{Folder, done, run};
use serde_json::Value;

#[test]
fn the_help_teaches_with_examples_and_names_the_exit_codes() {
    let help = run(&["--help"]);

    assert_eq!(help.code, 0);
    for text in ["manyhands host --wait 9", "manyhands join 'http://", "Exit codes:", "130  interrupted"] {
        assert!(help.out.contains(text), "{text}: {}", help.out);
    }
    assert!(run(&["host", "--help"]).out.contains("task.json holds three numbers"));
    assert!(!run(&["host", "--help"]).out.contains("--delay"), "measurements are not for people");
}

#[test]
fn a_wrong_command_line_is_refused_with_code_2() {
    for wrong in [
        &[] as &[&str],
        &["dance"],
        &["host", "--threads", "0"],
        &["host", "--throttle", "0%"],
        &["host", "--unit-size", "0"],
        &["host", "--threads", "2", "--no-work"],
        &["host", "--port", "70000"],
        &["host", "--asked-by", &"n".repeat(65)],
        &["join"],
        &["join", "http://liz/#room=a", "--patience", "soon"],
        &["status", "liz:8080"],
    ] {
        let refused = run(wrong);
        assert_eq!(refused.code, 2, "{wrong:?}: {}", refused.err);
        assert!(!refused.err.is_empty(), "{wrong:?}");
    }
}

#[test]
fn a_bad_link_is_told_what_is_wrong_with_it() {
    let key = "AQIDBAUGBwgJCgsMDQ4PEA";
    for (link, why) in [
        ("192.168.1.7:8080", "begins with http://"),
        ("http://127.0.0.1:8080/", "no room=…"),
        ("http://127.0.0.1:8080/#room=short&key=x", "room=… is damaged"),
        (&format!("http://127.0.0.1:8080/#room={key}"), "no key=…"),
    ] {
        let refused = run(&["join", link]);
        assert_eq!(refused.code, 2, "{link}");
        assert!(refused.err.contains(why), "{link}: {}", refused.err);
    }
}

#[test]
fn a_dead_host_is_given_up_with_code_3() {
    let folder = Folder::new();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let link = format!("http://{address}/#room=AQIDBAUGBwgJCgsMDQ4PEA&key=AQIDBAUGBwgJCgsMDQ4PEA");

    let given_up = done(folder.start(&["join", &link, "--patience", "300ms"]));

    assert_eq!(given_up.code, 3, "{}", given_up.err);
    assert!(given_up.err.contains(&format!("nobody answers at http://{address}")), "{}", given_up.err);
    let status = run(&["status", &format!("http://{address}")]);
    assert_eq!(status.code, 3, "{}", status.err);
}

#[test]
fn a_link_with_https_is_spoken_to_in_tls_and_what_fails_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let link = format!("https://{address}/#room=AQIDBAUGBwgJCgsMDQ4PEA&key=AQIDBAUGBwgJCgsMDQ4PEA");
    let friend = Folder::new().start(&["join", &link, "--patience", "1s"]);

    let (mut stream, _) = listener.accept().unwrap();
    let mut first = [0];
    stream.read_exact(&mut first).unwrap();
    // No TLS speaks like this.
    stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    drop(stream);
    // Nobody answers the attempts that follow, so the friend's last word is about this one.
    let given_up = done(friend);

    assert_eq!(first, [22], "the content type of a TLS handshake (RFC 8446, section 5.1)");
    assert_eq!(given_up.code, 3, "{}", given_up.err);
    assert!(given_up.err.contains("corrupt message"), "{}", given_up.err);
}

#[test]
fn a_friend_in_a_lobby_whose_host_is_gone_runs_out_of_patience() {
    let folder = Folder::new();
    let mut host = folder.host(1000, &["--wait", "9"]);
    let (_, invite) = host.listening();
    let friend = Folder::new().start(&["join", &invite, "--patience", "500ms", "--threads", "1"]);
    while host.event("progress")["present"] != 1 {}

    host.interrupt();
    let given_up = done(friend);

    assert_eq!(done(host).code, 130);
    assert_eq!(given_up.code, 3, "{}", given_up.err);
    assert!(given_up.err.contains("before the job started"), "{}", given_up.err);
}

#[test]
fn a_host_whose_relay_is_gone_says_so_and_says_when_it_is_back() {
    let folder = Folder::new();
    let relay = |port: &str| folder.start(&["relay", "--port", port, "--bind", "127.0.0.1", "--json"]);
    let mut first = relay("0");
    let listening = first.event("listening");
    let (port, url) = (listening["port"].to_string(), listening["url"].as_str().unwrap());
    let mut host = folder.host(1000, &["--wait", "1", "--relay", url]);
    let (_, invite) = host.listening();

    first.crash();
    let lost = host.event("signaling-lost");
    let _second = relay(&port);
    let back = host.event("signaling-back");
    let friend = done(Folder::new().start(&["join", &invite]));

    assert_eq!((&lost["at"], &back["at"]), (&listening["url"], &listening["url"]));
    assert!(lost["why"].as_str().unwrap().contains("refused"), "{lost}");
    assert_eq!(friend.code, 0, "{}", friend.err);
    host.interrupt();
    let ended = done(host);
    assert!(ended.err.contains("Nobody new can join") && ended.err.contains("is back"), "{}", ended.err);
}

#[test]
fn a_friend_keeps_a_copy_of_the_task() {
    let folder = Folder::new();
    let mut host = folder.host(1_000_000, &["--wait", "1"]);
    let (_, invite) = host.listening();

    let friend = Folder::new();
    let helped = done(friend.start(&["join", &invite, "--save", "copy.json"]));

    assert_eq!(helped.code, 0, "{}", helped.err);
    let copy = fs::read_to_string(friend.path("copy.json")).unwrap();
    assert_eq!(copy, task("1000000", "500000500000", "1000000").replace('{', "{ ").replace('}', " }\n"));
    let nowhere = done(friend.start(&["join", &invite, "--save", "no/such/folder.json"]));
    assert_eq!(nowhere.code, 5, "{}", nowhere.err);
    assert!(nowhere.err.contains("no/such/folder.json"), "{}", nowhere.err);
}

#[test]
fn a_wrong_key_is_refused_with_code_4() {
    let folder = Folder::new();
    let mut host = folder.host(1000, &["--wait", "9"]);
    let (_, invite) = host.listening();
    // The fourth character of the key becomes another one.
    let at = invite.find("key=").unwrap() + 7;
    let other = if invite[at..].starts_with('A') { "B" } else { "A" };
    let wrong = format!("{}{other}{}", &invite[..at], &invite[at + 1..]);

    let refused = done(Folder::new().start(&["join", &wrong]));

    assert_eq!(refused.code, 4, "{}", refused.err);
    assert!(refused.err.contains("does not know the room"), "{}", refused.err);
}

#[test]
fn a_room_without_its_host_is_given_up_with_code_4() {
    let folder = Folder::new();
    let mut relay = folder.start(&["relay", "--port", "0", "--bind", "127.0.0.1", "--json"]);
    let port = relay.event("listening")["port"].as_u64().unwrap();
    let link = format!("http://127.0.0.1:{port}/#room=AQIDBAUGBwgJCgsMDQ4PEA&key=AQIDBAUGBwgJCgsMDQ4PEA");

    let given_up = done(Folder::new().start(&["join", &link, "--patience", "500ms"]));

    assert_eq!(given_up.code, 4, "{}", given_up.err);
    assert!(given_up.err.contains("the host is gone, or the link is not its own"), "{}", given_up.err);
    relay.interrupt();
    assert_eq!(done(relay).code, 0);
}

#[test]
fn a_bad_task_file_is_told_what_is_wrong_with_it_and_left_as_it_is() {
    for (text, why) in [
        ("", "empty"),
        ("not json", "JSON"),
        ("[1, 2, 3]", "object"),
        (r#"{"most_recent_counting_number_added": 0, "current_total": 0}"#, "counting_number"),
        (&task("-1", "0", "100"), "most_recent_counting_number_added"),
        (&task("1.5", "0", "100"), "most_recent_counting_number_added"),
        (&task("\"7\"", "28", "100"), "most_recent_counting_number_added"),
        (&task("7", "28", "5"), "counting_number"),
        (&task("7", "29", "100"), "come to 28"),
        (&task("0", "0", "1000000000000000001"), "counting_number"),
    ] {
        let folder = Folder::new();
        fs::write(folder.path("task.json"), text).unwrap();

        let refused = done(folder.start(&["host", "--port", "0"]));

        assert_eq!(refused.code, 5, "{text}: {}", refused.err);
        assert!(refused.err.contains("task.json") && refused.err.contains(why), "{text}: {}", refused.err);
        assert_eq!(fs::read_to_string(folder.path("task.json")).unwrap(), text);
    }
    let missing = done(Folder::new().start(&["host", "--port", "0"]));
    assert_eq!(missing.code, 5);
    assert!(missing.err.contains("there is no file task.json; create it"), "{}", missing.err);
}

#[test]
fn a_wrong_total_can_be_begun_again() {
    let folder = Folder::new();
    fs::write(folder.path("task.json"), task("7", "29", "100")).unwrap();

    let host = done(folder.start(&["host", "--port", "0", "--restart", "--exit-when-done"]));

    assert_eq!(host.code, 0, "{}", host.err);
    assert!(folder.task().contains("\"current_total\": 5050,"), "{}", folder.task());
}

#[test]
fn a_second_host_on_the_same_file_is_refused() {
    let folder = Folder::new();
    let mut first = folder.host(1000, &["--wait", "9"]);
    first.listening();

    let second = done(folder.start(&["host", "--port", "0"]));

    assert_eq!(second.code, 5, "{}", second.err);
    assert!(second.err.contains("another manyhands host"), "{}", second.err);
}

#[test]
fn a_taken_port_is_named_and_another_offered() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = Folder::new();
    fs::write(folder.path("task.json"), task("7", "28", "1000")).unwrap();

    let refused = done(folder.start(&["host", "--bind", "127.0.0.1", "--port", &port, "--restart"]));

    assert_eq!(refused.code, 6, "{}", refused.err);
    assert!(refused.err.contains(&format!("port {port} is taken")), "{}", refused.err);
    assert!(refused.err.contains("--port 0"), "{}", refused.err);
    assert_eq!(folder.task(), task("7", "28", "1000"), "a host that does not run touches no file");
    assert!(!folder.path("task.json.manyhands").exists());
}

#[test]
fn a_finished_job_is_served_until_somebody_stops_the_host() {
    let folder = Folder::new();
    let mut host = folder.host(100_000_000, &[]);
    let (port, invite) = host.listening();
    assert_eq!(host.event("finished")["total"], "5000000050000000");

    let friend = done(Folder::new().start(&["join", &invite]));
    let status = run(&["status", &format!("http://127.0.0.1:{port}/")]);
    let json = run(&["status", &invite, "--json"]);

    assert_eq!(friend.code, 0, "{}", friend.err);
    assert!(friend.out.contains("come to 5000000050000000"), "{}", friend.out);
    assert_eq!((status.code, json.code), (0, 0), "{}", status.err);
    assert!(status.out.contains("5,000,000,050,000,000") && status.out.contains("(host)"), "{}", status.out);
    assert_eq!(serde_json::from_str::<Value>(&json.out).unwrap()["view"]["phase"]["phase"], "finished");
    host.interrupt();
    assert_eq!(done(host).code, 0);
}

#[test]
fn an_interrupted_host_saves_and_a_new_one_goes_on_with_the_same_link() {
    let folder = Folder::new();
    let goal = 1_000_000_000_000_u64;
    let mut host = folder.host(goal, &["--threads", "1", "--throttle", "5%"]);
    let (_, first_invite) = host.listening();
    while host.event("progress")["reached"].as_u64().unwrap_or(0) == 0 {}

    host.interrupt();
    let ended = done(host);

    assert_eq!(ended.code, 130, "{}", ended.err);
    let task: Value = serde_json::from_str(&folder.task()).unwrap();
    let reached = task["most_recent_counting_number_added"].as_u64().unwrap();
    assert!(reached > 0 && reached < goal, "{task}");
    assert!(
        folder.task().contains(&(u128::from(reached) * u128::from(reached + 1) / 2).to_string()),
        "{task}"
    );
    let mut again = folder.host_again(&["--no-work"]);
    let (_, second_invite) = again.listening();
    assert_eq!(first_invite.split('#').nth(1), second_invite.split('#').nth(1));
}

#[test]
fn a_lobby_waits_for_friends_and_starts_when_all_are_in() {
    let folder = Folder::new();
    let mut host = folder.host(1_000_000, &["--wait", "2", "--exit-when-done"]);
    let (_, invite) = host.listening();
    let friends = [Folder::new(), Folder::new()];

    let first = friends[0].start(&["join", &invite, "--json", "--threads", "1"]);
    while host.event("progress")["present"] != 1 {}
    let second = friends[1].start(&["join", &invite, "--name", "Ann", "--threads", "1"]);

    assert_eq!(host.event("finished")["total"], "500000500000");
    assert_eq!([done(first).code, done(second).code, done(host).code], [0, 0, 0]);
}

#[test]
fn the_host_can_start_before_all_friends_are_in() {
    let folder = Folder::new();
    let mut host = folder.host(1_000_000, &["--wait", "9", "--exit-when-done"]);
    let (port, _) = host.listening();

    let answer = program::post(port, "/api/start");

    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    assert_eq!(host.event("finished")["total"], "500000500000");
    assert_eq!(done(host).code, 0);
}

#[test]
fn nothing_to_add_is_done_at_once() {
    let folder = Folder::new();
    let mut host = folder.host(0, &["--exit-when-done"]);

    assert_eq!(host.event("finished")["total"], "0");
    assert_eq!(done(host).code, 0);
}

#[test]
fn what_is_done_already_waits_for_nobody() {
    for (added, total, goal) in [("1000", "500500", "1000"), ("0", "0", "0")] {
        let folder = Folder::new();
        fs::write(folder.path("task.json"), task(added, total, goal)).unwrap();

        let mut host = folder.host_again(&["--wait", "3", "--exit-when-done"]);

        assert_eq!(host.event("finished")["total"], total);
        assert_eq!(done(host).code, 0);
    }
}

#[test]
fn a_relay_on_an_address_of_ipv6_has_its_brackets() {
    // Not every machine has one.
    if TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let mut relay = Folder::new().start(&["relay", "--port", "0", "--bind", "::1", "--json"]);

    let listening = relay.event("listening");

    assert_eq!(listening["url"], format!("http://[::1]:{}", listening["port"]));
}

#[test]
fn a_delay_job_needs_no_file() {
    let folder = Folder::new();

    let mut host = folder.start(&["host", "--delay", "8x10", "--port", "0", "--json", "--exit-when-done"]);

    assert!(host.event("finished")["elapsed_s"].as_f64().unwrap() > 0.0);
    assert_eq!(done(host).code, 0);
    assert!(!folder.path("task.json").exists());
}

#[test]
fn a_host_behind_a_relay_is_found_there() {
    let folder = Folder::new();
    let mut relay = folder.start(&["relay", "--port", "0", "--bind", "127.0.0.1", "--json"]);
    let url = relay.event("listening")["url"].as_str().unwrap().to_owned();
    let mut host = folder.host(1_000_000, &["--wait", "1", "--relay", &url]);
    let (_, invite) = host.listening();

    let friend = done(Folder::new().start(&["join", &invite]));

    assert!(invite.starts_with(&url), "{invite}");
    assert_eq!(friend.code, 0, "{}", friend.err);
    assert!(friend.out.contains("come to 500000500000"), "{}", friend.out);
}

#[test]
fn completions_are_a_script() {
    let script = run(&["completions", "bash"]);

    assert_eq!(script.code, 0);
    assert!(script.out.contains("_manyhands()"), "{}", script.out);
}

fn task(added: &str, total: &str, goal: &str) -> String {
    format!(
        r#"{{"most_recent_counting_number_added": {added}, "current_total": {total}, "counting_number": {goal}}}"#
    )
}
