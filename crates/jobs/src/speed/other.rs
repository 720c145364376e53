//! Targets without a yardstick.

use crate::kernel::sum::Path;

/// None were done.
pub(super) fn additions(_path: Path, _rows: u64) -> u64 {
    0
}
