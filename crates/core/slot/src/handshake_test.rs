//! Two users of two slots: what their rosters say when everything owed has been handed over.

use crate::testing::{JULIETS, Pair, ROMEOS, Replica, arrived, jid, presence, sends};
use crate::{SlotCommand, SlotEvent, UserChange};
use muster_roster::Subscription;
use muster_roster::SubscriptionStanza::{Subscribe, Subscribed, Unsubscribe, Unsubscribed};
use muster_types::{Epoch, LogIndex, SlotId};

const NOTHING: [(&str, bool); 2] = [("none", false), ("none", false)];
const BOTH: [(&str, bool); 2] = [("both", false), ("both", false)];

/// Both see each other.
fn friends() -> Pair {
    let mut pair = Pair::new();
    pair.juliet_sends(Subscribe);
    pair.settle();
    pair.romeo_sends(Subscribed);
    pair.romeo_sends(Subscribe);
    pair.settle();
    pair.juliet_sends(Subscribed);
    pair.settle();
    assert_eq!(pair.shown(), BOTH);
    pair
}

#[test]
fn a_mutual_subscription_step_by_step() {
    // RFC 6121 §3.1, Appendix A
    let mut pair = Pair::new();
    pair.juliet_sends(Subscribe);
    assert_eq!(pair.shown(), [("none", true), ("none", false)]);
    assert_eq!(arrived(&pair.settle()), [Subscribe]);
    assert_eq!(
        pair.romeo.item("romeo", "juliet"),
        None,
        "one who has only asked"
    );
    assert_eq!(pair.romeo.state.pending_in(&jid("romeo")).count(), 1);

    pair.romeo_sends(Subscribed);
    assert_eq!(arrived(&pair.settle()), [Subscribed]);
    assert_eq!(pair.shown(), [("to", false), ("from", false)]);
    assert_eq!(pair.romeo.state.pending_in(&jid("romeo")).count(), 0);

    pair.romeo_sends(Subscribe);
    assert_eq!(arrived(&pair.settle()), [Subscribe]);
    pair.juliet_sends(Subscribed);
    assert_eq!(arrived(&pair.settle()), [Subscribed]);
    assert_eq!(pair.shown(), BOTH);
    assert_eq!(
        pair.juliet
            .state
            .outbox_slots()
            .chain(pair.romeo.state.outbox_slots())
            .count(),
        0
    );
}

#[test]
fn a_grant_that_crosses_a_refusal_leaves_no_half_of_a_subscription() {
    // Asked twice, Romeo refuses the first request and grants the second; to Juliet's server, the refusal
    // has answered both.
    let mut pair = Pair::new();
    pair.juliet_sends(Subscribe);
    pair.settle();
    pair.juliet_sends(Subscribe);
    pair.romeo_sends(Unsubscribed);
    pair.settle();
    assert_eq!(pair.shown(), NOTHING);
    pair.romeo_sends(Subscribed);
    assert_eq!(pair.shown(), [("none", false), ("from", false)]);
    pair.settle();
    assert_eq!(pair.shown(), NOTHING);
}

#[test]
fn what_either_can_do_to_a_friendship() {
    // What Juliet sends, what Romeo is told, what the rosters say then
    for (kind, told, shown) in [
        (
            Unsubscribe,
            &[Unsubscribe][..],
            [("from", false), ("to", false)],
        ),
        (
            Unsubscribed,
            &[Unsubscribed],
            [("to", false), ("from", false)],
        ),
        (Subscribed, &[], BOTH),
        // Answered by Romeo's server, which is nothing new to Juliet: RFC 6121 §3.1.3
        (Subscribe, &[], BOTH),
    ] {
        let mut pair = friends();
        pair.juliet_sends(kind);
        assert_eq!(arrived(&pair.settle()), told, "{kind:?}");
        assert_eq!(pair.shown(), shown, "{kind:?}");
    }
}

#[test]
fn a_refusal_ends_the_request() {
    // RFC 6121 §3.2
    let mut pair = Pair::new();
    pair.juliet_sends(Subscribe);
    pair.settle();
    pair.romeo_sends(Unsubscribed);
    assert_eq!(arrived(&pair.settle()), [Unsubscribed]);
    assert_eq!(pair.shown(), NOTHING);
    assert_eq!(
        pair.romeo.state.roster(&jid("romeo")),
        None,
        "nothing is kept of it"
    );
}

