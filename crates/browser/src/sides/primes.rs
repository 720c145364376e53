//! What the search for Mersenne primes has found: the primes, the tests under way, how far it is, and who did how much.

use std::cell::RefCell;
use std::collections::VecDeque;

use js_sys::{Array, Date};
use manyhands_core::View;
use manyhands_core::view::{Phase, PrimeView, SearchView, TestView};
use manyhands_wire::mersenne::EXPONENT_MAX;
use web_sys::Blob;

use super::results::json_lines;
use crate::bridge::{FINDINGS, ask};
use crate::page::dom::{El, el, told};
use crate::page::format::{ago, decimal, per_mille, percent, squared_bits, whole};
use crate::page::save::save;
use crate::page::search::{about, confirmation, count, markup};
use crate::page::table::{Table, is_here};

/// The columns of the primes' table, as the head names them and the style sheet places them.
const PRIMES: [(&str, &str); 6] = [
    ("Exponent", "who"),
    ("Digits", "num digits"),
    ("Found by", "finder"),
    ("When", "when"),
    ("How it came", "way"),
    ("Confirmed", "confirmed"),
];
/// The columns of the peers' table beside who it is.
const CREDIT: [(&str, &str); 3] = [("Work", "num work"), ("Share", "num share"), ("Speed", "num speed")];
/// What the unit of work is.
const UNIT: &str = "Testing an exponent p means to square a number of p bits about p times: that is p² squared bits of work. One \
    Gbit² is a billion of them. Work is given by the average to all exponents of a size, tested or not, so finding a small \
    factor pays as much as a long test.";
/// The facts: id and name.
const FACTS: [(&str, &str); 6] = [
    ("frontier", "Every exponent is finished up to"),
    ("tested", "Tested to the end"),
    ("factored", "Settled by a small factor"),
    ("rate", "Rate"),
    ("work", "Work done"),
    ("false-news", "False news refused"),
];
/// How a prime came that this page found.
const HERE: &str = "found here";
/// Over which time the rate is taken, in milliseconds, and how many moments are remembered for it at most.
const RATE_MS: f64 = 20_000.0;
/// The least time that says something of it, in seconds.
const RATE_S_MIN: f64 = 3.0;
const MOMENTS_MAX: usize = 64;
/// How long the last moment is the latest, in milliseconds.
const MOMENT_MS: f64 = 500.0;

/// The side of the search.
pub(super) struct Primes {
    el: El,
    count: El,
    largest: El,
    number: El,
    about: El,
    nothing: El,
    tests: El,
    no_tests: El,
    test_rows: RefCell<Vec<TestRow>>,
    facts: [El; FACTS.len()],
    table: El,
    rows: RefCell<Vec<Row>>,
    body: El,
    credit: Table<{ CREDIT.len() }>,
    /// When how many exponents were finished.
    moments: RefCell<VecDeque<(f64, u64)>>,
}

/// A prime's row.
struct Row {
    exponent: u32,
    el: El,
    cells: [El; PRIMES.len() - 1],
}

/// The row of a test under way.
struct TestRow {
    el: El,
    number: El,
    bar: El,
    filling: El,
    who: El,
}

impl Primes {
    /// Made once.
    pub(super) fn new() -> Self {
        let count = el("span").class("count").id("primes-count");
        let title = el("h2").id("primes-title").text("Mersenne primes ").with(&[&count]);
        let (number, about) = (el("strong").id("largest"), el("span").class("about"));
        let largest = el("p").class("largest").text("The largest known to this room is ");
        let largest = largest.with(&[&number, &about]);
        let nothing = told("p", "muted", "None was found yet.");

        let no_tests = el("p").class("muted").id("no-tests");
        let tests = el("ul").class("shares").id("tests").attr("aria-labelledby", "tests-title");

        let facts = FACTS.map(|(id, _)| el("dd").id(id));
        let list = facts.iter().zip(FACTS).fold(el("dl").class("numbers"), |list, (value, (_, name))| {
            list.with(&[&el("div").with(&[&el("dt").text(name), value])])
        });

        let body = el("tbody").attr("role", "rowgroup");
        let table = table(&body);
        let credit = Table::new(CREDIT, "peers credit", "credit-title");

        let heading = |id: &str, text: &str| el("h3").id(id).text(text);
        let pair = el("div").class("pair").with(&[
            &el("div").with(&[&heading("tests-title", "Under way"), &no_tests, &tests]),
            &el("div").with(&[&heading("facts-title", "How far it is"), &list]),
        ]);
        let el = el("section").class("primes").attr("aria-labelledby", "primes-title").with(&[
            &title,
            &largest,
            &nothing,
            &pair,
            &table,
            &heading("credit-title", "Who did how much"),
            credit.el(),
            &told("p", "why", UNIT),
            &saving(),
        ]);
        Self {
            el,
            count,
            largest,
            number,
            about,
            nothing,
            tests,
            no_tests,
            test_rows: RefCell::default(),
            facts,
            table,
            rows: RefCell::default(),
            body,
            credit,
            moments: RefCell::default(),
        }
    }

