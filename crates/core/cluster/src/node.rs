//! Nodes as the cluster knows them.

use crate::HaStatus;
use muster_types::{Boot, NodeId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a node is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Role {
    /// Hosts users.
    Serving,
    /// Votes and keeps a copy of the data, hosts nobody.
    Witness,
}

impl Role {
    /// The word for people and configuration.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Witness => "witness",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// Whether a node still belongs to the cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum NodeState {
    /// It belongs to the cluster.
    Member,
    /// Another node took its place; its certificate is refused.
    Replaced {
        /// The node that took its place.
        by: NodeId,
    },
    /// It was removed; its certificate is refused.
    Removed,
    /// Its users were taken over without its consent and without a quorum: what it holds is a log that
    /// was given up, and its certificate is refused for ever. It keeps its place until another gets it.
    Ousted {
        /// The node that serves its users.
        by: NodeId,
    },
}

/// The versions that decide whether two nodes can work together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SoftwareVersion {
    /// Version of what nodes say to each other.
    pub wire: u32,
    /// Version of the logs' commands and of the stored data.
    pub data: u32,
}

impl SoftwareVersion {
    /// Whether a pair of such nodes may have HA switched on: both must be able to read whatever
    /// the other writes.
    pub fn works_with(self, other: Self) -> bool {
        self == other
    }
}

impl fmt::Display for SoftwareVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wire {}, data {}", self.wire, self.data)
    }
}

/// Where a node can be reached, each as `host:port`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Addresses {
    /// Node-to-node links.
    pub link: String,
    /// The admin service.
    pub admin: String,
    /// XMPP clients with STARTTLS, as advertised in DNS.
    pub c2s: Vec<String>,
    /// XMPP clients with direct TLS (XEP-0368), as advertised in DNS.
    pub c2s_tls: Vec<String>,
}

/// One node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Node {
    /// Its id, never used for another node.
    pub id: NodeId,
    /// Its name, unique among the members.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Where it can be reached.
    pub addresses: Addresses,
    /// Whether it still belongs to the cluster.
    pub state: NodeState,
    /// The software it ran when it last started.
    pub version: SoftwareVersion,
    /// Its last process start.
    pub boot: Boot,
    /// Its HA state and the reason.
    pub ha: HaStatus,
}

impl Node {
    /// Whether it belongs to the cluster now.
    pub fn is_member(&self) -> bool {
        self.state == NodeState::Member
    }

    /// The node that has taken its users over without a quorum, if one has.
    pub fn ousted_by(&self) -> Option<NodeId> {
        match self.state {
            NodeState::Ousted { by } => Some(by),
            NodeState::Member | NodeState::Replaced { .. } | NodeState::Removed => None,
        }
    }

    /// Whether it belongs to the cluster now and hosts users.
    pub fn serves(&self) -> bool {
        self.is_member() && self.role == Role::Serving
    }
}
