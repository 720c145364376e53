//! The loop: one task owns the node, hands in what happens, and does what comes out.
//!
//! A turn of the loop: what is due, then all outputs, then what the watchers outside are to see, then the wait for the
//! next thing. Nothing in a turn waits for anybody: links and workers have queues of their own, and one that is full
//! is that link's end. What comes in waits in bounded queues, which slows those who send.
//!
//! After [`Event::Left`] the links hang up side by side, each sending what was given before; the threads and the
//! WebSocket end meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use manyhands_core::files::{ChunkState, StoreEvent};
use manyhands_core::{Command, Event, LinkEvent, LinkId, Node, Output, Slot, Time};
use manyhands_jobs::Report;
use manyhands_wire::{FileId, JobSpec};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use crate::clock::Clock;
use crate::link::{Inbox, Link, Order, Refused, Role};
use crate::outlets::Outlets;
use crate::servers::Servers;
use crate::signaling::ServerNews;
use crate::store::Orders;
use crate::transport::Transports;
use crate::workers::Workers;

/// How many link events wait for the node.
pub(crate) const LINK_EVENTS_MAX: usize = 1024;
/// How many bulk events of links wait for the node: at 64 KiB a message they are what takes the most memory.
pub(crate) const BULK_EVENTS_MAX: usize = 64;
/// How many questions wait for the node.
pub(crate) const QUESTIONS_MAX: usize = 16;
/// How many bulk events, and how many answers of the store, the node is handed in a turn at most, if they are there already.
const EVENTS_A_TURN_MAX: usize = 16;
/// How many reports of workers wait for the node.
pub(crate) const REPORTS_MAX: usize = 256;
/// How many messages of signaling servers wait for the node.
pub(crate) const NEWS_MAX: usize = 64;
/// How many commands wait for the node.
pub(crate) const COMMANDS_MAX: usize = 64;
/// How long the goodbyes may take, once the node has been told to leave at once.
const LEAVE_MAX: Duration = Duration::from_secs(3);
/// How long the links may take to close: the flush of a link, and its close.
const CLOSE_MAX: Duration = Duration::from_secs(2);
/// The shortest wait: a deadline in the past must not make the loop spin.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// What happens, by where it comes from.
#[derive(Debug)]
pub(crate) struct Inlets {
    /// What the person wants.
    pub(crate) commands: mpsc::Receiver<Command>,
    /// What happens on links.
    pub(crate) links: mpsc::Receiver<(LinkId, LinkEvent)>,
    /// What happens on links in bulk.
    pub(crate) bulk: mpsc::Receiver<(LinkId, LinkEvent)>,
    /// What the store answers; `None` without a store.
    pub(crate) store: Option<mpsc::Receiver<StoreEvent>>,
    /// What is asked.
    pub(crate) questions: mpsc::Receiver<Question>,
    /// What workers tell.
    pub(crate) reports: mpsc::Receiver<(Slot, Report)>,
    /// What happens on the way to signaling.
    pub(crate) news: mpsc::Receiver<ServerNews>,
}

/// What is asked of the node, and where the answer goes.
#[derive(Debug)]
pub(crate) enum Question {
    /// How do the chunks of this file stand?
    Chunks(FileId, oneshot::Sender<Option<Vec<ChunkState>>>),
    /// Is this the job from now on, with so many friends to wait for? The node refuses it once another has begun.
    Job(JobSpec, u16, oneshot::Sender<bool>),
}

/// The node and all that it drives.
pub(crate) struct Run {
    pub(crate) node: Node,
    pub(crate) clock: Clock,
    pub(crate) outlets: Outlets,
    pub(crate) servers: Servers,
    pub(crate) workers: Workers,
    pub(crate) transports: Arc<dyn Transports>,
    pub(crate) store: Orders,
    /// Where links report to.
    pub(crate) inbox: Inbox,
    pub(crate) state: State,
}

/// What the loop remembers.
#[derive(Debug, Default)]
pub(crate) struct State {
    links: BTreeMap<LinkId, Link>,
    /// Links that are being closed.
    closing: Vec<JoinHandle<()>>,
    /// Whether nobody will give commands any more.
    is_left_alone: bool,
    /// When to stop waiting for the node's goodbyes.
    leave_by: Option<Instant>,
    has_left: bool,
}

