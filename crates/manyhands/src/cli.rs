//! The command line: what can be asked for, and the help that teaches it.

mod host;
pub(crate) mod job;

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use manyhands_wire::frame::NAME_BYTES_MAX;
use manyhands_wire::job::{ASKED_BY_BYTES_MAX, DELAY_MS_MAX};

use crate::client::args::{GetArgs, LsArgs, PutArgs};
use crate::exit;
use crate::files::args::FilesArgs;
use crate::network::args::{NodeArgs, RemoveArgs, SendArgs, StartArgs, WhichArgs};
pub(crate) use host::HostArgs;

/// The port that a host listens on unless told otherwise.
pub(crate) const PORT: u16 = 8080;

const EXAMPLES: &str = "\
Examples:
  manyhands host                    add up what ./task.json asks for, and print the link for friends
  manyhands host --wait 9           start for all at once, when nine friends are in
  manyhands host --job mersenne     search for Mersenne primes together; then: manyhands primes
  manyhands join 'http://192.168.1.7:8080/#room=…&key=…'
                                    lend this machine; the quotes matter, as # and & mean something to a shell
  manyhands status                  how far the host on this machine is
  manyhands put a.txt b.txt         give files to everybody in the room; then: ls, get a.txt
  manyhands start-network           sixteen nodes on this machine that pass messages on; then send-message, get-messages,
                                    get-peers, network-status, remove-node, sleep-node, stop-network
  manyhands completions bash        tab completion

";

const MESSAGES_HELP: &str = "\
Example:
  manyhands get-messages 8
    - Apple (Node 4 -> Node 1 -> Node 8)

The path begins with the node that said it and ends with the one that is asked. The list shows each text with a capital
letter at its beginning; --json shows it exactly as it was sent.";

/// Many hands make light work: lend your friends' machines to one big computation.
///
/// Start a host, send its link to your friends, and every friend who opens it in a browser (or with `manyhands join`)
/// lends a hand. The machines talk to each other directly and split the work between them.
#[derive(Debug, Parser)]
#[command(name = "manyhands", version, max_term_width = 100, after_help = format!("{EXAMPLES}{}", exit::HELP))]
pub(crate) struct Cli {
    /// Say more on the error output: -v what happens, -vv every detail
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Ask friends for a hand: serves the page, takes part, and keeps the job's file true
    Host(Box<HostArgs>),
    /// Lend this machine to a friend's room
    Join(Box<JoinArgs>),
    /// Introduce the peers of any room to each other, for hosts without a public address
    Relay(RelayArgs),
    /// Show how far a host, or a friend's program, is
    Status(StatusArgs),
    /// Show the Mersenne primes that a search has found, and what is under way
    Primes(PrimesArgs),
    /// Put files into the room, through a node on this machine or another
    Put(PutArgs),
    /// Fetch a file, or a set of files, from the room
    Get(GetArgs),
    /// List the room's files
    Ls(LsArgs),
    /// Start a network of nodes on this machine, each a process of its own
    StartNetwork(StartArgs),
    /// Stop all nodes of a network
    StopNetwork(WhichArgs),
    /// Show the nodes of a network and how they are
    NetworkStatus(WhichArgs),
    /// Give a node of the network a message for everybody
    SendMessage(SendArgs),
    /// Show what a node of the network has heard, and along which path
    #[command(after_help = MESSAGES_HELP)]
    GetMessages(NodeArgs),
    /// Show the peers that a node of the network knows
    GetPeers(NodeArgs),
    /// Add a node to the network
    AddNode(WhichArgs),
    /// Remove a node from the network
    RemoveNode(RemoveArgs),
    /// Let a node of the network sleep: it drops everything until it is woken
    SleepNode(NodeArgs),
    /// Wake a node of the network
    WakeNode(NodeArgs),
    /// One node of a network, told on its input what to be
    #[command(hide = true)]
    Node,
    /// Print a script for tab completion
    Completions {
        /// For which shell
        shell: Shell,
    },
}

