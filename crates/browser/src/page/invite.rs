//! The invite: the link with a button that copies it, and a QR code for phones, which is drawn where it is wanted.
//!
//! On the host's own computer the address of the page is of no use to friends, so the host's program is asked for one
//! that is.

use js_sys::Reflect;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Location, window};

use super::dom::{El, el, told};
use super::is_own_computers_page;
use super::later::{SIDES, load, place};
use super::room_info::RoomInfo;

/// The attribute with the link that is wanted as a code.
pub(crate) const LINK: &str = "data-link";

/// The panel.
pub(crate) struct Invite {
    el: El,
    code: El,
}

impl Invite {
    /// Made once.
    pub(crate) fn new() -> Self {
        let code = place(SIDES, "qr").class("qr");
        Self { el: panel(&code), code }
    }

    /// Its element.
    pub(crate) fn el(&self) -> &El {
        &self.el
    }

    /// Has the code drawn once it is wanted: what draws it is loaded then.
    pub(crate) fn draw(&self) {
        if self.code.attribute(LINK).is_some() {
            load(&self.code);
        }
    }
}

fn panel(code: &El) -> El {
    let field = el("input")
        .id("invite")
        .attr("type", "text")
        .attr("readonly", "")
        .attr("aria-label", "The invite link")
        .with_value(&location(Location::href));
    let said = el("p").class("why").attr("role", "status");
    let (link, answer) = (field.clone(), said.clone());
    let copy = told("button", "", "Copy").id("copy").attr("aria-label", "Copy the invite link").on(
        "click",
        move |_| {
            let (link, answer) = (link.clone(), answer.clone());
            spawn_local(async move {
                if copied(&link.value()).await {
                    answer.say("Copied.");
                } else {
                    // Only pages from https or from this computer may use the clipboard; a person's own keys may always.
                    link.select();
                    answer.say("The link is selected: press Ctrl+C, or ⌘C.");
                }
            });
        },
    );
    code.show_if(false);
    let (picture, shown) = (code.clone(), field.clone());
    let show = told("button", "small", "Show it as a QR code").id("show-qr").attr("type", "button");
    let pressed = show.clone();
    let show = show.on("click", move |_| {
        pressed.show_if(false);
        draw_qr(&picture, &shown.value());
    });
    let only_here = told(
        "p",
        "why",
        "This address works on this computer only. For friends, take the link with this computer's network address: \
         the program printed it in its window.",
    );
    only_here.show_if(false);
    let panel = el("section").class("invite").attr("aria-labelledby", "invite-title").with(&[
        &el("h2").id("invite-title").text("Invite more hands"),
        &el("div").class("copy").with(&[&field, &copy]),
        &said,
        &show,
        code,
        &only_here,
        &told("p", "why", "Anyone who has the link can join, so share it with friends only."),
    ]);
    if is_own_computers_page() {
        let code = code.clone();
        // Here somebody asks for hands: phones are to find it at once.
        show.show_if(false);
        spawn_local(async move {
            let origin = RoomInfo::fetch().await.and_then(|info| info.lan.into_iter().next());
            only_here.show_if(origin.is_none());
            if let Some(origin) = origin {
                let link = [&origin, "/", &location(Location::hash)].concat();
                draw_qr(&code, &link);
                drop(field.with_value(&link));
            }
        });
    }
    panel
}

/// Wants the link as a QR code.
fn draw_qr(place: &El, link: &str) {
    place.show_if(true);
    place.set(LINK, link);
}

/// A part of the page's address.
fn location(part: fn(&Location) -> Result<String, JsValue>) -> String {
    window().and_then(|window| part(&window.location()).ok()).unwrap_or_default()
}

/// Whether the link could be put into the clipboard.
pub(crate) async fn copied(link: &str) -> bool {
    let Some(navigator) = window().map(|window| window.navigator()) else { return false };
    // On a page that is not secure the clipboard is missing altogether.
    let clipboard = Reflect::get(&navigator, &"clipboard".into());
    if !clipboard.is_ok_and(|clipboard| clipboard.is_object()) {
        return false;
    }
    JsFuture::from(navigator.clipboard().write_text(link)).await.is_ok()
}
