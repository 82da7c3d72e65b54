//! Slots: who hosts which users, and who should serve them.

use muster_types::{Epoch, GroupId, NodeId, SlotId};
use serde::{Deserialize, Serialize};

/// The users homed on one node: what fails over.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Slot {
    /// Its id.
    pub id: SlotId,
    /// The group of its home node.
    pub group: GroupId,
    /// The home node. A failover never changes it.
    pub home: NodeId,
    /// Who should own it: the home node, or its peer while failed over.
    pub desired: NodeId,
    /// Who last opened it and when, as far as the control log was told. The slot's own log knows
    /// better.
    pub owner: Option<(NodeId, Epoch)>,
    /// The voters of the slot's Raft group, as its leader last recorded them.
    pub voters: Vec<NodeId>,
}

impl Slot {
    /// Whether its users are meant to be served away from home.
    pub fn is_failed_over(&self) -> bool {
        self.desired != self.home
    }

    /// The node of the last recorded owner.
    pub fn owner_node(&self) -> Option<NodeId> {
        self.owner.map(|(node, _)| node)
    }
}
