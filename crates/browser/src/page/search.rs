//! What the room's search for Mersenne primes has found so far, in short: for the top of the room, and to be read aloud.
//!
//! All of it, with progress and credit, is on a side of its own, which [another program](crate::sides) draws.

use std::cell::{Cell, RefCell};

use js_sys::Date;
use manyhands_core::view::{Phase, PrimeState, PrimeView, SearchView};

use super::dom::{El, el};
use super::format::whole;
use super::state::{Room, Scene};

/// How long a prime is news, in milliseconds.
const NEWS_MS: u64 = 15_000;
/// How long nothing is read aloud of primes after something was, in milliseconds: a search of small ones finds many at once.
const REST_MS: f64 = 4_000.0;

/// The lines below the largest prime.
pub(crate) struct Found {
    el: El,
    about: El,
    news: El,
}

impl Found {
    /// Made once.
    pub(crate) fn new() -> Self {
        let (about, news) = (el("p").class("about").id("largest-about"), el("p").class("fresh").id("fresh"));
        let el = el("div").class("found").with(&[&about, &news]);
        Self { el, about, news }
    }

    /// Its element.
    pub(crate) fn el(&self) -> &El {
        &self.el
    }

    /// Shows what is known of the largest, and the one that was just found.
    pub(crate) fn draw(&self, scene: &Scene) {
        let search = scene.view.search.as_ref().filter(|search| !search.primes.is_empty());
        self.el.show_if(search.is_some());
        let Some(search) = search else { return };
        self.about.say_if(search.primes.last().map(about).as_deref());
        let fresh = search.primes.iter().rev().find(|prime| prime.heard_ms.is_some_and(|ms| ms < NEWS_MS));
        let fresh = fresh.filter(|_| scene.view.phase != Phase::Finished);
        self.news.say_if(fresh.map(sentence).as_deref());
    }
}

/// `2^9941 − 1 is prime: found by brave-otter`.
pub(crate) fn sentence(prime: &PrimeView) -> String {
    [&number(prime.exponent), " is prime: found by ", &prime.finder].concat()
}

/// `2^9941 − 1`, for texts.
pub(crate) fn number(exponent: u32) -> String {
    ["2^", &exponent.to_string(), " − 1"].concat()
}

/// The same as markup.
pub(crate) fn markup(exponent: u32) -> String {
    ["2<sup>", &exponent.to_string(), "</sup> − 1"].concat()
}

/// How long it is, who found it, and whether that is certain.
pub(crate) fn about(prime: &PrimeView) -> String {
    let digits = if prime.digits == 1 { " digit" } else { " digits" };
    let start = [&whole(prime.digits.into()), digits, ", found by ", &prime.finder].concat();
    [&start, ", ", &confirmation(prime)].concat()
}

/// Who says so too.
pub(crate) fn confirmation(prime: &PrimeView) -> String {
    match (prime.state, &*prime.confirmed_by) {
        (PrimeState::Claimed, _) => "not confirmed yet".to_owned(),
        (PrimeState::Confirmed, [first, second]) => ["confirmed by ", first, " and ", second].concat(),
        (PrimeState::Confirmed, [first, _, others @ ..]) if !others.is_empty() => {
            let others = (others.len() + 1).to_string();
            ["confirmed by ", first, " and ", &others, " others"].concat()
        }
        (PrimeState::Confirmed, all) => ["confirmed by ", &all.concat()].concat(),
    }
}

/// How many there are, in words.
pub(crate) fn count(search: &SearchView) -> String {
    match search.primes.len() {
        0 => "no prime yet".to_owned(),
        1 => "1 prime".to_owned(),
        many => [&many.to_string(), " primes"].concat(),
    }
}

/// Reads new primes aloud.
#[derive(Default)]
pub(crate) struct Herald {
    /// Those that were told, or were known before the page came; none before it sees the search.
    told: RefCell<Option<Vec<u32>>>,
    rests_until: Cell<f64>,
}

impl Herald {
    /// Tells of the largest of those that are new, and how many more there are.
    pub(crate) fn announce(&self, room: &Room, scene: &Scene) {
        let Some(search) = &scene.view.search else { return };
        let mut told = self.told.borrow_mut();
        let all = || search.primes.iter().map(|prime| prime.exponent).collect();
        let Some(known) = told.as_ref() else {
            *told = Some(all());
            return;
        };
        let mut new = search.primes.iter().filter(|prime| !known.contains(&prime.exponent));
        let (count, Some(largest)) = (new.clone().count(), new.next_back()) else { return };
        let now = Date::now();
        if now < self.rests_until.get() {
            return;
        }
        self.rests_until.set(now + REST_MS);
        let mut text = [&sentence(largest), "."].concat();
        if count > 1 {
            text.push_str(&[" ", &(count - 1).to_string(), " more were found."].concat());
        }
        *told = Some(all());
        room.announce(&text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prime_is_told_of_in_one_sentence() {
        let prime = |confirmed_by: &[&str]| PrimeView {
            exponent: 9941,
            digits: 2993,
            finder: "brave-otter".to_owned(),
            state: if confirmed_by.is_empty() { PrimeState::Claimed } else { PrimeState::Confirmed },
            confirmed_by: confirmed_by.iter().map(|name| (*name).to_owned()).collect(),
            ..PrimeView::default()
        };

        assert_eq!(sentence(&prime(&[])), "2^9941 − 1 is prime: found by brave-otter");
        assert_eq!(about(&prime(&[])), "2,993 digits, found by brave-otter, not confirmed yet");
        assert_eq!(confirmation(&prime(&["Ann"])), "confirmed by Ann");
        assert_eq!(confirmation(&prime(&["Ann", "Bob"])), "confirmed by Ann and Bob");
        assert_eq!(confirmation(&prime(&["Ann", "Bob", "Cem"])), "confirmed by Ann and 2 others");
    }
}
