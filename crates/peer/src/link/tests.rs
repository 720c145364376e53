//! Links by themselves: two real ones with descriptions carried by hand, and one on a transport that never sends.

use async_trait::async_trait;
use manyhands_wire::bulk::BULK_BYTES_MAX;
use manyhands_wire::frame::FRAME_BYTES_MAX;
use tokio::sync::Notify;

use super::*;
use crate::rtc::Rtc;

const INBOX_MAX: usize = 64;
const BULK_INBOX_MAX: usize = 4;

/// One end of a link, as the node has it.
struct Side {
    link: Option<Link>,
    inbox: mpsc::Receiver<(LinkId, LinkEvent)>,
    bulk: mpsc::Receiver<(LinkId, LinkEvent)>,
}

impl Side {
    fn start(role: Role, transports: Arc<dyn Transports>) -> Self {
        let (events, inbox) = mpsc::channel(INBOX_MAX);
        let (bulk_events, bulk) = mpsc::channel(BULK_INBOX_MAX);
        let link = Link::start(LinkId(7), role, transports, Inbox { events, bulk: bulk_events });
        Self { link: Some(link), inbox, bulk }
    }

    async fn next(&mut self) -> LinkEvent {
        let (id, event) = timeout(Duration::from_secs(30), self.inbox.recv()).await.unwrap().unwrap();
        assert_eq!(id, LinkId(7));
        event
    }

    async fn next_bulk(&mut self) -> LinkEvent {
        timeout(Duration::from_secs(30), self.bulk.recv()).await.unwrap().unwrap().1
    }

    fn give_bulk(&self, message: Vec<u8>) {
        self.link.as_ref().unwrap().give_bulk(message).unwrap();
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
    let transports: Arc<dyn Transports> = Arc::new(Rtc::default());
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

/// A message in bulk that nobody mistakes for another.
fn bulk_message(i: usize) -> Vec<u8> {
    let mut message = vec![i as u8; if i.is_multiple_of(7) { 10 } else { BULK_BYTES_MAX }];
    message[..8].copy_from_slice(&i.to_le_bytes());
    message
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bulk_arrives_in_order_both_ways_while_the_protocol_is_quick() {
    const MESSAGES: usize = 300;
    const UNDER_WAY: usize = 16;
    let (a, b, _) = a_pair().await;

    // Each side gives as the node does: so many at once, the next one when one has left.
    let exchange = async |mut bulk: mpsc::Receiver<(LinkId, LinkEvent)>, link: &Link| {
        let (mut given, mut sent, mut received) = (0, 0, 0);
        while sent < MESSAGES || received < MESSAGES {
            while given < MESSAGES.min(sent + UNDER_WAY) {
                link.give_bulk(bulk_message(given)).unwrap();
                given += 1;
            }
            match timeout(Duration::from_secs(30), bulk.recv()).await.unwrap().unwrap().1 {
                LinkEvent::SentBulk => sent += 1,
                event => {
                    assert!(
                        event == LinkEvent::ReceivedBulk(bulk_message(received)),
                        "message {received} differs"
                    );
                    received += 1;
                }
            }
        }
    };
    let ping = async |mut inbox: mpsc::Receiver<(LinkId, LinkEvent)>, echo: mpsc::Receiver<_>| {
        let (link, echoing) = (a.link.as_ref().unwrap(), b.link.as_ref().unwrap());
        let mut echo = echo;
        let mut worst = Duration::ZERO;
        loop {
            let start = Instant::now();
            link.give(Order::Send(b"ping".into())).unwrap();
            while received(&mut echo).await != LinkEvent::Received(b"ping".into()) {}
            echoing.give(Order::Send(b"pong".into())).unwrap();
            while received(&mut inbox).await != LinkEvent::Received(b"pong".into()) {}
            worst = worst.max(start.elapsed());
            assert!(worst < Duration::from_secs(5), "a ping waits for bulk");
        }
    };

    let start = Instant::now();
    tokio::select! {
        _ = async { tokio::join!(
            exchange(a.bulk, a.link.as_ref().unwrap()),
            exchange(b.bulk, b.link.as_ref().unwrap()),
        ) } => {}
        () = ping(a.inbox, b.inbox) => {}
    }
    println!("{MESSAGES} messages each way took {:?}", start.elapsed());
    let (a, b) = (a.link.unwrap().hang_up(), b.link.unwrap().hang_up());
    let (a, b) = tokio::join!(a, b);
    a.unwrap();
    b.unwrap();
}

async fn received(inbox: &mut mpsc::Receiver<(LinkId, LinkEvent)>) -> LinkEvent {
    timeout(Duration::from_secs(30), inbox.recv()).await.unwrap().unwrap().1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_side_that_takes_no_bulk_stops_the_sender_and_loses_nothing() {
    // More than all queues and buffers on the way take together.
    const MESSAGES: usize = 1000;
    let (mut a, mut b, _) = a_pair().await;
    let sent = AtomicUsize::new(0);
    let stopped = Arc::new(Notify::new());

    let give = async {
        let mut given = 0;
        while sent.load(Ordering::Relaxed) < MESSAGES {
            while given < MESSAGES.min(sent.load(Ordering::Relaxed) + 16) {
                a.give_bulk(bulk_message(given));
                given += 1;
            }
            match timeout(Duration::from_secs(3), a.bulk.recv()).await {
                Ok(event) => {
                    assert_eq!(event.unwrap().1, LinkEvent::SentBulk);
                    sent.fetch_add(1, Ordering::Relaxed);
                }
                Err(_) => stopped.notify_one(),
            }
        }
    };
    let take = async {
        stopped.notified().await;
        let sent_unread = sent.load(Ordering::Relaxed);
        assert!(sent_unread < MESSAGES, "all {sent_unread} messages left though nobody took them");
        for i in 0..MESSAGES {
            assert_eq!(b.next_bulk().await, LinkEvent::ReceivedBulk(bulk_message(i)));
        }
        sent_unread
    };

    let ((), sent_unread) = tokio::join!(give, take);
    println!("{sent_unread} messages left before the sender was stopped");
    tokio::join!(a.hang_up(), b.hang_up());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bulk_that_is_too_long_arrives_cut_so_that_the_core_refuses_it() {
    let (mut a, mut b, _) = a_pair().await;

    a.give_bulk(vec![1; BULK_BYTES_MAX + 1000]);
    a.give_bulk(vec![2; 10]);

    assert_eq!(b.next_bulk().await, LinkEvent::ReceivedBulk(vec![1; BULK_BYTES_MAX + 1]));
    assert_eq!(b.next_bulk().await, LinkEvent::ReceivedBulk(vec![2; 10]));
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
    async fn open(&self, Reports { events, .. }: Reports) -> Result<Box<dyn Transport>, TransportError> {
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
    async fn open(&self, Reports { events, .. }: Reports) -> Result<Box<dyn Transport>, TransportError> {
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
    async fn send_bulk(&self, _message: Vec<u8>) -> Result<(), TransportError> {
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
async fn bulk_that_does_not_leave_fills_a_queue_of_its_own_to_its_bound() {
    let mut side = Side::start(Role::Dial, Arc::new(StuckTransports));
    while side.next().await != LinkEvent::Opened {}

    let link = side.link.as_ref().unwrap();
    let taken = (0..BULK_ORDERS_MAX).take_while(|_| link.give_bulk(vec![0; BULK_BYTES_MAX]).is_ok()).count();

    assert_eq!(taken, BULK_QUEUED_BYTES_MAX / BULK_BYTES_MAX);
    assert_eq!(link.give(Order::Send(vec![0; FRAME_BYTES_MAX])), Ok(()));
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
