//! What two slots owe each other when one of them begins anew from an older copy.

use crate::testing::{JULIETS, Pair, ROMEOS, Replica, arrived};
use crate::{SlotCommand, SlotEvent};
use muster_roster::SubscriptionStanza::{self, Subscribe, Unsubscribe};

fn copy(replica: &Replica) -> Replica {
    let mut copy = Replica::closed();
    copy.state = replica.state.clone();
    copy.store.clone_from(&replica.store);
    copy.index = replica.index;
    copy
}

/// Juliet's slot begins anew from the copy, and another node serves it.
fn begin_anew(pair: &mut Pair, from: Replica) {
    pair.juliet = from;
    pair.juliet.apply(SlotCommand::Anew);
    // Each time by a new process.
    pair.juliet.open(2, pair.juliet.index);
    pair.juliet.check_store();
}

fn arrive(pair: &mut Pair, wanted: &[SubscriptionStanza]) {
    let events = pair.settle();
    assert_eq!(arrived(&events), wanted);
    let gap = |event: &SlotEvent| matches!(event, SlotEvent::InboundGap { .. });
    assert!(!events.iter().any(gap), "{events:?}");
}

#[test]
fn what_a_new_log_owes_is_not_taken_for_what_the_old_one_sent() {
    let mut pair = Pair::new();
    let copy = copy(&pair.juliet);
    pair.juliet_sends(Subscribe);
    pair.juliet_sends(Unsubscribe);
    arrive(&mut pair, &[Subscribe, Unsubscribe]);
    // Both are lost where they were written, and numbered anew.
    begin_anew(&mut pair, copy);
    pair.juliet_sends(Subscribe);
    arrive(&mut pair, &[Subscribe]);
    pair.juliet_sends(Unsubscribe);
    arrive(&mut pair, &[Unsubscribe]);
}

#[test]
fn what_was_unconfirmed_is_sent_again_and_a_second_new_log_has_numbers_of_its_own() {
    let mut pair = Pair::new();
    for _ in 0..2 {
        pair.juliet_sends(Subscribe);
        let copy = copy(&pair.juliet);
        pair.juliet_sends(Unsubscribe);
        pair.settle();
        begin_anew(&mut pair, copy);
        assert_eq!(pair.juliet.owed(ROMEOS).len(), 1);
        arrive(&mut pair, &[Subscribe]);
        pair.juliet_sends(Unsubscribe);
        arrive(&mut pair, &[Unsubscribe]);
    }
    let last = pair.romeo.state.received(JULIETS);
    assert_eq!(last >> 40, 2);
}

#[test]
fn a_sender_goes_on_though_a_new_log_lacks_what_it_was_told_is_there() {
    let mut pair = Pair::new();
    pair.romeo_sends(Subscribe);
    pair.settle();
    let copy = copy(&pair.juliet);
    pair.romeo_sends(Unsubscribe);
    arrive(&mut pair, &[Unsubscribe]);
    begin_anew(&mut pair, copy);
    pair.romeo_sends(Subscribe);
    // The stanza itself changes nothing for who asks already: that it is applied is what counts.
    let events = pair.settle();
    let gap = |event: &SlotEvent| matches!(event, SlotEvent::InboundGap { .. });
    assert!(!events.iter().any(gap), "{events:?}");
    assert!(pair.romeo.owed(JULIETS).is_empty());
    // From then on a gap is one again.
    let events = pair.romeo_sends(Unsubscribe);
    let Some(SlotEvent::OutboxAdded { number, item, .. }) = events
        .into_iter()
        .find(|event| matches!(event, SlotEvent::OutboxAdded { .. }))
    else {
        panic!("nothing is owed")
    };
    let events = pair.juliet.inbound(ROMEOS, number + 1, &item);
    let expected = number;
    assert_eq!(
        events,
        [SlotEvent::InboundGap {
            from: ROMEOS,
            expected
        }]
    );
}
