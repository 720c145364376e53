//! The invite: the link with a button that copies it, and a QR code for phones.

use fast_qr::{ECL, QRBuilder};
use leptos::html::Input;
use leptos::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::window;

use super::is_hosts_own_page;

/// The panel.
pub fn invite() -> impl IntoView {
    let link = window().and_then(|window| window.location().href().ok()).unwrap_or_default();
    let field = NodeRef::<Input>::new();
    let said = RwSignal::new("");
    let shown = link.clone();
    let copy = move |_| {
        let link = shown.clone();
        leptos::task::spawn_local(async move {
            if copied(&link).await {
                said.set("Copied.");
            } else if let Some(field) = field.get_untracked() {
                // Only pages from https or from this computer may use the clipboard: the person's own keys may.
                let _ = field.focus();
                field.select();
                said.set("The link is selected: press Ctrl+C, or ⌘C.");
            }
        });
    };
    let own = is_hosts_own_page();
    view! {
        <section class="invite" aria-labelledby="invite-title">
            <h2 id="invite-title">"Invite more hands"</h2>
            {own.then(|| view! {
                <p class="why">
                    "This address works on this computer only. For friends, use the link with this computer's network \
                     address: the program printed it in its window."
                </p>
            })}
            <div class="copy">
                <input id="invite" type="text" readonly aria-label="The invite link" node_ref=field prop:value=link.clone() />
                <button id="copy" on:click=copy>"Copy"</button>
            </div>
            <p class="why" role="status">{move || said.get()}</p>
            {(!own).then(|| qr(&link))}
            <p class="why">"Anyone who has the link can join, so share it with friends only."</p>
        </section>
    }
}

async fn copied(link: &str) -> bool {
    let Some(navigator) = window().map(|window| window.navigator()) else { return false };
    // On a page that is not secure the clipboard is missing altogether.
    let clipboard = js_sys::Reflect::get(&navigator, &"clipboard".into());
    if !clipboard.is_ok_and(|clipboard| clipboard.is_object()) {
        return false;
    }
    JsFuture::from(navigator.clipboard().write_text(link)).await.is_ok()
}

/// The link as a QR code, dark on light in both themes, as scanners want it.
fn qr(link: &str) -> Option<impl IntoView + use<>> {
    const QUIET: usize = 3;
    let code = QRBuilder::new(link).ecl(ECL::M).build().ok()?;
    let mut path = String::new();
    for y in 0..code.size {
        for x in (0..code.size).filter(|x| code[y][*x].value()) {
            path.push_str(
                &["M", &(x + QUIET).to_string(), " ", &(y + QUIET).to_string(), "h1v1h-1z"].concat(),
            );
        }
    }
    let size = (code.size + 2 * QUIET).to_string();
    Some(view! {
        <svg class="qr" viewBox=["0 0 ", &size, " ", &size].concat() role="img" aria-label="The invite link as a QR code">
            <path d=path></path>
        </svg>
    })
}
