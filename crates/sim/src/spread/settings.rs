//! What a spread is like, and its short form in a link: `servers=20&chunks=64&chunk=64&latency=80&bandwidth=1024&loss=0&degree=0&policy=most-missing&seed=1`.
//!
//! All numbers are whole, so that the same settings are the same run everywhere.

use std::fmt;

use manyhands_core::files::Policy;
use serde::{Serialize, Serializer};

/// The fields with a number: name in a link, least, most.
const LIMITS: [(&str, u32, u32); 8] = [
    ("servers", 2, 100),
    ("chunks", 1, 256),
    ("chunk", 1, 1024),
    ("latency", 0, 2000),
    ("bandwidth", 16, 1_048_576),
    ("loss", 0, 50),
    ("degree", 0, 99),
    ("seed", 0, u32::MAX),
];
/// The shortest and the longest round, in microseconds: what the machines wait for is longer, and what they give up after is
/// longer still.
const ROUND_US: (u64, u64) = (100, 1_000_000);

/// The policies, by the names that they have in a link.
pub const POLICIES: [(&str, Policy); 4] = [
    ("most-missing", Policy::MostMissingRarest),
    ("random", Policy::Random),
    ("sequential", Policy::Sequential),
    ("seeder-only", Policy::SeederOnly),
];

/// What a spread is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// How many servers, the one that has everything at first included: 2 to 100.
    pub servers: u32,
    /// Into how many chunks the file is cut: 1 to 256.
    pub chunks: u32,
    /// How large a chunk is, in KiB: 1 to 1024.
    pub chunk: u32,
    /// How long a message takes, in milliseconds: 0 to 2000.
    pub latency: u32,
    /// How much a server sends in a second, in KiB: 16 to 1,048,576, such that a chunk takes no more than a second.
    pub bandwidth: u32,
    /// How many of a hundred messages are lost once and come later: 0 to 50.
    pub loss: u32,
    /// How many links each server has, about: 2 to 99; 0 for a link between any two.
    pub degree: u32,
    /// Who is given what.
    #[serde(serialize_with = "by_name")]
    pub policy: Policy,
    /// Where the random numbers come from.
    pub seed: u32,
}

/// Why settings are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingsError {
    /// There is no such field.
    Unknown(String),
    /// The field is no whole number within its limits.
    Number {
        /// Which field.
        field: &'static str,
        /// What it may be at least.
        least: u32,
        /// What it may be at most.
        most: u32,
    },
    /// There is no such policy.
    Policy(String),
    /// One link each does not hold more than two servers together.
    Degree,
    /// A chunk takes too long or too short a time to be sent.
    Round,
}

impl Default for Settings {
    /// Sixteen chunks over twenty servers.
    fn default() -> Self {
        Self {
            servers: 20,
            chunks: 16,
            chunk: 64,
            latency: 80,
            bandwidth: 128,
            loss: 0,
            degree: 0,
            policy: Policy::MostMissingRarest,
            seed: 1,
        }
    }
}

impl Settings {
    /// Reads a link's form; what is not said is as in [`Settings::default`].
    ///
    /// # Errors
    /// If a field is unknown, is beyond its limits, or does not fit the others.
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        let mut settings = Self::default();
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let (field, value) = part.split_once('=').unwrap_or((part, ""));
            settings.set(field, value)?;
        }
        settings.check()?;
        Ok(settings)
    }

    fn set(&mut self, field: &str, value: &str) -> Result<(), SettingsError> {
        if field == "policy" {
            let policy = POLICIES.iter().find(|(name, _)| *name == value);
            self.policy = policy.ok_or_else(|| SettingsError::Policy(value.to_owned()))?.1;
            return Ok(());
        }
        let limits = LIMITS.iter().find(|(name, ..)| *name == field);
        let (field, least, most) = *limits.ok_or_else(|| SettingsError::Unknown(field.to_owned()))?;
        let number = value.parse().ok().filter(|number| (least..=most).contains(number));
        let number = number.ok_or(SettingsError::Number { field, least, most })?;
        match field {
            "servers" => self.servers = number,
            "chunks" => self.chunks = number,
            "chunk" => self.chunk = number,
            "latency" => self.latency = number,
            "bandwidth" => self.bandwidth = number,
            "loss" => self.loss = number,
            "degree" => self.degree = number,
            _ => self.seed = number,
        }
        Ok(())
    }

    fn check(&self) -> Result<(), SettingsError> {
        if self.degree == 1 && self.servers > 2 {
            return Err(SettingsError::Degree);
        }
        if !(ROUND_US.0..=ROUND_US.1).contains(&self.round_us()) {
            return Err(SettingsError::Round);
        }
        Ok(())
    }

    /// How long it takes to send a chunk, in microseconds: a round.
    pub fn round_us(&self) -> u64 {
        u64::from(self.chunk) * 1_000_000 / u64::from(self.bandwidth)
    }

    /// The least number of rounds in which everybody can have everything: chunks + ⌊log2 of the servers that have nothing at
    /// first⌋, after Mundinger, Weber and Weiss, theorem 1.
    pub fn bound(&self) -> u32 {
        self.chunks + (self.servers - 1).ilog2()
    }

    /// What the policy is called in a link.
    pub fn policy_name(&self) -> &'static str {
        name_of(self.policy)
    }
}

