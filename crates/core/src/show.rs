//! Draws a node's [`View`]: the one place where protocol state becomes what a person reads.

mod search;

use manyhands_ledger::Ledger;
use manyhands_wire::flood::{Body, Flood};
use manyhands_wire::frame::Activity;
use manyhands_wire::mersenne::EXPONENT_MAX;
use manyhands_wire::{JobKind, JobSpec, Outcome, PeerId, UnitRange};

use crate::gossip::discovery;
use crate::job::Job;
use crate::link::Profile;
use crate::node::Node;
use crate::table::Table;
use crate::time::Time;
use crate::view::{
    Cell, JobView, LinkState, MAP_CELLS_MAX, MESSAGES_MAX, MessageView, NewsView, PeerView, Phase, RoomView,
    View,
};
use crate::work::{Mode, seconds};

/// How many hues an eye tells apart in a small square.
const HUES: usize = 12;
/// How far to look for a free hue: coprime to [`HUES`], so that all are tried.
const HUE_STEP: usize = 5;

/// How many mentions of peers that this node has no link to are shown.
const PEERS_SHOWN_MAX: usize = 1024;

/// What a person sees of `node` at the moment `now`.
pub(crate) fn view(node: &Node, now: Time) -> View {
    let mut peers = peers(node, now);
    spread_hues(&mut peers);
    let mut position = Table::new();
    position.extend(peers.iter().enumerate().map(|(at, (peer, _))| (*peer, at)));
    show_links(node, &mut peers, &position);
    let peers: Vec<PeerView> = peers.into_iter().map(|(_, view)| view).collect();
    let (mut map, mut under_way, mut room) = (Vec::new(), Vec::new(), RoomView::default());
    if let Some(job) = &node.job {
        map = cells(&job.replica.ledger, &position);
        under_way.extend(job.work.under_way().map(|slice| (slice, 0)));
        for (peer, theirs) in job.sharing.theirs.iter() {
            let at = position.get(peer).copied().unwrap_or(0);
            let unfinished =
                theirs.status.under_way.iter().filter(|slice| !job.replica.ledger.is_done(**slice));
            under_way.extend(unfinished.map(|slice| (*slice, at)));
        }
        room = room_view(job, &peers, now);
    }
    View {
        phase: phase(node),
        asleep: node.asleep,
        signaling: node.calls.directory.is_signaling_up(),
        job: node.job.as_ref().map(|job| job_view(&job.signed.spec, &job.replica.ledger)),
        peers,
        map,
        under_way,
        room,
        messages: messages(node, now),
        news: news(node),
        search: node.job.as_ref().and_then(|job| search::search(node, job, &position, now)),
        files: node.files.as_ref().map(|files| files.swarm.summary()),
    }
}

/// What was said, the latest last.
fn messages(node: &Node, now: Time) -> Vec<MessageView> {
    let texts = node.gossip.kept().filter_map(|kept| match &kept.flood.body {
        Body::Message(text) => Some(MessageView {
            from: name(node, &kept.flood.id.originator),
            path: path(node, &kept.flood).iter().map(|peer| name(node, peer)).collect(),
            path_ids: path(node, &kept.flood).iter().map(hex).collect(),
            text: text.clone(),
            heard_ms: u64::try_from(now.since(kept.heard).as_millis()).unwrap_or(u64::MAX),
        }),
        Body::News { .. } | Body::Prime { .. } | Body::Checked { .. } => None,
    });
    let all: Vec<MessageView> = texts.collect();
    all[all.len().saturating_sub(MESSAGES_MAX)..].to_vec()
}

