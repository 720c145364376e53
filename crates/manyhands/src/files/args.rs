//! The options about files, the same for every kind of node, and how sizes are written.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use manyhands_wire::file::{CHUNK_BYTES_MAX, CHUNK_BYTES_MIN};
use serde::{Deserialize, Serialize};

/// How a node keeps files.
#[derive(Clone, Debug, PartialEq, Eq, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Files")]
pub(crate) struct FilesArgs {
    /// The folder that keeps the room's files [default: TASK.manyhands-files beside a host's task file, or
    /// room-ID.manyhands-files where the job is chosen later; of a friend, files/ROOM-N in the folder of its identity; of a network, beside what is known of it, and gone with it]
    #[arg(long = "files", value_name = "DIR", env = "MANYHANDS_FILES")]
    pub(crate) folder: Option<PathBuf>,
    /// Keep no files, and fetch none
    #[arg(long, conflicts_with_all = ["folder", "open_files"])]
    pub(crate) no_files: bool,
    /// Let other machines list, fetch and put files at this port, not only this one
    #[arg(long, env = "MANYHANDS_OPEN_FILES")]
    pub(crate) open_files: bool,
    /// Which files of the room to fetch
    #[arg(long, value_enum, default_value_t = Fetch::All, env = "MANYHANDS_FETCH")]
    pub(crate) fetch: Fetch,
    /// How much to keep of all files together, such as 500M or 2G
    #[arg(long, value_name = "SIZE", default_value = "10G", value_parser = size, env = "MANYHANDS_FILES_QUOTA")]
    pub(crate) files_quota: u64,
    /// The largest file that is taken over HTTP [default: the quota]
    #[arg(long, value_name = "SIZE", value_parser = size, env = "MANYHANDS_FILES_MAX")]
    pub(crate) files_max: Option<u64>,
    /// How large the pieces are that files put here travel in; larger for files of more than 65536 pieces
    #[arg(long, value_name = "SIZE", default_value = "64K", value_parser = chunk_size, env = "MANYHANDS_CHUNK_SIZE")]
    pub(crate) chunk_size: u32,
    /// Give others at most so many bytes of files per second, such as 1M [default: no limit]
    #[arg(long, value_name = "RATE", value_parser = size, env = "MANYHANDS_UPLOAD_LIMIT")]
    pub(crate) upload_limit: Option<u64>,
    /// Fetch at most so many bytes of files per second [default: no limit]
    #[arg(long, value_name = "RATE", value_parser = size, env = "MANYHANDS_DOWNLOAD_LIMIT")]
    pub(crate) download_limit: Option<u64>,
}

/// Which files a node fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Fetch {
    /// All that were ever put
    All,
    /// Only those that are asked for here
    Asked,
}

/// A number of bytes, at least 1: `1500`, `64K`, `500M`, `2G` or `1T`, each step 1024 times the one before.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let wrong = || "a size such as 64K, 500M or 2G".to_owned();
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.trim().parse().map_err(|_| wrong())?;
    let power = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        _ => return Err(wrong()),
    };
    number.checked_mul(1 << (10 * power)).filter(|bytes| *bytes > 0).ok_or_else(wrong)
}

fn chunk_size(text: &str) -> Result<u32, String> {
    let bytes = size(text)?;
    u32::try_from(bytes)
        .ok()
        .filter(|bytes| (CHUNK_BYTES_MIN..=CHUNK_BYTES_MAX).contains(bytes))
        .ok_or_else(|| format!("{CHUNK_BYTES_MIN} bytes to {} MiB, such as 64K", CHUNK_BYTES_MAX >> 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_unit_or_is_in_bytes() {
        assert_eq!(size("1500"), Ok(1500));
        assert_eq!(size("64K"), Ok(64 << 10));
        assert_eq!(size("500m"), Ok(500 << 20));
        assert_eq!(size(" 2GiB "), Ok(2 << 30));
        for bad in ["", "0", "K", "-1", "1.5G", "9X", "99999999T", "12 monkeys"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn chunks_are_neither_tiny_nor_huge() {
        assert_eq!(chunk_size("64K"), Ok(65_536));
        for bad in ["1", "1023", "5M", "9G"] {
            assert!(chunk_size(bad).is_err(), "{bad}");
        }
    }
}
