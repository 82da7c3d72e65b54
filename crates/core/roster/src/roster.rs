//! A user's roster, and the requests of contacts that the user has not answered yet.
//!
//! A contact that has only asked is not in the roster (RFC 6121 §3.1.3): its request waits beside
//! the items. So the invariant is: a contact has a waiting request exactly if its state says
//! pending in.

use crate::{RosterEdit, RosterItem, Subscription, SubscriptionStanza, transition};
use muster_stanza::Stanza;
use muster_types::{BareJid, Limits};
use std::collections::BTreeMap;

/// The contacts of one user.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Roster {
    items: BTreeMap<BareJid, RosterItem>,
    requests: BTreeMap<BareJid, Stanza>,
    version: u64,
    /// Bytes of the addresses, names and groups in `items`.
    bytes: usize,
}

/// What became of one contact.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Changed {
    /// The state before.
    pub before: Subscription,
    /// The state now.
    pub after: Subscription,
    /// The item differs from before and has to be stored (or is gone).
    pub item: bool,
    /// A client sees the difference: the version moved, and a roster push is due.
    pub shown: bool,
    /// The waiting request was added or dropped and has to be stored so.
    pub request: bool,
}

/// What came of a subscription stanza that the user sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outbound {
    /// What became of the contact.
    pub changed: Changed,
    /// Whether the stanza goes on to the contact.
    pub route: bool,
}

/// What came of a contact's subscription stanza.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Inbound {
    /// What became of the contact.
    pub changed: Changed,
    /// Whether the stanza is shown to the user's clients.
    pub deliver: bool,
    /// What the server answers for the user.
    pub reply: Option<SubscriptionStanza>,
}

/// How much a roster may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    /// Contacts.
    pub items: usize,
    /// Bytes of their addresses, names and groups.
    pub bytes: usize,
}

impl From<&Limits> for Room {
    fn from(limits: &Limits) -> Self {
        Self {
            items: limits.roster_items,
            bytes: limits.roster_bytes,
        }
    }
}

/// More than the roster may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RosterFull {
    /// One contact more.
    #[error("{limit} contacts are in the roster, and no more may be")]
    Items {
        /// The limit.
        limit: usize,
    },
    /// More bytes.
    #[error("addresses, names and groups in the roster may have {limit} bytes")]
    Bytes {
        /// The limit.
        limit: usize,
    },
}

impl Roster {
    /// The version of what clients see (RFC 6121 §2.6); 0 for a roster that never changed.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Whether this is the version that a client says it has (RFC 6121 §2.6.3).
    pub fn is_known(&self, version: Option<&str>) -> bool {
        version.is_some_and(|version| version == self.version.to_string())
    }

    /// The contacts in the roster, in the order of their addresses.
    pub fn items(&self) -> impl Iterator<Item = &RosterItem> {
        self.items.values()
    }

    /// How many contacts are in the roster.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Bytes of their addresses, names and groups.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether no contact is in the roster.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The contact's item, if it is in the roster.
    pub fn item(&self, contact: &BareJid) -> Option<&RosterItem> {
        self.items.get(contact)
    }

    /// The contact's state, also of one that is not in the roster.
    pub fn state(&self, contact: &BareJid) -> Subscription {
        match self.items.get(contact) {
            Some(item) => item.subscription,
            None if self.requests.contains_key(contact) => Subscription::NonePendingIn,
            None => Subscription::None_,
        }
    }

    /// The "subscribe" stanzas the user has not answered, by contact. They are delivered again
    /// when a client becomes available (RFC 6121 §3.1.3).
    pub fn requests(&self) -> impl Iterator<Item = (&BareJid, &Stanza)> {
        self.requests.iter()
    }

    /// The request of one contact.
    pub fn request(&self, contact: &BareJid) -> Option<&Stanza> {
        self.requests.get(contact)
    }

    /// Every contact with a state other than none, and every one in the roster.
    pub fn contacts(&self) -> impl Iterator<Item = (&BareJid, Subscription)> {
        let listed = self
            .items
            .values()
            .map(|item| (&item.contact, item.subscription));
        let asking = self
            .requests
            .keys()
            .filter(|contact| !self.items.contains_key(*contact));
        listed.chain(asking.map(|contact| (contact, Subscription::NonePendingIn)))
    }

    /// Adds the contact or changes its name and groups (RFC 6121 §2.3, §2.4). The subscription is
    /// not a client's to set.
    ///
    /// # Errors
    /// [`RosterFull`] when it would be more than there is room for.
    pub fn set(
        &mut self,
        edit: RosterEdit,
        room: Room,
        version: u64,
    ) -> Result<Changed, RosterFull> {
        let RosterEdit {
            contact,
            name,
            groups,
        } = edit;
        let state = self.state(&contact);
        let old = self.items.get(&contact);
        let item = RosterItem {
            name,
            groups,
            subscription: state,
            ..old
                .cloned()
                .unwrap_or_else(|| RosterItem::new(contact.clone()))
        };
        self.check_room(&item, room)?;
        self.insert(item);
        self.version = version;
        Ok(Changed {
            before: state,
            after: state,
            item: true,
            shown: true,
            request: false,
        })
    }

