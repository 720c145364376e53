//! Facts about the routes for files, with a real store, and a node that only keeps a list of what it is told.

mod fixture;
mod refused;

use axum::body::{Body, Bytes};
use axum::http::Method;
use fixture::{FILE_BYTES_MAX, Fixture, entry, hex, info, options};
use futures_util::stream;
use manyhands_core::files::StoreOrder;
use manyhands_wire::file::{CHUNK_BYTES_MIN, FileKind};
use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn a_file_comes_back_as_it_was_put() {
    let node = Fixture::new();

    let put = node.put_json(json!([{ "name": "a.txt", "content": "68656c6C6F0a" }])).await;
    let id = put.json()["files"][0]["id"].as_str().unwrap().to_owned();

    assert_eq!(put.status, 201, "{}", put.text());
    assert_eq!(put.json()["set"], Value::Null);
    assert_eq!(
        (&put.json()["files"][0]["name"], &put.json()["files"][0]["size"]),
        (&json!("a.txt"), &json!(6))
    );
    assert_eq!(put.header("location"), format!("/api/files/{id}"));
    for path in
        [format!("/api/files/{id}"), format!("/api/files/{}", &id[..8]), "/api/files/a.txt".to_owned()]
    {
        let got = node.get(&path).await;
        assert_eq!((got.status, got.body.as_ref()), (200, &b"hello\n"[..]), "{path}");
        assert_eq!(got.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(got.header("etag"), format!("\"{id}\""));
        assert_eq!(got.header("content-security-policy"), "default-src 'none'; sandbox");
        assert_eq!(got.header("cross-origin-resource-policy"), "same-origin");
        assert!(got.header("content-disposition").starts_with("attachment; filename=\"a.txt\""));
    }
    let hex = node.get(&format!("/api/files/{id}?format=hex")).await;
    assert_eq!(hex.json(), json!({ "id": id, "name": "a.txt", "size": 6, "content": "68656c6c6f0a" }));
    assert_eq!(hex.header("content-length"), hex.body.len().to_string());
    let known = node
        .ask(Method::GET, &format!("/api/files/{id}"), &[("if-none-match", &format!("\"{id}\""))], "")
        .await;
    assert_eq!((known.status, known.body.len()), (304, 0));
}

#[tokio::test]
async fn any_part_of_a_file_is_given() {
    let node = Fixture::new();
    let content: Vec<u8> = (0..5000_u32).map(|at| (at % 251) as u8).collect();
    node.put_json(json!([{ "name": "f", "content": hex(&content) }])).await;
    let range =
        async |text: &'static str| node.ask(Method::GET, "/api/files/f", &[("range", text)], "").await;

    for (text, part) in [
        ("bytes=0-0", 0..1),
        ("bytes=1000-3999", 1000..4000),
        ("bytes=1024-2047", 1024..2048),
        ("bytes=4990-", 4990..5000),
        ("bytes=-1", 4999..5000),
    ] {
        let got = range(text).await;
        assert_eq!((got.status, got.body.as_ref()), (206, &content[part.clone()]), "{text}");
        assert_eq!(got.header("content-range"), format!("bytes {}-{}/5000", part.start, part.end - 1));
        assert_eq!(got.header("content-length"), part.len().to_string());
    }
    let beyond = range("bytes=5000-").await;
    assert_eq!((beyond.status, beyond.header("content-range")), (416, "bytes */5000"));
    assert_eq!(beyond.header("content-type"), "application/problem+json");
    let several = range("bytes=0-1,5-6").await;
    assert_eq!((several.status, several.body.as_ref()), (200, &content[..]));
    let head = node.ask(Method::HEAD, "/api/files/f", &[("range", "bytes=0-0")], "").await;
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, "5000", 0));
}

