//! Which local addresses a connection listens on, and so offers as candidates.
//!
//! Every address of the machine that another machine may reach: browsers never reach a peer through the loopback
//! address, and the same machine reaches itself through any of the others. Only where there is no other address
//! (a laptop without a network, a bare network namespace) loopback serves, among native peers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use rtc::shared::ifaces::ifaces;

/// The most sockets per connection: machines that run many containers have dozens of addresses.
const ADDRESSES_MAX: usize = 6;

/// Where to bind now, on ports of the system's choice. Never empty.
pub(crate) fn to_bind() -> Vec<SocketAddr> {
    let found = match ifaces() {
        Ok(interfaces) => {
            interfaces.into_iter().filter_map(|interface| interface.addr).map(|at| at.ip()).collect()
        }
        Err(error) => {
            tracing::debug!(%error, "the machine's addresses are unknown");
            Vec::new()
        }
    };
    choose(found).into_iter().map(|ip| SocketAddr::new(ip, 0)).collect()
}

/// The usable ones among all addresses of a machine, IPv4 first, each once.
fn choose(mut found: Vec<IpAddr>) -> Vec<IpAddr> {
    found.retain(is_usable);
    found.sort_by_key(IpAddr::is_ipv6);
    let mut chosen: Vec<IpAddr> = Vec::new();
    for ip in found {
        if !chosen.contains(&ip) {
            chosen.push(ip);
        }
    }
    // A machine with many IPv4 addresses still offers one of IPv6, which often needs no address translation.
    if chosen.len() > ADDRESSES_MAX {
        let v6 = chosen.iter().copied().find(IpAddr::is_ipv6);
        chosen.truncate(ADDRESSES_MAX);
        if let (Some(v6), Some(last)) = (v6, chosen.last_mut()) {
            *last = v6;
        }
    }
    if chosen.is_empty() {
        chosen.push(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    chosen
}

/// Link-local addresses are left out: they mean nothing without the name of the interface.
fn is_usable(ip: &IpAddr) -> bool {
    if ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() {
        return false;
    }
    match ip {
        IpAddr::V4(ip) => !ip.is_link_local(),
        IpAddr::V6(ip) => !ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn loopback_serves_only_where_there_is_nothing_else() {
        assert_eq!(choose(ips(&["127.0.0.1", "::1", "fe80::1"])), ips(&["127.0.0.1"]));
        assert_eq!(
            choose(ips(&["127.0.0.1", "fd00::2", "192.168.1.7", "192.168.1.7"])),
            ips(&["192.168.1.7", "fd00::2"])
        );
    }

    #[test]
    fn a_machine_of_many_addresses_keeps_to_the_bound_with_both_families() {
        let mut many: Vec<IpAddr> = (0..40).map(|i| IpAddr::V4(Ipv4Addr::new(172, i, 0, 1))).collect();
        many.push("2001:db8::7".parse().unwrap());

        let chosen = choose(many);

        assert_eq!(chosen.len(), ADDRESSES_MAX);
        assert!(chosen.iter().any(IpAddr::is_ipv6));
    }
}
