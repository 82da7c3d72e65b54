//! What an owner is told once.

use muster_types::{Boot, Limits, NodeId, SlotId};

/// Who this replica is and how it serves.
#[derive(Clone, Debug)]
pub struct Config {
    /// This node.
    pub node: NodeId,
    /// Its process start.
    pub boot: Boot,
    /// The slot.
    pub slot: SlotId,
    /// Bounds and waiting times.
    pub limits: Limits,
    /// Which clients get a message to the bare JID.
    pub fork: Fork,
}

/// Which clients get a `chat` or `normal` message to the bare JID (RFC 6121 §8.5.2.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Fork {
    /// Every client of non-negative priority; a chat that one of them has answered goes on with
    /// that one alone.
    #[default]
    UntilAnswered,
    /// Every client of non-negative priority, always.
    All,
    /// The client of the highest priority.
    Highest,
}
