//! One connection attempt or connection: an `RTCPeerConnection` and its two data channels, for frames and for bytes of files.
//!
//! A link is dialled ([`Link::dial`]) or answered ([`Link::answer`]). Either way it tells its description, its candidates,
//! that it opened, what it received, and at last that it closed: once, and nothing after it. There are no ICE servers:
//! friends are in one network, or reach the host by the address in the invite. An attempt that is not open after
//! [`DIAL_TIMEOUT`] has failed.
//!
//! Chromium now and then loses a message that arrives just while the caller's channel opens (measured: 2 of 314 times). So
//! an answered link counts as open when the caller's first message is there, by which time the caller's channel is
//! surely open, or after [`QUIET_MS_MAX`]. The channel for bytes of files opens with the other, and has no say in that: what
//! is to go over it before waits, and what is to go over one that never came or is over is dropped.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::Future;
use std::rc::{Rc, Weak};

use js_sys::{ArrayBuffer, JSON, Uint8Array};
use manyhands_core::LinkEvent;
use manyhands_core::io::{BULK_LABEL, CHANNEL_LABEL, DIAL_TIMEOUT};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    Event, MessageEvent, RtcDataChannel, RtcDataChannelEvent, RtcIceCandidateInit, RtcPeerConnection,
    RtcPeerConnectionIceEvent, RtcPeerConnectionState, RtcSdpType, RtcSessionDescriptionInit,
};

use crate::channel::Channel;
use crate::listen::Listener;
use crate::timer::Alarm;

/// How long an answered link waits for the caller to speak first, in milliseconds (guess: many round trips).
const QUIET_MS_MAX: u32 = 500;
/// How long a link that hangs up may take to send its last words, in milliseconds (guess).
const LINGER_MS_MAX: u32 = 2_000;
/// How many remote candidates wait for the remote description at most.
const EARLY_CANDIDATES_MAX: usize = 64;
/// How many messages for the second channel wait until it is there; the core has a quarter of that under way at most.
const EARLY_BULK_MAX: usize = 256;

/// A link, closed when dropped.
pub struct Link(Rc<Inner>);

struct Inner {
    connection: RtcPeerConnection,
    channel: OnceCell<Channel>,
    bulk: OnceCell<Channel>,
    early_bulk: RefCell<Vec<Vec<u8>>>,
    tell: Box<dyn Fn(LinkEvent)>,
    opened: Cell<bool>,
    closed: Cell<bool>,
    /// Remote candidates until the remote description is set.
    early_remote: RefCell<Option<Vec<String>>>,
    /// Own candidates until the own description is told, which the other side wants first.
    early_own: RefCell<Option<Vec<String>>>,
    listeners: RefCell<Vec<Listener>>,
    deadline: RefCell<Option<Alarm>>,
    /// For an answered link that waits for the caller's first message.
    quiet: RefCell<Option<Alarm>>,
}

impl Link {
    /// Dials: describes an offer and opens the channels.
    ///
    /// # Errors
    /// If the browser creates no more connections.
    pub fn dial(tell: impl Fn(LinkEvent) + 'static) -> Result<Self, JsValue> {
        let inner = Inner::new(tell)?;
        for label in [CHANNEL_LABEL, BULK_LABEL] {
            inner.adopt(inner.connection.create_data_channel(label), Inner::on_open);
        }
        Inner::negotiate(&inner, |inner| async move {
            let offer = JsFuture::from(inner.connection.create_offer()).await?;
            inner.describe(&offer).await
        });
        Ok(Self(inner))
    }

    /// Answers a remote offer.
    ///
    /// # Errors
    /// If the browser creates no more connections.
    pub fn answer(offer: String, tell: impl Fn(LinkEvent) + 'static) -> Result<Self, JsValue> {
        let inner = Inner::new(tell)?;
        let weak = Rc::downgrade(&inner);
        inner.listen(Listener::new(&inner.connection, "datachannel", move |event| {
            if let Some(inner) = weak.upgrade() {
                inner.adopt(event.unchecked_into::<RtcDataChannelEvent>().channel(), Inner::on_nearly_open);
            }
        }));
        Inner::negotiate(&inner, |inner| async move {
            inner.set_remote(RtcSdpType::Offer, &offer).await?;
            let answer = JsFuture::from(inner.connection.create_answer()).await?;
            inner.describe(&answer).await
        });
        Ok(Self(inner))
    }

    /// Takes the remote answer to what this side dialled.
    pub fn answered(&self, answer: String) {
        Inner::negotiate(&self.0, |inner| async move { inner.set_remote(RtcSdpType::Answer, &answer).await });
    }

    /// Takes a remote candidate, the JSON of `RTCIceCandidateInit`.
    pub fn candidate(&self, candidate: String) {
        match &mut *self.0.early_remote.borrow_mut() {
            Some(early) if early.len() < EARLY_CANDIDATES_MAX => early.push(candidate),
            Some(_) => {}
            None => self.0.add_candidate(&candidate),
        }
    }

