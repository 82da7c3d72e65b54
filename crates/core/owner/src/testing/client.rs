//! What tests do: clients that come, speak and go.

use super::{Client, Net, ONE};
use crate::Accounts;
use muster_envelope::{TemporaryOutcome, ToOwner, WatchRequest};
use muster_stanza::{Element, PresenceType, Stanza};
use muster_types::{
    Bare as _, BareJid, FullJid, LogIndex, Machine, NodeId, ResourcePart, SessionId, SlotId,
};
use std::collections::BTreeMap;
use std::time::Duration;

impl Net {
    /// Binds a client on a node; its presence is not sent yet.
    pub(crate) fn bind(&mut self, at: NodeId, jid: &str) -> SessionId {
        let jid = FullJid::new(jid).unwrap();
        self.serial += 1;
        let session = SessionId {
            node: at,
            boot: self.boots[&at],
            serial: self.serial,
        };
        let client = Client {
            jid: jid.clone(),
            presence: None,
            said: self.now,
            interested: false,
            serials: BTreeMap::new(),
        };
        self.nodes
            .get_mut(&at)
            .unwrap()
            .clients
            .insert(session, client);
        let resource = jid.resource().to_owned();
        let (user, generated) = (
            jid.bare(),
            ResourcePart::new("generated").unwrap().into_owned(),
        );
        let wanted = Some(resource);
        self.tell_owner(
            at,
            &jid.bare(),
            ToOwner::Bind {
                session,
                user,
                wanted,
                generated,
            },
        );
        session
    }

    /// Binds a client that asks for the roster and becomes available.
    pub(crate) fn login(&mut self, at: NodeId, jid: &str) -> SessionId {
        let session = self.bind(at, jid);
        self.send(
            session,
            "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>",
        );
        self.publish(session, "");
        self.forget();
        session
    }

    pub(crate) fn jid(&self, session: SessionId) -> FullJid {
        self.nodes[&session.node].clients[&session].jid.clone()
    }

    pub(crate) fn publish(&mut self, session: SessionId, content: &str) {
        let presence =
            Stanza::presence(PresenceType::Available).with_content(content.as_bytes().to_vec());
        self.publish_stanza(session, presence);
    }

    pub(crate) fn publish_unavailable(&mut self, session: SessionId) {
        self.publish_stanza(session, Stanza::presence(PresenceType::Unavailable));
    }

    fn publish_stanza(&mut self, session: SessionId, presence: Stanza) {
        let jid = self.jid(session);
        let presence = presence.with_from(jid.clone());
        let client = self
            .nodes
            .get_mut(&session.node)
            .unwrap()
            .clients
            .get_mut(&session)
            .unwrap();
        client.said = self.now;
        client.presence =
            Some(presence.clone()).filter(|p| p.presence_type() == Some(PresenceType::Available));
        self.tell_owner(
            session.node,
            &jid.bare(),
            ToOwner::Publish { session, presence },
        );
        self.watch_itself(session.node, &jid.bare());
    }

    /// Ends a session: closed by its client, or cut off.
    pub(crate) fn leave(&mut self, session: SessionId, graceful: bool) {
        let jid = self.jid(session);
        self.nodes
            .get_mut(&session.node)
            .unwrap()
            .clients
            .remove(&session);
        self.tell_owner(
            session.node,
            &jid.bare(),
            ToOwner::Unbind { session, graceful },
        );
        self.watch_itself(session.node, &jid.bare());
    }

    /// Sends a stanza the way a router would.
    pub(crate) fn send(&mut self, session: SessionId, xml: &str) -> u64 {
        let jid = self.jid(session);
        let element = Element::parse(xml.as_bytes()).unwrap();
        let stanza = Stanza::from_element(&element)
            .unwrap()
            .with_from(jid.clone());
        let own = jid.bare();
        let to = stanza
            .to
            .as_ref()
            .map_or_else(|| own.clone(), |to| to.bare());
        let subscription = matches!(
            stanza.presence_type(),
            Some(
                PresenceType::Subscribe
                    | PresenceType::Subscribed
                    | PresenceType::Unsubscribe
                    | PresenceType::Unsubscribed
            )
        );
        let submit = subscription
            || (stanza.is_iq() && stanza.to.as_ref().is_none_or(|to| to.is_bare()) && to == own);
        let contact_slot = self.accounts.slot_of(&to);
        let Some(slot) = self.accounts.slot_of(if submit { &own } else { &to }) else {
            return 0;
        };
        let client = self
            .nodes
            .get_mut(&session.node)
            .unwrap()
            .clients
            .get_mut(&session)
            .unwrap();
        let serial = client.serials.entry(slot).or_default();
        *serial += 1;
        let serial = *serial;
        let body = if submit {
            ToOwner::Submit {
                session,
                serial,
                stanza,
                contact_slot,
            }
        } else {
            ToOwner::Route {
                session,
                serial,
                stanza,
            }
        };
        self.tell_slot(session.node, slot, body);
        serial
    }

