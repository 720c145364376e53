//! The place of the simulator. Its program is another one, loaded when it is first looked at: see
//! [`simulator`](crate::simulator).

use super::dom::{El, el, set_root_data, told};
use super::show;

/// An element for it, empty yet.
pub(super) fn place() -> El {
    el("div").id("simulator").with(&[&told("p", "loading", "One moment…")])
}

/// Loads it into its place, which is in the page by now; once.
pub(super) fn load(place: &El) {
    if place.is_new("data-loaded", "") {
        // What loads programs stands in index.html, and waits for this.
        place.click();
    }
}

/// A page of its own, without a room.
pub(super) fn alone(root: &El) {
    set_root_data("phase", "simulator");
    let place = place();
    show(root, &[&place]);
    load(&place);
}
