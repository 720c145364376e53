//! What happens at a node, put into words: JSON for programs, a line for people where it matters to them.

use manyhands_core::{Event, View};
use manyhands_wire::PeerId;
use manyhands_wire::flood::Body;
use serde_json::{Value, json};

use super::one_line;
use crate::numbers;

/// An event for a program.
pub(crate) fn event(event: &Event, view: &View) -> Value {
    describe(event, view).0
}

/// An event for a program, and for a person where it matters to one.
pub(super) fn describe(event: &Event, view: &View) -> (Value, Option<String>) {
    let tag = |tag: &str| json!({ "event": tag });
    let with_peer =
        |tag: &str, peer: &PeerId| json!({ "event": tag, "peer": hex(peer), "name": name_of(peer, view) });
    match event {
        Event::LinkUp { peer } => {
            (with_peer("link-up", peer), Some(format!("{} is here", name_of(peer, view))))
        }
        Event::LinkDown { peer } => {
            (with_peer("link-down", peer), Some(format!("{} is gone", name_of(peer, view))))
        }
        Event::Refused { why } => {
            (json!({ "event": "refused", "why": why }), Some(format!("somebody was not let in: {why}")))
        }
        Event::Misbehaved { peer, what } => {
            tracing::debug!(%peer, what, "misbehaved");
            let mut json = with_peer("misbehaved", peer);
            json["what"] = json!(what);
            (json, None)
        }
        Event::JobKnown => (tag("job-known"), None),
        Event::Started => (tag("started"), None),
        Event::TookBack { units } => {
            (json!({ "event": "took-back", "units": [units.start, units.end] }), None)
        }
        Event::Disputed { units, why } => (
            json!({ "event": "disputed", "units": [units.start, units.end], "why": why }),
            Some(format!("a friend told another result than this machine found: {why}")),
        ),
        Event::Heard { from, path, body } => heard(from, path, body, view),
        Event::PrimeFound { exponent } => (
            json!({ "event": "prime-found", "exponent": exponent }),
            Some(format!("found {}", numbers::mersenne(*exponent))),
        ),
        // Whole folders of files arrive at once: what a person asked for is told where they asked.
        Event::FileHere { file, name } => (json!({ "event": "file-here", "file": file, "name": name }), None),
        Event::FileFailed { file, name, why } => (
            json!({ "event": "file-failed", "file": file, "name": name, "why": why }),
            Some(format!("the file {} cannot be kept: {why}", one_line(name))),
        ),
        // Said once it is saved as well.
        Event::Finished => (tag("computed"), None),
        Event::SignalingRefused { message } => (
            json!({ "event": "signaling-refused", "message": message }),
            Some(format!("the introduction was refused: {message}")),
        ),
        Event::Left => (tag("left"), None),
    }
}

/// Something that was said to everybody.
fn heard(from: &PeerId, path: &[PeerId], body: &Body, view: &View) -> (Value, Option<String>) {
    let name = name_of(from, view);
    let (said, text) = match body {
        Body::Message(text) => (text.clone(), Some(format!("{name} says: {text}"))),
        Body::News { what, value } => {
            let said = format!("found a {what}: {value}");
            (said.clone(), Some(format!("{name} says: {said}")))
        }
        Body::Prime { exponent } => {
            let prime = numbers::mersenne(*exponent);
            let through = match path.last().filter(|last| *last != from) {
                Some(last) => format!(", heard through {}", name_of(last, view)),
                None => String::new(),
            };
            (format!("found {prime}"), Some(format!("{name} found {prime}{through}")))
        }
        Body::Checked { exponent, is_prime } => {
            let verdict = if *is_prime { "is prime" } else { "is not prime" };
            let said = format!("tested 2^{exponent} - 1 anew: it {verdict}");
            // A prime that is confirmed is told as such, whoever did it.
            (said.clone(), (!is_prime).then(|| format!("{name} {said}")))
        }
    };
    let mut json = json!({ "event": "heard", "peer": hex(from), "name": name, "text": said });
    json["path"] = path.iter().map(hex).collect();
    match body {
        Body::Message(_) | Body::News { .. } => {}
        Body::Prime { exponent } => json["exponent"] = json!(exponent),
        Body::Checked { exponent, is_prime } => {
            json["exponent"] = json!(exponent);
            json["is_prime"] = json!(is_prime);
        }
    }
    (json, text)
}

/// The name that a person gave, or the friendly one of the key.
fn name_of(peer: &PeerId, view: &View) -> String {
    let id = hex(peer);
    let known = view.peers.iter().find(|known| known.id == id);
    known.map_or_else(|| peer.to_string(), |known| format!("{} {}", known.name, known.code))
}

fn hex(peer: &PeerId) -> String {
    peer.0.iter().map(|byte| format!("{byte:02x}")).collect()
}
