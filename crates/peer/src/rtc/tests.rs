//! A connection of ours that answers callers of all kinds: which channels it takes, and when it ends.

use tokio::time::Instant;

use super::*;

const EVENTS_MAX: usize = 64;
const SOON: Duration = Duration::from_secs(30);

/// A caller that is only the library.
struct Caller {
    connection: Box<dyn PeerConnection>,
    channels: Vec<AnyChannel>,
    events: mpsc::Receiver<TransportEvent>,
}

impl Caller {
    /// A caller with these channels, and its offer.
    async fn with(labels: &[&str]) -> (Self, String) {
        let (tx, events) = mpsc::channel(EVENTS_MAX);
        let (arriving, _) = mpsc::channel(CHANNELS);
        let runtime = Arc::new(EagerRuntime::new());
        runtime.be_eager_for(SOON);
        let connection = PeerConnectionBuilder::new()
            .with_runtime(runtime)
            .with_handler(Arc::new(Handler { events: tx, arriving }))
            .with_setting_engine(settings())
            .with_udp_addrs(addresses::to_bind())
            .build()
            .await
            .unwrap();
        let mut channels = Vec::new();
        for label in labels {
            channels.push(connection.create_data_channel(label, None).await.unwrap());
        }
        let offer = connection.create_offer(None).await.unwrap();
        let sdp = offer.sdp.clone();
        connection.set_local_description(offer).await.unwrap();
        (Self { connection: Box::new(connection), channels, events }, sdp)
    }
}

/// Lets a caller with these channels call; says what the answering side tells until nothing is told for a moment, or it ends. Once
/// it is open, the caller closes the channel of that number.
async fn told(labels: &[&str], closes: Option<usize>) -> Vec<TransportEvent> {
    let (mut caller, offer) = Caller::with(labels).await;
    let (tx, mut events) = mpsc::channel(EVENTS_MAX);
    let (bulk, _bulk_events) = mpsc::channel(EVENTS_MAX);
    let answering = Rtc::default().open(Reports { events: tx, bulk }).await.unwrap();
    let answer = answering.answer(offer).await.unwrap();
    caller.connection.set_remote_description(RTCSessionDescription::answer(answer).unwrap()).await.unwrap();

    let mut told = Vec::new();
    let give_up = Instant::now() + SOON;
    while !told.contains(&TransportEvent::Closed) {
        let is_done = closes.is_none() && told.contains(&TransportEvent::Opened);
        let patience = if is_done { Instant::now() + Duration::from_millis(300) } else { give_up };
        tokio::select! {
            Some(event) = caller.events.recv() => if let TransportEvent::Candidate(candidate) = event {
                answering.add_candidate(candidate).await;
            },
            Some(event) = events.recv() => match event {
                TransportEvent::Candidate(candidate) => {
                    let init = serde_json::from_str(&candidate).unwrap();
                    let _ = caller.connection.add_ice_candidate(init).await;
                }
                event => {
                    if let (TransportEvent::Opened, Some(number)) = (&event, closes) {
                        caller.channels[number].close().await.unwrap();
                    }
                    told.push(event);
                }
            },
            () = tokio::time::sleep_until(patience) => break,
        }
    }
    tokio::join!(answering.close(), async { caller.connection.close().await.unwrap() });
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_channel_is_taken_once_by_its_label_and_any_other_ends_the_connection() {
    use TransportEvent::{Closed, Opened};

    assert_eq!(told(&[BULK_LABEL, CHANNEL_LABEL], None).await, [Opened]);
    assert_eq!(told(&[CHANNEL_LABEL], None).await, [Opened]);
    assert_eq!(told(&[CHANNEL_LABEL, BULK_LABEL, "another"], None).await.last(), Some(&Closed));
    assert_eq!(told(&["another"], None).await, [Closed]);
    assert_eq!(told(&[CHANNEL_LABEL, CHANNEL_LABEL], None).await.last(), Some(&Closed));
    assert_eq!(told(&[BULK_LABEL, BULK_LABEL], None).await, [Closed]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_closes_alone_ends_the_connection() {
    for number in [0, 1] {
        let told = told(&[CHANNEL_LABEL, BULK_LABEL], Some(number)).await;
        assert_eq!(told, [TransportEvent::Opened, TransportEvent::Closed]);
    }
}
