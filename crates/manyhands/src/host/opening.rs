//! What a host starts from: the job in its file, or one made up for a measurement.

use manyhands_ledger::Ledger;
use manyhands_wire::{JobKind, JobSpec};

use crate::cli::HostArgs;
use crate::exit::{Failure, Reason};
use crate::identity::random;
use crate::store::{OpenOptions, TaskStore};

/// A job that is to be hosted.
pub(super) struct Job {
    /// What is to be computed.
    pub(super) spec: JobSpec,
    /// What is done of it.
    pub(super) ledger: Ledger,
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
        return Ok(Job { spec, ledger, secret, room_key, store: None, notices: vec![] });
    }

    let mut fill = |bytes: &mut [u8]| {
        getrandom::fill(bytes).expect("a system that gave random numbers a moment ago gives them now");
    };
    let options = OpenOptions {
        unit_size: args.unit_size,
        asked_by: &args.asked_by,
        restart: args.restart,
        random: &mut fill,
    };
    let opened = TaskStore::open(&args.task, options).map_err(|error| Failure::new(Reason::Task, error))?;
    let mut notices = opened.notices;
    if opened.resumed && opened.ledger.done_units() > 0 && !opened.ledger.is_complete() {
        let task = opened.store.task();
        notices.push(format!(
            "going on from the last time: {} of {} are added",
            task.most_recent_counting_number_added, task.counting_number
        ));
    }
    Ok(Job {
        spec: opened.spec,
        ledger: opened.ledger,
        secret: opened.secret,
        room_key: opened.room_key,
        store: Some(opened.store),
        notices,
    })
}
