//! What of the simulator is seen, but for what happens: its elements in order, the buttons that can be pressed, and the words.

use std::rc::Rc;

use super::charts::hundredths;
use super::fields::Fields;
use super::message::{Frame, Snapshot};
use super::plot::Plot;
use super::tables::{Log, Servers};
use super::tiles::Tiles;
use crate::page::dom::{El, document, el, told};
use crate::page::format::whole;

/// How many rounds a second at first, and at most.
const SPEED: &str = "4";
const SPEED_MAX: &str = "60";
/// What it is about, for people.
const ABOUT: &str = "Server 0 has a file, cut into chunks. All others want it, and each sends on what it has: one chunk after the \
    other, which takes a round. The servers are the same machines that share files in a room; here they run in this page \
    alone, over a network that is made up. The same settings and seed give the same run, everywhere.";

/// What goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// The settings are being looked at by the worker.
    Loading,
    /// They are wrong.
    Wrong,
    /// The run stands, at its beginning or later.
    Still,
    /// It goes on as quickly as the person wants.
    Running,
    /// It goes on to its end.
    Ending,
    /// It is over.
    Over,
}

/// What a person can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Other settings were typed or chosen.
    Settings,
    /// The seed is to be another one.
    Reseed,
    /// The run is to go on.
    Start,
    /// It is to stand.
    Pause,
    /// It is to go on to the next transfer.
    Step,
    /// It is to go on to its end.
    End,
    /// It is to begin anew.
    Reset,
    /// The policies are to be compared.
    Compare,
    /// The link is to be in the clipboard.
    Copy,
}

/// The elements.
pub(super) struct Parts {
    pub(super) el: El,
    pub(super) fields: Fields,
    pub(super) status: El,
    pub(super) link: El,
    pub(super) log: Log,
    pub(super) plot: Plot,
    start: El,
    pause: El,
    step: El,
    end: El,
    reset: El,
    speed: El,
    bar: El,
    facts: El,
    tiles: Tiles,
    servers: Servers,
}

impl Parts {
    /// Made once; `act` hears what the person does.
    pub(super) fn new(act: impl Fn(Deed) + 'static) -> Self {
        let act: Rc<dyn Fn(Deed)> = Rc::new(act);
        let on = |deed: Deed| {
            let act = Rc::clone(&act);
            move || act(deed)
        };
        let button = |id: &str, class: &str, text: &str, deed: Deed| {
            let act = on(deed);
            told("button", class, text).id(id).attr("type", "button").on("click", move |_| act())
        };
        let start = button("sim-start", "primary", "Start", Deed::Start);
        let pause = button("sim-pause", "", "Pause", Deed::Pause);
        let step = button("sim-step", "", "Step", Deed::Step);
        let end = button("sim-end", "", "To the end", Deed::End);
        let reset = button("sim-reset", "", "Reset", Deed::Reset);
        let reseed = button("sim-reseed", "", "Another seed", Deed::Reseed);
        let copy = button("sim-copy", "", "Copy", Deed::Copy).attr("aria-label", "Copy the link to this run");
        let (fields, plot) = (Fields::new(on(Deed::Settings), &reseed), Plot::new(on(Deed::Compare)));
        let (speed, slider) = slider();
        let link = el("input").id("sim-link").attr("type", "text").attr("readonly", "");
        let link = link.attr("aria-label", "The link to this run");
        let status = told("p", "sim-status", "One moment…").id("sim-status").attr("role", "status");
        let (facts, bar) = (told("p", "facts", "").id("sim-facts"), el("i"));
        let (tiles, log, servers) = (Tiles::new(), Log::new(), Servers::new());
        let deeds = el("div").class("sim-deeds").attr("role", "group").attr("aria-label", "The run");
        let el = el("section").class("sim").attr("aria-labelledby", "sim-title").with(&[
            &el("h2").id("sim-title").text("Simulator: chunks that spread over servers"),
            &told("p", "why sim-about", ABOUT),
            fields.el(),
            &el("div")
                .class("controls")
                .with(&[&deeds.with(&[&start, &pause, &step, &end, &reset]), &slider]),
            &status,
            &el("div").class("bar").attr("aria-hidden", "true").with(&[&bar]),
            &facts,
            tiles.el(),
            &el("div").class("pair").with(&[log.el(), servers.el()]),
            plot.el(),
            &told("h3", "", "The link to this very run"),
            &el("div").class("copy").with(&[&link, &copy]),
        ]);
        Self {
            el,
            fields,
            status,
            link,
            log,
            plot,
            start,
            pause,
            step,
            end,
            reset,
            speed,
            bar,
            facts,
            tiles,
            servers,
        }
    }

