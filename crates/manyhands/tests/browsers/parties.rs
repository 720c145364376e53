//! Friends in browsers: they work together, come and go, and are told what is wrong.
//!
//! Friends in one browser are strangers to each other, each in a context with storage of its own. Some open the page from
//! `localhost`, some from the machine's address in its network, which a browser trusts less (it is no secure context).

use std::path::Path;

use serde_json::{Value, json};
use xtask::browsers::driver::Kind;
use xtask::browsers::{Browser, Friend, Host, Options, Page, wait_for};

use super::pages::{
    ENDLESS, MANYHANDS, PATIENCE, credit_of, done_units, id, number, peer, units, wait_for_credit,
    wait_for_link, wait_for_phase,
};

/// Liz's job, and what it comes to.
const LIZ: u64 = 100_000_000;
const LIZ_TOTAL: u128 = 5_000_000_050_000_000;
/// A job that keeps a few browsers busy for some seconds.
const LONG: u64 = 60_000_000_000;

#[test]
fn host_three_browsers_and_a_native_friend_finish_lizs_job_exactly() {
    let host = Host::start(Path::new(MANYHANDS), LIZ, &["--wait", "4", "--threads", "1"]).unwrap();
    let (chromium, firefox) = (Browser::chromium().unwrap(), Browser::firefox().unwrap());
    let pages = [chromium.stranger().unwrap(), chromium.stranger().unwrap(), firefox.first_page().unwrap()];

    pages[0].open(&host.local_invite()).unwrap();
    pages[1].open(&host.invite).unwrap();
    pages[2].open(&host.invite).unwrap();
    if !host.invite.contains("127.0.0.1") {
        // A friend's page lacks what only secure contexts have, and must do without.
        assert_eq!(pages[1].run("return window.isSecureContext", &[]).unwrap(), json!(false));
    }
    for page in &pages {
        page.wait_for_text("asks for a hand", PATIENCE).unwrap();
        page.lend(PATIENCE).unwrap();
    }
    pages[0].wait_for_text("3 of 4 friends are here", PATIENCE).unwrap();
    let mut friend = Friend::join(Path::new(MANYHANDS), &host.invite, &["--threads", "1"]).unwrap();

    let task = host.wait_until_finished(PATIENCE).unwrap();
    assert_eq!((task.added, task.total, task.counting_number), (LIZ, LIZ_TOTAL, LIZ));
    assert_eq!(host.get("/task.json").unwrap()["current_total"], json!(5_000_000_050_000_000_u64));
    assert_eq!(host.get("/configs").unwrap(), host.get("/task.json").unwrap());
    for page in &pages {
        wait_for_phase(page, "finished");
        let total = page.text("#total").unwrap().unwrap();
        assert_eq!(total, "5,000,000,050,000,000");
        let credit = credits(&page.view().unwrap().unwrap());
        assert_eq!(credit.iter().map(|(_, units)| units).sum::<u64>(), units(&host), "{credit:?}");
    }
    assert!(friend.process.wait(PATIENCE).unwrap().success(), "{}", friend.process.written());
    // The links among the pages outlive the job.
    for (me, page) in pages.iter().enumerate() {
        for (other, peer) in pages.iter().enumerate() {
            if me != other {
                wait_for_link(page, &id(peer));
            }
        }
    }
}

#[test]
fn browsers_work_over_direct_links_and_signaling_carries_nothing_once_they_stand() {
    let host = Host::start(Path::new(MANYHANDS), ENDLESS, &["--threads", "1", "--throttle", "10%"]).unwrap();
    let browser = Browser::chromium().unwrap();
    let (ann, bob) = (browser.stranger().unwrap(), browser.stranger().unwrap());
    for page in [&ann, &bob] {
        page.open(&host.local_invite()).unwrap();
        page.lend(PATIENCE).unwrap();
    }
    let (ann_id, bob_id) = (id(&ann), id(&bob));
    wait_for_link(&ann, &bob_id);
    wait_for_link(&bob, &ann_id);
    // Both compute, and each has learned so from the other.
    for page in [&ann, &bob] {
        for peer in [&ann_id, &bob_id] {
            wait_for_credit(page, peer, 1);
        }
    }

    let relayed = signaling(&host);
    let before = done_units(&host);
    let credit = credit_of(&ann.view().unwrap().unwrap(), &bob_id);
    wait_for_credit(&ann, &bob_id, credit * 2);
    wait_for("the work to go on", PATIENCE, || Ok((done_units(&host) > before * 2).then_some(()))).unwrap();

    assert!(relayed > 0, "introductions go through signaling");
    assert_eq!(signaling(&host), relayed, "work goes over the links alone");
}

