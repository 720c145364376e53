//! The program as a child process: started in a folder of its own, read line by line, ended with the test.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Far longer than anything here takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with its own task file and its own key.
pub(crate) struct Folder(tempfile::TempDir);

/// A running program.
pub(crate) struct Program {
    child: Child,
    lines: Receiver<String>,
    out: String,
    err: Option<JoinHandle<String>>,
}

/// What a program came to.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs the program to its end, somewhere.
pub(crate) fn run(arguments: &[&str]) -> Ended {
    done(Folder::new().start(arguments))
}

/// Waits for the end of a program.
pub(crate) fn done(mut program: Program) -> Ended {
    let begun = Instant::now();
    while let Some(line) = program.next_line(begun) {
        program.out.push_str(&line);
        program.out.push('\n');
    }
    let code = program.child.wait().unwrap().code().unwrap_or(-1);
    let err = program.err.take().unwrap().join().unwrap();
    Ended { code, out: std::mem::take(&mut program.out), err }
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The task file's text.
    pub(crate) fn task(&self) -> String {
        fs::read_to_string(self.path("task.json")).unwrap()
    }

    /// A host of a new job, on a free port, that speaks JSON.
    pub(crate) fn host(&self, counting_number: u64, more: &[&str]) -> Program {
        let task = format!(
            r#"{{ "most_recent_counting_number_added": 0, "current_total": 0, "counting_number": {counting_number} }}"#
        );
        fs::write(self.path("task.json"), task).unwrap();
        self.host_again(more)
    }

    /// A host of the job that is in the folder.
    pub(crate) fn host_again(&self, more: &[&str]) -> Program {
        self.start(&[&["host", "--bind", "127.0.0.1", "--port", "0", "--json"], more].concat())
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Program {
        let mut child = command()
            .args(arguments)
            .current_dir(self.0.path())
            .env("XDG_STATE_HOME", self.0.path().join("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program is built before its tests");
        let (stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let err = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        });
        Program { child, lines, out: String::new(), err: Some(err) }
    }
}

impl Program {
    /// Port and link of a host.
    pub(crate) fn listening(&mut self) -> (u16, String) {
        let event = self.event("listening");
        (event["port"].as_u64().unwrap().try_into().unwrap(), event["invite"].as_str().unwrap().to_owned())
    }

    /// The next JSON line with this event, passing over others.
    pub(crate) fn event(&mut self, name: &str) -> Value {
        let begun = Instant::now();
        while let Some(line) = self.next_line(begun) {
            let event: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"));
            self.out.push_str(&line);
            self.out.push('\n');
            if event["event"] == name {
                return event;
            }
        }
        let err = self.err.take().map(|err| err.join().unwrap());
        panic!("ended before the event {name}:\n{}\n{err:?}", self.out);
    }

    /// As Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        // The shell has a kill of its own, where the system may have none.
        let order = format!("kill -s INT {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &order]).status().unwrap().success());
    }

    /// Ends it on the spot, as a crash does.
    pub(crate) fn crash(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn next_line(&mut self, begun: Instant) -> Option<String> {
        let left = PATIENCE.saturating_sub(begun.elapsed());
        match self.lines.recv_timeout(left) {
            Ok(line) => Some(line),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => None,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                panic!("nothing more is said after:\n{}", self.out)
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, not yet started, that hears of nothing in this one's environment.
fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_manyhands"));
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("MANYHANDS_") {
            command.env_remove(variable);
        }
    }
    command
}

/// A request as the host's own page sends it, and the whole answer.
pub(crate) fn post(port: u16, path: &str) -> String {
    post_json(port, path, "")
}

/// The same with something to say.
pub(crate) fn post_json(port: u16, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\norigin: http://127.0.0.1:{port}\r\n\
         x-manyhands: 1\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
