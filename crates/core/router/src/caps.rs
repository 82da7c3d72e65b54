//! XEP-0115 and XEP-0163 §4.3.2: of which nodes clients want to be notified. A client's presence says what stands
//! for its capabilities; it is asked once what they are, and what it answers holds for every other client that says
//! the same, if the hash proves it.

use crate::{Output, Router};
use muster_envelope::{AskItems, ItemNews, ToOwner};
use muster_stanza::{Encoded, IqType, Stanza, Writer, ns};
use muster_types::{BareJid, Instant, Jid, LogIndex, SessionId, SlotId, SortedMap};
use muster_xep::{Caps, notified_of};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Capabilities of which is remembered what they are: some for each version of each client there is. The oldest
/// goes when there are more, and its clients are asked again.
const REMEMBERED_MAX: usize = 1_000;
/// Contacts in one question: some 10 KB with long addresses.
const CONTACTS_PER_MESSAGE: usize = 200;

/// The nodes of which clients want to be notified.
type Notify = Arc<BTreeSet<String>>;

/// What one client wants.
#[derive(Debug)]
pub(crate) struct Wishes {
    caps: Arc<Caps>,
    /// Nothing until it is known.
    notify: Option<Notify>,
    /// The id of the question it was asked.
    asked: Option<String>,
    /// Questions to owners that are not answered.
    unanswered: BTreeMap<SlotId, usize>,
    /// Whether everything is to be asked once more when they are: a client that goes and comes all the time
    /// costs an owner no more than one that waits for its answers.
    again: bool,
}

impl Wishes {
    fn wants(&self, node: &str) -> bool {
        self.notify.as_ref().is_some_and(|all| all.contains(node))
    }
}

/// What is known of capabilities, and of what owners have told of items.
#[derive(Debug, Default)]
pub(crate) struct KnownCaps {
    /// By hash and what it comes to.
    verified: BTreeMap<(Option<String>, String), (Arc<Caps>, Notify)>,
    order: VecDeque<(Option<String>, String)>,
    /// Counts the questions to clients.
    questions: u64,
    /// The last change of an item that the owner of a slot has told of.
    heard: BTreeMap<SlotId, LogIndex>,
}

impl KnownCaps {
    fn find(&self, caps: &Caps) -> Option<(Arc<Caps>, Notify)> {
        let key = (caps.hash.clone(), caps.ver.clone());
        self.verified.get(&key).cloned()
    }

    fn remember(&mut self, caps: &Arc<Caps>, notify: &Notify) {
        let key = (caps.hash.clone(), caps.ver.clone());
        if self.verified.contains_key(&key) {
            return;
        }
        let entry = (Arc::clone(caps), Arc::clone(notify));
        if self.verified.insert(key.clone(), entry).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.verified.remove(&oldest);
        }
    }

    /// What a new owner of a slot is told of that.
    pub(crate) fn heard(&self, slot: SlotId) -> Option<LogIndex> {
        self.heard.get(&slot).copied()
    }
}

