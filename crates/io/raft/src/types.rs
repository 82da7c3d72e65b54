//! openraft's types as this crate fixes them.

use muster_types::NodeId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One command as the log holds it: bytes that only the state machine understands.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Command(pub(crate) Vec<u8>);

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What the state machine answered to a command.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Answer(pub(crate) Vec<u8>);

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

openraft::declare_raft_types!(
    /// The one type configuration of all groups.
    pub(crate) Types:
        D = Command,
        R = Answer,
        NodeId = u64,
        Node = openraft::impls::EmptyNode,
        AsyncRuntime = crate::runtime::Runtime,
);

pub(crate) type LogId = openraft::alias::LogIdOf<Types>;
pub(crate) type Vote = openraft::alias::VoteOf<Types>;
pub(crate) type Entry = openraft::alias::EntryOf<Types>;
pub(crate) type Membership = openraft::alias::StoredMembershipOf<Types>;
pub(crate) type SnapshotMeta = openraft::alias::SnapshotMetaOf<Types>;

/// openraft's id of a node. 64 bits there, 16 here.
pub(crate) fn raft_id(node: NodeId) -> u64 {
    u64::from(node.0)
}

/// The node of an openraft id; the ids all come from [`raft_id`].
pub(crate) fn node_of(id: u64) -> NodeId {
    NodeId(u16::try_from(id).unwrap_or(0))
}
