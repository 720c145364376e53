//! Choosing what the room computes: on the host's own computer, as long as nothing has begun.

use std::cell::Cell;
use std::rc::Rc;

use wasm_bindgen_futures::spawn_local;

use super::dom::{El, el, told};
use super::format::capitalised;
use super::room_info::{RoomInfo, choose_job};

/// What stands in the fields at first: jobs of some seconds.
const LAST_NUMBER: &str = "100000000";
const FIRST_EXPONENT: &str = "2";
const LAST_EXPONENT: &str = "20000";

/// A form that is shown only where there is something to choose; `chosen` hears of it when that was done.
pub(crate) fn choose(chosen: impl Fn(RoomInfo) + 'static) -> El {
    let (sum, last) = (choice("job-sum", true), field("sum-to", LAST_NUMBER, "the last counting number"));
    let search = choice("job-search", false);
    let from = field("search-from", FIRST_EXPONENT, "the first exponent");
    let to = field("search-to", LAST_EXPONENT, "the last exponent, or nothing").attr("placeholder", "no end");
    let said = el("p").class("why").id("chosen").attr("role", "status");
    let title = told("p", "", "What shall be computed?").id("choose-title");
    let add = el("div").class("choice").with(&[
        &sum,
        &el("label").attr("for", "job-sum").text("Add the counting numbers 1 to"),
        &last,
    ]);
    let find = el("div").class("choice").with(&[
        &search,
        &el("label").attr("for", "job-search").text("Search for Mersenne primes: exponents"),
        &from,
        &el("span").text("to"),
        &to,
    ]);
    let endless = told("p", "why", "Leave the last exponent empty for a search without an end.");
    let button = told("button", "", "Choose this").id("choose").attr("type", "submit");
    let (searches, answer) = (Rc::new(Cell::new(false)), said.clone());
    for (part, is_search) in [(&sum, false), (&last, false), (&search, true), (&from, true), (&to, true)] {
        // Whoever types into a field means what it belongs to.
        let (searches, radio) = (Rc::clone(&searches), if is_search { search.clone() } else { sum.clone() });
        let _ = part.clone().on("input", move |_| {
            searches.set(is_search);
            radio.check();
        });
    }
    let chosen = Rc::new(chosen);
    let form = el("form").class("choose").id("choose-form").attr("aria-labelledby", "choose-title");
    let own = form.clone();
    let form = form.with(&[&title, &add, &find, &endless, &button, &said]).on("submit", move |event| {
        event.prevent_default();
        let job =
            if searches.get() { search_json(&from.value(), &to.value()) } else { sum_json(&last.value()) };
        let (answer, chosen, own) = (answer.clone(), Rc::clone(&chosen), own.clone());
        spawn_local(async move {
            match send(job).await {
                Ok(()) => {
                    let info = RoomInfo::fetch().await.unwrap_or_default();
                    answer.say(&["Chosen: ", &info.title, "."].concat());
                    // Where nobody is waited for it has begun, and there is nothing more to choose.
                    own.show_if(info.can_choose);
                    chosen(info);
                }
                Err(why) => answer.say(&[&capitalised(&why), "."].concat()),
            }
        });
    });
    form.show_if(false);
    form
}

async fn send(job: Option<String>) -> Result<(), String> {
    match job {
        Some(job) => choose_job(&job).await,
        None => Err("please write whole numbers into the fields".to_owned()),
    }
}

fn choice(id: &str, is_chosen: bool) -> El {
    let radio = el("input").id(id).attr("type", "radio").attr("name", "job");
    if is_chosen {
        radio.check();
    }
    radio
}

fn field(id: &str, value: &str, label: &str) -> El {
    let field = el("input").id(id).attr("type", "text").attr("inputmode", "numeric");
    field.attr("autocomplete", "off").attr("aria-label", label).with_value(value)
}

/// The request for a sum up to this number; none if it is no whole number.
fn sum_json(to: &str) -> Option<String> {
    Some(["{\"job\":\"sum\",\"counting_number\":", &number(to)?, "}"].concat())
}

/// The request for a search of these exponents, without an end if there is no last one.
fn search_json(from: &str, to: &str) -> Option<String> {
    let to = if to.trim().is_empty() { "null".to_owned() } else { number(to)? };
    Some(["{\"job\":\"mersenne\",\"from\":", &number(from)?, ",\"to\":", &to, "}"].concat())
}

/// A whole number as JSON has it; people write groups of three too. Whether it is too large, the server says.
fn number(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| !matches!(c, ' ' | ',' | '\u{a0}' | '\u{202f}')).collect();
    let is_number =
        !digits.is_empty() && digits.len() <= 30 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let digits = digits.trim_start_matches('0');
    is_number.then(|| if digits.is_empty() { "0" } else { digits }.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_becomes_a_request() {
        assert_eq!(sum_json(" 100,000 ").as_deref(), Some(r#"{"job":"sum","counting_number":100000}"#));
        assert_eq!(search_json("2", "020000").as_deref(), Some(r#"{"job":"mersenne","from":2,"to":20000}"#));
        assert_eq!(search_json("0", "").as_deref(), Some(r#"{"job":"mersenne","from":0,"to":null}"#));
    }

    #[test]
    fn what_is_no_whole_number_is_not_sent() {
        for text in ["", "-5", "1.5", "1e9", "ten", "12345678901234567890123456789012"] {
            assert_eq!(sum_json(text), None, "{text}");
        }
    }
}
