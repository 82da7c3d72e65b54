//! For how long clients see other users by temporary subscriptions, and what the owners of those are told of it.

use crate::Router;
use crate::temporary::Asked;
use crate::watch::presence_for;
use muster_envelope::{ToOwner, WatchRequest};
use muster_types::{Bare as _, BareJid, Instant, Jid, SessionId, SortedMap};
use muster_xep::command;
use muster_xep::temporary::NODE;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Router {
    pub(crate) fn begin_lease(
        &mut self,
        now: Instant,
        id: SessionId,
        contact: &BareJid,
        asked: Asked,
    ) {
        let contact = self.interests.share(contact);
        let Some(user) = self
            .sessions
            .get(&id)
            .and_then(|session| self.users.get_mut(&session.user))
        else {
            return;
        };
        let watcher = user.address.bare();
        let leases = user
            .leases
            .get_or_insert_with(Arc::clone(&contact), SortedMap::new);
        let ends = now + asked.lifetime;
        let before = leases.insert(id, ends);
        if let Some(before) = before {
            let due = (before, id, Arc::clone(&contact));
            self.temporary.due.remove(&due);
        }
        self.temporary.due.insert((ends, id, Arc::clone(&contact)));
        let saw = before.is_some() || user.contacts.contains_key(&contact);
        let address = Arc::clone(&user.address);
        self.interests.watch(&contact, &watcher, Some(asked.slot));
        let text = format!("For {} s from now on.", asked.lifetime.as_secs());
        let done = asked.command.result_with(command::completed(NODE, &text));
        self.deliver(now, id, done);
        if !saw {
            // Another client of the user sees the contact already.
            for seen in self.interests.seen(&contact, &watcher) {
                let address = Arc::clone(&address);
                self.out.push_back(presence_for(id, address, seen));
            }
        }
    }

    /// A session sees a contact no more, unless the user does.
    pub(crate) fn end_lease(&mut self, id: SessionId, contact: &BareJid) {
        let session = self.sessions.get(&id);
        let Some(user) = session.and_then(|session| self.users.get_mut(&session.user)) else {
            return;
        };
        let Some((shared, leases)) = user.leases.get_entry_mut(contact) else {
            return;
        };
        let contact = Arc::clone(shared);
        let Some(ends) = leases.remove(&id) else {
            return;
        };
        self.temporary.due.remove(&(ends, id, Arc::clone(&contact)));
        let (watcher, address) = (user.address.bare(), Arc::clone(&user.address));
        if !user.contacts.contains_key(&contact) {
            let seen = self.interests.seen(&contact, &watcher).iter();
            let gone: Vec<_> = seen.map(|seen| seen.gone()).collect();
            if self.sessions.get(&id).is_some_and(|one| one.is_available()) {
                let gone = gone.iter();
                let shows = gone.map(|gone| presence_for(id, Arc::clone(&address), gone));
                self.out.extend(shows);
            }
        }
        self.let_go(&watcher, &contact);
    }

    /// A lease or an ask is over: if it was the last, the owner is told how the user sees the contact now.
    pub(crate) fn let_go(&mut self, watcher: &BareJid, contact: &BareJid) {
        let Some(user) = self.users.get_mut(watcher) else {
            return;
        };
        let is_over = user.leases.get(contact).is_some_and(SortedMap::is_empty);
        let asks = |id| self.temporary.is_asked(id, contact);
        if !is_over || user.sessions.keys().any(|id| asks(*id)) {
            return;
        }
        user.leases.remove(contact);
        self.say_interest(watcher, contact);
    }

    /// Whether a client of a user here sees a contact for a while.
    pub(crate) fn is_leased(&self, contact: &BareJid, watcher: &BareJid) -> bool {
        let leases = self.leases(contact, watcher);
        leases.is_some_and(|leases| !leases.is_empty())
    }

    /// Whether one does, or has asked to: to the owner, who may have granted it, that is the same.
    pub(crate) fn is_wanted(&self, contact: &BareJid, watcher: &BareJid) -> bool {
        self.leases(contact, watcher).is_some()
    }

    fn leases(
        &self,
        contact: &BareJid,
        watcher: &BareJid,
    ) -> Option<&SortedMap<SessionId, Instant>> {
        if self.temporary.is_empty() {
            return None;
        }
        self.users.get(watcher)?.leases.get(contact)
    }

    /// Tells the owner of a contact how a user here sees it now: for a while, as its contact, or not.
    pub(crate) fn say_interest(&mut self, watcher: &BareJid, contact: &BareJid) {
        if self.is_wanted(contact, watcher) {
            return;
        }
        let user = self.users.get(watcher);
        let is_contact =
            user.is_some_and(|user| user.watching && user.contacts.contains_key(contact));
        if !is_contact {
            let (slot, _) = self.interests.unwatch(contact, watcher);
            let slot = slot.or_else(|| self.directory.account_slot(contact));
            let (contact, watcher) = (contact.clone(), watcher.clone());
            if let Some(slot) = slot {
                self.tell_owner(slot, ToOwner::Unwatch { contact, watcher });
            }
            return;
        }
        let request = WatchRequest {
            contact: contact.clone(),
            watcher: watcher.clone(),
            known: self.interests.version(contact, watcher),
            temporary: false,
        };
        if let Some(slot) = self.directory.account_slot(contact) {
            self.tell_owner(slot, ToOwner::Watch(vec![request]));
        }
    }

    /// Leases end at their time.
    pub(crate) fn end_due_leases(&mut self, now: Instant) {
        while self.temporary.deadline().is_some_and(|due| due <= now) {
            if let Some((_, id, contact)) = self.temporary.due.pop_first() {
                self.end_lease(id, &contact);
            }
        }
    }

    /// Presence is for available clients: the leases of one that is not end, and nobody waits for an answer that has
    /// gone.
    pub(crate) fn end_leases_of(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        if session.is_available() {
            return;
        }
        let watcher = session.user.clone();
        let dropped = match session.bound() {
            Some(_) => BTreeMap::new(),
            None => self.temporary.take_all(id),
        };
        let Some(user) = self.users.get(&watcher) else {
            return;
        };
        let leases = user.leases.iter();
        let own = leases.filter(|(_, leases)| leases.contains_key(&id));
        for contact in own
            .map(|(contact, _)| Arc::clone(contact))
            .collect::<Vec<_>>()
        {
            self.end_lease(id, &contact);
        }
        for contact in dropped.keys() {
            self.let_go(&watcher, contact);
        }
    }

    /// Whom the user does not let in any more it does not see either, for no while.
    pub(crate) fn end_blocked_leases(&mut self, user: &BareJid) {
        let Some(known) = self.users.get(user) else {
            return;
        };
        let leases = known.leases.iter();
        let blocked = leases.filter(|(contact, _)| {
            let jid = Jid::from((***contact).clone());
            self.is_blocked(user, Some(&jid))
        });
        let ended: Vec<(Arc<BareJid>, Vec<SessionId>)> = blocked
            .map(|(contact, leases)| (Arc::clone(contact), leases.keys().copied().collect()))
            .collect();
        for (contact, sessions) in ended {
            for id in sessions {
                self.end_lease(id, &contact);
            }
        }
    }
}
