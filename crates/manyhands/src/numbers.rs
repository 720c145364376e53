//! Numbers as people read them.

use manyhands_core::View;
use manyhands_core::view::{Phase, PrimeView, SearchView};
use manyhands_wire::mersenne::{EXPONENT_MAX, SQUARED_BITS_PER_COST, digits};
use manyhands_wire::{JobKind, JobSpec, UnitRange};

use crate::voice::one_line;

/// How few exponents of a search say nothing any more about when it ends: cost is given by the average to all exponents of a
/// size, of which most cost nothing and few all of it. A guess.
const UNITS_TO_FORESEE: u64 = 100;

/// What a job's speed is told in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Counting numbers, so many to a unit.
    Numbers(u64),
    /// Squared bits: a test of the exponent p squares p bits about p times. They are given by the average to all exponents of a
    /// size, whether tested or not.
    SquaredBits,
    /// Units, of which nothing more is known.
    Units,
}

impl Measure {
    /// What fits a view, and what is known of the size of its units.
    pub(crate) fn of(view: &View, unit_size: Option<u64>) -> Self {
        match unit_size {
            _ if view.search.is_some() => Self::SquaredBits,
            Some(size) => Self::Numbers(size),
            None => Self::Units,
        }
    }

    /// A speed, which views give in units per second.
    pub(crate) fn speed(self, units_per_second: f64) -> String {
        match self {
            Self::Numbers(size) => format!("{} numbers/s", rough(units_per_second * size as f64)),
            Self::SquaredBits => format!("{}/s", squared_bits(units_per_second)),
            Self::Units => format!("{} units/s", rough(units_per_second)),
        }
    }

    /// An amount of work, which views give in units.
    pub(crate) fn work(self, units: u64) -> String {
        match self {
            Self::Numbers(_) | Self::Units => format!("{units} units"),
            Self::SquaredBits => squared_bits(units as f64),
        }
    }
}

/// `1.23 Gbit²`, of a search's cost.
fn squared_bits(cost: f64) -> String {
    let bits = cost * SQUARED_BITS_PER_COST as f64;
    match bits {
        bits if bits >= 999.5e12 => format!("{} Pbit²", rough(bits / 1e15)),
        bits if bits >= 999.5e9 => format!("{} Tbit²", rough(bits / 1e12)),
        bits if bits >= 999.5e6 => format!("{} Gbit²", rough(bits / 1e9)),
        bits => format!("{} Mbit²", rough(bits / 1e6)),
    }
}

/// A Mersenne prime: `2^9941 - 1 (2,993 digits)`.
pub(crate) fn mersenne(exponent: u32) -> String {
    let digits = digits(exponent);
    let plural = if digits == 1 { "" } else { "s" };
    format!("2^{exponent} - 1 ({} digit{plural})", grouped(&digits.to_string()))
}

/// The largest prime that a search knows.
pub(crate) fn largest(search: &SearchView) -> Option<&PrimeView> {
    search.primes.last()
}

/// Who found a prime, by name; a newcomer may know the prime before its finder.
pub(crate) fn finder(prime: &PrimeView) -> String {
    if prime.finder.is_empty() { "(not heard yet)".to_owned() } else { one_line(&prime.finder) }
}

/// How far a search is, in words: `every exponent up to 1,279, 15 primes`.
pub(crate) fn frontier(search: &SearchView) -> String {
    let primes = match search.primes.len() {
        1 => "1 prime".to_owned(),
        count => format!("{count} primes"),
    };
    if search.frontier < search.from {
        return format!("no exponent yet, {primes}");
    }
    format!("every exponent up to {}, {primes}", grouped(&search.frontier.to_string()))
}

/// Decimal digits in groups of three: `5,000,000,050,000,000`.
pub(crate) fn grouped(digits: &str) -> String {
    let first = digits.len() % 3;
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && index % 3 == first {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate or a count with three digits that matter: `1.23 billion`.
pub(crate) fn rough(value: f64) -> String {
    let (value, name) = match value {
        v if !v.is_finite() || v < 0.0 => return "?".to_owned(),
        v if v >= 999.5e9 => (v / 1e12, " trillion"),
        v if v >= 999.5e6 => (v / 1e9, " billion"),
        v if v >= 999.5e3 => (v / 1e6, " million"),
        v => (v, ""),
    };
    match value {
        v if v >= 99.95 => format!("{v:.0}{name}"),
        v if v >= 9.995 => format!("{v:.1}{name}"),
        v if name.is_empty() && v.fract() == 0.0 => format!("{v:.0}"),
        v => format!("{v:.2}{name}"),
    }
}

/// A span of time: `0.4 s`, `12 s`, `3:05`, `2:03:05`, `12 days`.
pub(crate) fn span(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "?".to_owned();
    }
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let s = seconds.round() as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{}:{:02}", s / 60, s % 60),
        3600..172_800 => format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60),
        _ => format!("{} days", s / 86_400),
    }
}

