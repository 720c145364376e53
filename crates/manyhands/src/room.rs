//! What host and friend have in common at the end of a job.

use manyhands_core::View;
use manyhands_core::view::{LinkState, Phase};
use manyhands_wire::frame::Activity;
use serde_json::{Value, json};

use crate::http::Progress;
use crate::numbers;
use crate::store::Statement;

/// Whether all peers that are linked know that the job is finished, so that nobody misses this node when it leaves.
pub(crate) fn everyone_knows(view: &View) -> bool {
    let mut linked = view.peers.iter().filter(|peer| peer.link == LinkState::Open);
    linked.all(|peer| peer.activity == Some(Activity::Finished))
}

/// Whether any other peer is linked.
pub(crate) fn has_company(view: &View) -> bool {
    view.peers.iter().any(|peer| peer.link == LinkState::Open)
}

/// Whether the job has started, so that this node has work, whoever is gone.
pub(crate) fn has_started(view: &View) -> bool {
    match view.phase {
        Phase::Running | Phase::Paused | Phase::Finishing | Phase::Finished => true,
        Phase::Connecting | Phase::Lobby { .. } | Phase::Left => false,
    }
}

/// The end of a job, told: the JSON for programs and the text for people.
pub(crate) fn result(view: &View, progress: &Progress) -> (Value, String) {
    let said = progress.as_ref().and_then(|progress| Statement::of(&progress.0, &progress.1));
    let elapsed = view.room.elapsed_s;
    let mut json = json!({ "event": "finished", "elapsed_s": elapsed });
    let took = if elapsed > 0.0 { format!(" It took {}.", numbers::span(elapsed)) } else { String::new() };
    let text = match said {
        Some(Statement::Search(search)) => {
            json["exponents"] = json!(search.primes);
            let largest = search.primes.last().map(|exponent| numbers::mersenne(*exponent));
            let largest = largest.map_or(String::new(), |largest| format!(", the largest {largest}"));
            let primes = match search.primes.len() {
                0 => "there is no Mersenne prime among them".to_owned(),
                1 => "one gives a prime".to_owned(),
                count => format!("{count} give primes"),
            };
            format!(
                "Finished: of the exponents {} to {}, {primes}{largest}.{took}",
                search.from,
                search.last()
            )
        }
        Some(Statement::Task(task)) => {
            json["total"] = json!(task.current_total.to_string());
            json["counting_number"] = json!(task.counting_number);
            format!(
                "Finished: the counting numbers up to {} come to {}.{took}",
                task.counting_number, task.current_total
            )
        }
        None => format!("Finished.{took}"),
    };
    (json, text)
}

/// Whether the job is finished, as this node sees it.
pub(crate) fn is_finished(view: &View) -> bool {
    match view.phase {
        Phase::Finished => true,
        Phase::Connecting
        | Phase::Lobby { .. }
        | Phase::Running
        | Phase::Paused
        | Phase::Finishing
        | Phase::Left => false,
    }
}
