//! Reading `task.json`, with a message of its own for everything that can be wrong with it.
//!
//! The numbers are taken as text and read here, since JSON readers turn large integers into floating point numbers
//! and lose their last digits.

use std::fmt;

use manyhands_wire::job::COUNTING_NUMBER_MAX;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use thiserror::Error;

use super::TaskFile;

/// The longest file that is read, in bytes: three numbers need far less.
pub const TASK_BYTES_MAX: usize = 64 * 1024;

const MOST_RECENT: &str = "most_recent_counting_number_added";
const TOTAL: &str = "current_total";
const GOAL: &str = "counting_number";
const KEYS: [&str; 3] = [MOST_RECENT, TOTAL, GOAL];
const EXAMPLE: &str =
    r#"{ "most_recent_counting_number_added": 0, "current_total": 0, "counting_number": 100000000 }"#;

/// Why a file is not a task.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TaskError {
    /// Nothing but white space.
    #[error("the file is empty; it should read like {EXAMPLE}")]
    Empty,
    /// Longer than [`TASK_BYTES_MAX`].
    #[error("the file has {bytes} bytes, far more than a task needs; is it the right file?")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// Not JSON.
    #[error("the file is not JSON: {why} (line {line}, column {column}); it should read like {EXAMPLE}")]
    NotJson {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What the JSON reader says.
        why: String,
    },
    /// JSON, but no object.
    #[error("the file holds {found} where an object in braces belongs; it should read like {EXAMPLE}")]
    NotObject {
        /// What it holds.
        found: &'static str,
    },
    /// A key is not there.
    #[error("\"{key}\" is missing; the file should read like {EXAMPLE}")]
    Missing {
        /// Which key.
        key: &'static str,
    },
    /// A key that does not belong there.
    #[error(
        "\"{key}\" is no key of a task; take it out, or correct its spelling: the keys are {MOST_RECENT}, {TOTAL} and {GOAL}"
    )]
    Unknown {
        /// Which key, cut if it is long.
        key: String,
    },
    /// A key that is there twice.
    #[error("\"{key}\" is there twice; take one of them out")]
    Duplicate {
        /// Which key.
        key: &'static str,
    },
    /// A value that is no number.
    #[error("\"{key}\" is {found}; it must be a whole number, without quotes")]
    NotANumber {
        /// Which key.
        key: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// A number below zero.
    #[error("\"{key}\" is {value}; it must not be negative")]
    Negative {
        /// Which key.
        key: &'static str,
        /// Its value, cut if it is long.
        value: String,
    },
    /// A number with a decimal point.
    #[error("\"{key}\" is {value}; it must be a whole number, without a decimal point")]
    Fraction {
        /// Which key.
        key: &'static str,
        /// Its value, cut if it is long.
        value: String,
    },
    /// A number with an exponent.
    #[error("\"{key}\" is {value}; write all its digits out, without an exponent")]
    Exponent {
        /// Which key.
        key: &'static str,
        /// Its value, cut if it is long.
        value: String,
    },
    /// A counting number over the limit.
    #[error("\"{key}\" is {value}; the largest there may be is {COUNTING_NUMBER_MAX} (10^18)")]
    OverLimit {
        /// Which key.
        key: &'static str,
        /// Its value, cut if it is long.
        value: String,
    },
    /// More is added than there is to add.
    #[error(
        "\"{MOST_RECENT}\" is {most_recent}, beyond the \"{GOAL}\" {goal}; correct one of them, or begin again with --restart"
    )]
    Beyond {
        /// The last number added.
        most_recent: u64,
        /// The last number to add.
        goal: u64,
    },
    /// A total that no true one can be.
    #[error(
        "\"{TOTAL}\" is {value}, which the numbers from 1 to {most_recent} cannot come to; correct it, or begin again with --restart"
    )]
    ImpossibleTotal {
        /// The total, cut if it is long.
        value: String,
        /// The last number added.
        most_recent: u64,
    },
}