    /// Sends anything to the owner of slot one.
    pub(crate) fn raw(&mut self, at: NodeId, body: ToOwner) {
        self.tell_slot(at, ONE, body);
    }

    /// A session asks to see a user for a while; what the owner says.
    pub(crate) fn watch_temporarily(
        &mut self,
        session: SessionId,
        contact: &str,
    ) -> TemporaryOutcome {
        let contact = BareJid::new(contact).unwrap();
        let watcher = self.jid(session).bare();
        let request = WatchRequest {
            contact: contact.clone(),
            watcher,
            known: None,
            temporary: true,
        };
        let asks = ToOwner::WatchTemporarily { session, request };
        self.tell_owner(session.node, &contact, asks);
        self.temporary.pop().expect("an answer")
    }

    /// Its lifetime is over.
    pub(crate) fn end_temporary(&mut self, session: SessionId, contact: &str) {
        let contact = BareJid::new(contact).unwrap();
        let watcher = self.jid(session).bare();
        let node = self.nodes.get_mut(&session.node).unwrap();
        node.watches.remove(&(contact.clone(), watcher.clone()));
        let ends = ToOwner::Unwatch {
            contact: contact.clone(),
            watcher,
        };
        self.tell_owner(session.node, &contact, ends);
    }

    /// Makes two users see each other.
    pub(crate) fn befriend(&mut self, one: SessionId, other: SessionId) {
        let (one_jid, other_jid) = (self.jid(one).bare(), self.jid(other).bare());
        for (session, kind, to) in [
            (one, "subscribe", &other_jid),
            (other, "subscribed", &one_jid),
            (other, "subscribe", &one_jid),
            (one, "subscribed", &other_jid),
        ] {
            self.send(session, &format!("<presence type='{kind}' to='{to}'/>"));
        }
        self.forget();
    }

    /// What a client has received since the last look.
    pub(crate) fn take(&mut self, session: SessionId) -> Vec<String> {
        self.got.remove(&session).unwrap_or_default()
    }

    pub(crate) fn forget(&mut self) {
        self.got.clear();
    }

    /// Lets time pass, timer by timer.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let due = self.replicas.values().filter_map(Machine::deadline).min();
            match due.filter(|due| *due <= end) {
                Some(due) => self.now = due.max(self.now),
                None => break,
            }
            for (slot, node) in self.replicas.keys().copied().collect::<Vec<_>>() {
                self.replicas.get_mut(&(slot, node)).unwrap().wake(self.now);
                self.drain(slot, node);
            }
            self.settle();
        }
        self.now = end;
    }

    /// A client asks to subscribe to a contact of which its node believes to know the slot.
    pub(crate) fn owe(&mut self, contact_slot: SlotId, session: SessionId, contact: &str) {
        let jid = self.jid(session);
        let slot = self.accounts.slot_of(&jid.bare()).unwrap();
        let client = self.nodes.get_mut(&session.node).unwrap();
        let client = client.clients.get_mut(&session).unwrap();
        let serial = client.serials.entry(slot).or_default();
        *serial += 1;
        let submit = ToOwner::Submit {
            session,
            serial: *serial,
            stanza: Stanza::presence(PresenceType::Subscribe)
                .with_from(jid.clone())
                .with_to(BareJid::new(contact).unwrap()),
            contact_slot: Some(contact_slot),
        };
        self.tell_owner(session.node, &jid.bare(), submit);
    }

    pub(crate) fn remove_account(&mut self, user: &str) {
        let user = BareJid::new(user).unwrap();
        self.accounts.removed.insert(user.clone());
        let at = LogIndex(self.accounts.removals.len() as u64 + 1);
        self.accounts.removals.insert(at, user);
        self.give_view();
    }

    /// Adds an account anew whose removal the owners still believe to be wanted.
    pub(crate) fn add_account_again(&mut self, user: &str) {
        let user = BareJid::new(user).unwrap();
        self.accounts.removed.remove(&user);
        self.give_view();
    }

    pub(crate) fn disable_account(&mut self, user: &str) {
        let user = BareJid::new(user).unwrap();
        self.accounts.disabled.insert(user);
        self.give_view();
    }

    /// Hides an account from the owners, as if their copy of the control log were behind.
    pub(crate) fn set_account_known(&mut self, user: &str, known: bool) {
        let user = BareJid::new(user).unwrap();
        if known {
            self.accounts.removed.remove(&user);
        } else {
            self.accounts.removed.insert(user);
        }
        self.give_view();
    }
}