#[test]
fn a_pre_approved_request_is_granted_at_once() {
    // RFC 6121 §3.4
    let mut pair = Pair::new();
    pair.romeo_sends(Subscribed);
    assert!(pair.romeo.owed(JULIETS).is_empty());
    assert!(pair.romeo.item("romeo", "juliet").unwrap().approved);
    pair.juliet_sends(Subscribe);
    assert_eq!(arrived(&pair.settle()), [Subscribed]);
    assert_eq!(pair.shown(), [("to", false), ("from", false)]);
}

#[test]
fn requests_that_cross_wait_for_an_answer_each() {
    let mut pair = Pair::new();
    pair.juliet_sends(Subscribe);
    pair.romeo_sends(Subscribe);
    assert_eq!(arrived(&pair.settle()), [Subscribe, Subscribe]);
    assert_eq!(pair.shown(), [("none", true), ("none", true)]);
    pair.juliet_sends(Subscribed);
    pair.romeo_sends(Subscribed);
    pair.settle();
    assert_eq!(pair.shown(), BOTH);
}

#[test]
fn asking_again_after_giving_up_is_a_new_request() {
    // The server's answer to "unsubscribe" would overtake the second "subscribe" and undo it.
    let mut pair = friends();
    pair.juliet_sends(Unsubscribe);
    pair.juliet_sends(Subscribe);
    assert_eq!(arrived(&pair.settle()), [Unsubscribe, Subscribe]);
    assert_eq!(pair.shown(), [("from", true), ("to", false)]);
    pair.romeo_sends(Subscribed);
    pair.settle();
    assert_eq!(pair.shown(), BOTH);
}

#[test]
fn removing_a_friend_ends_both_directions() {
    // RFC 6121 §2.5.2
    let mut pair = friends();
    let remove = UserChange::RosterRemove {
        contact: jid("romeo"),
        contact_slot: Some(ROMEOS),
    };
    pair.juliet.change("juliet", remove);
    assert_eq!(arrived(&pair.settle()), [Unsubscribe, Unsubscribed]);
    assert_eq!(pair.shown(), NOTHING);
    assert_eq!(pair.juliet.item("juliet", "romeo"), None);
    assert!(
        pair.romeo.item("romeo", "juliet").is_some(),
        "Romeo keeps the contact"
    );
}

#[test]
fn removing_an_account_tells_its_contacts() {
    let mut pair = friends();
    let contact_slots = [(jid("romeo"), ROMEOS)].into();
    let events = pair.juliet.change(
        "juliet",
        UserChange::RemoveUser {
            at: LogIndex(1),
            contact_slots,
        },
    );
    let changed = |event: &SlotEvent| {
        matches!(
            event,
            SlotEvent::RosterChanged {
                item: None,
                before: Subscription::Both,
                ..
            }
        )
    };
    assert!(events.iter().any(changed));
    assert_eq!(arrived(&pair.settle()), [Unsubscribe, Unsubscribed]);
    assert_eq!(pair.shown(), NOTHING);
    assert_eq!(pair.juliet.state.roster(&jid("juliet")), None);
}

#[test]
fn a_user_may_ask_one_of_the_same_slot() {
    let mut home = Replica::opened();
    home.change("juliet", sends(Subscribe, "juliet", "nurse", JULIETS));
    for (number, item) in home.owed(JULIETS) {
        home.inbound(JULIETS, number, &item);
        home.confirm(JULIETS, number);
    }
    assert_eq!(home.state.pending_in(&jid("nurse")).count(), 1);
    assert!(home.owed(JULIETS).is_empty());
    home.check_store();
}

#[test]
fn an_item_that_comes_twice_is_applied_once() {
    let mut pair = Pair::new();
    pair.juliet_sends(Subscribe);
    let (number, item) = pair.juliet.owed(ROMEOS).remove(0);
    let applied = SlotEvent::InboundApplied {
        from: JULIETS,
        number,
    };
    assert_eq!(
        arrived(&pair.romeo.inbound(JULIETS, number, &item)),
        [Subscribe]
    );
    pair.romeo_sends(Unsubscribed);
    let store = pair.romeo.store.clone();
    assert_eq!(pair.romeo.inbound(JULIETS, number, &item), [applied]);
    assert_eq!(
        pair.romeo.store, store,
        "the refused request must not come back"
    );
}

