//! The invite: the link with a button that copies it, and a QR code for phones.

use fast_qr::{ECL, QRBuilder};
use js_sys::Reflect;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::window;

use super::dom::{El, el, told};
use super::is_hosts_own_page;

/// The light border around a code that scanners need, in modules.
const QUIET_ZONE: usize = 3;

/// The panel.
pub(crate) fn invite() -> El {
    let link = window().and_then(|window| window.location().href().ok()).unwrap_or_default();
    let field = el("input")
        .id("invite")
        .attr("type", "text")
        .attr("readonly", "")
        .attr("aria-label", "The invite link")
        .with_value(&link);
    let said = el("p").class("why").attr("role", "status");
    let (selected, answer, text) = (field.clone(), said.clone(), link.clone());
    let copy = told("button", "", "Copy").id("copy").on("click", move |_| {
        let (selected, answer, text) = (selected.clone(), answer.clone(), text.clone());
        spawn_local(async move {
            if copied(&text).await {
                answer.say("Copied.");
            } else {
                // Only pages from https or from this computer may use the clipboard; a person's own keys may always.
                selected.select();
                answer.say("The link is selected: press Ctrl+C, or ⌘C.");
            }
        });
    });
    let panel = el("section").class("invite").attr("aria-labelledby", "invite-title");
    let panel = panel.with(&[
        &el("h2").id("invite-title").text("Invite more hands"),
        &el("div").class("copy").with(&[&field, &copy]),
        &said,
    ]);
    let panel = if is_hosts_own_page() {
        panel.with(&[&told(
            "p",
            "why",
            "This address works on this computer only. For friends, take the link with this computer's network address: \
             the program printed it in its window.",
        )])
    } else {
        panel.with(&[&qr(&link)])
    };
    panel.with(&[&told("p", "why", "Anyone who has the link can join, so share it with friends only.")])
}

async fn copied(link: &str) -> bool {
    let Some(navigator) = window().map(|window| window.navigator()) else { return false };
    // On a page that is not secure the clipboard is missing altogether.
    let clipboard = Reflect::get(&navigator, &"clipboard".into());
    if !clipboard.is_ok_and(|clipboard| clipboard.is_object()) {
        return false;
    }
    JsFuture::from(navigator.clipboard().write_text(link)).await.is_ok()
}

/// The link as a QR code, dark on light in both themes, as scanners want it; empty for a link that is too long.
fn qr(link: &str) -> El {
    let panel = el("div").class("qr");
    let Ok(code) = QRBuilder::new(link).ecl(ECL::M).build() else { return panel };
    let mut path = String::new();
    for y in 0..code.size {
        for x in (0..code.size).filter(|x| code[y][*x].value()) {
            let (x, y) = ((x + QUIET_ZONE).to_string(), (y + QUIET_ZONE).to_string());
            path.push_str(&["M", &x, " ", &y, "h1v1h-1z"].concat());
        }
    }
    let size = (code.size + 2 * QUIET_ZONE).to_string();
    panel.markup(
        &[
            "<svg viewBox=\"0 0 ",
            &size,
            " ",
            &size,
            "\" role=\"img\" aria-label=\"The invite link as a QR code\"><path d=\"",
            &path,
            "\"/></svg>",
        ]
        .concat(),
    );
    panel
}
