//! A data channel with a bounded queue in front.
//!
//! Browsers take any amount of data and buffer it; past some MiB they fail the channel. So at most [`HIGH_WATER`] bytes are
//! handed over, the rest waits here for `bufferedamountlow`, and a queue over [`QUEUE_BYTES_MAX`] means that the other
//! side does not read: the link is closed. Each link has two: one for frames, one for bytes of files.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use web_sys::{RtcDataChannel, RtcDataChannelState, RtcDataChannelType};

/// How many bytes the browser may hold for us (guess; Chromium fails a channel at 16 MiB).
pub const HIGH_WATER: u32 = 1 << 20;
/// When to hand over more.
pub const LOW_WATER: u32 = 1 << 18;
/// How many bytes may wait in front of the browser's buffer (guess).
pub const QUEUE_BYTES_MAX: usize = 4 << 20;

/// The link's queue is full: the other side does not read.
#[derive(Debug, PartialEq, Eq)]
pub struct Overflow;

/// A data channel and what waits for it.
pub struct Channel {
    channel: RtcDataChannel,
    queue: RefCell<VecDeque<Vec<u8>>>,
    queued_bytes: Cell<usize>,
}

impl Channel {
    /// Sets the channel up for binary messages.
    pub fn new(channel: RtcDataChannel) -> Self {
        channel.set_binary_type(RtcDataChannelType::Arraybuffer);
        channel.set_buffered_amount_low_threshold(LOW_WATER);
        Self { channel, queue: RefCell::default(), queued_bytes: Cell::new(0) }
    }

    /// Whether messages may go.
    pub fn is_open(&self) -> bool {
        self.channel.ready_state() == RtcDataChannelState::Open
    }

    /// Sends a message, now or when there is room. How many messages the browser has taken by that.
    ///
    /// # Errors
    /// [`Overflow`] when more waits than the queue holds.
    pub fn send(&self, message: Vec<u8>) -> Result<usize, Overflow> {
        let bytes = self.queued_bytes.get() + message.len();
        if bytes > QUEUE_BYTES_MAX {
            return Err(Overflow);
        }
        self.queued_bytes.set(bytes);
        self.queue.borrow_mut().push_back(message);
        Ok(self.flush())
    }

    /// Hands over what the browser has room for. How many messages that were.
    pub fn flush(&self) -> usize {
        let mut taken = 0;
        while self.is_open() && self.channel.buffered_amount() < HIGH_WATER {
            let Some(message) = self.queue.borrow_mut().pop_front() else { break };
            self.queued_bytes.set(self.queued_bytes.get() - message.len());
            // Fails only when the channel closes this moment, and its close event follows.
            let _ = self.channel.send_with_u8_array(&message);
            taken += 1;
        }
        taken
    }

    /// Closes the channel once the browser has sent what it holds.
    pub fn close(&self) {
        self.flush();
        self.channel.close();
    }
}
