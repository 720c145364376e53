//! `manyhands join`: lends this machine to a friend's room.
//!
//! The friend tries to get in for as long as its person has patience. Once it knows the job it needs nobody: if the host and
//! everybody else are gone, it finishes alone. At the end it waits a moment until the others know, and leaves.
//!
//! It also lets others in: it serves page, signaling and API like the host, at a link of its own that works when the host's
//! does not any more.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use manyhands_core::{Command, Config, Event, Invite, View};
use manyhands_peer::{Options, Peer, ServerState};
use manyhands_signaling::{ServedRooms, Server};
use manyhands_wire::frame::PeerKind;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::cli::JoinArgs;
use crate::copy::TaskCopy;
use crate::doors::{Doors, announced, entries, own_address};
use crate::exit::{Failure, Outcome, Reason};
use crate::files;
use crate::http::{NodeFace, Progress, Web, router};
use crate::identity::{self, random};
use crate::invites::{self, Invites};
use crate::listen::{Serving, listen};
use crate::signals::Signals;
use crate::voice::{Voice, one_line};
use crate::{numbers, room};

/// How many commands over HTTP may wait.
const COMMANDS_MAX: usize = 16;
/// How long to wait at the end at most until all peers have the finished ledger.
const GRACE: Duration = Duration::from_secs(3);
/// How long a peer that was told to leave at once may take.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// Lends a hand until the job is done or the person stops it.
pub(crate) async fn run(args: JoinArgs) -> Outcome {
    let voice = Voice::new(args.json);
    let mut signals = Signals::new()?;
    let invite = invites::find(args.invite.as_deref(), args.invite_file.as_deref(), args.patience).await?;
    let folder = args.state.clone().map_or_else(identity::default_folder, Ok)?;
    let identity = identity::take(&folder)?;
    let own_files = folder.join("files").join(files_name(&invite, identity.index));
    let files = files::open(&args.files, Some(own_files), |text| voice.warn(text), &mut signals).await?;
    let listener = match args.listen_args() {
        Some(listen_args) => Some(listen(&listen_args).await?),
        None => None,
    };
    let address = listener.as_ref().map(TcpListener::local_addr).transpose()?;
    let invites = address.map(|address| Invites::of_listener(address, invite.room));

    let threads = args.work.thread_count();
    let doors = Doors {
        servers: entries(&invite.origin, &address.map(own_address).unwrap_or_default(), &args.also),
        address: invites
            .as_ref()
            .map(|invites| announced(&invites.best().origin, &invite.origin))
            .unwrap_or_default(),
    };
    let config = Config {
        secret: identity.secret,
        room: invite.room,
        seed: random()?,
        name: args.work.name.clone(),
        kind: PeerKind::Native,
        threads,
        servers: doors.servers,
        address: doors.address,
        remembered: None,
        host: None,
        files: None,
    };
    let options = Options { throttle_permille: args.work.throttle.0, threads_max: threads };
    let (peer, files) = files::spawn(config, options, files);
    let (commands, control) = mpsc::channel(COMMANDS_MAX);
    let server = Server::new(ServedRooms::Only([invite.room.room_id()].into()));
    let serving = listener.map(|listener| {
        let (views, progress) = (peer.views(), peer.ledgers());
        let lan = invites.as_ref().map(Invites::origins).unwrap_or_default();
        let files = files.as_ref().map(|files| files.face(&peer, commands.clone()));
        let task = watch::channel(None).1;
        let node = NodeFace { is_host: false, views, progress, commands, choices: None, task, lan, files };
        let signaling = Some(server.clone());
        Serving::start(listener, router(Web { signaling, node: Some(node), started: Instant::now() }))
    });
    voice
        .emit(&json!({ "event": "joining", "peer": peer.id().0.map(|byte| format!("{byte:02x}")).concat() }));
    let threads = if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") };
    voice.say(&format!("Lending a hand as {}, with {threads}.", peer.id()));
    if let (Some(invites), Some(address)) = (&invites, address) {
        tell_links(&voice, invites, address);
    }

    let entrances = entries(&invite.origin, "", &args.also);
    let copy = args.save.map(|path| TaskCopy::start(path, peer.ledgers()));
    let helping =
        Helping { is_staying: args.stay, ..Helping::new(voice, peer, copy, entrances, args.patience) };
    let outcome = helping.run(signals, control).await;
    server.shut_down();
    if let Some(serving) = serving {
        serving.stop().await;
    }
    if let Some(files) = files {
        files.end().await;
    }
    drop(identity);
    outcome
}

