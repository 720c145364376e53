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

impl Room {
    /// Starts that many nodes within `opening`. Node `k` enters its own server, that of the node before it (a ring) and one
    /// further round the ring (a chord), each as far as it is running already, as somebody would start them by hand.
    pub fn open(
        seed: u64,
        nodes: u32,
        job: JobSpec,
        settings: Settings,
        opening: Duration,
        mut options: impl FnMut(u32) -> PeerOptions,
    ) -> Self {
        let mut world = World::with(seed, job, settings);
        let mut numbers = Vec::new();
        let pause = opening / nodes.max(1);
        for identity in 0..nodes {
            let mut options = PeerOptions { identity, serves: true, ..options(identity) };
            options.enters = starts(identity, nodes).map(address).to_vec();
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

/// Which two nodes a node starts from: the one before it, and one a good way round.
fn starts(node: u32, nodes: u32) -> [u32; 2] {
    let back = |by: u32| (node + nodes - by % nodes.max(1)) % nodes.max(1);
    let chord = (f64::from(nodes).sqrt() as u32 + 1).max(2);
    [back(1), back(chord)]
}
