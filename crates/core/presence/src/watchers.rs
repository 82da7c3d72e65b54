//! Who wants to see whom: what the nodes asked for. Whether they may is asked when presence is
//! sent, because permission can change at any time.

use muster_types::{BareJid, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// The watchers of a slot's users by contact and node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Watchers {
    by_contact: BTreeMap<BareJid, BTreeMap<NodeId, BTreeSet<BareJid>>>,
}

impl Watchers {
    /// Notes that `watcher`, with sessions on `node`, wants to see `contact`.
    pub fn add(&mut self, contact: BareJid, node: NodeId, watcher: BareJid) {
        self.by_contact
            .entry(contact)
            .or_default()
            .entry(node)
            .or_default()
            .insert(watcher);
    }

    /// Forgets one watcher on one node.
    pub fn remove(&mut self, contact: &BareJid, node: NodeId, watcher: &BareJid) {
        let Some(nodes) = self.by_contact.get_mut(contact) else {
            return;
        };
        if let Some(watchers) = nodes.get_mut(&node) {
            watchers.remove(watcher);
            if watchers.is_empty() {
                nodes.remove(&node);
            }
        }
        if nodes.is_empty() {
            self.by_contact.remove(contact);
        }
    }

    /// Forgets everything a node asked for: it died, or says it all again.
    pub fn forget_node(&mut self, node: NodeId) {
        self.by_contact.retain(|_, nodes| {
            nodes.remove(&node);
            !nodes.is_empty()
        });
    }

    /// The watchers of `contact`, node by node.
    pub fn of(&self, contact: &BareJid) -> impl Iterator<Item = (NodeId, &BTreeSet<BareJid>)> {
        self.by_contact
            .get(contact)
            .into_iter()
            .flatten()
            .map(|(node, watchers)| (*node, watchers))
    }

    /// The nodes on which `watcher` wants to see `contact`.
    pub fn nodes_of(&self, contact: &BareJid, watcher: &BareJid) -> Vec<NodeId> {
        self.of(contact)
            .filter(|(_, all)| all.contains(watcher))
            .map(|(node, _)| node)
            .collect()
    }
}