impl Router {
    /// A client says what stands for its capabilities. Whether it is known by that what it wants, and was not
    /// before. Presence without them says nothing new.
    pub(crate) fn note_caps(&mut self, now: Instant, id: SessionId, presence: &Stanza) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else {
            return false;
        };
        let Some(caps) = Caps::read(presence) else {
            return false;
        };
        let known = session.wishes.as_ref();
        if known.is_some_and(|wishes| *wishes.caps == caps) {
            return false;
        }
        let found = self.caps.find(&caps);
        let is_known = found.is_some();
        let (caps, notify) = match found {
            // What another software of the same hash calls itself makes no difference.
            Some((same, notify)) if *same == caps => (same, Some(notify)),
            Some((_, notify)) => (Arc::new(caps), Some(notify)),
            None => (Arc::new(caps), None),
        };
        let mut wishes = Box::new(Wishes {
            caps,
            notify,
            asked: None,
            unanswered: known
                .map(|known| known.unanswered.clone())
                .unwrap_or_default(),
            again: false,
        });
        if !is_known {
            self.caps.questions += 1;
            wishes.asked = Some(format!("caps{}", self.caps.questions));
        }
        session.wishes = Some(wishes);
        self.ask_client(now, id);
        is_known
    }

    /// XEP-0115 §6.2.
    fn ask_client(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let (Some(jid), Some(wishes)) = (session.bound(), &session.wishes) else {
            return;
        };
        let Some(question) = &wishes.asked else {
            return;
        };
        let mut query = Writer::new();
        query.start("query").attr("xmlns", ns::DISCO_INFO);
        query.attr("node", &wishes.caps.disco_node()).end();
        let question = Stanza::iq(IqType::Get, question.clone())
            .with_from(Jid::from_parts(None, jid.domain(), None))
            .with_to(jid.clone())
            .with_content(query.finish());
        self.deliver(now, id, question);
    }

    /// A client answers what it was asked here. False when it answers somebody else.
    pub(crate) fn answered_caps(&mut self, id: SessionId, answer: &Stanza) -> bool {
        let for_us = answer.to.as_ref().is_none_or(|to| to.node().is_none());
        let Some(session) = self.sessions.get_mut(&id).filter(|_| for_us) else {
            return false;
        };
        let Some(wishes) = &mut session.wishes else {
            return false;
        };
        if wishes.asked.is_none() || wishes.asked != answer.id {
            return false;
        }
        wishes.asked = None;
        let query = answer.child("query", ns::DISCO_INFO);
        let query = query.filter(|_| answer.iq_type() == Some(IqType::Result));
        let notify: Notify = query.as_ref().map(notified_of).unwrap_or_default().into();
        wishes.notify = Some(Arc::clone(&notify));
        if query.is_some_and(|query| wishes.caps.are_those_of(&query)) {
            self.caps.remember(&wishes.caps, &notify);
        }
        self.ask_all_items(id);
        true
    }

    /// A client has become available, or what it wants is known now: it is told what there is.
    pub(crate) fn ask_all_items(&mut self, id: SessionId) {
        let user = self.sessions.get(&id).map(|session| &session.user);
        let Some(user) = user.and_then(|user| self.users.get(user)) else {
            return;
        };
        let watched = user.watched();
        let wishes = self
            .sessions
            .get_mut(&id)
            .and_then(|session| session.wishes.as_mut());
        let Some(wishes) = wishes else {
            return;
        };
        wishes.again = !wishes.unanswered.is_empty();
        if !wishes.again {
            self.ask_items(id, &watched);
        }
    }

    /// Clients of a user see these contacts too.
    pub(crate) fn ask_items_of(&mut self, user: &BareJid, contacts: &[Arc<BareJid>]) {
        let sessions = self.users.get(user).map(|user| user.sessions.clone());
        for (id, ()) in sessions.unwrap_or_default() {
            self.ask_items(id, contacts);
        }
    }

    fn ask_items(&mut self, id: SessionId, contacts: &[Arc<BareJid>]) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let is_available = session.is_available();
        let Some(wishes) = session.wishes.as_mut().filter(|_| is_available) else {
            return;
        };
        let notify = wishes.notify.iter().flat_map(|all| all.iter());
        let nodes: Vec<String> = notify.cloned().collect();
        if nodes.is_empty() {
            return;
        }
        let mut by_slot: BTreeMap<SlotId, Vec<BareJid>> = BTreeMap::new();
        for contact in contacts {
            if let Some(slot) = self.directory.account_slot(contact) {
                by_slot.entry(slot).or_default().push((**contact).clone());
            }
        }
        let mut said = Vec::new();
        for (slot, contacts) in by_slot {
            for part in contacts.chunks(CONTACTS_PER_MESSAGE) {
                *wishes.unanswered.entry(slot).or_default() += 1;
                let question = AskItems {
                    session: id,
                    watcher: session.user.clone(),
                    nodes: nodes.clone(),
                    contacts: part.to_vec(),
                };
                said.push((slot, question));
            }
        }
        for (slot, question) in said {
            // Without an owner it stays unanswered, and the next one is asked.
            self.tell_owner(slot, ToOwner::AskItems(question));
        }
    }

    /// A new owner of a slot is asked what the last one has not answered.
    pub(crate) fn ask_items_again(&mut self, slot: SlotId) {
        let open = |session: &mut crate::session::Session| {
            let wishes = session.wishes.as_mut();
            wishes.is_some_and(|wishes| wishes.unanswered.remove(&slot).is_some())
        };
        let sessions = self.sessions.iter_mut();
        let again = sessions.filter_map(|(id, session)| open(session).then_some(*id));
        for id in again.collect::<Vec<_>>() {
            let user = self.sessions.get(&id).map(|session| &session.user);
            let Some(user) = user.and_then(|user| self.users.get(user)) else {
                continue;
            };
            let mut contacts = user.watched();
            contacts.retain(|contact| self.directory.account_slot(contact) == Some(slot));
            self.ask_items(id, &contacts);
        }
    }

    /// A node of somebody's account changed.
    pub(crate) fn item(&mut self, slot: SlotId, news: &ItemNews, watchers: &[Arc<BareJid>]) {
        if let Some(heard) = self.caps.heard.get_mut(&slot) {
            *heard = (*heard).max(news.at);
        }
        let encoded = news.message.encode();
        for watcher in watchers {
            let sessions = self.users.get(&**watcher).map(|user| &user.sessions);
            for id in sessions.into_iter().flat_map(SortedMap::keys) {
                self.out.extend(self.item_for(*id, &news.node, &encoded));
            }
        }
    }

    /// What there is, for a client that came or wants more.
    pub(crate) fn items(
        &mut self,
        slot: SlotId,
        id: SessionId,
        news: &[ItemNews],
        up_to: Option<LogIndex>,
    ) {
        for news in news {
            let encoded = news.message.encode();
            self.out.extend(self.item_for(id, &news.node, &encoded));
        }
        let Some(up_to) = up_to else { return };
        let heard = self.caps.heard.entry(slot).or_default();
        *heard = (*heard).max(up_to);
        let session = self.sessions.get_mut(&id);
        let Some(wishes) = session.and_then(|session| session.wishes.as_mut()) else {
            return;
        };
        if let Some(left) = wishes.unanswered.get_mut(&slot) {
            *left -= 1;
            if *left == 0 {
                wishes.unanswered.remove(&slot);
            }
        }
        if wishes.again && wishes.unanswered.is_empty() {
            self.ask_all_items(id);
        }
    }

    fn item_for(&self, id: SessionId, node: &str, message: &Encoded) -> Option<Output> {
        let session = self.sessions.get(&id)?;
        let wants = session.wishes.as_ref()?.wants(node) && session.is_available();
        let to = session.bound().filter(|_| wants)?;
        Some(Output::Deliver {
            session: id,
            stanza: message.clone(),
            to: Some(Arc::new(Jid::from(to.clone()))),
            key: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_answers_are_remembered_and_the_oldest_goes() {
        let caps = |number: usize| Caps {
            node: "urn:client".to_owned(),
            hash: Some("sha-1".to_owned()),
            ver: number.to_string(),
        };
        let mut known = KnownCaps::default();
        for number in 0..=REMEMBERED_MAX {
            known.remember(&Arc::new(caps(number)), &Notify::default());
        }
        known.remember(&Arc::new(caps(REMEMBERED_MAX)), &Notify::default());
        assert!(known.find(&caps(0)).is_none());
        assert!(known.find(&caps(1)).is_some() && known.find(&caps(REMEMBERED_MAX)).is_some());
        assert_eq!(known.verified.len(), REMEMBERED_MAX);
    }
}
