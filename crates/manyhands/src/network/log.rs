//! What a node says, in a file that does not grow without end: strangers can make a node say something as often as they like.
//!
//! The file is the node's standard output and error output both, so both write through one [`Log`].

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

/// How much a node says in its life, in bytes; see [`Log`].
pub(crate) const LOG_BYTES_MAX: usize = 1 << 20;

/// A log that ends when it is full, and says so.
#[derive(Clone)]
pub(crate) struct Log {
    /// How many bytes are still to be had; less than that, once it is full.
    left: Arc<AtomicUsize>,
}

impl Log {
    /// A log of so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        Self { left: Arc::new(AtomicUsize::new(bytes)) }
    }

    /// Writes down an event.
    pub(crate) fn tell(&self, event: &Value) {
        // A log that cannot be written is no reason to stop.
        let _ = self.write_to(&mut io::stdout().lock(), format!("{event}\n").as_bytes());
    }

    /// Writes all of it, or nothing if there is no room for it.
    fn write_to(&self, to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
        let take = |left: usize| Some(left.saturating_sub(bytes.len()));
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).unwrap_or_default();
        match left {
            0 => return Ok(()),
            left if left <= bytes.len() => to.write_all(b"{\"event\":\"log-full\"}\n")?,
            _ => to.write_all(bytes)?,
        }
        to.flush()
    }
}

/// As what the program's parts log to: the error output.
impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_to(&mut io::stderr().lock(), bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_log_says_so_once_and_nothing_more() {
        let (log, mut file) = (Log::new(20), vec![]);

        for _ in 0..5 {
            log.write_to(&mut file, b"eight b\n").unwrap();
        }

        assert_eq!(file, b"eight b\neight b\n{\"event\":\"log-full\"}\n");
    }
}
