//! Figures of the mesh: exact ones from the simulator, and those of a network of real processes.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use xtask::browsers::{http, wait_for};

use super::{Figure, Target, field};
use crate::commands;

const PATIENCE: Duration = Duration::from_secs(30);
/// The network that is measured: how many nodes, how many messages, and the ports that are tried.
const NODES: u16 = 16;
const MESSAGES: usize = 21;
const PORTS: [u16; 4] = [17_101, 18_301, 19_501, 20_701];
/// What the program ends with if a port is taken.
const PORT_TAKEN: i32 = 6;

/// What is taken from a scenario's report: the figure's name there, its name here, its unit, its target.
type Row = (&'static str, &'static str, &'static str, Target);

const LOST_NODES: &[Row] = &[
    (
        "reached_all_without_three_percent",
        "heard by all, any 3 of 20 nodes away",
        "%",
        Target::AtLeast(100.0),
    ),
    (
        "reached_after_50_percent_died_percent",
        "heard by the survivors, 50 % killed",
        "%",
        Target::AtLeast(100.0),
    ),
    (
        "reached_after_80_percent_died_percent",
        "heard by the survivors, 80 % killed",
        "%",
        Target::AtLeast(99.0),
    ),
];
const REDUNDANCY: &[Row] = &[
    ("one_sender_copies_beyond_one", "copies beyond one, 100 peers, one sender", "", Target::AtMost(0.15)),
    ("many_senders_copies_beyond_one", "copies beyond one, 100 peers, many senders", "", Target::AtMost(0.8)),
    ("many_senders_last_hop", "last hop, 100 peers, many senders", "", Target::AtMost(12.0)),
];
const LOST_WORKERS: &[Row] =
    &[("redone_slices_per_lost_peer", "slices redone per lost peer, 30 % killed", "", Target::AtMost(1.0))];
const LARGE: &[Row] = &[
    ("wall_s", "10,000 peers, a simulated minute", "s", Target::AtMost(60.0)),
    ("peak_mib", "memory of that simulation", "MiB", Target::AtMost(4096.0)),
];

/// Scenarios in virtual time. All but the last two rows come out the same on every machine.
pub(super) fn simulated() -> Result<Vec<Figure>> {
    commands::run(&mut commands::cargo(["build", "--release", "--package", "manyhands-sim"]))?;
    let efficiency = |name, least| [("efficiency", name, "", Target::AtLeast(least))];
    let mut figures = scenario("efficiency", &efficiency("efficiency in the simulator, 10 peers", 0.97))?;
    figures.extend(scenario("efficiency-100", &efficiency("efficiency in the simulator, 100 peers", 0.95))?);
    figures.extend(scenario("efficiency-1000", &efficiency("efficiency in the simulator, 1000 peers", 0.9))?);
    figures.extend(scenario("lost-nodes", LOST_NODES)?);
    figures.extend(scenario("redundancy", REDUNDANCY)?);
    figures.extend(scenario("lost-workers", LOST_WORKERS)?);
    figures.extend(scenario("large", LARGE)?);
    Ok(figures)
}

fn scenario(name: &str, rows: &[Row]) -> Result<Vec<Figure>> {
    println!("    measuring: scenario {name}");
    let mut run = commands::program(crate::build::target_folder().join("release/manyhands-sim"));
    // A missed target ends it with a code of its own, which is no error here.
    let output = run.args(["scenario", name, "--json"]).output().context("starting manyhands-sim")?;
    let report: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{name}: {}", String::from_utf8_lossy(&output.stderr)))?;
    let measured = |name: &str| {
        let all = report["figures"].as_array()?;
        all.iter().find(|figure| figure["name"] == name)?["value"].as_f64()
    };
    let what_else = ["ledger_bytes_per_node_and_second", "computed_twice_units", "last_hop"];
    let note = what_else
        .iter()
        .filter_map(|name| Some(format!("{}: {:.0}", name.replace('_', " "), measured(name)?)))
        .collect::<Vec<_>>()
        .join(", ");
    rows.iter()
        .map(|(theirs, name, unit, target)| {
            let measured = measured(theirs).with_context(|| format!("no {theirs} in {report}"))?;
            Ok(Figure { name, measured, unit, target: *target, note: note.clone() })
        })
        .collect()
}

/// A network of processes on this machine: how soon it is up, how soon a message is everywhere, how much memory a node takes.
pub(super) fn network(program: &Path) -> Result<Vec<Figure>> {
    println!("    measuring: a network of {NODES} processes");
    let folder = tempfile::tempdir()?;
    let network = Network { program, folder: folder.path() };
    let (port, up_s) = network.start()?;

    let mut spreads: Vec<f64> = (0..MESSAGES).map(|nth| spread_ms(port, nth)).collect::<Result<_>>()?;
    spreads.sort_by(f64::total_cmp);
    let status: Value = serde_json::from_slice(&network.run(&["network-status", "--json"])?)?;
    let pids = status["nodes"].as_array().into_iter().flatten().filter_map(|node| node["pid"].as_u64());
    let memory: Vec<f64> = pids.map(memory_mb).collect::<Result<_>>()?;
    ensure!(memory.len() == usize::from(NODES), "{} of {NODES} nodes run", memory.len());
    let most = memory.iter().copied().fold(0.0, f64::max);
    let figure = |name, measured, unit, most, note| Figure {
        name,
        measured,
        unit,
        target: Target::AtMost(most),
        note,
    };
    Ok(vec![
        figure("16-node network up", up_s, "s", 10.0, "all linked".to_owned()),
        figure(
            "a message at all 16 nodes, median",
            spreads[MESSAGES / 2],
            "ms",
            100.0,
            format!("worst of {MESSAGES}: {:.0} ms", spreads[MESSAGES - 1]),
        ),
        figure("memory of a node, the largest", most, "MB", 30.0, "resident".to_owned()),
    ])
}

/// How long it takes from giving a node a message until the last one has heard it, in milliseconds.
fn spread_ms(port: u16, nth: usize) -> Result<f64> {
    let node = |k: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port + k));
    let text = format!("message {nth}");
    let begun = Instant::now();
    let from = node(nth as u16 % NODES);
    say(from, &text)?;
    let mut last = 0.0_f64;
    for k in 0..NODES {
        let heard = wait_for("a message", PATIENCE, || {
            let asked = begun.elapsed().as_secs_f64() * 1000.0;
            let messages = http::request(node(k), "GET", "/api/messages", None, PATIENCE)?.json()?;
            let message = messages.as_array().into_iter().flatten().find(|message| message["text"] == text);
            // The node says how long ago it heard it, so that the asking does not count.
            Ok(message.map(|message| field(message, "heard_ms")).transpose()?.map(|ago| asked - ago))
        })?;
        last = last.max(heard);
    }
    Ok(last)
}

