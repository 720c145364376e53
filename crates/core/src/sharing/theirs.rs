//! What another peer says of its work, and what this node makes of it.

use manyhands_wire::JobKind;
use manyhands_wire::frame::{Activity, Status};

use crate::time::Time;
use crate::unit_set::UnitSet;
use crate::work::{seconds, unspared};

/// How much longer than its slice should take a peer may finish nothing before it is stuck, and the bounds of that, in seconds.
const STUCK_FACTOR: f64 = 3.0;
const STUCK_MIN_S: f64 = 10.0;
pub(super) const STUCK_MAX_S: f64 = 300.0;

/// What another peer last said of itself, and what passed since.
pub(crate) struct Theirs {
    pub(crate) status: Status,
    pub(crate) holding: UnitSet,
    /// What it says others hold that this node may have no link to, and since when nothing of that was finished.
    pub(super) vouched: UnitSet,
    pub(super) vouched_since: Time,
    pub(super) at: Time,
    /// When it last finished units, began to hold some, or got on with a long one.
    pub(super) advanced: Time,
    /// The same but for long ones.
    pub(super) finished: Time,
    /// When it last began to hold some, as far as that was counted.
    pub(super) began: Time,
    /// It had nothing to give when last asked.
    pub(super) refused: bool,
    /// Units granted to it by this node, finished or not.
    pub(super) granted: UnitSet,
}

/// Whether a long unit that a peer holds has got on between two statuses, as it says.
pub(super) fn is_further(before: &Status, after: &Status, kind: &JobKind) -> bool {
    let is_held = |unit: u64| before.under_way.iter().any(|run| run.contains(unit));
    after.progress.iter().filter(|now| is_held(now.unit) && kind.exponent_of(now.unit).is_some()).any(|now| {
        let then = before.progress.iter().find(|then| then.unit == now.unit);
        now.iteration <= now.iterations && then.is_none_or(|then| now.iteration > then.iteration)
    })
}

impl Theirs {
    /// Whether it holds units and has finished none for much longer than a slice of them should take: what it says it holds does
    /// not count any more.
    pub(super) fn is_stuck(&self, now: Time, kind: &JobKind) -> bool {
        let slice = self.status.under_way.iter().map(|slice| kind.cost(*slice)).max().unwrap_or(1);
        let speed = self.status.speed.max(self.status.solo_speed);
        let slice = slice.saturating_mul(unspared(kind));
        let patience = (STUCK_FACTOR * seconds(slice, speed)).clamp(STUCK_MIN_S, STUCK_MAX_S);
        !self.holding.is_empty() && now.since(self.advanced).as_secs_f64() > patience
    }

    /// Whether it computes, as far as one can see.
    pub(super) fn works(&self, now: Time, kind: &JobKind) -> bool {
        self.status.activity == Activity::Working && !self.is_stuck(now, kind)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.holding.is_empty() && matches!(self.status.activity, Activity::Working | Activity::Ready)
    }

    /// Seconds until it has computed what it holds; infinite for one that holds units and does not compute. One that should have
    /// finished already is expected to be late as long again.
    pub(super) fn seconds_left(&self, now: Time, kind: &JobKind) -> f64 {
        let speed = match self.status.activity {
            Activity::Working => self.status.speed.max(self.status.solo_speed / 4),
            Activity::Ready | Activity::Paused | Activity::Watching | Activity::Finished => 0,
        };
        (seconds(self.holding.cost(kind), speed) - now.since(self.at).as_secs_f64()).abs()
    }
}