    /// Its element.
    pub(super) fn el(&self) -> &El {
        &self.el
    }

    /// Shows how things are.
    pub(super) fn draw(&self, view: &View) {
        let Some(search) = &view.search else { return };
        self.count.say(&count(search));
        self.draw_largest(view, search);
        self.draw_tests(view, search);
        self.draw_facts(view, search);
        self.draw_primes(view, search);
        let all: u64 = view.peers.iter().map(|peer| peer.credit_cost).sum();
        let shown = view.peers.iter().filter(|peer| is_here(peer) || peer.credit_cost > 0);
        self.credit.draw(shown, |peer| {
            let speed =
                (peer.speed > 0.0 && is_here(peer)).then(|| [&squared_bits(peer.speed), "/s"].concat());
            let share = if all > 0 { percent(peer.credit_cost, all) } else { String::new() };
            [squared_bits(peer.credit_cost as f64), share, speed.unwrap_or_default()]
        });
    }

    fn draw_largest(&self, view: &View, search: &SearchView) {
        let largest = search.primes.last();
        self.largest.show_if(largest.is_some());
        self.nothing.show_if(largest.is_none());
        self.table.show_if(largest.is_some());
        let Some(largest) = largest else { return };
        if self.number.is_new("data-value", &largest.exponent.to_string()) {
            self.number.markup(&markup(largest.exponent));
        }
        let when = |heard_ms| [", ", &ago(heard_ms)].concat();
        let way = match way(view, largest) {
            way if way.is_empty() || way == HERE => String::new(),
            way => [", ", &way].concat(),
        };
        self.about
            .say(&[": ", &about(largest), &largest.heard_ms.map_or_else(String::new, when), &way].concat());
    }

    fn draw_tests(&self, view: &View, search: &SearchView) {
        let tests = &search.tests;
        self.tests.show_if(!tests.is_empty());
        self.no_tests.say_if(tests.is_empty().then_some(match view.phase {
            Phase::Finished => "All of them are finished.",
            Phase::Connecting | Phase::Lobby { .. } => "Nothing has begun yet.",
            Phase::Running | Phase::Paused | Phase::Finishing | Phase::Left => {
                "None that takes longer than a second: exponents this small go by in a moment."
            }
        }));
        let mut rows = self.test_rows.borrow_mut();
        rows.truncate(tests.len());
        while rows.len() < tests.len() {
            rows.push(TestRow::new());
        }
        self.tests.hold(rows.iter().map(|row| &row.el));
        for (row, test) in rows.iter().zip(tests) {
            row.draw(test, view.peers.get(usize::from(test.by)).map_or(0, |peer| peer.hue));
        }
    }

    fn draw_facts(&self, view: &View, search: &SearchView) {
        let mut frontier = match search.frontier {
            frontier if frontier < search.from => "none yet".to_owned(),
            frontier => whole(frontier.into()),
        };
        if search.to < EXPONENT_MAX {
            frontier.push_str(&[" of ", &whole(search.to.into())].concat());
        }
        let rate = self.rate(search.tested + search.factored);
        let rate = rate.filter(|_| matches!(view.phase, Phase::Running | Phase::Paused | Phase::Finishing));
        let work: u64 = view.peers.iter().map(|peer| peer.credit_cost).sum();
        let values = [
            frontier,
            whole(search.tested),
            whole(search.factored),
            rate.unwrap_or_else(|| "—".to_owned()),
            squared_bits(work as f64),
            whole(search.false_news),
        ];
        for (value, text) in self.facts.iter().zip(values) {
            value.say(&text);
        }
    }

    /// How many exponents are finished in a while, in words; none as long as that is not clear.
    fn rate(&self, finished: u64) -> Option<String> {
        let (mut moments, now) = (self.moments.borrow_mut(), Date::now());
        if moments.back().is_none_or(|(at, _)| now - at >= MOMENT_MS) {
            moments.push_back((now, finished));
        }
        while moments.len() > MOMENTS_MAX || moments.front().is_some_and(|(at, _)| now - at > RATE_MS) {
            moments.pop_front();
        }
        let (since, before) = *moments.front()?;
        let (span_s, more) = ((now - since) / 1000.0, finished.checked_sub(before)?);
        let per_second = (span_s >= RATE_S_MIN && more > 0).then(|| more as f64 / span_s)?;
        let (rate, span) = match per_second {
            rate if rate >= 1.0 => (rate, " exponents a second"),
            rate => (rate * 60.0, " exponents a minute"),
        };
        Some([&decimal(rate), span].concat())
    }

