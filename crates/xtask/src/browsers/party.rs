//! The `manyhands` program as a host and as a friend without a browser.
//!
//! Both are the real binary with real sockets on free ports. A host works on a copy of its task in a folder of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::http;
use super::process::Process;
use super::wait_for;

const PATIENCE: Duration = Duration::from_secs(30);

/// A running host.
#[derive(Debug)]
pub struct Host {
    /// The program.
    pub process: Process,
    /// The invite that it printed.
    pub invite: String,
    /// Where it listens on this machine.
    pub address: SocketAddr,
    folder: TempDir,
}

/// The files of a host at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot(Vec<(PathBuf, Vec<u8>)>);

/// A running friend.
#[derive(Debug)]
pub struct Friend {
    /// The program.
    pub process: Process,
    folder: TempDir,
}

impl Host {
    /// Starts a host that is asked to add the counting numbers up to `counting_number`.
    ///
    /// # Errors
    /// If it does not start and tell its invite.
    pub fn start(program: &Path, counting_number: u64, arguments: &[&str]) -> Result<Self> {
        let task = json!({
            "most_recent_counting_number_added": 0,
            "current_total": 0,
            "counting_number": counting_number,
        });
        Self::start_with(program, &task.to_string(), arguments)
    }

    /// Starts a host with this text as its `task.json`.
    ///
    /// # Errors
    /// If it does not start and tell its invite.
    pub fn start_with(program: &Path, task: &str, arguments: &[&str]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("manyhands-host-").tempdir()?;
        std::fs::write(folder.path().join("task.json"), task)?;
        Self::start_in(folder, 0, program, &[&["task.json"], arguments].concat())
    }

    /// Starts a host with an empty folder, whose arguments say what its job is.
    ///
    /// # Errors
    /// If it does not start and tell its invite.
    pub fn start_bare(program: &Path, arguments: &[&str]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("manyhands-host-").tempdir()?;
        Self::start_in(folder, 0, program, arguments)
    }

    /// Starts a host that was killed anew, in its old folder and at its old port.
    ///
    /// # Errors
    /// If it does not start and tell its invite.
    pub fn start_again(mut self, program: &Path, arguments: &[&str]) -> Result<Self> {
        self.process.kill();
        let port = self.address.port();
        Self::start_in(self.folder, port, program, &[&["task.json"], arguments].concat())
    }

    fn start_in(folder: TempDir, port: u16, program: &Path, arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(["host", "--port", &port.to_string(), "--json"]).args(arguments);
        // A home of its own, so that no key of the person's is touched and hosts are strangers to each other.
        command.current_dir(folder.path()).env("HOME", folder.path()).env("XDG_STATE_HOME", folder.path());
        let mut process = Process::start(command)?;
        let listening =
            process.wait_for_line("the host's address", PATIENCE, |line| event_line(line, "listening"))?;
        let port = listening["port"].as_u64().and_then(|port| u16::try_from(port).ok()).context("no port")?;
        // As friends get it: by the machine's address in its network, where it has one.
        let invite =
            listening["lan"][0].as_str().or(listening["invite"].as_str()).context("no invite")?.to_owned();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Ok(Self { process, invite, address, folder })
    }

