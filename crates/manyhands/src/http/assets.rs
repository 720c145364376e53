//! The page, embedded in the program as it was built.
//!
//! A file whose name holds the hash of its content never changes, so browsers may keep it for ever; all others are asked
//! for again and answered by their tag. Where the build left `X.gz` beside `X`, that is what travels.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rust_embed::{EmbeddedFile, RustEmbed};
use sha2::{Digest as _, Sha256};

/// How many hexadecimal digits in a file's name make a hash.
const HASH_DIGITS_MIN: usize = 8;

#[derive(RustEmbed)]
#[folder = "../../dist"]
#[allow_missing = true]
struct Dist;

/// Any path that no other route has.
pub(super) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")], "only GET\n")
            .into_response();
    }
    let path = match uri.path().trim_start_matches('/') {
        "" => "index.html",
        path => path,
    };
    if path.ends_with(".gz") {
        return not_found();
    }
    match Dist::get(path) {
        Some(file) => answer(path, file, Dist::get(&format!("{path}.gz")), &headers),
        None if path == "index.html" => no_page(),
        None => not_found(),
    }
}

/// The file, or that the browser has it already.
fn answer(path: &str, plain: EmbeddedFile, gzipped: Option<EmbeddedFile>, headers: &HeaderMap) -> Response {
    let has_gzip = gzipped.is_some();
    let gzipped = gzipped.filter(|_| accepts_gzip(headers));
    let is_gzipped = gzipped.is_some();
    let file = gzipped.unwrap_or(plain);

    let mut answer = Response::new(Body::empty());
    let tag = format!("\"{}\"", hex(&file.metadata.sha256_hash()[..16]));
    let is_known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|tags| tags.to_str().ok())
        .is_some_and(|tags| tags.split(',').any(|known| known.trim().trim_start_matches("W/") == tag));
    if is_known {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        *answer.body_mut() = Body::from(file.data);
    }

    let out = answer.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(path)));
    let cache = if is_hashed(path) { "public, max-age=31536000, immutable" } else { "no-cache" };
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    out.extend(HeaderValue::from_str(&tag).map(|tag| (header::ETAG, tag)));
    if has_gzip {
        out.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    if is_gzipped && !is_known {
        out.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    answer
}

/// The hashes of the scripts that stand in the page itself, as a content security policy lists them.
pub(super) fn script_hashes() -> Arc<str> {
    let index = Dist::get("index.html").map(|file| file.data).unwrap_or_default();
    let hashes = inline_scripts(&String::from_utf8_lossy(&index))
        .map(|script| format!(" 'sha256-{}'", STANDARD.encode(Sha256::digest(script))))
        .collect::<String>();
    hashes.into()
}

/// The texts of all scripts without a `src`.
fn inline_scripts(html: &str) -> impl Iterator<Item = &str> {
    html.split("<script").skip(1).filter_map(|rest| {
        let (attributes, rest) = rest.split_once('>')?;
        let (script, _) = rest.split_once("</script")?;
        (!attributes.contains("src=")).then_some(script)
    })
}

/// Whether the file's name holds the hash of its content, as in `app-5e3c1a90b7d24f86.js`.
fn is_hashed(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.split(['-', '_', '.'])
        .skip(1)
        .any(|part| part.len() >= HASH_DIGITS_MIN && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|accepted| accepted.to_str().ok());
    accepted.unwrap_or_default().split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let is_refused = parts.any(|part| part.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0)));
        is_gzip && !is_refused
    })
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "there is nothing here\n").into_response()
}

/// What a program says that was built without the page.
fn no_page() -> Response {
    const PAGE: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Manyhands</title>\
        <meta name=\"viewport\" content=\"width=device-width\">\
        <body style=\"font-family: system-ui; max-width: 40rem; margin: 4rem auto; padding: 0 1rem\">\
        <h1>The page is not built in</h1>\
        <p>This program was built without its web page. Build it with <code>cargo xtask build</code>, or lend a hand \
        from a terminal: <code>manyhands join '…'</code> with the whole link in quotes.</p></body></html>\n";
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    (StatusCode::OK, headers, PAGE).into_response()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use rust_embed::Metadata;

    use super::*;

    #[test]
    fn only_names_with_a_hash_are_kept_for_ever() {
        for hashed in
            ["app-5e3c1a90b7d24f86.js", "app-5e3c1a90b7d24f86_bg.wasm", "fonts/style-0011223344556677.css"]
        {
            assert!(is_hashed(hashed), "{hashed}");
        }
        for plain in
            ["index.html", "worker.js", "worker_loader.js", "snippets/leptos-0011223344556677/inline0.js"]
        {
            assert!(!is_hashed(plain), "{plain}");
        }
    }

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        let asks =
            |text: &'static str| HeaderMap::from_iter([(header::ACCEPT_ENCODING, text.parse().unwrap())]);

        assert!(accepts_gzip(&asks("gzip, deflate, br")));
        assert!(accepts_gzip(&asks("br;q=1.0, gzip;q=0.8")));
        assert!(!accepts_gzip(&asks("br, gzip;q=0")));
        assert!(!accepts_gzip(&asks("identity")));
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    #[test]
    fn a_known_file_is_not_sent_again() {
        let plain = || file(b"plain", 1);
        let gzipped = || Some(file(b"gzipped", 2));
        let mut headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, "gzip".parse().unwrap())]);

        let first = answer("index.html", plain(), gzipped(), &headers);
        assert_eq!(first.headers()[header::CONTENT_ENCODING], "gzip");
        assert_eq!(first.headers()[header::VARY], "accept-encoding");
        assert_eq!(first.headers()[header::CACHE_CONTROL], "no-cache");
        headers.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        let second = answer("index.html", plain(), gzipped(), &headers);
        let other = answer("index.html", plain(), None, &headers);

        assert_eq!(second.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(other.status(), StatusCode::OK, "the plain bytes have another tag");
    }

    #[test]
    fn scripts_in_the_page_are_found_and_others_not() {
        let html =
            "<script>one()</script><p><script type=\"module\">two()</script><script src=\"x.js\"></script>";

        assert_eq!(inline_scripts(html).collect::<Vec<_>>(), ["one()", "two()"]);
    }

    fn file(data: &'static [u8], hash: u8) -> EmbeddedFile {
        EmbeddedFile { data: data.into(), metadata: Metadata::__rust_embed_new([hash; 32], None, None) }
    }
}
