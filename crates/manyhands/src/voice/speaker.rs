//! Whoever reads the output of a program that runs for long may stop reading without going away. Then a write waits for ever, and
//! must not keep the program with it: a thread of its own writes, from a queue that leaves lines out when it is full.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// How many lines wait at most.
const LINES_MAX: usize = 1024;
/// How many lines may wait before those are left out that are many, and that others like them follow.
const CHATTER_MAX: usize = 512;
/// How long a program that ends waits until everything is written.
const END_WITHIN: Duration = Duration::from_secs(2);

/// Where a text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    /// The standard output.
    Out,
    /// The error output.
    Error,
}

/// How much it matters that a line is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// One of many.
    Chatter,
    /// Everything else.
    News,
}

/// The queue of a program that runs for long; none in one that only answers.
static SPEAKER: OnceLock<Speaker> = OnceLock::new();

#[derive(Default)]
struct Speaker {
    queue: Mutex<Queue>,
    changed: Condvar,
    is_json: bool,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<(To, String)>,
    left_out: u64,
    is_writing: bool,
}

/// From now on nobody waits for whoever reads.
pub(super) fn start(is_json: bool) {
    let mut is_first = false;
    let speaker = SPEAKER.get_or_init(|| {
        is_first = true;
        Speaker { is_json, ..Speaker::default() }
    });
    if is_first {
        // Without the thread the queue fills, which is better than not to run.
        let started = std::thread::Builder::new().name("speaker".into()).spawn(|| speaker.run());
        if let Err(error) = started {
            write(To::Error, &format!("manyhands: nothing will be said here: {error}"));
        }
    }
}

/// Writes a line, now or soon.
pub(super) fn speak(to: To, text: &str, weight: Weight) {
    match SPEAKER.get() {
        Some(speaker) => speaker.take(to, text, weight),
        None => write(to, text),
    }
}

/// Waits a moment until everything is written.
pub(crate) fn finish() {
    let Some(speaker) = SPEAKER.get() else { return };
    let is_busy = |queue: &mut Queue| queue.is_writing || !queue.lines.is_empty();
    let _ = speaker.changed.wait_timeout_while(speaker.locked(), END_WITHIN, is_busy);
}

fn write(to: To, text: &str) {
    // A reader that went away is no reason to stop.
    let _ = match to {
        To::Out => {
            let mut out = io::stdout().lock();
            writeln!(out, "{text}").and_then(|()| out.flush())
        }
        To::Error => writeln!(io::stderr().lock(), "{text}"),
    };
}

impl Speaker {
    fn locked(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, to: To, text: &str, weight: Weight) {
        let mut queue = self.locked();
        let most = match weight {
            Weight::Chatter => CHATTER_MAX,
            Weight::News => LINES_MAX,
        };
        if queue.lines.len() >= most {
            queue.left_out += 1;
        } else {
            queue.lines.push_back((to, text.to_owned()));
            self.changed.notify_all();
        }
    }

    fn run(&self) {
        loop {
            let (to, text) = self.next();
            write(to, &text);
        }
    }

    /// The next line, once there is one. Before it, that lines were left out.
    fn next(&self) -> (To, String) {
        let mut queue = self.locked();
        queue.is_writing = false;
        self.changed.notify_all();
        loop {
            if queue.left_out > 0 && queue.lines.len() < CHATTER_MAX {
                let count = std::mem::take(&mut queue.left_out);
                queue.is_writing = true;
                return (To::Out, self.left_out(count));
            }
            if let Some(line) = queue.lines.pop_front() {
                queue.is_writing = true;
                return line;
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn left_out(&self, count: u64) -> String {
        if self.is_json {
            serde_json::json!({ "event": "left-out", "lines": count }).to_string()
        } else {
            format!("({count} lines were left out, as nobody read them)")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_leaves_out_and_counts() {
        let speaker = Speaker { is_json: true, ..Speaker::default() };

        for at in 0..2000 {
            speaker.take(To::Out, &format!("chatter {at}"), Weight::Chatter);
        }
        speaker.take(To::Out, "news", Weight::News);

        let said: Vec<String> = (0..CHATTER_MAX + 2).map(|_| speaker.next().1).collect();
        assert_eq!((said[0].as_str(), said.len()), ("chatter 0", CHATTER_MAX + 2));
        assert_eq!(said.last().unwrap(), "news");
        assert!(said.contains(&r#"{"event":"left-out","lines":1488}"#.to_owned()), "{said:?}");
        assert!(speaker.locked().lines.is_empty());
    }
}
