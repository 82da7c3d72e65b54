//! The mechanisms by name.

use crate::ScramHash;

/// A SASL mechanism that this server knows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Mechanism {
    /// SCRAM-SHA-256-PLUS: RFC 7677 with channel binding.
    ScramSha256Plus,
    /// SCRAM-SHA-1-PLUS: RFC 5802 with channel binding.
    ScramSha1Plus,
    /// SCRAM-SHA-256: RFC 7677.
    ScramSha256,
    /// SCRAM-SHA-1: RFC 5802.
    ScramSha1,
    /// PLAIN: RFC 4616. The caller offers it under TLS only.
    Plain,
}

impl Mechanism {
    /// Every mechanism, the strongest first: the order in which they are offered.
    pub const ALL: [Self; 5] = [
        Self::ScramSha256Plus,
        Self::ScramSha1Plus,
        Self::ScramSha256,
        Self::ScramSha1,
        Self::Plain,
    ];

    /// The registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Self::ScramSha1Plus => "SCRAM-SHA-1-PLUS",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha1 => "SCRAM-SHA-1",
            Self::Plain => "PLAIN",
        }
    }

    /// The mechanism of that exact name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|m| m.name() == name)
    }

    /// Whether the mechanism binds the login to the TLS channel.
    pub const fn binds_channel(self) -> bool {
        match self {
            Self::ScramSha256Plus | Self::ScramSha1Plus => true,
            Self::ScramSha256 | Self::ScramSha1 | Self::Plain => false,
        }
    }

    /// The hash of a SCRAM mechanism.
    pub(crate) const fn scram_hash(self) -> Option<ScramHash> {
        match self {
            Self::ScramSha256Plus | Self::ScramSha256 => Some(ScramHash::Sha256),
            Self::ScramSha1Plus | Self::ScramSha1 => Some(ScramHash::Sha1),
            Self::Plain => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_exact() {
        for mechanism in Mechanism::ALL {
            assert_eq!(Mechanism::parse(mechanism.name()), Some(mechanism));
        }
        for unknown in ["", "plain", "SCRAM-SHA-512", "EXTERNAL"] {
            assert_eq!(Mechanism::parse(unknown), None);
        }
    }
}
