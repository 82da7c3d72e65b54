//! A user asks for, grants or ends a presence subscription (RFC 6121 §3).

use crate::committed::refusal;
use crate::cx::Cx;
use crate::message::bounce;
use crate::proposal::Purpose;
use crate::publish::sender;
use crate::serving::{Progress, Serving};
use muster_roster::{Roster, SubscriptionStanza};
use muster_slot::{Refusal, UserChange};
use muster_stanza::{ErrorType, PresenceType, Stanza, StanzaCondition, StanzaError};
use muster_types::{Bare as _, BareJid, Jid, SessionId, SlotId};

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
        let contact = to.bare();
        if contact == user || cx.world.slot_of(&user) != Some(cx.config.slot) {
            return Progress::Done;
        }
        if let Some(long) = too_long(&presence, cx.config.limits.request_bytes) {
            cx.deliver([session], &presence.error(&long));
            return Progress::Done;
        }
        if let Some(full) = self.bound_of(cx, &user, &contact, kind) {
            cx.deliver([session], &presence.error(&full));
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

    /// Why the user cannot have one contact, or one watcher, more.
    fn bound_of(
        &self,
        cx: &Cx<'_>,
        user: &BareJid,
        contact: &BareJid,
        kind: SubscriptionStanza,
    ) -> Option<StanzaError> {
        let bounds = cx.world.bounds();
        let roster = cx.state.roster(user);
        let sees = roster.is_some_and(|roster| roster.state(contact).seen_by_contact());
        match kind {
            SubscriptionStanza::Subscribe | SubscriptionStanza::Subscribed
                if self.is_one_too_many(cx, user, contact) =>
            {
                let limit = bounds.contacts;
                Some(refusal(&Refusal::RosterFull { limit }))
            }
            SubscriptionStanza::Subscribed if sees => None,
            SubscriptionStanza::Subscribed if self.has_all_watchers(cx, user) => {
                let text = format!("{} others see you, and no more may", bounds.watchers);
                let error = StanzaError::new(StanzaCondition::ResourceConstraint);
                Some(error.with_type(ErrorType::Cancel).with_text(text))
            }
            SubscriptionStanza::Subscribe
            | SubscriptionStanza::Subscribed
            | SubscriptionStanza::Unsubscribe
            | SubscriptionStanza::Unsubscribed => None,
        }
    }

    /// Whether a contact would be new to a user who has as many as an operator allows. What the log holds
    /// already stays, and what is on its way to it may come on top.
    pub(crate) fn is_one_too_many(&self, cx: &Cx<'_>, user: &BareJid, contact: &BareJid) -> bool {
        let roster = cx.state.roster(user);
        let has = roster.is_some_and(|roster| roster.item(contact).is_some());
        !has && roster.map_or(0, Roster::len) >= cx.world.bounds().contacts
    }

    /// Whether as many see the user as an operator allows.
    pub(crate) fn has_all_watchers(&self, cx: &Cx<'_>, user: &BareJid) -> bool {
        let items = cx.state.roster(user).into_iter().flat_map(Roster::items);
        let watchers = items.filter(|item| item.subscription.seen_by_contact());
        watchers.count() >= cx.world.bounds().watchers
    }
}

/// Why a stanza cannot be kept until the contact, and then its user, has dealt with it.
fn too_long(stanza: &Stanza, most: usize) -> Option<StanzaError> {
    let bytes = stanza.content.len();
    let text =
        || format!("this has {bytes} bytes within it, {most} may be kept: say it in a message");
    let error = StanzaError::new(StanzaCondition::NotAcceptable);
    (bytes > most).then(|| error.with_type(ErrorType::Modify).with_text(text()))
}
