//! Files on the mesh, with real processes: put at one node, listed at another, fetched from the third byte for byte.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

#[expect(dead_code, reason = "each test program uses a part of it")]
mod program;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use program::{Ended, Folder, Program, done};
use serde_json::Value;

/// Far longer than anything here takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often to look whether something is so.
const LOOK_EVERY: Duration = Duration::from_millis(50);

#[test]
fn a_file_put_at_one_node_is_listed_at_another_and_fetched_from_a_third() {
    let room = Room::start();
    let [one, two, three] = [room.friend(&[]), room.friend(&[]), room.friend(&[])];
    let content = noise(1_000_003, 1);
    let path = one.write("odd ü 🦦.bin", &content);

    let put = one.ok(&["put", path.to_str().unwrap(), "--json"]);
    let id = json(&put)["files"][0]["id"].as_str().unwrap().to_owned();
    two.until_whole(&id);
    let listed = json(&two.ok(&["ls", "--json"]));
    three.ok(&["get", &id, "-o", "copy"]);

    let file = &listed["files"][0];
    assert_eq!((&file["name"], &file["size"]), (&"odd ü 🦦.bin".into(), &1_000_003.into()));
    assert!(!file["by"].as_str().unwrap().is_empty());
    assert!(fs::read(three.folder.path("copy")).unwrap() == content);
    let part = three.http("GET", &format!("/api/files/{id}"), &["range: bytes=65530-65545"], b"");
    assert!(
        part.starts_with("HTTP/1.1 206") && part.contains("content-range: bytes 65530-65545/1000003"),
        "{part}"
    );
    assert!(three.ok(&["ls"]).contains(&id[..12]));
    assert_eq!(three.run(&["get", &id[..10], "-o", "short"]).code, 0, "the beginning of an id will do");

    let again = json(&three.ok(&[
        "put",
        three.folder.path("copy").to_str().unwrap(),
        "--name",
        "odd ü 🦦.bin",
        "--json",
    ]));
    assert_eq!(again["files"][0]["id"], id, "the same file has one id, whoever puts it");
    assert_eq!(json(&two.ok(&["ls", "--json"]))["files"].as_array().unwrap().len(), 1);
}

#[test]
fn the_example_client_finds_everything_as_it_should_be() {
    let room = Room::start();
    let nodes = [room.friend(&[]), room.friend(&[])];
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/files.sh");

    let ran = Command::new("sh")
        .arg(script)
        .args([&room.url, &nodes[0].url, &nodes[1].url])
        .env("MANYHANDS", env!("CARGO_BIN_EXE_manyhands"))
        .output()
        .unwrap();

    let out = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{out}\n{}", String::from_utf8_lossy(&ran.stderr));
    assert!(out.ends_with("every file arrived as it was\n"), "{out}");
}

#[test]
fn a_set_of_odd_and_empty_files_is_put_from_a_folder_and_fetched_into_another() {
    let room = Room::start();
    let [one, two] = [room.friend(&[]), room.friend(&[])];
    let names = ["empty", ".hidden", "-dash", "sub/deep/ü.txt", "sub/empty"];
    for name in names {
        let path = one.folder.path("give").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, if name.ends_with("empty") { "" } else { name }).unwrap();
    }

    let refused = one.run(&["put", "give"]);
    let put = json(&one.ok(&["put", "-r", "give", "--set", "../my set", "--json"]));
    let set = put["set"].as_str().unwrap().to_owned();
    two.until(|| two.run(&["get", &set, "-o", "got", "--force"]).code == 0);

    assert_eq!(refused.code, 2, "{}", refused.err);
    assert!(refused.err.contains("-r"), "{}", refused.err);
    let mut listed: Vec<_> = json(&two.ok(&["ls", "--json"]))["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["name"].as_str().unwrap().to_owned())
        .collect();
    listed.sort();
    assert_eq!(listed, ["give/-dash", "give/.hidden", "give/empty", "give/sub/deep/ü.txt", "give/sub/empty"]);
    let got = |name: &str| fs::read_to_string(two.folder.path("got").join(name)).unwrap();
    assert_eq!(
        (got("_hidden"), got("_dash"), got("ü.txt")),
        (".hidden".into(), "-dash".into(), "sub/deep/ü.txt".into())
    );
    assert_eq!(fs::read_dir(two.folder.path("got")).unwrap().count(), 5, "two of one name are two files");
    assert_eq!(json(&two.ok(&["ls", "--sets", "--json"]))["files"][0]["name"], "../my set");
}

