//! Parcels between three peers.

use super::*;
use crate::post::To;

const JOB: JobId = JobId([1; 32]);
const GIVER: PeerId = PeerId([1; 32]);
const TAKER: PeerId = PeerId([2; 32]);
const OTHER: PeerId = PeerId([3; 32]);
const SAVED: ParcelKind = ParcelKind::Saved { iteration: 7 };

/// The parcels of some peers, and the frames between them.
struct Room {
    now: Time,
    peers: Vec<(PeerId, Parcels, Post)>,
    /// Who does not answer.
    mute: Option<PeerId>,
    /// Who gives other bytes than it has.
    liar: Option<PeerId>,
}

impl Room {
    fn new() -> Self {
        let peer = |id| (id, Parcels::new(JOB), Post::default());
        Self { now: Time::ZERO, peers: [GIVER, TAKER, OTHER].map(peer).into(), mute: None, liar: None }
    }

    fn of(&mut self, id: PeerId) -> (&mut Parcels, &mut Post) {
        let (_, parcels, post) = self.peers.iter_mut().find(|(peer, ..)| *peer == id).expect("it is here");
        (parcels, post)
    }

    fn make(&mut self, id: PeerId, bytes: &[u8]) {
        let now = self.now;
        let (parcels, post) = self.of(id);
        parcels.make(now, 5, SAVED, bytes.to_vec(), post);
        self.settle();
    }

    /// Whether the taker has the saved test, or may have it.
    fn standing(&mut self) -> Standing {
        let now = self.now;
        let (parcels, post) = self.of(TAKER);
        let standing = parcels.standing(now, 5, post);
        self.settle();
        standing
    }

    fn settle(&mut self) {
        while let Some((from, to, frame)) = self.next_frame() {
            let receivers: Vec<PeerId> = match to {
                To::One(peer) => vec![peer],
                To::Many(peers) => peers,
                To::All => [GIVER, TAKER, OTHER].into_iter().filter(|peer| *peer != from).collect(),
            };
            let mute = self.mute;
            for to in receivers.into_iter().filter(|to| mute != Some(*to)) {
                self.deliver(from, to, frame.clone());
            }
        }
    }

    fn next_frame(&mut self) -> Option<(PeerId, To, Frame)> {
        self.peers.iter_mut().find_map(|(id, _, post)| {
            let (to, frame) = post.0.pop_front()?;
            Some((*id, to, frame))
        })
    }

    fn deliver(&mut self, from: PeerId, to: PeerId, frame: Frame) {
        let (now, lies) = (self.now, self.liar == Some(from));
        let (parcels, post) = self.of(to);
        match frame {
            Frame::Labels { labels, .. } => parcels.on_labels(now, from, labels.into_iter(), |_| false, post),
            Frame::AskPart { hash, from: at } => parcels.on_ask(now, from, hash, at, post),
            Frame::Piece { hash, from: at, mut bytes } => {
                bytes.iter_mut().for_each(|byte| *byte ^= u8::from(lies));
                parcels.on_piece(now, from, hash, at, &bytes, post);
            }
            other => panic!("parcels do not speak of {other:?}"),
        }
    }
}

fn state(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at * 7) as u8).collect()
}

#[test]
fn who_is_to_go_on_fetches_what_another_saved() {
    for bytes in [1, PART_BYTES_MAX, PART_BYTES_MAX * 30 + 5] {
        let mut room = Room::new();
        room.make(GIVER, &state(bytes));

        assert!(matches!(room.standing(), Standing::Coming));
        let Standing::Here(saved) = room.standing() else { panic!("{bytes} bytes did not come") };

        assert!(saved.is_foreign && saved.unit == 5 && saved.state == state(bytes));
        assert!(!room.of(GIVER).0.has_ungiven());
    }
}

#[test]
fn a_silent_giver_is_passed_over_for_the_next() {
    let mut room = Room::new();
    room.make(GIVER, &state(40_000));
    room.make(OTHER, &state(40_000));
    room.mute = Some(GIVER);

    room.standing();
    room.now = room.now + SILENCE_MAX;
    let now = room.now;
    let (parcels, post) = room.of(TAKER);
    parcels.on_tick(now, post);
    room.settle();

    assert!(matches!(room.standing(), Standing::Here(_)));
}

#[test]
fn what_its_maker_took_with_it_is_had_from_who_tells_of_it_later() {
    let mut room = Room::new();
    room.make(GIVER, &state(40_000));
    room.mute = Some(GIVER);
    room.standing();
    let (parcels, post) = room.of(TAKER);
    parcels.on_link_down(Time::ZERO, &GIVER, post);
    let at_first = matches!(room.standing(), Standing::Unknown);

    room.make(OTHER, &state(40_000));
    room.standing();

    assert!(at_first && matches!(room.standing(), Standing::Here(_)));
}

#[test]
fn wrong_bytes_are_not_taken() {
    let mut room = Room::new();
    room.make(GIVER, &state(40_000));
    room.liar = Some(GIVER);

    room.standing();

    assert!(matches!(room.standing(), Standing::Unknown), "nobody else has it");
}

#[test]
fn of_a_test_only_the_furthest_is_kept_and_of_a_finished_one_none() {
    let mut room = Room::new();
    let (parcels, post) = room.of(GIVER);
    for iteration in [3, 6, 9] {
        parcels.make(
            Time::ZERO + Duration::from_secs(60),
            5,
            ParcelKind::Saved { iteration },
            state(iteration as usize),
            post,
        );
    }
    let kept: Vec<usize> = parcels.kept.iter().map(|kept| kept.bytes.len()).collect();

    parcels.on_finished(&[UnitRange::new(0, 6)]);

    assert_eq!(kept, [9]);
    assert!(parcels.first_saved(UnitRange::new(0, 100)).is_none());
}

#[test]
fn what_is_kept_is_bounded() {
    let mut room = Room::new();
    let (parcels, post) = room.of(GIVER);
    for unit in 0..2 * KEPT_MAX as u64 {
        parcels.make(Time::ZERO, unit, ParcelKind::Proof, vec![0; 300_000], post);
        post.0.clear();
    }

    assert!(parcels.kept.iter().map(|kept| kept.bytes.len()).sum::<usize>() <= KEPT_BYTES_MAX);
    assert!(parcels.kept.len() <= KEPT_MAX);
}
