//! Join tokens: one-time leave for a node to enter the cluster.

use crate::Role;
use muster_types::{NodeId, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// SHA-256 of a token's secret. The secret itself is in no log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TokenHash(pub [u8; 32]);

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for TokenHash {
    /// The first four bytes in hexadecimal: enough to tell tokens apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([a, b, c, d, ..]) = self;
        write!(f, "{a:02x}{b:02x}{c:02x}{d:02x}")
    }
}

/// One token.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JoinToken {
    /// What the role of the joining node must be.
    pub role: Role,
    /// When it ends. The one place where the log compares wall-clock times: both are in the log,
    /// so every replica finds the same.
    pub expires: Timestamp,
    /// The node that has used it.
    pub used_by: Option<NodeId>,
}
