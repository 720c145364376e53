//! Networks of nodes that search for Mersenne primes: every node takes part, hears of what the others find, and knows the largest
//! prime and its finder; one that slept catches up.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

#[expect(dead_code, reason = "each test program uses a part of it")]
#[path = "program/network.rs"]
mod networks;
#[expect(dead_code, reason = "each test program uses a part of it")]
mod program;

use std::collections::BTreeSet;

use networks::{Network, wait_until};
use serde_json::Value;

/// The exponents up to 5000 that give primes: OEIS A000043.
const PRIMES: [u64; 20] =
    [2, 3, 5, 7, 13, 17, 19, 31, 61, 89, 107, 127, 521, 607, 1279, 2203, 2281, 3217, 4253, 4423];

#[test]
fn four_nodes_all_search_and_know_the_largest_prime_and_its_finder() {
    all_search_and_agree(4, "5000");
}

#[test]
fn sixteen_nodes_all_search_and_know_the_largest_prime_and_its_finder() {
    // More work for more nodes, and no more primes: the next is of 9689.
    all_search_and_agree(16, "8000");
}

fn all_search_and_agree(nodes: u16, to: &str) {
    let network = Network::start_with(nodes, &["--job", "mersenne", "--to", to]);

    let nodes = until_all_are_done(&network);

    let finders: BTreeSet<&str> =
        nodes.iter().map(|node| node["search"]["found_by"].as_str().unwrap()).collect();
    assert_eq!(finders.len(), 1, "{nodes:?}");
    for node in &nodes {
        assert!(node["search"]["share"].as_f64().unwrap() > 0.0, "every node has searched: {nodes:?}");
        assert_eq!(node["search"]["largest"], 4423);
        let primes = network.primes(node);
        assert_eq!(exponents(&primes), PRIMES);
        let me = node["name"].as_str().unwrap();
        for prime in primes.as_array().unwrap() {
            let path = prime["path"].as_array().unwrap();
            assert_eq!((&path[0], path.last().unwrap().as_str()), (&prime["finder"], Some(me)), "{prime}");
        }
    }
    let status = network.ok(&["network-status"]);
    assert!(status.contains("LARGEST") && status.contains("2^4423 - 1"), "{status}");
}

#[test]
fn a_node_that_slept_catches_up_and_one_that_was_added_does_too() {
    let network = Network::start_with(4, &["--job", "mersenne", "--to", "3300"]);
    network.ok(&["sleep-node", "3"]);
    let of = |number: usize| network.json(&["network-status"])["nodes"][number - 1].clone();
    wait_until("the others finish without it", || {
        [1, 2, 4].into_iter().all(|number| is_done(&of(number), 18))
    });
    // Whether it was done before it slept depends on how fast the machine is.
    let asleep = of(3);

    network.ok(&["wake-node", "3"]);
    network.ok(&["add-node"]);

    let nodes = until_all_know(&network, 18);
    assert_eq!(asleep["state"], "asleep");
    assert_eq!(nodes.len(), 5);
    for node in &nodes {
        assert_eq!(node["search"]["largest"], 3217);
        assert_eq!(node["search"]["found_by"], nodes[0]["search"]["found_by"]);
    }
    assert_eq!(exponents(&network.primes(&nodes[2])), PRIMES[..18]);
}

impl Network {
    /// The primes that a node knows.
    fn primes(&self, node: &Value) -> Value {
        let port = u64::from(self.base_port) + node["number"].as_u64().unwrap() - 1;
        self.json(&["primes", &format!("http://127.0.0.1:{port}")])
    }
}

fn until_all_are_done(network: &Network) -> Vec<Value> {
    until_all_know(network, PRIMES.len())
}

/// Waits until all nodes know that the search is finished and so many primes.
fn until_all_know(network: &Network, primes: usize) -> Vec<Value> {
    let mut nodes = vec![];
    wait_until("all nodes finish", || {
        nodes = network.json(&["network-status"])["nodes"].as_array().unwrap().clone();
        nodes.iter().all(|node| is_done(node, primes))
    });
    nodes
}

fn is_done(node: &Value, primes: usize) -> bool {
    let is_finished = node["job"].as_str().is_some_and(|state| state.starts_with("finished"));
    // Who found the largest a newcomer may hear after its results.
    let knows_finder = node["search"]["found_by"].as_str().is_some_and(|name| !name.is_empty());
    is_finished && knows_finder && node["search"]["primes"] == primes
}

fn exponents(primes: &Value) -> Vec<u64> {
    primes.as_array().unwrap().iter().map(|prime| prime["exponent"].as_u64().unwrap()).collect()
}
