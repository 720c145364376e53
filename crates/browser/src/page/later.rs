//! The places of what other programs draw, each loaded when one of its places is first looked at: the
//! [`sides`](crate::sides) of the room, and the [`simulator`](crate::simulator).

use super::dom::{El, el, set_root_data, told};
use super::show;

/// The program of the room's sides, as index.html names it.
pub(super) const SIDES: &str = "sides";
/// That of the simulator, and its place.
pub(super) const SIMULATOR: &str = "simulator";

/// An element for what a program draws, empty yet.
pub(super) fn place(program: &str, id: &str) -> El {
    let moment = told("p", "loading", "One moment…");
    el("div").id(id).attr("data-program", program).with(&[&moment])
}

/// Loads the program of this place, once; the place is in the page by now, or nothing would hear of it.
pub(super) fn load(place: &El) {
    if place.is_new("data-loaded", "") {
        // What loads programs stands in index.html, and waits for this.
        place.click();
    }
}

/// The simulator as a page of its own, without a room.
pub(super) fn simulator_alone(root: &El) {
    set_root_data("phase", SIMULATOR);
    let place = place(SIMULATOR, SIMULATOR);
    show(root, &[&place]);
    load(&place);
}
