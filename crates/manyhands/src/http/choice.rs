//! The choice of the job, on the host's own machine: `POST /api/job`.
//!
//! Allowed for as long as the job has not begun: while the host waits in its lobby, or was started to have its job chosen.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use manyhands_wire::job::COUNTING_NUMBER_MAX;
use serde::Deserialize;
use tokio::sync::oneshot;

use super::Web;
use super::api::refuse;
use super::control::{Caller, check};
use crate::cli::job::{check_exponent, check_order};

/// A job that the host's person chose, and where to say what became of that.
pub(crate) struct Choice {
    /// The job.
    pub(crate) job: Chosen,
    /// Why it is refused, if it is.
    pub(crate) answer: oneshot::Sender<Result<(), String>>,
}

/// A job that can be chosen, within its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// Add the counting numbers up to this one.
    Sum {
        /// The last number.
        counting_number: u64,
    },
    /// Search these exponents for Mersenne primes.
    Mersenne {
        /// The first.
        from: u32,
        /// The last; none for a search without an end.
        to: Option<u32>,
    },
}

/// What is posted.
#[derive(Debug, Deserialize)]
#[serde(tag = "job", rename_all = "lowercase", deny_unknown_fields)]
enum Wish {
    Sum { counting_number: u64 },
    Mersenne { from: u64, to: Option<u64> },
}

/// `POST /api/job`
pub(super) async fn choose(
    State(web): State<Arc<Web>>,
    caller: Caller,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if let Err(why) = check(caller, &headers) {
        return refuse(StatusCode::FORBIDDEN, why);
    }
    let Some(node) = &web.node else {
        return refuse(StatusCode::NOT_FOUND, "a relay has no job");
    };
    let Some(choices) = &node.choices else {
        return refuse(StatusCode::CONFLICT, "only the host can choose the job");
    };
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return refuse(rejection.status(), &rejection.body_text()),
    };
    let job = match read(&body) {
        Ok(job) => job,
        Err(why) => return refuse(StatusCode::BAD_REQUEST, &why),
    };
    let (answer, answered) = oneshot::channel();
    let busy = || refuse(StatusCode::SERVICE_UNAVAILABLE, "busy or stopping: try again");
    if choices.try_send(Choice { job, answer }).is_err() {
        return busy();
    }
    match answered.await {
        Ok(Ok(())) => (StatusCode::ACCEPTED, Json(serde_json::json!({ "ok": true }))).into_response(),
        Ok(Err(why)) => refuse(StatusCode::CONFLICT, &why),
        Err(_) => busy(),
    }
}

/// The job that was posted, if it is within its limits.
fn read(body: &[u8]) -> Result<Chosen, String> {
    let wish: Wish = serde_json::from_slice(body).map_err(|error| {
        format!(
            "this is not the JSON asked for: {error}; it looks like {{\"job\":\"mersenne\",\"from\":2,\"to\":20000}} \
             or {{\"job\":\"sum\",\"counting_number\":100000000}}"
        )
    })?;
    match wish {
        Wish::Sum { counting_number } if counting_number <= COUNTING_NUMBER_MAX => {
            Ok(Chosen::Sum { counting_number })
        }
        Wish::Sum { .. } => Err(format!("the largest counting number is {COUNTING_NUMBER_MAX} (10^18)")),
        Wish::Mersenne { from, to } => {
            let (from, to) = (check_exponent(from)?, to.map(check_exponent).transpose()?);
            check_order(Some(from), to)?;
            Ok(Chosen::Mersenne { from, to })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_within_its_limits_is_read() {
        for (text, job) in [
            (r#"{"job":"mersenne","from":2,"to":20000}"#, Chosen::Mersenne { from: 2, to: Some(20_000) }),
            (r#"{"job":"mersenne","from":7,"to":null}"#, Chosen::Mersenne { from: 7, to: None }),
            (r#"{"job":"mersenne","from":7}"#, Chosen::Mersenne { from: 7, to: None }),
            (r#"{"job":"sum","counting_number":100}"#, Chosen::Sum { counting_number: 100 }),
        ] {
            assert_eq!(read(text.as_bytes()), Ok(job), "{text}");
        }
    }

    #[test]
    fn any_other_job_is_told_why_not() {
        for (text, why) in [
            ("", "not the JSON asked for"),
            (r#"{"job":"dance"}"#, "dance"),
            (r#"{"job":"mersenne"}"#, "from"),
            (r#"{"job":"mersenne","from":-2}"#, "-2"),
            (r#"{"job":"mersenne","from":0,"to":5}"#, "smallest exponent is 2"),
            (r#"{"job":"mersenne","from":10,"to":5}"#, "no exponents"),
            (r#"{"job":"mersenne","from":2,"to":4194305}"#, "largest exponent"),
            (r#"{"job":"mersenne","from":2,"to":18446744073709551615}"#, "largest exponent"),
            (r#"{"job":"sum","counting_number":1000000000000000001}"#, "largest counting number"),
        ] {
            let told = read(text.as_bytes()).unwrap_err();
            assert!(told.contains(why), "{text}: {told}");
        }
    }
}
