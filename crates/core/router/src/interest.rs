//! Whose presence this node's users watch, and what each of them was last shown.
//!
//! Presence is a register: the newest replaces the older. Permission is each watcher's own, so
//! what was shown is kept for each (contact, watcher); the bytes are shared.

use muster_envelope::{PresenceBatch, WatchRequest};
use muster_presence::Version;
use muster_stanza::{Encoded, PresenceType, Stanza};
use muster_types::{BareJid, FullJid, SlotId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The presence of one resource, serialised once for everybody who sees it.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) from: Arc<FullJid>,
    pub(crate) encoded: Encoded,
    stanza: Stanza,
}

impl Seen {
    fn new(from: Arc<FullJid>, stanza: Stanza) -> Arc<Self> {
        let encoded = stanza.encode();
        Arc::new(Self {
            from,
            encoded,
            stanza,
        })
    }

    /// The same resource, gone.
    fn gone(&self) -> Arc<Self> {
        let stanza = Stanza::presence(PresenceType::Unavailable).with_from((*self.from).clone());
        Self::new(Arc::clone(&self.from), stanza)
    }

    pub(crate) fn is_available(&self) -> bool {
        self.stanza.presence_type() == Some(PresenceType::Available)
    }
}

/// What one watcher was last shown of one contact.
#[derive(Debug, Default)]
struct Shown {
    version: Option<Version>,
    available: Vec<Arc<Seen>>,
}

#[derive(Debug)]
struct Contact {
    /// Where the contact's owner is; `None` while no such account is known.
    slot: Option<SlotId>,
    watchers: BTreeMap<BareJid, Shown>,
}

/// All (contact, watcher) pairs of this node.
#[derive(Debug, Default)]
pub(crate) struct Interests {
    contacts: BTreeMap<BareJid, Contact>,
    /// Contacts that are no known account: looked for again when the directory changes.
    homeless: BTreeSet<BareJid>,
}

/// One presence for one watcher.
pub(crate) type Show = (BareJid, Arc<Seen>);

impl Interests {
    /// Begins to watch. The owner of `slot` has to be asked.
    pub(crate) fn watch(&mut self, contact: &BareJid, watcher: &BareJid, slot: Option<SlotId>) {
        if slot.is_none() {
            self.homeless.insert(contact.clone());
        }
        self.contacts
            .entry(contact.clone())
            .or_insert_with(|| Contact {
                slot,
                watchers: BTreeMap::new(),
            })
            .watchers
            .entry(watcher.clone())
            .or_default();
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
        let shown = known.watchers.remove(watcher).unwrap_or_default();
        let slot = known.slot;
        if known.watchers.is_empty() {
            self.contacts.remove(contact);
            self.homeless.remove(contact);
        }
        (
            slot,
            shown.available.iter().map(|seen| seen.gone()).collect(),
        )
    }

    /// What `watcher` sees of `contact` now.
    pub(crate) fn seen(&self, contact: &BareJid, watcher: &BareJid) -> &[Arc<Seen>] {
        self.contacts
            .get(contact)
            .and_then(|contact| contact.watchers.get(watcher))
            .map_or(&[], |shown| &shown.available)
    }

    /// Takes an owner's news; answers what each watcher is to be shown.
    pub(crate) fn take(&mut self, batch: PresenceBatch) -> Vec<Show> {
        self.take_in(batch, false)
    }

    /// The same of an answer: what a watcher was shown before and is the same is not shown again.
    pub(crate) fn take_answer(&mut self, batch: PresenceBatch) -> Vec<Show> {
        self.take_in(batch, true)
    }

    fn take_in(&mut self, batch: PresenceBatch, answer: bool) -> Vec<Show> {
        let Some(contact) = self.contacts.get_mut(&batch.presentity) else {
            return Vec::new();
        };
        let news: Vec<_> = batch
            .resources
            .into_iter()
            .map(|one| {
                let from = batch.presentity.with_resource(&one.resource);
                Seen::new(Arc::new(from), one.stanza)
            })
            .collect();
        let mut shows = Vec::new();
        for watcher in batch.watchers {
            let Some(shown) = contact.watchers.get_mut(&watcher) else {
                continue;
            };
            // News may have come between the request of a watcher and its complete answer, which is
            // no newer then.
            if shown
                .version
                .is_some_and(|known| known > batch.version || known == batch.version && !batch.full)
            {
                continue;
            }
            let before = shown.version.replace(batch.version);
            // A new owner says again what the old one said: watchers see nothing of a takeover.
            let again =
                answer || batch.full || before.is_some_and(|b| b.epoch != batch.version.epoch);
            let mut changes = if batch.full {
                shown.gone(&news)
            } else {
                Vec::new()
            };
            changes.extend(shown.update(&news, again));
            shows.extend(changes.into_iter().map(|seen| (watcher.clone(), seen)));
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
            for (watcher, shown) in &mut contact.watchers {
                let shown = std::mem::take(shown);
                shows.extend(
                    shown
                        .available
                        .iter()
                        .map(|seen| (watcher.clone(), seen.gone())),
                );
            }
        }
        shows
    }

    /// What a (new) owner of `slot` is asked.
    pub(crate) fn requests(&self, slot: SlotId) -> Vec<WatchRequest> {
        let of_slot = self
            .contacts
            .iter()
            .filter(|(_, contact)| contact.slot == Some(slot));
        of_slot
            .flat_map(|(contact, known)| {
                known.watchers.iter().map(|(watcher, shown)| WatchRequest {
                    contact: contact.clone(),
                    watcher: watcher.clone(),
                    known: shown.version,
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
                    contact: jid.clone(),
                    watcher: watcher.clone(),
                    known: None,
                }));
            false
        });
        found
    }
}

impl Shown {
    /// Some resources are news; answers what is to be shown. A resource never shown cannot go;
    /// with `again`, what is the same as before is not shown again.
    fn update(&mut self, news: &[Arc<Seen>], again: bool) -> Vec<Arc<Seen>> {
        let mut changes = Vec::new();
        for new in news {
            let before = self.available.iter().position(|old| old.from == new.from);
            match (before, new.is_available()) {
                (Some(at), true) if again && self.available[at].stanza == new.stanza => continue,
                (Some(at), true) => self.available[at] = Arc::clone(new),
                (None, true) => self.available.push(Arc::clone(new)),
                (Some(at), false) => drop(self.available.swap_remove(at)),
                (None, false) => continue,
            }
            changes.push(Arc::clone(new));
        }
        changes
    }

    /// Drops the resources that are not in `all` there is; answers their unavailables.
    fn gone(&mut self, all: &[Arc<Seen>]) -> Vec<Arc<Seen>> {
        let is_missing = |old: &mut Arc<Seen>| !all.iter().any(|new| new.from == old.from);
        self.available
            .extract_if(.., is_missing)
            .map(|old| old.gone())
            .collect()
    }
}