#[test]
fn a_tab_closed_in_the_middle_costs_nothing_but_its_slice() {
    let host = Host::start(Path::new(MANYHANDS), LONG, &["--no-work"]).unwrap();
    let browser = Browser::chromium().unwrap();
    let (ann, bob) = (browser.stranger().unwrap(), browser.stranger().unwrap());
    for page in [&ann, &bob] {
        page.open(&host.local_invite()).unwrap();
        page.lend(PATIENCE).unwrap();
    }
    let (ann_id, bob_id) = (id(&ann), id(&bob));
    wait_for_credit(&bob, &ann_id, units(&host) / 10);

    let last_of_ann = ann.view().unwrap().unwrap();
    assert_eq!(last_of_ann["phase"]["phase"], "running", "the job is too small for this machine");
    ann.close().unwrap();

    let task = host.wait_until_finished(PATIENCE).unwrap();
    assert_eq!(task.total, u128::from(LONG) * u128::from(LONG + 1) / 2);
    wait_for_phase(&bob, "finished");
    let view = bob.view().unwrap().unwrap();
    let me = peer(&view, &bob_id).unwrap();
    let credit_of_ann = credit_of(&view, &ann_id);
    assert!(credit_of_ann >= credit_of(&last_of_ann, &ann_id), "what was reported stays reported");
    // Everything computed twice was computed by Bob, who stayed: at most two seconds of his time for each thread of Ann's,
    // since a slice takes a second at most and the last slice of a peer may be computed by two.
    let twice = number(&me["gross_units"]) + credit_of_ann - units(&host);
    let slice = me["solo_speed"].as_f64().unwrap() * 2.0;
    assert!((twice as f64) < slice, "{twice} units twice, of {}; two seconds are {slice}", units(&host));
}

#[test]
fn a_peer_with_the_wrong_key_gets_nowhere() {
    let host = Host::start(Path::new(MANYHANDS), ENDLESS, &["--threads", "1", "--throttle", "5%"]).unwrap();
    let browser = Browser::chromium().unwrap();
    let page = browser.first_page().unwrap();
    let wrong = with_another_key(&host.local_invite());

    page.open(&wrong).unwrap();
    page.lend(PATIENCE).unwrap();
    let mut friend =
        Friend::join(Path::new(MANYHANDS), &wrong, &["--threads", "1", "--patience", "3s"]).unwrap();

    assert!(!friend.process.wait(PATIENCE).unwrap().success(), "{}", friend.process.written());
    page.wait_for_text("this server does not know the room", PATIENCE).unwrap();
    let view = page.view().unwrap().unwrap();
    assert_eq!(view["job"], Value::Null);
    assert_eq!(view["peers"].as_array().unwrap().len(), 1, "only itself: {view}");
    let status = host.status().unwrap();
    assert_eq!(status["view"]["peers"].as_array().unwrap().len(), 1, "only the host: {status}");
    assert_eq!(status["view"]["phase"]["phase"], "running");
}

#[test]
fn the_page_says_what_is_wrong_with_a_link() {
    let host = Host::start(Path::new(MANYHANDS), 1000, &[]).unwrap();
    let browser = Browser::chromium().unwrap();
    let page = browser.first_page().unwrap();
    let invite = host.local_invite();

    page.open(invite.split_once('#').unwrap().0).unwrap();
    page.wait_for_text("This page needs an invite", PATIENCE).unwrap();
    assert_eq!(page.count("#lend").unwrap(), 0);

    page.open("about:blank").unwrap();
    page.open(&invite[..invite.len() - 3]).unwrap();
    page.wait_for_text("This invite is damaged", PATIENCE).unwrap();
    assert_eq!(page.count("#lend").unwrap(), 0);
}

#[test]
fn a_link_to_a_finished_job_shows_its_result() {
    let host = Host::start(Path::new(MANYHANDS), LIZ, &[]).unwrap();
    let task = host.wait_until_finished(PATIENCE).unwrap();
    let browser = Browser::firefox().unwrap();
    let page = browser.first_page().unwrap();

    page.open(&host.invite).unwrap();
    page.wait_for_text("It is finished already", PATIENCE).unwrap();
    page.lend(PATIENCE).unwrap();

    assert_eq!(task.total, LIZ_TOTAL);
    wait_for_phase(&page, "finished");
    wait_for("the total", PATIENCE, || {
        Ok((page.text("#total")?.as_deref() == Some("5,000,000,050,000,000")).then_some(()))
    })
    .unwrap();
}

