//! Facts about the routes for files, with a real store, and a node that only keeps a list of what it is told.

use std::net::SocketAddr;
use std::time::Instant;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request};
use futures_util::stream;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use manyhands_core::files::{NewFile, StoreOrder};
use manyhands_store::{Pipes, StoreOptions};
use manyhands_wire::file::{CHUNK_BYTES_MIN, Entry, FileKind};
use manyhands_wire::id::{PeerId, Signature};
use serde_json::{Value, json};

use super::super::{NodeFace, router};
use super::*;

const HERE: &str = "127.0.0.1:40000";
/// How much the fixture's store keeps, and takes as one file.
const QUOTA_BYTES: u64 = 100_000;
const FILE_BYTES_MAX: u64 = 40_000;

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
    let head = node.ask(Method::HEAD, "/api/files/f", &[], "").await;
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

/// A node that lists what it is told of.
struct Fixture {
    face: Arc<FilesFace>,
    list: watch::Sender<Files>,
    orders: mpsc::Sender<StoreOrder>,
    told: Arc<std::sync::Mutex<Vec<Command>>>,
    routes: Router,
    _folder: tempfile::TempDir,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

fn options() -> StoreOptions {
    StoreOptions { quota_bytes: QUOTA_BYTES, chunk_bytes: CHUNK_BYTES_MIN }
}

impl Fixture {
    fn new() -> Self {
        Self::with(false)
    }

    fn with(is_open: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = FileStore::open(folder.path(), options()).unwrap();
        let Pipes { orders, .. } = store.serve();
        let (list, files) = watch::channel(Files::default());
        let (commands, mut told_commands) = mpsc::channel::<Command>(4);
        let views = watch::channel(View::default()).1;
        let told = Arc::new(std::sync::Mutex::new(vec![]));
        let (node_list, node_orders, node_told) = (list.clone(), orders.clone(), Arc::clone(&told));
        tokio::spawn(async move {
            while let Some(command) = told_commands.recv().await {
                node_told.lock().unwrap().push(command.clone());
                match command {
                    Command::AddFile(file) => {
                        let _ = node_orders.send(StoreOrder::Keep(entry(&file))).await;
                        let info = info(&file, file.manifest.chunks(), FileState::Here);
                        node_list.send_modify(|files| {
                            let files = Arc::make_mut(files);
                            files.retain(|known| known.id != info.id);
                            files.insert(0, info);
                        });
                    }
                    Command::ForgetFile(id) => {
                        let _ = node_orders.send(StoreOrder::Forget(id)).await;
                        node_list.send_modify(|files| {
                            for file in Arc::make_mut(files).iter_mut().filter(|file| file.id == id) {
                                (file.state, file.peers) = (FileState::Forgotten, 0);
                            }
                        });
                    }
                    _ => {}
                }
            }
        });
        let face = Arc::new(FilesFace {
            store,
            orders: orders.downgrade(),
            files,
            commands: commands.clone(),
            views: views.clone(),
            file_bytes_max: FILE_BYTES_MAX,
            is_open,
            uploads: uploads(),
        });
        let progress = watch::channel(None).1;
        let files = Some(Arc::clone(&face));
        let node = NodeFace { is_host: true, views, progress, commands, task: None, lan: vec![], files };
        let routes = router(Web { signaling: None, node: Some(node), started: Instant::now() });
        Self { face, list, orders, told, routes, _folder: folder }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[], "").await
    }

    async fn put_json(&self, files: Value) -> Answer {
        let body = json!({ "files": files }).to_string();
        self.ask(Method::POST, "/api/files", &[("content-type", "application/json")], &body).await
    }

    /// Files as a form, each with the rest of its `Content-Disposition`.
    async fn form(&self, files: &[(&str, &[u8])]) -> Answer {
        let mut body = vec![];
        for (disposition, content) in files {
            body.extend(
                format!("--XX\r\ncontent-disposition: form-data; name=\"f\"; {disposition}\r\n\r\n")
                    .as_bytes(),
            );
            body.extend(*content);
            body.extend(b"\r\n");
        }
        body.extend(b"--XX--\r\n");
        let headers = [("content-type", "multipart/form-data; boundary=XX")];
        self.ask_with(Method::POST, "/api/files", &headers, Body::from(body)).await
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.ask_with(method, path, headers, Body::from(body.to_owned())).await
    }

    async fn ask_with(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Body) -> Answer {
        let headers = [&[("host", "127.0.0.1:8080")], headers].concat();
        self.ask_from(HERE, method, path, &headers, body).await
    }

    async fn ask_from(
        &self,
        address: &str,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> Answer {
        let from: SocketAddr = address.parse().unwrap();
        let request = Request::builder().method(method).uri(path).extension(ConnectInfo(from));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let answer =
            TowerToHyperService::new(self.routes.clone()).call(request.body(body).unwrap()).await.unwrap();
        let (head, body) = answer.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Answer { status: head.status.as_u16(), headers: head.headers, body }
    }
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn entry(file: &NewFile) -> Entry {
    Entry {
        manifest: file.manifest.clone(),
        media_type: file.media_type.clone(),
        put_ms: file.put_ms,
        by: PeerId([1; 32]),
        signature: Signature([0; 64]),
    }
}

fn info(file: &NewFile, chunks_here: u32, state: FileState) -> FileInfo {
    let manifest = &file.manifest;
    FileInfo {
        id: manifest.id(),
        name: manifest.name.clone(),
        size: manifest.size,
        media_type: file.media_type.clone(),
        kind: manifest.kind,
        put_ms: file.put_ms,
        by: "Ann".to_owned(),
        chunk_bytes: manifest.chunk_bytes,
        chunks: manifest.chunks(),
        chunks_here,
        peers: 1,
        state,
        bytes_per_second: 0,
        sources: vec![],
        trouble: String::new(),
    }
}
