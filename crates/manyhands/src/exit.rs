//! How the program ends when it does not end well: what went wrong, and the number that scripts can go by.

use std::fmt;

/// The exit codes, as `--help` shows them.
pub(crate) const HELP: &str = "\
Exit codes:
  0    done: the job is finished, or the server was asked to stop
  1    something unexpected failed
  2    the command line or the invite link is wrong
  3    nobody answers at that address
  4    the room does not let you in: the link's key is wrong, or the room is full
  5    the job's file (task.json, mersenne.json) cannot be used: it says what is wrong with it
  6    the port cannot be listened on
  7    the network of nodes is not as the command needs it: it runs already, or the node was removed or sleeps
  8    a file cannot be put, found, fetched or kept: it says why
  130  interrupted before the job was finished

With --json a failure is told on the standard output as well: {\"error\":\"why\",\"code\":3}";

/// Why the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Something nobody planned for.
    Unexpected = 1,
    /// The command line or the link is wrong.
    Usage = 2,
    /// Nobody answers.
    Unreachable = 3,
    /// The room does not let this node in.
    Refused = 4,
    /// The task file is not usable.
    Task = 5,
    /// The port is not to be had.
    Port = 6,
    /// The network of nodes is not as the command needs it.
    Network = 7,
    /// A file is not to be had, or cannot be kept.
    File = 8,
    /// The person stopped it.
    Interrupted = 130,
}

/// An end that is not a good one, with a message for the person: what was wrong, where, and what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

/// What a command comes to.
pub(crate) type Outcome = Result<(), Failure>;

impl Failure {
    /// A failure with this reason and message.
    pub(crate) fn new(reason: Reason, message: impl fmt::Display) -> Self {
        Self { reason, message: message.to_string() }
    }

    /// What a program that asked for JSON is told.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "error": self.message, "code": self.reason as u8 })
    }

    /// The person pressed Ctrl-C before the job was finished. The message was shown at that moment already.
    pub(crate) fn interrupted() -> Self {
        Self::new(Reason::Interrupted, "")
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Reason::Unexpected, format!("{error:#}"))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(Reason::Unexpected, error)
    }
}
