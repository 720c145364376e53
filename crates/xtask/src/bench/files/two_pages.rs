//! A large file from one page to another, against a plain data channel between the same two pages.
//!
//! Each page has a browser of its own, so that what a renderer's memory rises by is this page's alone: its worker's
//! file store included, since a page's workers live in its renderer. The two kinds of transfer take turns.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::json;
use xtask::browsers::{Browser, Host, Page, file_of_noise, wait_for};

use super::range;
use crate::bench::{Figure, Target};

const FILE_BYTES: usize = 100_000_000;
const ROUNDS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(120);
/// How often memory is looked at: so seldom that it takes nothing from what is measured.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A job that never starts, so that the processors are free, at a host that takes no part in the exchange.
const WAITING: [&str; 3] = ["--wait", "99", "--no-files"];

/// How fast a file goes from one page to the other, and how much memory that takes.
pub(in crate::bench) fn two_pages(program: &Path) -> Result<Vec<Figure>> {
    println!("    measuring: a file of 100 MB between two pages");
    let host = Host::start(program, 1000, &WAITING)?;
    let browsers = [Browser::chromium()?, Browser::chromium()?];
    let [giver, taker] = [browsers[0].first_page()?, browsers[1].first_page()?];
    for page in [&giver, &taker] {
        come_in(page, &host.local_invite())?;
    }
    let folder = tempfile::tempdir()?;
    let (mut swarm, mut raw, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let renderers = renderers(browsers[1].process())?;
    let (mut risen, mut channel_before) = (0.0_f64, None);
    for round in 0..ROUNDS {
        // Otherwise what lies about in memory is counted, or reused, as if it were part of this.
        taker.devtools("HeapProfiler.collectGarbage", &json!({}))?;
        let level = resident_mb(&renderers)?;
        let name = format!("large {round}.bin");
        let file = file_of_noise(folder.path(), &name, FILE_BYTES, round as u32)?;
        giver.choose("#put", &[&file])?;
        giver.wait_for_file(&name, "here", PATIENCE)?;
        let id = taker.wait_for_file(&name, "known", PATIENCE)?;
        let (took_s, most) = while_watching(|| get(&taker, &id), &renderers)?;
        let channel_after = plain_channel(&giver, &taker)?;
        // The machine may have become slower or faster meanwhile.
        let channel_s = (channel_before.unwrap_or(channel_after) + channel_after) / 2.0;
        channel_before = Some(channel_after);
        risen = risen.max(most - level);
        swarm.push(FILE_BYTES as f64 / 1e6 / took_s);
        raw.push(FILE_BYTES as f64 / 1e6 / channel_s);
        ratios.push(channel_s / took_s);
    }
    for all in [&mut swarm, &mut raw, &mut ratios] {
        all.sort_by(f64::total_cmp);
    }
    let middle = ROUNDS / 2;
    Ok(vec![
        Figure {
            name: "two pages, 100 MB, over a plain data channel",
            measured: ratios[middle],
            unit: "",
            target: Target::AtLeast(0.9),
            note: format!("{:.1} and {:.1} MB/s; {}", swarm[middle], raw[middle], range(&ratios)),
        },
        Figure {
            name: "memory a page rises by while it receives",
            measured: risen,
            unit: "MB",
            target: Target::AtMost(64.0),
            note: format!(
                "resident memory of its renderer, from before it knows of the file; the worst of {ROUNDS} runs"
            ),
        },
    ])
}

/// Joins the room and looks at its files.
fn come_in(page: &Page, invite: &str) -> Result<()> {
    page.open(invite)?;
    page.lend(PATIENCE)?;
    wait_for("the files", PATIENCE, || Ok((page.count("#tab-files")? > 0).then_some(())))?;
    page.click("#tab-files")
}

/// Presses the button that gets a file, and waits until all of it is there: how many seconds that took.
fn get(page: &Page, id: &str) -> Result<f64> {
    let script = "
        const [id, patience] = arguments;
        const row = () => document.querySelector(`[data-file=\"${id}\"]`);
        // The page is not asked again and again, which would cost it time, but tells.
        const here = new Promise((done, fail) => {
            const look = () => {
                const state = row().dataset.state;
                if (state == 'here') done();
                if (state == 'failed') fail(new Error(row().textContent));
            };
            const changes = { subtree: true, childList: true, attributeFilter: ['data-state'] };
            new MutationObserver(look).observe(row().parentElement, changes);
            setTimeout(() => fail(new Error('too slow: ' + row().textContent)), patience);
        });
        const begun = performance.now();
        row().querySelector('[data-do=get]').click();
        await here;
        return (performance.now() - begun) / 1000";
    let patience_ms = PATIENCE.as_millis() as u64;
    page.run_async(script, &[json!(id), json!(patience_ms)])?.as_f64().context("how long it took")
}

/// Sends as many bytes over a data channel of the scripts' own, in messages as long as a chunk: how many seconds that took.
fn plain_channel(from: &Page, to: &Page) -> Result<f64> {
    let gathered = "
        const gathered = async connection => {
            while (connection.iceGatheringState != 'complete') {
                await new Promise(done => connection.addEventListener('icegatheringstatechange', done, { once: true }));
            }
            return connection.localDescription.toJSON();
        };";
    let offer = from.run_async(
        &format!(
            "{gathered}
            const connection = new RTCPeerConnection();
            const channel = connection.createDataChannel('plain');
            globalThis.plain = {{ connection, channel }};
            await connection.setLocalDescription(await connection.createOffer());
            return gathered(connection);"
        ),
        &[],
    )?;
    let answer = to.run_async(
        &format!(
            "{gathered}
            const [offer, total] = arguments;
            const connection = new RTCPeerConnection();
            globalThis.plain = {{ connection }};
            connection.ondatachannel = ({{ channel }}) => {{
                let got = 0;
                channel.binaryType = 'arraybuffer';
                channel.onmessage = message => {{
                    got += message.data.byteLength;
                    if (got >= total) channel.send('all');
                }};
            }};
            await connection.setRemoteDescription(offer);
            await connection.setLocalDescription(await connection.createAnswer());
            return gathered(connection);"
        ),
        &[offer, json!(FILE_BYTES)],
    )?;
    let took = from.run_async(
        "const [answer, total, patience] = arguments;
        const { connection, channel } = globalThis.plain;
        const happens = name => new Promise((done, fail) => {
            const late = setTimeout(() => fail(new Error('no ' + name)), patience);
            channel.addEventListener(name, () => { clearTimeout(late); done(); }, { once: true });
        });
        const open = happens('open');
        await connection.setRemoteDescription(answer);
        if (channel.readyState != 'open') await open;
        channel.bufferedAmountLowThreshold = 256 * 1024;
        const message = crypto.getRandomValues(new Uint8Array(65536));
        const all = happens('message');
        const begun = performance.now();
        for (let sent = 0; sent < total;) {
            while (sent < total && channel.bufferedAmount < 1024 * 1024) {
                const part = Math.min(message.length, total - sent);
                channel.send(message.subarray(0, part));
                sent += part;
            }
            if (sent < total) await happens('bufferedamountlow');
        }
        await all;
        return (performance.now() - begun) / 1000",
        &[answer, json!(FILE_BYTES), json!(PATIENCE.as_millis() as u64)],
    )?;
    for page in [from, to] {
        page.run("globalThis.plain.connection.close(); delete globalThis.plain", &[])?;
    }
    took.as_f64().context("how long it took")
}

/// Does something, and tells the most memory that these processes had meanwhile.
fn while_watching<T: Send>(act: impl FnOnce() -> Result<T> + Send, processes: &[u32]) -> Result<(T, f64)> {
    std::thread::scope(|scope| {
        let acting = scope.spawn(act);
        let mut most = 0.0_f64;
        while !acting.is_finished() {
            most = most.max(resident_mb(processes)?);
            std::thread::sleep(LOOK_EVERY);
        }
        let done = acting.join().map_err(|_| anyhow!("the thread that measures has failed"))?;
        Ok((done?, most))
    })
}

/// The renderers in the process group that a browser's driver leads: a page's, and one that the browser has in reserve.
fn renderers(group: u32) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let process = entry?;
        // A process may end while it is looked at.
        let read = |name: &str| fs::read_to_string(process.path().join(name)).unwrap_or_default();
        // After the name in brackets: the state, the parent, the group.
        let stat = read("stat");
        let its_group = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(2));
        if its_group.and_then(|id| id.parse().ok()) == Some(group)
            && read("cmdline").contains("--type=renderer")
        {
            found.extend(process.file_name().to_string_lossy().parse::<u32>());
        }
    }
    ensure!(!found.is_empty(), "the browser has no renderer in /proc");
    Ok(found)
}

/// The resident memory of these processes together, in megabytes.
fn resident_mb(processes: &[u32]) -> Result<f64> {
    let mut kib = 0;
    for process in processes {
        // One that was in reserve may be gone.
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        kib += resident.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0);
    }
    ensure!(kib > 0, "no memory in /proc");
    Ok(kib as f64 * 1024.0 / 1e6)
}
