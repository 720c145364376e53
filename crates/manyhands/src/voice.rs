//! How the program speaks to whoever reads its output: a progress bar to a person at a terminal, plain lines where the
//! output goes into a file or a pipe, one JSON object a line where a program asked for that.
//!
//! Lines come at most once a second, and only when something changed. A reader that went away, or that does not read any more, is
//! no reason to stop working: what cannot be written is dropped, see [`speaker`]. What happens is put into words in [`events`].
//!
//! Much of what is told comes from strangers, and a terminal obeys control characters: [`print`] and [`print_error`], through
//! which all text goes, leave them out.

mod events;
mod speaker;

use std::collections::BTreeSet;
use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use manyhands_core::view::{Phase, PrimeState, PrimeView, SearchView};
use manyhands_core::{Event, View};
use serde_json::{Value, json};

use crate::numbers;
use events::describe;
pub(crate) use events::event;
pub(crate) use speaker::finish;
use speaker::{To, Weight, speak};

/// How often a line about progress may come.
const LINE_EVERY: Duration = Duration::from_secs(1);
/// How many primes that are confirmed at once are told one by one.
const CONFIRMED_TOLD_MAX: usize = 3;

/// The output of one command.
pub(crate) struct Voice {
    style: Style,
    told_at: Option<Instant>,
    told: String,
    unit_size: Option<u64>,
    /// The primes that are confirmed, and how much news was refused, as far as the person was told.
    confirmed: BTreeSet<u32>,
    false_news: u64,
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
        Self {
            style,
            told_at: None,
            told: String::new(),
            unit_size: None,
            confirmed: BTreeSet::new(),
            false_news: 0,
        }
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

    /// Tells a person which primes are confirmed now, and that false ones were told of.
    fn tell_of_primes(&mut self, search: &SearchView) {
        let news = self.prime_news(search);
        news.iter().for_each(|text| self.say(text));
    }

    fn prime_news(&mut self, search: &SearchView) -> Vec<String> {
        let is_new = |prime: &&PrimeView| {
            prime.state == PrimeState::Confirmed && !self.confirmed.contains(&prime.exponent)
        };
        let fresh: Vec<&PrimeView> = search.primes.iter().filter(is_new).collect();
        let mut news = match fresh.as_slice() {
            // Whoever comes late hears of all at once.
            [.., last] if fresh.len() > CONFIRMED_TOLD_MAX => {
                vec![format!("{} primes are confirmed, up to 2^{} - 1", fresh.len(), last.exponent)]
            }
            few => few.iter().map(|prime| confirmed(prime)).collect(),
        };
        self.confirmed.extend(fresh.iter().map(|prime| prime.exponent));
        if search.false_news > self.false_news {
            self.false_news = search.false_news;
            news.push(format!("a prime was told of that is none, and refused ({} so far)", self.false_news));
        }
        news
    }

    /// Shows how things stand now.
    pub(crate) fn show(&mut self, view: &View) {
        if let Some(search) = &view.search {
            self.tell_of_primes(search);
        }
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

/// A prime that a second machine found to be one too.
fn confirmed(prime: &PrimeView) -> String {
    one_line(&format!("2^{} - 1 is confirmed, by {}", prime.exponent, prime.confirmed_by.join(", ")))
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
        "left_s": numbers::left_s(view),
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
    use manyhands_wire::flood::Body;
    use manyhands_wire::{PeerId, UnitRange};

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
        let mut voice = lines();

        assert!(voice.is_due("1 of 9"));
        assert!(!voice.is_due("1 of 9"));
        assert!(!voice.is_due("2 of 9"), "within the same second");
        voice.told_at = Some(Instant::now() - LINE_EVERY);
        assert!(voice.is_due("2 of 9"));
    }

    #[test]
    fn a_prime_is_told_of_when_it_is_found_and_when_it_is_confirmed() {
        let ann = PeerId([7; 32]);
        let prime = |exponent| Body::Prime { exponent };
        let checked = |is_prime| Body::Checked { exponent: 9941, is_prime };
        let heard = |body| Event::Heard { from: ann, path: vec![ann], body };
        let text = |event: &Event| describe(event, &View::default()).1.unwrap_or_default();

        assert_eq!(text(&Event::PrimeFound { exponent: 9941 }), "found 2^9941 - 1 (2,993 digits)");
        assert!(text(&heard(prime(9941))).ends_with("found 2^9941 - 1 (2,993 digits)"));
        assert_eq!(text(&heard(checked(true))), "");
        assert!(text(&heard(checked(false))).ends_with("tested 2^9941 - 1 anew: it is not prime"));
        assert_eq!(describe(&heard(prime(9941)), &View::default()).0["exponent"], 9941);

        let known = |exponent| PrimeView {
            exponent,
            state: PrimeState::Confirmed,
            confirmed_by: vec!["Ann".into(), "Bob".into()],
            ..PrimeView::default()
        };
        let mut voice = lines();
        let mut search = SearchView { primes: vec![known(9941)], ..SearchView::default() };
        assert_eq!(voice.prime_news(&search), ["2^9941 - 1 is confirmed, by Ann, Bob"]);
        search.primes = [2, 3, 5, 7, 9941].map(known).to_vec();
        search.false_news = 2;
        assert_eq!(
            voice.prime_news(&search),
            [
                "4 primes are confirmed, up to 2^7 - 1",
                "a prime was told of that is none, and refused (2 so far)"
            ]
        );
        assert!(voice.prime_news(&search).is_empty());
    }

    fn lines() -> Voice {
        Voice {
            style: Style::Lines,
            told_at: None,
            told: String::new(),
            unit_size: None,
            confirmed: BTreeSet::new(),
            false_news: 0,
        }
    }
}
