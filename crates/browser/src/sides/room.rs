//! The room, as the page's own program tells of it.

use std::cell::RefCell;
use std::rc::Rc;

use manyhands_core::View;

use crate::bridge::{self, FLIGHTS, SAY};

/// The way of a message, as the ids of those it went through. Of one id alone: it goes out from there to all neighbours.
pub(super) type Flight = Vec<String>;

/// How many ways that a person wants to see once more wait for the next drawing.
const FLIGHTS_MAX: usize = 8;

/// The way to the page's own program.
pub(super) struct Room {
    flights: RefCell<Vec<Flight>>,
}

/// What is drawn.
pub(super) struct Scene {
    /// What a person sees of the node.
    pub(super) view: View,
    /// What came or went since the last drawing.
    pub(super) flights: Vec<Flight>,
}

impl Room {
    /// The room of this page.
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self { flights: RefCell::default() })
    }

    /// How things are now.
    pub(super) fn scene(&self) -> Option<Scene> {
        let view = serde_json::from_str(&bridge::view()?).ok()?;
        let mut flights = self.flights.take();
        let came = bridge::ask(FLIGHTS, "");
        flights.extend(came.lines().map(|line| line.split(' ').map(str::to_owned).collect::<Flight>()));
        Some(Scene { view, flights })
    }

    /// Says this to everybody.
    pub(super) fn say(&self, text: &str) {
        bridge::ask(SAY, text);
    }

    /// Shows the way of a message once more.
    pub(super) fn fly(&self, flight: Flight) {
        let mut flights = self.flights.borrow_mut();
        if flights.len() < FLIGHTS_MAX {
            flights.push(flight);
        }
    }
}
