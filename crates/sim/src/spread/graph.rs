//! Who is linked to whom in a spread.

use std::collections::BTreeSet;

use manyhands_core::files::Policy;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng as _;

use super::Settings;

/// How often two ends are drawn in vain before a graph is good enough as it is.
const TRIES: u32 = 64;

/// The links, each with the smaller number first, in order.
///
/// With a degree, servers are tied together in a random ring, and random links are added between those that have fewer than
/// they should. Where only the first server gives, it is linked to all: the others would never be given anything.
pub(super) fn links(settings: &Settings, rng: &mut ChaCha8Rng) -> Vec<(u32, u32)> {
    let servers = settings.servers;
    let mut links = BTreeSet::new();
    if settings.policy == Policy::SeederOnly {
        links.extend((1..servers).map(|other| (0, other)));
    }
    if settings.degree == 0 || settings.degree >= servers - 1 {
        links.extend((0..servers).flat_map(|a| (a + 1..servers).map(move |b| (a, b))));
        return links.into_iter().collect();
    }
    let mut order: Vec<u32> = (0..servers).collect();
    for at in (1..order.len()).rev() {
        order.swap(at, below(rng, at + 1));
    }
    let mut degrees = vec![0; servers as usize];
    let mut add = |links: &mut BTreeSet<(u32, u32)>, a: u32, b: u32| {
        if links.insert((a.min(b), a.max(b))) {
            degrees[a as usize] += 1;
            degrees[b as usize] += 1;
        }
        (0..servers).filter(|server| degrees[*server as usize] < settings.degree).collect::<Vec<u32>>()
    };
    let mut short = Vec::new();
    for (a, b) in order.iter().zip(order.iter().cycle().skip(1)) {
        short = add(&mut links, *a, *b);
    }
    let mut tries = 0;
    while short.len() > 1 && tries < TRIES {
        let (a, b) = (short[below(rng, short.len())], short[below(rng, short.len())]);
        tries += 1;
        if a != b && !links.contains(&(a.min(b), a.max(b))) {
            short = add(&mut links, a, b);
            tries = 0;
        }
    }
    links.into_iter().collect()
}

fn below(rng: &mut ChaCha8Rng, limit: usize) -> usize {
    (rng.next_u64() % limit.max(1) as u64) as usize
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng as _;

    use super::*;

    fn of(servers: u32, degree: u32, policy: Policy, seed: u8) -> Vec<(u32, u32)> {
        let settings = Settings { servers, degree, policy, ..Settings::default() };
        links(&settings, &mut ChaCha8Rng::from_seed([seed; 32]))
    }

    #[test]
    fn every_graph_is_connected_and_nearly_regular() {
        for seed in 0..20 {
            for (servers, degree) in [(20, 4), (100, 2), (7, 3), (50, 11), (3, 2)] {
                let links = of(servers, degree, Policy::Random, seed);

                let mut reached = BTreeSet::from([0]);
                while reached.len() < servers as usize {
                    let before = reached.len();
                    for (a, b) in &links {
                        if reached.contains(a) || reached.contains(b) {
                            reached.extend([*a, *b]);
                        }
                    }
                    assert!(reached.len() > before, "{servers} servers of degree {degree}, seed {seed}");
                }
                let (ends, wanted) = (links.len() * 2, (servers * degree) as usize);
                assert!(ends <= wanted && ends + 8 >= wanted, "{ends} of {wanted} ends");
            }
        }
    }

    #[test]
    fn without_a_degree_any_two_are_linked() {
        assert_eq!(of(20, 0, Policy::Random, 1).len(), 190);
        assert_eq!(of(20, 30, Policy::Random, 1).len(), 190);
        assert_eq!(of(2, 1, Policy::Random, 1), [(0, 1)]);
    }

    #[test]
    fn a_seeder_that_alone_gives_is_linked_to_all() {
        let links = of(20, 3, Policy::SeederOnly, 1);

        assert!((1..20).all(|other| links.contains(&(0, other))));
    }
}