impl Run {
    /// Runs until the node has left.
    pub(crate) async fn run(mut self, mut inlets: Inlets) {
        loop {
            let now = self.clock.now();
            if self.node.poll_timeout() <= now {
                self.node.handle_timeout(now);
            }
            self.drain();
            let look_again_at = self.outlets.refresh(&self.node, self.clock.now());
            if self.state.has_left || self.state.leave_by.is_some_and(|by| by <= Instant::now()) {
                break;
            }
            self.wait(&mut inlets, look_again_at).await;
        }
        self.outlets.refresh_finally(&self.node, self.clock.now());
        // Whoever still wants to report finds nobody, and so does not wait.
        drop(inlets);
        self.close().await;
    }

    /// Waits for the next thing, and hands it in.
    async fn wait(&mut self, inlets: &mut Inlets, look_again_at: Time) {
        let deadline = self.clock.instant(self.node.poll_timeout().min(look_again_at));
        let deadline = [deadline, self.state.leave_by].into_iter().flatten().min();
        let deadline = deadline.map(|at| at.max(Instant::now() + WAIT_MIN));
        let timer = async {
            match deadline {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some((link, event)) = inlets.links.recv() => self.on_link_event(link, event),
            Some(event) = inlets.bulk.recv() => self.on_bulk_events(event, &mut inlets.bulk),
            Some(event) = next_answer(&mut inlets.store) => self.on_store_events(event, &mut inlets.store),
            Some(question) = inlets.questions.recv() => self.on_question(question),
            Some((slot, report)) = inlets.reports.recv() => self.node.handle_worker(self.clock.now(), slot, report),
            Some(news) = inlets.news.recv() => self.on_news(news),
            command = inlets.commands.recv(), if !self.state.is_left_alone => self.on_command(command),
            () = timer => {}
        }
    }

    fn on_link_event(&mut self, id: LinkId, event: LinkEvent) {
        // A link that the node hung up on may still have something to say; the node has forgotten it.
        if !self.state.links.contains_key(&id) {
            return;
        }
        if !matches!(event, LinkEvent::Received(_)) {
            tracing::trace!(link = id.0, ?event);
        }
        if event == LinkEvent::Closed {
            self.hang_up(id);
        }
        self.node.handle_link(self.clock.now(), id, event);
    }

    /// Hands in one event, and some of those that are there already.
    fn on_bulk_events(
        &mut self,
        (id, event): (LinkId, LinkEvent),
        more: &mut mpsc::Receiver<(LinkId, LinkEvent)>,
    ) {
        self.on_bulk_event(id, event);
        for _ in 1..EVENTS_A_TURN_MAX {
            let Ok((id, event)) = more.try_recv() else { break };
            self.on_bulk_event(id, event);
        }
    }

    fn on_bulk_event(&mut self, id: LinkId, event: LinkEvent) {
        if self.state.links.contains_key(&id) {
            self.node.handle_link(self.clock.now(), id, event);
        }
    }

    /// The same for the store's answers.
    fn on_store_events(&mut self, event: StoreEvent, more: &mut Option<mpsc::Receiver<StoreEvent>>) {
        self.node.handle_store(self.clock.now(), event);
        for _ in 1..EVENTS_A_TURN_MAX {
            let Some(Ok(event)) = more.as_mut().map(mpsc::Receiver::try_recv) else { break };
            self.node.handle_store(self.clock.now(), event);
        }
    }

    fn on_news(&mut self, (server, news): ServerNews) {
        if let Some(event) = self.servers.on_news(server, news) {
            tracing::trace!(?server, ?event);
            self.node.handle_signaling(self.clock.now(), server, event);
            self.outlets.look_soon();
        }
    }

    fn on_command(&mut self, command: Option<Command>) {
        self.state.is_left_alone = command.is_none();
        // A peer whose handle is dropped is not wanted any more.
        let command = command.unwrap_or(Command::Leave);
        if command == Command::Leave {
            self.state.leave_by.get_or_insert(Instant::now() + LEAVE_MAX);
        }
        let is_about_files = matches!(command, Command::AddFile(_) | Command::ForgetFile(_));
        self.node.handle_command(self.clock.now(), command);
        if is_about_files {
            self.outlets.look_at_files_soon();
        } else {
            self.outlets.look_soon();
        }
    }

    /// Answers; whoever asked may have lost interest.
    fn on_question(&mut self, question: Question) {
        match question {
            Question::Chunks(file, answer) => {
                let _ = answer.send(self.node.chunk_states(&file));
            }
            Question::Job(spec, wait, answer) => {
                self.node.handle_command(self.clock.now(), Command::SetJob { spec: spec.clone(), wait });
                self.outlets.look_soon();
                let _ = answer.send(self.node.job() == Some(&spec));
            }
        }
    }

    /// Does all that the node wants done.
    fn drain(&mut self) {
        self.store.retry();
        while let Some(output) = self.node.poll_output() {
            if !matches!(output, Output::Send(..) | Output::SendBulk(..) | Output::Store(_)) {
                tracing::trace!(?output);
            }
            match output {
                Output::Connect(server, address) => self.servers.connect(server, address),
                Output::Disconnect(server) => self.servers.disconnect(server),
                Output::Signal(server, message) => self.servers.send(server, message),
                Output::Dial(id) => self.start(id, Role::Dial),
                Output::Answer(id, offer) => self.start(id, Role::Answer(offer)),
                Output::Answered(id, answer) => self.give(id, Order::Answered(answer)),
                Output::Candidate(id, candidate) => self.give(id, Order::Candidate(candidate)),
                Output::Send(id, message) => self.give(id, Order::Send(message)),
                Output::SendBulk(id, message) => self.give_bulk(id, message),
                Output::Store(order) => {
                    if let Some(refusal) = self.store.give(order) {
                        self.node.handle_store(self.clock.now(), refusal);
                    }
                }
                Output::HangUp(id) => self.hang_up(id),
                Output::Work(slot, command) => self.workers.command(slot, command),
                Output::Event(event) => {
                    if event == Event::Left {
                        self.state.has_left = true;
                        self.outlets.refresh_finally(&self.node, self.clock.now());
                    }
                    self.outlets.tell(event);
                }
            }
        }
    }

    fn start(&mut self, id: LinkId, role: Role) {
        let link = Link::start(id, role, self.transports.clone(), self.inbox.clone());
        self.state.links.insert(id, link);
    }

    fn give(&mut self, id: LinkId, order: Order) {
        let given = self.state.links.get(&id).map(|link| link.give(order));
        self.check(id, given);
    }

    fn give_bulk(&mut self, id: LinkId, message: Vec<u8>) {
        let given = self.state.links.get(&id).map(|link| link.give_bulk(message));
        self.check(id, given);
    }

    /// Hangs up on a link that takes no more.
    fn check(&mut self, id: LinkId, given: Option<Result<(), Refused>>) {
        if let Some(Err(refused)) = given {
            tracing::debug!(link = id.0, %refused);
            self.hang_up(id);
            self.node.handle_link(self.clock.now(), id, LinkEvent::Closed);
        }
    }

    fn hang_up(&mut self, id: LinkId) {
        if let Some(link) = self.state.links.remove(&id) {
            self.state.closing.retain(|task| !task.is_finished());
            self.state.closing.push(link.hang_up());
        }
    }

    /// Ends everything, side by side.
    async fn close(self) {
        let Self { mut state, servers, workers, inbox, outlets, store, .. } = self;
        drop(inbox);
        state.closing.extend(state.links.into_values().map(Link::hang_up));
        let links = timeout(CLOSE_MAX, async {
            for task in state.closing {
                let _ = task.await;
            }
        });
        let store = timeout(CLOSE_MAX, store.finish());
        let (links, (), (), stored) = tokio::join!(links, servers.stop(), workers.stop(), store);
        if links.is_err() {
            tracing::debug!("some links did not close in time");
        }
        if stored.is_err() {
            tracing::error!("the store of files did not take all its orders in time");
        }
        drop(outlets);
    }
}

/// The store's next answer; `None` if there will be none.
async fn next_answer(store: &mut Option<mpsc::Receiver<StoreEvent>>) -> Option<StoreEvent> {
    match store {
        Some(answers) => answers.recv().await,
        None => None,
    }
}
