//! Facts about the routes, with a real server on a port of the system's choice and a view made by hand.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use axum::body::to_bytes;
use axum::extract::ConnectInfo;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use manyhands_core::files::FilesSummary;
use manyhands_core::view::{JobView, LinkState, MessageView, NewsView, PeerView, Phase};
use manyhands_signaling::ServedRooms;
use manyhands_wire::flood::{Body, TEXT_BYTES_MAX};
use manyhands_wire::frame::PeerKind;
use manyhands_wire::{JobKind, Outcome, UnitRange};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;

use super::*;
use crate::listen::Serving;

/// Where friends would reach the fixture's room.
const LAN: &str = "http://192.168.1.7:8080";

#[tokio::test]
async fn status_is_the_view_with_the_counters_and_the_version() {
    let host = Fixture::host(None).await;

    let status: Value = host.get("/api/status").await.json();

    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["role"], "host");
    assert_eq!(status["unit_size"], 50);
    assert_eq!(status["view"]["job"]["title"], "add the counting numbers 1 to 100");
    assert_eq!(status["view"]["phase"]["phase"], "lobby");
    assert_eq!(status["signaling"]["relayed_frames"], 0);
    host.serving.stop().await;
}

#[tokio::test]
async fn the_room_is_told_before_anybody_joins() {
    let host = Fixture::host(None).await;

    let room: Value = host.get("/api/room").await.json();

    assert_eq!(room["asked_by"], "Liz");
    assert_eq!((&room["phase"], &room["wanted"], &room["present"]), (&"lobby".into(), &9.into(), &3.into()));
    assert_eq!((&room["units"], &room["done_units"]), (&2.into(), &1.into()));
}

#[tokio::test]
async fn the_address_for_friends_is_told_on_the_hosts_own_machine_only() {
    let host = Fixture::host(None).await;
    let url = format!("http://{}/api/room", host.address);

    let here = host.get("/api/room").await.json();
    let behind_a_proxy =
        call(move |agent| agent.get(url).header("x-forwarded-for", "192.168.1.9").call()).await.json();

    assert_eq!(here["lan"], serde_json::json!([LAN]));
    assert_eq!((&behind_a_proxy["lan"], &behind_a_proxy["asked_by"]), (&Value::Null, &"Liz".into()));
}

#[tokio::test]
async fn the_task_file_is_served_as_it_is_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("task.json");
    let text =
        "{ \"most_recent_counting_number_added\": 7, \"current_total\": 28, \"counting_number\": 100 }\n";
    std::fs::write(&path, text).unwrap();
    let host = Fixture::host(Some(path.clone())).await;

    for route in ["/task.json", "/configs"] {
        let answer = host.get(route).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, text));
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("cache-control"), "no-store");
    }

    std::fs::remove_file(&path).unwrap();
    assert_eq!(host.get("/task.json").await.status, 500);
}

#[tokio::test]
async fn a_friend_serves_the_task_from_its_ledger() {
    let friend = Fixture::start(false, None).await;

    let task = friend.get("/task.json").await;

    assert_eq!(
        task.body,
        "{ \"most_recent_counting_number_added\": 50, \"current_total\": 1275, \"counting_number\": 100 }\n"
    );
}

#[tokio::test]
async fn start_reaches_the_node_from_the_own_page_only() {
    let mut host = Fixture::host(None).await;

    let foreign = host.post("/api/start", &[]).await;
    let own = host.post("/api/start", &[("x-manyhands", "1")]).await;
    let evil = host.post("/api/pause", &[("x-manyhands", "1"), ("origin", "http://evil.example")]).await;

    assert_eq!((foreign.status, own.status, evil.status), (403, 202, 403));
    assert_eq!(host.commands.try_recv(), Ok(Command::Start));
    assert!(host.commands.try_recv().is_err());
    assert_eq!(host.get("/api/start").await.status, 405);
}

