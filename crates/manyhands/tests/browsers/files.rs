//! Files in browsers: put in one, got in others, still there after a reload, and saved byte for byte.
//!
//! What is in a file follows from a number by a simple rule that is here and in the page's script, so both know every byte.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use xtask::browsers::{Browser, Host, Page, file_of_noise, wait_for};

use super::pages::{ENDLESS, MANYHANDS, PATIENCE, number, wait_for_phase};

/// More than one window of the swarm, and not a whole number of chunks.
const LARGE: usize = 20_000_123;
/// More than a page fetches unasked.
const MIDDLE: usize = 3_000_001;
/// A job that never starts, so that the processors are free.
const WAITING: [&str; 2] = ["--wait", "9"];
/// Little enough for every page to fetch it unasked.
const SMALL: usize = 70_000;

#[test]
fn a_file_put_in_one_browser_is_got_in_others_and_survives_a_reload() {
    let host = Host::start(Path::new(MANYHANDS), ENDLESS, &WAITING).unwrap();
    let (chromium, firefox) = (Browser::chromium().unwrap(), Browser::firefox().unwrap());
    let pages = [chromium.stranger().unwrap(), chromium.stranger().unwrap(), firefox.first_page().unwrap()];
    pages.iter().for_each(|page| come_in(page, &host.local_invite()));
    let folder = tempfile::tempdir().unwrap();
    let file = put_file(folder.path(), "holiday.bin", LARGE, 1);

    pages[0].choose("#put", &[&file]).unwrap();
    let id = wait_for_row(&pages[0], "holiday.bin", "here");
    for page in &pages[1..] {
        assert_eq!(wait_for_row(page, "holiday.bin", "known"), id);
        page.click(&button(&id, "get")).unwrap();
    }
    for page in &pages {
        wait_for_row(page, "holiday.bin", "here");
        assert_same(page, &id, LARGE, 1);
    }
    for page in &pages[1..] {
        // The chunks are shown, with who gave them.
        assert_eq!(page.count("#chunks:not([hidden]) .grid:not([hidden])").unwrap(), 1);
        assert!(page.count("#chunks .sources li").unwrap() > 0);
    }

    for page in &pages {
        page.reload().unwrap();
        come_in(page, &host.local_invite());
        wait_for_row(page, "holiday.bin", "here");
        assert_same(page, &id, LARGE, 1);
        let files = page.view().unwrap().unwrap()["files"].take();
        assert_eq!(number(&files["received_bytes"]), 0, "it was there, and not got again: {files}");
    }
}

#[test]
fn a_reload_in_the_middle_of_a_put_leaves_nothing_that_takes_room_and_the_file_can_be_put_again() {
    let host = Host::start(Path::new(MANYHANDS), ENDLESS, &WAITING).unwrap();
    let browser = Browser::chromium().unwrap();
    let page = browser.stranger().unwrap();
    come_in(&page, &host.local_invite());
    let folder = tempfile::tempdir().unwrap();
    let file = put_file(folder.path(), "film.bin", 3 * LARGE, 6);

    page.choose("#put", &[&file]).unwrap();
    page.reload().unwrap();
    come_in(&page, &host.local_invite());
    // Whether it was in time or not: nothing is there that has no row.
    wait_for("files without a row to be gone", PATIENCE, || {
        let stored = page.run_async(FILES_ON_DISK, &[])?;
        let rows = page.count("[data-file][data-state=here]")?;
        Ok((stored == json!(rows)).then_some(()))
    })
    .unwrap_or_else(|error| panic!("{error:#}: {}", page.report()));

    page.choose("#put", &[&file]).unwrap();
    let id = wait_for_row(&page, "film.bin", "here");
    assert_same(&page, &id, 3 * LARGE, 6);
    assert_eq!(page.run_async(FILES_ON_DISK, &[]).unwrap(), json!(1));
}

#[test]
fn a_page_without_a_secure_context_keeps_files_too() {
    let host = Host::start(Path::new(MANYHANDS), ENDLESS, &WAITING).unwrap();
    let (chromium, firefox) = (Browser::chromium().unwrap(), Browser::firefox().unwrap());
    let pages = [chromium.stranger().unwrap(), firefox.first_page().unwrap()];
    pages.iter().for_each(|page| come_in(page, &host.invite));
    if !host.invite.contains("127.0.0.1") {
        assert_eq!(pages[0].run("return window.isSecureContext", &[]).unwrap(), json!(false));
    }
    let folder = tempfile::tempdir().unwrap();
    let file = put_file(folder.path(), "talk.bin", MIDDLE, 2);

    pages[0].choose("#put", &[&file]).unwrap();
    let id = wait_for_row(&pages[1], "talk.bin", "known");
    pages[1].click(&button(&id, "get")).unwrap();

    for page in &pages {
        wait_for_row(page, "talk.bin", "here");
        assert_same(page, &id, MIDDLE, 2);
        page.reload().unwrap();
        come_in(page, &host.invite);
        wait_for_row(page, "talk.bin", "here");
        assert_same(page, &id, MIDDLE, 2);
    }
}

