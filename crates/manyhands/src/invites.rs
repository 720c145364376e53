//! The links that a host hands out, and the picture of one that a phone can read.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use fast_qr::{ECL, QRBuilder};
use manyhands_core::{Invite, RoomKey};

use crate::doors::is_loopback;
use crate::exit::{Failure, Reason};

/// How often to look for a file that is to hold a link.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The light border around a code that readers need, in modules.
const QUIET_ZONE: isize = 2;

/// The links to a room that is served here.
pub(crate) struct Invites {
    /// For this machine, or the only one there is.
    pub(crate) local: Invite,
    /// For machines in the same network, each with the name of the network interface; the likeliest first.
    pub(crate) lan: Vec<(String, Invite)>,
}

impl Invites {
    /// The links for a server that listens on `address`.
    pub(crate) fn of_listener(address: SocketAddr, room: RoomKey) -> Self {
        let at =
            |ip: IpAddr| Invite { origin: format!("http://{}", SocketAddr::new(ip, address.port())), room };
        let lan =
            if address.ip().is_unspecified() { likeliest_first(lan_addresses(), way_out()) } else { vec![] };
        Self {
            local: at(reachable(address.ip())),
            lan: lan.into_iter().map(|(name, ip)| (name, at(IpAddr::V4(ip)))).collect(),
        }
    }

    /// The link for a room that meets at a relay.
    pub(crate) fn of_relay(origin: &str, room: RoomKey) -> Self {
        Self { local: Invite { origin: origin.to_owned(), room }, lan: vec![] }
    }

    /// Where friends reach the room, the best address first; empty if only this machine does.
    pub(crate) fn origins(&self) -> Vec<String> {
        let lan = self.lan.iter().map(|(_, invite)| invite);
        lan.chain([&self.local])
            .map(|invite| invite.origin.clone())
            .filter(|origin| !is_loopback(origin))
            .collect()
    }

    /// Writes the link that is of most use to others into a file, which is never there in part.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        fs::write(&new, format!("{}\n", self.best()))
            .and_then(|()| fs::rename(&new, path))
            .with_context(|| format!("cannot write the link into {}", path.display()))
    }

    /// The link that is of most use to others.
    pub(crate) fn best(&self) -> &Invite {
        self.lan.first().map_or(&self.local, |(_, invite)| invite)
    }
}

/// The invite on the command line, or in a file that may not be there yet.
pub(crate) async fn find(
    link: Option<&str>,
    file: Option<&Path>,
    patience: Duration,
) -> Result<Invite, Failure> {
    let text = match (link, file) {
        (Some(link), _) => link.to_owned(),
        (None, Some(path)) => read_within(path, patience).await?,
        (None, None) => return Err(Failure::new(Reason::Usage, "there is no invite link")),
    };
    Invite::parse(text.trim()).map_err(|error| Failure::new(Reason::Usage, error))
}

async fn read_within(path: &Path, patience: Duration) -> Result<String, Failure> {
    let deadline = Instant::now() + patience;
    loop {
        match fs::read_to_string(path) {
            Ok(text) => return Ok(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound && Instant::now() < deadline => {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Err(error) => {
                let message = format!("there is no link in {}: {error}", path.display());
                return Err(Failure::new(Reason::Usage, message));
            }
        }
    }
}

/// An address under which this machine reaches what listens on `ip`.
pub(crate) fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(v4) if v4.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(v6) if v6.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V4(_) | IpAddr::V6(_) => ip,
    }
}

/// The IPv4 addresses of this machine that others may reach, with the names of their interfaces.
fn lan_addresses() -> Vec<(String, Ipv4Addr)> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        tracing::warn!("cannot list this machine's addresses: {error}");
        vec![]
    });
    interfaces
        .into_iter()
        .filter(|interface| !interface.is_loopback() && !interface.is_link_local())
        .filter_map(|interface| match interface.ip() {
            IpAddr::V4(v4) => Some((interface.name, v4)),
            IpAddr::V6(_) => None,
        })
        .collect()
}

/// Puts the address first that the way out of this network begins at: friends are there, rather than in a network of
/// containers or virtual machines.
fn likeliest_first(
    mut addresses: Vec<(String, Ipv4Addr)>,
    way_out: Option<Ipv4Addr>,
) -> Vec<(String, Ipv4Addr)> {
    addresses.sort_by_key(|(_, ip)| Some(*ip) != way_out);
    addresses
}

