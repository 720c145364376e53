//! Facts about requests to put files that are refused: what they wrote is gone, and what others put is not.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Method;
use futures_util::{StreamExt as _, stream};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::fixture::{Answer, Fixture, UNLISTED, hex};

/// Far longer than anything here takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

/// The beginning of a request that puts `x`, and the rest of it when it is told.
fn slow(node: &Fixture) -> (mpsc::Sender<&'static str>, impl Future<Output = Answer> + '_) {
    let (rest, pieces) = mpsc::channel(4);
    let body = stream::unfold(pieces, async |mut pieces: mpsc::Receiver<&'static str>| {
        pieces.recv().await.map(|piece| (Ok::<_, std::io::Error>(Bytes::from(piece)), pieces))
    });
    rest.try_send(r#"{"files":[{"name":"x","content":"0102"},{"name":"slow","content":"03"#).unwrap();
    (rest, node.ask_with(Method::POST, "/api/files", JSON, Body::from_stream(body)))
}

#[tokio::test]
async fn a_refused_request_does_not_take_back_what_another_one_puts() {
    for first in ["the good one", "the refused one"] {
        let node = Fixture::new();
        let both = r#"{"files":[{"name":"x","content":"0102"},oops"#;

        let put = if first == "the good one" {
            let (rest, asking) = slow(&node);
            let other = async {
                node.until(|| node.face.store.sized().0 > 0).await;
                let refused = node.ask(Method::POST, "/api/files", JSON, both).await;
                assert_eq!(refused.status, 400, "{}", refused.text());
                rest.send(r#""}]}"#).await.unwrap();
                drop(rest);
            };
            tokio::join!(asking, other).0
        } else {
            let (rest, asking) = slow(&node);
            let other = async {
                node.until(|| node.face.store.sized().0 > 0).await;
                let put = node.put_json(json!([{ "name": "x", "content": "0102" }])).await;
                rest.send("oops").await.unwrap();
                drop(rest);
                put
            };
            let (refused, put) = tokio::join!(asking, other);
            assert_eq!(refused.status, 400, "{}", refused.text());
            put
        };

        assert_eq!(put.status, 201, "{first}: {}", put.text());
        let got = node.get("/api/files/x").await;
        assert_eq!((got.status, got.body.as_ref()), (200, &[1, 2][..]), "{first}: {}", got.text());
    }
}

#[tokio::test]
async fn what_was_put_is_kept_by_the_store_when_that_is_said() {
    let node = Fixture::new();

    let put =
        node.put_json(json!([{ "name": "a", "content": "00" }, { "name": "b", "content": "01" }])).await;

    assert_eq!(put.status, 201, "{}", put.text());
    for file in node.list.borrow().iter() {
        assert!(node.face.store.is_kept(&file.id), "{}", file.name);
    }
}

#[tokio::test]
async fn a_file_that_the_network_has_no_place_for_is_not_put() {
    let node = Fixture::new();

    let refused = node.put_json(json!([{ "name": UNLISTED, "content": "0102" }])).await;

    assert_eq!(refused.status, 507, "{}", refused.text());
    assert!(refused.text().contains("as many files as it can"), "{}", refused.text());
    assert_eq!(node.face.store.sized().0, 0, "its content is gone");
    assert_eq!(node.get("/api/files?kind=all").await.json()["total"], 0);
}

#[tokio::test]
async fn a_forgotten_file_stays_forgotten_when_a_request_with_it_is_refused() {
    let node = Fixture::new();
    let put = node.put_json(json!([{ "name": "x", "content": "0102" }])).await;
    let path = format!("/api/files/{}", put.json()["files"][0]["id"].as_str().unwrap());
    assert_eq!(node.ask(Method::DELETE, &path, &[], "").await.status, 204);
    let id = node.list.borrow()[0].id;

    let refused =
        node.ask(Method::POST, "/api/files", JSON, r#"{"files":[{"name":"x","content":"0102"},oops"#).await;

    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(node.face.store.is_forgotten(&id) && !node.face.store.is_whole(&id));
    assert_eq!(node.face.store.sized().0, 0);
}

#[tokio::test]
async fn requests_that_are_refused_leave_nothing_that_counts() {
    let node = Fixture::new();
    let files: Vec<String> = (0..9900).map(|at| format!(r#"{{"name":"{at}","content":""}}"#)).collect();

    // More than the store knows files at most.
    for round in 0..7 {
        let files = files.join(",").replace("\"name\":\"", &format!("\"name\":\"{round}-"));
        let body = format!(r#"{{"files":[{files},oops"#);
        assert_eq!(node.ask(Method::POST, "/api/files", JSON, &body).await.status, 400);
    }

    let put = node.put_json(json!([{ "name": "a", "content": "00" }])).await;
    assert_eq!(put.status, 201, "{}", put.text());
}

#[tokio::test]
async fn a_form_without_an_end_of_a_head_is_not_held() {
    let node = Fixture::new();
    let endless_head = "--XX\r\ncontent-disposition: form-data; name=\"f\"\r\nx-long: ";
    for begin in ["", endless_head] {
        let (given, count) = (Bytes::from(vec![b'a'; 16 * 1024]), std::sync::Arc::new(0_u64.into()));
        let counted: std::sync::Arc<std::sync::atomic::AtomicU64> = std::sync::Arc::clone(&count);
        let endless = stream::repeat_with(move || {
            let pieces = counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            (pieces < 1000).then(|| Ok::<_, std::io::Error>(given.clone()))
        });
        let endless =
            endless.take_while(|piece| std::future::ready(piece.is_some())).filter_map(std::future::ready);
        let body = stream::iter([Ok(Bytes::from(begin.to_owned()))]).chain(endless);

        let asking = node.ask_with(
            Method::POST,
            "/api/files",
            &[("content-type", "multipart/form-data; boundary=XX")],
            Body::from_stream(body),
        );
        let refused = timeout(PATIENCE, asking).await.unwrap();

        assert_eq!(refused.status, 400, "{}", refused.text());
        assert!(refused.text().contains("does not end"), "{}", refused.text());
        assert_eq!(
            count.load(std::sync::atomic::Ordering::Relaxed),
            1001,
            "what follows is heard, and dropped"
        );
    }
}

#[tokio::test]
async fn a_form_in_large_packets_is_understood() {
    let node = Fixture::new();
    let content = vec![b'x'; 30_000];
    let disposition: Vec<String> = (0..6).map(|at| format!("filename=\"f{at}\"")).collect();
    let small: Vec<(&str, &[u8])> =
        disposition.iter().map(|part| (part.as_str(), &content[..10_000])).collect();

    // All of it is one packet, larger than what may come before a part begins.
    let put = node.form(&[&[("filename=\"large\"", &content[..])], &small[..]].concat()).await;

    assert_eq!(put.status, 201, "{}", put.text());
    assert_eq!(put.json()["files"].as_array().unwrap().len(), 7);
}

#[tokio::test]
async fn what_is_longer_than_there_is_room_for_is_refused_before_it_comes() {
    let node = Fixture::new();
    let pulled = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    for content_type in ["application/json", "multipart/form-data; boundary=XX"] {
        let seen = std::sync::Arc::clone(&pulled);
        let body = Body::from_stream(stream::once(async move {
            seen.store(true, std::sync::atomic::Ordering::Relaxed);
            Ok::<_, std::io::Error>(Bytes::new())
        }));
        let headers =
            [("content-type", content_type), ("content-length", "9000000000"), ("expect", "100-continue")];

        let refused = node.ask_with(Method::POST, "/api/files", &headers, body).await;

        assert_eq!(refused.status, 507, "{}", refused.text());
        assert!(refused.text().contains("quota"), "{}", refused.text());
        assert!(!pulled.load(std::sync::atomic::Ordering::Relaxed), "nothing was asked to be sent");
    }
}

#[tokio::test]
async fn who_says_how_long_a_part_is_hears_at_once_that_it_is_too_long() {
    let node = Fixture::new();
    let body = "--XX\r\ncontent-disposition: form-data; name=\"f\"; filename=\"f\"\r\ncontent-length: 40001\r\n\r\nx";

    let headers = [("content-type", "multipart/form-data; boundary=XX")];
    let refused = node.ask(Method::POST, "/api/files", &headers, body).await;

    assert_eq!(refused.status, 413, "{}", refused.text());
    let hex = hex(&[0; 3]);
    assert_eq!(node.put_json(json!([{ "name": "f", "content": hex }])).await.status, 201);
}
