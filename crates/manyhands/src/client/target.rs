//! The node that is spoken to: its address, and what its answers mean.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body};

use crate::exit::{Failure, Reason};
use crate::voice::one_line;

/// How long a connection may take to open.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long an answer may take to begin: a node waits half a minute for a file that comes from others.
const ANSWER_WITHIN: Duration = Duration::from_secs(90);
/// The longest answer that is no file, in bytes: a page of ten thousand files with long names.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// A node's API.
#[derive(Clone)]
pub(super) struct Target {
    agent: Agent,
    origin: String,
}

impl Target {
    /// The node at an address, or at the address of an invite link.
    pub(super) fn new(url: &str) -> Result<Self, Failure> {
        let origin = url.split('#').next().unwrap_or_default().trim_end_matches('/');
        if origin.starts_with("https://") {
            return Err(Failure::new(Reason::Usage, "nodes speak http only: http://HOST:PORT"));
        }
        if !origin.starts_with("http://") || origin.len() == "http://".len() {
            let message = format!("`{url}` is no address: it looks like http://127.0.0.1:8080");
            return Err(Failure::new(Reason::Usage, message));
        }
        let config = Agent::config_builder()
            .timeout_connect(Some(CONNECT_WITHIN))
            .timeout_recv_response(Some(ANSWER_WITHIN))
            .http_status_as_error(false)
            .proxy(None);
        Ok(Self { agent: config.build().new_agent(), origin: origin.to_owned() })
    }

    /// The agent, for a request of another kind.
    pub(super) fn agent(&self) -> &Agent {
        &self.agent
    }

    /// The whole address of a path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Asks for something, and gives what came if it is good.
    pub(super) fn get(&self, path: &str) -> Result<Response<Body>, Failure> {
        self.good(self.agent.get(self.url(path)).call())
    }

    /// Asks for JSON.
    pub(super) fn get_json<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.json(self.get(path)?)
    }

    /// The JSON of an answer.
    pub(super) fn json<T: DeserializeOwned>(&self, mut answer: Response<Body>) -> Result<T, Failure> {
        let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let text = text.map_err(|error| self.nobody(&error))?;
        serde_json::from_str(&text).map_err(|error| {
            let message = format!(
                "what answers at {} is not manyhands, or another version of it: {error}",
                self.origin
            );
            Failure::new(Reason::Unreachable, message)
        })
    }

    /// An answer, if it is a good one.
    pub(super) fn good(
        &self,
        answer: Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>, Failure> {
        let mut answer = answer.map_err(|error| self.nobody(&error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let text =
            answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string().unwrap_or_default();
        let problem: Value = serde_json::from_str(&text).unwrap_or_default();
        let Some(detail) = problem["detail"].as_str() else {
            let message = format!(
                "what answers at {} is not manyhands, or another version of it: {status}",
                self.origin
            );
            return Err(Failure::new(Reason::Unreachable, message));
        };
        let mut message = one_line(detail);
        for candidate in problem["candidates"].as_array().into_iter().flatten() {
            let text = |name: &str| candidate[name].as_str().map(one_line).unwrap_or_default();
            message.push_str(&format!("\n  {}  {} bytes  {}", text("id"), candidate["size"], text("name")));
        }
        let reason = if status == 403 { Reason::Refused } else { Reason::File };
        Err(Failure::new(reason, message))
    }

    /// That nobody answers, or no longer.
    pub(super) fn nobody(&self, error: &dyn std::fmt::Display) -> Failure {
        let message = format!(
            "nobody answers at {}: {error}\nIs a host or a friend running there? Say where: http://HOST:PORT",
            self.origin
        );
        Failure::new(Reason::Unreachable, message)
    }
}

/// A name or id as part of a path. Two dots would be taken for a way up, so they are written out as well.
pub(crate) fn segment(word: &str) -> String {
    utf8_percent_encode(word, NON_ALPHANUMERIC).to_string()
}
