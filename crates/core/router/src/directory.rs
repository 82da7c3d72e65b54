//! What the router asks of the cluster: who exists, and where.

use muster_cluster::ClusterState;
use muster_types::{BareJid, SlotId};
use std::fmt;

/// A local, unchanging copy of accounts and domains: each new state of the cluster is a new copy.
pub trait Directory: Send + Sync + fmt::Debug {
    /// The slot of an account; `None` when there is no such account.
    fn account_slot(&self, user: &BareJid) -> Option<SlotId>;

    /// Whether this cluster hosts `domain`.
    fn hosts(&self, domain: &str) -> bool;
}

impl Directory for ClusterState {
    fn account_slot(&self, user: &BareJid) -> Option<SlotId> {
        Self::account_slot(self, user)
    }

    fn hosts(&self, domain: &str) -> bool {
        self.hosts(domain)
    }
}
