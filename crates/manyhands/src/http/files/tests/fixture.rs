//! What the facts about files need: a store, a node that only keeps a list, and a way to ask.

use std::net::SocketAddr;
use std::time::Instant;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use manyhands_core::files::{NewFile, StoreOrder};
use manyhands_store::{Pipes, StoreOptions};
use manyhands_wire::file::{CHUNK_BYTES_MIN, Entry};
use manyhands_wire::id::{PeerId, Signature};
use serde_json::{Value, json};

use super::super::super::{NodeFace, router};
use super::super::*;

const HERE: &str = "127.0.0.1:40000";
/// How much the fixture's store keeps, and takes as one file.
const QUOTA_BYTES: u64 = 100_000;
pub(super) const FILE_BYTES_MAX: u64 = 40_000;
/// What the file is called for which the fixture's node has no place.
pub(super) const UNLISTED: &str = "one too many";

/// A node that lists what it is told of.
pub(super) struct Fixture {
    pub(super) face: Arc<FilesFace>,
    pub(super) list: watch::Sender<Files>,
    pub(super) orders: mpsc::Sender<StoreOrder>,
    pub(super) told: Arc<std::sync::Mutex<Vec<Command>>>,
    routes: Router,
    _folder: tempfile::TempDir,
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

pub(super) fn options() -> StoreOptions {
    StoreOptions { quota_bytes: QUOTA_BYTES, chunk_bytes: CHUNK_BYTES_MIN }
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self::with(false)
    }

    pub(super) fn with(is_open: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = FileStore::open(folder.path(), options()).unwrap();
        let Pipes { orders, .. } = store.serve();
        let (list, files) = watch::channel(Files::default());
        let (commands, mut told_commands) = mpsc::channel::<Command>(4);
        let views = watch::channel(View::default()).1;
        let failing = broadcast::channel(4).0;
        let told = Arc::new(std::sync::Mutex::new(vec![]));
        let (node_list, node_orders, node_told) = (list.clone(), orders.clone(), Arc::clone(&told));
        let node_failing = failing.clone();
        tokio::spawn(async move {
            while let Some(command) = told_commands.recv().await {
                node_told.lock().unwrap().push(command.clone());
                match command {
                    Command::AddFile(file) if file.manifest.name == UNLISTED => {
                        let (file, name) = (file.manifest.id(), file.manifest.name);
                        let why = "this network knows as many files as it can".to_owned();
                        let _ = node_failing.send(Event::FileFailed { file, name, why });
                    }
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
            files,
            events: failing.subscribe(),
            commands: commands.clone(),
            views: views.clone(),
            file_bytes_max: FILE_BYTES_MAX,
            is_open,
            uploads: Places::new(),
            claims: Claims::default(),
        });
        let progress = watch::channel(None).1;
        let files = Some(Arc::clone(&face));
        let task = watch::channel(None).1;
        let node =
            NodeFace { is_host: true, views, progress, commands, choices: None, task, lan: vec![], files };
        let routes = router(Web { signaling: None, node: Some(node), started: Instant::now() });
        Self { face, list, orders, told, routes, _folder: folder }
    }

    /// Waits until something about the store is so.
    pub(super) async fn until(&self, is_so: impl Fn() -> bool) {
        let mut changes = self.face.store.changes();
        changes.wait_for(|_| is_so()).await.unwrap();
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[], "").await
    }

    pub(super) async fn put_json(&self, files: Value) -> Answer {
        let body = json!({ "files": files }).to_string();
        self.ask(Method::POST, "/api/files", &[("content-type", "application/json")], &body).await
    }

    /// Files as a form, each with the rest of its `Content-Disposition`.
    pub(super) async fn form(&self, files: &[(&str, &[u8])]) -> Answer {
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

    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        self.ask_with(method, path, headers, Body::from(body.to_owned())).await
    }

    pub(super) async fn ask_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> Answer {
        let headers = [&[("host", "127.0.0.1:8080")], headers].concat();
        self.ask_from(HERE, method, path, &headers, body).await
    }

    pub(super) async fn ask_from(
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
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn entry(file: &NewFile) -> Entry {
    Entry {
        manifest: file.manifest.clone(),
        media_type: file.media_type.clone(),
        put_ms: file.put_ms,
        by: PeerId([1; 32]),
        signature: Signature([0; 64]),
    }
}

pub(super) fn info(file: &NewFile, chunks_here: u32, state: FileState) -> FileInfo {
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
