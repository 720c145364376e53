//! What whole parties in browsers wait for and look at, on pages and at their host.

use std::time::Duration;

use serde_json::Value;
use xtask::browsers::{Host, Page, wait_for};

/// The program.
pub(crate) const MANYHANDS: &str = env!("CARGO_BIN_EXE_manyhands");
/// Far more than anything here takes, also on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// A job that outlives every test.
pub(crate) const ENDLESS: u64 = 1_000_000_000_000_000;

/// Waits for the page to say that it is in this phase.
pub(crate) fn wait_for_phase(page: &Page, phase: &str) {
    let script = "return document.documentElement.dataset.phase ?? ''";
    wait_for(&format!("phase {phase}"), PATIENCE, || Ok((page.run(script, &[])? == phase).then_some(())))
        .unwrap_or_else(|error| panic!("{error:#}: {}", page.report()));
}

/// Waits for the page to show an open link to this peer.
pub(crate) fn wait_for_link(page: &Page, peer: &str) {
    let row = format!(".peer[data-link=open][data-peer=\"{peer}\"]");
    wait_for(&format!("a link to {peer}"), PATIENCE, || Ok((page.count(&row)? > 0).then_some(())))
        .unwrap_or_else(|error| panic!("{error:#}: {}", page.report()));
}

/// Waits for the page to know that this peer has computed so many units.
pub(crate) fn wait_for_credit(page: &Page, peer: &str, units: u64) {
    let what = format!("{peer} to have computed {units} units");
    page.wait_for(&what, PATIENCE, |view| (credit_of(view, peer) >= units).then_some(())).unwrap();
}

/// The id of the page's own peer.
pub(crate) fn id(page: &Page) -> String {
    page.wait_for("its own id", PATIENCE, |view| me(view)["id"].as_str().map(str::to_owned)).unwrap()
}

/// The node whose view it is.
pub(crate) fn me(view: &Value) -> &Value {
    let mut peers = view["peers"].as_array().into_iter().flatten();
    peers.find(|peer| peer["me"] == true).unwrap_or(&Value::Null)
}

/// What a view says of this peer.
pub(crate) fn peer<'a>(view: &'a Value, id: &str) -> Option<&'a Value> {
    view["peers"].as_array()?.iter().find(|peer| peer["id"] == id)
}

/// How many units this peer has the credit for.
pub(crate) fn credit_of(view: &Value, id: &str) -> u64 {
    peer(view, id).map_or(0, |peer| number(&peer["credit_units"]))
}

/// How many units the host's job has.
pub(crate) fn units(host: &Host) -> u64 {
    number(&host.status().unwrap()["view"]["job"]["units"])
}

/// How many units are finished, as the host knows.
pub(crate) fn done_units(host: &Host) -> u64 {
    number(&host.status().unwrap()["view"]["job"]["done_units"])
}

/// A whole number of JSON.
pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("a number, not {value}"))
}