#[test]
fn get_is_careful_with_what_is_there() {
    let room = Room::start();
    let node = room.friend(&[]);
    node.put_text("../../a.txt", "one");
    fs::write(node.folder.path("a.txt"), "mine").unwrap();

    let refused = node.run(&["get", "../../a.txt"]);
    assert_eq!(refused.code, 8, "{}", refused.err);
    assert!(refused.err.contains("a.txt is there already"), "{}", refused.err);
    assert_eq!(fs::read_to_string(node.folder.path("a.txt")).unwrap(), "mine");
    assert_eq!(node.ok(&["get", "../../a.txt", "-o", "-"]), "one");
    node.ok(&["get", "../../a.txt", "--force"]);
    assert_eq!(fs::read_to_string(node.folder.path("a.txt")).unwrap(), "one");

    let id = node.put_text("../../a.txt", "two");
    let ambiguous = node.run(&["get", "../../a.txt", "-o", "-"]);
    assert_eq!(ambiguous.code, 8);
    assert_eq!(ambiguous.err.matches("3 bytes").count(), 2, "{}", ambiguous.err);
    let unknown = node.run(&["get", "nothing", "--json"]);
    assert_eq!((unknown.code, &json(&unknown.out)["code"]), (8, &8.into()));
    let left = fs::read_dir(node.folder.path(""))
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().ends_with(".part"));
    assert_eq!(left.count(), 0);
    node.ok(&["get", "../../a.txt", "-o", "new/", "--force"]
        .map(|word| if word == "../../a.txt" { &id } else { word }));
    assert_eq!(
        fs::read_to_string(node.folder.path("new/a.txt")).unwrap(),
        "two",
        "a folder that was not there"
    );
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("a.txt", node.folder.path("link")).unwrap();
        node.ok(&["get", &id, "-o", "link", "--force"]);
        assert!(node.folder.path("link").is_symlink());
        assert_eq!(fs::read_to_string(node.folder.path("a.txt")).unwrap(), "two", "what a link leads to");
        node.ok(&["get", &id, "-o", "/dev/null", "--force"]);
    }
    assert_eq!(node.run(&["put", "a.txt", "--type", "nonsense"]).code, 2);
    assert_eq!(node.run(&["put", "absent"]).code, 8);
    assert_eq!(node.run(&["put", "-"]).code, 2, "the standard input has no name");
    assert_eq!(node.run(&["ls", "--from", "http://127.0.0.1:1"]).code, 3);
    assert_eq!(node.run(&["ls", "--from", "liz"]).code, 2);
}

#[test]
fn limits_are_kept_and_told() {
    let room = Room::start();
    let node = room.friend(&["--files-quota", "300K", "--files-max", "200K"]);
    let (small, large) = (node.write("small", &noise(150_000, 2)), node.write("large", &noise(250_000, 3)));

    let too_large = node.run(&["put", large.to_str().unwrap()]);
    node.ok(&["put", small.to_str().unwrap()]);
    let other = node.write("other", &noise(190_000, 4));
    let too_much = node.run(&["put", small.to_str().unwrap(), other.to_str().unwrap()]);

    assert_eq!(too_large.code, 8);
    assert!(too_large.err.contains("--files-max"), "{}", too_large.err);
    assert_eq!(too_much.code, 8);
    assert!(too_much.err.contains("quota"), "{}", too_much.err);
    let listed = json(&node.ok(&["ls", "--json"]));
    assert_eq!(listed["files"].as_array().unwrap().len(), 1, "{listed}");

    // Whether or not a node can tell at the beginning, whoever sends hears why.
    for megabytes in [50, 100] {
        fs::File::create(node.folder.path("huge")).unwrap().set_len(megabytes << 20).unwrap();
        let huge = node.run(&["put", "huge"]);
        assert_eq!(huge.code, 8, "{}", huge.err);
        assert!(huge.err.contains("--files-"), "{}", huge.err);
    }
}

#[test]
fn a_file_that_is_broken_off_leaves_nothing_behind() {
    let room = Room::start();
    let [one, two] = [room.friend(&[]), room.friend(&["--fetch", "asked", "--download-limit", "100K"])];
    let path = one.write("large", &noise(4_000_000, 7));
    let put = json(&one.ok(&["put", path.to_str().unwrap(), "--json"]));
    let id = put["files"][0]["id"].as_str().unwrap();
    two.until(|| !two.info(id)["name"].is_null());
    let left = || {
        let entries = fs::read_dir(two.folder.path("")).unwrap().flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(".part")).count()
    };

    let getting = two.folder.start(&["get", id, "-o", "copy", "--from", &two.url]);
    two.until(|| left() == 1);
    getting.interrupt();
    let ended = done(getting);

    assert_eq!((ended.code, left()), (130, 0), "{}", ended.err);
    assert!(!two.folder.path("copy").exists());
}

