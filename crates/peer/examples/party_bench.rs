//! How well a network shares work: native peers in one process, on real links, whose units only wait.
//!
//! Waiting needs no processor, so ten peers can be measured on a machine with two cores: what is lost is lost in asking,
//! granting and telling. The job starts when all are in. Prints one line of JSON.
//!
//! `cargo run --release -p manyhands-peer --example party_bench -- --peers 10 --units 600 --unit-ms 1000`
//! `cargo run --release -p manyhands-peer --example party_bench -- --permille 1000,100 --units 1100 --unit-ms 100`

#[path = "../tests/common/mod.rs"]
mod common;

use std::fs::read_to_string;
use std::time::{Duration, Instant};

use clap::Parser;
use common::{Lends, Party, complete, me, view_where};
use manyhands_core::Command;
use manyhands_core::view::Phase;
use manyhands_peer::Peer;
use manyhands_wire::JobKind;

/// Measures how well a network of native peers shares work.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many peers, the host among them.
    #[arg(long, default_value_t = 10)]
    peers: u8,
    /// How many units the job has.
    #[arg(long, default_value_t = 600)]
    units: u64,
    /// How long one unit takes, in milliseconds.
    #[arg(long, default_value_t = 1000)]
    unit_ms: u32,
    /// How many threads each peer lends.
    #[arg(long, default_value_t = 1)]
    threads: u16,
    /// The share of its time that each peer gives, in thousandths, the host first: the last counts for all that
    /// follow. More than one sets the number of peers to as many at least.
    #[arg(long, value_delimiter = ',', default_value = "1000")]
    permille: Vec<u16>,
}

impl Arguments {
    fn lends(&self, peer: usize) -> Lends {
        let permille = self.permille.get(peer).or(self.permille.last()).copied().unwrap_or(1000);
        Lends { threads: self.threads, permille }
    }

    fn peers(&self) -> usize {
        if self.permille.len() > 1 { self.permille.len() } else { usize::from(self.peers) }
    }

    /// How long the job takes if nobody ever waits for anybody and units can be cut at will.
    fn ideal(&self) -> Duration {
        let permille: u64 = (0..self.peers())
            .map(|peer| self.lends(peer))
            .map(|it| u64::from(it.permille) * u64::from(it.threads))
            .sum();
        Duration::from_millis(self.units * u64::from(self.unit_ms) * 1000 / permille)
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the line of JSON is what this program is for")]
async fn main() {
    let arguments = Arguments::parse();
    let party = Party::open().await;
    let kind = JobKind::Delay { units: arguments.units, unit_ms: arguments.unit_ms };
    let friends = u8::try_from(arguments.peers() - 1).expect("fewer than 256 peers");
    let ideal = arguments.ideal();
    let patience = Duration::from_secs(60) + 3 * ideal;

    let opened = Instant::now();
    let mut peers = vec![party.host(kind, u16::from(friends), arguments.lends(0))];
    peers.extend((1..=friends).map(|n| party.friend(n, arguments.lends(usize::from(n)))));
    view_where(&peers[0], patience, |view| view.phase == Phase::Running).await;
    let (meshed, started) = (opened.elapsed(), Instant::now());

    complete(&peers[0], patience).await;
    let makespan = started.elapsed();
    for peer in &peers {
        complete(peer, patience).await;
    }
    let all_know = started.elapsed();
    let gross: u64 = peers.iter().map(|peer| me(&peer.views().borrow()).gross_units).sum();
    let useful = arguments.units;

    println!(
        "{{\"peers\":{},\"efficiency\":{:.4},\"makespan_s\":{:.3},\"ideal_s\":{:.3},\"makespan_over_ideal\":{:.4},\
         \"gross\":{gross},\"useful\":{useful},\"start_s\":{:.3},\"all_know_s\":{:.3},\"memory_mb\":{:.1}}}",
        peers.len(),
        ideal.as_secs_f64() / makespan.as_secs_f64(),
        makespan.as_secs_f64(),
        ideal.as_secs_f64(),
        makespan.as_secs_f64() / ideal.as_secs_f64(),
        meshed.as_secs_f64(),
        all_know.as_secs_f64(),
        resident_mb(),
    );
    futures_util::future::join_all(peers.into_iter().map(leave)).await;
    party.close();
}

async fn leave(peer: Peer) {
    peer.command(Command::Leave).await;
    peer.finished().await;
}

/// The memory of this process, in megabytes, where the system tells; all peers together.
fn resident_mb() -> f64 {
    let status = read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches("kB").trim().parse::<f64>().unwrap_or(0.0) / 1024.0
}
