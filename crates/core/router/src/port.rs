//! What goes into a [`Router`](crate::Router) and what comes out.

use crate::{Batch, Directory};
use muster_envelope::Envelope;
use muster_stanza::{Encoded, Stanza, StreamError};
use muster_types::{
    BareJid, Boot, Epoch, FullJid, Jid, Limits, NodeId, ResourcePart, SessionId, SlotId, Timestamp,
};
use muster_xep::HostInfo;
use std::sync::Arc;

/// What a router is told at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// Bounds and waiting times.
    pub limits: Limits,
    /// What the domains say of themselves; the domain asked stands in for `HostInfo::domain`.
    pub host: HostInfo,
}

/// What a driver feeds into a [`Router`](crate::Router).
#[derive(Clone, Debug)]
pub enum Input {
    /// A client that has logged in wants a resource (RFC 6120 §7).
    Bind {
        /// The new session.
        session: SessionId,
        /// The user.
        user: BareJid,
        /// The resource asked for, if any.
        wanted: Option<ResourcePart>,
        /// A fresh random one.
        generated: ResourcePart,
    },
    /// A bound client sent a stanza.
    Stanza {
        /// The session.
        session: SessionId,
        /// The stanza, `from` stamped with the full JID.
        stanza: Stanza,
        /// The wall clock, for answers that tell the time.
        at: Timestamp,
    },
    /// A client has gone.
    Ended {
        /// The session.
        session: SessionId,
        /// Whether it closed its stream; one that was cut off is expected back.
        graceful: bool,
    },
    /// A message from a node, this one included. Those for owners and copies are not for a router
    /// and are ignored.
    Envelope(Envelope),
    /// What the envelopes `Presence` and `Answers` say, made ready for several routers: see [`split`](crate::split).
    Presence {
        /// The slot.
        slot: SlotId,
        /// The owner's epoch.
        epoch: Epoch,
        /// For the watchers here.
        batches: Vec<Batch>,
        /// It was asked for: what is the same as before is not shown again.
        answers: bool,
    },
    /// A newer copy of accounts and domains.
    Cluster(Arc<dyn Directory>),
    /// Other bounds and waiting times from here on. What waits already waits as long as it was to.
    Limits(Box<Limits>),
    /// The link to a node is down, or the node has died.
    NodeLost(NodeId),
    /// The link to a node is up (again).
    NodeUp {
        /// The node.
        node: NodeId,
        /// Its process start.
        boot: Boot,
    },
}

/// What a driver does for a [`Router`](crate::Router), in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send this to a node, which may be this one.
    Send {
        /// The receiver.
        to: NodeId,
        /// The message.
        envelope: Envelope,
    },
    /// Answers [`Input::Bind`].
    Bound {
        /// The session.
        session: SessionId,
        /// The outcome; after a refusal the session is unknown here and may bind again.
        answer: BindAnswer,
    },
    /// Write a stanza to a client.
    Deliver {
        /// The session.
        session: SessionId,
        /// The bytes.
        stanza: Encoded,
        /// The address to write instead of the stanza's own.
        to: Option<Arc<Jid>>,
        /// Whose presence it is: it replaces an unsent older one of the same key.
        key: Option<Arc<FullJid>>,
    },
    /// End a client's stream. The session is over; `Ended` for it is not needed, and harmless.
    End {
        /// The session.
        session: SessionId,
        /// Why.
        error: StreamError,
    },
    /// Stop reading from this client: enough of what it sent waits.
    Pause {
        /// The session.
        session: SessionId,
    },
    /// Read from this client again.
    Resume {
        /// The session.
        session: SessionId,
    },
}

/// The answer to a resource binding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BindAnswer {
    /// The session has this address.
    Bound(FullJid),
    /// The user has `Limits::sessions_per_user` already: `resource-constraint`.
    TooMany,
    /// There is no such account: `not-authorized`.
    NoAccount,
    /// No owner answered within `Limits::owner_wait`: `resource-constraint` with type wait.
    TooBusy,
}
