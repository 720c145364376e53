//! What a person sees of a node: one plain value that the page draws, `status` prints and the HTTP API serves.

use manyhands_wire::UnitRange;
use manyhands_wire::frame::{Activity, PeerKind};
use serde::{Deserialize, Serialize};

use crate::files::FilesSummary;

/// How many cells the map of a job has at most.
pub const MAP_CELLS_MAX: usize = 400;

/// How many messages a view shows.
pub const MESSAGES_MAX: usize = 100;

/// A node and its room, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// How far things are.
    pub phase: Phase,
    /// Whether this node sleeps: it hears and says nothing until it is woken.
    pub asleep: bool,
    /// Whether signaling is connected. Once the links stand, it is needed only for newcomers.
    pub signaling: bool,
    /// The job, once known.
    pub job: Option<JobView>,
    /// This node first, then all peers that it knows of, in the order of their ids.
    pub peers: Vec<PeerView>,
    /// The job from its first unit to its last, in equal cells; empty before the job is known.
    pub map: Vec<Cell>,
    /// The slices under way everywhere, with the position in `peers` of who is on them.
    pub under_way: Vec<(UnitRange, usize)>,
    /// What the room does as a whole.
    pub room: RoomView,
    /// What was said to everybody, the latest last; at most [`MESSAGES_MAX`].
    pub messages: Vec<MessageView>,
    /// The greatest discovery of each kind.
    pub news: Vec<NewsView>,
    /// The search for Mersenne primes, where that is the job.
    pub search: Option<SearchView>,
    /// The files of the mesh, counted; `None` for a node that has no store for them.
    pub files: Option<FilesSummary>,
}

/// How far things are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "kebab-case")]
pub enum Phase {
    /// No job is known yet.
    #[default]
    Connecting,
    /// The host waits for friends before the job starts for all at once.
    Lobby {
        /// How many friends it waits for.
        wanted: u16,
        /// How many are in.
        present: u16,
    },
    /// The job is under way.
    Running,
    /// This node is paused.
    Paused,
    /// This node finishes its slices and then leaves.
    Finishing,
    /// Every unit is finished.
    Finished,
    /// This node has left.
    Left,
}

/// A job and how far it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JobView {
    /// The job's id.
    pub id: String,
    /// What it is, in a sentence: `add the counting numbers 1 to 100000000`.
    pub title: String,
    /// Who asks.
    pub asked_by: String,
    /// How many units it has.
    pub units: u64,
    /// How many are finished.
    pub done_units: u64,
    /// The last counting number of the finished prefix, where the job adds numbers.
    pub reached: Option<u64>,
    /// The last counting number of the job, where it adds numbers.
    pub goal: Option<u64>,
    /// The total of the finished prefix, in decimal, where the job adds numbers.
    pub prefix_total: Option<String>,
    /// The total of all that is finished, prefix or not, in decimal.
    pub done_total: Option<String>,
}

/// A peer, or this node itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PeerView {
    /// The whole id, in hexadecimal.
    pub id: String,
    /// The name a person gave, or the nickname of the key.
    pub name: String,
    /// The short code that tells equal names apart.
    pub code: String,
    /// Whether this is the node itself.
    pub me: bool,
    /// Whether this is the host.
    pub host: bool,
    /// The hue of its colour, 0 to 359: derived from the key, and another than those of the other peers while there are enough.
    pub hue: u16,
    /// What kind of node; none for one known only from the credit.
    pub kind: Option<PeerKind>,
    /// What it does; none for one that is not here now.
    pub activity: Option<Activity>,
    /// How many threads it lends.
    pub threads: u16,
    /// Units per second now, by their cost ([`JobKind::cost`](manyhands_wire::JobKind::cost)).
    pub speed: f64,
    /// Units per second alone, by their cost.
    pub solo_speed: f64,
    /// How many units it has the credit for.
    pub credit_units: u64,
    /// What they cost: the same number, where all units are alike.
    pub credit_cost: u64,
    /// How many units it has computed in its session, by their cost.
    pub gross_units: u64,
    /// How many units it holds and has not finished.
    pub holding_units: u64,
    /// The link to it.
    pub link: LinkState,
    /// The positions in [`View::peers`] of the peers that it has links to, as far as it said so.
    pub links: Vec<u16>,
    /// Where it serves page and signaling to others; empty if nowhere.
    pub address: String,
    /// Milliseconds since it was last heard.
    pub heard_ms: u64,
    /// Round trip in milliseconds, once measured.
    pub round_trip_ms: Option<f64>,
}

