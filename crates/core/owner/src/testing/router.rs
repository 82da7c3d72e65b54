//! The router's side of a node, as far as an owner can tell.

use super::{Net, ONE, TWO};
use crate::{Accounts, Body, Input};
use muster_envelope::{
    AnnouncedSession, Announcement, Envelope, ItemNews, Notice, PresenceBatch, TemporaryOutcome,
    ToNode, ToOwner, WatchRequest,
};
use muster_stanza::PresenceType;
use muster_types::{Bare as _, BareJid, Epoch, LogIndex, Machine, NodeId, SessionId, SlotId};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Net {
    /// A node learns of an owner: its replicas do, and it announces what it has.
    pub(super) fn opened(&mut self, slot: SlotId, epoch: Epoch, owner: NodeId, at: NodeId) {
        self.owners.insert(slot, (epoch, owner));
        for replica_slot in [ONE, TWO] {
            if let Some(replica) = self.replicas.get_mut(&(replica_slot, at)) {
                replica.handle(
                    self.now,
                    Input::OwnerKnown {
                        slot,
                        node: owner,
                        epoch,
                    },
                );
                self.drain(replica_slot, at);
            }
        }
        if !self.silent.contains(&at) {
            let announcement = self.announcement(slot, at);
            self.hand(
                slot,
                owner,
                at,
                epoch,
                Body::ToOwner(ToOwner::Announce(announcement)),
            );
        }
    }

    fn announcement(&self, slot: SlotId, at: NodeId) -> Announcement {
        let node = &self.nodes[&at];
        let of_slot = |user: &BareJid| self.accounts.slot_of(user) == Some(slot);
        let sessions = node
            .clients
            .iter()
            .filter(|(_, client)| of_slot(&client.jid.bare()));
        let watches = node
            .watches
            .iter()
            .filter(|((contact, _), _)| of_slot(contact));
        Announcement {
            sessions: sessions
                .map(|(session, client)| AnnouncedSession {
                    leaving: false,
                    session: *session,
                    jid: client.jid.clone(),
                    presence: client.presence.clone(),
                    said_ms_ago: u64::try_from(self.now.since(client.said).as_millis()).unwrap(),
                    interested: client.interested,
                })
                .collect(),
            watches: watches
                .map(|((contact, watcher), shown)| WatchRequest {
                    contact: contact.clone(),
                    watcher: watcher.clone(),
                    known: shown.version,
                    temporary: shown.temporary,
                })
                .collect(),
            heard: node.heard.get(&slot).copied(),
            first: true,
            last: true,
        }
    }

    pub(super) fn node_gets(&mut self, at: NodeId, body: ToNode) {
        match body {
            ToNode::Bound { session, outcome } => drop(self.bound.insert(session, outcome)),
            ToNode::Deliver { sessions, stanza } => {
                let text = String::from_utf8(stanza.encode().to_vec()).unwrap();
                for session in sessions {
                    if self.nodes[&at].clients.contains_key(&session) {
                        self.got.entry(session).or_default().push(text.clone());
                    }
                }
            }
            ToNode::Confirm { session, serial } => drop(self.confirmed.insert(session, serial)),
            ToNode::Published { .. } => (),
            ToNode::Presence(batch) => {
                self.news.insert(batch.presentity.clone());
                self.show(at, batch);
            }
            ToNode::Answers(batches) => {
                for batch in batches {
                    self.answered.insert(batch.presentity.clone());
                    self.show(at, batch);
                }
            }
            ToNode::ContactsDigests(digests) => self.ask_contacts(at, digests),
            ToNode::Contacts { session, contacts } => {
                let Some(client) = self.nodes[&at].clients.get(&session) else {
                    return;
                };
                let watcher = client.jid.bare();
                for contact in contacts {
                    self.watch(at, contact, watcher.clone());
                }
            }
            ToNode::Notice(Notice::Sees { user, contact }) => self.watch(at, contact, user),
            ToNode::Notice(Notice::SeesNoMore { user, contact }) => {
                self.sees_no_more(at, user, contact);
            }
            ToNode::Temporary {
                watcher,
                contact,
                outcome,
                ..
            } => self.temporary_answered(at, contact, watcher, outcome),
            ToNode::Item { news, watchers } => self.item(at, &news, &watchers),
            ToNode::Items {
                session,
                news,
                up_to,
            } => self.items(at, session, &news, up_to),
            ToNode::Access { user, access } => drop(self.access.insert((at, user), access)),
            ToNode::Interested { session } => {
                if let Some(client) = self.nodes.get_mut(&at).unwrap().clients.get_mut(&session) {
                    client.interested = true;
                }
            }
            ToNode::Replaced { session } => self.replaced(at, session),
        }
    }

    /// Who has a temporary subscription sees the contact on.
    fn sees_no_more(&mut self, at: NodeId, user: BareJid, contact: BareJid) {
        let watches = &mut self.nodes.get_mut(&at).unwrap().watches;
        let pair = (contact, user);
        if watches.get(&pair).is_some_and(|shown| shown.temporary) {
            return;
        }
        let gone = watches.remove(&pair);
        let (contact, watcher) = pair;
        for resource in gone.into_iter().flat_map(|shown| shown.resources) {
            self.line(at, &watcher, format!("{contact}/{resource} unavailable"));
        }
        self.tell_owner(at, &contact.clone(), ToOwner::Unwatch { contact, watcher });
    }

    fn temporary_answered(
        &mut self,
        at: NodeId,
        contact: BareJid,
        watcher: BareJid,
        outcome: TemporaryOutcome,
    ) {
        if outcome == TemporaryOutcome::Granted {
            let watches = &mut self.nodes.get_mut(&at).unwrap().watches;
            watches.entry((contact, watcher)).or_default().temporary = true;
        }
        self.temporary.push(outcome);
    }

    fn item(&mut self, at: NodeId, news: &ItemNews, watchers: &[Arc<BareJid>]) {
        let node = self.nodes.get_mut(&at).unwrap();
        for heard in node.heard.values_mut() {
            *heard = (*heard).max(news.at);
        }
        for watcher in watchers {
            self.line(at, watcher, told(news));
        }
    }

    fn items(
        &mut self,
        at: NodeId,
        session: SessionId,
        news: &[ItemNews],
        up_to: Option<LogIndex>,
    ) {
        let got = self.got.entry(session).or_default();
        got.extend(news.iter().map(told));
        if let Some(up_to) = up_to {
            self.nodes.get_mut(&at).unwrap().heard.insert(ONE, up_to);
        }
    }

    fn replaced(&mut self, at: NodeId, session: SessionId) {
        let gone = self.nodes.get_mut(&at).unwrap().clients.remove(&session);
        if let Some(client) = gone {
            self.watch_itself(at, &client.jid.bare());
        }
        let got = self.got.entry(session).or_default();
        got.push("conflict".to_owned());
    }

    /// A node of the tests never knows whom its users see.
    fn ask_contacts(&mut self, at: NodeId, digests: Vec<(SessionId, u64)>) {
        let sessions: Vec<_> = digests.into_iter().map(|(session, _)| session).collect();
        let clients = &self.nodes[&at].clients;
        if let Some(client) = sessions.first().and_then(|first| clients.get(first)) {
            let user = client.jid.bare();
            self.tell_owner(at, &user, ToOwner::AskContacts(sessions));
        }
    }

    fn watch(&mut self, at: NodeId, contact: BareJid, watcher: BareJid) {
        let watches = &mut self.nodes.get_mut(&at).unwrap().watches;
        let shown = watches
            .entry((contact.clone(), watcher.clone()))
            .or_default();
        let request = WatchRequest {
            contact: contact.clone(),
            watcher,
            known: shown.version,
            temporary: shown.temporary,
        };
        self.tell_owner(at, &contact, ToOwner::Watch(vec![request]));
    }

    /// A user's clients on a node see its other ones while one of them is available.
    pub(super) fn watch_itself(&mut self, at: NodeId, user: &BareJid) {
        let node = self.nodes.get_mut(&at).unwrap();
        let mut clients = node.clients.values();
        let available =
            clients.any(|client| client.jid.bare() == *user && client.presence.is_some());
        let pair = (user.clone(), user.clone());
        if available && !node.watches.contains_key(&pair) {
            self.watch(at, user.clone(), user.clone());
        } else if !available && node.watches.remove(&pair).is_some() {
            let (contact, watcher) = pair;
            self.tell_owner(at, user, ToOwner::Unwatch { contact, watcher });
        }
    }

    fn show(&mut self, at: NodeId, batch: PresenceBatch) {
        let PresenceBatch {
            presentity,
            version,
            resources,
            full,
            watchers,
        } = batch;
        for watcher in watchers {
            let watches = &mut self.nodes.get_mut(&at).unwrap().watches;
            let Some(shown) = watches.get_mut(&(presentity.clone(), (*watcher).clone())) else {
                continue;
            };
            if shown
                .version
                .is_some_and(|known| known > version || known == version && !full)
            {
                continue;
            }
            shown.version = Some(version);
            let mut lines = Vec::new();
            let here: BTreeSet<_> = resources.iter().map(|one| one.resource.clone()).collect();
            for gone in shown.resources.clone().difference(&here).filter(|_| full) {
                shown.resources.remove(gone);
                lines.push(format!("{presentity}/{gone} unavailable"));
            }
            for one in &resources {
                if one.stanza.presence_type() == Some(PresenceType::Available) {
                    shown.resources.insert(one.resource.clone());
                    let content = String::from_utf8_lossy(&one.stanza.content).into_owned();
                    lines.push(
                        format!("{presentity}/{} available {content}", one.resource)
                            .trim_end()
                            .to_owned(),
                    );
                } else if shown.resources.remove(&one.resource) {
                    lines.push(format!("{presentity}/{} unavailable", one.resource));
                }
            }
            for line in lines {
                self.line(at, &watcher, line);
            }
        }
    }

    /// Shows a presence to every available client of a watcher on a node.
    fn line(&mut self, at: NodeId, watcher: &BareJid, line: String) {
        for (session, client) in &self.nodes[&at].clients {
            if client.jid.bare() == *watcher && client.presence.is_some() {
                self.got.entry(*session).or_default().push(line.clone());
            }
        }
    }

    pub(super) fn tell_owner(&mut self, at: NodeId, user: &BareJid, body: ToOwner) {
        let Some(slot) = self.accounts.slot_of(user) else {
            return;
        };
        self.tell_slot(at, slot, body);
    }

    pub(super) fn tell_slot(&mut self, at: NodeId, slot: SlotId, body: ToOwner) {
        let Some((epoch, owner)) = self.owners.get(&slot).copied() else {
            return;
        };
        self.carry(at, owner, Envelope::ToOwner { slot, epoch, body });
        self.settle();
    }
}

/// News of an item as the tests read it: whose, and the message's content.
fn told(news: &ItemNews) -> String {
    let from = news.message.from.as_ref().unwrap();
    let content = String::from_utf8_lossy(&news.message.content);
    format!("{from}: {content}")
}
