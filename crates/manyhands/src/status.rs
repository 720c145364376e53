//! `manyhands status`: how far a node is, as a table for people or as JSON for programs.

use std::time::Duration;

use manyhands_core::View;
use manyhands_core::view::{LinkState, PeerView, Phase, SearchView};
use manyhands_wire::frame::{Activity, PeerKind};

use crate::cli::StatusArgs;
use crate::exit::{Failure, Outcome, Reason};
use crate::http::api::Status;
use crate::numbers::{self, Measure};
use crate::room::has_company;
use crate::voice::{one_line, print};

/// How long the answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The longest answer, in bytes: a room of 256 with a full map is a tenth of it.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// Asks a node and prints what it says.
pub(crate) fn run(args: &StatusArgs) -> Outcome {
    let text = fetch(&args.url)?;
    if args.json {
        print(text.trim_end());
        return Ok(());
    }
    let status: Status = serde_json::from_str(&text).map_err(|error| {
        Failure::new(
            Reason::Unreachable,
            format!("what answers at {} is not manyhands, or another version of it: {error}", args.url),
        )
    })?;
    print(&render(&status));
    Ok(())
}

fn fetch(url: &str) -> Result<String, Failure> {
    // An invite link will do: what follows the # is for friends only, and is not sent.
    let origin = url.split('#').next().unwrap_or_default().trim_end_matches('/');
    if origin.starts_with("https://") {
        let message = "status speaks http only: ask on the machine of the host, at http://127.0.0.1:8080";
        return Err(Failure::new(Reason::Usage, message));
    }
    if !origin.starts_with("http://") || origin.len() == "http://".len() {
        return Err(Failure::new(
            Reason::Usage,
            format!("`{url}` is no address: it looks like http://127.0.0.1:8080"),
        ));
    }

    let agent =
        ureq::Agent::config_builder().timeout_global(Some(ANSWER_WITHIN)).proxy(None).build().new_agent();
    let nobody = |error: &dyn std::fmt::Display| {
        Failure::new(
            Reason::Unreachable,
            format!(
                "nobody answers at {origin}: {error}\nIs the host running? Say where: manyhands status http://HOST:PORT"
            ),
        )
    };
    let mut response = agent.get(format!("{origin}/api/status")).call().map_err(|error| nobody(&error))?;
    response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string().map_err(|error| nobody(&error))
}

/// The status as people read it.
fn render(status: &Status) -> String {
    let Some(view) = &status.view else {
        return format!(
            "a relay: {} rooms with {} members, {} introductions carried",
            status.signaling.rooms, status.signaling.members, status.signaling.relayed_frames
        );
    };
    let mut lines = vec![];
    if let Some(job) = &view.job {
        lines.push(one_line(&format!("{} asks for: {}", job.asked_by, job.title)));
    }
    lines.push(format!("state       {}", state(view)));
    if let Some(search) = &view.search {
        lines.extend(search_lines(view, search));
    } else if let Some(job) = &view.job {
        lines.push(format!(
            "done        {} ({} of {} units)",
            numbers::percent(view),
            job.done_units,
            job.units
        ));
        if let (Some(reached), Some(total)) = (job.reached, &job.prefix_total) {
            lines.push(format!("reached     {}", numbers::grouped(&reached.to_string())));
            lines.push(one_line(&format!("total       {}", numbers::grouped(total))));
        }
    }
    let room = &view.room;
    let measure = Measure::of(view, status.unit_size);
    let mut speed = measure.speed(room.speed);
    if let Some(speedup) = room.speedup_over_fastest {
        speed.push_str(&format!(", {speedup:.2} times the fastest alone"));
    }
    lines.push(format!("speed       {speed}"));
    if let Some(left) = numbers::left_s(view) {
        lines.push(format!("time left   {}", numbers::span(left)));
    }
    lines.push(format!(
        "work        {} useful, {} computed in all, {} checked",
        measure.work(room.useful_units),
        measure.work(room.gross_units),
        measure.work(room.checked_units)
    ));
    if let Some(efficiency) = room.efficiency {
        lines.push(format!("efficiency  {:.1} % of what all could do alone", efficiency * 100.0));
    }
    lines.push(String::new());
    lines.extend(peer_table(view, measure));
    lines.join("\n")
}

/// How a node is, in words.
pub(crate) fn state(view: &View) -> String {
    if view.asleep {
        return "asleep".to_owned();
    }
    match view.phase {
        Phase::Connecting if numbers::is_to_choose(view) => "waiting for its job to be chosen".to_owned(),
        Phase::Connecting if has_company(view) => "linked, no job".to_owned(),
        Phase::Connecting => "connecting".to_owned(),
        Phase::Lobby { wanted, present } => format!("lobby, {present} of {wanted} friends are here"),
        Phase::Running => format!("running for {}", numbers::span(view.room.elapsed_s)),
        Phase::Paused => "paused".to_owned(),
        Phase::Finishing => "finishing what is under way".to_owned(),
        Phase::Finished => format!("finished in {}", numbers::span(view.room.elapsed_s)),
        Phase::Left => "stopped".to_owned(),
    }
}

