//! What clients do: bind, send, go.

use crate::lane::Manner;
use crate::publishing::is_available;
use crate::session::{Session, Stage};
use crate::temporary::is_command;
use crate::timer::Timer;
use crate::{BindAnswer, Hop, Output, Router, classify};
use bytes::Bytes;
use muster_envelope::ToOwner;
use muster_stanza::{IqType, MessageType, PresenceType, Stanza, StanzaCondition, StanzaError, ns};
use muster_types::{
    Bare as _, BareJid, FullJid, Instant, Jid, ResourcePart, SessionId, SlotId, Timestamp,
};
use std::collections::BTreeSet;

impl Router {
    pub(crate) fn bind(
        &mut self,
        now: Instant,
        session: SessionId,
        user: BareJid,
        wanted: Option<ResourcePart>,
        generated: ResourcePart,
    ) {
        if self.sessions.contains_key(&session) {
            return;
        }
        let Some(slot) = self.directory.account_slot(&user) else {
            let answer = BindAnswer::NoAccount;
            return self.out.push_back(Output::Bound { session, answer });
        };
        let until = now + self.config.limits.owner_wait;
        self.timers.set(until, Timer::Bind(session));
        let body = ToOwner::Bind {
            session,
            user: user.clone(),
            wanted: wanted.clone(),
            generated: generated.clone(),
        };
        self.tell_owner(slot, body);
        let stage = Stage::Binding {
            wanted,
            generated,
            until,
        };
        self.sessions
            .insert(session, Session::new(user, slot, stage));
    }

    /// No owner has answered in time.
    pub(crate) fn bind_overdue(&mut self, now: Instant, session: SessionId) {
        let Some(waiting) = self.sessions.get(&session) else {
            return;
        };
        let slot = waiting.slot;
        match &waiting.stage {
            Stage::Binding { until, .. } if *until <= now => {}
            Stage::Binding { .. } | Stage::Bound(_) | Stage::Leaving { .. } => return,
        }
        self.sessions.remove(&session);
        // The client did not wish to leave: what it published before stays for the grace.
        self.tell_owner(
            slot,
            ToOwner::Unbind {
                session,
                graceful: false,
            },
        );
        self.out.push_back(Output::Bound {
            session,
            answer: BindAnswer::TooBusy,
        });
    }

    pub(crate) fn stanza(&mut self, now: Instant, id: SessionId, stanza: Stanza, at: Timestamp) {
        let bound = |session: &Session| session.bound().is_some();
        if !self.sessions.get(&id).is_some_and(bound) {
            return;
        }
        let is_request = matches!(stanza.iq_type(), Some(IqType::Get | IqType::Set));
        if stanza.is_iq() && !is_request && self.answered_caps(id, &stanza) {
            return;
        }
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let limit = self.config.limits.waiting_per_session;
        if is_request && !session.promise(&stanza, limit) {
            return self.refuse(now, id, &stanza, StanzaCondition::ResourceConstraint);
        }
        let user = session.user.clone();
        if self.is_blocked(&user, stanza.to.as_ref()) {
            return self.refuse_blocked(now, id, &stanza);
        }
        match classify(&*self.directory, &user, &stanza) {
            Hop::Publish => self.publish(now, id, stanza),
            Hop::Submit { .. } if is_command(&stanza) => self.temporary_command(now, id, &stanza),
            Hop::Submit { slot, contact_slot } => {
                self.enqueue(now, id, slot, bare(stanza), Manner::Submit { contact_slot });
            }
            Hop::Route { slot } => {
                let stanza = if stanza.to.is_none() {
                    stanza.with_to(user)
                } else {
                    stanza
                };
                self.note_chat(id, slot, &stanza);
                self.enqueue(now, id, slot, stanza, Manner::Route);
            }
            Hop::Direct { slot } => self.direct(now, id, slot, stanza),
            Hop::Host => self.answer_for_the_domain(now, id, &stanza, at),
            Hop::Refuse(condition) => self.refuse(now, id, &stanza, condition),
            Hop::Ignore => {}
        }
    }

    /// RFC 6121 §4.2, §4.4, §4.5. Whoever was sent presence is told at once that it is over, and so
    /// before what the client sends next.
    pub(crate) fn publish(&mut self, now: Instant, id: SessionId, presence: Stanza) {
        if !is_available(&presence) {
            self.take_back_directed(now, id, &presence);
        }
        if !self.holds_back(now, id, &presence) {
            self.publish_in_turn(now, id, presence);
        }
    }

