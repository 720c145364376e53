//! Facts about the routes of a search, with a view and a ledger made by hand; and of the choice of a job.

use manyhands_core::view::{Phase, TestView};
use manyhands_wire::{Block, Outcome};
use serde_json::Value;

use super::*;
use crate::http::Chosen;
use crate::http::tests::Fixture;

#[tokio::test]
async fn a_search_and_its_primes_are_told_to_anyone() {
    let host = searching().await;

    for (from, name) in [("127.0.0.1:40000", "localhost"), ("192.168.1.9:40000", "192.168.1.7:8080")] {
        let search = host.ask_from(from, name, "/api/search").await.json();
        let primes = host.ask_from(from, name, "/api/primes").await.json();

        assert_eq!((&search["frontier"], &search["tested"]), (&9.into(), &4.into()));
        assert_eq!(search["tests"][0]["iteration"], 7);
        assert_eq!(primes.as_array().unwrap().len(), 1);
        assert_eq!((&primes[0]["exponent"], &primes[0]["digits"]), (&13.into(), &4.into()));
        assert_eq!(primes[0]["path"], serde_json::json!(["Node bb", "Node aa"]));
        assert_eq!(
            (&primes[0]["state"], &primes[0]["confirmed_by"][0]),
            (&"confirmed".into(), &"Node aa".into())
        );
        assert!(primes[0]["found_at"].as_str().unwrap().starts_with("20"), "{primes}");
    }
}

