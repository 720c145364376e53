//! The worker's end: one run, gone on with as the page asks, and the comparison of the policies.

use std::cell::RefCell;

use manyhands_core::Time;
use manyhands_sim::spread::{Cell, Outcome, POLICIES, Settings, Spread, Transfer};
use std::time::Duration;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};

use super::message::{
    Answer, Ask, COMING, Compared, FROM, Frame, MISSING, NEWS_MAX, News, READY, Snapshot, Standing, posted,
    read,
};
use crate::listen::Listener;

/// Serves the page that started this worker, for as long as it lives.
pub(super) fn serve(scope: DedicatedWorkerGlobalScope) {
    let run = RefCell::new(None);
    let port = scope.clone();
    let listener = Listener::new(&scope, "message", move |event| {
        let Some(ask) = read::<Ask>(event.unchecked_into::<MessageEvent>().data()) else { return };
        answer(&mut run.borrow_mut(), ask, &|answer| {
            let _ = port.post_message(&posted(&answer));
        });
    });
    // It lives as long as the worker.
    std::mem::forget(listener);
    let _ = scope.post_message(&JsValue::from_str(READY));
}

/// A run, and how many of its transfers were told.
struct Run {
    spread: Spread,
    told: u64,
}

/// Does what is asked, and tells.
fn answer(run: &mut Option<Run>, ask: Ask, tell: &dyn Fn(Answer)) {
    match ask {
        Ask::Begin(text) => match Settings::parse(&text) {
            Ok(settings) => begin(run, settings, tell),
            Err(error) => tell(Answer::Wrong(error.to_string())),
        },
        Ask::Reset => {
            if let Some(settings) = run.as_ref().map(|run| *run.spread.settings()) {
                begin(run, settings, tell);
            }
        }
        Ask::Go(us) => {
            if let Some(run) = run {
                run.spread.run_until(run.spread.now() + Duration::from_micros(us));
                tell(Answer::Gone(run.snapshot()));
            }
        }
        Ask::Step => {
            if let Some(run) = run {
                let _ = run.spread.next_transfer();
                tell(Answer::Gone(run.snapshot()));
            }
        }
        Ask::Compare(text) => match Settings::parse(&text) {
            Ok(settings) => {
                for (at, (name, policy)) in POLICIES.into_iter().enumerate() {
                    let mut spread = Spread::new(Settings { policy, ..settings });
                    let outcome = spread.run();
                    let is_last = at + 1 == POLICIES.len();
                    tell(Answer::Compared(compared(name, &spread, &outcome, is_last)));
                }
            }
            Err(error) => tell(Answer::Wrong(error.to_string())),
        },
    }
}

fn begin(run: &mut Option<Run>, settings: Settings, tell: &dyn Fn(Answer)) {
    let run = run.insert(Run { spread: Spread::new(settings), told: 0 });
    let frame = Frame {
        settings: settings.to_string(),
        servers: settings.servers,
        chunks: settings.chunks,
        round_us: settings.round_us(),
        bound: settings.bound(),
        links: run.spread.links().len() as u32,
    };
    tell(Answer::Begun(frame, run.snapshot()));
}

impl Run {
    /// How things stand, and what happened since the last time.
    fn snapshot(&mut self) -> Snapshot {
        let spread = &self.spread;
        let servers = spread.settings().servers;
        let fresh = (spread.transfers() - self.told).min(NEWS_MAX as u64) as usize;
        self.told = spread.transfers();
        let news = spread.log().skip(spread.log().len().saturating_sub(fresh));
        Snapshot {
            now_us: spread.now().as_micros(),
            end_us: spread.end().map(Time::as_micros),
            is_given_up: spread.is_given_up(),
            here: spread.chunks_here(),
            transfers: spread.transfers(),
            twice: spread.twice(),
            cells: (0..servers).flat_map(|server| spread.cells(server)).map(code).collect(),
            standings: (0..servers)
                .map(|server| Standing {
                    here: spread.count(server),
                    sent: spread.sent(server),
                    finished_us: spread.finished(server).map(Time::as_micros),
                })
                .collect(),
            news: news.map(news_of).collect(),
        }
    }
}

/// A cell as it travels: there are a hundred servers at most.
fn code(cell: &Cell) -> u8 {
    match cell {
        Cell::Missing => MISSING,
        Cell::From(server) => FROM + *server as u8,
        Cell::Coming(server) => COMING + *server as u8,
    }
}

fn news_of(transfer: &Transfer) -> News {
    let Transfer { at, from, to, chunk, is_twice } = *transfer;
    News { at_us: at.as_micros(), from, to, chunk, is_twice }
}

fn compared(name: &str, spread: &Spread, outcome: &Outcome, is_last: bool) -> Compared {
    let settings = spread.settings();
    let (all, round_us) = (f64::from(settings.servers * settings.chunks), settings.round_us() as f64);
    let curve = spread.curve().points().iter();
    Compared {
        policy: name.to_owned(),
        is_complete: outcome.is_complete,
        rounds: outcome.rounds,
        ratio: outcome.ratio,
        twice: outcome.twice,
        seeder_files: outcome.seeder_files,
        curve: curve.map(|(at, here)| (*at as f64 / round_us, *here as f64 / all)).collect(),
        is_last,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is answered to these questions, the last answer only.
    fn asked(asks: impl IntoIterator<Item = Ask>) -> Answer {
        let (mut run, last) = (None, RefCell::new(None));
        for ask in asks {
            answer(&mut run, ask, &|answer| *last.borrow_mut() = Some(answer));
        }
        last.into_inner().unwrap()
    }

    #[test]
    fn a_run_goes_on_as_it_is_asked_to_and_ends_the_same() {
        let settings = "servers=5&chunks=4&seed=3";
        let begin = || Ask::Begin(settings.to_owned());
        let expected = Spread::new(Settings::parse(settings).unwrap()).run();

        let Answer::Gone(in_parts) = asked([begin(), Ask::Go(700_000), Ask::Step, Ask::Go(u64::MAX / 2)])
        else {
            panic!("a run that went on");
        };
        let Answer::Gone(again) = asked([begin(), Ask::Step, Ask::Reset, Ask::Go(u64::MAX / 2)]) else {
            panic!("a run that went on");
        };

        assert_eq!(in_parts.end_us, Some(expected.took_us));
        assert_eq!((again.end_us, again.transfers), (Some(expected.took_us), expected.transfers));
        assert_eq!(again.cells.len(), 20);
        assert!(again.cells.iter().all(|cell| (FROM..COMING).contains(cell)));
        assert_eq!(again.news.len() as u64, expected.transfers);
    }

    #[test]
    fn wrong_settings_are_answered_in_words() {
        let Answer::Wrong(why) = asked([Ask::Begin("servers=0".to_owned())]) else { panic!("words") };

        assert_eq!(why, "servers: a whole number from 2 to 100");
    }

    #[test]
    fn all_policies_are_compared() {
        let Answer::Compared(last) = asked([Ask::Compare("servers=6&chunks=8".to_owned())]) else {
            panic!("a policy's run");
        };

        assert!(last.is_last && last.is_complete);
        assert_eq!(last.policy, "seeder-only");
        assert_eq!(last.curve.last().map(|(_, share)| *share), Some(1.0));
    }
}
