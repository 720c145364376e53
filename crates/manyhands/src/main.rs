//! The one program: a host, a friend without a browser, a relay, and the questions one asks them.
//!
//! - [`cli`]: what can be asked for; [`exit`]: how it ends; [`voice`] and [`numbers`]: how it speaks.
//! - [`host`]: asks friends for a hand. [`store`]: its file on disk. [`invites`]: its links. [`introductions`]: whether
//!   newcomers can get in.
//! - [`doors`]: where a node gets in, and lets others in.
//! - [`join`]: lends this machine. [`identity`]: the key that it keeps. [`copy`]: its own copy of the task.
//! - [`network`]: a network of many nodes on one machine, to try things.
//! - [`files`]: the files that a node keeps. [`client`]: puts, fetches and lists them from outside, and shows what a search
//!   found.
//! - [`relay`], [`status`]: small things.
//! - [`http`]: the page, signaling and the API. [`signals`]: Ctrl-C.
//!
//! All protocol is in `manyhands-core`, all connections are in `manyhands-peer`: here, parts are put together.

mod cli;
mod client;
mod copy;
mod doors;
mod exit;
mod files;
mod host;
mod http;
mod identity;
mod introductions;
mod invites;
mod join;
mod listen;
mod network;
mod numbers;
mod relay;
mod room;
mod signals;
mod status;
mod store;
mod voice;

use std::future::Future;
use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use cli::{Cli, Command};
use exit::{Failure, Outcome, Reason};
use network::log::{LOG_BYTES_MAX, Log};

/// How many files and connections the program may want to have open.
const FILES_WANTED: u64 = 16 * 1024;

fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| misunderstood(&error));
    let is_json = cli.command.is_json();
    // What a node says goes into a file, which must not fill the disk.
    let log = Log::new(LOG_BYTES_MAX);
    if matches!(cli.command, Command::Node) {
        let log = log.clone();
        start_log(cli.verbose, move || log.clone());
    } else {
        start_log(cli.verbose, std::io::stderr);
    }
    // A relay has thousands of connections, where systems allow a program a thousand files unless it asks for more.
    if let Err(error) = rlimit::increase_nofile_limit(FILES_WANTED) {
        tracing::debug!("the limit of open files stays as it is: {error}");
    }
    let code = match run(cli.command, &log) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.message.is_empty() {
                voice::print_error(&format!("manyhands: {}", failure.message));
                if is_json {
                    voice::print(&failure.to_json().to_string());
                }
            }
            ExitCode::from(failure.reason as u8)
        }
    };
    voice::finish();
    code
}

/// Ends the program over a command line that is none, or that asks for help.
fn misunderstood(error: &clap::Error) -> ! {
    // Whoever wants JSON gets it for this as well; where the line went wrong, only its words can tell.
    if error.use_stderr() && std::env::args().any(|word| word == "--json") {
        let message = error.render().to_string();
        voice::print(&Failure::new(Reason::Usage, message.trim()).to_json().to_string());
    }
    error.exit()
}

fn run(command: Command, log: &Log) -> Outcome {
    match command {
        Command::Host(args) => block_on(host::run(*args)),
        Command::Join(args) => block_on(join::run(*args)),
        Command::Relay(args) => block_on(relay::run(args)),
        Command::Status(args) => status::run(&args),
        Command::Primes(args) => client::primes::run(&args),
        Command::Put(args) => client::put::run(&args),
        Command::Get(args) => client::get::run(&args),
        Command::Ls(args) => client::ls::run(&args),
        Command::StartNetwork(args) => network::start_network(&args),
        Command::StopNetwork(args) => network::stop_network(&args),
        Command::NetworkStatus(args) => network::network_status(&args),
        Command::SendMessage(args) => network::send_message(&args),
        Command::GetMessages(args) => network::get_messages(&args),
        Command::GetPeers(args) => network::get_peers(&args),
        Command::AddNode(args) => network::add_node(&args),
        Command::RemoveNode(args) => network::remove_node(&args),
        Command::SleepNode(args) => network::set_asleep(&args, true),
        Command::WakeNode(args) => network::set_asleep(&args, false),
        Command::Node => network::node::run(log),
        Command::Completions { shell } => {
            let mut script = vec![];
            clap_complete::generate(shell, &mut Cli::command(), "manyhands", &mut script);
            voice::print_as_is(String::from_utf8_lossy(&script).trim_end());
            Ok(())
        }
    }
}

fn block_on(command: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(command);
    // A thread that waits for Enter, or for a slow disk, must not keep the program.
    runtime.shutdown_background();
    outcome
}

/// Sends what the parts log to where errors are told: warnings always, the rest when asked for.
fn start_log<W>(verbose: u8, writer: W)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // The libraries below are talkative about things that are as they should be, such as a friend who left.
    let ordinary = match verbose {
        0 => "error,manyhands=warn",
        1 => "warn,manyhands=info",
        2 => "info,manyhands=debug",
        _ => "trace",
    };
    let chosen = std::env::var("MANYHANDS_LOG").ok();
    let filter = chosen.as_deref().unwrap_or(ordinary).parse::<Targets>().unwrap_or_default();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(verbose > 1);
    tracing_subscriber::registry().with(filter).with(lines).init();
}
