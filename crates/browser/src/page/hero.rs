//! The total, the progress, and where things are.

use leptos::prelude::*;
use manyhands_core::view::{JobView, Phase, View};

use super::format::{capitalised, grouped, per_mille, percent, rounded, span, whole, with_grouped_numbers};
use super::room_info::start_job;
use super::state::Room;
use super::{is_hosts_own_page, reload};

/// The top of the room.
pub fn hero(room: Room) -> impl IntoView {
    let title = room.part(|view| {
        view.job.as_ref().map(|job| (job.asked_by.clone(), capitalised(&with_grouped_numbers(&job.title))))
    });
    let phase = room.part(|view| view.phase);
    let finished = Memo::new(move |_| phase.get() == Phase::Finished);
    view! {
        <section class="hero" aria-label="The job">
            <p class="kicker" id="phase">{move || phase_sentence(phase.get(), title.get().map(|(who, _)| who))}</p>
            <h1>{move || title.get().map_or_else(|| "Looking for the room…".to_owned(), |(_, title)| title)}</h1>
            {move || lobby(room, phase.get())}
            {total(room, finished)}
            {progress(room)}
            {move || finished.get().then(|| thanks(room))}
            {move || {
                (phase.get() == Phase::Left)
                    .then(|| view! { <button class="primary" on:click=|_| reload()>"Lend a hand again"</button> })
            }}
        </section>
    }
}

fn phase_sentence(phase: Phase, asked_by: Option<String>) -> String {
    match phase {
        Phase::Connecting => "Finding the others…".to_owned(),
        Phase::Lobby { .. } => "Waiting for friends".to_owned(),
        Phase::Running => match asked_by {
            Some(name) if !name.is_empty() => ["Working for ", &name].concat(),
            _ => "Working".to_owned(),
        },
        Phase::Paused => "Paused: the others go on without you".to_owned(),
        Phase::Finishing => "Finishing what you are on, then leaving".to_owned(),
        Phase::Finished => "Done".to_owned(),
        Phase::Left => "You have left. Thank you!".to_owned(),
    }
}

/// How many friends are in, and on the host's own computer the button that does not wait for the rest.
fn lobby(room: Room, phase: Phase) -> Option<impl IntoView> {
    let Phase::Lobby { wanted, present } = phase else { return None };
    let start = move |_| {
        leptos::task::spawn_local(async move {
            if let Err(why) = start_job().await {
                room.trouble.set(Some(["The job could not be started: ", &why].concat()));
            }
        });
    };
    let seats = (0..wanted.min(40)).map(|seat| view! { <i class:taken=seat < present></i> }).collect_view();
    Some(view! {
        <div class="lobby" id="lobby">
            <p>
                <strong>{present.to_string()} " of " {wanted.to_string()}</strong>
                " friends are here. The job starts for all at once."
            </p>
            <div class="seats" aria-hidden="true">{seats}</div>
            {is_hosts_own_page().then(|| view! { <button id="start" class="primary" on:click=start>"Start now"</button> })}
        </div>
    })
}

fn total(room: Room, finished: Memo<bool>) -> impl IntoView {
    let digits = room.part(|view| view.job.as_ref().and_then(|job| job.done_total.clone()));
    let figure = move || {
        digits.get().map(|digits| {
            let text = grouped(&digits);
            // The size of the type is chosen by the number of characters, in the style sheet.
            let style = ["--n:", &text.len().to_string()].concat();
            let html = text.replace(',', ",<wbr>");
            view! {
                <p class="label">{move || if finished.get() { "The total" } else { "The total so far" }}</p>
                <p class="total" id="total" data-value=digits style=style inner_html=html></p>
            }
        })
    };
    view! { {figure} }
}

fn progress(room: Room) -> impl IntoView {
    let done = room.part(|view| view.job.as_ref().map(|job| (job.done_units, job.units)));
    let thousandths = move || done.get().map_or(0, |(done, all)| per_mille(done, all));
    let reached = room.part(|view| view.job.as_ref().and_then(reached));
    let facts = room.part(facts);
    let shown = move || facts.get().map(|facts| facts.show(room));
    view! {
        <div class:concealed=move || done.get().is_none()>
            <div
                class="bar"
                id="progress"
                role="progressbar"
                aria-label="Progress"
                aria-valuemin="0"
                aria-valuemax="1000"
                aria-valuenow=move || thousandths().to_string()
                aria-valuetext=move || done.get().map(|(done, all)| percent(done, all))
            >
                <i style=move || ["--p:", &thousandths().to_string()].concat()></i>
            </div>
            <p class="facts">
                <strong>{move || done.get().map(|(done, all)| percent(done, all))}</strong>
                {shown}
                {move || reached.get().map(|text| view! { <span id="reached">{text}</span> })}
            </p>
        </div>
    }
}

/// How far the counting has got without a gap.
fn reached(job: &JobView) -> Option<String> {
    Some(["every number up to ", &whole(job.reached?), " of ", &whole(job.goal?)].concat())
}

/// Speed and time: left while it runs, taken when it is over.
#[derive(Clone, Copy, PartialEq)]
enum Facts {
    Running { speed: f64, left_s: Option<f64> },
    Over { took_s: f64 },
}

fn facts(view: &View) -> Option<Facts> {
    view.job.as_ref()?;
    match view.phase {
        Phase::Running | Phase::Paused | Phase::Finishing => {
            Some(Facts::Running { speed: view.room.speed, left_s: view.room.left_s })
        }
        Phase::Finished if view.room.elapsed_s > 0.0 => Some(Facts::Over { took_s: view.room.elapsed_s }),
        Phase::Connecting | Phase::Lobby { .. } | Phase::Finished | Phase::Left => None,
    }
}

impl Facts {
    fn show(self, room: Room) -> AnyView {
        match self {
            Self::Running { speed, left_s } => {
                let speed = [&rounded(room.counted(speed)), " ", room.counted_word(), " a second"].concat();
                let left = left_s
                    .map(|left| view! { <span id="left">{["about ", &span(left), " left"].concat()}</span> });
                view! { <span id="speed">{speed}</span> {left} }.into_any()
            }
            Self::Over { took_s } => view! { <span>{["in ", &span(took_s)].concat()}</span> }.into_any(),
        }
    }
}

/// The end: who did what share.
fn thanks(room: Room) -> impl IntoView {
    let shares = room.part(|view| {
        let all: u64 = view.peers.iter().map(|peer| peer.credit_units).sum();
        let mut shares: Vec<_> = view
            .peers
            .iter()
            .filter(|peer| peer.credit_units > 0)
            .map(|peer| (peer.credit_units, peer.name.clone(), peer.hue, peer.me))
            .collect();
        shares.sort_by(|a, b| b.0.cmp(&a.0));
        (all, shares)
    });
    let rows = move || {
        let (all, shares) = shares.get();
        shares
            .into_iter()
            .map(|(units, name, hue, me)| {
                let width = ["--h:", &hue.to_string(), ";--p:", &per_mille(units, all).to_string()].concat();
                view! {
                    <li>
                        <span class="who">{name}{me.then_some(" (you)")}</span>
                        <span class="bar thin" aria-hidden="true"><i style=width></i></span>
                        <span class="how-much">{percent(units, all)}</span>
                    </li>
                }
            })
            .collect_view()
    };
    view! {
        <div class="thanks" id="thanks">
            <h2>"Many hands made light work. Thank you!"</h2>
            <ol class="shares" aria-label="Who did what share">{rows}</ol>
        </div>
    }
}
