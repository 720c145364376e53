//! `manyhands relay`: introduces the peers of any room, for hosts whose own address nobody can reach.

use std::net::SocketAddr;
use std::time::Instant;

use manyhands_signaling::{ServedRooms, Server};
use serde_json::json;

use crate::cli::RelayArgs;
use crate::exit::Outcome;
use crate::http::{Web, router};
use crate::invites::reachable;
use crate::listen::{Serving, listen};
use crate::signals::Signals;
use crate::voice::Voice;

/// Runs until it is told to stop.
pub(crate) async fn run(args: RelayArgs) -> Outcome {
    let voice = Voice::new(args.json);
    let mut signals = Signals::new()?;
    let listener = listen(&args.listen).await?;
    let address = listener.local_addr()?;
    let server = Server::new(ServedRooms::Any);
    let web = Web { signaling: Some(server.clone()), node: None, started: Instant::now() };
    let serving = Serving::start(listener, router(web));

    let url = format!("http://{}", SocketAddr::new(reachable(address.ip()), address.port()));
    voice.emit(&json!({ "event": "listening", "port": address.port(), "url": url }));
    voice.say(&format!(
        "Relaying at {url}.\nOn a host without a public address: manyhands host --relay http://THIS-MACHINE:{}",
        address.port()
    ));
    signals.recv().await;

    server.shut_down();
    serving.stop().await;
    voice.end();
    Ok(())
}
