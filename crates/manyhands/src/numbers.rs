//! Numbers as people read them.

use manyhands_core::View;
use manyhands_core::view::Phase;
use manyhands_wire::{JobKind, JobSpec};

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
        JobKind::Delay { .. } => None,
    }
}

/// How much of the job is done, 0 to 1. A job without units is done from the start.
pub(crate) fn share_done(view: &View) -> f64 {
    match &view.job {
        Some(job) if job.units > 0 => job.done_units as f64 / job.units as f64,
        Some(_) => 1.0,
        None => 0.0,
    }
}

/// How many machines take part now, this one included.
pub(crate) fn machines(view: &View) -> usize {
    view.peers.iter().filter(|peer| peer.me || peer.activity.is_some()).count()
}

/// How things stand, in one line without the exact total.
pub(crate) fn line(view: &View, unit_size: Option<u64>) -> String {
    match view.phase {
        Phase::Connecting => "connecting".to_owned(),
        Phase::Lobby { wanted, present } => format!("{present} of {wanted} friends are here"),
        Phase::Finishing => format!("{}, finishing what is under way", percent(view)),
        Phase::Finished => "finished".to_owned(),
        Phase::Left => "stopped".to_owned(),
        Phase::Paused => format!("{}, paused here", percent(view)),
        Phase::Running => {
            let machines = match machines(view) {
                1 => "1 machine".to_owned(),
                count => format!("{count} machines"),
            };
            let mut line = format!("{}, {machines}, {}", percent(view), speed(view.room.speed, unit_size));
            if let Some(left) = view.room.left_s {
                line.push_str(&format!(", {} left", span(left)));
            }
            line
        }
    }
}

/// A speed in units per second, in the units that people count in.
pub(crate) fn speed(units_per_second: f64, unit_size: Option<u64>) -> String {
    match unit_size {
        Some(size) => format!("{} numbers/s", rough(units_per_second * size as f64)),
        None => format!("{} units/s", rough(units_per_second)),
    }
}

/// `12.3 %`, never 100 before it is done.
pub(crate) fn percent(view: &View) -> String {
    let permille = (share_done(view) * 1000.0).floor();
    format!("{:.1} %", permille / 10.0)
}

#[cfg(test)]
mod tests {
    use manyhands_core::view::{JobView, RoomView};

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
        let job = JobView {
            id: String::new(),
            title: String::new(),
            asked_by: "Liz".into(),
            units: 1000,
            done_units: 999,
            reached: None,
            goal: None,
            prefix_total: None,
            done_total: None,
        };
        let room = RoomView { speed: 2.0, left_s: Some(12.0), ..RoomView::default() };
        let view = View { phase: Phase::Running, job: Some(job), room, ..View::default() };

        assert_eq!(line(&view, Some(1 << 20)), "99.9 %, 0 machines, 2.10 million numbers/s, 12 s left");
        assert_eq!(
            line(&View { phase: Phase::Lobby { wanted: 9, present: 3 }, ..view }, None),
            "3 of 9 friends are here"
        );
    }
}
