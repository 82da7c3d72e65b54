//! Which clients get a message to the bare JID.

use serde::{Deserialize, Serialize};

/// Which clients get a `chat` or `normal` message to the bare JID (RFC 6121 §8.5.2.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Fork {
    /// Every client of non-negative priority; a chat that one of them has answered goes on with
    /// that one alone.
    #[default]
    UntilAnswered,
    /// Every client of non-negative priority, always.
    All,
    /// The client of the highest priority.
    Highest,
}

impl Fork {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::UntilAnswered, Self::All, Self::Highest];

    /// The word for people and the API.
    pub const fn label(self) -> &'static str {
        match self {
            Self::UntilAnswered => "until-answered",
            Self::All => "all",
            Self::Highest => "highest",
        }
    }
}