/// The folder of one room's files: what a friend has from one room is nothing for another. Several friends on one machine have
/// one each, as they have their keys.
fn files_name(invite: &Invite, index: usize) -> String {
    let room: String = invite.room.room_id().0.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{room}-{index}")
}

/// Where others can join through this machine.
fn tell_links(voice: &Voice, invites: &Invites, address: SocketAddr) {
    let lan: Vec<_> = invites.lan.iter().map(|(_, invite)| invite.to_string()).collect();
    voice.emit(&json!({
        "event": "listening",
        "port": address.port(),
        "invite": invites.local.to_string(),
        "lan": lan,
    }));
    voice.say(&format!(
        "Others can join through this machine too, even when the host is gone:\n  {}",
        invites.best()
    ));
}

/// A friend that runs.
struct Helping {
    voice: Voice,
    peer: Peer,
    views: watch::Receiver<View>,
    progress: watch::Receiver<Progress>,
    copy: Option<TaskCopy>,
    /// The servers that let this node in: the one in the link first.
    entrances: Vec<String>,
    patience: Duration,
    /// Until when somebody must have let this node in; moved on for as long as somebody is there, or there is work.
    deadline: Instant,
    /// Whether any of these servers was ever reached.
    was_reached: bool,
    /// Why a peer was not believed, or did not believe this node.
    refused: Option<String>,
    /// Whether it stays when the job is done.
    is_staying: bool,
    /// Whether the end of the job was told.
    is_told: bool,
    stop: Stop,
}

/// How far the end of the program is.
enum Stop {
    /// Not in sight.
    Not,
    /// The job is done, and the program ends when all peers know, or at this moment.
    Grace(Instant),
    /// The node says goodbye, and this is what the program comes to.
    Leaving(Outcome),
}

impl Helping {
    fn new(
        voice: Voice,
        peer: Peer,
        copy: Option<TaskCopy>,
        entrances: Vec<String>,
        patience: Duration,
    ) -> Self {
        let (views, progress) = (peer.views(), peer.ledgers());
        let deadline = Instant::now() + patience;
        Self {
            voice,
            peer,
            views,
            progress,
            copy,
            entrances,
            patience,
            deadline,
            was_reached: false,
            refused: None,
            is_staying: false,
            is_told: false,
            stop: Stop::Not,
        }
    }

    async fn run(mut self, mut signals: Signals, mut control: mpsc::Receiver<Command>) -> Outcome {
        let mut events = self.peer.events();
        loop {
            let due = match self.stop {
                Stop::Not => self.deadline,
                Stop::Grace(end) => end,
                Stop::Leaving(_) => Instant::now() + Duration::from_secs(3600),
            };
            tokio::select! {
                Ok(()) = self.views.changed() => self.on_view().await,
                warning = next_warning(&mut self.copy) => self.voice.warn(&warning),
                Some(command) = control.recv() => self.peer.command(command).await,
                event = events.recv() => match event {
                    Ok(Event::Left) | Err(RecvError::Closed) => break,
                    Ok(event) => self.on_event(&event).await,
                    Err(RecvError::Lagged(missed)) => tracing::debug!(missed, "events were missed"),
                },
                () = signals.recv() => if self.on_signal().await { break },
                () = tokio::time::sleep_until(due.into()) => self.on_due().await,
            }
        }

        let Self { voice, peer, copy, stop, .. } = self;
        voice.end();
        let _ = timeout(LEAVE_WITHIN, peer.finished()).await;
        let saved = match copy {
            Some(copy) => copy.end().await,
            None => Ok(()),
        };
        match stop {
            Stop::Leaving(outcome) => outcome.and(saved),
            Stop::Not | Stop::Grace(_) => saved,
        }
    }

    async fn on_view(&mut self) {
        let view = self.views.borrow_and_update().clone();
        let servers = self.peer.servers();
        let is_reached = |at: &String| servers.borrow().get(at) == Some(&ServerState::Connected);
        self.was_reached |= self.entrances.iter().any(is_reached);
        // Who has work can finish it alone; who has none has company or runs out of patience.
        if room::has_started(&view) || room::has_company(&view) {
            self.deadline = Instant::now() + self.patience;
        }
        let unit_size = self.progress.borrow().as_ref().and_then(|progress| numbers::unit_size(&progress.0));
        self.voice.know_unit_size(unit_size);
        match self.stop {
            Stop::Not if room::is_finished(&view) && !self.is_told => {
                self.is_told = true;
                let (json, text) = room::result(&view, &self.progress.borrow());
                self.voice.emit(&json);
                self.voice.say(&text);
                if self.is_staying {
                    self.voice.say("Staying for files and messages. Press Ctrl-C to leave.");
                } else {
                    self.stop = Stop::Grace(Instant::now() + GRACE);
                }
            }
            Stop::Not if self.is_told => {}
            Stop::Not => self.voice.show(&view),
            Stop::Grace(_) | Stop::Leaving(_) => {}
        }
        if matches!(self.stop, Stop::Grace(_)) && room::everyone_knows(&view) {
            self.leave(Command::Leave, Ok(())).await;
        }
    }

