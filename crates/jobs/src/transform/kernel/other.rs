//! Targets for which there is no path but the portable one.

use super::{Kernel, Path};

/// None.
pub(super) fn kernel(_path: Path, _length: u32) -> Option<(Kernel, usize)> {
    None
}
