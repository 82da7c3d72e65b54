//! What a session's node is told by the owner of a slot.

use crate::ItemNews;
use muster_presence::Version;
use muster_roster::AccessList;
use muster_stanza::Stanza;
use muster_types::{BareJid, FullJid, LogIndex, ResourcePart, SessionId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// From the owner of a slot to a node that has sessions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToNode {
    /// Answers `Bind`.
    Bound {
        /// The session.
        session: SessionId,
        /// The outcome.
        outcome: BindOutcome,
    },
    /// A stanza for these sessions, as it is (roster pushes, IQ results, messages, subscriptions).
    Deliver {
        /// The sessions, all on the receiving node.
        sessions: Vec<SessionId>,
        /// The stanza, addressed.
        stanza: Stanza,
    },
    /// What the session sent with this serial (and before) is committed, delivered or answered.
    Confirm {
        /// The session.
        session: SessionId,
        /// The serial.
        serial: u64,
    },
    /// The last `Publish` of the session has gone out: its node may send the newest that has come
    /// since.
    Published {
        /// The session.
        session: SessionId,
    },
    /// Presence of users of this slot, one batch per node.
    Presence(PresenceBatch),
    /// The contacts the user of this (now available) session sees: subscription `to` or `both`.
    /// Replaces what was said before for the session. The user's own clients see each other too
    /// (RFC 6121 §4.2.2): its node watches the user without being told.
    Contacts {
        /// The session.
        session: SessionId,
        /// The contacts.
        contacts: Vec<BareJid>,
    },
    /// A contact was added to or removed from what this user sees.
    Notice(Notice),
    /// The session has asked for the roster: it is interested (RFC 6121 §2.1.6). Kept by the
    /// session's node, so that it can be announced to a new owner.
    Interested {
        /// The session.
        session: SessionId,
    },
    /// End the client's stream with `conflict` (RFC 6120 §7.7.2.2): another took its resource.
    Replaced {
        /// The session.
        session: SessionId,
    },
    /// What there is of these presentities, in answer to what the node asked for: many in one message.
    /// What a watcher was shown before and is the same is not shown again, whoever said it.
    Answers(Vec<PresenceBatch>),
    /// Whom the users of these announced sessions see, as [`contacts_digest`](crate::contacts_digest)
    /// says it in short. Where the node believes something else, it asks
    /// ([`ToOwner::AskContacts`](crate::ToOwner::AskContacts)).
    ContactsDigests(Vec<(SessionId, u64)>),
    /// Whom this user lets in, for its sessions on the receiving node: nothing of theirs goes to
    /// whom it has blocked (XEP-0191 §3). Replaces what was said before; none until it is said.
    Access {
        /// The user.
        user: BareJid,
        /// Its rules.
        access: AccessList,
    },
    /// A node of a user's personal eventing service changed (XEP-0163 §4): for those available clients of these
    /// watchers on the receiving node that ask for it.
    Item {
        /// What became of it.
        news: ItemNews,
        /// Who may read it.
        watchers: Vec<Arc<BareJid>>,
    },
    /// Answers [`ToOwner::AskItems`](crate::ToOwner::AskItems), possibly in several messages.
    Items {
        /// The session.
        session: SessionId,
        /// What there is.
        news: Vec<ItemNews>,
        /// In the last message: everything up to this entry has been told.
        up_to: Option<LogIndex>,
    },
    /// Answers [`ToOwner::WatchTemporarily`](crate::ToOwner::WatchTemporarily). What there is to see comes
    /// after it.
    Temporary {
        /// The session that asked.
        session: SessionId,
        /// Its user.
        watcher: BareJid,
        /// Whom it wants to see.
        contact: BareJid,
        /// Whether it may.
        outcome: TemporaryOutcome,
    },
}

/// Whether somebody is seen for a while.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TemporaryOutcome {
    /// It is.
    Granted,
    /// There is no such user, or it has to be asked, or lets the watcher not in: which of them is not said.
    Forbidden,
    /// The user would let the watcher in, but as many as an operator allows see it.
    TooMany,
}

impl ToNode {
    /// One answer.
    pub fn answer(batch: PresenceBatch) -> Self {
        Self::Answers(vec![batch])
    }
}

/// The answer to a resource binding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum BindOutcome {
    /// The session is bound to this address.
    Bound(FullJid),
    /// The user has `Limits::sessions_per_user` already: `resource-constraint`.
    TooMany,
    /// No such account any more: `not-authorized`.
    NoAccount,
}

/// A change in whom a user sees, for the sessions of that user on the receiving node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Notice {
    /// Watch this contact from now on.
    Sees {
        /// The watcher.
        user: BareJid,
        /// The contact.
        contact: BareJid,
    },
    /// Watch it no more; its presence was already withdrawn.
    SeesNoMore {
        /// The watcher.
        user: BareJid,
        /// The contact.
        contact: BareJid,
    },
}

/// One presentity's news for one node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PresenceBatch {
    /// Whose presence.
    pub presentity: BareJid,
    /// Which state of it. A node drops a batch that is older than what it last took for the same
    /// watcher, and one that is as new unless it is `full`.
    pub version: Version,
    /// What changed (or all there is, see `full`), a presence per resource.
    pub resources: Vec<ResourcePresence>,
    /// True when `resources` is everything the presentity has: resources the watcher was shown
    /// before and that are missing here have become unavailable.
    pub full: bool,
    /// The watchers with sessions on the receiving node that may see it.
    pub watchers: Vec<Arc<BareJid>>,
}

/// The presence of one resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourcePresence {
    /// The resource.
    pub resource: ResourcePart,
    /// The presence, available or unavailable; `from` is the full JID and `to` is absent.
    pub stanza: Stanza,
}
