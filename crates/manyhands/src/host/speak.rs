//! What a host tells its person: the links at the start, where things stand at the end.

use std::net::SocketAddr;

use manyhands_core::View;
use serde_json::json;

use crate::http::Progress;
use crate::introductions::Change;
use crate::invites::{Invites, qr_code};
use crate::store::Statement;
use crate::voice::Voice;

/// What is asked for, and the links for friends.
pub(super) fn welcome(voice: &Voice, view: &View, invites: &Invites, address: SocketAddr, wants_qr: bool) {
    let lan: Vec<_> = invites.lan.iter().map(|(_, invite)| invite.to_string()).collect();
    voice.emit(&json!({
        "event": "listening",
        "port": address.port(),
        "invite": invites.local.to_string(),
        "lan": lan,
    }));

    match &view.job {
        Some(job) => voice.say(&format!("{} asks for a hand: {}", job.asked_by, job.title)),
        None => voice.say("The job is still to be chosen: open the link of this machine, below."),
    }
    if invites.lan.is_empty() {
        voice.say(&format!("\nThe link:\n  {}\n", invites.local));
    } else {
        let links: String = invites.lan.iter().map(|(name, link)| format!("  {link}  ({name})\n")).collect();
        voice.say(&format!("\nSend a friend in your network this link:\n{links}"));
        voice.say(&format!("On this machine:\n  {}\n", invites.local));
    }
    let is_for_others = !invites.local.origin.contains("://127.") || !invites.lan.is_empty();
    if wants_qr || (voice.is_terminal() && is_for_others) {
        voice.show_picture(&qr_code(&invites.best().to_string()).unwrap_or_default());
    }
}

/// Whether newcomers can get in.
pub(super) fn introductions(voice: &Voice, change: Change, origin: &str, why: Option<&str>) {
    match change {
        Change::Down => {
            voice.emit(&json!({ "event": "signaling-lost", "at": origin, "why": why }));
            let why = why.map_or(String::new(), |why| format!(": {why}"));
            voice.warn(&format!(
                "{origin}, where friends are introduced, cannot be reached{why}.\n\
                 Nobody new can join until it can; trying on. Friends who are here are not affected."
            ));
        }
        Change::Back => {
            voice.emit(&json!({ "event": "signaling-back", "at": origin }));
            voice.warn(&format!("{origin} is back: friends can join again."));
        }
    }
}

/// Where things stand when the person stops the host before the job is done.
pub(super) fn goodbye(progress: &Progress) -> String {
    let said = progress.as_ref().and_then(|progress| Statement::of(&progress.0, &progress.1));
    match said {
        Some(Statement::Search(search)) => {
            let primes = search.primes.len();
            let plural = if primes == 1 { "" } else { "s" };
            let (from, to) = (search.from, search.every_exponent_up_to);
            let done =
                if to < from { "no exponent".to_owned() } else { format!("every exponent up to {to}") };
            format!(
                "Stopped with {done} finished and {primes} Mersenne prime{plural} found. The same command goes on from here."
            )
        }
        Some(Statement::Task(task)) => format!(
            "Stopped with {} of {} added, the total so far is {}. The same command goes on from here.",
            task.most_recent_counting_number_added, task.counting_number, task.current_total
        ),
        None => "Stopped before the end.".to_owned(),
    }
}
