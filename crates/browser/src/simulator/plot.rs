//! The policies side by side: how much of everything was there after how many rounds, as curves and in numbers.
//!
//! The best policy and the worst differ by a factor of ten and more, so rounds are drawn by their logarithm.

use std::cell::RefCell;

use web_sys::CanvasRenderingContext2d;

use super::charts::{Paints, hundredths};
use super::fields::policy_name;
use super::message::{Compared, Frame};
use crate::page::dom::{El, el, told};
use crate::page::format::{decimal, whole};

/// How high the drawing is, in pixels, and what is left beside the curves for words.
const HEIGHT: u32 = 240;
const LEFT: f64 = 42.0;
const BOTTOM: f64 = 24.0;
const TOP: f64 = 14.0;
const RIGHT: f64 = 10.0;

/// The plot, its button and its table.
pub(super) struct Plot {
    el: El,
    button: El,
    said: El,
    canvas: El,
    body: El,
    shown: RefCell<Shown>,
}

#[derive(Default)]
struct Shown {
    frame: Frame,
    runs: Vec<Compared>,
    painted: Option<(i32, Paints, usize)>,
}

impl Plot {
    /// Made once; `compare` is called when somebody wants it.
    pub(super) fn new(compare: impl Fn() + 'static) -> Self {
        let title = el("h3").id("sim-plot-title").text("The policies side by side");
        let button = told("button", "", "Compare the policies")
            .id("sim-compare")
            .attr("type", "button")
            .on("click", move |_| compare());
        let said = told("p", "why", "").attr("role", "status");
        let canvas = el("canvas").id("sim-plot").class("grid").attr("role", "img").attr(
            "aria-label",
            "Curves: how much of all chunks each policy had brought after how many rounds. The table has the numbers.",
        );
        let heads = ["Policy", "Rounds", "× the least", "Files sent by server 0", "Sent twice"];
        let heads = heads.map(|head| told("th", "", head).attr("scope", "col"));
        let (head, body) = (el("thead").with(&[&el("tr").with(&heads.each_ref())]), el("tbody"));
        let table = el("table").id("sim-policies").class("sim-table").with(&[&head, &body]);
        let scroll = el("div").class("sim-scroll").with(&[&table]);
        let el = el("section")
            .class("sim-plot")
            .attr("aria-labelledby", "sim-plot-title")
            .with(&[&title, &button, &said, &canvas, &scroll]);
        let this = Self { el, button, said, canvas, body, shown: RefCell::default() };
        this.clear();
        this
    }

    /// Its element.
    pub(super) fn el(&self) -> &El {
        &self.el
    }

    /// Nothing is compared any more.
    pub(super) fn clear(&self) {
        *self.shown.borrow_mut() = Shown::default();
        self.canvas.show_if(false);
        self.body.hold(std::iter::empty());
        self.show_table(false);
        self.button.enable_if(true);
        self.said.say("Each policy runs to its end with the settings above.");
    }

    fn show_table(&self, shown: bool) {
        self.el.set("data-compared", if shown { "some" } else { "none" });
    }

    /// Somebody computes now.
    pub(super) fn begin(&self, frame: Frame) {
        self.clear();
        self.shown.borrow_mut().frame = frame;
        self.button.enable_if(false);
        self.said.say("Running all four policies…");
    }

    /// It cannot be compared: why.
    pub(super) fn fail(&self, why: &str) {
        self.clear();
        self.said.say(why);
    }

    /// One more policy is through.
    pub(super) fn add(&self, run: Compared) {
        let mut shown = self.shown.borrow_mut();
        let mark = el("i").class("dot").attr("aria-hidden", "true");
        mark.style("background", &Paints::now().policy(shown.runs.len()));
        let name = el("th").attr("scope", "row").with(&[&mark]).text(policy_name(&run.policy));
        let row = el("tr").attr("data-policy", &run.policy).with(&[&name]);
        let rounds = if run.is_complete { hundredths(run.rounds) } else { "never".to_owned() };
        for text in [rounds, hundredths(run.ratio), hundredths(run.seeder_files), whole(run.twice)] {
            drop(row.clone().with(&[&told("td", "", &text)]));
        }
        drop(self.body.clone().with(&[&row]));
        self.show_table(true);
        if run.is_last {
            self.button.enable_if(true);
            self.said.say("All four have run to their end.");
        }
        self.canvas.show_if(true);
        shown.runs.push(run);
        drop(shown);
        self.draw();
    }

