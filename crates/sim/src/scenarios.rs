//! What is measured. The figures of a scenario depend on its seed and its size alone: they are the same on every machine.

mod large;
mod messages;
mod room;
mod spread;
mod work;

pub use large::large;
pub use messages::{lost_nodes, redundancy};
pub use room::{Room, Spread, Starts};
pub use spread::{spread, spread_of};
pub use work::{efficiency, efficiency_of, lost_workers};

use serde::Serialize;

/// One figure, and what it should be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// What it says, with its unit at the end.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// The least that is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// The most that is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
}

impl Figure {
    /// A figure without a target.
    pub fn of(name: impl Into<String>, value: f64) -> Self {
        Self { name: name.into(), value, at_least: None, at_most: None }
    }

    /// It should be no less.
    pub fn at_least(self, least: f64) -> Self {
        Self { at_least: Some(least), ..self }
    }

    /// It should be no more.
    pub fn at_most(self, most: f64) -> Self {
        Self { at_most: Some(most), ..self }
    }

    /// Whether it meets its target.
    pub fn is_good(&self) -> bool {
        self.at_least.is_none_or(|least| self.value >= least)
            && self.at_most.is_none_or(|most| self.value <= most)
    }
}

/// The figures of one scenario.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// How many nodes took part.
    pub nodes: u32,
    /// What was measured.
    pub figures: Vec<Figure>,
}

impl Report {
    /// Whether every figure meets its target.
    pub fn is_good(&self) -> bool {
        self.figures.iter().all(Figure::is_good)
    }

    /// The value of a figure.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|figure| figure.name == name).map(|figure| figure.value)
    }
}

/// A scenario, as the command line has it.
pub struct Scenario {
    /// What it is called.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// How many nodes it has unless told otherwise.
    pub nodes: u32,
    /// How long it should take at most, in seconds, built for speed.
    pub wall_s: f64,
    /// From a seed and a number of nodes to the figures.
    pub run: fn(u64, u32) -> Report,
}

/// All of them.
pub const ALL: [Scenario; 9] = [
    Scenario {
        name: "lost-nodes",
        about: "messages while any three nodes are away, and after half or most of them are gone",
        nodes: 20,
        wall_s: 120.0,
        run: lost_nodes,
    },
    Scenario {
        name: "redundancy",
        about: "how often a message comes twice, and over how many hops",
        nodes: 100,
        wall_s: 60.0,
        run: redundancy,
    },
    Scenario {
        name: "efficiency",
        about: "how well units of a second are shared, and what it costs",
        nodes: 10,
        wall_s: 60.0,
        run: efficiency,
    },
    Scenario {
        name: "efficiency-100",
        about: "the same among a hundred",
        nodes: 100,
        wall_s: 120.0,
        run: efficiency,
    },
    Scenario {
        name: "efficiency-1000",
        about: "the same among a thousand",
        nodes: 1000,
        wall_s: 1800.0,
        run: efficiency,
    },
    Scenario {
        name: "lost-workers",
        about: "three in ten peers die in mid-job",
        nodes: 10,
        wall_s: 60.0,
        run: lost_workers,
    },
    Scenario {
        name: "lost-workers-50",
        about: "the same among fifty",
        nodes: 50,
        wall_s: 60.0,
        run: lost_workers,
    },
    Scenario {
        name: "large",
        about: "one minute of ten thousand peers",
        nodes: 10_000,
        wall_s: 60.0,
        run: large,
    },
    Scenario {
        name: "spread",
        about: "chunks that spread over servers, against the least number of rounds there can be",
        nodes: 20,
        wall_s: 60.0,
        run: spread,
    },
];
