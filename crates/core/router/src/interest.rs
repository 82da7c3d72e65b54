//! Whose presence this node's users watch, and what each of them was last shown.
//!
//! Presence is a register: the newest replaces the older. Permission is each watcher's own, so
//! what was shown is kept for each (contact, watcher). But as a rule all watchers of a contact were
//! shown the same: then it is kept once, and worked out once.

use crate::batch::Batch;
use crate::shown::{Outcome, Seen, Shown, Step};
use muster_envelope::WatchRequest;
use muster_presence::Version;
use muster_types::{Addresses, BareJid, SlotId, SortedMap};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Debug)]
struct Contact {
    /// Where the contact's owner is; `None` while no such account is known.
    slot: Option<SlotId>,
    watchers: SortedMap<Arc<BareJid>, Arc<Shown>>,
    /// What somebody was shown last.
    last: Arc<Shown>,
}

/// All (contact, watcher) pairs of this node.
#[derive(Debug, Default)]
pub(crate) struct Interests {
    contacts: BTreeMap<Arc<BareJid>, Contact>,
    /// Contacts that are no known account: looked for again when the directory changes.
    homeless: BTreeSet<Arc<BareJid>>,
    addresses: Addresses,
    /// What everybody was shown who was shown nothing yet.
    nothing: Arc<Shown>,
}

/// One presence for one watcher.
pub(crate) type Show = (Arc<BareJid>, Arc<Seen>);

impl Interests {
    /// The one copy of an address, for who keeps a list of whom it watches.
    pub(crate) fn share(&mut self, address: &BareJid) -> Arc<BareJid> {
        self.addresses.share(address)
    }

    /// Begins to watch. The owner of `slot` has to be asked.
    pub(crate) fn watch(&mut self, contact: &BareJid, watcher: &BareJid, slot: Option<SlotId>) {
        if slot.is_none() {
            self.homeless.insert(self.addresses.share(contact));
        }
        let watcher = self.addresses.share(watcher);
        let known = match self.contacts.get_mut(contact) {
            Some(known) => known,
            None => {
                let contact = self.addresses.share(contact);
                self.contacts.entry(contact).or_insert(Contact {
                    slot,
                    watchers: SortedMap::new(),
                    last: Arc::clone(&self.nothing),
                })
            }
        };
        let nothing = &self.nothing;
        known
            .watchers
            .get_or_insert_with(watcher, || Arc::clone(nothing));
    }

    /// Stops watching. Answers the contact's slot and what the watcher was still shown.
    pub(crate) fn unwatch(
        &mut self,
        contact: &BareJid,
        watcher: &BareJid,
    ) -> (Option<SlotId>, Vec<Arc<Seen>>) {
        let Some(known) = self.contacts.get_mut(contact) else {
            return (None, Vec::new());
        };
        let shown = known.watchers.remove(watcher);
        let shown = shown.map_or_else(Vec::new, |shown| {
            shown.available.iter().map(|seen| seen.gone()).collect()
        });
        let slot = known.slot;
        if known.watchers.is_empty() {
            self.contacts.remove(contact);
            self.homeless.remove(contact);
        }
        (slot, shown)
    }

    /// Which state of `contact` the watcher was shown last.
    pub(crate) fn version(&self, contact: &BareJid, watcher: &BareJid) -> Option<Version> {
        self.contacts.get(contact)?.watchers.get(watcher)?.version
    }

    /// What `watcher` sees of `contact` now.
    pub(crate) fn seen(&self, contact: &BareJid, watcher: &BareJid) -> &[Arc<Seen>] {
        self.contacts
            .get(contact)
            .and_then(|contact| contact.watchers.get(watcher))
            .map_or(&[], |shown| &shown.available)
    }

    /// Takes an owner's news; answers what each watcher is to be shown.
    pub(crate) fn take(&mut self, batch: Batch) -> Vec<Show> {
        self.take_in(batch, false)
    }