#[test]
fn a_browser_that_lacks_something_is_told_what() {
    let host = Host::start(Path::new(MANYHANDS), 1000, &[]).unwrap();
    let browser = Browser::chromium().unwrap();
    for (script, words) in [
        ("delete globalThis.RTCPeerConnection", "It has no WebRTC"),
        ("delete globalThis.WebAssembly", "It has no WebAssembly"),
        ("WebAssembly.validate = () => false", "no SIMD instructions"),
        ("delete globalThis.Worker", "It has no Web Workers"),
    ] {
        let page = browser.stranger().unwrap();
        page.run_before_load(script).unwrap();
        page.open(&host.local_invite()).unwrap();

        page.wait_for_text(words, PATIENCE).unwrap();
        assert!(!page.visible_text().unwrap().contains("Lend a hand"), "{script}");
        page.close().unwrap();
    }
    // Firefox can really be told to have none.
    let options = Options::new(Kind::Firefox).preference("media.peerconnection.enabled", json!(false));
    let browser = Browser::start(&options).unwrap();
    let page = browser.first_page().unwrap();
    page.open(&host.local_invite()).unwrap();
    page.wait_for_text("It has no WebRTC", PATIENCE).unwrap();
}

#[test]
fn a_person_can_pause_go_on_and_finish_on_a_phone_without_scrolling_sideways() {
    let host = Host::start(Path::new(MANYHANDS), ENDLESS, &["--threads", "1", "--throttle", "5%"]).unwrap();
    let browser = Browser::chromium().unwrap();
    let page = browser.stranger().unwrap();
    page.resize(360, 740).unwrap();

    page.open(&host.local_invite()).unwrap();
    page.wait_for_text("lend a hand", PATIENCE).unwrap();
    assert_fits(&page);
    page.lend(PATIENCE).unwrap();
    wait_for_phase(&page, "running");
    wait_for_credit(&page, &id(&page), 1);
    assert_fits(&page);
    page.click("#pause").unwrap();
    wait_for_phase(&page, "paused");
    page.click("#pause").unwrap();
    wait_for_phase(&page, "running");
    page.click("#finish").unwrap();
    wait_for_phase(&page, "left");
    assert_fits(&page);

    // The host noticed that its friend has left, and goes on.
    wait_for("the friend to be gone", PATIENCE, || {
        let status = host.status()?;
        let links = status["view"]["peers"].as_array().into_iter().flatten();
        Ok(links.into_iter().all(|peer| peer["link"] != "open").then_some(()))
    })
    .unwrap();
}

#[test]
fn the_network_side_shows_every_node_and_what_the_others_say() {
    let host = Host::start(Path::new(MANYHANDS), ENDLESS, &["--threads", "1", "--throttle", "5%"]).unwrap();
    let (chromium, firefox) = (Browser::chromium().unwrap(), Browser::firefox().unwrap());
    let pages = [chromium.first_page().unwrap(), firefox.first_page().unwrap()];
    for page in &pages {
        page.open(&host.local_invite()).unwrap();
        page.lend(PATIENCE).unwrap();
    }
    let [ann, bob] = pages.each_ref().map(id);
    wait_for_link(&pages[0], &bob);
    wait_for_link(&pages[1], &ann);

    for (page, text) in pages.iter().zip(["apple", "pear & <b>plum</b>"]) {
        page.click("#tab-network").unwrap();
        wait_for("the side to be loaded", PATIENCE, || Ok((page.count("#say")? > 0).then_some(()))).unwrap();
        page.type_into("#say", &format!("{text}\n")).unwrap();
    }

    for (page, other, text) in [(&pages[0], &bob, "pear & <b>plum</b>"), (&pages[1], &ann, "apple")] {
        page.wait_for_text(text, PATIENCE).unwrap();
        wait_for("all nodes in the table", PATIENCE, || {
            let told = page.text("#known")?.unwrap_or_default();
            let here = page.count("table.nodes .peer:is([data-link=open], [data-link=own])")?;
            let other = page.count(&format!("table.nodes .peer[data-peer=\"{other}\"]"))?;
            Ok((told == "3 known" && here == 3 && other == 1).then_some(()))
        })
        .unwrap_or_else(|error| panic!("{error:#}: {}", page.report()));
    }
}

/// No horizontal scrolling.
fn assert_fits(page: &Page) {
    let script = "return [document.documentElement.scrollWidth, innerWidth]";
    let widths = page.run(script, &[]).unwrap();
    assert!(number(&widths[0]) <= number(&widths[1]), "{widths}: {}", page.report());
}

fn credits(view: &Value) -> Vec<(String, u64)> {
    let peers = view["peers"].as_array().into_iter().flatten();
    peers.map(|peer| (peer["name"].to_string(), number(&peer["credit_units"]))).collect()
}

/// How many payloads the host's signaling has carried.
fn signaling(host: &Host) -> u64 {
    number(&host.status().unwrap()["signaling"]["relayed_frames"])
}

/// The invite with one character of its key changed.
fn with_another_key(invite: &str) -> String {
    let (before, key) = invite.split_once("key=").unwrap();
    let first = if key.starts_with('A') { 'B' } else { 'A' };
    format!("{before}key={first}{}", &key[1..])
}
