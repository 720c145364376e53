//! `manyhands host`: asks friends for a hand.
//!
//! The life of a host: take the port; open the file ([`opening`]); start the peer, the saver ([`saver`]) and the server;
//! hand out the links; then wait for what comes, until the person stops it or the job is done. Until the job has begun its
//! person may choose another ([`choosing`]). At the end the peer says goodbye, and what was finished last is saved.

mod choosing;
mod opening;
mod saver;
mod speak;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use manyhands_core::{Command, Config, Event, HostConfig, RoomKey, View};
use manyhands_peer::{Options, Peer, ServerState};
use manyhands_signaling::{ServedRooms, Server};
use manyhands_wire::frame::PeerKind;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::cli::HostArgs;
use crate::doors::{Doors, announced, entries, own_address};
use crate::exit::{Failure, Outcome};
use crate::files::{self, Files, Wired};
use crate::http::{Choice, NodeFace, Progress, Web, router};
use crate::identity::{self, random};
use crate::introductions::Introductions;
use crate::invites::Invites;
use crate::listen::{Serving, listen};
use crate::room;
use crate::signals::Signals;
use crate::voice::Voice;
use crate::{numbers, store};

use choosing::Chooser;
use saver::{Saver, Word};

/// How many commands from the page may wait.
const COMMANDS_MAX: usize = 16;
/// How many choices of a job may wait.
const CHOICES_MAX: usize = 4;
/// With `--exit-when-done`: how long to wait at most until all peers have the finished ledger.
const GRACE: Duration = Duration::from_secs(5);
/// How long a peer that was told to leave at once may take.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// Hosts a room until the job is done or the person stops it.
pub(crate) async fn run(args: HostArgs) -> Outcome {
    args.check()?;
    let voice = Voice::new(args.json);
    let mut signals = Signals::new()?;
    // First the port: a host that cannot listen must not touch the file, which --restart begins anew.
    let listener = listen(&args.listen).await?;
    let address = listener.local_addr()?;
    let job = tokio::task::block_in_place(|| opening::open(&args))?;
    for notice in &job.notices {
        voice.warn(notice);
    }
    let room = RoomKey::new(&identity::public_key(&job.secret), job.room_key);
    // A job that is made up to be measured leaves nothing behind.
    let beside = match (&job.store, args.delay) {
        (Some(store), _) => Some(files_beside(store.path(), &room)),
        (None, Some(_)) => None,
        (None, None) => Some(files_of(&room)),
    };
    let files = files::open(&args.files, beside, |text| voice.warn(text), &mut signals).await?;
    let server = Server::new(ServedRooms::Only([room.room_id()].into()));
    let (task, task_path) = watch::channel(job.store.as_ref().map(|store| store.path().to_owned()));
    let own = own_address(address);
    let origin = args.relay.clone().unwrap_or_else(|| own.clone());
    let invites = match &args.relay {
        Some(origin) => Invites::of_relay(origin, room),
        None => Invites::of_listener(address, room),
    };
    let doors = Doors {
        servers: entries(&origin, &own, &args.also),
        address: announced(&Invites::of_listener(address, room).best().origin, &origin),
    };
    if let Some(path) = &args.invite_file {
        invites.write(path)?;
    }
    let chooser = Chooser::new(&args, &job, task);
    let (peer, saver, files) = start_peer(&args, job, room, doors, files)?;
    let (commands, control) = mpsc::channel(COMMANDS_MAX);
    let (choices_tx, choices) = mpsc::channel(CHOICES_MAX);
    let face = files.as_ref().map(|files| files.face(&peer, commands.clone()));
    let node = NodeFace {
        is_host: true,
        views: peer.views(),
        progress: peer.ledgers(),
        commands: commands.clone(),
        choices: Some(choices_tx),
        task: task_path,
        lan: invites.origins(),
        files: face,
    };
    let web = Web { signaling: Some(server.clone()), node: Some(node), started: Instant::now() };
    let serving = Serving::start(listener, router(web));

    speak::welcome(&voice, &peer.views().borrow(), &invites, address, args.qr);
    if args.wait > 0 && voice.is_terminal() && std::io::stdin().is_terminal() {
        voice.say("Press Enter to start before all friends are here.");
        start_on_enter(commands);
    }

    let hosting = Hosting::new(args.exit_when_done, voice, peer, saver, origin, chooser);
    let outcome = hosting.run(signals, control, choices).await;
    server.shut_down();
    serving.stop().await;
    if let Some(files) = files {
        files.end().await;
    }
    outcome
}