    /// The same of an answer: what a watcher was shown before and is the same is not shown again.
    pub(crate) fn take_answer(&mut self, batch: Batch) -> Vec<Show> {
        self.take_in(batch, true)
    }

    fn take_in(&mut self, Batch { news, watchers }: Batch, answer: bool) -> Vec<Show> {
        let Some(contact) = self.contacts.get_mut(&news.presentity) else {
            return Vec::new();
        };
        let resources = news.resources.iter();
        let step = Step {
            version: news.version,
            news: resources.map(|one| contact.last.seen(one)).collect(),
            full: news.full,
            answer,
        };
        let mut shows = Vec::new();
        // Whoever was shown the same is shown the same.
        let mut worked_out: Option<(Arc<Shown>, Outcome)> = None;
        for watcher in watchers {
            let Some((watcher, shown)) = contact.watchers.get_entry_mut(&*watcher) else {
                continue;
            };
            let before = Arc::clone(shown);
            let outcome = match &worked_out {
                Some((same, outcome)) if Arc::ptr_eq(same, &before) => outcome,
                _ => {
                    let Some(outcome) = before.after(&step, &contact.last) else {
                        continue;
                    };
                    contact.last = Arc::clone(&outcome.shown);
                    &worked_out.insert((before, outcome)).1
                }
            };
            let changes = outcome.changes.iter();
            shows.extend(changes.map(|seen| (Arc::clone(watcher), Arc::clone(seen))));
            *shown = Arc::clone(&outcome.shown);
        }
        shows
    }

    /// The owner of `slot` stayed away too long: nothing is known any more. Answers the
    /// unavailables to show, once; the next owner is asked anew.
    pub(crate) fn forget(&mut self, slot: SlotId) -> Vec<Show> {
        let mut shows = Vec::new();
        for contact in self
            .contacts
            .values_mut()
            .filter(|contact| contact.slot == Some(slot))
        {
            for (watcher, shown) in contact.watchers.iter_mut() {
                let shown = std::mem::replace(shown, Arc::clone(&self.nothing));
                let gone = shown.available.iter();
                shows.extend(gone.map(|seen| (Arc::clone(watcher), seen.gone())));
            }
            contact.last = Arc::clone(&self.nothing);
        }
        shows
    }

    /// What a (new) owner of `slot` is asked; `is_temporary` knows which watchers of contacts have a temporary
    /// subscription.
    pub(crate) fn requests(
        &self,
        slot: SlotId,
        is_temporary: &dyn Fn(&BareJid, &BareJid) -> bool,
    ) -> Vec<WatchRequest> {
        let of_slot = self
            .contacts
            .iter()
            .filter(|(_, contact)| contact.slot == Some(slot));
        of_slot
            .flat_map(|(contact, known)| {
                known.watchers.iter().map(|(watcher, shown)| WatchRequest {
                    contact: (**contact).clone(),
                    watcher: (**watcher).clone(),
                    known: shown.version,
                    temporary: is_temporary(contact, watcher),
                })
            })
            .collect()
    }

    /// Looks again for contacts without an account; answers the slots that were found, with what
    /// their owners are to be asked.
    pub(crate) fn find_homes(
        &mut self,
        find: &dyn Fn(&BareJid) -> Option<SlotId>,
    ) -> BTreeMap<SlotId, Vec<WatchRequest>> {
        let mut found: BTreeMap<SlotId, Vec<WatchRequest>> = BTreeMap::new();
        let contacts = &mut self.contacts;
        self.homeless.retain(|jid| {
            let (Some(slot), Some(contact)) = (find(jid), contacts.get_mut(jid)) else {
                return true;
            };
            contact.slot = Some(slot);
            found
                .entry(slot)
                .or_default()
                .extend(contact.watchers.keys().map(|watcher| WatchRequest {
                    contact: (**jid).clone(),
                    watcher: (**watcher).clone(),
                    known: None,
                    // Who asks for a while names an account.
                    temporary: false,
                }));
            false
        });
        found
    }
}