impl fmt::Display for Settings {
    /// The form that a link has.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { servers, chunks, chunk, latency, bandwidth, loss, degree, policy: _, seed } = self;
        let policy = self.policy_name();
        write!(f, "servers={servers}&chunks={chunks}&chunk={chunk}&latency={latency}&bandwidth={bandwidth}")?;
        write!(f, "&loss={loss}&degree={degree}&policy={policy}&seed={seed}")
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(field) => write!(f, "there is no setting {field}"),
            Self::Number { field, least, most } => {
                write!(f, "{field}: a whole number from {least} to {most}")
            }
            Self::Policy(policy) => {
                write!(f, "there is no policy {policy}: ")?;
                let names = POLICIES.map(|(name, _)| name);
                write!(f, "{}", names.join(", "))
            }
            Self::Degree => write!(f, "degree: 0 for a link between any two, or at least 2"),
            Self::Round => write!(f, "chunk and bandwidth: a chunk has to take 0.1 ms to 1 s to be sent"),
        }
    }
}

impl std::error::Error for SettingsError {}

fn name_of(policy: Policy) -> &'static str {
    match policy {
        Policy::MostMissingRarest => POLICIES[0].0,
        Policy::Random => POLICIES[1].0,
        Policy::Sequential => POLICIES[2].0,
        Policy::SeederOnly => POLICIES[3].0,
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn by_name<S: Serializer>(policy: &Policy, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name_of(*policy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_their_form_in_a_link() {
        for (_, policy) in POLICIES {
            let settings =
                Settings { policy, servers: 7, chunk: 32, seed: u32::MAX, degree: 4, ..Settings::default() };

            assert_eq!(Settings::parse(&settings.to_string()), Ok(settings));
        }
        assert_eq!(Settings::parse(""), Ok(Settings::default()));
    }

    #[test]
    fn what_is_beyond_the_limits_is_said_in_words() {
        let said = |text: &str| Settings::parse(text).unwrap_err().to_string();

        assert_eq!(said("servers=1"), "servers: a whole number from 2 to 100");
        assert_eq!(said("chunks=257"), "chunks: a whole number from 1 to 256");
        assert_eq!(said("loss=a"), "loss: a whole number from 0 to 50");
        assert_eq!(said("colour=1"), "there is no setting colour");
        assert!(said("policy=best").ends_with("most-missing, random, sequential, seeder-only"));
        assert_eq!(said("degree=1"), "degree: 0 for a link between any two, or at least 2");
        assert!(said("chunk=1024&bandwidth=16").contains("1 s"));
        assert!(Settings::parse("servers=2&degree=1").is_ok());
    }

    #[test]
    fn the_bound_is_that_of_the_paper() {
        let bound = |servers, chunks| Settings { servers, chunks, ..Settings::default() }.bound();

        assert_eq!(bound(2, 1), 1);
        assert_eq!(bound(16, 1), 4);
        assert_eq!(bound(20, 64), 68);
        assert_eq!(bound(100, 256), 262);
    }
}
