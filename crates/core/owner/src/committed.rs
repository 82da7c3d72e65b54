//! What the owner does when something is committed: answers, roster pushes, and presence that
//! follows a subscription.

use crate::blocking::AccessNews;
use crate::cx::Cx;
use crate::message::bounce;
use crate::proposal::Purpose;
use crate::serving::Serving;
use muster_envelope::{Answer, Notice, ToNode};
use muster_roster::{RosterItem, Subscription, SubscriptionStanza, encode_push, encode_removal};
use muster_slot::{Refusal, SlotEvent};
use muster_stanza::{ErrorDetail, ErrorType, IqType, Stanza, StanzaCondition, StanzaError};
use muster_types::{BareJid, NodeId, Origin, SessionId};
use std::collections::BTreeSet;

/// A changed roster item, as the log tells it.
#[derive(Clone, Debug)]
pub(crate) struct RosterChange {
    pub(crate) user: BareJid,
    pub(crate) contact: BareJid,
    pub(crate) item: Option<RosterItem>,
    pub(crate) version: u64,
}

impl Serving {
    pub(crate) fn on_event(&mut self, cx: &mut Cx<'_>, event: SlotEvent) {
        self.keep_for_expected(cx, &event);
        match event {
            // A new owner is dealt with before, and one that was replaced does not get here.
            SlotEvent::Opened { .. } | SlotEvent::StaleEpoch { .. } => (),
            SlotEvent::Done { origin } => self.on_done(cx, origin),
            SlotEvent::Refused { origin, why } => self.on_refused(cx, origin, &why),
            SlotEvent::RosterChanged {
                user,
                item,
                contact,
                before,
                after,
                version,
            } => {
                let change = RosterChange {
                    user,
                    contact,
                    item,
                    version,
                };
                let interested = self.sessions.interested(&change.user);
                self.push_roster(cx, &change, &interested);
                self.follow(cx, &change.user, &change.contact, before, after);
            }
            SlotEvent::SubscriptionArrived { user, kind, stanza } => {
                self.on_subscription(cx, &user, kind, &stanza);
            }
            SlotEvent::AccessChanged { user, changes, at } => {
                self.on_access_changed(cx, &AccessNews { user, changes, at });
            }
            SlotEvent::PepChanged {
                user,
                node,
                change,
                at,
            } => self.on_pep_changed(cx, (&user, &node), change, at),
            SlotEvent::OutboxAdded { to, number, item } => {
                self.outbox.on_added(cx, to, number, item);
            }
            SlotEvent::InboundApplied { from, number } => self.inbound.on_applied(cx, from, number),
            SlotEvent::InboundGap { from, expected } => self.inbound.on_gap(cx, from, expected),
        }
    }

    /// Who is expected back is told later.
    fn keep_for_expected(&mut self, cx: &Cx<'_>, event: &SlotEvent) {
        let user = match event {
            SlotEvent::RosterChanged { user, contact, .. } => {
                self.untold.outdate(user, contact);
                user
            }
            SlotEvent::SubscriptionArrived { user, .. } | SlotEvent::AccessChanged { user, .. } => {
                user
            }
            SlotEvent::Opened { .. }
            | SlotEvent::StaleEpoch { .. }
            | SlotEvent::Done { .. }
            | SlotEvent::Refused { .. }
            | SlotEvent::PepChanged { .. }
            | SlotEvent::OutboxAdded { .. }
            | SlotEvent::InboundApplied { .. }
            | SlotEvent::InboundGap { .. } => return,
        };
        let mut sessions = self.sessions.of_user(user);
        if sessions.any(|session| session.standing.is_expected()) {
            self.untold.keep(cx.now, cx.config.limits.grace, event);
        }
    }

    fn settle_proposal(&mut self, cx: &mut Cx<'_>, origin: Origin) -> Option<Purpose> {
        let ours = (origin.node, origin.boot) == (cx.config.node, cx.config.boot);
        if ours {
            self.proposals.settle(cx, origin.serial)
        } else {
            None
        }
    }

    fn on_done(&mut self, cx: &mut Cx<'_>, origin: Origin) {
        match self.settle_proposal(cx, origin) {
            Some(Purpose::Answer {
                session,
                serial,
                reply,
                ..
            }) => {
                if let Some(reply) = reply {
                    cx.deliver([session], &reply);
                }
                self.committed(cx, session, serial);
            }
            Some(Purpose::Store {
                session,
                serial,
                user,
                ..
            }) => {
                self.stored(cx, &user);
                self.committed(cx, session, serial);
            }
            Some(Purpose::Taken { user, up_to }) => self.mailbox.on_taken(&user, up_to),
            Some(Purpose::Removal { user, at }) => self.removed(cx, user, at),
            Some(Purpose::Asked { node, ask, user }) => {
                let access = cx.state.access(&user).cloned().unwrap_or_default();
                cx.answer(node, ask, Answer::Access(access));
            }
            Some(Purpose::Approval { .. }) | None => (),
        }
    }

    fn on_refused(&mut self, cx: &mut Cx<'_>, origin: Origin, why: &Refusal) {
        match self.settle_proposal(cx, origin) {
            Some(Purpose::Answer {
                session,
                serial,
                question,
                ..
            }) => {
                let error = refusal(why);
                cx.deliver([session], &question.error(&error));
                self.committed(cx, session, serial);
            }
            Some(Purpose::Store {
                session,
                serial,
                message,
                ..
            }) => {
                bounce(cx, session, &message, StanzaCondition::ServiceUnavailable);
                self.committed(cx, session, serial);
            }
            Some(Purpose::Taken { user, up_to }) => self.mailbox.on_taken(&user, up_to),
            Some(Purpose::Removal { .. }) => self.removal_refused(cx),
            Some(Purpose::Asked { node, ask, .. }) => {
                cx.answer(node, ask, Answer::AccessRefused(why.clone()));
            }
            Some(Purpose::Approval { user, request }) => self.not_approved(cx, &user, &request),
            None => (),
        }
    }