/// The greatest discovery of each kind, by the names of the kinds.
fn news(node: &Node) -> Vec<NewsView> {
    let best: Vec<_> = node.gossip.best().collect();
    let found = node.gossip.kept().filter(|kept| best.contains(&kept.flood.id)).filter_map(|kept| {
        let (what, value) = discovery(&kept.flood.body)?;
        // Who says so first need not be who found a prime.
        let prime = match kept.flood.body {
            Body::Prime { exponent } => node.job.as_ref().and_then(|job| search::way(job, exponent)),
            Body::Message(_) | Body::News { .. } | Body::Checked { .. } => None,
        };
        let (finder, path) = prime.unwrap_or_else(|| (kept.flood.id.originator, path(node, &kept.flood)));
        let view = NewsView {
            what: what.to_owned(),
            value,
            finder: name(node, &finder),
            path: path.iter().map(|peer| name(node, peer)).collect(),
            path_ids: path.iter().map(hex).collect(),
        };
        Some((what.to_owned(), view))
    });
    let mut news = Table::new();
    news.extend(found);
    news.into_values().collect()
}

/// Those a message went through, its originator first, this node last.
fn path(node: &Node, flood: &Flood) -> Vec<PeerId> {
    let me = node.me.id();
    let hops = flood.path.iter().map(|hop| hop.peer);
    let mut all: Vec<PeerId> = std::iter::once(flood.id.originator).chain(hops).collect();
    if flood.id.originator != me {
        all.push(me);
    }
    all
}

/// Who has links to whom: this node knows its own, and what linked peers say of theirs.
fn show_links(node: &Node, peers: &mut [(PeerId, PeerView)], position: &Table<PeerId, usize>) {
    let place = |peer: &PeerId| position.get(peer).and_then(|at| u16::try_from(*at).ok());
    for (peer, view) in peers {
        if view.me {
            view.links = node.up.keys().filter_map(place).collect();
        } else if let Some(theirs) = node.calls.directory.neighbours().get(peer) {
            view.links = theirs.iter().filter_map(place).collect();
        }
    }
}

