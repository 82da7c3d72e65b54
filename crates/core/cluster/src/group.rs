//! Presence redundancy groups.

use muster_types::{GroupId, NodeId};
use serde::{Deserialize, Serialize};

/// One or two serving nodes that back each other up.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// Its name, unique.
    pub name: String,
    /// Its nodes in the order they were added; at most [`Group::NODES_MAX`].
    pub nodes: Vec<NodeId>,
    /// Whether the nodes take over for each other.
    pub ha: bool,
    /// Counts the changes of HA state, the starts of its nodes, and the beats that were missed while
    /// healthy time was counted. Healthy time belongs to one value of it.
    pub changes: u64,
    /// Whether nobody goes home by itself until an operator allows it again.
    pub held: bool,
}

impl Group {
    /// Most nodes of a group.
    pub const NODES_MAX: usize = 2;

    /// The other node, if `node` is one of two.
    pub fn peer_of(&self, node: NodeId) -> Option<NodeId> {
        self.nodes.contains(&node).then_some(())?;
        self.nodes.iter().copied().find(|other| *other != node)
    }
}
