//! The table of figures.
use anyhow::Result;
use std::path::Path;
pub(crate) fn run(_json: Option<&Path>, _native_only: bool) -> Result<()> {
    Ok(())
}
