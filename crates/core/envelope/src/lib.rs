//! What nodes say to each other about users: the messages between the node a session is on, the
//! owner of a user's slot, and the owner's peer. A node talks to itself with the same messages.
//!
//! ```text
//! session's node (router)  -- ToOwner -->    owner of the slot (owner)
//!                          <-- ToNode --
//! owner of one slot        -- ToOwner::Owed -->  owner of another (the outbox)
//! owner                    -- ToPeer -->     the slot's other replicas (the warm copy)
//! owner                    -- Opened -->     every node (the announcement)
//! ```
//!
//! A message to an owner names the epoch it is meant for; an owner of another epoch drops it and
//! the sender, who learns of the new epoch by its announcement, says everything that still matters
//! again. A message from an owner carries its epoch; receivers drop older ones than they know.
#![deny(clippy::wildcard_enum_match_arm)]

mod ask;
mod digest;
mod items;
mod to_node;
mod to_owner;
mod to_peer;

pub use ask::{
    Answer, Composed, Explained, FOLLOW_LEASE, Question, ReportRefusal, Seen, SeenClient,
};
pub use digest::contacts_digest;
pub use items::{AskItems, ItemNews};
pub use to_node::{BindOutcome, Notice, PresenceBatch, ResourcePresence, TemporaryOutcome, ToNode};
pub use to_owner::{AnnouncedSession, Announcement, ToOwner, WatchRequest};
pub use to_peer::{ToPeer, WarmUpdate};

use muster_types::{Boot, Epoch, NodeId, SlotId};
use serde::{Deserialize, Serialize};

/// One message from node to node, versioned by the link's hello.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Envelope {
    /// A slot has a new owner. Everyone believes the highest epoch.
    Opened {
        /// The slot.
        slot: SlotId,
        /// The new owner's epoch.
        epoch: Epoch,
        /// The new owner.
        node: NodeId,
        /// Its process start.
        boot: Boot,
    },
    /// The owner stopped serving this slot by itself (hand-over, shutdown, lost lease).
    Closed {
        /// The slot.
        slot: SlotId,
        /// The epoch that is over.
        epoch: Epoch,
    },
    /// For the owner of `slot`.
    ToOwner {
        /// The slot.
        slot: SlotId,
        /// The epoch the sender believes in.
        epoch: Epoch,
        /// What is said.
        body: ToOwner,
    },
    /// From the owner of `slot`, for sessions of the receiving node.
    ToNode {
        /// The slot.
        slot: SlotId,
        /// The owner's epoch.
        epoch: Epoch,
        /// What is said.
        body: ToNode,
    },
    /// From the owner of `slot` to another replica of it.
    ToPeer {
        /// The slot.
        slot: SlotId,
        /// The owner's epoch.
        epoch: Epoch,
        /// What is said.
        body: ToPeer,
    },
    /// From the owner of a slot to the node that asked with this number
    /// ([`ToOwner::Ask`]).
    Answer {
        /// The number.
        ask: u64,
        /// The answer.
        answer: Answer,
    },
}