/// Gives a node a message, with the header by which it knows that no foreign page asks.
fn say(node: SocketAddr, text: &str) -> Result<()> {
    let body = json!({ "text": text }).to_string();
    let mut stream = TcpStream::connect_timeout(&node, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let head = format!(
        "POST /api/messages HTTP/1.1\r\nhost: {node}\r\nx-manyhands: 1\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 202 "), "POST /api/messages: {answer}");
    Ok(())
}

fn memory_mb(pid: u64) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no memory in /proc")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024.0 / 1e6)
}

/// The network's commands. It is stopped at the end, however that comes.
struct Network<'a> {
    program: &'a Path,
    folder: &'a Path,
}

impl Network<'_> {
    /// Starts the network at the first ports that are free: where, and after how many seconds it was up.
    fn start(&self) -> Result<(u16, f64)> {
        let nodes = NODES.to_string();
        for port in PORTS {
            let begun = Instant::now();
            let arguments = ["start-network", "--nodes", &nodes, "--base-port", &port.to_string()];
            let output = self.output(&arguments)?;
            // Other ports help against nothing else that can be wrong.
            if output.status.code() != Some(PORT_TAKEN) {
                succeeded(&arguments, output)?;
                return Ok((port, begun.elapsed().as_secs_f64()));
            }
        }
        bail!("at each of the ports {PORTS:?} and those after it, one is taken")
    }

    fn run(&self, arguments: &[&str]) -> Result<Vec<u8>> {
        succeeded(arguments, self.output(arguments)?)
    }

    fn output(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = commands::program(self.program);
        let output = command.args(arguments).env("MANYHANDS_STATE", self.folder).output();
        output.with_context(|| format!("starting {}", self.program.display()))
    }
}

fn succeeded(arguments: &[&str], output: Output) -> Result<Vec<u8>> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{arguments:?} ended with {}: {said}", output.status);
    Ok(output.stdout)
}

impl Drop for Network<'_> {
    fn drop(&mut self) {
        // It may not have started.
        let _ = self.run(&["stop-network"]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_about_ports_is_told_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let broken = Network { program: Path::new("false"), folder: folder.path() };
        let absent = Network { program: Path::new("/nowhere/manyhands"), folder: folder.path() };

        assert!(broken.start().unwrap_err().to_string().contains(&PORTS[0].to_string()));
        assert!(absent.start().unwrap_err().to_string().contains("/nowhere/manyhands"));
    }
}
