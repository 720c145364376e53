//! The total, the progress, and where things are.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use manyhands_core::View;
use manyhands_core::view::{JobView, Phase};
use wasm_bindgen_futures::spawn_local;

use super::choose::choose;
use super::dom::{El, el, reload, told};
use super::format::{capitalised, grouped, per_mille, percent, span, whole, with_grouped_numbers};
use super::is_own_computers_page;
use super::room_info::{RoomInfo, start_job};
use super::search::{self, Found};
use super::state::{Room, Scene};

/// How few exponents of a search say nothing any more about when it ends. A guess.
const UNITS_TO_FORESEE: u64 = 100;
/// How many seats are drawn at most.
const SEATS_MAX: u16 = 40;

/// The top of the room.
pub(crate) struct Hero {
    el: El,
    phase: El,
    title: El,
    lobby: Lobby,
    choice: Choice,
    label: El,
    total: El,
    shown_total: RefCell<String>,
    found: Found,
    progress: Progress,
    thanks: Thanks,
    again: El,
}

struct Lobby {
    el: El,
    count: El,
    seats: El,
}

/// The choice of the job, on the host's own computer.
struct Choice {
    el: El,
    is_mine: Rc<Cell<bool>>,
}

struct Progress {
    el: El,
    bar: El,
    filling: El,
    percent: El,
    speed: El,
    left: El,
    reached: El,
    primes: El,
}

struct Thanks {
    el: El,
    shares: El,
    shown: RefCell<Vec<Share>>,
}

/// What one peer did, in the order of how much.
#[derive(PartialEq)]
struct Share {
    cost: u64,
    name: String,
    hue: u16,
    me: bool,
}

impl Hero {
    /// Made once.
    pub(crate) fn new(room: &Rc<Room>) -> Self {
        let phase = el("p").class("kicker").id("phase");
        // It takes the focus from the button that is gone once the room is shown.
        let title = el("h1").attr("tabindex", "-1");
        let (label, total) = (el("p").class("label"), el("p").class("total").id("total"));
        let again = told("button", "primary", "Lend a hand again").id("again").on("click", |_| reload());
        let (lobby, choice, found) = (Lobby::new(room), Choice::new(), Found::new());
        let (progress, thanks) = (Progress::new(), Thanks::new());
        let el = el("section").class("hero").attr("aria-label", "The job").with(&[
            &phase,
            &title,
            &lobby.el,
            &choice.el,
            &label,
            &total,
            found.el(),
            &progress.el,
            &thanks.el,
            &again,
        ]);
        Self {
            el,
            phase,
            title,
            lobby,
            choice,
            label,
            total,
            shown_total: RefCell::default(),
            found,
            progress,
            thanks,
            again,
        }
    }

    /// Its element.
    pub(crate) fn el(&self) -> &El {
        &self.el
    }

    /// The heading of the room.
    pub(crate) fn heading(&self) -> &El {
        &self.title
    }

    /// Shows how things are; `is_jobless` when it is clear that the room has no job.
    pub(crate) fn draw(&self, scene: &Scene, is_jobless: bool) {
        let phase = scene.view.phase;
        let is_jobless = is_jobless && phase != Phase::Left;
        self.phase.say(&if is_jobless {
            "You are in".to_owned()
        } else {
            phase_sentence(phase, scene.job())
        });
        match scene.job() {
            Some(job) => self.title.say(&capitalised(&with_grouped_numbers(&job.title))),
            None if phase == Phase::Left => self.title.say("Until next time"),
            None if is_jobless => self.title.say("There is no job in this room"),
            None => self.title.say("Looking for the room…"),
        }
        self.lobby.draw(phase);
        let has_begun = !is_jobless && !matches!(phase, Phase::Lobby { .. });
        self.choice.el.show_if(!has_begun && self.choice.is_mine.get());
        match scene.view.search.as_ref().and_then(|search| search.primes.last()) {
            Some(largest) => self.draw_largest(scene, largest.exponent),
            None => self.draw_total(scene),
        }
        self.found.draw(scene);
        self.progress.draw(scene);
        self.thanks.draw(&scene.view);
        self.again.show_if(phase == Phase::Left);
    }

    /// The largest prime of a search.
    fn draw_largest(&self, scene: &Scene, exponent: u32) {
        self.label.show_if(true);
        self.total.show_if(true);
        let is_over = scene.view.phase == Phase::Finished;
        self.label.say(if is_over { "The largest prime found" } else { "The largest prime so far" });
        if self.total.is_new("data-value", &exponent.to_string()) {
            self.shown_total.borrow_mut().clear();
            self.total.style("--n", "14");
            self.total.markup(&search::markup(exponent));
        }
    }

