//! Nobody is needed: browsers that finish without their host, remember when all have left, and work on unseen.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use xtask::browsers::driver::Kind;
use xtask::browsers::party::Task;
use xtask::browsers::{Browser, Friend, Host, Options, wait_for};

use super::pages::{
    ENDLESS, MANYHANDS, PATIENCE, credit_of, done_units, id, me, number, peer, units, wait_for_credit,
    wait_for_link, wait_for_phase,
};

/// A job of some ten seconds for five friends on a small machine.
const LONG: u64 = 400_000_000_000;
/// How long after its start a host may take to have what the others finished without it.
const SOON: Duration = Duration::from_secs(20);
/// Longer than it takes for peers to be given up that say nothing, several times over.
const MINUTES: Duration = Duration::from_secs(130);

#[test]
fn friends_finish_without_their_host_which_has_the_total_when_it_comes_back() {
    let lends_little = ["--threads", "1", "--throttle", "2%"];
    let mut host =
        Host::start(Path::new(MANYHANDS), LONG, &[&["--wait", "5"], &lends_little[..]].concat()).unwrap();
    let (chromium, firefox) = (Browser::chromium().unwrap(), Browser::firefox().unwrap());
    let pages = [chromium.stranger().unwrap(), chromium.stranger().unwrap(), firefox.first_page().unwrap()];
    for page in &pages {
        page.open(&host.local_invite()).unwrap();
        page.lend(PATIENCE).unwrap();
    }
    // Slower than they could be, so that the pages have their part in it.
    let join = ["--save", "copy.json", "--threads", "1", "--throttle", "30%", "--json"];
    let mut friends = [(); 2].map(|()| Friend::join(Path::new(MANYHANDS), &host.invite, &join).unwrap());
    let ids: Vec<String> = pages.iter().map(id).chain(friends.iter_mut().map(id_of_friend)).collect();
    for page in &pages {
        ids.iter().for_each(|peer| wait_for_credit(page, peer, 1));
    }

    let (done, units) = (done_units(&host), units(&host));
    assert!(done < units / 4 * 3, "the job is too small for this machine: {done} of {units} units");
    host.process.kill();
    for friend in &mut friends {
        let status = friend.process.wait(PATIENCE).unwrap();
        assert!(status.success(), "{}", friend.process.written());
    }

    let total = u128::from(LONG) * u128::from(LONG + 1) / 2;
    assert!(host.task().unwrap().added < LONG, "it was killed before the end");
    for friend in &friends {
        let copy = Task::parse(&std::fs::read_to_string(friend.file("copy.json")).unwrap()).unwrap();
        assert_eq!(copy, Task { added: LONG, total, counting_number: LONG });
    }
    for page in &pages {
        wait_for_phase(page, "finished");
        assert_eq!(page.text("#total").unwrap().unwrap().replace(',', ""), total.to_string());
    }

    let begun = Instant::now();
    let host = host.start_again(Path::new(MANYHANDS), &lends_little).unwrap();
    let task = host.wait_until_finished(PATIENCE).unwrap();
    let took = begun.elapsed();

    assert_eq!(task, Task { added: LONG, total, counting_number: LONG });
    assert!(took < SOON, "{took:?}: {}", host.process.written());
    // The file may be a moment ahead of what is shown.
    let view = wait_for("the end in its status", PATIENCE, || {
        let view = host.status()?["view"].take();
        Ok((view["phase"]["phase"] == "finished").then_some(view))
    })
    .unwrap();
    let computed_itself = number(&me(&view)["gross_units"]);
    assert!(computed_itself < units / 20, "{computed_itself} of {units}");
}

#[test]
fn a_browser_that_comes_back_alone_brings_all_that_was_done() {
    let mut host = Host::start(Path::new(MANYHANDS), ENDLESS, &["--no-work"]).unwrap();
    let before = host.snapshot().unwrap();
    let browser = Browser::chromium().unwrap();
    // Another window than the browser's first, with which it would end.
    let first = browser.window().unwrap();
    first.open(&host.local_invite()).unwrap();
    first.lend(PATIENCE).unwrap();
    let computed = first
        .wait_for("some seconds of work", PATIENCE, |view| {
            let (speed, done) = (me(view)["solo_speed"].as_f64()?, view["job"]["done_units"].as_f64()?);
            (speed > 0.0 && done > speed * 4.0).then_some(done)
        })
        .unwrap() as u64;
    // What was done a moment ago may not be written yet: what is there now is what has to come back.
    let kept = wait_for("the page's memory", PATIENCE, || {
        let units = first.run_async(KEPT_UNITS, &[])?.as_u64();
        Ok(units.filter(|units| *units >= computed / 2))
    })
    .unwrap();

    first.close().unwrap();
    host.process.kill();
    host.put_back(&before).unwrap();
    let host = host.start_again(Path::new(MANYHANDS), &["--no-work"]).unwrap();
    assert_eq!((done_units(&host), host.task().unwrap().added), (0, 0));
    let again = browser.window().unwrap();
    again.open(&host.local_invite()).unwrap();
    again.lend(PATIENCE).unwrap();
    let shown =
        again.wait_for("the job", PATIENCE, |view| view["job"].is_object().then(|| view.clone())).unwrap();

    assert!(number(&shown["job"]["done_units"]) >= kept, "{kept} units were kept: {shown}");
    wait_for("the host to have it", PATIENCE, || Ok((done_units(&host) >= kept).then_some(()))).unwrap();
    let reached = number(&shown["job"]["reached"]);
    assert!(reached > 0);
    wait_for("the host to have written it", PATIENCE, || Ok((host.task()?.added >= reached).then_some(())))
        .unwrap();
    // Nothing of it was computed again: all that is done now and was not then is what the page has computed since.
    let now = again.view().unwrap().unwrap();
    let (done, computed) = (number(&now["job"]["done_units"]), number(&me(&now)["gross_units"]));
    assert!(done.saturating_sub(computed) >= kept / 10 * 9, "{done} done, {computed} computed, {kept} kept");
}