impl Command {
    /// Whether a program reads the output.
    pub(crate) fn is_json(&self) -> bool {
        match self {
            Self::Host(args) => args.json,
            Self::Join(args) => args.json,
            Self::Relay(args) => args.json,
            Self::Status(args) => args.json,
            Self::Primes(args) => args.json,
            Self::Put(args) => args.json,
            Self::Get(args) => args.json,
            Self::Ls(args) => args.json,
            Self::StartNetwork(args) => args.which.json,
            Self::StopNetwork(which) | Self::NetworkStatus(which) | Self::AddNode(which) => which.json,
            Self::SendMessage(args) => args.which.json,
            Self::GetMessages(args) | Self::GetPeers(args) => args.which.json,
            Self::SleepNode(args) | Self::WakeNode(args) => args.which.json,
            Self::RemoveNode(args) => args.which.json,
            Self::Node | Self::Completions { .. } => false,
        }
    }
}

/// How to join.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  manyhands join 'http://192.168.1.7:8080/#room=…&key=…'
  manyhands join \"$INVITE\" --threads 2 --throttle 25%
  manyhands join \"$INVITE\" --save copy.json      keep what is added so far, whatever becomes of the host
  manyhands join \"$INVITE\" --port 8081           let others in at this port; then: manyhands status http://127.0.0.1:8081
  manyhands join \"$INVITE\" --stay --port 8081   stay when the job is done, to fetch and put files
  manyhands join \"$INVITE\" --also http://192.168.1.9:8081    get in there, if the host is gone

The link is the one that the host, or any friend's program, prints; put it in quotes.")]
pub(crate) struct JoinArgs {
    /// The whole invite link, in quotes
    #[arg(env = "MANYHANDS_INVITE", required_unless_present = "invite_file")]
    pub(crate) invite: Option<String>,
    /// Read the link from this file, and wait for the file to be there
    #[arg(long, value_name = "FILE", env = "MANYHANDS_INVITE_FILE", conflicts_with = "invite")]
    pub(crate) invite_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) work: WorkArgs,
    #[command(flatten)]
    pub(crate) files: FilesArgs,
    /// Stay when the job is done, for the room's files and messages
    #[arg(long, env = "MANYHANDS_STAY")]
    pub(crate) stay: bool,
    /// How long to try to reach the host, or somebody else of the room
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = span)]
    pub(crate) patience: Duration,
    /// The folder that keeps this machine's identity [default: $XDG_STATE_HOME/manyhands or ~/.local/state/manyhands]
    #[arg(long, value_name = "DIR", env = "MANYHANDS_STATE")]
    pub(crate) state: Option<PathBuf>,
    /// Keep a copy of the task in this file, as the host keeps its own
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    /// The port at which others can join through this machine; 0 for any that is free
    #[arg(long, env = "MANYHANDS_JOIN_PORT", default_value_t = 0)]
    pub(crate) port: u16,
    /// The address to listen on; 127.0.0.1 for this machine only
    #[arg(long, value_name = "ADDRESS", env = "MANYHANDS_BIND", default_value_t = IpAddr::V4(Ipv4Addr::UNSPECIFIED))]
    pub(crate) bind: IpAddr,
    /// Serve nothing: nobody can join through this machine
    #[arg(long)]
    pub(crate) no_serve: bool,
    /// Serve at this port, to this machine only: short for --bind 127.0.0.1 --port PORT
    #[arg(long, value_name = "PORT", conflicts_with_all = ["port", "no_serve"])]
    pub(crate) http_port: Option<u16>,
    /// Get into the room here too: another node's address, or its link; may be given several times
    #[arg(long, value_name = "URL", value_parser = entrance)]
    pub(crate) also: Vec<String>,
    /// One JSON object a line instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

