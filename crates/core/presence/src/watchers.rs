//! Who wants to see whom: what the nodes asked for. Whether they may is asked when presence is
//! sent, because permission can change at any time.

use muster_types::{Addresses, BareJid, NodeId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The watchers of a slot's users by contact and node.
#[derive(Clone, Debug, Default)]
pub struct Watchers {
    by_contact: BTreeMap<Arc<BareJid>, Vec<OnNode>>,
    addresses: Addresses,
}

/// The watchers of one contact with sessions on one node.
#[derive(Clone, Debug, PartialEq)]
struct OnNode {
    node: NodeId,
    /// Sorted.
    watchers: Vec<Arc<BareJid>>,
}

impl PartialEq for Watchers {
    /// What names the addresses counts, not what holds them.
    fn eq(&self, other: &Self) -> bool {
        self.by_contact == other.by_contact
    }
}

impl Watchers {
    /// Notes that `watcher`, with sessions on `node`, wants to see `contact`.
    pub fn add(&mut self, contact: &BareJid, node: NodeId, watcher: &BareJid) -> Arc<BareJid> {
        let watcher = self.addresses.share(watcher);
        let nodes = match self.by_contact.get_mut(contact) {
            Some(nodes) => nodes,
            None => {
                let contact = self.addresses.share(contact);
                self.by_contact.entry(contact).or_default()
            }
        };
        let at = match nodes.binary_search_by_key(&node, |on| on.node) {
            Ok(at) => at,
            Err(at) => {
                let watchers = Vec::new();
                nodes.insert(at, OnNode { node, watchers });
                at
            }
        };
        let watchers = &mut nodes[at].watchers;
        if let Err(at) = watchers.binary_search(&watcher) {
            watchers.insert(at, Arc::clone(&watcher));
        }
        watcher
    }

    /// Forgets one watcher on one node.
    pub fn remove(&mut self, contact: &BareJid, node: NodeId, watcher: &BareJid) {
        let Some(nodes) = self.by_contact.get_mut(contact) else {
            return;
        };
        let Ok(place) = nodes.binary_search_by_key(&node, |on| on.node) else {
            return;
        };
        let watchers = &mut nodes[place].watchers;
        let Ok(at) = watchers.binary_search_by(|known| (**known).cmp(watcher)) else {
            return;
        };
        watchers.remove(at);
        if watchers.is_empty() {
            nodes.remove(place);
        }
        if nodes.is_empty() {
            self.by_contact.remove(contact);
        }
    }

    /// Forgets everything a node asked for: it died, or says it all again.
    pub fn forget_node(&mut self, node: NodeId) {
        self.by_contact.retain(|_, nodes| {
            nodes.retain(|on| on.node != node);
            !nodes.is_empty()
        });
    }

    /// The watchers of `contact`, node by node.
    pub fn of(&self, contact: &BareJid) -> impl Iterator<Item = (NodeId, &[Arc<BareJid>])> {
        self.by_contact
            .get(contact)
            .into_iter()
            .flatten()
            .map(|on| (on.node, &on.watchers[..]))
    }

    /// The nodes on which `watcher` wants to see `contact`.
    pub fn nodes_of(&self, contact: &BareJid, watcher: &BareJid) -> Vec<NodeId> {
        let is_there =
            |all: &[Arc<BareJid>]| all.binary_search_by(|known| (**known).cmp(watcher)).is_ok();
        self.of(contact)
            .filter(|(_, all)| is_there(all))
            .map(|(node, _)| node)
            .collect()
    }
}
