//! Programs that publish and read presence with a token.

use crate::TokenHash;
use muster_presence::source::Source;
use muster_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// What a client may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Scope {
    /// See the composed presence of users and what it is made of.
    Read,
    /// Choose for users.
    PublishManual,
    /// Speak for phones.
    PublishPhone,
    /// Speak for calendars.
    PublishCalendar,
    /// Speak for other applications.
    PublishApp,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Read,
        Self::PublishManual,
        Self::PublishPhone,
        Self::PublishCalendar,
        Self::PublishApp,
    ];

    /// The word for people and the API.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::PublishManual => "publish:manual",
            Self::PublishPhone => "publish:phone",
            Self::PublishCalendar => "publish:calendar",
            Self::PublishApp => "publish:app",
        }
    }

    /// What publishing for a source needs.
    pub const fn to_publish(source: &Source) -> Self {
        match source {
            Source::Manual => Self::PublishManual,
            Source::Phone(_) => Self::PublishPhone,
            Source::Calendar(_) => Self::PublishCalendar,
            Source::App(_) => Self::PublishApp,
        }
    }

    /// The scopes behind a word: `publish` stands for every kind of source.
    pub fn named(word: &str) -> Vec<Self> {
        let meant = |scope: &Self| {
            scope.label() == word || word == "publish" && scope.label().starts_with("publish:")
        };
        Self::ALL.into_iter().filter(meant).collect()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// A program with a token. Its name is the key under which it stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ApiClient {
    /// SHA-256 of its token, which is 256 random bits: nothing is gained by trying. The token is in no
    /// log.
    pub hash: TokenHash,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
    /// The domains of whose users it may speak.
    pub domains: BTreeSet<String>,
    /// How many requests and publications a second it may make, on each node.
    pub per_second: u32,
    /// When it ends; `None` for never.
    pub expires: Option<Timestamp>,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created: Timestamp,
}

impl ApiClient {
    /// Whether its time is over.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_have_one_word_each_and_publish_is_all_kinds() {
        for scope in Scope::ALL {
            assert_eq!(Scope::named(scope.label()), [scope]);
        }
        assert_eq!(Scope::named("publish"), Scope::ALL[1..]);
        assert_eq!(Scope::named("write"), []);
        for (source, scope) in [
            ("manual", "publish:manual"),
            ("phone/desk", "publish:phone"),
            ("calendar/work", "publish:calendar"),
            ("app/crm", "publish:app"),
        ] {
            let source: Source = source.parse().unwrap();
            assert_eq!(Scope::to_publish(&source).label(), scope);
        }
    }
}
