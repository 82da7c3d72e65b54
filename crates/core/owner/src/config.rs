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
}
