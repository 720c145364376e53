//! How the program speaks to whoever reads its output: a progress bar to a person at a terminal, plain lines where the
//! output goes into a file or a pipe, one JSON object a line where a program asked for that.
//!
//! Lines come at most once a second, and only when something changed. A reader that went away, or that does not read any more, is
//! no reason to stop working: what cannot be written is dropped, see [`speaker`].
//!
//! Much of what is told comes from strangers, and a terminal obeys control characters: [`print`] and [`print_error`], through
//! which all text goes, leave them out.

mod speaker;

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use manyhands_core::view::Phase;
use manyhands_core::{Event, View};
use manyhands_wire::PeerId;
use manyhands_wire::flood::Body;
use serde_json::{Value, json};

use crate::numbers;
pub(crate) use speaker::finish;
use speaker::{To, Weight, speak};

/// How often a line about progress may come.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// The output of one command.
pub(crate) struct Voice {
    style: Style,
    told_at: Option<Instant>,
    told: String,
    unit_size: Option<u64>,
}

enum Style {
    Bar(ProgressBar),
    Lines,
    Json,
}

impl Voice {
    /// The voice that fits the standard output.
    pub(crate) fn new(json: bool) -> Self {
        let style = if json {
            Style::Json
        } else if io::stdout().is_terminal() {
            Style::Bar(bar())
        } else {
            Style::Lines
        };
        // A bar and lines have to take turns, so a terminal is written to directly.
        if !matches!(style, Style::Bar(_)) {
            speaker::start(json);
        }
        Self { style, told_at: None, told: String::new(), unit_size: None }
    }

    /// Whether a person at a terminal listens.
    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self.style, Style::Bar(_))
    }

    /// Whether a program listens.
    pub(crate) fn is_json(&self) -> bool {
        matches!(self.style, Style::Json)
    }

    /// From now on speeds are told in counting numbers, so many to a unit.
    pub(crate) fn know_unit_size(&mut self, unit_size: Option<u64>) {
        self.unit_size = unit_size;
    }

    /// Says something to a person.
    pub(crate) fn say(&self, text: &str) {
        match &self.style {
            Style::Bar(bar) => bar.suspend(|| print(text)),
            Style::Lines => print(text),
            Style::Json => {}
        }
    }

    /// Shows a picture of our own, whose colours are control characters.
    pub(crate) fn show_picture(&self, picture: &str) {
        match &self.style {
            Style::Bar(bar) => bar.suspend(|| print_as_is(picture)),
            Style::Lines => print_as_is(picture),
            Style::Json => {}
        }
    }

    /// Warns a person, on the error output.
    pub(crate) fn warn(&self, text: &str) {
        match &self.style {
            Style::Bar(bar) => bar.suspend(|| print_error(text)),
            Style::Lines | Style::Json => print_error(text),
        }
    }

    /// Tells a program.
    pub(crate) fn emit(&self, event: &Value) {
        if self.is_json() {
            print(&event.to_string());
        }
    }

    /// Shows how things stand now.
    pub(crate) fn show(&mut self, view: &View) {
        match &self.style {
            Style::Bar(bar) => {
                bar.set_position((numbers::share_done(view) * 1000.0) as u64);
                bar.set_message(self.bar_message(view));
            }
            Style::Lines => {
                let line = numbers::line(view, self.unit_size);
                if self.is_due(&line) {
                    chatter(&line);
                }
            }
            Style::Json => {
                let event = progress(view);
                if self.is_due(&event.to_string()) {
                    chatter(&event.to_string());
                }
            }
        }
    }

    /// Takes the progress bar away.
    pub(crate) fn end(&self) {
        if let Style::Bar(bar) = &self.style {
            bar.finish_and_clear();
        }
    }

    /// Tells what happened, where it matters to a person; all of it to a program.
    pub(crate) fn tell(&self, event: &Event, view: &View) {
        let (json, text) = describe(event, view);
        match event {
            // Whole folders of files arrive at once.
            Event::FileHere { .. } if self.is_json() => chatter(&json.to_string()),
            _ => self.emit(&json),
        }
        if let Some(text) = text {
            // A line break in what a stranger says must not make it look like a line of ours.
            self.say(&one_line(&text));
        }
    }

    fn bar_message(&self, view: &View) -> String {
        let line = numbers::line(view, self.unit_size);
        let total = view.job.as_ref().and_then(|job| job.done_total.as_deref());
        match (view.phase, total) {
            (Phase::Running | Phase::Paused | Phase::Finishing, Some(total)) => {
                format!("{line}  total {}", numbers::grouped(total))
            }
            _ => line,
        }
    }

    fn is_due(&mut self, line: &str) -> bool {
        let is_due = self.told != line && self.told_at.is_none_or(|told_at| told_at.elapsed() >= LINE_EVERY);
        if is_due {
            self.told = line.to_owned();
            self.told_at = Some(Instant::now());
        }
        is_due
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:24.green/dim} {wide_msg}")
        .expect("the template names only what indicatif knows")
        .progress_chars("━╸━");
    let bar = ProgressBar::with_draw_target(Some(1000), ProgressDrawTarget::stdout_with_hz(8));
    bar.with_style(style)
}

