//! The hash of everything that every node did, by which two runs are compared.

use std::fmt::{self, Write as _};

use manyhands_core::{Output, Time};
use manyhands_wire::signaling::ClientMessage;

/// How many bytes are gathered before they are hashed.
const GATHERED: usize = 1 << 15;

/// A hash in the making.
#[derive(Default)]
pub(crate) struct Trace {
    hasher: blake3::Hasher,
    gathered: Vec<u8>,
}

impl Trace {
    /// Takes in one output of a node. What is frequent goes in as bytes, the rest as it is printed.
    pub(crate) fn add(&mut self, now: Time, number: usize, output: &Output) {
        self.gathered.extend(now.as_micros().to_le_bytes());
        self.gathered.extend((number as u32).to_le_bytes());
        match output {
            Output::Send(link, bytes) => self.part(0, link.0, bytes),
            Output::Signal(way, ClientMessage::Send { to, body }) => {
                self.part(1, way.0, &to.to_le_bytes());
                self.part(2, way.0, body.as_bytes());
            }
            other => {
                self.part(3, 0, &[]);
                // Writing to a hash never fails.
                let _ = write!(self, "{other:?}");
            }
        }
        if self.gathered.len() >= GATHERED {
            self.hasher.update(&self.gathered);
            self.gathered.clear();
        }
    }

    fn part(&mut self, tag: u8, link: u64, bytes: &[u8]) {
        self.gathered.push(tag);
        self.gathered.extend(link.to_le_bytes());
        self.gathered.extend((bytes.len() as u32).to_le_bytes());
        self.gathered.extend(bytes);
    }

    /// The hash so far, in hexadecimal.
    pub(crate) fn hash(&self) -> String {
        self.hasher.clone().update(&self.gathered).finalize().to_hex().to_string()
    }
}

impl fmt::Write for Trace {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.gathered.extend(text.as_bytes());
        Ok(())
    }
}
