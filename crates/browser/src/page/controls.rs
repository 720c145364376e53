//! What this person lends: threads, pause, finish.

use leptos::prelude::*;
use manyhands_core::Command;
use manyhands_core::view::Phase;

use super::state::{Room, threads_max};

/// The controls; gone once there is nothing to control.
pub fn controls(room: Room) -> impl IntoView {
    let phase = room.part(|view| view.phase);
    let over = Memo::new(move |_| matches!(phase.get(), Phase::Finished | Phase::Left));
    move || (!over.get()).then(|| bar(room, phase))
}

fn bar(room: Room, phase: Memo<Phase>) -> impl IntoView {
    let paused = move || phase.get() == Phase::Paused;
    let finishing = move || phase.get() == Phase::Finishing;
    let toggle = move |_| {
        let paused = room.view.with_untracked(|view| view.phase == Phase::Paused);
        room.command(if paused { Command::Resume } else { Command::Pause });
    };
    let change = move |event: leptos::ev::Event| {
        if let Ok(threads) = event_target_value(&event).parse::<u16>() {
            room.lend(threads.clamp(1, threads_max()));
        }
    };
    let lent = move || room.threads.get().to_string();
    view! {
        <section class="controls" aria-label="What you lend">
            <div class="slider">
                <label for="threads">
                    "You lend " <output for="threads">{lent}</output>
                    {[" of ", &threads_max().to_string(), if threads_max() == 1 { " thread" } else { " threads" }].concat()}
                </label>
                <input
                    id="threads"
                    type="range"
                    min="1"
                    max=threads_max().to_string()
                    step="1"
                    prop:value=lent
                    on:input=change
                    disabled=finishing
                />
            </div>
            <button id="pause" on:click=toggle disabled=finishing>
                {move || if paused() { "Resume" } else { "Pause" }}
            </button>
            <button id="finish" on:click=move |_| room.command(Command::Finish) disabled=finishing>
                {move || if finishing() { "Finishing…" } else { "Finish, then stop" }}
            </button>
        </section>
    }
}
