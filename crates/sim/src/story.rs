//! Runs with random faults, drawn from a seed: first the faults, then healing, then the demand that everybody ends with the
//! exact total.

mod shelf;

use std::time::Duration;

use manyhands_core::Command;
use manyhands_core::view::LinkState;
use manyhands_wire::frame::PeerKind;
use manyhands_wire::{JobKind, JobSpec};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use crate::network::Conditions;
use crate::options::{HUB, PeerOptions, address};
use crate::world::{NodeNumber, Reader, World};
use shelf::Shelf;

/// How a run of a seed went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// What was drawn, in words.
    pub settings: String,
    /// The hash of everything every node did.
    pub trace: String,
    /// Why it is a failure, if it is one.
    pub failure: Option<String>,
}

/// What a story may contain beyond what every one does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plot {
    /// One friend reports wrong results only: the first are always checked, so it is caught.
    pub liars: bool,
    /// Files are put and forgotten, and somebody's disk may be sick.
    pub files: bool,
    /// The job is a search for Mersenne primes, not a sum.
    pub search: bool,
}

/// How long a room may take to finish once nothing disturbs it any more.
const CONVERGENCE: Duration = Duration::from_secs(240);
/// How long after that false primes may take to be found out.
const SETTLING: Duration = Duration::from_secs(240);
/// The exponents up to 2300 that give primes (OEIS A000043).
pub const PRIMES: [u32; 17] = [2, 3, 5, 7, 13, 17, 19, 31, 61, 89, 107, 127, 521, 607, 1279, 2203, 2281];
/// The identity of the friend who comes at the end.
const LAST: u32 = 200;

/// A job small enough to be checked by adding once more, cut into many units.
pub fn sum_job(last: u64, unit_size: u64) -> JobSpec {
    JobSpec {
        kind: JobKind::Sum { first: 1, last, unit_size, base: 0 },
        asked_by: "Liz".into(),
        salt: [7; 16],
    }
}

/// A search for Mersenne primes, with proofs from an exponent on.
pub fn search_job(from: u32, to: u32, proofs_from: u32) -> JobSpec {
    JobSpec { kind: JobKind::Mersenne { from, to, proofs_from }, asked_by: "Liz".into(), salt: [7; 16] }
}

/// Runs the story of a seed.
pub fn tell(seed: u64) -> Story {
    tell_to(seed, Plot::default(), None)
}

/// Runs the story of a seed: 2 to 9 friends, sometimes up to 20, of speeds up to 50 : 1, some latency, jitter, loss and narrow
/// lines; some crash, sleep, pause, leave, are cut off, send garbage, cannot be heard, do not read, have throttled timers or a
/// clock that jumps, or come back; the host may crash too, with or without its signaling server. There may be files too. What happens is told to
/// `reader`.
pub fn tell_to(seed: u64, plot: Plot, reader: Option<Reader>) -> Story {
    let mut draw = Draw(ChaCha8Rng::from_seed(key(seed)));
    let conditions = draw.conditions();
    let many = draw.chance(10);
    let friends = 2 + draw.below(if many { 19 } else { 8 }) as u32;
    let (units, unit_size) = (500 + draw.below(5000), 1 + draw.below(9));
    // In a large room the host has no links to all, so it cannot wait for them.
    let wait = if draw.chance(30) && !many { friends as u16 } else { 0 };
    let serve = draw.chance(30);
    let spec = match plot.search {
        false => sum_job(units * unit_size, unit_size),
        // So many exponents that the whole takes about as long; a test may have a proof, and may be long for the slow.
        true => search_job(2, 300 + (units / 4) as u32, if draw.chance(50) { 250 } else { u32::MAX }),
    };
    let mut world = World::new(seed, spec, conditions);
    if let Some(reader) = reader {
        world.log_to(reader);
    }
    let what = match plot.search {
        false => format!("{units} units of {unit_size}"),
        true => format!("{:?}", world.kind()),
    };
    let settings = format!(
        "{friends} friends{}, {what}, wait {wait}, {conditions:?}",
        if serve { " with servers of their own" } else { "" }
    );
    let liar = 1 + draw.below(u64::from(friends)) as u32;
    let shelf = plot.files.then(|| Shelf::new(seed, friends));
    let settings = settings + &shelf.as_ref().map(Shelf::settings).unwrap_or_default();
    let mut cast = Cast { serve, plot, liar, numbers: Vec::new(), shelf };
    let options = cast.peer(&mut draw, 0);
    let host = world.host(options, wait, None);
    for identity in 1..=friends {
        let options = cast.peer(&mut draw, identity);
        let number = world.friend(options);
        cast.numbers.push((number, identity));
    }
    for _ in 0..draw.below(10) {
        world.run_for(Duration::from_millis(draw.below(4000)));
        draw.fault(&mut world, host, &mut cast);
        if let Some(shelf) = &mut cast.shelf {
            shelf.happen(&mut world);
        }
    }
    world.calm();
    for number in world.alive() {
        world.command(number, Command::Wake);
    }
    let begun = |number: NodeNumber| world.view(number).room.elapsed_s > 0.0;
    if !world.alive().into_iter().any(begun) {
        // The host died before anybody heard of the job or its start, and only it may say so: it comes back.
        let options = cast.peer(&mut draw, 0);
        world.host(options, 0, None);
    }
    if wait > 0 && world.alive().contains(&host) {
        world.command(host, Command::Start);
    }
    world.revive_signaling();
    // Somebody who works is always there at the end.
    let files = cast.shelf.as_mut().map(|shelf| shelf.options(LAST));
    world.friend(PeerOptions { speed: 2_000_000, identity: LAST, files, ..PeerOptions::default() });
    let failure = (!world.run_until(CONVERGENCE, World::everybody_knows)).then(|| lag(&world));
    let failure = failure.or_else(|| cast.shelf.as_ref().and_then(|shelf| shelf.lag(&mut world)));
    world.check_all();
    let failure = failure.or_else(|| if plot.search { wrong_primes(&mut world) } else { None });
    Story { settings, trace: world.trace(), failure }
}

