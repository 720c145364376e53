//! Chunks that spread over servers, for a few of all settings.

use manyhands_core::Time;
use manyhands_sim::scenarios::spread_of;
use manyhands_sim::spread::{Cell, Outcome, POLICIES, Settings, Spread};

fn run(settings: &str) -> Outcome {
    Spread::new(Settings::parse(settings).expect("the tests' settings are within their limits")).run()
}

#[test]
fn twenty_servers_come_close_to_the_least_number_of_rounds() {
    let report = spread_of(1, 20, 400);

    let missed: Vec<_> = report.figures.iter().filter(|figure| !figure.is_good()).collect();
    assert!(missed.is_empty(), "{missed:?}");
}

#[test]
fn everybody_is_sent_every_chunk_once_by_a_neighbour() {
    for (policy, _) in POLICIES {
        for rest in
            ["servers=12&degree=3", "servers=2", "servers=30&chunks=5&latency=300", "chunks=1&latency=0"]
        {
            let settings = Settings::parse(&format!("{rest}&policy={policy}")).unwrap();
            let mut spread = Spread::new(settings);

            let outcome = spread.run();

            assert!(outcome.is_complete, "{settings}");
            assert_eq!(
                outcome.transfers,
                u64::from((settings.servers - 1) * settings.chunks) + outcome.twice
            );
            assert!(outcome.twice <= outcome.transfers / 20, "{settings}: {} came twice", outcome.twice);
            for server in 1..settings.servers {
                for cell in spread.cells(server) {
                    let Cell::From(from) = *cell else { panic!("{settings}: {cell:?} at the end") };
                    assert!(spread.links().contains(&(from.min(server), from.max(server))));
                }
            }
        }
    }
}

#[test]
fn nobody_sends_more_than_one_chunk_a_round() {
    let settings = Settings::parse("chunks=64&latency=0").unwrap();
    let mut spread = Spread::new(settings);

    for round in 1..60 {
        spread.run_until(Time::from_micros(round * settings.round_us()));
        let arrived = |server| spread.log().filter(|transfer| transfer.from == server).count() as u64;
        assert!((0..settings.servers).all(|server| arrived(server) <= round));
    }
}

#[test]
fn what_is_lost_comes_later_and_nothing_is_missed() {
    let quiet = run("chunks=32&degree=4&latency=40");
    let lossy = run("chunks=32&degree=4&latency=40&loss=30");

    assert!(lossy.is_complete && lossy.took_us > quiet.took_us);
}

#[test]
fn going_step_by_step_comes_to_the_same() {
    let settings = Settings::parse("servers=9&degree=3&loss=5").unwrap();
    let mut spread = Spread::new(settings);
    let mut transfers = Vec::new();

    while let Some(transfer) = spread.next_transfer() {
        transfers.push(transfer);
    }

    assert_eq!(spread.log().copied().collect::<Vec<_>>(), transfers);
    assert_eq!(spread.run(), Spread::new(settings).run());
    let (at, here) = *spread.curve().points().last().unwrap();
    assert_eq!((at, here), (spread.now().as_micros(), u64::from(settings.servers * settings.chunks)));
}

#[test]
fn a_long_run_keeps_a_short_log_and_a_short_curve() {
    let mut spread = Spread::new(Settings::parse("servers=40&chunks=256&bandwidth=1024&latency=5").unwrap());

    let outcome = spread.run();

    assert!(outcome.is_complete && outcome.transfers > 9000);
    assert!(spread.log().len() <= 4096);
    let points = spread.curve().points();
    assert!((100..=513).contains(&points.len()), "{} points", points.len());
    assert!(points.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1));
}

/// The numbers that a browser comes to as well, where this test runs too. They change with the swarm: then take the new ones.
#[test]
fn the_same_settings_are_the_same_run_everywhere() {
    let outcome = run("servers=20&chunks=16&chunk=64&latency=80&bandwidth=128&loss=2&degree=4&seed=7");

    assert_eq!((outcome.took_us, outcome.transfers, outcome.twice), (13_980_000, 308, 4));
}
