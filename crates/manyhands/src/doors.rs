//! Where a node gets into its room, and where it lets others in.
//!
//! Every native node serves page, signaling and API, so the address in an invite may be that of any of them, and the room
//! stays open when its host is gone. A node enters the room at its own server, where those who come to it meet it, and
//! at the servers it was told of.

use std::net::SocketAddr;

use crate::http::is_loopback_name;
use crate::invites::reachable;

/// A node's addresses, as its core wants them.
pub(crate) struct Doors {
    /// The servers where it enters the room.
    pub(crate) servers: Vec<String>,
    /// Where others reach its own server; empty if it has none.
    pub(crate) address: String,
}

/// The address at which this machine reaches its own server.
pub(crate) fn own_address(listener: SocketAddr) -> String {
    format!("http://{}", SocketAddr::new(reachable(listener.ip()), listener.port()))
}

/// What a node tells others of where it is reached: the best of its addresses, and nothing where that is for this machine
/// only while the room, as far as the invite tells, is on others too: there, the address would be their own.
pub(crate) fn announced(best: &str, invite: &str) -> String {
    if is_loopback(best) && !is_loopback(invite) { String::new() } else { best.to_owned() }
}

/// Whether an address such as `http://127.0.0.1:8080` is this machine's own and nobody else's.
pub(crate) fn is_loopback(origin: &str) -> bool {
    is_loopback_name(origin.split_once("://").map_or(origin, |(_, host)| host))
}

/// The servers to enter, each once: the one in the invite, this node's own unless it is empty, and others.
pub(crate) fn entries(invite: &str, own: &str, others: &[String]) -> Vec<String> {
    let mut entries: Vec<String> = vec![];
    for address in [invite, own].into_iter().chain(others.iter().map(String::as_str)) {
        if !address.is_empty() && !entries.iter().any(|known| known == address) {
            entries.push(address.to_owned());
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_entered_once_and_an_absent_one_not_at_all() {
        let others = ["http://b:1", "http://c:1"].map(str::to_owned);

        assert_eq!(entries("http://a:1", "", &others), ["http://a:1", "http://b:1", "http://c:1"]);
        assert_eq!(entries("http://b:1", "http://b:1", &others), ["http://b:1", "http://c:1"]);
    }

    #[test]
    fn an_address_for_this_machine_only_is_not_told_to_others() {
        let (own, lan) = ("http://127.0.0.1:8081", "http://192.168.1.7:8080");

        assert_eq!(announced(own, lan), "");
        assert_eq!(announced("http://[::1]:8081", "https://liz.example"), "");
        assert_eq!(announced(lan, own), lan);
        assert_eq!(announced(own, "http://localhost:8080"), own, "a room on this machine");
        assert_eq!(announced("", lan), "");
    }

    #[test]
    fn a_server_on_all_addresses_is_reached_over_loopback() {
        assert_eq!(own_address("0.0.0.0:80".parse().unwrap()), "http://127.0.0.1:80");
        assert_eq!(own_address("192.168.1.7:80".parse().unwrap()), "http://192.168.1.7:80");
    }
}