    fn draw_total(&self, scene: &Scene) {
        let digits = scene
            .job()
            .filter(|job| has_begun(scene.view.phase, job))
            .and_then(|job| job.done_total.as_deref());
        self.label.show_if(digits.is_some());
        self.total.show_if(digits.is_some());
        self.label.say(if scene.view.phase == Phase::Finished { "The total" } else { "The total so far" });
        let Some(digits) = digits.filter(|digits| **digits != **self.shown_total.borrow()) else { return };
        digits.clone_into(&mut self.shown_total.borrow_mut());
        let text = grouped(digits);
        self.total.set("data-value", digits);
        // The style sheet chooses the size of the type by the number of characters.
        self.total.style("--n", &text.len().to_string());
        self.total.markup(&text.replace(',', ",<wbr>"));
    }
}

fn phase_sentence(phase: Phase, job: Option<&JobView>) -> String {
    match phase {
        Phase::Connecting => "Finding the others…".to_owned(),
        Phase::Lobby { .. } => "Waiting for friends".to_owned(),
        Phase::Running => match job {
            Some(job) if !job.asked_by.is_empty() => ["Working for ", &job.asked_by].concat(),
            _ => "Working".to_owned(),
        },
        Phase::Paused => "Paused: the others go on without you".to_owned(),
        Phase::Finishing => "Finishing what you are on, then leaving".to_owned(),
        Phase::Finished => "Done".to_owned(),
        Phase::Left => "You have left. Thank you!".to_owned(),
    }
}

impl Choice {
    fn new() -> Self {
        let is_mine = Rc::new(Cell::new(false));
        if is_own_computers_page() {
            let is_mine = Rc::clone(&is_mine);
            spawn_local(async move {
                is_mine.set(RoomInfo::fetch().await.is_some_and(|info| info.can_choose));
            });
        }
        Self { el: choose(|_| {}), is_mine }
    }
}

impl Lobby {
    fn new(room: &Rc<Room>) -> Self {
        let (count, seats) = (el("strong"), el("div").class("seats").attr("aria-hidden", "true"));
        let sentence = el("p").with(&[&count]).text(" friends are here. The job starts for all at once.");
        let room = Rc::downgrade(room);
        let start = told("button", "primary", "Start now").id("start").on("click", move |_| {
            let room = room.clone();
            spawn_local(async move {
                if let (Err(why), Some(room)) = (start_job().await, room.upgrade()) {
                    room.complain(["The job could not be started: ", &why, "."].concat());
                }
            });
        });
        start.show_if(false);
        let el = el("div").class("lobby").id("lobby").with(&[&sentence, &seats, &start]);
        if is_own_computers_page() {
            // A friend's program serves this page too, but only the host's can start the job.
            spawn_local(async move {
                start.show_if(RoomInfo::fetch().await.is_some_and(|info| info.is_host));
            });
        }
        Self { el, count, seats }
    }

    /// How many friends are in.
    fn draw(&self, phase: Phase) {
        let Phase::Lobby { wanted, present } = phase else {
            self.el.show_if(false);
            return;
        };
        self.el.show_if(true);
        let count = [present.to_string(), wanted.to_string()].join(" of ");
        self.count.say(&count);
        if self.seats.is_new("data-shown", &count) {
            let seats: Vec<El> = (0..wanted.min(SEATS_MAX))
                .map(|seat| el("i").class(if seat < present { "taken" } else { "" }))
                .collect();
            self.seats.hold(seats.iter());
        }
    }
}

impl Progress {
    fn new() -> Self {
        let filling = el("i");
        let bar = el("div")
            .class("bar")
            .id("progress")
            .attr("role", "progressbar")
            .attr("aria-label", "Progress")
            .attr("aria-valuemin", "0")
            .attr("aria-valuemax", "1000")
            .with(&[&filling]);
        let fact = |id| el("span").id(id);
        let percent = el("strong").id("percent");
        let (primes, speed, left, reached) = (fact("found"), fact("speed"), fact("left"), fact("reached"));
        let facts = el("p").class("facts").with(&[&percent, &primes, &speed, &left, &reached]);
        Self { el: el("div").with(&[&bar, &facts]), bar, filling, percent, speed, left, reached, primes }
    }

