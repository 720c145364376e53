//! A program that runs beside a test and never outlives it.
//!
//! Each program leads a process group of its own, so that what it started itself (a driver starts a browser, which starts
//! a dozen helpers) ends with it.

use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::wait_for;

/// A running program and what it has written so far.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    stdout: Lines,
    stderr: Lines,
}

/// Lines that another thread collects.
#[derive(Clone, Debug, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Process {
    /// Starts a program.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(mut command: Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let stdout = Lines::collect(child.stdout.take().context("no stdout")?);
        let stderr = Lines::collect(child.stderr.take().context("no stderr")?);
        Ok(Self { child, name, stdout, stderr })
    }

    /// The program's process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `find` finds something in a line of its output or its error output.
    ///
    /// # Errors
    /// If the program ends first, or nothing is found within `patience`.
    pub fn wait_for_line<T>(
        &mut self,
        what: &str,
        patience: Duration,
        find: impl Fn(&str) -> Option<T>,
    ) -> Result<T> {
        let waited = wait_for(what, patience, || {
            // The end is looked at before the lines, so that the last line of a program that ended is not missed.
            let ended = self.child.try_wait()?;
            let found = self.stdout.find(&find).or_else(|| self.stderr.find(&find));
            match (found, ended) {
                (Some(found), _) => Ok(Some(found)),
                (None, None) => Ok(None),
                (None, Some(status)) => anyhow::bail!("it ended with {status}"),
            }
        });
        waited.with_context(|| format!("{}, which wrote:\n{}", self.name, self.written()))
    }

    /// What it has written on its output so far.
    pub fn stdout(&self) -> Vec<String> {
        self.stdout.copy()
    }

    /// All that it has written so far, for the report of a failure.
    pub fn written(&self) -> String {
        [self.stdout.copy(), self.stderr.copy()].concat().join("\n")
    }

    /// Waits for the program to end of itself.
    ///
    /// # Errors
    /// If it does not within `patience`.
    pub fn wait(&mut self, patience: Duration) -> Result<ExitStatus> {
        let waited = wait_for("its end", patience, || Ok(self.child.try_wait()?));
        waited.with_context(|| format!("{}, which wrote:\n{}", self.name, self.written()))
    }

    /// Sends the program a signal, by its name without `SIG`.
    pub fn signal(&self, signal: &str) {
        send(signal, &self.id().to_string());
    }

    /// Ends the program and all that it started, at once.
    pub fn kill(&mut self) {
        send("KILL", &format!("-{}", self.id()));
        // Failing means that it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Lines {
    fn collect(from: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let collected = lines.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                lines.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        collected
    }

    fn copy(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn find<T>(&self, find: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().find_map(|line| find(line))
    }
}

/// Sends a signal through the shell, since the standard library cannot and the rest of the house is free of `unsafe`.
fn send(signal: &str, to: &str) {
    let kill =
        Command::new("sh").args(["-c", &format!("kill -s {signal} -- {to}")]).stderr(Stdio::null()).status();
    // Failing means that there is nobody left to tell.
    drop(kill);
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[test]
    fn a_program_and_what_it_started_end_with_its_handle() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 1000 & echo started $!; wait"]);
        let mut process = Process::start(command).unwrap();
        let child = process
            .wait_for_line("the child", PATIENCE, |line| line.strip_prefix("started ").map(str::to_owned))
            .unwrap();

        drop(process);

        // A killed process may be a zombie for a moment until init has collected it.
        wait_for("the end of the child", PATIENCE, || {
            let status = std::fs::read_to_string(format!("/proc/{child}/status")).unwrap_or_default();
            Ok((status.is_empty() || status.contains("State:\tZ")).then_some(()))
        })
        .unwrap();
    }

    #[test]
    fn a_program_that_ends_too_early_is_told_with_its_words() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo out of cake >&2; exit 3"]);
        let mut process = Process::start(command).unwrap();

        let error =
            process.wait_for_line("a line", PATIENCE, |line| (line == "cake").then_some(())).unwrap_err();

        wait_for("its words", PATIENCE, || Ok(process.written().contains("out of cake").then_some(())))
            .unwrap();
        assert!(format!("{error:#}").contains("ended"), "{error:#}");
    }
}