fn start_peer(
    args: &HostArgs,
    job: opening::Job,
    room: RoomKey,
    doors: Doors,
    files: Option<Files>,
) -> anyhow::Result<(Peer, Option<Saver>, Option<Wired>)> {
    let threads = if args.no_work { 0 } else { args.work.thread_count() };
    let config = Config {
        secret: job.secret,
        room,
        seed: random()?,
        name: args.work.name.clone(),
        kind: PeerKind::Native,
        threads,
        servers: doors.servers,
        address: doors.address,
        remembered: None,
        host: job.work.map(|(spec, ledger)| HostConfig {
            spec,
            ledger: Some(ledger),
            saved: job.saved,
            wait: args.wait,
        }),
        files: None,
    };
    let options = Options { throttle_permille: args.work.throttle.0, threads_max: threads };
    let (peer, files) = files::spawn(config, options, files);
    let saver =
        job.store.map(|store: store::TaskStore| Saver::start(store, peer.ledgers(), peer.saved_tests()));
    Ok((peer, saver, files))
}

/// The folder of the room's files: beside the task, as it is the task's room. If the task was chosen when the room was there
/// already, it is that of the room.
fn files_beside(task: &Path, room: &RoomKey) -> PathBuf {
    let of_room = task.with_file_name(files_of(room));
    if of_room.is_dir() {
        return of_room;
    }
    let mut name = task.file_name().unwrap_or_default().to_owned();
    name.push(".manyhands-files");
    task.with_file_name(name)
}

/// The folder of the files of a room whose job is still to be chosen: each has its own, as its friends are others.
fn files_of(room: &RoomKey) -> PathBuf {
    let id: String = room.room_id().0[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("room-{id}.manyhands-files").into()
}

/// Starts the job when the person presses Enter. The thread ends with the program.
fn start_on_enter(commands: mpsc::Sender<Command>) {
    std::thread::spawn(move || {
        let mut line = String::new();
        if std::io::stdin().read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
            let _ = commands.blocking_send(Command::Start);
        }
    });
}

/// A host that runs.
struct Hosting {
    exit_when_done: bool,
    voice: Voice,
    peer: Peer,
    saver: Option<Saver>,
    views: watch::Receiver<View>,
    progress: watch::Receiver<Progress>,
    /// Where friends are introduced.
    origin: String,
    introductions: Introductions,
    chooser: Chooser,
    /// Whether the end of the job was told, which is when it is safe on the disk.
    is_told: bool,
    stop: Stop,
}

/// How far the end of the program is.
enum Stop {
    /// Not asked for.
    Not,
    /// The job is done, and the program ends when all peers know, or at this moment.
    Grace(Instant),
    /// The node says goodbye. If the person asked for it before the job was done, that is not a good end.
    Leaving { interrupted: bool },
}

impl Hosting {
    fn new(
        exit_when_done: bool,
        voice: Voice,
        peer: Peer,
        saver: Option<Saver>,
        origin: String,
        chooser: Chooser,
    ) -> Self {
        let (views, progress) = (peer.views(), peer.ledgers());
        Self {
            exit_when_done,
            voice,
            peer,
            saver,
            views,
            progress,
            origin,
            introductions: Introductions::new(Instant::now()),
            chooser,
            is_told: false,
            stop: Stop::Not,
        }
    }

