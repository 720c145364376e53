//! Honest numbers: what the work was worth.

use leptos::prelude::*;
use manyhands_core::view::RoomView;

use super::format::{decimal, percent, rounded, share, span};
use super::state::Room;

/// The panel.
pub fn numbers(room: Room) -> impl IntoView {
    let numbers = room
        .part(|view| (view.room.gross_units > 0 || view.room.useful_units > 0).then(|| view.room.clone()));
    let with = move |show: fn(Room, &RoomView) -> Option<String>| {
        move || {
            numbers
                .with(|numbers| numbers.as_ref().and_then(|numbers| show(room, numbers)))
                .unwrap_or_else(|| "—".into())
        }
    };
    view! {
        <section aria-labelledby="numbers-title">
            <h2 id="numbers-title">"Honest numbers"</h2>
            <dl class="numbers">
                <div>
                    <dt>"Useful work"</dt>
                    <dd id="useful">{with(|room, n| Some(amount(room, n.useful_units)))}</dd>
                    <dd class="why">"finished since you came"</dd>
                </div>
                <div>
                    <dt>"Gross work"</dt>
                    <dd id="gross">{with(|room, n| Some(amount(room, n.gross_units)))}</dd>
                    <dd class="why">{with(extra)}</dd>
                </div>
                <div>
                    <dt>"Efficiency"</dt>
                    <dd id="efficiency">{with(|_, n| n.efficiency.map(share))}</dd>
                    <dd class="why">"of what all of you would do if each worked alone"</dd>
                </div>
                <div>
                    <dt>"Against the fastest alone"</dt>
                    <dd id="speedup">{with(|_, n| n.speedup_over_fastest.map(|times| [&decimal(times), " ×"].concat()))}</dd>
                    <dd class="why">{with(verdict)}</dd>
                </div>
                <div>
                    <dt>"Time so far"</dt>
                    <dd id="elapsed">{with(|_, n| Some(span(n.elapsed_s)))}</dd>
                    <dd class="why">"since the start, as this page saw it"</dd>
                </div>
            </dl>
        </section>
    }
}

fn amount(room: Room, units: u64) -> String {
    [&rounded(room.counted(units as f64)), " ", room.counted_word()].concat()
}

fn extra(_: Room, numbers: &RoomView) -> Option<String> {
    let twice = numbers.gross_units.saturating_sub(numbers.useful_units);
    Some(match twice {
        0 => "nothing was computed twice".to_owned(),
        _ => {
            [&percent(twice, numbers.gross_units.max(1)), " was computed twice, or before you came"].concat()
        }
    })
}

fn verdict(_: Room, numbers: &RoomView) -> Option<String> {
    let times = numbers.speedup_over_fastest?;
    Some(
        if times >= 1.0 {
            "faster than the fastest of you alone"
        } else {
            "the fastest of you alone would be done sooner"
        }
        .to_owned(),
    )
}