#[tokio::test]
async fn results_are_lines_in_order_and_can_be_cut_at_both_ends() {
    let host = searching().await;

    let all = host.get("/api/results").await;
    let some = host.get("/api/results?from=5&to=12").await;
    let none = host.get("/api/results?from=100").await;

    assert_eq!(all.header("content-type"), "application/x-ndjson");
    assert!(all.header("content-disposition").starts_with("attachment"));
    let by = r#""by":"Node bb","by_id":"bbbb"#;
    let lines: Vec<&str> = all.body.lines().collect();
    assert_eq!(lines.len(), 7, "{}", all.body);
    assert_eq!(lines[0], r#"{"exponent":2,"result":"prime","test":"ll"}"#);
    assert_eq!(lines[4], r#"{"exponent":11,"result":"factor","factor":23}"#);
    for (line, exponent, residue, test) in
        [(lines[5], 59, "00000000000000fe", "ll"), (lines[6], 67, "00000000000000ff", "prp-3")]
    {
        let expected =
            format!(r#"{{"exponent":{exponent},"result":"composite","residue":"{residue}","test":"{test}","#);
        assert!(line.starts_with(&expected) && line.contains(by), "{line}");
    }
    assert_eq!(some.body, lines[2..5].join("\n") + "\n");
    assert_eq!((none.status, none.body.as_str()), (200, ""));
}

#[tokio::test]
async fn other_machines_have_few_readers_of_the_results_at_a_time_and_the_own_has_its_own() {
    let host = searching().await;
    let (away, name) = ("192.168.1.9:40000", "192.168.1.7:8080");
    let mut readers = vec![];
    for _ in 0..READERS_MAX {
        readers.push(host.begin_from(away, name, "/api/results").await);
    }

    let one_more = host.ask_from(away, name, "/api/results").await;
    let own = host.ask_from("127.0.0.1:40000", "localhost", "/api/results").await;
    readers.pop();
    let later = host.ask_from(away, name, "/api/results").await;

    assert_eq!((one_more.status, own.status, later.status), (503, 200, 200), "{}", one_more.body);
    assert!(one_more.json()["detail"].as_str().unwrap().contains("too many"), "{}", one_more.body);
}

#[tokio::test]
async fn bad_exponents_and_rooms_without_a_search_are_told_so() {
    let host = searching().await;
    for (query, why) in [
        ("from=1", "smallest exponent is 2"),
        ("to=4194305", "largest exponent"),
        ("from=10&to=5", "no exponents"),
        ("from=-3", "invalid digit"),
        ("to=many", "invalid digit"),
        ("form=3", "unknown field"),
    ] {
        let answer = host.get(&format!("/api/results?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert!(answer.json()["detail"].as_str().unwrap().contains(why), "{query}: {}", answer.body);
    }
    let adding = Fixture::host(None).await;
    for path in ["/api/search", "/api/primes", "/api/results"] {
        let answer = adding.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(answer.json()["detail"], "the room's job is no search for Mersenne primes");
    }
}

#[tokio::test]
async fn the_description_has_every_route_and_field_of_a_search() {
    let host = searching().await;
    let api = host.get("/api/openapi.json").await.json();

    for path in ["/api/search", "/api/primes", "/api/results"] {
        assert_eq!(host.get(path).await.status, 200, "{path}");
        assert!(api["paths"][path]["get"]["responses"]["404"].is_object(), "{path}");
    }
    let search = host.get("/api/search").await.json();
    let results = host.get("/api/results").await;
    let state = host.get("/api/state").await.json();
    let mut described = vec![
        ("Search", search.clone()),
        ("Prime", search["primes"][0].clone()),
        ("Test", search["tests"][0].clone()),
        ("FoundPrime", host.get("/api/primes").await.json()[0].clone()),
        ("SearchState", state["search"].clone()),
    ];
    described
        .extend(results.body.lines().map(|line| ("Result", serde_json::from_str::<Value>(line).unwrap())));
    for (schema, value) in described {
        let properties = &api["components"]["schemas"][schema]["properties"];
        let mut fields = value.as_object().unwrap().keys();
        assert!(fields.all(|field| properties.get(field).is_some()), "{schema}: {value}");
    }
    let metrics = host.get("/metrics").await;
    assert!(metrics.body.contains("manyhands_search_frontier 9\n"), "{}", metrics.body);
    assert!(metrics.body.contains("manyhands_search_primes 1\n"), "{}", metrics.body);
}

#[tokio::test]
async fn the_hosts_own_page_chooses_the_job_and_nobody_else() {
    let mut host = Fixture::host(None).await;
    let wish = r#"{"job":"mersenne","from":2,"to":20000}"#;
    let bad = host.say("/api/job", r#"{"job":"mersenne","from":10,"to":5}"#).await;
    let friend = Fixture::start(false, None).await;
    let not_the_host = friend.say("/api/job", wish).await;

    let mut choices = std::mem::replace(&mut host.choices, tokio::sync::mpsc::channel(1).1);
    let mut answer = async |outcome: Result<(), String>| {
        let choice = choices.recv().await.unwrap();
        choice.answer.send(outcome).unwrap();
        choice.job
    };
    let (chosen, job) = tokio::join!(host.say("/api/job", wish), answer(Ok(())));

    assert_eq!((bad.status, not_the_host.status, chosen.status), (400, 409, 202), "{}", bad.body);
    assert!(bad.json()["error"].as_str().unwrap().contains("no exponents"), "{}", bad.body);
    assert_eq!(job, Chosen::Mersenne { from: 2, to: Some(20_000) });
    let room = host.get("/api/room").await.json();
    assert_eq!((&room["can_choose"], &room["kind"]), (&true.into(), &"sum".into()));
    let none_chosen = Fixture::host(None).await;
    none_chosen.views.send_modify(|view| view.job = None);
    assert!(none_chosen.get("/api/room").await.json()["kind"].is_null());
    let started = none_chosen.post("/api/start", &[("x-manyhands", "1")]).await;
    assert_eq!(started.status, 409);
    assert!(started.body.contains("choose the job first"), "{}", started.body);
    host.views.send_modify(|view| view.phase = Phase::Running);
    assert_eq!(host.get("/api/room").await.json()["can_choose"], false);
    assert_eq!(host.post("/api/job", &[]).await.status, 403);
}

/// A host whose search found that 13 gives a prime, and is in the middle of 17.
async fn searching() -> Fixture {
    let fixture = Fixture::host(None).await;
    let kind = JobKind::Mersenne { from: 2, to: 80, proofs_from: 12 };
    let spec = JobSpec { kind, asked_by: "Liz".into(), salt: [0; 16] };
    let mut ledger = Ledger::new(spec.units());
    let finding = |&(exponent, verdict): &(u32, Verdict)| Finding { exponent, verdict };
    let mut insert = |start: u64, level: u8, findings: &[(u32, Verdict)]| {
        let block = Block::new(level, start >> level).unwrap();
        ledger.insert(block, Outcome::Mersenne(findings.iter().map(finding).collect())).unwrap();
    };
    let prime = Verdict::Prime;
    insert(0, 3, &[(2, prime), (3, prime), (5, prime), (7, prime)]);
    insert(9, 0, &[(11, Verdict::Factor(23))]);
    // Of numbers this small nothing is proven, whatever the job says.
    insert(57, 0, &[(59, Verdict::Composite { residue: 254 })]);
    insert(65, 0, &[(67, Verdict::Composite { residue: 255 })]);
    ledger.credit(UnitRange::new(57, 58), PeerId([0xbb; 32]));
    ledger.credit(UnitRange::new(65, 66), PeerId([0xbb; 32]));
    let id = "bb".repeat(32);
    fixture.views.send_modify(|view| {
        view.phase = Phase::Running;
        view.peers[1].id = id.clone();
        view.search = Some(SearchView {
            from: 2,
            to: 80,
            frontier: 9,
            tested: 4,
            factored: 1,
            primes: vec![PrimeView {
                exponent: 13,
                digits: 4,
                finder: "Node bb".into(),
                finder_id: id.clone(),
                heard_ms: Some(7),
                path: ["Node bb", "Node aa"].map(str::to_owned).to_vec(),
                path_ids: vec![id.clone(), "aa".into()],
                state: PrimeState::Confirmed,
                confirmed_by: vec!["Node aa".into()],
            }],
            tests: vec![TestView {
                exponent: 17,
                peer: "Node aa".into(),
                by: 0,
                iteration: 7,
                iterations: 15,
            }],
            false_news: 0,
        });
    });
    fixture.progress.send_replace(Some(Arc::new((spec, ledger))));
    fixture
}
