//! Runs with random faults, drawn from a seed: first the faults, then healing, then the demand that everybody ends with the
//! exact total.

use std::time::Duration;

use manyhands_wire::{JobKind, JobSpec};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng as _;

use crate::network::Conditions;
use crate::world::{PeerOptions, World};

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

/// How long a room may take to finish once nothing disturbs it any more.
const CONVERGENCE: Duration = Duration::from_secs(240);

/// A job small enough to be checked by adding once more, cut into many units.
pub fn sum_job(last: u64, unit_size: u64) -> JobSpec {
    JobSpec {
        kind: JobKind::Sum { first: 1, last, unit_size, base: 0 },
        asked_by: "Liz".into(),
        salt: [7; 16],
    }
}

/// Runs the story of a seed: 2 to 9 friends of speeds up to 50 : 1, some latency, jitter and loss; some crash, sleep, pause,
/// leave, are cut off, send garbage or come back; the host may crash too, with or without its signaling server.
pub fn tell(seed: u64) -> Story {
    let mut draw = Draw(rand_chacha::rand_core::SeedableRng::from_seed(key(seed)));
    let conditions = Conditions {
        latency: Duration::from_millis(draw.below(150)),
        jitter: Duration::from_millis(draw.below(100)),
        loss_permille: draw.below(50) as u16,
        retransmission: Duration::from_millis(100 + draw.below(900)),
    };
    let friends = 2 + draw.below(8) as u8;
    let (units, unit_size) = (500 + draw.below(5000), 1 + draw.below(9));
    let wait = if draw.chance(30) { u16::from(friends) } else { 0 };
    let mut world = World::new(seed, sum_job(units * unit_size, unit_size), conditions);
    let settings = format!("{friends} friends, {units} units of {unit_size}, wait {wait}, {conditions:?}");
    let host = world.host(draw.peer(0), wait, None);
    let mut numbers: Vec<_> =
        (1..=friends).map(|identity| (world.friend(draw.peer(identity)), identity)).collect();
    for _ in 0..draw.below(8) {
        world.run_for(Duration::from_millis(draw.below(4000)));
        draw.fault(&mut world, host, &mut numbers);
    }
    world.heal();
    let begun = |number: usize| world.node(number).view(world.now()).room.elapsed_s > 0.0;
    if !world.alive().into_iter().any(begun) {
        // The host died before anybody heard of the job or its start, and only it may say so: it comes back.
        world.host(draw.peer(0), 0, None);
    }
    if wait > 0 && world.alive().contains(&host) {
        world.command(host, manyhands_core::Command::Start);
    }
    world.revive_signaling();
    // Somebody who works is always there at the end.
    world.friend(PeerOptions { threads: 1, speed: 2_000_000, identity: 200, invited: true });
    let failure = (!world.run_until(CONVERGENCE, World::everybody_knows)).then(|| lag(&world));
    Story { settings, trace: world.trace(), failure }
}

/// Who does not know the result, for the report of a failure.
fn lag(world: &World) -> String {
    let lines = world.alive().into_iter().map(|number| {
        let view = world.node(number).view(world.now());
        let (done, units) = view.job.map_or((0, 0), |job| (job.done_units, job.units));
        let links =
            view.peers.iter().filter(|peer| peer.link == manyhands_core::view::LinkState::Open).count();
        format!("node {number}: {:?}, {done} of {units} units, {links} links", view.phase)
    });
    lines.collect::<Vec<_>>().join("; ")
}

struct Draw(ChaCha8Rng);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.0.next_u64() % limit.max(1)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn peer(&mut self, identity: u8) -> PeerOptions {
        let (threads, speed) = (1 + self.below(3) as u16, 20_000 + self.below(1_000_000));
        PeerOptions { threads, speed, identity, invited: true }
    }

    fn fault(&mut self, world: &mut World, host: usize, numbers: &mut [(usize, u8)]) {
        let pick = self.below(numbers.len() as u64) as usize;
        let (number, identity) = numbers[pick];
        let alive = world.alive().contains(&number);
        match self.below(12) {
            0 | 1 => {
                let silently = self.chance(50);
                world.crash(number, silently);
            }
            2 | 3 if !alive => {
                let options = self.peer(identity);
                numbers[pick].0 = world.friend(options);
            }
            2 | 3 => world.pause(number, Duration::from_millis(self.below(60_000))),
            4 => world.partition(&[number]),
            5 => world.heal(),
            6 if alive => world.command(number, manyhands_core::Command::Pause),
            7 if alive => world.command(number, manyhands_core::Command::Resume),
            8 if alive => {
                let farewell = if self.chance(50) {
                    manyhands_core::Command::Leave
                } else {
                    manyhands_core::Command::Finish
                };
                world.command(number, farewell);
            }
            9 => {
                let mut bytes = vec![0; self.below(200) as usize];
                self.0.fill_bytes(&mut bytes);
                if self.chance(50) {
                    bytes.splice(0..bytes.len().min(4), [b'M', b'H', 1, self.below(24) as u8]);
                }
                world.garbage(number, &bytes);
            }
            10 => world.crash_signaling(),
            11 => {
                let silently = self.chance(50);
                world.crash(host, silently);
            }
            _ => {}
        }
    }
}

fn key(seed: u64) -> [u8; 32] {
    let mut key = [0x5a; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key
}
