//! Watching contacts on behalf of users with available clients here. A user's own clients see each
//! other the same way (RFC 6121 §4.2.2, §4.4.2, §4.5.2): the user is a contact of itself.

use crate::interest::Show;
use crate::shown::Seen;
use crate::{Directory, Output, Router};
use muster_envelope::{Notice, ToOwner, WatchRequest, contacts_digest};
use muster_types::{BareJid, SessionId, SlotId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Requests in one message: some 100 KB with long addresses.
const REQUESTS_PER_MESSAGE: usize = 200;

impl Router {
    /// The owner said whom the user of this session sees.
    pub(crate) fn contacts(&mut self, id: SessionId, contacts: Vec<BareJid>) {
        let Some(session) = self
            .sessions
            .get(&id)
            .filter(|session| session.is_available())
        else {
            return;
        };
        let user = session.user.clone();
        let Some(known) = self.users.get(&user) else {
            return;
        };
        let contacts: BTreeSet<_> = contacts.into_iter().collect();
        let kept = known.contacts.keys().map(|contact| &**contact);
        let lost: Vec<BareJid> = kept
            .filter(|kept| !contacts.contains(*kept))
            .cloned()
            .collect();
        for contact in lost {
            self.unwatch(&user, &contact);
        }
        self.watch(&user, contacts);
    }

    /// The owner said in short whom the users of these sessions see. What this node missed it asks for.
    pub(crate) fn compare_contacts(&mut self, slot: SlotId, digests: &[(SessionId, u64)]) {
        let differs = |(id, digest): &(SessionId, u64)| {
            let session = self.sessions.get(id).filter(|one| one.is_available())?;
            let known = &self.users.get(&session.user)?.contacts;
            (contacts_digest(known.keys().map(|contact| &**contact)) != *digest).then_some(*id)
        };
        let asked: Vec<_> = digests.iter().filter_map(differs).collect();
        if !asked.is_empty() {
            self.tell_owner(slot, ToOwner::AskContacts(asked));
        }
    }

    pub(crate) fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Sees { user, contact } => self.watch(&user, vec![contact]),
            Notice::SeesNoMore { user, contact } => self.unwatch(&user, &contact),
        }
    }

    /// The user sees these contacts too; they are watched if one of its clients is available.
    fn watch(&mut self, user: &BareJid, contacts: impl IntoIterator<Item = BareJid>) {
        let Some(known) = self.users.get_mut(user) else {
            return;
        };
        let mut news = Vec::new();
        let mut leased = Vec::new();
        for contact in contacts {
            if !known.contacts.contains_key(&contact) {
                let contact = self.interests.share(&contact);
                known.contacts.insert(Arc::clone(&contact), ());
                if known.leases.contains_key(&contact) {
                    leased.push(Arc::clone(&contact));
                }
                news.push(contact);
            }
        }
        if known.watching {
            for contact in leased {
                let seen = self.interests.seen(&contact, user).to_vec();
                self.show_to_others(user, &contact, seen);
            }
            self.begin_interests(user, news.clone());
            self.ask_items_of(user, &news);
        }
    }

    fn begin_interests(&mut self, watcher: &BareJid, contacts: Vec<Arc<BareJid>>) {
        let mut asked: BTreeMap<SlotId, Vec<WatchRequest>> = BTreeMap::new();
        let user = self.users.get(watcher);
        for contact in contacts {
            let slot = self.directory.account_slot(&contact);
            self.interests.watch(&contact, watcher, slot);
            if let Some(slot) = slot {
                let leased = user.is_some_and(|user| user.leases.contains_key(&contact));
                let request = WatchRequest {
                    contact: (*contact).clone(),
                    watcher: watcher.clone(),
                    known: match leased {
                        true => self.interests.version(&contact, watcher),
                        false => None,
                    },
                    temporary: leased,
                };
                asked.entry(slot).or_default().push(request);
            }
        }
        self.ask(asked);
    }

    fn ask(&mut self, asked: BTreeMap<SlotId, Vec<WatchRequest>>) {
        for (slot, requests) in asked {
            for part in requests.chunks(REQUESTS_PER_MESSAGE) {
                self.tell_owner(slot, ToOwner::Watch(part.to_vec()));
            }
        }
    }

    /// The user sees this contact no more: what it was shown is taken back.
    pub(crate) fn unwatch(&mut self, user: &BareJid, contact: &BareJid) {
        let known = self.users.get_mut(user);
        let Some((contact, ())) = known.and_then(|user| user.contacts.remove_entry(contact)) else {
            return;
        };
        if self.is_wanted(&contact, user) {
            let seen = self.interests.seen(&contact, user).iter();
            let gone = seen.map(|seen| seen.gone()).collect();
            return self.show_to_others(user, &contact, gone);
        }
        // Nothing is watched, and so nothing shown, while no client is available.
        let gone = self.end_interest(user, &contact);
        let user = Arc::new(user.clone());
        let gone = gone.into_iter().map(|seen| (Arc::clone(&user), seen));
        self.show(gone.collect());
    }

    /// Shows a contact to the clients of a user that do not see it for a while anyway.
    fn show_to_others(&mut self, user: &BareJid, contact: &BareJid, shows: Vec<Arc<Seen>>) {
        let Some(known) = self.users.get(user) else {
            return;
        };
        let sees = |id| {
            known
                .leases
                .get(contact)
                .is_some_and(|all| all.contains_key(id))
        };
        for id in known.sessions.keys().filter(|id| !sees(*id)) {
            for seen in &shows {
                let session = self.sessions.get_mut(id);
                if session.is_some_and(|session| session.takes(seen)) {
                    let address = Arc::clone(&known.address);
                    self.out.push_back(presence_for(*id, address, seen));
                }
            }
        }
    }

    fn end_interest(&mut self, watcher: &BareJid, contact: &BareJid) -> Vec<Arc<Seen>> {
        let (slot, gone) = self.interests.unwatch(contact, watcher);
        if let Some(slot) = slot {
            let (contact, watcher) = (contact.clone(), watcher.clone());
            self.tell_owner(slot, ToOwner::Unwatch { contact, watcher });
        }
        gone
    }

    /// Presence is for available clients only: when the last one here is gone, so is the interest.
    pub(crate) fn stop_watching_if_unavailable(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let user = session.user.clone();
        self.end_leases_of(id);
        if self.is_available(&user) {
            return;
        }
        let Some(known) = self.users.get_mut(&user) else {
            return;
        };
        if std::mem::take(&mut known.watching) {
            for contact in known.watched() {
                // The answer to an ask says what becomes of it.
                if !self.is_wanted(&contact, &user) {
                    self.end_interest(&user, &contact);
                }
            }
        }
    }

    /// A client has become available. The first of its user here begins to watch whom the user was
    /// last said to see (the owner may not notice, if it changed meanwhile); a later one is shown
    /// what the others have been shown, and of itself what it has just said, when the owner says it.
    pub(crate) fn became_available(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let Some(user) = self.users.get_mut(&session.user) else {
            return;
        };
        if !std::mem::replace(&mut user.watching, true) {
            let watcher = session.user.clone();
            let contacts = user.watched();
            // Of whom it has asked to see as well, the owner says again only what is new.
            let wanted = |contact: &&Arc<BareJid>| user.leases.contains_key(&***contact);
            let kept = contacts.iter().filter(wanted).cloned().collect();
            self.begin_interests(&watcher, contacts);
            return self.show_known(id, kept);
        }
        let contacts = user.watched();
        self.show_known(id, contacts);
    }

    /// Shows a client what its user has been shown of others.
    fn show_known(&mut self, id: SessionId, contacts: Vec<Arc<BareJid>>) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let Some(user) = self.users.get(&session.user) else {
            return;
        };
        for contact in contacts {
            let seen = self.interests.seen(&contact, &session.user).iter();
            for seen in seen.filter(|seen| !session.is_from(seen)) {
                let address = user.address.clone();
                self.out.push_back(presence_for(id, address, seen));
            }
        }
    }

    /// What a new owner says again is not shown again: who came in between, under an address that
    /// was seen before, would not see itself.
    pub(crate) fn show_itself(&mut self, jid: &BareJid) {
        let Some(user) = self.users.get(jid) else {
            return;
        };
        for id in user.sessions.keys() {
            let session = self.sessions.get_mut(id);
            let Some(session) = session.filter(|session| session.misses_itself()) else {
                continue;
            };
            let mut own = self.interests.seen(jid, jid).iter();
            if let Some(seen) = own.find(|seen| session.is_from(seen)) {
                session.sees_itself = true;
                let address = user.address.clone();
                self.out.push_back(presence_for(*id, address, seen));
            }
        }
    }

    /// The owner of `slot` was announced what its users' clients said last. Of what it knows already
    /// it says nothing.
    pub(crate) fn show_themselves(&mut self, slot: SlotId) {
        let of_slot = self
            .sessions
            .values()
            .filter(|session| session.slot == slot);
        let missing = of_slot.filter(|session| session.misses_itself());
        let users: BTreeSet<_> = missing.map(|session| session.user.clone()).collect();
        for user in users {
            self.show_itself(&user);
        }
    }

    pub(crate) fn show(&mut self, shows: Vec<Show>) {
        for (watcher, seen) in shows {
            let Some(user) = self.users.get(&*watcher) else {
                continue;
            };
            let lessees = user.lessees(&seen.from);
            for id in user.sessions.keys() {
                if lessees.is_none_or(|lessees| lessees.contains_key(id))
                    && self
                        .sessions
                        .get_mut(id)
                        .is_some_and(|session| session.takes(&seen))
                {
                    self.out
                        .push_back(presence_for(*id, user.address.clone(), &seen));
                }
            }
        }
    }

    /// Whether any client of the user here is available.
    fn is_available(&self, user: &BareJid) -> bool {
        let is_available = |id| self.sessions.get(id).is_some_and(|one| one.is_available());
        self.users
            .get(user)
            .is_some_and(|user| user.sessions.keys().any(is_available))
    }

    /// Accounts or domains changed: contacts may have appeared.
    pub(crate) fn directory_changed(&mut self, directory: Arc<dyn Directory>) {
        let found = self
            .interests
            .find_homes(&|contact| directory.account_slot(contact));
        self.directory = directory;
        self.ask(found);
    }
}

pub(crate) fn presence_for(session: SessionId, to: Arc<muster_types::Jid>, seen: &Seen) -> Output {
    let (stanza, key) = (seen.encoded(), Some(seen.from.clone()));
    Output::Deliver {
        session,
        stanza,
        to: Some(to),
        key,
    }
}
