//! What a replica asks of the control log's state.

use muster_cluster::ClusterState;
use muster_owner::{Accounts, Bounds};
use muster_presence::rules::Rules;
use muster_presence::source::Policies;
use muster_types::{BareJid, Fork, LogIndex, SlotId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The accounts of one state of the cluster.
pub(crate) struct View(pub(crate) Arc<ClusterState>);

impl Accounts for View {
    fn slot_of(&self, user: &BareJid) -> Option<SlotId> {
        self.0.account_slot(user)
    }

    fn is_barred(&self, user: &BareJid) -> bool {
        self.0.is_barred(user)
    }

    fn barred(&self, slot: SlotId) -> Vec<BareJid> {
        self.0.barred(slot).cloned().collect()
    }

    fn next_removal(&self, slot: SlotId) -> Option<(LogIndex, BareJid)> {
        let (at, user) = self.0.next_removal(slot)?;
        Some((at, user.clone()))
    }

    fn policies(&self, user: &BareJid) -> Policies {
        self.0.policies(user)
    }

    fn restricted(&self, slot: SlotId) -> BTreeMap<BareJid, Policies> {
        let restricted = self.0.restricted(slot);
        restricted
            .map(|(user, policies)| (user.clone(), policies))
            .collect()
    }

    fn rules(&self) -> Arc<Rules> {
        Arc::clone(self.0.presence_rules().rules())
    }

    fn fork(&self) -> Fork {
        self.0.settings().fork
    }

    fn auto_authorise(&self) -> bool {
        self.0.settings().auto_authorise
    }

    fn dnd_is_manual(&self) -> bool {
        self.0.settings().dnd_is_manual
    }

    fn bounds(&self) -> Bounds {
        let (contacts, watchers) = self.0.settings().bounds();
        Bounds { contacts, watchers }
    }
}
