//! The simulator in the page: no room is needed, and the numbers are those of the same run anywhere else.

use std::path::Path;

use manyhands_sim::spread::{Outcome, Settings, Spread};
use serde_json::json;
use xtask::browsers::{Browser, Host, Page, wait_for};

use super::pages::{ENDLESS, MANYHANDS, PATIENCE, wait_for_phase};

/// A job that never starts, so that the processors are free.
const WAITING: [&str; 2] = ["--wait", "9"];

#[test]
fn sixteen_chunks_spread_over_twenty_servers_as_anywhere_else() {
    let host = Host::start(Path::new(MANYHANDS), ENDLESS, &WAITING).unwrap();
    let (chromium, firefox) = (Browser::chromium().unwrap(), Browser::firefox().unwrap());
    for page in [chromium.first_page().unwrap(), firefox.first_page().unwrap()] {
        page.open(&start_page(&host)).unwrap();
        wait_for_phase(&page, "uninvited");
        page.click(".simulate a").unwrap();
        wait_for_state(&page, "still");
        fill(&page, "#sim-servers", "20");
        fill(&page, "#sim-chunks", "16");
        fill(&page, "#sim-seed", "7");
        wait_for_state(&page, "still");
        let settings = wait_for("the link to the run", PATIENCE, || {
            let link = page.run("return document.querySelector('#sim-link').value", &[])?;
            let settings = link
                .as_str()
                .and_then(|link| link.split_once("#simulator?"))
                .map(|(_, settings)| settings.to_owned());
            Ok(settings.filter(|settings| settings.ends_with("seed=7")))
        })
        .unwrap();
        let expected = run(&settings);
        assert_eq!((expected.settings.servers, expected.settings.chunks), (20, 16));

        page.click("#sim-start").unwrap();
        wait_for("some transfers", PATIENCE, || Ok((transfers(&page) > 3).then_some(()))).unwrap();
        page.click("#sim-pause").unwrap();
        wait_for_state(&page, "still");
        let before = settled_transfers(&page);
        page.click("#sim-step").unwrap();
        wait_for("one more transfer", PATIENCE, || Ok((transfers(&page) == before + 1).then_some(())))
            .unwrap();
        page.click("#sim-end").unwrap();
        assert_ended(&page, &expected);
        let lines = page.count("#sim-log li").unwrap();
        assert!((50..=100).contains(&lines), "{lines} lines in the log");

        page.click("#sim-reset").unwrap();
        wait_for_state(&page, "still");
        assert_eq!((transfers(&page), page.count("#sim-log li").unwrap()), (0, 0));
        page.click("#sim-end").unwrap();
        assert_ended(&page, &expected);
        // The address is that of the run.
        page.reload().unwrap();
        wait_for_state(&page, "still");
        page.click("#sim-end").unwrap();
        assert_ended(&page, &expected);
    }
}

#[test]
fn a_link_opens_a_run_and_the_policies_are_compared() {
    let host = Host::start(Path::new(MANYHANDS), ENDLESS, &WAITING).unwrap();
    let browser = Browser::chromium().unwrap();
    let page = browser.first_page().unwrap();
    let settings =
        "servers=9&chunks=8&chunk=64&latency=20&bandwidth=256&loss=5&degree=3&policy=random&seed=11";

    page.open(&format!("{}#simulator?{settings}", start_page(&host))).unwrap();
    wait_for_state(&page, "still");
    page.click("#sim-end").unwrap();
    assert_ended(&page, &run(settings));
    page.click("#sim-compare").unwrap();

    wait_for("all policies", PATIENCE, || {
        Ok((page.count("#sim-policies tbody tr").unwrap() == 4).then_some(()))
    })
    .unwrap();
    for policy in ["most-missing", "random", "sequential", "seeder-only"] {
        let expected = run(&settings.replace("random", policy));
        let cell = format!("#sim-policies tr[data-policy={policy}] td");
        assert_eq!(page.text(&cell).unwrap().unwrap(), format!("{:.2}", expected.rounds));
    }
    assert_eq!(page.count("#sim-plot:not([hidden])").unwrap(), 1);

    fill(&page, "#sim-servers", "101");
    wait_for_state(&page, "wrong");
    assert_eq!(page.text("#sim-status").unwrap().unwrap(), "servers: a whole number from 2 to 100");
    fill(&page, "#sim-servers", "2");
    wait_for_state(&page, "still");
}

#[test]
fn a_room_has_the_simulator_as_a_tab_and_stays_linked_meanwhile() {
    let host = Host::start(Path::new(MANYHANDS), ENDLESS, &WAITING).unwrap();
    let browser = Browser::firefox().unwrap();
    let page = browser.first_page().unwrap();
    page.open(&host.local_invite()).unwrap();
    page.lend(PATIENCE).unwrap();
    wait_for_phase(&page, "lobby");
    let loaded =
        "return performance.getEntriesByType('resource').some(entry => entry.name.includes('simulator'))";
    assert_eq!(page.run(loaded, &[]).unwrap(), json!(false), "it is loaded when it is looked at");

    // By the keys that people expect of tabs.
    page.type_into("#tab-job", "\u{e010}").unwrap();
    wait_for_state(&page, "still");
    page.click("#sim-end").unwrap();

    assert_ended(&page, &run(""));
    wait_for_phase(&page, "lobby");
    assert_eq!(page.run("return location.hash.startsWith('#room=')", &[]).unwrap(), json!(true));
}

/// The address of the page without an invite.
fn start_page(host: &Host) -> String {
    let invite = host.local_invite();
    invite.split('#').next().unwrap_or_default().to_owned()
}

/// The same run here.
fn run(settings: &str) -> Outcome {
    Spread::new(Settings::parse(settings).unwrap()).run()
}

fn wait_for_state(page: &Page, state: &str) {
    let selector = format!(".sim[data-state={state}]");
    wait_for(&format!("the state {state}"), PATIENCE, || Ok((page.count(&selector)? > 0).then_some(())))
        .unwrap_or_else(|error| panic!("{error:#}: {}", page.report()));
}

/// Types another value into a field and leaves it.
fn fill(page: &Page, field: &str, value: &str) {
    page.run("document.querySelector(arguments[0]).select()", &[json!(field)]).unwrap();
    page.type_into(field, &format!("{value}\u{e004}")).unwrap();
}

fn attribute(page: &Page, name: &str) -> u64 {
    let script = "return document.querySelector('.sim').getAttribute(arguments[0])";
    let text = page.run(script, &[json!(name)]).unwrap();
    text.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{name} is {text}"))
}

fn transfers(page: &Page) -> u64 {
    attribute(page, "data-transfers")
}

/// How many transfers there are once what was asked before a pause has come.
fn settled_transfers(page: &Page) -> u64 {
    let mut before = transfers(page);
    let mut same = 0;
    wait_for("the run to stand", PATIENCE, || {
        let now = transfers(page);
        same = if now == before { same + 1 } else { 0 };
        before = now;
        Ok((same > 10).then_some(now))
    })
    .unwrap()
}

fn assert_ended(page: &Page, expected: &Outcome) {
    wait_for_state(page, "over");
    assert_eq!((attribute(page, "data-us"), transfers(page)), (expected.took_us, expected.transfers));
}
