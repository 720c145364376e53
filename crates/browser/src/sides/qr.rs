//! The invite as a QR code, for phones.

use fast_qr::{ECL, Mode, QRBuilder};

use crate::page::dom::by_id;
use crate::page::invite::LINK;

/// The light border around a code that scanners need, in modules.
const QUIET_ZONE: usize = 3;

/// Draws the code of the link that its place asks for, if it is another than the one shown.
pub(super) fn draw() {
    let Some(place) = by_id("qr") else { return };
    let link = place.attribute(LINK).unwrap_or_default();
    if !link.is_empty() && place.is_new("data-shown", &link) {
        place.markup(&picture(&link).unwrap_or_default());
    }
}

/// Dark on light in both themes, as scanners want it; none for a link that is too long.
fn picture(link: &str) -> Option<String> {
    let code = QRBuilder::new(link).mode(Mode::Byte).ecl(ECL::M).build().ok()?;
    let mut path = String::new();
    for y in 0..code.size {
        for x in (0..code.size).filter(|x| code[y][*x].value()) {
            let (x, y) = ((x + QUIET_ZONE).to_string(), (y + QUIET_ZONE).to_string());
            path.push_str(&["M", &x, " ", &y, "h1v1h-1z"].concat());
        }
    }
    let size = (code.size + 2 * QUIET_ZONE).to_string();
    let head = ["<svg viewBox=\"0 0 ", &size, " ", &size, "\" role=\"img\" "].concat();
    Some([&head, "aria-label=\"The invite link as a QR code\"><path d=\"", &path, "\"/></svg>"].concat())
}
