//! Honest numbers: what the work was worth.

use super::dom::{El, el, told};
use super::format::{decimal, percent, share, span};
use super::state::Scene;

/// What is shown where a number is not known.
const UNKNOWN: &str = "—";
/// From what time on speeds can be compared, in seconds: below it, they are noise.
const MEANINGFUL_S: f64 = 0.1;
/// The lines: id, name, and the explanation where it never changes.
const LINES: [(&str, &str, &str); 5] = [
    ("useful", "Useful work", "finished since you came"),
    ("gross", "Gross work", ""),
    ("efficiency", "Efficiency", "of what all of you would do, each working alone"),
    ("speedup", "Against the fastest alone", ""),
    ("elapsed", "Time", "since the start, as this page saw it"),
];

/// The panel.
pub(crate) struct Numbers {
    el: El,
    values: [El; LINES.len()],
    reasons: [El; LINES.len()],
}

impl Numbers {
    /// Made once.
    pub(crate) fn new() -> Self {
        let values = LINES.map(|(id, _, _)| el("dd").id(id));
        let reasons = LINES.map(|(_, _, why)| told("dd", "why", why));
        let mut list = el("dl").class("numbers");
        for ((value, reason), (_, name, _)) in values.iter().zip(&reasons).zip(LINES) {
            list = list.with(&[&el("div").with(&[&el("dt").text(name), value, reason])]);
        }
        let title = el("h2").id("numbers-title").text("Honest numbers");
        let el = el("section").attr("aria-labelledby", "numbers-title").with(&[&title, &list]);
        Self { el, values, reasons }
    }

    /// Its element.
    pub(crate) fn el(&self) -> &El {
        &self.el
    }

    /// Shows how things are.
    pub(crate) fn draw(&self, scene: &Scene) {
        let room = &scene.view.room;
        // What the others computed is heard a little later than what they finished, but cannot be less.
        let gross_units = room.gross_units.max(room.useful_units);
        let amount = |units: u64| (units > 0).then(|| scene.amount(units as f64));
        let is_long_enough = room.elapsed_s >= MEANINGFUL_S;
        let speedup = room.speedup_over_fastest.filter(|_| is_long_enough);
        let values = [
            amount(room.useful_units),
            amount(gross_units),
            room.efficiency.filter(|_| is_long_enough).map(share),
            speedup.map(|times| [&decimal(times), " ×"].concat()),
            (room.elapsed_s > 0.0).then(|| span(room.elapsed_s)),
        ];
        for (value, text) in self.values.iter().zip(values) {
            value.say(text.as_deref().unwrap_or(UNKNOWN));
        }

        let [_, gross, _, against, _] = &self.reasons;
        let mut twice = match (gross_units, gross_units - room.useful_units) {
            (0, _) => "computed by all, with what was done twice".to_owned(),
            (_, 0) => "nothing was computed twice".to_owned(),
            (all, extra) => [&percent(extra, all), " was computed twice, or before you came"].concat(),
        };
        if room.checked_units > 0 {
            twice.push_str(
                &[", ", &percent(room.checked_units, gross_units), " was checked by others"].concat(),
            );
        }
        gross.say(&twice);
        against.say(match speedup {
            Some(times) if times < 1.0 => "the fastest of you would have been sooner alone",
            Some(_) => "as fast as the fastest of you alone",
            None => "how much faster all of you are than the fastest of you alone",
        });
    }
}
