//! What came of a command. Every replica computes them; who acts on one is its driver's business.

use crate::{AccountsReport, HaReason, HaStatus, Refusal};
use muster_types::{BareJid, Boot, Epoch, GroupId, NodeId, Origin, SlotId};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The answer to the proposer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ControlOutcome {
    /// Done, nothing to tell.
    Done,
    /// The id of the new node.
    Node(NodeId),
    /// The id of the new group.
    Group(GroupId),
    /// The id of the new slot.
    Slot(SlotId),
    /// What came of each row.
    Accounts(AccountsReport),
    /// Nothing changed.
    Refused(Refusal),
}

/// One consequence of an applied command.
#[derive(Clone, PartialEq, Debug)]
pub enum ControlEvent {
    /// The answer to the proposer: always the first event of a command.
    Outcome {
        /// The proposal.
        origin: Origin,
        /// The answer; of a repeated proposal the same as the first time.
        outcome: ControlOutcome,
    },
    /// A node entered the cluster.
    NodeJoined(NodeId),
    /// A node has started.
    NodeBooted {
        /// The node.
        node: NodeId,
        /// Its process start.
        boot: Boot,
    },
    /// A node's addresses have changed: links have to follow.
    NodeAddressed(NodeId),
    /// One node took another's place.
    NodeReplaced {
        /// The old one.
        old: NodeId,
        /// The new one.
        new: NodeId,
    },
    /// A node was removed.
    NodeRemoved(NodeId),
    /// A node's users were taken over without a quorum.
    NodeOusted {
        /// The node that is refused from now on.
        node: NodeId,
        /// The node that serves its users.
        by: NodeId,
    },
    /// A group was made.
    GroupCreated(GroupId),
    /// A group was removed.
    GroupRemoved(GroupId),
    /// HA was switched on or off.
    GroupHa {
        /// The group.
        group: GroupId,
        /// Whether it is on.
        on: bool,
    },
    /// Automatic fallbacks of a group were held, or allowed again.
    GroupHeld {
        /// The group.
        group: GroupId,
        /// Whether they are held.
        held: bool,
    },
    /// A slot was made: its replicas have to start.
    SlotCreated(SlotId),
    /// A slot was removed: its replicas have to end.
    SlotRemoved(SlotId),
    /// A slot has these voters.
    SlotVotersChanged(SlotId),
    /// A slot has a new owner.
    SlotOwned {
        /// The slot.
        slot: SlotId,
        /// The owner.
        node: NodeId,
        /// Its epoch.
        epoch: Epoch,
        /// How long nobody served the slot.
        gap: Option<Duration>,
    },
    /// A slot should be owned by another node from now on.
    SlotDesired {
        /// The slot.
        slot: SlotId,
        /// Who should own it.
        node: NodeId,
        /// Why.
        reason: HaReason,
    },
    /// A node's HA state has changed.
    HaChanged {
        /// The node.
        node: NodeId,
        /// What it was.
        before: HaStatus,
        /// What it is.
        after: HaStatus,
    },
    /// An account was added.
    AccountAdded(BareJid),
    /// An account's password, name or flags have changed. When it was disabled, its sessions end.
    AccountChanged(BareJid),
    /// An account was removed: the slot's owner removes its data and ends its sessions
    /// ([`ClusterState::next_removal`](crate::ClusterState::next_removal)).
    AccountRemoved {
        /// The address.
        jid: BareJid,
        /// The slot that holds its data.
        slot: SlotId,
    },
    /// A domain is hosted from now on.
    DomainAdded(String),
    /// A domain is hosted no more.
    DomainRemoved(String),
    /// Settings have changed.
    SettingsChanged,
    /// A program with a token was added, changed or removed.
    ApiClientChanged {
        /// Its name.
        name: String,
        /// Which of these words.
        change: &'static str,
    },
}