impl JoinArgs {
    /// Where to serve; none for a friend that serves nothing.
    pub(crate) fn listen_args(&self) -> Option<ListenArgs> {
        match self.http_port {
            Some(port) => Some(ListenArgs { port, bind: Ipv4Addr::LOCALHOST.into() }),
            None if self.no_serve => None,
            None => Some(ListenArgs { port: self.port, bind: self.bind }),
        }
    }
}

/// How to relay.
#[derive(Debug, Args)]
pub(crate) struct RelayArgs {
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
    /// One JSON object a line instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// Whose status.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// The address of a host; an invite link will do
    #[arg(default_value = "http://127.0.0.1:8080", env = "MANYHANDS_URL")]
    pub(crate) url: String,
    /// The JSON as it comes
    #[arg(long)]
    pub(crate) json: bool,
}

/// Whose primes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  manyhands primes                               what the host on this machine knows
  manyhands primes http://127.0.0.1:7003 --json  the primes that a node knows, as a JSON list
  manyhands primes --results results.jsonl       what became of every prime exponent, a line of JSON for each
  manyhands primes --results - | head            the same on the standard output

A prime is claimed until a second machine has come to the same by a run of its own; then it is confirmed. Speed is told in
Gbit²/s: a test of the exponent p squares a number of p bits about p times, which is p × p squared bits. They are given by the
average to all exponents of a size, tested or not, so that a small factor pays as much as a test. A share of the credit is a
share of these.")]
pub(crate) struct PrimesArgs {
    /// The address of any node of the search; an invite link will do
    #[arg(default_value = "http://127.0.0.1:8080", env = "MANYHANDS_URL")]
    pub(crate) url: String,
    /// The primes as a JSON list; nothing but them
    #[arg(long)]
    pub(crate) json: bool,
    /// Write what became of every finished prime exponent into this file, as JSON lines; - for the standard output
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub(crate) results: Option<PathBuf>,
    /// Overwrite the file for the results if it is there
    #[arg(short, long, requires = "results")]
    pub(crate) force: bool,
}

/// Where to listen.
#[derive(Debug, Args)]
pub(crate) struct ListenArgs {
    /// The port of page, signaling and API; 0 for any that is free
    #[arg(long, env = "MANYHANDS_PORT", default_value_t = PORT)]
    pub(crate) port: u16,
    /// The address to listen on; 127.0.0.1 for this machine only
    #[arg(long, value_name = "ADDRESS", env = "MANYHANDS_BIND", default_value_t = IpAddr::V4(Ipv4Addr::UNSPECIFIED))]
    pub(crate) bind: IpAddr,
}

/// How much to lend.
#[derive(Debug, Args)]
pub(crate) struct WorkArgs {
    /// How many threads to lend [default: all]
    #[arg(long, value_name = "N", env = "MANYHANDS_THREADS", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// How much of each thread's time to lend
    #[arg(long, value_name = "PERCENT", env = "MANYHANDS_THROTTLE", default_value = "100%")]
    pub(crate) throttle: Share,
    /// The name that others see [default: a friendly one made from the key]
    #[arg(long, env = "MANYHANDS_NAME", value_parser = name, default_value = "", hide_default_value = true)]
    pub(crate) name: String,
}

impl WorkArgs {
    /// How many threads to lend: what was asked for, else all there are.
    pub(crate) fn thread_count(&self) -> u16 {
        self.threads.unwrap_or_else(|| {
            let all = std::thread::available_parallelism().map_or(1, usize::from);
            u16::try_from(all).unwrap_or(u16::MAX)
        })
    }
}

/// A share of a thread's time, in thousandths, 1 to 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share(pub(crate) u16);

/// The delay job: how many units of how many milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delay {
    pub(crate) units: u64,
    pub(crate) unit_ms: u32,
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').unwrap_or(text).trim();
        match number.parse::<f64>() {
            Ok(percent) if (0.1..=100.0).contains(&percent) => Ok(Self((percent * 10.0).round() as u16)),
            Ok(_) | Err(_) => Err("a percentage from 0.1% to 100%, such as 25%".to_owned()),
        }
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}%", f64::from(self.0) / 10.0)
    }
}

