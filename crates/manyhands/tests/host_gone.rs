//! The host is killed, and nobody needs it: friends finish, newcomers get in through a friend, the total is exact.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

#[expect(dead_code, reason = "each test program uses a part of it")]
mod program;

use std::fs;

use program::{Folder, Program, done};

/// How fast the hosts here work, so that they never finish before they are killed.
const SLOW: &[&str] = &["--threads", "1", "--throttle", "2%"];

/// Waits until a friend has seen so many units finished.
fn has_seen(friend: &mut Program, units: u64) {
    while friend.event("progress")["done_units"].as_u64().unwrap_or(0) < units {}
}

#[test]
fn a_newcomer_gets_in_through_a_friend_when_the_host_is_dead() {
    let host_folder = Folder::new();
    let delay = &["host", "--delay", "240x25", "--bind", "127.0.0.1", "--port", "0", "--json"];
    let mut host = host_folder.start(&[delay as &[&str], SLOW].concat());
    let (_, invite) = host.listening();
    let (friend_folder, new_folder) = (Folder::new(), Folder::new());
    let local = ["--bind", "127.0.0.1", "--json", "--threads", "1"];
    let mut friend = friend_folder.start(&[&["join", &invite] as &[&str], &local].concat());
    let (_, friends_invite) = friend.listening();
    has_seen(&mut friend, 10);

    host.crash();
    let dead = done(new_folder.start(&["join", &invite, "--patience", "300ms", "--no-serve"]));
    let mut newcomer = new_folder.start(&[&["join", &friends_invite] as &[&str], &local].concat());
    newcomer.event("link-up");
    newcomer.event("started");

    assert_eq!(dead.code, 3, "the host's own link is dead: {}", dead.err);
    assert_ne!(invite, friends_invite);
    assert_eq!(invite.split('#').nth(1), friends_invite.split('#').nth(1), "it is the same room");
    newcomer.event("finished");
    friend.event("finished");
    assert_eq!([done(newcomer).code, done(friend).code], [0, 0]);
}

#[test]
fn another_entrance_replaces_the_one_in_the_link() {
    let host_folder = Folder::new();
    let delay = &["host", "--delay", "160x25", "--bind", "127.0.0.1", "--port", "0", "--json"];
    let mut host = host_folder.start(&[delay as &[&str], SLOW].concat());
    let (_, invite) = host.listening();
    let (friend_folder, new_folder) = (Folder::new(), Folder::new());
    let local = ["--bind", "127.0.0.1", "--json", "--threads", "1"];
    let mut friend = friend_folder.start(&[&["join", &invite] as &[&str], &local].concat());
    let (port, _) = friend.listening();
    has_seen(&mut friend, 1);

    host.crash();
    let entrance = format!("http://127.0.0.1:{port}");
    let newcomer = new_folder.start(&[&["join", &invite, "--also", &entrance] as &[&str], &local].concat());

    assert_eq!([done(newcomer).code, done(friend).code], [0, 0]);
}

#[test]
fn friends_write_the_exact_total_after_the_host_was_killed() {
    let folder = Folder::new();
    // Some ten seconds of work: a friend tells of its progress once a second.
    let goal = 200_000_000_000_u64;
    let mut host = folder.host(goal, &[&["--wait", "2"], SLOW].concat());
    let (_, invite) = host.listening();
    let folders = [Folder::new(), Folder::new()];
    let join = ["join", &invite, "--save", "copy.json", "--json", "--threads", "1", "--throttle", "60%"];
    let mut friends = folders.each_ref().map(|folder| folder.start(&join));
    friends.iter_mut().for_each(|friend| has_seen(friend, 1));

    host.crash();
    let ended = friends.map(done);

    let total = u128::from(goal) * u128::from(goal + 1) / 2;
    let expected = format!(
        "{{ \"most_recent_counting_number_added\": {goal}, \"current_total\": {total}, \"counting_number\": {goal} }}\n"
    );
    for (folder, ended) in folders.iter().zip(ended) {
        assert_eq!(ended.code, 0, "{}", ended.err);
        assert_eq!(fs::read_to_string(folder.path("copy.json")).unwrap(), expected);
    }
    let kept = folder.task();
    assert!(!kept.contains(&total.to_string()), "the host was killed before the end: {kept}");
}

#[test]
fn two_friends_are_introduced_by_a_third_where_no_server_is_alive() {
    let relay = ["relay", "--bind", "127.0.0.1", "--port", "0", "--json"];
    let relay_folders = [Folder::new(), Folder::new()];
    let [mut left, mut right] = relay_folders.each_ref().map(|folder| folder.start(&relay));
    let [at_left, at_right] = [&mut left, &mut right].map(|relay| text(&relay.event("listening")["url"]));
    let host_folder = Folder::new();
    let delay =
        ["host", "--delay", "4000x25", "--bind", "127.0.0.1", "--port", "0", "--json", "--relay", &at_left];
    let mut host = host_folder.start(&[&delay as &[&str], SLOW].concat());
    let (_, invite) = host.listening();
    let invite_at_right = format!("{at_right}/#{}", invite.split_once('#').unwrap().1);
    let folders = [Folder::new(), Folder::new(), Folder::new()];
    let quiet = ["--no-serve", "--json", "--threads", "1", "--throttle", "5%"];
    let join = |folder: &Folder, way: &[&str]| {
        let mut friend = folder.start(&[&["join"] as &[&str], way, &quiet].concat());
        let id = text(&friend.event("joining")["peer"]);
        (friend, id)
    };

    // Ann knows both relays, Bob the left one, and Cem the right one.
    let (mut ann, ann_id) = join(&folders[0], &[&invite, "--also", &at_right]);
    let (mut bob, bob_id) = join(&folders[1], &[&invite]);
    link_up(&mut ann, &bob_id);
    link_up(&mut bob, &ann_id);
    host.crash();
    left.crash();
    let (mut cem, cem_id) = join(&folders[2], &[&invite_at_right]);
    link_up(&mut cem, &ann_id);
    right.crash();

    // No server that Bob has ever reached has known Cem: it can only be Ann who introduced them.
    link_up(&mut cem, &bob_id);
    link_up(&mut bob, &cem_id);
}

/// Waits until a friend has a link to this peer.
fn link_up(friend: &mut Program, peer: &str) {
    while friend.event("link-up")["peer"] != peer {}
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap().to_owned()
}
