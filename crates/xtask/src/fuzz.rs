//! The API against its own description: whatever is asked, every answer is one that the description foresees.
//!
//! Schemathesis makes requests from `/api/openapi.json`, good ones and bad ones, the same for the same seed, and looks at each answer:
//! no failure of the server, no status and no content type that is not described, no body that does not fit its schema.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use xtask::browsers::process::Process;

use crate::{build, commands, setup};

/// How many requests of each kind are made for each operation.
const EXAMPLES: &str = "25";
/// Where the requests begin; another number finds other things.
const SEED: &str = "20261121";
/// What is looked at in every answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
    response_schema_conformance,negative_data_rejection,unsupported_method";
/// What would end the node or make it deaf.
const LEFT_OUT: &str = "/api/(leave|sleep)$";
/// A job that waits for workers, who do not come.
const TASK: &str =
    r#"{ "most_recent_counting_number_added": 0, "current_total": 0, "counting_number": 100000000 }"#;
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts a host, and asks it everything.
pub(crate) fn run() -> Result<String> {
    let schemathesis = setup::schemathesis()?;
    commands::run(&mut commands::native_tests("build", &["--bins"]))?;
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("task.json"), TASK)?;
    let mut command = Command::new(build::target_folder().join("debug/manyhands"));
    // A free port, known before, as the report is told by address.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    command
        .args(["host", "--bind", "127.0.0.1", "--no-work", "--files-quota", "50M", "--json", "--port"])
        .arg(port.to_string())
        .current_dir(folder.path());
    let mut host = Process::start(command)?;
    host.wait_for_line("its port", PATIENCE, |line| {
        let event: Value = serde_json::from_str(line).ok()?;
        (event["event"] == "listening").then_some(())
    })?;

    let url = format!("http://127.0.0.1:{port}");
    let mut ask = Command::new(schemathesis);
    ask.current_dir(folder.path())
        .arg("run")
        .arg(format!("{url}/api/openapi.json"))
        .args(["--url", &url, "--header", "x-manyhands: 1", "--seed", SEED, "--max-examples", EXAMPLES])
        .args(["--checks", CHECKS, "--exclude-path-regex", LEFT_OUT, "--no-color", "--continue-on-failure"]);
    // What it tells as JSON is of no use here, and there is much of it.
    let complaints = || {
        let lines = host.written();
        lines.lines().filter(|line| !line.starts_with('{')).collect::<Vec<_>>().join("\n")
    };
    commands::run(&mut ask).with_context(|| format!("the host complained: {}", complaints()))?;
    Ok(format!("seed {SEED}, {EXAMPLES} requests of a kind"))
}
