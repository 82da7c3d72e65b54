//! What the owner of a slot is told.

use crate::{AskItems, Question};
use muster_presence::Version;
use muster_slot::OutboxItem;
use muster_stanza::Stanza;
use muster_types::{BareJid, FullJid, LogIndex, NodeId, ResourcePart, SessionId, SlotId};
use serde::{Deserialize, Serialize};

/// From a session's node (or another owner) to the owner of a slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToOwner {
    /// A client that has logged in as `user` wants a resource (RFC 6120 §7). Answered by
    /// [`ToNode::Bound`](crate::ToNode::Bound).
    Bind {
        /// The new session.
        session: SessionId,
        /// The user.
        user: BareJid,
        /// The resource asked for; `None` lets the server choose `generated`.
        wanted: Option<ResourcePart>,
        /// A fresh random resource, drawn by the session's node.
        generated: ResourcePart,
    },
    /// The session's client has gone, or was never told of its binding.
    Unbind {
        /// The session.
        session: SessionId,
        /// True when the client closed its stream or went unavailable: tell watchers at once.
        /// False when it was cut off: expect it back for the grace time.
        graceful: bool,
    },
    /// The client's own presence without `to`: available or unavailable (RFC 6121 §4).
    Publish {
        /// The session.
        session: SessionId,
        /// The stanza; `from` is the full JID.
        presence: Stanza,
    },
    /// Something of the user's own that the owner answers or commits: an IQ to the user's own
    /// bare JID (roster, vCard, private storage), or a subscription stanza to a contact.
    /// Confirmed by [`ToNode::Confirm`](crate::ToNode::Confirm) when committed.
    Submit {
        /// The session.
        session: SessionId,
        /// Counts what this session sent to this slot.
        serial: u64,
        /// The stanza; `from` is the full JID.
        stanza: Stanza,
        /// The slot of the `to` of a subscription stanza; `None` when no such account is known.
        contact_slot: Option<SlotId>,
    },
    /// A message, an IQ or a directed presence for a user of this slot.
    /// Confirmed by [`ToNode::Confirm`](crate::ToNode::Confirm): delivered, stored or bounced.
    Route {
        /// The sending session.
        session: SessionId,
        /// Counts what this session sent to this slot. What is not above the highest seen is
        /// confirmed again and not delivered again.
        serial: u64,
        /// The stanza; `from` is the sender's full JID.
        stanza: Stanza,
    },
    /// A node wants to hear of contacts, for watchers that have sessions on it.
    Watch(Vec<WatchRequest>),
    /// The node has no available session of this watcher any more.
    Unwatch {
        /// The contact.
        contact: BareJid,
        /// The watcher.
        watcher: BareJid,
    },
    /// Everything a node has that concerns this slot, on seeing a new epoch: one numbered batch,
    /// possibly in parts.
    Announce(Announcement),
    /// An item of another slot's outbox, or of this slot's own.
    Owed {
        /// The sending slot.
        from: SlotId,
        /// Its number.
        number: u64,
        /// What is owed.
        item: OutboxItem,
    },
    /// The receiving owner has committed our outbox items up to `number`, or asks to begin again
    /// after it.
    OwedConfirm {
        /// The slot that received them.
        by: SlotId,
        /// The last number committed there.
        number: u64,
    },
    /// A node has died or lost its lease, as seen by the link: its sessions are expected back.
    NodeLost {
        /// The node.
        node: NodeId,
    },
    /// The node does not know whom the users of these sessions see. Answered by
    /// [`ToNode::Contacts`](crate::ToNode::Contacts) for each.
    AskContacts(Vec<SessionId>),
    /// A client wants to be notified of nodes of these contacts (XEP-0163 §4.3). Answered by
    /// [`ToNode::Items`](crate::ToNode::Items).
    AskItems(AskItems),
    /// A node wants to know something, or has something to say, for people or programs. Answered by
    /// [`Envelope::Answer`](crate::Envelope::Answer).
    Ask {
        /// Names the answer.
        ask: u64,
        /// What is asked.
        question: Question,
    },
    /// A client wants to see a contact for a while: a temporary subscription. Answered by
    /// [`ToNode::Temporary`](crate::ToNode::Temporary); if the contact lets the watcher in, the request stands
    /// from then on like one of [`ToOwner::Watch`]. Asking twice does no harm.
    WatchTemporarily {
        /// The client's session.
        session: SessionId,
        /// Whom it wants to see.
        request: WatchRequest,
    },
}

/// One (contact, watcher) pair a node wants presence for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WatchRequest {
    /// Whose presence.
    pub contact: BareJid,
    /// Who wants to see it.
    pub watcher: BareJid,
    /// What the node last showed this watcher; the owner answers only what is newer. `None`
    /// when it has shown nothing.
    pub known: Option<Version>,
    /// Whether a session of the watcher on the node has a temporary subscription. Without one only the
    /// contact's roster can let the watcher in, with it the contact's rules can too.
    pub temporary: bool,
}

/// What a node tells a new owner of a slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Announcement {
    /// Sessions of the slot's users on this node, with what they last published.
    pub sessions: Vec<AnnouncedSession>,
    /// Contacts of the slot that this node's watchers want to see.
    pub watches: Vec<WatchRequest>,
    /// The last change of an item (XEP-0163) the node has heard of, if it has clients that want to hear of
    /// them: it is told what changed since.
    pub heard: Option<LogIndex>,
    /// True in the first part: what the owner knew of the node's sessions is to be announced again.
    pub first: bool,
    /// True in the last part.
    pub last: bool,
}

/// One living session, as its node knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnnouncedSession {
    /// The session.
    pub session: SessionId,
    /// Its address.
    pub jid: FullJid,
    /// The last available presence it published; `None` when unavailable.
    pub presence: Option<Stanza>,
    /// How many milliseconds ago it did so.
    pub said_ms_ago: u64,
    /// Whether it has asked for the roster (RFC 6121 §2.1.6, interested resource).
    pub interested: bool,
    /// Its client has closed the stream, and the farewell is still to come.
    pub leaving: bool,
}
