//! The sides of the room, of which one is shown, with the keys that people expect: arrows, Home and End.

use std::cell::Cell;
use std::rc::Rc;

use wasm_bindgen::JsCast as _;
use web_sys::KeyboardEvent;

use super::dom::{El, el, told};

/// The sides, by id and name.
const SIDES: [(&str, &str); 5] = [
    ("job", "The job"),
    ("primes", "Primes"),
    ("network", "Network"),
    ("files", "Files"),
    ("simulator", "Simulator"),
];

/// A side of the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The map, the hands and the numbers.
    Job,
    /// What the search for primes has found.
    Primes,
    /// The nodes, their links and what is said.
    Network,
    /// The files.
    Files,
    /// The simulator.
    Simulator,
}

/// All of them, in order.
const ALL: [Side; SIDES.len()] = [Side::Job, Side::Primes, Side::Network, Side::Files, Side::Simulator];

/// The tabs and what they show.
pub(crate) struct Tabs {
    list: El,
    tabs: [El; SIDES.len()],
    panels: [El; SIDES.len()],
    shown: Cell<Side>,
    offered: Cell<[bool; SIDES.len()]>,
}

impl Tabs {
    /// Made once, with what each side holds.
    pub(crate) fn new(sides: [&[&El]; SIDES.len()]) -> Rc<Self> {
        let tabs = SIDES.map(|(id, name)| {
            let (tab, panel) = (["tab-", id].concat(), ["side-", id].concat());
            told("button", "tab", name)
                .id(&tab)
                .attr("type", "button")
                .attr("role", "tab")
                .attr("aria-controls", &panel)
        });
        let panels = SIDES.map(|(id, _)| {
            let (tab, panel) = (["tab-", id].concat(), ["side-", id].concat());
            el("div").id(&panel).class("side").attr("role", "tabpanel").attr("aria-labelledby", &tab)
        });
        for (panel, parts) in panels.iter().zip(sides) {
            panel.hold(parts.iter().copied());
        }
        let list =
            el("div").class("tabs").attr("role", "tablist").attr("aria-label", "The sides of this room");
        let list = list.with(&tabs.each_ref());
        let offered = Cell::new([true; SIDES.len()]);
        let this = Rc::new(Self { list, tabs, panels, shown: Cell::new(Side::Network), offered });
        for (tab, side) in this.tabs.iter().zip(ALL) {
            let clicked = Rc::downgrade(&this);
            let pressed = Rc::downgrade(&this);
            let _ = tab
                .clone()
                .on("click", move |_| {
                    if let Some(tabs) = clicked.upgrade() {
                        tabs.show(side);
                    }
                })
                .on("keydown", move |event| {
                    let Some(tabs) = pressed.upgrade() else { return };
                    let (from, step) = match event.unchecked_ref::<KeyboardEvent>().key().as_str() {
                        "ArrowLeft" => (side as usize, SIDES.len() - 1),
                        "ArrowRight" => (side as usize, 1),
                        "Home" => (SIDES.len() - 1, 1),
                        "End" => (0, SIDES.len() - 1),
                        _ => return,
                    };
                    let side = tabs.next_offered(from, step);
                    event.prevent_default();
                    tabs.show(side);
                    tabs.tabs[side as usize].focus();
                });
        }
        this.show(Side::Job);
        this
    }

    /// The row of tabs, and what they show.
    pub(crate) fn els(&self) -> [&El; 1 + SIDES.len()] {
        let [job, primes, network, files, simulator] = &self.panels;
        [&self.list, job, primes, network, files, simulator]
    }

    /// Shows the panels of these sides, if they are chosen.
    pub(crate) fn show_panels(&self, has: [bool; SIDES.len()]) {
        for ((panel, has), side) in self.panels.iter().zip(has).zip(ALL) {
            panel.show_if(has && self.shown() == side);
        }
    }

    /// The side that is shown.
    pub(crate) fn shown(&self) -> Side {
        self.shown.get()
    }

    /// Shows this side.
    pub(crate) fn show(&self, side: Side) {
        if self.shown.replace(side) == side {
            return;
        }
        for (at, (tab, panel)) in self.tabs.iter().zip(&self.panels).enumerate() {
            let is_shown = at == side as usize;
            tab.set("aria-selected", if is_shown { "true" } else { "false" });
            tab.set("tabindex", if is_shown { "0" } else { "-1" });
            panel.show_if(is_shown);
        }
    }

    /// Offers these sides to be chosen.
    pub(crate) fn offer(&self, offered: [bool; SIDES.len()]) {
        self.offered.set(offered);
        for (tab, is_offered) in self.tabs.iter().zip(offered) {
            tab.show_if(is_offered);
        }
    }

    /// The side that is so many steps on, or the first after that which is offered. There always is one.
    fn next_offered(&self, from: usize, step: usize) -> Side {
        let mut at = (from + step) % SIDES.len();
        for _ in 0..SIDES.len() {
            if self.offered.get()[at] {
                break;
            }
            at = (at + step) % SIDES.len();
        }
        ALL[at]
    }
}