    fn draw(&self, scene: &Scene) {
        let Some(job) = scene.job().filter(|job| has_begun(scene.view.phase, job)) else {
            self.el.show_if(false);
            return;
        };
        self.el.show_if(true);
        self.bar.show_if(scene.progress.is_some());
        let done = scene.progress.map(|(done, all)| percent(done, all));
        self.percent.say_if(done.as_deref());
        if let (Some((done, all)), Some(text)) = (scene.progress, done) {
            let thousandths = per_mille(done, all).to_string();
            self.bar.set("aria-valuenow", &thousandths);
            self.bar.set("aria-valuetext", &text);
            self.filling.style("--p", &thousandths);
        }
        let is_finished = scene.view.phase == Phase::Finished;
        self.reached.say_if(reached(scene, job).filter(|_| !is_finished).as_deref());
        self.primes.say_if(scene.view.search.as_ref().map(search::count).as_deref());

        let room = &scene.view.room;
        match scene.view.phase {
            Phase::Running | Phase::Paused | Phase::Finishing => {
                self.speed.say_if(Some(&[&scene.amount(room.speed), " a second"].concat()));
                // Of the last exponents of a search nobody knows which are tested to the end.
                let is_clear = scene.view.search.is_none()
                    || job.units.saturating_sub(job.done_units) >= UNITS_TO_FORESEE;
                let left_s = room.left_s.filter(|_| is_clear);
                self.left.say_if(left_s.map(|left_s| ["about ", &span(left_s), " left"].concat()).as_deref());
            }
            Phase::Finished => {
                self.speed.say_if(None);
                let took = (room.elapsed_s > 0.0).then(|| ["in ", &span(room.elapsed_s)].concat());
                self.left.say_if(took.as_deref());
            }
            Phase::Connecting | Phase::Lobby { .. } | Phase::Left => {
                self.speed.say_if(None);
                self.left.say_if(None);
            }
        }
    }
}

/// Whether there is any progress to speak of: a lobby shows friends, and no zero.
fn has_begun(phase: Phase, job: &JobView) -> bool {
    !matches!(phase, Phase::Lobby { .. }) || job.done_units > 0
}

/// How far the job has got without a gap.
fn reached(scene: &Scene, job: &JobView) -> Option<String> {
    let Some(search) = &scene.view.search else {
        return Some(["every number up to ", &whole(job.reached?), " of ", &whole(job.goal?)].concat());
    };
    let up_to = (search.frontier >= search.from).then(|| whole(search.frontier.into()))?;
    let of = scene.progress.map(|_| [" of ", &whole(search.to.into())].concat()).unwrap_or_default();
    Some(["every exponent up to ", &up_to, &of].concat())
}

impl Thanks {
    fn new() -> Self {
        let shares = el("ol").class("shares").attr("aria-label", "Who did what share");
        let title = el("h2").text("Many hands made light work. Thank you!");
        Self {
            el: el("div").class("thanks").id("thanks").with(&[&title, &shares]),
            shares,
            shown: RefCell::default(),
        }
    }

    /// At the end: who did what share.
    fn draw(&self, view: &View) {
        self.el.show_if(view.phase == Phase::Finished);
        if view.phase != Phase::Finished {
            return;
        }
        let shares = shares(view);
        if *self.shown.borrow() == shares {
            return;
        }
        let all = shares.iter().map(|share| share.cost).sum();
        let rows: Vec<El> = shares.iter().map(|share| share.row(all)).collect();
        self.shares.hold(rows.iter());
        *self.shown.borrow_mut() = shares;
    }
}

/// Who did something, most first.
fn shares(view: &View) -> Vec<Share> {
    let mut shares: Vec<Share> = Vec::new();
    for peer in view.peers.iter().filter(|peer| peer.credit_cost > 0) {
        let share = Share { cost: peer.credit_cost, name: peer.name.clone(), hue: peer.hue, me: peer.me };
        let place = shares.partition_point(|other| other.cost >= share.cost);
        shares.insert(place, share);
    }
    shares
}

impl Share {
    fn row(&self, all: u64) -> El {
        let filling = el("i");
        filling.style("--h", &self.hue.to_string());
        filling.style("--p", &per_mille(self.cost, all).to_string());
        let who = told("span", "who", &self.name).text(if self.me { " (you)" } else { "" });
        el("li").with(&[
            &who,
            &el("span").class("bar thin").attr("aria-hidden", "true").with(&[&filling]),
            &told("span", "how-much", &percent(self.cost, all)),
        ])
    }
}