    /// Copies the task file and what lies beside it, to be put back with [`Host::put_back`].
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(self.folder.path())? {
            let path = entry?.path();
            if path.is_file() {
                files.push((path.clone(), std::fs::read(&path)?));
            }
        }
        Ok(Snapshot(files))
    }

    /// Puts the files back as they were. The host has to be killed before.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn put_back(&self, snapshot: &Snapshot) -> Result<()> {
        for entry in std::fs::read_dir(self.folder.path())? {
            let path = entry?.path();
            if path.is_file() {
                std::fs::remove_file(path)?;
            }
        }
        snapshot.0.iter().try_for_each(|(path, bytes)| Ok(std::fs::write(path, bytes)?))
    }

    /// The invite by another address: a page from `localhost` is a secure context, one from `192.168.…` is not.
    pub fn local_invite(&self) -> String {
        let fragment = self.invite.split_once('#').map_or("", |(_, fragment)| fragment);
        format!("http://localhost:{}/#{fragment}", self.address.port())
    }

    /// The host's task file.
    pub fn task_file(&self) -> PathBuf {
        self.folder.path().join("task.json")
    }

    /// What the task file says now.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn task(&self) -> Result<Task> {
        Task::parse(&std::fs::read_to_string(self.task_file())?)
    }

    /// What the host serves at `path`.
    ///
    /// # Errors
    /// If it does not answer with 200 and JSON.
    pub fn get(&self, path: &str) -> Result<Value> {
        let answer = http::request(self.address, "GET", path, None, PATIENCE)?;
        ensure!(answer.status == 200, "GET {path}: {}", answer.headers);
        answer.json()
    }

    /// `GET /api/status`.
    ///
    /// # Errors
    /// As [`Host::get`].
    pub fn status(&self) -> Result<Value> {
        self.get("/api/status")
    }

    /// Waits until the task file says that the job is finished.
    ///
    /// # Errors
    /// If it does not within `patience`.
    pub fn wait_until_finished(&self, patience: Duration) -> Result<Task> {
        wait_for("the end of the job", patience, || {
            let task = self.task()?;
            Ok((task.added == task.counting_number).then_some(task))
        })
        .with_context(|| format!("the host wrote:\n{}\nstatus: {:?}", self.process.written(), self.status()))
    }

    /// How much memory the host holds now and held at most, in bytes.
    ///
    /// # Errors
    /// If it has ended.
    pub fn memory(&self) -> Result<(u64, u64)> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib * 1024)
        };
        field("VmRSS:").zip(field("VmHWM:")).context("no memory in /proc")
    }
}

impl Friend {
    /// Starts `manyhands join`.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn join(program: &Path, invite: &str, arguments: &[&str]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("manyhands-friend-").tempdir()?;
        let mut command = Command::new(program);
        command.args(["join", invite]).args(arguments);
        command.current_dir(folder.path()).env("HOME", folder.path()).env("XDG_STATE_HOME", folder.path());
        Ok(Self { process: Process::start(command)?, folder })
    }

    /// A file in the folder that it was started in.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// What `task.json` says, in the words of this house.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// `most_recent_counting_number_added`.
    pub added: u64,
    /// `current_total`.
    pub total: u128,
    /// `counting_number`.
    pub counting_number: u64,
}

impl Task {
    /// Reads the text of a `task.json`.
    ///
    /// # Errors
    /// If it does not have exactly the three keys, with plain integers.
    pub fn parse(text: &str) -> Result<Self> {
        // Read as text, not as JSON numbers: totals grow past what those hold exactly.
        let mut task = Self { added: 0, total: 0, counting_number: 0 };
        let fields: Vec<&str> =
            text.trim().trim_start_matches('{').trim_end_matches('}').split(',').collect();
        ensure!(fields.len() == 3, "three keys expected: {text}");
        for field in fields {
            let (key, value) = field.split_once(':').with_context(|| format!("not JSON: {text}"))?;
            let value: u128 = value.trim().parse().with_context(|| format!("not a whole number: {text}"))?;
            match key.trim() {
                "\"most_recent_counting_number_added\"" => task.added = u64::try_from(value)?,
                "\"current_total\"" => task.total = value,
                "\"counting_number\"" => task.counting_number = u64::try_from(value)?,
                other => anyhow::bail!("an unknown key: {other}"),
            }
        }
        Ok(task)
    }
}

/// The line as JSON, if it is this event.
fn event_line(line: &str, event: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(line).ok()?;
    (value["event"] == event).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_total_beyond_64_bits_is_read_exactly() {
        let text = "{\n  \"most_recent_counting_number_added\": 1000000000000000000,\n  \
                    \"current_total\": 500000000000000000500000000000000000,\n  \
                    \"counting_number\": 1000000000000000000\n}\n";

        assert_eq!(Task::parse(text).unwrap().total, 500_000_000_000_000_000_500_000_000_000_000_000);
        assert!(Task::parse("{\"current_total\": 1.5}").is_err());
    }
}