/// How far a search is.
pub(crate) fn search_lines(view: &View, search: &SearchView) -> Vec<String> {
    let mut lines = vec![];
    if !numbers::is_open_ended(search) {
        lines.push(format!("done        {} of the work", numbers::percent(view)));
    }
    lines.push(format!("frontier    {}", numbers::frontier(search)));
    lines.push(format!(
        "exponents   {} tested, {} spared by a factor",
        numbers::grouped(&search.tested.to_string()),
        numbers::grouped(&search.factored.to_string())
    ));
    if let Some(largest) = numbers::largest(search) {
        let found = format!(
            "largest     {}, found by {}",
            numbers::mersenne(largest.exponent),
            numbers::finder(largest)
        );
        lines.push(one_line(&found));
    }
    lines
}

fn peer_table(view: &View, measure: Measure) -> Vec<String> {
    // A cost of 1 for each unit, where all are alike.
    let all = view.peers.iter().map(|peer| peer.credit_cost).sum::<u64>();
    let done = if view.search.is_some() { all } else { view.job.as_ref().map_or(0, |job| job.done_units) };
    let done = done.max(1) as f64;
    let mut rows = vec![["NAME", "KIND", "STATE", "THREADS", "SPEED", "SHARE", "LINK"].map(str::to_owned)];
    // Who has no link to this node may have one to another.
    let is_elsewhere = |at: usize| {
        let mut linked = view.peers.iter().filter(|peer| peer.link == LinkState::Open);
        linked.any(|peer| peer.links.iter().any(|other| usize::from(*other) == at))
    };
    for (at, peer) in view.peers.iter().enumerate() {
        let is_here = peer.activity.is_some();
        rows.push([
            one_line(&format!("{} {}{}", peer.name, peer.code, if peer.host { " (host)" } else { "" })),
            kind(peer).to_owned(),
            activity(peer, is_elsewhere(at)).to_owned(),
            if is_here { peer.threads.to_string() } else { "-".to_owned() },
            if is_here { measure.speed(peer.speed) } else { "-".to_owned() },
            format!("{:.1} %", peer.credit_cost as f64 / done * 100.0),
            link(peer),
        ]);
    }

    let mut widths = [0; 7];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; 7]| {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn kind(peer: &PeerView) -> &'static str {
    match peer.kind {
        Some(PeerKind::Browser) => "browser",
        Some(PeerKind::Native) => "native",
        None => "-",
    }
}

fn activity(peer: &PeerView, is_elsewhere: bool) -> &'static str {
    match peer.activity {
        Some(Activity::Ready) => "ready",
        Some(Activity::Working) => "working",
        Some(Activity::Paused) => "paused",
        Some(Activity::Watching) => "watching",
        Some(Activity::Finished) => "finished",
        // Nobody works where there is no job.
        None => match peer.link {
            LinkState::Own | LinkState::Open => "-",
            LinkState::Stale => "silent",
            LinkState::Connecting => "connecting",
            LinkState::None if is_elsewhere => "elsewhere",
            LinkState::None => "gone",
        },
    }
}

fn link(peer: &PeerView) -> String {
    match (peer.link, peer.round_trip_ms) {
        (LinkState::Own, _) => "itself".to_owned(),
        (LinkState::None, _) => "-".to_owned(),
        (LinkState::Connecting, _) => "connecting".to_owned(),
        (LinkState::Stale, _) => format!("silent for {}", numbers::span(peer.heard_ms as f64 / 1000.0)),
        (LinkState::Open, Some(ms)) => format!("{ms:.1} ms"),
        (LinkState::Open, None) => "open".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(link: LinkState, links: &[u16]) -> PeerView {
        PeerView {
            name: format!("{link:?}"),
            code: "abcd".to_owned(),
            me: link == LinkState::Own,
            link,
            links: links.to_vec(),
            ..PeerView::default()
        }
    }

    #[test]
    fn a_network_without_a_job_is_linked_and_only_who_has_no_link_is_gone() {
        let links = [
            (LinkState::Own, &[1][..]),
            (LinkState::Open, &[0, 2]),
            (LinkState::None, &[]),
            (LinkState::None, &[]),
        ];
        let mut view =
            View { peers: links.map(|(link, links)| peer(link, links)).to_vec(), ..View::default() };

        let table = peer_table(&view, Measure::Units);
        let states: Vec<_> =
            table.iter().map(|row| row.split_whitespace().nth(3).unwrap_or_default()).collect();

        assert_eq!(states[1..], ["-", "-", "elsewhere", "gone"], "{table:?}");
        assert_eq!(state(&view), "linked, no job");
        view.asleep = true;
        assert_eq!(state(&view), "asleep");
        view = View::default();
        assert_eq!(state(&view), "connecting");
    }
}
