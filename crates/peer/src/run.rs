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

use manyhands_core::{Command, Event, LinkEvent, LinkId, Node, Output, Slot, Time};
use manyhands_jobs::Report;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use crate::clock::Clock;
use crate::link::{Link, Order, Role};
use crate::outlets::Outlets;
use crate::servers::Servers;
use crate::signaling::ServerNews;
use crate::transport::Transports;
use crate::workers::Workers;

/// How many link events wait for the node.
pub(crate) const LINK_EVENTS_MAX: usize = 1024;
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
    /// What workers tell.
    pub(crate) reports: mpsc::Receiver<(Slot, Report)>,
    /// What happens on the way to signaling.
    pub(crate) news: mpsc::Receiver<ServerNews>,
}

/// The node and all that it drives.
pub(crate) struct Run {
    pub(crate) node: Node,
    pub(crate) clock: Clock,
    pub(crate) outlets: Outlets,
    pub(crate) servers: Servers,
    pub(crate) workers: Workers,
    pub(crate) transports: Arc<dyn Transports>,
    /// Where links report to.
    pub(crate) inbox: mpsc::Sender<(LinkId, LinkEvent)>,
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
        self.node.handle_command(self.clock.now(), command);
        self.outlets.look_soon();
    }

    /// Does all that the node wants done.
    fn drain(&mut self) {
        while let Some(output) = self.node.poll_output() {
            if !matches!(output, Output::Send(..)) {
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
                Output::SendBulk(..) | Output::Store(_) => {}
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
        let Some(link) = self.state.links.get(&id) else { return };
        if let Err(refused) = link.give(order) {
            tracing::debug!(link = id.0, %refused, "hanging up");
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
        let Self { mut state, servers, workers, inbox, outlets, .. } = self;
        drop(inbox);
        state.closing.extend(state.links.into_values().map(Link::hang_up));
        let links = timeout(CLOSE_MAX, async {
            for task in state.closing {
                let _ = task.await;
            }
        });
        let (links, (), ()) = tokio::join!(links, servers.stop(), workers.stop());
        if links.is_err() {
            tracing::debug!("some links did not close in time");
        }
        drop(outlets);
    }
}
