//! The search in a page of Chromium, one worker, against the native steps by AVX2 on one thread.
//!
//! The worker is the page's own program for searches, which measures itself when it is asked to, just as the native program
//! does. The two take turns.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::json;
use xtask::browsers::{Browser, Host, Page};

use super::{answer, example, grouped, median, print_table, time};
use crate::bench::{Figure, Target, field};

/// The exponents, and what their figures are called.
const EXPONENTS: [(u32, &str); 4] = [
    (44_497, "wasm step over native AVX2, p = 44,497"),
    (86_243, "wasm step over native AVX2, p = 86,243"),
    (216_091, "wasm step over native AVX2, p = 216,091"),
    (1_257_787, "wasm step over native AVX2, p = 1,257,787"),
];
const ROUNDS: usize = 7;

/// Starts the worker that searches, and keeps it for all measurements.
const START: &str = "
    const worker = new Worker(document.querySelector('meta[name=searcher]').content);
    // One answer to each question, the first to none: that it is ready.
    globalThis.heard = () => new Promise((done, fail) => {
        worker.onmessage = event => done(event.data);
        worker.onerror = event => fail(new Error(event.message || 'the worker did not load'));
    });
    globalThis.searcher = worker;
    await globalThis.heard();";

/// Has it measure an exponent: the nanoseconds of a step.
const MEASURE: &str = "
    const answer = globalThis.heard();
    globalThis.searcher.postMessage(`measure ${arguments[0]}`);
    return Number((await answer).split(' ')[1]);";

/// The steps in a page beside native ones.
pub(in crate::bench) fn pages(program: &Path) -> Result<Vec<Figure>> {
    println!("    measuring: steps of Lucas and Lehmer as wasm beside native ones");
    let speed = example("manyhands-jobs", "search_speed")?;
    // A lobby keeps everybody from computing, and nobody presses the page's button.
    let host = Host::start(program, 1000, &["--no-work", "--wait", "99"])?;
    let browser = Browser::chromium()?;
    let page = browser.stranger()?;
    page.open(&host.local_invite())?;
    page.run_async(START, &[])?;

    let (mut figures, mut rows) = (Vec::new(), Vec::new());
    for (exponent, name) in EXPONENTS {
        let (mut in_page, mut natively) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            natively.push(avx2(&speed, exponent)?);
            in_page.push(wasm(&page, exponent)?);
        }
        let (wasm, native) = (median(&in_page), median(&natively));
        figures.push(Figure {
            name,
            measured: native / wasm,
            unit: "",
            target: Target::AtLeast(0.4),
            note: format!("{} and {}, medians of {ROUNDS} rounds", time(wasm), time(native)),
        });
        rows.push(vec![
            grouped(u64::from(exponent)),
            time(wasm),
            grouped((1e9 / wasm) as u64),
            time(native),
            format!("{:.2}", native / wasm),
        ]);
    }
    print_table(
        "one step in a worker of a page in Chromium",
        &["exponent", "wasm", "iterations/s", "native AVX2", "of its speed"],
        &rows,
    );
    Ok(figures)
}

/// The nanoseconds of a step in the page.
fn wasm(page: &Page, exponent: u32) -> Result<f64> {
    let ns = page.run_async(MEASURE, &[json!(exponent)])?;
    ns.as_f64().context("the page's worker has no transform for this exponent")
}

/// The nanoseconds of a native step by AVX2.
fn avx2(speed: &Path, exponent: u32) -> Result<f64> {
    let paths = answer(speed, &["steps", &exponent.to_string()])?;
    let mut paths = paths.as_array().into_iter().flatten();
    field(paths.find(|row| row["path"] == "avx2").context("this processor has no AVX2")?, "ns")
}