impl TaskFile {
    /// Reads the file.
    ///
    /// # Errors
    /// See [`TaskError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, TaskError> {
        let fields = Fields::read(bytes)?;
        let most_recent = fields.counting_number(MOST_RECENT)?;
        let (total_text, total) = fields.integer(TOTAL)?;
        let goal = fields.counting_number(GOAL)?;
        if most_recent > goal {
            return Err(TaskError::Beyond { most_recent, goal });
        }
        // So many numbers, none above the last: no formula, only a bound that catches what no adding need be done for.
        let bound = u128::from(most_recent) * u128::from(most_recent);
        match total {
            Some(total) if total >= u128::from(most_recent) && total <= bound => Ok(Self {
                most_recent_counting_number_added: most_recent,
                current_total: total,
                counting_number: goal,
            }),
            Some(_) | None => Err(TaskError::ImpossibleTotal { value: shortened(total_text), most_recent }),
        }
    }

    /// Reads only how far to count, for a task that begins again: the other two keys may be wrong or missing.
    ///
    /// # Errors
    /// See [`TaskError`].
    pub fn parse_restarted(bytes: &[u8]) -> Result<Self, TaskError> {
        Fields::read(bytes)?.counting_number(GOAL).map(Self::new)
    }
}

/// The values of the keys as they are written, in the order of [`KEYS`].
struct Fields([Option<Box<RawValue>>; 3]);

impl Fields {
    fn read(bytes: &[u8]) -> Result<Self, TaskError> {
        if bytes.len() > TASK_BYTES_MAX {
            return Err(TaskError::TooLong { bytes: bytes.len() });
        }
        // Some editors put a byte order mark in front.
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_end();
        if text.trim_ascii_start().is_empty() {
            return Err(TaskError::Empty);
        }
        let document: &RawValue = serde_json::from_slice(text).map_err(|error| not_json(&error))?;
        if !document.get().starts_with('{') {
            return Err(TaskError::NotObject { found: what_is(document.get()) });
        }
        let Pairs(pairs) = serde_json::from_str(document.get()).map_err(|error| not_json(&error))?;
        let mut fields = [None, None, None];
        for (key, value) in pairs {
            let Some(place) = KEYS.iter().position(|known| *known == key) else {
                return Err(TaskError::Unknown { key: shortened(&key) });
            };
            if fields[place].replace(value).is_some() {
                return Err(TaskError::Duplicate { key: KEYS[place] });
            }
        }
        Ok(Self(fields))
    }

    /// The digits of an integer, and its value if it has at most 128 bits.
    fn integer(&self, key: &'static str) -> Result<(&str, Option<u128>), TaskError> {
        let place = KEYS.iter().position(|known| *known == key);
        let value = place.and_then(|place| self.0[place].as_ref()).ok_or(TaskError::Missing { key })?;
        let text = value.get();
        if !text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
            return Err(TaskError::NotANumber { key, found: what_is(text) });
        }
        let value = || shortened(text);
        if text.contains(['e', 'E']) {
            return Err(TaskError::Exponent { key, value: value() });
        }
        if text.contains('.') {
            return Err(TaskError::Fraction { key, value: value() });
        }
        if text.starts_with('-') {
            return Err(TaskError::Negative { key, value: value() });
        }
        Ok((text, text.parse().ok()))
    }

    fn counting_number(&self, key: &'static str) -> Result<u64, TaskError> {
        let (text, value) = self.integer(key)?;
        value
            .and_then(|value| u64::try_from(value).ok())
            .filter(|value| *value <= COUNTING_NUMBER_MAX)
            .ok_or_else(|| TaskError::OverLimit { key, value: shortened(text) })
    }
}

/// The keys and values of an object, as often as they are there.
struct Pairs(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

fn not_json(error: &serde_json::Error) -> TaskError {
    let said = error.to_string();
    let why = said.split(" at line ").next().unwrap_or(&said).to_owned();
    TaskError::NotJson { line: error.line(), column: error.column(), why }
}

/// What a JSON text is, in words.
fn what_is(text: &str) -> &'static str {
    match text.as_bytes().first() {
        Some(b'"') => "a text in quotes",
        Some(b'[') => "a list",
        Some(b'{') => "an object",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        Some(_) | None => "a number",
    }
}

/// A text that fits into a message.
fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 48;
    if text.chars().count() <= CHARS_MAX {
        return text.to_owned();
    }
    text.chars().take(CHARS_MAX).chain(['…']).collect()
}