    /// Sends one message. A link whose queue is full closes and says so.
    pub fn send(&self, message: Vec<u8>) {
        if self.0.channel.get().is_some_and(|channel| channel.send(message).is_err()) {
            self.0.fail();
        }
    }

    /// Sends one message over the channel for bytes of files, now or when there is room, and says when the browser has it. One
    /// that cannot go any more is dropped, which is told in the same way.
    pub fn send_bulk(&self, message: Vec<u8>) {
        self.0.send_bulk(message);
    }

    /// Sends what it can, then closes. Nothing is told any more.
    pub fn hang_up(self) {
        let inner = Rc::clone(&self.0);
        inner.closed.set(true);
        let Some(channel) = inner.channel.get().filter(|channel| channel.is_open()) else { return };
        channel.close();
        // The channel's own close event, or the time limit, ends the connection, whichever is first.
        let keep = RefCell::new(Some(self));
        let timeout = Alarm::new(LINGER_MS_MAX, move || drop(keep.take()));
        *inner.deadline.borrow_mut() = Some(timeout);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.0.shut();
    }
}

impl Inner {
    fn new(tell: impl Fn(LinkEvent) + 'static) -> Result<Rc<Self>, JsValue> {
        let inner = Rc::new(Self {
            connection: RtcPeerConnection::new()?,
            channel: OnceCell::new(),
            bulk: OnceCell::new(),
            early_bulk: RefCell::default(),
            tell: Box::new(tell),
            opened: Cell::new(false),
            closed: Cell::new(false),
            early_remote: RefCell::new(Some(Vec::new())),
            early_own: RefCell::new(Some(Vec::new())),
            listeners: RefCell::default(),
            deadline: RefCell::default(),
            quiet: RefCell::default(),
        });
        inner.on(&inner.connection, "icecandidate", |inner, event| {
            inner.on_own_candidate(event.unchecked_into());
        });
        inner.on(&inner.connection, "connectionstatechange", |inner, _| {
            match inner.connection.connection_state() {
                RtcPeerConnectionState::Failed | RtcPeerConnectionState::Closed => inner.fail(),
                // A disconnected connection may come back; the core's own pings decide.
                _ => {}
            }
        });
        let weak = Rc::downgrade(&inner);
        let deadline = Alarm::new(DIAL_TIMEOUT.as_millis() as u32, move || {
            if let Some(inner) = weak.upgrade().filter(|inner| !inner.opened.get()) {
                inner.fail();
            }
        });
        *inner.deadline.borrow_mut() = Some(deadline);
        Ok(inner)
    }

    /// Runs the steps of a negotiation; a step that fails closes the link.
    fn negotiate<F>(inner: &Rc<Self>, steps: impl FnOnce(Rc<Self>) -> F)
    where
        F: Future<Output = Result<(), JsValue>> + 'static,
    {
        let weak: Weak<Self> = Rc::downgrade(inner);
        let steps = steps(Rc::clone(inner));
        spawn_local(async move {
            if steps.await.is_err()
                && let Some(inner) = weak.upgrade()
            {
                inner.fail();
            }
        });
    }

    async fn describe(&self, description: &JsValue) -> Result<(), JsValue> {
        JsFuture::from(self.connection.set_local_description(description.unchecked_ref())).await?;
        let sdp = self.connection.local_description().ok_or(JsValue::NULL)?.sdp();
        self.say(LinkEvent::Described(sdp));
        for candidate in self.early_own.take().into_iter().flatten() {
            self.say(LinkEvent::Candidate(candidate));
        }
        Ok(())
    }

    async fn set_remote(&self, kind: RtcSdpType, sdp: &str) -> Result<(), JsValue> {
        let description = RtcSessionDescriptionInit::new(kind);
        description.set_sdp(sdp);
        JsFuture::from(self.connection.set_remote_description(&description)).await?;
        for candidate in self.early_remote.take().into_iter().flatten() {
            self.add_candidate(&candidate);
        }
        Ok(())
    }

    /// A candidate that the browser does not like is passed over: others may do.
    fn add_candidate(&self, candidate: &str) {
        let Ok(init) = JSON::parse(candidate) else { return };
        if self.closed.get() || !init.is_object() {
            return;
        }
        let init: RtcIceCandidateInit = init.unchecked_into();
        let adding = self.connection.add_ice_candidate_with_opt_rtc_ice_candidate_init(Some(&init));
        spawn_local(async move {
            let _ = JsFuture::from(adding).await;
        });
    }