#[test]
fn several_small_files_come_unasked_with_a_set_that_lists_them_and_are_forgotten_when_told() {
    let host = Host::start(Path::new(MANYHANDS), ENDLESS, &WAITING).unwrap();
    let browser = Browser::chromium().unwrap();
    let (ann, bob) = (browser.stranger().unwrap(), browser.stranger().unwrap());
    [&ann, &bob].iter().for_each(|page| come_in(page, &host.local_invite()));
    let folder = tempfile::tempdir().unwrap();
    let odd = "  <b>ünïcode & 😀.txt";
    let files = [
        put_file(folder.path(), "one.txt", SMALL, 3),
        put_file(folder.path(), odd, SMALL + 1, 4),
        put_file(folder.path(), "empty", 0, 5),
    ];

    ann.choose("#put", &files.each_ref().map(PathBuf::as_path)).unwrap();

    for page in [&ann, &bob] {
        for (name, size, seed) in [("one.txt", SMALL, 3), (odd, SMALL + 1, 4), ("empty", 0, 5)] {
            let id = wait_for_row(page, name.trim(), "here");
            assert_same(page, &id, size, seed);
        }
        wait_for_row(page, "Set: 3 files", "here");
    }
    let id = wait_for_row(&bob, "one.txt", "here");
    bob.click(&button(&id, "forget")).unwrap();
    wait_for_row(&bob, "one.txt", "forgotten");
    bob.reload().unwrap();
    come_in(&bob, &host.local_invite());
    wait_for_row(&bob, "one.txt", "forgotten");
    bob.click(&button(&id, "get")).unwrap();
    wait_for_row(&bob, "one.txt", "here");
    assert_same(&bob, &id, SMALL, 3);
}

/// Counts the files in the origin's private file system.
const FILES_ON_DISK: &str = "
    const count = async folder => {
        let files = 0;
        for await (const entry of folder.values()) files += entry.kind == 'file' ? 1 : await count(entry);
        return files;
    };
    return await count(await navigator.storage.getDirectory());";

/// Joins the room and looks at its files.
fn come_in(page: &Page, invite: &str) {
    page.open(invite).unwrap();
    page.lend(PATIENCE).unwrap();
    // Before the job is known, things move on the page, and a click may miss.
    wait_for_phase(page, "lobby");
    page.click("#tab-files").unwrap();
    assert_eq!(page.count("#side-files:not([hidden])").unwrap(), 1, "{}", page.report());
}

fn put_file(folder: &Path, name: &str, size: usize, seed: u32) -> PathBuf {
    file_of_noise(folder, name, size, seed).unwrap()
}

/// Waits for a file of this name to be in this state, and returns its id.
fn wait_for_row(page: &Page, name: &str, state: &str) -> String {
    page.wait_for_file(name, state, PATIENCE).unwrap_or_else(|error| panic!("{error:#}"))
}

/// The selector of a button in the row of a file.
fn button(id: &str, what: &str) -> String {
    format!("[data-file=\"{id}\"] [data-do={what}]")
}

/// Saves the file and compares every byte.
fn assert_same(page: &Page, id: &str, size: usize, seed: u32) {
    let script = "
        const [button, seed] = arguments;
        const [create, click] = [URL.createObjectURL, HTMLAnchorElement.prototype.click];
        const blob = await new Promise(done => {
            URL.createObjectURL = blob => { done(blob); return create.call(URL, blob) };
            HTMLAnchorElement.prototype.click = () => {};
            document.querySelector(button).click();
        });
        [URL.createObjectURL, HTMLAnchorElement.prototype.click] = [create, click];
        let state = seed;
        for (let at = 0; at < blob.size; at += 1 << 22) {
            const bytes = new Uint8Array(await blob.slice(at, at + (1 << 22)).arrayBuffer());
            for (let i = 0; i < bytes.length; i++) {
                state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
                if (bytes[i] != state >>> 24) return [blob.size, at + i];
            }
        }
        return [blob.size, null];";
    let answer = page.run_async(script, &[json!(button(id, "save")), json!(seed)]).unwrap();
    assert_eq!(answer, json!([size, Value::Null]), "the size, and the first wrong byte");
}
