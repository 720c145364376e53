//! Before joining: who asks for what, and one button.

use leptos::prelude::*;
use leptos::task::spawn_local;
use manyhands_core::{InviteError, RoomKey};

use super::format::{capitalised, percent, with_grouped_numbers};
use super::room_info::RoomInfo;
use super::set_root_data;
use super::state::{Room, threads_max};
use crate::storage;

/// The longest name, in characters; the core cuts it to what fits the wire.
const NAME_CHARS_MAX: &str = "24";

/// Says who asks, and joins when the button is pressed.
pub fn start(key: RoomKey, joined: RwSignal<Option<Room>>) -> impl IntoView {
    set_root_data("phase", "invited");
    let info = RwSignal::new(None::<RoomInfo>);
    spawn_local(async move {
        if let Some(found) = RoomInfo::fetch().await {
            info.set(Some(found));
        }
    });
    let name = RwSignal::new(storage::name());
    let pressed = RwSignal::new(false);
    let join = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if pressed.get_untracked() {
            return;
        }
        pressed.set(true);
        let name = name.get_untracked().trim().to_owned();
        storage::remember_name(&name);
        spawn_local(async move {
            joined.set(Some(Room::join(key, name, default_threads()).await));
        });
    };
    let who = move || {
        let asked_by = info.with(|info| info.as_ref().map(|info| info.asked_by.clone()));
        match asked_by.filter(|name| !name.is_empty()) {
            Some(name) => [&name, " asks for a hand"].concat(),
            None => "A friend asks for a hand".to_owned(),
        }
    };
    let what = move || {
        let title = info.with(|info| info.as_ref().map(|info| info.title.clone()));
        match title.filter(|title| !title.is_empty()) {
            Some(title) => capitalised(&with_grouped_numbers(&title)),
            None => "Lend your computer to one big computation".to_owned(),
        }
    };
    let so_far = move || {
        info.get().filter(|info| info.units > 0).map(|info| {
            let text = if info.is_finished() {
                "It is finished already. Come in to see the result.".to_owned()
            } else if info.done_units == 0 {
                "It has not begun yet.".to_owned()
            } else {
                [&percent(info.done_units, info.units), " is done so far."].concat()
            };
            view! { <p class="sofar">{text}</p> }
        })
    };
    view! {
        <section class="start">
            <p class="kicker">{who}</p>
            <h1>{what}</h1>
            {so_far}
            <form on:submit=join>
                <label for="name">"Your name " <span class="muted">"(if you like)"</span></label>
                <input
                    id="name"
                    type="text"
                    autocomplete="nickname"
                    maxlength=NAME_CHARS_MAX
                    prop:value=move || name.get()
                    on:input=move |event| name.set(event_target_value(&event))
                />
                <button id="lend" class="primary" type="submit" disabled=move || pressed.get()>
                    {move || if pressed.get() { "One moment…" } else { "Lend a hand" }}
                </button>
            </form>
            <ul class="promises">
                <li>"Nothing has started yet, and nothing is installed."</li>
                <li>{threads_sentence()}</li>
                <li>"It runs only while this page is open. Close it whenever you like: the others go on."</li>
                <li>"Browsers of friends connect straight to each other, so they see your network address."</li>
            </ul>
        </section>
    }
}

/// What to do without an invite, or with a damaged one.
pub fn without_invite(error: &InviteError) -> impl IntoView + use<> {
    set_root_data("phase", "uninvited");
    let (title, why) = match error {
        InviteError::NoAddress | InviteError::Missing(_) => (
            "This page needs an invite",
            "The address has no invite in it. An invite is a link that goes on after a # with room=… and key=…; some \
             programs cut that part off.",
        ),
        InviteError::Damaged(_) => (
            "This invite is damaged",
            "The part of the link after the # is not whole: a letter was lost or changed on the way.",
        ),
    };
    view! {
        <section class="start">
            <p class="kicker">"Manyhands"</p>
            <h1>{title}</h1>
            <p>{why}</p>
            <p>
                "Ask your friend for the link again, copy all of it, and open it here. On the computer that runs the \
                 job, the program has printed the link in its window."
            </p>
        </section>
    }
}

/// All threads but one, so that the computer stays pleasant to use.
fn default_threads() -> u16 {
    (threads_max() - 1).max(1)
}

fn threads_sentence() -> String {
    let (lent, all) = (default_threads().to_string(), threads_max().to_string());
    match threads_max() {
        1 => "Your computer has one processor thread, and lends it. You can pause at any time.".to_owned(),
        _ => [
            "It uses ",
            &lent,
            " of your ",
            &all,
            " processor threads. You can change that, or pause, at any time.",
        ]
        .concat(),
    }
}
