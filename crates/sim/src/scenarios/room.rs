//! The room that scenarios begin with: every node is a signaling server, and starts from two others.

use std::time::Duration;

use manyhands_core::Command;
use manyhands_wire::JobSpec;
use manyhands_wire::flood::Body;
use rand_chacha::rand_core::Rng as _;

use crate::options::{PeerOptions, Settings, address};
use crate::traffic::{Tag, Traffic};
use crate::world::{Hearing, NodeNumber, World};

/// How long a message may be on its way before nobody waits for it.
const SPREADING: Duration = Duration::from_secs(3);
/// How many friends a host waits for that shall wait until it is told to begin.
const FOR_THE_WORD: u16 = u16::MAX;

/// A world, and the numbers of its nodes; the host is the first.
pub struct Room {
    /// The world.
    pub world: World,
    /// All nodes that there ever were.
    pub numbers: Vec<NodeNumber>,
}

/// How one message went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spread {
    /// How many of the others heard it.
    pub heard: usize,
    /// The longest way it came, in links.
    pub hops: usize,
    /// How long until the last one heard it.
    pub took: Duration,
    /// How many copies of it, payload and all, arrived.
    pub copies: u64,
}

/// From whom a node starts, beside itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Starts {
    /// From the node before it, and one further round the ring: as a script starts a network.
    RingAndChord,
    /// From two of those that were there before it: as friends bring friends.
    Earlier,
}

impl Room {
    /// Starts that many nodes within `opening`. Each is a signaling server, and starts from two others.
    pub fn open(
        seed: u64,
        nodes: u32,
        job: JobSpec,
        settings: Settings,
        opening: Duration,
        starts: Starts,
        mut options: impl FnMut(u32) -> PeerOptions,
    ) -> Self {
        let mut world = World::with(seed, job, settings);
        let mut numbers = Vec::new();
        let pause = opening / nodes.max(1);
        for identity in 0..nodes {
            let mut options = PeerOptions { identity, serves: true, ..options(identity) };
            options.enters = match starts {
                Starts::RingAndChord => ring_and_chord(identity, nodes).map(address).to_vec(),
                Starts::Earlier => two_of(&mut world, identity).map(address).to_vec(),
            };
            numbers.push(if identity == 0 {
                world.host(options, FOR_THE_WORD, None)
            } else {
                world.friend(options)
            });
            world.run_for(pause);
        }
        Self { world, numbers }
    }

    /// The host says that the job may begin.
    pub fn begin(&mut self) {
        self.world.command(self.numbers[0], Command::Start);
    }

    /// A node that is alive, drawn at random.
    pub fn anybody(&mut self) -> NodeNumber {
        let alive = self.world.alive();
        alive[(self.world.rng().next_u64() % alive.len() as u64) as usize]
    }

    /// So many nodes die at once, drawn at random among all but the first `spared`.
    pub fn kill(&mut self, count: usize, spared: usize, silently: bool) -> Vec<NodeNumber> {
        let mut victims: Vec<NodeNumber> =
            self.world.alive().into_iter().filter(|number| *number >= spared).collect();
        while victims.len() > count {
            let at = (self.world.rng().next_u64() % victims.len() as u64) as usize;
            victims.swap_remove(at);
        }
        victims.iter().for_each(|victim| self.world.crash(*victim, silently));
        victims
    }

    /// A node says something, and all is waited for that comes of it.
    pub fn say(&mut self, from: NodeNumber, text: &str) -> Spread {
        self.world.take_hearings();
        let (before, said): (Traffic, _) = (self.world.traffic().clone(), self.world.now());
        self.world.command(from, Command::Say(Body::Message(text.to_owned())));
        self.world.run_for(SPREADING);
        let heard: Vec<Hearing> = self.world.take_hearings();
        Spread {
            heard: heard.len(),
            hops: heard.iter().map(|hearing| hearing.hops).max().unwrap_or(0),
            took: heard.iter().map(|hearing| hearing.at.since(said)).max().unwrap_or_default(),
            copies: (self.world.traffic() - &before).frames(&[Tag::FLOOD]),
        }
    }
}

/// The node before this one, and one a good way round.
fn ring_and_chord(node: u32, nodes: u32) -> [u32; 2] {
    let back = |by: u32| (node + nodes - by % nodes.max(1)) % nodes.max(1);
    let chord = (f64::from(nodes).sqrt() as u32 + 1).max(2);
    [back(1), back(chord)]
}

/// Two nodes that came before this one, drawn at random.
fn two_of(world: &mut World, node: u32) -> [u32; 2] {
    let count = u64::from(node.max(1));
    [(); 2].map(|()| (world.rng().next_u64() % count) as u32)
}
