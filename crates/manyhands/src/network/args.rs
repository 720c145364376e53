//! The command line of the network commands.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::NODES_MAX;
use crate::cli::job::SearchArgs;
use crate::files::args::FilesArgs;

/// Which network.
#[derive(Debug, Args)]
pub(crate) struct WhichArgs {
    /// Which network, where there are several
    #[arg(long, value_name = "NAME", env = "MANYHANDS_NETWORK", default_value = "default", value_parser = network_name)]
    pub(crate) network: String,
    /// The folder that remembers networks [default: $XDG_STATE_HOME/manyhands or ~/.local/state/manyhands]
    #[arg(long, value_name = "DIR", env = "MANYHANDS_STATE")]
    pub(crate) state: Option<PathBuf>,
    /// JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// How to start a network.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  manyhands start-network                            16 nodes, at http://127.0.0.1:7001 to 7016
  manyhands send-message 4 apple                     give node 4 something to tell everybody
  manyhands get-messages 8                           what node 8 has heard, and along which path
  manyhands remove-node 9
  manyhands stop-network
  manyhands start-network --nodes 5 --network b --base-port 7101     a second network beside the first
  manyhands start-network --nodes 4 --job mersenne --to 20000        every node searches for primes, with a thread each

Each node is a process of its own, starts from two others (a ring and a chord, so that any three may be lost), and finds
more peers by itself. The command ends once all are linked; the nodes stay until stop-network.

With a job node 1 is its host, and the job begins when all are linked. network-status shows which primes each node knows, and
manyhands primes http://127.0.0.1:7003 what node 3 has heard, from whom and along which path. What the nodes compute is in their
memory only: stop-network forgets it. Save it before with: manyhands primes http://127.0.0.1:7001 --results FILE")]
pub(crate) struct StartArgs {
    /// How many nodes
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=i64::from(NODES_MAX)))]
    pub(crate) nodes: u16,
    /// The port of node 1; node 2 has the next, and so on
    #[arg(long, value_name = "PORT", env = "MANYHANDS_BASE_PORT", default_value_t = 7001, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) base_port: u16,
    /// What the nodes compute together [default: nothing]
    #[arg(long, value_name = "JOB", value_enum)]
    pub(crate) job: Option<NetworkJob>,
    #[command(flatten)]
    pub(crate) search: SearchArgs,
    /// How many threads each node lends to the job
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: u16,
    #[command(flatten)]
    pub(crate) files: FilesArgs,
    #[command(flatten)]
    pub(crate) which: WhichArgs,
}

/// What a network can compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NetworkJob {
    /// Search for Mersenne primes
    Mersenne,
}

/// One node.
#[derive(Debug, Args)]
pub(crate) struct NodeArgs {
    /// The node's number, from 1
    #[arg(value_name = "NODE")]
    pub(crate) number: u16,
    #[command(flatten)]
    pub(crate) which: WhichArgs,
}

/// What to say, and where.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  manyhands send-message 4 apple
  manyhands send-message 4 \"any text at all\"
  manyhands send-message 4 -5
  manyhands send-message 4 -- --json                 even what would be an option")]
pub(crate) struct SendArgs {
    /// The number of the node that says it
    #[arg(value_name = "NODE")]
    pub(crate) number: u16,
    /// The text, of at most 8192 bytes; in quotes if it has spaces
    #[arg(allow_hyphen_values = true)]
    pub(crate) text: String,
    #[command(flatten)]
    pub(crate) which: WhichArgs,
}

/// Whom to remove.
#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    /// The node's number, from 1
    #[arg(value_name = "NODE")]
    pub(crate) number: u16,
    /// Kill it on the spot, as a crash does: it says goodbye to nobody
    #[arg(long)]
    pub(crate) kill: bool,
    #[command(flatten)]
    pub(crate) which: WhichArgs,
}

/// A name that is a folder's name everywhere.
fn network_name(text: &str) -> Result<String, String> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    if (1..=32).contains(&text.len()) && text.chars().all(is_plain) {
        Ok(text.to_owned())
    } else {
        Err("1 to 32 letters, digits, - or _".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_the_name_of_a_folder() {
        assert_eq!(network_name("my-2nd_one"), Ok("my-2nd_one".to_owned()));
        for bad in ["", "..", "a/b", "a b", "ä", &"n".repeat(33)] {
            assert!(network_name(bad).is_err(), "{bad}");
        }
    }
}
