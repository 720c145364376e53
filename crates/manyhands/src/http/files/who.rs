//! Who may list, fetch, put and delete files over HTTP.
//!
//! The node's own machine may do everything. Other machines may list, fetch and put where the person said `--open-files`, and
//! never delete. Nowhere may a foreign page in somebody's browser do anything: its requests carry its origin, and a name
//! of its own that it points here is no name of a machine in a local network.
//!
//! No header of our own is asked for, unlike for the commands, so that any script can put a file.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Extension, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use manyhands_signaling::server::is_same_origin;

use super::super::Web;
use super::super::control::{Caller, check_own_machine, name_of_host};
use super::FilesFace;
use super::problem::Problem;

/// The node's files, for somebody who may list, fetch and put.
pub(super) struct Guest(pub(super) Arc<FilesFace>);

/// The node's files, for its own machine.
pub(super) struct Owner(pub(super) Arc<FilesFace>);

impl FromRequestParts<Arc<Web>> for Guest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Problem> {
        let files = files_of(web)?;
        check(parts, files.is_open)?;
        Ok(Self(files))
    }
}

impl FromRequestParts<Arc<Web>> for Owner {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Problem> {
        let files = files_of(web)?;
        check(parts, false)?;
        Ok(Self(files))
    }
}

fn files_of(web: &Web) -> Result<Arc<FilesFace>, Problem> {
    let files = web.node.as_ref().and_then(|node| node.files.clone());
    files.ok_or_else(|| Problem::unknown("this program keeps no files"))
}

fn check(parts: &Parts, is_open: bool) -> Result<(), Problem> {
    let refused = |why: &str| Problem::new(StatusCode::FORBIDDEN, why);
    if !is_same_origin(&parts.headers) || is_from_elsewhere(&parts.headers) {
        return Err(refused("only from this program's own page, or from no page at all"));
    }
    let caller: Caller = parts.extensions.get::<ConnectInfo<SocketAddr>>().copied().map(Extension);
    match check_own_machine(caller, &parts.headers) {
        Ok(()) => Ok(()),
        Err(_) if is_open && has_local_name(&parts.headers) => Ok(()),
        Err(_) if is_open => Err(refused("only under an address or a name of the local network")),
        Err(why) => Err(refused(&format!("{why}, unless it is started with --open-files"))),
    }
}

/// Whether a browser says that another site's page is behind the request.
fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none")
}

/// Whether the request names this machine by what a stranger's DNS cannot answer: an address, a name without a dot or one
/// that ends as only local names do.
fn has_local_name(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = name_of_host(host).trim_end_matches('.').to_ascii_lowercase();
    let is_local = |name: &str| {
        !name.contains('.')
            || [".local", ".lan", ".internal", ".home.arpa"].iter().any(|end| name.ends_with(end))
    };
    name.parse::<IpAddr>().is_ok() || (!name.is_empty() && is_local(&name))
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    const HERE: &str = "127.0.0.1:40000";
    const THERE: &str = "192.168.1.9:40000";

    #[test]
    fn the_own_machine_may_with_any_program() {
        assert_eq!(ask(HERE, &[("host", "127.0.0.1:8080")], false), None);
        assert_eq!(
            ask(HERE, &[("host", "localhost:8080"), ("origin", "http://localhost:8080")], false),
            None
        );
    }

    #[test]
    fn other_machines_may_where_the_person_said_so() {
        for host in ["192.168.1.7:8080", "node1:8080", "liz.local", "[fe80::1]:8080"] {
            assert_eq!(ask(THERE, &[("host", host)], true), None, "{host}");
            assert_eq!(ask(THERE, &[("host", host)], false), Some(403), "{host}");
        }
    }

    #[test]
    fn no_foreign_page_may() {
        for is_open in [false, true] {
            for headers in [
                [("host", "127.0.0.1:8080"), ("origin", "http://evil.example")],
                [("host", "127.0.0.1:8080"), ("sec-fetch-site", "cross-site")],
                [("host", "rebound.evil.example"), ("origin", "http://rebound.evil.example")],
            ] {
                assert_eq!(ask(HERE, &headers, is_open), Some(403), "{headers:?}");
            }
        }
    }

    fn ask(address: &str, headers: &[(&str, &str)], is_open: bool) -> Option<u16> {
        let address: SocketAddr = address.parse().unwrap();
        let request =
            headers.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, *value));
        let (parts, ()) = request.extension(ConnectInfo(address)).body(()).unwrap().into_parts();
        check(&parts, is_open).err().map(|problem| problem.status.as_u16())
    }
}
