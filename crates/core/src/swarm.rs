//! The exchange of chunks between neighbours.

mod bits;

pub use bits::Bits;

/// How chunks are exchanged.
#[derive(Clone, Debug)]
pub struct SwarmConfig {
    /// Who is given what.
    pub policy: Policy,
    /// How many bytes per second are given to others at most; 0 for no limit.
    pub upload_bytes_per_second: u64,
    /// How many bytes per second are fetched at most; 0 for no limit.
    pub download_bytes_per_second: u64,
    /// How many bytes one neighbour may be promised or sent at once.
    pub window_bytes: u32,
    /// The same for all neighbours together.
    pub windows_bytes: u32,
}

/// Who is given what. All but the first are for comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// The neighbour that misses most, and of what it misses the rarest among the neighbours.
    #[default]
    MostMissingRarest,
    /// Any neighbour, any chunk.
    Random,
    /// Any neighbour, the first chunk that it misses.
    Sequential,
    /// As the first, but only who had the whole file from the beginning gives.
    SeederOnly,
}

impl Default for SwarmConfig {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            upload_bytes_per_second: 0,
            download_bytes_per_second: 0,
            window_bytes: 1 << 20,
            windows_bytes: 4 << 20,
        }
    }
}
