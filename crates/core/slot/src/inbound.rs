//! What other slots owe this one: applied once, in order, by (slot, number).

use crate::change::Scope;
use crate::effects::Effects;
use crate::user::UserData;
use crate::{OutboxItem, SlotEvent, SlotState, key};
use muster_roster::{Access, SubscriptionStanza};
use muster_stanza::Stanza;
use muster_types::{Bare, BareJid, Jid, LogIndex, SlotId};

impl SlotState {
    /// Applies an item if it is the next of its sender; answers where the sender stands otherwise.
    pub(crate) fn inbound(
        &mut self,
        index: LogIndex,
        from: SlotId,
        number: u64,
        item: Option<OutboxItem>,
        fx: &mut Effects<'_>,
    ) {
        let expected = self.received(from) + 1;
        let is_next = number == expected || self.follows_a_loss(from, number);
        if number > expected && !is_next {
            fx.emit(SlotEvent::InboundGap { from, expected });
            return;
        }
        self.meet(from, fx);
        if is_next {
            self.received.insert(from, number);
            fx.put(key::of_slot(key::RECEIVED, from), &number);
            match item {
                Some(OutboxItem::Subscription { kind, stanza }) => {
                    self.subscription_arrived(index, from, kind, stanza, fx);
                }
                // RFC 6121 §8.5.1: ignored.
                None => (),
            }
        }
        fx.emit(SlotEvent::InboundApplied {
            from,
            number: self.received(from),
        });
    }

    /// RFC 6121 Appendix A.3. What the server answers for the user goes back to the sender's slot.
    fn subscription_arrived(
        &mut self,
        index: LogIndex,
        from: SlotId,
        kind: SubscriptionStanza,
        stanza: Stanza,
        fx: &mut Effects<'_>,
    ) {
        // Owners stamp both; an item without them concerns nobody.
        let (Some(contact), Some(user)) = (bare(&stanza.from), bare(&stanza.to)) else {
            return;
        };
        let limits = &self.limits;
        let data = self.users.entry(user.clone()).or_default();
        let blocked = data.access.blocks(&contact.clone().into());
        let refused = blocked || refuses_strangers(data, &contact);
        if kind == SubscriptionStanza::Subscribe && refused {
            // XEP-0191 §3: the contact is not told.
            return self.forget_if_empty(&user);
        }
        let step = data
            .roster
            .inbound(&contact, kind, &stanza, limits.requests, index.0);
        let outboxes = &mut self.outboxes;
        let mut scope = Scope {
            index,
            limits,
            user: &user,
            data,
            outboxes,
            fx,
        };
        if step.deliver && !blocked {
            let user = user.clone();
            scope
                .fx
                .emit(SlotEvent::SubscriptionArrived { user, kind, stanza });
        }
        let ignored = !step.deliver;
        scope.keep(&contact, step.changed);
        if let Some(reply) = step
            .reply
            .or_else(|| scope.objection(&contact, kind, ignored))
        {
            scope.owe(Some(from), reply, &contact);
        }
        self.forget_if_empty(&user);
    }

    fn forget_if_empty(&mut self, user: &BareJid) {
        if self.users.get(user).is_some_and(UserData::is_empty) {
            self.users.remove(user);
        }
    }
}

/// Whether the user wants no requests, and the contact does not see it yet.
fn refuses_strangers(data: &UserData, contact: &BareJid) -> bool {
    let answer = data.access.answer(contact, Access::Ask);
    answer == Access::Block && !data.roster.state(contact).seen_by_contact()
}

impl Scope<'_, '_> {
    /// DEVIATION: Appendix A.3.3 ignores a "subscribed" that nobody waits for. It comes when a grant
    /// crosses a refusal or a new request on its way, and the contact would show its presence for ever to
    /// a user whose roster knows nothing of it. Between two slots of one cluster the contact is told.
    fn objection(
        &self,
        contact: &BareJid,
        kind: SubscriptionStanza,
        ignored: bool,
    ) -> Option<SubscriptionStanza> {
        let item = self.data.roster.item(contact);
        let sees = item.is_some_and(|item| item.subscription.sees_contact());
        let unasked = kind == SubscriptionStanza::Subscribed && ignored && !sees;
        unasked.then_some(SubscriptionStanza::Unsubscribe)
    }
}

fn bare(jid: &Option<Jid>) -> Option<BareJid> {
    jid.as_ref().map(Bare::bare)
}