/// How things stand, for a program.
fn progress(view: &View) -> Value {
    let job = view.job.as_ref();
    let mut event = json!({
        "event": "progress",
        "units": job.map(|job| job.units),
        "done_units": job.map(|job| job.done_units),
        "reached": job.and_then(|job| job.reached),
        "total": job.and_then(|job| job.done_total.clone()),
        "machines": numbers::machines(view),
        "units_per_s": view.room.speed,
        "left_s": view.room.left_s,
    });
    // The phase brings its own fields: `"phase": "lobby", "wanted": 9, "present": 3`.
    if let (Some(fields), Ok(Value::Object(phase))) =
        (event.as_object_mut(), serde_json::to_value(view.phase))
    {
        fields.extend(phase);
    }
    if let (Some(fields), Some(search)) = (event.as_object_mut(), &view.search) {
        fields.insert("frontier".to_owned(), json!(search.frontier));
        fields.insert("primes".to_owned(), json!(search.primes.len()));
        fields.insert("largest".to_owned(), json!(numbers::largest(search).map(|prime| prime.exponent)));
    }
    event
}

/// An event for a program.
pub(crate) fn event(event: &Event, view: &View) -> Value {
    describe(event, view).0
}

/// An event for a program, and for a person where it matters to one.
fn describe(event: &Event, view: &View) -> (Value, Option<String>) {
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
        Body::Message(text) => (text.clone(), format!("{name} says: {text}")),
        Body::News { what, value } => {
            let said = format!("found a {what}: {value}");
            (said.clone(), format!("{name} says: {said}"))
        }
        Body::Prime { exponent } => {
            let prime = numbers::mersenne(*exponent);
            let through = match path.last().filter(|last| *last != from) {
                Some(last) => format!(", heard through {}", name_of(last, view)),
                None => String::new(),
            };
            (format!("found {prime}"), format!("{name} found {prime}{through}"))
        }
        Body::Checked { exponent, is_prime } => {
            let verdict = if *is_prime { "is prime" } else { "is not prime" };
            let said = format!("tested 2^{exponent} - 1 anew: it {verdict}");
            (said.clone(), format!("{name} {said}"))
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
    (json, Some(text))
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

/// Prints lines on the standard output, whoever still reads it.
pub(crate) fn print(text: &str) {
    print_as_is(&harmless(text));
}

/// Prints one line of many, which may be left out.
fn chatter(text: &str) {
    speak(To::Out, &harmless(text), Weight::Chatter);
}

/// Prints a text of our own on the standard output, control characters and all.
pub(crate) fn print_as_is(text: &str) {
    speak(To::Out, text, Weight::News);
}

/// Prints lines on the error output.
pub(crate) fn print_error(text: &str) {
    speak(To::Error, &harmless(text), Weight::News);
}

/// A text of somebody else's, on one line.
pub(crate) fn one_line(text: &str) -> String {
    harmless(text).replace('\n', " ")
}

/// The text without what a terminal would obey: control characters except the line break, and what turns the direction of
/// writing.
fn harmless(text: &str) -> String {
    let turns = |letter| matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().filter(|letter| *letter == '\n' || !(letter.is_control() || turns(*letter))).collect()
}

#[cfg(test)]
mod tests {
    use manyhands_wire::UnitRange;

    use super::*;

    #[test]
    fn every_event_is_an_object_with_a_name() {
        let peer = PeerId([7; 32]);
        let events = [
            Event::LinkUp { peer },
            Event::Misbehaved { peer, what: "garbage".into() },
            Event::TookBack { units: UnitRange::new(3, 9) },
            Event::Left,
        ];

        let told: Vec<_> = events.iter().map(|event| describe(event, &View::default()).0).collect();

        assert_eq!(told[0]["event"], "link-up");
        assert_eq!(told[0]["peer"], "07".repeat(32));
        assert_eq!(told[1]["what"], "garbage");
        assert_eq!(told[2]["units"], json!([3, 9]));
        assert_eq!(told[3], json!({ "event": "left" }));
    }

    #[test]
    fn what_strangers_say_cannot_command_a_terminal() {
        let evil = "red \u{1b}[31m, title \u{1b}]0;x\u{7}, back \r\u{8}, C1 \u{9b}2J, turned \u{202e}\nnew";

        assert_eq!(harmless(evil), "red [31m, title ]0;x, back , C1 2J, turned \nnew");
        assert_eq!(one_line("zwölf 🦦\nmanyhands: all is well"), "zwölf 🦦 manyhands: all is well");
    }

    #[test]
    fn progress_carries_the_fields_of_its_phase() {
        let view = View { phase: Phase::Lobby { wanted: 9, present: 3 }, ..View::default() };

        let event = progress(&view);

        assert_eq!((&event["phase"], &event["present"]), (&json!("lobby"), &json!(3)));
        assert_eq!(event["total"], Value::Null);
    }

    #[test]
    fn a_line_is_told_once_and_not_too_often() {
        let mut voice = Voice { style: Style::Lines, told_at: None, told: String::new(), unit_size: None };

        assert!(voice.is_due("1 of 9"));
        assert!(!voice.is_due("1 of 9"));
        assert!(!voice.is_due("2 of 9"), "within the same second");
        voice.told_at = Some(Instant::now() - LINE_EVERY);
        assert!(voice.is_due("2 of 9"));
    }
}
