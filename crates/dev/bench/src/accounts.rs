//! Who has an account, and where: what routers and owners look up.

use muster_owner::{Accounts, Bounds};
use muster_presence::rules::Rules;
use muster_presence::source::Policies;
use muster_router::Directory;
use muster_types::{BareJid, Fork, LogIndex, SlotId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// All accounts of the only domain; nothing is decided about any of them.
#[derive(Debug)]
pub(crate) struct Homes(BTreeMap<BareJid, SlotId>);

impl Homes {
    pub(crate) fn new(homes: impl IntoIterator<Item = (BareJid, SlotId)>) -> Arc<Self> {
        Arc::new(Self(homes.into_iter().collect()))
    }
}

impl Directory for Homes {
    fn account_slot(&self, user: &BareJid) -> Option<SlotId> {
        self.0.get(user).copied()
    }

    fn hosts(&self, domain: &str) -> bool {
        domain == crate::address::DOMAIN
    }
}

impl Accounts for Homes {
    fn slot_of(&self, user: &BareJid) -> Option<SlotId> {
        self.0.get(user).copied()
    }

    fn is_barred(&self, _: &BareJid) -> bool {
        false
    }

    fn barred(&self, _: SlotId) -> Vec<BareJid> {
        Vec::new()
    }

    fn next_removal(&self, _: SlotId) -> Option<(LogIndex, BareJid)> {
        None
    }

    fn fork(&self) -> Fork {
        Fork::default()
    }

    fn auto_authorise(&self) -> bool {
        false
    }

    fn dnd_is_manual(&self) -> bool {
        false
    }

    /// The shipped ones.
    fn bounds(&self) -> Bounds {
        Bounds {
            contacts: 200,
            watchers: 200,
        }
    }

    fn policies(&self, _: &BareJid) -> Policies {
        Policies::default()
    }

    fn restricted(&self, _: SlotId) -> BTreeMap<BareJid, Policies> {
        BTreeMap::new()
    }

    fn rules(&self) -> Arc<Rules> {
        Rules::shipped()
    }
}
