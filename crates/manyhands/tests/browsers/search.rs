//! The search for Mersenne primes in real browsers: who finds what, who confirms it, and what is saved of it.

use std::path::Path;

use serde_json::{Value, json};
use xtask::browsers::{Browser, Friend, Host, Page, wait_for};

use super::pages::{MANYHANDS, PATIENCE, id, number, peer, wait_for_phase};

/// The exponents of the Mersenne primes up to 12000.
const EXPONENTS: [u64; 23] = [
    2, 3, 5, 7, 13, 17, 19, 31, 61, 89, 107, 127, 521, 607, 1279, 2203, 2281, 3217, 4253, 4423, 9689, 9941,
    11213,
];

#[test]
fn every_page_lists_exactly_the_primes_with_finder_and_confirmation() {
    let search = ["--job", "mersenne", "--from", "2", "--to", "3000", "--wait", "4", "--threads", "1"];
    let host = Host::start_bare(Path::new(MANYHANDS), &search).unwrap();
    let (chromium, firefox) = (Browser::chromium().unwrap(), Browser::firefox().unwrap());
    let pages = [chromium.stranger().unwrap(), chromium.stranger().unwrap(), firefox.first_page().unwrap()];
    pages[0].open(&host.local_invite()).unwrap();
    pages[1].open(&host.invite).unwrap();
    pages[2].open(&host.invite).unwrap();
    for page in &pages {
        page.lend(PATIENCE).unwrap();
    }
    pages[0].wait_for_text("3 of 4 friends are here", PATIENCE).unwrap();
    let _friend = Friend::join(Path::new(MANYHANDS), &host.invite, &["--threads", "1"]).unwrap();

    for page in &pages {
        wait_for_phase(page, "finished");
        page.click("#tab-primes").unwrap();
        wait_for_primes(page, &expected(3000));
    }

    // All agree on who found what.
    let found = finders(&pages[0].view().unwrap().unwrap());
    for page in &pages {
        assert_eq!(finders(&page.view().unwrap().unwrap()), found);
        assert_eq!(page.text("#total").unwrap().as_deref(), Some("22281 − 1"), "2^2281, set as a power");
    }
    assert_eq!(finders(&host.status().unwrap()["view"]), found);
    assert!(found.iter().all(|(_, finder)| finder.len() == 64), "{found:?}");
    // What a page saves is what the host tells.
    let saved = saved_results(&pages[0]);
    assert_eq!(saved.len(), 430, "the primes below 3000");
    let told = pages[0].run_async("return await (await fetch('/api/results')).text()", &[]).unwrap();
    assert_eq!(saved, lines(told.as_str().unwrap()));
    let primes = saved.iter().filter(|line| line["result"] == "prime").map(|line| number(&line["exponent"]));
    assert_eq!(primes.collect::<Vec<_>>(), expected(3000));
}

#[test]
fn a_page_closed_in_the_middle_of_a_search_costs_nothing_but_its_slice() {
    let search = ["--job", "mersenne", "--from", "2", "--to", "12000", "--no-work"];
    let host = Host::start_bare(Path::new(MANYHANDS), &search).unwrap();
    let browser = Browser::chromium().unwrap();
    let (ann, bob) = (browser.stranger().unwrap(), browser.stranger().unwrap());
    for page in [&ann, &bob] {
        page.open(&host.local_invite()).unwrap();
        page.lend(PATIENCE).unwrap();
    }
    let (ann_id, bob_id) = (id(&ann), id(&bob));
    let cost = |view: &Value, id: &str| peer(view, id).map_or(0, |peer| number(&peer["credit_cost"]));
    bob.wait_for("work of both", PATIENCE, |view| {
        (cost(view, &ann_id) > 100_000 && cost(view, &bob_id) > 100_000).then_some(())
    })
    .unwrap();

    let last_of_ann = ann.view().unwrap().unwrap();
    assert_eq!(last_of_ann["phase"]["phase"], "running", "the job is too small for this machine");
    ann.close().unwrap();

    wait_for_phase(&bob, "finished");
    bob.click("#tab-primes").unwrap();
    wait_for("the primes", PATIENCE, || Ok((listed(&bob, "") == expected(12_000)).then_some(()))).unwrap();
    let view = bob.view().unwrap().unwrap();
    assert!(cost(&view, &ann_id) >= cost(&last_of_ann, &ann_id), "what was reported stays reported");
    assert_eq!(view["search"]["frontier"], json!(12_000));
    assert_eq!(view["search"]["false_news"], json!(0));
    // What was computed twice was computed by Bob, who stayed.
    let all = cost(&view, &ann_id) + cost(&view, &bob_id);
    let me = peer(&view, &bob_id).unwrap();
    let twice = number(&me["gross_units"]) + cost(&view, &ann_id) - all;
    let slice = me["solo_speed"].as_f64().unwrap() * 2.0;
    assert!((twice as f64) < slice, "{twice} twice, of {all}; two seconds are {slice}");
}

