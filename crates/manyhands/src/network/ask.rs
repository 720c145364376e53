//! Questions and orders to a node, over its HTTP API on this machine.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::state::Node;
use crate::exit::{Failure, Reason};

/// How long an answer may take: a node answers in milliseconds, unless the machine is busy with all of them.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The longest answer, in bytes.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// Speaks to nodes.
#[derive(Clone)]
pub(super) struct Client(ureq::Agent);

impl Client {
    /// A client without a proxy: nodes are on this machine.
    pub(super) fn new() -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(ANSWER_WITHIN))
            .http_status_as_error(false)
            .proxy(None)
            // A connection that is kept open keeps a node that ends waiting for it.
            .max_idle_connections(0);
        Self(config.build().new_agent())
    }

    /// Asks a node.
    ///
    /// # Errors
    /// If it does not answer, or with something else.
    pub(super) fn get<T: DeserializeOwned>(&self, node: &Node, path: &str) -> Result<T, Failure> {
        let answer = self.0.get(format!("{}{path}", node.url())).call();
        let text = read(node, answer)?;
        serde_json::from_str(&text).map_err(|error| {
            let message = format!("node {} answers something unknown: {error}", node.number);
            Failure::new(Reason::Unreachable, message)
        })
    }

    /// Gives a node an order, with something to say where the order needs it.
    ///
    /// # Errors
    /// If it does not answer, or refuses.
    pub(super) fn post(&self, node: &Node, path: &str, body: Option<&Value>) -> Result<(), Failure> {
        let request = self.0.post(format!("{}{path}", node.url())).header("x-manyhands", "1");
        let answer = match body {
            Some(body) => request.send(body.to_string()),
            None => request.send_empty(),
        };
        read(node, answer).map(drop)
    }
}

/// The text of a good answer.
fn read(
    node: &Node,
    answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<String, Failure> {
    let nobody = |error: ureq::Error| {
        let message = format!("node {} does not answer at {}: {error}", node.number, node.url());
        Failure::new(Reason::Unreachable, message)
    };
    let mut answer = answer.map_err(nobody)?;
    let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string().map_err(nobody)?;
    let status = answer.status().as_u16();
    if answer.status().is_success() {
        return Ok(text);
    }
    let told: Option<Value> = serde_json::from_str(&text).ok();
    let why = told.as_ref().and_then(|told| told["error"].as_str()).unwrap_or("it does not say why");
    // Too long or malformed is the caller's to mend; asleep or busy is the network's.
    let reason = if matches!(status, 400 | 413) { Reason::Usage } else { Reason::Network };
    Err(Failure::new(reason, format!("node {}: {why}", node.number)))
}
