//! What is measured holds for few nodes too, and is the same each time.

use manyhands_sim::scenarios::{Report, efficiency_of, large, lost_nodes, lost_workers, redundancy};

/// Every figure that has a target meets it.
fn assert_good(report: &Report) {
    let missed: Vec<_> = report.figures.iter().filter(|figure| !figure.is_good()).collect();
    assert!(missed.is_empty(), "{missed:?}");
}

#[test]
fn ten_peers_share_units_of_a_second_well() {
    assert_good(&efficiency_of(1, 10, 60));
}

#[test]
fn thirty_peers_share_units_of_a_second_well() {
    assert_good(&efficiency_of(2, 30, 80));
}

#[test]
fn peers_that_die_cost_one_slice_each_at_most() {
    assert_good(&lost_workers(1, 10));
}

#[test]
fn messages_come_once_by_short_ways() {
    assert_good(&redundancy(1, 30));
}

#[test]
fn a_large_room_hears_what_is_said() {
    assert_good(&large(1, 60));
}

#[test]
fn a_scenario_has_the_same_figures_each_time() {
    assert_eq!(lost_workers(3, 8), lost_workers(3, 8));
    assert_ne!(lost_workers(3, 8), lost_workers(4, 8));
}

#[test]
fn messages_reach_all_without_any_three_and_most_of_the_rest() {
    let report = lost_nodes(1, 8);

    assert_eq!(report.value("triples"), Some(56.0));
    assert_eq!(report.value("reached_all_without_three_percent"), Some(100.0));
    assert_eq!(report.value("reached_after_50_percent_died_percent"), Some(100.0));
}
