//! Whom users with clients here let in: nothing of theirs goes to whom they have blocked (XEP-0191 §3.2).

use crate::Router;
use crate::lane::Manner;
use muster_roster::AccessList;
use muster_stanza::{ErrorDetail, ErrorType, PresenceType, Stanza, StanzaCondition, StanzaError};
use muster_types::{Bare as _, BareJid, Instant, Jid, SessionId};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Router {
    /// Whether the user has blocked whom it writes to; itself it cannot block.
    pub(crate) fn is_blocked(&self, user: &BareJid, to: Option<&Jid>) -> bool {
        let Some(to) = to else {
            return false;
        };
        let known = self.users.get(user);
        let blocks = known.is_some_and(|known| known.access.blocks(to));
        blocks && to.bare() != *user && to.node().is_some()
    }

    /// Whom a user lets in from now on. Who was shown a client by directed presence and is blocked sees it
    /// go, as contacts do. A node that was cut off at the time watches whom it should not: it hears of that
    /// first, and of the contact afterwards.
    pub(crate) fn access(&mut self, now: Instant, user: &BareJid, access: AccessList) {
        let Some(known) = self.users.get_mut(user) else {
            return;
        };
        known.access = access;
        let blocked =
            |contact: &&Arc<BareJid>| known.access.blocks(&Jid::from((***contact).clone()));
        let unseen: Vec<_> = known.contacts.keys().filter(blocked).cloned().collect();
        let sessions = known.sessions.clone();
        for contact in unseen {
            self.unwatch(user, &contact);
        }
        self.end_blocked_leases(user);
        for (id, ()) in sessions {
            let Some(session) = self.sessions.get_mut(&id) else {
                continue;
            };
            let Some(jid) = session.bound().cloned() else {
                continue;
            };
            let directed = std::mem::take(&mut session.directed);
            let (blocked, kept) = directed
                .into_iter()
                .partition(|to| self.is_blocked(user, Some(to)));
            if let Some(session) = self.sessions.get_mut(&id) {
                session.directed = kept;
            }
            let blocked: BTreeSet<Jid> = blocked;
            for to in blocked {
                let gone = Stanza::presence(PresenceType::Unavailable).with_from(jid.clone());
                if let Some(slot) = self.directory.account_slot(&to.bare()) {
                    self.enqueue(now, id, slot, gone.with_to(to), Manner::Route);
                }
            }
        }
    }

    /// XEP-0191 §3.2: nothing goes to whom the user has blocked.
    pub(crate) fn refuse_blocked(&mut self, now: Instant, id: SessionId, stanza: &Stanza) {
        self.refuse_with(now, id, stanza, &blocked());
    }
}

/// The error of it.
pub(crate) fn blocked() -> StanzaError {
    let error = StanzaError::new(StanzaCondition::NotAcceptable).with_type(ErrorType::Cancel);
    error.with_detail(ErrorDetail::Blocked)
}
