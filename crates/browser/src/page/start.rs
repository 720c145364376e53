//! Before joining: who asks for what, and one button.

use std::cell::Cell;

use manyhands_core::{InviteError, RoomKey};
use wasm_bindgen_futures::spawn_local;

use super::choose::choose;
use super::dom::{El, el, set_root_data, told};
use super::format::{capitalised, percent, whole, with_grouped_numbers};
use super::room_info::RoomInfo;
use super::state::threads_max;
use super::{room, show};
use crate::storage;

/// The longest name, in characters; the core cuts it to what fits the wire.
const NAME_CHARS_MAX: &str = "24";

/// The phase of a room whose job is finished, as its server says it.
const FINISHED: &str = "finished";

/// Says who asks, and joins when the button is pressed.
pub(crate) fn start(root: &El, key: RoomKey) {
    set_root_data("phase", "invited");
    let who = told("p", "kicker", "A friend asks for a hand");
    let what = el("h1").text("Lend your computer to one big computation");
    let so_far = el("p").class("sofar");
    so_far.show_if(false);
    let name = el("input")
        .id("name")
        .attr("type", "text")
        .attr("autocomplete", "nickname")
        .attr("maxlength", NAME_CHARS_MAX)
        .with_value(&storage::name());
    let button = told("button", "primary", "Lend a hand").id("lend").attr("type", "submit");
    let label =
        el("label").attr("for", "name").text("Your name ").with(&[&told("span", "muted", "(if you like)")]);

    let (place, typed, pressed_button) = (root.clone(), name.clone(), button.clone());
    let pressed = Cell::new(false);
    let form = el("form").with(&[&label, &name, &button]).on("submit", move |event| {
        event.prevent_default();
        if pressed.replace(true) {
            return;
        }
        pressed_button.enable_if(false);
        pressed_button.say("One moment…");
        let name = typed.value().trim().to_owned();
        storage::remember_name(&name);
        spawn_local(room::enter(place.clone(), key, name, default_threads()));
    });
    let promises = el("ul").class("promises").with(&[
        &el("li").text("Nothing has started yet, and nothing is installed."),
        &el("li").text(&threads_sentence()),
        &el("li").text("It runs only while this page is open. Close it whenever you like: the others go on."),
        &el("li")
            .text("The friends' computers talk straight to each other, so they see your network address."),
    ]);
    let lines = [who, what, so_far];
    let (chosen, chosen_button) = (lines.clone(), button.clone());
    let choice = choose(move |info| {
        describe(&info, &chosen);
        offer(&info, &chosen_button);
    });
    let [who, what, so_far] = &lines;
    show(root, &[&el("section").class("start").with(&[who, what, so_far, &choice, &form, &promises])]);

    spawn_local(async move {
        if let Some(info) = RoomInfo::fetch().await {
            describe(&info, &lines);
            choice.show_if(info.can_choose);
            offer(&info, &button);
        }
    });
}

/// Says on the button what it does, unless it was pressed.
fn offer(info: &RoomInfo, button: &El) {
    if button.is_enabled() {
        button.say(match info {
            info if info.phase == FINISHED => "See the result",
            info if info.is_jobless() => "Come in",
            _ => "Lend a hand",
        });
    }
}

fn describe(info: &RoomInfo, [who, what, so_far]: &[El; 3]) {
    if info.is_jobless() && info.can_choose {
        who.say("Your room is open");
        what.say("Choose what your friends are to compute");
        return;
    }
    if info.is_jobless() {
        who.say("You are invited");
        what.say("Come into the room");
        so_far.say_if(Some("Nobody has told this server of a job yet."));
        return;
    }
    if !info.asked_by.is_empty() {
        who.say(&[&info.asked_by, " asks for a hand"].concat());
    }
    if !info.title.is_empty() {
        what.say(&capitalised(&with_grouped_numbers(&info.title)));
    }
    let text = if info.phase == FINISHED {
        Some("It is finished already. Come in to see the result.".to_owned())
    } else if info.done_units > 0 && info.is_search {
        // Which may have no end to tell a part of.
        Some([&whole(info.done_units), " exponents are finished so far."].concat())
    } else if info.done_units > 0 {
        Some(capitalised(&[&percent(info.done_units, info.units), " is done so far."].concat()))
    } else {
        None
    };
    so_far.say_if(text.as_deref());
}

/// What to do without an invite, or with a damaged one.
pub(crate) fn without_invite(error: &InviteError) -> El {
    set_root_data("phase", "uninvited");
    let (title, why) = match error {
        InviteError::NoAddress | InviteError::Missing(_) => (
            "This page needs an invite",
            "The address has no invite in it. An invite is a link that goes on after a # with room=… and key=…, and some \
             programs cut that part off.",
        ),
        InviteError::Damaged(_) => (
            "This invite is damaged",
            "The part of the link after the # is not whole: a letter was lost or changed on the way.",
        ),
    };
    el("section").class("start").with(&[
        &told("p", "kicker", "Nearly there"),
        &el("h1").text(title),
        &el("p").text(why),
        &el("p").text(
            "Ask your friend for the link again, copy all of it, and open it here. On the computer that runs the job, \
             the program has printed the link in its window.",
        ),
    ])
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