/// This machine's address on the default route, if there is one.
fn way_out() -> Option<Ipv4Addr> {
    let ask = || -> io::Result<SocketAddr> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        // An address for documentation, which nobody has: to connect such a socket only chooses a route, and nothing is sent.
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    };
    match ask().ok()?.ip() {
        IpAddr::V4(v4) => Some(v4),
        IpAddr::V6(_) => None,
    }
}

/// A QR code as text, two modules a character, dark on light whatever the terminal's colours are. `None` for a text that
/// is too long.
pub(crate) fn qr_code(text: &str) -> Option<String> {
    let code = QRBuilder::new(text).ecl(ECL::M).build().ok()?;
    let size = isize::try_from(code.size).ok()?;
    let is_dark = |x: isize, y: isize| {
        let inside = (0..size).contains(&x) && (0..size).contains(&y);
        inside && code[y.unsigned_abs()][x.unsigned_abs()].value()
    };

    let mut picture = String::new();
    for y in (-QUIET_ZONE..size + QUIET_ZONE).step_by(2) {
        // Black on bright white, and back to the terminal's own colours at the end of the line.
        picture.push_str("\u{1b}[30;107m");
        for x in -QUIET_ZONE..size + QUIET_ZONE {
            picture.push(match (is_dark(x, y), is_dark(x, y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        picture.push_str("\u{1b}[0m\n");
    }
    Some(picture)
}

#[cfg(test)]
mod tests {
    use manyhands_wire::PeerId;

    use super::*;

    const ROOM: fn() -> RoomKey = || RoomKey::new(&PeerId([1; 32]), [2; 16]);

    #[test]
    fn a_host_on_one_address_has_one_link() {
        let invites = Invites::of_listener("192.168.1.7:80".parse().unwrap(), ROOM());

        assert_eq!(invites.local.origin, "http://192.168.1.7:80");
        assert!(invites.lan.is_empty());
        assert_eq!(invites.best(), &invites.local);
        assert_eq!(invites.origins(), ["http://192.168.1.7:80"]);
        assert!(Invites::of_listener("127.0.0.1:80".parse().unwrap(), ROOM()).origins().is_empty());
    }

    #[test]
    fn a_host_on_all_addresses_has_a_link_for_this_machine() {
        let invites = Invites::of_listener("0.0.0.0:8080".parse().unwrap(), ROOM());

        assert_eq!(invites.local.origin, "http://127.0.0.1:8080");
        assert!(invites.lan.iter().all(|(_, invite)| !invite.origin.contains("127.0.0.1")));
    }

    #[test]
    fn an_address_of_ipv6_has_its_brackets() {
        let invites = Invites::of_listener("[2001:db8::7]:8080".parse().unwrap(), ROOM());

        assert_eq!(invites.local.origin, "http://[2001:db8::7]:8080");
    }

    #[test]
    fn the_address_on_the_way_out_is_the_first_and_the_others_keep_their_order() {
        let [bridge, wifi, cable] =
            [("docker0", [172, 17, 0, 1]), ("wlan0", [192, 168, 1, 7]), ("eth0", [10, 0, 0, 7])]
                .map(|(name, ip)| (name.to_owned(), Ipv4Addr::from(ip)));
        let all = vec![bridge.clone(), wifi.clone(), cable.clone()];

        assert_eq!(likeliest_first(all.clone(), Some(cable.1)), [cable, bridge, wifi]);
        assert_eq!(likeliest_first(all.clone(), None), all);
    }

    #[test]
    fn a_code_is_square_and_has_its_border() {
        let picture =
            qr_code("http://192.168.1.7:8080/#room=AQIDBAUGBwgJCgsMDQ4PEA&key=AQIDBAUGBwgJCgsMDQ4PEA")
                .unwrap();
        let plain = picture.replace("\u{1b}[30;107m", "").replace("\u{1b}[0m", "");
        let lines: Vec<_> = plain.lines().collect();

        assert!(lines.iter().all(|line| line.chars().count() == lines[0].chars().count()));
        assert_eq!(lines[0].trim(), "", "the first two rows are light");
        assert!(lines[0].chars().count().abs_diff(2 * lines.len()) <= 1);
    }
}