#[test]
fn the_hosts_person_chooses_a_search_on_the_page() {
    let host = Host::start_bare(Path::new(MANYHANDS), &["--job", "choose", "--no-work"]).unwrap();
    let browser = Browser::chromium().unwrap();
    let page = browser.first_page().unwrap();
    page.open(&host.local_invite()).unwrap();
    wait_for("the choice", PATIENCE, || Ok((page.count("#choose-form:not([hidden])")? > 0).then_some(())))
        .unwrap();

    let fill = |from: &str, to: &str| {
        let script =
            "for (const [at, value] of [['#search-from', arguments[0]], ['#search-to', arguments[1]]]) {
            const field = document.querySelector(at);
            field.value = value;
            field.dispatchEvent(new Event('input', { bubbles: true }));
        }";
        page.run(script, &[json!(from), json!(to)]).unwrap();
        page.click("#choose").unwrap();
    };
    fill("10", "5");
    page.wait_for_text("no exponents", PATIENCE).unwrap();
    fill("two", "5");
    page.wait_for_text("please write whole numbers", PATIENCE).unwrap();
    fill("2", "600");
    page.wait_for_text("Search the exponents 2 to 600 for Mersenne primes", PATIENCE).unwrap();

    page.lend(PATIENCE).unwrap();
    wait_for_phase(&page, "finished");
    page.click("#tab-primes").unwrap();
    wait_for("the primes", PATIENCE, || Ok((listed(&page, "") == expected(600)).then_some(()))).unwrap();
}

/// Those up to this one.
fn expected(to: u64) -> Vec<u64> {
    EXPONENTS.into_iter().filter(|exponent| *exponent <= to).collect()
}

/// Waits until the page shows these primes, each found by somebody and confirmed by somebody else.
fn wait_for_primes(page: &Page, exponents: &[u64]) {
    wait_for("all primes to be confirmed", PATIENCE, || {
        let found = listed(page, "[data-confirmed=yes]:not([data-finder=''])");
        Ok((found == exponents && listed(page, "") == exponents).then_some(()))
    })
    .unwrap_or_else(|error| panic!("{error:#}: {}", page.report()));
}

/// The exponents in the page's list, the smallest first, of rows that are like this.
fn listed(page: &Page, like: &str) -> Vec<u64> {
    let rows = format!("#primes-table tr[data-exponent]{like}");
    let script =
        "return [...document.querySelectorAll(arguments[0])].map(row => +row.dataset.exponent).reverse()";
    let exponents = page.run(script, &[json!(rows)]).unwrap();
    exponents.as_array().into_iter().flatten().map(number).collect()
}

/// Each prime with the id of its finder.
fn finders(view: &Value) -> Vec<(u64, String)> {
    let primes = view["search"]["primes"].as_array().into_iter().flatten();
    primes
        .map(|prime| (number(&prime["exponent"]), prime["finder_id"].as_str().unwrap().to_owned()))
        .collect()
}

/// What the button saves, without a file in anybody's downloads.
fn saved_results(page: &Page) -> Vec<Value> {
    let catch = "const make = URL.createObjectURL;
        URL.createObjectURL = blob => { window.saved ??= blob; return make.call(URL, blob); };
        HTMLAnchorElement.prototype.click = () => {};";
    page.run(catch, &[]).unwrap();
    page.click("#save-results").unwrap();
    wait_for("what was saved", PATIENCE, || {
        Ok((page.run("return !!window.saved", &[])? == true).then_some(()))
    })
    .unwrap();
    lines(page.run_async("return await window.saved.text()", &[]).unwrap().as_str().unwrap())
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
