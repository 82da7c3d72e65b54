//! Changes of one user's data on that user's (or the operator's) wish.

use crate::effects::Effects;
use crate::outbox::Outboxes;
use crate::state::Entry;
use crate::user::UserData;
use crate::{OutboxItem, Refusal, SlotEvent, SlotState, UserChange, key};
use muster_roster::{
    Access, AccessChange, Changed, RosterEdit, RosterFull, SubscriptionStanza, Whom,
};
use muster_stanza::Stanza;
use muster_types::{BareJid, Jid, Limits, LogIndex, SlotId, Timestamp};
use std::collections::BTreeMap;

impl SlotState {
    /// Applies a change, or refuses it and changes nothing.
    pub(crate) fn change(&mut self, entry: Entry, fx: &mut Effects<'_>) -> Result<(), Refusal> {
        let Entry {
            index,
            user,
            at,
            change,
        } = entry;
        if let UserChange::RemoveUser { at, .. } = &change {
            if *at <= self.removed {
                return Ok(());
            }
            self.removed = *at;
            fx.put(vec![key::REMOVED], at);
        }
        let mut scope = Scope {
            index,
            limits: &self.limits,
            data: self.users.entry(user.clone()).or_default(),
            outboxes: &mut self.outboxes,
            user: &user,
            fx,
        };
        let result = match change {
            UserChange::RosterSet(edit) => scope.roster_set(edit),
            UserChange::RosterRemove {
                contact,
                contact_slot,
            } => scope.roster_remove(&contact, contact_slot),
            UserChange::Subscription {
                kind,
                contact,
                contact_slot,
                stanza,
            } => scope.subscription(kind, &contact, contact_slot, stanza),
            UserChange::VcardSet(vcard) => scope.vcard_set(vcard),
            UserChange::PrivateSet {
                name,
                namespace,
                element,
            } => scope.private_set(name, namespace, element),
            UserChange::OfflineStore(stanza) => scope.offline_store(at, stanza),
            UserChange::OfflineTaken { up_to } => scope.offline_taken(up_to),
            UserChange::RemoveUser { contact_slots, .. } => scope.remove_user(&contact_slots),
            UserChange::AccessSet(rules) => scope.access_set(rules),
            UserChange::Pep { node, edit } => scope.pep_edit(node, at, edit),
        };
        if self.users.get(&user).is_some_and(UserData::is_empty) {
            self.users.remove(&user);
        }
        result
    }
}

/// The part of the state that one user's change may touch.
pub(crate) struct Scope<'a, 'w> {
    pub(crate) index: LogIndex,
    pub(crate) limits: &'a Limits,
    pub(crate) user: &'a BareJid,
    pub(crate) data: &'a mut UserData,
    pub(crate) outboxes: &'a mut Outboxes,
    pub(crate) fx: &'a mut Effects<'w>,
}

impl Scope<'_, '_> {
    fn roster_set(&mut self, edit: RosterEdit) -> Result<(), Refusal> {
        let contact = edit.contact.clone();
        let changed = self
            .data
            .roster
            .set(edit, self.limits.into(), self.index.0)?;
        self.keep(&contact, changed);
        Ok(())
    }

    fn roster_remove(&mut self, contact: &BareJid, slot: Option<SlotId>) -> Result<(), Refusal> {
        let state = self.data.roster.state(contact);
        if let Some(slot) = slot.filter(|_| state.farewell().next().is_some()) {
            self.outboxes.check_room(slot)?;
        }
        let changed = self
            .data
            .roster
            .remove(contact, self.index.0)
            .ok_or(Refusal::NoSuchContact)?;
        self.keep(contact, changed);
        for kind in state.farewell() {
            self.owe(slot, kind, contact);
        }
        Ok(())
    }

    fn subscription(
        &mut self,
        kind: SubscriptionStanza,
        contact: &BareJid,
        slot: Option<SlotId>,
        stanza: Stanza,
    ) -> Result<(), Refusal> {
        let roster = &mut self.data.roster;
        // Asked beforehand, because a refused change must leave no trace.
        let routed = muster_roster::outbound(roster.state(contact), kind).route;
        let slot = slot.filter(|_| routed);
        if let Some(slot) = slot {
            self.outboxes.check_room(slot)?;
        }
        let step = roster.outbound(contact, kind, self.limits.into(), self.index.0)?;
        self.keep(contact, step.changed);
        if let Some(slot) = slot {
            self.outboxes
                .push(slot, OutboxItem::Subscription { kind, stanza }, self.fx);
        }
        Ok(())
    }

    fn access_set(&mut self, rules: Vec<(Whom, Option<Access>)>) -> Result<(), Refusal> {
        let (most, bytes) = (self.limits.access_rules, self.limits.access_bytes);
        let mut access = self.data.access.clone();
        let changes = access.change(rules);
        let grows = changes.iter().any(|change| change.before.is_none());
        if grows && (access.len() > most || access.bytes() > bytes) {
            return Err(Refusal::AccessFull { rules: most, bytes });
        }
        if changes.is_empty() {
            return Ok(());
        }
        for AccessChange { whom, after, .. } in &changes {
            let key = key::access(self.user, whom);
            match after {
                Some(access) => self.fx.put(key, access),
                None => self.fx.delete(key),
            }
        }
        self.data.access = access;
        self.fx.emit(SlotEvent::AccessChanged {
            user: self.user.clone(),
            changes,
            at: self.index,
        });
        Ok(())
    }