#[tokio::test]
async fn a_friend_cannot_start_the_hosts_job() {
    let mut friend = Fixture::start(false, None).await;

    let refused = friend.post("/api/start", &[("x-manyhands", "1")]).await;
    let stranger = friend.post("/api/start", &[]).await;

    assert_eq!((refused.status, stranger.status), (409, 403));
    assert_eq!(refused.json()["error"], "only the host can start the job");
    assert_eq!(friend.get("/api/room").await.json()["is_host"], false);
    assert_eq!(Fixture::host(None).await.get("/api/room").await.json()["is_host"], true);
    assert!(friend.commands.try_recv().is_err());
}

#[tokio::test]
async fn what_the_room_says_is_told_to_this_machine_only() {
    let node = Fixture::start(false, None).await;
    let own = format!("{}", node.address);
    let routes = ["/api/messages", "/api/news", "/api/peers", "/api/state"];

    for (from, host, status) in [
        ("127.0.0.1:40000", own.as_str(), 200),
        ("[::1]:40000", "localhost", 200),
        ("192.168.1.9:40000", own.as_str(), 403),
        ("192.168.1.9:40000", "192.168.1.7:8080", 403),
        ("127.0.0.1:40000", "rebound.evil.example", 403),
    ] {
        for route in routes {
            let answer = node.ask_from(from, host, route).await;
            assert_eq!(answer.status, status, "{route} from {from} at {host}");
            assert_eq!(answer.json().get("error").is_some(), status == 403, "{}", answer.body);
        }
        let view = &node.ask_from(from, host, "/api/status").await.json()["view"];
        let is_told = [
            view["messages"] != serde_json::json!([]),
            view["news"] != serde_json::json!([]),
            view["peers"].as_array().unwrap().iter().any(|peer| peer["address"] != ""),
        ];
        assert_eq!(is_told, [status == 200; 3], "/api/status from {from} at {host}");
        assert_eq!(view["job"]["done_units"], 1);
    }
}

