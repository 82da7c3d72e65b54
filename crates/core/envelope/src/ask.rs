//! What a node asks an owner on behalf of people and programs, and the answers. Asking twice does no
//! harm: a node asks again when no answer comes.

use muster_presence::source::{FromNow, Name, Report};
use muster_presence::{Explanation, Version};
use muster_roster::{Access, AccessList, Whom};
use muster_slot::Refusal;
use muster_types::BareJid;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Question {
    /// Sources say something about users of the slot. Answered by [`Answer::Reports`].
    Reports(Vec<(BareJid, Report<FromNow>)>),
    /// Why a user is shown as it is, and what this watcher sees of it. Answered by
    /// [`Answer::Explained`].
    Explain {
        /// The user.
        user: BareJid,
        /// The watcher.
        watcher: Option<BareJid>,
    },
    /// Whom a user lets in, after these rules are set or removed. Answered by [`Answer::Access`] when they
    /// are committed, or by [`Answer::AccessRefused`].
    Access {
        /// The user.
        user: BareJid,
        /// What to set; nothing to look only.
        set: Vec<(Whom, Option<Access>)>,
    },
    /// The node wants to hear of these users' composed presence for [`FOLLOW_LEASE`] from now on. Answered
    /// by [`Answer::Followed`], at once for each user of whom the owner knows something newer than the
    /// node, and again whenever one changes.
    Follow {
        /// The users, and what the node knows of each.
        users: Vec<(BareJid, Option<Version>)>,
        /// Of whom it wants to hear no more.
        no_more: Vec<BareJid>,
    },
}

/// For how long a node hears of users it has asked to follow. It asks again long before.
pub const FOLLOW_LEASE: Duration = Duration::from_secs(60);

/// The answer to a [`Question`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// For each report, in order: why it is not taken, or `None`.
    Reports(Vec<Option<ReportRefusal>>),
    /// Of a user.
    Explained(Box<Explained>),
    /// There is no such account in the slot.
    NoAccount,
    /// All rules about whom a user lets in.
    Access(AccessList),
    /// The rules were not set.
    AccessRefused(Refusal),
    /// What followed users are now; `None` for those that are not followed because too many are.
    Followed(Vec<(BareJid, Option<Composed>)>),
}

/// A user's composed presence and which one it is: a register, of which the highest version counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Composed {
    /// The epoch of the owner and how often it has told something new. It is not the version of what
    /// watchers see.
    pub version: Version,
    /// What everything comes to, without what each source says.
    pub presence: Explanation,
}

/// Why a report is not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ReportRefusal {
    /// There is no such account in the slot.
    #[error("there is no such user")]
    NoAccount,
    /// The user has [`SOURCES_MAX`](muster_presence::source::SOURCES_MAX) others.
    #[error("the user has {0} sources, and no more are taken: clear one")]
    TooManySources(usize),
    /// The rule table in force has no such state.
    #[error("the rule table in force has no state {0}")]
    UnknownState(Name),
}

/// Why a user is shown as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// What everything comes to.
    pub explanation: Explanation,
    /// What the watcher sees, if one was named.
    pub seen: Option<Seen>,
}

/// What a watcher sees of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seen {
    /// Nothing: it has no subscription.
    NotAllowed,
    /// Nothing: the user is hidden.
    Hidden,
    /// These clients.
    Clients(Vec<SeenClient>),
    /// Nothing: the user has blocked it.
    Blocked,
}

/// A client as a watcher sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenClient {
    /// Its resource.
    pub resource: String,
    /// The text of `<show/>`; `available` where there is none.
    pub show: String,
    /// The text of `<status/>`.
    pub status: Option<String>,
}