#[test]
fn a_page_hidden_for_minutes_stays_linked_and_goes_on_computing() {
    // Units that take time but no processor: this test runs beside others.
    let host = Host::start(
        Path::new(MANYHANDS),
        1,
        &["--delay", "1000000x200", "--threads", "1", "--throttle", "50%"],
    )
    .unwrap();
    // Chromium slows hidden pages down most after minutes; here it does so after seconds.
    let chromium = Options::new(Kind::Chromium)
        .slow_hidden_pages()
        .argument("--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/5");
    let firefox = Options::new(Kind::Firefox).slow_hidden_pages();
    let (chromium, firefox) = (Browser::start(&chromium).unwrap(), Browser::start(&firefox).unwrap());
    let hidden = [chromium.first_page().unwrap(), firefox.first_page().unwrap()];
    let beside = Browser::chromium().unwrap();
    let seen = beside.first_page().unwrap();
    for page in hidden.iter().chain([&seen]) {
        page.open(&host.local_invite()).unwrap();
        page.lend(PATIENCE).unwrap();
    }
    let ids = hidden.each_ref().map(id);
    let mut credit = [0; 2];
    for (id, credit) in ids.iter().zip(&mut credit) {
        wait_for_link(&seen, id);
        wait_for_credit(&seen, id, 1);
        *credit = credit_of(&seen.view().unwrap().unwrap(), id);
    }

    for page in &hidden {
        page.hide().unwrap();
        page.run(COUNT_TICKS, &[]).unwrap();
    }
    let begun = Instant::now();
    let mut heard_ms_max = 0;
    while begun.elapsed() < MINUTES {
        for view in [&host.status().unwrap()["view"], &seen.view().unwrap().unwrap()] {
            for id in &ids {
                let peer = peer(view, id).unwrap();
                assert_eq!(peer["link"], "open", "after {:?}: {peer}", begun.elapsed());
                heard_ms_max = heard_ms_max.max(number(&peer["heard_ms"]));
            }
        }
        // Often enough to see every gap that matters, seldom enough to leave the processor to others.
        std::thread::sleep(Duration::from_secs(1));
    }

    let view = seen.view().unwrap().unwrap();
    for ((page, id), credit) in hidden.iter().zip(&ids).zip(credit) {
        assert!(page.is_hidden().unwrap(), "it was hidden all the while");
        let ticks = number(&page.run("return window.ticks", &[]).unwrap());
        // A page that is seen ticks ten times a second.
        assert!(ticks < MINUTES.as_secs() * 2, "the browser did not slow it down: {ticks} ticks");
        let more = credit_of(&view, id) - credit;
        assert!(more >= MINUTES.as_secs(), "{id} did {more} units, of five a second");
    }
    assert!(heard_ms_max < 10_000, "a peer was not heard for {heard_ms_max} ms");
}

/// How many units the browser's own storage holds as finished.
const KEPT_UNITS: &str = "
    const ask = request => new Promise((done, failed) => {
        request.onsuccess = () => done(request.result);
        request.onerror = () => failed(request.error);
    });
    const database = await ask(indexedDB.open('manyhands'));
    const rooms = await ask(database.transaction('rooms').objectStore('rooms').getAll());
    database.close();
    return rooms.length ? rooms[0].units : 0;";

/// Counts what the page's own timer does.
const COUNT_TICKS: &str = "window.ticks = 0; setInterval(() => { window.ticks += 1 }, 100)";

/// The id of a friend without a browser.
fn id_of_friend(friend: &mut Friend) -> String {
    friend
        .process
        .wait_for_line("its id", PATIENCE, |line| {
            let event: Value = serde_json::from_str(line).ok()?;
            if event["event"] == json!("joining") { event["peer"].as_str().map(str::to_owned) } else { None }
        })
        .unwrap()
}
