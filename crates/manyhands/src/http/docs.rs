//! A page to read the API's description and to try it: `/api/docs`.
//!
//! The viewer is Swagger UI, which is built in, so that the page works without the internet. Its files are there compressed only:
//! every browser takes them so.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Web;

const PAGE: &str = include_str!("docs.html");
const START: &str = include_str!("docs.js");
const SCRIPT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui-bundle.js.gz"));
const STYLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui.css.gz"));

/// The routes of this part.
pub(super) fn routes() -> Router<Arc<Web>> {
    let page = async || answer("text/html; charset=utf-8", PAGE.as_bytes(), false);
    Router::new()
        .route("/api", get(page))
        .route("/api/", get(page))
        .route("/api/docs", get(page))
        .route(
            "/api/docs/start.js",
            get(async || answer("text/javascript; charset=utf-8", START.as_bytes(), false)),
        )
        .route(
            "/api/docs/swagger-ui.js",
            get(async || answer("text/javascript; charset=utf-8", SCRIPT, true)),
        )
        .route("/api/docs/swagger-ui.css", get(async || answer("text/css; charset=utf-8", STYLE, true)))
}

fn answer(content_type: &'static str, body: &'static [u8], is_gzipped: bool) -> Response {
    let mut answer = body.into_response();
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if is_gzipped {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    answer
}
