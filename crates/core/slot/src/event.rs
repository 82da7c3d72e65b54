//! What came of a command. Every replica computes them; only the owner acts on them.

use crate::{OutboxItem, PepChange};
use muster_roster::{AccessChange, RosterItem, Subscription, SubscriptionStanza};
use muster_stanza::{Stanza, StanzaCondition};
use muster_types::{BareJid, Boot, Epoch, LogIndex, NodeId, Origin, SlotId};
use serde::{Deserialize, Serialize};

/// One consequence of an applied command, in the order they are to be acted on.
#[derive(Clone, Debug, PartialEq)]
pub enum SlotEvent {
    /// A new owner; every earlier epoch is over.
    Opened {
        /// The new epoch.
        epoch: Epoch,
        /// The owner.
        node: NodeId,
        /// Its process start.
        boot: Boot,
    },
    /// The command came from an owner that had been replaced. Nothing changed.
    StaleEpoch {
        /// The proposal, if it had a name.
        origin: Option<Origin>,
        /// The epoch in force.
        current: Epoch,
    },
    /// The change named `origin` is committed (also when it changed nothing, or had been applied
    /// before): the answer may go out.
    Done {
        /// The proposal.
        origin: Origin,
    },
    /// The change named `origin` was refused. Nothing changed.
    Refused {
        /// The proposal.
        origin: Origin,
        /// Why.
        why: Refusal,
    },
    /// A roster item changed: push it to the user's interested sessions (RFC 6121 §2.1.6).
    RosterChanged {
        /// Whose roster.
        user: BareJid,
        /// The item as it is now; `None` when it was removed.
        item: Option<RosterItem>,
        /// The contact it is about.
        contact: BareJid,
        /// The subscription before and now, so that presence can follow: who gained or lost sight.
        before: Subscription,
        /// The subscription now.
        after: Subscription,
        /// The roster's version after the change.
        version: u64,
    },
    /// The user's rules about whom it lets in changed.
    AccessChanged {
        /// Whose rules.
        user: BareJid,
        /// Each rule that is another one now, and what it was.
        changes: Vec<AccessChange>,
        /// The entry that changed them.
        at: LogIndex,
    },
    /// A node of the user's personal eventing service changed: notify who may read it (XEP-0163 §4).
    PepChanged {
        /// Whose.
        user: BareJid,
        /// The node.
        node: String,
        /// What became of it.
        change: PepChange,
        /// The entry that changed it.
        at: LogIndex,
    },
    /// An inbound subscription stanza is to be delivered to the user's available sessions.
    SubscriptionArrived {
        /// The recipient.
        user: BareJid,
        /// Which of the four.
        kind: SubscriptionStanza,
        /// The stanza.
        stanza: Stanza,
    },
    /// Something is owed to another slot: send it and keep sending until confirmed.
    OutboxAdded {
        /// The receiver (may be this slot itself).
        to: SlotId,
        /// Its number.
        number: u64,
        /// What is owed.
        item: OutboxItem,
    },
    /// An item of another slot's outbox is committed here (now or before): confirm it.
    InboundApplied {
        /// The sending slot.
        from: SlotId,
        /// The number up to which everything is committed.
        number: u64,
    },
    /// An item arrived out of order; the sender has to go back to `expected`.
    InboundGap {
        /// The sending slot.
        from: SlotId,
        /// The number wanted next.
        expected: u64,
    },
}

/// Why a user's change was refused; maps to a stanza error. Stored with the proposal's name, so
/// that a proposal made twice is refused twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// More than `Limits::roster_items`.
    #[error("the roster is full: it may have {limit} contacts; remove one first")]
    RosterFull {
        /// The limit.
        limit: usize,
    },
    /// More than `Limits::offline_messages`.
    #[error("the offline store is full: {limit} messages")]
    OfflineFull {
        /// The limit.
        limit: usize,
    },
    /// More than `Limits::private_items` namespaces.
    #[error("the private storage is full: {limit} elements")]
    PrivateFull {
        /// The limit.
        limit: usize,
    },
    /// A roster remove of a contact that is not in the roster (RFC 6121 §2.5.3).
    #[error("no such contact in the roster")]
    NoSuchContact,
    /// The contact's slot has not confirmed so much that no more is taken on for it
    /// (`resource-constraint`, type wait).
    #[error("too much waits for the contact's server: {limit} items")]
    OutboxFull {
        /// The limit.
        limit: usize,
    },
    /// The proposal is so old that the log no longer knows whether it applied it, so it did not
    /// apply it now: see [`ORIGIN_WINDOW`](crate::ORIGIN_WINDOW).
    #[error("the proposal is too old to be told from one that was applied")]
    Forgotten,
    /// More than `Limits::access_rules` or `Limits::access_bytes`.
    #[error("the list is full: {rules} rules, {bytes} bytes of addresses")]
    AccessFull {
        /// The most rules.
        rules: usize,
        /// The most bytes of the addresses in them.
        bytes: usize,
    },
    /// More than `Limits::pep_nodes` or `Limits::pep_bytes`.
    #[error("the account is full: {nodes} nodes, {bytes} bytes of items; delete a node")]
    PepFull {
        /// The most nodes.
        nodes: usize,
        /// The most bytes of all items.
        bytes: usize,
    },
    /// There is no such node, or no such item in it.
    #[error("no such node or item")]
    NoSuchItem,
    /// The node has another access model than its publisher wants (XEP-0060 §7.1.5).
    #[error("the access model of the node is {model}; configure it first")]
    OtherAccessModel {
        /// The model, by its name in forms.
        model: String,
    },
    /// More than `Limits::roster_bytes`.
    #[error(
        "the roster is full: its addresses, names and groups may have {limit} bytes; remove a contact or shorten names first"
    )]
    RosterLarge {
        /// The limit.
        limit: usize,
    },
}

impl Refusal {
    /// The stanza error that tells the client.
    pub const fn condition(&self) -> StanzaCondition {
        match self {
            Self::RosterFull { .. }
            | Self::RosterLarge { .. }
            | Self::PrivateFull { .. }
            | Self::AccessFull { .. }
            | Self::PepFull { .. }
            | Self::OutboxFull { .. }
            | Self::Forgotten => StanzaCondition::ResourceConstraint,
            Self::OfflineFull { .. } => StanzaCondition::ServiceUnavailable,
            Self::NoSuchContact | Self::NoSuchItem => StanzaCondition::ItemNotFound,
            Self::OtherAccessModel { .. } => StanzaCondition::Conflict,
        }
    }
}