    /// The user is being removed: what is under way for it comes to nothing.
    pub(crate) fn drop_proposals(&mut self, cx: &mut Cx<'_>, user: &BareJid) {
        for purpose in self.proposals.give_up(user) {
            match purpose {
                Purpose::Answer {
                    session, serial, ..
                } => self.committed(cx, session, serial),
                Purpose::Store {
                    session,
                    serial,
                    message,
                    ..
                } => {
                    bounce(cx, session, &message, StanzaCondition::ServiceUnavailable);
                    self.committed(cx, session, serial);
                }
                Purpose::Taken { user, up_to } => self.mailbox.on_taken(&user, up_to),
                Purpose::Asked { node, ask, .. } => cx.answer(node, ask, Answer::NoAccount),
                Purpose::Removal { .. } | Purpose::Approval { .. } => (),
            }
        }
    }

    /// RFC 6121 §2.1.6: every interested session gets the new item. The version makes the id
    /// unique for a client.
    pub(crate) fn push_roster(
        &self,
        cx: &mut Cx<'_>,
        change: &RosterChange,
        sessions: &[SessionId],
    ) {
        let RosterChange {
            contact,
            item,
            version,
            ..
        } = change;
        let content = match item {
            Some(item) => encode_push(item, *version),
            None => encode_removal(contact, *version),
        };
        let push = Stanza::iq(IqType::Set, format!("push{version}")).with_content(content);
        for id in sessions {
            if let Some(session) = self.sessions.session(*id) {
                cx.deliver([*id], &push.clone().with_to(session.jid.clone()));
            }
        }
    }

    /// Presence follows the subscription: who gained sight is shown the user, who lost it sees the
    /// user go (§3.1.6, §3.2.2, §3.3.3).
    fn follow(
        &mut self,
        cx: &mut Cx<'_>,
        user: &BareJid,
        contact: &BareJid,
        before: Subscription,
        after: Subscription,
    ) {
        if cx.state.permission(user).blocks(contact) {
            // They see nothing of each other before and after.
            return;
        }
        match (before.seen_by_contact(), after.seen_by_contact()) {
            (false, true) => self.grant(cx, user, contact),
            (true, false) => self.sight.withdraw(cx, user, contact),
            (true, true) | (false, false) => (),
        }
        if before.sees_contact() != after.sees_contact() {
            self.tell_sight(cx, user, contact, after.sees_contact());
        }
    }

    /// A contact may see the user from now on.
    pub(crate) fn grant(&mut self, cx: &mut Cx<'_>, user: &BareJid, contact: &BareJid) {
        self.sight.grant(cx, user, contact);
        self.tell_items(cx, user, &|_, watcher| watcher == contact);
    }

    /// Tells the nodes of a user's clients whether it sees a contact from now on.
    pub(crate) fn tell_sight(
        &self,
        cx: &mut Cx<'_>,
        user: &BareJid,
        contact: &BareJid,
        sees: bool,
    ) {
        let (user, contact) = (user.clone(), contact.clone());
        let nodes = self.nodes_of(&user);
        let notice = match sees {
            true => Notice::Sees { user, contact },
            false => Notice::SeesNoMore { user, contact },
        };
        for node in nodes {
            cx.tell_node(node, ToNode::Notice(notice.clone()));
        }
    }

    /// The nodes that have clients of a user.
    pub(crate) fn nodes_of(&self, user: &BareJid) -> BTreeSet<NodeId> {
        let sessions = self.sessions.of_user(user);
        sessions.map(|session| session.id.node).collect()
    }

    /// A request goes to the clients that are available (§3.1.3; it stays pending), the other
    /// three to those that have asked for the roster (§3.1.6, §3.2.3, §3.3.3).
    fn on_subscription(
        &mut self,
        cx: &mut Cx<'_>,
        user: &BareJid,
        kind: SubscriptionStanza,
        stanza: &Stanza,
    ) {
        if kind == SubscriptionStanza::Subscribe && self.approve(cx, user, stanza) {
            return;
        }
        let clients: Vec<SessionId> = match kind {
            SubscriptionStanza::Subscribe => self
                .sight
                .living(user)
                .map(|(_, client)| client.session)
                .collect(),
            SubscriptionStanza::Subscribed
            | SubscriptionStanza::Unsubscribe
            | SubscriptionStanza::Unsubscribed => self.sessions.interested(user),
        };
        cx.deliver(clients, stanza);
    }
}

/// The stanza error that tells a client why its change was refused.
pub(crate) fn refusal(why: &Refusal) -> StanzaError {
    let condition = why.condition();
    let error = StanzaError::new(condition).with_text(why.to_string());
    match why {
        // Waiting makes no room where the user has to.
        Refusal::RosterFull { .. }
        | Refusal::RosterLarge { .. }
        | Refusal::PrivateFull { .. }
        | Refusal::AccessFull { .. }
        | Refusal::PepFull { .. } => error.with_type(ErrorType::Cancel),
        Refusal::OtherAccessModel { .. } => error.with_detail(ErrorDetail::PreconditionNotMet),
        Refusal::OutboxFull { .. }
        | Refusal::Forgotten
        | Refusal::OfflineFull { .. }
        | Refusal::NoSuchContact
        | Refusal::NoSuchItem => error,
    }
}