#[tokio::test]
async fn several_files_are_a_set() {
    let node = Fixture::new();

    let put = node
        .ask(
            Method::POST,
            "/api/files?set=my%20notes",
            &[("content-type", "application/json")],
            r#" { "files" : [ {"content":"00","name":"a"} , {"name":"b","content":"","type":"x/y"}, {"name":"a","content":"00"} ] } "#,
        )
        .await;
    assert_eq!(put.status, 201, "{}", put.text());
    let set = put.json()["set"].as_str().unwrap().to_owned();
    let told = node.get(&format!("/api/sets/{set}")).await.json();

    assert_eq!(put.header("location"), format!("/api/sets/{set}"));
    assert_eq!(put.json()["files"].as_array().unwrap().len(), 3);
    assert_eq!((&told["id"], &told["name"], &told["unknown"]), (&json!(set), &json!("my notes"), &json!([])));
    let names: Vec<_> = told["files"].as_array().unwrap().iter().map(|file| file["name"].clone()).collect();
    assert_eq!(names, ["a", "b"], "the same file twice is one file");
    assert_eq!(told["files"][1]["type"], "x/y");
    let names = |listing: Value| -> Vec<Value> {
        listing["files"].as_array().unwrap().iter().map(|file| file["name"].clone()).collect()
    };
    assert_eq!(names(node.get("/api/files").await.json()), ["b", "a"]);
    assert_eq!(names(node.get("/api/files?kind=set").await.json()), ["my notes"]);
    assert_eq!(names(node.get("/api/files?name=b").await.json()), ["b"]);
    assert_eq!(node.get("/api/files?limit=1").await.json()["total"], 2);
    assert_eq!(node.get("/api/sets/b").await.status, 404, "a file is no set");
}

#[tokio::test]
async fn names_are_data() {
    let node = Fixture::new();
    let long = "n".repeat(1024);
    let names = [
        "../../etc/passwd",
        "a\0b",
        "🦦 ü",
        "x\r\nset-cookie: a=b",
        &"n".repeat(300),
        "\"",
        "%2e%2e",
        "..",
        &long,
    ];

    for name in names {
        let put = node.put_json(json!([{ "name": name, "content": "01" }])).await;
        assert_eq!(put.status, 201, "{name:?}: {}", put.text());
        let id = put.json()["files"][0]["id"].as_str().unwrap().to_owned();
        let info = node.get(&format!("/api/files/{id}/info")).await.json();
        let got = node.get(&format!("/api/files/{}", crate::client::target::segment(name))).await;
        assert_eq!((&info["name"], info["here"].as_f64()), (&json!(name), Some(1.0)));
        assert_eq!(
            (got.status, got.body.as_ref(), got.header("set-cookie")),
            (200, &[1][..], ""),
            "{name:?}"
        );

        let again =
            node.form(&[(&format!("filename=\"x\"; filename*={}", names::extended(name)), b"\x01")]).await;
        assert_eq!(again.json()["files"][0]["id"], id, "{name:?}: {}", again.text());
    }
    for bad in ["", &"n".repeat(1025)] {
        assert_eq!(node.put_json(json!([{ "name": bad, "content": "01" }])).await.status, 400);
    }
}

#[tokio::test]
async fn a_form_may_be_cut_anywhere() {
    let node = Fixture::new();
    let body = b"--XX\r\ncontent-disposition: form-data; name=\"set\"\r\n\r\ntwo\r\n\
        --XX\r\ncontent-disposition: form-data; name=\"f\"; filename=\"a.bin\"\r\ncontent-type: image/png\r\n\r\n\r\n--X\r\n\r\n\
        --XX\r\ncontent-disposition: form-data; name=\"f\"; filename=\"empty\"\r\n\r\n\r\n--XX--\r\n";

    for piece_bytes in [1, 2, 7, 1000] {
        let pieces: Vec<_> = body
            .chunks(piece_bytes)
            .map(|piece| Ok::<_, std::io::Error>(Bytes::from_static(piece)))
            .collect();
        let put = node
            .ask_with(
                Method::POST,
                "/api/files",
                &[("content-type", "multipart/form-data; boundary=XX")],
                Body::from_stream(stream::iter(pieces)),
            )
            .await;
        assert_eq!(put.status, 201, "{}", put.text());
        let got = node.get("/api/files/a.bin").await;
        assert_eq!((got.body.as_ref(), got.header("content-type")), (&b"\r\n--X\r\n"[..], "image/png"));
        assert_eq!(node.get("/api/files/empty").await.body.len(), 0);
        assert_eq!(node.get("/api/files/two/info").await.json()["kind"], "set");
    }
    assert_eq!(node.get("/api/files").await.json()["total"], 2, "the same files have the same ids");
}

