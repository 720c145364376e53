//! Links by themselves: two real ones with descriptions carried by hand, and one on a transport that never sends.

use async_trait::async_trait;
use manyhands_wire::frame::FRAME_BYTES_MAX;

use super::*;
use crate::rtc::Rtc;

const INBOX_MAX: usize = 64;

/// One end of a link, as the node has it.
struct Side {
    link: Option<Link>,
    inbox: mpsc::Receiver<(LinkId, LinkEvent)>,
}

impl Side {
    fn start(role: Role, transports: Arc<dyn Transports>) -> Self {
        let (tx, inbox) = mpsc::channel(INBOX_MAX);
        Self { link: Some(Link::start(LinkId(7), role, transports, tx)), inbox }
    }

    async fn next(&mut self) -> LinkEvent {
        let (id, event) = timeout(Duration::from_secs(30), self.inbox.recv()).await.unwrap().unwrap();
        assert_eq!(id, LinkId(7));
        event
    }

    fn give(&self, order: Order) {
        self.link.as_ref().unwrap().give(order).unwrap();
    }

    async fn hang_up(&mut self) {
        timeout(Duration::from_secs(5), self.link.take().unwrap().hang_up()).await.unwrap().unwrap();
    }
}

/// A dialling and an answering link, open, and how long that took. The caller has spoken first, as callers do.
async fn a_pair() -> (Side, Side, Duration) {
    let start = Instant::now();
    let transports: Arc<dyn Transports> = Arc::new(Rtc);
    let mut a = Side::start(Role::Dial, transports.clone());
    let LinkEvent::Described(offer) = a.next().await else { panic!("the offer comes first") };
    let mut b = Side::start(Role::Answer(offer), transports);
    let LinkEvent::Described(answer) = b.next().await else { panic!("the answer comes first") };
    // Whatever comes before the answer has to wait for it.
    b.give(Order::Candidate(r#"{"candidate":"","sdpMid":"0"}"#.into()));
    a.give(Order::Candidate("nonsense".into()));

    let (mut a_open, mut b_open, mut answer) = (false, false, Some(answer));
    while !(a_open && b_open) {
        tokio::select! {
            event = a.next(), if !a_open => match event {
                LinkEvent::Candidate(json) => b.give(Order::Candidate(json)),
                event => {
                    assert_eq!(event, LinkEvent::Opened);
                    a_open = true;
                    a.give(Order::Send(b"hello".into()));
                }
            },
            event = b.next(), if !b_open => match event {
                LinkEvent::Candidate(json) => {
                    a.give(Order::Candidate(json));
                    if let Some(answer) = answer.take() {
                        a.give(Order::Answered(answer));
                    }
                }
                event => { assert_eq!(event, LinkEvent::Opened); b_open = true; }
            },
        }
    }
    let took = start.elapsed();
    assert_eq!(next_of(&mut b).await, LinkEvent::Received(b"hello".into()));
    (a, b, took)
}

/// The next event that is no candidate.
async fn next_of(side: &mut Side) -> LinkEvent {
    loop {
        match side.next().await {
            LinkEvent::Candidate(_) => {}
            event => return event,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_links_open_carry_messages_in_order_and_close() {
    let mut times = Vec::new();
    for _ in 0..5 {
        let (mut a, mut b, took) = a_pair().await;
        times.push(took);

        for i in 0..100_u8 {
            a.give(Order::Send(vec![i; 1000]));
            b.give(Order::Send(vec![i; FRAME_BYTES_MAX]));
        }
        for i in 0..100_u8 {
            assert_eq!(next_of(&mut b).await, LinkEvent::Received(vec![i; 1000]));
            assert_eq!(next_of(&mut a).await, LinkEvent::Received(vec![i; FRAME_BYTES_MAX]));
        }

        let start = Instant::now();
        a.hang_up().await;
        let closed = start.elapsed();
        assert_eq!(next_of(&mut b).await, LinkEvent::Closed);
        println!(
            "open after {took:?}, closed after {closed:?}, the other side heard after {:?}",
            start.elapsed()
        );
        b.hang_up().await;
    }
    times.sort();
    println!("median {:?}, worst {:?}", times[times.len() / 2], times[times.len() - 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_before_the_hang_up_arrives() {
    let (mut a, mut b, _) = a_pair().await;

    for i in 0..100_u8 {
        a.give(Order::Send(vec![i; FRAME_BYTES_MAX]));
    }
    let hung_up = tokio::spawn(async move { a.hang_up().await });

    for i in 0..100_u8 {
        assert_eq!(next_of(&mut b).await, LinkEvent::Received(vec![i; FRAME_BYTES_MAX]));
    }
    assert_eq!(next_of(&mut b).await, LinkEvent::Closed);
    hung_up.await.unwrap();
    b.hang_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_too_long_for_a_frame_arrives_cut_so_that_the_core_refuses_it() {
    let (mut a, mut b, _) = a_pair().await;

    a.give(Order::Send(vec![1; 3 * FRAME_BYTES_MAX]));
    a.give(Order::Send(vec![2; 10]));

    assert_eq!(next_of(&mut b).await, LinkEvent::Received(vec![1; FRAME_BYTES_MAX + 1]));
    assert_eq!(next_of(&mut b).await, LinkEvent::Received(vec![2; 10]));
    tokio::join!(a.hang_up(), b.hang_up());
}

/// Opens at once and never gets rid of a message, like a connection whose other side stopped reading.
struct Stuck {
    events: mpsc::Sender<TransportEvent>,
}

struct StuckTransports;

/// What is answered opens at once, and the caller says this, if anything.
struct CallerSays(Option<&'static [u8]>);

#[async_trait]
impl Transports for CallerSays {
    async fn open(&self, events: mpsc::Sender<TransportEvent>) -> Result<Box<dyn Transport>, TransportError> {
        events.try_send(TransportEvent::Opened).unwrap();
        if let Some(said) = self.0 {
            events.try_send(TransportEvent::Received(said.into())).unwrap();
        }
        Ok(Box::new(Stuck { events }))
    }
}

#[tokio::test(start_paused = true)]
async fn an_answered_link_is_open_when_the_caller_speaks_or_has_been_quiet_for_long() {
    let opened_after = async |said| {
        let start = Instant::now();
        let mut side = Side::start(Role::Answer("offer".into()), Arc::new(CallerSays(said)));
        // This transport is open before it is described, so either may be told first.
        let mut told = vec![side.next().await];
        while told.last() != Some(&LinkEvent::Opened) {
            told.push(side.next().await);
        }
        assert!(told.iter().all(|event| !matches!(event, LinkEvent::Received(_))), "{told:?}");
        let took = start.elapsed();
        if let Some(said) = said {
            let received = LinkEvent::Received(said.into());
            while side.next().await != received {}
        }
        side.hang_up().await;
        took
    };

    assert_eq!(opened_after(Some(b"hello")).await, Duration::ZERO);
    assert_eq!(opened_after(None).await, QUIET_MAX);
}

#[async_trait]
impl Transports for StuckTransports {
    async fn open(&self, events: mpsc::Sender<TransportEvent>) -> Result<Box<dyn Transport>, TransportError> {
        Ok(Box::new(Stuck { events }))
    }
}

#[async_trait]
impl Transport for Stuck {
    async fn offer(&self) -> Result<String, TransportError> {
        self.events.send(TransportEvent::Opened).await.map_err(|_| TransportError::Closed)?;
        Ok("offer".into())
    }
    async fn answer(&self, _offer: String) -> Result<String, TransportError> {
        Ok("answer".into())
    }
    async fn accept_answer(&self, _answer: String) -> Result<(), TransportError> {
        Ok(())
    }
    async fn add_candidate(&self, _candidate: String) {}
    async fn send(&self, _message: Vec<u8>) -> Result<(), TransportError> {
        std::future::pending().await
    }
    async fn flush(&self) {
        std::future::pending().await
    }
    async fn close(&self) {}
}

#[tokio::test(start_paused = true)]
async fn a_link_whose_other_side_stops_reading_fills_to_its_bound_and_still_hangs_up() {
    let mut side = Side::start(Role::Dial, Arc::new(StuckTransports));
    while side.next().await != LinkEvent::Opened {}

    let link = side.link.as_ref().unwrap();
    let taken =
        (0..ORDERS_MAX).take_while(|_| link.give(Order::Send(vec![0; FRAME_BYTES_MAX])).is_ok()).count();

    assert_eq!(taken, QUEUED_BYTES_MAX / FRAME_BYTES_MAX);
    side.hang_up().await;
}

#[tokio::test(start_paused = true)]
async fn a_dial_that_nobody_answers_is_given_up() {
    let start = Instant::now();
    let mut side = Side::start(Role::Answer("offer".into()), Arc::new(StuckTransports));

    assert_eq!(side.next().await, LinkEvent::Described("answer".into()));
    assert_eq!(side.next().await, LinkEvent::Closed);
    assert_eq!(start.elapsed(), DIAL_TIMEOUT);
}