    fn on_own_candidate(&self, event: RtcPeerConnectionIceEvent) {
        // The end of the candidates comes as none, or as an empty one: nobody needs to hear of it.
        let Some(candidate) = event.candidate().filter(|candidate| !candidate.candidate().is_empty()) else {
            return;
        };
        let Ok(json) = JSON::stringify(&candidate.to_json()) else { return };
        let json = String::from(json);
        if let Some(early) = &mut *self.early_own.borrow_mut() {
            early.push(json);
            return;
        }
        self.say(LinkEvent::Candidate(json));
    }

    /// Takes the channels, each once; another one, which no friend opens, is closed.
    fn adopt(self: &Rc<Self>, channel: RtcDataChannel, on_open: fn(&Rc<Self>)) {
        match channel.label().as_str() {
            CHANNEL_LABEL if self.channel.set(Channel::new(channel.clone())).is_ok() => {
                self.adopt_frames(&channel, on_open);
            }
            BULK_LABEL if self.bulk.set(Channel::new(channel.clone())).is_ok() => self.adopt_bulk(&channel),
            _ => channel.close(),
        }
    }

    fn adopt_frames(self: &Rc<Self>, channel: &RtcDataChannel, on_open: fn(&Rc<Self>)) {
        let weak = Rc::downgrade(self);
        self.listen(Listener::new(channel, "open", move |_| {
            if let Some(inner) = weak.upgrade() {
                on_open(&inner);
            }
        }));
        self.on(channel, "close", |inner, _| inner.fail());
        self.on(channel, "message", |inner, event| {
            inner.on_open();
            inner.say(LinkEvent::Received(bytes_of(&event)));
        });
        self.on(channel, "bufferedamountlow", |inner, _| {
            if let Some(channel) = inner.channel.get() {
                channel.flush();
            }
        });
        // A browser may hand over a channel that is open already, and then no event comes.
        if self.channel.get().is_some_and(Channel::is_open) {
            on_open(self);
        }
    }

    fn send_bulk(&self, message: Vec<u8>) {
        if let Some(bulk) = self.bulk.get() {
            return self.say_sent(bulk.send(message).unwrap_or(1));
        }
        let mut early = self.early_bulk.borrow_mut();
        if early.len() < EARLY_BULK_MAX {
            early.push(message);
        } else {
            drop(early);
            self.say_sent(1);
        }
    }

    fn adopt_bulk(self: &Rc<Self>, channel: &RtcDataChannel) {
        for name in ["open", "bufferedamountlow"] {
            self.on(channel, name, |inner, _| {
                if let Some(bulk) = inner.bulk.get() {
                    inner.say_sent(bulk.flush());
                }
            });
        }
        // Without it the link is of no use for files, and half a link is worse than a new one.
        self.on(channel, "close", |inner, _| inner.fail());
        self.on(channel, "message", |inner, event| inner.say(LinkEvent::ReceivedBulk(bytes_of(&event))));
        self.early_bulk.take().into_iter().for_each(|message| self.send_bulk(message));
    }

    fn on_open(self: &Rc<Self>) {
        if !self.opened.replace(true) {
            self.say(LinkEvent::Opened);
        }
    }

    /// An answered link's channel is open: it waits for the caller to speak.
    fn on_nearly_open(self: &Rc<Self>) {
        let weak = Rc::downgrade(self);
        let quiet = Alarm::new(QUIET_MS_MAX, move || {
            if let Some(inner) = weak.upgrade() {
                inner.on_open();
            }
        });
        drop(self.quiet.replace(Some(quiet)));
    }

    /// So many messages of the channel for bytes of files have gone.
    fn say_sent(&self, messages: usize) {
        (0..messages).for_each(|_| self.say(LinkEvent::SentBulk));
    }

    fn say(&self, event: LinkEvent) {
        if !self.closed.get() {
            (self.tell)(event);
        }
    }

    /// Closes, and says so if nobody did before.
    fn fail(&self) {
        if !self.closed.replace(true) {
            (self.tell)(LinkEvent::Closed);
        }
        self.shut();
    }

    fn shut(&self) {
        self.closed.set(true);
        self.connection.close();
        // What they hold may hold the last reference to this link: dropped outside of the borrow.
        let listeners = self.listeners.take();
        let timeouts = (self.deadline.take(), self.quiet.take());
        drop((listeners, timeouts));
    }

    fn on(self: &Rc<Self>, target: &web_sys::EventTarget, name: &'static str, react: fn(&Rc<Self>, Event)) {
        let weak = Rc::downgrade(self);
        self.listen(Listener::new(target, name, move |event| {
            if let Some(inner) = weak.upgrade() {
                react(&inner, event);
            }
        }));
    }

    fn listen(&self, listener: Listener) {
        self.listeners.borrow_mut().push(listener);
    }
}

/// Text is no message of ours: the core is given no bytes, and counts it as garbage.
fn bytes_of(event: &Event) -> Vec<u8> {
    let data = event.unchecked_ref::<MessageEvent>().data();
    data.dyn_ref::<ArrayBuffer>().map(|data| Uint8Array::new(data).to_vec()).unwrap_or_default()
}
