//! The sides of the room that not everybody looks at: a program of its own, which the page loads when one of them is opened.
//!
//! In [`network`] the nodes and links as a [`sketch`] and a table, in [`messages`] what is said; in [`primes`] what the search
//! for Mersenne primes has found, with its [`results`] to save; and [`qr`], the invite as a picture. The page has an empty place
//! for each, and this program fills those that it finds, from what the page's own program offers to it ([`room`]).

mod messages;
mod network;
mod primes;
mod qr;
mod results;
mod room;
mod sketch;

use std::rc::Rc;

use crate::listen::Interval;
use crate::page::dom::{El, by_id};
use messages::Messages;
use network::Network;
use primes::Primes;
use room::Room;

/// How often what is to be seen is drawn anew, in milliseconds: as often as the page.
const REFRESH_MS: u32 = 200;

/// The sides, as far as they were looked at.
#[derive(Default)]
struct Sides {
    network: Option<(Network, Messages)>,
    primes: Option<Primes>,
}

/// Draws for as long as the page lives.
pub fn run() {
    std::panic::set_hook(Box::new(|info| web_sys::console::error_1(&info.to_string().into())));
    let (room, mut sides) = (Room::new(), Sides::default());
    sides.draw(&room);
    std::mem::forget(Interval::new(REFRESH_MS, move || sides.draw(&room)));
}

impl Sides {
    /// Draws what is to be seen; nothing else takes any time.
    fn draw(&mut self, room: &Rc<Room>) {
        qr::draw();
        let (network, primes) = (place("network-place"), place("primes-place"));
        if network.is_none() && primes.is_none() {
            return;
        }
        let Some(scene) = room.scene() else { return };
        if let Some(place) = network {
            let (network, messages) = self.network.get_or_insert_with(|| {
                let parts = (Network::new(), Messages::new(room));
                place.hold([parts.0.el(), parts.1.el()].into_iter());
                parts
            });
            network.draw(&scene);
            messages.draw(&scene);
        }
        if let Some(place) = primes {
            let primes = self.primes.get_or_insert_with(|| {
                let primes = Primes::new();
                place.hold([primes.el()].into_iter());
                primes
            });
            primes.draw(&scene.view);
        }
    }
}

/// This place, if it is to be seen.
fn place(id: &str) -> Option<El> {
    by_id(id).filter(|place| place.width() > 0)
}