impl FromStr for Delay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed =
            text.split_once('x').and_then(|(units, ms)| Some((units.parse().ok()?, ms.parse().ok()?)));
        match parsed {
            Some((units, unit_ms))
                if (1..=1 << 32).contains(&units) && (1..=DELAY_MS_MAX).contains(&unit_ms) =>
            {
                Ok(Self { units, unit_ms })
            }
            Some(_) | None => Err(format!("UNITSxMS, such as 600x1000, with 1 to {DELAY_MS_MAX} ms")),
        }
    }
}

/// A span of time such as `30s`, `500ms` or `2m`; a bare number is seconds.
fn span(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.trim().parse().map_err(|_| "a time such as 30s, 500ms or 2m".to_owned())?;
    match &text[digits.len()..] {
        "ms" => Ok(Duration::from_millis(number)),
        "" | "s" => Ok(Duration::from_secs(number)),
        "m" | "min" => Ok(Duration::from_secs(number.saturating_mul(60))),
        other => Err(format!("`{other}` is no unit of time here: use ms, s or m")),
    }
}

fn name(text: &str) -> Result<String, String> {
    short_text(text, NAME_BYTES_MAX)
}

fn asked_by(text: &str) -> Result<String, String> {
    short_text(text, ASKED_BY_BYTES_MAX)
}

fn short_text(text: &str, bytes_max: usize) -> Result<String, String> {
    let text = text.trim();
    if text.len() > bytes_max {
        return Err(format!("{} bytes, where {bytes_max} is the most", text.len()));
    }
    if text.chars().any(char::is_control) {
        return Err("control characters are not allowed".to_owned());
    }
    Ok(text.to_owned())
}

/// Another node's address; an invite link will do, less what follows the `#`.
fn entrance(text: &str) -> Result<String, String> {
    http_origin(text.split('#').next().unwrap_or_default())
}

fn http_origin(text: &str) -> Result<String, String> {
    let (scheme, rest) = text.split_once("://").ok_or("an address such as http://relay.example:8080")?;
    let host = rest.trim_end_matches('/');
    let is_plain = !host.is_empty() && !host.contains(['/', '#', '?', ' ']);
    if matches!(scheme, "http" | "https") && is_plain {
        Ok(format!("{scheme}://{host}"))
    } else {
        Err("an address such as http://relay.example:8080, with nothing after the port".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_fits_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_share_is_a_percentage() {
        assert_eq!("25%".parse(), Ok(Share(250)));
        assert_eq!("0.1".parse(), Ok(Share(1)));
        assert_eq!(Share(255).to_string(), "25.5%");
        for bad in ["0%", "101%", "NaN", "-3", "fast", ""] {
            assert!(bad.parse::<Share>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_delay_is_a_count_and_a_time() {
        assert_eq!("600x1000".parse(), Ok(Delay { units: 600, unit_ms: 1000 }));
        for bad in ["600", "0x5", "5x0", "5x60001", "-1x5", "axb", "1x2x3"] {
            assert!(bad.parse::<Delay>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_span_has_a_unit() {
        assert_eq!(span("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(span("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(span("2m"), Ok(Duration::from_secs(120)));
        assert!(span("soon").is_err() && span("3 weeks").is_err() && span("-1s").is_err());
    }

    #[test]
    fn names_are_short_and_plain() {
        assert_eq!(name(" Ann "), Ok("Ann".to_owned()));
        assert!(name(&"n".repeat(33)).is_err());
        assert!(name("\u{1b}[31mred").is_err());
    }

    #[test]
    fn a_relay_is_an_origin() {
        assert_eq!(http_origin("http://liz.example:80/"), Ok("http://liz.example:80".to_owned()));
        for bad in ["liz:80", "ftp://liz", "http://", "http://liz/path", "http://liz/#room"] {
            assert!(http_origin(bad).is_err(), "{bad}");
        }
    }
}