    /// Removes the contact from the roster, its waiting request included (RFC 6121 §2.5). `None`
    /// when it is not in the roster. What the contact has to be told is
    /// [`Subscription::farewell`] of the state before.
    pub fn remove(&mut self, contact: &BareJid, version: u64) -> Option<Changed> {
        let item = self.items.remove(contact)?;
        self.bytes -= item.bytes();
        let request = self.requests.remove(contact).is_some();
        self.version = version;
        let after = Subscription::None_;
        Some(Changed {
            before: item.subscription,
            after,
            item: true,
            shown: true,
            request,
        })
    }

    /// The user sends a subscription stanza to the contact (RFC 6121 Appendix A.2, §3.4.2). One
    /// that was not in the roster comes into it when the user asked, approved or pre-approved.
    ///
    /// # Errors
    /// [`RosterFull`] when it would be more than there is room for.
    pub fn outbound(
        &mut self,
        contact: &BareJid,
        stanza: SubscriptionStanza,
        room: Room,
        version: u64,
    ) -> Result<Outbound, RosterFull> {
        let step = transition::outbound(self.state(contact), stanza);
        let is_new = !self.items.contains_key(contact);
        if is_new && self.lists(contact, step.after, step.approved) {
            self.check_room(&RosterItem::new(contact.clone()), room)?;
        }
        let changed = self.settle(contact, step.after, step.approved, version);
        Ok(Outbound {
            changed,
            route: step.route,
        })
    }

    /// The contact sends a subscription stanza to the user (RFC 6121 Appendix A.3). `stanza` is
    /// kept if it is a request that waits for the user. A request above `limit` waiting ones is
    /// turned down for the user, so that the contact's roster knows.
    pub fn inbound(
        &mut self,
        contact: &BareJid,
        kind: SubscriptionStanza,
        stanza: &Stanza,
        limit: usize,
        version: u64,
    ) -> Inbound {
        let before = self.state(contact);
        let approved = self.items.get(contact).is_some_and(|item| item.approved);
        let step = transition::inbound(before, approved, kind);
        let new_request = step.after.pending_in() && !before.pending_in();
        if new_request && self.requests.len() >= limit {
            let changed = Changed {
                before,
                after: before,
                item: false,
                shown: false,
                request: false,
            };
            return Inbound {
                changed,
                deliver: false,
                reply: Some(SubscriptionStanza::Unsubscribed),
            };
        }
        let mut changed = self.settle(contact, step.after, None, version);
        if new_request {
            self.requests.insert(contact.clone(), stanza.clone());
            changed.request = true;
        }
        Inbound {
            changed,
            deliver: step.deliver,
            reply: step.reply,
        }
    }

    /// Puts back a stored item.
    pub fn restore_item(&mut self, item: RosterItem) {
        self.insert(item);
    }

    /// Puts back a stored request.
    pub fn restore_request(&mut self, contact: BareJid, stanza: Stanza) {
        self.requests.insert(contact, stanza);
    }

    /// Puts back the stored version.
    pub const fn restore_version(&mut self, version: u64) {
        self.version = version;
    }

    /// Whether there is room for an item. One that is there may always become smaller.
    fn check_room(&self, item: &RosterItem, room: Room) -> Result<(), RosterFull> {
        let old = self.items.get(&item.contact);
        if old.is_none() && self.items.len() >= room.items {
            return Err(RosterFull::Items { limit: room.items });
        }
        let (before, after) = (old.map_or(0, RosterItem::bytes), item.bytes());
        if after > before && self.bytes - before + after > room.bytes {
            return Err(RosterFull::Bytes { limit: room.bytes });
        }
        Ok(())
    }

    fn insert(&mut self, item: RosterItem) {
        self.bytes += item.bytes();
        let old = self.items.insert(item.contact.clone(), item);
        self.bytes -= old.as_ref().map_or(0, RosterItem::bytes);
    }

    /// Whether a contact in this state belongs into the roster. Once there, it stays until it is
    /// removed.
    fn lists(&self, contact: &BareJid, state: Subscription, approved: Option<bool>) -> bool {
        let bare = matches!(state, Subscription::None_ | Subscription::NonePendingIn);
        !bare || approved == Some(true) || self.items.contains_key(contact)
    }

    fn settle(
        &mut self,
        contact: &BareJid,
        after: Subscription,
        approved: Option<bool>,
        version: u64,
    ) -> Changed {
        let before = self.state(contact);
        let request = !after.pending_in() && self.requests.remove(contact).is_some();
        let mut changed = Changed {
            before,
            after,
            item: false,
            shown: false,
            request,
        };
        if !self.lists(contact, after, approved) {
            return changed;
        }
        let old = self.items.get(contact);
        let mut item = old
            .cloned()
            .unwrap_or_else(|| RosterItem::new(contact.clone()));
        item.subscription = after;
        item.approved = approved.unwrap_or(item.approved);
        changed.item = old != Some(&item);
        changed.shown = !old.is_some_and(|old| old.looks_like(&item));
        if changed.shown {
            self.version = version;
        }
        if changed.item {
            self.insert(item);
        }
        changed
    }
}
