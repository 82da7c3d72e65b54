//! A user asks for, grants or ends a presence subscription (RFC 6121 §3).

use crate::cx::Cx;
use crate::message::bounce;
use crate::proposal::Purpose;
use crate::publish::sender;
use crate::serving::{Progress, Serving};
use muster_roster::SubscriptionStanza;
use muster_slot::UserChange;
use muster_stanza::{PresenceType, Stanza, StanzaCondition};
use muster_types::{Jid, SessionId, SlotId};

impl Serving {
    /// Proposes what the user's client asks for. The stanza goes on with bare addresses (§3.1.2),
    /// through the outbox, when the user's side is committed.
    pub(crate) fn submit_subscription(
        &mut self,
        cx: &mut Cx<'_>,
        session: SessionId,
        serial: u64,
        presence: Stanza,
        kind: PresenceType,
        contact_slot: Option<SlotId>,
    ) -> Progress {
        // Anything but the four is not for the log, and a user always sees itself.
        let Ok(kind) = SubscriptionStanza::try_from(kind) else {
            return Progress::Done;
        };
        let (Some(user), Some(to)) = (sender(&presence), &presence.to) else {
            return Progress::Done;
        };
        let contact = to.to_bare();
        if contact == user || cx.world.slot_of(&user) != Some(cx.config.slot) {
            return Progress::Done;
        }
        let (from, to) = (
            Some(Jid::from(user.clone())),
            Some(Jid::from(contact.clone())),
        );
        let stanza = Stanza {
            from,
            to,
            ..presence.clone()
        };
        let question = presence;
        let change = UserChange::Subscription {
            kind,
            contact,
            contact_slot,
            stanza,
        };
        let purpose = Purpose::Answer {
            session,
            serial,
            question: question.clone(),
            reply: None,
        };
        match self.proposals.propose(cx, &user, change, purpose) {
            Ok(()) => Progress::Committing,
            Err(_) => {
                bounce(cx, session, &question, StanzaCondition::ResourceConstraint);
                Progress::Done
            }
        }
    }
}
