//! When a network counts as up.

use std::collections::{BTreeMap, BTreeSet};

use crate::http::node::NodeState;

/// Up to so many nodes everybody links to everybody; see the core's membership.
const FULL_MESH_MAX: usize = 12;
/// With so many links a node of a larger network is in no hurry to find more.
const LINKS_ENOUGH: usize = 5;

/// Whether every node reaches every other over links, and has as many links itself as make it safe.
pub(super) fn is_linked(states: &[NodeState]) -> bool {
    let others = states.len().saturating_sub(1);
    let wanted = if states.len() <= FULL_MESH_MAX { others } else { LINKS_ENOUGH };
    let links: BTreeMap<&str, &[String]> =
        states.iter().map(|state| (state.id.as_str(), state.links.as_slice())).collect();
    let Some(first) = states.first() else { return true };
    let mut seen = BTreeSet::from([first.id.as_str()]);
    let mut waiting = vec![first.id.as_str()];
    while let Some(node) = waiting.pop() {
        for next in links.get(node).copied().unwrap_or_default() {
            // What has links to others, such as a browser, is no node.
            if links.contains_key(next.as_str()) && seen.insert(next) {
                waiting.push(next);
            }
        }
    }
    seen.len() == states.len() && states.iter().all(|state| state.links.len() >= wanted)
}

#[cfg(test)]
mod tests {
    use manyhands_core::view::Phase;

    use super::*;

    fn node(id: usize, links: impl Iterator<Item = usize>) -> NodeState {
        NodeState {
            id: id.to_string(),
            name: String::new(),
            pid: 1,
            version: String::new(),
            uptime_s: 0.0,
            asleep: false,
            state: String::new(),
            phase: Phase::Connecting,
            signaling: true,
            links: links.map(|link| link.to_string()).collect(),
            peers: 0,
            messages: 0,
            address: String::new(),
            search: None,
        }
    }

    #[test]
    fn a_small_network_is_up_when_all_are_linked_to_all() {
        let full = |of: usize| (0..of).map(move |id| node(id, (0..of).filter(move |other| *other != id)));

        assert!(is_linked(&full(1).collect::<Vec<_>>()));
        assert!(is_linked(&full(12).collect::<Vec<_>>()));
        let mut lacking: Vec<_> = full(3).collect();
        lacking[2].links.pop();
        assert!(!is_linked(&lacking));
    }

    #[test]
    fn a_large_network_is_up_when_it_is_one_and_each_has_enough_links() {
        let ring = |of: usize, links: usize| {
            (0..of).map(move |id| node(id, (1..=links).map(move |step| (id + step) % of))).collect::<Vec<_>>()
        };

        assert!(is_linked(&ring(20, 5)));
        assert!(!is_linked(&ring(20, 4)));
        let halves: Vec<_> =
            (0..26).map(|id| node(id, (1..=5).map(move |step| id / 13 * 13 + (id + step) % 13))).collect();
        assert!(!is_linked(&halves), "two networks are not one");
    }
}