    async fn run(
        mut self,
        mut signals: Signals,
        mut control: mpsc::Receiver<Command>,
        mut choices: mpsc::Receiver<Choice>,
    ) -> Outcome {
        let mut events = self.peer.events();
        self.on_view().await;
        loop {
            let grace_end = match self.stop {
                Stop::Grace(end) => end,
                Stop::Not | Stop::Leaving { .. } => Instant::now() + Duration::from_secs(3600),
            };
            tokio::select! {
                Ok(()) = self.views.changed() => self.on_view().await,
                word = next_word(&mut self.saver) => self.on_word(word).await,
                Some(command) = control.recv() => self.peer.command(command).await,
                Some(choice) = choices.recv() => self.on_choice(choice).await,
                event = events.recv() => match event {
                    Ok(Event::Left) | Err(RecvError::Closed) => break,
                    Ok(event) => self.voice.tell(&event, &self.views.borrow()),
                    Err(RecvError::Lagged(missed)) => tracing::debug!(missed, "events were missed"),
                },
                () = signals.recv() => if self.on_signal().await { break },
                () = tokio::time::sleep_until(grace_end.into()) => self.leave(Command::Leave, false).await,
            }
        }
        self.end().await
    }

    async fn on_view(&mut self) {
        let view = self.views.borrow_and_update().clone();
        self.watch_introductions();
        let unit_size = self.progress.borrow().as_ref().and_then(|progress| numbers::unit_size(&progress.0));
        self.voice.know_unit_size(unit_size);
        if !self.is_told {
            self.voice.show(&view);
        }
        let is_saved = self.saver.as_ref().is_none_or(|saver| saver.is_complete());
        if room::is_finished(&view) && is_saved && !self.is_told {
            self.is_told = true;
            let (json, text) = room::result(&view, &self.progress.borrow());
            self.voice.emit(&json);
            self.voice.say(&text);
            if self.exit_when_done {
                self.stop = Stop::Grace(Instant::now() + GRACE);
            } else {
                self.voice.say("Friends who come now see the result. Press Ctrl-C to stop.");
            }
        }
        if matches!(self.stop, Stop::Grace(_)) && room::everyone_knows(&view) {
            self.leave(Command::Leave, false).await;
        }
    }

    /// Tells when newcomers cannot get in for a while, and when they can again.
    fn watch_introductions(&mut self) {
        if matches!(self.stop, Stop::Leaving { .. }) {
            return;
        }
        let state = self.peer.servers().borrow().get(&self.origin).cloned().unwrap_or_default();
        let is_connected = state == ServerState::Connected;
        let Some(change) = self.introductions.note(is_connected, Instant::now()) else { return };
        let why = match &state {
            ServerState::Failed(why) => Some(why.as_str()),
            ServerState::Connecting | ServerState::Connected => None,
        };
        speak::introductions(&self.voice, change, &self.origin, why);
    }

    async fn on_word(&mut self, word: Word) {
        match word {
            Word::Complete => self.on_view().await,
            Word::Notice(text) => self.voice.warn(&text),
        }
    }

    /// One more Ctrl-C; true if the program is to end at once.
    async fn on_signal(&mut self) -> bool {
        match self.stop {
            Stop::Leaving { .. } => {
                self.peer.command(Command::Leave).await;
                return true;
            }
            Stop::Not | Stop::Grace(_) if self.is_told => self.leave(Command::Leave, false).await,
            Stop::Not | Stop::Grace(_) => {
                self.voice.say("Finishing what is under way; Ctrl-C again stops at once.");
                self.leave(Command::Finish, true).await;
            }
        }
        false
    }

    async fn leave(&mut self, command: Command, interrupted: bool) {
        self.stop = Stop::Leaving { interrupted };
        self.peer.command(command).await;
    }

    /// Says goodbye and saves what was finished last.
    async fn end(self) -> Outcome {
        let Self { voice, peer, saver, views, progress, stop, is_told, .. } = self;
        voice.end();
        drop(views);
        let _ = timeout(LEAVE_WITHIN, peer.finished()).await;
        let last = progress.borrow().clone();
        if let Some(saver) = saver {
            saver.end().await.map_err(anyhow::Error::from)?;
        }
        match stop {
            Stop::Leaving { interrupted: true } if !is_told => {
                let text = speak::goodbye(&last);
                voice.say(&text);
                Err(Failure::interrupted())
            }
            Stop::Leaving { .. } | Stop::Grace(_) | Stop::Not => Ok(()),
        }
    }
}

/// What the saver says next; nothing ever where there is none.
async fn next_word(saver: &mut Option<Saver>) -> Word {
    match saver {
        Some(saver) => saver.word().await,
        None => std::future::pending().await,
    }
}
