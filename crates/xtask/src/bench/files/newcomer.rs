//! Ten thousand small files at a host, and a node that comes late: when does it list them all and have them all?

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use xtask::browsers::{Friend, Host, http, wait_for};

use crate::bench::{Figure, Target};

const FILES: usize = 10_000;
/// How many are put with one request, as a set of their own.
const SET: usize = 100;
const FILE_BYTES: usize = 100;
const PATIENCE: Duration = Duration::from_secs(300);
/// A job that never starts, so that the processors are free.
const WAITING: [&str; 2] = ["--wait", "99"];

/// From the start of a friend's program until its list has all files, and all of them are there.
pub(in crate::bench) fn newcomer(program: &Path) -> Result<Vec<Figure>> {
    println!("    measuring: {FILES} small files and a newcomer");
    let host = Host::start(program, 1000, &WAITING)?;
    let begun = Instant::now();
    for set in 0..FILES / SET {
        put(host.address, set)?;
    }
    let put_s = begun.elapsed().as_secs_f64();
    // The sets are entries of their own, which travel as files do.
    let entries = FILES + FILES / SET;
    let (known, here) = summary(host.address)?;
    ensure!((known, here) == (entries, entries), "the host knows {known} and has {here} of {entries}");

    let begun = Instant::now();
    let mut friend = Friend::join(program, &host.invite, &["--bind", "127.0.0.1", "--json"])?;
    let port = friend.process.wait_for_line("its address", PATIENCE, |line| {
        let event: Value = serde_json::from_str(line).ok()?;
        (event["event"] == "listening").then(|| u16::try_from(event["port"].as_u64()?).ok())?
    })?;
    let newcomer = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut known_s = None;
    wait_for("all small files", PATIENCE, || {
        let (known, here) = summary(newcomer)?;
        if known == entries {
            known_s.get_or_insert(begun.elapsed().as_secs_f64());
        }
        Ok((here == entries).then_some(()))
    })?;
    // The list is made anew now and then, so it may come a little later.
    wait_for("the list of all small files", PATIENCE, || {
        let list = get(newcomer, &format!("/api/files?limit={FILES}"))?;
        let listed = list["files"].as_array().context("a list of files")?;
        let here = listed.iter().filter(|file| file["state"] == "here").count();
        Ok((here == FILES && listed.len() == FILES).then_some(()))
    })?;
    let took_s = begun.elapsed().as_secs_f64();
    Ok(vec![Figure {
        name: "10,000 small files at a newcomer",
        measured: took_s,
        unit: "s",
        target: Target::AtMost(10.0),
        note: format!(
            "from its start; all known after {:.1} s; put in {put_s:.1} s",
            known_s.unwrap_or(took_s)
        ),
    }])
}

/// Puts a set of files, each with a name and content of its own.
fn put(node: SocketAddr, set: usize) -> Result<()> {
    let file = |number: usize| {
        let content: String =
            format!("{number:0FILE_BYTES$}").bytes().map(|byte| format!("{byte:02x}")).collect();
        json!({ "name": format!("note {number}.txt"), "content": content })
    };
    let files: Vec<Value> = (set * SET..(set + 1) * SET).map(file).collect();
    let answer = http::request(
        node,
        "POST",
        &format!("/api/files?set=notes%20{set}"),
        Some(&json!({ "files": files })),
        PATIENCE,
    )?;
    ensure!(answer.status == 201, "POST /api/files: {}", String::from_utf8_lossy(&answer.body));
    Ok(())
}

/// How many files a node knows, and how many it has.
fn summary(node: SocketAddr) -> Result<(usize, usize)> {
    let files = get(node, "/api/status")?["view"]["files"].take();
    let number = |name: &str| files[name].as_u64().and_then(|number| usize::try_from(number).ok());
    number("known").zip(number("here")).with_context(|| format!("no numbers of files in {files}"))
}

fn get(node: SocketAddr, path: &str) -> Result<Value> {
    let answer = http::request(node, "GET", path, None, PATIENCE)?;
    ensure!(answer.status == 200, "GET {path}: {}", String::from_utf8_lossy(&answer.body));
    answer.json()
}
