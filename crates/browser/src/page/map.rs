//! The map of the job: each cell in the colour of who finished most of it, those under way pulsing.
//!
//! There are hundreds of cells and few change at a time, so they are plain elements of which only the changed ones are
//! touched. The colours are the style sheet's: a cell carries a hue and a share.

use leptos::html::Div;
use leptos::prelude::*;
use manyhands_core::View;
use wasm_bindgen::JsCast as _;
use web_sys::{HtmlElement, window};

use super::format::percent;
use super::state::Room;

/// What a cell looks like.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Look {
    /// How much of it is finished, in percent.
    done: u8,
    /// Whose colour.
    hue: Option<u16>,
    /// Whether somebody is on it.
    under_way: bool,
}

/// The map and its legend; nothing before the job is known.
pub fn map(room: Room) -> impl IntoView {
    let known = room.part(|view| !view.map.is_empty());
    move || known.get().then(|| grid(room))
}

fn grid(room: Room) -> impl IntoView {
    let node = NodeRef::<Div>::new();
    let cells = StoredValue::new_local(Vec::<(HtmlElement, Look)>::new());
    let looks = room.part(looks);
    Effect::new(move |_| {
        if let Some(grid) = node.get() {
            looks.with(|looks| cells.update_value(|cells| draw(&grid, cells, looks)));
        }
    });
    let label = room.part(|view| {
        let done = view.job.as_ref().map(|job| percent(job.done_units, job.units)).unwrap_or_default();
        let slices = view.under_way.len().to_string();
        [
            "Map of the job from its first number to its last: ",
            &done,
            " finished, ",
            &slices,
            " pieces under way.",
        ]
        .concat()
    });
    view! {
        <section class="map-part" aria-labelledby="map-title">
            <h2 id="map-title">"The map of the job"</h2>
            <div class="map" id="map" node_ref=node role="img" aria-label=move || label.get()></div>
            <p class="legend" aria-hidden="true">
                <span><i class="cell"></i> "to do"</span>
                <span><i class="cell now"></i> "under way"</span>
                <span><i class="cell done"></i> "finished, in the colour of who did it"</span>
            </p>
        </section>
    }
}

/// The look of every cell.
fn looks(view: &View) -> Vec<Look> {
    let hue = |peer: usize| view.peers.get(peer).map(|peer| peer.hue);
    let mut looks: Vec<Look> = view
        .map
        .iter()
        .map(|cell| Look {
            // Rounded down: a cell is full only when all of it is finished.
            done: (cell.done.clamp(0.0, 1.0) * 100.0) as u8,
            hue: cell.by.and_then(|by| hue(by.into())),
            under_way: false,
        })
        .collect();
    let units = u128::from(view.job.as_ref().map_or(0, |job| job.units));
    if units == 0 {
        return looks;
    }
    let count = looks.len() as u128;
    for (range, by) in &view.under_way {
        let first = (u128::from(range.start) * count / units) as usize;
        let end = (u128::from(range.end) * count).div_ceil(units) as usize;
        for look in looks.iter_mut().take(end).skip(first).filter(|look| look.done < 100) {
            look.under_way = true;
            if look.done == 0 || look.hue.is_none() {
                look.hue = hue(*by);
            }
        }
    }
    looks
}

/// Makes the cells look so, touching only those that changed.
fn draw(grid: &HtmlElement, cells: &mut Vec<(HtmlElement, Look)>, looks: &[Look]) {
    if cells.len() != looks.len() {
        grid.set_inner_html("");
        cells.clear();
        let Some(document) = window().and_then(|window| window.document()) else { return };
        for _ in looks {
            let Some(cell) =
                document.create_element("i").ok().and_then(|cell| cell.dyn_into::<HtmlElement>().ok())
            else {
                return;
            };
            cell.set_class_name("cell");
            let _ = grid.append_child(&cell);
            cells.push((cell, Look::default()));
        }
    }
    for ((cell, old), new) in cells.iter_mut().zip(looks) {
        if old == new {
            continue;
        }
        *old = *new;
        cell.set_class_name(match (new.under_way, new.done) {
            (true, _) => "cell now",
            (false, 0) => "cell",
            (false, _) => "cell done",
        });
        let hue = new.hue.map(|hue| hue.to_string()).unwrap_or_default();
        let _ = cell.set_attribute("style", &["--h:", &hue, ";--d:", &new.done.to_string(), "%"].concat());
    }
}