    pub(crate) fn publish_in_turn(&mut self, now: Instant, id: SessionId, presence: Stanza) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let (slot, was_available) = (session.slot, session.presence.is_some());
        let available = is_available(&presence);
        session.presence = available.then(|| presence.clone());
        session.said = now;
        session.sees_itself &= available;
        if !was_available && !available {
            return;
        }
        let at_once = session.publishing.admit(presence.clone());
        let wants_news = available && self.note_caps(now, id, &presence);
        if let Some(presence) = at_once {
            self.say_presence(id, slot, presence);
        }
        if !available {
            self.stop_watching_if_unavailable(id);
        } else if !was_available {
            self.became_available(id);
        }
        if wants_news || available && !was_available {
            self.ask_all_items(id);
        }
    }

    /// The owner has dealt with the last presence of a session: the newest that waits is next.
    pub(crate) fn published(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let slot = session.slot;
        if let Some(presence) = session.publishing.published() {
            self.say_presence(id, slot, presence);
        }
    }

    /// While nobody serves it is not said at all: a new owner is told the last state.
    fn say_presence(&mut self, session: SessionId, slot: SlotId, presence: Stanza) {
        if !self.tell_owner(slot, ToOwner::Publish { session, presence })
            && let Some(session) = self.sessions.get_mut(&session)
        {
            session.publishing.finish();
        }
    }

    /// The owner of the user has to know which of the user's clients writes to whom (IM forking).
    /// It sees what it routes itself; of the rest it gets a note, sent once: what it decides by it
    /// is lost with it too.
    fn note_chat(&mut self, id: SessionId, slot: SlotId, message: &Stanza) {
        let is_chat = message.message_type() == Some(MessageType::Chat)
            && message.child("body", ns::CLIENT).is_some();
        let Some(session) = self.sessions.get_mut(&id).filter(|_| is_chat) else {
            return;
        };
        let own = session.slot;
        if own == slot || self.slots.serving(own).is_none() {
            return;
        }
        let serial = session.next_serial(own);
        let content = Bytes::from_static(b"<body/>");
        let stanza = Stanza {
            content,
            ..message.clone()
        };
        let body = ToOwner::Submit {
            session: id,
            serial,
            stanza,
            contact_slot: None,
        };
        self.tell_owner(own, body);
    }

    /// RFC 6121 §4.6: remembered, so that it can be taken back. What a client may have out at a
    /// time is bounded like its roster.
    fn direct(&mut self, now: Instant, id: SessionId, slot: SlotId, presence: Stanza) {
        let limit = self.config.limits.directed;
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some(to) = presence.to.clone() else {
            return;
        };
        if presence.presence_type() == Some(PresenceType::Unavailable) {
            session.directed.remove(&to);
        } else if session.directed.len() < limit || session.directed.contains(&to) {
            session.directed.insert(to);
        } else {
            return self.refuse(now, id, &presence, StanzaCondition::ResourceConstraint);
        }
        session.supersede(slot, &presence);
        self.enqueue(now, id, slot, presence, Manner::Route);
    }

    /// Tells everybody who got directed presence that it is over (RFC 6121 §4.6.3).
    pub(crate) fn take_back_directed(&mut self, now: Instant, id: SessionId, presence: &Stanza) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        for to in std::mem::take(&mut session.directed) {
            let Some(slot) = self.directory.account_slot(&to.bare()) else {
                continue;
            };
            self.enqueue(now, id, slot, presence.clone().with_to(to), Manner::Route);
        }
    }

    fn answer_for_the_domain(
        &mut self,
        now: Instant,
        id: SessionId,
        request: &Stanza,
        at: Timestamp,
    ) {
        let mut host = self.config.host.clone();
        if let Some(domain) = request.to.as_ref().or(request.from.as_ref()) {
            host.domain = domain.domain().to_string();
        }
        match muster_xep::answer_host(&host, at, request) {
            Some(answer) => self.deliver(now, id, answer),
            None => self.refuse(now, id, request, StanzaCondition::ServiceUnavailable),
        }
    }

    /// Answers with a stanza error; what is an error itself is never answered.
    pub(crate) fn refuse(
        &mut self,
        now: Instant,
        id: SessionId,
        stanza: &Stanza,
        condition: StanzaCondition,
    ) {
        self.refuse_with(now, id, stanza, &StanzaError::new(condition));
    }

    pub(crate) fn refuse_with(
        &mut self,
        now: Instant,
        id: SessionId,
        stanza: &Stanza,
        error: &StanzaError,
    ) {
        if !stanza.is_error() && stanza.iq_type() != Some(IqType::Result) {
            self.deliver(now, id, stanza.error(error));
        }
    }

    pub(crate) fn ended(&mut self, now: Instant, id: SessionId, graceful: bool) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let slot = session.slot;
        match &session.stage {
            Stage::Binding { .. } => {
                self.sessions.remove(&id);
                self.tell_owner(
                    slot,
                    ToOwner::Unbind {
                        session: id,
                        graceful,
                    },
                );
            }
            Stage::Bound(jid) => {
                let jid = jid.clone();
                self.leave(now, id, jid, Some(graceful));
            }
            Stage::Leaving { .. } => {}
        }
    }

    /// The client is there no more. `farewell` is what the owner of the user is told; nothing when
    /// it knows already.
    pub(crate) fn leave(
        &mut self,
        now: Instant,
        id: SessionId,
        jid: FullJid,
        farewell: Option<bool>,
    ) {
        if farewell == Some(true) {
            let gone = Stanza::presence(PresenceType::Unavailable).with_from(jid.clone());
            self.take_back_directed(now, id, &gone);
        } else {
            self.keep_directed(now, id, &jid);
        }
        let held = self.give_up_turn(now, id);
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        session.stage = Stage::Leaving { jid, farewell };
        let mut last_words = session.publishing.finish();
        last_words.extend(held);
        session.answers = Default::default();
        session.drop_iqs();
        let (slot, user) = (session.slot, session.user.clone());
        for presence in last_words {
            self.tell_owner(
                slot,
                ToOwner::Publish {
                    session: id,
                    presence,
                },
            );
        }
        self.stop_watching_for(now, id);
        self.forget_session(&user, id);
        if let Some(graceful) = farewell
            && self.tell_owner(
                slot,
                ToOwner::Unbind {
                    session: id,
                    graceful,
                },
            )
            && let Some(Session {
                stage: Stage::Leaving { farewell, .. },
                ..
            }) = self.sessions.get_mut(&id)
        {
            *farewell = None;
        }
        self.forget_if_over(id);
    }

    /// A client that was cut off may come back: directed presence is taken back when the grace
    /// ends. Contacts are told by the owner of the user, who knows whether it came back elsewhere.
    fn keep_directed(&mut self, now: Instant, id: SessionId, jid: &FullJid) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if let Some(user) = self.users.get(&session.user) {
            session
                .directed
                .retain(|to| !user.contacts.contains_key(&to.bare()));
        }
        if session.directed.is_empty() {
            return;
        }
        self.timers
            .set(now + self.config.limits.grace, Timer::Departed(id));
        if let Some(older) = self.departed.insert(jid.clone(), id) {
            let inherited = self.inherit(older);
            if let Some(session) = self.sessions.get_mut(&id) {
                session.directed.extend(inherited);
            }
        }
    }

    /// Takes over what a session that was cut off owes.
    pub(crate) fn inherit(&mut self, older: SessionId) -> BTreeSet<Jid> {
        let Some(session) = self.sessions.get_mut(&older) else {
            return BTreeSet::new();
        };
        let directed = std::mem::take(&mut session.directed);
        self.forget_if_over(older);
        directed
    }

    /// The grace of a client that was cut off has ended.
    pub(crate) fn departed_overdue(&mut self, now: Instant, id: SessionId) {
        let Some(Session {
            stage: Stage::Leaving { jid, .. },
            ..
        }) = self.sessions.get(&id)
        else {
            return;
        };
        let jid = jid.clone();
        if self.departed.get(&jid) == Some(&id) {
            self.departed.remove(&jid);
        }
        let gone = Stanza::presence(PresenceType::Unavailable).with_from(jid);
        self.take_back_directed(now, id, &gone);
        self.forget_if_over(id);
    }

    /// A user is known as long as one of its clients is here.
    fn forget_session(&mut self, user: &BareJid, id: SessionId) {
        let Some(known) = self.users.get_mut(user) else {
            return;
        };
        known.sessions.remove(&id);
        if known.sessions.is_empty() {
            self.users.remove(user);
        }
    }

    pub(crate) fn forget_if_over(&mut self, id: SessionId) {
        if self.sessions.get(&id).is_some_and(Session::is_over) {
            self.sessions.remove(&id);
        }
    }
}

/// Subscription stanzas go from bare JID to bare JID (RFC 6121 §3.1.2).
fn bare(mut stanza: Stanza) -> Stanza {
    if stanza.is_presence() {
        stanza.from = stanza.from.map(|jid| jid.bare().into());
        stanza.to = stanza.to.map(|jid| jid.bare().into());
    }
    stanza
}