    /// The primes, the largest first; a row stays with its prime.
    fn draw_primes(&self, view: &View, search: &SearchView) {
        let mut rows = self.rows.borrow_mut();
        let mut old = std::mem::take(&mut *rows);
        for prime in search.primes.iter().rev() {
            let place = old.iter().position(|row| row.exponent == prime.exponent);
            let row = place.map_or_else(|| Row::new(prime.exponent), |place| old.swap_remove(place));
            row.draw(view, prime);
            rows.push(row);
        }
        self.body.hold(rows.iter().map(|row| &row.el));
    }
}

fn table(body: &El) -> El {
    let mut head = el("tr").attr("role", "row");
    for (name, class) in PRIMES {
        let header = el("th").class(class).attr("role", "columnheader").attr("scope", "col").text(name);
        head = head.with(&[&header]);
    }
    let head = el("thead").attr("role", "rowgroup").with(&[&head]);
    let table = el("table").class("peers found-list").id("primes-table");
    table.attr("role", "table").attr("aria-labelledby", "primes-title").with(&[&head, body])
}

impl Row {
    fn new(exponent: u32) -> Self {
        let name = el("th").class("who").attr("role", "rowheader").attr("scope", "row");
        name.markup(&markup(exponent));
        let [_, columns @ ..] = PRIMES;
        let cells = columns
            .map(|(label, class)| el("td").class(class).attr("role", "cell").attr("data-label", label));
        let row = el("tr").attr("role", "row").attr("data-exponent", &exponent.to_string());
        Self { exponent, el: row.with(&[&name]).with(&cells.each_ref()), cells }
    }

    fn draw(&self, view: &View, prime: &PrimeView) {
        let confirmed = match prime.confirmed_by.is_empty() {
            true => "not yet".to_owned(),
            false => confirmation(prime).trim_start_matches("confirmed ").to_owned(),
        };
        let texts = [
            whole(prime.digits.into()),
            prime.finder.clone(),
            prime.heard_ms.map_or_else(|| "before".to_owned(), ago),
            way(view, prime),
            confirmed,
        ];
        self.el.set("data-finder", &prime.finder_id);
        self.el.set("data-confirmed", if prime.confirmed_by.is_empty() { "no" } else { "yes" });
        for (cell, text) in self.cells.iter().zip(texts) {
            cell.say(&text);
        }
    }
}

impl TestRow {
    fn new() -> Self {
        let (number, who, filling) = (el("span").class("who"), el("span").class("how-much"), el("i"));
        let bar = el("span").class("bar thin").attr("role", "progressbar");
        let bar = bar.attr("aria-valuemin", "0").attr("aria-valuemax", "1000").with(&[&filling]);
        Self { el: el("li").with(&[&number, &bar, &who]), number, bar, filling, who }
    }

    fn draw(&self, test: &TestView, hue: u16) {
        let (done, all) = (test.iteration.into(), test.iterations.into());
        let thousandths = per_mille(done, all).to_string();
        if self.number.is_new("data-value", &test.exponent.to_string()) {
            self.number.markup(&markup(test.exponent));
            self.bar.set("aria-label", &["2^", &test.exponent.to_string(), " − 1"].concat());
        }
        self.el.set("data-exponent", &test.exponent.to_string());
        self.filling.style("--h", &hue.to_string());
        self.filling.style("--p", &thousandths);
        self.bar.set("aria-valuenow", &thousandths);
        self.who.say(&[&percent(done, all), ", ", &test.peer].concat());
    }
}

/// Whom the news went through. It may not have come, where the finder is known from its results.
fn way(view: &View, prime: &PrimeView) -> String {
    let is_mine = view.peers.iter().any(|peer| peer.me && peer.id == prime.finder_id);
    match prime.path.len() {
        _ if is_mine => HERE.to_owned(),
        0 | 1 => String::new(),
        2 => "told by its finder".to_owned(),
        _ => prime.path.join(" → "),
    }
}

/// The button that saves all results, and what comes of it.
fn saving() -> El {
    let said = el("p").class("why").attr("role", "status");
    let answer = said.clone();
    let button = told("button", "", "Save all results").id("save-results").on("click", move |_| {
        answer.say(save_results());
    });
    let why = told("span", "why", "One line of JSON for each exponent that is finished.");
    el("div").class("saving").with(&[&button, &why, &said])
}

/// Saves all results where the person's downloads are; what to say then.
fn save_results() -> &'static str {
    let view = crate::bridge::view().and_then(|view| serde_json::from_str(&view).ok()).unwrap_or_default();
    let lines = json_lines(&ask(FINDINGS, ""), &view);
    let blob = Blob::new_with_str_sequence(&Array::of1(&lines.into()));
    match blob.and_then(|blob| save(&blob, "mersenne-results.jsonl")) {
        Ok(()) => "Saved where your downloads are.",
        Err(_) => "This browser did not take the file.",
    }
}