#[test]
fn a_node_goes_on_when_nobody_reads_what_it_says() {
    let folder = Folder::new();
    fs::write(
        folder.path("task.json"),
        r#"{ "most_recent_counting_number_added": 0, "current_total": 0, "counting_number": 1000 }"#,
    )
    .unwrap();
    let mut host = Command::new(env!("CARGO_BIN_EXE_manyhands"))
        .args(["host", "--bind", "127.0.0.1", "--port", "0", "--threads", "1", "--json"])
        .current_dir(folder.path(""))
        .env("XDG_STATE_HOME", folder.path("state"))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(host.stdout.take().unwrap());
    let port = loop {
        let mut line = String::new();
        assert!(out.read_line(&mut line).unwrap() > 0, "ended before it listens");
        if let Some(port) = json(&line)["port"].as_u64() {
            break port;
        }
    };

    // A line for each, many more than a pipe takes.
    let name = "n".repeat(500);
    let files: Vec<_> =
        (0..2000).map(|at| serde_json::json!({ "name": format!("{at}{name}"), "content": "" })).collect();
    let body = serde_json::json!({ "files": files }).to_string();
    let at = format!("127.0.0.1:{port}");
    let put = http(&at, &at, "POST", "/api/files", &["content-type: application/json"], body.as_bytes());
    let listed = http(&at, &at, "GET", "/api/files?limit=1", &[], b"");
    let order = format!("kill -s TERM {}", host.id());
    assert!(Command::new("sh").args(["-c", &order]).status().unwrap().success());
    let begun = Instant::now();
    let ended = loop {
        if let Some(ended) = host.try_wait().unwrap() {
            break Some(ended);
        }
        if begun.elapsed() > PATIENCE {
            host.kill().unwrap();
            host.wait().unwrap();
            break None;
        }
        sleep(LOOK_EVERY);
    };

    assert!(put.starts_with("HTTP/1.1 201"), "{put}");
    assert!(listed.contains("\"total\":2000"), "{listed}");
    assert!(ended.is_some(), "it does not end");
    drop(out);
}

#[test]
fn forgetting_is_local_and_can_be_taken_back() {
    let room = Room::start();
    let [one, two] = [room.friend(&[]), room.friend(&[])];
    let id = one.put_text("a.txt", "kept elsewhere");
    two.until_whole(&id);

    let deleted = two.http("DELETE", &format!("/api/files/{id}"), &[], b"");
    assert!(deleted.starts_with("HTTP/1.1 204"), "{deleted}");
    assert_eq!(json(&two.ok(&["ls", "--json"]))["files"].as_array().unwrap().len(), 0);
    assert_eq!(one.ok(&["get", &id, "-o", "-"]), "kept elsewhere");
    let back = two.http("GET", &format!("/api/files/{id}"), &[], b"");
    assert!(back.ends_with("kept elsewhere"), "whoever knows the id may have it again: {back}");
}

#[test]
fn a_node_that_fetches_only_what_is_asked_fetches_that() {
    let room = Room::start();
    let [one, two] = [room.friend(&[]), room.friend(&["--fetch", "asked"])];
    let wanted = one.put_text("wanted", "yes");
    let unwanted = one.put_text("unwanted", "no");
    two.until(|| json(&two.ok(&["ls", "--json"]))["files"].as_array().unwrap().len() == 2);

    assert_eq!(two.ok(&["get", &wanted, "-o", "-"]), "yes");

    two.until_whole(&wanted);
    assert_eq!(two.info(&unwanted)["chunks_here"], 0);
}

