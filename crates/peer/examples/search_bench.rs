//! How long native peers take to test a range of exponents for Mersenne primes, in one process and on real links.
//!
//! All peers lend one thread and the same share of its time. The job starts when all are in, and is measured by the host's own
//! clock, from the start to the job's end. The time from the last finding to that end is told apart (`settling_s`). Prints
//! one line of JSON; what it says of units is their cost, but for `units`, of which there is one for each number.
//!
//! `cargo run --release -p manyhands-peer --example search_bench -- --to 10000`
//! `cargo run --release -p manyhands-peer --example search_bench -- --peers 4 --permille 250 --to 10000`

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use clap::Parser;
use common::{Lends, Party, complete, finished, me};
use manyhands_core::{Command, View};
use manyhands_peer::Peer;
use manyhands_wire::mersenne::{PROOFS_FROM, Verdict};
use manyhands_wire::{JobKind, UnitRange};
use tokio::sync::watch;

/// Measures how long native peers take to test exponents.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many peers, the host among them.
    #[arg(long, default_value_t = 1)]
    peers: u8,
    /// The share of its thread's time that each peer gives, in thousandths.
    #[arg(long, default_value_t = 1000)]
    permille: u16,
    /// The first exponent.
    #[arg(long, default_value_t = 2)]
    from: u32,
    /// The last exponent.
    #[arg(long, default_value_t = 10_000)]
    to: u32,
    /// Also tells what each peer is doing, whenever it shows something new: on the error output.
    #[arg(long)]
    trace: bool,
}

const PATIENCE: Duration = Duration::from_secs(1800);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the line of JSON is what this program is for")]
async fn main() {
    let Arguments { peers, permille, from, to, trace } = Arguments::parse();
    let party = Party::open().await;
    let kind = JobKind::Mersenne { from, to, proofs_from: PROOFS_FROM };
    let lends = Lends { threads: 1, permille };
    let friends = peers.saturating_sub(1);
    let mut all = vec![party.host(kind, u16::from(friends), lends)];
    all.extend((1..=friends).map(|n| party.friend(n, lends)));
    if trace {
        for (nth, peer) in all.iter().enumerate() {
            tokio::spawn(tell(nth, peer.views()));
        }
    }

    let (_, ledger) = &*complete(&all[0], PATIENCE).await;
    let found = Instant::now();
    let view = finished(&all[0], PATIENCE).await;
    let settling = found.elapsed();
    let primes: Vec<u32> = ledger
        .findings(ledger.range())
        .filter(|finding| finding.verdict == Verdict::Prime)
        .map(|finding| finding.exponent)
        .collect();
    for peer in &all[1..] {
        complete(peer, PATIENCE).await;
    }
    // Each tells of itself what the others only hear now and then.
    let mine = |peer: &Peer| me(&peer.views().borrow()).clone();
    let gross: u64 = all.iter().map(|peer| mine(peer).gross_units).sum();
    let credit: Vec<u64> = view.peers.iter().map(|peer| peer.credit_cost).collect();

    if trace {
        tell_threads();
    }
    println!(
        "{{\"peers\":{},\"permille\":{permille},\"took_s\":{:.3},\"settling_s\":{:.3},\"units\":{},\"gross_units\":{gross},\
         \"checked_units\":{},\"credit_cost\":{credit:?},\"primes\":{primes:?}}}",
        all.len(),
        view.room.elapsed_s,
        settling.as_secs_f64(),
        ledger.units(),
        view.room.checked_units,
    );
    futures_util::future::join_all(all.into_iter().map(leave)).await;
    party.close();
}

/// Tells what a peer shows, for as long as it is there.
async fn tell(nth: usize, mut views: watch::Receiver<View>) {
    let opened = Instant::now();
    while views.changed().await.is_ok() {
        let view = views.borrow_and_update().clone();
        let Some(mine) = view.peers.iter().find(|peer| peer.me) else { continue };
        let held: Vec<UnitRange> = view.under_way.iter().map(|(units, _)| *units).collect();
        eprintln!(
            "{:>6} ms, peer {nth}: {:?} {:?}, holds {} units, credit {}, gross {}; all: {:.3} s, {} units, under way {held:?}",
            opened.elapsed().as_millis(),
            view.phase,
            mine.activity,
            mine.holding_units,
            mine.credit_units,
            mine.gross_units,
            view.room.elapsed_s,
            view.room.useful_units,
        );
    }
}

/// Tells how long each thread of this process has run, and how long it waited for a processor, where the system tells.
fn tell_threads() {
    for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let read = |name: &str| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let schedule = read("schedstat");
        let mut times = schedule.split_whitespace().filter_map(|ns| ns.parse::<f64>().ok());
        if let Some((ran, waited)) = times.next().zip(times.next()) {
            eprintln!(
                "thread {}: ran {:.0} ms, waited {:.0} ms",
                read("comm").trim(),
                ran / 1e6,
                waited / 1e6
            );
        }
    }
}

async fn leave(peer: Peer) {
    peer.command(Command::Leave).await;
    peer.finished().await;
}