/// How many counting numbers a unit of the job has; `None` where units are not of numbers.
pub(crate) fn unit_size(spec: &JobSpec) -> Option<u64> {
    match spec.kind {
        JobKind::Sum { unit_size, .. } => Some(unit_size),
        JobKind::Delay { .. } | JobKind::Mersenne { .. } => None,
    }
}

/// How much of the job is done, 0 to 1. A job without units is done from the start. Of a search it is the share of the work,
/// as far as anybody has the credit for it: small exponents are many, and quick.
pub(crate) fn share_done(view: &View) -> f64 {
    match &view.job {
        Some(job) if job.units > 0 && job.done_units < job.units && view.search.is_some() => {
            let done: u64 = view.peers.iter().map(|peer| peer.credit_cost).sum();
            let whole = view.search.as_ref().map_or(0, cost).max(1);
            (done as f64 / whole as f64).min(1.0)
        }
        Some(job) if job.units > 0 => job.done_units as f64 / job.units as f64,
        Some(_) => 1.0,
        None => 0.0,
    }
}

/// What a whole search costs.
fn cost(search: &SearchView) -> u64 {
    let units = u64::from(search.to) + 1 - u64::from(search.from);
    let kind = JobKind::Mersenne { from: search.from, to: search.to, proofs_from: 0 };
    kind.cost(UnitRange::new(0, units))
}

/// Whether a search goes on upwards, as far as searches can.
pub(crate) fn is_open_ended(search: &SearchView) -> bool {
    search.to == EXPONENT_MAX
}

/// How many machines take part now, this one included.
pub(crate) fn machines(view: &View) -> usize {
    view.peers.iter().filter(|peer| peer.me || peer.activity.is_some()).count()
}

/// How things stand, in one line without the exact total.
pub(crate) fn line(view: &View, unit_size: Option<u64>) -> String {
    match view.phase {
        Phase::Connecting if is_to_choose(view) => "the job is still to be chosen".to_owned(),
        Phase::Connecting => "connecting".to_owned(),
        Phase::Lobby { wanted, present } => format!("{present} of {wanted} friends are here"),
        Phase::Finishing => format!("{}, finishing what is under way", done(view)),
        Phase::Finished => "finished".to_owned(),
        Phase::Left => "stopped".to_owned(),
        Phase::Paused => format!("{}, paused here", done(view)),
        Phase::Running => {
            let machines = match machines(view) {
                1 => "1 machine".to_owned(),
                count => format!("{count} machines"),
            };
            let speed = Measure::of(view, unit_size).speed(view.room.speed);
            let mut line = format!("{}, {machines}, {speed}", done(view));
            if let Some(left) = left_s(view) {
                line.push_str(&format!(", {} left", span(left)));
            }
            line
        }
    }
}

/// How long the job still takes, in seconds, where that can be foreseen: not of a search without an end, nor of its last few
/// exponents.
pub(crate) fn left_s(view: &View) -> Option<f64> {
    let is_unforeseen = |search: &SearchView| {
        let units_left = view.job.as_ref().map_or(0, |job| job.units.saturating_sub(job.done_units));
        is_open_ended(search) || units_left < UNITS_TO_FORESEE
    };
    view.room.left_s.filter(|_| !view.search.as_ref().is_some_and(is_unforeseen))
}

/// Whether this is a host whose job is still to be chosen.
pub(crate) fn is_to_choose(view: &View) -> bool {
    view.job.is_none() && view.peers.iter().any(|peer| peer.me && peer.host)
}

/// How much is done: the share where there is an end, and how far a search is.
fn done(view: &View) -> String {
    match &view.search {
        None => percent(view),
        Some(search) if is_open_ended(search) => frontier(search),
        Some(search) => format!("{}, {}", percent(view), frontier(search)),
    }
}

