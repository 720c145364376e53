//! Figures that only browsers have.
//!
//! The host and the page are release builds; the pages are driven as in the tests.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use xtask::browsers::{Browser, Host, Page, wait_for};

use super::{Figure, Target};

const PATIENCE: Duration = Duration::from_secs(60);
/// A job that outlives every measurement.
const ENDLESS: u64 = 100_000_000_000_000_000;
const PAGES: usize = 10;

/// The kernel in a worker against a plain loop in JavaScript, one thread each, in the same page.
pub(super) fn kernel(program: &Path) -> Result<Vec<Figure>> {
    println!("    measuring: the kernel as wasm against a plain loop in JavaScript");
    // A lobby keeps everybody from computing: a page measures its speed while it waits.
    let host = Host::start(program, ENDLESS, &["--no-work", "--wait", "99"])?;
    let unit_size = host.status()?["unit_size"].as_f64().context("a unit size")?;
    let browser = Browser::chromium()?;
    let (mut kernel, mut plain) = (0.0_f64, 0.0_f64);
    for _ in 0..5 {
        let page = browser.stranger()?;
        page.open(&host.local_invite())?;
        page.lend(PATIENCE)?;
        let (threads, units) = page.wait_for("the speed of its worker", PATIENCE, |view| {
            let me = view["peers"].as_array()?.iter().find(|peer| peer["me"] == true)?;
            let speed = me["solo_speed"].as_f64().filter(|speed| *speed > 0.0)?;
            Some((me["threads"].as_f64()?, speed))
        })?;
        kernel = kernel.max(units * unit_size / threads);
        plain = plain.max(plain_loop(&page)?);
        page.close()?;
    }
    Ok(vec![Figure {
        name: "wasm kernel over plain JavaScript loop",
        measured: kernel / plain,
        unit: "",
        target: Target::AtLeast(3.5),
        note: format!("{kernel:.2e} and {plain:.2e} numbers/s"),
    }])
}

/// How many numbers a second a plain loop adds in this page.
fn plain_loop(page: &Page) -> Result<f64> {
    let script = "
        const count = 100_000_000;
        const add = () => { let total = 0; for (let i = 1; i <= count; i++) total += i; return total; };
        let best = Infinity;
        for (let round = 0; round < 4; round++) {
            const begun = performance.now();
            if (add() !== 5000000050000000) throw new Error('a wrong total');
            best = Math.min(best, performance.now() - begun);
        }
        return count / best * 1000;";
    page.run(script, &[])?.as_f64().context("a speed")
}

/// From opening the page, with the button pressed as soon as it is there, until the host has its first block.
pub(super) fn first_block(program: &Path) -> Result<Vec<Figure>> {
    println!("    measuring: from opening the page to the first block");
    let host = Host::start(program, ENDLESS, &["--no-work"])?;
    let browser = Browser::chromium()?;
    // One visit makes the browser's cache warm.
    let page = browser.stranger()?;
    page.run_before_load(
        "new MutationObserver(() => document.querySelector('#lend:not(:disabled)')?.click()) \
             .observe(document, { childList: true, subtree: true });",
    )?;
    page.open(&host.local_invite())?;
    wait_for("the first block", PATIENCE, || Ok((done_units(&host)? > 0).then_some(())))?;

    let mut spans = Vec::new();
    for _ in 0..5 {
        page.open("about:blank")?;
        wait_for("the page to be gone", PATIENCE, || Ok((browsers_linked(&host)? == 0).then_some(())))?;
        let before = done_units(&host)?;
        let begun = Instant::now();
        page.open(&host.local_invite())?;
        wait_for("a block", PATIENCE, || Ok((done_units(&host)? > before).then_some(())))?;
        spans.push(begun.elapsed().as_secs_f64());
    }
    spans.sort_by(f64::total_cmp);
    Ok(vec![Figure {
        name: "page opened to first block reported",
        measured: spans[spans.len() / 2],
        unit: "s",
        target: Target::AtMost(1.5),
        note: format!("the median of {}; the longest took {:.2} s", spans.len(), spans[spans.len() - 1]),
    }])
}

/// Ten pages: how long until each has a link to each, and what their host needs.
pub(super) fn ten_pages(program: &Path) -> Result<Vec<Figure>> {
    println!("    measuring: ten pages");
    let host = Host::start(program, ENDLESS, &["--no-work", "--wait", "99"])?;
    let browser = Browser::chromium()?;
    let pages: Vec<Page> = (0..PAGES).map(|_| browser.stranger()).collect::<Result<_>>()?;
    for page in &pages {
        page.open(&host.local_invite())?;
        wait_for("the button", PATIENCE, || Ok((page.count("#lend:not(:disabled)")? > 0).then_some(())))?;
    }

    let begun = Instant::now();
    for page in &pages {
        page.run("document.querySelector('#lend').click()", &[])?;
    }
    for page in &pages {
        page.wait_for("links to all", PATIENCE, |view| (open_links(view) == PAGES).then_some(()))?;
    }
    let meshed = begun.elapsed().as_secs_f64();

    pages[0].click("#start")?;
    let before = done_units(&host)?;
    wait_for("all to compute", PATIENCE, || {
        let status = host.status()?;
        let peers = status["view"]["peers"].as_array().into_iter().flatten();
        let credited = peers.into_iter().filter(|peer| peer["credit_units"].as_u64() > Some(0)).count();
        Ok((credited == PAGES).then_some(()))
    })?;
    let done = done_units(&host)?;
    wait_for("work to go on", PATIENCE, || {
        Ok((done_units(&host)? - before > 3 * (done - before)).then_some(()))
    })?;
    let (now, most) = host.memory()?;
    let mb = |bytes: u64| bytes as f64 / 1e6;
    Ok(vec![
        Figure {
            name: "10 browser pages fully meshed",
            measured: meshed,
            unit: "s",
            target: Target::AtMost(5.0),
            note: "from the first press of the button".to_owned(),
        },
        Figure {
            name: "host memory with 10 peers, at most",
            measured: mb(most),
            unit: "MB",
            target: Target::AtMost(100.0),
            note: format!("{:.1} MB at the end, all working", mb(now)),
        },
    ])
}

fn open_links(view: &Value) -> usize {
    let peers = view["peers"].as_array().into_iter().flatten();
    peers.into_iter().filter(|peer| peer["link"] == json!("open")).count()
}

fn browsers_linked(host: &Host) -> Result<usize> {
    Ok(open_links(&host.status()?["view"]))
}

fn done_units(host: &Host) -> Result<u64> {
    host.status()?["view"]["job"]["done_units"].as_u64().context("a number of units")
}
