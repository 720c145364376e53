//! The way through a multiplication, and its entry points for each kind of processor.

#[cfg_attr(target_arch = "x86_64", path = "kernel/x86_64.rs")]
#[cfg_attr(all(target_arch = "wasm32", target_feature = "simd128"), path = "kernel/wasm32.rs")]
#[cfg_attr(
    not(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128"))),
    path = "kernel/other.rs"
)]
mod arch;

use super::Path;
use super::aligned::Aligned;
use super::plan::{Pass, Plan};
use super::steps::{Steps, Strands, steps};
use super::vector::Row;
use super::vector::plain::Plain;
use super::{middle, outer, passes};

/// Multiplies the digits `x` by themselves or by the digits `y`; returns the round-off error.
pub(super) type Kernel = fn(plan: &Plan, room: &mut Room, x: &mut [f64], y: Option<&[f64]>) -> f64;

/// Where a multiplication is done.
#[derive(Clone, Debug)]
pub(super) struct Room {
    work: Aligned,
    /// As large as `work`, once it has been needed.
    other: Aligned,
    scratch: Aligned,
}

impl Room {
    /// As much as the plan needs for squares.
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            work: Aligned::zeros(plan.lanes * plan.pitch),
            other: Aligned::zeros(0),
            scratch: Aligned::zeros(4 * (plan.lanes + 1) * plan.lanes),
        }
    }
}

/// The kernel for transforms of this length on this path, and how many lanes it has; `None` if this processor or this
/// build does not have the path.
pub(super) fn kernel(path: Path, length: u32) -> Option<(Kernel, usize)> {
    match path {
        Path::Portable => Some((multiply::<Plain, 2>, 2)),
        Path::Avx512 | Path::Avx2 | Path::Simd128 => arch::kernel(path, length),
    }
}

steps!(Plain, 2);

/// What a multiplication of this length costs on this path, to compare it with that of another length.
pub(super) fn cost(path: Path, length: u32) -> u32 {
    // Measured: where eight lanes cannot be filled, a digit takes 1.75 times as long with four.
    match kernel(path, length) {
        Some((_, 4)) if path == Path::Avx512 => length / 4 * 7,
        _ => length,
    }
}

/// Multiplies digits.
fn multiply<V: Steps<L>, const L: usize>(
    plan: &Plan,
    room: &mut Room,
    x: &mut [f64],
    y: Option<&[f64]>,
) -> f64 {
    let Room { work, other, scratch } = room;
    if let Some(y) = y {
        if other.len() < work.len() {
            *other = Aligned::zeros(work.len());
        }
        V::first(plan, y, other);
        middle::forward::<V, L>(plan, other);
    }
    V::first(plan, x, work);
    middle::multiply::<V, L>(plan, work, y.map(|_| &other[..]), scratch);
    V::last(plan, work, x)
}