#[test]
fn a_node_that_was_killed_in_the_middle_goes_on_where_it_was() {
    let room = Room::start();
    let one = room.friend(&["--upload-limit", "1M"]);
    let content = noise(4_000_000, 5);
    let path = one.write("large", &content);
    let id = json(&one.ok(&["put", path.to_str().unwrap(), "--json"]))["files"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut two = room.friend(&["--files", "kept"]);
    two.until(|| two.info(&id)["chunks_here"].as_u64().is_some_and(|chunks| chunks >= 8));

    two.program.crash();
    let two = two.again(&room, &["--files", "kept", "--fetch", "asked"]);
    two.until(|| !two.info(&id)["name"].is_null());
    let kept = two.info(&id)["chunks_here"].as_u64().unwrap();
    two.ok(&["get", &id, "-o", "copy"]);

    assert!(kept > 0, "what was there before is there again");
    assert!(fs::read(two.folder.path("copy")).unwrap() == content);
}

#[test]
fn who_comes_late_gets_everything_also_when_who_put_it_is_gone() {
    let room = Room::start();
    let one = room.friend(&[]);
    let two = room.friend(&[]);
    let ids: Vec<_> = (0..20).map(|at| one.put_text(&format!("f{at}"), &format!("content {at}"))).collect();
    ids.iter().for_each(|id| two.until_whole(id));

    one.program.interrupt();
    let late = room.friend(&[]);

    ids.iter().for_each(|id| late.until_whole(id));
    assert_eq!(late.ok(&["get", &ids[7], "-o", "-"]), "content 7");
}

#[test]
fn when_the_seeder_leaves_half_way_the_others_have_all_of_it_between_them() {
    let room = Room::start();
    let seeder = room.friend(&["--upload-limit", "1M", "--files", "kept"]);
    let friends = [room.friend(&[]), room.friend(&[])];
    let content = noise(6_000_000, 6);
    let path = seeder.write("large", &content);
    let id = json(&seeder.ok(&["put", path.to_str().unwrap(), "--json"]))["files"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let here = |node: &Node| node.info(&id)["chunks_here"].as_u64().unwrap_or(0);
    seeder.until(|| friends.iter().map(here).sum::<u64>() >= 20);

    let mut seeder = seeder;
    seeder.program.crash();
    let at_half = friends.iter().map(here).max().unwrap();
    // It comes back, with what it had.
    let seeder = seeder.again(&room, &["--files", "kept"]);

    friends.iter().for_each(|node| node.until_whole(&id));
    for node in &friends {
        node.ok(&["get", &id, "-o", "copy"]);
        assert!(fs::read(node.folder.path("copy")).unwrap() == content);
    }
    assert!(at_half < 92, "the seeder left before the end");
    drop(seeder);
}

#[test]
fn two_programs_on_one_folder_do_not_break_it() {
    let room = Room::start();
    let one = room.friend(&[]);
    let kept = one.put_text("a.txt", "a");
    let folder = one.folder.path("state").join("manyhands/files");
    let own = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();

    // Named, it is an error; the host's own is too, and a friend's other one is not touched.
    let refused = done(Folder::new().start(&[
        "join",
        &room.invite,
        "--files",
        own.to_str().unwrap(),
        "--threads",
        "1",
    ]));

    assert_eq!(refused.code, 8, "{}", refused.err);
    assert!(refused.err.contains("in use"), "{}", refused.err);
    assert_eq!(one.ok(&["get", &kept, "-o", "-"]), "a");
}

#[test]
fn a_node_without_files_says_so() {
    let room = Room::start();
    let node = room.friend(&["--no-files"]);

    let refused = node.run(&["ls"]);

    assert_eq!(refused.code, 8, "{}", refused.err);
    assert!(refused.err.contains("keeps no files"), "{}", refused.err);
    assert!(!node.folder.path("state/manyhands/files").exists());
}

#[test]
fn other_machines_are_refused_unless_files_are_open() {
    let room = Room::start();
    let [closed, open] = [room.friend(&[]), room.friend(&["--open-files"])];
    let id = closed.put_text("a.txt", "a");
    open.until_whole(&id);
    // Under a name that is not this machine's own, a request counts as another machine's.
    let list = |node: &Node, host: &str| node.http_at(host, "GET", "/api/files", &[], b"");
    let delete = |node: &Node| node.http_at("node1:8080", "DELETE", &format!("/api/files/{id}"), &[], b"");

    assert!(list(&closed, "node1:8080").starts_with("HTTP/1.1 403"));
    assert!(list(&open, "node1:8080").starts_with("HTTP/1.1 200"));
    assert!(list(&open, "rebound.evil.example").starts_with("HTTP/1.1 403"));
    assert!(delete(&open).starts_with("HTTP/1.1 403"));
}

#[test]
fn nodes_of_a_network_have_files_and_leave_none_behind() {
    let folder = Folder::new();
    let port = free_ports(3);
    let base = port.to_string();
    let start = done(folder.start(&["start-network", "--nodes", "3", "--base-port", &base, "--json"]));
    assert_eq!(start.code, 0, "{}", start.err);
    let url = |number: u16| format!("http://127.0.0.1:{}", port + number - 1);
    fs::write(folder.path("a.txt"), "apple").unwrap();

    let put = done(folder.start(&["put", "a.txt", "--to", &url(1), "--json"]));
    let id = json(&put.out)["files"][0]["id"].as_str().unwrap().to_owned();
    let begun = Instant::now();
    let mut got = done(folder.start(&["get", &id, "--from", &url(3), "-o", "-"]));
    while got.code != 0 && begun.elapsed() < PATIENCE {
        sleep(LOOK_EVERY);
        got = done(folder.start(&["get", &id, "--from", &url(3), "-o", "-"]));
    }
    let stopped = done(folder.start(&["stop-network", "--json"]));

    assert_eq!((got.code, got.out.trim_end()), (0, "apple"), "{}", got.err);
    assert_eq!(stopped.code, 0, "{}", stopped.err);
    let left: Vec<_> =
        fs::read_dir(folder.path("state/manyhands/networks/default")).unwrap().flatten().collect();
    assert!(left.iter().all(|entry| entry.file_name() == "busy.lock"), "{left:?}");
}

/// A host whose job is done at once, and whose room stays.
struct Room {
    _folder: Folder,
    _host: Program,
    url: String,
    invite: String,
}

/// A friend that stays.
struct Node {
    folder: Folder,
    program: Program,
    url: String,
}

impl Room {
    fn start() -> Self {
        let folder = Folder::new();
        let mut host = folder.host(1000, &["--threads", "1"]);
        let (port, invite) = host.listening();
        Self { _folder: folder, _host: host, url: format!("http://127.0.0.1:{port}"), invite }
    }

    fn friend(&self, more: &[&str]) -> Node {
        Node::start(Folder::new(), self, more)
    }
}

impl Node {
    fn start(folder: Folder, room: &Room, more: &[&str]) -> Self {
        let join = ["join", &room.invite, "--stay", "--threads", "1", "--bind", "127.0.0.1", "--json"];
        let mut program = folder.start(&[&join, more].concat());
        let (port, _) = program.listening();
        program.event("link-up");
        Self { folder, program, url: format!("http://127.0.0.1:{port}") }
    }

    /// The same one, after its process has ended.
    fn again(self, room: &Room, more: &[&str]) -> Self {
        Self::start(self.folder, room, more)
    }

    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.folder.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn put_text(&self, name: &str, text: &str) -> String {
        let body =
            serde_json::json!({ "files": [{ "name": name, "content": hex(text.as_bytes()) }] }).to_string();
        let answer = self.http("POST", "/api/files", &["content-type: application/json"], body.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        json(body)["files"][0]["id"].as_str().unwrap().to_owned()
    }

    fn info(&self, id: &str) -> Value {
        let answer = self.http("GET", &format!("/api/files/{id}/info"), &[], b"");
        json(answer.split_once("\r\n\r\n").unwrap().1)
    }

    fn until_whole(&self, id: &str) {
        self.until(|| self.info(id)["state"] == "here");
    }

    fn until(&self, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(
                begun.elapsed() < PATIENCE,
                "still not so: {}",
                self.http("GET", "/api/files?kind=all", &[], b"")
            );
            sleep(LOOK_EVERY);
        }
    }

    /// Runs a command of the program against this node, in its folder.
    fn run(&self, arguments: &[&str]) -> Ended {
        let at = if arguments[0] == "put" { "--to" } else { "--from" };
        let has_address = arguments.contains(&at);
        let address: &[&str] = if has_address { &[] } else { &[at, &self.url] };
        done(self.folder.start(&[arguments, address].concat()))
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, 0, "{arguments:?}: {}\n{}", ended.out, ended.err);
        ended.out.trim_end().to_owned()
    }

    fn http(&self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> String {
        self.http_at(self.url.trim_start_matches("http://"), method, path, headers, body)
    }

    fn http_at(&self, host: &str, method: &str, path: &str, headers: &[&str], body: &[u8]) -> String {
        http(self.url.trim_start_matches("http://"), host, method, path, headers, body)
    }
}

/// A request, and the whole answer.
fn http(address: &str, host: &str, method: &str, path: &str, headers: &[&str], body: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = vec![];
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Bytes that do not repeat, the same for the same seed.
fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("not JSON: {text}"))
}

/// The first of some ports in a row that are free now.
fn free_ports(count: u16) -> u16 {
    let begin = 20_000 + (std::process::id() % 20_000) as u16 / 16 * 16;
    let is_free = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
    (begin..begin + 5000).step_by(16).find(|first| (*first..first + count).all(is_free)).unwrap()
}
