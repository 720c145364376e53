//! Which two peers each node of a network starts from: a ring and a chord.
//!
//! Node `k` of `n` starts from node `k - 1` and from node `k - c`, counted around the ring, with `c` about the square root
//! of `n`. This is the circulant graph C_n(1, c): four links a node, so any three nodes may be lost and the rest stays
//! connected (checked in the tests for each size), and any two nodes are within about the square root of `n` hops. It is
//! only the start: the nodes look for further links themselves.

/// The numbers of the nodes that node `number` of `1..=nodes` starts from: none, one or two.
pub(super) fn start_peers(number: u16, nodes: u16) -> Vec<u16> {
    let back = |steps: u16| (number - 1 + nodes - steps % nodes) % nodes + 1;
    let mut peers = vec![];
    for peer in [back(1), back(chord(nodes))] {
        if peer != number && !peers.contains(&peer) {
            peers.push(peer);
        }
    }
    peers
}

/// How far back the chord goes.
fn chord(nodes: u16) -> u16 {
    (f64::from(nodes).sqrt().round() as u16).max(2)
}

#[cfg(test)]
mod tests {
    use super::super::NODES_MAX;
    use super::*;

    /// Who is linked to whom at the start, by number less one: a bit for each.
    fn links(nodes: u16) -> Vec<u64> {
        let mut links = vec![0; usize::from(nodes)];
        for number in 1..=nodes {
            for peer in start_peers(number, nodes) {
                links[usize::from(number) - 1] |= 1 << (peer - 1);
                links[usize::from(peer) - 1] |= 1 << (number - 1);
            }
        }
        links
    }

    /// Whether all of `left` reach each other.
    fn is_connected(links: &[u64], left: u64) -> bool {
        let mut seen = left & left.wrapping_neg();
        let mut waiting = seen;
        while waiting != 0 {
            let node = waiting.trailing_zeros() as usize;
            waiting &= waiting - 1;
            let new = links[node] & left & !seen;
            seen |= new;
            waiting |= new;
        }
        seen == left
    }

    #[test]
    fn any_three_nodes_may_be_lost() {
        for nodes in 4..=NODES_MAX {
            let links = links(nodes);
            let all = u64::MAX >> (64 - nodes);
            for one in 0..nodes {
                for two in one + 1..nodes {
                    for three in two + 1..nodes {
                        let left = all & !(1 << one | 1 << two | 1 << three);
                        assert!(is_connected(&links, left), "{nodes} nodes without {one}, {two}, {three}");
                    }
                }
            }
        }
    }

    #[test]
    fn each_node_starts_from_two_others_where_there_are_two() {
        for nodes in 1..=NODES_MAX {
            for number in 1..=nodes {
                let peers = start_peers(number, nodes);
                assert_eq!(peers.len(), usize::from(nodes - 1).min(2), "{number} of {nodes}: {peers:?}");
                assert!(peers.iter().all(|peer| (1..=nodes).contains(peer) && *peer != number));
            }
        }
        assert_eq!(start_peers(1, 16), [16, 13]);
        assert_eq!(start_peers(9, 16), [8, 5]);
    }
}