#[tokio::test]
async fn every_answer_is_hardened() {
    let host = Fixture::host(None).await;

    for path in ["/", "/api/status", "/healthz", "/nothing/here", "/task.json"] {
        let answer = host.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        let policy = answer.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("'wasm-unsafe-eval'"),
            "{path}: {policy}"
        );
        assert!(policy.contains(&format!("ws://{}", host.address)), "{path}: {policy}");
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told_apart() {
    let host = Fixture::host(None).await;

    assert_eq!(host.get("/nothing/here").await.status, 404);
    assert_eq!(host.get("/../Cargo.toml").await.status, 404);
    assert_eq!(host.post("/nothing", &[]).await.status, 405);
    assert_eq!(host.get("/").await.status, 200, "with or without a page built in");
}

#[tokio::test]
async fn the_description_names_every_route_and_every_field() {
    let host = Fixture::host(None).await;

    let api: Value = host.get("/api/openapi.json").await.json();
    let status: Value = host.get("/api/status").await.json();

    assert_eq!(api["info"]["version"], env!("CARGO_PKG_VERSION"));
    // The routes about files and searches have tests of their own, with files and a search.
    let others = ["/api/files", "/api/sets", "/api/search", "/api/primes", "/api/results"];
    let is_here = |path: &str| !others.iter().any(|other| path.starts_with(other));
    for (path, methods) in api["paths"].as_object().unwrap().iter().filter(|(path, _)| is_here(path)) {
        for (method, operation) in methods.as_object().unwrap() {
            let answer = match (method.as_str(), operation.get("requestBody")) {
                ("get", _) => host.get(path).await.status,
                (_, None) => host.post(path, &[("x-manyhands", "1")]).await.status,
                // A body that is not what it should be is told so, which only the described route does.
                (_, Some(_)) => host.say(path, "{}").await.status,
            };
            let expected = match (method.as_str(), operation.get("requestBody")) {
                ("get", _) => 200,
                (_, None) => 202,
                (_, Some(_)) => 400,
            };
            assert_eq!(answer, expected, "{method} {path}");
        }
    }
    let described = |name: &str| &api["components"]["schemas"][name]["properties"];
    for (schema, value) in [
        ("Status", &status),
        ("Signaling", &status["signaling"]),
        ("View", &status["view"]),
        ("FilesSummary", &status["view"]["files"]),
        ("Job", &status["view"]["job"]),
        ("Room", &host.get("/api/room").await.json()),
        ("Peer", &status["view"]["peers"][1]),
        ("Neighbour", &host.get("/api/peers").await.json()[0]),
        ("Message", &host.get("/api/messages").await.json()[0]),
        ("News", &host.get("/api/news").await.json()[0]),
        ("State", &host.get("/api/state").await.json()),
    ] {
        let mut fields = value.as_object().unwrap().keys();
        assert!(fields.all(|field| described(schema).get(field).is_some()), "{schema}: {value}");
    }
}

#[tokio::test]
async fn peers_messages_and_news_are_told_with_their_ids() {
    let node = Fixture::start(false, None).await;

    let peers = node.get("/api/peers").await.json();
    let messages = node.get("/api/messages").await.json();
    let state = node.get("/api/state").await.json();

    assert_eq!(peers.as_array().unwrap().len(), 1, "the node itself is not its own peer");
    assert_eq!((&peers[0]["link"], &peers[0]["heard_ms"]), (&"open".into(), &40.into()));
    assert_eq!(peers[0]["links"], serde_json::json!(["aa"]));
    assert_eq!(messages[0]["path_ids"], serde_json::json!(["bb", "aa"]));
    assert_eq!((&state["id"], &state["links"]), (&"aa".into(), &serde_json::json!(["bb"])));
    assert_eq!(
        (&state["asleep"], &state["phase"], &state["messages"]),
        (&false.into(), &"lobby".into(), &1.into())
    );
    assert_eq!(state["state"], "lobby, 3 of 9 friends are here");
    assert_eq!(node.get("/api/news").await.json()[0]["value"], 13);
}

#[tokio::test]
async fn any_text_up_to_the_limit_is_passed_on() {
    let mut node = Fixture::start(false, None).await;
    for text in ["apple", "Äpfel 🍎\nand \"pears\"", &"\u{1}".repeat(TEXT_BYTES_MAX)] {
        let answer = node.say("/api/messages", &serde_json::json!({ "text": text }).to_string()).await;

        assert_eq!(answer.status, 202, "{}", answer.body);
        assert_eq!(node.commands.try_recv(), Ok(Command::Say(Body::Message(text.to_owned()))));
    }
    let answer = node.say("/api/news", r#"{ "what": "prime", "value": 17 }"#).await;

    assert_eq!(answer.status, 202);
    let news = Body::News { what: "prime".to_owned(), value: 17 };
    assert_eq!(node.commands.try_recv(), Ok(Command::Say(news)));
}

#[tokio::test]
async fn what_cannot_be_said_is_told_why() {
    let mut node = Fixture::start(false, None).await;
    let long = serde_json::json!({ "text": "a".repeat(TEXT_BYTES_MAX + 1) }).to_string();
    let huge = serde_json::json!({ "text": "a".repeat(100_000) }).to_string();
    for (path, body, status) in [
        ("/api/messages", "", 400),
        ("/api/messages", "apple", 400),
        ("/api/messages", r#"{ "text": 7 }"#, 400),
        ("/api/messages", r#"{ "text": "" }"#, 400),
        ("/api/messages", r#"{ "text": " \n\t" }"#, 400),
        ("/api/messages", r#"{ "text": "a", "to": "b" }"#, 400),
        ("/api/messages", &long, 413),
        ("/api/messages", &huge, 413),
        ("/api/news", r#"{ "what": "", "value": 1 }"#, 400),
        ("/api/news", r#"{ "what": "prime", "value": -1 }"#, 400),
        ("/api/news", &format!(r#"{{ "what": "{}", "value": 1 }}"#, "p".repeat(33)), 413),
    ] {
        let answer = node.say(path, body).await;
        assert_eq!(answer.status, status, "{path} {body:.40}");
        assert!(answer.json()["error"].is_string(), "{path} {body:.40}: {}", answer.body);
    }
    let text = r#"{ "text": "a" }"#;
    let url = format!("http://{}/api/messages", node.address);
    let foreign_url = url.clone();
    let foreign = call(move |agent| agent.post(foreign_url).send(text)).await;
    let huge_and_foreign = call(move |agent| agent.post(url).send(huge)).await;
    node.views.send_modify(|view| view.asleep = true);
    let asleep = node.say("/api/messages", text).await;

    assert_eq!((foreign.status, huge_and_foreign.status, asleep.status), (403, 403, 409));
    assert!(asleep.body.contains("wake it first"), "{}", asleep.body);
    assert!(node.commands.try_recv().is_err());
}

#[tokio::test]
async fn metrics_are_in_the_format_of_prometheus() {
    let host = Fixture::host(None).await;

    let answer = host.get("/metrics").await;

    assert!(answer.header("content-type").starts_with("text/plain; version=0.0.4"));
    assert!(answer.body.contains("# TYPE manyhands_job_done_units gauge\nmanyhands_job_done_units 1\n"));
    for line in answer.body.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.split_once(' ').unwrap();
        assert!(name.starts_with("manyhands_") && value.parse::<f64>().is_ok(), "{line}");
    }
}

#[tokio::test]
async fn a_relay_has_no_job() {
    let relay = Fixture::serve(Web { signaling: None, node: None, started: Instant::now() }).await;

    assert_eq!(get(relay.0, "/api/room").await.status, 404);
    assert_eq!(get(relay.0, "/task.json").await.status, 404);
    assert_eq!(get(relay.0, "/api/status").await.json()["role"], "relay");
    relay.1.stop().await;
}

/// A server with a node that is only a view.
pub(super) struct Fixture {
    address: SocketAddr,
    commands: mpsc::Receiver<Command>,
    pub(super) choices: mpsc::Receiver<Choice>,
    serving: Serving,
    /// The same routes without a connection, to ask from any address.
    routes: Router,
    pub(super) views: watch::Sender<View>,
    pub(super) progress: watch::Sender<Progress>,
}

pub(super) struct Answer {
    pub(super) status: u16,
    headers: ureq::http::HeaderMap,
    pub(super) body: String,
}

impl Fixture {
    /// A host that keeps this file, or one in a temporary folder that is gone: most routes do not need it.
    pub(super) async fn host(task: Option<PathBuf>) -> Self {
        Self::start(true, task).await
    }

    pub(super) async fn start(is_host: bool, task: Option<PathBuf>) -> Self {
        let kind = JobKind::Sum { first: 1, last: 100, unit_size: 50, base: 0 };
        let spec = JobSpec { kind, asked_by: "Liz".into(), salt: [0; 16] };
        let mut ledger = Ledger::new(2);
        ledger.insert(UnitRange::new(0, 1).first_block().unwrap(), Outcome::Sum(1275)).unwrap();
        let job = JobView {
            id: "id".into(),
            title: "add the counting numbers 1 to 100".into(),
            asked_by: "Liz".into(),
            units: 2,
            done_units: 1,
            reached: Some(50),
            goal: Some(100),
            prefix_total: Some("1275".into()),
            done_total: Some("1275".into()),
        };
        let names = |names: [&str; 2]| names.map(str::to_owned).to_vec();
        let view = View {
            phase: Phase::Lobby { wanted: 9, present: 3 },
            job: Some(job),
            peers: vec![peer("aa", true), peer("bb", false)],
            messages: vec![MessageView {
                from: "Node bb".into(),
                path: names(["Node bb", "Node aa"]),
                path_ids: names(["bb", "aa"]),
                text: "apple".into(),
                heard_ms: 7,
            }],
            news: vec![NewsView {
                what: "prime".into(),
                value: 13,
                finder: "Node bb".into(),
                path: names(["Node bb", "Node aa"]),
                path_ids: names(["bb", "aa"]),
            }],
            files: Some(FilesSummary::default()),
            ..View::default()
        };
        let (views_tx, views) = watch::channel(view);
        let (progress_tx, progress) = watch::channel(Some(Arc::new((spec, ledger))));
        let (commands_tx, commands) = mpsc::channel(8);
        let (choices_tx, choices) = mpsc::channel(1);
        let node = NodeFace {
            is_host,
            views,
            progress,
            commands: commands_tx,
            choices: is_host.then_some(choices_tx),
            task: watch::channel(task).1,
            lan: vec![LAN.to_owned()],
            files: None,
        };
        let signaling = Some(Server::new(ServedRooms::Any));
        let routes = router(Web { signaling, node: Some(node), started: Instant::now() });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = Serving::start(listener, routes.clone());
        Self { address, commands, choices, serving, routes, views: views_tx, progress: progress_tx }
    }

    /// A question as it comes from this address, to this name.
    pub(super) async fn ask_from(&self, address: &str, host: &str, path: &str) -> Answer {
        let (head, body) = self.begin_from(address, host, path).await.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Answer { status: head.status.as_u16(), headers: head.headers, body }
    }

    /// The same, with an answer that nobody has read yet.
    pub(super) async fn begin_from(&self, address: &str, host: &str, path: &str) -> axum::response::Response {
        let from: SocketAddr = address.parse().unwrap();
        let request = Request::get(path)
            .header(header::HOST, host)
            .extension(ConnectInfo(from))
            .body(axum::body::Body::empty())
            .unwrap();
        TowerToHyperService::new(self.routes.clone()).call(request).await.unwrap()
    }

    async fn serve(web: Web) -> (SocketAddr, Serving) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        (address, Serving::start(listener, router(web)))
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        get(self.address, path).await
    }

    /// A saying from the node's own machine.
    pub(super) async fn say(&self, path: &str, body: &str) -> Answer {
        let (url, body) = (format!("http://{}{path}", self.address), body.to_owned());
        call(move |agent| agent.post(url).header("x-manyhands", "1").send(&body)).await
    }

    pub(super) async fn post(&self, path: &str, headers: &[(&'static str, &'static str)]) -> Answer {
        let url = format!("http://{}{path}", self.address);
        let headers = headers.to_vec();
        call(move |agent| {
            headers
                .iter()
                .fold(agent.post(url), |request, (name, value)| request.header(*name, *value))
                .send_empty()
        })
        .await
    }
}

/// A peer that is linked to the other one of the two.
fn peer(id: &str, me: bool) -> PeerView {
    PeerView {
        id: id.to_owned(),
        name: format!("Node {id}"),
        me,
        kind: Some(PeerKind::Native),
        link: if me { LinkState::Own } else { LinkState::Open },
        links: vec![u16::from(me)],
        address: LAN.to_owned(),
        heard_ms: if me { 0 } else { 40 },
        ..PeerView::default()
    }
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

async fn get(address: SocketAddr, path: &str) -> Answer {
    let url = format!("http://{address}{path}");
    call(move |agent| agent.get(url).call()).await
}

async fn call(
    request: impl FnOnce(ureq::Agent) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> + Send + 'static,
) -> Answer {
    spawn_blocking(|| {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().new_agent();
        let mut response = request(agent).unwrap();
        let body = response.body_mut().read_to_string().unwrap();
        Answer { status: response.status().as_u16(), headers: response.headers().clone(), body }
    })
    .await
    .unwrap()
}