    /// How many rounds a second the person wants to see.
    pub(super) fn speed(&self) -> f64 {
        self.speed.value().parse().unwrap_or(1.0)
    }

    /// Shows what goes on now, and what went on before.
    pub(super) fn show_mode(&self, before: Mode, mode: Mode) {
        self.el.set("data-state", mode.word());
        let can_go = matches!(mode, Mode::Still | Mode::Running | Mode::Ending);
        let focused = document().active_element().map(|element| element.id()).unwrap_or_default();
        self.start.enable_if(can_go && mode != Mode::Running);
        self.pause.enable_if(matches!(mode, Mode::Running | Mode::Ending));
        self.step.enable_if(can_go);
        self.end.enable_if(can_go && mode != Mode::Ending);
        self.reset.enable_if(!matches!(mode, Mode::Loading | Mode::Wrong));
        // A button that cannot be pressed any more loses the focus: the one that comes next has it.
        match (focused.as_str(), mode) {
            ("sim-start" | "sim-end", Mode::Running | Mode::Ending) => self.pause.focus(),
            ("sim-pause", Mode::Still) => self.start.focus(),
            ("sim-start" | "sim-pause" | "sim-step" | "sim-end", Mode::Over) => self.reset.focus(),
            _ => {}
        }
        match mode {
            Mode::Running if before != mode => self.status.say("Running…"),
            Mode::Ending if before != mode => self.status.say("Running to the end…"),
            Mode::Still if matches!(before, Mode::Running | Mode::Ending) => self.status.say("Paused."),
            _ => {}
        }
    }

    /// Shows how things stand, where that has changed or the page has.
    pub(super) fn draw(&self, frame: &Frame, snapshot: &Snapshot) {
        if frame.servers == 0 {
            return;
        }
        self.tiles.draw(frame, snapshot);
        self.servers.draw(frame, snapshot);
        self.plot.draw();
        let us = snapshot.end_us.unwrap_or(snapshot.now_us);
        let rounds = us as f64 / frame.round_us as f64;
        let first = u64::from(frame.chunks);
        let lacked = u64::from(frame.servers - 1) * first;
        let got = snapshot.here.saturating_sub(first);
        self.bar.style("--p", &(got * 1000 / lacked.max(1)).to_string());
        let (seconds, bound) = (hundredths(us as f64 / 1e6), frame.bound.to_string());
        let facts = [
            &["Round ", &hundredths(rounds)].concat(),
            &["at least ", &bound, " are needed"].concat(),
            &[&seconds, " s"].concat(),
            &[&whole(got), " of ", &whole(lacked), " chunks are there"].concat(),
            &[&whole(snapshot.twice), " came twice"].concat(),
            &[&whole(frame.links.into()), " links"].concat(),
        ];
        self.facts.say(&facts.map(String::as_str).join(" · "));
        // For programs that look at the page: exact numbers.
        self.el.set("data-us", &us.to_string());
        self.el.set("data-transfers", &snapshot.transfers.to_string());
    }

    /// Says how the run ended; once, so that what is said later stays.
    pub(super) fn say_end(&self, frame: &Frame, snapshot: &Snapshot) {
        if snapshot.is_given_up {
            self.status.say("This run does not come to an end.");
            return;
        }
        let us = snapshot.end_us.unwrap_or(snapshot.now_us) as f64;
        let ratio = hundredths(us / frame.round_us as f64 / f64::from(frame.bound));
        let (seconds, bound) = (hundredths(us / 1e6), frame.bound.to_string());
        let times = [" s: ", &ratio, " times the least number of rounds, "].concat();
        self.status.say(&["All servers have everything, after ", &seconds, &times, &bound, "."].concat());
    }
}

/// The slider of the speed, and it with its words.
fn slider() -> (El, El) {
    let shown = el("output").attr("for", "sim-speed").text(SPEED);
    let label = el("label").attr("for", "sim-speed").text("Rounds a second: ").with(&[&shown]);
    let speed = el("input").id("sim-speed").attr("type", "range").attr("min", "1").attr("max", SPEED_MAX);
    let speed = speed.with_value(SPEED);
    let slid = speed.clone();
    let speed = speed.on("input", move |_| shown.say(&slid.value()));
    let whole = el("div").class("slider").with(&[&label, &speed]);
    (speed, whole)
}

impl Mode {
    fn word(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Wrong => "wrong",
            Self::Still => "still",
            Self::Running => "running",
            Self::Ending => "ending",
            Self::Over => "over",
        }
    }
}