#[test]
fn an_item_out_of_order_is_asked_for_again() {
    let mut pair = friends();
    let sent = [Unsubscribe, Subscribe];
    for kind in sent {
        pair.juliet_sends(kind);
    }
    let owed = pair.juliet.owed(ROMEOS);
    let expected = owed[0].0;
    let store = pair.romeo.store.clone();
    let events = pair.romeo.inbound(JULIETS, owed[1].0, &owed[1].1);
    assert_eq!(
        events,
        [SlotEvent::InboundGap {
            from: JULIETS,
            expected
        }]
    );
    assert_eq!(pair.romeo.store, store);
    assert_eq!(arrived(&pair.settle()), sent);
}

#[test]
fn a_new_owner_goes_on_where_the_old_one_stopped() {
    // The first item arrived, but the sender's owner died before it saw the confirmation.
    let mut pair = Pair::new();
    pair.juliet_sends(Subscribe);
    pair.juliet_sends(Unsubscribe);
    let (number, item) = pair.juliet.owed(ROMEOS).remove(0);
    pair.romeo.inbound(JULIETS, number, &item);
    pair.juliet.open(2, 1);
    pair.romeo.open(2, 1);
    assert_eq!(pair.juliet.owed(ROMEOS).len(), 2, "still owed");
    assert_eq!(arrived(&pair.settle()), [Unsubscribe]);
    assert_eq!(pair.shown(), NOTHING);
}

#[test]
fn an_owner_that_was_replaced_neither_applies_nor_confirms() {
    let mut pair = friends();
    let old = pair.juliet.state.epoch();
    let change = pair
        .juliet
        .command("juliet", UserChange::OfflineTaken { up_to: 1 });
    pair.juliet_sends(Unsubscribe);
    let (number, item) = pair.juliet.owed(ROMEOS).remove(0);
    pair.juliet.open(2, 1);
    let (store, current) = (pair.juliet.store.clone(), pair.juliet.state.epoch());
    let at = muster_types::Timestamp(0);
    for command in [
        change,
        SlotCommand::Confirm {
            epoch: old,
            to: ROMEOS,
            number,
        },
        SlotCommand::Inbound {
            epoch: old,
            from: SlotId(9),
            number: 1,
            at,
            item: Some(item),
        },
    ] {
        let origin = if let SlotCommand::Change { origin, .. } = &command {
            Some(*origin)
        } else {
            None
        };
        assert_eq!(
            pair.juliet.apply(command),
            [SlotEvent::StaleEpoch { origin, current }]
        );
    }
    assert_eq!(pair.juliet.store, store);
}

#[test]
fn nothing_is_applied_before_the_first_owner() {
    let mut replica = Replica::closed();
    let epoch = Epoch::NONE;
    let events = replica.apply(SlotCommand::Confirm {
        epoch,
        to: ROMEOS,
        number: 1,
    });
    assert_eq!(
        events,
        [SlotEvent::StaleEpoch {
            origin: None,
            current: epoch
        }]
    );
}

#[test]
fn a_contact_without_a_slot_is_owed_nothing() {
    // The user's own side changes all the same. §3.1.2 of RFC 6121 wants an error for a contact that
    // does not exist, §8.5.1 silence: silence tells nobody which accounts there are.
    let mut home = Replica::opened();
    let stanza = presence(Subscribe, "juliet", "nobody");
    let contact = jid("nobody");
    let kind = Subscribe;
    home.change(
        "juliet",
        UserChange::Subscription {
            kind,
            contact,
            contact_slot: None,
            stanza,
        },
    );
    assert_eq!(
        home.item("juliet", "nobody").unwrap().subscription,
        Subscription::NonePendingOut
    );
    assert_eq!(home.state.outbox_slots().count(), 0);
    home.check_store();
}

#[test]
fn deliveries_come_before_pushes_and_replies_last() {
    // RFC 6121 §3.1.6: the stanza, then the roster push
    let mut pair = Pair::new();
    pair.juliet_sends(Subscribe);
    pair.settle();
    let sent = pair.romeo_sends(Subscribed);
    let [
        SlotEvent::RosterChanged { .. },
        SlotEvent::OutboxAdded { .. },
        SlotEvent::Done { .. },
    ] = &sent[..]
    else {
        panic!("{sent:?}")
    };
    let got = pair.settle();
    let [
        SlotEvent::SubscriptionArrived { .. },
        SlotEvent::RosterChanged { .. },
        SlotEvent::InboundApplied { .. },
    ] = &got[..]
    else {
        panic!("{got:?}")
    };
}
