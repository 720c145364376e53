//! How to host, on the command line: which job, in which file, and for whom.

use std::path::PathBuf;

use clap::Args;
use manyhands_wire::job::UNIT_SIZE_MAX;

use super::job::{JobChoice, SearchArgs};
use super::{Delay, ListenArgs, WorkArgs, asked_by, entrance, http_origin};
use crate::exit::{Failure, Reason};
use crate::files::args::FilesArgs;

/// The file of a sum, unless another is named.
const TASK_FILE: &str = "task.json";
/// The file of a search, unless another is named.
const SEARCH_FILE: &str = "mersenne.json";

/// How to host.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  manyhands host                         work on ./task.json
  manyhands host big.json --wait 9       open a lobby for nine friends; Enter starts before
  manyhands host --job mersenne --from 2 --to 20000      search these exponents for Mersenne primes
  manyhands host --job mersenne          go on with mersenne.json, or search from 2 upwards without end
  manyhands host --job choose            choose the job on the page
  manyhands host --port 0 --json | jq    any free port, told as JSON
  manyhands host --no-work               only introduce and keep the total, compute nothing here
  manyhands host --also http://192.168.1.9:8081    find the room again at a friend's machine, after a restart elsewhere

task.json holds three numbers, and is true at every moment; stop whenever you like, and go on later:
  { \"most_recent_counting_number_added\": 0, \"current_total\": 0, \"counting_number\": 100000000 }

A search keeps mersenne.json instead, which says how far it is and which primes were found; it makes the file itself. The same
command goes on with it later, also further up: --to 50000, or --to none. See what was found with: manyhands primes

Press Ctrl-C once to finish what is under way and stop, twice to stop at once.")]
pub(crate) struct HostArgs {
    /// The file that says what to add, and that fills up [default: task.json, or mersenne.json]
    #[arg(value_name = "TASK")]
    pub(crate) task: Option<PathBuf>,
    /// The same, by name: the file of the job
    #[arg(long = "task", value_name = "FILE", conflicts_with = "task")]
    pub(crate) file: Option<PathBuf>,
    /// What to compute
    #[arg(long, value_name = "JOB", env = "MANYHANDS_JOB", value_enum, default_value_t)]
    pub(crate) job: JobChoice,
    #[command(flatten)]
    pub(crate) search: SearchArgs,
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
    #[command(flatten)]
    pub(crate) work: WorkArgs,
    #[command(flatten)]
    pub(crate) files: FilesArgs,
    /// Compute nothing here: only introduce the friends and keep the total
    #[arg(long, conflicts_with = "threads")]
    pub(crate) no_work: bool,
    /// Wait until this many friends are in, then start for all at once; Enter starts before
    #[arg(long, value_name = "FRIENDS", default_value_t = 0)]
    pub(crate) wait: u16,
    /// How many counting numbers make one piece of work [default: chosen by the size of the job]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=UNIT_SIZE_MAX))]
    pub(crate) unit_size: Option<u64>,
    /// Who asks for the work, as the page says it
    #[arg(long, value_name = "NAME", env = "MANYHANDS_ASKED_BY", default_value = "Liz", value_parser = asked_by)]
    pub(crate) asked_by: String,
    /// Forget the file's progress and begin again: a sum from 0, a search from its first exponent
    #[arg(long)]
    pub(crate) restart: bool,
    /// Meet friends at this relay instead of here, where they cannot reach this machine: http://HOST:PORT
    #[arg(long, value_name = "URL", value_parser = http_origin)]
    pub(crate) relay: Option<String>,
    /// Meet the room here too: the address or link of a friend who is in it; may be given several times
    #[arg(long, value_name = "URL", value_parser = entrance)]
    pub(crate) also: Vec<String>,
    /// Show a QR code of the link also where the output is no terminal
    #[arg(long)]
    pub(crate) qr: bool,
    /// Write the link for friends into this file, for whoever can read it: manyhands join --invite-file FILE
    #[arg(long, value_name = "FILE", env = "MANYHANDS_INVITE_FILE")]
    pub(crate) invite_file: Option<PathBuf>,
    /// Stop with exit code 0 once the job is finished and everybody here knows it
    #[arg(long)]
    pub(crate) exit_when_done: bool,
    /// Wait instead of computing: UNITSxMS, such as 600x1000. It measures how well work is shared; no file is touched
    #[arg(long, value_name = "UNITSxMS", hide = true, conflicts_with_all = ["restart", "unit_size", "job"])]
    pub(crate) delay: Option<Delay>,
    /// One JSON object a line instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

impl HostArgs {
    /// Whether the options fit together, which the parser alone cannot tell.
    ///
    /// # Errors
    /// If they do not, with what to do.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let refuse = |message: String| Err(Failure::new(Reason::Usage, message));
        let named = self.task.as_ref().or(self.file.as_ref());
        match self.job {
            JobChoice::Mersenne => match self.unit_size {
                Some(_) => refuse("--unit-size is for sums: a piece of a search is one exponent".to_owned()),
                None => self.search.check(),
            },
            JobChoice::Sum => match self.search.first_given() {
                Some(option) => refuse(format!(
                    "{option} is for a search, and this is a sum: say --job mersenne (how far a sum goes stands in its file)"
                )),
                None => Ok(()),
            },
            JobChoice::Choose => match (self.search.first_given(), self.unit_size, self.restart, named) {
                (Some(option), ..) => refuse(format!("{option} is chosen on the page, with --job choose")),
                (_, Some(_), ..) => refuse("--unit-size does not go with --job choose".to_owned()),
                (.., true, _) => {
                    refuse("--restart does not go with --job choose: nothing is begun yet".to_owned())
                }
                (.., Some(_)) => refuse(format!(
                    "a file does not go with --job choose: a sum chosen on the page is kept in {TASK_FILE}, a search in {SEARCH_FILE}"
                )),
                (None, None, false, None) => Ok(()),
            },
        }
    }

    /// The file of the job.
    pub(crate) fn file(&self) -> PathBuf {
        let named = self.task.as_ref().or(self.file.as_ref());
        named.cloned().unwrap_or_else(|| match self.job {
            JobChoice::Sum => TASK_FILE.into(),
            JobChoice::Mersenne => SEARCH_FILE.into(),
            // None is open before it is chosen.
            JobChoice::Choose => TASK_FILE.into(),
        })
    }

    /// The file of a job that is chosen while the host runs: that of the host's own, if it is of the same kind.
    pub(crate) fn file_of(&self, job: JobChoice) -> PathBuf {
        if job == self.job {
            return self.file();
        }
        match job {
            JobChoice::Sum | JobChoice::Choose => TASK_FILE.into(),
            JobChoice::Mersenne => SEARCH_FILE.into(),
        }
    }
}
