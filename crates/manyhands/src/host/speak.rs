//! What a host tells its person: the links at the start, where things stand at the end.

use std::net::SocketAddr;

use manyhands_core::View;
use manyhands_ledger::TaskFile;
use serde_json::json;

use crate::http::Progress;
use crate::introductions::Change;
use crate::invites::{Invites, qr_code};
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

    if let Some(job) = &view.job {
        voice.say(&format!("{} asks for a hand: {}", job.asked_by, job.title));
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
    let task = progress.as_ref().and_then(|progress| TaskFile::of(&progress.0, &progress.1));
    match task {
        Some(task) => format!(
            "Stopped with {} of {} added, the total so far is {}. The same command goes on from here.",
            task.most_recent_counting_number_added, task.counting_number, task.current_total
        ),
        None => "Stopped before the end.".to_owned(),
    }
}
