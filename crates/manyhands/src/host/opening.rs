//! What a host starts from: the job in its file, one made up for a measurement, or none until its person chooses one.

use manyhands_jobs::worker::Saved;
use manyhands_ledger::Ledger;
use manyhands_wire::{JobKind, JobSpec};

use crate::cli::HostArgs;
use crate::cli::job::{JobChoice, SearchArgs};
use crate::exit::{Failure, Reason};
use crate::identity::random;
use crate::store::{OpenOptions, SearchOptions, Statement, TaskStore};

/// A job that is to be hosted.
pub(super) struct Job {
    /// What is to be computed, and what is done of it; none for a job that is still to be chosen.
    pub(super) work: Option<(JobSpec, Ledger)>,
    /// Where tests stand that were under way last time.
    pub(super) saved: Vec<Saved>,
    /// The secret half of the host's key.
    pub(super) secret: [u8; 32],
    /// The secret of the invite.
    pub(super) room_key: [u8; 16],
    /// Where to save; none for a job that lives in memory.
    pub(super) store: Option<TaskStore>,
    /// What the person should know.
    pub(super) notices: Vec<String>,
}

/// Finds the job.
pub(super) fn open(args: &HostArgs) -> Result<Job, Failure> {
    // Where the system has no random numbers it says so here, and the expectation below holds.
    let secret = random()?;
    let room_key = random()?;
    if let Some(delay) = args.delay {
        let kind = JobKind::Delay { units: delay.units, unit_ms: delay.unit_ms };
        let spec = JobSpec { kind, asked_by: args.asked_by.clone(), salt: random()? };
        spec.check().map_err(|error| Failure::new(Reason::Usage, error))?;
        let ledger = Ledger::new(spec.units());
        let work = Some((spec, ledger));
        return Ok(Job { work, saved: vec![], secret, room_key, store: None, notices: vec![] });
    }
    if args.job == JobChoice::Choose {
        return Ok(Job { work: None, saved: vec![], secret, room_key, store: None, notices: vec![] });
    }

    let mut fill = |bytes: &mut [u8]| {
        getrandom::fill(bytes).expect("a system that gave random numbers a moment ago gives them now");
    };
    let path = args.file();
    let opened = if args.job == JobChoice::Mersenne {
        let SearchArgs { from, to, proofs_from } = args.search;
        let (asked_by, restart) = (args.asked_by.as_str(), args.restart);
        let options = SearchOptions { from, to, proofs_from, asked_by, restart, random: &mut fill };
        TaskStore::open_search(&path, options)
    } else {
        let (unit_size, asked_by, restart) = (args.unit_size, args.asked_by.as_str(), args.restart);
        TaskStore::open(&path, OpenOptions { unit_size, asked_by, restart, random: &mut fill })
    };
    let opened = opened.map_err(|error| Failure::new(Reason::Task, error))?;
    let mut notices = opened.notices;
    if opened.resumed && opened.ledger.done_units() > 0 && !opened.ledger.is_complete() {
        let so_far = match opened.store.said() {
            Statement::Task(task) => {
                format!("{} of {} are added", task.most_recent_counting_number_added, task.counting_number)
            }
            Statement::Search(search) => format!(
                "every exponent up to {} is finished, primes so far: {}",
                search.every_exponent_up_to,
                search.primes.len()
            ),
        };
        notices.push(format!("going on from the last time: {so_far}"));
    }
    Ok(Job {
        work: Some((opened.spec, opened.ledger)),
        saved: opened.saved,
        secret: opened.secret,
        room_key: opened.room_key,
        store: Some(opened.store),
        notices,
    })
}