/// A key in hexadecimal.
fn hex(peer: &PeerId) -> String {
    peer.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The name a person gave, or the nickname of the key.
pub(crate) fn name(node: &Node, peer: &PeerId) -> String {
    let profile: Option<&Profile> =
        if *peer == node.me.id() { Some(&node.own) } else { node.profiles.get(peer) };
    // A name comes from the network and goes to terminals, which obey control characters.
    let given: String =
        profile.map_or("", |profile| &profile.name).chars().filter(|letter| !letter.is_control()).collect();
    if given.trim().is_empty() { peer.nickname() } else { given }
}

fn phase(node: &Node) -> Phase {
    let (wanted, present) = node.lobby;
    match &node.job {
        _ if node.left => Phase::Left,
        None => Phase::Connecting,
        Some(job) if job.finished.is_some() => Phase::Finished,
        Some(job) => match job.work.mode {
            Mode::Finishing => Phase::Finishing,
            Mode::Paused => Phase::Paused,
            Mode::Working if job.started.is_none() => Phase::Lobby { wanted, present },
            Mode::Working => Phase::Running,
        },
    }
}

/// Gives every peer a hue of its own, as long as there are enough: each prefers the one that its key says, and of those who
/// prefer the same, the smaller id has it. Nodes that know the same peers show the same colours.
fn spread_hues(peers: &mut [(PeerId, PeerView)]) {
    let mut order = Table::new();
    order.extend(peers.iter().enumerate().map(|(at, (peer, _))| (*peer, at)));
    let mut taken = [false; HUES];
    for (nth, at) in order.into_values().enumerate() {
        if nth % HUES == 0 {
            taken = [false; HUES];
        }
        let preferred = usize::from(peers[at].1.hue) * HUES / 360;
        let hue = (0..HUES)
            .map(|step| (preferred + step * HUE_STEP) % HUES)
            .find(|hue| !taken[*hue])
            .unwrap_or(preferred);
        taken[hue] = true;
        peers[at].1.hue = (hue * 360 / HUES) as u16;
    }
}

/// The job's description and totals. Public to the host's terminal and API through [`View`].
fn job_view(spec: &JobSpec, ledger: &Ledger) -> JobView {
    let (prefix_units, prefix) = ledger.prefix();
    let mut view = JobView {
        id: spec.id().to_string(),
        title: title(&spec.kind),
        asked_by: spec.asked_by.clone(),
        units: spec.units(),
        done_units: ledger.done_units(),
        reached: None,
        goal: None,
        prefix_total: None,
        done_total: None,
    };
    if let JobKind::Sum { first, last, unit_size, base } = spec.kind {
        let plus = |outcome: Option<Outcome>| match outcome {
            Some(Outcome::Sum(total)) => base.saturating_add(total).to_string(),
            Some(Outcome::Delay(_) | Outcome::Mersenne(_)) | None => base.to_string(),
        };
        view.reached = Some((first - 1).saturating_add(prefix_units.saturating_mul(unit_size)).min(last));
        view.goal = Some(last);
        view.prefix_total = Some(plus(prefix));
        view.done_total = Some(plus(ledger.merged()));
    }
    view
}

/// What the job is, in a sentence.
fn title(kind: &JobKind) -> String {
    match kind {
        JobKind::Sum { first, last, .. } if first > last => "add no counting numbers at all".to_owned(),
        JobKind::Sum { first, last, .. } => format!("add the counting numbers {first} to {last}"),
        JobKind::Delay { units, unit_ms } => format!("wait {units} times {unit_ms} ms"),
        JobKind::Mersenne { from, to: EXPONENT_MAX, .. } => {
            format!("search the exponents from {from} on for Mersenne primes")
        }
        JobKind::Mersenne { from, to, .. } => {
            format!("search the exponents {from} to {to} for Mersenne primes")
        }
    }
}

/// This node, its peers in order of their ids, then those known only from their credit.
fn peers(node: &Node, now: Time) -> Vec<(PeerId, PeerView)> {
    let me = node.me.id();
    let mut known: Table<PeerId, LinkState> = Table::new();
    if let Some(job) = &node.job {
        known.extend(job.replica.ledger.creditors().map(|(peer, _)| (peer, LinkState::None)));
    }
    let far = node.calls.directory.neighbours().values().flatten();
    known.extend(far.take(PEERS_SHOWN_MAX).map(|peer| (*peer, LinkState::None)));
    known.extend(node.calls.connecting().map(|peer| (peer, LinkState::Connecting)));
    for (peer, link) in node.up.iter() {
        let stale = node.links.get(link).is_none_or(|link| link.is_stale(now));
        known.insert(*peer, if stale { LinkState::Stale } else { LinkState::Open });
    }
    known.remove(&me);
    let own = std::iter::once((me, LinkState::Own));
    own.chain(known).map(|(peer, link)| (peer, peer_view(node, now, peer, link))).collect()
}

fn peer_view(node: &Node, now: Time, peer: PeerId, link: LinkState) -> PeerView {
    let me = peer == node.me.id();
    let profile: Option<&Profile> = if me { Some(&node.own) } else { node.profiles.get(&peer) };
    let hash = blake3::hash(&peer.0);
    let [.., high, low] = *hash.as_bytes();
    let mut view = PeerView {
        id: hex(&peer),
        name: name(node, &peer),
        code: peer.code(),
        me,
        host: node.room.is_host(&peer),
        hue: u16::from_be_bytes([high, low]) % 360,
        kind: profile.map(|profile| profile.kind),
        link,
        address: profile.map(|profile| profile.address.clone()).unwrap_or_default(),
        ..PeerView::default()
    };
    if let Some(link) = node.up.get(&peer).and_then(|link| node.links.get(link)) {
        view.heard_ms = u64::try_from(now.since(link.heard).as_millis()).unwrap_or(u64::MAX);
        view.round_trip_ms = link.round_trip.map(|span| span.as_secs_f64() * 1000.0);
    }
    let Some(job) = &node.job else { return view };
    view.credit_units = job.replica.ledger.credited(&peer);
    let kind = &job.signed.spec.kind;
    view.credit_cost = match kind {
        JobKind::Sum { .. } | JobKind::Delay { .. } => view.credit_units,
        JobKind::Mersenne { .. } => {
            let runs = job.replica.ledger.credit_runs(job.replica.ledger.range());
            runs.filter(|run| run.by == peer).map(|run| kind.cost(run.units)).sum()
        }
    };
    let status = job.sharing.theirs.get(&peer).map(|theirs| (&theirs.status, theirs.holding.len()));
    if me {
        view.activity = Some(job.work.activity(job.started.is_some(), job.finished.is_some()));
        view.threads = job.work.threads();
        view.speed = job.work.speed() as f64 / 1000.0;
        view.solo_speed = job.work.solo_speed() as f64 / 1000.0;
        view.gross_units = job.work.gross;
        view.holding_units = job.work.held().len();
    } else if let Some((status, holding)) = status {
        let working = status.activity == Activity::Working && holding > 0;
        view.activity = Some(status.activity);
        view.threads = status.threads;
        view.speed = if working { status.speed as f64 / 1000.0 } else { 0.0 };
        view.solo_speed = status.solo_speed as f64 / 1000.0;
        view.gross_units = status.gross_units;
        view.holding_units = holding;
    }
    view
}

/// The job from its first unit to its last, in equal cells.
fn cells(ledger: &Ledger, position: &Table<PeerId, usize>) -> Vec<Cell> {
    let units = ledger.units();
    let count = units.min(MAP_CELLS_MAX as u64);
    let edge = |at: u64| (u128::from(at) * u128::from(units) / u128::from(count.max(1))) as u64;
    let cell = |at: u64| {
        let range = UnitRange::new(edge(at), edge(at + 1));
        let done: u64 = ledger.runs(range).map(|run| run.len()).sum();
        let mut by: Table<PeerId, u64> = Table::new();
        for run in ledger.credit_runs(range) {
            let within = run.units.intersection(&range).map_or(0, |units| units.len());
            *by.entry(run.by).or_default() += within;
        }
        let most = by.into_iter().max_by_key(|(_, units)| *units).map(|(peer, _)| peer);
        let by = most.and_then(|peer| position.get(&peer)).and_then(|at| u16::try_from(*at).ok());
        Cell { done: done as f32 / range.len().max(1) as f32, by }
    };
    (0..count).map(cell).collect()
}

/// What is left of a job, by its cost.
fn left_cost(job: &Job) -> u64 {
    let ledger = &job.replica.ledger;
    match &job.signed.spec.kind {
        JobKind::Sum { .. } | JobKind::Delay { .. } => ledger.units() - ledger.done_units(),
        kind @ JobKind::Mersenne { .. } => ledger.missing(ledger.range()).map(|run| kind.cost(run)).sum(),
    }
}

/// Whether a search goes on as far as exponents go, which nobody waits for.
fn is_open_ended(kind: &JobKind) -> bool {
    matches!(kind, JobKind::Mersenne { to: EXPONENT_MAX, .. })
}

/// Honest numbers of the room as a whole.
fn room_view(job: &Job, peers: &[PeerView], now: Time) -> RoomView {
    let elapsed_s = job.started.map_or(0.0, |start| job.finished.unwrap_or(now).since(start).as_secs_f64());
    let useful_units = job.replica.witnessed;
    let speed: f64 = if job.is_running() { peers.iter().map(|peer| peer.speed).sum() } else { 0.0 };
    let fastest = peers.iter().map(|peer| peer.solo_speed).fold(0.0, f64::max);
    let against = |potential: f64| Some(useful_units as f64 / potential).filter(|_| potential > 0.0);
    let gross_units = job.work.gross.saturating_add(job.sharing.their_gross());
    let theirs = job.sharing.theirs.values().map(|theirs| theirs.status.checked_units);
    let checked_units = theirs.fold(job.checks.units, u64::saturating_add);
    RoomView {
        elapsed_s,
        speed,
        useful_units,
        // A status is up to a second old; a finished unit was computed at least once.
        gross_units: gross_units.max(useful_units),
        checked_units,
        efficiency: against(job.sharing.potential),
        speedup_over_fastest: against(fastest * elapsed_s),
        left_s: Some(seconds(left_cost(job), (speed * 1000.0) as u64)).filter(|left| {
            left.is_finite() && job.started.is_some() && !is_open_ended(&job.signed.spec.kind)
        }),
    }
}
