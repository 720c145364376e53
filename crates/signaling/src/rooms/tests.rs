//! Facts about the rooms: exact outputs, with time as an argument.

use std::net::Ipv4Addr;

use super::*;
use crate::bucket::Rate;

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ROOM: RoomId = RoomId([1; 16]);
const T0: Duration = Duration::ZERO;

#[test]
fn a_newcomer_learns_who_is_there_and_they_learn_of_it() {
    let mut rooms = rooms(Limits::default());
    let liz = connect(&mut rooms);
    let ann = connect(&mut rooms);

    say(&mut rooms, liz, &join(ROOM));
    say(&mut rooms, ann, &join(ROOM));

    assert_eq!(
        outputs(&mut rooms),
        [
            Output::Send(liz, ServerMessage::Welcome { you: 1, members: vec![] }),
            Output::Send(liz, ServerMessage::Joined { member: 2 }),
            Output::Send(ann, ServerMessage::Welcome { you: 2, members: vec![1] }),
        ]
    );
}

#[test]
fn a_payload_reaches_its_member_and_nobody_else() {
    let (mut rooms, [liz, ann, _bob]) = three_in_a_room();

    say(&mut rooms, ann, r#"{"type":"send","to":1,"body":"c2VhbGVk"}"#);

    assert_eq!(
        outputs(&mut rooms),
        [Output::Send(liz, ServerMessage::From { from: 2, body: "c2VhbGVk".into() })]
    );
    assert_eq!((rooms.counters().relayed_frames, rooms.counters().relayed_bytes), (1, 8));
}

#[test]
fn rooms_do_not_hear_each_other() {
    let mut rooms = rooms(Limits::default());
    let (liz, eve) = (connect(&mut rooms), connect(&mut rooms));
    say(&mut rooms, liz, &join(ROOM));
    say(&mut rooms, eve, &join(RoomId([2; 16])));
    outputs(&mut rooms);

    say(&mut rooms, eve, r#"{"type":"send","to":1,"body":"YQ"}"#);
    rooms.handle_disconnect(T0, eve);

    assert_eq!(outputs(&mut rooms), []);
}

#[test]
fn a_payload_for_nobody_is_dropped_in_silence() {
    let (mut rooms, [_liz, ann, _bob]) = three_in_a_room();

    say(&mut rooms, ann, r#"{"type":"send","to":99,"body":"YQ"}"#);
    say(&mut rooms, ann, r#"{"type":"send","to":2,"body":"YQ"}"#);

    assert_eq!(outputs(&mut rooms), []);
    assert_eq!(rooms.counters().relayed_frames, 0);
}

#[test]
fn a_number_is_never_given_twice() {
    let (mut rooms, [liz, ann, bob]) = three_in_a_room();

    rooms.handle_disconnect(T0, bob);
    let cat = connect(&mut rooms);
    say(&mut rooms, cat, &join(ROOM));

    let left = ServerMessage::Left { member: 3 };
    let joined = ServerMessage::Joined { member: 4 };
    assert_eq!(
        outputs(&mut rooms),
        [
            Output::Send(liz, left.clone()),
            Output::Send(ann, left),
            Output::Send(liz, joined.clone()),
            Output::Send(ann, joined),
            Output::Send(cat, ServerMessage::Welcome { you: 4, members: vec![1, 2] }),
        ]
    );
}

#[test]
fn an_empty_room_is_forgotten() {
    let (mut rooms, all) = three_in_a_room();

    for id in all {
        rooms.handle_disconnect(T0, id);
    }

    assert_eq!((rooms.counters().rooms, rooms.counters().members, rooms.counters().joins), (0, 0, 3));
}

#[test]
fn whoever_breaks_the_rules_is_told_why_and_closed() {
    let long = format!(r#"{{"type":"send","to":1,"body":"{}"}}"#, "A".repeat(BODY_BYTES_MAX + 1));
    for (first, then, code) in [
        (None, "garbage", ErrorCode::Malformed),
        (None, r#"{"type":"dance"}"#, ErrorCode::Malformed),
        (None, r#"{"type":"send","to":1,"body":"YQ"}"#, ErrorCode::Malformed),
        (None, &join(ROOM).replace("\"v\":1", "\"v\":2"), ErrorCode::Version),
        (None, r#"{"type":"join","v":9,"room":{"new":"shape"}}"#, ErrorCode::Version),
        (Some(join(ROOM)), &join(ROOM), ErrorCode::Malformed),
        (Some(join(ROOM)), r#"{"type":"send","to":1,"body":"no base64!"}"#, ErrorCode::Malformed),
        (Some(join(ROOM)), r#"{"type":"send","to":-1,"body":"YQ"}"#, ErrorCode::Malformed),
        (Some(join(ROOM)), &long, ErrorCode::Malformed),
    ] {
        let mut rooms = rooms(Limits::default());
        let id = connect(&mut rooms);
        if let Some(first) = first {
            say(&mut rooms, id, &first);
            outputs(&mut rooms);
        }

        say(&mut rooms, id, then);

        assert_refused(&mut rooms, id, code);
        say(&mut rooms, id, &join(ROOM));
        assert_eq!(outputs(&mut rooms), [], "nothing it still says counts");
    }
}

#[test]
fn a_host_serves_its_own_room_only() {
    let mut rooms = Rooms::new(ServedRooms::Only(BTreeSet::from([ROOM])), Limits::default());
    let (friend, stranger) = (connect(&mut rooms), connect(&mut rooms));

    say(&mut rooms, friend, &join(ROOM));
    outputs(&mut rooms);
    say(&mut rooms, stranger, &join(RoomId([9; 16])));

    assert_refused(&mut rooms, stranger, ErrorCode::NoSuchRoom);
}

#[test]
fn rooms_and_members_are_bounded() {
    let mut rooms = rooms(Limits { room_members_max: 1, rooms_max: 1, ..Limits::default() });
    let (one, two, three) = (connect(&mut rooms), connect(&mut rooms), connect(&mut rooms));
    say(&mut rooms, one, &join(ROOM));
    outputs(&mut rooms);

    say(&mut rooms, two, &join(ROOM));
    assert_refused(&mut rooms, two, ErrorCode::RoomFull);
    say(&mut rooms, three, &join(RoomId([2; 16])));
    assert_refused(&mut rooms, three, ErrorCode::ServerFull);
}

#[test]
fn connections_are_bounded_in_all_and_for_each_address() {
    let mut rooms = rooms(Limits { connections_max: 3, connections_per_address_max: 2, ..Limits::default() });
    let neighbour = |last| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, last));

    assert!(rooms.handle_connect(T0, neighbour(1)).is_ok());
    assert!(rooms.handle_connect(T0, neighbour(2)).is_ok());
    assert_eq!(rooms.handle_connect(T0, neighbour(3)), Err(ErrorCode::TooFast), "one /64 is one address");
    assert!(rooms.handle_connect(T0, HOME).is_ok());
    assert_eq!(rooms.handle_connect(T0, HOME), Err(ErrorCode::ServerFull));
    assert_eq!(rooms.counters().refused, 2);
}

#[test]
fn who_talks_too_fast_is_cut_off() {
    let limits = Limits { connection_rate: Rate { burst: 3, per_second: 1 }, ..Limits::default() };
    let mut rooms = rooms(limits);
    let id = connect(&mut rooms);
    say(&mut rooms, id, &join(ROOM));
    outputs(&mut rooms);

    for _ in 0..3 {
        say(&mut rooms, id, r#"{"type":"send","to":7,"body":"YQ"}"#);
    }

    assert_refused(&mut rooms, id, ErrorCode::TooFast);
}

#[test]
fn coming_back_is_no_way_around_the_rate() {
    let limits =
        Limits { address_rate: Rate { burst: 2, per_second: 1 }, connect_cost: 2, ..Limits::default() };
    let mut rooms = rooms(limits);
    let id = connect(&mut rooms);

    rooms.handle_disconnect(T0, id);

    assert_eq!(rooms.handle_connect(T0, HOME), Err(ErrorCode::TooFast));
    assert!(rooms.handle_connect(Duration::from_secs(2), HOME).is_ok());
}

#[test]
fn who_does_not_join_in_time_is_closed() {
    let mut rooms = rooms(Limits::default());
    let id = connect(&mut rooms);
    let due = rooms.poll_timeout(id).unwrap();

    assert_eq!(due, Duration::from_secs(10));
    rooms.handle_timeout(due - Duration::from_millis(1), id);
    assert_eq!(outputs(&mut rooms), [], "an early tick is harmless");
    rooms.handle_timeout(due, id);
    assert_refused(&mut rooms, id, ErrorCode::Malformed);
}

#[test]
fn a_silent_member_is_pinged_and_then_dropped() {
    let mut rooms = rooms(Limits::default());
    let (liz, ann) = (connect(&mut rooms), connect(&mut rooms));
    say(&mut rooms, liz, &join(ROOM));
    say(&mut rooms, ann, &join(ROOM));
    outputs(&mut rooms);

    let mut seen = vec![];
    while let Some(due) = rooms.poll_timeout(ann) {
        rooms.handle_timeout(due, ann);
        rooms.handle_alive(due, liz);
        seen.extend(outputs(&mut rooms).into_iter().map(|output| (due.as_secs(), output)));
    }

    assert_eq!(
        seen,
        [
            (20, Output::Ping(ann)),
            (40, Output::Ping(ann)),
            (60, Output::Close(ann)),
            (60, Output::Send(liz, ServerMessage::Left { member: 2 })),
        ]
    );
}

fn rooms(limits: Limits) -> Rooms {
    Rooms::new(ServedRooms::Any, limits)
}

fn three_in_a_room() -> (Rooms, [ConnectionId; 3]) {
    let mut rooms = rooms(Limits::default());
    let all = [(); 3].map(|()| connect(&mut rooms));
    for id in all {
        say(&mut rooms, id, &join(ROOM));
    }
    outputs(&mut rooms);
    (rooms, all)
}

fn connect(rooms: &mut Rooms) -> ConnectionId {
    rooms.handle_connect(T0, HOME).unwrap()
}

fn join(room: RoomId) -> String {
    serde_json::to_string(&ClientMessage::Join { v: SIGNALING_VERSION, room }).unwrap()
}

fn say(rooms: &mut Rooms, id: ConnectionId, text: &str) {
    rooms.handle_text(T0, id, text);
}

fn outputs(rooms: &mut Rooms) -> Vec<Output> {
    std::iter::from_fn(|| rooms.poll_output()).collect()
}

fn assert_refused(rooms: &mut Rooms, id: ConnectionId, code: ErrorCode) {
    match outputs(rooms).as_slice() {
        [Output::Send(to, ServerMessage::Error { code: why, .. }), Output::Close(closed)] => {
            assert_eq!((*to, *closed, *why), (id, id, code));
        }
        other => panic!("not a refusal: {other:?}"),
    }
}
