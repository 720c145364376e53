//! How many bytes a second one link carries in bulk, and how long small messages take meanwhile: two links in one process.
//!
//! Without arguments, a table of message lengths and send buffers; prints one line for each.
//!
//! `cargo run --release -p manyhands-peer --example bulk`
//! `cargo run --release -p manyhands-peer --example bulk -- --message-kib 64 --runs 5`

use std::time::Duration;

use clap::Parser;
use manyhands_peer::measure::{BulkRun, Path, bulk};

/// Measures what a link between two native peers carries.
#[derive(Debug, Parser)]
struct Arguments {
    /// How long the messages are, in KiB.
    #[arg(long, value_delimiter = ',', default_value = "16,64")]
    message_kib: Vec<usize>,
    /// How large the connection's send buffer is, in KiB; 0 for what links have.
    #[arg(long, value_delimiter = ',', default_value = "0")]
    buffer_kib: Vec<usize>,
    /// How much to carry, in MiB.
    #[arg(long, default_value_t = 200)]
    total_mib: usize,
    /// How long a packet takes from one link to the other, in milliseconds; without it, the links are next to each other.
    #[arg(long)]
    delay_ms: Option<u64>,
    /// How many kilobytes a second go between links that have a delay.
    #[arg(long, default_value_t = 10_000)]
    path_kb_s: u64,
    /// How long packets wait at most on a path with a delay, in milliseconds, before they are lost.
    #[arg(long, default_value_t = 100)]
    path_queue_ms: u64,
    /// How often to measure each.
    #[arg(long, default_value_t = 3)]
    runs: usize,
}

impl Arguments {
    fn path(&self) -> Option<Path> {
        Some(Path {
            delay: Duration::from_millis(self.delay_ms?),
            bytes_per_second: self.path_kb_s * 1000,
            queue_max: Duration::from_millis(self.path_queue_ms),
        })
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the lines are what this program is for")]
async fn main() {
    let arguments = Arguments::parse();
    for &message in &arguments.message_kib {
        for &buffer in &arguments.buffer_kib {
            for _ in 0..arguments.runs {
                let run = BulkRun {
                    message_bytes: message << 10,
                    total_bytes: arguments.total_mib << 20,
                    path: arguments.path(),
                    send_buffer_bytes: (buffer > 0).then_some(buffer << 10),
                };
                match bulk(run).await {
                    Some(measured) => println!(
                        "message {message} KiB, buffer {buffer} KiB: {:.1} MB/s, ping median {:.2} ms, worst {:.1} ms",
                        measured.bytes_per_second / 1e6,
                        measured.ping_median.as_secs_f64() * 1e3,
                        measured.ping_worst.as_secs_f64() * 1e3,
                    ),
                    None => println!("message {message} KiB, buffer {buffer} KiB: the link broke"),
                }
            }
        }
    }
}
