//! How near the kernel comes to what the processor can do.
//!
//! The yardstick is two independent vector additions for each vector of numbers: one that makes the numbers, one that
//! adds them. Nothing that adds every number can be faster. How many independent vector additions a second there are is
//! measured in the same run, by a loop of nothing else, written in assembly so that it is what it says. Kernel and
//! yardstick take turns, and what counts is the median of the ratios of neighbours: so it matters little if the machine is
//! busy with something else for a while.

#[cfg_attr(target_arch = "x86_64", path = "speed/x86_64.rs")]
#[cfg_attr(not(target_arch = "x86_64"), path = "speed/other.rs")]
mod additions;

use std::hint::black_box;

use crate::kernel::sum::{Path, add_up_by};

/// How long one run of the kernel or the yardstick should take, in microseconds.
const RUN_US: u64 = 10_000;

/// How fast one path is.
#[derive(Clone, Debug, PartialEq)]
pub struct Speed {
    /// Which path.
    pub path: Path,
    /// Counting numbers added per second, the median.
    pub numbers_per_s: f64,
    /// How many numbers per second the yardstick would allow, the median; `None` where there is no yardstick.
    pub limit_per_s: Option<f64>,
    /// The median of kernel to yardstick; 1 is perfect.
    pub ratio: Option<f64>,
}

/// Measures one path on counting numbers from `first` on, in `rounds` rounds of a kernel's and a yardstick's run, about
/// 20 ms each. `clock_us` reads a clock in microseconds. `None` if the processor does not have the path.
pub fn measure(path: Path, first: u64, rounds: usize, clock_us: &mut dyn FnMut() -> u64) -> Option<Speed> {
    let mut kernel = |numbers: u64| {
        black_box(add_up_by(path, first, first.saturating_add(numbers - 1)));
        numbers
    };
    let mut additions = |rows: u64| additions::additions(path, rows);
    if !path.is_available() {
        return None;
    }
    let numbers = fitting_run(&mut kernel, clock_us);
    let has_yardstick = additions(1) > 0;
    let rows = if has_yardstick { fitting_run(&mut additions, clock_us) } else { 1 };

    let mut of_kernel = Vec::new();
    let mut of_limit = Vec::new();
    let mut ratios = Vec::new();
    for _ in 0..rounds.max(1) {
        let speed = per_second(&mut kernel, numbers, clock_us);
        of_kernel.push(speed);
        if has_yardstick {
            // Two additions for each vector of numbers.
            let limit = per_second(&mut additions, rows, clock_us) / 2.0 * path.lanes() as f64;
            of_limit.push(limit);
            ratios.push(speed / limit);
        }
    }
    Some(Speed {
        path,
        numbers_per_s: median(of_kernel).unwrap_or(0.0),
        limit_per_s: median(of_limit),
        ratio: median(ratios),
    })
}

/// How large a run takes about [`RUN_US`].
fn fitting_run(work: &mut dyn FnMut(u64) -> u64, clock_us: &mut dyn FnMut() -> u64) -> u64 {
    let mut size = 1 << 12;
    while size < 1 << 34 {
        let start = clock_us();
        work(size);
        if clock_us().saturating_sub(start) >= RUN_US {
            break;
        }
        size *= 2;
    }
    size
}

/// How much `work` does per second, in what it says it did.
fn per_second(work: &mut dyn FnMut(u64) -> u64, size: u64, clock_us: &mut dyn FnMut() -> u64) -> f64 {
    let start = clock_us();
    let done = work(size);
    let took = clock_us().saturating_sub(start).max(1);
    done as f64 * 1e6 / took as f64
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