/// Who knows other primes than there are, some time after all results are known.
fn wrong_primes(world: &mut World) -> Option<String> {
    world.run_for(SETTLING);
    let JobKind::Mersenne { to, .. } = *world.kind() else { return None };
    let expected: Vec<u32> = PRIMES.into_iter().filter(|exponent| *exponent <= to).collect();
    world.alive().into_iter().filter(|number| world.knows(*number)).find_map(|number| {
        let found: Vec<u32> = world.view(number).search?.primes.iter().map(|prime| prime.exponent).collect();
        (found != expected).then(|| format!("node {number} knows the primes {found:?}, not {expected:?}"))
    })
}

/// Who does not know the result, for the report of a failure.
fn lag(world: &World) -> String {
    let lines = world.alive().into_iter().filter(|number| !world.knows(*number)).map(|number| {
        let view = world.view(number);
        let (done, units) = view.job.map_or((0, 0), |job| (job.done_units, job.units));
        let links = view.peers.iter().filter(|peer| peer.link == LinkState::Open).count();
        let lie = if done == units && units > 0 { " and a lie among them" } else { "" };
        format!("node {number}: {:?}, {done} of {units} units{lie}, {links} links", view.phase)
    });
    lines.collect::<Vec<_>>().join("; ")
}

/// Who takes part.
struct Cast {
    serve: bool,
    plot: Plot,
    liar: u32,
    numbers: Vec<(NodeNumber, u32)>,
    shelf: Option<Shelf>,
}

impl Cast {
    fn peer(&mut self, draw: &mut Draw, identity: u32) -> PeerOptions {
        let (threads, speed) = (1 + draw.below(3) as u16, 20_000 + draw.below(1_000_000));
        let mut enters = vec![HUB.to_owned()];
        if self.serve && identity > 0 {
            enters.push(address(identity - 1));
        }
        PeerOptions {
            threads,
            speed,
            identity,
            kind: if draw.chance(50) { PeerKind::Browser } else { PeerKind::Native },
            serves: self.serve,
            enters,
            lies_permille: if self.plot.liars && identity == self.liar { 1000 } else { 0 },
            files: self.shelf.as_mut().map(|shelf| shelf.options(identity)),
            ..PeerOptions::default()
        }
    }
}

struct Draw(ChaCha8Rng);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.0.next_u64() % limit.max(1)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn conditions(&mut self) -> Conditions {
        Conditions {
            latency: Duration::from_millis(self.below(150)),
            jitter: Duration::from_millis(self.below(100)),
            loss_permille: self.below(50) as u16,
            retransmission: Duration::from_millis(100 + self.below(900)),
            bytes_per_second: if self.chance(20) { 20_000 + self.below(200_000) } else { 0 },
            duplicate_permille: if self.chance(30) { self.below(200) as u16 } else { 0 },
            reorder_permille: if self.chance(30) { self.below(200) as u16 } else { 0 },
        }
    }

    fn fault(&mut self, world: &mut World, host: NodeNumber, cast: &mut Cast) {
        let pick = self.below(cast.numbers.len() as u64) as usize;
        let (number, identity) = cast.numbers[pick];
        let (other, _) = cast.numbers[self.below(cast.numbers.len() as u64) as usize];
        let alive = world.alive().contains(&number);
        match self.below(20) {
            0 | 1 => {
                let silently = self.chance(50);
                world.crash(number, silently);
            }
            2 | 3 if !alive => {
                let options = cast.peer(self, identity);
                cast.numbers[pick].0 = world.friend(options);
            }
            2 | 3 => world.pause(number, Duration::from_millis(self.below(60_000))),
            4 => world.partition(&[number]),
            5 => world.heal(),
            6 if alive => world.command(number, Command::Pause),
            7 if alive => world.command(number, Command::Resume),
            8 if alive => {
                let farewell = if self.chance(50) { Command::Leave } else { Command::Finish };
                world.command(number, farewell);
            }
            9 => self.garbage(world, number),
            10 => world.crash_signaling(),
            11 => {
                let silently = self.chance(50);
                world.crash(host, silently);
            }
            12 => world.half_open(number, if self.chance(30) { host } else { other }),
            13 => world.stop_reading(number),
            14 => {
                let every = if self.chance(50) { 1 } else { 60 };
                world.throttle_timers(number, Duration::from_secs(every));
            }
            15 => world.jump_clock(number, Duration::from_millis(self.below(600_000))),
            16 => world.partition(&[number, other]),
            17 => world.cut(number, host),
            18 if alive => world.command(number, Command::Sleep),
            19 if alive => world.command(number, Command::Wake),
            _ => {}
        }
    }

    /// Bytes that are no frame, or begin like one.
    fn garbage(&mut self, world: &mut World, number: NodeNumber) {
        let mut bytes = vec![0; self.below(200) as usize];
        self.0.fill_bytes(&mut bytes);
        if self.chance(50) {
            bytes.splice(0..bytes.len().min(4), [b'M', b'H', 1, self.below(30) as u8]);
        }
        world.garbage(number, &bytes);
    }
}

fn key(seed: u64) -> [u8; 32] {
    let mut key = [0x5a; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key
}