/// The link to a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkState {
    /// This node itself.
    Own,
    /// Not connected.
    #[default]
    None,
    /// Being made.
    Connecting,
    /// Open and proved.
    Open,
    /// Open, but silent for longer than it should be.
    Stale,
}

/// One cell of the map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// How much of it is finished, 0 to 1.
    pub done: f32,
    /// The position in [`View::peers`] of who finished most of it.
    pub by: Option<u16>,
}

/// The room as a whole: honest numbers. Units are counted by their cost here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RoomView {
    /// Seconds since the job started, as this node saw it; stops when the job is finished.
    pub elapsed_s: f64,
    /// Units per second of all together.
    pub speed: f64,
    /// Units finished while this node watched.
    pub useful_units: u64,
    /// Units computed by everybody while this node watched, duplicates counted.
    pub gross_units: u64,
    /// Units of others computed anew by everybody, to check them, while this node watched.
    pub checked_units: u64,
    /// Useful work against what each would have done alone in the time it was present, 0 to about 1.
    pub efficiency: Option<f64>,
    /// How many times faster than the fastest peer alone.
    pub speedup_over_fastest: Option<f64>,
    /// Seconds to the end at the present speed.
    pub left_s: Option<f64>,
}

/// Something said to everybody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageView {
    /// The name of who said it.
    pub from: String,
    /// The names of those it went through, who said it first, this node last.
    pub path: Vec<String>,
    /// The ids of the same.
    pub path_ids: Vec<String>,
    /// The text.
    pub text: String,
    /// Milliseconds since it was heard.
    pub heard_ms: u64,
}

/// A discovery.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewsView {
    /// What kind of thing.
    pub what: String,
    /// Its value.
    pub value: u64,
    /// The name of who found it.
    pub finder: String,
    /// The names of those the news went through, the finder first, this node last.
    pub path: Vec<String>,
    /// The ids of the same.
    pub path_ids: Vec<String>,
}

/// The search for Mersenne primes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SearchView {
    /// The first exponent.
    pub from: u32,
    /// The last exponent.
    pub to: u32,
    /// Every exponent up to this one is finished; `from - 1` at first.
    pub frontier: u32,
    /// How many prime exponents are finished by a test.
    pub tested: u64,
    /// How many prime exponents are finished by a factor.
    pub factored: u64,
    /// The exponents of the primes that were told of, the smallest first.
    pub primes: Vec<PrimeView>,
    /// The tests under way that take long, by their exponents.
    pub tests: Vec<TestView>,
    /// How many times somebody told of a prime that is none, or of one that it did not find.
    pub false_news: u64,
}

/// A Mersenne prime, as it was told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PrimeView {
    /// The exponent `p`: the prime is `2^p - 1`.
    pub exponent: u32,
    /// How many decimal digits it has.
    pub digits: u32,
    /// The name of who found it.
    pub finder: String,
    /// The id of the same.
    pub finder_id: String,
    /// Milliseconds since this node heard of it; none if it was known when the node began.
    pub heard_ms: Option<u64>,
    /// The names of those the news went through, the finder first, this node last.
    pub path: Vec<String>,
    /// The ids of the same.
    pub path_ids: Vec<String>,
    /// Whether it is believed.
    pub state: PrimeState,
    /// The names of those who tested it too and found it prime, this node among them if it did.
    pub confirmed_by: Vec<String>,
}

/// Whether a prime that somebody told of is believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PrimeState {
    /// Nobody but the finder has tested it.
    #[default]
    Claimed,
    /// Another machine than the finder's came to the same by a run of its own.
    Confirmed,
}

/// A test under way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TestView {
    /// The exponent.
    pub exponent: u32,
    /// The name of whose machine does it.
    pub peer: String,
    /// The position in [`View::peers`] of the same.
    pub by: u16,
    /// How many iterations are done.
    pub iteration: u32,
    /// How many there are in all.
    pub iterations: u32,
}