    async fn on_event(&mut self, event: &Event) {
        let view = self.views.borrow().clone();
        self.voice.tell(event, &view);
        match event {
            // Before anybody let this node in, a server that does not want it means that the link is wrong.
            Event::SignalingRefused { message } if view.job.is_none() && !room::has_company(&view) => {
                let message = one_line(message);
                if self.entrances.len() > 1 {
                    // Another of them may know better.
                    self.refused = Some(message);
                    return;
                }
                let refusal = format!("{} refuses: {message}", self.entrances[0]);
                self.leave(Command::Leave, Err(Failure::new(Reason::Refused, refusal))).await;
            }
            Event::Refused { why } => self.refused = Some(one_line(why)),
            Event::SignalingRefused { .. }
            | Event::LinkUp { .. }
            | Event::LinkDown { .. }
            | Event::Misbehaved { .. }
            | Event::JobKnown
            | Event::Started
            | Event::TookBack { .. }
            | Event::Disputed { .. }
            | Event::Heard { .. }
            | Event::PrimeFound { .. }
            | Event::Finished
            | Event::FileHere { .. }
            | Event::FileFailed { .. }
            | Event::Left => {}
        }
    }

    /// The patience, or the grace, is over.
    async fn on_due(&mut self) {
        let outcome = match self.stop {
            Stop::Not => Err(self.nobody()),
            Stop::Grace(_) | Stop::Leaving(_) => Ok(()),
        };
        self.leave(Command::Leave, outcome).await;
    }

    /// Why nobody let this node in.
    fn nobody(&self) -> Failure {
        let waited = numbers::span(self.patience.as_secs_f64());
        let origin = self.entrances.join(" or ");
        if self.views.borrow().job.is_some() {
            // It was in, so the host was there once.
            return Failure::new(
                Reason::Unreachable,
                format!(
                    "everybody was gone for {waited}, before the job started: ask the host to start again"
                ),
            );
        }
        let servers = self.peer.servers();
        let why = match servers.borrow().get(&self.entrances[0]) {
            Some(ServerState::Failed(why)) => format!(": {}", one_line(why)),
            Some(ServerState::Connecting | ServerState::Connected) | None => String::new(),
        };
        match (&self.refused, self.was_reached) {
            (Some(why), _) => Failure::new(
                Reason::Refused,
                format!(
                    "the room does not let this machine in: {why}\nCopy the whole link from the host again."
                ),
            ),
            (None, true) => Failure::new(
                Reason::Refused,
                format!(
                    "{origin} answers, but nobody of this room let this machine in within {waited}: \
                     the host is gone, or the link is not its own"
                ),
            ),
            (None, false) => Failure::new(
                Reason::Unreachable,
                format!(
                    "nobody answers at {origin} (tried for {waited}){why}.\n\
                     Is the host running, and is this machine in the same network?"
                ),
            ),
        }
    }

    /// One more Ctrl-C; true if the program is to end at once.
    async fn on_signal(&mut self) -> bool {
        match self.stop {
            Stop::Leaving(_) => {
                self.peer.command(Command::Leave).await;
                return true;
            }
            Stop::Grace(_) => self.leave(Command::Leave, Ok(())).await,
            Stop::Not if self.is_told => self.leave(Command::Leave, Ok(())).await,
            Stop::Not => {
                self.voice.say("Finishing what is under way; Ctrl-C again stops at once.");
                self.leave(Command::Finish, Err(Failure::interrupted())).await;
            }
        }
        false
    }

    async fn leave(&mut self, command: Command, outcome: Outcome) {
        self.stop = Stop::Leaving(outcome);
        self.peer.command(command).await;
    }
}

/// What the copy's keeper says next; nothing ever where there is none.
async fn next_warning(copy: &mut Option<TaskCopy>) -> String {
    match copy {
        Some(copy) => copy.warning().await,
        None => std::future::pending().await,
    }
}
