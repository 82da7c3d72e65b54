//! What a replica knows of the rest of the cluster.

use crate::{AccountsView, Bounds};
use muster_presence::rules::Rules;
use muster_presence::source::Policies;
use muster_types::{BareJid, Boot, Epoch, Fork, LogIndex, NodeId, SlotId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Accounts, nodes and owners as last heard of, and the wall clock.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) wall: Timestamp,
    pub(crate) accounts: Option<AccountsView>,
    pub(crate) alive: BTreeSet<NodeId>,
    pub(crate) replicas: Vec<NodeId>,
    boots: BTreeMap<NodeId, Boot>,
    owners: BTreeMap<SlotId, (Epoch, NodeId)>,
}

impl World {
    pub(crate) fn slot_of(&self, user: &BareJid) -> Option<SlotId> {
        self.accounts.as_ref()?.slot_of(user)
    }

    pub(crate) fn is_barred(&self, user: &BareJid) -> bool {
        let accounts = self.accounts.as_ref();
        accounts.is_some_and(|accounts| accounts.is_barred(user))
    }

    pub(crate) fn barred(&self, slot: SlotId) -> Vec<BareJid> {
        let accounts = self.accounts.as_ref();
        accounts.map_or_else(Vec::new, |accounts| accounts.barred(slot))
    }

    pub(crate) fn next_removal(&self, slot: SlotId) -> Option<(LogIndex, BareJid)> {
        self.accounts.as_ref()?.next_removal(slot)
    }

    /// Which clients get a message to the bare JID.
    pub(crate) fn fork(&self) -> Fork {
        let accounts = self.accounts.as_ref();
        accounts.map_or_else(Fork::default, |accounts| accounts.fork())
    }

    /// Whether requests between users of this cluster are granted without asking.
    pub(crate) fn auto_authorise(&self) -> bool {
        let accounts = self.accounts.as_ref();
        accounts.is_some_and(|accounts| accounts.auto_authorise())
    }

    /// Whether a client's "do not disturb" counts as its user's own choice.
    pub(crate) fn dnd_is_manual(&self) -> bool {
        let accounts = self.accounts.as_ref();
        accounts.is_some_and(|accounts| accounts.dnd_is_manual())
    }

    /// How many contacts and watchers a user may have.
    pub(crate) fn bounds(&self) -> Bounds {
        let accounts = self.accounts.as_ref();
        accounts.map_or(Bounds::NONE, |accounts| accounts.bounds())
    }

    /// What is decided about a user's presence.
    pub(crate) fn policies(&self, user: &BareJid) -> Policies {
        let accounts = self.accounts.as_ref();
        accounts.map_or_else(Policies::default, |accounts| accounts.policies(user))
    }

    /// Whether the administrator shows a user's presence to nobody.
    pub(crate) fn hides(&self, user: &BareJid) -> bool {
        !self.policies(user).is_empty()
    }

    /// All users of a slot about whom something is decided.
    pub(crate) fn restricted(&self, slot: SlotId) -> BTreeMap<BareJid, Policies> {
        let accounts = self.accounts.as_ref();
        accounts.map_or_else(BTreeMap::new, |accounts| accounts.restricted(slot))
    }

    /// By which rules presence is composed.
    pub(crate) fn rules(&self) -> Arc<Rules> {
        let accounts = self.accounts.as_ref();
        accounts.map_or_else(Rules::shipped, |accounts| accounts.rules())
    }

    /// Notes a node's process start; true when it is another one than known.
    pub(crate) fn note_boot(&mut self, node: NodeId, boot: Boot) -> bool {
        self.boots
            .insert(node, boot)
            .is_some_and(|known| known != boot)
    }

    /// Whether a process of `node` that started as `boot` may still run.
    pub(crate) fn may_live(&self, node: NodeId, boot: Boot) -> bool {
        self.alive.contains(&node) && self.boots.get(&node).is_none_or(|known| *known == boot)
    }

    /// Notes the owner of a slot; true when that is news.
    pub(crate) fn note_owner(&mut self, slot: SlotId, epoch: Epoch, node: NodeId) -> bool {
        match self.owners.get(&slot) {
            Some((known, _)) if *known >= epoch => false,
            Some(_) | None => {
                self.owners.insert(slot, (epoch, node));
                true
            }
        }
    }

    pub(crate) fn owner_of(&self, slot: SlotId) -> Option<(Epoch, NodeId)> {
        self.owners.get(&slot).copied()
    }
}