/// `12.3 %`, never 100 before it is done.
pub(crate) fn percent(view: &View) -> String {
    let mut permille = (share_done(view) * 1000.0).floor();
    if view.job.as_ref().is_some_and(|job| job.done_units < job.units) {
        permille = permille.min(999.0);
    }
    format!("{:.1} %", permille / 10.0)
}

#[cfg(test)]
mod tests {
    use manyhands_core::view::{JobView, PeerView, RoomView};

    use super::*;

    #[test]
    fn digits_come_in_threes() {
        for (plain, expected) in
            [("0", "0"), ("999", "999"), ("1000", "1,000"), ("5000000050000000", "5,000,000,050,000,000")]
        {
            assert_eq!(grouped(plain), expected);
        }
    }

    #[test]
    fn rough_numbers_keep_three_digits() {
        let cases = [
            (0.0, "0"),
            (7.0, "7"),
            (0.5, "0.50"),
            (1234.0, "1234"),
            (999_499.0, "999499"),
            (999_500.0, "1.00 million"),
            (1.234e9, "1.23 billion"),
            (25.4e12, "25.4 trillion"),
            (f64::NAN, "?"),
        ];
        for (value, expected) in cases {
            assert_eq!(rough(value), expected);
        }
    }

    #[test]
    fn a_search_is_told_by_its_work_and_its_frontier() {
        let search = SearchView {
            from: 2,
            to: 20_000,
            frontier: 1279,
            primes: vec![PrimeView { exponent: 2, ..PrimeView::default() }],
            ..SearchView::default()
        };
        let job = JobView { units: 19_999, done_units: 10_000, ..job() };
        let half = PeerView { me: true, credit_cost: cost(&search) / 2, ..PeerView::default() };
        let room = RoomView { speed: 10_000.0, left_s: Some(12.0), ..RoomView::default() };
        let mut view = View {
            phase: Phase::Running,
            job: Some(job),
            peers: vec![half],
            room,
            search: Some(search),
            ..View::default()
        };

        assert_eq!(
            line(&view, None),
            "49.9 %, every exponent up to 1,279, 1 prime, 1 machine, 30.0 Mbit²/s, 12 s left"
        );
        view.job.as_mut().unwrap().done_units = 19_950;
        assert_eq!(left_s(&view), None, "of the last few nobody knows which are tested");
        view.job.as_mut().unwrap().done_units = 10_000;
        view.search.as_mut().unwrap().to = EXPONENT_MAX;
        assert_eq!(line(&view, None), "every exponent up to 1,279, 1 prime, 1 machine, 30.0 Mbit²/s");
        assert_eq!(Measure::SquaredBits.work(1 << 30), "3.22 Tbit²");
        assert_eq!(Measure::SquaredBits.work(1 << 40), "3.30 Pbit²");
        assert_eq!(mersenne(9941), "2^9941 - 1 (2,993 digits)");
        assert_eq!(mersenne(2), "2^2 - 1 (1 digit)");
    }

    #[test]
    fn spans_are_told_as_people_do() {
        for (seconds, expected) in [
            (0.42, "0.4 s"),
            (12.4, "12 s"),
            (185.0, "3:05"),
            (7385.0, "2:03:05"),
            (1e6, "11 days"),
            (-1.0, "?"),
        ] {
            assert_eq!(span(seconds), expected);
        }
    }

    #[test]
    fn a_line_tells_how_things_stand() {
        let job = job();
        let room = RoomView { speed: 2.0, left_s: Some(12.0), ..RoomView::default() };
        let view = View { phase: Phase::Running, job: Some(job), room, ..View::default() };

        assert_eq!(line(&view, Some(1 << 20)), "99.9 %, 0 machines, 2.10 million numbers/s, 12 s left");
        assert_eq!(
            line(&View { phase: Phase::Lobby { wanted: 9, present: 3 }, ..view }, None),
            "3 of 9 friends are here"
        );
    }

    fn job() -> JobView {
        JobView {
            id: String::new(),
            title: String::new(),
            asked_by: "Liz".into(),
            units: 1000,
            done_units: 999,
            reached: None,
            goal: None,
            prefix_total: None,
            done_total: None,
        }
    }
}