    fn vcard_set(&mut self, vcard: Vec<u8>) -> Result<(), Refusal> {
        self.fx
            .put(key::of_user(key::VCARD, self.user, &[]), &vcard);
        self.data.vcard = Some(vcard);
        Ok(())
    }

    fn private_set(
        &mut self,
        name: String,
        namespace: String,
        element: Vec<u8>,
    ) -> Result<(), Refusal> {
        let stored = &mut self.data.private;
        let key = key::private(self.user, &namespace, &name);
        let place = (namespace, name);
        let limit = self.limits.private_items;
        if stored.len() >= limit && !stored.contains_key(&place) {
            return Err(Refusal::PrivateFull { limit });
        }
        self.fx.put(key, &element);
        stored.insert(place, element);
        Ok(())
    }

    fn offline_store(&mut self, at: Timestamp, stanza: Stanza) -> Result<(), Refusal> {
        let limit = self.limits.offline_messages;
        if self.data.offline.len() >= limit {
            return Err(Refusal::OfflineFull { limit });
        }
        let (number, message) = (self.index.0, (at, stanza));
        self.fx.put(key::offline(self.user, number), &message);
        self.data.offline.insert(number, message);
        Ok(())
    }

    fn offline_taken(&mut self, up_to: u64) -> Result<(), Refusal> {
        while let Some(first) = self
            .data
            .offline
            .first_entry()
            .filter(|first| *first.key() <= up_to)
        {
            self.fx.delete(key::offline(self.user, *first.key()));
            first.remove();
        }
        Ok(())
    }

    /// Takes the contacts out one by one, as the user would, then the rest.
    fn remove_user(&mut self, slots: &BTreeMap<BareJid, SlotId>) -> Result<(), Refusal> {
        let contacts: Vec<_> = self
            .data
            .roster
            .contacts()
            .map(|(contact, state)| (contact.clone(), state))
            .collect();
        for (contact, state) in contacts {
            let slot = slots.get(&contact).copied();
            if let Some(changed) = self.data.roster.remove(&contact, self.index.0) {
                self.keep(&contact, changed);
            } else {
                self.fx
                    .delete(key::of_contact(key::REQUEST, self.user, &contact));
            }
            for kind in state.farewell() {
                self.owe(slot, kind, &contact);
            }
        }
        let user = self.user;
        self.fx.delete(key::of_user(key::ROSTER_VERSION, user, &[]));
        self.fx.delete(key::of_user(key::VCARD, user, &[]));
        let UserData {
            private,
            offline,
            access,
            pep,
            ..
        } = std::mem::take(self.data);
        for (whom, _) in access.rules() {
            self.fx.delete(key::access(user, whom));
        }
        for (namespace, name) in private.into_keys() {
            self.fx.delete(key::private(user, &namespace, &name));
        }
        for node in pep.into_keys() {
            self.fx.delete(key::pep(user, &node));
        }
        for number in offline.into_keys() {
            self.fx.delete(key::offline(user, number));
        }
        Ok(())
    }

    /// Stores what became of a contact, and lets the user's clients know.
    pub(crate) fn keep(&mut self, contact: &BareJid, changed: Changed) {
        let (user, roster) = (self.user, &self.data.roster);
        let item = roster.item(contact);
        if changed.item {
            let key = key::of_contact(key::ROSTER_ITEM, user, contact);
            match item {
                Some(item) => self.fx.put(key, item),
                None => self.fx.delete(key),
            }
        }
        if changed.request {
            let key = key::of_contact(key::REQUEST, user, contact);
            match roster.request(contact) {
                Some(stanza) => self.fx.put(key, stanza),
                None => self.fx.delete(key),
            }
        }
        if changed.shown {
            let version = roster.version();
            self.fx
                .put(key::of_user(key::ROSTER_VERSION, user, &[]), &version);
            self.fx.emit(SlotEvent::RosterChanged {
                user: user.clone(),
                item: item.cloned(),
                contact: contact.clone(),
                before: changed.before,
                after: changed.after,
                version,
            });
        }
    }

    /// Puts a subscription stanza that the server sends for the user into the outbox.
    pub(crate) fn owe(
        &mut self,
        slot: Option<SlotId>,
        kind: SubscriptionStanza,
        contact: &BareJid,
    ) {
        let Some(slot) = slot else { return };
        let stanza = Stanza::presence(kind.presence_type())
            .with_from(Jid::from(self.user.clone()))
            .with_to(Jid::from(contact.clone()));
        self.outboxes
            .push(slot, OutboxItem::Subscription { kind, stanza }, self.fx);
    }
}

impl From<RosterFull> for Refusal {
    fn from(full: RosterFull) -> Self {
        match full {
            RosterFull::Items { limit } => Self::RosterFull { limit },
            RosterFull::Bytes { limit } => Self::RosterLarge { limit },
        }
    }
}
