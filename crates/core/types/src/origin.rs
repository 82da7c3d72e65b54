//! Who proposed a command.

use crate::{Boot, NodeId};
use serde::{Deserialize, Serialize};

/// Names one proposal. A proposal whose outcome is unknown (a time-out, a lost leader) may be
/// proposed again with the same origin: the log applies it once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Origin {
    /// The proposing node.
    pub node: NodeId,
    /// Its process start.
    pub boot: Boot,
    /// Counts the proposals of that process to that log.
    pub serial: u64,
}
