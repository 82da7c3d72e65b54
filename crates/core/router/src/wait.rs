//! Waiting: for owners, and for what must be confirmed first.

use crate::lane::Manner;
use crate::timer::Timer;
use crate::{Output, Router};
use muster_stanza::{Kind, PresenceType, Stanza, StanzaCondition, StanzaError};
use muster_types::{FullJid, Instant, SessionId, SlotId};
use std::sync::Arc;

impl Router {
    /// Sends a stanza to the owner of `slot`, now or when there is one, until it is confirmed.
    pub(crate) fn enqueue(
        &mut self,
        now: Instant,
        id: SessionId,
        slot: SlotId,
        stanza: Stanza,
        manner: Manner,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let (limit, waiting) = (
            self.config.limits.waiting_per_session,
            session.unconfirmed(),
        );
        // A paused client may have as much again in its socket's buffers.
        if waiting >= 2 * limit && !is_directed(&stanza) {
            session.answers.forget(stanza.id.as_deref());
            let text = format!("{waiting} of your stanzas are waiting: send this again later");
            let error = StanzaError::new(StanzaCondition::ResourceConstraint).with_text(text);
            return self.refuse_with(now, id, &stanza, &error);
        }
        let is_iq = stanza.is_iq();
        let pending = session.push(slot, stanza, manner);
        let (serial, body) = (pending.serial, pending.to_owner(id));
        if waiting + 1 >= limit && !session.paused && session.bound().is_some() {
            session.paused = true;
            self.out.push_back(Output::Pause { session: id });
        }
        if !self.tell_owner(slot, body) && is_iq {
            let until = now + self.config.limits.owner_wait;
            self.timers.set(until, Timer::Request(id, slot, serial));
        }
    }

    /// The owner of `slot` is done with everything up to `serial`.
    pub(crate) fn confirmed(&mut self, id: SessionId, slot: SlotId, serial: u64) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        session.confirm(slot, serial);
        self.less_waits(id);
    }

    /// An IQ has waited: if there is still no owner it is refused, so that clients need not guess.
    pub(crate) fn request_overdue(
        &mut self,
        now: Instant,
        id: SessionId,
        slot: SlotId,
        serial: u64,
    ) {
        if !self.is_overdue(now, slot) {
            return;
        }
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some(overdue) = session.take(slot, serial) else {
            return;
        };
        session.answers.forget(overdue.stanza.id.as_deref());
        self.refuse(
            now,
            id,
            &overdue.stanza,
            StanzaCondition::ResourceConstraint,
        );
        self.less_waits(id);
    }

    /// Whether what waits for an owner of the slot has waited long enough.
    pub(crate) fn is_overdue(&self, now: Instant, slot: SlotId) -> bool {
        let wait = self.config.limits.owner_wait;
        let since = self.slots.away_since(slot);
        self.slots.serving(slot).is_none() && since.is_none_or(|since| since + wait <= now)
    }

    /// Something left a lane: answers may go out, the client may go on, the session may be over.
    fn less_waits(&mut self, id: SessionId) {
        self.release(id);
        let limit = self.config.limits.waiting_per_session;
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if session.paused && session.unconfirmed() <= limit / 2 {
            session.paused = false;
            if session.bound().is_some() {
                self.out.push_back(Output::Resume { session: id });
            }
        }
        self.forget_if_over(id);
    }

    /// Hands a stanza to a client, after what it must not overtake.
    pub(crate) fn deliver(&mut self, now: Instant, id: SessionId, stanza: Stanza) {
        let limit = self.config.limits.waiting_per_session;
        let until = now + self.config.limits.owner_wait;
        let Some(session) = self
            .sessions
            .get_mut(&id)
            .filter(|session| session.bound().is_some())
        else {
            return;
        };
        if let Some(stanza) = session.admit(stanza, until) {
            return self.write(id, &stanza);
        }
        self.timers.set(until, Timer::Answer(id));
        if session.answers.waiting() > limit {
            session.answers.fail_first();
            self.release(id);
        }
    }

    /// An answer has waited for earlier messages.
    pub(crate) fn answer_overdue(&mut self, now: Instant, id: SessionId) {
        while let Some(session) = self.sessions.get_mut(&id)
            && session.answers.due().is_some_and(|due| due <= now)
        {
            session.answers.fail_first();
            self.release(id);
        }
    }

    fn release(&mut self, id: SessionId) {
        while let Some(session) = self.sessions.get_mut(&id) {
            let Some(stanza) = session.release() else {
                break;
            };
            self.write(id, &stanza);
        }
    }

    fn write(&mut self, session: SessionId, stanza: &Stanza) {
        let (stanza, key) = (stanza.encode(), register_key(stanza));
        self.out.push_back(Output::Deliver {
            session,
            stanza,
            to: None,
            key,
        });
    }

    /// The same stanza for several clients, serialised once.
    pub(crate) fn deliver_all(&mut self, now: Instant, sessions: &[SessionId], stanza: &Stanza) {
        let (encoded, key) = (stanza.encode(), register_key(stanza));
        for id in sessions {
            match self.sessions.get(id) {
                Some(session) if session.bound().is_none() => {}
                Some(session) if session.answers.is_idle() => {
                    let (session, stanza, key) = (*id, encoded.clone(), key.clone());
                    self.out.push_back(Output::Deliver {
                        session,
                        stanza,
                        to: None,
                        key,
                    });
                }
                Some(_) => self.deliver(now, *id, stanza.clone()),
                None => {}
            }
        }
    }
}

/// Presence is a register: whose it is.
fn register_key(stanza: &Stanza) -> Option<Arc<FullJid>> {
    let from = stanza.from.as_ref().filter(|_| is_directed(stanza))?;
    from.try_as_full().ok().map(|full| Arc::new(full.clone()))
}

fn is_directed(stanza: &Stanza) -> bool {
    matches!(
        stanza.kind,
        Kind::Presence(PresenceType::Available | PresenceType::Unavailable)
    )
}