#[tokio::test]
async fn what_cannot_be_put_is_told_why() {
    let node = Fixture::new();
    let json_type = [("content-type", "application/json")];
    for (body, status) in [
        ("", 400),
        ("[]", 400),
        ("{}", 400),
        (r#"{"files":[]}"#, 400),
        (r#"{"files":{}}"#, 400),
        (r#"{"files":[{"name":"a"}]}"#, 400),
        (r#"{"files":[{"content":"00"}]}"#, 400),
        (r#"{"files":[{"name":"a","content":"0"}]}"#, 400),
        (r#"{"files":[{"name":"a","content":"0g"}]}"#, 400),
        (r#"{"files":[{"name":"a","content":"00"#, 400),
        (r#"{"files":[{"name":"a","content":"00"}]"#, 400),
        (r#"{"files":[{"name":"a","content":"00"}]} x"#, 400),
        (r#"{"files":[{"name":"a","content":"00"},]}"#, 400),
        (r#"{"files":[{"name":"a","content":"00",}]}"#, 400),
        (r#"{"files":[{"name":"a","content":"00"}{"name":"b","content":"00"}]}"#, 400),
        (r#"{"files":[{"name":"a","content":"00","path":"/"}]}"#, 400),
        (r#"{"files":[{"name":"a","name":"b","content":"00"}]}"#, 400),
        (r#"{"files":[{"name":"a","content":"00","type":"plain"}]}"#, 400),
        (r#"{"files":[{"name":"a","type":"plain","content":"00"}]}"#, 400),
        (r#"{"files":[{"name":7,"content":"00"}]}"#, 400),
        (r#"{"files":[{"name":"a","content":"00"}],"extra":1}"#, 400),
    ] {
        let refused = node.ask(Method::POST, "/api/files", &json_type, body).await;
        assert_eq!(
            (refused.status, refused.header("content-type")),
            (status, "application/problem+json"),
            "{body}"
        );
        assert_eq!(refused.json()["status"], status, "{body}: {}", refused.text());
    }
    let huge = format!(
        r#"{{"files":[{{"name":"ok","content":"00"}},{{"name":"huge","content":"{}"}}]}}"#,
        "ab".repeat(50_000)
    );
    let too_large = node.ask(Method::POST, "/api/files", &json_type, &huge).await;
    let other = node.ask(Method::POST, "/api/files", &[("content-type", "text/plain")], "x").await;
    let untyped = node.ask(Method::POST, "/api/files", &[], "x").await;
    let unbounded =
        node.ask(Method::POST, "/api/files", &[("content-type", "multipart/form-data")], "x").await;
    let cut = node
        .ask(Method::POST, "/api/files", &[("content-type", "multipart/form-data; boundary=X")], "--X\r\n")
        .await;

    assert_eq!(too_large.status, 413, "{}", too_large.text());
    assert_eq!((other.status, untyped.status, unbounded.status, cut.status), (415, 415, 400, 400));
    assert_eq!(
        node.get("/api/files").await.json()["total"],
        0,
        "of a request that is refused nothing is put"
    );
}

#[tokio::test]
async fn all_of_a_request_is_put_or_nothing() {
    let node = Fixture::new();
    let third = FILE_BYTES_MAX as usize;
    let files = |count: usize| -> Value {
        (0..count)
            .map(|at| json!({ "name": format!("f{at}"), "content": hex(&vec![at as u8; third]) }))
            .collect()
    };

    let refused = node.put_json(files(3)).await;
    assert_eq!(refused.status, 507, "{}", refused.text());
    assert_eq!(refused.json()["file"], "f2");
    assert_eq!(node.get("/api/files").await.json()["total"], 0);
    // What was written of it is thrown away, so there is room again.
    for _ in 0..100 {
        if node.face.store.sized().0 == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(node.put_json(files(2)).await.status, 201);

    let again = node.put_json(files(3)).await;
    assert_eq!(again.status, 507);
    assert_eq!(node.get("/api/files/f1").await.body.len(), third, "what was put before stays");
}

#[tokio::test]
async fn a_request_that_breaks_off_puts_nothing() {
    let node = Fixture::new();
    let start = Bytes::from_static(br#"{"files":[{"name":"a","content":"0001"#);
    let pieces = [Ok(start), Err(std::io::Error::other("the line is cut"))];

    let cut = Body::from_stream(stream::iter(pieces));
    let refused =
        node.ask_with(Method::POST, "/api/files", &[("content-type", "application/json")], cut).await;

    assert_eq!(refused.status, 400, "{}", refused.text());
    assert_eq!(node.get("/api/files").await.json()["total"], 0);
}

#[tokio::test]
async fn a_file_that_is_forgotten_is_not_listed_and_not_here() {
    let node = Fixture::new();
    let put = node.put_json(json!([{ "name": "a", "content": "00" }])).await;
    let path = format!("/api/files/{}", put.json()["files"][0]["id"].as_str().unwrap());

    assert_eq!(node.ask(Method::DELETE, &path, &[], "").await.status, 204);
    assert_eq!(node.ask(Method::DELETE, &path, &[], "").await.status, 404);
    assert_eq!(node.get("/api/files").await.json()["total"], 0);
    assert_eq!(node.get("/api/files/a").await.status, 404);
    assert_eq!(node.get(&format!("{path}/info")).await.json()["state"], "forgotten");
    let gone = node.get(&path).await;
    assert_eq!(gone.status, 404, "{}", gone.text());
    assert!(gone.json()["detail"].as_str().unwrap().contains("nobody is linked"), "{}", gone.text());
}

#[tokio::test]
async fn what_is_not_here_is_waited_for() {
    let node = Fixture::new();
    let content = vec![7; 3 * CHUNK_BYTES_MIN as usize];
    let other = tempfile::tempdir().unwrap();
    let (other, _) = FileStore::open(other.path(), options()).unwrap();
    let file = other.put("far".into(), String::new(), FileKind::File, None, &content[..]).await.unwrap();
    let id = file.manifest.id();
    let entry = entry(&file);
    node.list.send_modify(|files| Arc::make_mut(files).push(info(&file, 0, FileState::Waiting)));

    let asking = node.get("/api/files/far");
    let giving = async {
        let hashes =
            content.chunks(CHUNK_BYTES_MIN as usize).map(|chunk| *blake3::hash(chunk).as_bytes()).collect();
        node.orders.send(StoreOrder::Keep(entry)).await.unwrap();
        node.orders.send(StoreOrder::Begin { file: id, hashes }).await.unwrap();
        for (at, chunk) in content.chunks(CHUNK_BYTES_MIN as usize).enumerate().rev() {
            tokio::task::yield_now().await;
            let order = StoreOrder::Write { file: id, chunk: at as u32, bytes: chunk.to_vec() };
            node.orders.send(order).await.unwrap();
        }
    };
    let (got, ()) = tokio::join!(asking, giving);

    assert_eq!((got.status, got.body.as_ref()), (200, &content[..]), "{}", got.text());
    assert!(node.told.lock().unwrap().contains(&Command::FetchFile(id, Some(0))));
}

#[tokio::test]
async fn who_reads_a_file_does_not_bring_it_back_that_is_thrown_away_meanwhile() {
    let node = Fixture::new();
    let content = vec![7; 2 * CHUNK_BYTES_MIN as usize];
    let other = tempfile::tempdir().unwrap();
    let (other, _) = FileStore::open(other.path(), options()).unwrap();
    let file = other.put("far".into(), String::new(), FileKind::File, None, &content[..]).await.unwrap();
    let id = file.manifest.id();
    let hashes: Vec<_> =
        content.chunks(CHUNK_BYTES_MIN as usize).map(|chunk| *blake3::hash(chunk).as_bytes()).collect();
    let bytes = content[..CHUNK_BYTES_MIN as usize].to_vec();
    node.list.send_modify(|files| Arc::make_mut(files).push(info(&file, 1, FileState::Fetching)));
    for order in [
        StoreOrder::Keep(entry(&file)),
        StoreOrder::Begin { file: id, hashes },
        StoreOrder::Write { file: id, chunk: 0, bytes },
    ] {
        node.orders.send(order).await.unwrap();
    }
    let known = node.list.borrow()[0].clone();
    let mut reading = content::Reading::new(Arc::clone(&node.face), &known, 0..known.size);

    let first = reading.next().await.unwrap().unwrap();
    let deleted = node.ask(Method::DELETE, &format!("/api/files/{id}"), &[], "").await;
    let second = reading.next().await;

    assert_eq!((first.len(), deleted.status), (CHUNK_BYTES_MIN as usize, 204));
    assert_eq!(second.unwrap_err().status, 404);
    assert!(
        !node.told.lock().unwrap().contains(&Command::FetchFile(id, Some(1))),
        "nothing is fetched again"
    );
}

#[tokio::test]
async fn other_machines_may_only_where_the_person_said_so() {
    for is_open in [false, true] {
        let node = Fixture::with(is_open);
        node.put_json(json!([{ "name": "a", "content": "00" }])).await;
        let there = async |method: Method, path: &'static str| {
            let body = if method == Method::POST { r#"{"files":[{"name":"b","content":"00"}]}"# } else { "" };
            let headers = [("host", "192.168.1.7:8080"), ("content-type", "application/json")];
            node.ask_from("192.168.1.9:40000", method, path, &headers, Body::from(body)).await
        };

        for (method, path, allowed) in [
            (Method::GET, "/api/files", 200),
            (Method::GET, "/api/files/a", 200),
            (Method::GET, "/api/files/a/info", 200),
            (Method::POST, "/api/files", 201),
            (Method::DELETE, "/api/files/a", 403),
        ] {
            let answer = there(method.clone(), path).await;
            assert_eq!(
                answer.status,
                if is_open { allowed } else { 403 },
                "{method} {path}: {}",
                answer.text()
            );
        }
        let foreign = [("origin", "http://evil.example"), ("content-type", "application/json")];
        assert_eq!(node.ask(Method::POST, "/api/files", &foreign, "{}").await.status, 403);
    }
}

#[tokio::test]
async fn wrong_methods_and_questions_are_problems() {
    let node = Fixture::new();

    for (method, path, status) in [
        (Method::PUT, "/api/files", 405),
        (Method::POST, "/api/files/a", 405),
        (Method::DELETE, "/api/sets/a", 405),
        (Method::GET, "/api/files?limit=0", 400),
        (Method::GET, "/api/files?limit=x", 400),
        (Method::GET, "/api/files?limit=10001", 400),
        (Method::GET, "/api/files?kind=folder", 400),
        (Method::GET, "/api/files?after=12", 400),
        (Method::GET, "/api/files?colour=red", 400),
        (Method::GET, "/api/files/unknown", 404),
        (Method::GET, "/api/files/unknown/info", 404),
        (Method::GET, "/api/sets/unknown", 404),
        (Method::GET, "/api/files/%ff", 400),
    ] {
        let answer = node.ask(method.clone(), path, &[], "").await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, "application/problem+json"),
            "{method} {path}: {}",
            answer.text()
        );
        assert_eq!(answer.header("allow").is_empty(), status != 405, "{method} {path}");
    }
}

#[tokio::test]
async fn the_description_is_true_of_files() {
    let node = Fixture::new();
    let api: Value = node.get("/api/openapi.json").await.json();
    let paths = api["paths"].as_object().unwrap();
    let about_files: Vec<_> =
        paths.keys().filter(|path| path.starts_with("/api/files") || path.starts_with("/api/sets")).collect();
    assert_eq!(about_files, ["/api/files", "/api/files/{id}", "/api/files/{id}/info", "/api/sets/{id}"]);

    let example = &paths["/api/files"]["post"]["requestBody"]["content"]["application/json"]["example"];
    let put = node
        .ask(Method::POST, "/api/files", &[("content-type", "application/json")], &example.to_string())
        .await;
    let two = node.put_json(json!([{ "name": "b", "content": "" }, { "name": "c", "content": "" }])).await;
    let set = two.json()["set"].as_str().unwrap().to_owned();
    let file = api["components"]["parameters"]["File"]["example"].as_str().unwrap().to_owned();

    let described =
        |name: &str| api["components"]["schemas"][name]["properties"].as_object().unwrap().clone();
    for (schema, value) in [
        ("PutFiles", put.json()),
        ("FileList", node.get("/api/files").await.json()),
        ("File", node.get(&format!("/api/files/{file}/info")).await.json()),
        ("FileSet", node.get(&format!("/api/sets/{set}")).await.json()),
        ("Problem", node.get("/api/files/none").await.json()),
    ] {
        let properties = described(schema);
        let mut fields = value.as_object().unwrap().keys();
        assert!(fields.all(|field| properties.contains_key(field)), "{schema}: {value}");
        for required in api["components"]["schemas"][schema]["required"].as_array().unwrap() {
            assert!(value.get(required.as_str().unwrap()).is_some(), "{schema}: {required}: {value}");
        }
    }
    assert_eq!(put.status, 201, "{}", put.text());
}

#[tokio::test]
async fn the_page_to_try_the_api_needs_nothing_from_elsewhere() {
    let node = Fixture::new();

    let page = node.get("/api/docs").await;
    let script = node.get("/api/docs/swagger-ui.js").await;

    assert_eq!(node.get("/api/").await.body, page.body);
    assert!(!page.text().contains("http:") && !page.text().contains("https:"), "{}", page.text());
    assert_eq!((script.status, script.header("content-encoding")), (200, "gzip"));
    assert_eq!(script.body[..3], [0x1f, 0x8b, 8]);
    for path in page.text().split('"').filter(|text| text.starts_with("/api/")) {
        assert_eq!(node.get(path).await.status, 200, "{path}");
    }
}
