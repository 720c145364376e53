//! The part of the API that does something: start, pause, resume.
//!
//! Only the host's own machine may ask, and no page but the host's own: the request comes over loopback, to a loopback
//! name (a name that somebody else's DNS points here will not do), through no proxy, with a header that a foreign page
//! cannot add without asking first, and, from a browser, with the page's own origin.
//!
//! Some answers are for the own machine only as well: [`OwnMachine`].

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Extension, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use manyhands_core::Command;
use manyhands_signaling::server::is_same_origin;

use super::Web;
use super::api::refuse;

/// The header that every request here carries, with the value `1`.
const OWN_HEADER: &str = "x-manyhands";

/// Who asks.
pub(super) type Caller = Option<Extension<ConnectInfo<SocketAddr>>>;

/// What a handler takes as an argument that answers to this machine only, because what it tells is the room's: its members
/// prove that they hold the room's key, which a request over HTTP does not.
pub(super) struct OwnMachine;

impl<S: Sync> FromRequestParts<S> for OwnMachine {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let caller = parts.extensions.get::<ConnectInfo<SocketAddr>>().copied().map(Extension);
        match check_own_machine(caller, &parts.headers) {
            Ok(()) => Ok(Self),
            Err(why) => Err(refuse(StatusCode::FORBIDDEN, why)),
        }
    }
}

/// `POST /api/start`: begin now, whoever is there.
pub(super) async fn start(State(web): State<Arc<Web>>, caller: Caller, headers: HeaderMap) -> Response {
    if let Err(why) = check(caller, &headers) {
        return refuse(StatusCode::FORBIDDEN, why);
    }
    match &web.node {
        Some(node) if !node.is_host => {
            return refuse(StatusCode::CONFLICT, "only the host can start the job");
        }
        Some(node) if node.views.borrow().job.is_none() => {
            return refuse(StatusCode::CONFLICT, "choose the job first");
        }
        Some(_) | None => {}
    }
    command(&web, caller, &headers, Command::Start)
}

/// `POST /api/pause`: stop computing on this machine.
pub(super) async fn pause(State(web): State<Arc<Web>>, caller: Caller, headers: HeaderMap) -> Response {
    command(&web, caller, &headers, Command::Pause)
}

/// `POST /api/resume`: compute again on this machine.
pub(super) async fn resume(State(web): State<Arc<Web>>, caller: Caller, headers: HeaderMap) -> Response {
    command(&web, caller, &headers, Command::Resume)
}

/// Passes a command on, if whoever asks may.
pub(super) fn command(web: &Web, caller: Caller, headers: &HeaderMap, command: Command) -> Response {
    if let Err(why) = check(caller, headers) {
        return refuse(StatusCode::FORBIDDEN, why);
    }
    let Some(node) = &web.node else {
        return refuse(StatusCode::NOT_FOUND, "a relay has no job");
    };
    node.pass_on(command)
}

/// Whether the request comes from the host's own machine and page.
pub(super) fn check(caller: Caller, headers: &HeaderMap) -> Result<(), &'static str> {
    check_own_machine(caller, headers)?;
    if headers.get(OWN_HEADER).is_none_or(|value| value != "1") {
        return Err("the header `x-manyhands: 1` is missing");
    }
    if !is_same_origin(headers) {
        return Err("only from this program's own page");
    }
    Ok(())
}

/// Whether the request comes from the host's own machine, and under a name of its own.
pub(super) fn check_own_machine(caller: Caller, headers: &HeaderMap) -> Result<(), &'static str> {
    let address = caller.map(|Extension(ConnectInfo(address))| address);
    if !address.is_some_and(|address| address.ip().to_canonical().is_loopback()) {
        return Err("only the machine that runs this program may do that");
    }
    if ["forwarded", "x-forwarded-for", "x-real-ip"].iter().any(|name| headers.contains_key(*name)) {
        return Err("not through a proxy: nobody knows who is behind it");
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if !is_loopback_name(host) {
        return Err("only under a name of this machine: http://127.0.0.1 or http://localhost");
    }
    Ok(())
}

/// Whether a `Host` header names this machine itself: `localhost`, `127.x.y.z` or `[::1]`, with or without a port.
pub(crate) fn is_loopback_name(host: &str) -> bool {
    let name = name_of_host(host);
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// The name or address in a `Host` header, without the port and the brackets of an address.
pub(super) fn name_of_host(host: &str) -> &str {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "127.0.0.1:40000";

    #[test]
    fn the_hosts_own_page_may() {
        let page = [("host", "127.0.0.1:8080"), ("origin", "http://127.0.0.1:8080"), (OWN_HEADER, "1")];
        let script = [("host", "localhost:8080"), (OWN_HEADER, "1")];

        assert_eq!(ask(HERE, &page), Ok(()));
        assert_eq!(ask(HERE, &script), Ok(()));
        assert_eq!(ask("[::ffff:127.0.0.1]:40000", &script), Ok(()));
    }

    #[test]
    fn nobody_else_may() {
        let host = ("host", "127.0.0.1:8080");
        let cases: [(&str, &[(&'static str, &'static str)]); 7] = [
            ("192.168.1.9:40000", &[host, (OWN_HEADER, "1")]),
            (HERE, &[host]),
            (HERE, &[host, (OWN_HEADER, "2")]),
            (HERE, &[host, (OWN_HEADER, "1"), ("origin", "http://evil.example")]),
            (HERE, &[host, (OWN_HEADER, "1"), ("x-forwarded-for", "127.0.0.1")]),
            (HERE, &[("host", "rebound.evil.example:8080"), (OWN_HEADER, "1")]),
            (HERE, &[(OWN_HEADER, "1")]),
        ];
        for (address, headers) in cases {
            assert!(ask(address, headers).is_err(), "{address} {headers:?}");
        }
        assert!(check(None, &HeaderMap::new()).is_err());
    }

    #[test]
    fn names_of_this_machine_are_known() {
        for own in ["localhost", "LOCALHOST:80", "127.0.0.1", "127.1.2.3:9", "[::1]:8080", "[::1]"] {
            assert!(is_loopback_name(own), "{own}");
        }
        for other in
            ["", "localhost.evil.example", "127.0.0.1.evil.example:80", "192.168.1.7:8080", "[::2]:1"]
        {
            assert!(!is_loopback_name(other), "{other}");
        }
    }

    fn ask(address: &str, headers: &[(&'static str, &'static str)]) -> Result<(), &'static str> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect::<Vec<(header::HeaderName, _)>>();
        check(Some(Extension(ConnectInfo(address.parse().unwrap()))), &HeaderMap::from_iter(headers))
    }
}
