//! Who may see a user.

use crate::{AccessList, Roster};
use muster_types::{BareJid, Jid};

/// What decides it.
#[derive(Clone, Copy, Debug)]
pub struct Permission<'a> {
    /// The user.
    pub user: &'a BareJid,
    /// Its roster, if it has one.
    pub roster: Option<&'a Roster>,
    /// Its rules, if it has any.
    pub access: Option<&'a AccessList>,
}

impl Permission<'_> {
    /// Whether `watcher` may see the user: with a subscription `from` or `both` (RFC 6121 §4.2.2) and if
    /// it is not blocked (XEP-0191 §3); the user itself always.
    pub fn sees(&self, watcher: &BareJid) -> bool {
        watcher == self.user || self.is_subscribed(watcher) && !self.blocks(watcher)
    }

    /// Whether the user has blocked a contact.
    pub fn blocks(&self, contact: &BareJid) -> bool {
        // Most users have no rules.
        let access = self.access.filter(|access| !access.is_empty());
        access.is_some_and(|access| {
            contact != self.user && access.blocks(&Jid::from(contact.clone()))
        })
    }

    fn is_subscribed(&self, watcher: &BareJid) -> bool {
        let item = self.roster.and_then(|roster| roster.item(watcher));
        item.is_some_and(|item| item.subscription.seen_by_contact())
    }
}