    /// Draws the curves anew where there are more, or the page has changed.
    pub(super) fn draw(&self) {
        let mut shown = self.shown.borrow_mut();
        let (width, paints) = (self.el.width(), Paints::now());
        let key = (width, paints.clone(), shown.runs.len());
        if width == 0 || shown.runs.is_empty() || shown.painted.as_ref() == Some(&key) {
            return;
        }
        if let Some(brush) = self.canvas.brush(width as u32, HEIGHT) {
            let scale = Scale::new(f64::from(width), &shown.runs, shown.frame.bound);
            paint(&brush, &scale, &shown, &paints);
        }
        shown.painted = Some(key);
    }
}

fn paint(brush: &CanvasRenderingContext2d, scale: &Scale, shown: &Shown, paints: &Paints) {
    brush.set_font("12px system-ui, sans-serif");
    brush.set_line_width(1.0);
    brush.set_stroke_style_str(&paints.line);
    brush.set_fill_style_str(&paints.soft);
    for percent in [0_u32, 50, 100] {
        let y = scale.y(f64::from(percent) / 100.0);
        line(brush, (LEFT, y), (scale.width - RIGHT, y));
        let _ = brush.fill_text(&[&percent.to_string(), " %"].concat(), 0.0, y + 4.0);
    }
    brush.set_text_align("center");
    for tick in scale.ticks() {
        let x = scale.x(tick);
        line(brush, (x, TOP), (x, scale.y(0.0)));
        let _ = brush.fill_text(&decimal(tick), x, f64::from(HEIGHT) - 6.0);
    }
    brush.set_text_align("right");
    let _ = brush.fill_text("rounds", scale.width, f64::from(HEIGHT) - 6.0);
    brush.set_text_align("left");

    let bound = scale.x(f64::from(shown.frame.bound));
    brush.set_stroke_style_str(&paints.soft);
    brush.set_line_width(1.5);
    // Dashes, without an array from JavaScript.
    let (mut y, foot) = (TOP, scale.y(0.0));
    while y < foot {
        line(brush, (bound, y), (bound, (y + 5.0).min(foot)));
        y += 10.0;
    }
    let _ = brush.fill_text("the least", bound + 5.0, foot - 8.0);

    brush.set_line_width(2.5);
    for (at, run) in shown.runs.iter().enumerate() {
        brush.set_stroke_style_str(&paints.policy(at));
        brush.begin_path();
        for (point, (rounds, share)) in run.curve.iter().enumerate() {
            let (x, y) = (scale.x(*rounds), scale.y(*share));
            if point == 0 { brush.move_to(x, y) } else { brush.line_to(x, y) }
        }
        brush.stroke();
    }
}

fn line(brush: &CanvasRenderingContext2d, from: (f64, f64), to: (f64, f64)) {
    brush.begin_path();
    brush.move_to(from.0, from.1);
    brush.line_to(to.0, to.1);
    brush.stroke();
}

/// From rounds and shares to pixels.
struct Scale {
    width: f64,
    first: f64,
    last: f64,
}

impl Scale {
    fn new(width: f64, runs: &[Compared], bound: u32) -> Self {
        let ends = runs.iter().filter_map(|run| run.curve.last()).map(|(rounds, _)| *rounds);
        let last = ends.fold(f64::from(bound), f64::max).max(2.0) * 1.05;
        Self { width, first: 1.0, last }
    }

    fn x(&self, rounds: f64) -> f64 {
        let share = (rounds.max(self.first) / self.first).ln() / (self.last / self.first).ln();
        LEFT + share * (self.width - LEFT - RIGHT)
    }

    fn y(&self, share: f64) -> f64 {
        TOP + (1.0 - share) * (f64::from(HEIGHT) - TOP - BOTTOM)
    }

    /// 1, 2, 5, 10, 20, 50 and so on, with room for their words and for the last word.
    fn ticks(&self) -> Vec<f64> {
        let all = (0..6).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powi(power)));
        all.filter(|tick| self.x(*tick) <= self.width - 62.0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_holds_the_longest_run_and_the_bound() {
        let run = |rounds| Compared { curve: vec![(rounds, 1.0)], ..Compared::default() };
        let scale = Scale::new(335.0, &[run(25.0), run(1217.0)], 20);

        assert!((scale.x(1.0) - LEFT).abs() < 1e-9 && scale.x(1217.0) < 335.0 - RIGHT);
        assert!(scale.x(20.0) < scale.x(25.0) && scale.y(1.0) < scale.y(0.5));
        assert!(scale.ticks().len() >= 7);
    }
}
